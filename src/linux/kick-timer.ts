// What wakes a thread that sleeps in the host when a timer of its process has come: a timer of the host, one for each thread
// of the host, which kicks it. It is made when a thread first sleeps while timers run, and armed for the next of them. To arm
// it takes 1.5 us, so it is left alone while it is armed for the right time.
import { after, Clock, nanosecondsBetween, readClock, type Timespec } from "../host/clock.ts";
import { armKickTimer, deleteKickTimer, disarmKickTimer, newKickTimer } from "../host/park.ts";
import type { Task } from "./task.ts";
import { TaskField, type TaskRecord } from "./tasks.ts";
import { nextExpiry, timersArmed } from "./timers.ts";

interface KickTimer {
  readonly id: number;
  /** Whose pending word it sets. Keeps that alive. */
  readonly record: TaskRecord;
  /** When it kicks, undefined where it does not. Times of the monotonic clock. */
  at: Timespec | undefined;
}

let timer: KickTimer | undefined;

/** What it may be off, in nanoseconds: deadlines are counted from when they were asked for. It is never early. */
const tolerance = 2000;

/** Host address of the word of a thread that says what it is to attend to. */
export const pendingAddress = (t: Task): number =>
  t.process.kernel.address + t.record.i32.byteOffset + TaskField.pending * 4;

/**
 * Sees to it that this thread is kicked when the next timer of its process has come, and not without need. Where the host
 * has no timer left (RLIMIT_SIGPENDING), process timers do not end this sleep.
 */
export function watchTimers(t: Task): void {
  const nanoseconds = timersArmed(t.process.timers) ? nextExpiry(t) : Number.POSITIVE_INFINITY;
  if (nanoseconds === Number.POSITIVE_INFINITY) {
    if (timer?.at !== undefined) disarm(timer);
    return;
  }
  // Read after the deadline was asked for, so that the kick does not come before it.
  const now = readClock(Clock.MONOTONIC)!;
  const at = after(now, Math.max(Math.ceil(nanoseconds), 0));
  const own = timerOf(t);
  if (own === undefined) return;
  const armed = own.at;
  if (armed !== undefined && Math.abs(nanosecondsBetween(armed, at)) < tolerance && nanosecondsBetween(now, armed) > 0)
    return;
  armKickTimer(own.id, at);
  own.at = at;
}

/** How long a call may sleep that shall not, in nanoseconds. */
const glance = 50_000;

/**
 * Makes a plain host call that is ended soon if it sleeps, again and again until it has begun to. Answers what that does,
 * undefined where the host has no timer for it.
 */
export function callUnderKicks(t: Task, call: () => number): number | undefined {
  const own = timerOf(t);
  if (own === undefined) return undefined;
  armKickTimer(own.id, after(readClock(Clock.MONOTONIC)!, glance), glance);
  const result = call();
  disarmKickTimer(own.id);
  own.at = undefined;
  return result;
}

function timerOf(t: Task): KickTimer | undefined {
  if (timer?.record === t.record) return timer;
  dropKickTimer();
  const id = newKickTimer(pendingAddress(t));
  if (id >= 0) timer = { id, record: t.record, at: undefined };
  return timer;
}

function disarm(t: KickTimer): void {
  if (nanosecondsBetween(readClock(Clock.MONOTONIC)!, t.at!) > 0) disarmKickTimer(t.id);
  t.at = undefined;
}

/** Gives the host's timer back: this thread of the host ends, or sleeps for another guest thread. */
export function dropKickTimer(): void {
  if (timer !== undefined) deleteKickTimer(timer.id);
  timer = undefined;
}
