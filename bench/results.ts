// What a run of the measurements found, as it is kept in results.json, and what can be said of it in a figure.
import { cpus } from "node:os";
import { contestantOf, type Engine, type Group, groups, type Outcome } from "./contest.ts";

export interface Machine {
  readonly bun: string;
  /** The first line of what it says of its version; undefined where it is not there. */
  readonly qemu: string | undefined;
  readonly processor: string;
  readonly processors: number;
  readonly architecture: string;
}

/** A figure of a part that is not a contest. */
export interface Figure {
  readonly part: string;
  readonly name: string;
  /** By column, such as an engine. */
  readonly values: Readonly<Record<string, number>>;
  readonly unit: string;
}

export interface Results {
  readonly date: string;
  readonly machine: Machine;
  readonly quick: boolean;
  readonly rounds: number;
  readonly engines: readonly Engine[];
  readonly outcomes: readonly Outcome[];
  readonly summaries: readonly Summary[];
  readonly figures: readonly Figure[];
}

/** Ratios of an engine's time to another contestant's over a group. */
export interface Summary {
  readonly group: Group;
  readonly engine: Engine;
  readonly to: "qemu" | "native";
  readonly contests: number;
  readonly mean: number;
  readonly worst: number;
  readonly worstName: string;
}

export function machine(): Machine {
  const qemu = Bun.which("qemu-riscv64");
  const version = qemu === null ? undefined : Bun.spawnSync([qemu, "--version"]).stdout.toString().split("\n")[0];
  return {
    bun: Bun.version,
    qemu: version,
    processor: cpus()[0]?.model ?? process.arch,
    processors: cpus().length,
    architecture: process.arch,
  };
}

/** What is measured of time: the CPU's in user mode, the CPU's in all, and the clock's from start to exit. */
export type Time = "user" | "cpu" | "wall";

/** The time that counts. */
export const timeOf = (group: Group): Time => (group === "short" ? "wall" : "user");

/** How often the time of `to` an engine took; undefined where one of both was not measured. */
export function ratio(o: Outcome, engine: Engine, to: "qemu" | "native", time = timeOf(o.group)): number | undefined {
  const [own, other] = [o.samples[contestantOf(engine)], o.samples[to]];
  return own && other && own[time] / other[time];
}

export function summarize(outcomes: readonly Outcome[], engines: readonly Engine[]): Summary[] {
  const summaries: Summary[] = [];
  for (const group of Object.keys(groups) as Group[])
    for (const engine of engines)
      for (const to of ["qemu", "native"] as const) {
        const ratios = outcomes
          .filter((o) => o.group === group)
          .map((o) => ({ name: o.name, ratio: ratio(o, engine, to) }))
          .filter((r): r is { name: string; ratio: number } => r.ratio !== undefined)
          .sort((a, b) => b.ratio - a.ratio);
        const worst = ratios[0];
        if (worst === undefined) continue;
        const mean = Math.exp(ratios.reduce((sum, r) => sum + Math.log(r.ratio), 0) / ratios.length);
        const [contests, worstName] = [ratios.length, worst.name];
        summaries.push({ group, engine, to, contests, mean, worst: worst.ratio, worstName });
      }
  return summaries;
}
