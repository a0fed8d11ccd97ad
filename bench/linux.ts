// What programs ask of Linux and of each other costs: system calls, threads and processes that take turns, lock, come and go. Each is the
// difference by the clock between a run that does it very often and one that does it a tenth as often, shared out; sabre,
// qemu-riscv64 and the machine itself in turn.
import { buildGuest, buildNative, isThere } from "./compile.ts";
import { contestantOf } from "./contest.ts";
import { median, qemu, runOnce, sabre } from "./measure.ts";
import type { Options } from "./options.ts";
import type { Figure } from "./results.ts";

interface Task {
  /** As bench/guest/linux.c calls it. */
  readonly name: string;
  readonly what: string;
  /** How often, in a run that is not quick. */
  readonly times: number;
  /** Of qemu's time, at most. */
  readonly goal?: number;
}

const task = (name: string, what: string, times: number, goal?: number): Task => ({
  ...{ name, what, times },
  ...(goal !== undefined && { goal }),
});

const tasks: readonly Task[] = [
  task("getpid", "getpid", 2_000_000, 1),
  task("read", "pread of 4 KiB", 1_000_000, 1.5),
  task("write", "pwrite of 4 KiB", 1_000_000, 1.5),
  task("pipe-threads", "two threads, a byte there and back by pipes", 100_000, 2),
  task("pipe-processes", "two processes, a byte there and back by pipes", 100_000, 2),
  task("uncontended", "mutex that nobody else wants", 40_000_000, 1),
  task("contended", "mutex that two threads want", 4_000_000, 2),
  task("condition", "two threads, there and back by a condition variable", 100_000, 2),
  task("create", "thread that comes and goes", 3_000, 10),
  task("execute", "process that comes, executes a program, and goes", 60, 10),
];

/** Rounds of a thousand steps each, of each thread: a tenth of them, which is left out, is more than compiling takes. */
const computing = 1_500_000;
/** Two threads on two processors to one. */
const speedUpGoal = 1.9;

interface Contestant {
  readonly name: string;
  readonly command: (what: string, times: number) => string[];
}

/** The reference comes first. */
function contestantsOf(o: Options): Contestant[] {
  const [guest, native] = [buildGuest("linux.c"), isThere("gcc") ? buildNative("linux.c") : undefined];
  const emulator = Bun.which("qemu-riscv64");
  // What a new process executes: the same program, which does nothing. The host's kernel may not know by itself whom to ask for that.
  const words = (what: string, times: number, ...of: string[]) => [what, String(times), ...of, "nothing", "0"];
  return [
    ...(emulator === null ? [] : [{ name: "qemu", command: inQemu(emulator, guest) }]),
    ...o.engines.map((engine) => ({
      name: contestantOf(engine),
      command: (what: string, times: number) => sabre("--jit", engine, guest, ...words(what, times, guest)),
    })),
    ...(native === undefined
      ? []
      : [{ name: "native", command: (what: string, times: number) => [native, ...words(what, times, native)] }]),
  ];
}

const inQemu =
  (emulator: string, guest: string) =>
  (what: string, times: number): string[] =>
    qemu(guest, what, String(times), emulator, guest, "nothing", "0");

/** Seconds by the clock for each time, one sample of each contestant a round. What only the beginning takes is left out: starting, compiling, making workers. */
function samplesOf(contestants: readonly Contestant[], what: string, times: number, rounds: number): number[][] {
  const few = Math.ceil(times / 10);
  const samples: number[][] = contestants.map(() => []);
  for (let round = 0; round < rounds; round++)
    for (const [i, { command }] of contestants.entries()) {
      const begun = runOnce(command(what, few)).wall;
      samples[i]!.push((runOnce(command(what, times)).wall - begun) / (times - few));
    }
  return samples;
}

/** Values by contestant, and those of the engines over the reference. */
function withRatios(contestants: readonly Contestant[], values: readonly number[], o: Options): Record<string, number> {
  const found = Object.fromEntries(contestants.map(({ name }, i) => [name, values[i]!]));
  const { qemu: reference } = found;
  if (reference !== undefined)
    for (const engine of o.engines) found[`${contestantOf(engine)} / qemu`] = found[contestantOf(engine)]! / reference;
  return found;
}

export async function askingLinux(o: Options, progress: (what: string) => void): Promise<Figure[]> {
  if (!isThere("riscv64-linux-gnu-gcc")) return [];
  const contestants = contestantsOf(o);
  const part = "asking Linux";
  const figures = tasks.map(({ name, what, times, goal }): Figure => {
    progress(what);
    const count = o.quick ? Math.ceil(times / 10) : times;
    const samples = samplesOf(contestants, name, count, o.rounds);
    // What is cheaper than the noise of two runs comes out below nothing.
    const costs = samples.map((of) => Math.max(0, median(of) * 1e9));
    const values = withRatios(contestants, costs, o);
    return { part, name: what, values: goal === undefined ? values : { ...values, goal }, unit: "ns" };
  });
  progress("computing in two threads");
  const rounds = o.quick ? computing / 10 : computing;
  const [one, two] = ["one", "two"].map((name) => samplesOf(contestants, name, rounds, o.rounds).map(median));
  const faster = Object.fromEntries(contestants.map(({ name }, i) => [name, one![i]! / two![i]!]));
  figures.push({ part, name: "two threads' speed to one's", values: { ...faster, goal: speedUpGoal }, unit: "times" });
  return figures;
}
