// System calls about a process's actions, masks, pending signals and alternate stacks, and those that wait for a signal.
// Sending is in kill.ts.
import { getU64 } from "../../cpu/hart.ts";
import { copyTo } from "../../memory/guest-memory.ts";
import { errno, restart } from "../errno.ts";
import { oneOf, size } from "../kinds.ts";
import { sigaction, sigactionOut, siginfoOut, signo, sigset, sigsetOut, stack, stackOut } from "../kinds-signal.ts";
import { timespec } from "../kinds-time.ts";
import { type CallRow, call } from "../row.ts";
import { infoWords, kernelInfo, Sig, type SigInfo, sigMax } from "../siginfo.ts";
import { onAltStack, popFrame, Ss, setAltStack } from "../signal-frame.ts";
import {
  ActionWord,
  actionWords,
  beginTemporaryMask,
  bit,
  changeAction,
  forceSignal,
  Sa,
  setBlocked,
  signalPending,
  TaskWord,
  takeSignal,
} from "../signals.ts";
import type { Task } from "../task.ts";
import { isValid, loadTimespec, nanosecondsOf } from "../time-structs.ts";
import { deadlineIn, never, pollHost } from "../wait.ts";
import { loadWords, storeWords } from "../words.ts";

const setBytes = 8;
const unblockable = bit(Sig.KILL) | bit(Sig.STOP);
// SA_EXPOSE_TAGBITS, which means nothing here, is kept as Linux keeps it.
const knownFlags =
  Sa.NOCLDSTOP | Sa.NOCLDWAIT | Sa.SIGINFO | Sa.ONSTACK | Sa.RESTART | Sa.NODEFER | Sa.RESETHAND | 0x800;

function rtSigaction(t: Task, n: number, addr: number, old: number, setSize: number): number {
  if (setSize !== setBytes) return -errno.EINVAL;
  const action = addr === 0 ? undefined : loadWords(t, addr, actionWords);
  if (addr !== 0 && action === undefined) return -errno.EFAULT;
  if (n < 1 || n > sigMax || (action !== undefined && (n === Sig.KILL || n === Sig.STOP))) return -errno.EINVAL;
  if (action !== undefined) {
    action[ActionWord.flags]! &= knownFlags;
    action[ActionWord.flags + 1] = 0;
    action[ActionWord.mask]! &= ~unblockable;
  }
  const before = changeAction(t.process, n, action);
  return old === 0 || storeWords(t, old, before) ? 0 : -errno.EFAULT;
}

const How = { SIG_BLOCK: 0, SIG_UNBLOCK: 1, SIG_SETMASK: 2 } as const;

function rtSigprocmask(t: Task, how: number, addr: number, old: number, setSize: number): number {
  if (setSize !== setBytes) return -errno.EINVAL;
  const [lo, hi] = t.signals.words.slice(TaskWord.blocked, TaskWord.blocked + 2) as unknown as [number, number];
  if (addr !== 0) {
    const set = loadWords(t, addr, 2);
    if (set === undefined) return -errno.EFAULT;
    const [a, b] = [set[0]!, set[1]!];
    if (how === How.SIG_BLOCK) setBlocked(t, lo | a, hi | b);
    else if (how === How.SIG_UNBLOCK) setBlocked(t, lo & ~a, hi & ~b);
    else if (how === How.SIG_SETMASK) setBlocked(t, a, b);
    else return -errno.EINVAL;
  }
  return old === 0 || storeWords(t, old, Int32Array.of(lo, hi)) ? 0 : -errno.EFAULT;
}

function rtSigpending(t: Task, addr: number, setSize: number): number {
  if (setSize > setBytes) return -errno.EINVAL;
  const [own, shared, blocked] = [t.signals.pending.words, t.process.signals.pending.words, t.signals.words];
  const pending = Int32Array.of((own[0]! | shared[0]!) & blocked[0]!, (own[1]! | shared[1]!) & blocked[1]!);
  return storeBytes(t, addr, pending, setSize) ? 0 : -errno.EFAULT;
}

function rtSigsuspend(t: Task, addr: number, setSize: number): number {
  if (setSize !== setBytes) return -errno.EINVAL;
  const set = loadWords(t, addr, 2);
  if (set === undefined) return -errno.EFAULT;
  beginTemporaryMask(t, set[0]!, set[1]!);
  return pollHost(t, 0, never);
}

function rtSigtimedwait(t: Task, addr: number, info: number, timeout: number, setSize: number): number {
  if (setSize !== setBytes) return -errno.EINVAL;
  const set = loadWords(t, addr, 2);
  const time = timeout === 0 ? undefined : loadTimespec(t.memory, timeout);
  if (set === undefined || (timeout !== 0 && time === undefined)) return -errno.EFAULT;
  if (time !== undefined && !isValid(time)) return -errno.EINVAL;
  const span = time === undefined ? never : nanosecondsOf(time);
  const [lo, hi] = [set[0]! & ~unblockable, set[1]!];
  const found = takeSignal(t, lo, hi) ?? waitForSignal(t, lo, hi, span);
  if (typeof found === "number") return found;
  return info === 0 || storeInfo(t, info, found) ? found[0]! : -errno.EFAULT;
}

/** Sleeps with the awaited signals unblocked, so that they wake the thread, and kept even where they are ignored. */
function waitForSignal(t: Task, lo: number, hi: number, span: number): SigInfo | number {
  const w = t.signals.words;
  const [blockedLo, blockedHi] = [w[TaskWord.blocked]!, w[TaskWord.blocked + 1]!];
  w.set([lo, hi], TaskWord.awaited);
  setBlocked(t, blockedLo & ~lo, blockedHi & ~hi);
  const woken = span === 0 ? 0 : pollHost(t, 0, deadlineIn(span));
  const interrupted = signalPending(t) ? errno.EINTR : restart.ERESTARTNOINTR;
  setBlocked(t, blockedLo, blockedHi);
  w.fill(0, TaskWord.awaited, TaskWord.awaited + 2);
  return takeSignal(t, lo, hi) ?? (woken < 0 ? -interrupted : -errno.EAGAIN);
}

// The rest of a siginfo_t behind what the kernel keeps is zero.
const siginfoWords = 32;

function storeInfo(t: Task, addr: number, info: SigInfo): boolean {
  const words = new Int32Array(siginfoWords);
  words.set(info.subarray(0, infoWords));
  return storeWords(t, addr, words);
}

const storeBytes = (t: Task, addr: number, words: Int32Array, bytes: number): boolean =>
  copyTo(t.memory, addr, new Uint8Array(words.buffer, 0, bytes));

function sigaltstack(t: Task, addr: number, old: number): number {
  const sp = getU64(t.hart, 2);
  const w = t.signals.words;
  const hasOne = (w[TaskWord.altSize]! | w[TaskWord.altSize + 1]!) !== 0;
  const state = !hasOne ? Ss.DISABLE : onAltStack(t, sp) ? Ss.ONSTACK : 0;
  const before = Int32Array.of(
    w[TaskWord.altStack]!,
    w[TaskWord.altStack + 1]!,
    state | (w[TaskWord.altFlags]! & Ss.AUTODISARM),
    0,
    w[TaskWord.altSize]!,
    w[TaskWord.altSize + 1]!,
  );
  if (addr !== 0) {
    const stack = loadWords(t, addr, 6);
    if (stack === undefined) return -errno.EFAULT;
    const result = setAltStack(t, stack, sp);
    if (result < 0) return result;
  }
  return old === 0 || storeWords(t, old, before) ? 0 : -errno.EFAULT;
}

/** Its result is the a0 of the frame, and stands in the register already. */
function rtSigreturn(t: Task): number {
  t.signals.restartBlock = undefined;
  if (!popFrame(t)) forceSignal(t, kernelInfo(Sig.SEGV));
  return 0;
}

/** Goes on with the call that ERESTART_RESTARTBLOCK interrupted. */
function restartSyscall(t: Task): number {
  const block = t.signals.restartBlock;
  t.signals.restartBlock = undefined;
  return block === undefined ? -errno.EINTR : block(t);
}

const how = oneOf(How);

export const signalCalls: readonly CallRow[] = [
  call(128, "restart_syscall", [], "int", "eintr", restartSyscall),
  call(132, "sigaltstack", [stack, stackOut], "none", "quick", sigaltstack),
  call(133, "rt_sigsuspend", [sigset, size], "none", "eintr", rtSigsuspend),
  call(134, "rt_sigaction", [signo, sigaction, sigactionOut, size], "none", "quick", rtSigaction),
  call(135, "rt_sigprocmask", [how, sigset, sigsetOut, size], "none", "quick", rtSigprocmask),
  call(136, "rt_sigpending", [sigsetOut, size], "none", "quick", rtSigpending),
  call(137, "rt_sigtimedwait", [sigset, siginfoOut, timespec, size], "int", "eintr", rtSigtimedwait),
  call(139, "rt_sigreturn", [], "never", "quick", rtSigreturn),
];
