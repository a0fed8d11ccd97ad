// fcntl and flock: descriptor flags are the guest's table's, record locks are by locks.ts, owners of files by
// async-signals.ts, everything else is the host's.
import { host } from "../../host/syscall.ts";
import { accessible, Page, writable } from "../../memory/guest-memory.ts";
import {
  asyncSignal,
  nameOfOwner,
  noteAsync,
  ownerNamed,
  ownerOf,
  setAsyncSignal,
  setOwner,
} from "../async-signals.ts";
import { errno } from "../errno.ts";
import { closeOnExec, hostFd, setCloseOnExec } from "../fds.ts";
import { fd, flags, oneOf, size } from "../kinds.ts";
import { showOpenFlags } from "../kinds-file.ts";
import { askOfDescription, recordLock } from "../locks.ts";
import { O, toGuestFlags, toHostFlags } from "../open-flags.ts";
import { type CallRow, call, type Kind } from "../row.ts";
import type { Task } from "../task.ts";
import { hostOf } from "../transfer.ts";
import { sleepIn } from "../wait.ts";
import { loadWords, storeWords } from "../words.ts";
import { duplicate } from "./descriptors.ts";

const F = {
  F_DUPFD: 0,
  F_GETFD: 1,
  F_SETFD: 2,
  F_GETFL: 3,
  F_SETFL: 4,
  F_GETLK: 5,
  F_SETLK: 6,
  F_SETLKW: 7,
  F_SETOWN: 8,
  F_GETOWN: 9,
  F_SETSIG: 10,
  F_GETSIG: 11,
  F_SETOWN_EX: 15,
  F_GETOWN_EX: 16,
  F_GETOWNER_UIDS: 17,
  F_OFD_GETLK: 36,
  F_OFD_SETLK: 37,
  F_OFD_SETLKW: 38,
  F_SETLEASE: 1024,
  F_GETLEASE: 1025,
  F_NOTIFY: 1026,
  F_DUPFD_QUERY: 1027,
  F_CREATED_QUERY: 1028,
  F_DUPFD_CLOEXEC: 1030,
  F_SETPIPE_SZ: 1031,
  F_GETPIPE_SZ: 1032,
  F_ADD_SEALS: 1033,
  F_GET_SEALS: 1034,
  F_GET_RW_HINT: 1035,
  F_SET_RW_HINT: 1036,
  F_GET_FILE_RW_HINT: 1037,
  F_SET_FILE_RW_HINT: 1038,
} as const;

/** Commands whose argument is a number, or nothing, for the host as for the guest. */
const byValue: ReadonlySet<number> = new Set([
  F.F_GETLEASE,
  F.F_CREATED_QUERY,
  F.F_SETPIPE_SZ,
  F.F_GETPIPE_SZ,
  F.F_ADD_SEALS,
  F.F_GET_SEALS,
]);

/** Commands whose argument points to a struct that is the same on the host: its bytes, and whether the call fills it. */
const byPointer: ReadonlyMap<number, readonly [bytes: number, out: boolean]> = new Map([
  [F.F_GETLK, [32, true]],
  [F.F_SETLK, [32, false]],
  [F.F_SETLKW, [32, false]],
  [F.F_OFD_GETLK, [32, true]],
  [F.F_OFD_SETLK, [32, false]],
  [F.F_OFD_SETLKW, [32, false]],
  [F.F_SETOWN_EX, [8, false]],
  [F.F_GETOWN_EX, [8, true]],
  [F.F_GETOWNER_UIDS, [8, true]],
  [F.F_GET_RW_HINT, [8, true]],
  [F.F_SET_RW_HINT, [8, false]],
  [F.F_GET_FILE_RW_HINT, [8, true]],
  [F.F_SET_FILE_RW_HINT, [8, false]],
]);

const FD_CLOEXEC = 1;

function fcntl(t: Task, fd: number, command: number, argument: number): number {
  const { fds } = t.process;
  const h = hostFd(fds, fd);
  if (h < 0) return h;
  const value = argument | 0;
  switch (command) {
    case F.F_DUPFD:
    case F.F_DUPFD_CLOEXEC:
      if (argument >= fds.limit) return -errno.EINVAL;
      return duplicate(fds, fd, argument, command === F.F_DUPFD_CLOEXEC);
    case F.F_GETFD:
      return closeOnExec(fds, fd) ? FD_CLOEXEC : 0;
    case F.F_SETFD:
      setCloseOnExec(fds, fd, (value & FD_CLOEXEC) !== 0);
      return 0;
    case F.F_GETFL: {
      const found = host("fcntl", h, command);
      return found < 0 ? found : toGuestFlags(found);
    }
    case F.F_SETFL:
      if ((value & O.ASYNC) !== 0) noteAsync(t, fd, h);
      return host("fcntl", h, command, toHostFlags(value));
    case F.F_SETOWN:
      return setOwner(t, h, ownerNamed(value));
    case F.F_GETOWN: {
      const owner = ownerOf(t, h);
      return typeof owner === "number" ? owner : nameOfOwner(owner);
    }
    case F.F_SETOWN_EX:
    case F.F_GETOWN_EX:
      return ownerStruct(t, h, command, argument);
    case F.F_SETSIG:
      return setAsyncSignal(t, h, value);
    case F.F_GETSIG:
      return host("fcntl", h, F.F_GETSIG) < 0 ? -errno.EBADF : asyncSignal(t, h);
    case F.F_DUPFD_QUERY: {
      const other = hostFd(fds, value);
      return other < 0 ? other : host("fcntl", h, command, other);
    }
    default:
      return passOn(t, h, command, argument);
  }
}

function passOn(t: Task, h: number, command: number, argument: number): number {
  if (byValue.has(command)) return host("fcntl", h, command, argument | 0);
  if (command === F.F_GETLK || command === F.F_SETLK || command === F.F_SETLKW)
    return recordLock(t, h, command, argument);
  if (command === F.F_OFD_GETLK) return askOfDescription(t, h, argument);
  const struct = byPointer.get(command);
  if (struct === undefined) return -errno.EINVAL;
  const [bytes, out] = struct;
  const usable = out
    ? writable(t.memory, argument, bytes) !== undefined
    : accessible(t.memory, argument, bytes, Page.read);
  if (!usable) return -errno.EFAULT;
  return sleepIn(t, "fcntl", h, command, t.memory.hostBase + argument);
}

/** F_SETOWN_EX and F_GETOWN_EX: a `struct f_owner_ex`, type and id. */
function ownerStruct(t: Task, h: number, command: number, addr: number): number {
  if (command === F.F_SETOWN_EX) {
    const words = loadWords(t, addr, 2);
    return words === undefined ? -errno.EFAULT : setOwner(t, h, { type: words[0]!, id: words[1]! });
  }
  const owner = ownerOf(t, h);
  if (typeof owner === "number") return owner;
  return storeWords(t, addr, Int32Array.of(owner.type, owner.id)) ? 0 : -errno.EFAULT;
}

const LOCK_NB = 4;

function flock(t: Task, fd: number, operation: number): number {
  const h = hostOf(t, fd);
  return h < 0 ? h : sleepIn(t, "flock", h, operation);
}

/** The argument by its command. */
const fcntlArgument: Kind<number> = {
  load: size.load,
  show: (t, lo, hi, shown) => {
    const command = shown.raw[1]! | 0;
    if (command === F.F_SETFL) return showOpenFlags(lo);
    if (command === F.F_SETFD) return lo === FD_CLOEXEC ? "FD_CLOEXEC" : String(lo);
    return byPointer.has(command)
      ? "0x" + ((hi >>> 0) * 2 ** 32 + (lo >>> 0)).toString(16)
      : size.show(t, lo, 0, shown);
  },
};

export const fcntlCalls: readonly CallRow[] = [
  call(25, "fcntl", [fd, oneOf(F), fcntlArgument], "int", "restart", fcntl),
  call(32, "flock", [fd, flags({ LOCK_SH: 1, LOCK_EX: 2, LOCK_NB, LOCK_UN: 8 })], "int", "restart", flock),
];
