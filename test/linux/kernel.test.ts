// The kernel's tables: where they lie, how records are taken and given back, the lists of threads, ids.
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { Attr } from "../../src/linux/attributes.ts";
import { errno } from "../../src/linux/errno.ts";
import { Header, mostNamed, newKernel, noteUnknownCall, sections } from "../../src/linux/kernel.ts";
import { resourceCount } from "../../src/linux/limits.ts";
import {
  allocateProcess,
  argStrings,
  auxvOf,
  envStrings,
  exeOf,
  exitOf,
  findProcess,
  freeProcess,
  mostProcesses,
  ProcessField,
  processAt,
  processTable,
  setAuxv,
  setExe,
  setExit,
  setStrings,
} from "../../src/linux/processes.ts";
import { getField, setField } from "../../src/linux/records.ts";
import { sigMax } from "../../src/linux/siginfo.ts";
import { maxQueued, pendingWords } from "../../src/linux/signal-queue.ts";
import { actionWords, TaskWord } from "../../src/linux/signals.ts";
import {
  addThread,
  allocateTask,
  findTask,
  freeTask,
  mostTasks,
  nameOf,
  newPid,
  removeThread,
  setName,
  TaskField,
  taskAt,
  taskTable,
  threadsOf,
} from "../../src/linux/tasks.ts";

/** A kernel with one process, which has no thread yet. */
function kernelWithProcess() {
  const k = newKernel();
  return { k, process: allocateProcess(k, 1000) };
}

describe("the layout", () => {
  test("has the tables one after the other, on pages", () => {
    const offsets = Object.values(sections);
    expect(offsets).toEqual(offsets.toSorted((a, b) => a - b));
    expect(offsets.filter((at) => at % 4096 !== 0)).toEqual([]);
  });

  test("leaves each table its room", () => {
    expect(taskTable.words * 4 * mostTasks).toBeLessThanOrEqual(sections.processes - sections.tasks);
    expect(processTable.words * 4 * mostProcesses).toBeLessThanOrEqual(sections.infos - sections.processes);
    expect((maxQueued + 8192) * 13 * 4 + 16).toBeLessThanOrEqual(sections.signalFds - sections.infos);
    expect(1025 * 8 * 4).toBeLessThanOrEqual(sections.buckets - sections.signalFds);
    expect(Header.named * 4 + mostNamed * 8).toBeLessThanOrEqual(sections.inbox - sections.header);
  });

  test("leaves each part of a record its room", () => {
    const { k, process } = kernelWithProcess();
    const p = processAt(k, process);
    const attributeWords = Attr.timerSlack + 2;
    for (const [part, words] of [
      [p.attributes, attributeWords],
      [p.limits.words, resourceCount * 4],
      [p.actions, (sigMax + 1) * actionWords],
      [p.pending.words, pendingWords],
    ] as const)
      expect(part.length).toBeGreaterThanOrEqual(words);
    const t = taskAt(k, allocateTask(k, process));
    expect(t.signals.length).toBeGreaterThanOrEqual(TaskWord.awaited + 2);
    expect(TaskField.signals + t.signals.length).toBeLessThanOrEqual(TaskField.pendingSet);
    expect(TaskField.pendingSet + t.pending.words.length).toBeLessThanOrEqual(TaskField.waiter);
    for (const record of [p, t]) {
      expect(record.f64.byteOffset).toBe(record.i32.byteOffset);
      expect(record.f64.byteLength).toBe(record.i32.byteLength);
    }
  });
});

describe("records", () => {
  test("are all taken before there is none left, each once", () => {
    const { k, process } = kernelWithProcess();
    const taken = Array.from({ length: mostTasks }, (_, i) => allocateTask(k, process, 10_000 + i));
    expect(taken).toEqual(Array.from({ length: mostTasks }, (_, i) => i));
    expect(allocateTask(k, process)).toBe(-errno.EAGAIN);
    freeTask(k, 7);
    freeTask(k, 4000);
    expect([allocateTask(k, process), allocateTask(k, process)]).toEqual([7, 4000]);
    expect(allocateTask(k, process)).toBe(-errno.EAGAIN);
  });

  test("of processes as well", () => {
    const k = newKernel();
    for (let i = 0; i < mostProcesses; i++) expect(allocateProcess(k, 10_000 + i)).toBe(i);
    expect(allocateProcess(k, 1)).toBe(-errno.EAGAIN);
    freeProcess(k, 3);
    expect(allocateProcess(k, 1)).toBe(3);
  });

  test("that were given back are zero, and of the next generation", () => {
    const { k, process } = kernelWithProcess();
    // The first one stays.
    const first = allocateTask(k, process, 76);
    freeTask(k, first);
    expect(findTask(k, 76)).toBeUndefined();
    const before = k.i32.slice();
    const index = allocateTask(k, process, 77);
    expect(index).not.toBe(first);
    const { i32 } = taskAt(k, index);
    i32.fill(-1, TaskField.clearTid);
    i32[TaskField.generation] = 5;
    freeTask(k, index);
    expect(i32[TaskField.generation]).toBe(6);
    i32[TaskField.generation] = 0;
    k.i32[Header.usedTasks] = before[Header.usedTasks]!;
    expect(Bun.deepEquals(k.i32, before)).toBe(true);
  });

  test("are the same object each time", () => {
    const { k, process } = kernelWithProcess();
    const index = allocateTask(k, process);
    expect(taskAt(k, index)).toBe(taskAt(k, index));
    expect(processAt(k, process)).toBe(processAt(k, process));
  });

  test("are found by their number while they live", () => {
    const { k, process } = kernelWithProcess();
    expect([findProcess(k, 1000), findTask(k, 1000)]).toEqual([undefined, undefined]);
    const index = allocateTask(k, process, 1000);
    expect([findProcess(k, 1000), findTask(k, 1000)]).toEqual([undefined, undefined]);
    addThread(k, process, index);
    expect([findProcess(k, 1000), findTask(k, 1000)]).toEqual([process, index]);
    removeThread(k, process, index);
    freeTask(k, index);
    expect([findProcess(k, 1000), findTask(k, 1000)]).toEqual([process, undefined]);
    freeProcess(k, process);
    expect(findProcess(k, 1000)).toBeUndefined();
    expect(findTask(k, 0)).toBeUndefined();
  });

  test("keep a thread's name to 15 bytes", () => {
    const { k, process } = kernelWithProcess();
    const r = taskAt(k, allocateTask(k, process));
    for (const [given, kept] of [
      ["sixteen letters!", "sixteen letters"],
      ["\xe9t\xe9", "\xe9t\xe9"],
      ["", ""],
    ] as const) {
      setName(r, given);
      expect(nameOf(r)).toBe(kept);
      expect(r.i32[TaskField.flags]).toBe(0);
    }
  });

  test("keep addresses of 64 bits", () => {
    const { k, process } = kernelWithProcess();
    const r = taskAt(k, allocateTask(k, process));
    for (const address of [0, 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32 + 5, 2 ** 53 - 1, 2 ** 63 + 4096]) {
      setField(r, TaskField.robustList, address);
      expect(getField(r, TaskField.robustList)).toBe(address);
    }
  });

  test("keep what runs in a process, as far as there is room", () => {
    const { k, process } = kernelWithProcess();
    const r = processAt(k, process);
    setExe(r, "/bin/\xe4");
    setAuxv(r, Uint8Array.of(1, 2, 3));
    setStrings(r, [0x1000, 0x1010], [0x1010, 0x2000]);
    expect([exeOf(r), auxvOf(r)]).toEqual(["/bin/\xe4", Uint8Array.of(1, 2, 3)]);
    expect([argStrings(r), envStrings(r)]).toEqual([
      [0x1000, 0x1010],
      [0x1010, 0x2000],
    ]);
    setExe(r, "x".repeat(5000));
    setAuxv(r, new Uint8Array(2000).fill(9));
    expect([exeOf(r).length, auxvOf(r).length]).toEqual([4096, 704]);
    expect(processAt(k, process + 1).i32.every((word) => word === 0)).toBe(true);
    setExe(r, "");
    expect(exeOf(r)).toBe("");
  });

  test("keep the first end of a process", () => {
    for (const end of [
      { code: 0 },
      { code: 255 },
      { signal: 9, coreDumped: false },
      { signal: 64, coreDumped: false },
      { signal: 11, coreDumped: true },
    ]) {
      const { k, process } = kernelWithProcess();
      const r = processAt(k, process);
      expect(exitOf(r)).toBeUndefined();
      expect(setExit(r, end)).toBe(true);
      expect(setExit(r, { code: 3 })).toBe(false);
      expect(exitOf(r)).toEqual(end);
    }
  });
});

test("the threads of a process are listed in the order in which they came, whichever leave", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(9), { maxLength: 60 }), (steps) => {
      const { k, process } = kernelWithProcess();
      const other = allocateProcess(k, 1001);
      addThread(k, other, allocateTask(k, other, 1001));
      const listed: number[] = [];
      for (const [i, step] of steps.entries()) {
        const leaves = step < 4 ? listed[step] : undefined;
        if (leaves === undefined) {
          listed.push(allocateTask(k, process, 2000 + i));
          addThread(k, process, listed.at(-1)!);
        } else {
          listed.splice(step, 1);
          removeThread(k, process, leaves);
          freeTask(k, leaves);
        }
        expect(threadsOf(k, process)).toEqual(listed);
        expect(processAt(k, process).i32[ProcessField.threadCount]).toBe(listed.length);
        for (const [n, index] of listed.entries()) {
          const before = listed.at(n - 1)!;
          expect(taskAt(k, index).i32[TaskField.previous]).toBe(before + 1);
        }
      }
      expect(threadsOf(k, other).length).toBe(1);
    }),
    { numRuns: 200 },
  );
});

describe("ids", () => {
  test("are none that the host gives", () => {
    expect(newPid(newKernel())).toBeGreaterThanOrEqual(Number(readFileSync("/proc/sys/kernel/pid_max", "utf8")));
  });
  test("are none that a guest has", () => {
    const { k, process } = kernelWithProcess();
    const next = newPid(k) + 1;
    // Those of a process, a task, a group and a session, then a free one.
    const group = processAt(k, allocateProcess(k, next)).i32;
    [group[ProcessField.group], group[ProcessField.session]] = [next + 2, next + 3];
    allocateTask(k, process, next + 1);
    expect(newPid(k)).toBe(next + 4);
  });
  test("begin again when all were given", () => {
    const k = newKernel();
    const first = newPid(k);
    for (const tried of [2 ** 22, -(2 ** 22)]) {
      k.i32[Header.nextPid] = tried;
      expect(newPid(k)).toBe(first);
    }
  });
});

test("each system call without a row is noted once, and only so many", () => {
  const k = newKernel();
  expect([noteUnknownCall(k, 900), noteUnknownCall(k, -1), noteUnknownCall(k, 900)]).toEqual([1, 2, 0]);
  const rest = Array.from({ length: mostNamed }, (_, i) => noteUnknownCall(k, 1000 + i));
  expect(rest.filter((n) => n > 0).at(-1)).toBe(mostNamed);
  expect(rest.at(-1)).toBe(0);
  expect(k.i32.subarray(Header.named + mostNamed * 2, 1024).every((word) => word === 0)).toBe(true);
});
