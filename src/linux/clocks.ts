// Clock numbers of the guest as clock numbers of the host. Time is the host's; CPU time is the emulator's own, its
// translation and collection of garbage included.
import { Clock } from "../host/clock.ts";
import { host } from "../host/syscall.ts";
import { hostFd } from "./fds.ts";
import type { Task } from "./task.ts";

// A negative clock number is an id, inverted, above three bits: CPU time of a process (user and system, user only,
// or as the scheduler counts), or of a thread with bit 2; or 3 for the clock behind a descriptor.
const idBits = 3;
const threadBit = 4;
const descriptor = 3;
const scheduled = 2;
const clockOf = (id: number, kind: number): number => (~id << idBits) | kind;

/** CPU time of this process as ITIMER_PROF and ITIMER_VIRTUAL count it. */
export const profClock = clockOf(0, 0);
export const virtualClock = clockOf(0, 1);

const lastClock = Clock.TAI;
const gap = 10;

/** The host's number for a guest's clock, undefined where there is no such clock. Of CPU clocks, only the caller's own are there. */
export function hostClock(t: Task, clock: number): number | undefined {
  if (clock >= 0) return clock <= lastClock && clock !== gap ? clock : undefined;
  const kind = clock & 7;
  const id = ~(clock >> idBits);
  if (kind === descriptor) {
    const h = hostFd(t.process.fds, id);
    return h < 0 ? undefined : clockOf(h, descriptor);
  }
  if ((kind & 3) > scheduled) return undefined;
  const own = kind & threadBit ? t.tid : t.process.pid;
  return id === 0 || id === own ? clockOf(0, kind) : undefined;
}

/** The same clock under a number that means it in every thread of the emulator. */
export function sharedClock(hostNumber: number): number {
  const ofThread = hostNumber < 0 && (hostNumber & 7) !== 7 && (hostNumber & threadBit) !== 0;
  if (hostNumber !== Clock.THREAD_CPUTIME_ID && !ofThread) return hostNumber;
  return clockOf(host("gettid"), ofThread ? hostNumber & 7 : threadBit | scheduled);
}

/** Whether a host clock counts CPU time, so that a sleeping process does not get nearer to a deadline on it. */
export const isCpuClock = (clock: number): boolean =>
  clock === Clock.PROCESS_CPUTIME_ID || clock === Clock.THREAD_CPUTIME_ID || (clock < 0 && (clock & 7) !== descriptor);

/** Whether it jumps when somebody sets the host's clock. */
export const canJump = (clock: number): boolean =>
  clock === Clock.REALTIME || clock === Clock.REALTIME_ALARM || clock === Clock.TAI || clock === Clock.REALTIME_COARSE;
