// Clocks and sleeps. Time is the host's and nobody sets it.
import {
  Clock,
  monotonic,
  nanosecondsBetween,
  readClock,
  second,
  storeClock,
  type Timespec,
  timeUntil,
} from "../../host/clock.ts";
import { host } from "../../host/syscall.ts";
import { copyTo, type GuestMemory, writable } from "../../memory/guest-memory.ts";
import { residentKib } from "../../memory/maps.ts";
import {
  noteResident,
  rusageOf,
  ticksOf,
  type Usage,
  usageOfChildren,
  usageOfProcess,
  usageOfThread,
} from "../accounting.ts";
import {
  isCpuClock,
  isDescriptorClock,
  isThreadClock,
  likeOnHost,
  readShared,
  sharedClock,
  soonest,
} from "../clocks.ts";
import { errno, restart } from "../errno.ts";
import { flags, oneOf, pointer } from "../kinds.ts";
import { clock, timespec, timespecOut, timespecRemainder, timeval, timevalOut } from "../kinds-time.ts";
import { type CallRow, call } from "../row.ts";
import type { Task } from "../task.ts";
import { isValid, loadTimespec, storeTimespec, timespecBytes, timespecOf } from "../time-structs.ts";
import { sleepUntil } from "../wait.ts";

const TIMER_ABSTIME = 1;
const timevalBytes = 16;
const timezoneBytes = 8;
const timexBytes = 208;

/** Host address of guest memory that the host is about to fill, undefined where it is not writable. */
const target = (m: GuestMemory, addr: number, length: number): number | undefined =>
  writable(m, addr, length) && m.hostBase + addr;

function clockGettime(t: Task, id: number, addr: number): number {
  if (id >= 0 && id !== Clock.PROCESS_CPUTIME_ID && id !== Clock.THREAD_CPUTIME_ID) {
    const to = target(t.memory, addr, timespecBytes);
    if (to === undefined) return readClock(id) ? -errno.EFAULT : -errno.EINVAL;
    return storeClock(id, to) ? 0 : -errno.EINVAL;
  }
  const shared = sharedClock(t, id);
  const time = shared === undefined ? undefined : readShared(t.process.kernel, shared);
  if (time === undefined) return -errno.EINVAL;
  return storeTimespec(t.memory, addr, time) ? 0 : -errno.EFAULT;
}

function clockGetres(t: Task, id: number, addr: number): number {
  const shared = sharedClock(t, id);
  if (shared === undefined) return -errno.EINVAL;
  const to = addr === 0 ? 0 : target(t.memory, addr, timespecBytes);
  return to === undefined ? -errno.EFAULT : host("clock_getres", likeOnHost(shared), to);
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

/** Sleeps until a clock shows a time. Answers 0, -ERESTARTNOHAND for a signal, or -EINVAL where what the clock counts is no more. */
function sleepOnClock(t: Task, clockNumber: number, deadline: Timespec): number {
  if (!isCpuClock(clockNumber)) return sleepUntil(t, clockNumber, deadline);
  for (;;) {
    const now = readShared(t.process.kernel, clockNumber);
    if (now === undefined) return -errno.EINVAL;
    const left = nanosecondsBetween(now, deadline);
    if (left <= 0) return 0;
    const result = sleepUntil(t, Clock.MONOTONIC, timespecOf(monotonic() + soonest(left)));
    if (result !== 0) return result;
  }
}

function sleep(t: Task, clockNumber: number, deadline: Timespec, remainder: number): number {
  const result = sleepOnClock(t, clockNumber, deadline);
  if (result !== -restart.ERESTARTNOHAND) return result;
  const left = timeUntil(readShared(t.process.kernel, clockNumber) ?? deadline, deadline);
  if (left === undefined) return 0;
  if (remainder !== 0 && !storeTimespec(t.memory, remainder, left)) return -errno.EFAULT;
  t.signals.restartBlock = (task) => sleep(task, clockNumber, deadline, remainder);
  return -restart.ERESTART_RESTARTBLOCK;
}

function sleepFor(t: Task, clockNumber: number, span: Timespec, remainder: number): number {
  const now = readShared(t.process.kernel, clockNumber);
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

/** Clocks that wake nobody. */
const untimed: readonly number[] = [
  Clock.THREAD_CPUTIME_ID,
  Clock.MONOTONIC_RAW,
  Clock.REALTIME_COARSE,
  Clock.MONOTONIC_COARSE,
];

/** The clock that a sleep on a clock is measured by; undefined where there is none: nobody sleeps on a descriptor, or on a thread's CPU time. */
function sleepingClock(t: Task, id: number): number | undefined {
  if (id === Clock.REALTIME_ALARM) return Clock.REALTIME;
  if (id === Clock.BOOTTIME_ALARM) return Clock.BOOTTIME;
  const shared = sharedClock(t, id);
  return shared === undefined || isDescriptorClock(shared) || isThreadClock(shared) ? undefined : shared;
}

function clockNanosleep(t: Task, id: number, flag: number, request: number, remainder: number): number {
  if (untimed.includes(id)) return -errno.ENOTSUP;
  const clockNumber = sleepingClock(t, id);
  if (clockNumber === undefined) return -errno.EINVAL;
  const time = loadTimespec(t.memory, request);
  if (time === undefined) return -errno.EFAULT;
  if (!isValid(time)) return -errno.EINVAL;
  if ((flag & TIMER_ABSTIME) !== 0) return sleepOnClock(t, clockNumber, time);
  // A span does not change when the wall clock is set.
  return sleepFor(t, clockNumber === Clock.REALTIME ? Clock.MONOTONIC : clockNumber, time, remainder);
}

// ---- adjusting clocks: looking only

const ADJ_OFFSET_SS_READ = 0xa001;

function clockAdjtime(t: Task, id: number, addr: number): number {
  const to = target(t.memory, addr, timexBytes);
  if (to === undefined) return -errno.EFAULT;
  const shared = sharedClock(t, id);
  if (shared === undefined) return -errno.EINVAL;
  const modes = t.memory.view.getUint32(addr, true);
  if (modes !== 0 && modes !== ADJ_OFFSET_SS_READ) return -errno.EPERM;
  return host("clock_adjtime", likeOnHost(shared), to);
}

const adjtimex = (t: Task, addr: number): number => clockAdjtime(t, Clock.REALTIME, addr);

// ---- resources used

function times(t: Task, addr: number): number {
  const { kernel, index } = t.process;
  if (addr !== 0) {
    const [own, children] = [usageOfProcess(kernel, index), usageOfChildren(kernel, index)];
    const ticks = [own.user, own.system, children.user, children.system].map((time) => BigInt(ticksOf(time)));
    if (!copyTo(t.memory, addr, new Uint8Array(BigInt64Array.from(ticks).buffer))) return -errno.EFAULT;
  }
  return host("times");
}

const Rusage = { RUSAGE_SELF: 0, RUSAGE_CHILDREN: -1, RUSAGE_THREAD: 1 } as const;

function getrusage(t: Task, who: number, addr: number): number {
  const used = usedBy(t, who);
  if (used === undefined) return -errno.EINVAL;
  return copyTo(t.memory, addr, rusageOf(used)) ? 0 : -errno.EFAULT;
}

const countEvery = 1e7;
let counted = 0;

function usedBy({ process: { kernel, index, space }, index: thread }: Task, who: number): Usage | undefined {
  if (who === Rusage.RUSAGE_CHILDREN) return usageOfChildren(kernel, index);
  if (who !== Rusage.RUSAGE_SELF && who !== Rusage.RUSAGE_THREAD) return undefined;
  // To count pages takes a millisecond a gigabyte: not at each of many calls.
  const now = monotonic();
  if (now - counted > countEvery) {
    counted = now;
    noteResident(kernel, index, residentKib(space));
  }
  return who === Rusage.RUSAGE_SELF ? usageOfProcess(kernel, index) : usageOfThread(kernel, thread);
}

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
  call(165, "getrusage", [oneOf(Rusage), pointer], "int", "quick", getrusage),
  call(169, "gettimeofday", [timevalOut, pointer], "int", "quick", gettimeofday),
  call(170, "settimeofday", [timeval, pointer], "int", "quick", settimeofday),
  call(171, "adjtimex", [pointer], "int", "quick", adjtimex),
  call(266, "clock_adjtime", [clock, pointer], "int", "quick", clockAdjtime),
];
