// Pending signals in shared memory: a bit set and a first-in-first-out list a signal for each thread and for the
// process as a whole, and one pool of siginfo records that all lists of a process draw from.
// What a signal means, and whether it may be dropped, is signals.ts's job.
import { infoWords, type SigInfo } from "./siginfo.ts";

/** Real-time signals that can be queued in a process, which RLIMIT_SIGPENDING may lower. */
export const maxQueued = 32768;
// Standard signals get a record even where the real-time ones have used up theirs.
const poolSize = maxQueued + 8192;
const recordWords = infoWords + 1; // link to the next record, then the siginfo

// Words of a pool before its records: number of records in use, first free record, records ever used.
const used = 0;
const free = 1;
const fresh = 2;
const poolHeader = 4;

/** Records of a process. Record 0 stands for none. */
export interface SignalPool {
  readonly words: Int32Array;
}

export const newSignalPool = (): SignalPool => ({
  words: new Int32Array(new SharedArrayBuffer((poolHeader + poolSize * recordWords) * 4)),
});

/** Records in use: what RLIMIT_SIGPENDING counts. */
export const queuedCount = (p: SignalPool): number => p.words[used]!;

/** Words 0 and 1: the set. Then a head and a tail record for each signal. */
export interface PendingSet {
  readonly words: Int32Array;
}

export const newPendingSet = (): PendingSet => ({ words: new Int32Array(new SharedArrayBuffer((2 + 64 * 2) * 4)) });

const headOf = (signo: number): number => 2 * signo;
const tailOf = (signo: number): number => 2 * signo + 1;
const recordAt = (record: number): number => poolHeader + (record - 1) * recordWords;

export const isPending = (s: PendingSet, signo: number): boolean =>
  (s.words[(signo - 1) >> 5]! & (1 << ((signo - 1) & 31))) !== 0;

function allocate(p: SignalPool): number {
  const w = p.words;
  let record = w[free]!;
  if (record !== 0) w[free] = w[recordAt(record)]!;
  else if (w[fresh]! < poolSize) record = ++w[fresh]!;
  if (record !== 0) w[used]!++;
  return record;
}

function release(p: SignalPool, record: number): void {
  p.words[recordAt(record)] = p.words[free]!;
  p.words[free] = record;
  p.words[used]!--;
}

/** Makes a signal pending. Without `info`, or where no record is left, it is pending all the same, but its siginfo is lost. */
export function enqueue(p: SignalPool, s: PendingSet, signo: number, info: SigInfo | undefined): void {
  s.words[(signo - 1) >> 5]! |= 1 << ((signo - 1) & 31);
  const record = info === undefined ? 0 : allocate(p);
  if (record === 0) return;
  const at = recordAt(record);
  p.words[at] = 0;
  p.words.set(info!, at + 1);
  const tail = s.words[tailOf(signo)]!;
  if (tail === 0) s.words[headOf(signo)] = record;
  else p.words[recordAt(tail)] = record;
  s.words[tailOf(signo)] = record;
}

/** Takes the oldest siginfo of a pending signal, undefined where it was lost. The signal stays pending while more are queued. */
export function dequeue(p: SignalPool, s: PendingSet, signo: number): SigInfo | undefined {
  const record = s.words[headOf(signo)]!;
  let info: SigInfo | undefined;
  if (record !== 0) {
    const at = recordAt(record);
    info = p.words.slice(at + 1, at + recordWords);
    const next = p.words[at]!;
    s.words[headOf(signo)] = next;
    if (next === 0) s.words[tailOf(signo)] = 0;
    release(p, record);
  }
  if (s.words[headOf(signo)] === 0) s.words[(signo - 1) >> 5]! &= ~(1 << ((signo - 1) & 31));
  return info;
}

/** Forgets all that is pending of a signal. */
export function flush(p: SignalPool, s: PendingSet, signo: number): void {
  while (isPending(s, signo)) dequeue(p, s, signo);
}

/** The queued siginfo that `wanted` accepts, as it stands in the queue, so that it can be changed there. */
export function findQueued(
  p: SignalPool,
  s: PendingSet,
  signo: number,
  wanted: (info: SigInfo) => boolean,
): SigInfo | undefined {
  for (let record = s.words[headOf(signo)]!; record !== 0; record = p.words[recordAt(record)]!) {
    const at = recordAt(record) + 1;
    const info = p.words.subarray(at, at + infoWords);
    if (wanted(info)) return info;
  }
  return undefined;
}
