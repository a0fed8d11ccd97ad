// Timers: those of the process, which send signals (timers.ts keeps them), and timer descriptors, which are the host's.
import { Clock } from "../../host/clock.ts";
import { host } from "../../host/syscall.ts";
import { readable, writable } from "../../memory/guest-memory.ts";
import { isDescriptorClock, sharedClock } from "../clocks.ts";
import { errno } from "../errno.ts";
import { hostFd, installFd } from "../fds.ts";
import { fd, flags, int, pointer } from "../kinds.ts";
import { clock, intervalTimer, itimerspec, itimerspecOut, itimerval, itimervalOut } from "../kinds-time.ts";
import { type CallRow, call } from "../row.ts";
import { sigMax } from "../siginfo.ts";
import { threadById } from "../targets.ts";
import type { Task } from "../task.ts";
import {
  isValid,
  loadMicroSetting,
  loadSetting,
  settingBytes,
  storeMicroSetting,
  storeSetting,
} from "../time-structs.ts";
import {
  createTimer,
  deleteTimer,
  type Event,
  getTimer,
  intervalTimers,
  Notify,
  type Setting,
  setTimer,
  timerOverrun,
  timerSlot,
} from "../timers.ts";
import { loadWords } from "../words.ts";

// ---- interval timers

function getitimer(t: Task, which: number, addr: number): number {
  if (which < 0 || which >= intervalTimers) return -errno.EINVAL;
  return storeMicroSetting(t.memory, addr, getTimer(t.process.timers, which)) ? 0 : -errno.EFAULT;
}

const off: Setting = { value: { sec: 0, nsec: 0 }, interval: { sec: 0, nsec: 0 } };

function setitimer(t: Task, which: number, addr: number, oldAddr: number): number {
  const setting = addr === 0 ? off : loadMicroSetting(t.memory, addr);
  if (setting === undefined) return -errno.EFAULT;
  if (which < 0 || which >= intervalTimers || !isValid(setting.value) || !isValid(setting.interval))
    return -errno.EINVAL;
  const old = setTimer(t.process.timers, which, setting, false);
  return oldAddr === 0 || storeMicroSetting(t.memory, oldAddr, old) ? 0 : -errno.EFAULT;
}

// ---- POSIX timers

const sigeventWords = 16;
const idBytes = 4;

/** The clock that a timer on a clock runs by, or an error. */
function timerClock(t: Task, id: number): number | undefined {
  switch (id) {
    case Clock.REALTIME_ALARM:
      return Clock.REALTIME;
    case Clock.BOOTTIME_ALARM:
      return Clock.BOOTTIME;
    default:
      return sharedClock(t, id);
  }
}

const untimed: readonly number[] = [Clock.MONOTONIC_RAW, Clock.REALTIME_COARSE, Clock.MONOTONIC_COARSE];

function timerCreate(t: Task, id: number, eventAddr: number, idAddr: number): number {
  const clockNumber = timerClock(t, id);
  const words = eventAddr === 0 ? undefined : loadWords(t, eventAddr, sigeventWords);
  if (eventAddr !== 0 && words === undefined) return -errno.EFAULT;
  if (clockNumber === undefined || isDescriptorClock(clockNumber)) return -errno.EINVAL;
  if (untimed.includes(clockNumber)) return -errno.ENOTSUP;
  const event = words && { lo: words[0]!, hi: words[1]!, signo: words[2]!, notify: words[3]!, tid: words[4]! };
  if (event && !isEvent(t, event)) return -errno.EINVAL;
  const to = writable(t.memory, idAddr, idBytes);
  if (to === undefined) return -errno.EFAULT;
  const timer = createTimer(t.process.timers, clockNumber, event);
  if (timer < 0) return timer;
  t.memory.view.setInt32(idAddr, timer, true);
  return 0;
}

function isEvent(t: Task, { notify, signo, tid }: Event): boolean {
  if (notify === Notify.none) return true;
  if (notify === Notify.threadId && threadById(t, tid) === undefined) return false;
  const known = notify === Notify.signal || notify === Notify.thread || notify === Notify.threadId;
  return known && signo >= 1 && signo <= sigMax;
}

function timerSettime(t: Task, id: number, flag: number, addr: number, oldAddr: number): number {
  if (addr === 0) return -errno.EINVAL;
  const setting = loadSetting(t.memory, addr);
  if (setting === undefined) return -errno.EFAULT;
  const slot = timerSlot(t.process.timers, id);
  if (slot < 0) return slot;
  if (!isValid(setting.value) || !isValid(setting.interval)) return -errno.EINVAL;
  const old = setTimer(t.process.timers, slot, setting, (flag & TIMER_ABSTIME) !== 0);
  return oldAddr === 0 || storeSetting(t.memory, oldAddr, old) ? 0 : -errno.EFAULT;
}

function timerGettime(t: Task, id: number, addr: number): number {
  const slot = timerSlot(t.process.timers, id);
  if (slot < 0) return slot;
  return storeSetting(t.memory, addr, getTimer(t.process.timers, slot)) ? 0 : -errno.EFAULT;
}

function timerGetoverrun(t: Task, id: number): number {
  const slot = timerSlot(t.process.timers, id);
  return slot < 0 ? slot : timerOverrun(t, slot);
}

function timerDelete(t: Task, id: number): number {
  const slot = timerSlot(t.process.timers, id);
  if (slot >= 0) deleteTimer(t.process.timers, slot);
  return Math.min(slot, 0);
}

// ---- timer descriptors

const TFD_CLOEXEC = 0o2000000;
const TFD_NONBLOCK = 0o4000;

function timerfdCreate(t: Task, id: number, flag: number): number {
  return installFd(t.process.fds, host("timerfd_create", id, flag | TFD_CLOEXEC), (flag & TFD_CLOEXEC) !== 0);
}

function timerfdSettime(t: Task, fdNumber: number, flag: number, addr: number, oldAddr: number): number {
  const m = t.memory;
  if (readable(m, addr, settingBytes) === undefined) return -errno.EFAULT;
  const h = hostFd(t.process.fds, fdNumber);
  if (h < 0) return h;
  if (oldAddr !== 0 && writable(m, oldAddr, settingBytes) === undefined) return -errno.EFAULT;
  return host("timerfd_settime", h, flag, m.hostBase + addr, oldAddr === 0 ? 0 : m.hostBase + oldAddr);
}

function timerfdGettime(t: Task, fdNumber: number, addr: number): number {
  const h = hostFd(t.process.fds, fdNumber);
  if (h < 0) return h;
  if (writable(t.memory, addr, settingBytes) === undefined) return -errno.EFAULT;
  return host("timerfd_gettime", h, t.memory.hostBase + addr);
}

const TIMER_ABSTIME = 1;
const timerFlags = flags({ TIMER_ABSTIME });
const createFlags = flags({ TFD_CLOEXEC, TFD_NONBLOCK });
const settimeFlags = flags({ TFD_TIMER_ABSTIME: 1, TFD_TIMER_CANCEL_ON_SET: 2 });

export const timerCalls: readonly CallRow[] = [
  call(85, "timerfd_create", [clock, createFlags], "fd", "quick", timerfdCreate),
  call(86, "timerfd_settime", [fd, settimeFlags, itimerspec, itimerspecOut], "int", "quick", timerfdSettime),
  call(87, "timerfd_gettime", [fd, itimerspecOut], "int", "quick", timerfdGettime),
  call(102, "getitimer", [intervalTimer, itimervalOut], "int", "quick", getitimer),
  call(103, "setitimer", [intervalTimer, itimerval, itimervalOut], "int", "quick", setitimer),
  call(107, "timer_create", [clock, pointer, pointer], "int", "quick", timerCreate),
  call(108, "timer_gettime", [int, itimerspecOut], "int", "quick", timerGettime),
  call(109, "timer_getoverrun", [int], "int", "quick", timerGetoverrun),
  call(110, "timer_settime", [int, timerFlags, itimerspec, itimerspecOut], "int", "quick", timerSettime),
  call(111, "timer_delete", [int], "int", "quick", timerDelete),
];
