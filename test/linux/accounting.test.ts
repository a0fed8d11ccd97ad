// CPU time and what else getrusage counts, by accounts; which clocks there are; limits on CPU time and threads.
import { expect, test } from "bun:test";
import {
  addChild,
  closeAccount,
  cpuTimeOfProcess,
  cpuTimeOfThread,
  noteResident,
  runnerNow,
  runnerOf,
  rusageOf,
  startClock,
  stopClock,
  ticksOf,
  usageOfChildren,
  usageOfProcess,
  usageOfThread,
} from "../../src/linux/accounting.ts";
import { Attr } from "../../src/linux/attributes.ts";
import { attachTask } from "../../src/linux/bundle.ts";
import { readShared, sharedClock } from "../../src/linux/clocks.ts";
import { Resource, setLimit } from "../../src/linux/limits.ts";
import { allocateProcess } from "../../src/linux/processes.ts";
import { mayMakeTask, obeyCpuLimit } from "../../src/linux/quotas.ts";
import { Sig } from "../../src/linux/siginfo.ts";
import { isPending } from "../../src/linux/signal-queue.ts";
import type { Task } from "../../src/linux/task.ts";
import { addThread, allocateTask, freeTask, removeThread } from "../../src/linux/tasks.ts";
import { caller } from "./caller.ts";

const ms = 1e6;

/** Uses so much CPU time on this thread, which is a guest's. */
function burn(t: Task, nanoseconds: number): void {
  const end = cpuTimeOfThread(t.process.kernel, t.index) + nanoseconds;
  while (cpuTimeOfThread(t.process.kernel, t.index) < end);
}

/** Another thread of the same process, or of another, which nothing runs yet. */
function another(t: Task, process = t.process.index): Task {
  const { kernel } = t.process;
  const index = allocateTask(kernel, process);
  addThread(kernel, process, index);
  return attachTask(t.process, index);
}

test("a thread's time is that of the host's thread while it runs there, and no longer", () => {
  const t = caller();
  const { kernel } = t.process;
  expect(runnerNow(kernel, t.index)).toBe(process.pid);
  burn(t, 5 * ms);
  stopClock(t);
  const used = cpuTimeOfThread(kernel, t.index);
  const other = another(t);
  expect(cpuTimeOfThread(kernel, other.index)).toBe(0);
  startClock(other);
  burn(other, 5 * ms);
  expect(cpuTimeOfThread(kernel, t.index)).toBe(used);
  stopClock(other);
  startClock(t);
  burn(t, ms);
  expect(cpuTimeOfThread(kernel, t.index)).toBeGreaterThanOrEqual(used + ms);
  expect(cpuTimeOfThread(kernel, other.index)).toBeGreaterThanOrEqual(5 * ms);
});

test("a thread that ends leaves what it used to its process, once", () => {
  const t = caller();
  const { kernel, index } = t.process;
  stopClock(t);
  const other = another(t);
  startClock(other);
  burn(other, 5 * ms);
  closeAccount(other);
  const sum = cpuTimeOfProcess(kernel, index);
  closeAccount(other);
  removeThread(kernel, index, other.index);
  freeTask(kernel, other.index);
  expect(cpuTimeOfProcess(kernel, index)).toBe(sum);
  expect(sum).toBeGreaterThanOrEqual(cpuTimeOfThread(kernel, t.index) + 5 * ms);
  // The record is another's then, with an account of its own.
  const next = another(t);
  expect(next.index).toBe(other.index);
  expect(cpuTimeOfThread(kernel, next.index)).toBe(0);
  expect(runnerNow(kernel, next.index)).toBe(0);
  freeTask(kernel, next.index);
  expect(runnerOf(kernel, next.index)).toBe(0);
});

test("times in user mode and in the kernel never go back, and are the CPU time together", () => {
  const t = caller();
  const { kernel, index } = t.process;
  let before = usageOfProcess(kernel, index);
  for (let i = 0; i < 200; i++) {
    burn(t, ms / 4);
    const now = usageOfProcess(kernel, index);
    expect(now.user).toBeGreaterThanOrEqual(before.user);
    expect(now.system).toBeGreaterThanOrEqual(before.system);
    expect(now.user + now.system).toBeLessThanOrEqual(cpuTimeOfProcess(kernel, index) + 1);
    before = now;
  }
  expect(before.user + before.system).toBeGreaterThanOrEqual(50 * ms);
  const thread = usageOfThread(kernel, t.index);
  expect(thread.user + thread.system).toBeGreaterThanOrEqual(50 * ms);
  expect(thread.minorFaults).toBeGreaterThanOrEqual(0);
});

test("what a child used is its parent's when it was waited for, with what its own children used", () => {
  const t = caller();
  const { kernel, index } = t.process;
  const [child, grandchild] = [allocateProcess(kernel, 70_001), allocateProcess(kernel, 70_002)] as const;
  for (const process of [child, grandchild]) {
    const thread = another(t, process);
    stopClock(t);
    startClock(thread);
    burn(thread, 5 * ms);
    closeAccount(thread);
    removeThread(kernel, process, thread.index);
  }
  noteResident(kernel, grandchild, 300);
  noteResident(kernel, child, 200);
  expect(usageOfChildren(kernel, child)).toMatchObject({ user: 0, system: 0, resident: 0 });
  addChild(kernel, child, grandchild);
  addChild(kernel, index, child);
  const { user, system, resident } = usageOfChildren(kernel, index);
  expect(user + system).toBeGreaterThanOrEqual(10 * ms);
  expect(resident).toBe(300);
  expect(usageOfProcess(kernel, child).resident).toBe(200);
});

test("a struct rusage has seconds, microseconds, KiB and counts where Linux has them", () => {
  const bytes = rusageOf({
    user: 1.5e9,
    system: 2_000_003_000,
    minorFaults: 3,
    majorFaults: 4,
    blocksRead: 5,
    blocksWritten: 6,
    switches: 7,
    preemptions: 8,
    resident: 9,
  });
  expect([...new BigInt64Array(bytes.buffer)].map(Number)).toEqual([
    ...[1, 500_000, 2, 3, 9, 0, 0, 0, 3, 4],
    ...[0, 5, 6, 0, 0, 0, 7, 8],
  ]);
  expect(ticksOf(1.239e9)).toBe(123);
});

test("clocks are those of the own threads and of all guest processes", () => {
  const t = caller();
  const { kernel, pid } = t.process;
  const stranger = allocateProcess(kernel, 70_003);
  const theirs = another(t, stranger);
  const mine = another(t);
  const clockOf = (id: number, kind: number): number => (~id << 3) | kind;
  const reads = (clock: number): boolean => {
    const shared = sharedClock(t, clock);
    return shared !== undefined && readShared(kernel, shared) !== undefined;
  };
  for (const kind of [0, 1, 2]) {
    for (const id of [0, pid, 70_003]) expect(reads(clockOf(id, kind))).toBe(true);
    for (const id of [0, t.tid, mine.tid]) expect(reads(clockOf(id, kind | 4))).toBe(true);
    expect(reads(clockOf(theirs.tid, kind | 4))).toBe(false);
    expect(reads(clockOf(mine.tid, kind))).toBe(false);
    expect(reads(clockOf(1, kind))).toBe(false);
  }
  // A number means the same clock in every thread.
  expect(sharedClock(t, 2)).toBe(clockOf(pid, 2));
  expect(sharedClock(t, 3)).toBe(clockOf(t.tid, 6));
});

test("CPU time over the soft limit is SIGXCPU and moves it by a second, over the hard one SIGKILL", () => {
  const t = caller();
  const { limits, record } = t.process;
  obeyCpuLimit(t);
  setLimit(limits, Resource.CPU, 0, 1000);
  burn(t, 2 * ms);
  obeyCpuLimit(t);
  expect(isPending(record.pending, Sig.XCPU)).toBe(true);
  expect(limits.words[Resource.CPU * 4]).toBe(1);
  expect(isPending(record.pending, Sig.KILL)).toBe(false);
  setLimit(limits, Resource.CPU, 0, 0);
  burn(t, 2 * ms);
  obeyCpuLimit(t);
  expect(isPending(record.pending, Sig.KILL)).toBe(true);
});

test("a user who is not root has no more threads than the limit", () => {
  const t = caller();
  const { attributes, limits } = t.process;
  setLimit(limits, Resource.NPROC, 0, 0);
  attributes.words.fill(0, Attr.ruid, Attr.fsuid + 1);
  expect(mayMakeTask(t)).toBe(true);
  attributes.words.fill(1000, Attr.ruid, Attr.fsuid + 1);
  expect(mayMakeTask(t)).toBe(false);
  setLimit(limits, Resource.NPROC, 2, 2);
  expect(mayMakeTask(t)).toBe(true);
  another(t);
  expect(mayMakeTask(t)).toBe(false);
});
