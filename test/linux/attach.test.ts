// A process as another worker sees it, which attached to its buffers: what one changes, the other finds changed.
import { describe, expect, test } from "bun:test";
import { Worker } from "node:worker_threads";
import { attachTask, attachThread, bundleOf } from "../../src/linux/bundle.ts";
import { Code, Sig, valueInfo } from "../../src/linux/siginfo.ts";
import { nextSignal, queueSignal, TaskWord, takeSignal } from "../../src/linux/signals.ts";
import type { Task } from "../../src/linux/task.ts";
import { addThread, allocateTask } from "../../src/linux/tasks.ts";
import { createTimer, setTimer, timerSlot, timersArmed } from "../../src/linux/timers.ts";
import { crew, type jobs, look, type Order } from "../tools/attached.ts";
import { callByName, makeTask, memory, putText } from "../tools/task.ts";

type Jobs = typeof jobs;

/** What a job answers that is done by another worker, as the same thread. */
function inWorker<J extends keyof Jobs>(t: Task, job: J): Promise<ReturnType<Jobs[J]>> {
  const order: Order = { bundle: bundleOf(t.process), task: t.index, job };
  return new Promise((done, failed) => {
    const worker = new Worker(new URL("../tools/attached.ts", import.meta.url), { workerData: order });
    worker.once("message", done);
    worker.once("error", failed);
  });
}

/** A thread of a process in which nothing is as at the beginning. */
function usedTask(): Task {
  const t = makeTask({ cwd: "/usr" });
  const p = t.process;
  [t.clearTid, t.robustList, t.rseq] = [0x1000, 2 ** 33, 7];
  p.auxv = Uint8Array.of(6, 0, 0, 0);
  p.signals.trampoline = 0x7000;
  p.signals.actions.set([0x5000, 0, 4, 0, 1, 2], Sig.USR1 * 6);
  t.signals.words.set([1, 2], TaskWord.blocked);
  t.hart.i32.set([1, 2, 3], 20);
  setTimer(p.timers, timerSlot(p.timers, createTimer(p.timers, 1, undefined)), inAnHour, false);
  callByName(t, "mmap", 0x4000000, 4096, 1, 0x21, -1, 0);
  callByName(t, "setrlimit", 6, 0);
  return t;
}

const inAnHour = { value: { sec: 3600, nsec: 0 }, interval: { sec: 0, nsec: 5 } };

describe("a process that was attached to", () => {
  test("is the same in the same worker", () => {
    const t = usedTask();
    const other = attachThread(bundleOf(t.process), t.index);
    expect(look(other)).toEqual(look(t));
    expect(timersArmed(other.process.timers)).toBe(true);
    t.name = "renamed";
    other.process.exe = "/bin/other";
    expect([other.name, t.process.exe]).toEqual(["renamed", "/bin/other"]);
  });

  test("is the same in another worker", async () => {
    const t = usedTask();
    t.process.files.sysroot = "/usr/lib";
    t.process.files.jailed = true;
    queueSignal(t, Sig.USR1);
    const seen = look(t);
    expect(await inWorker(t, "look")).toEqual(seen);
  });

  test("has the same open files, working directory and memory", async () => {
    const t = makeTask({ cwd: "/usr" });
    callByName(t, "pipe2", memory.start, 0);
    const [from, to] = [t.memory.view.getInt32(memory.start, true), t.memory.view.getInt32(memory.start + 4, true)];
    expect([from, to]).toEqual([3, 4]);
    expect(callByName(t, "write", to, memory.start, putText(t, memory.start, "through the pipe"))).toBe(16);
    expect(await inWorker(t, "read")).toEqual(["through the pipe", "guest\0one\0\0", "/usr".length + 1]);
  });

  test("shows what another worker changed", async () => {
    const t = makeTask({ cwd: "/usr" });
    expect(callByName(t, "openat", -100, "/dev/null", 0, 0)).toBe(3);
    const umask = callByName(t, "umask", 0o22);
    queueSignal(t.process, 41, valueInfo(41, Code.SI_QUEUE, 1, 2, 3, 4));
    queueSignal(t, Sig.USR1);
    const { signals, calls } = await inWorker(t, "change");
    expect(signals.map((info) => info?.[0])).toEqual([Sig.USR1, 41, undefined]);
    expect(signals[1]).toEqual(valueInfo(41, Code.SI_QUEUE, 1, 2, 3, 4));
    expect(calls).toEqual([0, 0o22, 0, 3, 0x4000000]);
    expect(umask).toBeGreaterThanOrEqual(0);

    expect([...t.signals.words.subarray(0, 2)]).toEqual([0x1234, 0x5678]);
    expect(takeSignal(t, 0, -1)).toEqual(valueInfo(40, Code.SI_QUEUE, 1, 1, 7, 8));
    expect(nextSignal(t)?.[0]).toBe(Sig.USR2);
    expect([t.name, t.clearTid, t.process.signals.actions[Sig.USR1 * 6]]).toEqual(["attached", 2 ** 40, 0x4444]);
    expect(callByName(t, "getcwd", memory.start, 100)).toBe("/tmp".length + 1);
    expect(callByName(t, "umask", 0)).toBe(0o77);
    expect(t.memory.u8[0x4000000]).toBe(99);
    expect(callByName(t, "mprotect", 0x4000000, 8192, 1)).toBe(0);
    expect(t.process.files.sysroot).toBe("/usr/lib");
  });

  test("has ended where another worker says so, and only once", async () => {
    const t = makeTask();
    expect(await inWorker(t, "end")).toBe(true);
    expect(t.process.exit).toEqual({ signal: 11, coreDumped: true });
    expect(await inWorker(t, "end")).toBe(false);
  });
});

test("workers that take records at the same time get none twice, nor the same id", async () => {
  const t = makeTask();
  const taken = (await Promise.all(Array.from({ length: crew }, () => inWorker(t, "allocate")))).flat();
  expect(new Set(taken.map(({ index }) => index)).size).toBe(crew * 500);
  expect(new Set(taken.map(({ tid }) => tid)).size).toBe(crew * 500);
  expect(Math.min(...taken.map(({ index }) => index))).toBeGreaterThan(t.index);
});

test("workers number shared anonymous memory without using a number twice", async () => {
  const t = makeTask();
  const numbers = (await Promise.all(Array.from({ length: crew }, () => inWorker(t, "inodes")))).flat();
  expect(new Set(numbers).size).toBe(crew * 1000);
});

test("what a process ignores is dropped, and what SIGCONT undoes, in each of its threads", () => {
  const t = makeTask();
  const other = attachTask(t.process, allocateTask(t.process.kernel, t.process.index));
  addThread(t.process.kernel, t.process.index, other.index);
  t.process.signals.actions[Sig.USR1 * 6] = 1;
  expect(queueSignal(t.process, Sig.USR1)).toBe(0);
  expect(takeSignal(other, -1, -1)).toBeUndefined();
  // With a handler it can be seen.
  t.process.signals.actions[Sig.CONT * 6] = 2;
  queueSignal(other, Sig.TSTP);
  queueSignal(t, Sig.TSTP);
  queueSignal(t.process, Sig.CONT);
  const taken = [other, t, other].map((thread) => takeSignal(thread, -1, -1)?.[0]);
  expect(taken).toEqual([Sig.CONT, undefined, undefined]);
});
