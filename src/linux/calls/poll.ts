// Waiting for descriptors: ppoll, pselect6, epoll, and signal descriptors. An epoll set is the host's; only its
// records are translated, because x86-64 packs what the ABI of riscv64 does not.
import { monotonic } from "../../host/clock.ts";
import { newScratch, reserve } from "../../host/scratch.ts";
import { arch, host } from "../../host/syscall.ts";
import { accessibleLength, Page, readable, writable } from "../../memory/guest-memory.ts";
import { epollName } from "../closing.ts";
import { errno, restart } from "../errno.ts";
import { closeFd, FdKind, fdKind, hostFd, installFd, maxFds, setRegisteredFd } from "../fds.ts";
import { fd, int, size, uint } from "../kinds.ts";
import {
  epollEvent,
  epollEventsOut,
  epollFlags,
  epollOp,
  fdSet,
  maskAndSize,
  pollfds,
  signalfdFlags,
} from "../kinds-poll.ts";
import { sigset } from "../kinds-signal.ts";
import { timespec } from "../kinds-time.ts";
import { type CallRow, call } from "../row.ts";
import { Sig } from "../siginfo.ts";
import { registerSignalFd } from "../signalfd-table.ts";
import { beginTemporaryMask, bit, endTemporaryMask, signalPending } from "../signals.ts";
import type { Task } from "../task.ts";
import { isValid, loadTimespec, nanosecondsOf, storeTimespec, timespecOf } from "../time-structs.ts";
import {
  awaitEvents,
  deadlineIn,
  never,
  Poll,
  pollEvents,
  pollHost,
  reservePoll,
  setPoll,
  timeoutAddress,
} from "../wait.ts";
import { loadWords } from "../words.ts";

const sigsetBytes = 8;

/** Runs `body` with the signals at `addr` blocked instead, unless it is 0. `body` answers `interrupted` for a signal. */
function underMask(t: Task, addr: number, bytes: number, interrupted: number, body: () => number): number {
  if (addr === 0) return body();
  if (bytes !== sigsetBytes) return -errno.EINVAL;
  const set = loadWords(t, addr, 2);
  if (set === undefined) return -errno.EFAULT;
  beginTemporaryMask(t, set[0]!, set[1]!);
  const result = body();
  endTemporaryMask(t, result === -interrupted);
  return result;
}

/** The deadline that a `struct timespec` at `addr` sets from now on: `never` for 0, or -errno. */
function deadlineAt(t: Task, addr: number): number {
  if (addr === 0) return never;
  const span = loadTimespec(t.memory, addr);
  if (span === undefined) return -errno.EFAULT;
  return isValid(span) ? deadlineIn(nanosecondsOf(span)) : -errno.EINVAL;
}

/**
 * Leaves the time that is left at `addr`, as the kernel does for ppoll and pselect6. Where it cannot be stored, the call
 * cannot be made again after a signal.
 */
function leaveRest(t: Task, addr: number, deadline: number, result: number): number {
  if (addr === 0) return result;
  const before = loadTimespec(t.memory, addr);
  if (before === undefined || nanosecondsOf(before) === 0) return result;
  const stored = storeTimespec(t.memory, addr, timespecOf(Math.max(0, deadline - monotonic())));
  return result === -restart.ERESTARTNOHAND && !stored ? -errno.EINTR : result;
}

// ---- ppoll

const pollfdBytes = 8;

function ppoll(t: Task, addr: number, count: number, timeout: number, mask: number, maskBytes: number): number {
  const deadline = deadlineAt(t, timeout);
  if (deadline < 0) return deadline;
  const result = underMask(t, mask, maskBytes, restart.ERESTARTNOHAND, () => pollGuest(t, addr, count, deadline));
  return leaveRest(t, timeout, deadline, result);
}

function pollGuest(t: Task, addr: number, count: number, deadline: number): number {
  if (count > t.process.fds.limit) return -errno.EINVAL;
  if (readable(t.memory, addr, count * pollfdBytes) === undefined) return -errno.EFAULT;
  const v = t.memory.view;
  const invalid = new Set<number>();
  reservePoll(count);
  for (let i = 0; i < count; i++) {
    const fdNumber = v.getInt32(addr + i * pollfdBytes, true);
    const h = fdNumber < 0 ? -1 : hostFd(t.process.fds, fdNumber);
    setPoll(i, h, v.getUint16(addr + i * pollfdBytes + 4, true));
    if (fdNumber >= 0 && h < 0) invalid.add(i);
  }
  const ready = pollHost(t, count, invalid.size > 0 ? 0 : deadline);
  if (ready < 0 && invalid.size === 0) return ready;
  if (writable(t.memory, addr, count * pollfdBytes) === undefined) return -errno.EFAULT;
  for (let i = 0; i < count; i++)
    v.setUint16(addr + i * pollfdBytes + 6, invalid.has(i) ? Poll.NVAL : pollEvents(i), true);
  return Math.max(0, ready) + invalid.size;
}

// ---- pselect6

/** What select's three sets ask for, and what makes a descriptor a member of them afterwards. */
const sets = [
  { ask: Poll.IN | Poll.RDNORM | Poll.RDBAND, give: Poll.IN | Poll.RDNORM | Poll.RDBAND | Poll.HUP | Poll.ERR },
  { ask: Poll.OUT | Poll.WRNORM | Poll.WRBAND, give: Poll.OUT | Poll.WRNORM | Poll.WRBAND | Poll.ERR },
  { ask: Poll.PRI, give: Poll.PRI },
] as const;

function pselect6(
  t: Task,
  count: number,
  read: number,
  write: number,
  except: number,
  timeout: number,
  mask: number,
): number {
  const deadline = deadlineAt(t, timeout);
  if (deadline < 0) return deadline;
  const words = mask === 0 ? undefined : loadWords(t, mask, 4);
  if (mask !== 0 && words === undefined) return -errno.EFAULT;
  const [addr, bytes] = words ? [unsigned(words, 0), unsigned(words, 2)] : [0, 0];
  const result = underMask(t, addr, bytes, restart.ERESTARTNOHAND, () =>
    select(t, count, [read, write, except], deadline),
  );
  return leaveRest(t, timeout, deadline, result);
}

const unsigned = (words: Int32Array, at: number): number => (words[at + 1]! >>> 0) * 2 ** 32 + (words[at]! >>> 0);

function select(t: Task, asked: number, addrs: readonly number[], deadline: number): number {
  if (asked < 0) return -errno.EINVAL;
  const count = Math.min(asked, maxFds);
  const bytes = Math.ceil(count / 64) * 8;
  const given: (Uint8Array | undefined)[] = [];
  for (const addr of addrs) {
    const set = addr === 0 ? undefined : readable(t.memory, addr, bytes);
    if (addr !== 0 && set === undefined) return -errno.EFAULT;
    given.push(set?.slice());
  }
  const isIn = (set: Uint8Array | undefined, i: number): boolean =>
    set !== undefined && ((set[i >> 3]! >> (i & 7)) & 1) !== 0;

  const members: number[] = [];
  reservePoll(count);
  for (let i = 0; i < count; i++) {
    const events = sets.reduce((bits, { ask }, s) => (isIn(given[s], i) ? bits | ask : bits), 0);
    if (events === 0) continue;
    const h = hostFd(t.process.fds, i);
    if (h < 0) return h;
    setPoll(members.length, h, events);
    members.push(i);
  }

  const results = given.map((set) => set && new Uint8Array(bytes));
  let found = 0;
  while (found === 0) {
    const ready = pollHost(t, members.length, deadline);
    if (ready < 0) return ready;
    members.forEach((member, i) => {
      const events = pollEvents(i);
      if (events === 0) return;
      let wanted = false;
      for (const [s, { give }] of sets.entries()) {
        if ((events & give) === 0 || !isIn(given[s], member)) continue;
        results[s]![member >> 3]! |= 1 << (member & 7);
        wanted = true;
        found++;
      }
      // A hangup that no set asks for: poll would tell of it again and again.
      if (!wanted) setPoll(i, -1, 0);
    });
    if (ready === 0) break;
  }
  for (const [s, result] of results.entries()) {
    if (result === undefined) continue;
    const to = writable(t.memory, addrs[s]!, bytes);
    if (to === undefined) return -errno.EFAULT;
    to.set(result);
  }
  return found;
}

// ---- epoll

const eventBytes = 16;
const hostEventBytes = arch === "x64" ? 12 : 16;
/** Offset of a host record's data word: the record is packed on x86-64. */
const hostData = hostEventBytes - 8;
/** The most records that one call gives: the guest asks again. */
const mostEvents = 4096;
const EPOLL_CLOEXEC = 0o2000000;
const [EPOLL_CTL_ADD, EPOLL_CTL_DEL] = [1, 2];
const records = newScratch(64 * hostEventBytes);

function epollCreate1(t: Task, flag: number): number {
  const h = host("epoll_create1", flag | EPOLL_CLOEXEC);
  return installFd(t.process.fds, h, (flag & EPOLL_CLOEXEC) !== 0);
}

function epollCtl(t: Task, epfd: number, op: number, fdNumber: number, addr: number): number {
  const words = op === EPOLL_CTL_DEL ? undefined : loadWords(t, addr, 4);
  if (op !== EPOLL_CTL_DEL && words === undefined) return -errno.EFAULT;
  const [set, h] = [hostFd(t.process.fds, epfd), hostFd(t.process.fds, fdNumber)];
  if (set < 0) return set;
  if (h < 0) return h;
  if (words !== undefined) {
    records.i32[0] = words[0]!;
    records.i32[hostData / 4] = words[2]!;
    records.i32[hostData / 4 + 1] = words[3]!;
  }
  const { kernel, site, fds, fdsTable } = t.process;
  const name = epollName(fds, kernel, site.bundle.tables, fdsTable, fdNumber);
  if (name < 0) return name;
  const result = host("epoll_ctl", set, op, name, records.address);
  if (result === 0 && op === EPOLL_CTL_ADD) setRegisteredFd(fds, fdNumber, name);
  return result;
}

const INT_MAX = 0x7fffffff;
const millisecond = 1e6;

function epollWait(t: Task, epfd: number, addr: number, count: number, deadline: number): number {
  if (count <= 0 || count > Math.floor(INT_MAX / eventBytes)) return -errno.EINVAL;
  const room = accessibleLength(t.memory, addr, Math.min(count, mostEvents) * eventBytes, Page.write);
  const most = Math.floor(room / eventBytes);
  if (most === 0) return -errno.EFAULT;
  const h = hostFd(t.process.fds, epfd);
  if (h < 0) return h;
  reserve(records, most * hostEventBytes);
  const found = awaitEvents(t, deadline, (call, nanoseconds) => {
    if (nanoseconds !== never && nanoseconds !== 0 && exactEpoll) {
      const span = timeoutAddress(nanoseconds);
      const result = call("epoll_pwait2", h, records.address, most, span, 0, sigsetBytes);
      if (result !== -errno.ENOSYS) return result;
      exactEpoll = false;
    }
    const milliseconds = nanoseconds === never ? -1 : Math.min(Math.ceil(nanoseconds / millisecond), INT_MAX);
    return call("epoll_pwait", h, records.address, most, milliseconds, 0, sigsetBytes);
  });
  if (found > 0) return storeEvents(t, addr, found);
  if (found !== -restart.ERESTARTNOHAND) return found;
  return signalPending(t) ? -errno.EINTR : found;
}

/** Whether the host has epoll_pwait2, as kernels from 5.11 on. */
let exactEpoll = true;

function storeEvents(t: Task, addr: number, count: number): number {
  writable(t.memory, addr, count * eventBytes);
  const v = t.memory.view;
  for (let i = 0; i < count; i++) {
    const from = (i * hostEventBytes) / 4;
    const to = addr + i * eventBytes;
    v.setInt32(to, records.i32[from]!, true);
    v.setInt32(to + 4, 0, true);
    v.setInt32(to + 8, records.i32[from + hostData / 4]!, true);
    v.setInt32(to + 12, records.i32[from + hostData / 4 + 1]!, true);
  }
  return count;
}

function epollPwait(
  t: Task,
  epfd: number,
  addr: number,
  count: number,
  timeout: number,
  mask: number,
  maskBytes: number,
): number {
  const deadline = timeout < 0 ? never : deadlineIn(timeout * millisecond);
  return underMask(t, mask, maskBytes, errno.EINTR, () => epollWait(t, epfd, addr, count, deadline));
}

function epollPwait2(
  t: Task,
  epfd: number,
  addr: number,
  count: number,
  timeout: number,
  mask: number,
  maskBytes: number,
): number {
  const deadline = deadlineAt(t, timeout);
  if (deadline < 0) return deadline;
  return underMask(t, mask, maskBytes, errno.EINTR, () => epollWait(t, epfd, addr, count, deadline));
}

// ---- signal descriptors

const SFD_CLOEXEC = 0o2000000;
const SFD_NONBLOCK = 0o4000;

function signalfd4(t: Task, fdNumber: number, mask: number, maskBytes: number, flag: number): number {
  if (maskBytes !== sigsetBytes) return -errno.EINVAL;
  const set = loadWords(t, mask, 2);
  if (set === undefined) return -errno.EFAULT;
  if ((flag & ~(SFD_CLOEXEC | SFD_NONBLOCK)) !== 0) return -errno.EINVAL;
  const lo = set[0]! & ~(bit(Sig.KILL) | bit(Sig.STOP));
  const { fds } = t.process;
  if (fdNumber !== -1) {
    const h = hostFd(fds, fdNumber);
    if (h < 0) return h;
    if (fdKind(fds, fdNumber) !== FdKind.signal) return -errno.EINVAL;
    const changed = registerSignalFd(t.process, fdNumber, lo, set[1]!);
    return changed < 0 ? changed : fdNumber;
  }
  const h = host("eventfd2", 0, (flag & SFD_NONBLOCK) | SFD_CLOEXEC);
  const made = installFd(fds, h, (flag & SFD_CLOEXEC) !== 0, FdKind.signal);
  if (made < 0) return made;
  const registered = registerSignalFd(t.process, made, lo, set[1]!);
  if (registered < 0) closeFd(fds, made);
  return registered < 0 ? registered : made;
}

export const pollCalls: readonly CallRow[] = [
  call(20, "epoll_create1", [epollFlags], "fd", "quick", epollCreate1),
  call(21, "epoll_ctl", [fd, epollOp, fd, epollEvent], "int", "quick", epollCtl),
  call(22, "epoll_pwait", [fd, epollEventsOut, int, int, sigset, size], "int", "eintr", epollPwait),
  call(72, "pselect6", [int, fdSet, fdSet, fdSet, timespec, maskAndSize], "int", "eintr", pselect6),
  call(73, "ppoll", [pollfds, uint, timespec, sigset, size], "int", "eintr", ppoll),
  call(74, "signalfd4", [int, sigset, size, signalfdFlags], "fd", "quick", signalfd4),
  call(441, "epoll_pwait2", [fd, epollEventsOut, int, timespec, sigset, size], "int", "eintr", epollPwait2),
];
