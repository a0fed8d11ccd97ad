// Makes a guest process: the tables of its kernel side, empty memory, and the main thread. Loading a program is exec's.
import { hart, setPc, setX } from "../cpu/hart.ts";
import { Clock, readClock } from "../host/clock.ts";
import { newAddressSpace } from "../memory/address-space.ts";
import { newGuestMemory } from "../memory/guest-memory.ts";
import { startClock } from "./accounting.ts";
import { inheritAttributes } from "./attributes.ts";
import { attachProcess, attachSite, attachTask, type EngineOptions } from "./bundle.ts";
import type { Loaded } from "./exec.ts";
import { adoptFirst } from "./family.ts";
import { inheritDescriptors } from "./fds.ts";
import { newFileSystem } from "./file-system.ts";
import { Header, newKernel } from "./kernel.ts";
import { inheritLimits, limitOf, Resource, setLimit } from "./limits.ts";
import { allocateProcess, ProcessField, processAt, setStrings } from "./processes.ts";
import { initSignals } from "./signals.ts";
import { newTables, takeTable, timersOf, wordsOf } from "./tables.ts";
import type { Task } from "./task.ts";
import { addThread, allocateTask, TaskField, taskAt } from "./tasks.ts";
import { initTimers } from "./timers.ts";

const mebi = 2 ** 20;
/** Reaches past the stack of the usual layout; the address space makes it larger as mappings come. */
const initialMemory = 320 * mebi;

export interface ProcessOptions {
  /** Host path, latin1. */
  readonly sysroot: string | undefined;
  /** Bytes; undefined for the limit that the emulator runs under. */
  readonly stackSize: number | undefined;
  /** Host descriptors that become the guest's, beyond the standard streams. */
  readonly descriptors?: readonly number[];
  /** How other workers run its threads; by default without a compiler. */
  readonly engine?: EngineOptions;
}

const plainEngine: EngineOptions = { jit: "off", stats: false, trace: undefined, log: undefined };

/** The first process of a kernel, with nothing in its memory, and its main thread. Both have the emulator's id. */
export function newProcess(o: ProcessOptions): Task {
  const kernel = newKernel();
  const tables = newTables();
  const { memory, head, records, files, names } = newAddressSpace(newGuestMemory(initialMemory));
  const site = attachSite(
    {
      kernel: kernel.buffer,
      tables,
      memory: memory.memory,
      mappings: { head, records, files, names },
      options: o.engine ?? plainEngine,
    },
    kernel,
  );
  const pid = kernel.i32[Header.hostPid]!;
  const index = allocateProcess(kernel, pid);
  const record = processAt(kernel, index);
  adoptFirst(record);
  const { limits } = record;
  inheritLimits(limits);
  if (o.stackSize !== undefined) setLimit(limits, Resource.STACK, o.stackSize, o.stackSize);
  inheritAttributes({ words: record.attributes, groups: wordsOf(tables, "groups", index) });
  initTimers(timersOf(tables, index));
  record.i32[ProcessField.fdsTable] = takeTable(tables, "fds");
  record.i32[ProcessField.filesTable] = takeTable(tables, "files");
  newFileSystem(
    o.sysroot,
    kernel.i32[Header.startUmask]!,
    wordsOf(tables, "files", record.i32[ProcessField.filesTable]!),
  );
  record.f64[ProcessField.hostBase / 2] = memory.hostBase;
  record.f64[ProcessField.started / 2] = readClock(Clock.BOOTTIME)?.sec ?? 0;
  const process = attachProcess(site, index);
  process.fds.limit = limitOf(limits, Resource.NOFILE);
  inheritDescriptors(process.fds, o.descriptors ?? []);
  const task = allocateTask(kernel, index, pid);
  const thread = taskAt(kernel, task);
  thread.i32[TaskField.fdsTable] = record.i32[ProcessField.fdsTable]! + 1;
  thread.i32[TaskField.filesTable] = record.i32[ProcessField.filesTable]! + 1;
  initSignals(thread);
  addThread(kernel, index, task);
  const t = attachTask(process, task);
  startClock(t);
  return t;
}

/** Makes the thread begin the program that was mapped into its process. */
export function startProgram(t: Task, loaded: Loaded): void {
  const p = t.process;
  p.exe = loaded.exe;
  p.auxv = loaded.auxv;
  setStrings(p.record, loaded.argStrings, loaded.envStrings);
  p.signals.trampoline = loaded.trampoline;
  t.name = loaded.comm;
  // What it has executed before stays counted.
  t.hart.i32.fill(0, 0, hart.cause);
  t.hart.i32[hart.reservation + 1] = 0;
  setX(t.hart, 2, loaded.sp);
  setPc(t.hart, loaded.entry);
}
