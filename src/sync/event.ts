// How a guest thread sleeps, and how it is woken. Each has a wake word in shared memory: pending reasons to be awake, and
// where its thread sleeps, if it does. A waker adds its reason first and looks then where the thread sleeps; the
// thread says where it is going to sleep only while no reason is there, in one atomic step. So no wake is ever lost, and
// no waker makes a call for a thread that is awake.
// It knows no clock and no descriptor: the host comes in as `WakeHost`.
//
// Measured on Bun 1.4.5, two cores, x86-64, there and back between two workers: by Atomics.wait and notify 45 to 54 us, in a poll
// of an eventfd 42; the guest's threads sleep in the host's futex (linux/park.ts), 6 to 10.
// A wake of a thread that is awake costs 7 ns. Timeouts come 0.1 ms late.

/** A deadline that never comes. Others are nanoseconds of the host's monotonic clock. */
export const never = Number.POSITIVE_INFINITY;

/** Two words: reasons and place of sleep; and the host's wake descriptor, or -1. */
export interface WakeWord {
  readonly words: Int32Array;
  readonly index: number;
}

/** What this module needs from the host. */
export interface WakeHost {
  /** The monotonic clock in nanoseconds. */
  readonly monotonic: () => number;
  /** Makes the wake descriptor readable (an eventfd: adds 1). */
  readonly ring: (descriptor: number) => void;
  /**
   * Polls what the sleeper has prepared and the wake descriptor, for at most so many nanoseconds (`never`: until something is
   * ready). Reads the wake descriptor empty if it was rung, and does not count it. Answers how many are ready, 0 also
   * where the host's call was interrupted, or another error as -errno.
   */
  readonly poll: (descriptor: number, nanoseconds: number) => number;
}

/** Reasons are the caller's: any of the lowest 30 bits. */
export const allReasons = 2 ** 30 - 1;

const inWait = 1 << 30;
const inPoll = 1 << 31;

/** A wake word of its own. `descriptor` outlives it: a waker may ring after the sleeper has gone on. */
export function newWakeWord(descriptor = -1): WakeWord {
  const e = { words: new Int32Array(new SharedArrayBuffer(8)), index: 0 };
  resetWakeWord(e, descriptor);
  return e;
}

/** Makes a wake word fit for another thread: no reason pending, nobody asleep. */
export function resetWakeWord(e: WakeWord, descriptor = -1): void {
  e.words[e.index + 1] = descriptor;
  Atomics.store(e.words, e.index, 0);
}

/** Gives the thread reasons to be awake, and wakes it if it sleeps. What it will find when it looks must be there before. */
export function wake(e: WakeWord, host: Pick<WakeHost, "ring">, reasons: number): void {
  const old = Atomics.or(e.words, e.index, reasons & allReasons);
  if (old & inWait) Atomics.notify(e.words, e.index);
  else if (old & inPoll) host.ring(e.words[e.index + 1]!);
}

/** The reasons that are pending. */
export const reasonsOf = (e: WakeWord): number => Atomics.load(e.words, e.index) & allReasons;

/** Whether its thread sleeps, or is about to. */
export const isAsleep = (e: WakeWord): boolean => (Atomics.load(e.words, e.index) & ~allReasons) !== 0;

/** Takes the pending reasons, or those of `mask`. Its own thread's matter. */
export const takeReasons = (e: WakeWord, mask = allReasons): number =>
  Atomics.and(e.words, e.index, ~mask) & mask & allReasons;

/** True if the thread may go to sleep, false if there is a reason not to. */
function declare(e: WakeWord, place: number): boolean {
  const old = Atomics.compareExchange(e.words, e.index, 0, place);
  if (old & ~allReasons) throw new Error("two threads sleep on one wake word");
  return old === 0;
}

/** Ends a sleep: takes the reasons, and is awake. */
const rise = (e: WakeWord): number => Atomics.exchange(e.words, e.index, 0) & allReasons;

/**
 * Sleeps in Atomics.wait until there is a reason, or the deadline. Answers the reasons, which it takes, also where they came
 * before; 0 at the deadline. The caller looks at what it waits for and sleeps again: a reason may be an old one.
 */
export function sleep(e: WakeWord, host: Pick<WakeHost, "monotonic">, deadline: number): number {
  if (!declare(e, inWait)) return takeReasons(e);
  while (Atomics.load(e.words, e.index) === inWait) {
    // A sleep in whole microseconds may end up to one early: the rest is slept again.
    const left = deadline === never ? never : deadline - host.monotonic();
    if (left <= 0) break;
    Atomics.wait(e.words, e.index, inWait, left / 1e6);
  }
  return rise(e);
}

/** How a sleep in a poll ended. Both may be 0 (the deadline), and both may not. */
export interface PollOutcome {
  /** How many descriptors are ready, or -errno. */
  readonly ready: number;
  /** The reasons to be awake, taken. */
  readonly reasons: number;
}

/**
 * Sleeps in the host's poll until a descriptor is ready, there is a reason, or the deadline. Where there is a reason already it
 * looks at the descriptors without sleeping. The word must have a descriptor.
 */
export function sleepInPoll(e: WakeWord, host: WakeHost, deadline: number): PollOutcome {
  const descriptor = e.words[e.index + 1]!;
  if (!declare(e, inPoll)) return { ready: host.poll(descriptor, 0), reasons: takeReasons(e) };
  for (;;) {
    const left = deadline === never ? never : Math.max(deadline - host.monotonic(), 0);
    const ready = host.poll(descriptor, left);
    if (ready !== 0 || left === 0 || Atomics.load(e.words, e.index) !== inPoll) return { ready, reasons: rise(e) };
  }
}

/** As `sleep`, for an agent whose event loop has to go on: the main one. Keeps no process alive by itself. */
export async function sleepAsync(e: WakeWord): Promise<number> {
  if (!declare(e, inWait)) return takeReasons(e);
  for (;;) {
    const sleep = Atomics.waitAsync(e.words, e.index, inWait);
    if (!sleep.async) return rise(e);
    await sleep.value;
  }
}
