// A worker that attaches to a process and does one job as one of its threads, for attach.test.ts: it posts what it saw.
import { isMainThread, parentPort, threadId, workerData } from "node:worker_threads";
import { attachThread, type Bundle } from "../../src/linux/bundle.ts";
import { sections } from "../../src/linux/kernel.ts";
import { setExit } from "../../src/linux/processes.ts";
import { Code, Sig, valueInfo } from "../../src/linux/siginfo.ts";
import { queueSignal, setBlocked, takeSignal } from "../../src/linux/signals.ts";
import type { Task } from "../../src/linux/task.ts";
import { allocateTask, TaskField, taskAt } from "../../src/linux/tasks.ts";
import { mapsText } from "../../src/memory/maps.ts";
import { mainAgent, setAgentId } from "../../src/sync/agent.ts";
import { callByName, contentOf, memory, textAt } from "./task.ts";

/** What the worker is given. */
export interface Order {
  readonly bundle: Bundle;
  readonly task: number;
  readonly job: keyof typeof jobs;
}

/** What can be seen of a thread and its process. */
export const look = (t: Task) => ({
  ...{ pid: t.process.pid, tid: t.tid, name: t.name, exe: t.process.exe, auxv: t.process.auxv },
  ...{ clearTid: t.clearTid, robustList: t.robustList, rseq: t.rseq, started: t.process.started, exit: t.process.exit },
  ...{ options: t.process.options, trampoline: t.process.signals.trampoline, hart: t.hart.i32.slice() },
  ...{ limits: t.process.limits.words.slice(), attributes: t.process.attributes.words.slice() },
  ...{ groups: t.process.attributes.groups.slice(0, 8), timers: t.process.timers.words.slice(0, 80) },
  ...{ fds: t.process.fds.words.slice(0, 64), limit: t.process.fds.limit, jailed: t.process.files.jailed },
  ...{ sysroot: t.process.files.sysroot, files: t.process.files.words.slice(), maps: mapsText(t.process.space) },
  ...{ actions: t.process.signals.actions.slice(), signals: t.signals.words.slice() },
  ...{ own: t.signals.pending.words.slice(), shared: t.process.signals.pending.words.slice() },
  ...{ threads: t.process.signals.threads.map(({ index }) => index), stack: t.process.space.limit("stack") },
});

/** How many workers go on together from `begin`. */
export const crew = 3;

function begin({ process }: Task): void {
  const { i32 } = process.kernel;
  const here = sections.locks / 4;
  Atomics.add(i32, here, 1);
  Atomics.notify(i32, here);
  for (let n = 0; (n = Atomics.load(i32, here)) < crew; ) Atomics.wait(i32, here, n);
}

export const jobs = {
  look,
  /** Reads all of descriptor `fd` there, and a file by its path. */
  read: (t: Task) => {
    const n = callByName(t, "read", 3, memory.start, 100);
    return [textAt(t, memory.start, n), contentOf(t, "/proc/self/cmdline"), callByName(t, "getcwd", memory.start, 100)];
  },
  /** Changes what it can. */
  change: (t: Task) => {
    const signals = [takeSignal(t, -1, -1), takeSignal(t, -1, -1), takeSignal(t, -1, -1)];
    setBlocked(t, 0x1234, 0x5678);
    queueSignal(t, 40, valueInfo(40, Code.SI_QUEUE, 1, 1, 7, 8));
    queueSignal(t.process, Sig.USR2);
    t.name = "attached";
    t.clearTid = 2 ** 40;
    t.process.signals.actions[Sig.USR1 * 6] = 0x4444;
    const calls = [
      callByName(t, "chdir", "/tmp"),
      callByName(t, "umask", 0o77),
      callByName(t, "close", 3),
      callByName(t, "dup", 1),
      callByName(t, "mmap", 0x4000000, 8192, 3, 0x22, -1, 0),
    ];
    t.memory.u8[0x4000000] = 99;
    t.process.files.sysroot = "/usr/lib";
    return { signals, calls };
  },
  /** Takes 500 records, and answers their indices and ids. */
  allocate: (t: Task) => {
    begin(t);
    return Array.from({ length: 500 }, () => {
      const index = allocateTask(t.process.kernel, t.process.index);
      return { index, tid: taskAt(t.process.kernel, index).i32[TaskField.tid]! };
    });
  },
  inodes: (t: Task) => {
    begin(t);
    return Array.from({ length: 1000 }, () => t.process.space.nextInode());
  },
  end: (t: Task) => setExit(t.process.record, { signal: 11, coreDumped: true }),
};

if (!isMainThread) {
  setAgentId(mainAgent + threadId);
  const { bundle, task, job } = workerData as Order;
  parentPort!.postMessage(jobs[job](attachThread(bundle, task)));
}
