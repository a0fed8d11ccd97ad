// The kernel's tables: one shared buffer for all guest processes of an emulator, and a worker's views of it. Here is
// where each table lies; what its records mean is for the file that owns it.
// A lock word guards what its file says. Words without one are changed by atomic operations alone.
//
// Locks are taken in this order, from the left; those in different lines never together. Nobody sleeps with one, for anything but
// another lock to its right, but the layout lock: fork waits with it for the copy, and changes of the address space for safepoints.
// - layout of an address space (memory/sharing.ts), its page table (memory/guest-memory.ts)
// - tasks, signals, the page table of any memory
// - timers of a process (timers.ts), signals
// - queues of futexes, by their places (futex-queue.ts), owners
// All others, those of one file each, are taken last, and none with them.
import { addressOf, host } from "../host/syscall.ts";
import type { Mutex } from "../sync/mutex.ts";
import type { ProcessRecord } from "./processes.ts";
import type { SignalPool } from "./signal-queue.ts";
import type { TaskRecord } from "./tasks.ts";

/** Byte offsets of the tables, multiples of 4096. Pages that nobody touched cost nothing. */
export const sections = {
  /** Words of `Header`. */
  header: 0,
  /** How the host scheduled the emulator: scheduling.ts. */
  scheduling: 0x1000,
  /** 64 of 64 bytes. */
  ttys: 0x2000,
  /** Siginfos of the host on their way to guests: host/inbox.ts. */
  inbox: 0x3000,
  /** `mostTasks` records: tasks.ts. */
  tasks: 0x10000,
  /** `mostProcesses` records: processes.ts. */
  processes: 0x410000,
  /** Siginfo records of all pending sets: signal-queue.ts. */
  infos: 0x810000,
  /** signalfd-table.ts. */
  signalFds: 0xa30000,
  /** Futex queues, and what waits in them: futex-queue.ts. */
  buckets: 0xa40000,
  waiters: 0xa50000,
  /** Record locks on files. */
  locks: 0xb60000,
  /** Names of Unix sockets, 4096 of 256 bytes. */
  spellings: 0xc60000,
  /** What threads and processes have used: accounting.ts. */
  taskAccounts: 0xd80000,
  processAccounts: 0xf80000,
  /** What processes did to System V objects: ipc-table.ts. */
  ipc: 0xfa0000,
  /** Open files of the personality's that were sent through sockets: passed.ts. Whose sockets are whose: peers.ts. */
  passed: 0x1020000,
  peers: 0x1030000,
  /** Host descriptors that stay open for what epoll sets know of them: closing.ts. */
  kept: 0x1050000,
  /** How often system calls were made: call-figures.ts. What threads are about to write: transcript.ts. */
  callFigures: 0x1060000,
  transcript: 0x1070000,
  size: 0x1470000,
} as const;

/** Float64 words of the account of a thread and of a process: accounting.ts. */
export const accountWords = { task: 64, process: 32 } as const;

/** Words of the header. */
export const Header = {
  /** Locks: the tree of processes; signals and lists of threads; free futex waiters. */
  tasksLock: 0,
  signalsLock: 1,
  waitersLock: 4,
  /** Which thread waits for a priority-inheriting lock of which. */
  ownersLock: 6,
  /** How many ids were tried for tasks, and the emulator's own. */
  nextPid: 8,
  hostPid: 9,
  /** Records ever used: searches end there. */
  usedTasks: 10,
  usedProcesses: 11,
  /** Where the search for a free record begins. */
  taskHint: 12,
  processHint: 13,
  /** Inode numbers given to shared anonymous memory. */
  inodes: 14,
  /** The umask that the emulator was started with. */
  startUmask: 15,
  /** How many system calls without a row were named; their numbers, `mostNamed` float64 values. */
  namedCount: 16,
  /** Word of the first futex waiter that is free, 0 for none; how many were ever used. */
  freeWaiter: 17,
  usedWaiters: 18,
  /** Whether a guest has changed how some thread is scheduled. */
  scheduled: 40,
  /** A lock: who writes to a transcript. */
  transcriptLock: 41,
  /** Instructions that were executed, and of those in compiled code: two float64 values, guarded by the signals lock. */
  executed: 42,
  /** Guest threads that other guests trace. */
  tracees: 46,
  /** Of threads that have been given long turns (host/turns.ts): the turns that guests are told of, and the interval; nanoseconds. */
  turn: 47,
  interval: 48,
  named: 64,
} as const;

/** A program that tries all numbers shall fill neither the log nor the memory. */
export const mostNamed = 50;

/** A worker's views of the tables. */
export interface Kernel {
  readonly buffer: SharedArrayBuffer;
  readonly i32: Int32Array;
  readonly f64: Float64Array;
  readonly u8: Uint8Array;
  /** Host address of byte 0. */
  readonly address: number;
  /**
   * Guards all that signals.ts, signal-queue.ts and signalfd-table.ts keep, actions and masks with them, and the lists of
   * threads.
   */
  readonly signalsLock: Mutex;
  /** Guards the tree of processes, their groups and sessions, and who is a zombie. */
  readonly tasksLock: Mutex;
  /** Views of records that were asked for before. */
  readonly tasks: (TaskRecord | undefined)[];
  readonly processes: (ProcessRecord | undefined)[];
  /** Views of the siginfo records, once they were asked for. */
  pool: SignalPool | undefined;
}

/** As the emulator found it, before the first kernel took it away from the host process. */
let startUmask: number | undefined;

/** The tables of an emulator that has no process yet. From now on the host's umask is 0. */
export function newKernel(): Kernel {
  const k = attachKernel(new SharedArrayBuffer(sections.size));
  startUmask ??= host("umask", 0);
  const pid = host("getpid");
  k.i32[Header.hostPid] = pid;
  k.i32[Header.startUmask] = startUmask;
  return k;
}

/** Another worker's views. */
export function attachKernel(buffer: SharedArrayBuffer): Kernel {
  const u8 = new Uint8Array(buffer);
  const i32 = new Int32Array(buffer);
  return {
    buffer,
    i32,
    f64: new Float64Array(buffer),
    u8,
    address: addressOf(u8),
    signalsLock: { words: i32, index: Header.signalsLock },
    tasksLock: { words: i32, index: Header.tasksLock },
    tasks: [],
    processes: [],
    pool: undefined,
  };
}

/**
 * Notes that a system call without a row was made. Answers how many numbers were noted, with this one; 0 where it was
 * before, or where no more are taken.
 */
export function noteUnknownCall(k: Kernel, nr: number): number {
  const count = Atomics.load(k.i32, Header.namedCount);
  if (count >= mostNamed || namedCalls(k).includes(nr)) return 0;
  const slot = Atomics.add(k.i32, Header.namedCount, 1);
  if (slot >= mostNamed) return 0;
  k.f64[Header.named / 2 + slot] = nr;
  return slot + 1;
}

/** Numbers of system calls without a row that were noted. */
export const namedCalls = (k: Kernel): Float64Array =>
  k.f64.subarray(Header.named / 2, Header.named / 2 + Math.min(Atomics.load(k.i32, Header.namedCount), mostNamed));
