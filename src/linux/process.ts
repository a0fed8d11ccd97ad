// Makes a guest process: the tables of its kernel side, empty memory, and the main thread. Loading a program is exec's.
import { type Hart, hartIn, setPc, setX } from "../cpu/hart.ts";
import { Clock, readClock } from "../host/clock.ts";
import { host } from "../host/syscall.ts";
import { type AddressSpace, newAddressSpace, type SpaceLimit } from "../memory/address-space.ts";
import { newGuestMemory } from "../memory/guest-memory.ts";
import { newAttributes } from "./attributes.ts";
import type { Loaded } from "./exec.ts";
import { inheritDescriptors, newFdTable } from "./fds.ts";
import { newFileSystem } from "./file-system.ts";
import { type Limits, limitOf, newLimits, Resource, setLimit } from "./limits.ts";
import { newProcessSignals, newTaskSignals } from "./signals.ts";
import type { Process, Task } from "./task.ts";
import { newTimers } from "./timers.ts";

const mebi = 2 ** 20;
/** Reaches past the stack of the usual layout; the address space makes it larger as mappings come. */
const initialMemory = 320 * mebi;

export interface ProcessOptions {
  /** Host path, latin1. */
  readonly sysroot: string | undefined;
  /** Bytes; undefined for the limit that the emulator runs under. */
  readonly stackSize: number | undefined;
  readonly log: (line: string) => void;
  /** Host descriptors that become the guest's, beyond the standard streams. */
  readonly descriptors?: readonly number[];
}

const limitsOfSpace = {
  as: Resource.AS,
  data: Resource.DATA,
  stack: Resource.STACK,
  memlock: Resource.MEMLOCK,
} as const satisfies Record<SpaceLimit, Resource>;

function spaceFor(limits: Limits): AddressSpace {
  const space = newAddressSpace(newGuestMemory(initialMemory));
  space.limit = (what) => limitOf(limits, limitsOfSpace[what]);
  return space;
}

/** A process with nothing in its memory, and its main thread. */
export function newProcess(o: ProcessOptions): Task {
  const limits = newLimits();
  if (o.stackSize !== undefined) setLimit(limits, Resource.STACK, o.stackSize, o.stackSize);
  const space = spaceFor(limits);
  const fds = newFdTable();
  fds.limit = limitOf(limits, Resource.NOFILE);
  inheritDescriptors(fds, o.descriptors ?? []);
  const process: Process = {
    pid: host("getpid"),
    memory: space.memory,
    space,
    fds,
    files: newFileSystem(o.sysroot),
    limits,
    attributes: newAttributes(),
    signals: newProcessSignals(),
    timers: newTimers(),
    exe: "",
    args: [],
    env: [],
    auxv: new Uint8Array(),
    started: readClock(Clock.BOOTTIME)?.sec ?? 0,
    log: o.log,
    exit: undefined,
  };
  return newTask(process, hartIn(process.memory, 0));
}

const newTask = (process: Process, hart: Hart): Task => ({
  tid: process.pid,
  process,
  hart,
  memory: process.memory,
  signals: newTaskSignals(process.signals),
  name: "",
  clearTid: 0,
  robustList: 0,
  rseq: 0,
});

const commBytes = 15;

/** Makes the thread begin the program that was mapped into its process. */
export function startProgram(t: Task, loaded: Loaded): void {
  const p = t.process;
  p.exe = loaded.exe;
  p.args = loaded.argv;
  p.env = loaded.envp;
  p.auxv = loaded.auxv;
  p.signals.trampoline = loaded.trampoline;
  t.name = loaded.execfn.replace(/^.*\//s, "").slice(0, commBytes);
  t.hart.i32.fill(0);
  setX(t.hart, 2, loaded.sp);
  setPc(t.hart, loaded.entry);
}
