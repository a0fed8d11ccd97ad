// Results as tables for people, in Markdown, which reads well on a terminal too.
import { markdownTable } from "markdown-table";
import { contestantOf, type Engine, type Group, groups, type Outcome } from "./contest.ts";
import { type Figure, type Machine, type Results, ratio, type Summary, type Time, timeOf } from "./results.ts";

const none = "–";

/** Three significant digits. */
const short = (n: number): string => (n >= 100 ? n.toFixed(0) : n.toPrecision(3));
const orNone = (n: number | undefined, text: (n: number) => string): string => (n === undefined ? none : text(n));
const seconds = (n: number): string => n.toFixed(2);
const milliseconds = (n: number): string => (n * 1000).toFixed(0);
const megabytes = (n: number): string => (n / 2 ** 20).toFixed(0);
const times = (n: number): string => n.toFixed(2);

/** The first column to the left, the others to the right. */
const table = (rows: readonly (readonly string[])[]): string =>
  markdownTable(rows, { align: ["l", ...(rows[0] ?? []).slice(1).map(() => "r")] });

const contestants = (engines: readonly Engine[]): string[] => [...engines.map(contestantOf), "qemu", "native"];

const timeNames: Readonly<Record<Time, string>> = {
  user: "CPU time in user mode",
  cpu: "CPU time",
  wall: "time by the clock",
};

/** Times and ratios of a group. */
export function timeTable(
  group: Group,
  outcomes: readonly Outcome[],
  engines: readonly Engine[],
  time = timeOf(group),
): string {
  const [unit, text] = group === "short" ? ["ms", milliseconds] : ["s", seconds];
  const head = [
    `${group}, ${unit}`,
    ...contestants(engines),
    ...engines.map((engine) => `${engine} / qemu`),
    ...engines.map((engine) => `${engine} / native`),
  ];
  const rows = outcomes.map((o) => [
    o.name,
    ...contestants(engines).map((who) => orNone(o.samples[who]?.[time], text)),
    ...engines.map((engine) => orNone(ratio(o, engine, "qemu", time), times)),
    ...engines.map((engine) => orNone(ratio(o, engine, "native", time), times)),
  ]);
  return table([head, ...rows]);
}

export function memoryTable(outcomes: readonly Outcome[], engines: readonly Engine[]): string {
  const rows = outcomes.map((o) => [
    o.name,
    ...contestants(engines).map((who) => orNone(o.samples[who]?.memory, megabytes)),
  ]);
  return table([["peak memory, MB", ...contestants(engines)], ...rows]);
}

export const summaryTable = (summaries: readonly Summary[]): string =>
  table([
    ["", "programs", "geometric mean", "worst", "of"],
    ...summaries.map((s) => [
      `${s.group}: ${s.engine} / ${s.to}`,
      String(s.contests),
      times(s.mean),
      times(s.worst),
      s.worstName,
    ]),
  ]);

/** Figures of one part: a row each, a column for each thing that has a value. */
export function figureTable(part: string, figures: readonly Figure[]): string {
  const columns = [...new Set(figures.flatMap((f) => Object.keys(f.values)))];
  const rows = figures.map((f) => [f.name, ...columns.map((c) => orNone(f.values[c], short)), f.unit]);
  return table([[part, ...columns, "unit"], ...rows]);
}

/** A sentence for each contestant that was left out of a contest. */
export const problemsOf = (o: Outcome): string[] =>
  Object.entries(o.problems).map(([who, what]) => (who === "skipped" ? `skipped: ${what}` : `${who} failed: ${what}`));

export const problemLines = (outcomes: readonly Outcome[]): string[] =>
  outcomes.flatMap((o) => problemsOf(o).map((problem) => `${o.name}: ${problem}`));

export const machineLine = (m: Machine): string =>
  `Bun ${m.bun}, ${m.qemu ?? "no qemu-riscv64"}; ${m.processors} x ${m.processor} (${m.architecture})`;

/** All tables of some results, with their titles. */
export function sections(r: Results): { readonly title: string; readonly text: string }[] {
  const found: { title: string; text: string }[] = [];
  for (const [group, title] of Object.entries(groups) as [Group, string][]) {
    const outcomes = r.outcomes.filter((o) => o.group === group);
    if (outcomes.length === 0) continue;
    const runs = Math.max(...outcomes.map((o) => o.rounds));
    for (const time of group === "short" ? (["wall", "cpu"] as const) : [timeOf(group)])
      found.push({
        title: `${title}: ${timeNames[time]}, medians of ${runs}`,
        text: timeTable(group, outcomes, r.engines, time),
      });
  }
  if (r.summaries.length > 0) found.push({ title: "ratios of times", text: summaryTable(r.summaries) });
  for (const part of new Set(r.figures.map((f) => f.part)))
    found.push({
      title: part,
      text: figureTable(
        part,
        r.figures.filter((f) => f.part === part),
      ),
    });
  if (r.outcomes.length > 0) found.push({ title: "peak memory", text: memoryTable(r.outcomes, r.engines) });
  return found;
}

/** The file results.md. */
export const document = (r: Results, charted: boolean): string =>
  [
    "# Measurements",
    `By \`bun run bench\` on ${r.date.slice(0, 10)}: ${machineLine(r.machine)}.`,
    ...(charted ? ["![Time of sabre over qemu-riscv64's](results.svg)"] : []),
    ...sections(r).flatMap(({ title, text }) => [`## ${title[0]!.toUpperCase()}${title.slice(1)}`, text]),
    "## The programs",
    r.outcomes.map((o) => `- ${o.name}: ${o.what}`).join("\n"),
    ...problemLines(r.outcomes).map((line) => `- ${line}`),
  ].join("\n\n") + "\n";
