// Futexes: words of guest memory that threads compare and sleep on. Whoever is in a queue when a wake comes is taken off
// by it and counted, and answers 0 whatever else woke it meanwhile; who is still there when it wakes up takes itself
// off. So each wake is one thread's, and each thread has one wake.
// The locks that lend their priority are in futex-pi.ts.
import { errno, restart } from "./errno.ts";
import { findKey, type Key, newKey, type Sharing } from "./futex-key.ts";
import {
  bitsOf,
  dequeue,
  enqueue,
  giveWaiters,
  isQueued,
  kindOf,
  lockQueue,
  lockQueueOf,
  lockQueues,
  move,
  nextWaiter,
  queueOf,
  setUpWaiter,
  takeWaiters,
  unlockQueue,
  unlockQueues,
  WaiterKind,
  type Woken,
  waiterOf,
  wakeAll,
  wakeWaiter,
} from "./futex-queue.ts";
import { canRead, canWrite, changeWord, loadWord } from "./futex-word.ts";
import type { Kernel } from "./kernel.ts";
import { type Deadline, park, wakeCount } from "./park.ts";
import type { Task } from "./task.ts";

/** Bits of a wake that takes all waiters, and of a waiter that takes all wakes. */
export const anyBits = -1;

// Of the call that is being made; nothing in them outlives a sleep.
const first = newKey();
const second = newKey();

/** A futex as a call names it: its address, and whether it has the private flag. */
export interface Named {
  readonly addr: number;
  readonly isPrivate: boolean;
}

export const sharingOf = (f: Named, shared: "read" | "write"): Sharing => (f.isPrivate ? "private" : shared);

// ---- waiting

/**
 * Sleeps until a wake, if the word holds `value` (an int32). Answers 0, -EAGAIN where it does not, -ETIMEDOUT, -ERESTARTSYS for
 * a signal, or why there is no such futex.
 */
export function wait(t: Task, f: Named, value: number, bits: number, deadline: Deadline | undefined): number {
  const error = findKey(t, f.addr, sharingOf(f, "read"), first);
  if (error !== 0) return error;
  const w = waiterOf(t.index);
  setUpWaiter(t, w, first, WaiterKind.plain, bits);
  const seen = wakeCount(t);
  const compared = enqueueIf(t, w, first, f.addr, value);
  if (compared !== 0) return compared;
  const result = sleepAs(t, [w], seen, deadline);
  return result < 0 ? result : 0;
}

/** Puts a waiter into the queue of a key if the word holds `value`. Answers 0, or -EAGAIN, or -EFAULT. */
export function enqueueIf(t: Task, w: number, key: Key, addr: number, value: number): number {
  const { memory } = t;
  const { kernel } = t.process;
  const queue = queueOf(key);
  for (;;) {
    const error = canRead(memory, addr);
    if (error !== 0) return error;
    lockQueue(kernel, queue);
    const word = loadWord(memory, addr);
    if (word === value) enqueue(kernel, queue, w);
    unlockQueue(kernel, queue);
    if (word !== undefined) return word === value ? 0 : -errno.EAGAIN;
  }
}

/** Sleeps until one of the waiters has been taken off, of which none is in a queue then. Answers its index, or what `park` does. */
function sleepAs(t: Task, waiters: readonly number[], seen: number, deadline: Deadline | undefined): number {
  const { kernel } = t.process;
  for (let count = seen; ; ) {
    const result = park(t, count, deadline);
    count = wakeCount(t);
    if (result === 0 && waiters.every((w) => isQueued(kernel, w))) continue;
    const index = cancel(kernel, waiters);
    return index < 0 ? result : index;
  }
}

/** Takes waiters off. Answers the index of the last that had been taken off by others, -1 for none. */
function cancel(k: Kernel, waiters: readonly number[]): number {
  let taken = -1;
  waiters.forEach((w, i) => {
    const queue = lockQueueOf(k, w);
    if (queue === 0) taken = i;
    else {
      dequeue(k, w);
      unlockQueue(k, queue);
    }
  });
  return taken;
}

/** What a waiter of futex_waitv says: a futex, and what its word must hold. */
export interface Expected extends Named {
  readonly value: number;
}

/** Sleeps until a wake of one of the futexes, if the words of all hold their values. Answers which, or what `wait` does. */
export function waitForAny(t: Task, futexes: readonly Expected[], deadline: Deadline | undefined): number {
  const { kernel } = t.process;
  const keys = futexes.map(newKey);
  for (const [i, f] of futexes.entries()) {
    const error = findKey(t, f.addr, sharingOf(f, "read"), keys[i]!);
    if (error !== 0) return error;
  }
  const waiters = takeWaiters(kernel, futexes.length);
  if (waiters === undefined) return -errno.ENOMEM;
  const result = waitAs(t, waiters, futexes, keys, deadline);
  giveWaiters(kernel, waiters);
  return result;
}

function waitAs(
  t: Task,
  waiters: readonly number[],
  futexes: readonly Expected[],
  keys: readonly Key[],
  deadline: Deadline | undefined,
): number {
  const seen = wakeCount(t);
  for (const [i, { addr, value }] of futexes.entries()) {
    const w = waiters[i]!;
    setUpWaiter(t, w, keys[i]!, WaiterKind.plain, anyBits);
    const compared = enqueueIf(t, w, keys[i]!, addr, value);
    if (compared === 0) continue;
    const index = cancel(t.process.kernel, waiters.slice(0, i));
    return index < 0 ? compared : index;
  }
  return sleepAs(t, waiters, seen, deadline);
}

// ---- waking

/** Wakes at most `count` waiters (at least 1, as in Linux) that have one of the bits. Answers how many, or why it cannot. */
export function wake(t: Task, f: Named, count: number, bits: number): number {
  const error = findKey(t, f.addr, sharingOf(f, "read"), first);
  if (error !== 0) return error;
  const { kernel } = t.process;
  const queue = queueOf(first);
  const woken: Woken = [];
  lockQueue(kernel, queue);
  const result = takeOff(kernel, queue, first, count, bits, woken);
  unlockQueue(kernel, queue);
  wakeAll(kernel, woken);
  return result;
}

/** Takes waiters off a queue that is locked. Answers how many, or -EINVAL where one waits for a lock. */
function takeOff(k: Kernel, queue: number, key: Key, count: number, bits: number, woken: Woken): number {
  let taken = 0;
  for (let w = nextWaiter(k, queue, key); w !== 0; ) {
    if (kindOf(k, w) !== WaiterKind.plain) return -errno.EINVAL;
    const next = nextWaiter(k, queue, key, w);
    if ((bitsOf(k, w) & bits) !== 0) {
      wakeWaiter(k, w, woken);
      if (++taken >= count) break;
    }
    w = next;
  }
  return taken;
}

/**
 * Wakes `wakes` waiters of one futex and moves `moves` others to another; where `expected` is not undefined, only if the
 * first one's word holds it, else -EAGAIN. Answers how many of both.
 */
export function requeue(
  t: Task,
  from: Named,
  to: Named,
  wakes: number,
  moves: number,
  expected: number | undefined,
): number {
  const { kernel, memory } = t.process;
  const error =
    findKey(t, from.addr, sharingOf(from, "read"), first) || findKey(t, to.addr, sharingOf(to, "read"), second);
  if (error !== 0) return error;
  const [source, target] = [queueOf(first), queueOf(second)];
  for (;;) {
    const unreadable = expected === undefined ? 0 : canRead(memory, from.addr);
    if (unreadable !== 0) return unreadable;
    const woken: Woken = [];
    lockQueues(kernel, source, target);
    const word = expected === undefined ? 0 : loadWord(memory, from.addr);
    const matches = expected === undefined || word === expected;
    const result = matches ? takeAndMove(kernel, source, target, wakes, moves, woken) : -errno.EAGAIN;
    unlockQueues(kernel, source, target);
    wakeAll(kernel, woken);
    if (word !== undefined) return result;
  }
}

function takeAndMove(k: Kernel, source: number, target: number, wakes: number, moves: number, woken: Woken): number {
  let count = 0;
  for (let w = nextWaiter(k, source, first); w !== 0 && count - wakes < moves; ) {
    if (kindOf(k, w) !== WaiterKind.plain) return -errno.EINVAL;
    const next = nextWaiter(k, source, first, w);
    if (count++ < wakes) wakeWaiter(k, w, woken);
    else move(k, w, target, second);
    w = next;
  }
  return count;
}

/**
 * Changes the second futex's word, wakes `count` waiters of the first one, and `more` of the second if `decide` says so of the
 * old word (undefined: -ENOSYS, and nobody is woken). Answers how many.
 */
export function wakeAndChange(
  t: Task,
  from: Named,
  to: Named,
  count: number,
  more: number,
  change: ((old: number) => number) | undefined,
  decide: (old: number) => boolean | undefined,
): number {
  const { kernel, memory } = t.process;
  const error =
    findKey(t, from.addr, sharingOf(from, "read"), first) || findKey(t, to.addr, sharingOf(to, "write"), second);
  if (error !== 0) return error;
  if (change === undefined) return -errno.ENOSYS;
  const [source, target] = [queueOf(first), queueOf(second)];
  for (;;) {
    const unwritable = canWrite(memory, to.addr);
    if (unwritable !== 0) return unwritable;
    const woken: Woken = [];
    lockQueues(kernel, source, target);
    const old = changeWord(memory, to.addr, change);
    const also = old === undefined ? undefined : decide(old);
    let result = -errno.ENOSYS;
    if (also !== undefined) {
      result = takeOff(kernel, source, first, count, anyBits, woken);
      if (also && result >= 0) {
        const others = takeOff(kernel, target, second, more, anyBits, woken);
        result = others < 0 ? others : result + others;
      }
    }
    unlockQueues(kernel, source, target);
    wakeAll(kernel, woken);
    if (old !== undefined) return result;
  }
}

/** Whether a result of `wait` says that a signal came. */
export const isInterrupted = (result: number): boolean => result === -restart.ERESTARTSYS;
