// `bun run bench [--only NAME] [--quick]`: what this emulator costs on this machine, beside qemu-riscv64 where it is
// installed. A part that cannot be measured says why.
import { mkdtempSync, readFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { guest, inTurn, qemu, runOnce, sabre, type Tool, tools, unbuiltSabre } from "./measure.ts";

interface Part {
  readonly name: string;
  readonly what: string;
  readonly needs: readonly Tool[];
  readonly run: (quick: boolean) => string[] | Promise<string[]>;
}

const parts: readonly Part[] = [
  { name: "interpreter", what: "integer loop, interpreter only", needs: ["riscv64-linux-gnu-gcc"], run: interpreter },
  { name: "hello", what: "static hello, start to exit", needs: ["riscv64-linux-gnu-gcc", "qemu-riscv64"], run: hello },
  { name: "memory", what: "most memory held, static hello", needs: ["riscv64-linux-gnu-gcc"], run: memory },
];

const ms = (seconds: number): string => `${(seconds * 1000).toFixed(1)} ms`;

function interpreter(quick: boolean): string[] {
  const rounds = quick ? "1000000" : "10000000";
  const { stderr } = runOnce(sabre("--jit=off", "--stats=json", guest("loop"), rounds));
  const { instructions, mips } = JSON.parse(stderr.trim().split("\n").at(-1)!) as Record<string, number>;
  return [`${mips!.toFixed(1)} million instructions/s (${(instructions! / 1e6).toFixed(0)} million)`];
}

async function hello(quick: boolean): Promise<string[]> {
  const commands = {
    sabre: sabre(guest("hello")),
    "sabre without its build": unbuiltSabre(guest("hello")),
    "qemu-riscv64": qemu(guest("hello")),
  };
  const samples = inTurn(quick ? 5 : 20, ...Object.values(commands));
  const byHyperfine = Bun.which("hyperfine") ? hyperfine(quick, Object.values(commands)) : [];
  return Object.keys(commands).map((name, i) => {
    const { wall, cpu } = samples[i]!;
    const more = byHyperfine[i] === undefined ? "" : `; by hyperfine ${byHyperfine[i]}`;
    return `${name}: ${ms(wall)}, CPU ${ms(cpu)}${more}`;
  });
}

/** The mean and deviation of commands by hyperfine. */
function hyperfine(quick: boolean, commands: readonly string[][]): string[] {
  const file = join(mkdtempSync(join(tmpdir(), "sabre-bench-")), "result.json");
  const runs = `--runs=${quick ? 10 : 40}`;
  runOnce(["hyperfine", "-N", "--warmup=3", runs, `--export-json=${file}`, ...commands.map((c) => c.join(" "))]);
  const { results } = JSON.parse(readFileSync(file, "utf8")) as { results: { mean: number; stddev: number }[] };
  return results.map((r) => `${ms(r.mean)} ± ${ms(r.stddev)}`);
}

function memory(): string[] {
  const { memory } = runOnce(sabre(guest("hello")));
  return [`${(memory / 2 ** 20).toFixed(0)} MB`];
}

/** What was asked for. The command's own name stands first where `sabre bench` led here. */
function understand() {
  const words = process.argv.slice(process.argv[2] === "bench" ? 3 : 2);
  try {
    return parseArgs({
      args: words,
      options: { only: { type: "string" }, quick: { type: "boolean", default: false } },
    }).values;
  } catch (e) {
    console.error(`bench: ${(e as Error).message}`);
    return process.exit(2);
  }
}

const values = understand();
const chosen = parts.filter((part) => values.only === undefined || part.name === values.only);
if (chosen.length === 0) {
  console.error(`--only takes one of ${parts.map((part) => part.name).join(", ")}, not ${values.only}`);
  process.exit(2);
}
console.log(`Bun ${Bun.version}, ${cpus().length} x ${cpus()[0]?.model ?? process.arch}`);
for (const part of chosen) {
  const missing = part.needs.filter((tool) => Bun.which(tool) === null);
  const lines =
    missing.length === 0
      ? await part.run(values.quick)
      : missing.map((tool) => `skipped: needs ${tool} (on Debian: apt-get install ${tools[tool]})`);
  console.log(lines.map((line, i) => (i === 0 ? part.what : "").padEnd(34) + line).join("\n"));
}
