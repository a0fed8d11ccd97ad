// A list of words that changes seldom and is read all the time without a lock: an immutable snapshot in shared memory under
// read-copy-update. There are two rooms. The pointer names the one that holds the current snapshot; the other is free,
// except from a publication until the grace period after it.
// A writer may die at any moment: the pointer names a whole snapshot always, and the next writer, after `recover` of the
// lock, waits for the grace period that the dead one did not.
import { lock, type Mutex, newMutex, unlock } from "./mutex.ts";
import { type GraceOptions, goOffline, goOnline, isOnline, noSlot, type Rcu, waitForReaders } from "./rcu.ts";

export interface Snapshots {
  /** Words of `Head`, then the rooms. */
  readonly words: Int32Array;
  /** Most words of a snapshot. */
  readonly capacity: number;
  readonly rcu: Rcu;
  /** Held by the one writer, its wait for readers included. */
  readonly update: Mutex;
}

const Head = {
  /** Index of the current snapshot's first word. */
  current: 0,
  /** 1 while the other room may still be read. */
  unsettled: 1,
  words: 2,
} as const;

// Before the words of a room: how many they are, and how many publications there were.
const lengthBefore = 2;
const versionBefore = 1;
const roomHead = 2;
const firstRoom = Head.words + roomHead;

/** What becomes of words that nobody may read any more: a count that is none, words that are no addresses. */
export const poison = -0x5abdead;

/** Empty, for at most `capacity` words. The host gives it pages as they are used. */
export function newSnapshots(rcu: Rcu, capacity: number): Snapshots {
  const words = new Int32Array(new SharedArrayBuffer((Head.words + 2 * (roomHead + capacity)) * 4));
  words[Head.current] = firstRoom;
  return { words, capacity, rcu, update: newMutex() };
}

/** Index in `words` of the current snapshot's first word. For a thread that is online, good until its next safepoint. */
export const currentOf = (s: Snapshots): number => Atomics.load(s.words, Head.current);
/** How many words the snapshot there has. */
export const lengthOf = (s: Snapshots, at: number): number => s.words[at - lengthBefore]!;
/** How often something had been published when the snapshot there was. Wraps. */
export const versionOf = (s: Snapshots, at: number): number => s.words[at - versionBefore]!;

export interface PublishOptions extends GraceOptions {
  /** Called after the publication, before the wait: to drop what was derived from the old snapshot. */
  readonly published?: () => void;
}

/**
 * Replaces the snapshot by what `change` makes of it (it must not change its argument), one writer after the other. On return no
 * thread reads the old one. False, and nothing changed, where the new one is too long. `own` is the writer's slot,
 * or `noSlot`: it is offline meanwhile, and must hold nothing that it read.
 */
export function publish(
  s: Snapshots,
  own: number,
  change: (old: Int32Array) => ArrayLike<number>,
  o: PublishOptions = {},
): boolean {
  const { words, rcu, update } = s;
  const wasOnline = own !== noSlot && isOnline(rcu, own);
  if (wasOnline) goOffline(rcu, own);
  lock(update);
  try {
    if (words[Head.unsettled] !== 0) settle(s, o);
    const old = words[Head.current]!;
    const changed = change(words.subarray(old, old + lengthOf(s, old)));
    if (changed.length > s.capacity) return false;
    const at = otherRoom(s);
    words.set(changed, at);
    words[at - lengthBefore] = changed.length;
    words[at - versionBefore] = versionOf(s, old) + 1;
    Atomics.store(words, Head.unsettled, 1);
    Atomics.store(words, Head.current, at);
    o.published?.();
    settle(s, o);
    return true;
  } finally {
    unlock(update);
    if (wasOnline) goOnline(rcu, own);
  }
}

const otherRoom = (s: Snapshots): number => 2 * firstRoom + s.capacity + roomHead - s.words[Head.current]!;

/** Waits until the other room is read by nobody, and makes it useless. */
function settle(s: Snapshots, o: GraceOptions): void {
  waitForReaders(s.rcu, noSlot, o);
  const free = otherRoom(s);
  s.words.fill(poison, free - roomHead, free + Math.max(0, lengthOf(s, free)));
  Atomics.store(s.words, Head.unsettled, 0);
}
