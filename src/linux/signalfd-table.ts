// Signal descriptors: guest descriptors of kind `signal` are host eventfds that are kept readable exactly while a
// signal of their set is pending, so that poll and epoll see them. A record is an open file description: the
// descriptor's data word names it, and dup copies that word.
import { addressOf, host } from "../host/syscall.ts";
import { errno } from "./errno.ts";
import { FdKind, type FdTable, fdData, fdKind, hostFd, openFds, setFdData } from "./fds.ts";
import type { PendingSet } from "./signal-queue.ts";

const recordLimit = 1024;
// Words of a record: in use, mask low, mask high, whether the eventfd is readable now. Word 0 of all: records in use.
const stride = 4;
const inUse = 0;
const mask = 1;
const raised = 3;

/** The records of a process, in shared memory. Record 0 is the head. */
export interface SignalFds {
  readonly words: Int32Array;
}

export const newSignalFds = (): SignalFds => ({
  words: new Int32Array(new SharedArrayBuffer((recordLimit + 1) * stride * 4)),
});

/** What a signal descriptor sees: pending signals of the process and of the thread that looks. */
interface Watched {
  readonly fds: FdTable;
  readonly signals: {
    readonly signalFds: SignalFds;
    readonly pending: PendingSet;
    readonly threads: readonly { readonly pending: PendingSet }[];
  };
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
export function registerSignalFd(process: Watched, fd: number, lo: number, hi: number): number {
  const w = process.signals.signalFds.words;
  let record = fdData(process.fds, fd);
  if (record === 0) {
    record = 1;
    while (record <= recordLimit && w[record * stride + inUse] !== 0) record++;
    if (record > recordLimit) return -errno.ENFILE;
    w.fill(0, record * stride, (record + 1) * stride);
    w[record * stride + inUse] = 1;
    w[0]!++;
    setFdData(process.fds, fd, record);
  }
  w[record * stride + mask] = lo;
  w[record * stride + mask + 1] = hi;
  updateSignalFds(process);
  return 0;
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

/** Makes each signal descriptor readable or not, after what is pending changed; forgets those whose last descriptor was closed. */
export function updateSignalFds(process: Watched): void {
  const w = process.signals.signalFds.words;
  if (w[0] === 0) return;
  const sets = [process.signals.pending, ...process.signals.threads.map((thread) => thread.pending)];
  const seen = new Set<number>();
  for (const fd of openFds(process.fds)) {
    const record = fdKind(process.fds, fd) === FdKind.signal ? fdData(process.fds, fd) : 0;
    if (record === 0 || seen.has(record)) continue;
    seen.add(record);
    const at = record * stride;
    const ready = sets.some((s) => ((s.words[0]! & w[at + mask]!) | (s.words[1]! & w[at + mask + 1]!)) !== 0);
    if (ready === (w[at + raised] !== 0)) continue;
    w[at + raised] = ready ? 1 : 0;
    const h = hostFd(process.fds, fd);
    if (ready) host("write", h, addressOf(one), 8);
    else drain(h);
  }
  for (let record = 1; record <= recordLimit; record++) {
    if (w[record * stride + inUse] === 0 || seen.has(record)) continue;
    w[record * stride + inUse] = 0;
    w[0]!--;
  }
}
