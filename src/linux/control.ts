// Control messages between guest and host. What names descriptors or processes is translated: SCM_RIGHTS and
// SCM_PIDFD by the guest's table of descriptors, SCM_CREDENTIALS where the guest names itself. The rest passes.
// A `struct cmsghdr` is the same on all supported architectures: length (u64, header included), level, type.
import { newScratch, reserve } from "../host/scratch.ts";
import { host } from "../host/syscall.ts";
import { copyTo, readable, writable } from "../memory/guest-memory.ts";
import { Attr } from "./attributes.ts";
import { errno } from "./errno.ts";
import { FdKind, fdData, fdKind, hostFd, installFd, setFdData } from "./fds.ts";
import { natureOf, noteSent } from "./passed.ts";
import { askForSenders, type Credentials, hostGid, hostUid, senderOf } from "./peers.ts";
import { installPidfd } from "./pidfds.ts";
import { emulatorPid } from "./proc.ts";
import { receiveSignalFd } from "./signalfd-table.ts";
import { guestProcess } from "./targets.ts";
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
const credentialsBytes = 12;
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

/** Control messages for the host: their length, and who the sender says that it is. */
export interface Sent {
  readonly length: number;
  readonly said: Credentials | undefined;
}

/** Takes a guest's control messages into `controlRoom`. Answers -errno where they are none, or not allowed. */
export function controlToHost(t: Task, addr: number, length: number): Sent | number {
  if (length > mostSent) return -errno.ENOBUFS;
  const bytes = readable(t.memory, addr, length);
  if (bytes === undefined) return -errno.EFAULT;
  reserve(controlRoom, length);
  controlRoom.bytes.set(bytes);
  let wrong = 0;
  let said: Credentials | undefined;
  const whole = walk(length, (at, level, type, own) => {
    if (level !== SOL_SOCKET) return;
    const { i32 } = controlRoom;
    const first = (at + headerBytes) / 4;
    if (type === SCM_CREDENTIALS && own >= headerBytes + credentialsBytes) {
      said = { pid: i32[first]!, uid: i32[first + 1]!, gid: i32[first + 2]! };
      const error = credentialsToHost(t, i32.subarray(first, first + 3));
      if (error < 0) wrong = error;
    }
    if (type !== SCM_RIGHTS) return;
    for (let i = first; 4 * i + 4 <= at + own; i++) {
      const { fds, kernel } = t.process;
      const h = hostFd(fds, i32[i]!);
      if (h < 0) wrong = h;
      else noteSent(kernel, h, { kind: fdKind(fds, i32[i]!), data: fdData(fds, i32[i]!) });
      i32[i] = h;
    }
  });
  if (said !== undefined) askForSenders(t.process.kernel);
  return wrong < 0 ? wrong : whole ? { length, said } : -errno.EINVAL;
}

/** What a process says of itself, and what it may only say as root. The host hears of the emulator where it is a guest's. 0 or -errno. */
function credentialsToHost(t: Task, said: Int32Array): number {
  const { words } = t.process.attributes;
  const [pid, uid, gid] = said as unknown as readonly [number, number, number];
  const isOwn =
    pid === t.process.pid &&
    [Attr.ruid, Attr.euid, Attr.suid].some((id) => words[id] === uid) &&
    [Attr.rgid, Attr.egid, Attr.sgid].some((id) => words[id] === gid);
  if (isOwn) said.set([emulatorPid, hostUid(), hostGid()]);
  else if (words[Attr.euid] !== 0) return -errno.EPERM;
  else if (guestProcess(t, pid) !== undefined) said[0] = emulatorPid;
  return 0;
}

/** What became of control messages: bytes stored, and MSG_CTRUNC where something was lost. */
export interface Stored {
  readonly length: number;
  readonly flags: number;
}

/**
 * Gives the guest the `length` bytes of control messages that the host left in `controlRoom`, from its descriptor `h`. Descriptors get the lowest
 * free numbers, as many as fit into the table.
 */
export function controlToGuest(t: Task, h: number, length: number, addr: number, cloexec: boolean): Stored {
  const fits = writable(t.memory, addr, length) !== undefined;
  let end = 0;
  let lost = false;
  walk(length, (at, level, type, own) => {
    const { bytes, i32, u32 } = controlRoom;
    const first = (at + headerBytes) / 4;
    let kept = own;
    if (level === SOL_SOCKET && (type === SCM_RIGHTS || type === SCM_PIDFD)) {
      const count = Math.floor((own - headerBytes) / 4);
      const take = type === SCM_RIGHTS ? receive : receivePidfd(h);
      const taken = installAll(t, i32.subarray(first, first + count), cloexec, fits, take);
      if (taken < count) lost = true;
      kept = headerBytes + 4 * taken;
      if (taken === 0) return;
      u32[at / 4] = kept;
    }
    if (level === SOL_SOCKET && type === SCM_CREDENTIALS && i32[first] === emulatorPid) {
      const sender = senderOf(t, h);
      if (sender !== undefined) i32.set([sender.pid, sender.uid, sender.gid], first);
    }
    // The messages after one that was cut move up.
    const to = aligned(end);
    bytes.copyWithin(to, at, at + kept);
    end = Math.min(to + aligned(kept), Math.max(length, to + kept));
  });
  if (!fits) return { length: 0, flags: length > 0 ? MSG_CTRUNC : 0 };
  copyTo(t.memory, addr, controlRoom.bytes.subarray(0, end));
  return { length: end, flags: lost ? MSG_CTRUNC : 0 };
}

/** Installs a host descriptor that was received, as what it was where it was sent. */
function receive({ process }: Task, h: number, cloexec: boolean): number {
  const { kind, data } = natureOf(process.kernel, h);
  const fd = installFd(process.fds, h, cloexec, kind);
  if (fd < 0) return fd;
  if (kind === FdKind.signal) receiveSignalFd(process, fd, data);
  else if (kind !== FdKind.host) setFdData(process.fds, fd, data);
  return fd;
}

type Take = (t: Task, h: number, cloexec: boolean) => number;

/** What installs a pidfd of who sent by the socket `from`. */
const receivePidfd =
  (from: number): Take =>
  (t, h, cloexec) =>
    installPidfd(t, h, () => senderOf(t, from)?.pid, cloexec);

/** Replaces host descriptors by new guest descriptors, until the table is full; closes the others. Answers how many. */
function installAll(t: Task, fds: Int32Array, cloexec: boolean, wanted: boolean, take: Take): number {
  let taken = 0;
  let full = !wanted;
  for (let i = 0; i < fds.length; i++) {
    if (full) {
      host("close", fds[i]);
      continue;
    }
    const fd = take(t, fds[i]!, cloexec);
    if (fd < 0) full = true;
    else fds[taken++] = fd;
  }
  return taken;
}
