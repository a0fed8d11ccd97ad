// Scheduling: CPUs, policies, priorities. What names a guest thread is passed on for the host's thread that runs it, what
// names the engine's other threads is nobody: scheduling.ts.
import { addressOf, host } from "../../host/syscall.ts";
import { longTurn, SchedAttr } from "../../host/turns.ts";
import { copyTo, readable } from "../../memory/guest-memory.ts";
import { runnerOf } from "../accounting.ts";
import { Attr, attribute } from "../attributes.ts";
import { errno } from "../errno.ts";
import { Header } from "../kernel.ts";
import { int, oneOf, pointer, uint } from "../kinds.ts";
import { timespecOut } from "../kinds-time.ts";
import { ProcessField } from "../processes.ts";
import { type CallRow, call } from "../row.ts";
import { cpusChange } from "../rseq.ts";
import { hostThread, schedulingChanges } from "../scheduling.ts";
import { guestProcesses, guestThread } from "../targets.ts";
import type { Task } from "../task.ts";
import { threadsNow } from "../tasks.ts";
import { loadWords, storeWords } from "../words.ts";

// What the host fills or reads: a CPU mask, a struct sched_attr, which may be as long as a page.
const bytes = new Uint8Array(new SharedArrayBuffer(4096));
const words = new Int32Array(bytes.buffer);
const address = addressOf(bytes);
const longestMask = 1024;

const schedYield = (): number => host("sched_yield");

function getcpu(t: Task, cpu: number, node: number): number {
  const result = host("getcpu", address, address + 4, 0);
  if (result < 0) return result;
  const [cpuWord, nodeWord] = [words.slice(0, 1), words.slice(1, 2)];
  const stored = (cpu === 0 || storeWords(t, cpu, cpuWord)) && (node === 0 || storeWords(t, node, nodeWord));
  return stored ? 0 : -errno.EFAULT;
}

function schedGetaffinity(t: Task, pid: number, length: number, addr: number): number {
  if (length % 8 !== 0) return -errno.EINVAL;
  const tid = hostThread(t, pid);
  if (tid === undefined) return -errno.ESRCH;
  const result = host("sched_getaffinity", tid, Math.min(length, longestMask), address);
  if (result < 0) return result;
  return copyTo(t.memory, addr, bytes.subarray(0, result)) ? result : -errno.EFAULT;
}

function schedSetaffinity(t: Task, pid: number, length: number, addr: number): number {
  // Of a long mask, only as much is read as the host's own is long.
  const own = host("sched_getaffinity", 0, longestMask, address);
  const count = Math.min(length, own);
  const mask = readable(t.memory, addr, count);
  if (mask === undefined) return -errno.EFAULT;
  const tid = hostThread(t, pid);
  if (tid === undefined) return -errno.ESRCH;
  bytes.set(mask);
  schedulingChanges(t);
  const result = host("sched_setaffinity", tid, count, address);
  const thread = tid === 0 ? t.record : guestThread(t, pid)?.thread;
  if (result === 0 && thread !== undefined) cpusChange(t, thread);
  return result;
}

function schedGetscheduler(t: Task, pid: number): number {
  const tid = hostThread(t, pid);
  return tid === undefined ? -errno.ESRCH : host("sched_getscheduler", tid);
}

function schedSetscheduler(t: Task, pid: number, policy: number, addr: number): number {
  if (addr === 0 || policy < 0) return -errno.EINVAL;
  return withParam(t, pid, addr, (tid) => host("sched_setscheduler", tid, policy, address));
}

const schedSetparam = (t: Task, pid: number, addr: number): number =>
  addr === 0 ? -errno.EINVAL : withParam(t, pid, addr, (tid) => host("sched_setparam", tid, address));

/** Puts a struct sched_param where the host reads it. */
function withParam(t: Task, pid: number, addr: number, then: (tid: number) => number): number {
  if (pid < 0) return -errno.EINVAL;
  const param = loadWords(t, addr, 1);
  if (param === undefined) return -errno.EFAULT;
  const tid = hostThread(t, pid);
  if (tid === undefined) return -errno.ESRCH;
  words.set(param);
  schedulingChanges(t);
  return then(tid);
}

function schedGetparam(t: Task, pid: number, addr: number): number {
  if (addr === 0) return -errno.EINVAL;
  const tid = hostThread(t, pid);
  if (tid === undefined) return -errno.ESRCH;
  const result = host("sched_getparam", tid, address);
  if (result < 0) return result;
  return storeWords(t, addr, words.slice(0, 1)) ? result : -errno.EFAULT;
}

function schedRrGetInterval(t: Task, pid: number, addr: number): number {
  const tid = hostThread(t, pid);
  if (tid === undefined) return -errno.ESRCH;
  const isLong = host("sched_getattr", tid, address, SchedAttr.size, 0) >= 0 && hasLongTurns(t);
  const result = host("sched_rr_get_interval", tid, address);
  if (result < 0) return result;
  if (isLong) words[2] = t.process.kernel.i32[Header.interval]!;
  return storeWords(t, addr, words.slice(0, timespecWords)) ? result : -errno.EFAULT;
}

/** Policies whose turns are of any length: SCHED_OTHER, SCHED_BATCH. */
const ordinary = [0, 3];

/** Whether what sched_getattr has filled in are turns that no guest has asked for. */
const hasLongTurns = ({ process }: Task): boolean =>
  process.kernel.i32[Header.turn] !== 0 &&
  words[SchedAttr.runtime / 4] === longTurn &&
  words[SchedAttr.runtime / 4 + 1] === 0 &&
  ordinary.includes(words[SchedAttr.policy / 4]!);

function schedGetattr(t: Task, pid: number, addr: number, length: number, flags: number): number {
  if (addr === 0 || flags !== 0 || length < SchedAttr.size || length > bytes.length) return -errno.EINVAL;
  const tid = hostThread(t, pid);
  if (tid === undefined) return -errno.ESRCH;
  const result = host("sched_getattr", tid, address, length, 0);
  if (result < 0) return result;
  if (hasLongTurns(t)) words[SchedAttr.runtime / 4] = t.process.kernel.i32[Header.turn]!;
  return copyTo(t.memory, addr, bytes.subarray(0, Math.min(words[0]!, length))) ? 0 : -errno.EFAULT;
}

function schedSetattr(t: Task, pid: number, addr: number, flags: number): number {
  if (addr === 0 || pid < 0 || flags !== 0) return -errno.EINVAL;
  const given = loadWords(t, addr, 1);
  if (given === undefined) return -errno.EFAULT;
  const length = given[0] === 0 ? SchedAttr.size : given[0]! >>> 0;
  const fits = length >= SchedAttr.size && length <= bytes.length;
  const attr = fits ? readable(t.memory, addr, length) : undefined;
  if (fits && attr === undefined) return -errno.EFAULT;
  const tid = hostThread(t, pid);
  if (tid === undefined) return -errno.ESRCH;
  schedulingChanges(t);
  if (attr) bytes.set(attr);
  else words[0] = length;
  const result = host("sched_setattr", tid, address, 0);
  // The host says how long its own is.
  if (result === -errno.E2BIG && !storeWords(t, addr, words.slice(0, 1))) return -errno.EFAULT;
  return result;
}

const schedGetPriorityMax = (_t: Task, policy: number): number => host("sched_get_priority_max", policy);
const schedGetPriorityMin = (_t: Task, policy: number): number => host("sched_get_priority_min", policy);

// ---- nice values and I/O priorities, of a thread, of all of a process group, of all of a user

/** `which` of getpriority and setpriority; those of the ioprio calls are one more. */
const Which = { PROCESS: 0, PGRP: 1, USER: 2 } as const;

/** What the host is asked about: threads of its own, or a group or user. */
interface Meant {
  readonly which: number;
  readonly targets: readonly number[];
}

/** Whom the calls mean, undefined for nobody. Groups and users without a guest are the host's. */
function meant(t: Task, which: number, who: number): Meant | undefined {
  const { kernel, record, attributes } = t.process;
  if (which === Which.PROCESS) {
    const tid = hostThread(t, who);
    return tid === undefined ? undefined : { which, targets: [tid] };
  }
  const word = which === Which.PGRP ? ProcessField.group : ProcessField.attributes + Attr.ruid;
  const wanted = who !== 0 ? who : which === Which.PGRP ? record.i32[word]! : attribute(attributes, Attr.ruid);
  const targets: number[] = [];
  for (const process of guestProcesses(t)) {
    if (process.i32[word] !== (wanted | 0)) continue;
    for (const task of threadsNow(kernel, process.index)) {
      const tid = task === t.index ? 0 : runnerOf(kernel, task);
      if (tid !== 0 || task === t.index) targets.push(tid);
    }
  }
  return targets.length > 0 ? { which: Which.PROCESS, targets } : { which, targets: [who] };
}

const isWhich = (which: number): boolean => which >= Which.PROCESS && which <= Which.USER;

/** Asks about each; the best answer counts, an error where there is no other. */
function best(
  asked: Meant | undefined,
  choose: (...values: number[]) => number,
  ask: (which: number, tid: number) => number,
): number {
  if (asked === undefined) return -errno.ESRCH;
  const answers = asked.targets.map((tid) => ask(asked.which, tid));
  const good = answers.filter((answer) => answer >= 0);
  return good.length > 0 ? choose(...good) : answers[0]!;
}

/** Changes each; an error counts. */
function worst(asked: Meant | undefined, change: (which: number, tid: number) => number): number {
  if (asked === undefined) return -errno.ESRCH;
  return Math.min(...asked.targets.map((tid) => change(asked.which, tid)));
}

const getpriority = (t: Task, which: number, who: number): number =>
  isWhich(which) ? best(meant(t, which, who), Math.max, (w, tid) => host("getpriority", w, tid)) : -errno.EINVAL;

function setpriority(t: Task, which: number, who: number, nice: number): number {
  if (!isWhich(which)) return -errno.EINVAL;
  schedulingChanges(t);
  return worst(meant(t, which, who), (w, tid) => host("setpriority", w, tid, nice));
}

const ioprioGet = (t: Task, which: number, who: number): number =>
  isWhich(which - 1)
    ? best(meant(t, which - 1, who), Math.min, (w, tid) => host("ioprio_get", w + 1, tid))
    : -errno.EINVAL;

function ioprioSet(t: Task, which: number, who: number, priority: number): number {
  if (!isWhich(which - 1)) return -errno.EINVAL;
  schedulingChanges(t);
  return worst(meant(t, which - 1, who), (w, tid) => host("ioprio_set", w + 1, tid, priority));
}

const policy = oneOf({ OTHER: 0, FIFO: 1, RR: 2, BATCH: 3, IDLE: 5, DEADLINE: 6 }, "SCHED_");
const which = oneOf(Which, "PRIO_");
const ioWhich = oneOf({ PROCESS: 1, PGRP: 2, USER: 3 }, "IOPRIO_WHO_");
const timespecWords = 4;

export const schedCalls: readonly CallRow[] = [
  call(30, "ioprio_set", [ioWhich, int, int], "none", "quick", ioprioSet),
  call(31, "ioprio_get", [ioWhich, int], "int", "quick", ioprioGet),
  call(118, "sched_setparam", [int, pointer], "none", "quick", schedSetparam),
  call(119, "sched_setscheduler", [int, policy, pointer], "none", "quick", schedSetscheduler),
  call(120, "sched_getscheduler", [int], "int", "quick", schedGetscheduler),
  call(121, "sched_getparam", [int, pointer], "none", "quick", schedGetparam),
  call(122, "sched_setaffinity", [int, uint, pointer], "none", "quick", schedSetaffinity),
  call(123, "sched_getaffinity", [int, uint, pointer], "int", "quick", schedGetaffinity),
  call(124, "sched_yield", [], "none", "quick", schedYield),
  call(125, "sched_get_priority_max", [policy], "int", "quick", schedGetPriorityMax),
  call(126, "sched_get_priority_min", [policy], "int", "quick", schedGetPriorityMin),
  call(127, "sched_rr_get_interval", [int, timespecOut], "none", "quick", schedRrGetInterval),
  call(140, "setpriority", [which, int, int], "none", "quick", setpriority),
  call(141, "getpriority", [which, int], "int", "quick", getpriority),
  call(168, "getcpu", [pointer, pointer, pointer], "none", "quick", getcpu),
  call(274, "sched_setattr", [int, pointer, uint], "none", "quick", schedSetattr),
  call(275, "sched_getattr", [int, pointer, uint, uint], "none", "quick", schedGetattr),
];
