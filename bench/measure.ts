// Times of commands, taken in turn so that both see the same machine.
import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dir, "..");
const cache = join(root, ".cache/bench");

/** Commands that parts need, and the Debian packages that have them. */
export const tools = {
  "riscv64-linux-gnu-gcc": "gcc-riscv64-linux-gnu libc6-dev-riscv64-cross",
  "qemu-riscv64": "qemu-user",
} as const;
export type Tool = keyof typeof tools;

/** Builds a C program of bench/guest/, statically linked, and answers its path. Throws with the compiler's words. */
export function guest(name: string): string {
  const compiler: Tool = "riscv64-linux-gnu-gcc";
  const [source, program] = [join(import.meta.dir, "guest", `${name}.c`), join(cache, name)];
  const time = (file: string) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (time(program) > time(source)) return program;
  mkdirSync(cache, { recursive: true });
  const made = Bun.spawnSync([compiler, "-O2", "-static", "-o", program, source]);
  if (!made.success) throw new Error(`${compiler} ${source}: ${made.stderr}`);
  return program;
}

let built = false;

/** The command that runs a guest here, as installed: with the file that `build` makes, which is brought up to date. */
export function sabre(...words: string[]): string[] {
  // In a process of its own: the memory that this one holds would count as that of the commands that it starts.
  if (!built) runOnce([process.execPath, join(root, "build.ts")]);
  built = true;
  return [process.execPath, join(root, "src/main.ts"), "run", ...words];
}

/** The command that runs a guest from the sources as they are. */
export const unbuiltSabre = (...words: string[]): string[] => [
  process.execPath,
  join(import.meta.dir, "unbuilt.ts"),
  "run",
  ...words,
];

/** The command that runs a guest in qemu. */
export const qemu = (...words: string[]): string[] => ["qemu-riscv64", ...words];

export interface Sample {
  /** Seconds from start to exit; seconds of the CPU in user mode and in all; the most memory held, in bytes. */
  readonly wall: number;
  readonly user: number;
  readonly cpu: number;
  readonly memory: number;
}

interface Run extends Sample {
  readonly stderr: string;
}

/** Runs a command once. Throws where it fails. */
export function runOnce(command: readonly string[]): Run {
  const began = performance.now();
  const child = Bun.spawnSync([...command], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const wall = (performance.now() - began) / 1000;
  if (!child.success) throw new Error(`${command.join(" ")} failed:\n${child.stderr}`);
  const { cpuTime, maxRSS } = child.resourceUsage;
  return {
    wall,
    user: Number(cpuTime.user) / 1e6,
    cpu: Number(cpuTime.total) / 1e6,
    memory: maxRSS,
    stderr: child.stderr.toString(),
  };
}

/** Runs commands in turn, `times` each after one that does not count, and answers their medians. */
export function inTurn(times: number, ...commands: (readonly string[])[]): Sample[] {
  const samples: Sample[][] = commands.map(() => []);
  for (let round = 0; round <= times; round++)
    commands.forEach((command, i) => {
      const sample = runOnce(command);
      if (round > 0) samples[i]!.push(sample);
    });
  const median = (of: Sample[], part: keyof Sample) => of.map((s) => s[part]).sort((a, b) => a - b)[of.length >> 1]!;
  return samples.map((s) => ({
    wall: median(s, "wall"),
    user: median(s, "user"),
    cpu: median(s, "cpu"),
    memory: median(s, "memory"),
  }));
}
