// Bytes from descriptor to descriptor within the host: sendfile, splice and their like.
import { vectorAddress } from "../../host/scratch.ts";
import { host } from "../../host/syscall.ts";
import { Page, writable } from "../../memory/guest-memory.ts";
import { errno } from "../errno.ts";
import { FdKind, fdKind } from "../fds.ts";
import { fd, flags, size, uint } from "../kinds.ts";
import { offsetPointer, vectorIn } from "../kinds-file.ts";
import { type CallRow, call } from "../row.ts";
import type { Task } from "../task.ts";
import { belowSizeLimit, hostOf, hostVector, loadVector, maxTransfer, written } from "../transfer.ts";
import { sending, sleepIn, sleepOn } from "../wait.ts";

/** Host address of an offset that the host reads and updates in guest memory: 0 for NULL, undefined where it cannot. */
function offsetAt(t: Task, address: number): number | undefined {
  if (address === 0) return 0;
  return writable(t.memory, address, 8) && t.memory.hostBase + address;
}

/** How many of `count` bytes a call may move to host descriptor `out`, at its position or at the offset that it is given; or -errno. */
function most(t: Task, out: number, offset: number, count: number): number {
  const v = t.memory.view;
  const at = offset === 0 ? undefined : v.getInt32(offset + 4, true) * 2 ** 32 + v.getUint32(offset, true);
  return belowSizeLimit(t, out, at, Math.min(count, maxTransfer));
}

/** Neither end may be a descriptor that the host does not answer alone. */
const plain = (t: Task, ...fds: readonly number[]): boolean =>
  fds.every((fd) => fdKind(t.process.fds, fd) === FdKind.host);

function sendfile(t: Task, to: number, from: number, offset: number, count: number): number {
  const [out, source] = [hostOf(t, to), hostOf(t, from)];
  if (out < 0 || source < 0) return -errno.EBADF;
  const at = offsetAt(t, offset);
  if (at === undefined) return -errno.EFAULT;
  if (!plain(t, to, from)) return -errno.EINVAL;
  const n = most(t, out, 0, count);
  if (n < 0) return n;
  return written(t, sleepOn(t, out, sending, "sendfile", out, source, at, n));
}

/** The arguments of the host's call for bytes from one file to another, each at an offset or its position; or -errno. */
function between(t: Task, from: number, fromOffset: number, to: number, toOffset: number, count: number) {
  const [source, out] = [hostOf(t, from), hostOf(t, to)];
  if (out < 0 || source < 0) return -errno.EBADF;
  const [fromAt, toAt] = [offsetAt(t, fromOffset), offsetAt(t, toOffset)];
  if (fromAt === undefined || toAt === undefined) return -errno.EFAULT;
  if (!plain(t, from, to)) return -errno.EINVAL;
  const n = most(t, out, toOffset, count);
  return n < 0 ? n : ([source, fromAt, out, toAt, n] as const);
}

function splice(
  t: Task,
  from: number,
  fromOffset: number,
  to: number,
  toOffset: number,
  count: number,
  how: number,
): number {
  const files = between(t, from, fromOffset, to, toOffset, count);
  if (typeof files === "number") return files;
  return written(t, sleepIn(t, "splice", ...files, how));
}

function tee(t: Task, from: number, to: number, count: number, how: number): number {
  const [source, out] = [hostOf(t, from), hostOf(t, to)];
  if (out < 0 || source < 0) return -errno.EBADF;
  return written(t, sleepIn(t, "tee", source, out, Math.min(count, maxTransfer), how));
}

/** Which end of a pipe it is says which way the bytes go; the buffers must be good for that. */
function vmsplice(t: Task, fd: number, address: number, count: number, how: number): number {
  const h = hostOf(t, fd);
  if (h < 0) return h;
  const F_GETFL = 3;
  const fills = (host("fcntl", h, F_GETFL) & 3) === 0;
  const segments = loadVector(t, address, count);
  if (typeof segments === "number") return segments;
  const entries = hostVector(t, segments, fills ? Page.write : Page.read);
  if (entries < 0) return entries;
  return written(t, sleepIn(t, "vmsplice", h, vectorAddress, entries, how));
}

function copyFileRange(
  t: Task,
  from: number,
  fromOffset: number,
  to: number,
  toOffset: number,
  count: number,
  how: number,
): number {
  const files = between(t, from, fromOffset, to, toOffset, count);
  return typeof files === "number" ? files : host("copy_file_range", ...files, how);
}

const spliceFlags = flags({ SPLICE_F_MOVE: 1, SPLICE_F_NONBLOCK: 2, SPLICE_F_MORE: 4, SPLICE_F_GIFT: 8 });

export const copyingCalls: readonly CallRow[] = [
  call(71, "sendfile", [fd, fd, offsetPointer, size], "int", "restart", sendfile),
  call(75, "vmsplice", [fd, vectorIn(2), size, spliceFlags], "int", "restart", vmsplice),
  call(76, "splice", [fd, offsetPointer, fd, offsetPointer, size, spliceFlags], "int", "restart", splice),
  call(77, "tee", [fd, fd, size, spliceFlags], "int", "restart", tee),
  call(285, "copy_file_range", [fd, offsetPointer, fd, offsetPointer, size, uint], "int", "quick", copyFileRange),
];
