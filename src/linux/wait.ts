// Where a guest thread sleeps: in the host's own calls, which signals end as they do Linux's. `sleepIn` makes any call that may
// block; the others are made of the same. Handlers never call the host in a way that may block, except through here or
// park.ts. host/interrupt.ts tells how a call is ended, place.ts what a thread is asked to attend to.
//
// A call that was not made, because a signal came before, is made all the same, but may not sleep: what Linux has already
// got it answers, whatever is pending, and else the signal ends the call. So neither does a `read` with data waiting answer
// EINTR, nor does one sleep for good whose program had an alarm set, and no SA_RESTART, to end it.
//
// While calls are made again, nothing that runs in between may use the rooms of host/scratch.ts.
import { monotonic, second, type Timespec } from "../host/clock.ts";
import { blockingHost, hostTid, installInterrupts, notEntered } from "../host/interrupt.ts";
import type { HostCall } from "../host/numbers.ts";
import { loadU64, newScratch, reserve, storeU64 } from "../host/scratch.ts";
import { host } from "../host/syscall.ts";
import { errno, restart } from "./errno.ts";
import { takeHostSignals } from "./inbox.ts";
import { Header } from "./kernel.ts";
import { callUnderKicks, pendingAddress, watchTimers } from "./kick-timer.ts";
import { clearPending, Pending, Place, pendingBits } from "./place.ts";
import { restRseq } from "./rseq.ts";
import { signalPending } from "./signals.ts";
import type { Task } from "./task.ts";
import { TaskField } from "./tasks.ts";
import { expireTimers, timersArmed } from "./timers.ts";

/** A deadline that never comes. Others are nanoseconds of CLOCK_MONOTONIC. */
export const never = Number.POSITIVE_INFINITY;

export const deadlineIn = (nanoseconds: number): number => (nanoseconds === never ? never : monotonic() + nanoseconds);

// ---- calls that can be ended

let kickable = false;
/** Whether the last call may have been ended by a kick. */
let kicked = false;

/**
 * Lets this thread of the host be kicked, and found for that. The first thread is made so when it sleeps while there are
 * timers, or another thread has been there: till then nobody could want it, and a program that starts saves a millisecond.
 */
export function becomeKickable(t: Task): void {
  if (!kickable) installInterrupts();
  kickable = true;
  const { i32 } = t.record;
  if (i32[TaskField.hostTid] === 0) Atomics.store(i32, TaskField.hostTid, hostTid());
}

const mayBeKicked = (t: Task): boolean =>
  kickable ||
  t.record.i32[TaskField.hostTid] !== 0 ||
  timersArmed(t.process.timers) ||
  t.process.kernel.i32[Header.usedTasks]! > 1;

/** Takes note of timers and signals of the host that have come. Whether the thread must not sleep: it has a signal, or is wanted for something else. */
function isWanted(t: Task): boolean {
  const bits = pendingBits(t.record);
  if (bits & Pending.timer) clearPending(t.record, Pending.timer);
  if (bits & Pending.inbox) takeHostSignals(t);
  expireTimers(t);
  return pendingBits(t.record) !== 0;
}

/** A host call by its name and arguments. */
export type Call = (
  name: HostCall,
  a?: number,
  b?: number | bigint,
  c?: number,
  d?: number,
  e?: number,
  f?: number,
) => number;

/** Makes a host call that is ended, or not made (`notEntered`), when the thread is wanted, and maybe when it is not. */
function interruptible(t: Task, name: HostCall, a = 0, b: number | bigint = 0, c = 0, d = 0, e = 0, f = 0): number {
  if (isWanted(t)) {
    kicked = true;
    return notEntered;
  }
  if (!mayBeKicked(t)) {
    kicked = false;
    return host(name, a, b, c, d, e, f);
  }
  becomeKickable(t);
  watchTimers(t);
  const { i32 } = t.record;
  restRseq(t);
  const place = Atomics.exchange(i32, TaskField.place, Place.host);
  const result = blockingHost(name, a, b, c, d, e, f, pendingAddress(t));
  Atomics.store(i32, TaskField.place, place);
  kicked = pendingBits(t.record) !== 0;
  return result;
}

/**
 * Makes a host call although a signal is pending, as Linux does: it is done if it need not sleep, and answers -EINTR else;
 * `notEntered` where it cannot be made so, and where the thread is wanted for something that is no signal.
 */
function callOnce(t: Task, name: HostCall, a = 0, b: number | bigint = 0, c = 0, d = 0, e = 0, f = 0): number {
  if (!signalPending(t)) return notEntered;
  becomeKickable(t);
  return callUnderKicks(t, () => host(name, a, b, c, d, e, f)) ?? notEntered;
}

/** One attempt at a call that may block: it is not made, ended by a kick, or done, a pending signal notwithstanding. */
function attempt(t: Task, ...call: Parameters<Call>): number {
  const result = interruptible(t, ...call);
  return result === notEntered && isWanted(t) ? callOnce(t, ...call) : result;
}

const isEnded = (result: number): boolean => result === -errno.EINTR || result === notEntered;

/** Makes a host call that may block. Answers what the host does; -ERESTARTSYS or -ERESTARTNOINTR for a signal. */
export const sleepIn = (t: Task, ...call: Parameters<Call>): number => sleepWithin(t, never, (make) => make(...call));

/**
 * The same for a call that gives up by itself: `ask` makes it, through what it is given, so that it does after so many
 * nanoseconds (`never`: not at all).
 */
export function sleepWithin(t: Task, deadline: number, ask: (call: Call, nanoseconds: number) => number): number {
  const call: Call = (...args) => attempt(t, ...args);
  for (;;) {
    const result = ask(call, deadline === never ? never : Math.max(deadline - monotonic(), 0));
    if (!isEnded(result)) return result;
    if (isWanted(t)) return result === notEntered ? -restart.ERESTARTNOINTR : -restart.ERESTARTSYS;
  }
}

/**
 * Moves up to `n` bytes by a call that a kick may have ended early, for a reason that the guest does not see: then it is made
 * for the rest. `move` is told how many bytes went before, and answers how many went now, or an error. Answers their sum,
 * or the error where there were none.
 */
export function moveAll(t: Task, n: number, move: (done: number) => number): number {
  for (let done = 0; ; ) {
    kicked = false;
    const moved = move(done);
    if (moved < 0) return done > 0 ? done : moved;
    done += moved;
    if (moved === 0 || done >= n || !wasKicked(t)) return done;
  }
}

/** Whether the last call may have been ended by a kick that is no business of the guest. */
export const wasKicked = (t: Task): boolean => kicked && !isWanted(t);

// ---- sockets that wait for so long only

/** Which way a socket's time limit goes: its option, and the event that ends the wait. */
export interface Limit {
  readonly option: number;
  readonly events: number;
  /** What a call answers at the limit. */
  readonly late: number;
}

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

const SOL_SOCKET = 1;
const [SO_RCVTIMEO, SO_SNDTIMEO] = [20, 21];

export const receiving: Limit = { option: SO_RCVTIMEO, events: Poll.IN, late: -errno.EAGAIN };
export const sending: Limit = { option: SO_SNDTIMEO, events: Poll.OUT, late: -errno.EAGAIN };
export const connecting: Limit = { ...sending, late: -errno.EINPROGRESS };

const option = newScratch(16);
const optionLength = newScratch(8);

/** Nanoseconds after which a socket gives up; `never` for what has no such limit. */
function timeLimit(h: number, name: number): number {
  option.u32.fill(0);
  optionLength.u32[0] = 16;
  host("getsockopt", h, SOL_SOCKET, name, option.address, optionLength.address);
  return loadU64(option, 0) * second + loadU64(option, 8) * 1000 || never;
}

/**
 * As `sleepIn`, for a call on a descriptor, which may be a socket with a time limit: that is the host's matter, but a signal
 * ends such a call with EINTR whatever SA_RESTART says. One that is made again for no signal does not begin its time anew
 * more than once.
 */
export function sleepOn(t: Task, h: number, limit: Limit, ...call: Parameters<Call>): number {
  let deadline: number | undefined;
  for (;;) {
    const result = attempt(t, ...call);
    if (!isEnded(result)) return result;
    if (isWanted(t)) {
      if (result === notEntered) return -restart.ERESTARTNOINTR;
      return signalPending(t) && timeLimit(h, limit.option) !== never ? -errno.EINTR : -restart.ERESTARTSYS;
    }
    if (result === notEntered) continue;
    deadline ??= deadlineIn(timeLimit(h, limit.option));
    if (deadline === never) continue;
    setPoll(0, h, limit.events);
    const ready = pollHost(t, 1, deadline);
    if (ready === 0) return limit.late;
    if (ready < 0) return signalPending(t) ? -errno.EINTR : -restart.ERESTARTSYS;
  }
}

// ---- waiting for events

const timeout = newScratch(16);
// Longer sleeps are cut into pieces of this many nanoseconds: about eleven days.
const longest = 1e15;

/** Host address of a span as a struct timespec, good until the next; 0 for `never`. */
export function timeoutAddress(nanoseconds: number): number {
  if (nanoseconds === never) return 0;
  storeU64(timeout, 0, Math.floor(nanoseconds / second));
  storeU64(timeout, 8, nanoseconds % second);
  return timeout.address;
}

/**
 * Sleeps until there is an event, the deadline, or a signal. `ask` makes the host call, through what it is given, to wait
 * for so many nanoseconds (`never`: as long as it takes). Answers how many events there are (also where a signal is
 * pending), 0 at the deadline, -ERESTARTNOHAND for a signal.
 */
export function awaitEvents(t: Task, deadline: number, ask: (call: Call, nanoseconds: number) => number): number {
  const call: Call = (...args) => interruptible(t, ...args);
  for (;;) {
    const left = deadline === never ? never : Math.min(Math.max(deadline - monotonic(), 0), longest);
    if (left === 0 || isWanted(t)) {
      const there = ask(host, 0);
      if (there !== 0 && there !== -errno.EINTR) return there;
      if (isWanted(t)) return -restart.ERESTARTNOHAND;
      if (left === 0) return 0;
      // A stop that was taken back, a signal that another thread took: it sleeps on.
      continue;
    }
    const found = ask(call, left);
    if (found !== 0 && !isEnded(found)) return found;
  }
}

// The descriptors of the next `pollHost`, as an array of `struct pollfd`.
const pollfds = newScratch(64);
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

/** Sleeps until one of the first `count` descriptors is ready. Answers as `awaitEvents`. */
export const pollHost = (t: Task, count: number, deadline: number): number =>
  awaitEvents(t, deadline, (call, nanoseconds) =>
    call("ppoll", pollfds.address, count, timeoutAddress(nanoseconds), 0, 8),
  );

const TIMER_ABSTIME = 1;
const instant = newScratch(16);

/** Sleeps until `deadline`, a time of a host clock that can be slept on. Answers 0, or -ERESTARTNOHAND for a signal. */
export function sleepUntil(t: Task, clock: number, { sec, nsec }: Timespec): number {
  storeU64(instant, 0, Math.min(sec, 2 ** 53));
  storeU64(instant, 8, nsec);
  const result = sleepIn(t, "clock_nanosleep", clock, TIMER_ABSTIME, instant.address);
  return result === -restart.ERESTARTSYS || result === -restart.ERESTARTNOINTR ? -restart.ERESTARTNOHAND : result;
}

// ---- modes

const F_GETFL = 3;
const O_NONBLOCK = 0o4000;

/** Whether a host descriptor's open file is in non-blocking mode. */
export const isNonblocking = (h: number): boolean => (host("fcntl", h, F_GETFL) & O_NONBLOCK) !== 0;
