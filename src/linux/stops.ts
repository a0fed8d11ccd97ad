// The group stop of a process (kernel/signal.c): its words in the process's record and in those of its threads. Who takes a
// stop signal asks all threads to stop; each stops at its next safepoint; with the last one the process has stopped.
// SIGCONT ends that, whatever has become of it, and so does the end of the process. What its parent is told then is
// noted here; a thread of the process tells it: jobs.ts. Functions whose name ends in `Held` need the signals lock.
import { Pending, Place, wake } from "./place.ts";
import { ProcessField, type ProcessRecord } from "./processes.ts";
import { noteJobSignal, noticeJobHeld, releaseAllHeld } from "./ptrace.ts";
import { JobBit, TaskField, type TaskRecord } from "./tasks.ts";

/** Bits of a process's word `stopState`. */
export const StopState = {
  /** It has stopped, by the signal `stopSignal`, which is 0 once that was waited for; or it goes on, which was not waited for. */
  stopped: 1,
  continued: 2,
  /** Its parent is to be told that it has stopped, or goes on. */
  tellStopped: 4,
  tellContinued: 8,
  /** Another guest process has sent the signal that stops it. */
  byGuest: 16,
  /** The emulator has stopped for it. */
  shown: 32,
} as const;

const word = ({ i32 }: ProcessRecord): number => Atomics.load(i32, ProcessField.stopState);

/** Whether all its threads have stopped. */
export const hasStopped = (process: ProcessRecord): boolean => (word(process) & StopState.stopped) !== 0;

/** Whether a thread has stopped. */
export const isStopped = ({ i32 }: TaskRecord): boolean => (Atomics.load(i32, TaskField.job) & JobBit.stopped) !== 0;

/** Whether a thread is to stop with its process. */
export const isToStop = ({ i32 }: TaskRecord): boolean => (Atomics.load(i32, TaskField.job) & JobBit.stopping) !== 0;

/** Whether a thread is to stop, or has something to tell the parent of its process. */
export const isCalled = (process: ProcessRecord, thread: TaskRecord): boolean =>
  isToStop(thread) || (word(process) & (StopState.tellStopped | StopState.tellContinued)) !== 0;

/** Notes that a thread takes a stop signal: unless SIGCONT comes before, it may begin a stop. */
export function noteTakenHeld({ i32 }: TaskRecord): void {
  i32[TaskField.job]! |= JobBit.taken;
}

/** Asks all threads to stop, on behalf of one that has taken a stop signal. False where that has been overtaken. */
export function beginStopHeld(
  process: ProcessRecord,
  threads: readonly TaskRecord[],
  thread: TaskRecord,
  signo: number,
  byGuest: boolean,
): boolean {
  const p = process.i32;
  if ((thread.i32[TaskField.job]! & JobBit.taken) === 0 || p[ProcessField.exit] !== 0) return false;
  if (!hasStopped(process)) p[ProcessField.stopSignal] = signo;
  if (byGuest) p[ProcessField.stopState]! |= StopState.byGuest;
  else p[ProcessField.stopState]! &= ~StopState.byGuest;
  let left = 0;
  for (const other of threads) {
    if (isStopped(other)) continue;
    other.i32[TaskField.job]! |= JobBit.stopping;
    noteJobSignal(other, signo);
    left++;
    if (other === thread) continue;
    wake(other, Pending.stop);
    noticeJobHeld(other);
  }
  p[ProcessField.stopsLeft] = left;
  return true;
}

/** A thread that is to stop does, or ends. With the last one the process has stopped, which its parent is to be told: true then. */
export function takePartHeld({ i32: p }: ProcessRecord, { i32 }: TaskRecord): boolean {
  if ((i32[TaskField.job]! & JobBit.stopping) === 0) return false;
  i32[TaskField.job]! &= ~(JobBit.stopping | JobBit.taken);
  if (p[ProcessField.stopsLeft]! > 0) p[ProcessField.stopsLeft]!--;
  if (p[ProcessField.stopsLeft] !== 0 || (p[ProcessField.stopState]! & StopState.stopped) !== 0) return false;
  const byGuest = p[ProcessField.stopState]! & StopState.byGuest;
  Atomics.store(p, ProcessField.stopState, StopState.stopped | StopState.tellStopped | byGuest);
  return true;
}

/** The thread stops, if it is still to. From then on it is woken by what ends the stop. */
export function stopHeld(process: ProcessRecord, thread: TaskRecord): boolean {
  if ((thread.i32[TaskField.job]! & JobBit.stopping) === 0) return false;
  takePartHeld(process, thread);
  thread.i32[TaskField.job]! |= JobBit.stopped;
  Atomics.store(thread.i32, TaskField.place, Place.stopped);
  return true;
}

/** SIGCONT was sent: all threads go on, and none stops that was to. */
export function continueHeld({ i32: p }: ProcessRecord, threads: readonly TaskRecord[]): void {
  const [state, stopping] = [p[ProcessField.stopState]!, p[ProcessField.stopsLeft]! > 0];
  const tell =
    (state & StopState.stopped) !== 0 ? StopState.tellContinued : stopping ? StopState.tellStopped : undefined;
  if (tell !== undefined) {
    Atomics.store(p, ProcessField.stopState, tell | StopState.continued);
    p[ProcessField.stopsLeft] = p[ProcessField.stopSignal] = 0;
  }
  releaseHeld(threads);
  for (const thread of threads) noticeJobHeld(thread);
}

/** The process is about to end: nothing keeps its threads. */
export function endStopHeld({ i32: p }: ProcessRecord, threads: readonly TaskRecord[]): void {
  Atomics.store(p, ProcessField.stopState, 0);
  p[ProcessField.stopsLeft] = p[ProcessField.stopSignal] = 0;
  releaseHeld(threads);
  releaseAllHeld(threads);
}

function releaseHeld(threads: readonly TaskRecord[]): void {
  for (const thread of threads) {
    const before = Atomics.exchange(thread.i32, TaskField.job, 0);
    if ((before & (JobBit.stopped | JobBit.stopping)) !== 0) wake(thread, Pending.stop);
  }
}

/** What the parent is to be told, which nobody else tells then: 0 for nothing, or one of the two bits. */
export function takeNewsHeld({ i32: p }: ProcessRecord): number {
  const state = p[ProcessField.stopState]!;
  const news = state & (StopState.tellStopped | StopState.tellContinued);
  if (news !== 0) Atomics.and(p, ProcessField.stopState, ~(StopState.tellStopped | StopState.tellContinued));
  return news;
}
