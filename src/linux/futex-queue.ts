// Who sleeps on which futex, in the kernel's buffer: queues with a lock each, by the hash of a key, and in them waiters in
// the order in which they came. Each thread has a waiter of its own in its record; who waits for several futexes at
// once takes more from a pool. A waiter is named by the word of the buffer at which it begins.
// A waiter that is in a queue belongs to who holds the queue's lock; one that is not, to its thread: taking it off is the last
// that anybody else does with it. Locks of queues go by ascending place, and the owners lock comes after them.
import { lock, type Mutex, unlock } from "../sync/mutex.ts";
import { type Key, keyWords } from "./futex-key.ts";
import { Header, type Kernel, sections } from "./kernel.ts";
import { wakeTask } from "./park.ts";
import { wordOf } from "./records.ts";
import type { Task } from "./task.ts";
import { TaskField, taskTable } from "./tasks.ts";

/** Words of a waiter. */
const Field = {
  /** In its queue: a waiter, or 0. In the list of free waiters: the next. */
  next: 0,
  previous: 1,
  /** The queue that it is in, 0 for none. */
  queue: 2,
  key: 3,
  /** Which wakes it takes. */
  bits: 9,
  /** Index of its thread's record. */
  task: 10,
  /** See `WaiterKind`. */
  kind: 11,
  /** Index + 1 of the thread that has the lock it waits for; of its own, where it was given the lock and has to say so. */
  owner: 12,
  /** The key of the lock to which it is to be moved. */
  target: 13,
} as const;
export const waiterWords = 19;

/** What a waiter waits for. */
export const WaiterKind = {
  /** A wake. */
  plain: 0,
  /** A priority-inheriting lock. */
  lock: 1,
  /** To be moved to such a lock. */
  mover: 2,
} as const;

/** Words of a queue. */
const Queue = { lock: 0, head: 1, tail: 2, words: 16 } as const;
const queues = 1024;

const poolStride = 20;
const mostPooled = 13_000;

// ---- queues

/** The queue of a key: the word of the buffer at which it begins. */
export function queueOf(key: Key): number {
  let h = 0;
  for (let i = 0; i < keyWords; i++) {
    h = Math.imul(h ^ key[i]!, 0x9e3779b1);
    h ^= h >>> 15;
  }
  return sections.buckets / 4 + (h & (queues - 1)) * Queue.words;
}

const mutexAt = (k: Kernel, word: number): Mutex => ({ words: k.i32, index: word });

export const lockQueue = (k: Kernel, queue: number): void => lock(mutexAt(k, queue + Queue.lock));
export const unlockQueue = (k: Kernel, queue: number): void => unlock(mutexAt(k, queue + Queue.lock));

/** Locks two queues, which may be one. */
export function lockQueues(k: Kernel, a: number, b: number): void {
  lockQueue(k, Math.min(a, b));
  if (a !== b) lockQueue(k, Math.max(a, b));
}

export function unlockQueues(k: Kernel, a: number, b: number): void {
  unlockQueue(k, a);
  if (a !== b) unlockQueue(k, b);
}

/** Puts a waiter that is in none at the end of a queue, whose lock is held. */
export function enqueue(k: Kernel, queue: number, w: number): void {
  const { i32 } = k;
  const last = i32[queue + Queue.tail]!;
  i32[w + Field.next] = 0;
  i32[w + Field.previous] = last;
  i32[last === 0 ? queue + Queue.head : last + Field.next] = w;
  i32[queue + Queue.tail] = w;
  Atomics.store(i32, w + Field.queue, queue);
}

/** Takes a waiter off its queue, whose lock is held. */
export function dequeue(k: Kernel, w: number): void {
  unlink(k, w);
  Atomics.store(k.i32, w + Field.queue, 0);
}

function unlink({ i32 }: Kernel, w: number): void {
  const queue = i32[w + Field.queue]!;
  const next = i32[w + Field.next]!;
  const previous = i32[w + Field.previous]!;
  i32[previous === 0 ? queue + Queue.head : previous + Field.next] = next;
  i32[next === 0 ? queue + Queue.tail : next + Field.previous] = previous;
}

/** Gives a waiter another key, and the end of that one's queue, if it is another. The locks of both are held. */
export function move(k: Kernel, w: number, queue: number, key: Key): void {
  k.i32.set(key, w + Field.key);
  if (k.i32[w + Field.queue] === queue) return;
  unlink(k, w);
  enqueue(k, queue, w);
}

/** The first waiter of a queue that has that key, behind `after` if that is not 0; 0 for none. The queue's lock is held. */
export function nextWaiter({ i32 }: Kernel, queue: number, key: Key, after = 0): number {
  let w = i32[after === 0 ? queue + Queue.head : after + Field.next]!;
  while (w !== 0 && !hasWords(i32, w + Field.key, key)) w = i32[w + Field.next]!;
  return w;
}

function hasWords(i32: Int32Array, at: number, key: Key): boolean {
  for (let i = 0; i < keyWords; i++) if (i32[at + i] !== key[i]) return false;
  return true;
}

/** Locks the queue that a waiter is in, and answers it; 0, and nothing is locked, where it is in none. */
export function lockQueueOf(k: Kernel, w: number): number {
  for (;;) {
    const queue = Atomics.load(k.i32, w + Field.queue);
    if (queue === 0) return 0;
    lockQueue(k, queue);
    if (Atomics.load(k.i32, w + Field.queue) === queue) return queue;
    unlockQueue(k, queue);
  }
}

// ---- waiters

/** The waiter of a thread of its own. */
export const waiterOf = (task: number): number => wordOf(taskTable, task) + TaskField.waiter;

export const isQueued = (k: Kernel, w: number): boolean => Atomics.load(k.i32, w + Field.queue) !== 0;
export const taskOf = (k: Kernel, w: number): number => k.i32[w + Field.task]!;
export const kindOf = (k: Kernel, w: number): number => k.i32[w + Field.kind]!;
/** What `setUpWaiter` was told; the key changes when others move the waiter. */
export const bitsOf = (k: Kernel, w: number): number => k.i32[w + Field.bits]!;
export const waiterKey = (k: Kernel, w: number): Key => k.i32.subarray(w + Field.key, w + Field.key + keyWords);
export const hasTarget = (k: Kernel, w: number, key: Key): boolean => hasWords(k.i32, w + Field.target, key);

/** Whose lock it waits for: see `Field.owner`. Changed with the owners lock held, 0 but for waiters of `WaiterKind.lock`. */
export const ownerOf = (k: Kernel, w: number): number => Atomics.load(k.i32, w + Field.owner);

export function setOwner(k: Kernel, w: number, owner: number): void {
  Atomics.store(k.i32, w + Field.owner, owner);
}

export function setKind(k: Kernel, w: number, kind: number): void {
  k.i32[w + Field.kind] = kind;
}

/** Does something with the owners lock held. */
export function withOwners<T>(k: Kernel, work: () => T): T {
  const mutex = mutexAt(k, Header.ownersLock);
  lock(mutex);
  try {
    return work();
  } finally {
    unlock(mutex);
  }
}

/** Says what a waiter of the thread that is in no queue waits for. */
export function setUpWaiter(t: Task, w: number, key: Key, kind: number, bits: number, target?: Key): void {
  const { i32 } = t.process.kernel;
  i32.set(key, w + Field.key);
  i32[w + Field.bits] = bits;
  i32[w + Field.task] = t.index;
  i32[w + Field.kind] = kind;
  i32[w + Field.owner] = 0;
  if (target !== undefined) i32.set(target, w + Field.target);
}

/** Takes so many waiters from the pool. Undefined where it has not as many. */
export function takeWaiters(k: Kernel, count: number): readonly number[] | undefined {
  const taken: number[] = [];
  const mutex = mutexAt(k, Header.waitersLock);
  lock(mutex);
  while (taken.length < count) {
    const w = takeWaiter(k);
    if (w === 0) break;
    taken.push(w);
  }
  unlock(mutex);
  if (taken.length === count) return taken;
  giveWaiters(k, taken);
  return undefined;
}

function takeWaiter({ i32 }: Kernel): number {
  const free = i32[Header.freeWaiter]!;
  if (free !== 0) {
    i32[Header.freeWaiter] = i32[free + Field.next]!;
    return free;
  }
  const used = i32[Header.usedWaiters]!;
  if (used === mostPooled) return 0;
  i32[Header.usedWaiters] = used + 1;
  return sections.waiters / 4 + used * poolStride;
}

/** Gives waiters back that are in no queue. */
export function giveWaiters(k: Kernel, waiters: readonly number[]): void {
  const mutex = mutexAt(k, Header.waitersLock);
  lock(mutex);
  for (const w of waiters) {
    k.i32[w + Field.next] = k.i32[Header.freeWaiter]!;
    k.i32[Header.freeWaiter] = w;
  }
  unlock(mutex);
}

// ---- waking

/** Threads to wake when no queue is locked any more. */
export type Woken = number[];

/** Takes a waiter off its queue, whose lock is held: its thread has been woken. */
export function wakeWaiter(k: Kernel, w: number, woken: Woken): void {
  woken.push(taskOf(k, w));
  dequeue(k, w);
}

/** Lets those that were woken run. */
export function wakeAll(k: Kernel, woken: Woken): void {
  for (const task of woken) wakeTask(k, task);
}
