// A contest: one program run by sabre, by qemu-riscv64 and natively, in turn, so that all see the same machine. All must
// print the same.
import { isThere, missing, type Tool } from "./compile.ts";
import { difference, medians, qemu, type Run, runOnce, type Sample, sabre } from "./measure.ts";

export const groups = {
  macro: "programs of our own, compiled by gcc -O2",
  warm: "the same after warm-up, the difference of two runs",
  real: "programs of Debian",
  short: "short programs, from start to exit",
} as const;
export type Group = keyof typeof groups;

export const engines = ["off", "js", "wasm", "auto"] as const;
export type Engine = (typeof engines)[number];

export interface Contest {
  readonly name: string;
  readonly group: Group;
  readonly what: string;
  readonly needs: readonly Tool[];
  /** Of those that were chosen, which take part; all where it is left out. */
  readonly engines?: readonly Engine[];
  readonly prepare: (quick: boolean) => Prepared | Promise<Prepared>;
}

export interface Prepared {
  /** What stands behind `sabre run` or `qemu-riscv64`: options, program, arguments. */
  readonly guest: readonly string[];
  /** The same for a run that does less, which is made too and does not count: what it took is taken off. */
  readonly less?: readonly string[];
  /** The command that does the same without an emulator, where there is one. */
  readonly native: readonly string[] | undefined;
  /** Whether the native program is the same source, which must print the same. */
  readonly sameSource: boolean;
}

/** The medians of each contestant that got through, and what is to be said of the others. */
export interface Outcome {
  readonly name: string;
  readonly group: Group;
  readonly what: string;
  readonly rounds: number;
  readonly samples: Readonly<Record<string, Sample>>;
  readonly problems: Readonly<Record<string, string>>;
}

export const contestantOf = (engine: Engine): string => `sabre ${engine}`;

/** Runs of a few milliseconds vary more. */
const roundsOf = (group: Group, rounds: number): number => (group === "short" ? 3 * rounds : rounds);

/** How a contest is held. `progress` hears of each run before it begins. */
export interface Terms {
  readonly engines: readonly Engine[];
  readonly rounds: number;
  readonly quick: boolean;
  readonly progress: (what: string) => void;
}

/** What runs of the same program have in common on every machine: lines of exact floating-point results are not. */
const commonOutput = (run: Run): string => run.stdout.toString("latin1").replace(/^bits .*\n/gm, "");
const exactOutput = (run: Run): string => run.stdout.toString("latin1");

export async function hold(contest: Contest, terms: Terms): Promise<Outcome> {
  const { name, group, what } = contest;
  const skipped = (why: string): Outcome => ({ name, group, what, rounds: 0, samples: {}, problems: { skipped: why } });
  const lacking = contest.needs.filter((tool) => !isThere(tool));
  if (lacking.length > 0) return skipped(lacking.map(missing).join(", "));
  terms.progress(`${name}: preparing`);
  let prepared: Prepared;
  try {
    prepared = await contest.prepare(terms.quick);
  } catch (e) {
    return skipped((e as Error).message);
  }
  const commands = commandsOf(
    prepared,
    terms.engines.filter((engine) => contest.engines?.includes(engine) ?? true),
  );
  const rounds = roundsOf(group, terms.rounds);
  return { name, group, what, rounds, ...takeTurns(name, commands, prepared.sameSource, { ...terms, rounds }) };
}

interface Command {
  readonly words: readonly string[];
  /** What it does as well, and does not count. */
  readonly less: readonly string[] | undefined;
}

/** The reference comes first: what the others print is compared with what it printed. */
function commandsOf({ guest, less, native }: Prepared, chosen: readonly Engine[]): Map<string, Command> {
  const by = (emulator: (...words: string[]) => string[]): Command => ({
    words: emulator(...guest),
    less: less && emulator(...less),
  });
  return new Map([
    ...(isThere("qemu-riscv64") ? [["qemu", by(qemu)] as const] : []),
    ...chosen.map((engine) => [contestantOf(engine), by((...words) => sabre("--jit", engine, ...words))] as const),
    ...(native === undefined ? [] : [["native", { words: native, less: undefined }] as const]),
  ]);
}

/** Runs a command, and the one that is taken off it before. */
function measured({ words, less }: Command): Run {
  const before = less && runOnce(less);
  const run = runOnce(words);
  if (before === undefined) return run;
  const more = { ...run, ...difference(run, before) };
  if (more.user <= 0 || more.wall <= 0) throw new Error("what more of it takes is less than two runs differ by");
  return more;
}

function takeTurns(name: string, commands: Map<string, Command>, sameSource: boolean, terms: Terms) {
  const runs = new Map<string, Run[]>([...commands.keys()].map((who) => [who, []]));
  const problems: Record<string, string> = {};
  let reference: Run | undefined;
  const differs = (who: string, run: Run): boolean => {
    reference ??= run;
    if (who !== "native") return exactOutput(run) !== exactOutput(reference);
    return sameSource && commonOutput(run) !== commonOutput(reference);
  };
  for (let round = 1; round <= terms.rounds; round++)
    for (const [who, command] of commands) {
      if (problems[who] !== undefined) continue;
      terms.progress(`${name}: round ${round} of ${terms.rounds}, ${who}`);
      try {
        const run = measured(command);
        if (differs(who, run)) problems[who] = `printed something else: ${exactOutput(run).slice(0, 200)}`;
        runs.get(who)!.push(run);
      } catch (e) {
        problems[who] = (e as Error).message;
      }
    }
  const samples: Record<string, Sample> = {};
  for (const [who, of] of runs) if (problems[who] === undefined) samples[who] = medians(of);
  return { samples, problems };
}
