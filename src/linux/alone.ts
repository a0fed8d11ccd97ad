// How a thread becomes the only one of its process, and the first, as execve demands it (de_thread in Linux's fs/exec.c): it
// asks the others to end, as the end of the process would, and sleeps until they have left. Another than the first thread takes
// over the first one's id.
import { withLock } from "../sync/mutex.ts";
import { parkThrough, wakeCount, wakeTask } from "./park.ts";
import { ProcessField } from "./processes.ts";
import { isTraced, unlinkHeld } from "./ptrace.ts";
import { wakeToEnd } from "./signals.ts";
import { endStopHeld } from "./stops.ts";
import type { Process, Task } from "./task.ts";
import { freeTask, TaskField, taskAt, threadsOf } from "./tasks.ts";

/**
 * Ends all other threads. False where the process ends, or another thread does the same: then this one is to leave the kernel,
 * and ends before its next instruction.
 */
export function becomeAlone(t: Task): boolean {
  const { kernel, record, index } = t.process;
  const p = record.i32;
  const claimed = withLock(kernel.signalsLock, () => {
    if (p[ProcessField.exit] !== 0 || p[ProcessField.executor] !== 0) return false;
    p[ProcessField.executor] = t.index + 1;
    const threads = threadsOf(kernel, index).map((other) => taskAt(kernel, other));
    if (threads.length > 1) endStopHeld(record, threads);
    for (const thread of threads) if (thread !== t.record) wakeToEnd(kernel, thread);
    return true;
  });
  if (!claimed) return false;
  for (;;) {
    const seen = wakeCount(t);
    if (Atomics.load(p, ProcessField.runners) === 1) break;
    parkThrough(t, seen);
  }
  return withLock(kernel.signalsLock, () => {
    p[ProcessField.executor] = 0;
    takeLeadHeld(t);
    return p[ProcessField.exit] === 0;
  });
}

/** Whether the thread is to end because another one executes a program. */
export const isSuperseded = ({ index, process: { record } }: Task): boolean => {
  const executor = record.i32[ProcessField.executor]!;
  return executor !== 0 && executor !== index + 1;
};

/** A thread has left its process for good: its executor may be waiting for that. */
export function wakeExecutor({ kernel, record }: Process): void {
  const executor = Atomics.load(record.i32, ProcessField.executor);
  if (executor !== 0) wakeTask(kernel, executor - 1);
}

/** Takes the place and the id of the first thread, which has left. */
function takeLeadHeld(t: Task): void {
  const { kernel, record } = t.process;
  const leader = record.i32[ProcessField.leader]! - 1;
  record.i32[ProcessField.fdsTable] = t.record.i32[TaskField.fdsTable]! - 1;
  record.i32[ProcessField.filesTable] = t.record.i32[TaskField.filesTable]! - 1;
  if (leader === t.index) return;
  record.i32[ProcessField.leader] = t.index + 1;
  const former = taskAt(kernel, leader);
  former.i32[TaskField.tid] = 0;
  if (isTraced(former)) unlinkHeld(kernel, former);
  t.record.i32[TaskField.tid] = record.i32[ProcessField.pid]!;
  freeTask(kernel, leader);
}
