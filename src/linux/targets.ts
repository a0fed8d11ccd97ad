// Whom a process or thread id means: a guest's, or one of the host. Of the emulator, the guests see their own threads
// only; ids of the engine's other threads mean nobody, so no guest can reach them.
import { host } from "../host/syscall.ts";
import { Header } from "./kernel.ts";
import { ProcessField, type ProcessRecord, processAt } from "./processes.ts";
import { State } from "./records.ts";
import { type SignalTarget, threadTarget } from "./signals.ts";
import type { Task } from "./task.ts";
import { findTask } from "./tasks.ts";

/** Whether it is the caller's process. */
export const isOwnPid = (t: Task, pid: number): boolean => pid === t.process.pid;

/** Whether it is a thread of the emulator, of which only the guests' own may be touched. */
const isEmulatorTid = (tid: number): boolean => host("tgkill", host("getpid"), tid, 0) === 0;

/** "self", "host" (an id for the host to judge), or "none" for a thread of the emulator that is no thread of a guest. */
export function whois(t: Task, tid: number): "self" | "host" | "none" {
  if (tid === t.tid || isOwnPid(t, tid)) return "self";
  return isEmulatorTid(tid) ? "none" : "host";
}

/** The guest thread of that id, of any process; undefined where no guest has it. */
export function guestThread(t: Task, tid: number): SignalTarget | undefined {
  const { kernel } = t.process;
  const task = tid === t.tid ? t.index : findTask(kernel, tid);
  return task === undefined ? undefined : threadTarget(kernel, task);
}

/** The record of the guest process that has a thread of that id; undefined where no guest has it. */
export function guestProcess(t: Task, id: number): ProcessRecord | undefined {
  return isOwnPid(t, id) ? t.process.record : guestThread(t, id)?.process;
}

/** The index of the thread of the caller's process that has this id. */
export function threadById(t: Task, tid: number): number | undefined {
  const found = guestThread(t, tid);
  return found?.process === t.process.record ? found.thread?.index : undefined;
}

/** All guest processes. */
export function* guestProcesses({ process: { kernel } }: Task): Generator<ProcessRecord> {
  const { i32 } = kernel;
  const used = Atomics.load(i32, Header.usedProcesses);
  for (let index = 0; index < used; index++) {
    const record = processAt(kernel, index);
    if (record.i32[ProcessField.state]! >= State.live) yield record;
  }
}
