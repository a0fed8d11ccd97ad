// How a process comes to have more threads, and how one of them ends while the others go on.
import { hart, hartIn, setX } from "../cpu/hart.ts";
import { addRunner, removeRunner } from "../memory/sharing.ts";
import { endFutexes } from "./futex-exit.ts";
import { park, wakeCount } from "./park.ts";
import { clearPending, Pending } from "./place.ts";
import { ProcessField } from "./processes.ts";
import { State, setField } from "./records.ts";
import { exitProcess, exitSignals, initSignals, TaskWord } from "./signals.ts";
import type { Exit, Task } from "./task.ts";
import { addThread, allocateTask, freeTask, TaskField, type TaskRecord, taskAt } from "./tasks.ts";
import { storeWords } from "./words.ts";

/** What a new thread begins with, as clone's flags and arguments say. Addresses are the guest's; undefined where nothing was asked for. */
export interface NewThread {
  /** The end of its stack; 0 for that of the caller. */
  readonly stack: number;
  readonly tls: number | undefined;
  /** Where its id goes: before the call returns, before it begins, and, cleared, at its end. */
  readonly parentTid: number | undefined;
  readonly childTid: number | undefined;
  readonly clearTid: number | undefined;
}

const sp = 2;
const tp = 4;
const a0 = 10;

/** Programs with one thread need no workers: loaded for the first that makes another. */
const loadWorkers = () => require("./workers.ts") as typeof import("./workers.ts");

/** Starts a thread that goes on behind the caller's system call. Answers its id, or -errno. */
export function startThread(t: Task, o: NewThread): number {
  const { process } = t;
  const { kernel } = process;
  const { claim, hartOf, launch, openPool, release } = loadWorkers();
  const pool = (process.workers ??= openPool(process));
  const slot = claim(pool);
  if (slot < 0) return slot;
  const index = allocateTask(kernel, process.index);
  if (index < 0) {
    release(pool, slot);
    return index;
  }
  const record = taskAt(kernel, index);
  inherit(t, record, o);
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
  addThread(kernel, process.index, index);
  launch(pool, slot, index);
  return tid;
}

/** What a thread has of the one that made it. */
function inherit(t: Task, child: TaskRecord, { clearTid }: NewThread): void {
  const { i32, signals } = t.record;
  initSignals(child);
  for (const half of [0, 1]) child.signals[TaskWord.blocked + half] = signals[TaskWord.blocked + half]!;
  child.i32.set(i32.subarray(TaskField.name, TaskField.flags), TaskField.name);
  if (clearTid !== undefined) setField(child, TaskField.clearTid, clearTid);
}

/** The thread ends. With the last one the process ends, with the exit code of the first. */
export function endThread(t: Task, code: number): void {
  const { process, record, index } = t;
  const { kernel } = process;
  const isLeader = process.record.i32[ProcessField.leader] === index + 1;
  if (isLeader) record.i32[TaskField.exitCode] = code;
  t.ended = true;
  exitSignals(t);
  if (process.record.i32[ProcessField.threadCount] === 0) {
    const leader = taskAt(kernel, process.record.i32[ProcessField.leader]! - 1);
    exitProcess(kernel, process.record, { code: leader.i32[TaskField.exitCode]! });
    return;
  }
  endFutexes(t);
  removeRunner(process.space.sharing);
  // The first thread is found by its id as long as the process is there.
  if (isLeader) Atomics.store(record.i32, TaskField.state, State.zombie);
  else freeTask(kernel, index);
}

/** Sleeps until the process of a thread that has ended ends too, and answers how. */
export function awaitExit(t: Task): Exit {
  for (;;) {
    // First: what comes after it ends the sleep. Signals of the host are taken out by the sleep itself.
    clearPending(t.record, ~Pending.inbox);
    const seen = wakeCount(t);
    const end = t.process.exit;
    if (end !== undefined) return end;
    park(t, seen);
  }
}
