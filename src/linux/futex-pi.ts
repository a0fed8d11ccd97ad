// Locks whose word says who has them: FUTEX_LOCK_PI and its like. The word holds the owner's id, and a bit while others may
// wait in the kernel; an unlock then hands the lock to the first of them, in the order in which they came. Priorities
// are not lent: guest threads are scheduled by the host, which knows nothing of the lock.
// Each thread that waits says in its waiter whose lock it waits for, all of one lock the same; so a circle of them is found
// before it closes. Where an owner dies, who is next is told that the lock is its own, and writes that into the word itself,
// since the dead one's address space may be another.
import type { GuestMemory } from "../memory/guest-memory.ts";
import { errno, restart } from "./errno.ts";
import { enqueueIf, type Named, sharingOf } from "./futex.ts";
import { findKey, type Key, newKey } from "./futex-key.ts";
import {
  dequeue,
  enqueue,
  hasTarget,
  isQueued,
  kindOf,
  lockQueue,
  lockQueueOf,
  lockQueues,
  move,
  nextWaiter,
  ownerOf,
  queueOf,
  setKind,
  setOwner,
  setUpWaiter,
  taskOf,
  unlockQueue,
  unlockQueues,
  WaiterKind,
  type Woken,
  waiterKey,
  waiterOf,
  wakeAll,
  wakeWaiter,
  withOwners,
} from "./futex-queue.ts";
import { canRead, canWrite, changeWord, loadWord } from "./futex-word.ts";
import { Header, type Kernel } from "./kernel.ts";
import { type Deadline, park, wakeCount } from "./park.ts";
import type { Task } from "./task.ts";
import { findTask, TaskField, taskAt } from "./tasks.ts";

/** Bits of the word of such a lock, and of a robust one. */
export const LockWord = { tid: 0x3fffffff, ownerDied: 0x40000000, waiters: 0x80000000 | 0 } as const;

/** A bit of `TaskField.flags`: the thread owns no lock any more, and gets none. */
const givenUp = 1;

// Of the call that is being made; nothing in them outlives a sleep.
const first = newKey();
const second = newKey();

const tidOf = (k: Kernel, task: number): number => taskAt(k, task).i32[TaskField.tid]!;

/** Whom a thread has to wait for: the owner's index + 1, its id as it stands in the word, and whether others wait already. */
interface Wait {
  readonly owner: number;
  readonly tid: number;
  readonly others: boolean;
}

/** What an attempt to take a lock came to: 0 where it is the thread's, or an error. */
type Attempt = Wait | number;

/**
 * Tries to take the lock of a key for a thread, with its queue locked. Answers 0 where it is that thread's now; its owner;
 * -EDEADLK where the thread has it already, -ESRCH where its owner is no thread that could release it, -EINVAL where others wait
 * otherwise. Undefined where the word cannot be changed any more, or its owner left it meanwhile: it is to be tried again.
 */
function attempt(t: Task, task: number, addr: number, key: Key, marksWaiters: boolean): Attempt | undefined {
  const { kernel, memory } = t.process;
  const tid = tidOf(kernel, task);
  const top = nextWaiter(kernel, queueOf(key), key);
  const wrongWaiter = top !== 0 && kindOf(kernel, top) !== WaiterKind.lock;
  const mark = marksWaiters ? LockWord.waiters : 0;
  const old = changeWord(memory, addr, (word) => {
    const owner = word & LockWord.tid;
    if (owner === tid || wrongWaiter) return word;
    return owner === 0 && top === 0 ? (word & LockWord.ownerDied) | tid | mark : word | LockWord.waiters;
  });
  if (old === undefined) return undefined;
  const owner = old & LockWord.tid;
  if (owner === tid) return -errno.EDEADLK;
  if (wrongWaiter) return -errno.EINVAL;
  if (top !== 0) return ownerInQueue(kernel, top, owner);
  if (owner === 0) return 0;
  const found = findTask(kernel, owner);
  if (found !== undefined) return { owner: found + 1, tid: owner, others: false };
  return stillNames(memory, addr, owner) ? -errno.ESRCH : undefined;
}

/** Whether the word names that owner. One that ended has marked its locks before nobody could find it. */
const stillNames = (m: GuestMemory, addr: number, tid: number): boolean =>
  ((loadWord(m, addr) ?? 0) & LockWord.tid) === tid;

/** Whose lock those wait for of whom `top` is the first; -EINVAL where the word names a third. */
function ownerInQueue(k: Kernel, top: number, tid: number): Attempt {
  const owner = ownerOf(k, top);
  const isGiven = owner === taskOf(k, top) + 1;
  return isGiven || tid === 0 || tid === tidOf(k, owner - 1) ? { owner, tid, others: true } : -errno.EINVAL;
}

/**
 * Makes known whom a waiter of the lock at `addr` waits for. -EDEADLK where that would close a circle, -ESRCH where the owner
 * ends and leaves the lock to nobody; undefined where it is about to leave it.
 */
function waitFor(t: Task, w: number, addr: number, { owner, tid, others }: Wait): number | undefined {
  const { kernel, memory } = t.process;
  const result = withOwners(kernel, () => {
    if (taskAt(kernel, owner - 1).i32[TaskField.flags]! & givenUp) return -errno.ESRCH;
    if (closesCircle(kernel, taskOf(kernel, w) + 1, owner)) return -errno.EDEADLK;
    setOwner(kernel, w, owner);
    return 0;
  });
  if (others) return result === -errno.ESRCH ? undefined : result;
  // One that ends marks the word first, and looks then for who waits for it.
  if (result === -errno.EDEADLK || stillNames(memory, addr, tid)) return result;
  withOwners(kernel, () => setOwner(kernel, w, 0));
  return undefined;
}

/** Linux follows no longer chain either. */
const longestChain = 1024;

function closesCircle(k: Kernel, waiting: number, owner: number): boolean {
  let at = owner;
  for (let i = 0; i < longestChain; i++) {
    if (at === waiting) return true;
    const next = ownerOf(k, waiterOf(at - 1));
    if (next === 0 || next === at) return false;
    at = next;
  }
  return true;
}

/** Has `w`, and all who wait for its lock behind it, wait for a new owner (index + 1) from now on. Their queue is locked. */
function setOwnerFrom(k: Kernel, queue: number, key: Key, w: number, owner: number): void {
  withOwners(k, () => {
    for (let at = w; at !== 0; at = nextWaiter(k, queue, key, at)) setOwner(k, at, owner);
  });
}

/** Puts a waiter into a queue that is locked, if it may wait for that owner. */
function joinQueue(t: Task, queue: number, w: number, addr: number, whom: Wait): number | undefined {
  const { kernel } = t.process;
  // Before it has an owner: who sees that one looks for it there.
  enqueue(kernel, queue, w);
  const result = waitFor(t, w, addr, whom);
  if (result !== 0) dequeue(kernel, w);
  return result;
}

/** Takes a waiter off a queue that is locked. */
function leave(k: Kernel, w: number): void {
  withOwners(k, () => setOwner(k, w, 0));
  dequeue(k, w);
}

// ---- locking

/**
 * Takes a lock, and sleeps until it has it, or the deadline; for "try" it does not sleep. Answers 0, -ETIMEDOUT, -ERESTARTNOINTR
 * for a signal, -EAGAIN, or what `attempt` does.
 */
export function lockPi(t: Task, f: Named, deadline: Deadline | undefined | "try"): number {
  const error = findKey(t, f.addr, sharingOf(f, "write"), first);
  if (error !== 0) return error;
  const { kernel } = t.process;
  const w = waiterOf(t.index);
  const queue = queueOf(first);
  setUpWaiter(t, w, first, WaiterKind.lock, 0);
  const seen = wakeCount(t);
  for (;;) {
    const unwritable = canWrite(t.memory, f.addr);
    if (unwritable !== 0) return unwritable;
    lockQueue(kernel, queue);
    const tried = attempt(t, t.index, f.addr, first, false);
    let result: number | undefined;
    if (typeof tried !== "object") result = tried;
    else if (deadline === "try") result = -errno.EAGAIN;
    else result = joinQueue(t, queue, w, f.addr, tried);
    unlockQueue(kernel, queue);
    if (result === undefined) continue;
    if (result !== 0 || tried === 0 || deadline === "try") return result;
    return sleepForLock(t, w, f.addr, seen, deadline, -restart.ERESTARTNOINTR);
  }
}

/** Sleeps until the lock at `addr` is the thread's. `interrupted` is what a signal answers. */
function sleepForLock(
  t: Task,
  w: number,
  addr: number,
  seen: number,
  deadline: Deadline | undefined,
  interrupted: number,
): number {
  const { kernel } = t.process;
  for (let count = seen; ; ) {
    const result = park(t, count, deadline);
    count = wakeCount(t);
    if (!isQueued(kernel, w)) return 0;
    if (ownerOf(kernel, w) === t.index + 1) return acceptLock(t, w, addr);
    if (result === 0) continue;
    const queue = lockQueueOf(kernel, w);
    if (queue === 0) return 0;
    const isMover = kindOf(kernel, w) === WaiterKind.mover;
    const isGiven = ownerOf(kernel, w) === t.index + 1;
    if (!isGiven) leave(kernel, w);
    unlockQueue(kernel, queue);
    if (isGiven) continue;
    if (result === -errno.ETIMEDOUT) return result;
    return isMover ? -restart.ERESTARTNOINTR : interrupted;
  }
}

/** Writes into the word that the lock is the thread's, to whom its last owner left it. */
function acceptLock(t: Task, w: number, addr: number): number {
  const { kernel, memory } = t.process;
  for (;;) {
    const unwritable = canWrite(memory, addr);
    const queue = lockQueueOf(kernel, w);
    const mine = LockWord.waiters | LockWord.ownerDied | t.tid;
    const word = unwritable === 0 ? changeWord(memory, addr, () => mine) : undefined;
    if (word !== undefined || unwritable !== 0) leave(kernel, w);
    const heir = unwritable !== 0 ? bequeath(kernel, queue, waiterKey(kernel, w)) : undefined;
    unlockQueue(kernel, queue);
    if (heir !== undefined) wakeAll(kernel, [heir]);
    if (word !== undefined || unwritable !== 0) return unwritable;
  }
}

/** Gives a lock whose queue is locked to the first that waits for it, which has to say so. Answers whom to wake. */
function bequeath(k: Kernel, queue: number, key: Key): number | undefined {
  const top = nextWaiter(k, queue, key);
  if (top === 0) return undefined;
  setOwnerFrom(k, queue, key, top, taskOf(k, top) + 1);
  return taskOf(k, top);
}

// ---- unlocking

/** Releases a lock, to the first that waits for it. Answers 0, -EPERM where somebody else has it, -EFAULT, -EINVAL. */
export function unlockPi(t: Task, f: Named): number {
  const { kernel, memory } = t.process;
  for (;;) {
    if (f.addr % 4 !== 0) return -errno.EINVAL;
    const unreadable = canRead(memory, f.addr);
    if (unreadable !== 0) return unreadable;
    const before = loadWord(memory, f.addr);
    if (before === undefined) continue;
    if ((before & LockWord.tid) !== t.tid) return -errno.EPERM;
    const error = findKey(t, f.addr, sharingOf(f, "write"), first) || canWrite(memory, f.addr);
    if (error !== 0) return error;
    const queue = queueOf(first);
    const woken: Woken = [];
    lockQueue(kernel, queue);
    const result = handOver(t, f.addr, queue, woken);
    unlockQueue(kernel, queue);
    wakeAll(kernel, woken);
    if (result !== undefined) return result;
  }
}

/** Does that with the queue locked. Undefined where the word cannot be changed any more, or is another's. */
function handOver(t: Task, addr: number, queue: number, woken: Woken): number | undefined {
  const { kernel, memory } = t.process;
  const top = nextWaiter(kernel, queue, first);
  if (top !== 0 && (kindOf(kernel, top) !== WaiterKind.lock || ownerOf(kernel, top) !== t.index + 1))
    return -errno.EINVAL;
  const next = top === 0 ? 0 : LockWord.waiters | tidOf(kernel, taskOf(kernel, top));
  const old = changeWord(memory, addr, (word) => ((word & LockWord.tid) === t.tid ? next : word));
  if (old === undefined || (old & LockWord.tid) !== t.tid) return undefined;
  if (top !== 0) {
    // Never its own: that would tell it to say so.
    const behind = nextWaiter(kernel, queue, first, top);
    setOwnerFrom(kernel, queue, first, behind, taskOf(kernel, top) + 1);
    withOwners(kernel, () => setOwner(kernel, top, 0));
    wakeWaiter(kernel, top, woken);
  }
  return 0;
}

/**
 * Leaves the locks of a thread that ends, or gives up its memory, to who waits for them. From then on nobody waits for it.
 */
export function leaveLocks(t: Task): void {
  const { kernel } = t.process;
  withOwners(kernel, () => {
    t.record.i32[TaskField.flags]! |= givenUp;
  });
  const used = Atomics.load(kernel.i32, Header.usedTasks);
  for (let task = 0; task < used; task++) {
    const w = waiterOf(task);
    if (ownerOf(kernel, w) !== t.index + 1 || task === t.index) continue;
    const queue = lockQueueOf(kernel, w);
    if (queue === 0) continue;
    const heir = ownerOf(kernel, w) === t.index + 1 ? bequeath(kernel, queue, waiterKey(kernel, w)) : undefined;
    unlockQueue(kernel, queue);
    if (heir !== undefined) wakeAll(kernel, [heir]);
  }
}

/** Lets a thread that has left its locks, and goes on with another program, have locks again. */
export function resumeLocks(t: Task): void {
  withOwners(t.process.kernel, () => {
    t.record.i32[TaskField.flags]! &= ~givenUp;
  });
}

// ---- moving to a lock

/**
 * Sleeps on a futex whose word holds `value` until it is moved to the lock `to` and that is the thread's. Answers 0; -ETIMEDOUT;
 * for a signal -ERESTARTNOINTR, or -EAGAIN where it had been moved; or what `wait` does.
 */
export function waitForLock(
  t: Task,
  from: Named,
  to: Named,
  value: number,
  bits: number,
  deadline: Deadline | undefined,
): number {
  const error =
    findKey(t, to.addr, sharingOf(to, "write"), second) || findKey(t, from.addr, sharingOf(from, "read"), first);
  if (error !== 0) return error;
  const w = waiterOf(t.index);
  setUpWaiter(t, w, first, WaiterKind.mover, bits, second);
  const seen = wakeCount(t);
  const compared = enqueueIf(t, w, first, from.addr, value);
  return compared !== 0 ? compared : sleepForLock(t, w, to.addr, seen, deadline, -errno.EAGAIN);
}

/**
 * Gives the lock `to` to the first that waits for that on `from`, or moves it there; and moves at most `moves` others. The word
 * of `from` must hold `expected`, else -EAGAIN. Answers how many it gave or moved.
 */
export function moveToLock(t: Task, from: Named, to: Named, moves: number, expected: number): number {
  const { kernel, memory } = t.process;
  const error =
    findKey(t, from.addr, sharingOf(from, "read"), first) || findKey(t, to.addr, sharingOf(to, "write"), second);
  if (error !== 0) return error;
  const [source, target] = [queueOf(first), queueOf(second)];
  let done = 0;
  for (;;) {
    const unusable = canRead(memory, from.addr) || canWrite(memory, to.addr);
    if (unusable !== 0) return unusable;
    const woken: Woken = [];
    lockQueues(kernel, source, target);
    const word = loadWord(memory, from.addr);
    // Where it begins again it goes on with what it began.
    const goes = word === expected || done > 0;
    let result: number | undefined = goes ? 0 : word === undefined ? undefined : -errno.EAGAIN;
    for (let w = goes ? nextWaiter(kernel, source, first) : 0; w !== 0 && done <= moves; ) {
      const next = nextWaiter(kernel, source, first, w);
      const moved = moveOne(t, w, to.addr, target, moves > 0, woken);
      if (moved !== 0) {
        result = moved;
        break;
      }
      done++;
      w = next;
    }
    unlockQueues(kernel, source, target);
    wakeAll(kernel, woken);
    if (result !== undefined) return result === 0 ? done : result;
  }
}

/** Does that for one waiter, with both queues locked. Answers 0, or an error, or undefined where it is to be tried again. */
function moveOne(
  t: Task,
  w: number,
  addr: number,
  target: number,
  marksWaiters: boolean,
  woken: Woken,
): number | undefined {
  const { kernel } = t.process;
  if (kindOf(kernel, w) !== WaiterKind.mover || !hasTarget(kernel, w, second)) return -errno.EINVAL;
  const tried = attempt(t, taskOf(kernel, w), addr, second, marksWaiters);
  if (tried === 0) wakeWaiter(kernel, w, woken);
  if (typeof tried !== "object") return tried;
  const result = waitFor(t, w, addr, tried);
  if (result !== 0) return result;
  setKind(kernel, w, WaiterKind.lock);
  move(kernel, w, target, second);
  return 0;
}
