// The timers of a process, in shared memory: the three interval timers, and those of timer_create. An expiry queues
// its signal; the engine's loop asks for that at safepoints, and whoever sleeps wakes up for it.
// A periodic timer whose signal is still pending counts an overrun instead of a second signal, as POSIX asks.
import { after, Clock, nanosecondsBetween, second, type Timespec, timeUntil } from "../host/clock.ts";
import { type Mutex, withLock } from "../sync/mutex.ts";
import { canJump, countsOthers, isCpuClock, profClock, readShared, soonest, virtualClock } from "./clocks.ts";
import { errno } from "./errno.ts";
import type { Kernel } from "./kernel.ts";
import { kernelInfo, Sig, timerInfo } from "./siginfo.ts";
import { isPending } from "./signal-queue.ts";
import { addOverrun, isIgnored, type SignalTarget, sendSignal } from "./signals.ts";
import type { Process, Task } from "./task.ts";
import { TaskField, taskAt, threadsNow } from "./tasks.ts";

/** Fields of a timer, in float64 words. */
const Field = {
  state: 0,
  /** The clock that the timer was made for: a `sharedClock`. */
  clock: 1,
  /** The clock that the deadline is on: a relative one does not jump with the wall clock. */
  deadlineClock: 2,
  deadlineSec: 3,
  deadlineNsec: 4,
  intervalSec: 5,
  intervalNsec: 6,
  notify: 7,
  signo: 8,
  /** The thread to signal, 0 for the process. */
  tid: 9,
  valueLo: 10,
  valueHi: 11,
  /** Overruns that the signal sent last carries, and the one before it. */
  overrun: 12,
  overrunBefore: 13,
} as const;
const stride = 16;

const State = { free: 0, idle: 1, armed: 2 } as const;

/** SIGEV_SIGNAL and its like; a thread id goes with `threadId`. */
export const Notify = { signal: 0, none: 1, thread: 2, threadId: 4 } as const;

/** ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF are the first slots; then come those of timer_create, from id 0 on. */
export const intervalTimers = 3;
const maxTimers = 1024;

/** Word 0: how many are armed; 1: slots ever used, the interval timers included. The slots follow. */
export interface Timers {
  readonly words: Float64Array;
  /** Guards the rest. */
  readonly guard: Mutex;
  /** Whose CPU time the interval timers count: the index of a process. */
  readonly kernel: Kernel;
  readonly process: number;
}
const armedCount = 0;
const usedSlots = 1;
const header = 2;

/** The timers behind these words, which another worker may share. */
export const attachTimers = (words: Float64Array, guard: Mutex, kernel: Kernel, process: number): Timers => ({
  words,
  guard,
  kernel,
  process,
});

const base = (slot: number): number => header + slot * stride;

/** Words of a process's timers. */
export const timerWords = base(intervalTimers + maxTimers);

/** Gives a new process its timers, none of which runs, in place of those of whichever had these words before. */
export function initTimers(words: Timers["words"]): void {
  words.fill(0, 0, base(words[usedSlots]!));
  words[usedSlots] = intervalTimers;
  const setUp = (slot: number, clock: number, signo: number): void => {
    words[base(slot) + Field.state] = State.idle;
    words[base(slot) + Field.clock] = clock;
    words[base(slot) + Field.signo] = signo;
  };
  setUp(0, Clock.MONOTONIC, Sig.ALRM);
  setUp(1, virtualClock, Sig.VTALRM);
  setUp(2, profClock, Sig.PROF);
}

/** What timer_create says: where the signal goes, and with which value (two words). Undefined: SIGALRM with the id. */
export interface Event {
  readonly notify: number;
  readonly signo: number;
  readonly tid: number;
  readonly lo: number;
  readonly hi: number;
}

/** A new timer on a clock (a `sharedClock`). Its id, or -EAGAIN. */
export const createTimer = (timers: Timers, clock: number, event: Event | undefined): number =>
  withLock(timers.guard, () => create(timers, clock, event));

function create(timers: Timers, clock: number, event: Event | undefined): number {
  const w = timers.words;
  for (let slot = intervalTimers; slot < intervalTimers + maxTimers; slot++) {
    const at = base(slot);
    if (w[at] !== State.free) continue;
    const id = slot - intervalTimers;
    const { notify, signo, tid, lo, hi } = event ?? { notify: Notify.signal, signo: Sig.ALRM, tid: 0, lo: id, hi: 0 };
    w.fill(0, at, at + stride);
    w[at + Field.clock] = clock;
    w[at + Field.notify] = notify;
    w[at + Field.signo] = signo;
    w[at + Field.tid] = notify === Notify.threadId ? tid : 0;
    w[at + Field.valueLo] = lo;
    w[at + Field.valueHi] = hi;
    w[at] = State.idle;
    w[usedSlots] = Math.max(w[usedSlots]!, slot + 1);
    return id;
  }
  return -errno.EAGAIN;
}

/** The slot of a timer_create id, or -EINVAL. */
export function timerSlot(timers: Timers, id: number): number {
  const there = id >= 0 && id < maxTimers && timers.words[base(intervalTimers + id)] !== State.free;
  return there ? intervalTimers + id : -errno.EINVAL;
}

export const deleteTimer = (timers: Timers, slot: number): void =>
  withLock(timers.guard, () => setState(timers, slot, State.free));

/** Deletes all timers of timer_create: the interval timers go on. */
export const deleteTimers = (timers: Timers): void =>
  withLock(timers.guard, () => {
    for (let slot = intervalTimers; slot < timers.words[usedSlots]!; slot++) setState(timers, slot, State.free);
    timers.words[usedSlots] = intervalTimers;
  });

function setState(timers: Timers, slot: number, state: number): void {
  const w = timers.words;
  const at = base(slot);
  if (w[at] === State.armed) w[armedCount]!--;
  if (state === State.armed) w[armedCount]!++;
  w[at] = state;
}

/** When a timer fires next (all zero: never), and then how often (all zero: no more). */
export interface Setting {
  readonly value: Timespec;
  readonly interval: Timespec;
}

const zero: Timespec = { sec: 0, nsec: 0 };

/** Arms or disarms a timer. `absolute`: the value is a time of its clock, not a span. Answers as `getTimer` did before. */
export const setTimer = (timers: Timers, slot: number, setting: Setting, absolute: boolean): Setting =>
  withLock(timers.guard, () => {
    const before = settingOf(timers, slot);
    arm(timers, slot, setting, absolute);
    return before;
  });

function arm(timers: Timers, slot: number, { value, interval }: Setting, absolute: boolean): void {
  const w = timers.words;
  const at = base(slot);
  w[at + Field.overrun] = w[at + Field.overrunBefore] = 0;
  w[at + Field.intervalSec] = interval.sec;
  w[at + Field.intervalNsec] = interval.nsec;
  if (value.sec === 0 && value.nsec === 0) {
    setState(timers, slot, State.idle);
    return;
  }
  const own = w[at + Field.clock]!;
  const clock = !absolute && canJump(own) ? Clock.MONOTONIC : own;
  const now = absolute ? zero : nowOn(timers, clock);
  const deadline = after({ sec: now.sec + value.sec, nsec: now.nsec }, value.nsec);
  w[at + Field.deadlineClock] = clock;
  w[at + Field.deadlineSec] = deadline.sec;
  w[at + Field.deadlineNsec] = deadline.nsec;
  setState(timers, slot, State.armed);
}

const nowOn = ({ kernel, process }: Timers, clock: number): Timespec => readShared(kernel, clock, process) ?? zero;

const deadlineOf = (w: Float64Array, at: number): Timespec => ({
  sec: w[at + Field.deadlineSec]!,
  nsec: w[at + Field.deadlineNsec]!,
});

/** Nanoseconds until it fires, negative where it should have. */
const left = (timers: Timers, at: number): number =>
  nanosecondsBetween(nowOn(timers, timers.words[at + Field.deadlineClock]!), deadlineOf(timers.words, at));

const nothingLeft: Timespec = { sec: 0, nsec: 1 };

const intervalOf = (w: Float64Array, at: number): number =>
  w[at + Field.intervalSec]! * second + w[at + Field.intervalNsec]!;

/** Moves a deadline that has passed to the first of its period that is still to come, or disarms. Answers how often it fired. */
function advance(timers: Timers, slot: number, overdue: number): number {
  const w = timers.words;
  const at = base(slot);
  const interval = intervalOf(w, at);
  if (interval === 0) {
    setState(timers, slot, State.idle);
    return 1;
  }
  const times = Math.floor(overdue / interval) + 1;
  const next = after(deadlineOf(w, at), times * interval);
  w[at + Field.deadlineSec] = next.sec;
  w[at + Field.deadlineNsec] = next.nsec;
  return times;
}

/** The time that is left, and the interval: what timer_gettime and getitimer answer. At least a nanosecond is left while armed. */
export const getTimer = (timers: Timers, slot: number): Setting =>
  withLock(timers.guard, () => settingOf(timers, slot));

function settingOf(timers: Timers, slot: number): Setting {
  const w = timers.words;
  const at = base(slot);
  const interval = { sec: w[at + Field.intervalSec]!, nsec: w[at + Field.intervalNsec]! };
  const silent = w[at + Field.notify] === Notify.none;
  if (w[at] === State.armed && silent && left(timers, at) <= 0) advance(timers, slot, -left(timers, at));
  if (w[at] !== State.armed) return { value: zero, interval };
  return { value: timeUntil(nowOn(timers, w[at + Field.deadlineClock]!), deadlineOf(w, at)) ?? nothingLeft, interval };
}

/** Whom a timer's signal is for; undefined where it is for a thread that is no more. */
function targetOf({ kernel, record, index }: Process, w: Float64Array, at: number): SignalTarget | undefined {
  const tid = w[at + Field.tid]!;
  if (tid === 0) return { kernel, process: record, thread: undefined };
  const threads = threadsNow(kernel, index);
  const thread = threads.map((task) => taskAt(kernel, task)).find(({ i32 }) => i32[TaskField.tid] === tid);
  return thread && { kernel, process: record, thread };
}

/** Whether a timer's signal is still pending. Then it gets `more` overruns. */
function isStillPending(p: Process, slot: number, more: number): boolean {
  const w = p.timers.words;
  const at = base(slot);
  const target = targetOf(p, w, at);
  return target !== undefined && addOverrun(target, w[at + Field.signo]!, slot - intervalTimers, more);
}

/** Expirations of a timer_create timer that the signal delivered last did not count. */
export function timerOverrun(t: Task, slot: number): number {
  const w = t.process.timers.words;
  const at = base(slot);
  const pending = isStillPending(t.process, slot, 0);
  return Math.min(w[at + (pending ? Field.overrunBefore : Field.overrun)]!, 0x7fffffff);
}

/** Whether any timer runs. */
export const timersArmed = (timers: Timers): boolean => timers.words[armedCount] !== 0;

/** Queues the signals of all timers whose time has come. Cheap where none is armed. */
export function expireTimers(t: Task): void {
  if (timersArmed(t.process.timers)) withLock(t.process.timers.guard, () => expireArmed(t.process));
}

function expireArmed(p: Process): void {
  const { kernel, record: process, timers } = p;
  const w = timers.words;
  for (let slot = 0; slot < w[usedSlots]!; slot++) {
    const at = base(slot);
    if (w[at] !== State.armed || w[at + Field.notify] === Notify.none) continue;
    const overdue = -left(timers, at);
    if (overdue < 0) continue;
    const times = advance(timers, slot, overdue);
    const signo = w[at + Field.signo]!;
    if (slot < intervalTimers) sendSignal({ kernel, process, thread: undefined }, signo, kernelInfo(signo));
    else fire(p, slot, times);
  }
}

function fire(p: Process, slot: number, times: number): void {
  const w = p.timers.words;
  const at = base(slot);
  const target = targetOf(p, w, at);
  const signo = w[at + Field.signo]!;
  const id = slot - intervalTimers;
  if (target === undefined) return;
  if (addOverrun(target, signo, id, times)) {
    w[at + Field.overrun]! += times;
    return;
  }
  w[at + Field.overrunBefore] = w[at + Field.overrun]!;
  w[at + Field.overrun] = times - 1;
  const overrun = Math.min(times - 1, 0x7fffffff);
  const kept = { ...target, hasPlace: true };
  sendSignal(kept, signo, timerInfo(signo, id, overrun, w[at + Field.valueLo]!, w[at + Field.valueHi]!));
}

// How long a sleeper trusts a deadline on a clock that somebody may set.
const trust = second;
// A sleeper looks this often at a periodic timer whose signal is ignored: each expiry would wake it for nothing.
const ignoredPeriod = 1e6;

/**
 * Nanoseconds until a sleeping thread must look at the timers again, Infinity where it need not. CPU time passes only
 * while some thread runs, which then looks itself; nor does a timer matter that could only count an overrun.
 */
export const nextExpiry = ({ process }: Task): number =>
  timersArmed(process.timers) ? withLock(process.timers.guard, () => nearestExpiry(process)) : Number.POSITIVE_INFINITY;

function nearestExpiry(p: Process): number {
  const w = p.timers.words;
  let nearest = Number.POSITIVE_INFINITY;
  for (let slot = 0; slot < w[usedSlots]!; slot++) {
    const at = base(slot);
    if (w[at] !== State.armed || w[at + Field.notify] === Notify.none) continue;
    const clock = w[at + Field.deadlineClock]!;
    if (isCpuClock(clock) && !countsOthers(p, clock)) continue;
    const signo = w[at + Field.signo]!;
    const stillPending = slot < intervalTimers ? isPending(p.record.pending, signo) : isStillPending(p, slot, 0);
    if (stillPending) continue;
    const due = left(p.timers, at);
    const wait = Math.max(isIgnored(p.record, signo) ? ignoredPeriod : 0, isCpuClock(clock) ? soonest(due) : due);
    nearest = Math.min(nearest, canJump(clock) ? Math.min(wait, trust) : wait);
  }
  return nearest;
}
