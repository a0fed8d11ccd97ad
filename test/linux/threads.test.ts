// Signals among the threads and processes of a kernel: who takes them, and what that ends. Cases with threads that run do so
// in a process of their own: threads-cases.ts.
import { describe, expect, test } from "bun:test";
import { Attr } from "../../src/linux/attributes.ts";
import { attachTask } from "../../src/linux/bundle.ts";
import { killCalls } from "../../src/linux/calls/kill.ts";
import { errno } from "../../src/linux/errno.ts";
import { Resource, setLimit } from "../../src/linux/limits.ts";
import { parkThrough, wakeCount } from "../../src/linux/park.ts";
import { Pending, pendingBits, wake } from "../../src/linux/place.ts";
import { allocateProcess, exitOf, ProcessField, type ProcessRecord, processAt } from "../../src/linux/processes.ts";
import { Code, Sig, userInfo } from "../../src/linux/siginfo.ts";
import { queuedCount } from "../../src/linux/signal-queue.ts";
import {
  actionWords,
  bit,
  changeAction,
  exitProcess,
  exitSignals,
  nextSignal,
  queueSignal,
  sendSignal,
  setBlocked,
  signalPending,
  takeSignal,
  watchSignals,
} from "../../src/linux/signals.ts";
import type { Task } from "../../src/linux/task.ts";
import { addThread, allocateTask, TaskField, taskAt } from "../../src/linux/tasks.ts";
import { caller, resultOf } from "./caller.ts";
import type { Case, Outcome } from "./threads-cases.ts";

const make = resultOf(killCalls);

const handler = Int32Array.of(0x4000, 0, 0, 0, 0, 0);
const usr1 = bit(Sig.USR1);

/** Threads of one process; the first is its leader. All handle SIGUSR1. */
function crew(count: number): Task[] {
  const leader = caller();
  const { process } = leader;
  changeAction(process, Sig.USR1, handler);
  const others = Array.from({ length: count - 1 }, () => {
    const task = allocateTask(process.kernel, process.index);
    addThread(process.kernel, process.index, task);
    return attachTask(process, task);
  });
  return [leader, ...others];
}

/** Another process of the same kernel, with one thread. */
function neighbour({ process: { kernel } }: Task, uid: number): { process: ProcessRecord; tid: number } {
  const task = allocateTask(kernel, 0);
  const tid = taskAt(kernel, task).i32[TaskField.tid]!;
  const index = allocateProcess(kernel, tid);
  const process = processAt(kernel, index);
  taskAt(kernel, task).i32[TaskField.process] = index;
  process.attributes.fill(uid, Attr.ruid, Attr.fsuid + 1);
  setLimit(process.limits, Resource.SIGPENDING, 100, 100);
  addThread(kernel, index, task);
  return { process, tid };
}

const wanted = (threads: readonly Task[]): boolean[] => threads.map(signalPending);

describe("a signal of the process", () => {
  test("wakes the leader, unless that blocks it: then another", () => {
    const [a, b, c] = crew(3) as [Task, Task, Task];
    queueSignal(a.process, Sig.USR1);
    expect(wanted([a, b, c])).toEqual([true, false, false]);
    expect(nextSignal(a)?.[0]).toBe(Sig.USR1);
    expect(wanted([a, b, c])).toEqual([false, false, false]);

    setBlocked(a, usr1, 0);
    setBlocked(b, usr1, 0);
    queueSignal(a.process, Sig.USR1);
    expect(wanted([a, b, c])).toEqual([false, false, true]);
    expect(takeSignal(b, ~usr1, -1)).toBeUndefined();
  });

  test("that all block waits for the first that does no more", () => {
    const threads = crew(3) as [Task, Task, Task];
    for (const t of threads) setBlocked(t, usr1, 0);
    queueSignal(threads[0].process, Sig.USR1);
    expect(wanted(threads)).toEqual([false, false, false]);
    setBlocked(threads[1], 0, 0);
    expect(wanted(threads)).toEqual([false, true, false]);
  });

  test("goes to another thread where the one that was woken blocks it, or ends", () => {
    for (const ends of [false, true]) {
      const [a, b, c] = crew(3) as [Task, Task, Task];
      setBlocked(b, usr1, 0);
      queueSignal(a.process, Sig.USR1);
      if (ends) exitSignals(a);
      else setBlocked(a, usr1, 0);
      expect(wanted([a, b, c])).toEqual([false, false, true]);
    }
  });

  test("is not waited for in vain: who finds it taken is wanted no more", () => {
    const [a, b] = crew(2) as [Task, Task];
    setBlocked(b, usr1, 0);
    queueSignal(a.process, Sig.USR1);
    setBlocked(b, 0, 0);
    expect(wanted([a, b])).toEqual([true, true]);
    expect(nextSignal(b)?.[0]).toBe(Sig.USR1);
    expect(nextSignal(a)).toBeUndefined();
    expect(wanted([a, b])).toEqual([false, false]);
  });

  test("that is deadly ends all threads at once", () => {
    const threads = crew(3) as [Task, Task, Task];
    setBlocked(threads[0], -1, -1);
    queueSignal(threads[0].process, Sig.TERM);
    expect(threads[0].process.exit).toEqual({ signal: Sig.TERM, coreDumped: false });
    expect(threads.map((t) => pendingBits(t.record) & Pending.exit)).toEqual([2, 2, 2]);
  });
});

test("a thread's own signal is for nobody else, and gone with it", () => {
  const [a, b] = crew(2) as [Task, Task];
  queueSignal(b, Sig.USR1);
  expect(wanted([a, b])).toEqual([false, true]);
  expect(nextSignal(a)).toBeUndefined();
  exitSignals(b);
  expect(queuedCount(a.process.signals.pool, a.process.attributes.words[Attr.ruid]!)).toBe(0);
  queueSignal(a.process, Sig.USR1);
  expect(nextSignal(a)?.[0]).toBe(Sig.USR1);
});

test("what a thread watches for wakes it, blocked or not, and stays pending", () => {
  const [a, b] = crew(2) as [Task, Task];
  for (const t of [a, b]) setBlocked(t, usr1, 0);
  watchSignals(b, usr1, 0);
  queueSignal(a.process, Sig.USR1);
  expect(wanted([a, b])).toEqual([false, true]);
  watchSignals(b, 0, 0);
  expect(wanted([a, b])).toEqual([false, false]);
  expect(takeSignal(a, usr1, 0)?.[0]).toBe(Sig.USR1);
});

test("the first end of a process counts, and nothing is sent to it after", () => {
  const [a] = crew(2) as [Task, Task];
  const { kernel, record } = a.process;
  expect(exitProcess(kernel, record, { code: 3 })).toBe(true);
  expect(exitProcess(kernel, record, { code: 4 })).toBe(false);
  expect(queueSignal(a.process, Sig.USR1)).toBe(0);
  expect([a.process.exit, nextSignal(a)]).toEqual([{ code: 3 }, undefined]);
});

describe("other processes", () => {
  test("get signals by the id of any of their threads, and only such as their ids allow", () => {
    const t = caller();
    const { process, tid } = neighbour(t, 4000);
    changeAction({ ...t.process, record: process }, Sig.USR1, handler);
    const ids = t.process.attributes.words;
    ids.fill(0, Attr.ruid, Attr.fsuid + 1);
    expect(make(t, "kill", tid, 0)).toBe(0);
    ids.fill(5000, Attr.ruid, Attr.fsuid + 1);
    for (const [name, ...args] of [
      ["kill", tid, Sig.USR1],
      ["tkill", tid, Sig.USR1],
      ["tgkill", tid, tid, 0],
    ] as const)
      expect(make(t, name, ...args)).toBe(-errno.EPERM);
    // As on Linux: who may not be signalled does not count.
    expect(make(t, "kill", -1, Sig.USR1)).toBe(0);
    expect(process.pending.words[0]).toBe(0);
    ids[Attr.ruid] = 4000;
    expect(make(t, "tgkill", tid, tid, Sig.USR1)).toBe(0);
    expect(make(t, "tgkill", t.process.pid, tid, Sig.USR1)).toBe(-errno.ESRCH);
    expect(make(t, "tgkill", tid, t.tid, Sig.USR1)).toBe(-errno.ESRCH);
    const { pending } = taskAt(t.process.kernel, process.i32[ProcessField.leader]! - 1);
    expect(pending.words[0]).toBe(usr1);
    expect(make(t, "kill", -1, Sig.USR1)).toBe(0);
    expect(process.pending.words[0]).toBe(usr1);
    expect(exitOf(process)).toBeUndefined();
  });

  test("of another user have a queue of their own", () => {
    const t = caller();
    const { kernel, record, limits } = t.process;
    const { process } = neighbour(t, 4000);
    setBlocked(t, -1, -1);
    process.actions.set(handler, 40 * actionWords);
    setLimit(limits, Resource.SIGPENDING, 2, 2);
    setLimit(process.limits, Resource.SIGPENDING, 3, 3);
    const info = userInfo(40, Code.SI_QUEUE, 1, 1);
    const send = (to: ProcessRecord): number => sendSignal({ kernel, process: to, thread: undefined }, 40, info);
    expect([send(record), send(record), send(record)]).toEqual([0, 0, -errno.EAGAIN]);
    expect([send(process), send(process), send(process), send(process)]).toEqual([0, 0, 0, -errno.EAGAIN]);
    takeSignal(t, -1, -1);
    expect([send(record), send(process)]).toEqual([0, -errno.EAGAIN]);
    const { pool } = t.process.signals;
    expect([0, 4000, 77].map((uid) => queuedCount(pool, uid))).toEqual([
      record.attributes[Attr.ruid] === 0 ? 2 : 0,
      3,
      0,
    ]);
  });
});

const limit = 120_000;

async function outcomeOf<C extends Case>(name: C, jit: string): Promise<Outcome<C>> {
  const script = new URL("./threads-cases.ts", import.meta.url).pathname;
  const child = Bun.spawn([process.execPath, script, name, jit], { stderr: "pipe", timeout: limit });
  const [text, errors] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  expect({ status: await child.exited, errors }).toEqual({ status: 0, errors: "" });
  return JSON.parse(text);
}

const killed = { signal: Sig.KILL, coreDumped: false };

describe.each(["off", "wasm"])("with --jit %s", (jit) => {
  const rule = (name: string, body: () => Promise<void>): void => test(name, body, limit);

  rule("tgkill at a thread that runs a loop is noticed within a few milliseconds", async () => {
    const { typical, ...rest } = await outcomeOf("running", jit);
    expect(rest).toEqual({ handled: 50, own: 50, exit: killed });
    expect(typical).toBeLessThan(10);
  });

  rule("tgkill ends a call that blocks, or has it made again, as the action says", async () => {
    expect(await outcomeOf("blocked", jit)).toEqual({
      results: [-errno.EINTR, 1],
      goesOn: true,
      soon: true,
      exit: killed,
    });
  });

  rule("a signal of the process is handled by the thread that does not block it", async () => {
    expect(await outcomeOf("shared", jit)).toEqual({ counts: [0, 20, 0], exit: killed });
  });

  rule("exit_group in a thread ends the leader in its call", async () => {
    const end = { code: 7 };
    expect(await outcomeOf("exiting", jit)).toEqual({ end, exit: end });
  });

  rule("a deadly signal ends threads that block it", async () => {
    const end = { signal: Sig.TERM, coreDumped: false };
    expect(await outcomeOf("killing", jit)).toEqual({ end, exit: end });
  });
});

test(
  "100,000 real-time signals are handled, in their order",
  async () => {
    const all = { handled: 100_000, once: 100_000, left: 0, exit: killed };
    expect(await outcomeOf("queue", "off")).toEqual({ ...all, inOrder: true, takers: 1 });
  },
  limit,
);

test(
  "100,000 real-time signals for three threads are each handled once",
  async () => {
    const { inOrder: _, takers, ...rest } = await outcomeOf("queues", "off");
    expect(rest).toEqual({ handled: 100_000, once: 100_000, left: 0, exit: killed });
    expect(takers).toBeGreaterThan(1);
  },
  limit,
);

test("who is wanted before it sleeps, whatever it is wanted for, does not", () => {
  const t = caller();
  const seen = wakeCount(t);
  wake(t.record, Pending.exit);
  parkThrough(t, seen);
  expect(pendingBits(t.record)).toBe(Pending.exit);
});

test("a signal is not for the process that has the record of the one it was sent to", () => {
  const t = caller();
  const { kernel, record: process } = t.process;
  const generation = process.i32[ProcessField.generation]!;
  const target = { kernel, process, thread: undefined };
  changeAction(t.process, Sig.USR1, handler);
  sendSignal({ ...target, generation: generation + 1 }, Sig.USR1);
  expect(nextSignal(t)).toBeUndefined();
  sendSignal({ ...target, generation }, Sig.USR1);
  expect(nextSignal(t)?.[0]).toBe(Sig.USR1);
});
