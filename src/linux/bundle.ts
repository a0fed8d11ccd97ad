// What another worker needs to run threads in an address space: shared buffers and plain options, all of which a message
// carries. Everything else about the processes there is in the kernel's tables. Processes and threads as the worker's other
// parts know them are made of that here, and only here, for the first worker too.
import { hartIn } from "../cpu/hart.ts";
import { addressOf } from "../host/syscall.ts";
import { type AddressSpace, attachAddressSpace, type SpaceLimit } from "../memory/address-space.ts";
import { attachGuestMemory, type GuestMemory } from "../memory/guest-memory.ts";
import type { Mappings } from "../memory/vmas.ts";
import { watchClosing } from "./closing.ts";
import { attachFdTable, type FdTable } from "./fds.ts";
import { attachFileSystem } from "./file-system.ts";
import { attachKernel, Header, type Kernel } from "./kernel.ts";
import { type Limits, limitOf, Resource } from "./limits.ts";
import { auxvOf, exeOf, exitOf, ProcessField, processAt, setAuxv, setExe } from "./processes.ts";
import { getField, setField } from "./records.ts";
import { processSignals, taskSignals } from "./signals.ts";
import { type Tables, timerLock, timersOf, wordsOf } from "./tables.ts";
import type { Process, Task } from "./task.ts";
import { nameOf, setName, TaskField, type TaskRecord, taskAt } from "./tasks.ts";
import { attachTimers } from "./timers.ts";
import type { Tracer } from "./tracer.ts";
import type { Watcher } from "./watch.ts";
import type { WorkerPool } from "./workers.ts";

/** How a worker executes instructions, and what it says of them. Plain data. */
export interface EngineOptions {
  readonly jit: "off" | "js" | "wasm" | "auto";
  /** Whether system calls are counted and timed. */
  readonly stats: boolean;
  /** Host descriptor that gets a line for each system call, in the manner of strace; undefined for none. */
  readonly trace: number | undefined;
  /** Host descriptor and items of a log; undefined for none. */
  readonly log: { readonly fd: number; readonly items: readonly string[] } | undefined;
  /** What a debugger shares with the threads that it debugs: plain data of src/debug/. */
  readonly debug?: unknown;
}

/** The buffers of an address space and of the kernel, and options: a value that structured cloning carries. */
export interface Bundle {
  /** The kernel's tables: kernel.ts, tables.ts. */
  readonly kernel: SharedArrayBuffer;
  readonly tables: Tables;
  readonly memory: WebAssembly.Memory;
  /** Views of shared buffers: vmas.ts. */
  readonly mappings: Mappings;
  readonly options: EngineOptions;
}

/** An address space as a worker has it that runs threads there, one at a time: of one process, or of several that share it. */
export interface Site {
  readonly bundle: Bundle;
  readonly kernel: Kernel;
  readonly memory: GuestMemory;
  readonly space: AddressSpace;
  /** The resource limits of the process whose thread runs: they bound the address space. */
  limits: Limits | undefined;
  /** What makes workers; undefined in the main thread while there are none. */
  pool: WorkerPool | undefined;
  /** Undefined where nothing is to be watched. */
  readonly watcher: Watcher | undefined;
  /** A debugger, if there may be one. */
  tracer: Tracer | undefined;
  /** Runs a thread to its end; undefined where nobody does. */
  run: ((t: Task) => void) | undefined;
}

/** The address space as this worker sees it. */
export function attachSite(bundle: Bundle, kernel: Kernel = attachKernel(bundle.kernel)): Site {
  const memory = attachGuestMemory(bundle.memory);
  const space = attachAddressSpace(memory, bundle.mappings);
  const watcher = watcherOf(kernel, bundle.options);
  const site: Site = {
    ...{ bundle, kernel, memory, space, watcher },
    ...{ limits: undefined, pool: undefined, run: undefined, tracer: undefined },
  };
  space.limit = (what) =>
    site.limits === undefined ? Number.POSITIVE_INFINITY : limitOf(site.limits, limitsOfSpace[what]);
  space.nextInode = () => Atomics.add(kernel.i32, Header.inodes, 1) + 1;
  return site;
}

/** What a worker that is about to run threads of the process must be given. */
export const bundleOf = ({ site }: Process): Bundle => site.bundle;

/** The process of that index as this worker sees it, which is to run it from now on. */
export function attachProcess(site: Site, index: number): Process {
  const { kernel, memory, space, bundle, watcher } = site;
  const { tables, options } = bundle;
  const record = processAt(kernel, index);
  site.limits = record.limits;
  // Where others find its memory.
  record.f64[ProcessField.hostBase / 2] = memory.hostBase;
  record.f64.set([space.head, space.records, space.files, space.names].map(addressOf), ProcessField.mappings / 2);
  return {
    kernel,
    record,
    index,
    site,
    memory,
    space,
    fds: fdsAt(site, record.i32[ProcessField.fdsTable]!, index),
    fdsTable: record.i32[ProcessField.fdsTable]!,
    files: attachFileSystem(wordsOf(tables, "files", record.i32[ProcessField.filesTable]!)),
    limits: record.limits,
    attributes: { words: record.attributes, groups: wordsOf(tables, "groups", index) },
    signals: processSignals(kernel, record),
    timers: attachTimers(timersOf(tables, index), timerLock(tables, index), kernel, index),
    options,
    watcher,
    get pid() {
      return record.i32[ProcessField.pid]!;
    },
    get exe() {
      return exeOf(record);
    },
    set exe(path: string) {
      setExe(record, path);
    },
    get auxv() {
      return auxvOf(record);
    },
    set auxv(vector: Uint8Array) {
      setAuxv(record, vector);
    },
    get started() {
      return record.f64[ProcessField.started / 2]!;
    },
    get exit() {
      return exitOf(record);
    },
    get tracer() {
      return site.tracer;
    },
  };
}

/** A table of descriptors, by its number, for a process to change. */
export const fdsAt = ({ bundle: { tables }, kernel }: Site, index: number, process: number): FdTable =>
  watchClosing(attachFdTable(wordsOf(tables, "fds", index)), { kernel, tables, own: index, process });

/** Has a process, as the worker sees it that runs this thread of it, use the tables that the thread has: thread-tables.ts. */
export function useTables(process: Process, { i32 }: TaskRecord): void {
  const [fds, files] = [i32[TaskField.fdsTable]! - 1, i32[TaskField.filesTable]! - 1];
  if (fds < 0 || files < 0) return;
  [process.fds, process.fdsTable] = [fdsAt(process.site, fds, process.index), fds];
  process.files = attachFileSystem(wordsOf(process.site.bundle.tables, "files", files));
}

/** Most programs run unwatched: what watches is loaded for those that do not. */
function watcherOf(kernel: Kernel, options: EngineOptions): Watcher | undefined {
  if (options.trace === undefined && options.log === undefined && !options.stats) return undefined;
  const { makeWatcher } = require("./watch.ts") as typeof import("./watch.ts");
  return makeWatcher(kernel, options);
}

const limitsOfSpace = {
  as: Resource.AS,
  data: Resource.DATA,
  stack: Resource.STACK,
  memlock: Resource.MEMLOCK,
} as const satisfies Record<SpaceLimit, Resource>;

/** The thread of that index, and its process, for a worker that has been given nothing else. */
export function attachThread(bundle: Bundle, index: number): Task {
  const site = attachSite(bundle);
  return attachTask(attachProcess(site, taskAt(site.kernel, index).i32[TaskField.process]!), index);
}

/** The thread of that index, for the worker that is to run it: one that no other runs. */
export function attachTask(process: Process, index: number): Task {
  const record = taskAt(process.kernel, index);
  useTables(process, record);
  return {
    record,
    index,
    process,
    hart: hartIn(process.memory, record.i32[TaskField.hart]!),
    memory: process.memory,
    signals: taskSignals(record),
    ended: false,
    moved: false,
    nested: false,
    maker: undefined,
    get tid() {
      return record.i32[TaskField.tid]!;
    },
    get name() {
      return nameOf(record);
    },
    set name(name: string) {
      setName(record, name);
    },
    get clearTid() {
      return getField(record, TaskField.clearTid);
    },
    set clearTid(address: number) {
      setField(record, TaskField.clearTid, address);
    },
    get robustList() {
      return getField(record, TaskField.robustList);
    },
    set robustList(address: number) {
      setField(record, TaskField.robustList, address);
    },
    get rseq() {
      return getField(record, TaskField.rseq);
    },
    set rseq(address: number) {
      setField(record, TaskField.rseq, address);
    },
  };
}
