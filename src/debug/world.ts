// The debugger's end of all guest threads: who there is, who stands still and why, stopping them all, and letting some go on.
// One thread of the emulator works with it, the stub's, which is no guest thread.
import { unpark } from "../host/park.ts";
import { Header, type Kernel } from "../linux/kernel.ts";
import { Pending, Place, wake } from "../linux/place.ts";
import { mostProcesses, ProcessField, processAt } from "../linux/processes.ts";
import { isTraceStopped } from "../linux/ptrace.ts";
import { State } from "../linux/records.ts";
import { isStopped as hasStoppedWithProcess } from "../linux/stops.ts";
import { nameOf, TaskField, type TaskRecord, taskAt } from "../linux/tasks.ts";
import { lock, unlock, withLock } from "../sync/mutex.ts";
import {
  Action,
  addressIn,
  bump,
  type DebugState,
  debuggedProcesses,
  Head,
  initThread,
  Run,
  Stop,
  Thread,
  threadAt,
} from "./state.ts";

export interface World {
  readonly d: DebugState;
  readonly kernel: Kernel;
}

/** A guest thread that lives. */
export interface GuestThread {
  /** Index of its record. */
  readonly task: number;
  readonly tid: number;
  readonly pid: number;
  /** Index of its process. */
  readonly process: number;
}

/** Indices of the processes that live. */
export function processesOf({ kernel }: World): number[] {
  const found: number[] = [];
  const used = Math.min(kernel.i32[Header.usedProcesses]!, mostProcesses);
  for (let index = 0; index < used; index++) if (isLive(kernel, index)) found.push(index);
  return found;
}

export const isLive = (k: Kernel, process: number): boolean =>
  Atomics.load(processAt(k, process).i32, ProcessField.state) === State.live;

/** The threads of processes that are debugged. */
export const debuggedThreads = (w: World): GuestThread[] => threadsAmong(w, debuggedProcesses(w.d));

/** All threads, those of a process together, its leader first. */
export const threadsIn = (w: World): GuestThread[] => threadsAmong(w, processesOf(w));

/** Of those processes that live. Loops alone: each step of a debugger asks for this several times. */
function threadsAmong({ kernel }: World, processes: readonly number[]): GuestThread[] {
  const found: GuestThread[] = [];
  lock(kernel.signalsLock);
  try {
    for (const process of processes) {
      if (!isLive(kernel, process)) continue;
      const { i32 } = processAt(kernel, process);
      const pid = i32[ProcessField.pid]!;
      for (let link = i32[ProcessField.threads]!; link !== 0; ) {
        const task = taskAt(kernel, link - 1).i32;
        found.push({ task: link - 1, tid: task[TaskField.tid]!, pid, process });
        link = task[TaskField.next]!;
      }
    }
  } finally {
    unlock(kernel.signalsLock);
  }
  return found;
}

export const recordOf = ({ kernel }: World, { task }: GuestThread): TaskRecord => taskAt(kernel, task);
export const threadName = (w: World, t: GuestThread): string => nameOf(recordOf(w, t));
/** Index of the process that made the thread's memory. */
export const spaceOf = ({ kernel }: World, { process }: GuestThread): number =>
  processAt(kernel, process).i32[ProcessField.space]!;

// ---- stops

export interface StopEvent {
  readonly thread: GuestThread;
  /** A value of `Stop`. */
  readonly why: number;
  readonly detail: number;
  readonly address: number;
  readonly order: number;
}

const isKnown = ({ d: { words } }: World, { task, tid }: GuestThread): boolean =>
  words[threadAt(task) + Thread.tid] === tid;

const runOf = ({ d }: World, { task }: GuestThread): number => Atomics.load(d.words, threadAt(task) + Thread.run);

/** Whether the thread stands still: for the debugger, or in a stop of the guest's own, from where it comes to no guest code unseen. */
export const isStopped = (w: World, t: GuestThread): boolean =>
  isKnown(w, t) && (runOf(w, t) >= Run.stopped || standsInside(w, t));

/** Whether it has stopped for a tracer inside, or with its process. */
export function standsInside(w: World, t: GuestThread): boolean {
  const record = recordOf(w, t);
  return isTraceStopped(record) || hasStoppedWithProcess(record);
}

/** Whether it sleeps in the host's kernel: it may be for long. */
export const sleeps = (w: World, t: GuestThread): boolean =>
  Atomics.load(recordOf(w, t).i32, TaskField.place) === Place.host;

/** Why a thread stands still that nobody has told the debugger of; undefined where it runs, or was just asked to stop. */
export function eventOf(w: World, thread: GuestThread): StopEvent | undefined {
  if (!isKnown(w, thread) || runOf(w, thread) !== Run.stopped) return undefined;
  const { words, f64 } = w.d;
  const at = threadAt(thread.task);
  const why = words[at + Thread.stop]!;
  if (why === Stop.none || why === Stop.asked || words[at + Thread.told] !== 0) return undefined;
  return {
    ...{ thread, why, detail: words[at + Thread.detail]!, order: words[at + Thread.order]! },
    address: f64[(at + Thread.address) / 2]!,
  };
}

/** Asks all threads to stop, those to come too. */
export function haltAll(w: World): void {
  Atomics.store(w.d.words, Head.halted, 1);
  bump(w.d);
  for (const thread of debuggedThreads(w)) {
    holdNew(w, thread);
    if (!isStopped(w, thread)) wake(recordOf(w, thread), Pending.trace);
  }
}

/** A thread that no worker runs yet stands still before its first instruction: it is taken for one that has stopped there. */
export function holdNew(w: World, { task, tid }: GuestThread): void {
  const { d } = w;
  if (d.words[threadAt(task) + Thread.tid] === tid) return;
  withLock(d.lock, () => {
    if (d.words[threadAt(task) + Thread.tid] !== tid) initThread(d, task, tid, Run.stopped);
  });
}

/** Asks one thread to stop. */
export function haltOne(w: World, thread: GuestThread): void {
  holdNew(w, thread);
  const { words, lock } = w.d;
  const at = threadAt(thread.task);
  if (runOf(w, thread) >= Run.stopped) return;
  withLock(lock, () => {
    words[at + Thread.told] = 0;
    if (standsInside(w, thread)) words[at + Thread.stop] = Stop.asked;
    Atomics.store(words, at + Thread.wanted, 1);
  });
  bump(w.d);
  wake(recordOf(w, thread), Pending.trace);
}

/** Threads may run again; those that stand still go on when they are resumed. */
export function unhalt({ d }: World): void {
  Atomics.store(d.words, Head.halted, 0);
  bump(d);
}

/** The debugger knows that the thread stands still, and why. */
export function markTold({ d }: World, { task }: GuestThread): void {
  withLock(d.lock, () => {
    d.words[threadAt(task) + Thread.told] = 1;
  });
}

/** The thread has stopped for nothing that is kept: it will come upon it again. */
export function forget({ d }: World, { task }: GuestThread): void {
  withLock(d.lock, () => {
    d.words[threadAt(task) + Thread.stop] = Stop.asked;
  });
}

export interface Resumption {
  readonly step: boolean;
  /** 0 for none. */
  readonly signal: number;
  /** Stepped through while pc is in it; empty for one instruction. */
  readonly start: number;
  readonly end: number;
}

export const goOn: Resumption = { step: false, signal: 0, start: 0, end: 0 };

/** Lets a stopped thread go on. */
export function resume({ d }: World, { task }: GuestThread, how: Resumption): void {
  const { words, f64 } = d;
  const at = threadAt(task);
  withLock(d.lock, () => {
    words[at + Thread.action] = how.step ? Action.step : Action.go;
    words[at + Thread.signal] = how.signal;
    f64[(at + Thread.start) / 2] = how.start;
    f64[(at + Thread.end) / 2] = how.end;
    words[at + Thread.stop] = Stop.none;
    Atomics.store(words, at + Thread.wanted, 0);
    Atomics.compareExchange(words, at + Thread.run, Run.stopped, Run.running);
    Atomics.add(words, at + Thread.resumed, 1);
  });
  if (Atomics.load(words, at + Thread.asleep) !== 0) unpark(addressIn(d, at + Thread.resumed));
}
