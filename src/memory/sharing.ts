// How the threads that run in one address space agree on its changes. Two things are shared: the layout lock, which
// everybody holds who reads or changes the list of mappings; and who runs guest code, by harts, as readers in the sense of
// read-copy-update: a page-table byte that compiled code has tested is good for it until it is left.
// Who copies all of the memory keeps them out meanwhile: `holdingThreads`.
// Who takes rights away changes the page table, and then waits until every such thread has passed a safepoint: `quiesce`.
// A thread that runs guest code never waits for the layout lock, since its owner may be waiting for that thread.
import { type Mutex, tryLock, unlock, withLock } from "../sync/mutex.ts";
import { attachRcu, goOffline, goOnline, newRcu, noSlot, type Rcu, rcuWords, waitForReaders } from "../sync/rcu.ts";
import { sequenceOf } from "./change-log.ts";
import { type GuestMemory, mostHarts } from "./guest-memory.ts";

// Words that the threads share. The readers' part begins on a cache line of its own.
const Word = { layout: 0, runners: 1, settled: 2, held: 3, readers: 16 } as const;
export const sharingWords = Word.readers + rcuWords(mostHarts);

/** One worker's view. */
export interface Sharing {
  readonly words: Int32Array;
  /** The layout lock. It is the outermost of the address space's locks, and is not taken twice. */
  readonly layout: Mutex;
  readonly readers: Rcu;
  /** The hart that runs guest code in this worker and counts as a reader, or -1. */
  hart: number;
  /** What an access asked for that could not be decided in guest code: page rights at an address. */
  undecided: { readonly addr: number; readonly bits: number } | undefined;
}

const viewsOf = (words: Int32Array): Omit<Sharing, "readers"> => ({
  words,
  layout: { words, index: Word.layout },
  hart: noSlot,
  undecided: undefined,
});

/** For an address space with one thread, in `sharingWords` shared words that are 0. */
export function initSharing(words: Int32Array<SharedArrayBuffer>): void {
  newRcu(mostHarts, words.subarray(Word.readers));
  words[Word.runners] = 1;
  words[Word.held] = 0;
}

export const attachSharing = (words: Int32Array): Sharing => ({
  ...viewsOf(words),
  readers: attachRcu(words.subarray(Word.readers)),
});

/** Another thread will run here. Called by the one that starts it, before that, and not in guest code: it must count as a reader too from now on. */
export const addRunner = ({ words }: Sharing): void => void Atomics.add(words, Word.runners, 1);

/** A thread runs here no more: its own last act, or that of who could not start it. */
export const removeRunner = ({ words }: Sharing): void => void Atomics.sub(words, Word.runners, 1);

/** Whether several threads may run here. */
export const isShared = ({ words }: Sharing): boolean => words[Word.runners]! > 1;

/** The hart is about to run guest code. What others have changed is to be caught up with after this. */
export function enterGuestCode(s: Sharing, hart: number): void {
  if (!isShared(s)) return;
  s.hart = hart;
  goOnline(s.readers, hart);
  // Who holds threads says so first, and looks who is online after.
  while (Atomics.load(s.words, Word.held) !== 0) {
    goOffline(s.readers, hart);
    Atomics.wait(s.words, Word.held, 1);
    goOnline(s.readers, hart);
  }
}

/** Guest code has been left: nothing that was tested there is relied upon. */
export function leaveGuestCode(s: Sharing): void {
  if (s.hart === noSlot) return;
  goOffline(s.readers, s.hart);
  s.hart = noSlot;
}

/**
 * Waits until every thread that ran guest code has left it, or passed a safepoint, since the call: then nobody relies on
 * rights that were taken before, nor executes code that was dropped before. Not called in guest code.
 */
export function quiesce(s: Sharing, m: GuestMemory): void {
  if (!isShared(s)) return;
  const changes = sequenceOf(m.log);
  waitForReaders(s.readers, noSlot);
  Atomics.store(s.words, Word.settled, changes);
}

/** The same, if code was dropped that somebody may execute still. */
export function quiesceCode(s: Sharing, m: GuestMemory): void {
  if (Atomics.load(s.words, Word.settled) !== sequenceOf(m.log)) quiesce(s, m);
}

/**
 * Does something while no thread runs guest code: what is copied then is memory as it was at one moment, or programs would find
 * half of what another thread was about to do, as on Linux they never do. The layout lock is held. Not called in guest code.
 */
export function holdingThreads<T>(s: Sharing, work: () => T): T {
  if (!isShared(s)) return work();
  Atomics.store(s.words, Word.held, 1);
  try {
    waitForReaders(s.readers, noSlot);
    return work();
  } finally {
    Atomics.store(s.words, Word.held, 0);
    Atomics.notify(s.words, Word.held);
  }
}

/** Does something with the layout lock held, which this worker must not have. */
export const withLayout = <T>(s: Sharing, work: () => T): T => withLock(s.layout, work);

/** The same where guest code may be running; undefined, and nothing done, where another has the lock and this thread must not wait. */
export function tryLayout<T>(s: Sharing, work: () => T): T | undefined {
  if (s.hart === noSlot) return withLayout(s, work);
  if (!tryLock(s.layout)) return undefined;
  try {
    return work();
  } finally {
    unlock(s.layout);
  }
}
