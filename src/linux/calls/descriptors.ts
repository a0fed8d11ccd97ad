// Descriptors themselves: closing, copying, and making those that no path leads to.
import { cstring, scratch } from "../../host/scratch.ts";
import { host } from "../../host/syscall.ts";
import { errno } from "../errno.ts";
import {
  closeFd,
  dupHost,
  type FdTable,
  fdData,
  fdKind,
  hostFd,
  installFd,
  openFds,
  setCloseOnExec,
  setFd,
  setFdData,
} from "../fds.ts";
import { fd, flags, path, uint } from "../kinds.ts";
import { fdPairOut, openFlags } from "../kinds-file.ts";
import { O, toHostFlags } from "../open-flags.ts";
import { fullPath, Look, resolve } from "../paths.ts";
import { type CallRow, call } from "../row.ts";
import type { Task } from "../task.ts";
import { hostOf } from "../transfer.ts";
import { storeWords } from "../words.ts";

const close = (t: Task, fd: number): number => closeFd(t.process.fds, fd);

const CloseRange = { CLOSE_RANGE_UNSHARE: 2, CLOSE_RANGE_CLOEXEC: 4 } as const;

function closeRange(t: Task, first: number, last: number, how: number): number {
  if ((how & ~(CloseRange.CLOSE_RANGE_UNSHARE | CloseRange.CLOSE_RANGE_CLOEXEC)) !== 0 || first > last)
    return -errno.EINVAL;
  const { fds } = t.process;
  for (const fd of openFds(fds)) {
    if (fd < first || fd > last) continue;
    if (how & CloseRange.CLOSE_RANGE_CLOEXEC) setCloseOnExec(fds, fd, true);
    else closeFd(fds, fd);
  }
  return 0;
}

/** A copy of `fd` under the lowest free number from `from` on, or -errno. */
export function duplicate(fds: FdTable, fd: number, from: number, cloexec: boolean): number {
  const h = hostFd(fds, fd);
  if (h < 0) return h;
  const copy = installFd(fds, dupHost(h), cloexec, fdKind(fds, fd), from);
  if (copy >= 0) setFdData(fds, copy, fdData(fds, fd));
  return copy;
}

const dup = (t: Task, fd: number): number => duplicate(t.process.fds, fd, 0, false);

function dup3(t: Task, fd: number, to: number, how: number): number {
  const { fds } = t.process;
  if ((how & ~O.CLOEXEC) !== 0 || fd === to) return -errno.EINVAL;
  const h = hostFd(fds, fd);
  if (h < 0 || to < 0 || to >= fds.limit) return -errno.EBADF;
  const copy = dupHost(h);
  if (copy < 0) return copy;
  setFd(fds, to, copy, (how & O.CLOEXEC) !== 0, fdKind(fds, fd));
  setFdData(fds, to, fdData(fds, fd));
  return to;
}

function pipe2(t: Task, address: number, how: number): number {
  const { fds } = t.process;
  const result = host("pipe2", scratch.address, toHostFlags(how | O.CLOEXEC));
  if (result < 0) return result;
  const cloexec = (how & O.CLOEXEC) !== 0;
  const [readEnd, writeEnd] = [scratch.i32[0]!, scratch.i32[1]!];
  const reader = installFd(fds, readEnd, cloexec);
  const writer = installFd(fds, writeEnd, cloexec);
  const stored = reader >= 0 && writer >= 0 && storeWords(t, address, Int32Array.of(reader, writer));
  if (stored) return 0;
  if (reader >= 0) closeFd(fds, reader);
  if (writer >= 0) closeFd(fds, writer);
  return reader < 0 ? reader : writer < 0 ? writer : -errno.EFAULT;
}

function eventfd2(t: Task, count: number, how: number): number {
  const h = host("eventfd2", count, how | O.CLOEXEC);
  return installFd(t.process.fds, h, (how & O.CLOEXEC) !== 0);
}

const MFD_CLOEXEC = 1;

function memfdCreate(t: Task, name: string, how: number): number {
  const h = host("memfd_create", cstring(name), how | MFD_CLOEXEC);
  return installFd(t.process.fds, h, (how & MFD_CLOEXEC) !== 0);
}

function inotifyInit1(t: Task, how: number): number {
  const h = host("inotify_init1", how | O.CLOEXEC);
  return installFd(t.process.fds, h, (how & O.CLOEXEC) !== 0);
}

const IN_DONT_FOLLOW = 0x02000000;

function inotifyAddWatch(t: Task, fd: number, name: string, mask: number): number {
  const h = hostOf(t, fd);
  if (h < 0) return h;
  const p = resolve(t, -100, name, mask & IN_DONT_FOLLOW ? 0 : Look.follow);
  if (typeof p === "number") return p;
  return p.node === undefined ? host("inotify_add_watch", h, cstring(fullPath(p)), mask) : -errno.EACCES;
}

function inotifyRmWatch(t: Task, fd: number, watch: number): number {
  const h = hostOf(t, fd);
  return h < 0 ? h : host("inotify_rm_watch", h, watch);
}

const inotifyMask = flags({
  IN_ACCESS: 1,
  IN_MODIFY: 2,
  IN_ATTRIB: 4,
  IN_CLOSE_WRITE: 8,
  IN_CLOSE_NOWRITE: 0x10,
  IN_OPEN: 0x20,
  IN_MOVED_FROM: 0x40,
  IN_MOVED_TO: 0x80,
  IN_CREATE: 0x100,
  IN_DELETE: 0x200,
  IN_DELETE_SELF: 0x400,
  IN_MOVE_SELF: 0x800,
  IN_ONLYDIR: 0x01000000,
  IN_DONT_FOLLOW,
  IN_EXCL_UNLINK: 0x04000000,
  IN_MASK_CREATE: 0x10000000,
  IN_MASK_ADD: 0x20000000,
  IN_ISDIR: 0x40000000,
  IN_ONESHOT: 0x80000000,
});
const cloexecFlags = flags({ O_CLOEXEC: O.CLOEXEC, O_NONBLOCK: O.NONBLOCK });
const eventfdFlags = flags({ EFD_SEMAPHORE: 1, EFD_CLOEXEC: O.CLOEXEC, EFD_NONBLOCK: O.NONBLOCK });
const memfdFlags = flags({ MFD_CLOEXEC, MFD_ALLOW_SEALING: 2, MFD_HUGETLB: 4, MFD_NOEXEC_SEAL: 8, MFD_EXEC: 16 });

export const descriptorCalls: readonly CallRow[] = [
  call(19, "eventfd2", [uint, eventfdFlags], "fd", "quick", eventfd2),
  call(23, "dup", [fd], "fd", "quick", dup),
  call(24, "dup3", [fd, fd, cloexecFlags], "fd", "quick", dup3),
  call(26, "inotify_init1", [cloexecFlags], "fd", "quick", inotifyInit1),
  call(27, "inotify_add_watch", [fd, path, inotifyMask], "int", "quick", inotifyAddWatch),
  call(28, "inotify_rm_watch", [fd, fd], "int", "quick", inotifyRmWatch),
  call(57, "close", [fd], "int", "quick", close),
  call(59, "pipe2", [fdPairOut, openFlags], "int", "quick", pipe2),
  call(279, "memfd_create", [path, memfdFlags], "fd", "quick", memfdCreate),
  call(436, "close_range", [uint, uint, flags(CloseRange)], "int", "quick", closeRange),
];
