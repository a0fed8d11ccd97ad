// POSIX message queues: the host's, behind descriptors of the host's. Their names are those of all who share its namespace.
import { cstring, newScratch } from "../../host/scratch.ts";
import { host } from "../../host/syscall.ts";
import { accessible, copyTo, Page, readable, writable } from "../../memory/guest-memory.ts";
import { errno } from "../errno.ts";
import { hostFd, installFd } from "../fds.ts";
import { masked } from "../file-system.ts";
import { fd, path, pointer, size, uint } from "../kinds.ts";
import { mode, openFlags } from "../kinds-file.ts";
import { timespec } from "../kinds-time.ts";
import { askForMessage, cookieBytes, forgetMessage, Sigev } from "../message-notes.ts";
import { O, toHostFlags } from "../open-flags.ts";
import { type CallRow, call } from "../row.ts";
import { sigMax } from "../siginfo.ts";
import type { Task } from "../task.ts";
import { sleepIn } from "../wait.ts";
import { u64 } from "../words.ts";

/** A `struct mq_attr`: flags, most messages, bytes of one, messages there are, and reserved ones; 64 bits each. */
const attributeBytes = 64;
const attributes = newScratch(2 * attributeBytes);

function mqOpen(t: Task, name: string, flags: number, permissions: number, addr: number): number {
  let about = 0;
  if ((flags & O.CREAT) !== 0 && addr !== 0) {
    const bytes = readable(t.memory, addr, attributeBytes);
    if (bytes === undefined) return -errno.EFAULT;
    attributes.bytes.set(bytes);
    about = attributes.address;
  }
  const bits = toHostFlags(flags | O.CLOEXEC);
  const h = host("mq_open", cstring(name), bits, masked(t.process.files, permissions), about);
  t.process.fds.hasQueues = true;
  // Closed by exec, whatever the flags say.
  return installFd(t.process.fds, h, true);
}

const mqUnlink = (_t: Task, name: string): number => host("mq_unlink", cstring(name));

const instant = newScratch(16);

/** Host address of a copy of the timespec at a guest address, 0 for none; or -errno. */
function instantAt(t: Task, addr: number): number {
  if (addr === 0) return 0;
  const bytes = readable(t.memory, addr, 16);
  if (bytes === undefined) return -errno.EFAULT;
  instant.bytes.set(bytes);
  return instant.address;
}

function mqTimedsend(t: Task, fdNumber: number, addr: number, length: number, priority: number, until: number): number {
  const deadline = instantAt(t, until);
  if (deadline < 0) return deadline;
  const h = hostFd(t.process.fds, fdNumber);
  if (h < 0) return h;
  // The length is looked at before the message.
  const there = accessible(t.memory, addr, length, Page.read);
  return sleepIn(t, "mq_timedsend", h, there ? t.memory.hostBase + addr : 0, length, priority, deadline);
}

const priority = newScratch(8);

function mqTimedreceive(t: Task, fdNumber: number, addr: number, length: number, to: number, until: number): number {
  const deadline = instantAt(t, until);
  if (deadline < 0) return deadline;
  const h = hostFd(t.process.fds, fdNumber);
  if (h < 0) return h;
  const there = writable(t.memory, addr, length) !== undefined;
  const buffer = there ? t.memory.hostBase + addr : 0;
  const received = sleepIn(t, "mq_timedreceive", h, buffer, length, priority.address, deadline);
  if (received < 0 || to === 0) return received;
  return copyTo(t.memory, to, priority.bytes.subarray(0, 4)) ? received : -errno.EFAULT;
}

function mqGetsetattr(t: Task, fdNumber: number, next: number, before: number): number {
  const h = hostFd(t.process.fds, fdNumber);
  const bytes = next === 0 ? undefined : readable(t.memory, next, attributeBytes);
  if (next !== 0 && bytes === undefined) return -errno.EFAULT;
  if (bytes !== undefined) attributes.bytes.set(bytes);
  if (h < 0) return h;
  const result = host(
    "mq_getsetattr",
    h,
    bytes === undefined ? 0 : attributes.address,
    attributes.address + attributeBytes,
  );
  if (result < 0 || before === 0) return result;
  return copyTo(t.memory, before, attributes.bytes.subarray(attributeBytes)) ? result : -errno.EFAULT;
}

const eventBytes = 64;

/**
 * Who wants to be told of the next message: the host tells the emulator. For SIGEV_THREAD the C library gives a netlink socket
 * in place of the signal, and the address of what the host writes to it.
 */
function mqNotify(t: Task, fdNumber: number, addr: number): number {
  const h = hostFd(t.process.fds, fdNumber);
  if (addr === 0) return h < 0 ? h : forgetMessage(t, h);
  const bytes = readable(t.memory, addr, eventBytes);
  if (bytes === undefined) return -errno.EFAULT;
  const [lo = 0, hi = 0, signo = 0, how = 0] = wordsIn(bytes);
  if (how < Sigev.SIGNAL || how > Sigev.THREAD) return -errno.EINVAL;
  if (how === Sigev.SIGNAL && (signo < 0 || signo > sigMax)) return -errno.EINVAL;
  const told = how === Sigev.THREAD ? readable(t.memory, u64(lo, hi), cookieBytes) : undefined;
  if (how !== Sigev.THREAD) return h < 0 ? h : askForMessage(t, h, { how, signo, lo, hi });
  if (told === undefined) return -errno.EFAULT;
  const socket = hostFd(t.process.fds, signo);
  if (socket < 0 || h < 0) return -errno.EBADF;
  return askForMessage(t, h, { how, signo: 0, lo, hi, socket, cookie: wordsIn(told) });
}

/** A copy. */
const wordsIn = (bytes: Uint8Array): Int32Array => new Int32Array(bytes.slice().buffer);

export const mqCalls: readonly CallRow[] = [
  call(180, "mq_open", [path, openFlags, mode, pointer], "fd", "quick", mqOpen),
  call(181, "mq_unlink", [path], "none", "quick", mqUnlink),
  call(182, "mq_timedsend", [fd, pointer, size, uint, timespec], "none", "restart", mqTimedsend),
  call(183, "mq_timedreceive", [fd, pointer, size, pointer, timespec], "int", "restart", mqTimedreceive),
  call(184, "mq_notify", [fd, pointer], "none", "quick", mqNotify),
  call(185, "mq_getsetattr", [fd, pointer, pointer], "none", "quick", mqGetsetattr),
];
