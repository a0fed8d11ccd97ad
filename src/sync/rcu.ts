// Read-copy-update by quiescent states. Readers are threads that run: each has a slot, in which it notes at its safepoints
// the epoch that it has seen. What a reader found through a published pointer is good until its next safepoint. A writer
// publishes, begins an epoch, and waits until every thread has seen it: then nobody knows the old things any more. A
// thread that sleeps, is parked or does not exist is offline, which counts as having seen all.
// That costs one atomic load at a safepoint, 5 ns, and 11 for a sleep; a wait for 512 slots of which none is online 1.5 us.
import { cacheLine } from "./struct.ts";

// Words before the slots: the epoch, odd and never 0; how often somebody passed while a writer waited, and at which count one is
// woken; how many writers wait. What is written at different times is on cache lines of its own.
const line = cacheLine / 4;
const epochWord = 0;
const passedWord = line;
const wakeWord = line + 1;
const waitingWord = 2 * line;
const slotWords = 3 * line;

/** Shared by readers and writers. The word of a slot is the epoch that its thread saw last, 0 while it is offline. */
export interface Rcu {
  readonly words: Int32Array;
  readonly slots: number;
}

/** How many words there are for so many slots. */
export const rcuWords = (slots: number): number => slotWords + slots * line;

/** With that many slots, all offline; in shared words that are given, all 0, the first on a cache line of its own, or in new ones. */
export function newRcu(
  slots: number,
  words = new Int32Array(new SharedArrayBuffer(rcuWords(slots) * Int32Array.BYTES_PER_ELEMENT)),
): Rcu {
  words[epochWord] = 1;
  return { words, slots };
}

/** The one whose words these are. */
export const attachRcu = (words: Int32Array): Rcu => ({ words, slots: Math.floor((words.length - slotWords) / line) });

const wordOf = (slot: number): number => slotWords + slot * line;

/** The thread of a slot runs from now on. It reads published pointers only after this. */
export function goOnline(r: Rcu, slot: number): void {
  Atomics.store(r.words, wordOf(slot), Atomics.load(r.words, epochWord));
}

/**
 * The thread of a slot holds nothing that it read, and will not before it is online again: before every sleep, before a
 * lock whose owner may wait for readers, and at its end. For a thread that died somebody else says it.
 */
export const goOffline = (r: Rcu, slot: number): void => note(r, slot, 0);

/** A safepoint: the thread of a slot holds nothing that it read before. */
export function passSafepoint(r: Rcu, slot: number): void {
  const epoch = Atomics.load(r.words, epochWord);
  if (r.words[wordOf(slot)] !== epoch) note(r, slot, epoch);
}

function note(r: Rcu, slot: number, epoch: number): void {
  Atomics.store(r.words, wordOf(slot), epoch);
  // Not before the store: a writer says that it waits, and looks at the slots after.
  if (Atomics.load(r.words, waitingWord) !== 0) {
    const passed = (Atomics.add(r.words, passedWord, 1) + 1) | 0;
    if (((passed - Atomics.load(r.words, wakeWord)) | 0) >= 0) Atomics.notify(r.words, passedWord);
  }
}

export const isOnline = (r: Rcu, slot: number): boolean => Atomics.load(r.words, wordOf(slot)) !== 0;

/** Whose passing a writer waits for, and how it asks for that. */
export interface GraceOptions {
  /** Leaves threads out: those that cannot have read what was changed. All slots count without it. */
  readonly among?: (slot: number) => boolean;
  /** Told of each slot whose thread has to pass a safepoint yet, so that it can be made to do so soon. */
  readonly ask?: (slot: number) => void;
}

/** The slot of a writer that reads nothing. */
export const noSlot = -1;

/**
 * Waits for a grace period: on return every thread has passed a safepoint, or slept, since the call. `own` is the caller's slot
 * if it has one: it counts as quiescent, so it must hold nothing that it read. Several may wait at once.
 */
export function waitForReaders(r: Rcu, own: number, o: GraceOptions = {}): void {
  const { words } = r;
  const wasOnline = own !== noSlot && isOnline(r, own);
  // Else two that wait at once would wait for each other.
  if (wasOnline) goOffline(r, own);
  // One that dies here leaves the count too high: readers then notify for nobody.
  Atomics.add(words, waitingWord, 1);
  const epoch = (Atomics.add(words, epochWord, 2) + 2) | 0;
  const isBehind = (slot: number): boolean => {
    const seen = Atomics.load(words, wordOf(slot));
    // By the difference: epochs wrap.
    return seen !== 0 && ((seen - epoch) | 0) < 0;
  };
  let behind: number[] = [];
  for (let slot = 0; slot < r.slots; slot++) {
    if (!isBehind(slot) || o.among?.(slot) === false) continue;
    behind.push(slot);
    o.ask?.(slot);
  }
  for (;;) {
    const passed = Atomics.load(words, passedWord);
    behind = behind.filter(isBehind);
    if (behind.length === 0) break;
    // Each of them passes once at least: a wake-up before that would be for nothing, and keep one of them from its processor. Where several
    // writers wait each of them looks whenever somebody passes.
    const isAlone = Atomics.load(words, waitingWord) === 1;
    Atomics.store(words, wakeWord, (passed + (isAlone ? behind.length : 1)) | 0);
    Atomics.wait(words, passedWord, passed);
  }
  Atomics.sub(words, waitingWord, 1);
  if (wasOnline) goOnline(r, own);
}
