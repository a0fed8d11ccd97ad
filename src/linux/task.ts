// What a system call works on: the calling thread, and the process that it belongs to.
import type { Hart } from "../cpu/hart.ts";
import type { AddressSpace } from "../memory/address-space.ts";
import type { GuestMemory } from "../memory/guest-memory.ts";
import type { Attributes } from "./attributes.ts";
import type { EngineOptions } from "./bundle.ts";
import type { FdTable } from "./fds.ts";
import type { FileSystem } from "./file-system.ts";
import type { Kernel } from "./kernel.ts";
import type { Limits } from "./limits.ts";
import type { ProcessRecord } from "./processes.ts";
import type { SigInfo } from "./siginfo.ts";
import type { ProcessSignals, TaskSignals } from "./signals.ts";
import type { TaskRecord } from "./tasks.ts";
import type { Timers } from "./timers.ts";
import type { WorkerPool } from "./workers.ts";

/** A guest process: what its threads share, as one worker sees it. All but the closures is in shared memory. */
export interface Process {
  readonly kernel: Kernel;
  /** Its record, and the index of that. */
  readonly record: ProcessRecord;
  readonly index: number;
  readonly pid: number;
  readonly memory: GuestMemory;
  readonly space: AddressSpace;
  readonly fds: FdTable;
  readonly files: FileSystem;
  readonly limits: Limits;
  readonly attributes: Attributes;
  readonly signals: ProcessSignals;
  readonly timers: Timers;
  /** Guest path of the program's file, latin1. */
  exe: string;
  /** The auxiliary vector as it stands on the stack, for /proc/self/auxv. */
  auxv: Uint8Array;
  /** When it started: CLOCK_BOOTTIME in seconds. */
  readonly started: number;
  /** Called once for each system-call number that has no row. */
  readonly log: (line: string) => void;
  /** Told of each signal that is about to be handled, or to do what its default is. */
  signalled?: (info: SigInfo) => void;
  /** How it ended, by exit_group or a fatal signal: the engine loop ends. */
  readonly exit: Exit | undefined;
  readonly options: EngineOptions;
  /** What makes workers for its threads; undefined where it never had more than one. */
  workers?: WorkerPool;
}

export type Exit = { readonly code: number } | { readonly signal: number; readonly coreDumped: boolean };

/** A guest thread, as the worker sees it that runs it. */
export interface Task {
  /** Its record, and the index of that. */
  readonly record: TaskRecord;
  readonly index: number;
  readonly tid: number;
  readonly process: Process;
  readonly hart: Hart;
  readonly memory: GuestMemory;
  readonly signals: TaskSignals;
  /** At most 15 bytes, latin1. */
  name: string;
  /** set_tid_address; set_robust_list; rseq. */
  clearTid: number;
  robustList: number;
  rseq: number;
  /** It executes nothing more, while its process goes on. */
  ended: boolean;
}
