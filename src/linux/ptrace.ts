// Guest threads that other guests trace (kernel/ptrace.c): who traces whom, what a tracee is to stop for and what it has
// stopped with, in words of the tracee's record. The tracee itself stops: ptrace-stops.ts; the tracer asks and resumes:
// calls/ptrace.ts; waiting and ends: ptrace-wait.ts. It has nothing to do with the debugger that sabre itself offers.
// All words are guarded by the signals lock, which functions whose name ends in `Held` need; a thread that has stopped
// leaves its registers alone, so that its tracer may read and change them.
import { Header, type Kernel } from "./kernel.ts";
import { Pending, wake } from "./place.ts";
import { ProcessField, type ProcessRecord, processAt } from "./processes.ts";
import { State } from "./records.ts";
import type { SigInfo } from "./siginfo.ts";
import { JobBit, TaskField, type TaskRecord, taskAt } from "./tasks.ts";

const from = TaskField.trace;
/** Words of a thread's record. 64-bit values are two words. */
export const TraceField = {
  /** Bits of `TraceFlag`: 0 where nobody traces the thread. */
  flags: from,
  /** Index + 1 of the thread that traces it. */
  tracer: from + 1,
  /** Bits of `Option`. */
  options: from + 2,
  /** While it has stopped: what wait tells, 0 once that was taken; and which kind of system-call stop it is. */
  code: from + 3,
  callStop: from + 4,
  /** What PTRACE_GETEVENTMSG answers. */
  message: from + 5,
  /** The signal that it goes on with. */
  resume: from + 7,
  /** The signal of the last group stop that its process was asked for. */
  jobSignal: from + 8,
  /** First argument of the system call that it is in. */
  argument: from + 9,
  /** 1 where `info` is the siginfo of the stop. */
  hasInfo: from + 11,
  info: from + 12,
  /** Of a thread that has ended, and of whose end its tracer has not heard: wait's word, its process group and user. */
  end: from + 24,
  endGroup: from + 25,
  endUser: from + 26,
  /** How often it has stopped; its id before it executed a program. */
  stops: from + 27,
  formerTid: from + 28,
} as const;

export const TraceFlag = {
  traced: 1,
  /** By PTRACE_SEIZE. */
  seized: 2,
  /** It goes on to the next system call, or by one instruction. */
  calls: 4,
  steps: 8,
  stopped: 16,
  /** In a group stop whose end the tracer wants to hear of: PTRACE_LISTEN. */
  listening: 32,
  /** It is to stop: for PTRACE_INTERRUPT or a group stop; and because one has begun or ended. */
  trap: 64,
  notify: 128,
  /** It is about to end, and nothing but its tracer changes how it does. */
  ending: 256,
  /** It has ended, and its record is kept until its tracer has heard of that. */
  ended: 512,
} as const;

/** Options of PTRACE_SETOPTIONS. Those of an event are 1 << event. */
export const Option = {
  SYSGOOD: 1,
  FORK: 2,
  VFORK: 4,
  CLONE: 8,
  EXEC: 0x10,
  VFORKDONE: 0x20,
  EXIT: 0x40,
  SECCOMP: 0x80,
  EXITKILL: 0x100000,
  all: 0x1000ff,
} as const;

/** Events. */
export const TraceEvent = { FORK: 1, VFORK: 2, CLONE: 3, EXEC: 4, VFORK_DONE: 5, EXIT: 6, STOP: 128 } as const;

/** Kinds of a stop at a system call: also what PTRACE_GETEVENTMSG answers there. */
export const CallStop = { none: 0, entry: 1, exit: 2 } as const;

const flagsOf = ({ i32 }: TaskRecord): number => Atomics.load(i32, TraceField.flags);
const has = (thread: TaskRecord, flag: number): boolean => (flagsOf(thread) & flag) !== 0;
const setFlags = ({ i32 }: TaskRecord, flags: number): void => void Atomics.or(i32, TraceField.flags, flags);
const clearFlags = ({ i32 }: TaskRecord, flags: number): void => void Atomics.and(i32, TraceField.flags, ~flags);

export const isTraced = (thread: TaskRecord): boolean => thread.i32[TraceField.flags] !== 0;
export const isSeized = (thread: TaskRecord): boolean => has(thread, TraceFlag.seized);
/** Whether it has stopped for its tracer. */
export const isTraceStopped = (thread: TaskRecord): boolean => has(thread, TraceFlag.stopped);
export const isListening = (thread: TaskRecord): boolean => has(thread, TraceFlag.listening);
/** Whether it is to stop without having met anything. */
export const hasTrap = (thread: TaskRecord): boolean => has(thread, TraceFlag.trap | TraceFlag.notify);
/** Whether it stops at system calls. */
export const stopsAtCalls = ({ i32 }: TaskRecord): boolean => (i32[TraceField.flags]! & TraceFlag.calls) !== 0;
export const isStepped = ({ i32 }: TaskRecord): boolean => (i32[TraceField.flags]! & TraceFlag.steps) !== 0;
export const hasEnded = (thread: TaskRecord): boolean => has(thread, TraceFlag.ended);

export const wantsEvent = ({ i32 }: TaskRecord, event: number): boolean =>
  (i32[TraceField.options]! & (1 << event)) !== 0;

/** Whether anybody is traced at all. */
export const anyTracees = (k: Kernel): boolean => Atomics.load(k.i32, Header.tracees) !== 0;

/** The thread that traces another one. */
export function tracerOf(k: Kernel, { i32 }: TaskRecord): TaskRecord | undefined {
  const link = i32[TraceField.tracer]!;
  return link === 0 ? undefined : taskAt(k, link - 1);
}

/** The process that traces a thread. */
export function tracingProcess(k: Kernel, thread: TaskRecord): ProcessRecord | undefined {
  const tracer = tracerOf(k, thread);
  return tracer && processAt(k, tracer.i32[TaskField.process]!);
}

/** Whether another process than that of its parent traces a thread. */
export function isReparentedHeld(k: Kernel, thread: TaskRecord): boolean {
  const parent = processAt(k, thread.i32[TaskField.process]!).i32[ProcessField.parent]!;
  const tracer = tracingProcess(k, thread);
  return tracer !== undefined && tracer.index + 1 !== parent;
}

/** The threads that a thread, or any of a process, traces. */
export function* traceesHeld(k: Kernel, isTracer: (task: number) => boolean): Generator<TaskRecord> {
  if (!anyTracees(k)) return;
  const used = Atomics.load(k.i32, Header.usedTasks);
  for (let index = 0; index < used; index++) {
    const record = taskAt(k, index);
    const link = record.i32[TraceField.tracer]!;
    if (link !== 0 && record.i32[TaskField.state] !== State.free && isTracer(link - 1)) yield record;
  }
}

// ---- links

/** A thread is traced from now on. */
export function linkHeld(k: Kernel, tracee: TaskRecord, tracer: number, flags: number, options: number): void {
  Atomics.add(k.i32, Header.tracees, 1);
  tracee.i32[TraceField.tracer] = tracer + 1;
  tracee.i32[TraceField.options] = options;
  Atomics.store(tracee.i32, TraceField.flags, TraceFlag.traced | flags);
}

/**
 * A thread is traced no more; it goes on with a signal, or takes part in the stop of its process that there is.
 * Of one that has ended nothing is left but its record.
 */
export function unlinkHeld(k: Kernel, tracee: TaskRecord, signo = 0): void {
  const { i32 } = tracee;
  const process = processAt(k, i32[TaskField.process]!);
  const isStopped = isTraceStopped(tracee);
  Atomics.sub(k.i32, Header.tracees, 1);
  if (isStopped) i32[TraceField.resume] = signo;
  i32[TraceField.tracer] = i32[TraceField.options] = 0;
  const ended = i32[TraceField.flags]! & TraceFlag.ended;
  Atomics.store(i32, TraceField.flags, ended);
  if (ended !== 0 || i32[TaskField.state] !== State.live) return;
  const stops = process.i32[ProcessField.exit] === 0 && isInGroupStop(process);
  if (stops) {
    i32[TaskField.job]! |= JobBit.stopping;
    wake(tracee, Pending.stop);
  }
  if (isStopped) wake(tracee, Pending.ptrace);
}

/** Whether a process has stopped, or is about to. */
const isInGroupStop = ({ i32 }: ProcessRecord): boolean =>
  (i32[ProcessField.stopState]! & 1) !== 0 || i32[ProcessField.stopsLeft]! > 0;

// ---- asking a tracee to stop, and to go on

/** It is to stop as soon as it can; where it has stopped and listens, anew. */
export function trapHeld(tracee: TaskRecord, flag: typeof TraceFlag.trap | typeof TraceFlag.notify): void {
  setFlags(tracee, flag);
  if (isListening(tracee)) releaseHeld(tracee);
  wake(tracee, Pending.ptrace);
}

/** Something has become of the group stop of a process: those that were seized are to tell. */
export function noticeJobHeld(tracee: TaskRecord): void {
  if (isSeized(tracee)) trapHeld(tracee, TraceFlag.notify);
}

/** Lets it go on with a signal, as far as the flags say. It is to be woken then, without the lock, which it takes. */
export function resumeHeld(tracee: TaskRecord, signo: number, flags: number): void {
  clearFlags(tracee, TraceFlag.calls | TraceFlag.steps);
  setFlags(tracee, flags);
  tracee.i32[TraceField.resume] = signo;
  releaseHeld(tracee);
}

/** It listens to what becomes of the group stop that it is in. */
export function listenHeld(tracee: TaskRecord): void {
  setFlags(tracee, TraceFlag.listening);
  if (!has(tracee, TraceFlag.notify)) return;
  releaseHeld(tracee);
  wake(tracee, Pending.ptrace);
}

const releaseHeld = (tracee: TaskRecord): void => clearFlags(tracee, TraceFlag.stopped | TraceFlag.listening);

/** A deadly signal ends the stop of each thread, but where that is its last one already. */
export function releaseAllHeld(threads: readonly TaskRecord[]): void {
  for (const thread of threads) {
    if (!isTraceStopped(thread) || has(thread, TraceFlag.ending)) continue;
    thread.i32[TraceField.resume] = 0;
    releaseHeld(thread);
    wake(thread, Pending.ptrace);
  }
}

// ---- the stop of a tracee, as it says it itself

/** What a tracee stops for. */
export interface TraceStop {
  /** The upper part of wait's status: a signal, what is set with it, and above it an event. */
  readonly code: number;
  readonly info?: SigInfo | undefined;
  readonly message?: number;
  readonly call?: number;
  /** The thread takes part in the stop of its process. */
  readonly job?: boolean;
  /** It is the last one. */
  readonly ending?: boolean;
}

/** How often a tracee has stopped. */
export const stopsSeen = ({ i32 }: TaskRecord): number => i32[TraceField.stops]!;

const stopEvent = (code: number): boolean => code >> 8 === TraceEvent.STOP;

/** It has stopped. */
export function stopHeld(
  tracee: TaskRecord,
  { code, info, message = 0, call = CallStop.none, ending }: TraceStop,
): void {
  const { i32 } = tracee;
  i32[TraceField.stops]!++;
  i32[TraceField.code] = code;
  i32[TraceField.callStop] = call;
  i32[TraceField.message] = message;
  i32[TraceField.message + 1] = 0;
  i32[TraceField.resume] = 0;
  i32[TraceField.hasInfo] = info === undefined ? 0 : 1;
  if (info !== undefined) i32.set(info, TraceField.info);
  clearFlags(tracee, TraceFlag.trap | (stopEvent(code) ? TraceFlag.notify : 0));
  setFlags(tracee, TraceFlag.stopped | (ending ? TraceFlag.ending : 0));
}

/** It goes on. Answers the signal with which, and the siginfo as the tracer has left it. */
export function goOnHeld({ i32 }: TaskRecord, length: number): { readonly signo: number; readonly info: SigInfo } {
  const info = i32.slice(TraceField.info, TraceField.info + length);
  const signo = i32[TraceField.resume]!;
  i32[TraceField.code] = i32[TraceField.hasInfo] = i32[TraceField.callStop] = 0;
  i32[TraceField.message] = i32[TraceField.message + 1] = i32[TraceField.resume] = 0;
  return { signo, info };
}

/** Notes by which signal a process is asked to stop, for each thread that is to. */
export function noteJobSignal({ i32 }: TaskRecord, signo: number): void {
  i32[TraceField.jobSignal] = signo;
}
