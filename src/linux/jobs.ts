// Job control, as a thread takes part in it: it stops with its process and sleeps until that goes on, and tells the parent
// of its process what has become of it. What is to be done stands in the records: stops.ts. Signals that come meanwhile
// wait, but for SIGCONT and SIGKILL; signals of the host are taken over, and timers run.
import { blockingHost } from "../host/interrupt.ts";
import { withLock } from "../sync/mutex.ts";
import { isOrphanedHeld, reportStop, stopEmulator } from "./family.ts";
import { takeHostSignals } from "./inbox.ts";
import { pendingAddress, watchTimers } from "./kick-timer.ts";
import { clearPending, Pending, pendingBits } from "./place.ts";
import { findProcess, ProcessField } from "./processes.ts";
import { hasTrap, isReparentedHeld, isTraced } from "./ptrace.ts";
import { recall, stopForTrap } from "./ptrace-stops.ts";
import { restRseq } from "./rseq.ts";
import { Code, Sig, type SigInfo } from "./siginfo.ts";
import { beginStopHeld, isCalled, isStopped, isToStop, StopState, stopHeld, takeNewsHeld } from "./stops.ts";
import type { Task } from "./task.ts";
import { TaskField, taskAt, threadsOf } from "./tasks.ts";
import { expireTimers } from "./timers.ts";
import { becomeKickable } from "./wait.ts";

/**
 * The thread has taken a signal that stops its process: asks all threads to stop, this one with the next `attendStop`. Nothing
 * happens where SIGCONT came since, and, unless it is SIGSTOP, in a group that nobody would continue.
 */
export function beginStop(t: Task, info: SigInfo): void {
  const { kernel, record } = t.process;
  const signo = info[0]!;
  const group = record.i32[ProcessField.group]!;
  if (signo !== Sig.STOP && withLock(kernel.tasksLock, () => isOrphanedHeld(kernel, group))) return;
  withLock(kernel.signalsLock, () => {
    const threads = threadsOf(kernel, record.index).map((index) => taskAt(kernel, index));
    beginStopHeld(record, threads, t.record, signo, isByGuest(t, info));
  });
}

/** Whether another guest process has sent a signal: that can also send what ends the stop. */
function isByGuest({ process: { kernel, index } }: Task, info: SigInfo): boolean {
  const [, , code = 0, , pid = 0] = info;
  if (code > Code.SI_USER) return false;
  const sender = findProcess(kernel, pid);
  return sender !== undefined && sender !== index;
}

/** Stops, where the thread is called to, until its process goes on; and tells what there is to tell. */
export function attendStop(t: Task): void {
  clearPending(t.record, Pending.stop | Pending.ptrace);
  while (t.process.exit === undefined && (isCalled(t.process.record, t.record) || hasTrap(t.record))) {
    tellNews(t);
    if (!isTraced(t.record)) stop(t);
    else if (isToStop(t.record) || hasTrap(t.record)) stopForTrap(t, () => tellNews(t));
  }
}

function tellNews({ process: { kernel, record }, record: thread }: Task): void {
  const news = withLock(kernel.signalsLock, () => {
    const taken = takeNewsHeld(record);
    // A parent that traces the thread has been told of its own stop.
    const knows = taken === StopState.tellStopped && isTraced(thread) && !isReparentedHeld(kernel, thread);
    return knows ? 0 : taken;
  });
  if (news === 0) return;
  reportStop(kernel, record, news);
  if (news === StopState.tellStopped) stopEmulator(kernel);
}

function stop(t: Task): void {
  const { i32 } = t.record;
  // Before others may wake it.
  becomeKickable(t);
  const place = Atomics.load(i32, TaskField.place);
  if (!withLock(t.process.kernel.signalsLock, () => stopHeld(t.process.record, t.record))) return;
  restRseq(t);
  for (;;) {
    clearPending(t.record, ~(Pending.exit | Pending.inbox));
    if (pendingBits(t.record) & Pending.inbox) takeHostSignals(t);
    expireTimers(t);
    tellNews(t);
    if (!isStopped(t.record)) break;
    watchTimers(t);
    blockingHost("ppoll", 0, 0, 0, 0, 0, 0, pendingAddress(t));
  }
  Atomics.store(i32, TaskField.place, place);
  recall(t);
}
