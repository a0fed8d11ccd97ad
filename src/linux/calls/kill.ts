// System calls that send signals. To the guest itself they go through its queues, never through the host; to processes
// of the host they are passed on, and the host says what is allowed. Of process groups and of "everybody", only guest
// processes are meant, unless the group is one that the emulator is not in.
import { readHostFile } from "../../host/file.ts";
import { addressOf, host } from "../../host/syscall.ts";
import { Attr, attribute } from "../attributes.ts";
import { errno } from "../errno.ts";
import { hostFd } from "../fds.ts";
import { fd, int, uint } from "../kinds.ts";
import { siginfo, signo } from "../kinds-signal.ts";
import { type CallRow, call } from "../row.ts";
import { Code, infoWords, type SigInfo, sigMax, userInfo } from "../siginfo.ts";
import { queueSignal } from "../signals.ts";
import { isOwnPid, whois } from "../targets.ts";
import type { Process, Task } from "../task.ts";
import { loadWords } from "../words.ts";

const isSignal = (n: number): boolean => n >= 1 && n <= sigMax;

/** Signal 0 asks only whether there is such a process. */
function send(target: Task | Process, n: number, info: SigInfo): number {
  if (n === 0) return 0;
  return isSignal(n) ? queueSignal(target, n, info) : -errno.EINVAL;
}

const from = (t: Task, n: number, code: number): SigInfo =>
  userInfo(n, code, t.process.pid, attribute(t.process.attributes, Attr.ruid));

const intMin = -(2 ** 31);

function kill(t: Task, pid: number, n: number): number {
  const self = (): number => send(t.process, n, from(t, n, Code.SI_USER));
  if (pid === 0) return self();
  if (pid === -1 || pid === intMin) return -errno.ESRCH;
  if (pid < 0) return -pid === host("getpgid") ? self() : host("kill", pid, n);
  const who = whois(t, pid);
  if (who === "self") return self();
  return who === "host" ? host("kill", pid, n) : -errno.ESRCH;
}

function tkill(t: Task, tid: number, n: number): number {
  if (tid <= 0) return -errno.EINVAL;
  if (tid === t.tid) return send(t, n, from(t, n, Code.SI_TKILL));
  return whois(t, tid) === "host" ? host("tkill", tid, n) : -errno.ESRCH;
}

function tgkill(t: Task, tgid: number, tid: number, n: number): number {
  if (tid <= 0 || tgid <= 0) return -errno.EINVAL;
  if (isOwnPid(t, tgid)) return tid === t.tid ? send(t, n, from(t, n, Code.SI_TKILL)) : -errno.ESRCH;
  return whois(t, tgid) === "host" && whois(t, tid) === "host" ? host("tgkill", tgid, tid, n) : -errno.ESRCH;
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
  const who = pid > 0 ? whois(t, pid) : "none";
  if (who === "self") return send(t.process, n, words.slice(0, infoWords));
  if (pretends(words)) return -errno.EPERM;
  return who === "host" ? host("rt_sigqueueinfo", pid, n, addressOf(words)) : -errno.ESRCH;
}

function rtTgsigqueueinfo(t: Task, tgid: number, tid: number, n: number, addr: number): number {
  const words = loadInfo(t, addr, n);
  if (typeof words === "number") return words;
  if (tid <= 0 || tgid <= 0) return -errno.EINVAL;
  if (tid !== t.tid && pretends(words)) return -errno.EPERM;
  if (isOwnPid(t, tgid)) return tid === t.tid ? send(t, n, words.slice(0, infoWords)) : -errno.ESRCH;
  const both = whois(t, tgid) === "host" && whois(t, tid) === "host";
  return both ? host("rt_tgsigqueueinfo", tgid, tid, n, addressOf(words)) : -errno.ESRCH;
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
  if (addr === 0) return own ? send(t.process, n, from(t, n, Code.SI_USER)) : host("pidfd_send_signal", h, n, 0, 0);
  const given = loadWords(t, addr, 1)?.[0];
  const words = loadInfo(t, addr, n);
  if (typeof words === "number") return words;
  if (given !== n) return -errno.EINVAL;
  if (own) return send(t.process, n, words.slice(0, infoWords));
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
