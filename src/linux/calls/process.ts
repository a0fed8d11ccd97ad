// The life of a process: its end, and its threads' registrations with the kernel. Threads and processes are made by clone.ts.
import { host } from "../../host/syscall.ts";
import { errno } from "../errno.ts";
import { int, pointer, size } from "../kinds.ts";
import { type CallRow, call } from "../row.ts";
import { exitProcess } from "../signals.ts";
import { whois } from "../targets.ts";
import type { Task } from "../task.ts";
import { endThread } from "../threads.ts";
import { storeWords, words64 } from "../words.ts";

function exit(t: Task, status: number): number {
  endThread(t, status & 0xff);
  return 0;
}

function exitGroup(t: Task, status: number): number {
  exitProcess(t.process.kernel, t.process.record, { code: status & 0xff });
  return 0;
}

function setTidAddress(t: Task, addr: number): number {
  t.clearTid = addr;
  return t.tid;
}

const robustHeadBytes = 24;

function setRobustList(t: Task, head: number, length: number): number {
  if (length !== robustHeadBytes) return -errno.EINVAL;
  t.robustList = head;
  return 0;
}

function getRobustList(t: Task, pid: number, head: number, length: number): number {
  if (pid !== 0 && pid !== t.tid)
    return whois(t, pid) === "host" && host("kill", pid, 0) === 0 ? -errno.EPERM : -errno.ESRCH;
  return storeWords(t, length, words64(robustHeadBytes)) && storeWords(t, head, words64(t.robustList))
    ? 0
    : -errno.EFAULT;
}

export const processCalls: readonly CallRow[] = [
  call(93, "exit", [int], "never", "quick", exit),
  call(94, "exit_group", [int], "never", "quick", exitGroup),
  call(96, "set_tid_address", [pointer], "int", "quick", setTidAddress),
  call(99, "set_robust_list", [pointer, size], "none", "quick", setRobustList),
  call(100, "get_robust_list", [int, pointer, pointer], "none", "quick", getRobustList),
];
