// `bun run bench`: what sabre costs on this machine, beside qemu-riscv64 and the machine itself. Prints tables, and writes
// them with a JSON file and a chart into a folder. A part that cannot be measured says why; a wrong result fails.
import { mkdirSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { chart } from "./chart.ts";
import { isThere, missing } from "./compile.ts";
import { type Contest, contestantOf, groups, hold, type Outcome } from "./contest.ts";
import { debuggers } from "./debug.ts";
import { guestOperations } from "./kernels.ts";
import { askingLinux } from "./linux.ts";
import { macro, warm } from "./macro.ts";
import { emulatorParts } from "./micro/parts.ts";
import { type Options, understand } from "./options.ts";
import { milestone, progress } from "./progress.ts";
import { realPrograms } from "./real.ts";
import { type Figure, machine, type Results, ratio, summarize, timeOf } from "./results.ts";
import { shortPrograms } from "./short.ts";
import { startUp } from "./startup.ts";
import { document, machineLine, problemLines, problemsOf, sections } from "./tables.ts";

const contests: readonly Contest[] = [...macro, ...warm, ...realPrograms, ...shortPrograms];

/** Parts that are no contest. */
const parts: readonly {
  readonly name: string;
  readonly run: (o: Options, progress: (what: string) => void) => Promise<Figure[]>;
}[] = [
  { name: "startup", run: startUp },
  { name: "operations", run: guestOperations },
  { name: "linux", run: askingLinux },
  { name: "debug", run: debuggers },
  { name: "micro", run: emulatorParts },
];

function lineOf(o: Outcome, { engines }: Options): string {
  const times = Object.entries(o.samples).map(([who, s]) => `${who} ${s[timeOf(o.group)].toFixed(3)} s`);
  const ratios = engines.flatMap((engine) => {
    const r = ratio(o, engine, "qemu");
    return r === undefined ? [] : [`${engine}/qemu ${r.toFixed(2)}`];
  });
  return [o.name.padEnd(14), ...times, ...ratios, ...problemsOf(o)].join("  ");
}

async function measure(o: Options): Promise<Results> {
  const wanted = (name: string, group: string) =>
    o.only.length === 0 || o.only.includes(name) || o.only.includes(group);
  const held = contests.filter(
    ({ name, group, engines }) => wanted(name, group) && (engines?.some((e) => o.engines.includes(e)) ?? true),
  );
  const others = parts.filter(({ name }) => wanted(name, name));
  const count = held.length + others.length;
  if (!isThere("qemu-riscv64")) milestone(`no comparison with qemu-riscv64: ${missing("qemu-riscv64")}`);
  const outcomes: Outcome[] = [];
  for (const [i, contest] of held.entries()) {
    outcomes.push(await hold(contest, { ...o, progress: (what) => progress(i + 1, count, what) }));
    milestone(lineOf(outcomes.at(-1)!, o));
  }
  const figures: Figure[] = [];
  for (const [i, part] of others.entries()) {
    try {
      const found = await part.run(o, (what) => progress(held.length + i + 1, count, `${part.name}: ${what}`));
      figures.push(...found);
      milestone(found.length > 0 ? `${part.name}: done` : `${part.name}: skipped, ${missing("riscv64-linux-gnu-gcc")}`);
    } catch (e) {
      // What was measured before is kept.
      milestone(`${part.name}: failed: ${(e as Error).message}`);
      process.exitCode = 1;
    }
  }
  const { quick, rounds, engines } = o;
  const date = new Date().toISOString();
  return {
    date,
    machine: machine(),
    quick,
    rounds,
    engines,
    outcomes,
    summaries: summarize(outcomes, engines),
    figures,
  };
}

/** Writes the files, and answers their folder. */
async function keep(r: Results, folder: string): Promise<string> {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "results.json"), `${JSON.stringify(r, undefined, 2)}\n`);
  const svg = await chart(r);
  if (svg !== undefined) writeFileSync(join(folder, "results.svg"), svg);
  writeFileSync(join(folder, "results.md"), document(r, svg !== undefined));
  return relative(process.cwd(), folder) || ".";
}

// The command's own name stands first where `sabre bench` led here.
const words = process.argv.slice(process.argv[2] === "bench" ? 3 : 2);
const names = [...Object.keys(groups), ...parts.map(({ name }) => name), ...contests.map(({ name }) => name)];
const options = understand(words, names);
const results = await measure(options);
console.log(machineLine(results.machine));
for (const { title, text } of sections(results)) console.log(`\n${title}\n\n${text}`);
console.log(`\nwritten to ${await keep(results, options.out)}`);
const lost = results.outcomes.filter((o) => options.engines.some((e) => o.problems[contestantOf(e)] !== undefined));
for (const line of problemLines(lost)) console.error(`bench: ${line}`);
process.exit(lost.length === 0 ? process.exitCode : 1);
