// What a system call works on: the calling thread, and the process that it belongs to.
import type { Hart } from "../cpu/hart.ts";
import type { AddressSpace } from "../memory/address-space.ts";
import type { GuestMemory } from "../memory/guest-memory.ts";
import type { Attributes } from "./attributes.ts";
import type { FdTable } from "./fds.ts";
import type { FileSystem } from "./file-system.ts";
import type { Limits } from "./limits.ts";
import type { SigInfo } from "./siginfo.ts";
import type { ProcessSignals, TaskSignals } from "./signals.ts";
import type { Timers } from "./timers.ts";

/** A guest process: what its threads share. */
export interface Process {
  readonly pid: number;
  readonly memory: GuestMemory;
  readonly space: AddressSpace;
  readonly fds: FdTable;
  readonly files: FileSystem;
  readonly limits: Limits;
  readonly attributes: Attributes;
  readonly signals: ProcessSignals;
  readonly timers: Timers;
  /** Of the program that runs: guest path of its file, argument vector, environment as `K=V`, all as latin1 strings. */
  exe: string;
  args: readonly string[];
  env: readonly string[];
  /** The auxiliary vector as it stands on the stack, for /proc/self/auxv. */
  auxv: Uint8Array;
  /** When it started: CLOCK_BOOTTIME in seconds. */
  readonly started: number;
  /** Called once for each system-call number that has no row. */
  readonly log: (line: string) => void;
  /** Told of each signal that is about to be handled, or to do what its default is. */
  signalled?: (info: SigInfo) => void;
  /** Set by exit_group or a fatal signal: the engine loop ends. */
  exit: Exit | undefined;
}

export type Exit = { readonly code: number } | { readonly signal: number; readonly coreDumped: boolean };

/** A guest thread. */
export interface Task {
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
}
