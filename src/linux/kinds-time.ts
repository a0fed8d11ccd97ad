// Kinds of arguments of the calls about time, and how a trace shows them.
import { Clock } from "../host/clock.ts";
import { errno, restart } from "./errno.ts";
import { oneOf } from "./kinds.ts";
import { failed, type Kind } from "./row.ts";
import type { Task } from "./task.ts";
import { addressText } from "./text.ts";
import { loadSetting, loadTimespec } from "./time-structs.ts";
import { u64 } from "./words.ts";

/** A pointer that is shown as what it points to, where that can be read; `out`: as it is after a call that worked. */
const shownAs = (show: (t: Task, addr: number) => string | undefined, out: boolean): Kind<number> => ({
  load: (_t, lo, hi) => u64(lo, hi),
  show: (t, lo, hi, call) => {
    const addr = u64(lo, hi);
    const hidden = addr === 0 || (out && failed(call));
    return (hidden ? undefined : show(t, addr)) ?? addressText(addr);
  },
  ...(out && { out: true as const }),
});

const showPair =
  (seconds: string, fraction: string) =>
  (t: Task, addr: number): string | undefined => {
    const time = loadTimespec(t.memory, addr);
    return time && `{${seconds}=${time.sec}, ${fraction}=${time.nsec}}`;
  };

/** Text of the `struct timespec` at an address, undefined where it cannot be read. */
export const showTimespec = showPair("tv_sec", "tv_nsec");
const showTimeval = showPair("tv_sec", "tv_usec");

const showSetting =
  (show: typeof showTimespec, prefix: string) =>
  (t: Task, addr: number): string | undefined =>
    loadSetting(t.memory, addr) && `{it_interval=${show(t, addr)}, ${prefix}=${show(t, addr + 16)}}`;

/** Pointer to a `struct timespec`. */
export const timespec = shownAs(showTimespec, false);
export const timespecOut = shownAs(showTimespec, true);
/** Pointer to the timespec that an interrupted sleep leaves behind. */
export const timespecRemainder: Kind<number> = {
  ...timespecOut,
  show: (t, lo, hi, call) => {
    const cut = call.result === -restart.ERESTART_RESTARTBLOCK || call.result === -errno.EINTR;
    return (cut && u64(lo, hi) !== 0 ? showTimespec(t, u64(lo, hi)) : undefined) ?? addressText(u64(lo, hi));
  },
};
/** Pointer to a `struct timeval`. */
export const timevalOut = shownAs(showTimeval, true);
export const timeval = shownAs(showTimeval, false);
/** Pointer to a `struct itimerspec`. */
export const itimerspec = shownAs(showSetting(showTimespec, "it_value"), false);
export const itimerspecOut = shownAs(showSetting(showTimespec, "it_value"), true);
/** Pointer to a `struct itimerval`. */
export const itimerval = shownAs(showSetting(showTimeval, "it_value"), false);
export const itimervalOut = shownAs(showSetting(showTimeval, "it_value"), true);

/** A clockid_t. */
export const clock = oneOf(Clock, "CLOCK_");
export const intervalTimer = oneOf({ ITIMER_REAL: 0, ITIMER_VIRTUAL: 1, ITIMER_PROF: 2 });
