// The library: a machine that runs one Linux program for 64-bit RISC-V.
import type { CacheFigures } from "../jit/tiers.ts";
import { hart } from "./cpu/hart.ts";
import type { ProcessSymbols } from "./elf/images.ts";
import { isFileError } from "./elf/source.ts";
import type { Debugging, DebugOptions } from "./gdb/begin.ts";
import { monotonic } from "./host/clock.ts";
import { executed } from "./linux/accounting.ts";
import { Attr, attribute } from "./linux/attributes.ts";
import type { CallFigures } from "./linux/call-figures.ts";
import { makeEngine } from "./linux/engine.ts";
import { loadProgram, shellStatus } from "./linux/exec.ts";
import { awaitAll, dismiss, leaveThread } from "./linux/exit.ts";
import { openHostSignals } from "./linux/inbox.ts";
import { limitOf, Resource } from "./linux/limits.ts";
import { resolveEarly } from "./linux/paths.ts";
import { newProcess, startProgram } from "./linux/process.ts";
import { placeAmong, symbolsOf } from "./linux/process-symbols.ts";
import { deathOf, ProcessField } from "./linux/processes.ts";
import { runTask } from "./linux/run.ts";
import { Code, signalName } from "./linux/siginfo.ts";
import type { Exit, Task } from "./linux/task.ts";
import { hostPageProblem } from "./memory/backing.ts";

export type { CallFigures } from "./linux/call-figures.ts";
export type { Exit } from "./linux/task.ts";

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
  /** Host descriptor that gets a line for each system call, in the manner of strace. */
  readonly trace?: number;
  /** Items of a log (in_asm, int, page, unimp), and the host descriptor that gets its lines. */
  readonly log?: { readonly items: readonly string[]; readonly fd: number };
  readonly jit: "off" | "js" | "wasm" | "auto";
  /** Whether system calls are counted and timed. */
  readonly stats: boolean;
  /** Whether signals that are sent to the calling process are the guest's, from `run` on until the process ends; by default not. */
  readonly hostSignals?: boolean;
  /** How a debugger may come to the program; without it none can. */
  readonly debug?: DebugOptions;
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
  /** Guest path of the program that died, where the process had executed another than its first. */
  readonly program?: string | undefined;
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
  const debugging = o.debug && loadDebugging()(o.debug);
  const t = processFor(o, debugging);
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
  return machineOf(t, o, debugging);
}

/** A process without a program; undefined where the engine cannot have the memory. */
function processFor(
  { sysroot, stackSize, descriptors = [], jit, stats, trace, log }: MachineOptions,
  debugging: Debugging | undefined,
): Task | undefined {
  try {
    return newProcess({
      sysroot,
      stackSize,
      descriptors,
      engine: { jit, stats, trace, log, debug: debugging?.bundle },
    });
  } catch (e) {
    if (e instanceof RangeError) return undefined;
    throw e;
  }
}

function machineOf(t: Task, o: MachineOptions, debugging: Debugging | undefined): Machine {
  const { process } = t;
  const { kernel, site } = process;
  const symbols = symbolsOf(process);
  const place = (pc: number): string | undefined => placeAmong(symbols, pc);
  const home = process.record.i32[ProcessField.space]!;
  const tracing = debugging?.trace(site, t.hart);
  const engine = makeEngine(t.hart, process.space, {
    jit: o.jit,
    decoded: process.watcher?.decoded,
    ...tracing?.stops,
  });
  const run =
    tracing?.begin(engine) ??
    ((task: Task): void => {
      runTask(task, engine);
      process.watcher?.ran(engine.figures);
      if (!task.moved) leaveThread(task);
    });

  let [begun, ended] = [0, 0];
  let end: Exit | undefined;
  return {
    symbols,
    run: () => {
      if (o.hostSignals) openHostSignals(t);
      begun = monotonic();
      site.run = run;
      debugging?.start(site);
      run(t);
      end = awaitAll(t);
      debugging?.end();
      ended = monotonic();
      if (site.pool !== undefined) dismiss(site.pool);
      return end;
    },
    stats: () => {
      const [instructions, compiled] = executed(kernel);
      const wallSeconds = ((ended || monotonic()) - begun) / 1e9;
      const cpu = globalThis.process.cpuUsage();
      return {
        instructions,
        wallSeconds,
        cpuSeconds: (cpu.user + cpu.system) / 1e6,
        mips: instructions / wallSeconds / 1e6,
        calls: o.stats ? loadFigures().callFigures(kernel) : {},
        tiers: {
          interpreter: instructions - compiled,
          ...(engine.emitter && { [engine.emitter]: compiled }),
        },
        ...(engine.figures && { codeCache: o.stats ? loadFigures().codeFigures(kernel) : engine.figures }),
      };
    },
    deathReport: () => {
      const death = deathOf(process.record);
      const [pcLo = 0, pcHi = 0] = death?.pc ?? t.hart.i32.slice(hart.pc);
      const pc = u64(pcLo, pcHi);
      const [, , code = 0, , lo = 0, hi = 0] = death?.info ?? [];
      return {
        signal: signalName(end && "signal" in end ? end.signal : 0),
        pc,
        // Another memory than the first has been emptied.
        symbol: death === undefined || death.space === home ? place(Number(pc)) : undefined,
        // Positive codes below the kernel's own are those of faults: nobody can send them.
        address: code > 0 && code < Code.SI_KERNEL ? u64(lo, hi) : undefined,
        program: process.record.i32[ProcessField.execs] === 0 ? undefined : process.exe,
      };
    },
  };
}

const loadDebugging = () => (require("./gdb/begin.ts") as typeof import("./gdb/begin.ts")).prepareDebugging;

const loadFigures = () => require("./linux/call-figures.ts") as typeof import("./linux/call-figures.ts");

const u64 = (lo: number, hi: number): bigint => (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
