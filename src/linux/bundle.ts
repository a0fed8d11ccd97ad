// What another worker needs of a process to run its threads: shared buffers and plain options, all of which a message
// carries. Everything else about the process is a record in the kernel's buffer. The process as the worker's other parts
// know it is made of that here, and only here, for the first worker too.
import { hartIn } from "../cpu/hart.ts";
import { type AddressSpace, attachAddressSpace, type SpaceLimit } from "../memory/address-space.ts";
import { attachGuestMemory, type GuestMemory } from "../memory/guest-memory.ts";
import type { Mappings } from "../memory/vmas.ts";
import { attachFdTable } from "./fds.ts";
import { attachFileSystem } from "./file-system.ts";
import { attachKernel, Header, type Kernel } from "./kernel.ts";
import { type Limits, limitOf, Resource } from "./limits.ts";
import { auxvOf, exeOf, exitOf, ProcessField, processAt, setAuxv, setExe } from "./processes.ts";
import { getField, setField } from "./records.ts";
import { processSignals, taskSignals } from "./signals.ts";
import type { Process, Task } from "./task.ts";
import { nameOf, setName, TaskField, taskAt } from "./tasks.ts";
import { attachTimers } from "./timers.ts";

/** How a worker executes instructions, and what it says of them. Plain data. */
export interface EngineOptions {
  readonly jit: "off" | "js" | "wasm" | "auto";
  /** Whether system calls are counted and timed. */
  readonly stats: boolean;
  /** Host descriptor that gets a line for each system call, in the manner of strace; undefined for none. */
  readonly trace: number | undefined;
  /** Host descriptor and items of a log; undefined for none. */
  readonly log: { readonly fd: number; readonly items: readonly string[] } | undefined;
}

/** The buffers of a process and its options: a value that structured cloning carries. */
export interface Bundle {
  /** The kernel's tables: kernel.ts. */
  readonly kernel: SharedArrayBuffer;
  /** Index of the process's record: processes.ts. */
  readonly process: number;
  readonly memory: WebAssembly.Memory;
  /** Views of shared buffers: vmas.ts. */
  readonly mappings: Mappings;
  /** The words of the FdTable, the FileSystem, the Timers, and the supplementary groups. */
  readonly fds: Int32Array;
  readonly files: Int32Array;
  readonly timers: Float64Array;
  readonly groups: Int32Array;
  readonly options: EngineOptions;
}

/** What a worker that is about to run threads of the process must be given. */
export const bundleOf = ({
  kernel,
  index,
  memory,
  space,
  fds,
  files,
  timers,
  attributes,
  options,
}: Process): Bundle => ({
  kernel: kernel.buffer,
  process: index,
  memory: memory.memory,
  mappings: { head: space.head, records: space.records, files: space.files, names: space.names },
  fds: fds.words,
  files: files.words,
  timers: timers.words,
  groups: attributes.groups,
  options,
});

/** The process as this worker sees it. `log` gets a line for each system-call number that has no row. */
export function attachProcess(
  b: Bundle,
  kernel: Kernel = attachKernel(b.kernel),
  log: (line: string) => void = () => {},
): Process {
  const record = processAt(kernel, b.process);
  const memory = attachGuestMemory(b.memory);
  return {
    kernel,
    record,
    index: b.process,
    memory,
    space: spaceOf(kernel, memory, b.mappings, record.limits),
    fds: attachFdTable(b.fds),
    files: attachFileSystem(b.files),
    limits: record.limits,
    attributes: { words: record.attributes, groups: b.groups },
    signals: processSignals(kernel, record),
    timers: attachTimers(b.timers),
    options: b.options,
    log,
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
  };
}

const limitsOfSpace = {
  as: Resource.AS,
  data: Resource.DATA,
  stack: Resource.STACK,
  memlock: Resource.MEMLOCK,
} as const satisfies Record<SpaceLimit, Resource>;

function spaceOf(k: Kernel, memory: GuestMemory, mappings: Mappings, limits: Limits): AddressSpace {
  const space = attachAddressSpace(memory, mappings);
  space.limit = (what) => limitOf(limits, limitsOfSpace[what]);
  space.nextInode = () => Atomics.add(k.i32, Header.inodes, 1) + 1;
  return space;
}

/** The thread of that index, for the worker that is to run it: one that no other runs. */
export function attachTask(process: Process, index: number): Task {
  const record = taskAt(process.kernel, index);
  return {
    record,
    index,
    process,
    hart: hartIn(process.memory, record.i32[TaskField.hart]!),
    memory: process.memory,
    signals: taskSignals(record),
    ended: false,
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
