// Records of guest threads in the kernel's buffer: what others than the thread itself must see or change.
// A thread is found by its index, or by its id among all that live. The lists of threads are guarded by the signals lock.
import { readHostFile } from "../host/file.ts";
import { withLock } from "../sync/mutex.ts";
import { errno } from "./errno.ts";
import { accountWords, Header, type Kernel, sections } from "./kernel.ts";
import { ProcessField, processAt, processTable } from "./processes.ts";
import { findRecord, freeRecord, State, type Table, takeRecord, wordOf } from "./records.ts";
import { type PendingSet, pendingWords } from "./signal-queue.ts";

/** Words of a record. */
export const TaskField = {
  /** See `State`. */
  state: 0,
  tid: 1,
  /** Index of its process. */
  process: 2,
  /** Among the threads of its process: index + 1. The last has no next, 0; the first has the last as its previous. */
  next: 3,
  previous: 4,
  /** Where the thread is, and what it is to attend to. */
  place: 5,
  pending: 6,
  /** What it sleeps on. */
  wake: 7,
  /** Id of the host's thread that runs it; index of its hart in the memory; index of its worker. */
  hostTid: 8,
  hart: 9,
  worker: 10,
  generation: 11,
  /** Guest addresses, two words each: set_tid_address, set_robust_list, rseq. */
  clearTid: 12,
  robustList: 14,
  rseq: 16,
  /** `nameBytes` bytes, the rest zero. */
  name: 18,
  flags: 22,
  /** 1 while it sleeps for a child. */
  waiting: 23,
  blockedOn: 24,
  /** Of a process's first thread that ended before the others. */
  exitCode: 25,
  /** Of one that sleeps for its child of vfork: index + 1 of the thread that runs in its place, -1 where none does. */
  inPlace: 26,
  /** Numbers + 1 of its tables: thread-tables.ts. */
  fdsTable: 27,
  filesTable: 28,
  /** What rseq was told besides its address; the number + 1 of a CPU that the thread has, or a value of rseq.ts. */
  rseqLength: 29,
  rseqSignature: 30,
  rseqCpu: 31,
  /** Words of `TaskWord`. */
  signals: 32,
  /** What is pending for it alone. */
  pendingSet: 48,
  /** Bits of `JobBit`. */
  job: 178,
  /** How often critical sections of its memory had been restarted when it looked last. */
  rseqRestarts: 179,
  /** What it waits as in a futex queue: `waiterWords` words. */
  waiter: 180,
  /** Index + 1 of the thread that made it by vfork, of the same process, and sleeps until it ends. */
  vforkMaker: 199,
  /** Words of ptrace. */
  trace: 200,
  words: 256,
} as const;

/** Bits of a thread's word `job`: stops.ts. */
export const JobBit = {
  /** It has taken a stop signal, and no SIGCONT came since. */
  taken: 1,
  /** It is to stop. */
  stopping: 2,
  stopped: 4,
} as const;

export const mostTasks = 4096;
/** A thread's name, with the NUL at its end. */
const nameBytes = 16;
const signalWords = 16;

export const taskTable: Table = {
  section: sections.tasks,
  words: TaskField.words,
  most: mostTasks,
  hint: Header.taskHint,
  used: Header.usedTasks,
  generation: TaskField.generation,
  accounts: sections.taskAccounts,
  accountWords: accountWords.task,
};

/** Views of a record. */
export interface TaskRecord {
  readonly index: number;
  readonly i32: Int32Array;
  readonly f64: Float64Array;
  /** Words of `TaskWord`. */
  readonly signals: Int32Array;
  readonly pending: PendingSet;
}

/** The record of that index: the same object each time. */
export const taskAt = (k: Kernel, index: number): TaskRecord => (k.tasks[index] ??= viewsOf(k, index));

function viewsOf(k: Kernel, index: number): TaskRecord {
  const at = wordOf(taskTable, index);
  const i32 = k.i32.subarray(at, at + TaskField.words);
  return {
    index,
    i32,
    f64: k.f64.subarray(at / 2, (at + TaskField.words) / 2),
    signals: i32.subarray(TaskField.signals, TaskField.signals + signalWords),
    pending: { words: i32.subarray(TaskField.pendingSet, TaskField.pendingSet + pendingWords) },
  };
}

/**
 * Takes a free record for a thread of a process, with an id of its own, and answers its index; -EAGAIN where none is
 * left. Nobody finds it until `addThread`.
 */
export function allocateTask(k: Kernel, process: number, tid?: number): number {
  const index = takeRecord(k, taskTable);
  if (index < 0) return -errno.EAGAIN;
  const { i32 } = taskAt(k, index);
  i32[TaskField.process] = process;
  i32[TaskField.tid] = tid ?? newPid(k);
  return index;
}

/** Gives a record back; that of the first thread of all stays, found by nobody: the main thread sleeps there while others live. */
export function freeTask(k: Kernel, index: number): void {
  if (index !== firstTask) freeRecord(k, taskTable, index);
  else {
    const { i32 } = taskAt(k, index);
    i32[TaskField.tid] = 0;
    Atomics.store(i32, TaskField.state, State.reserved);
  }
}

/** The record of the first thread of all. */
export const firstTask = 0;

/** The index of the thread that has this id. */
export function findTask(k: Kernel, tid: number): number | undefined {
  const index = findRecord(k, taskTable, TaskField.tid, tid);
  return index < 0 || taskAt(k, index).i32[TaskField.state]! < State.live ? undefined : index;
}

// ---- ids

/** So many ids there are, from the first on that the host never gives. */
const idCount = 2 ** 22;

let firstId: number | undefined;
/** The host's limit on ids: those from there on are free for guests, so that an id never means one of the host's as well, before, after or while a guest has it. */
const firstOfGuests = (): number => (firstId ??= Number(readHostFile("/proc/sys/kernel/pid_max")) || 2 ** 22);

/** An id that no task of a guest has, and no process, group or session of a guest: the next free one, as in Linux. */
export function newPid(k: Kernel): number {
  const first = firstOfGuests();
  for (;;) {
    const id = first + ((Atomics.add(k.i32, Header.nextPid, 1) >>> 0) % idCount);
    if (!isTaken(k, id)) return id;
  }
}

const isTaken = (k: Kernel, id: number): boolean =>
  findRecord(k, taskTable, TaskField.tid, id) >= 0 ||
  [ProcessField.pid, ProcessField.group, ProcessField.session].some((w) => findRecord(k, processTable, w, id) >= 0);

// ---- the threads of a process

/**
 * Makes a task that was allocated the last thread of its process. With its first one a process begins to live. Where the
 * process ends at the same time, the thread finds that before its first instruction.
 */
export const addThread = (k: Kernel, process: number, task: number): void =>
  withLock(k.signalsLock, () => append(k, process, task));

/** Of `Pending`, which place.ts has: what a thread may begin with. */
const [signalBit, stopBit] = [1, 4];

function append(k: Kernel, process: number, task: number): void {
  const p = processAt(k, process).i32;
  const t = taskAt(k, task).i32;
  const first = p[ProcessField.threads]!;
  t[TaskField.next] = 0;
  if (first === 0) {
    t[TaskField.previous] = task + 1;
    p[ProcessField.threads] = p[ProcessField.leader] = task + 1;
  } else {
    const head = taskAt(k, first - 1).i32;
    const last = head[TaskField.previous]!;
    t[TaskField.previous] = last;
    head[TaskField.previous] = task + 1;
    taskAt(k, last - 1).i32[TaskField.next] = task + 1;
  }
  p[ProcessField.threadCount]!++;
  Atomics.add(p, ProcessField.runners, 1);
  if (p[ProcessField.stopsLeft]! > 0) {
    // It stops with those that have made it.
    p[ProcessField.stopsLeft]!++;
    t[TaskField.job] = JobBit.stopping;
    Atomics.or(t, TaskField.pending, stopBit);
  }
  // What came before there was a thread.
  if ((p[ProcessField.pendingSet]! | p[ProcessField.pendingSet + 1]!) !== 0)
    Atomics.or(t, TaskField.pending, signalBit);
  Atomics.store(t, TaskField.state, State.live);
  if (first === 0) Atomics.store(p, ProcessField.state, State.live);
}

/** Takes a thread out of the list of its process; its record stays. Signals go to others from then on. */
export const removeThread = (k: Kernel, process: number, task: number): void =>
  withLock(k.signalsLock, () => removeThreadHeld(k, process, task));

/** The same, by who has the signals lock. */
export function removeThreadHeld(k: Kernel, process: number, task: number): void {
  const p = processAt(k, process).i32;
  const t = taskAt(k, task).i32;
  const next = t[TaskField.next]!;
  const previous = t[TaskField.previous]!;
  if (p[ProcessField.threads] === task + 1) p[ProcessField.threads] = next;
  else taskAt(k, previous - 1).i32[TaskField.next] = next;
  // The one behind gets the one before, which is the last where the first left; behind the last stands the first.
  const behind = next === 0 ? p[ProcessField.threads]! : next;
  if (behind !== 0) taskAt(k, behind - 1).i32[TaskField.previous] = previous;
  t[TaskField.next] = t[TaskField.previous] = 0;
  p[ProcessField.threadCount]!--;
}

/** Indices of the threads of a process, in the order in which they came: the leader first. By who has the signals lock. */
export function threadsOf(k: Kernel, process: number): readonly number[] {
  const found: number[] = [];
  const first = processAt(k, process).i32[ProcessField.threads]!;
  for (let link = first; link !== 0; link = taskAt(k, link - 1).i32[TaskField.next]!) found.push(link - 1);
  return found;
}

/** The same, by who has not. They may have ended by the time they are looked at. */
export const threadsNow = (k: Kernel, process: number): readonly number[] =>
  withLock(k.signalsLock, () => threadsOf(k, process));

// ---- fields that are no single word

/** Latin1, at most 15 bytes, without NUL. */
export function nameOf(r: TaskRecord): string {
  const bytes = nameView(r);
  return bytes.toString("latin1", 0, bytes.indexOf(0));
}

/** Cuts the name to 15 bytes. */
export function setName(r: TaskRecord, name: string): void {
  const bytes = nameView(r);
  bytes.fill(0, bytes.write(name, 0, nameBytes - 1, "latin1"));
}

const nameView = ({ i32 }: TaskRecord): Buffer =>
  Buffer.from(i32.buffer, i32.byteOffset + TaskField.name * 4, nameBytes);
