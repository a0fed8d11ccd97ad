// Commands and what they cost: CPU time, wall clock, the most memory held.
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { buildLauncher, cache, isThere } from "./compile.ts";

const root = join(import.meta.dir, "..");

export interface Sample {
  /** Seconds from start to exit; seconds of the CPU in user mode and in all. */
  readonly wall: number;
  readonly user: number;
  readonly cpu: number;
  /** The most memory held, in bytes; undefined where the launcher cannot be built, for only it can tell. */
  readonly memory: number | undefined;
}

export interface Run extends Sample {
  readonly stdout: Buffer;
  readonly stderr: string;
}

let built = false;

/** The command that runs a guest here, as installed: with the file that `build` makes, which is brought up to date. */
export function sabre(...words: string[]): string[] {
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

/** A command that takes longer has failed. */
const timeout = 600_000;

/** The same for every run, so that programs compute the same. */
const environment = {
  ...process.env,
  LC_ALL: "C.UTF-8",
  PYTHONHASHSEED: "0",
  PYTHONDONTWRITEBYTECODE: "1",
};

let launcher: string | undefined;

/** Runs a command once. Throws where it fails. */
export function runOnce(command: readonly string[]): Run {
  if (launcher === undefined && isThere("gcc")) launcher = buildLauncher();
  mkdirSync(cache, { recursive: true });
  const report = join(cache, `report-${process.pid}`);
  const began = performance.now();
  const child = Bun.spawnSync(launcher === undefined ? [...command] : [launcher, report, ...command], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env: environment,
    timeout,
    killSignal: "SIGKILL",
  });
  const wall = (performance.now() - began) / 1000;
  const how = child.exitedDueToTimeout ? `took more than ${timeout / 1000} s` : `failed:\n${child.stderr}`;
  if (!child.success) throw new Error(`${command.join(" ")} ${how}`);
  const { cpuTime } = child.resourceUsage;
  const own = { wall, user: Number(cpuTime.user) / 1e6, cpu: Number(cpuTime.total) / 1e6, memory: undefined };
  return {
    ...(launcher === undefined ? own : readReport(report)),
    stdout: child.stdout,
    stderr: child.stderr.toString(),
  };
}

function readReport(file: string): Sample {
  const [wall = 0, user = 0, system = 0, memory = 0] = readFileSync(file, "utf8").trim().split(" ").map(Number);
  rmSync(file);
  return { wall, user, cpu: user + system, memory };
}

export const median = (of: readonly number[]): number => of.toSorted((a, b) => a - b)[of.length >> 1] ?? Number.NaN;

/** What the time of one is more than that of another; of the memory that of the one. */
export const difference = (one: Sample, other: Sample): Sample => ({
  wall: one.wall - other.wall,
  user: one.user - other.user,
  cpu: one.cpu - other.cpu,
  memory: one.memory,
});

/** The medians of samples, each part by itself. */
export function medians(samples: readonly Sample[]): Sample {
  const part = (of: (s: Sample) => number): number => median(samples.map(of));
  return {
    wall: part((s) => s.wall),
    user: part((s) => s.user),
    cpu: part((s) => s.cpu),
    memory: samples[0]?.memory === undefined ? undefined : part((s) => s.memory ?? 0),
  };
}
