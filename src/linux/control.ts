// Control messages between guest and host. What names descriptors or processes is translated: SCM_RIGHTS and
// SCM_PIDFD by the guest's table of descriptors, SCM_CREDENTIALS where the guest names itself. The rest passes.
// A `struct cmsghdr` is the same on all supported architectures: length (u64, header included), level, type.
import { newScratch, reserve } from "../host/scratch.ts";
import { host } from "../host/syscall.ts";
import { copyTo, readable, writable } from "../memory/guest-memory.ts";
import { errno } from "./errno.ts";
import { hostFd, installFd } from "./fds.ts";
import { emulatorPid } from "./proc.ts";
import type { Task } from "./task.ts";

const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const SCM_CREDENTIALS = 2;
const SCM_PIDFD = 4;
const MSG_CTRUNC = 8;

/** The control messages of the next or the last host call. */
export const controlRoom = newScratch(4096);
/** Linux's own limit is net.core.optmem_max, which is no larger. */
const mostSent = 131072;
/** All that a host call has to say: 253 descriptors, and a few small messages more. */
export const mostReceived = 65536;

const headerBytes = 16;
const aligned = (length: number): number => (length + 7) & ~7;

/** Calls `each` with the byte offset, level, type and length of every message. False where one does not fit. */
function walk(length: number, each: (at: number, level: number, type: number, length: number) => void): boolean {
  for (let at = 0; at + headerBytes <= length; ) {
    const { i32, u32 } = controlRoom;
    const own = u32[at / 4]!;
    if (u32[at / 4 + 1] !== 0 || own < headerBytes || own > length - at) return false;
    each(at, i32[at / 4 + 2]!, i32[at / 4 + 3]!, own);
    at += aligned(own);
  }
  return true;
}

/** Takes a guest's control messages into `controlRoom`. Answers their length, or -errno. */
export function controlToHost(t: Task, addr: number, length: number): number {
  if (length > mostSent) return -errno.ENOBUFS;
  const bytes = readable(t.memory, addr, length);
  if (bytes === undefined) return -errno.EFAULT;
  reserve(controlRoom, length);
  controlRoom.bytes.set(bytes);
  let wrong = 0;
  const whole = walk(length, (at, level, type, own) => {
    if (level !== SOL_SOCKET) return;
    const { i32 } = controlRoom;
    const first = (at + headerBytes) / 4;
    if (type === SCM_CREDENTIALS && i32[first] === t.process.pid) i32[first] = emulatorPid;
    if (type !== SCM_RIGHTS) return;
    for (let i = first; 4 * i + 4 <= at + own; i++) {
      const h = hostFd(t.process.fds, i32[i]!);
      if (h < 0) wrong = h;
      i32[i] = h;
    }
  });
  return wrong < 0 ? wrong : whole ? length : -errno.EINVAL;
}

/** What became of control messages: bytes stored, and MSG_CTRUNC where something was lost. */
export interface Stored {
  readonly length: number;
  readonly flags: number;
}

/**
 * Gives the guest the `length` bytes of control messages that the host left in `controlRoom`. Descriptors get the lowest
 * free numbers, as many as fit into the table.
 */
export function controlToGuest(t: Task, length: number, addr: number, cloexec: boolean): Stored {
  const fits = writable(t.memory, addr, length) !== undefined;
  let end = 0;
  let lost = false;
  walk(length, (at, level, type, own) => {
    const { bytes, i32, u32 } = controlRoom;
    const first = (at + headerBytes) / 4;
    let kept = own;
    if (level === SOL_SOCKET && (type === SCM_RIGHTS || type === SCM_PIDFD)) {
      const count = Math.floor((own - headerBytes) / 4);
      const taken = installAll(t, i32.subarray(first, first + count), cloexec, fits);
      if (taken < count) lost = true;
      kept = headerBytes + 4 * taken;
      if (taken === 0) return;
      u32[at / 4] = kept;
    }
    if (level === SOL_SOCKET && type === SCM_CREDENTIALS && i32[first] === emulatorPid) i32[first] = t.process.pid;
    // The messages after one that was cut move up.
    const to = aligned(end);
    bytes.copyWithin(to, at, at + kept);
    end = Math.min(to + aligned(kept), Math.max(length, to + kept));
  });
  if (!fits) return { length: 0, flags: length > 0 ? MSG_CTRUNC : 0 };
  copyTo(t.memory, addr, controlRoom.bytes.subarray(0, end));
  return { length: end, flags: lost ? MSG_CTRUNC : 0 };
}

/** Replaces host descriptors by new guest descriptors, until the table is full; closes the others. Answers how many. */
function installAll(t: Task, fds: Int32Array, cloexec: boolean, wanted: boolean): number {
  let taken = 0;
  let full = !wanted;
  for (let i = 0; i < fds.length; i++) {
    if (full) {
      host("close", fds[i]);
      continue;
    }
    const fd = installFd(t.process.fds, fds[i]!, cloexec);
    if (fd < 0) full = true;
    else fds[taken++] = fd;
  }
  return taken;
}
