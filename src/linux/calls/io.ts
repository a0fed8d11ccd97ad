// Reading, writing and seeking. Bytes go straight between the host's descriptor and guest memory.
import type { HostCall } from "../../host/numbers.ts";
import { vectorAddress } from "../../host/scratch.ts";
import { host } from "../../host/syscall.ts";
import { Page } from "../../memory/guest-memory.ts";
import { errno } from "../errno.ts";
import { FdKind, fdKind } from "../fds.ts";
import { fd, flags, int, offset, oneOf, place, size } from "../kinds.ts";
import { bufferIn, bufferOut, vectorIn, vectorOut } from "../kinds-file.ts";
import { call } from "../row.ts";
import type { Task } from "../task.ts";
import {
  afterWrite,
  belowSizeLimit,
  hostAddress,
  hostOf,
  hostVector,
  loadVector,
  maxTransfer,
  onDescriptor,
  readSpecial,
  refusedAddress,
  type Segment,
  usable,
  writeOut,
  writeSpecial,
  written,
} from "../transfer.ts";
import { moveAll, receiving, sending } from "../wait.ts";

/** What the host is given of a buffer of which nothing is usable: see refusedAddress. */
const refused = (address: number, length: number, bits: number): [number, number] => [
  refusedAddress(address, bits),
  Math.min(length, maxTransfer),
];

function read(t: Task, fd: number, address: number, length: number): number {
  const h = hostOf(t, fd);
  if (h < 0) return h;
  if (fdKind(t.process.fds, fd) !== FdKind.host) return readSpecial(t, fd, h, address, length);
  const n = usable(t, address, length, Page.write);
  const [at, bytes] = n < 0 ? refused(address, length, Page.write) : [hostAddress(t, address, n), n];
  return onDescriptor(t, fd, h, receiving, "read", h, at, bytes);
}

function write(t: Task, fd: number, address: number, length: number): number {
  const h = hostOf(t, fd);
  if (h < 0) return h;
  if (fdKind(t.process.fds, fd) !== FdKind.host) return writeSpecial(t, fd, h, address, length);
  const readable = usable(t, address, length, Page.read);
  if (readable < 0)
    return written(t, onDescriptor(t, fd, h, sending, "write", h, ...refused(address, length, Page.read)));
  const n = belowSizeLimit(t, h, undefined, readable);
  return n < 0 ? n : afterWrite(t, fd, h, [{ address, length: n }], writeOut(t, fd, h, address, n));
}

function pread64(t: Task, fd: number, address: number, length: number, at: number): number {
  if (at < 0) return -errno.EINVAL;
  const h = hostOf(t, fd);
  if (h < 0) return h;
  if (fdKind(t.process.fds, fd) !== FdKind.host) return readSpecial(t, fd, h, address, length, at);
  const n = usable(t, address, length, Page.write);
  const [to, bytes] = n < 0 ? refused(address, length, Page.write) : [hostAddress(t, address, n), n];
  return onDescriptor(t, fd, h, receiving, "pread64", h, to, bytes, at);
}

function pwrite64(t: Task, fd: number, address: number, length: number, at: number): number {
  if (at < 0) return -errno.EINVAL;
  const h = hostOf(t, fd);
  if (h < 0) return h;
  if (fdKind(t.process.fds, fd) !== FdKind.host) return writeSpecial(t, fd, h, address, length, at);
  const readable = usable(t, address, length, Page.read);
  const n = readable < 0 ? 0 : belowSizeLimit(t, h, at, readable);
  if (n < 0) return n;
  const [from, bytes] = readable < 0 ? refused(address, length, Page.read) : [hostAddress(t, address, n), n];
  return written(t, onDescriptor(t, fd, h, sending, "pwrite64", h, from, bytes, at));
}

/** One vector call by the host's of that name: to or from the file's position if `at` is undefined. */
function vectored(
  t: Task,
  fd: number,
  address: number,
  count: number,
  out: boolean,
  at: number | undefined,
  name: HostCall,
  bits = 0,
): number {
  const h = hostOf(t, fd);
  if (h < 0) return h;
  const segments = loadVector(t, address, count);
  if (typeof segments === "number") return segments;
  if (fdKind(t.process.fds, fd) !== FdKind.host) {
    const move = out ? writeSpecial : readSpecial;
    let total = 0;
    for (const segment of segments) {
      const n = move(t, fd, h, segment.address, segment.length, at === undefined ? undefined : at + total);
      if (n < 0) return total > 0 ? total : n;
      total += n;
      if (n < segment.length) break;
    }
    return total;
  }
  const most = out ? belowSizeLimit(t, h, at, maxTransfer) : maxTransfer;
  if (most < 0) return most;
  const move = (done: number): number => {
    const entries = hostVector(t, behind(segments, done), out ? Page.read : Page.write, most - done);
    // The host splits an offset into halves of its long and takes the low one alone, as riscv64 does.
    const from = at === undefined ? -1 : at + done;
    return onDescriptor(t, fd, h, out ? sending : receiving, name, h, vectorAddress, entries, from, 0, bits);
  };
  const n = segments.reduce((sum, { length }) => sum + length, 0);
  return out ? afterWrite(t, fd, h, segments, written(t, moveAll(t, Math.min(n, most), move))) : move(0);
}

/** What is left of a vector without its first bytes. */
function behind(segments: readonly Segment[], bytes: number): readonly Segment[] {
  if (bytes === 0) return segments;
  let skip = bytes;
  return segments.map(({ address, length }) => {
    const n = Math.min(skip, length);
    skip -= n;
    return { address: address + n, length: length - n };
  });
}

const readv = (t: Task, fd: number, address: number, count: number): number =>
  vectored(t, fd, address, count, false, undefined, "readv");

const writev = (t: Task, fd: number, address: number, count: number): number =>
  vectored(t, fd, address, count, true, undefined, "writev");

const positioned =
  (name: HostCall, out: boolean) =>
  (t: Task, fd: number, address: number, count: number, at: number): number => {
    if (at < 0) return -errno.EINVAL;
    return vectored(t, fd, address, count, out, at, name);
  };

const positioned2 =
  (name: HostCall, out: boolean) =>
  (t: Task, fd: number, address: number, count: number, at: number, _high: number, bits: number): number => {
    if (at < -1) return -errno.EINVAL;
    return vectored(t, fd, address, count, out, at === -1 ? undefined : at, name, bits);
  };

function lseek(t: Task, fd: number, at: number | bigint, whence: number): number {
  const h = hostOf(t, fd);
  return h < 0 ? h : host("lseek", h, at, whence);
}

const rwFlags = flags({ RWF_HIPRI: 1, RWF_DSYNC: 2, RWF_SYNC: 4, RWF_NOWAIT: 8, RWF_APPEND: 16, RWF_NOAPPEND: 32 });
const whence = oneOf({ SEEK_SET: 0, SEEK_CUR: 1, SEEK_END: 2, SEEK_DATA: 3, SEEK_HOLE: 4 });

export const ioCalls = [
  call(62, "lseek", [fd, place, whence], "int", "quick", lseek),
  call(63, "read", [fd, bufferOut, size], "int", "restart", read),
  call(64, "write", [fd, bufferIn(2), size], "int", "restart", write),
  call(65, "readv", [fd, vectorOut(2), size], "int", "restart", readv),
  call(66, "writev", [fd, vectorIn(2), size], "int", "restart", writev),
  call(67, "pread64", [fd, bufferOut, size, offset], "int", "restart", pread64),
  call(68, "pwrite64", [fd, bufferIn(2), size, offset], "int", "restart", pwrite64),
  call(69, "preadv", [fd, vectorOut(2), size, offset], "int", "restart", positioned("preadv", false)),
  call(70, "pwritev", [fd, vectorIn(2), size, offset], "int", "restart", positioned("pwritev", true)),
  call(286, "preadv2", [fd, vectorOut(2), size, offset, int, rwFlags], "int", "restart", positioned2("preadv2", false)),
  call(287, "pwritev2", [fd, vectorIn(2), size, offset, int, rwFlags], "int", "restart", positioned2("pwritev2", true)),
];
