// Clocks and sleeps. Time is the host's and nobody sets it; CPU time and resource usage are those of the emulator,
// which runs the guest on its own account.
import { Clock, readClock, second, storeClock, type Timespec, timeUntil } from "../../host/clock.ts";
import { host } from "../../host/syscall.ts";
import { type GuestMemory, writable } from "../../memory/guest-memory.ts";
import { hostClock } from "../clocks.ts";
import { errno, restart } from "../errno.ts";
import { flags, oneOf, pointer } from "../kinds.ts";
import { clock, timespec, timespecOut, timespecRemainder, timeval, timevalOut } from "../kinds-time.ts";
import { type CallRow, call } from "../row.ts";
import type { Task } from "../task.ts";
import { isValid, loadTimespec, storeTimespec, timespecBytes } from "../time-structs.ts";
import { sleepUntil } from "../wait.ts";

const TIMER_ABSTIME = 1;
const timevalBytes = 16;
const timezoneBytes = 8;
const tmsBytes = 32;
const rusageBytes = 144;
const timexBytes = 208;

/** Host address of guest memory that the host is about to fill, undefined where it is not writable. */
const target = (m: GuestMemory, addr: number, length: number): number | undefined =>
  writable(m, addr, length) && m.hostBase + addr;

function clockGettime(t: Task, id: number, addr: number): number {
  const clockNumber = id >= 0 ? id : hostClock(t, id);
  if (clockNumber === undefined) return -errno.EINVAL;
  const to = target(t.memory, addr, timespecBytes);
  if (to === undefined) return readClock(clockNumber) ? -errno.EFAULT : -errno.EINVAL;
  return storeClock(clockNumber, to) ? 0 : -errno.EINVAL;
}

function clockGetres(t: Task, id: number, addr: number): number {
  const clockNumber = hostClock(t, id);
  if (clockNumber === undefined) return -errno.EINVAL;
  const to = addr === 0 ? 0 : target(t.memory, addr, timespecBytes);
  return to === undefined ? -errno.EFAULT : host("clock_getres", clockNumber, to);
}

/** Only the wall clock could be set, by somebody whom the guest never is. */
function clockSettime(t: Task, id: number, addr: number): number {
  const time = loadTimespec(t.memory, addr);
  if (time === undefined) return -errno.EFAULT;
  return id === Clock.REALTIME && isValid(time) ? -errno.EPERM : -errno.EINVAL;
}

function gettimeofday(t: Task, tv: number, tz: number): number {
  const time = tv === 0 ? 0 : target(t.memory, tv, timevalBytes);
  const zone = tz === 0 ? 0 : target(t.memory, tz, timezoneBytes);
  return time === undefined || zone === undefined ? -errno.EFAULT : host("gettimeofday", time, zone);
}

function settimeofday(t: Task, tv: number): number {
  const time = tv === 0 ? undefined : loadTimespec(t.memory, tv);
  if (tv !== 0 && time === undefined) return -errno.EFAULT;
  return time && !isValid({ sec: time.sec, nsec: time.nsec * 1000 }) ? -errno.EINVAL : -errno.EPERM;
}

// ---- sleeping

function sleep(t: Task, clockNumber: number, deadline: Timespec, remainder: number): number {
  const result = sleepUntil(t, clockNumber, deadline);
  if (result === 0) return 0;
  const left = timeUntil(readClock(clockNumber) ?? deadline, deadline);
  if (left === undefined) return 0;
  if (remainder !== 0 && !storeTimespec(t.memory, remainder, left)) return -errno.EFAULT;
  t.signals.restartBlock = (task) => sleep(task, clockNumber, deadline, remainder);
  return -restart.ERESTART_RESTARTBLOCK;
}

function sleepFor(t: Task, clockNumber: number, span: Timespec, remainder: number): number {
  const now = readClock(clockNumber);
  if (now === undefined) return -errno.EINVAL;
  const carry = now.nsec + span.nsec >= second ? 1 : 0;
  const deadline = { sec: now.sec + span.sec + carry, nsec: now.nsec + span.nsec - carry * second };
  return sleep(t, clockNumber, deadline, remainder);
}

function nanosleep(t: Task, request: number, remainder: number): number {
  const span = loadTimespec(t.memory, request);
  if (span === undefined) return -errno.EFAULT;
  return isValid(span) ? sleepFor(t, Clock.MONOTONIC, span, remainder) : -errno.EINVAL;
}

/** The clock that a sleep on a clock is measured by, or an error: not every clock can wake somebody. */
function sleepingClock(t: Task, id: number): number {
  const clockNumber = hostClock(t, id);
  if (clockNumber === undefined) return -errno.EINVAL;
  switch (clockNumber) {
    case Clock.REALTIME_ALARM:
      return Clock.REALTIME;
    case Clock.BOOTTIME_ALARM:
      return Clock.BOOTTIME;
    case Clock.THREAD_CPUTIME_ID:
    case Clock.MONOTONIC_RAW:
    case Clock.REALTIME_COARSE:
    case Clock.MONOTONIC_COARSE:
      return -errno.ENOTSUP;
    default:
      // The process's CPU clocks in either spelling; nobody sleeps on a descriptor or on a thread's own CPU time.
      if (clockNumber >= 0) return clockNumber;
      return (clockNumber & 4) === 0 && (clockNumber & 7) !== 3 ? Clock.PROCESS_CPUTIME_ID : -errno.EINVAL;
  }
}

function clockNanosleep(t: Task, id: number, flag: number, request: number, remainder: number): number {
  const clockNumber = sleepingClock(t, id);
  if (clockNumber < 0) return clockNumber;
  const time = loadTimespec(t.memory, request);
  if (time === undefined) return -errno.EFAULT;
  if (!isValid(time)) return -errno.EINVAL;
  if ((flag & TIMER_ABSTIME) !== 0) return sleepUntil(t, clockNumber, time);
  // A span does not change when the wall clock is set.
  return sleepFor(t, clockNumber === Clock.REALTIME ? Clock.MONOTONIC : clockNumber, time, remainder);
}

// ---- adjusting clocks: looking only

const ADJ_OFFSET_SS_READ = 0xa001;

function clockAdjtime(t: Task, id: number, addr: number): number {
  const to = target(t.memory, addr, timexBytes);
  if (to === undefined) return -errno.EFAULT;
  const clockNumber = hostClock(t, id);
  if (clockNumber === undefined) return -errno.EINVAL;
  const modes = t.memory.view.getUint32(addr, true);
  if (modes !== 0 && modes !== ADJ_OFFSET_SS_READ) return -errno.EPERM;
  return host("clock_adjtime", clockNumber, to);
}

const adjtimex = (t: Task, addr: number): number => clockAdjtime(t, Clock.REALTIME, addr);

// ---- resources used

function times(t: Task, addr: number): number {
  const to = addr === 0 ? 0 : target(t.memory, addr, tmsBytes);
  return to === undefined ? -errno.EFAULT : host("times", to);
}

function getrusage(t: Task, who: number, addr: number): number {
  if (who < -1 || who > 1) return -errno.EINVAL;
  const to = target(t.memory, addr, rusageBytes);
  return to === undefined ? -errno.EFAULT : host("getrusage", who, to);
}

const rusageWho = oneOf({ RUSAGE_SELF: 0, RUSAGE_CHILDREN: -1, RUSAGE_THREAD: 1 });

export const timeCalls: readonly CallRow[] = [
  call(101, "nanosleep", [timespec, timespecRemainder], "int", "eintr", nanosleep),
  call(112, "clock_settime", [clock, timespec], "int", "quick", clockSettime),
  call(113, "clock_gettime", [clock, timespecOut], "int", "quick", clockGettime),
  call(114, "clock_getres", [clock, timespecOut], "int", "quick", clockGetres),
  call(
    115,
    "clock_nanosleep",
    [clock, flags({ TIMER_ABSTIME }), timespec, timespecRemainder],
    "int",
    "eintr",
    clockNanosleep,
  ),
  call(153, "times", [pointer], "int", "quick", times),
  call(165, "getrusage", [rusageWho, pointer], "int", "quick", getrusage),
  call(169, "gettimeofday", [timevalOut, pointer], "int", "quick", gettimeofday),
  call(170, "settimeofday", [timeval, pointer], "int", "quick", settimeofday),
  call(171, "adjtimex", [pointer], "int", "quick", adjtimex),
  call(266, "clock_adjtime", [clock, pointer], "int", "quick", clockAdjtime),
];
