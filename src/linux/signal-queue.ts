// Pending signals in shared memory: a bit set and a first-in-first-out list a signal for each thread and for each
// process as a whole, and one pool of siginfo records that the lists of all processes draw from. Each record counts against
// the user whose process it is queued for. All of it is guarded by the signals lock.
// What a signal means, and whether it may be dropped, is signals.ts's job.
import { type Kernel, sections } from "./kernel.ts";
import { infoWords, type SigInfo } from "./siginfo.ts";

/** Real-time signals that can be queued, which RLIMIT_SIGPENDING may lower for each user. */
export const maxQueued = 32768;
// Standard signals get a record even where the real-time ones have used up theirs.
const poolSize = maxQueued + 8192;
const recordWords = infoWords + 1; // link to the next record, then the siginfo

// Words of a pool before its records: number of records in use, first free record, records ever used, places of users ever
// used; then of each user the id and how many records count against it.
const used = 0;
const free = 1;
const fresh = 2;
const usedPlaces = 3;
const users = 4;
const poolHeader = 1024;
/** Users that are told apart; those beyond are counted together, as the last. A user without a record leaves its place to others. */
const mostUsers = 256;

/** The records. Record 0 stands for none. */
export interface SignalPool {
  readonly words: Int32Array;
  /** A byte a record: the place of the user that it counts against. */
  readonly charged: Uint8Array;
}

const chargedAt = sections.infos + (poolHeader + poolSize * recordWords) * 4;

/** The pool of a kernel. */
export const signalPool = (k: Kernel): SignalPool =>
  (k.pool ??= {
    words: k.i32.subarray(sections.infos / 4, chargedAt / 4),
    charged: k.u8.subarray(chargedAt, chargedAt + poolSize + 1),
  });

const countAt = (place: number): number => users + 2 * place + 1;

/** The place of a user, or where it would be. */
function placeOf({ words: w }: SignalPool, uid: number): number {
  const end = w[usedPlaces]!;
  let vacant = Math.min(end, mostUsers - 1);
  for (let place = end - 1; place >= 0; place--) {
    if (w[countAt(place)] === 0) vacant = place;
    else if (w[users + 2 * place] === uid) return place;
  }
  return vacant;
}

/** Records that count against a user: what RLIMIT_SIGPENDING bounds. */
export const queuedCount = (p: SignalPool, uid: number): number => p.words[countAt(placeOf(p, uid | 0))]!;

/** Whether real-time signals, of whatever user, have used up their records. */
export const isExhausted = (p: SignalPool): boolean => p.words[used]! >= maxQueued;

/** Words 0 and 1: the set. Then a head and a tail record for each signal. */
export interface PendingSet {
  readonly words: Int32Array;
}

export const pendingWords = 2 + 64 * 2;

const headOf = (signo: number): number => 2 * signo;
const tailOf = (signo: number): number => 2 * signo + 1;
const recordAt = (record: number): number => poolHeader + (record - 1) * recordWords;

export const isPending = (s: PendingSet, signo: number): boolean =>
  (s.words[(signo - 1) >> 5]! & (1 << ((signo - 1) & 31))) !== 0;

function allocate(p: SignalPool, uid: number): number {
  const w = p.words;
  let record = w[free]!;
  if (record !== 0) w[free] = w[recordAt(record)]!;
  else if (w[fresh]! < poolSize) record = ++w[fresh]!;
  if (record === 0) return 0;
  const place = placeOf(p, uid | 0);
  w[users + 2 * place] = uid;
  w[usedPlaces] = Math.max(w[usedPlaces]!, Math.min(place + 1, mostUsers - 1));
  w[countAt(place)]!++;
  p.charged[record] = place;
  w[used]!++;
  return record;
}

function release(p: SignalPool, record: number): void {
  p.words[recordAt(record)] = p.words[free]!;
  p.words[free] = record;
  p.words[used]!--;
  p.words[countAt(p.charged[record]!)]!--;
}

/**
 * Makes a signal pending, its siginfo counted against a user. Without `info`, or where no record is left, it is pending all
 * the same, but its siginfo is lost.
 */
export function enqueue(p: SignalPool, s: PendingSet, signo: number, info: SigInfo | undefined, uid: number): void {
  s.words[(signo - 1) >> 5]! |= 1 << ((signo - 1) & 31);
  const record = info === undefined ? 0 : allocate(p, uid);
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

/** Forgets what is queued of a signal by siginfos that `unwanted` accepts. */
export function forgetQueued(p: SignalPool, s: PendingSet, signo: number, unwanted: (info: SigInfo) => boolean): void {
  let kept = 0;
  let dropped = false;
  for (let record = s.words[headOf(signo)]!; record !== 0; ) {
    const at = recordAt(record);
    const next = p.words[at]!;
    if (unwanted(p.words.subarray(at + 1, at + recordWords))) {
      if (kept === 0) s.words[headOf(signo)] = next;
      else p.words[recordAt(kept)] = next;
      release(p, record);
      dropped = true;
    } else kept = record;
    record = next;
  }
  s.words[tailOf(signo)] = kept;
  if (dropped && kept === 0) s.words[(signo - 1) >> 5]! &= ~(1 << ((signo - 1) & 31));
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
