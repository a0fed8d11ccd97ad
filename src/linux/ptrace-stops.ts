// The stops of a guest thread that another guest traces, as the thread makes them: before each signal, at system calls, at
// events of its own life, and because its tracer or its process's stop wants it to. It tells its tracer, sleeps until that
// lets it go on, and does what it was let go on with. Rules: ptrace_stop and its callers in Linux's kernel/signal.c,
// ptrace_event and ptrace_report_syscall.
import { getI64, getPc, hart, setPc, setX } from "../cpu/hart.ts";
import { blockingHost } from "../host/interrupt.ts";
import { withLock } from "../sync/mutex.ts";
import { cpuTimeOfThread, ticksOf } from "./accounting.ts";
import { isSuperseded } from "./alone.ts";
import { Attr } from "./attributes.ts";
import { errno, restart } from "./errno.ts";
import { tellStopHeld } from "./family.ts";
import { takeHostSignals } from "./inbox.ts";
import { pendingAddress, watchTimers } from "./kick-timer.ts";
import { wakeTask } from "./park.ts";
import { clearPending, Pending, Place, pendingBits, wake } from "./place.ts";
import { ProcessField } from "./processes.ts";
import {
  CallStop,
  goOnHeld,
  hasTrap,
  isSeized,
  isTraced,
  isTraceStopped,
  Option,
  stopHeld,
  TraceEvent,
  TraceField,
  type TraceStop,
  tracerOf,
  tracingProcess,
  wantsEvent,
} from "./ptrace.ts";
import { restRseq } from "./rseq.ts";
import { Code, infoWords, kernelInfo, Sig, type SigInfo, userInfo } from "./siginfo.ts";
import { isPending } from "./signal-queue.ts";
import { isBlocked, queueSignal, recalcPending, sendSignal } from "./signals.ts";
import { hasStopped, isToStop, takePartHeld } from "./stops.ts";
import type { Task } from "./task.ts";
import { JobBit, TaskField } from "./tasks.ts";
import { expireTimers } from "./timers.ts";
import { becomeKickable } from "./wait.ts";

// ---- stopping

/** Whether a deadly signal is on its way, or the thread has to end: it stops for nobody then. */
function isDying(t: Task): boolean {
  if (t.process.exit !== undefined || isSuperseded(t)) return true;
  return isPending(t.signals.pending, Sig.KILL) || isPending(t.process.record.pending, Sig.KILL);
}

/**
 * Stops until the tracer lets the thread go on; answers the signal with which, and the siginfo as the tracer has left it. Not
 * at all where it is not traced, or about to be killed: then the signal is that of the stop. `tell`: told before it sleeps.
 */
function stop(t: Task, why: TraceStop, tell?: () => void): { readonly signo: number; readonly info: SigInfo } {
  const { record, process } = t;
  const { kernel } = process;
  // Before others may wake it.
  becomeKickable(t);
  const place = Atomics.load(record.i32, TaskField.place);
  const begun = withLock(kernel.signalsLock, () => {
    if (!isTraced(record) || (why.ending !== true && isDying(t))) return false;
    if (why.job) takePartHeld(process.record, record);
    Atomics.store(record.i32, TaskField.place, Place.stopped);
    stopHeld(record, why);
    return true;
  });
  if (!begun) return { signo: why.code & 0x7f, info: why.info ?? kernelInfo(Sig.TRAP) };
  restRseq(t);
  tellTracer(t, why);
  for (;;) {
    clearPending(record, ~Pending.inbox);
    if (pendingBits(record) & Pending.inbox) takeHostSignals(t);
    expireTimers(t);
    tell?.();
    if (!isTraceStopped(record)) break;
    watchTimers(t);
    blockingHost("ppoll", 0, 0, 0, 0, 0, 0, pendingAddress(t));
  }
  Atomics.store(record.i32, TaskField.place, place);
  const result = withLock(kernel.signalsLock, () => goOnHeld(record, infoWords));
  recall(t);
  return result;
}

/** Makes the pending word right again after a while in which the thread took no note of it. */
export function recall(t: Task): void {
  const { record, process } = t;
  recalcPending(t);
  if (process.exit !== undefined || isSuperseded(t)) wake(record, Pending.exit);
  if (isToStop(record)) wake(record, Pending.stop);
  if (hasTrap(record)) wake(record, Pending.ptrace);
  if (process.record.i32[ProcessField.written] !== 0) wake(record, Pending.space);
}

function tellTracer(t: Task, { code, job }: TraceStop): void {
  const { kernel, record } = t.process;
  const waiters = withLock(kernel.tasksLock, () => {
    const tracer = withLock(kernel.signalsLock, () => tracingProcess(kernel, t.record));
    if (tracer === undefined) return [];
    // All of its time counts as the user's: to divide it takes longer than the stop.
    const times = [ticksOf(cpuTimeOfThread(kernel, t.index)), 0] as const;
    return tellStopHeld(kernel, tracer, record, t.tid, job ? Code.CLD_STOPPED : Code.CLD_TRAPPED, code & 0x7f, times);
  });
  for (const waiter of waiters) wakeTask(kernel, waiter);
}

/** The siginfo of a stop that is no signal's. */
const stopInfo = (t: Task, signo: number, code: number): SigInfo =>
  userInfo(signo, code, t.tid, t.process.attributes.words[Attr.ruid]! >>> 0);

/** Stops, and has the thread take the signal that it goes on with: ptrace_notify. */
function notify(t: Task, code: number, more: Partial<TraceStop> = {}): number {
  return stop(t, { code, info: stopInfo(t, Sig.TRAP, code), ...more }).signo;
}

// ---- signals

/** The thread has taken a signal: which one it is to handle, if any, says the tracer. */
export function stopForSignal(t: Task, info: SigInfo): SigInfo | undefined {
  const { kernel, record } = t.process;
  // One that the tracer makes a stop signal counts as such.
  withLock(kernel.signalsLock, () => void (t.record.i32[TaskField.job]! |= JobBit.taken));
  const answer = stop(t, { code: info[0]!, info });
  const { signo } = answer;
  if (signo === 0) return undefined;
  const tracer = tracerOf(kernel, t.record);
  const by = tracer === undefined ? undefined : tracingProcess(kernel, t.record);
  const wanted =
    answer.info[0] === signo
      ? answer.info
      : userInfo(signo, Code.SI_USER, tracer?.i32[TaskField.tid] ?? 0, (by?.attributes[Attr.ruid] ?? 0) >>> 0);
  if (!isBlocked(t, signo)) return wanted;
  sendSignal({ kernel, process: record, thread: t.record }, signo, wanted);
  return undefined;
}

// ---- traps

/**
 * Stops where the process has stopped, or is to, or the tracer wants it: do_jobctl_trap. `tell`: tells the parent of the
 * process what there is to tell.
 */
export function stopForTrap(t: Task, tell: () => void): void {
  const { record, process } = t;
  const inStop = isToStop(record) || hasStopped(process.record);
  const known = record.i32[TraceField.jobSignal]!;
  const job = { job: isToStop(record) };
  if (!isSeized(record)) {
    // Anything but a stop of its process is a signal of its own.
    stop(t, { code: known || Sig.STOP, ...job }, tell);
    return;
  }
  const signo = inStop ? known || Sig.STOP : Sig.TRAP;
  const code = signo | (TraceEvent.STOP << 8);
  stop(t, { code, info: stopInfo(t, signo, code), ...job }, tell);
}

// ---- events

/** Stops at an event of `TraceEvent`, where the tracer wants to hear of it. */
export function stopAtEvent(t: Task, event: number, message: number, ending = false): void {
  if (isTraced(t.record) && wantsEvent(t.record, event)) notify(t, Sig.TRAP | (event << 8), { message, ending });
}

/** The thread is about to execute another program, for which it may have to take another id. */
export function noteExecutor({ record }: Task): void {
  record.i32[TraceField.formerTid] = record.i32[TaskField.tid]!;
}

/** It has begun to. Who wants to hear of no such events gets a signal, as ever. */
export function stopAtExec(t: Task): void {
  const { record } = t;
  if (!isTraced(record)) return;
  if (wantsEvent(record, TraceEvent.EXEC)) stopAtEvent(t, TraceEvent.EXEC, record.i32[TraceField.formerTid]!);
  else if (!isSeized(record)) queueSignal(t, Sig.TRAP, userInfo(Sig.TRAP, Code.SI_USER, 0, 0));
}

// ---- system calls

const a0 = 10;
const a7 = 17;
const ecallBytes = 4;

function stopAtCall(t: Task, call: number): void {
  const good = (t.record.i32[TraceField.options]! & Option.SYSGOOD) !== 0;
  const signo = notify(t, Sig.TRAP | (good ? 0x80 : 0), { call, message: call });
  if (signo !== 0) queueSignal(t, signo, userInfo(signo, Code.SI_USER, 0, 0));
}

const keepArgument = ({ record, hart: { i32 } }: Task): void =>
  record.i32.set(i32.subarray(2 * a0, 2 * a0 + 2), TraceField.argument);
const putArgument = ({ record, hart: { i32 } }: Task): void =>
  i32.set(record.i32.subarray(TraceField.argument, TraceField.argument + 2), 2 * a0);

/**
 * At an ecall: the tracer sees pc behind it, and a0 as it will be if no call is made. False where none is to be made: the tracer
 * has set the number to -1, or the thread is to end.
 */
export function stopAtEntry(t: Task): boolean {
  setPc(t.hart, getPc(t.hart) + ecallBytes);
  keepArgument(t);
  setX(t.hart, a0, -errno.ENOSYS);
  stopAtCall(t, CallStop.entry);
  if (isDying(t) || getI64(t.hart, a7) === -1) return false;
  putArgument(t);
  setPc(t.hart, getPc(t.hart) - ecallBytes);
  return true;
}

const restarts: readonly number[] = [
  -restart.ERESTARTSYS,
  -restart.ERESTARTNOINTR,
  -restart.ERESTARTNOHAND,
  -restart.ERESTART_RESTARTBLOCK,
];

/**
 * A call has been made with that result, undefined where it is in a0 already. Answers the code of `restart` that the call is to
 * end with; undefined where its result stands in a0.
 */
export function stopAtExit(t: Task, result: number | undefined): number | undefined {
  keepArgument(t);
  if (result !== undefined) setX(t.hart, a0, result);
  stopAtCall(t, CallStop.exit);
  const now = getI64(t.hart, a0);
  if (!restarts.includes(now)) return undefined;
  putArgument(t);
  return now;
}

/** The thread has executed the one instruction that it was to execute. */
export function trapAfterStep(t: Task): SigInfo {
  const R = t.hart.i32;
  const info = kernelInfo(Sig.TRAP);
  info[2] = Code.TRAP_TRACE;
  info.set(R.subarray(hart.pc, hart.pc + 2), 4);
  return info;
}

/** A handler is about to run, whose thread was to execute one instruction: that is the first of it. */
export const stopAtHandler = (t: Task): void => void notify(t, Sig.TRAP);
