// Signal descriptors: guest descriptors of kind `signal` are host eventfds that are kept readable exactly while a
// signal of their set is pending, so that poll and epoll see them. A record is an open file description as one process has
// it: the descriptor's data word names it, dup copies that word, and the record has a host descriptor of its own for the
// eventfd. Other processes that have the description, by fork or through a socket, have a record and an eventfd of their own,
// since each sees its own signals in it; the set is the same for all.
// Linux shows each thread the signals that it could read. An eventfd shows all the same: those of any thread of the process.
import { isSameFile } from "../host/same-file.ts";
import { addressOf, host } from "../host/syscall.ts";
import { withLock } from "../sync/mutex.ts";
import { errno } from "./errno.ts";
import {
  closeOnExec,
  dupHost,
  FdKind,
  type FdTable,
  fdData,
  fdKind,
  hostFd,
  openFds,
  registeredFd,
  setFd,
  setFdData,
  setRegisteredFd,
} from "./fds.ts";
import { type Kernel, sections } from "./kernel.ts";
import { ProcessField, type ProcessRecord, processAt } from "./processes.ts";
import type { PendingSet } from "./signal-queue.ts";
import { taskAt, threadsOf } from "./tasks.ts";

const recordLimit = 1024;
// Words of a record: index + 1 of the process that has it, 0 for none; mask low, mask high; whether the eventfd is
// readable now; its host descriptor; the record that stands for the description in all processes. Of record 0: records in
// use; the highest that ever was.
const stride = 8;
const owner = 0;
const mask = 1;
const raised = 3;
const eventFd = 4;
const description = 5;
const inUse = 0;
const highest = 1;

/** The records, guarded by the signals lock. Record 0 is the head. */
export interface SignalFds {
  readonly words: Int32Array;
}

/** Those of a kernel. */
export const signalFdsOf = (k: Kernel): SignalFds => ({
  words: k.i32.subarray(sections.signalFds / 4, sections.buckets / 4),
});

/** The process that a signal descriptor belongs to. */
interface Owner {
  readonly kernel: Kernel;
  readonly record: ProcessRecord;
  readonly fds: FdTable;
  readonly signals: { readonly signalFds: SignalFds };
}

/** Its set of signals, two words. */
export function signalFdMask(s: SignalFds, record: number): readonly [lo: number, hi: number] {
  const at = record * stride + mask;
  return [s.words[at]!, s.words[at + 1]!];
}

/**
 * Makes guest descriptor `fd`, an eventfd with count 0 that was installed with kind `signal`, a signal descriptor for a
 * set (two words); or gives one that it is already another set. Answers 0, or -ENFILE where there are too many.
 */
export const registerSignalFd = (process: Owner, fd: number, lo: number, hi: number): number =>
  withLock(process.kernel.signalsLock, () => {
    const { kernel: k, signals, fds } = process;
    const w = signals.signalFds.words;
    const record = fdData(fds, fd) || newRecord(process, fd);
    if (record < 0) return record;
    const shared = w[record * stride + description]!;
    for (let other = 1; other <= w[highest]!; other++) {
      const at = other * stride;
      if (w[at + owner] === 0 || w[at + description] !== shared) continue;
      w[at + mask] = lo;
      w[at + mask + 1] = hi;
      showTo(k, w[at + owner]! - 1);
    }
    return 0;
  });

const showTo = (k: Kernel, index: number): void =>
  showSignalFds(
    k,
    processAt(k, index),
    threadsOf(k, index).map((thread) => taskAt(k, thread)),
  );

/** A record of a process for its descriptor, with no signals in its set. */
function newRecord({ record: process, fds, signals }: Owner, fd: number): number {
  const w = signals.signalFds.words;
  forgetClosed(w, fds, process);
  let record = 1;
  while (record <= recordLimit && w[record * stride + owner] !== 0) record++;
  const h = record > recordLimit ? -errno.ENFILE : dupHost(hostFd(fds, fd));
  if (h < 0) return h;
  const at = record * stride;
  w.fill(0, at, at + stride);
  w[at + owner] = process.index + 1;
  w[at + eventFd] = h;
  w[at + description] = record;
  w[inUse]!++;
  w[highest] = Math.max(w[highest]!, record);
  setFdData(fds, fd, record);
  return record;
}

/** Makes the record of a description that another process has. Answers it, or -errno. */
function joinRecord(process: Owner, fd: number, of: number): number {
  const w = process.signals.signalFds.words;
  const record = newRecord(process, fd);
  if (record < 0) return record;
  for (const word of [mask, mask + 1, description]) w[record * stride + word] = w[of * stride + word]!;
  showTo(process.kernel, process.record.index);
  return record;
}

const [F_GETFL, O_NONBLOCK, O_CLOEXEC] = [3, 0o4000, 0o2000000];

/** A host descriptor of a new eventfd that blocks as `h` does, or -errno. */
const eventFdLike = (h: number): number => host("eventfd2", 0, (host("fcntl", h, F_GETFL) & O_NONBLOCK) | O_CLOEXEC);

/**
 * Gives a process that has just got a copy of another's table of descriptors its own records for the signal descriptors in
 * it. Called before it runs. Where there is no room for them, what is left are eventfds that nothing makes readable.
 */
export const forkSignalFds = (process: Owner): void =>
  withLock(process.kernel.signalsLock, () => {
    const { fds, signals } = process;
    if (signals.signalFds.words[inUse] === 0) return;
    const own = new Map<number, { readonly record: number; readonly h: number }>();
    for (const fd of openFds(fds)) {
      if (fdKind(fds, fd) !== FdKind.signal) continue;
      const inherited = fdData(fds, fd);
      const known = own.get(inherited);
      const h = known === undefined ? eventFdLike(hostFd(fds, fd)) : dupHost(known.h);
      if (h < 0) continue;
      const registered = registeredFd(fds, fd);
      setFd(fds, fd, h, closeOnExec(fds, fd), FdKind.signal);
      setRegisteredFd(fds, fd, registered);
      const record = known?.record ?? joinRecord(process, fd, inherited);
      if (record < 0) continue;
      setFdData(fds, fd, record);
      own.set(inherited, { record, h });
    }
  });

/**
 * Makes guest descriptor `fd`, which came through a socket, that of a record. It is replaced where the record is another
 * process's.
 */
export const receiveSignalFd = (process: Owner, fd: number, record: number): void =>
  withLock(process.kernel.signalsLock, () => {
    const { fds, signals } = process;
    const w = signals.signalFds.words;
    const at = record * stride;
    // Its sender may have closed it meanwhile: then nothing makes it readable any more.
    if (w[at + owner] === 0 || !isSameFile(w[at + eventFd]!, hostFd(fds, fd))) return;
    if (w[at + owner] === process.record.index + 1) {
      setFdData(fds, fd, record);
      return;
    }
    const h = eventFdLike(hostFd(fds, fd));
    if (h < 0) return;
    setFd(fds, fd, h, closeOnExec(fds, fd), FdKind.signal);
    joinRecord(process, fd, record);
  });

/** Whether host descriptor `h` is, in any process, of the description of a record: each has another open file. */
export const isOfSignalFd = (k: Kernel, record: number, h: number): boolean =>
  withLock(k.signalsLock, () => {
    const { words: w } = signalFdsOf(k);
    const shared = w[record * stride + description];
    for (let other = 1; other <= w[highest]!; other++) {
      const at = other * stride;
      if (w[at + owner] !== 0 && w[at + description] === shared && isSameFile(w[at + eventFd]!, h)) return true;
    }
    return false;
  });

/** Gives up those records of a process whose last descriptor was closed. */
function forgetClosed(w: Int32Array, fds: FdTable, { index, i32 }: ProcessRecord): void {
  if (w[inUse] === 0) return;
  // Others of its threads may have them, in tables of their own.
  if (i32[ProcessField.apart] !== 0) return;
  const open = new Set(openFds(fds).map((fd) => (fdKind(fds, fd) === FdKind.signal ? fdData(fds, fd) : 0)));
  for (let record = 1; record <= w[highest]!; record++)
    if (w[record * stride + owner] === index + 1 && !open.has(record)) giveUp(w, record);
}

function giveUp(w: Int32Array, record: number): void {
  const at = record * stride;
  host("close", w[at + eventFd]!);
  w[at + owner] = 0;
  w[inUse]!--;
}

const one = new BigUint64Array([1n]);
const drained = new BigUint64Array(1);
const pollIn = 1;

/** Takes an eventfd's count back. It is asked first, because whoever got the descriptor from the guest may have read it. */
function drain(h: number): void {
  const pollfd = new Int32Array([h, pollIn]);
  const timeout = new Int32Array(4);
  if (host("ppoll", addressOf(pollfd), 1, addressOf(timeout), 0, 0) === 1) host("read", h, addressOf(drained), 8);
}

/**
 * Makes each signal descriptor of a process readable or not, after what is pending changed; `came` is the signal that has
 * come, if one has: who waits for edges is told of it though the descriptor was readable before. With the signals lock held.
 */
export function showSignalFds(
  k: Kernel,
  process: ProcessRecord,
  threads: readonly { readonly pending: PendingSet }[],
  came = 0,
): void {
  const base = sections.signalFds / 4;
  const w = k.i32;
  if (w[base + inUse] === 0) return;
  for (let record = 1; record <= w[base + highest]!; record++) {
    const at = base + record * stride;
    if (w[at + owner] !== process.index + 1) continue;
    const ready = [process, ...threads].some(
      ({ pending: { words } }) => ((words[0]! & w[at + mask]!) | (words[1]! & w[at + mask + 1]!)) !== 0,
    );
    const isNew = came !== 0 && (w[at + mask + ((came - 1) >> 5)]! & (1 << ((came - 1) & 31))) !== 0;
    if (ready === (w[at + raised] !== 0) && !isNew) continue;
    w[at + raised] = ready ? 1 : 0;
    if (ready) host("write", w[at + eventFd]!, addressOf(one), 8);
    else drain(w[at + eventFd]!);
  }
}

/** Gives up the records of a process that has ended. */
export const dropSignalFds = (k: Kernel, index: number): void =>
  withLock(k.signalsLock, () => {
    const { words: w } = signalFdsOf(k);
    for (let record = 1; record <= w[highest]!; record++)
      if (w[record * stride + owner] === index + 1) giveUp(w, record);
  });
