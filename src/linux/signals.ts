// Signals of guest processes and threads: actions, masks, and what is pending, all in the kernel's tables.
// Every source of signals goes through `sendSignal` or `forceSignal`. signal-delivery.ts takes them from here.
// The rules are Linux's (kernel/signal.c): ignored signals are dropped when sent, standard ones coalesce,
// real-time ones queue, a thread's own come before its process's, faults before all others; a process's signal is for
// one thread that does not block it, which is woken. One lock guards it all; functions whose name ends in `Held` need it held.
import { lock, unlock, withLock } from "../sync/mutex.ts";
import { Attr } from "./attributes.ts";
import { errno } from "./errno.ts";
import type { Kernel } from "./kernel.ts";
import { limitOf, Resource } from "./limits.ts";
import { clearPending, Pending, Place, pendingBits, wake } from "./place.ts";
import { firstProcess, freeProcess, ProcessField, type ProcessRecord, processAt, setExit } from "./processes.ts";
import { isTraced, isTraceStopped } from "./ptrace.ts";
import { getField, State, setField } from "./records.ts";
import { leaveActionsHeld } from "./sighand.ts";
import {
  Code,
  type DefaultAction,
  defaultAction,
  overrunWord,
  Sig,
  type SigInfo,
  sigRtMin,
  timerWord,
  userInfo,
} from "./siginfo.ts";
import {
  dequeue,
  enqueue,
  findQueued,
  flush,
  isExhausted,
  isPending,
  type PendingSet,
  queuedCount,
  type SignalPool,
  signalPool,
} from "./signal-queue.ts";
import { type SignalFds, showSignalFds, signalFdsOf } from "./signalfd-table.ts";
import { continueHeld, endStopHeld, isStopped, noteTakenHeld, takePartHeld } from "./stops.ts";
import type { Exit, Process, Task } from "./task.ts";
import { removeThreadHeld, TaskField, type TaskRecord, taskAt, threadsOf } from "./tasks.ts";

/** Flags of sigaction. */
export const Sa = {
  NOCLDSTOP: 1,
  NOCLDWAIT: 2,
  SIGINFO: 4,
  ONSTACK: 0x08000000,
  RESTART: 0x10000000,
  NODEFER: 0x40000000,
  RESETHAND: 0x80000000 | 0,
} as const;

/** Words of an action: handler, flags, mask, each low then high: `struct sigaction` of riscv64, which has no restorer. */
export const actionWords = 6;
/** Word offsets into an action. */
export const ActionWord = { handler: 0, flags: 2, mask: 4 } as const;

/** What the threads of a process share, and what others that signal it see. */
export interface ProcessSignals {
  /** The action of signal n begins at word n * actionWords. */
  readonly actions: Int32Array;
  readonly pool: SignalPool;
  readonly pending: PendingSet;
  readonly signalFds: SignalFds;
  /** Its threads; the first is the leader. */
  readonly threads: readonly TaskRecord[];
  /** Guest address of the code that calls rt_sigreturn, to which handlers return. Set when a program is loaded. */
  trampoline: number;
}

/** Word offsets into `TaskSignals.words`; masks and sizes are low word, high word. */
export const TaskWord = {
  blocked: 0,
  /** The mask to come back to after sigsuspend, ppoll and their like, valid while `hasSaved` is 1. */
  saved: 2,
  hasSaved: 4,
  altFlags: 5,
  altStack: 6,
  altSize: 8,
  /** Signals that sigtimedwait waits for: they are kept although blocked-and-ignored rules would drop them. */
  awaited: 10,
  /** Signals that a sleeping reader of a signal descriptor is woken for, blocked or not. */
  watched: 12,
} as const;

/** What belongs to one thread. */
export interface TaskSignals {
  readonly words: Int32Array;
  readonly pending: PendingSet;
  /** Goes on with a call that answered ERESTART_RESTARTBLOCK: what restart_syscall runs. */
  restartBlock: ((t: Task) => number) | undefined;
}

const ssDisable = 2;

/** The signals of any process of the kernel. */
export const processSignals = (k: Kernel, record: ProcessRecord): ProcessSignals => ({
  get actions() {
    return record.actions;
  },
  pool: signalPool(k),
  pending: record.pending,
  signalFds: signalFdsOf(k),
  get threads() {
    return threadsIn(k, record);
  },
  get trampoline() {
    return getField(record, ProcessField.trampoline);
  },
  set trampoline(address: number) {
    setField(record, ProcessField.trampoline, address);
  },
});

const threadsIn = (k: Kernel, { index }: ProcessRecord): TaskRecord[] => threadsOf(k, index).map((i) => taskAt(k, i));

/** The signals of a thread, for the worker that runs it. */
export const taskSignals = ({ signals, pending }: TaskRecord): TaskSignals => ({
  words: signals,
  pending,
  restartBlock: undefined,
});

/** Gives a new thread no alternate stack. Nothing is blocked yet. */
export function initSignals({ signals }: TaskRecord): void {
  signals[TaskWord.altFlags] = ssDisable;
}

// ---- masks

/** The bit of a signal in its word of a mask, and which of the two words that is. */
export const bit = (signo: number): number => 1 << ((signo - 1) & 31);
export const half = (signo: number): 0 | 1 => ((signo - 1) >> 5) as 0 | 1;
const inMask = (words: Int32Array, at: number, signo: number): boolean => (words[at + half(signo)]! & bit(signo)) !== 0;
const unblockable = bit(Sig.KILL) | bit(Sig.STOP);

/** Sets the mask of blocked signals by its two words; SIGKILL and SIGSTOP stay unblocked. */
export function setBlocked(t: Task, lo: number, hi: number): void {
  const { kernel, record } = t.process;
  lock(kernel.signalsLock);
  setBlockedHeld(kernel, record, t.record, lo & ~unblockable, hi);
  unlock(kernel.signalsLock);
}

function setBlockedHeld(k: Kernel, process: ProcessRecord, thread: TaskRecord, lo: number, hi: number): void {
  const w = thread.signals;
  const [newLo, newHi] = [lo & ~w[TaskWord.blocked]!, hi & ~w[TaskWord.blocked + 1]!];
  w[TaskWord.blocked] = lo;
  w[TaskWord.blocked + 1] = hi;
  if (process.i32[ProcessField.threadCount]! > 1) retargetHeld(k, process, thread, newLo, newHi);
  recalcHeld(process, thread);
}

/** Signals of the process (two words of a mask) that a thread has been woken for no longer concern it: wakes others for them. */
function retargetHeld(k: Kernel, process: ProcessRecord, thread: TaskRecord, lo: number, hi: number): void {
  let [left, leftHi] = [process.pending.words[0]! & lo, process.pending.words[1]! & hi];
  if ((left | leftHi) === 0) return;
  for (const other of threadsIn(k, process)) {
    const w = other.signals;
    const [own, ownHi] = [left & ~w[TaskWord.blocked]!, leftHi & ~w[TaskWord.blocked + 1]!];
    if (other === thread || (own | ownHi) === 0) continue;
    wake(other, Pending.signal);
    [left, leftHi] = [left & ~own, leftHi & ~ownHi];
  }
}

/** Makes `Pending.signal` say whether a signal waits for the thread: after each change of its mask, and of what is pending for it. */
function recalcHeld(process: ProcessRecord, thread: TaskRecord): void {
  const own = thread.pending.words;
  const shared = process.pending.words;
  const w = thread.signals;
  const concerned = (n: 0 | 1): number => ~w[TaskWord.blocked + n]! | w[TaskWord.watched + n]!;
  const ready = ((own[0]! | shared[0]!) & concerned(0)) | ((own[1]! | shared[1]!) & concerned(1));
  if ((ready !== 0) === ((pendingBits(thread) & Pending.signal) !== 0)) return;
  if (ready !== 0) wake(thread, Pending.signal);
  else clearPending(thread, Pending.signal);
}

/** Blocks another set for the length of one call, as ppoll and rt_sigsuspend do. End it with `endTemporaryMask`. */
export function beginTemporaryMask(t: Task, lo: number, hi: number): void {
  const w = t.signals.words;
  w.copyWithin(TaskWord.saved, TaskWord.blocked, TaskWord.blocked + 2);
  w[TaskWord.hasSaved] = 1;
  setBlocked(t, lo, hi);
}

/**
 * Ends it with the call. Where the call was `interrupted` by a signal and answers a restart code, the mask stays until
 * the signal is delivered, so that its handler runs, and then comes back through the handler's frame.
 */
export function endTemporaryMask(t: Task, interrupted: boolean): void {
  const w = t.signals.words;
  if (interrupted || w[TaskWord.hasSaved] === 0) return;
  w[TaskWord.hasSaved] = 0;
  setBlocked(t, w[TaskWord.saved]!, w[TaskWord.saved + 1]!);
}

/** Whether a thread blocks a signal. */
export const isBlocked = (t: Task, signo: number): boolean => inMask(t.signals.words, TaskWord.blocked, signo);

/** Makes `Pending.signal` right again for a thread that has taken no note of it for a while. */
export const recalcPending = ({ process: { kernel, record }, record: thread }: Task): void =>
  withLock(kernel.signalsLock, () => recalcHeld(record, thread));

/** Has the thread be woken for signals (two words of a mask) though it blocks them, until it is none: for a reader of a signal descriptor. */
export function watchSignals(t: Task, lo: number, hi: number): void {
  const { kernel, record } = t.process;
  withLock(kernel.signalsLock, () => {
    t.signals.words.set([lo, hi], TaskWord.watched);
    recalcHeld(record, t.record);
  });
}

/** Whether a signal waits that the thread does not block, or its process has ended: what ends a sleep. */
export const signalPending = (t: Task): boolean => (pendingBits(t.record) & (Pending.signal | Pending.exit)) !== 0;

// ---- actions

/** Handler values that are no addresses. */
export const SIG_DFL = 0;
export const SIG_IGN = 1;

/** Actions of a process, or one of them as if it were signal 0's. */
interface Actions {
  readonly actions: Int32Array;
}

/** Whether the handler of a signal is SIG_DFL or SIG_IGN. */
export const handlerIs = (s: Actions, signo: number, value: 0 | 1): boolean =>
  s.actions[signo * actionWords] === value && s.actions[signo * actionWords + 1] === 0;

/** Sets the handler of a signal back to the default. */
export function resetHandler(s: Actions, signo: number): void {
  s.actions.fill(0, signo * actionWords, signo * actionWords + 2);
}

/** What SIGCONT does is done when it is sent: by default it does nothing when it is taken. */
const idle: readonly DefaultAction[] = ["ignore", "continue"];

/** Whether the signal would do nothing now: ignored, or left to a default that is to do nothing. */
export function isIgnored(s: Actions, signo: number): boolean {
  return handlerIs(s, signo, SIG_IGN) || (handlerIs(s, signo, SIG_DFL) && idle.includes(defaultAction(signo)));
}

/** Gives a signal an action (six words), or none; what is pending is forgotten where that is to ignore it. Answers the action of before. */
export const changeAction = ({ kernel, record }: Process, signo: number, action: Int32Array | undefined): Int32Array =>
  withLock(kernel.signalsLock, () => {
    const before = record.actions.slice(signo * actionWords, (signo + 1) * actionWords);
    if (action === undefined) return before;
    record.actions.set(action, signo * actionWords);
    if (isIgnored(record, signo)) forgetHeld(kernel, record, signo);
    return before;
  });

/** The action of a signal that was taken, for the thread to run it; one that is good for once is the default from then on. */
export function claimAction({ process: { kernel, record } }: Task, signo: number): Int32Array {
  lock(kernel.signalsLock);
  const action = record.actions.slice(signo * actionWords, (signo + 1) * actionWords);
  const once = (action[ActionWord.flags]! & Sa.RESETHAND) !== 0;
  if (once && !handlerIs({ actions: action }, 0, SIG_IGN)) resetHandler(record, signo);
  unlock(kernel.signalsLock);
  return action;
}

const stopSignals: readonly number[] = [Sig.STOP, Sig.TSTP, Sig.TTIN, Sig.TTOU];

/** Forgets signals that are pending anywhere in the process. */
function forgetHeld(k: Kernel, process: ProcessRecord, ...signos: readonly number[]): void {
  const pool = signalPool(k);
  for (const signo of signos) flush(pool, process.pending, signo);
  for (const thread of threadsIn(k, process)) {
    for (const signo of signos) flush(pool, thread.pending, signo);
    recalcHeld(process, thread);
  }
}

// ---- sending

/** Whether a process may signal another: as CAP_KILL allows, and by its ids; within a session SIGCONT always. */
export function maySignal(from: ProcessRecord, to: ProcessRecord, signo: number): boolean {
  const [own, other] = [from.attributes, to.attributes];
  const allowed: readonly number[] = [other[Attr.suid]!, other[Attr.ruid]!];
  if (from === to || own[Attr.euid] === 0) return true;
  if (allowed.includes(own[Attr.euid]!) || allowed.includes(own[Attr.ruid]!)) return true;
  return signo === Sig.CONT && from.i32[ProcessField.session] === to.i32[ProcessField.session];
}

/** Whom a signal is for: a process of the kernel, or one of its threads. */
export interface SignalTarget {
  readonly kernel: Kernel;
  readonly process: ProcessRecord;
  readonly thread: TaskRecord | undefined;
  /** Of a thread that was found by its id: by now its record may be another's. */
  readonly tid?: number;
  /** Whether a place in the queue has been kept for the signal, as is done for a timer's since it was made. */
  readonly hasPlace?: boolean;
  /** The same of a process that was found before, and that nothing keeps: which of those that had its record. */
  readonly generation?: number;
}

const targetOf = (target: Task | Process): SignalTarget =>
  "process" in target
    ? { kernel: target.process.kernel, process: target.process.record, thread: target.record }
    : { kernel: target.kernel, process: target.record, thread: undefined };

/** The thread of that index as a target. */
export function threadTarget(kernel: Kernel, task: number): SignalTarget {
  const thread = taskAt(kernel, task);
  const tid = thread.i32[TaskField.tid]!;
  return { kernel, process: processAt(kernel, thread.i32[TaskField.process]!), thread, tid };
}

/**
 * Makes a signal pending for a thread, or for a process: for whichever of its threads takes it first. Without `info` it
 * comes from the process itself, as SIGPIPE does. Answers 0, or -EAGAIN where a real-time signal finds the queue full.
 */
export const queueSignal = (target: Task | Process, signo: number, info?: SigInfo): number =>
  sendSignal(targetOf(target), signo, info);

/** The same for any process of the kernel. */
export function sendSignal(target: SignalTarget, signo: number, info?: SigInfo): number {
  const guard = target.kernel.signalsLock;
  lock(guard);
  try {
    return sendHeld(target, signo, info);
  } finally {
    unlock(guard);
  }
}

/**
 * The same for several processes, such as a terminal's foreground: all have it before one of them can do what follows from it. The last
 * of a pipeline would else read its end where the first was quick to die.
 */
export function sendSignals(
  kernel: Kernel,
  processes: readonly ProcessRecord[],
  signo: number,
  info: SigInfo,
): readonly number[] {
  return withLock(kernel.signalsLock, () =>
    processes.map((process) => sendHeld({ kernel, process, thread: undefined }, signo, info)),
  );
}

function sendHeld(target: SignalTarget, signo: number, info: SigInfo | undefined): number {
  const { kernel: k, process, thread } = target;
  // Nobody is left to take it.
  if (process.i32[ProcessField.exit] !== 0 || process.i32[ProcessField.state]! > State.live) return 0;
  if (target.generation !== undefined && target.generation !== process.i32[ProcessField.generation]) return 0;
  const threads = threadsIn(k, process);
  // It has ended since it was found.
  if (thread !== undefined && (!threads.includes(thread) || isAnother(target, thread))) return 0;
  if (signo === Sig.CONT) {
    forgetHeld(k, process, ...stopSignals);
    continueHeld(process, threads);
  } else if (stopSignals.includes(signo)) forgetHeld(k, process, Sig.CONT);
  else if (signo === Sig.KILL) endStopHeld(process, threads);

  const set = (thread ?? process).pending;
  // One that is being made has no thread yet.
  const first = thread ?? threads[0];
  const kept =
    first === undefined ||
    inMask(first.signals, TaskWord.blocked, signo) ||
    inMask(first.signals, TaskWord.awaited, signo);
  // A tracer hears of ignored ones as well.
  const told = first !== undefined && signo !== Sig.KILL && isTraced(first);
  if (!kept && !told && isIgnored(process, signo)) return 0;
  if (signo < sigRtMin && isPending(set, signo)) return 0;

  const uid = process.attributes[Attr.ruid]!;
  const pool = signalPool(k);
  const record = info ?? userInfo(signo, Code.SI_USER, process.i32[ProcessField.pid]!, uid >>> 0);
  const kernelOrUser = record[2]! >= 0;
  const full =
    target.hasPlace !== true &&
    (queuedCount(pool, uid) >= limitOf(process.limits, Resource.SIGPENDING) || isExhausted(pool));
  if (full && signo >= sigRtMin && record[2] !== Code.SI_USER) return -errno.EAGAIN;
  enqueue(pool, set, signo, full && !(signo < sigRtMin && kernelOrUser) ? undefined : record, uid);
  showSignalFds(k, process, threads, signo);
  for (const reader of thread === undefined ? threads : [thread])
    if (inMask(reader.signals, TaskWord.watched, signo)) wake(reader, Pending.signal);
  const taker = takerOf(process, thread, threads, signo);
  if (taker !== undefined) wakeTakerHeld(k, process, taker, threads, signo);
  return 0;
}

const isAnother = ({ process, tid }: SignalTarget, { i32 }: TaskRecord): boolean =>
  i32[TaskField.process] !== process.index || (tid !== undefined && i32[TaskField.tid] !== tid);

/** Whether a thread would take the signal soon: not if it has others to take before it runs again. */
function wants(thread: TaskRecord, signo: number): boolean {
  const { i32, signals } = thread;
  if (i32[TaskField.state] !== State.live || inMask(signals, TaskWord.blocked, signo)) return false;
  if (signo === Sig.KILL) return true;
  if (isStopped(thread) || isTraceStopped(thread)) return false;
  return (
    Atomics.load(i32, TaskField.place) === Place.guest || (Atomics.load(i32, TaskField.pending) & Pending.signal) === 0
  );
}

/**
 * The thread to wake for a signal: that which it is for; of a process the leader, or else those in turn, from the one on
 * that took one last. Undefined where each of them blocks it, or has others to take and will find it then.
 */
function takerOf(
  process: ProcessRecord,
  thread: TaskRecord | undefined,
  threads: readonly TaskRecord[],
  signo: number,
): TaskRecord | undefined {
  const first = thread ?? threads[0];
  if (first === undefined) return undefined;
  if (wants(first, signo)) return first;
  if (thread !== undefined || threads.length === 1) return undefined;
  const last = threads.findIndex(({ index }) => index + 1 === process.i32[ProcessField.signalThread]);
  const inTurn = last < 0 ? threads : [...threads.slice(last), ...threads.slice(0, last)];
  const found = inTurn.find((candidate) => wants(candidate, signo));
  if (found !== undefined) process.i32[ProcessField.signalThread] = found.index + 1;
  return found;
}

/** Wakes the taker; or, where the signal is the end of them all, ends them at once. Alone, it finds that out itself. */
function wakeTakerHeld(
  k: Kernel,
  process: ProcessRecord,
  taker: TaskRecord,
  threads: readonly TaskRecord[],
  signo: number,
): void {
  const asks = signo !== Sig.KILL && isTraced(taker);
  const deadly = !asks && handlerIs(process, signo, SIG_DFL) && defaultAction(signo) === "terminate";
  // A single thread takes it, and so ends, by itself, unless it sleeps whatever comes.
  const others = threads.length > 1 || taker.i32[TaskField.inPlace] !== 0;
  if (deadly && others && !inMask(taker.signals, TaskWord.awaited, signo))
    endHeld(k, process, { signal: signo, coreDumped: false });
  else wake(taker, Pending.signal);
}

/** A signal that the thread cannot put off: a fault. Blocked or ignored, it kills; so it does when it must be `fatal`. */
export function forceSignal(t: Task, info: SigInfo, fatal = false): void {
  const { kernel, record } = t.process;
  const signo = info[0]!;
  withLock(kernel.signalsLock, () => {
    const w = t.signals.words;
    const blocked = inMask(w, TaskWord.blocked, signo);
    if (blocked || fatal || handlerIs(record, signo, SIG_IGN)) resetHandler(record, signo);
    if (blocked) w[TaskWord.blocked + half(signo)]! &= ~bit(signo);
    sendHeld({ kernel, process: record, thread: t.record }, signo, info);
    // It may have been pending before, blocked.
    recalcHeld(record, t.record);
  });
}

/**
 * Counts `more` expirations of a timer whose signal is still pending. False where it is not, so that it must be sent.
 * `target` and `signo` are those that it was sent with.
 */
export const addOverrun = (
  { kernel, process, thread }: SignalTarget,
  signo: number,
  timer: number,
  more: number,
): boolean =>
  withLock(kernel.signalsLock, () => {
    const ofTimer = (i: SigInfo): boolean => i[2] === Code.SI_TIMER && i[timerWord] === timer;
    const info = findQueued(signalPool(kernel), (thread ?? process).pending, signo, ofTimer);
    if (info !== undefined) info[overrunWord] = Math.min(info[overrunWord]! + more, 0x7fffffff);
    return info !== undefined;
  });

// ---- taking

const faults = bit(Sig.SEGV) | bit(Sig.BUS) | bit(Sig.ILL) | bit(Sig.TRAP) | bit(Sig.FPE) | bit(Sig.SYS);
const lowest = (word: number): number => 31 - Math.clz32(word & -word);

/** The signal of a set to take next among those of a mask (two words), or 0. Faults first, then the lowest number. */
function firstOf(set: PendingSet, lo: number, hi: number): number {
  const low = set.words[0]! & lo;
  if (low !== 0) return lowest((low & faults) !== 0 ? low & faults : low) + 1;
  const high = set.words[1]! & hi;
  return high !== 0 ? lowest(high) + 33 : 0;
}

/** Takes the next pending signal among those of a mask (two words): the thread's own, then its process's. */
export function takeSignal(t: Task, lo: number, hi: number): SigInfo | undefined {
  const { kernel, record } = t.process;
  lock(kernel.signalsLock);
  const taken = takeHeld(kernel, record, t.record, lo, hi);
  unlock(kernel.signalsLock);
  return taken;
}

function takeHeld(k: Kernel, process: ProcessRecord, thread: TaskRecord, lo: number, hi: number): SigInfo | undefined {
  const own = firstOf(thread.pending, lo, hi);
  const signo = own || firstOf(process.pending, lo, hi);
  let info: SigInfo | undefined;
  if (signo !== 0) {
    const set = own === 0 ? process.pending : thread.pending;
    info = dequeue(signalPool(k), set, signo) ?? userInfo(signo, Code.SI_USER, 0, 0);
    if (stopSignals.includes(signo)) noteTakenHeld(thread);
    showSignalFds(k, process, threadsIn(k, process));
  }
  // Also where another thread was faster.
  recalcHeld(process, thread);
  return info;
}

/** Takes the next pending signal that the thread does not block. */
export const nextSignal = (t: Task): SigInfo | undefined =>
  takeSignal(t, ~t.signals.words[TaskWord.blocked]!, ~t.signals.words[TaskWord.blocked + 1]!);

// ---- ends

/** Ends a process: each of its threads leaves what it does, and none begins anything. The first end counts; false where there was one before. */
export const exitProcess = (k: Kernel, process: ProcessRecord, end: Exit): boolean =>
  withLock(k.signalsLock, () => endHeld(k, process, end));

/** Has a thread leave what it does, since it is to end. One that runs in its place hears of it, and goes on without it. */
export function wakeToEnd(k: Kernel, thread: TaskRecord): void {
  wake(thread, Pending.exit);
  const other = Atomics.load(thread.i32, TaskField.inPlace);
  if (other > 0) wake(taskAt(k, other - 1), Pending.maker);
}

function endHeld(k: Kernel, process: ProcessRecord, end: Exit): boolean {
  const first = setExit(process, end);
  if (!first) return false;
  const threads = threadsIn(k, process);
  endStopHeld(process, threads);
  for (const thread of threads) wakeToEnd(k, thread);
  // Its first thread may have ended before, and wait for this.
  wake(taskAt(k, process.i32[ProcessField.leader]! - 1), Pending.exit);
  return true;
}

/**
 * Gives a process's record back, which nobody is to find any more, with the signals that are pending for it. Those were
 * counted until then, of a zombie as well.
 */
export const discardProcess = (k: Kernel, record: ProcessRecord): void =>
  withLock(k.signalsLock, () => {
    const { index, pending } = record;
    for (let signo = 1; signo <= 64; signo++) flush(signalPool(k), pending, signo);
    leaveActionsHeld(k, record);
    if (index !== firstProcess) freeProcess(k, index);
  });

/** A thread ends: it is none of its process any more, its own signals are forgotten, and others take what it was woken for. */
export function exitSignals({ process: { kernel, record }, record: thread }: Task): void {
  withLock(kernel.signalsLock, () => {
    setBlockedHeld(kernel, record, thread, -1, -1);
    const pool = signalPool(kernel);
    for (let signo = 1; signo <= 64; signo++) flush(pool, thread.pending, signo);
    const threads = threadsIn(kernel, record);
    showSignalFds(kernel, record, threads);
    recalcHeld(record, thread);
    // It may have been the only one that looked at the timers.
    const other = threads.find((candidate) => candidate !== thread);
    if (other !== undefined) wake(other, Pending.timer);
    removeThreadHeld(kernel, record.index, thread.index);
    // The others may have waited for this one alone: one of them tells that they have stopped.
    if (takePartHeld(record, thread) && other !== undefined) wake(other, Pending.stop);
  });
}
