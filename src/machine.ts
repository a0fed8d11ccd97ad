// The library: a machine that runs one Linux program for 64-bit RISC-V.
import type { CacheFigures } from "../jit/tiers.ts";
import { Cause, getPc, hart, hartIn } from "./cpu/hart.ts";
import { openElf } from "./elf/file.ts";
import { ProcessSymbols } from "./elf/images.ts";
import { type FileError, hostPath, isFileError } from "./elf/source.ts";
import { monotonic } from "./host/clock.ts";
import { Attr, attribute } from "./linux/attributes.ts";
import { makeEngine } from "./linux/engine.ts";
import { loadProgram, shellStatus } from "./linux/exec.ts";
import { openHostSignals } from "./linux/inbox.ts";
import { limitOf, Resource } from "./linux/limits.ts";
import { locate, resolveEarly } from "./linux/paths.ts";
import { newProcess, startProgram } from "./linux/process.ts";
import { deathOf } from "./linux/processes.ts";
import { runTask, type Watcher } from "./linux/run.ts";
import { Code, type SigInfo, signalName } from "./linux/siginfo.ts";
import { traceCalls, traceExit, traceSignal } from "./linux/strace.ts";
import type { Exit, Task } from "./linux/task.ts";
import type { WorkerPool } from "./linux/workers.ts";
import { hostPageProblem } from "./memory/backing.ts";
import { mostHarts } from "./memory/guest-memory.ts";
import { mappedFiles } from "./memory/maps.ts";
import { type CallFigures, countCalls, logCode, logMaps, together } from "./watch.ts";

export type { Exit } from "./linux/task.ts";
export type { CallFigures } from "./watch.ts";

/** All strings are latin1: one character a byte, as the guest sees them. */
export interface MachineOptions {
  /** Path of the program, looked up as the guest would. */
  readonly program: string;
  /** argv[1] and what follows. */
  readonly args: readonly string[];
  /** argv[0]; by default the program's path. */
  readonly argv0?: string;
  /** As `K=V`. */
  readonly env: readonly string[];
  /** Host folder that absolute guest paths are looked up in first. */
  readonly sysroot?: string;
  /** Bytes of the main stack's limit; by default that of the calling process. */
  readonly stackSize?: number;
  /** Host descriptors, beyond the standard streams, that become the guest's, under the same numbers. */
  readonly descriptors?: readonly number[];
  /** Gets a line for each system call, in the manner of strace. */
  readonly trace?: (line: string) => void;
  /** Gets the lines of a log. Items: in_asm, int, page, unimp. */
  readonly log?: { readonly items: ReadonlySet<string>; readonly write: (line: string) => void };
  readonly jit: "off" | "js" | "wasm" | "auto";
  /** Whether system calls are counted and timed. */
  readonly stats: boolean;
  /** Whether signals that are sent to the calling process are the guest's, from `run` on until the process ends; by default not. */
  readonly hostSignals?: boolean;
}

/** Why a program cannot start: a sentence for its user, and the exit status by which a shell would report it. */
export interface LoadError {
  readonly message: string;
  readonly status: 126 | 127;
}

/** Figures of a run so far. */
export interface Stats {
  readonly instructions: number;
  readonly wallSeconds: number;
  /** User and system time of the whole emulator. */
  readonly cpuSeconds: number;
  /** Million guest instructions a second of wall time. */
  readonly mips: number;
  readonly calls: Readonly<Record<string, CallFigures>>;
  /** Instructions by the tier that executed them. */
  readonly tiers: Readonly<Record<string, number>>;
  /** What is kept of compiled code, where a tier compiles. */
  readonly codeCache?: Readonly<CacheFigures>;
}

/** What is known about a guest that a signal killed. Addresses are guest addresses. */
export interface Death {
  readonly signal: string;
  readonly pc: bigint;
  /** Such as `main+0x1c`. */
  readonly symbol: string | undefined;
  /** The address that a fault was about. */
  readonly address: bigint | undefined;
}

export interface Machine {
  /** Runs the program to its end. */
  readonly run: () => Exit;
  readonly stats: () => Stats;
  /** After `run` answered a signal. */
  readonly deathReport: () => Death;
  readonly symbols: ProcessSymbols;
}

/** Loads a program. It has not begun to run. */
export function createMachine(o: MachineOptions): Machine | LoadError {
  const problem = hostPageProblem();
  if (problem !== undefined) return { message: problem, status: 126 };
  const say = o.log?.write ?? (() => {});
  const logs = (item: string): boolean => o.log?.items.has(item) ?? false;
  const t = processFor(o, logs("unimp") ? say : () => {});
  if (t === undefined)
    return { message: "the host has no room for a guest's memory, 4 GiB of addresses; see ulimit -v", status: 126 };
  const { process } = t;
  const id = (word: number): number => attribute(process.attributes, word);
  const loaded = loadProgram(
    process.space,
    {
      path: o.program,
      argv: [o.argv0 ?? o.program, ...o.args],
      envp: o.env,
      locate: (path) => resolveEarly(process.files, path),
      stackLimit: limitOf(process.limits, Resource.STACK),
    },
    { uid: id(Attr.ruid), euid: id(Attr.euid), gid: id(Attr.rgid), egid: id(Attr.egid) },
  );
  if (isFileError(loaded)) return { message: loaded.message, status: shellStatus(loaded) };
  startProgram(t, loaded);
  return machineOf(t, o, say, logs);
}

/** A process without a program; undefined where the engine cannot have the memory. */
function processFor(
  { sysroot, stackSize, descriptors = [], jit, stats }: MachineOptions,
  log: (line: string) => void,
): Task | undefined {
  try {
    const engine = { jit, stats, trace: undefined, log: undefined };
    return newProcess({ sysroot, stackSize, descriptors, log, engine });
  } catch (e) {
    if (e instanceof RangeError) return undefined;
    throw e;
  }
}

function machineOf(t: Task, o: MachineOptions, say: (line: string) => void, logs: (item: string) => boolean): Machine {
  const { process } = t;
  const symbols = new ProcessSymbols(
    () => mappedFiles(process.space),
    (file) => openMapped(t, file),
  );
  const place = (pc: number): string | undefined => {
    const found = symbols.symbolAt(pc);
    return found && found.name + (found.offset === 0 ? "" : `+0x${found.offset.toString(16)}`);
  };
  const engine = makeEngine(t.hart, process.space, {
    jit: o.jit,
    decoded: logs("in_asm") ? logCode(say, place) : undefined,
  });

  const figures: Record<string, CallFigures> = {};
  const calls = together([
    ...(o.trace ? [traceCalls(o.trace)] : []),
    ...(logs("page") ? [logMaps(say, process.space)] : []),
    ...(o.stats ? [countCalls(figures)] : []),
  ]);
  process.signalled = (info) => o.trace?.(traceSignal(info));
  const watcher: Watcher = {
    ...(calls && { calls }),
    trap: (task, cause, info) => {
      if (logs("int")) say(trapLine(task, cause, info, place(getPc(task.hart))));
    },
  };

  let [begun, ended] = [0, 0];
  let end: Exit | undefined;
  return {
    symbols,
    run: () => {
      if (o.hostSignals) openHostSignals(t);
      begun = monotonic();
      end = runTask(t, engine, watcher) ?? lastEnd(t);
      ended = monotonic();
      if (process.workers !== undefined) dismiss(process.workers);
      o.trace?.(traceExit(end));
      return end;
    },
    stats: () => {
      const instructions = sumOf(t, hart.instret);
      const compiled = sumOf(t, hart.compiled);
      const wallSeconds = ((ended || monotonic()) - begun) / 1e9;
      const cpu = globalThis.process.cpuUsage();
      return {
        instructions,
        wallSeconds,
        cpuSeconds: (cpu.user + cpu.system) / 1e6,
        mips: instructions / wallSeconds / 1e6,
        calls: figures,
        tiers: {
          interpreter: instructions - compiled,
          ...(engine.emitter && { [engine.emitter]: compiled }),
        },
        ...(engine.figures && { codeCache: engine.figures }),
      };
    },
    deathReport: () => {
      const death = deathOf(process.record);
      const dead = death === undefined ? t.hart : hartIn(t.memory, death.hart);
      const [, , code = 0, , lo = 0, hi = 0] = death?.info ?? [];
      return {
        signal: signalName(end && "signal" in end ? end.signal : 0),
        pc: u64(dead.i32[hart.pc]!, dead.i32[hart.pc + 1]!),
        symbol: place(getPc(dead)),
        // Positive codes below the kernel's own are those of faults: nobody can send them.
        address: code > 0 && code < Code.SI_KERNEL ? u64(lo, hi) : undefined,
      };
    },
  };
}

/** The sum of a float64 of all harts that the process had. */
function sumOf({ hart: own, process, memory }: Task, word: number): number {
  if (process.workers === undefined) return own.f64[word / 2]!;
  let sum = 0;
  for (let index = 0; index < mostHarts; index++) sum += hartIn(memory, index).f64[word / 2]!;
  return sum;
}

/** How the process of a thread ends that has ended before. */
function lastEnd(t: Task): Exit {
  const { awaitExit } = require("./linux/threads.ts") as typeof import("./linux/threads.ts");
  return awaitExit(t);
}

/** Ends the workers that ran a process's other threads. Throws where one of them did. */
function dismiss(pool: WorkerPool): void {
  const { endWorkers, failureOf } = require("./linux/workers.ts") as typeof import("./linux/workers.ts");
  endWorkers(pool);
  const failure = failureOf(pool.table);
  if (failure !== undefined) throw new Error(`in a worker: ${failure}`);
}

const u64 = (lo: number, hi: number): bigint => (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);

/** Opens a file that is mapped, by its guest path. */
function openMapped(t: Task, file: string) {
  const path = locate(t.process.files, file);
  if (typeof path === "number") return { errno: -path, message: `${file} cannot be opened` } satisfies FileError;
  return openElf(hostPath(path), file);
}

const causeNames = new Map<number, string>(Object.entries(Cause).map(([name, n]) => [n, name]));

function trapLine(t: Task, cause: Cause, info: SigInfo, where: string | undefined): string {
  const hex = (n: number): string => "0x" + n.toString(16);
  const tval = (t.hart.i32[hart.tval + 1]! >>> 0) * 2 ** 32 + (t.hart.i32[hart.tval]! >>> 0);
  const at = `${hex(getPc(t.hart))}${where === undefined ? "" : ` <${where}>`}`;
  return `trap: ${causeNames.get(cause) ?? cause} at ${at}, tval ${hex(tval)}: ${signalName(info[0]!)}`;
}
