import { expect, test } from "bun:test";
import { monotonic } from "../../src/host/clock.ts";
import { signalCalls } from "../../src/linux/calls/signal.ts";
import { timeCalls } from "../../src/linux/calls/time.ts";
import { timerCalls } from "../../src/linux/calls/timers.ts";
import { errno, restart } from "../../src/linux/errno.ts";
import { Code, overrunWord, Sig, timerWord } from "../../src/linux/siginfo.ts";
import { signalPending, takeSignal } from "../../src/linux/signals.ts";
import type { Task } from "../../src/linux/task.ts";
import { nanosecondsOf } from "../../src/linux/time-structs.ts";
import { expireTimers, timersArmed } from "../../src/linux/timers.ts";
import { pollHost } from "../../src/linux/wait.ts";
import { beyond, caller, callOf, pcOf, readOnly, resultOf, room, unmapped } from "./caller.ts";
import { get32, get64, put32, put64 } from "./fields.ts";

const call = callOf([...timeCalls, ...timerCalls, ...signalCalls]);
const raw = resultOf([...timeCalls, ...signalCalls]);
const a = room.start;
const b = room.start + 256;
const c = room.start + 512;
const [REALTIME, MONOTONIC, PROCESS_CPU, THREAD_CPU, RAW, BOOTTIME] = [0, 1, 2, 3, 4, 7] as const;
const ABSTIME = 1;
const ms = 1e6;

/** What a clock shows, in nanoseconds. */
function clock(t: Task, id: number): number {
  expect(call(t, "clock_gettime", id, c)).toBe(0);
  return nanosecondsOf({ sec: get64(t, c), nsec: get64(t, c + 8) });
}

/** Has SIGALRM (or another signal) run a handler, with some flags of sigaction. */
function handle(t: Task, flags = 0, signo: number = Sig.ALRM): void {
  put64(t, c, 0x8000, flags, 0);
  expect(call(t, "rt_sigaction", signo, c, 0, 8)).toBe(0);
}

const block = (t: Task, signo: number): void => {
  put64(t, c, 2 ** (signo - 1));
  expect(call(t, "rt_sigprocmask", 0, c, 0, 8)).toBe(0);
};

/** Sleeps until a timer has made a signal pending. */
const untilSignal = (t: Task): void => {
  expect(pollHost(t, 0, Number.POSITIVE_INFINITY)).toBeLessThan(0);
};

test("the clocks that the host has show its time", () => {
  const t = caller();
  const before = Date.now() * ms;
  const now = clock(t, REALTIME);
  expect(now).toBeGreaterThanOrEqual(before - ms);
  expect(now).toBeLessThanOrEqual((Date.now() + 1) * ms);
  for (const id of [MONOTONIC, PROCESS_CPU, THREAD_CPU, RAW, 5, 6, BOOTTIME, 11]) {
    const first = clock(t, id);
    expect(first).toBeGreaterThan(0);
    expect(clock(t, id)).toBeGreaterThanOrEqual(first);
  }
});

test("a CPU clock of the own process or thread is its CPU time, one of anybody else is EINVAL", () => {
  const t = caller();
  const clockOf = (pid: number, kind: number): number => (~pid << 3) | kind;
  for (const id of [clockOf(0, 2), clockOf(t.process.pid, 2)]) {
    const first = clock(t, PROCESS_CPU);
    expect(clock(t, id)).toBeGreaterThanOrEqual(first);
  }
  expect(clock(t, clockOf(t.tid, 6))).toBeGreaterThan(0);
  expect(call(t, "clock_gettime", clockOf(1, 2), a)).toBe(-errno.EINVAL);
  expect(call(t, "clock_gettime", clockOf(0, 7), a)).toBe(-errno.EINVAL);
});

test("an unknown clock is EINVAL, a bad pointer EFAULT", () => {
  const t = caller();
  for (const id of [10, 12, 99, -1, 0x7fffffff]) {
    expect(call(t, "clock_gettime", id, a)).toBe(-errno.EINVAL);
    expect(call(t, "clock_getres", id, a)).toBe(-errno.EINVAL);
  }
  for (const addr of [0, unmapped, beyond, readOnly, room.end - 8]) {
    expect(call(t, "clock_gettime", MONOTONIC, addr)).toBe(-errno.EFAULT);
    if (addr !== 0) expect(call(t, "gettimeofday", addr, 0)).toBe(-errno.EFAULT);
  }
  expect(call(t, "clock_getres", MONOTONIC, 0)).toBe(0);
  expect(call(t, "clock_getres", MONOTONIC, a)).toBe(0);
  expect(get64(t, a + 8)).toBeGreaterThan(0);
});

test("nobody sets the clock", () => {
  const t = caller();
  put64(t, a, 1, 0);
  expect(call(t, "clock_settime", REALTIME, a)).toBe(-errno.EPERM);
  expect(call(t, "clock_settime", MONOTONIC, a)).toBe(-errno.EINVAL);
  expect(call(t, "settimeofday", a, 0)).toBe(-errno.EPERM);
  t.memory.u8.fill(0, a, a + 208);
  expect(call(t, "adjtimex", a)).toBeGreaterThanOrEqual(0);
  put32(t, a, 1);
  expect(call(t, "adjtimex", a)).toBe(-errno.EPERM);
  expect(call(t, "clock_adjtime", REALTIME, unmapped)).toBe(-errno.EFAULT);
});

test("times and getrusage count CPU time", () => {
  const t = caller();
  expect(call(t, "times", 0)).toBeGreaterThan(0);
  expect(call(t, "times", a)).toBeGreaterThan(0);
  expect(call(t, "times", unmapped)).toBe(-errno.EFAULT);
  expect(call(t, "getrusage", 0, a)).toBe(0);
  expect(get64(t, a) * 1e6 + get64(t, a + 8)).toBeGreaterThan(0);
  expect(call(t, "getrusage", 2, a)).toBe(-errno.EINVAL);
  expect(call(t, "getrusage", 0, unmapped)).toBe(-errno.EFAULT);
});

test("a sleep lasts at least as long as asked, on every clock, for a span and until a time", () => {
  const t = caller();
  for (const id of [REALTIME, MONOTONIC, BOOTTIME]) {
    const begin = clock(t, id);
    put64(t, a, 0, 3 * ms);
    expect(call(t, "clock_nanosleep", id, 0, a, 0)).toBe(0);
    expect(clock(t, id) - begin).toBeGreaterThanOrEqual(3 * ms - 512);
    const end = clock(t, id) + 3 * ms;
    put64(t, a, Math.floor(end / 1e9), end % 1e9);
    expect(call(t, "clock_nanosleep", id, ABSTIME, a, 0)).toBe(0);
    expect(clock(t, id)).toBeGreaterThanOrEqual(end - 512);
  }
  put64(t, a, 1, 0);
  expect(call(t, "clock_nanosleep", MONOTONIC, ABSTIME, a, 0)).toBe(0);
});

test("a sleep takes no impossible time and no clock that cannot wake", () => {
  const t = caller();
  for (const [sec, nsec] of [
    [-1, 0],
    [0, 1e9],
    [0, -1],
  ] as const) {
    put64(t, a, sec, nsec);
    expect(call(t, "nanosleep", a, 0)).toBe(-errno.EINVAL);
    expect(call(t, "clock_nanosleep", MONOTONIC, 0, a, 0)).toBe(-errno.EINVAL);
  }
  put64(t, a, 0, 0);
  expect(call(t, "nanosleep", unmapped, 0)).toBe(-errno.EFAULT);
  expect(call(t, "clock_nanosleep", THREAD_CPU, 0, a, 0)).toBe(-errno.ENOTSUP);
  expect(call(t, "clock_nanosleep", RAW, 0, a, 0)).toBe(-errno.ENOTSUP);
  expect(call(t, "clock_nanosleep", 10, 0, a, 0)).toBe(-errno.EINVAL);
});

/** Has SIGALRM come in two milliseconds. */
function alarm(t: Task): void {
  put64(t, a, 0, 0, 0, 2000);
  expect(call(t, "setitimer", 0, a, 0)).toBe(0);
}

test("a signal ends a sleep, and what is left is stored", () => {
  const t = caller();
  alarm(t);
  put64(t, a, 3600, 0);
  expect(raw(t, "nanosleep", a, b)).toBe(-restart.ERESTART_RESTARTBLOCK);
  const left = nanosecondsOf({ sec: get64(t, b), nsec: get64(t, b + 8) });
  expect(left).toBeGreaterThan(3000e9);
  expect(left).toBeLessThan(3600e9);
});

test("a sleep until a time is made again as it is", () => {
  const t = caller();
  alarm(t);
  put64(t, a, 2 ** 40, 0);
  expect(raw(t, "clock_nanosleep", MONOTONIC, ABSTIME, a, unmapped)).toBe(-restart.ERESTARTNOHAND);
});

test("where what is left cannot be stored, the sleep ends with EFAULT", () => {
  const t = caller();
  alarm(t);
  put64(t, a, 3600, 0);
  expect(raw(t, "nanosleep", a, unmapped)).toBe(-errno.EFAULT);
});

test("a handler runs instead of the rest of a sleep, with SA_RESTART too", () => {
  for (const flags of [0, 0x10000000]) {
    const t = caller();
    handle(t, flags);
    alarm(t);
    put64(t, a, 3600, 0);
    call(t, "nanosleep", a, 0);
    expect(pcOf(t)).toBe(0x8000);
    expect(signalPending(t)).toBe(false);
  }
});

test("restart_syscall goes on with a sleep until its first deadline", () => {
  const t = caller();
  alarm(t);
  const span = 50 * ms;
  const begin = monotonic();
  put64(t, a, 0, span);
  expect(raw(t, "nanosleep", a, b)).toBe(-restart.ERESTART_RESTARTBLOCK);
  expect(takeSignal(t, -1, -1)?.[0]).toBe(Sig.ALRM);
  const interrupted = monotonic();
  expect(raw(t, "restart_syscall")).toBe(0);
  const end = monotonic();
  expect(end - begin).toBeGreaterThanOrEqual(span);
  // Not a whole sleep anew: that would have lasted as long as the first was asked for.
  expect(get64(t, b + 8)).toBeLessThan(span);
  expect(end - interrupted).toBeGreaterThanOrEqual(get64(t, b + 8) - (interrupted - begin));
});

/** Waits, with the signal blocked, until an armed timer has expired. */
function untilPending(t: Task): void {
  while (t.process.signals.pending.words[0] === 0) expireTimers(t);
}

test("an ignored signal does not interrupt a sleep", () => {
  const t = caller();
  put64(t, c, 1, 0, 0);
  call(t, "rt_sigaction", Sig.ALRM, c, 0, 8);
  put64(t, a, 0, 500, 0, 500);
  call(t, "setitimer", 0, a, 0);
  const begin = clock(t, MONOTONIC);
  put64(t, a, 0, 5 * ms);
  expect(call(t, "nanosleep", a, 0)).toBe(0);
  expect(clock(t, MONOTONIC) - begin).toBeGreaterThanOrEqual(5 * ms);
});

test("getitimer tells what is left, setitimer what was; zero disarms", () => {
  const t = caller();
  for (const which of [0, 1, 2]) {
    put64(t, a, 7, 8, 100, 5);
    expect(call(t, "setitimer", which, a, 0)).toBe(0);
    expect(call(t, "getitimer", which, b)).toBe(0);
    expect([get64(t, b), get64(t, b + 8)]).toEqual([7, 8]);
    const left = get64(t, b + 16) * 1e6 + get64(t, b + 24);
    expect(left).toBeLessThanOrEqual(100e6 + 5);
    expect(left).toBeGreaterThan(90e6);
    put64(t, a, 0, 0, 0, 0);
    expect(call(t, "setitimer", which, a, b)).toBe(0);
    expect(get64(t, b + 16)).toBeGreaterThanOrEqual(90);
    expect(call(t, "getitimer", which, b)).toBe(0);
    expect([get64(t, b + 16), get64(t, b + 24)]).toEqual([0, 0]);
  }
  expect(timersArmed(t.process.timers)).toBe(false);
});

test("setitimer refuses impossible values, unknown timers and bad pointers", () => {
  const t = caller();
  put64(t, a, 0, 0, 0, 1e6);
  expect(call(t, "setitimer", 0, a, 0)).toBe(-errno.EINVAL);
  put64(t, a, 0, 0, -1, 0);
  expect(call(t, "setitimer", 0, a, 0)).toBe(-errno.EINVAL);
  put64(t, a, 0, 0, 1, 0);
  expect(call(t, "setitimer", 3, a, 0)).toBe(-errno.EINVAL);
  expect(call(t, "setitimer", 0, unmapped, 0)).toBe(-errno.EFAULT);
  expect(call(t, "getitimer", 0, readOnly)).toBe(-errno.EFAULT);
  expect(call(t, "getitimer", -1, a)).toBe(-errno.EINVAL);
});

test("ITIMER_VIRTUAL and ITIMER_PROF expire by CPU time", () => {
  for (const [which, signo] of [
    [1, Sig.VTALRM],
    [2, Sig.PROF],
  ] as const) {
    const t = caller();
    block(t, signo);
    put64(t, a, 0, 0, 0, 1000);
    call(t, "setitimer", which, a, 0);
    untilPending(t);
    expect(takeSignal(t, -1, -1)?.[0]).toBe(signo);
  }
});

/** timer_create with SIGEV_SIGNAL or another kind of notification. */
function create(t: Task, id: number, notify: number, signo: number, value: number, tid = 0): number {
  put64(t, a, value);
  put32(t, a + 8, signo);
  put32(t, a + 12, notify);
  put32(t, a + 16, tid);
  return call(t, "timer_create", id, a, b);
}
const [SIGNAL, NONE, THREAD_ID] = [0, 1, 4] as const;

test("a timer's signal carries its id and value", () => {
  const t = caller();
  block(t, 40);
  expect(create(t, MONOTONIC, SIGNAL, 40, 0x1234_5678_9abc)).toBe(0);
  const id = get32(t, b);
  put64(t, a, 0, 0, 0, 1000);
  expect(call(t, "timer_settime", id, 0, a, 0)).toBe(0);
  while (t.process.signals.pending.words[1] === 0) expireTimers(t);
  const info = takeSignal(t, -1, -1)!;
  expect([info[0], info[2], info[timerWord], info[overrunWord]]).toEqual([40, Code.SI_TIMER, id, 0]);
  expect(info[6]! >>> 0).toBe(0x5678_9abc);
  expect(info[7]).toBe(0x1234);
  expect(timersArmed(t.process.timers)).toBe(false);
});

test("without a sigevent it is SIGALRM with the id as value", () => {
  const t = caller();
  block(t, Sig.ALRM);
  call(t, "timer_create", MONOTONIC, 0, b);
  expect(call(t, "timer_create", MONOTONIC, 0, b)).toBe(0);
  expect(get32(t, b)).toBe(1);
  put64(t, a, 0, 0, 0, 1);
  call(t, "timer_settime", 1, 0, a, 0);
  untilPending(t);
  const info = takeSignal(t, -1, -1)!;
  expect([info[0], info[timerWord], info[6]]).toEqual([Sig.ALRM, 1, 1]);
});

test("a periodic timer counts overruns while its signal is pending, and keeps its period", () => {
  const t = caller();
  block(t, 40);
  create(t, MONOTONIC, SIGNAL, 40, 0);
  const period = 100_000;
  const begin = clock(t, MONOTONIC) + period;
  put64(t, a, 0, period, 0, period);
  call(t, "timer_settime", 0, 0, a, 0);
  const end = clock(t, MONOTONIC) + 20 * period;
  while (clock(t, MONOTONIC) < end) expireTimers(t);
  expireTimers(t);
  const info = takeSignal(t, -1, -1)!;
  const most = Math.floor((clock(t, MONOTONIC) - begin) / period) + 1;
  expect(info[overrunWord]).toBeGreaterThanOrEqual(19);
  expect(info[overrunWord]).toBeLessThanOrEqual(most);
  expect(call(t, "timer_getoverrun", 0)).toBe(info[overrunWord]!);
  expect(signalPending(t)).toBe(false);
});

test("a timer of a thread signals the thread; of another, there is none", () => {
  const t = caller();
  block(t, 40);
  expect(create(t, MONOTONIC, THREAD_ID, 40, 0, t.tid + 1)).toBe(-errno.EINVAL);
  expect(create(t, MONOTONIC, THREAD_ID, 40, 0, t.tid)).toBe(0);
  put64(t, a, 0, 0, 0, 1);
  call(t, "timer_settime", 0, 0, a, 0);
  while (t.signals.pending.words[1] === 0) expireTimers(t);
  expect(t.process.signals.pending.words[1]).toBe(0);
});

test("SIGEV_NONE counts down silently", () => {
  const t = caller();
  expect(create(t, MONOTONIC, NONE, 0, 0)).toBe(0);
  put64(t, a, 0, 0, 0, 1);
  call(t, "timer_settime", 0, 0, a, 0);
  const end = clock(t, MONOTONIC) + ms;
  while (clock(t, MONOTONIC) < end) expireTimers(t);
  expect(signalPending(t)).toBe(false);
  expect(call(t, "timer_gettime", 0, b)).toBe(0);
  expect([get64(t, b + 16), get64(t, b + 24)]).toEqual([0, 0]);
  put64(t, a, 0, 200_000, 0, 1);
  call(t, "timer_settime", 0, 0, a, 0);
  const later = clock(t, MONOTONIC) + ms;
  while (clock(t, MONOTONIC) < later);
  call(t, "timer_gettime", 0, b);
  expect(get64(t, b + 24)).toBeGreaterThan(0);
  expect(get64(t, b + 24)).toBeLessThanOrEqual(200_000);
});

test("an absolute timer on the wall clock or a CPU clock expires at its time", () => {
  for (const id of [REALTIME, MONOTONIC, BOOTTIME, PROCESS_CPU, THREAD_CPU]) {
    const t = caller();
    block(t, Sig.ALRM);
    call(t, "timer_create", id, 0, b);
    const at = clock(t, id) + ms;
    put64(t, a, 0, 0, Math.floor(at / 1e9), at % 1e9);
    expect(call(t, "timer_settime", 0, ABSTIME, a, 0)).toBe(0);
    untilPending(t);
    expect(clock(t, id)).toBeGreaterThanOrEqual(at - 512);
  }
});

test("timer_settime tells the setting before, and disarms", () => {
  const t = caller();
  create(t, REALTIME, SIGNAL, 40, 0);
  put64(t, a, 3, 5, 1000, 0);
  call(t, "timer_settime", 0, 0, a, 0);
  put64(t, a, 0, 0, 0, 0);
  expect(call(t, "timer_settime", 0, 0, a, b)).toBe(0);
  expect([get64(t, b), get64(t, b + 8)]).toEqual([3, 5]);
  expect(get64(t, b + 16)).toBe(999);
  expect(timersArmed(t.process.timers)).toBe(false);
});

test("timers that are not there, impossible events and clocks, bad pointers", () => {
  const t = caller();
  expect(create(t, MONOTONIC, SIGNAL, 65, 0)).toBe(-errno.EINVAL);
  expect(create(t, MONOTONIC, SIGNAL, 0, 0)).toBe(-errno.EINVAL);
  expect(create(t, MONOTONIC, 3, 10, 0)).toBe(-errno.EINVAL);
  expect(create(t, 10, SIGNAL, 10, 0)).toBe(-errno.EINVAL);
  expect(create(t, RAW, SIGNAL, 10, 0)).toBe(-errno.ENOTSUP);
  expect(call(t, "timer_create", MONOTONIC, unmapped, b)).toBe(-errno.EFAULT);
  expect(call(t, "timer_create", MONOTONIC, 0, readOnly)).toBe(-errno.EFAULT);
  for (const id of [0, -1, 1 << 20]) {
    expect(call(t, "timer_delete", id)).toBe(-errno.EINVAL);
    expect(call(t, "timer_gettime", id, a)).toBe(-errno.EINVAL);
    expect(call(t, "timer_getoverrun", id)).toBe(-errno.EINVAL);
    expect(call(t, "timer_settime", id, 0, a, 0)).toBe(-errno.EINVAL);
  }
  expect(create(t, MONOTONIC, SIGNAL, 10, 0)).toBe(0);
  put64(t, a, 0, 0, 0, 1e9);
  expect(call(t, "timer_settime", 0, 0, a, 0)).toBe(-errno.EINVAL);
  expect(call(t, "timer_settime", 0, 0, unmapped, 0)).toBe(-errno.EFAULT);
  expect(call(t, "timer_delete", 0)).toBe(0);
  expect(call(t, "timer_delete", 0)).toBe(-errno.EINVAL);
});

test("a timer expires while the thread sleeps, and wakes it", () => {
  const t = caller();
  handle(t);
  put64(t, a, 0, 0, 0, 1000);
  call(t, "setitimer", 0, a, 0);
  untilSignal(t);
  expect(takeSignal(t, -1, -1)?.[0]).toBe(Sig.ALRM);
});

test("timer descriptors are the host's", () => {
  const t = caller();
  const fd = call(t, "timerfd_create", MONOTONIC, 0o2000000);
  expect(fd).toBeGreaterThanOrEqual(0);
  put64(t, a, 0, 0, 1000, 0);
  expect(call(t, "timerfd_settime", fd, 0, a, 0)).toBe(0);
  expect(call(t, "timerfd_gettime", fd, b)).toBe(0);
  expect(get64(t, b + 16)).toBe(999);
  expect(call(t, "timerfd_settime", fd, 0, unmapped, 0)).toBe(-errno.EFAULT);
  expect(call(t, "timerfd_gettime", fd, readOnly)).toBe(-errno.EFAULT);
  expect(call(t, "timerfd_gettime", fd + 1, b)).toBe(-errno.EBADF);
  expect(call(t, "timerfd_create", 99, 0)).toBe(-errno.EINVAL);
});
