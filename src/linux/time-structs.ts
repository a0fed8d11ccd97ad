// Time in guest memory: timespec, timeval and the pairs of them that timers take. All are two or four signed 64-bit
// words. Loading answers undefined where the memory is not readable, storing false where it is not writable.
import { second, type Timespec } from "../host/clock.ts";
import { type GuestMemory, readable, writable } from "../memory/guest-memory.ts";
import type { Setting } from "./timers.ts";

const two32 = 2 ** 32;
export const timespecBytes = 16;
export const settingBytes = 32;

const loadI64 = (m: GuestMemory, at: number): number =>
  m.view.getInt32(at + 4, true) * two32 + m.view.getUint32(at, true);

function storeI64(m: GuestMemory, at: number, value: number): void {
  m.view.setInt32(at, (value % two32) | 0, true);
  m.view.setInt32(at + 4, Math.floor(value / two32) | 0, true);
}

/** A `struct timespec` as it stands there, in range or not. */
export function loadTimespec(m: GuestMemory, addr: number): Timespec | undefined {
  if (readable(m, addr, timespecBytes) === undefined) return undefined;
  return { sec: loadI64(m, addr), nsec: loadI64(m, addr + 8) };
}

export function storeTimespec(m: GuestMemory, addr: number, t: Timespec): boolean {
  if (writable(m, addr, timespecBytes) === undefined) return false;
  storeI64(m, addr, t.sec);
  storeI64(m, addr + 8, t.nsec);
  return true;
}

/** Whether the kernel takes it: no negative seconds, nanoseconds below a second. */
export const isValid = (t: Timespec): boolean => t.sec >= 0 && t.nsec >= 0 && t.nsec < second;

/** A timespec from nanoseconds, at least 0. */
export const timespecOf = (nanoseconds: number): Timespec => ({
  sec: Math.floor(nanoseconds / second),
  nsec: nanoseconds % second,
});

/** A span as nanoseconds; not exact beyond 104 days. */
export const nanosecondsOf = (t: Timespec): number => t.sec * second + t.nsec;

/** A `struct itimerspec`: interval, then value. */
export function loadSetting(m: GuestMemory, addr: number): Setting | undefined {
  if (readable(m, addr, settingBytes) === undefined) return undefined;
  return { interval: loadTimespec(m, addr)!, value: loadTimespec(m, addr + timespecBytes)! };
}

export function storeSetting(m: GuestMemory, addr: number, s: Setting): boolean {
  if (writable(m, addr, settingBytes) === undefined) return false;
  return storeTimespec(m, addr, s.interval) && storeTimespec(m, addr + timespecBytes, s.value);
}

const microsecond = 1000;
const scaled = (t: Timespec, nsec: number): Timespec => ({ sec: t.sec, nsec });

/** A `struct itimerval` as a setting: the same with microseconds. */
export function loadMicroSetting(m: GuestMemory, addr: number): Setting | undefined {
  const s = loadSetting(m, addr);
  return (
    s && {
      interval: scaled(s.interval, s.interval.nsec * microsecond),
      value: scaled(s.value, s.value.nsec * microsecond),
    }
  );
}

/** Stores it with microseconds, where what is left of a running timer is never 0. */
export function storeMicroSetting(m: GuestMemory, addr: number, { interval, value }: Setting): boolean {
  const micros = (t: Timespec): Timespec => scaled(t, Math.floor(t.nsec / microsecond));
  const left = value.sec === 0 && value.nsec > 0 ? Math.max(value.nsec, microsecond) : value.nsec;
  return storeSetting(m, addr, { interval: micros(interval), value: micros(scaled(value, left)) });
}
