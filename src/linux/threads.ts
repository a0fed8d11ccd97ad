// How a process comes to have more threads, and how one of them ends by itself.
import { hart, hartIn, setX } from "../cpu/hart.ts";
import { addRunner } from "../memory/sharing.ts";
import { isSuperseded } from "./alone.ts";
import { errno } from "./errno.ts";
import { parkThrough, wakeCount, wakeTask } from "./park.ts";
import { inheritTracer } from "./ptrace-ends.ts";
import { mayMakeTask } from "./quotas.ts";
import { setField } from "./records.ts";
import { inheritScheduling } from "./scheduling.ts";
import { initSignals, TaskWord } from "./signals.ts";
import type { Task } from "./task.ts";
import { addThread, allocateTask, freeTask, TaskField, type TaskRecord, taskAt } from "./tasks.ts";
import { inheritTables, type SharedTables } from "./thread-tables.ts";
import { storeWords } from "./words.ts";
import type { WorkerPool } from "./workers.ts";

/** What a new thread begins with, as clone's flags and arguments say. Addresses are the guest's; undefined where nothing was asked for. */
export interface NewThread extends SharedTables {
  /** The end of its stack; 0 for that of the caller. */
  readonly stack: number;
  readonly tls: number | undefined;
  /** Where its id goes: before the call returns, before it begins, and, cleared, at its end. */
  readonly parentTid: number | undefined;
  readonly childTid: number | undefined;
  readonly clearTid: number | undefined;
  /** Whether who traces the caller traces it too. */
  readonly traced: boolean;
  /** Whether the caller sleeps until it executes a program, or ends. */
  readonly isVfork: boolean;
  /** Called when it may have begun, before the caller sleeps for it. */
  readonly begun: (id: number) => void;
}

const sp = 2;
const tp = 4;
const a0 = 10;

/** Programs with one thread need no workers: loaded for the first that makes another. */
const loadWorkers = () => require("./workers.ts") as typeof import("./workers.ts");

/** Starts a thread that goes on behind the caller's system call. Answers its id, or -errno. */
export function startThread(t: Task, o: NewThread): number {
  const { process } = t;
  if (!mayMakeTask(t)) return -errno.EAGAIN;
  const { claim, poolOf, withClaimed } = loadWorkers();
  const pool = poolOf(process);
  const slot = claim(pool);
  return slot < 0 ? slot : withClaimed(pool, slot, () => startOn(t, o, pool, slot));
}

function startOn(t: Task, o: NewThread, pool: WorkerPool, slot: number): number {
  const { process } = t;
  const { kernel } = process;
  const { launch, release } = loadWorkers();
  const { hartOf } = require("./worker-table.ts") as typeof import("./worker-table.ts");
  const index = allocateTask(kernel, process.index);
  if (index < 0) {
    release(pool, slot);
    return index;
  }
  const record = taskAt(kernel, index);
  const error = inheritTables(t, record, process.record, o);
  if (error < 0) {
    freeTask(kernel, index);
    release(pool, slot);
    return error;
  }
  inherit(t, record, o);
  inheritScheduling(t, index);
  if (o.traced) inheritTracer(t, record);
  const child = hartIn(process.memory, hartOf(pool.table, slot));
  // What it has executed for other threads before stays counted.
  child.i32.set(t.hart.i32.subarray(0, hart.cause));
  child.i32[hart.reservation + 1] = 0;
  child.i32[hart.trapped] = 0;
  setX(child, a0, 0);
  if (o.stack !== 0) setX(child, sp, o.stack);
  if (o.tls !== undefined) setX(child, tp, o.tls);
  const tid = record.i32[TaskField.tid]!;
  // As in Linux, what cannot be stored there is no error.
  if (o.parentTid !== undefined) storeWords(t, o.parentTid, Int32Array.of(tid));
  if (o.childTid !== undefined) storeWords(t, o.childTid, Int32Array.of(tid));
  addRunner(process.space.sharing);
  if (o.isVfork) record.i32[TaskField.vforkMaker] = t.index + 1;
  addThread(kernel, process.index, index);
  launch(pool, slot, index);
  o.begun(tid);
  if (o.isVfork) awaitRelease(t, () => isHeldBy(t, record, tid));
  return tid;
}

/** Whether a thread that another one has made, and sleeps for, is still there. Executing a program it would have ended that one. */
const isHeldBy = (t: Task, { i32 }: TaskRecord, tid: number): boolean =>
  Atomics.load(i32, TaskField.vforkMaker) === t.index + 1 && i32[TaskField.tid] === tid;

/** Sleeps while that holds, unless the own process or thread is to end. A signal does not end it. Who changes it wakes the thread. */
export function awaitRelease(t: Task, isHeld: () => boolean): void {
  for (;;) {
    const seen = wakeCount(t);
    if (!isHeld() || t.process.exit !== undefined || isSuperseded(t)) return;
    parkThrough(t, seen);
  }
}

/** Wakes the thread that made this one by vfork, which is about to end, and sleeps for it. */
export function releaseThreadMaker({ process, record }: Task): void {
  const maker = Atomics.exchange(record.i32, TaskField.vforkMaker, 0);
  if (maker !== 0) wakeTask(process.kernel, maker - 1);
}

/** What a thread has of the one that made it. */
function inherit(t: Task, child: TaskRecord, { clearTid }: NewThread): void {
  const { i32, signals } = t.record;
  initSignals(child);
  for (const half of [0, 1]) child.signals[TaskWord.blocked + half] = signals[TaskWord.blocked + half]!;
  child.i32.set(i32.subarray(TaskField.name, TaskField.flags), TaskField.name);
  if (clearTid !== undefined) setField(child, TaskField.clearTid, clearTid);
}

/** The thread ends, by itself: exit.ts. */
export function endThread(t: Task, code: number): void {
  t.process.watcher?.end(t, { code });
  t.record.i32[TaskField.exitCode] = code;
  t.ended = true;
}
