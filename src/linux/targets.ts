// Whom a process or thread id means: the guest itself, or a process of the host. Of the emulator, the guest sees its own
// threads only; ids of the engine's other threads mean nobody, so no guest can reach them.
import { host } from "../host/syscall.ts";
import type { Task } from "./task.ts";

/** Whether it is the caller's process. */
export const isOwnPid = (t: Task, pid: number): boolean => pid === t.process.pid || pid === host("getpid");

/** Whether it is a thread of the emulator, of which only the guest's own may be touched. */
const isEmulatorTid = (tid: number): boolean => host("tgkill", host("getpid"), tid, 0) === 0;

/** "self", "host" (an id for the host to judge), or "none" for a thread of the emulator that is no thread of the guest. */
export function whois(t: Task, tid: number): "self" | "host" | "none" {
  if (tid === t.tid || isOwnPid(t, tid)) return "self";
  return isEmulatorTid(tid) ? "none" : "host";
}
