// What a system call works on: the calling thread, and the process that it belongs to.
import type { Hart } from "../cpu/hart.ts";
import type { AddressSpace } from "../memory/address-space.ts";
import type { GuestMemory } from "../memory/guest-memory.ts";
import type { Attributes } from "./attributes.ts";
import type { EngineOptions, Site } from "./bundle.ts";
import type { FdTable } from "./fds.ts";
import type { FileSystem } from "./file-system.ts";
import type { Kernel } from "./kernel.ts";
import type { Limits } from "./limits.ts";
import type { ProcessRecord } from "./processes.ts";
import type { ProcessSignals, TaskSignals } from "./signals.ts";
import type { TaskRecord } from "./tasks.ts";
import type { Timers } from "./timers.ts";
import type { Tracer } from "./tracer.ts";
import type { Watcher } from "./watch.ts";

/** A guest process: what its threads share, as one worker sees it. All but the closures is in shared memory. */
export interface Process {
  readonly kernel: Kernel;
  /** Its record, and the index of that. */
  readonly record: ProcessRecord;
  readonly index: number;
  readonly pid: number;
  /** What this worker has of its address space, which other processes may share. */
  readonly site: Site;
  readonly memory: GuestMemory;
  readonly space: AddressSpace;
  /** The tables of the thread that this worker runs, and the number of the first: others after `useTables`. */
  fds: FdTable;
  fdsTable: number;
  files: FileSystem;
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
  /** Who is told of what its threads do; undefined where nobody is. */
  readonly watcher: Watcher | undefined;
  /** A debugger; undefined without one. */
  readonly tracer: Tracer | undefined;
  /** How it ended, by exit_group or a fatal signal: the engine loop ends. */
  readonly exit: Exit | undefined;
  readonly options: EngineOptions;
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
  /** It executes nothing more here, while its process goes on. */
  ended: boolean;
  /** That is because another worker runs it. */
  moved: boolean;
  /** It runs in place of a thread of another process, whose call waits for it: vfork. */
  nested: boolean;
  /** That thread, until it has ended. */
  maker: Task | undefined;
}
