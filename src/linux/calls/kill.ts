// System calls that send signals. To guests they go through their queues, never through the host; to processes
// of the host they are passed on, and the host says what is allowed. Of process groups and of "everybody", only guest
// processes are meant, unless the group is one that the emulator is not in.
import { readHostFile } from "../../host/file.ts";
import { addressOf, host } from "../../host/syscall.ts";
import { Attr, attribute } from "../attributes.ts";
import { errno } from "../errno.ts";
import { hostFd } from "../fds.ts";
import { fd, int, uint } from "../kinds.ts";
import { siginfo, signo } from "../kinds-signal.ts";
import { ProcessField, type ProcessRecord } from "../processes.ts";
import { type CallRow, call } from "../row.ts";
import { Code, infoWords, Sig, type SigInfo, sigMax, userInfo } from "../siginfo.ts";
import { type SignalTarget, sendSignal } from "../signals.ts";
import { guestProcess, guestProcesses, guestThread, isOwnPid, whois } from "../targets.ts";
import type { Task } from "../task.ts";
import { loadWords } from "../words.ts";

const isSignal = (n: number): boolean => n >= 1 && n <= sigMax;

/** Whether a guest may signal another: as CAP_KILL allows, and by its ids; within a session SIGCONT always. */
function maySignal({ process: { record: from } }: Task, to: ProcessRecord, n: number): boolean {
  const [own, other] = [from.attributes, to.attributes];
  const allowed: readonly number[] = [other[Attr.suid]!, other[Attr.ruid]!];
  if (from === to || own[Attr.euid] === 0) return true;
  if (allowed.includes(own[Attr.euid]!) || allowed.includes(own[Attr.ruid]!)) return true;
  return n === Sig.CONT && from.i32[ProcessField.session] === to.i32[ProcessField.session];
}

/** Signal 0 asks only whether there is such a process. */
function send(t: Task, target: SignalTarget, n: number, info: SigInfo): number {
  if (n !== 0 && !isSignal(n)) return -errno.EINVAL;
  if (!maySignal(t, target.process, n)) return -errno.EPERM;
  return n === 0 ? 0 : sendSignal(target, n, info);
}

const whole = (t: Task, process: ProcessRecord): SignalTarget => ({
  kernel: t.process.kernel,
  process,
  thread: undefined,
});

const from = (t: Task, n: number, code: number): SigInfo =>
  userInfo(n, code, t.process.pid, attribute(t.process.attributes, Attr.ruid));

const intMin = -(2 ** 31);

function kill(t: Task, pid: number, n: number): number {
  const info = from(t, n, Code.SI_USER);
  const toGuest = (process: ProcessRecord): number => send(t, whole(t, process), n, info);
  if (pid === 0) return toGuest(t.process.record);
  if (pid === intMin) return -errno.ESRCH;
  if (pid === -1) return killOthers(t, toGuest);
  if (pid < 0) return -pid === host("getpgid") ? toGuest(t.process.record) : host("kill", pid, n);
  const guest = guestProcess(t, pid);
  if (guest !== undefined) return toGuest(guest);
  return whois(t, pid) === "host" ? host("kill", pid, n) : -errno.ESRCH;
}

/** Everybody but the caller and the first process, which is the guests' init. */
function killOthers(t: Task, toGuest: (process: ProcessRecord) => number): number {
  const results = [...guestProcesses(t)]
    .filter((process) => process !== t.process.record && process.index !== 0)
    .map(toGuest);
  if (results.length === 0) return -errno.ESRCH;
  // As Linux: an error counts only where nobody got it.
  return results.find((result) => result !== -errno.EPERM) ?? -errno.EPERM;
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
function loadInfo(t: Task, addr: number, n: number): Int32Array | number {
  const words = loadWords(t, addr, userWords);
  if (words === undefined) return -errno.EFAULT;
  words[0] = n;
  const code = words[2]!;
  const known = code === Code.SI_KERNEL || code === SI_ASYNCNL || (code >= SI_DETHREAD && code <= lastFaultCode);
  return !known && words.subarray(infoWords).some((word) => word !== 0) ? -errno.E2BIG : words;
}

/** Only to itself may a process pretend that a signal comes from the kernel or from kill. */
const pretends = (words: Int32Array): boolean => words[2]! >= 0 || words[2] === Code.SI_TKILL;

function rtSigqueueinfo(t: Task, pid: number, n: number, addr: number): number {
  const words = loadInfo(t, addr, n);
  if (typeof words === "number") return words;
  if (!isOwnPid(t, pid) && pretends(words)) return -errno.EPERM;
  const guest = pid > 0 ? guestProcess(t, pid) : undefined;
  if (guest !== undefined) return send(t, whole(t, guest), n, words.slice(0, infoWords));
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

/** The process that a host pidfd stands for, 0 where it has ended, or -EBADF where the descriptor is none. */
function pidOfFd(h: number): number {
  const text = readHostFile(`/proc/self/fdinfo/${h}`);
  if (typeof text === "number") return -errno.EBADF;
  const pid = /^Pid:\s*(-?\d+)$/m.exec(text)?.[1];
  return pid === undefined ? -errno.EBADF : Math.max(0, Number(pid));
}

function pidfdSendSignal(t: Task, pidfd: number, n: number, addr: number, flags: number): number {
  if (flags !== 0) return -errno.EINVAL;
  const h = hostFd(t.process.fds, pidfd);
  if (h < 0) return h;
  const pid = pidOfFd(h);
  if (pid < 0) return pid;
  const own = isOwnPid(t, pid);
  const self = whole(t, t.process.record);
  if (addr === 0) return own ? send(t, self, n, from(t, n, Code.SI_USER)) : host("pidfd_send_signal", h, n, 0, 0);
  const given = loadWords(t, addr, 1)?.[0];
  const words = loadInfo(t, addr, n);
  if (typeof words === "number") return words;
  if (given !== n) return -errno.EINVAL;
  if (own) return send(t, self, n, words.slice(0, infoWords));
  return pretends(words) ? -errno.EPERM : host("pidfd_send_signal", h, n, addressOf(words), 0);
}

export const killCalls: readonly CallRow[] = [
  call(129, "kill", [int, signo], "none", "quick", kill),
  call(130, "tkill", [int, signo], "none", "quick", tkill),
  call(131, "tgkill", [int, int, signo], "none", "quick", tgkill),
  call(138, "rt_sigqueueinfo", [int, signo, siginfo], "none", "quick", rtSigqueueinfo),
  call(240, "rt_tgsigqueueinfo", [int, int, signo, siginfo], "none", "quick", rtTgsigqueueinfo),
  call(424, "pidfd_send_signal", [fd, signo, siginfo, uint], "none", "quick", pidfdSendSignal),
];
