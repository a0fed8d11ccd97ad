// The only place where a guest thread sleeps. It sleeps in the host's ppoll, on the descriptors that it needs, and no
// longer than until the next timer of its process; before each sleep it asks whether a signal is pending.
// Handlers never call the host in a way that may block, except through here.
import { monotonic, nanosecondsBetween, readClock, second, type Timespec } from "../host/clock.ts";
import { newScratch, reserve, storeU64 } from "../host/scratch.ts";
import { host } from "../host/syscall.ts";
import { canJump } from "./clocks.ts";
import { errno, restart } from "./errno.ts";
import { signalPending } from "./signals.ts";
import type { Task } from "./task.ts";
import { expireTimers, nextExpiry } from "./timers.ts";

/** A deadline that never comes. Others are nanoseconds of CLOCK_MONOTONIC. */
export const never = Number.POSITIVE_INFINITY;

export const deadlineIn = (nanoseconds: number): number => (nanoseconds === never ? never : monotonic() + nanoseconds);

/** Events of poll(2). */
export const Poll = {
  IN: 1,
  PRI: 2,
  OUT: 4,
  ERR: 8,
  HUP: 0x10,
  NVAL: 0x20,
  RDNORM: 0x40,
  RDBAND: 0x80,
  WRNORM: 0x100,
  WRBAND: 0x200,
} as const;

// The descriptors of the next `pollHost`, as an array of `struct pollfd`, and its timeout.
const pollfds = newScratch(64);
const timeout = newScratch(16);
const pollfdBytes = 8;

/** Makes room for `count` descriptors. Then set each of them. */
export const reservePoll = (count: number): void => reserve(pollfds, count * pollfdBytes);
/** The `i`th of the next `pollHost` is host descriptor `h`, or none if it is negative. */
export function setPoll(i: number, h: number, events: number): void {
  pollfds.i32[2 * i] = h;
  pollfds.i32[2 * i + 1] = events & 0xffff;
}
/** What the last `pollHost` found out about the `i`th. */
export const pollEvents = (i: number): number => pollfds.u32[2 * i + 1]! >>> 16;

// Longer sleeps are cut into pieces of this many nanoseconds: about eleven days.
const longest = 1e15;

function hostPoll(count: number, nanoseconds: number): number {
  if (nanoseconds === never) return host("ppoll", pollfds.address, count, 0, 0, 8);
  const span = Math.min(Math.max(nanoseconds, 0), longest);
  storeU64(timeout, 0, Math.floor(span / second));
  storeU64(timeout, 8, span % second);
  return host("ppoll", pollfds.address, count, timeout.address, 0, 8);
}

/**
 * Sleeps until one of the first `count` descriptors is ready, the deadline, or a signal. Answers how many are ready
 * (also where a signal is pending), 0 at the deadline, -ERESTARTNOHAND for a signal.
 */
export function pollHost(t: Task, count: number, deadline: number): number {
  for (;;) {
    expireTimers(t);
    const interrupted = signalPending(t);
    const left = interrupted ? 0 : deadline === never ? never : deadline - monotonic();
    const ready = hostPoll(count, Math.min(left, nextExpiry(t)));
    // EINTR: the engine's own signals, which are no business of the guest.
    if (ready > 0 || (ready < 0 && ready !== -errno.EINTR)) return ready;
    if (interrupted) return -restart.ERESTARTNOHAND;
    if (left <= 0 || (deadline !== never && monotonic() >= deadline)) return 0;
  }
}

/** Sleeps until `deadline`, a time of a host clock. Answers 0, or -ERESTARTNOHAND for a signal. */
export function sleepUntil(t: Task, clock: number, deadline: Timespec): number {
  for (;;) {
    const now = readClock(clock);
    const left = now === undefined ? 0 : nanosecondsBetween(now, deadline);
    if (left <= 0) return 0;
    // Somebody may set the clock, and CPU time passes as it likes.
    const trusted = canJump(clock) ? Math.min(left, second) : left;
    const result = pollHost(t, 0, deadlineIn(trusted));
    if (result < 0) return result;
  }
}

const F_GETFL = 3;
const O_NONBLOCK = 0o4000;

/** Whether a host descriptor's open file is in non-blocking mode. */
export const isNonblocking = (h: number): boolean => (host("fcntl", h, F_GETFL) & O_NONBLOCK) !== 0;

/** Whether something may have to wake a thread that sleeps in a host call: then it must sleep in `pollHost` instead. */
export const mayBeWoken = (t: Task): boolean => nextExpiry(t) !== never;

/**
 * Makes a host call that may block on one descriptor (read, write, accept…), and sleeps first where something may have
 * to wake the thread. Answers what `attempt` does, or -ERESTARTSYS for a signal.
 */
export function blocking(t: Task, h: number, events: number, attempt: () => number): number {
  for (;;) {
    if (mayBeWoken(t) && !isNonblocking(h)) {
      const ready = waitFor(t, h, events, never);
      if (ready < 0) return ready;
    }
    const result = attempt();
    if (result !== -errno.EINTR) return result;
    expireTimers(t);
    if (signalPending(t)) return -restart.ERESTARTSYS;
  }
}

/**
 * Repeats a host call that does not block until it answers something else than -EAGAIN, and sleeps in between; unless
 * the descriptor is in non-blocking mode. `timeout` gives nanoseconds; it is asked at the first sleep.
 * Answers -EAGAIN when they are over, -ERESTARTSYS for a signal, -EINTR where there is a timeout, as Linux does.
 */
export function untilReady(
  t: Task,
  h: number,
  events: number,
  attempt: () => number,
  timeout: (() => number) | undefined = undefined,
): number {
  let deadline: number | undefined;
  for (;;) {
    const result = attempt();
    if (result !== -errno.EAGAIN || (deadline === undefined && isNonblocking(h))) return result;
    deadline ??= deadlineIn(timeout?.() ?? never);
    const ready = waitFor(t, h, events, deadline);
    if (ready === 0) return -errno.EAGAIN;
    if (ready === -restart.ERESTARTSYS && deadline !== never) return -errno.EINTR;
    if (ready < 0) return ready;
  }
}

/** Sleeps until a descriptor is ready (a positive number), the deadline (0), or a signal (-ERESTARTSYS). */
export function waitFor(t: Task, h: number, events: number, deadline: number): number {
  setPoll(0, h, events);
  const ready = pollHost(t, 1, deadline);
  return ready === -restart.ERESTARTNOHAND ? -restart.ERESTARTSYS : ready;
}
