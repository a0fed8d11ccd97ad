// Futexes: words of guest memory that threads compare and sleep on. While a process has one thread, nobody can be
// asleep when it wakes, requeues or unlocks, so that a sleeper's queue has only the sleeper: a wait compares the word
// and sleeps in `wait.ts`, and what wakes it is its deadline or a signal.
import type { Timespec } from "../host/clock.ts";
import { type GuestMemory, readable, writable } from "../memory/guest-memory.ts";
import { errno, restart } from "./errno.ts";
import type { Task } from "./task.ts";
import { never, pollHost, sleepUntil } from "./wait.ts";

/** When a sleep ends: a time of a host clock. */
export interface Deadline {
  readonly clock: number;
  readonly time: Timespec;
}

/** The word of a futex, or -EINVAL where it is not aligned, -EFAULT where it is not readable. */
export function futexWord(m: GuestMemory, addr: number): { readonly value: number } | number {
  if (addr % 4 !== 0) return -errno.EINVAL;
  return readable(m, addr, 4) === undefined ? -errno.EFAULT : { value: Atomics.load(m.i32, addr / 4) };
}

/** 0 where the word holds `expected` (an int32), -EAGAIN where it does not, or why it cannot be read. */
export function compareWord(m: GuestMemory, addr: number, expected: number): number {
  const word = futexWord(m, addr);
  if (typeof word === "number") return word;
  return word.value === expected ? 0 : -errno.EAGAIN;
}

/** Sleeps as a waiter whom nobody wakes. Answers -ETIMEDOUT, or -ERESTARTSYS for a signal. */
export function sleepAsWaiter(t: Task, deadline: Deadline | undefined): number {
  const result = deadline === undefined ? pollHost(t, 0, never) : sleepUntil(t, deadline.clock, deadline.time);
  return result === 0 ? -errno.ETIMEDOUT : -restart.ERESTARTSYS;
}

/** Replaces the word by what `change` makes of it, at once for other threads. Answers the old value, or why it cannot. */
export function updateWord(
  m: GuestMemory,
  addr: number,
  change: (old: number) => number,
): { readonly value: number } | number {
  if (addr % 4 !== 0) return -errno.EINVAL;
  if (readable(m, addr, 4) === undefined || writable(m, addr, 4) === undefined) return -errno.EFAULT;
  for (;;) {
    const old = Atomics.load(m.i32, addr / 4);
    if (Atomics.compareExchange(m.i32, addr / 4, old, change(old)) === old) return { value: old };
  }
}

const ownerDied = 0x40000000;
const tidMask = 0x3fffffff;

/**
 * Takes a priority-inheriting lock. Answers 0, -EDEADLK where the thread has it, -ESRCH where its owner is no thread that
 * could ever release it.
 */
export function lockPi(t: Task, addr: number): number {
  const word = updateWord(t.memory, addr, (old) => ((old & tidMask) === 0 ? (old & ownerDied) | t.tid : old));
  if (typeof word === "number") return word;
  const owner = word.value & tidMask;
  if (owner === 0) return 0;
  return owner === t.tid ? -errno.EDEADLK : -errno.ESRCH;
}

/** Releases one. Answers 0, or -EPERM where somebody else has it. */
export function unlockPi(t: Task, addr: number): number {
  const word = updateWord(t.memory, addr, (old) => ((old & tidMask) === t.tid ? 0 : old));
  if (typeof word === "number") return word;
  return (word.value & tidMask) === t.tid ? 0 : -errno.EPERM;
}
