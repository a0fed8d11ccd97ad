// Clock numbers of the guest, and what the clocks show. Time is the host's; CPU time is that of guest threads and processes,
// the emulator's work for them included (accounting.ts).
import { Clock, readClock, type Timespec } from "../host/clock.ts";
import { cpuTimeOfProcess, cpuTimeOfThread, usageOfProcess, usageOfThread } from "./accounting.ts";
import { hostFd } from "./fds.ts";
import type { Kernel } from "./kernel.ts";
import { findProcess } from "./processes.ts";
import type { Process, Task } from "./task.ts";
import { findTask, TaskField, taskAt } from "./tasks.ts";
import { timespecOf } from "./time-structs.ts";

// A negative clock number is an id, inverted, above three bits: CPU time of a process (user and system, user only,
// or as the scheduler counts), or of a thread with bit 2; or 3 for the clock behind a descriptor.
const idBits = 3;
const threadBit = 4;
const descriptor = 3;
const [userOnly, scheduled] = [1, 2];
const clockOf = (id: number, kind: number): number => (~id << idBits) | kind;
const idOf = (clock: number): number => ~(clock >> idBits);

/** CPU time of the process that has a timer, as ITIMER_PROF and ITIMER_VIRTUAL count it. */
export const profClock = clockOf(0, 0);
export const virtualClock = clockOf(0, userOnly);

const lastClock = Clock.TAI;
const gap = 10;

/**
 * A guest's clock as a number that means it everywhere: the host's, that of a host descriptor, or the CPU clock of a guest
 * process or thread by its id. Undefined where there is no such clock. Clocks of threads are their process's own alone.
 */
export function sharedClock(t: Task, clock: number): number | undefined {
  if (clock === Clock.PROCESS_CPUTIME_ID) return clockOf(t.process.pid, scheduled);
  if (clock === Clock.THREAD_CPUTIME_ID) return clockOf(t.tid, scheduled | threadBit);
  if (clock >= 0) return clock <= lastClock && clock !== gap ? clock : undefined;
  const kind = clock & 7;
  const id = idOf(clock);
  if (kind === descriptor) {
    const h = hostFd(t.process.fds, id);
    return h < 0 ? undefined : clockOf(h, descriptor);
  }
  if ((kind & 3) > scheduled) return undefined;
  if (kind & threadBit) {
    if (id === 0 || id === t.tid) return clockOf(t.tid, kind);
    const task = findTask(t.process.kernel, id);
    return task !== undefined && processOf(t.process.kernel, task) === t.process.index ? clock : undefined;
  }
  if (id === 0 || id === t.process.pid) return clockOf(t.process.pid, kind);
  return findProcess(t.process.kernel, id) === undefined ? undefined : clock;
}

const processOf = (k: Kernel, task: number): number => taskAt(k, task).i32[TaskField.process]!;

/** What a clock shows; undefined where there is none, or its process or thread is no more. `own`: index of the process that id 0 means. */
export function readShared(k: Kernel, clock: number, own = -1): Timespec | undefined {
  if (!isCpuClock(clock)) return readClock(clock);
  const kind = clock & 7;
  const id = idOf(clock);
  const found = kind & threadBit ? findTask(k, id) : id === 0 ? own : findProcess(k, id);
  if (found === undefined) return undefined;
  if (kind & threadBit)
    return timespecOf((kind & 3) === userOnly ? usageOfThread(k, found).user : cpuTimeOfThread(k, found));
  return timespecOf(kind === userOnly ? usageOfProcess(k, found).user : cpuTimeOfProcess(k, found));
}

/** The host's number for a clock of the same kind: for what all of that kind have in common. */
export const likeOnHost = (clock: number): number => (isCpuClock(clock) ? clockOf(0, clock & 7) : clock);

/** Whether it counts CPU time, so that a sleeping process does not get nearer to a deadline on it. */
export const isCpuClock = (clock: number): boolean => clock < 0 && (clock & 7) !== descriptor;

/** Whether it counts CPU time of another process. */
export const countsOthers = ({ pid }: Process, clock: number): boolean =>
  isCpuClock(clock) && (clock & threadBit) === 0 && idOf(clock) !== 0 && idOf(clock) !== pid;

/** In how many nanoseconds, at the least, a process has used so much CPU time, or is looked at again. */
export const soonest = (left: number): number => Math.max(left / navigator.hardwareConcurrency, 1e6);

/** Whether it counts CPU time of a thread. */
export const isThreadClock = (clock: number): boolean => isCpuClock(clock) && (clock & threadBit) !== 0;

/** Whether it is behind a descriptor. */
export const isDescriptorClock = (clock: number): boolean => clock < 0 && (clock & 7) === descriptor;

/** Whether it jumps when somebody sets the host's clock. */
export const canJump = (clock: number): boolean =>
  clock === Clock.REALTIME || clock === Clock.REALTIME_ALARM || clock === Clock.TAI || clock === Clock.REALTIME_COARSE;
