// How pending signals reach a thread: handler frames, default actions, and what becomes of the system call that a
// signal interrupted. The engine loop calls `finishCall` after each system call and `deliverSignals` at a safepoint
// where something is pending. Nothing here sleeps, and no handler of a call knows whether it will be restarted.
import { getPc, hart, setPc, setX } from "../cpu/hart.ts";
import { errno, restart } from "./errno.ts";
import { takeHostSignals } from "./inbox.ts";
import { attendStop, beginStop } from "./jobs.ts";
import { limitOf, Resource } from "./limits.ts";
import { Pending, pendingBits } from "./place.ts";
import { noteDeath } from "./processes.ts";
import { isStepped, isTraced } from "./ptrace.ts";
import { stopAtHandler, stopForSignal } from "./ptrace-stops.ts";
import { dropWritten } from "./remote-memory.ts";
import type { CallRow } from "./row.ts";
import { abortSection } from "./rseq.ts";
import { defaultAction, kernelInfo, Sig, type SigInfo } from "./siginfo.ts";
import { pushFrame } from "./signal-frame.ts";
import {
  ActionWord,
  bit,
  claimAction,
  endTemporaryMask,
  exitProcess,
  forceSignal,
  half,
  handlerIs,
  nextSignal,
  Sa,
  SIG_DFL,
  SIG_IGN,
  setBlocked,
  signalPending,
  TaskWord,
} from "./signals.ts";
import type { Task } from "./task.ts";
import { TaskField } from "./tasks.ts";

const a0 = 10;
const a7 = 17;
const ecallBytes = 4;
const restartSyscall = 128;

/** A call that was interrupted, with what it answered: a code of `restart`. */
interface Interrupted {
  readonly code: number;
  readonly row: CallRow;
}

/**
 * Ends a system call: puts its result into a0, decides what becomes of a call that a signal interrupted, and delivers
 * what is pending. Before the handler ran, pc was moved past the ecall; a0 still holds the call's first argument.
 */
export function finishCall(t: Task, row: CallRow, result: number): void {
  const code = -result;
  const interrupted =
    code === restart.ERESTARTSYS ||
    code === restart.ERESTARTNOINTR ||
    code === restart.ERESTARTNOHAND ||
    code === restart.ERESTART_RESTARTBLOCK;
  if (interrupted) {
    takeOver(t);
    deliver(t, { code, row });
  } else {
    if (row.result !== "never") setX(t.hart, a0, result);
    deliverSignals(t);
  }
}

/** Delivers all signals that are pending and not blocked: handlers get their frames, defaults are done. */
export function deliverSignals(t: Task): void {
  takeOver(t);
  if (signalPending(t) || isStopping(t) || t.signals.words[TaskWord.hasSaved] !== 0) deliver(t, undefined);
}

/** Makes signals of the host pending, where this thread was asked to. */
function takeOver(t: Task): void {
  if (pendingBits(t.record) & Pending.inbox) takeHostSignals(t);
}

/** Whether it is to stop, or something else is to be done before it runs on, though no signal is pending. */
const isStopping = ({ record }: Task): boolean =>
  (pendingBits(record) & (Pending.stop | Pending.ptrace | Pending.space)) !== 0;

function deliver(t: Task, interrupted: Interrupted | undefined): void {
  let call = interrupted;
  // As on Linux, who looks at a thread that has stopped finds it at its call, about to be made again.
  if (call !== undefined) setPc(t.hart, getPc(t.hart) - ecallBytes);
  const at = getPc(t.hart);
  while (t.process.exit === undefined) {
    if (pendingBits(t.record) & Pending.space) dropWritten(t);
    attendStop(t);
    const taken = nextSignal(t);
    if (taken === undefined) break;
    const asked = t.process.tracer === undefined ? taken : t.process.tracer.signal(t, taken);
    const info = asked !== undefined && isTraced(t.record) && asked[0] !== Sig.KILL ? stopForSignal(t, asked) : asked;
    if (info === undefined) continue;
    // Who has sent the thread elsewhere has taken it out of its call.
    if (getPc(t.hart) !== at) call = undefined;
    const signo = info[0]!;
    const action = claimAction(t, signo);
    const actions = { actions: action };
    if (handlerIs(actions, 0, SIG_IGN)) continue;
    t.process.watcher?.signal(t, info);
    if (handlerIs(actions, 0, SIG_DFL)) {
      doDefault(t, info);
      continue;
    }
    if (call !== undefined) settleBeforeHandler(t, call, (action[ActionWord.flags]! & Sa.RESTART) !== 0);
    call = undefined;
    runHandler(t, signo, info, action);
  }
  if (call !== undefined && getPc(t.hart) === at) settleWithoutHandler(t, call);
  endTemporaryMask(t, false);
}

/** A handler runs: the call, where the thread stands, is made again after it, or answers EINTR. */
function settleBeforeHandler(t: Task, { code, row }: Interrupted, saRestart: boolean): void {
  const again = code === restart.ERESTARTNOINTR || (code === restart.ERESTARTSYS && saRestart && row.class !== "eintr");
  if (again) return;
  setPc(t.hart, getPc(t.hart) + ecallBytes);
  setX(t.hart, a0, -errno.EINTR);
}

/** No handler runs: the call is made again, where the thread stands, or goes on through restart_syscall. */
function settleWithoutHandler(t: Task, { code }: Interrupted): void {
  if (code === restart.ERESTART_RESTARTBLOCK) setX(t.hart, a7, restartSyscall);
}

function runHandler(t: Task, signo: number, info: SigInfo, action: Int32Array): void {
  const w = t.signals.words;
  const onStack = (action[ActionWord.flags]! & Sa.ONSTACK) !== 0;
  const mask = w[TaskWord.hasSaved] !== 0 ? TaskWord.saved : TaskWord.blocked;
  const handler = { lo: action[ActionWord.handler]!, hi: action[ActionWord.handler + 1]! };
  const isRegistered = t.record.i32[TaskField.rseqCpu] !== 0;
  if ((isRegistered && !abortSection(t)) || !pushFrame(t, info, handler, onStack, w[mask]!, w[mask + 1]!)) {
    forceSignal(t, kernelInfo(Sig.SEGV), signo === Sig.SEGV);
    return;
  }
  w[TaskWord.hasSaved] = 0;
  const own = action[ActionWord.flags]! & Sa.NODEFER ? 0 : bit(signo);
  const [lo, hi] = half(signo) === 0 ? [own, 0] : [0, own];
  setBlocked(t, w[0]! | action[ActionWord.mask]! | lo, w[1]! | action[ActionWord.mask + 1]! | hi);
  t.hart.i32[hart.reservation + 1] = 0;
  if (isStepped(t.record)) stopAtHandler(t);
}

function doDefault(t: Task, info: SigInfo): void {
  const signo = info[0]!;
  const action = defaultAction(signo);
  if (action === "ignore" || action === "continue") return;
  if (action === "stop") {
    beginStop(t, info);
    return;
  }
  const coreDumped = action === "core" && limitOf(t.process.limits, Resource.CORE) > 0;
  noteDeath(t.process.record, { pc: t.hart.i32.slice(hart.pc, hart.pc + 2), info });
  exitProcess(t.process.kernel, t.process.record, { signal: signo, coreDumped });
}
