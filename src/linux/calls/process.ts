// The life of a process: its end, its children, and its threads' registrations with the kernel.
// A guest process has no children: what would make them answers ENOSYS. Threads are made by clone.ts.
import { host } from "../../host/syscall.ts";
import { errno } from "../errno.ts";
import { hostFd, installFd } from "../fds.ts";
import { dirfd, flags, int, oneOf, path, pointer, size, uint } from "../kinds.ts";
import { siginfoOut } from "../kinds-signal.ts";
import { type CallRow, call } from "../row.ts";
import { exitProcess } from "../signals.ts";
import { whois } from "../targets.ts";
import type { Task } from "../task.ts";
import { endThread } from "../threads.ts";
import { storeWords, words64 } from "../words.ts";

function exit(t: Task, status: number): number {
  endThread(t, status & 0xff);
  return 0;
}

function exitGroup(t: Task, status: number): number {
  exitProcess(t.process.kernel, t.process.record, { code: status & 0xff });
  return 0;
}

function setTidAddress(t: Task, addr: number): number {
  t.clearTid = addr;
  return t.tid;
}

const robustHeadBytes = 24;

function setRobustList(t: Task, head: number, length: number): number {
  if (length !== robustHeadBytes) return -errno.EINVAL;
  t.robustList = head;
  return 0;
}

function getRobustList(t: Task, pid: number, head: number, length: number): number {
  if (pid !== 0 && pid !== t.tid)
    return whois(t, pid) === "host" && host("kill", pid, 0) === 0 ? -errno.EPERM : -errno.ESRCH;
  return storeWords(t, length, words64(robustHeadBytes)) && storeWords(t, head, words64(t.robustList))
    ? 0
    : -errno.EFAULT;
}

// ---- children

const Wait = {
  WNOHANG: 1,
  WUNTRACED: 2,
  WEXITED: 4,
  WCONTINUED: 8,
  WNOWAIT: 0x01000000,
  __WNOTHREAD: 0x20000000,
  __WALL: 0x40000000,
  __WCLONE: 0x80000000 | 0,
} as const;
const linuxBits = Wait.__WNOTHREAD | Wait.__WALL | Wait.__WCLONE;
const wait4Bits = Wait.WNOHANG | Wait.WUNTRACED | Wait.WCONTINUED | linuxBits;
const states = Wait.WEXITED | Wait.WUNTRACED | Wait.WCONTINUED;
const waitidBits = Wait.WNOHANG | Wait.WNOWAIT | states | linuxBits;
const intMin = -(2 ** 31);

function wait4(_t: Task, pid: number, _status: number, options: number): number {
  if ((options & ~wait4Bits) !== 0) return -errno.EINVAL;
  return pid === intMin ? -errno.ESRCH : -errno.ECHILD;
}

const IdType = { P_ALL: 0, P_PID: 1, P_PGID: 2, P_PIDFD: 3 } as const;

function waitid(t: Task, type: number, id: number, _info: number, options: number): number {
  if ((options & ~waitidBits) !== 0 || (options & states) === 0) return -errno.EINVAL;
  switch (type) {
    case IdType.P_ALL:
      return -errno.ECHILD;
    case IdType.P_PID:
      return id <= 0 ? -errno.EINVAL : -errno.ECHILD;
    case IdType.P_PGID:
      return id < 0 ? -errno.EINVAL : -errno.ECHILD;
    case IdType.P_PIDFD: {
      if (id < 0) return -errno.EINVAL;
      const h = hostFd(t.process.fds, id);
      return h < 0 ? h : -errno.ECHILD;
    }
    default:
      return -errno.EINVAL;
  }
}

const notHere = (): number => -errno.ENOSYS;

const PIDFD_NONBLOCK = 0o4000;

function pidfdOpen(t: Task, pid: number, options: number): number {
  if ((options & ~PIDFD_NONBLOCK) !== 0 || pid <= 0) return -errno.EINVAL;
  const who = whois(t, pid);
  if (who === "none") return -errno.ESRCH;
  return installFd(t.process.fds, host("pidfd_open", who === "self" ? host("getpid") : pid, options), true);
}

/** rseq is refused: threads on two workers may share a CPU, and none could restart the other's critical section. */
export const processCalls: readonly CallRow[] = [
  call(93, "exit", [int], "never", "quick", exit),
  call(94, "exit_group", [int], "never", "quick", exitGroup),
  call(95, "waitid", [oneOf(IdType), int, siginfoOut, flags(Wait), pointer], "none", "restart", waitid),
  call(96, "set_tid_address", [pointer], "int", "quick", setTidAddress),
  call(99, "set_robust_list", [pointer, size], "none", "quick", setRobustList),
  call(100, "get_robust_list", [int, pointer, pointer], "none", "quick", getRobustList),
  call(221, "execve", [path, pointer, pointer], "none", "quick", notHere),
  call(260, "wait4", [int, pointer, flags(Wait), pointer], "int", "restart", wait4),
  call(281, "execveat", [dirfd, path, pointer, pointer, int], "none", "quick", notHere),
  call(293, "rseq", [pointer, uint, int, uint], "none", "quick", notHere),
  call(434, "pidfd_open", [int, uint], "fd", "quick", pidfdOpen),
];
