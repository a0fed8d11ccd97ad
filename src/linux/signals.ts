// Signals of guest processes and threads: actions, masks, and what is pending, all in shared memory.
// Every source of signals goes through `queueSignal` or `forceSignal`. signal-delivery.ts takes them from here.
// The rules are Linux's (kernel/signal.c): ignored signals are dropped when sent, standard ones coalesce,
// real-time ones queue, a thread's own come before its process's, faults before all others.
import { Attr, attribute } from "./attributes.ts";
import { errno } from "./errno.ts";
import { limitOf, Resource } from "./limits.ts";
import {
  Code,
  defaultAction,
  overrunWord,
  Sig,
  type SigInfo,
  sigMax,
  sigRtMin,
  timerWord,
  userInfo,
} from "./siginfo.ts";
import {
  dequeue,
  enqueue,
  findQueued,
  flush,
  isPending,
  newPendingSet,
  newSignalPool,
  type PendingSet,
  queuedCount,
  type SignalPool,
} from "./signal-queue.ts";
import { newSignalFds, type SignalFds, updateSignalFds } from "./signalfd-table.ts";
import type { Process, Task } from "./task.ts";

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

/** What the threads of a process share. */
export interface ProcessSignals {
  /** The action of signal n begins at word n * actionWords. */
  readonly actions: Int32Array;
  readonly pool: SignalPool;
  readonly pending: PendingSet;
  readonly signalFds: SignalFds;
  /** Its threads; the first is the leader. */
  readonly threads: TaskSignals[];
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
} as const;

/** What belongs to one thread. */
export interface TaskSignals {
  readonly words: Int32Array;
  readonly pending: PendingSet;
  /** Goes on with a call that answered ERESTART_RESTARTBLOCK: what restart_syscall runs. */
  restartBlock: ((t: Task) => number) | undefined;
}

const ssDisable = 2;

export const newProcessSignals = (): ProcessSignals => ({
  actions: new Int32Array(new SharedArrayBuffer((sigMax + 1) * actionWords * 4)),
  pool: newSignalPool(),
  pending: newPendingSet(),
  signalFds: newSignalFds(),
  threads: [],
  trampoline: 0,
});

/** A new thread of the process, with nothing blocked. */
export function newTaskSignals(process: ProcessSignals): TaskSignals {
  const s: TaskSignals = {
    words: new Int32Array(new SharedArrayBuffer(12 * 4)),
    pending: newPendingSet(),
    restartBlock: undefined,
  };
  s.words[TaskWord.altFlags] = ssDisable;
  process.threads.push(s);
  return s;
}

// ---- masks

/** The bit of a signal in its word of a mask, and which of the two words that is. */
export const bit = (signo: number): number => 1 << ((signo - 1) & 31);
export const half = (signo: number): 0 | 1 => ((signo - 1) >> 5) as 0 | 1;
const inMask = (words: Int32Array, at: number, signo: number): boolean => (words[at + half(signo)]! & bit(signo)) !== 0;

/** Sets the mask of blocked signals by its two words; SIGKILL and SIGSTOP stay unblocked. */
export function setBlocked(t: Task, lo: number, hi: number): void {
  t.signals.words[TaskWord.blocked] = lo & ~(bit(Sig.KILL) | bit(Sig.STOP));
  t.signals.words[TaskWord.blocked + 1] = hi;
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
  w.copyWithin(TaskWord.blocked, TaskWord.saved, TaskWord.saved + 2);
  w[TaskWord.hasSaved] = 0;
}

/** Whether a signal waits that the thread does not block: what ends a sleep. */
export function signalPending(t: Task): boolean {
  const own = t.signals.pending.words;
  const shared = t.process.signals.pending.words;
  const w = t.signals.words;
  return (((own[0]! | shared[0]!) & ~w[0]!) | ((own[1]! | shared[1]!) & ~w[1]!)) !== 0;
}

// ---- sending

/** Handler values that are no addresses. */
export const SIG_DFL = 0;
export const SIG_IGN = 1;

/** Whether the handler of a signal is SIG_DFL or SIG_IGN. */
export const handlerIs = (s: ProcessSignals, signo: number, value: 0 | 1): boolean =>
  s.actions[signo * actionWords] === value && s.actions[signo * actionWords + 1] === 0;

/** Sets the handler of a signal back to the default. */
export function resetHandler(s: ProcessSignals, signo: number): void {
  s.actions.fill(0, signo * actionWords, signo * actionWords + 2);
}

/** Whether the signal would do nothing now: ignored, or left to a default that is to do nothing. */
export function isIgnored(s: ProcessSignals, signo: number): boolean {
  return handlerIs(s, signo, SIG_IGN) || (handlerIs(s, signo, SIG_DFL) && defaultAction(signo) === "ignore");
}

const stopSignals = [Sig.STOP, Sig.TSTP, Sig.TTIN, Sig.TTOU];

/** Forgets a signal that is pending anywhere in the process. */
export function forget(s: ProcessSignals, signo: number): void {
  flush(s.pool, s.pending, signo);
  for (const thread of s.threads) flush(s.pool, thread.pending, signo);
}

/**
 * Makes a signal pending for a thread, or for a process: for whichever of its threads takes it first. Without `info` it
 * comes from the process itself, as SIGPIPE does. Answers 0, or -EAGAIN where a real-time signal finds the queue full.
 */
export function queueSignal(target: Task | Process, signo: number, info?: SigInfo): number {
  const process = "process" in target ? target.process : target;
  const s = process.signals;
  const thread = "process" in target ? target.signals : s.threads[0]!;
  const set = "process" in target ? target.signals.pending : s.pending;
  if (signo === Sig.CONT) for (const stop of stopSignals) forget(s, stop);
  else if (stopSignals.includes(signo as 19)) forget(s, Sig.CONT);

  const kept = inMask(thread.words, TaskWord.blocked, signo) || inMask(thread.words, TaskWord.awaited, signo);
  if (!kept && isIgnored(s, signo)) return 0;
  if (signo < sigRtMin && isPending(set, signo)) return 0;

  const record = info ?? userInfo(signo, Code.SI_USER, process.pid, attribute(process.attributes, Attr.ruid));
  const kernelOrUser = record[2]! >= 0;
  const full = queuedCount(s.pool) >= limitOf(process.limits, Resource.SIGPENDING);
  if (full && signo >= sigRtMin && record[2] !== Code.SI_USER) return -errno.EAGAIN;
  enqueue(s.pool, set, signo, full && !(signo < sigRtMin && kernelOrUser) ? undefined : record);
  updateSignalFds(process);
  return 0;
}

/** A signal that the thread cannot put off: a fault. Blocked or ignored, it kills; so it does when it must be `fatal`. */
export function forceSignal(t: Task, info: SigInfo, fatal = false): void {
  const signo = info[0]!;
  const w = t.signals.words;
  const s = t.process.signals;
  const blocked = inMask(w, TaskWord.blocked, signo);
  if (blocked || fatal || handlerIs(s, signo, SIG_IGN)) resetHandler(s, signo);
  if (blocked) w[TaskWord.blocked + half(signo)]! &= ~bit(signo);
  queueSignal(t, signo, info);
}

/**
 * Counts `more` expirations of a timer whose signal is still pending. False where it is not, so that it must be sent.
 * `target` and `signo` are those that it was sent with.
 */
export function addOverrun(target: Task | Process, signo: number, timer: number, more: number): boolean {
  const pool = ("process" in target ? target.process : target).signals.pool;
  const info = findQueued(pool, target.signals.pending, signo, (i) => i[2] === Code.SI_TIMER && i[timerWord] === timer);
  if (info !== undefined) info[overrunWord] = Math.min(info[overrunWord]! + more, 0x7fffffff);
  return info !== undefined;
}

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
  const s = t.process.signals;
  for (const set of [t.signals.pending, s.pending]) {
    const signo = firstOf(set, lo, hi);
    if (signo === 0) continue;
    const info = dequeue(s.pool, set, signo) ?? userInfo(signo, Code.SI_USER, 0, 0);
    updateSignalFds(t.process);
    return info;
  }
  return undefined;
}

/** Takes the next pending signal that the thread does not block. */
export const nextSignal = (t: Task): SigInfo | undefined =>
  takeSignal(t, ~t.signals.words[TaskWord.blocked]!, ~t.signals.words[TaskWord.blocked + 1]!);
