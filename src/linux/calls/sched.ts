// Scheduling: CPUs, policies, priorities. A guest thread is a thread of the host, so its scheduling is the host's:
// what names the guest is passed on for the thread that runs it, what names the engine's other threads is nobody.
import type { HostCall } from "../../host/numbers.ts";
import { addressOf, host } from "../../host/syscall.ts";
import { copyTo, readable } from "../../memory/guest-memory.ts";
import { errno } from "../errno.ts";
import { int, oneOf, pointer, uint } from "../kinds.ts";
import { timespecOut } from "../kinds-time.ts";
import { type CallRow, call } from "../row.ts";
import { whois } from "../targets.ts";
import type { Task } from "../task.ts";
import { loadWords, storeWords } from "../words.ts";

// What the host fills or reads: a CPU mask, a struct sched_attr, which may be as long as a page.
const bytes = new Uint8Array(new SharedArrayBuffer(4096));
const words = new Int32Array(bytes.buffer);
const address = addressOf(bytes);
const longestMask = 1024;

/** The host's number for a thread that the guest names: 0 for itself. Undefined for the engine's. */
function hostTid(t: Task, pid: number): number | undefined {
  const who = pid === 0 ? "self" : whois(t, pid);
  if (who === "none") return undefined;
  return who === "self" ? 0 : pid;
}

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
  const tid = hostTid(t, pid);
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
  const tid = hostTid(t, pid);
  if (tid === undefined) return -errno.ESRCH;
  bytes.set(mask);
  return host("sched_setaffinity", tid, count, address);
}

function schedGetscheduler(t: Task, pid: number): number {
  const tid = hostTid(t, pid);
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
  const tid = hostTid(t, pid);
  if (tid === undefined) return -errno.ESRCH;
  words.set(param);
  return then(tid);
}

/** Answers what the host fills in: `count` words. */
const getting =
  (name: HostCall, count: number) =>
  (t: Task, pid: number, addr: number): number => {
    if (addr === 0 && name === "sched_getparam") return -errno.EINVAL;
    const tid = hostTid(t, pid);
    if (tid === undefined) return -errno.ESRCH;
    const result = host(name, tid, address);
    if (result < 0) return result;
    return storeWords(t, addr, words.slice(0, count)) ? result : -errno.EFAULT;
  };

const smallestAttr = 48;

function schedGetattr(t: Task, pid: number, addr: number, length: number, flags: number): number {
  if (addr === 0 || flags !== 0 || length < smallestAttr || length > bytes.length) return -errno.EINVAL;
  const tid = hostTid(t, pid);
  if (tid === undefined) return -errno.ESRCH;
  const result = host("sched_getattr", tid, address, length, 0);
  if (result < 0) return result;
  return copyTo(t.memory, addr, bytes.subarray(0, Math.min(words[0]!, length))) ? 0 : -errno.EFAULT;
}

function schedSetattr(t: Task, pid: number, addr: number, flags: number): number {
  if (addr === 0 || pid < 0 || flags !== 0) return -errno.EINVAL;
  const given = loadWords(t, addr, 1);
  if (given === undefined) return -errno.EFAULT;
  const length = given[0] === 0 ? smallestAttr : given[0]! >>> 0;
  const fits = length >= smallestAttr && length <= bytes.length;
  const attr = fits ? readable(t.memory, addr, length) : undefined;
  if (fits && attr === undefined) return -errno.EFAULT;
  const tid = hostTid(t, pid);
  if (tid === undefined) return -errno.ESRCH;
  if (attr) bytes.set(attr);
  else words[0] = length;
  const result = host("sched_setattr", tid, address, 0);
  // The host says how long its own is.
  if (result === -errno.E2BIG && !storeWords(t, addr, words.slice(0, 1))) return -errno.EFAULT;
  return result;
}

const schedGetPriorityMax = (_t: Task, policy: number): number => host("sched_get_priority_max", policy);
const schedGetPriorityMin = (_t: Task, policy: number): number => host("sched_get_priority_min", policy);

// `which` of getpriority and setpriority; those of the ioprio calls are one more.
const prioProcess = 0;
const ioprioProcess = 1;

const ofWhom = (t: Task, which: number, process: number, who: number): number | undefined =>
  which === process ? hostTid(t, who) : who;

function getpriority(t: Task, which: number, who: number): number {
  const target = ofWhom(t, which, prioProcess, who);
  return target === undefined ? -errno.ESRCH : host("getpriority", which, target);
}

function setpriority(t: Task, which: number, who: number, nice: number): number {
  const target = ofWhom(t, which, prioProcess, who);
  return target === undefined ? -errno.ESRCH : host("setpriority", which, target, nice);
}

function ioprioGet(t: Task, which: number, who: number): number {
  const target = ofWhom(t, which, ioprioProcess, who);
  return target === undefined ? -errno.ESRCH : host("ioprio_get", which, target);
}

function ioprioSet(t: Task, which: number, who: number, priority: number): number {
  const target = ofWhom(t, which, ioprioProcess, who);
  return target === undefined ? -errno.ESRCH : host("ioprio_set", which, target, priority);
}

const policy = oneOf({ OTHER: 0, FIFO: 1, RR: 2, BATCH: 3, IDLE: 5, DEADLINE: 6 }, "SCHED_");
const which = oneOf({ PROCESS: 0, PGRP: 1, USER: 2 }, "PRIO_");
const ioWhich = oneOf({ PROCESS: 1, PGRP: 2, USER: 3 }, "IOPRIO_WHO_");
const timespecWords = 4;

export const schedCalls: readonly CallRow[] = [
  call(30, "ioprio_set", [ioWhich, int, int], "none", "quick", ioprioSet),
  call(31, "ioprio_get", [ioWhich, int], "int", "quick", ioprioGet),
  call(118, "sched_setparam", [int, pointer], "none", "quick", schedSetparam),
  call(119, "sched_setscheduler", [int, policy, pointer], "none", "quick", schedSetscheduler),
  call(120, "sched_getscheduler", [int], "int", "quick", schedGetscheduler),
  call(121, "sched_getparam", [int, pointer], "none", "quick", getting("sched_getparam", 1)),
  call(122, "sched_setaffinity", [int, uint, pointer], "none", "quick", schedSetaffinity),
  call(123, "sched_getaffinity", [int, uint, pointer], "int", "quick", schedGetaffinity),
  call(124, "sched_yield", [], "none", "quick", schedYield),
  call(125, "sched_get_priority_max", [policy], "int", "quick", schedGetPriorityMax),
  call(126, "sched_get_priority_min", [policy], "int", "quick", schedGetPriorityMin),
  call(
    127,
    "sched_rr_get_interval",
    [int, timespecOut],
    "none",
    "quick",
    getting("sched_rr_get_interval", timespecWords),
  ),
  call(140, "setpriority", [which, int, int], "none", "quick", setpriority),
  call(141, "getpriority", [which, int], "int", "quick", getpriority),
  call(168, "getcpu", [pointer, pointer, pointer], "none", "quick", getcpu),
  call(274, "sched_setattr", [int, pointer, uint], "none", "quick", schedSetattr),
  call(275, "sched_getattr", [int, pointer, uint, uint], "none", "quick", schedGetattr),
];
