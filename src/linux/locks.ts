// fcntl's record locks: F_GETLK, F_SETLK and F_SETLKW, by lock-table.ts; and F_OFD_GETLK, which sees those too.
import { newScratch } from "../host/scratch.ts";
import { statOf } from "../host/stat.ts";
import { host } from "../host/syscall.ts";
import { copyTo, readable } from "../memory/guest-memory.ts";
import { errno } from "./errno.ts";
import {
  beginWait,
  type Description,
  describe,
  endWait,
  F_RDLCK,
  F_UNLCK,
  F_WRLCK,
  holderOf,
  lastByte,
  type Range,
  release,
  widen,
} from "./lock-table.ts";
import { O } from "./open-flags.ts";
import type { Process, Task } from "./task.ts";
import { sleepIn } from "./wait.ts";

const [F_GETFL, F_GETLK, F_SETLKW] = [3, 5, 7];
const Ofd = { GETLK: 36, SETLK: 37, SETLKW: 38 } as const;
const [SEEK_SET, SEEK_CUR, SEEK_END] = [0, 1, 2];

// A `struct flock`: type and whence (16 bits), start, length (64), process id (32).
const At = { type: 0, whence: 2, start: 8, length: 16, pid: 24 } as const;
const flockBytes = 32;
const room = newScratch(flockBytes);

/** Whose locks a process has: those of its table of descriptors. */
export const lockOwner = ({ fdsTable }: Process): number => fdsTable;

/** One of the three commands on guest descriptor `fd`, host descriptor `h`, with a `struct flock` at `addr`. */
export function recordLock(t: Task, h: number, command: number, addr: number): number {
  const asked = readable(t.memory, addr, flockBytes)?.slice();
  if (asked === undefined) return -errno.EFAULT;
  const flock = new DataView(asked.buffer);
  const type = flock.getInt16(At.type, true);
  const mode = host("fcntl", h, F_GETFL);
  if ((mode & O.PATH) !== 0) return -errno.EBADF;
  if (command === F_GETLK && type !== F_RDLCK && type !== F_WRLCK) return -errno.EINVAL;
  const error = rebase(flock, h);
  if (error < 0) return error;
  if (command !== F_GETLK) {
    const access = mode & O.ACCMODE;
    if (type === F_RDLCK && access === O.WRONLY) return -errno.EBADF;
    if (type === F_WRLCK && access !== O.WRONLY && access !== O.RDWR) return -errno.EBADF;
  }
  const { kernel, pid } = t.process;
  const description = describe(kernel, lockOwner(t.process), pid, h);
  if (typeof description === "number") return description;
  t.process.fds.hasLocked = true;
  const result =
    command === F_GETLK
      ? ask(t, description.fd, flock, addr, lockOwner(t.process))
      : set(t, h, description, flock, command === F_SETLKW);
  release(kernel, description);
  return result;
}

/** F_OFD_GETLK: the host's, but a guest's record lock is told by who has it. */
export function askOfDescription(t: Task, h: number, addr: number): number {
  const asked = readable(t.memory, addr, flockBytes)?.slice();
  return asked === undefined ? -errno.EFAULT : ask(t, h, new DataView(asked.buffer), addr);
}

/** Makes what is counted from the descriptor's position count from the start: the description's is another. 0 or -errno. */
function rebase(flock: DataView, h: number): number {
  if (flock.getInt16(At.whence, true) !== SEEK_CUR) return 0;
  const position = BigInt(Math.max(host("lseek", h, 0, SEEK_CUR), 0));
  const start = flock.getBigInt64(At.start, true) + position;
  if (start > lastByte) return -errno.EOVERFLOW;
  flock.setInt16(At.whence, SEEK_SET, true);
  flock.setBigInt64(At.start, start, true);
  return 0;
}

/** Host address of a copy, good until the next, where the process id is 0 as the host wants it. */
function put(flock: DataView): number {
  room.bytes.set(new Uint8Array(flock.buffer));
  room.u32[At.pid / 4] = 0;
  return room.address;
}

/** `owner` is undefined where the description asks for itself. */
function ask(t: Task, fd: number, flock: DataView, addr: number, owner?: number): number {
  if (owner === undefined && flock.getInt32(At.pid, true) !== 0) return -errno.EINVAL;
  const result = host("fcntl", fd, Ofd.GETLK, put(flock));
  if (result < 0) return result;
  const found = room.view;
  const type = found.getInt16(At.type, true);
  if (type === F_UNLCK) {
    // Nothing else is changed.
    flock.setInt16(At.type, F_UNLCK, true);
    const [start, whence] = [addr, addr + At.whence];
    return copyTo(t.memory, start, new Uint8Array(flock.buffer).subarray(0, whence - start)) ? result : -errno.EFAULT;
  }
  if (found.getInt32(At.pid, true) === -1) {
    const start = found.getBigInt64(At.start, true);
    const length = found.getBigInt64(At.length, true);
    const range = { type, start, end: length === 0n ? lastByte : start + length - 1n };
    found.setInt32(At.pid, holderOf(t.process.kernel, fd, range, owner) ?? -1, true);
  }
  return copyTo(t.memory, addr, room.bytes.subarray(0, flockBytes)) ? result : -errno.EFAULT;
}

function set(t: Task, h: number, description: Description, flock: DataView, waits: boolean): number {
  const { fd } = description;
  let result = host("fcntl", fd, Ofd.SETLK, put(flock));
  if (result === -errno.EBADF) {
    // The guest's descriptor allows it, but this description was made for another.
    const widened = widen(t.process.kernel, description, h);
    result = widened < 0 ? widened : host("fcntl", fd, Ofd.SETLK, put(flock));
  }
  if (!waits || result !== -errno.EAGAIN) return result;
  const { kernel } = t.process;
  const wait = beginWait(kernel, description, rangeOf(flock, fd));
  if (wait < 0) return wait;
  const slept = sleepIn(t, "fcntl", fd, Ofd.SETLKW, put(flock));
  endWait(kernel, wait);
  return slept;
}

function sizeOf(fd: number): bigint {
  const found = statOf(fd);
  return typeof found === "number" ? 0n : BigInt(found.size);
}

/** The bytes that a `struct flock` means which the host has found good. */
function rangeOf(flock: DataView, fd: number): Range {
  const from = flock.getInt16(At.whence, true) === SEEK_END ? sizeOf(fd) : 0n;
  const start = from + flock.getBigInt64(At.start, true);
  const length = flock.getBigInt64(At.length, true);
  const type = flock.getInt16(At.type, true);
  if (length < 0n) return { type, start: start + length, end: start - 1n };
  return { type, start, end: length === 0n ? lastByte : start + length - 1n };
}
