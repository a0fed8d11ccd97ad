// How a thread sleeps that waits for other threads, or for the clock: on a host futex word in shared memory, interruptible as
// in `interrupt.ts`; and the timer of a thread that sleeps in another call, which has no deadline of its own.
//
// Measured on Bun 1.4.5, two cores, x86-64, there and back between two workers: this way 6.5 to 10 us, Atomics.wait and notify
// 42 to 45. To arm a timer or disarm it takes 1.5 us, so one that is armed for the right time is left alone.
import { Clock, type Timespec } from "./clock.ts";
import { blockingHost, hostTid, kickSignal } from "./interrupt.ts";
import { newScratch, storeU64 } from "./scratch.ts";
import { host } from "./syscall.ts";

const FUTEX = { WAKE: 1, WAIT_BITSET: 9, PRIVATE: 128, CLOCK_REALTIME: 256 } as const;
const anyBit = 0xffffffff;

/** When a sleep ends by itself, at the latest. */
export interface Deadline {
  readonly clock: typeof Clock.MONOTONIC | typeof Clock.REALTIME;
  readonly at: Timespec;
}

const timespec = newScratch(16);

/** Stores a struct timespec; times before the clock's zero, which the host refuses, as zero. */
function storeTime(s: typeof timespec, offset: number, t: Timespec): void {
  storeU64(s, offset, Math.max(t.sec, 0));
  storeU64(s, offset + 8, t.sec < 0 ? 0 : t.nsec);
}

/**
 * Sleeps while the word at a host address holds `value` and nobody wakes it. Answers 0 after a wake-up (or for no reason, as
 * the host may), -EAGAIN where the word held something else, -ETIMEDOUT at the deadline, -EINTR or `notEntered` after a kick.
 * The word may be the pending word itself, with 0 as its value: then wakers need not kick.
 */
export function park(wordAddress: number, value: number, pendingAddress: number, deadline?: Deadline): number {
  let op = FUTEX.WAIT_BITSET | FUTEX.PRIVATE;
  if (deadline !== undefined) {
    if (deadline.clock === Clock.REALTIME) op |= FUTEX.CLOCK_REALTIME;
    storeTime(timespec, 0, deadline.at);
  }
  const limit = deadline === undefined ? 0 : timespec.address;
  return blockingHost("futex", wordAddress, op, value, limit, 0, anyBit, pendingAddress);
}

/** Wakes at most `count` of the threads that sleep on a word, which has been changed before. Answers how many slept there. */
export const unpark = (wordAddress: number, count = 1): number =>
  host("futex", wordAddress, FUTEX.WAKE | FUTEX.PRIVATE, count);

// ---- timers

const SIGEV_THREAD_ID = 4;
const TIMER_ABSTIME = 1;
const struct = newScratch(80);
const idAt = 64;

/**
 * Makes a timer that kicks the calling thread, and sets `timerBit` in the pending word at that address before: so the call
 * that the thread makes next ends too. Answers its number, or -errno: EAGAIN where the user has too many timers and signals
 * queued. Belongs to the process: `deleteKickTimer` before the thread or the word is gone.
 */
export function newKickTimer(pendingAddress: number): number {
  storeU64(struct, 0, pendingAddress);
  struct.i32.set([kickSignal, SIGEV_THREAD_ID, hostTid()], 2);
  const error = host("timer_create", Clock.MONOTONIC, struct.address, struct.address + idAt);
  return error < 0 ? error : struct.i32[idAt >> 2]!;
}

/**
 * Has the timer kick at that time of the monotonic clock, at once where that is past; and then every so many nanoseconds,
 * below a second, for 0 not again.
 */
export function armKickTimer(timer: number, at: Timespec, every = 0): void {
  storeTime(struct, 0, { sec: 0, nsec: every });
  storeTime(struct, 16, at);
  // A time of zero would disarm it.
  if (at.sec <= 0) struct.i32[6]! |= 1;
  setTimer(timer);
}

/** No kick any more; the bit may have been set before. */
export function disarmKickTimer(timer: number): void {
  struct.bytes.fill(0, 0, 32);
  setTimer(timer);
}

const setTimer = (timer: number): number => host("timer_settime", timer, TIMER_ABSTIME, struct.address);

export const deleteKickTimer = (timer: number): void => void host("timer_delete", timer);
