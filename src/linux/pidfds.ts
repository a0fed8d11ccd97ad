// Descriptors of guest processes. Each is a reader of a pipe that the process's record keeps: it has a byte, which nobody
// reads, when the process has ended, and no writer when that was waited for, so that poll shows what Linux shows. The
// descriptor's data word names the process: the index of its record, and how often that was used before.
import { readHostFile } from "../host/file.ts";
import { addressOf, host } from "../host/syscall.ts";
import { withLock } from "../sync/mutex.ts";
import { errno } from "./errno.ts";
import { endDescriptorHeld } from "./family.ts";
import { FdKind, fdData, fdKind, hostFd, installFd, setCloseOnExec, setFdData } from "./fds.ts";
import { Header, type Kernel } from "./kernel.ts";
import { mostProcesses, ProcessField, type ProcessRecord, processAt } from "./processes.ts";
import { State } from "./records.ts";
import { guestProcess } from "./targets.ts";
import type { Task } from "./task.ts";

const generations = 2 ** 21;

const nameOf = ({ index, i32 }: ProcessRecord): number =>
  index + mostProcesses * (i32[ProcessField.generation]! % generations);

/** The process behind a descriptor's data word; undefined where it was waited for. */
export function processNamed(k: Kernel, name: number): ProcessRecord | undefined {
  const process = processAt(k, name % mostProcesses);
  const there = process.i32[ProcessField.state]! >= State.live && nameOf(process) === name;
  return there ? process : undefined;
}

const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
const AT_FDCWD = -100;
const F_SETFL = 4;

/**
 * A new descriptor of a process, which had that id when it was found, in the caller's table, closed by exec; or -errno: ESRCH
 * where it is gone by now. `flags`: 0 or O_NONBLOCK.
 */
export function newPidfd(t: Task, process: ProcessRecord, pid: number, flags = 0): number {
  const { kernel, fds } = t.process;
  const { h, name } = withLock(kernel.tasksLock, () => {
    const isGone = process.i32[ProcessField.pid] !== pid;
    return { h: isGone ? -errno.ESRCH : openEndHeld(process), name: nameOf(process) };
  });
  if (h >= 0) host("fcntl", h, F_SETFL, flags & O_NONBLOCK);
  const fd = installFd(fds, h, true, FdKind.process);
  if (fd >= 0) setFdData(fds, fd, name);
  return fd;
}

/** An open file of its own, with flags of its own, for the pipe of a process. */
function openEndHeld(process: ProcessRecord): number {
  const end = endDescriptorHeld(process);
  if (end < 0) return end;
  const path = Buffer.from(`/proc/self/fd/${end}\0`, "latin1");
  return host("openat", AT_FDCWD, addressOf(path), O_CLOEXEC | O_NONBLOCK);
}

/** What a descriptor of a process stands for: a guest, by its record; a process of the host, by its id; or -errno: EBADF where it stands for none, ESRCH where that is gone. */
export function pidfdTarget(t: Task, fd: number): ProcessRecord | { readonly host: number } | number {
  const { kernel, fds } = t.process;
  const h = hostFd(fds, fd);
  if (h < 0) return h;
  if (fdKind(fds, fd) === FdKind.process) return processNamed(kernel, fdData(fds, fd)) ?? -errno.ESRCH;
  const pid = hostPid(h);
  if (pid <= 0) return pid === 0 ? -errno.ESRCH : pid;
  // One that came through a socket may be of the emulator.
  return guestProcess(t, pid) ?? { host: pid };
}

/**
 * Installs a host pidfd that a socket has given, which stands for the emulator where a guest is meant: `guest` says which, or
 * the first process. Answers its number, or -errno.
 */
export function installPidfd(t: Task, h: number, guest: () => number | undefined, cloexec: boolean): number {
  const { kernel, fds } = t.process;
  const own = kernel.i32[Header.hostPid]!;
  const pid = h >= 0 && hostPid(h) === own ? (guest() ?? own) : undefined;
  const process = pid === undefined ? undefined : guestProcess(t, pid);
  if (process === undefined) return installFd(fds, h, cloexec);
  host("close", h);
  const fd = newPidfd(t, process, process.i32[ProcessField.pid]!);
  if (fd >= 0) setCloseOnExec(fds, fd, cloexec);
  return fd;
}

/** The process that a host pidfd stands for, 0 where it has ended, or -EBADF where the descriptor is none. */
function hostPid(h: number): number {
  const text = readHostFile(`/proc/self/fdinfo/${h}`);
  if (typeof text === "number") return -errno.EBADF;
  const pid = /^Pid:\s*(-?\d+)$/m.exec(text)?.[1];
  return pid === undefined ? -errno.EBADF : Math.max(0, Number(pid));
}
