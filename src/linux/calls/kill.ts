// System calls that send signals. To guests they go through their queues, never through the host; to processes of the host
// they are passed on, where no guest has the id, and the host says what is allowed. Of a process group in which there are
// guests, and of "everybody", only guests are meant.
import { addressOf, host } from "../../host/syscall.ts";
import { withLock } from "../../sync/mutex.ts";
import { Attr, attribute } from "../attributes.ts";
import { errno } from "../errno.ts";
import { int } from "../kinds.ts";
import { siginfo, signo } from "../kinds-signal.ts";
import { allProcesses, groupHeld, ProcessField, type ProcessRecord } from "../processes.ts";
import { type CallRow, call } from "../row.ts";
import { Code, infoWords, type SigInfo, sigMax, userInfo } from "../siginfo.ts";
import { maySignal, type SignalTarget, sendSignal, sendSignals } from "../signals.ts";
import { guestProcess, guestThread, isOwnPid, whois } from "../targets.ts";
import type { Task } from "../task.ts";
import { loadWords } from "../words.ts";

const isSignal = (n: number): boolean => n >= 1 && n <= sigMax;

/** Sends a signal where that is allowed; with the number 0 it asks only whether it is. */
export function send(t: Task, target: SignalTarget, n: number, info: SigInfo): number {
  const refusal = refusalOf(t, target.process, n);
  return refusal < 0 || n === 0 ? refusal : sendSignal(target, n, info);
}

/** Why a process may not be sent a signal, as -errno; 0 where it may. */
function refusalOf(t: Task, process: ProcessRecord, n: number): number {
  if (n !== 0 && !isSignal(n)) return -errno.EINVAL;
  return maySignal(t.process.record, process, n) ? 0 : -errno.EPERM;
}

/** A whole process as a target. */
export const whole = (t: Task, process: ProcessRecord): SignalTarget => ({
  kernel: t.process.kernel,
  process,
  thread: undefined,
});

/** The siginfo of a signal that the caller sends. */
export const from = (t: Task, n: number, code: number): SigInfo =>
  userInfo(n, code, t.process.pid, attribute(t.process.attributes, Attr.ruid));

/** Sends to each of them that may be signalled, to all at once. What came of each. */
function sendEach(t: Task, to: readonly ProcessRecord[], n: number, info: SigInfo): readonly number[] {
  const refusals = to.map((process) => refusalOf(t, process, n));
  if (n === 0) return refusals;
  const allowed = to.filter((_, i) => refusals[i] === 0);
  const sent = sendSignals(t.process.kernel, allowed, n, info).values();
  return refusals.map((refusal) => (refusal < 0 ? refusal : sent.next().value!));
}

/** Sends to each of them. As in Linux, it is enough where one gets it. */
export function sendAll(t: Task, processes: readonly ProcessRecord[], n: number, info: SigInfo): number {
  const results = sendEach(t, processes, n, info);
  return results.includes(0) ? 0 : (results.at(-1) ?? -errno.ESRCH);
}

const intMin = -(2 ** 31);

function kill(t: Task, pid: number, n: number): number {
  if (pid === intMin) return -errno.ESRCH;
  const { kernel, record } = t.process;
  const info = from(t, n, Code.SI_USER);
  const found = withLock(kernel.tasksLock, () => {
    if (pid === -1) return killOthersHeld(t, n, info);
    if (pid <= 0) {
      const group = pid === 0 ? record.i32[ProcessField.group]! : -pid;
      const members = groupHeld(kernel, group);
      return members.length > 0 ? sendAll(t, members, n, info) : undefined;
    }
    const guest = guestProcess(t, pid);
    return guest && send(t, whole(t, guest), n, info);
  });
  if (found !== undefined) return found;
  // The emulator's own group means the guests in it, though there are none.
  if (pid < 0) return -pid === host("getpgid", 0) ? -errno.ESRCH : host("kill", pid, n);
  return whois(t, pid) === "host" ? host("kill", pid, n) : -errno.ESRCH;
}

/** Everybody but the caller. As in Linux, nobody who may not be signalled makes it an error. */
function killOthersHeld(t: Task, n: number, info: SigInfo): number {
  const others = [...allProcesses(t.process.kernel)].filter((process) => process !== t.process.record);
  const results = sendEach(t, others, n, info);
  return results.length === 0 ? -errno.ESRCH : (results.findLast((result) => result !== -errno.EPERM) ?? 0);
}

function tkill(t: Task, tid: number, n: number): number {
  if (tid <= 0) return -errno.EINVAL;
  const guest = guestThread(t, tid);
  if (guest !== undefined) return send(t, guest, n, from(t, n, Code.SI_TKILL));
  return whois(t, tid) === "host" ? host("tkill", tid, n) : -errno.ESRCH;
}

/** The guest thread of that id in the process of that id; undefined where no guest has either, an error where they do not belong together. */
function threadOf(t: Task, tgid: number, tid: number): SignalTarget | number | undefined {
  const guest = guestThread(t, tid);
  if (guest?.process.i32[ProcessField.pid] === tgid) return guest;
  const mixed = guest !== undefined || guestProcess(t, tgid) !== undefined;
  return mixed || whois(t, tgid) !== "host" || whois(t, tid) !== "host" ? -errno.ESRCH : undefined;
}

function tgkill(t: Task, tgid: number, tid: number, n: number): number {
  if (tid <= 0 || tgid <= 0) return -errno.EINVAL;
  const guest = threadOf(t, tgid, tid);
  if (guest === undefined) return host("tgkill", tgid, tid, n);
  return typeof guest === "number" ? guest : send(t, guest, n, from(t, n, Code.SI_TKILL));
}

// Words of a siginfo_t as a program hands it in.
const userWords = 32;
const SI_DETHREAD = -7;
const SI_ASYNCNL = -60;
const lastFaultCode = 15;

/**
 * A siginfo from the guest, for signal `n`: all 128 bytes. An error where they are not readable, or where those that
 * the kernel does not keep are not zero though it does not know the code's layout.
 */
export function loadInfo(t: Task, addr: number, n: number): Int32Array | number {
  const words = loadWords(t, addr, userWords);
  if (words === undefined) return -errno.EFAULT;
  words[0] = n;
  const code = words[2]!;
  const known = code === Code.SI_KERNEL || code === SI_ASYNCNL || (code >= SI_DETHREAD && code <= lastFaultCode);
  return !known && words.subarray(infoWords).some((word) => word !== 0) ? -errno.E2BIG : words;
}

/** Only to itself may a process pretend that a signal comes from the kernel or from kill. */
export const pretends = (words: Int32Array): boolean => words[2]! >= 0 || words[2] === Code.SI_TKILL;

function rtSigqueueinfo(t: Task, pid: number, n: number, addr: number): number {
  const words = loadInfo(t, addr, n);
  if (typeof words === "number") return words;
  if (!isOwnPid(t, pid) && pretends(words)) return -errno.EPERM;
  const found = withLock(t.process.kernel.tasksLock, () => {
    const guest = pid > 0 ? guestProcess(t, pid) : undefined;
    return guest && send(t, whole(t, guest), n, words.slice(0, infoWords));
  });
  if (found !== undefined) return found;
  return pid > 0 && whois(t, pid) === "host" ? host("rt_sigqueueinfo", pid, n, addressOf(words)) : -errno.ESRCH;
}

function rtTgsigqueueinfo(t: Task, tgid: number, tid: number, n: number, addr: number): number {
  const words = loadInfo(t, addr, n);
  if (typeof words === "number") return words;
  if (tid <= 0 || tgid <= 0) return -errno.EINVAL;
  if (tid !== t.tid && pretends(words)) return -errno.EPERM;
  const guest = threadOf(t, tgid, tid);
  if (guest === undefined) return host("rt_tgsigqueueinfo", tgid, tid, n, addressOf(words));
  return typeof guest === "number" ? guest : send(t, guest, n, words.slice(0, infoWords));
}

export const killCalls: readonly CallRow[] = [
  call(129, "kill", [int, signo], "none", "quick", kill),
  call(130, "tkill", [int, signo], "none", "quick", tkill),
  call(131, "tgkill", [int, int, signo], "none", "quick", tgkill),
  call(138, "rt_sigqueueinfo", [int, signo, siginfo], "none", "quick", rtSigqueueinfo),
  call(240, "rt_tgsigqueueinfo", [int, int, signo, siginfo], "none", "quick", rtTgsigqueueinfo),
];
