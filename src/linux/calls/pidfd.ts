// Calls on descriptors of processes: pidfd_open, pidfd_send_signal, pidfd_getfd. Those of guests are pidfds.ts's; of the
// host's processes they are the host's.
import { addressOf, host } from "../../host/syscall.ts";
import { withLock } from "../../sync/mutex.ts";
import { Attr, privileged } from "../attributes.ts";
import { errno } from "../errno.ts";
import { attachFdTable, dupHost, fdData, fdKind, hostFd, installFd, setFdData } from "../fds.ts";
import { fd, int, uint } from "../kinds.ts";
import { siginfo, signo } from "../kinds-signal.ts";
import { newPidfd, pidfdTarget } from "../pidfds.ts";
import { groupHeld, ProcessField, type ProcessRecord } from "../processes.ts";
import { State } from "../records.ts";
import { type CallRow, call } from "../row.ts";
import { Code, infoWords } from "../siginfo.ts";
import { threadTarget } from "../signals.ts";
import { wordsOf } from "../tables.ts";
import { guestThread, whois } from "../targets.ts";
import type { Task } from "../task.ts";
import { TaskField, taskAt } from "../tasks.ts";
import { loadWords } from "../words.ts";
import { duplicate } from "./descriptors.ts";
import { from, loadInfo, pretends, send, sendAll, whole } from "./kill.ts";

const PIDFD_NONBLOCK = 0o4000;

function pidfdOpen(t: Task, pid: number, options: number): number {
  if ((options & ~PIDFD_NONBLOCK) !== 0 || pid <= 0) return -errno.EINVAL;
  const guest = guestThread(t, pid);
  if (guest === undefined)
    return whois(t, pid) === "none" ? -errno.ESRCH : installFd(t.process.fds, host("pidfd_open", pid, options), true);
  // Of the threads only the first stands for the process.
  if (guest.process.i32[ProcessField.pid] !== pid) return -errno.EINVAL;
  return newPidfd(t, guest.process, pid, options);
}

const Scope = { thread: 1, process: 2, group: 4 } as const;

function pidfdSendSignal(t: Task, pidfd: number, n: number, addr: number, scope: number): number {
  if (scope !== 0 && scope !== Scope.thread && scope !== Scope.process && scope !== Scope.group) return -errno.EINVAL;
  const target = pidfdTarget(t, pidfd);
  if (typeof target === "number") return target;
  const given = addr === 0 ? undefined : loadWords(t, addr, 1)?.[0];
  const info = addr === 0 ? undefined : loadInfo(t, addr, n);
  if (typeof info === "number") return info;
  if (info !== undefined && given !== n) return -errno.EINVAL;
  if ("host" in target) {
    if (info !== undefined && pretends(info)) return -errno.EPERM;
    const h = hostFd(t.process.fds, pidfd);
    return host("pidfd_send_signal", h, n, info === undefined ? 0 : addressOf(info), scope);
  }
  if (info !== undefined && pretends(info) && target !== t.process.record) return -errno.EPERM;
  const code = scope === Scope.thread ? Code.SI_TKILL : Code.SI_USER;
  const words = info?.slice(0, infoWords) ?? from(t, n, code);
  const { kernel } = t.process;
  return withLock(kernel.tasksLock, () => {
    // It may have been waited for meanwhile, and its record be another's.
    if (pidfdTarget(t, pidfd) !== target) return -errno.ESRCH;
    if (scope === Scope.group) return sendAll(t, groupHeld(kernel, target.i32[ProcessField.pid]!), n, words);
    return send(t, scope === Scope.thread ? leaderOf(t, target) : whole(t, target), n, words);
  });
}

const leaderOf = ({ process: { kernel } }: Task, { i32 }: ProcessRecord) =>
  threadTarget(kernel, i32[ProcessField.leader]! - 1);

function pidfdGetfd(t: Task, pidfd: number, number: number, options: number): number {
  if (options !== 0) return -errno.EINVAL;
  const target = pidfdTarget(t, pidfd);
  if (typeof target === "number") return target;
  if ("host" in target) return -errno.EPERM;
  if (target === t.process.record) return duplicate(t.process.fds, number, 0, true);
  const table = tableOf(t, target);
  if (table < 0) return -errno.ESRCH;
  if (!mayTakeFrom(t, target)) return -errno.EPERM;
  const theirs = attachFdTable(wordsOf(t.process.site.bundle.tables, "fds", table));
  const h = hostFd(theirs, number);
  if (h < 0) return h;
  const [kind, data, copy] = [fdKind(theirs, number), fdData(theirs, number), dupHost(h)];
  // It may have been closed meanwhile, and the host's number be another file's, or the table another process's.
  if (copy >= 0 && (hostFd(theirs, number) !== h || tableOf(t, target) !== table)) {
    host("close", copy);
    return -errno.EBADF;
  }
  const installed = installFd(t.process.fds, copy, true, kind);
  if (installed >= 0) setFdData(t.process.fds, installed, data);
  return installed;
}

/** The descriptors of a process: the table of its first thread, as on Linux also where others have gone on without that. -1 for none. */
function tableOf({ process: { kernel } }: Task, { i32 }: ProcessRecord): number {
  if (i32[ProcessField.state] !== State.live || i32[ProcessField.exit] !== 0) return -1;
  return taskAt(kernel, i32[ProcessField.leader]! - 1).i32[TaskField.fdsTable]! - 1;
}

/** PTRACE_MODE_ATTACH_REALCREDS of ptrace(2). */
function mayTakeFrom({ process: { attributes } }: Task, { attributes: its }: ProcessRecord): boolean {
  if (privileged(attributes)) return true;
  const own = attributes.words;
  const same = (id: number, first: number): boolean => [0, 1, 2].every((i) => its[first + i] === id);
  return same(own[Attr.ruid]!, Attr.ruid) && same(own[Attr.rgid]!, Attr.rgid) && its[Attr.dumpable] === 1;
}

export const pidfdCalls: readonly CallRow[] = [
  call(424, "pidfd_send_signal", [fd, signo, siginfo, uint], "none", "quick", pidfdSendSignal),
  call(434, "pidfd_open", [int, uint], "fd", "quick", pidfdOpen),
  call(438, "pidfd_getfd", [fd, fd, uint], "fd", "quick", pidfdGetfd),
];
