// What a debugger costs the program that it debugs, and what it waits for itself: `bun run bench --only debug`. A run under the
// debugger and one at full speed take turns; times of a program are those of the processor that it says, its first round left out, those of
// packets by ours, over TCP on this machine.
import { symbolOf } from "../test/gdb/client.ts";
import { buildGuest, isThere } from "./compile.ts";
import { contestantOf } from "./contest.ts";
import { type Debugger, debugging, freePort } from "./debugger.ts";
import { median, qemu, runOnce, sabre } from "./measure.ts";
import type { Options } from "./options.ts";
import type { Figure } from "./results.ts";

const part = "under a debugger";

const hex = (n: number): string => n.toString(16);
/** Nanoseconds that a part of the guest says it took: of the processor, and by the clock. */
function timesIn(output: string): readonly [number, number] {
  const [, used, took] = /^(\d+) (\d+) [0-9a-f]{16}$/m.exec(output) ?? [];
  return [Number(used), Number(took)];
}
const timeIn = (output: string): number => timesIn(output)[0];

interface Setting {
  readonly o: Options;
  readonly program: string;
  /** Words of `sabre run`. */
  readonly engine: string;
  readonly progress: (what: string) => void;
}

const symbol = ({ program }: Setting, name: string): number => symbolOf(program, name);
const under = ({ program, engine }: Setting, port: number, ...words: string[]): string[] =>
  sabre("--jit", engine, "-g", String(port), program, ...words);

/** Runs a part under a debugger that has set something up. */
async function debuggedTime(command: (port: number) => string[], setUp: (d: Debugger) => void): Promise<number> {
  const port = freePort();
  return debugging(command(port), port, async (d) => {
    setUp(d);
    return timeIn(await d.finish());
  });
}

/** Times of ways to run a part that take turns, their medians. */
async function inTurn(rounds: number, ways: readonly (() => Promise<number>)[]): Promise<number[]> {
  const samples = ways.map(() => [] as number[]);
  for (let round = 0; round < rounds; round++) for (const [i, way] of ways.entries()) samples[i]!.push(await way());
  return samples.map(median);
}

function expectOk(reply: string): void {
  if (reply !== "OK") throw new Error(`not OK but ${reply}`);
}

/** 100 breakpoints where the program does not come, in the page where it is. */
function hundred(s: Setting, d: Debugger): void {
  const first = symbol(s, "never");
  for (let i = 0; i < 100; i++) expectOk(d.ask(`Z0,${hex(first + 4 * i)},2`));
}

const times = (s: Setting, usual: number): string => String(s.o.quick ? Math.ceil(usual / 8) : usual);

async function breakpoints(s: Setting): Promise<Figure> {
  s.progress("100 breakpoints");
  const words = ["mix", times(s, 400_000_000)];
  const [full, attached] = await inTurn(s.o.rounds, [
    async () => timeIn(runOnce(sabre("--jit", s.engine, s.program, ...words)).stdout.toString()),
    () =>
      debuggedTime(
        (port) => under(s, port, ...words),
        (d) => hundred(s, d),
      ),
  ]);
  const values: Record<string, number> = { [contestantOf(s.engine as "auto")]: full! / attached!, goal: 0.97 };
  if (isThere("qemu-riscv64")) {
    const few = ["mix", times(s, 1_000_000)];
    const [free, stuck] = await inTurn(s.o.rounds, [
      async () => timeIn(runOnce(qemu(s.program, ...few)).stdout.toString()),
      () =>
        debuggedTime(
          (port) => qemu("-g", String(port), s.program, ...few),
          (d) => hundred(s, d),
        ),
    ]);
    values["qemu"] = free! / stuck!;
  }
  return { part, name: "speed with 100 breakpoints in the page", values, unit: "of full speed" };
}

/** `n == -1`, with n in a0, as a debugger compiles it: reg 10, const8 -1, ext 8, equal, end. */
const isMinusOne = "26000a22ff16081327";

async function condition(s: Setting): Promise<Figure> {
  s.progress("a condition");
  const n = times(s, 20_000_000);
  const place = symbol(s, "work");
  const [full, checked] = await inTurn(s.o.rounds, [
    async () => timeIn(runOnce(sabre("--jit", s.engine, s.program, "hits", n)).stdout.toString()),
    () =>
      debuggedTime(
        (port) => under(s, port, "hits", n),
        (d) => expectOk(d.ask(`Z0,${hex(place)},2;X${hex(isMinusOne.length / 2)},${isMinusOne}`)),
      ),
  ]);
  const values: Record<string, number> = { [contestantOf(s.engine as "auto")]: (checked! - full!) / Number(n) / 1000 };
  const gdb = Bun.which("gdb-multiarch");
  if (gdb !== null) {
    s.progress("a condition, evaluated by gdb");
    const few = s.o.quick ? "400" : "2000";
    values["gdb"] = (await byGdb(s, gdb, place, few)) / Number(few) / 1000;
  }
  return { part, name: "breakpoint's condition that is false", values: { ...values, goal: 0.3 }, unit: "us" };
}

/** The same condition, for which gdb has the program stop each time. */
async function byGdb(s: Setting, gdb: string, place: number, times: string): Promise<number> {
  const port = freePort();
  const commands = [
    "set breakpoint condition-evaluation host",
    `target remote :${port}`,
    `break *0x${hex(place)} if $a0 == -1`,
    "continue",
  ];
  const stub = Bun.spawn(under(s, port, "hits", times), { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  try {
    await stub.stderr.getReader().read();
    const words = ["-nx", "-batch", ...commands.flatMap((c) => ["-ex", c]), s.program];
    const debuggerRun = Bun.spawn([gdb, ...words], { stdin: "ignore", stdout: "ignore", stderr: "ignore" });
    const output = await new Response(stub.stdout).text();
    debuggerRun.kill("SIGKILL");
    await debuggerRun.exited;
    return timesIn(output)[1];
  } finally {
    stub.kill("SIGKILL");
    await stub.exited;
  }
}

async function watchpoint(
  s: Setting,
  name: string,
  words: readonly [string, number],
  watched: number,
  goal: number,
): Promise<Figure> {
  s.progress(name);
  const run = [words[0], times(s, words[1])];
  const [full, slow] = await inTurn(s.o.rounds, [
    async () => timeIn(runOnce(sabre("--jit", s.engine, s.program, ...run)).stdout.toString()),
    () =>
      debuggedTime(
        (port) => under(s, port, ...run),
        (d) => expectOk(d.ask(`Z2,${hex(watched)},8`)),
      ),
  ]);
  const value = goal < 1 ? full! / slow! : slow! / full!;
  const unit = goal < 1 ? "of full speed" : "times as long";
  return { part, name, values: { [contestantOf(s.engine as "auto")]: value, goal }, unit };
}

async function watchpoints(s: Setting): Promise<Figure[]> {
  const [hot, cold, fields] = ["hot", "cold", "fields"].map((name) => symbol(s, name));
  const stores = ["stores", 200_000_000] as const;
  return [
    await watchpoint(s, "write watchpoint in an array's page", stores, hot!, 4),
    await watchpoint(s, "write watchpoint among members", ["members", 200_000_000], fields! + 32, 4),
    await watchpoint(s, "write watchpoint where nobody writes", stores, cold!, 0.9),
  ];
}

async function steps(s: Setting): Promise<Figure> {
  s.progress("steps");
  const port = freePort();
  const count = s.o.quick ? 5_000 : 40_000;
  const rate = await debugging(under(s, port, "lines", "1000000"), port, async (d) => {
    // Before it counts: the engine compiles what both sides do.
    for (let i = 0; i < 10_000; i++) d.ask("vCont;s");
    const begun = performance.now();
    for (let i = 0; i < count; i++) d.ask("vCont;s");
    return count / (performance.now() - begun);
  });
  return {
    part,
    name: "single steps",
    values: { [contestantOf(s.engine as "auto")]: rate, goal: 20 },
    unit: "thousand/s",
  };
}

/** A line that loops, stepped through at once, against the same up to a breakpoint behind it. */
async function ranges(s: Setting): Promise<Figure> {
  s.progress("a range");
  const port = freePort();
  const value = await debugging(under(s, port, "lines", times(s, 200_000_000)), port, async (d) => {
    const [from, to] = rangeOf(s.program, "line");
    expectOk(d.ask(`Z0,${hex(from)},2`));
    const samples: number[][] = [[], []];
    for (let round = 0; round <= 2 * s.o.rounds; round++) {
      d.ask("vCont;c");
      const back = Number(Buffer.from(d.ask("p1"), "hex").readBigUInt64LE());
      const begun = performance.now();
      if (round % 2 === 0) {
        expectOk(d.ask(`Z0,${hex(back)},2`));
        d.ask("vCont;c");
        expectOk(d.ask(`z0,${hex(back)},2`));
      } else d.ask(`vCont;r${hex(from)},${hex(to)}:-1`);
      const took = performance.now() - begun;
      const pc = Number(Buffer.from(d.ask("p20"), "hex").readBigUInt64LE());
      if (pc !== back) throw new Error(`the step ended at ${hex(pc)}`);
      if (round > 0) samples[round % 2]!.push(took);
    }
    return median(samples[0]!) / median(samples[1]!);
  });
  return {
    part,
    name: "step through a line that loops",
    values: { [contestantOf(s.engine as "auto")]: value },
    unit: "of full speed",
  };
}

/** The addresses of a function. */
function rangeOf(program: string, name: string): readonly [number, number] {
  const table = Bun.spawnSync(["riscv64-linux-gnu-nm", "-S", program]).stdout.toString();
  const words = table
    .split("\n")
    .find((l) => l.endsWith(` ${name}`))!
    .split(" ");
  const [from, length] = words.map((word) => Number.parseInt(word, 16));
  return [from!, from! + length!];
}

/** Threads that run on while breakpoints come and go. */
async function insertions(s: Setting): Promise<Figure[]> {
  s.progress("insertions");
  const port = freePort();
  const [never, mix] = [symbol(s, "never"), symbol(s, "mix")];
  return debugging(under(s, port, "threads", "16"), port, async (d) => {
    d.ask("QNonStop:1");
    expectOk(d.ask("vCont;c"));
    await Bun.sleep(s.o.quick ? 1000 : 3000);
    const time = (packet: string): number => {
      const begun = performance.now();
      expectOk(d.ask(packet));
      return performance.now() - begun;
    };
    const figures = [];
    for (const [what, address, more] of [
      ["where nothing runs", never, ""],
      // What is to be tested is never true, so that all run on.
      ["in the loop of all", mix + 2, `;X${hex(isMinusOne.length / 2)},${isMinusOne}`],
    ] as const) {
      const [inserted, removed]: [number[], number[]] = [[], []];
      for (let i = 0; i < (s.o.quick ? 10 : 40); i++) {
        inserted.push(time(`Z0,${hex(address)},2${more}`));
        removed.push(time(`z0,${hex(address)},2`));
        await Bun.sleep(20);
      }
      const values = {
        [contestantOf(s.engine as "auto")]: median([...inserted, ...removed]),
        longest: Math.max(...inserted, ...removed),
        goal: 2,
      };
      figures.push({ part, name: `insertion or removal, 16 threads run, ${what}`, values, unit: "ms" });
    }
    return figures;
  });
}

export async function debuggers(o: Options, progress: (what: string) => void): Promise<Figure[]> {
  if (!isThere("riscv64-linux-gnu-gcc")) return [];
  const program = buildGuest("debug.c");
  const figures: Figure[] = [];
  for (const engine of o.engines) {
    const s: Setting = { o, program, engine, progress };
    for (const measure of [breakpoints, condition, watchpoints, steps, ranges, insertions])
      figures.push(...[await measure(s)].flat());
  }
  return figures;
}
