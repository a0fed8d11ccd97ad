// Builds the guest programs of test/guest/ with the cross compiler, once for each content, into .cache/guest/.
import { mkdirSync, readFileSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";

const here = import.meta.dir;
const cache = join(here, "../../.cache/guest");

/** How a guest program is linked. */
const flavours = {
  static: ["-static"],
  "static-pie": ["-static-pie", "-fPIE"],
  dynamic: [],
  /** Without a C library: the program brings `_start`. */
  freestanding: [
    ...["-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector", "-fno-builtin"],
    ...["-msmall-data-limit=0", "-mno-relax"],
  ],
} as const;
export type Flavour = keyof typeof flavours;

/** The cross compiler's root, for `-L` with dynamic programs. */
export const crossSysroot = "/usr/riscv64-linux-gnu";

const compilerOf = (file: string): string => (file.endsWith(".cc") ? "g++" : "gcc");

/** Builds a C, C++ or assembly file of test/guest/, answers the program's path. Throws the compiler's words on failure. */
export function buildGuest(file: string, flavour: Flavour = "static", ...more: string[]): string {
  return compile(`riscv64-linux-gnu-${compilerOf(file)}`, join(here, "../guest", file), [
    ...flavours[flavour],
    ...more,
  ]);
}

/** Builds the same source for this machine, so that a test program is itself proved on real Linux. */
export function buildNative(file: string, ...more: string[]): string {
  return compile(compilerOf(file), join(here, "../guest", file), more);
}

function compile(compiler: string, source: string, flags: readonly string[]): string {
  const headers = [...new Bun.Glob("*.h").scanSync(dirname(source))].sort();
  const key = Bun.hash(
    [
      compiler,
      ...flags,
      readFileSync(source, "utf8"),
      ...headers.map((h) => readFileSync(join(dirname(source), h))),
    ].join("\0"),
  ).toString(36);
  const path = join(cache, `${source.replace(/^.*\//, "").replace(/\W/g, "_")}-${key}`);
  if (Bun.file(path).size > 0) return path;
  mkdirSync(cache, { recursive: true });
  const unfinished = `${path}.${process.pid}`;
  const made = Bun.spawnSync(
    [compiler, "-O2", "-g", "-Wall", "-o", unfinished, source, ...flags, "-lm", "-pthread"].filter(
      (word) => !(flags.includes("-nostdlib") && (word === "-lm" || word === "-pthread")),
    ),
  );
  if (!made.success) throw new Error(`${compiler} ${source}: ${made.stderr}`);
  renameSync(unfinished, path);
  return path;
}
