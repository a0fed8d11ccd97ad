// Sockets. They are the host's, of nearly every family; the guest's addresses, descriptors and buffers are translated.
// Families by which a program hands the kernel pointers of its own are refused.
import { monotonic } from "../../host/clock.ts";
import { newScratch } from "../../host/scratch.ts";
import { host } from "../../host/syscall.ts";
import { writable } from "../../memory/guest-memory.ts";
import { errno } from "../errno.ts";
import { closeFd, type FdTable, hostFd, installFd } from "../fds.ts";
import { masked } from "../file-system.ts";
import { fd, int, size, uint } from "../kinds.ts";
import { fdPairOut } from "../kinds-file.ts";
import {
  acceptFlags,
  batchBytes,
  batchLength,
  data,
  dataOut,
  domain,
  lengthOut,
  level,
  message,
  messageOut,
  messages,
  messagesOut,
  msgFlags,
  optionName,
  optionValue,
  optionValueOut,
  shutdownHow,
  sockaddr,
  sockaddrOut,
  socketType,
} from "../kinds-net.ts";
import { timespec } from "../kinds-time.ts";
import { loadMessage, Msg, receiveBuffer, receivedName, receiveMessage, sendBuffer, sendMessage } from "../message.ts";
import { noteConnected, noteListener, notePair } from "../peers.ts";
import { type CallRow, call } from "../row.ts";
import { addressBytes, addressRoom, addressToHost, closeHelpers, finishBind, storeAddress } from "../sockaddr.ts";
import type { Task } from "../task.ts";
import { isValid, loadTimespec, nanosecondsOf, storeTimespec, timespecOf } from "../time-structs.ts";
import { connecting, deadlineIn, never, receiving, sleepOn } from "../wait.ts";
import { getsockopt, setsockopt } from "./sockopt.ts";

const SOCK_CLOEXEC = 0o2000000;

/** A socket's host descriptor, or an error: the rest of a call's arguments comes after it. */
const socketOf = (t: Task, fdNumber: number): number => hostFd(t.process.fds, fdNumber);

// ---- making sockets

// Their options and messages carry pointers into the program's memory.
const AF_UNIX = 1;
const AF_RDS = 21;
const AF_XDP = 44;
const isRefused = (family: number): boolean => family === AF_RDS || family === AF_XDP;

function socket(t: Task, family: number, type: number, protocol: number): number {
  if (isRefused(family)) return -errno.EAFNOSUPPORT;
  return installFd(t.process.fds, host("socket", family, type | SOCK_CLOEXEC, protocol), (type & SOCK_CLOEXEC) !== 0);
}

const cells = newScratch(16);

function socketpair(t: Task, family: number, type: number, protocol: number, addr: number): number {
  if (isRefused(family)) return -errno.EAFNOSUPPORT;
  if (writable(t.memory, addr, 8) === undefined) return -errno.EFAULT;
  const result = host("socketpair", family, type | SOCK_CLOEXEC, protocol, cells.address);
  if (result < 0) return result;
  const [one, two] = [cells.i32[0]!, cells.i32[1]!];
  const cloexec = (type & SOCK_CLOEXEC) !== 0;
  const first = installFd(t.process.fds, one, cloexec);
  const second = first < 0 ? -errno.EMFILE : installFd(t.process.fds, two, cloexec);
  if (first < 0) host("close", two);
  else if (second < 0) closeFd(t.process.fds, first);
  if (second < 0) return second;
  if (family === AF_UNIX) notePair(t, one, two);
  t.memory.view.setInt32(addr, first, true);
  t.memory.view.setInt32(addr + 4, second, true);
  return 0;
}

// ---- addresses

/** The permissions of a unix socket's file are those of the socket, less the umask. */
const socketMode = 0o777;

function bind(t: Task, fdNumber: number, addr: number, length: number): number {
  const h = socketOf(t, fdNumber);
  if (h < 0) return h;
  if (length < 0) return -errno.EINVAL;
  const address = addressToHost(t, addr, length, true);
  if (typeof address === "number") return address;
  if (address.bound !== undefined) host("fchmod", h, masked(t.process.files, socketMode));
  const result = host("bind", h, addressRoom.address, address.length);
  if (address.bound !== undefined) host("fchmod", h, socketMode);
  const finished = result < 0 ? result : finishBind(address);
  closeHelpers(address);
  return finished;
}

function listen(t: Task, fdNumber: number, backlog: number): number {
  const h = socketOf(t, fdNumber);
  const result = h < 0 ? h : host("listen", h, backlog);
  if (result === 0) noteListener(t, h);
  return result;
}

function connect(t: Task, fdNumber: number, addr: number, length: number): number {
  const h = socketOf(t, fdNumber);
  if (h < 0) return h;
  if (length < 0) return -errno.EINVAL;
  const address = addressToHost(t, addr, length);
  if (typeof address === "number") return address;
  const result = sleepOn(t, h, connecting, "connect", h, addressRoom.address, address.length);
  if (result === 0) noteConnected(t, h, addressRoom.bytes.subarray(0, address.length));
  closeHelpers(address);
  return result;
}

const tableIsFull = (table: FdTable): boolean => {
  for (let i = 0; i < table.limit; i++) if (hostFd(table, i) < 0) return false;
  return true;
};

function accept4(t: Task, fdNumber: number, addr: number, lengthAddr: number, flags: number): number {
  const h = socketOf(t, fdNumber);
  if (h < 0) return h;
  // Asked first: a connection that finds no number stays in the queue.
  if (tableIsFull(t.process.fds)) return -errno.EMFILE;
  cells.i32[0] = addressBytes;
  const accepted = sleepOn(t, h, receiving, "accept4", h, addressRoom.address, cells.address, flags | SOCK_CLOEXEC);
  if (accepted < 0) return accepted;
  const stored = addr === 0 ? 0 : storeAddress(t, cells.i32[0]!, addr, lengthAddr);
  if (stored < 0) {
    host("close", accepted);
    return stored;
  }
  return installFd(t.process.fds, accepted, (flags & SOCK_CLOEXEC) !== 0);
}

const accept = (t: Task, fdNumber: number, addr: number, lengthAddr: number): number =>
  accept4(t, fdNumber, addr, lengthAddr, 0);

const nameBy =
  (name: "getsockname" | "getpeername") =>
  (t: Task, fdNumber: number, addr: number, lengthAddr: number): number => {
    const h = socketOf(t, fdNumber);
    if (h < 0) return h;
    cells.i32[0] = addressBytes;
    const result = host(name, h, addressRoom.address, cells.address);
    return result < 0 ? result : storeAddress(t, cells.i32[0]!, addr, lengthAddr);
  };

function shutdown(t: Task, fdNumber: number, how: number): number {
  const h = socketOf(t, fdNumber);
  return h < 0 ? h : host("shutdown", h, how);
}

// ---- sending and receiving

function sendto(
  t: Task,
  fdNumber: number,
  buffer: number,
  length: number,
  flags: number,
  addr: number,
  addrLength: number,
): number {
  const h = socketOf(t, fdNumber);
  return h < 0 ? h : sendBuffer(t, h, buffer, length, flags, addr, addrLength);
}

function recvfrom(
  t: Task,
  fdNumber: number,
  buffer: number,
  length: number,
  flags: number,
  addr: number,
  lengthAddr: number,
): number {
  const h = socketOf(t, fdNumber);
  if (h < 0) return h;
  const received = receiveBuffer(t, h, buffer, length, flags);
  if (received < 0 || addr === 0) return received;
  const stored = storeAddress(t, receivedName(), addr, lengthAddr);
  return stored < 0 ? stored : received;
}

function sendmsg(t: Task, fdNumber: number, addr: number, flags: number): number {
  const h = socketOf(t, fdNumber);
  if (h < 0) return h;
  const m = loadMessage(t, addr);
  return m === undefined ? -errno.EFAULT : sendMessage(t, h, m, flags);
}

function recvmsg(t: Task, fdNumber: number, addr: number, flags: number): number {
  const h = socketOf(t, fdNumber);
  if (h < 0) return h;
  const m = loadMessage(t, addr);
  return m === undefined ? -errno.EFAULT : receiveMessage(t, h, addr, m, flags);
}

const maxBatch = 1024;

/** Runs `one` on the messages of a batch until one fails. Answers how many worked, or the first one's error. */
function inBatch(t: Task, addr: number, count: number, one: (at: number, i: number) => number): number {
  for (let i = 0; i < count; i++) {
    const at = addr + i * batchBytes;
    const result = writable(t.memory, at + batchLength, 4) === undefined ? -errno.EFAULT : one(at, i);
    if (result < 0) return i > 0 ? i : result;
    t.memory.view.setUint32(at + batchLength, result, true);
  }
  return count;
}

function sendmmsg(t: Task, fdNumber: number, addr: number, count: number, flags: number): number {
  const h = socketOf(t, fdNumber);
  if (h < 0) return h;
  return inBatch(t, addr, Math.min(count, maxBatch), (at) => sendmsg(t, fdNumber, at, flags));
}

/** The timeout is looked at after each message, as in Linux: it does not end the wait for the first. */
function recvmmsg(t: Task, fdNumber: number, addr: number, count: number, flags: number, timeoutAddr: number): number {
  const h = socketOf(t, fdNumber);
  if (h < 0) return h;
  const timeout = timeoutAddr === 0 ? undefined : loadTimespec(t.memory, timeoutAddr);
  if (timeoutAddr !== 0 && timeout === undefined) return -errno.EFAULT;
  if (timeout !== undefined && !isValid(timeout)) return -errno.EINVAL;
  const deadline = timeout === undefined ? never : deadlineIn(nanosecondsOf(timeout));
  const received = inBatch(t, addr, count, (at, i) => {
    if (i > 0 && deadline !== never && monotonic() >= deadline) return -errno.EAGAIN;
    const later = i > 0 && (flags & Msg.WAITFORONE) !== 0 ? Msg.DONTWAIT : 0;
    return recvmsg(t, fdNumber, at, (flags & ~Msg.WAITFORONE) | later);
  });
  if (timeout === undefined || received <= 0) return received;
  const left = timespecOf(Math.max(0, deadline - monotonic()));
  return storeTimespec(t.memory, timeoutAddr, left) ? received : -errno.EFAULT;
}

export const netCalls: readonly CallRow[] = [
  call(198, "socket", [domain, socketType, int], "fd", "quick", socket),
  call(199, "socketpair", [domain, socketType, int, fdPairOut], "int", "quick", socketpair),
  call(200, "bind", [fd, sockaddr(2), int], "int", "quick", bind),
  call(201, "listen", [fd, int], "int", "quick", listen),
  call(202, "accept", [fd, sockaddrOut(2), lengthOut], "fd", "restart", accept),
  call(203, "connect", [fd, sockaddr(2), int], "int", "restart", connect),
  call(204, "getsockname", [fd, sockaddrOut(2), lengthOut], "int", "quick", nameBy("getsockname")),
  call(205, "getpeername", [fd, sockaddrOut(2), lengthOut], "int", "quick", nameBy("getpeername")),
  call(206, "sendto", [fd, data, size, msgFlags, sockaddr(5), int], "int", "restart", sendto),
  call(207, "recvfrom", [fd, dataOut, size, msgFlags, sockaddrOut(5), lengthOut], "int", "restart", recvfrom),
  call(208, "setsockopt", [fd, level, optionName, optionValue, int], "int", "quick", setsockopt),
  call(209, "getsockopt", [fd, level, optionName, optionValueOut, lengthOut], "int", "quick", getsockopt),
  call(210, "shutdown", [fd, shutdownHow], "int", "quick", shutdown),
  call(211, "sendmsg", [fd, message, msgFlags], "int", "restart", sendmsg),
  call(212, "recvmsg", [fd, messageOut, msgFlags], "int", "restart", recvmsg),
  call(242, "accept4", [fd, sockaddrOut(2), lengthOut, acceptFlags], "fd", "restart", accept4),
  call(243, "recvmmsg", [fd, messagesOut, uint, msgFlags, timespec], "int", "restart", recvmmsg),
  call(269, "sendmmsg", [fd, messages, uint, msgFlags], "int", "restart", sendmmsg),
];
