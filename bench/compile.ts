// Builds the programs that are measured, with the cross compiler and natively, into .cache/bench/, where they stay.
import { mkdirSync, renameSync, statSync } from "node:fs";
import { dirname, join } from "node:path";

/** The folder of all that the measurements make. */
export const cache = join(import.meta.dir, "../.cache/bench");

/** Commands that parts need, and the Debian packages that have them. */
export const tools = {
  gcc: "gcc",
  "g++": "g++",
  "riscv64-linux-gnu-gcc": "gcc-riscv64-linux-gnu libc6-dev-riscv64-cross",
  "riscv64-linux-gnu-g++": "g++-riscv64-linux-gnu",
  "qemu-riscv64": "qemu-user",
} as const;
export type Tool = keyof typeof tools;

export const isThere = (tool: Tool): boolean => Bun.which(tool) !== null;

/** What to say of a tool that is not there. */
export const missing = (tool: Tool): string => `needs ${tool} (on Debian: apt-get install ${tools[tool]})`;

const guests = join(import.meta.dir, "guest");
const compilerOf = (file: string): "gcc" | "g++" => (file.endsWith(".cc") ? "g++" : "gcc");

export const guestCompiler = (file: string): Tool => `riscv64-linux-gnu-${compilerOf(file)}`;
export const nativeCompiler = (file: string): Tool => compilerOf(file);

/** Builds a source of bench/guest/ for riscv64, statically linked; answers its path. Throws with the compiler's words. */
export const buildGuest = (file: string): string =>
  compile(guestCompiler(file), join(guests, file), "riscv64", "-static");

/** Builds the same for this machine. */
export const buildNative = (file: string): string => compile(nativeCompiler(file), join(guests, file), "native");

/** Builds the program that starts and measures others. */
export const buildLauncher = (): string => compile("gcc", join(import.meta.dir, "launcher.c"), "native");

const changed = (file: string): number => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;

function compile(compiler: Tool, source: string, folder: string, ...flags: string[]): string {
  const program = join(cache, folder, source.replace(/^.*\/|\.\w+$/g, ""));
  const newest = Math.max(changed(source), changed(join(guests, "bench.h")));
  if (changed(program) > newest) return program;
  mkdirSync(dirname(program), { recursive: true });
  // Several runs may build at once: each program appears complete.
  const unfinished = `${program}.${process.pid}`;
  const made = Bun.spawnSync([compiler, "-O2", "-Wall", "-o", unfinished, source, ...flags, "-lm"]);
  if (!made.success) throw new Error(`${compiler} ${source}: ${made.stderr}`);
  renameSync(unfinished, program);
  return program;
}
