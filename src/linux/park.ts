// How a guest thread sleeps that waits for other threads, and how they wake it: on its wake word, which counts wake-ups, in the
// host's futex. Who wakes it has changed what it waits for before; the thread reads its count before it looks at that.
// So no wake-up is lost, and one may come for nothing.
import { Clock } from "../host/clock.ts";
import { type Deadline, unpark } from "../host/park.ts";
import { newScratch, storeU64 } from "../host/scratch.ts";
import { host } from "../host/syscall.ts";
import { errno, restart } from "./errno.ts";
import type { Kernel } from "./kernel.ts";
import { Place } from "./place.ts";
import { wordOf } from "./records.ts";
import { restRseq } from "./rseq.ts";
import type { Task } from "./task.ts";
import { TaskField, taskTable } from "./tasks.ts";
import { sleepIn } from "./wait.ts";

export type { Deadline };

/** How often the thread was woken. Wraps. */
export const wakeCount = (t: Task): number => Atomics.load(t.record.i32, TaskField.wake);

const FUTEX = { WAIT_BITSET: 9, PRIVATE: 128, CLOCK_REALTIME: 256 } as const;
const anyBit = 0xffffffff;
const instant = newScratch(16);

/**
 * Sleeps until the thread is woken more often than `seen`, or the deadline. Answers 0, also for no reason; -ETIMEDOUT; or
 * -ERESTARTSYS where a signal is pending, or something else is to be attended to on the way back to the guest.
 */
export function park(t: Task, seen: number, deadline?: Deadline): number {
  let op = FUTEX.WAIT_BITSET | FUTEX.PRIVATE;
  if (deadline !== undefined) {
    if (deadline.clock === Clock.REALTIME) op |= FUTEX.CLOCK_REALTIME;
    storeU64(instant, 0, deadline.at.sec);
    storeU64(instant, 8, deadline.at.nsec);
  }
  const word = t.process.kernel.address + t.record.i32.byteOffset + TaskField.wake * 4;
  const limit = deadline === undefined ? 0 : instant.address;
  const result = sleepIn(t, "futex", word, op, seen, limit, 0, anyBit);
  if (result === 0 || result === -errno.EAGAIN) return 0;
  return result === -errno.ETIMEDOUT ? result : -restart.ERESTARTSYS;
}

/** Sleeps until the thread is woken more often than `seen`, whatever else it may be wanted for; or less, for no reason. */
export function parkThrough(t: Task, seen: number): void {
  const { record, process } = t;
  restRseq(t);
  const word = process.kernel.address + record.i32.byteOffset + TaskField.wake * 4;
  Atomics.store(record.i32, TaskField.place, Place.host);
  host("futex", word, FUTEX.WAIT_BITSET | FUTEX.PRIVATE, seen, 0, 0, anyBit);
  Atomics.store(record.i32, TaskField.place, Place.guest);
}

/** Wakes the thread of that record, or whichever has it by now. */
export function wakeTask(k: Kernel, task: number): void {
  const at = wordOf(taskTable, task);
  Atomics.add(k.i32, at + TaskField.wake, 1);
  // One that is about to sleep says so first, and finds its count changed.
  if (Atomics.load(k.i32, at + TaskField.place) === Place.host) unpark(k.address + (at + TaskField.wake) * 4);
}
