// What /proc shows of several guest processes and threads, as records have them; test/guest/task-dirs.c has what programs see.
import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { addressOf } from "../../src/host/syscall.ts";
import { Attr } from "../../src/linux/attributes.ts";
import { errno } from "../../src/linux/errno.ts";
import { installFd, setFd } from "../../src/linux/fds.ts";
import { FsWord } from "../../src/linux/file-system.ts";
import { Resource, setLimit } from "../../src/linux/limits.ts";
import { Place } from "../../src/linux/place.ts";
import { tablesOf } from "../../src/linux/proc-view.ts";
import {
  allocateProcess,
  ProcessField,
  type ProcessRecord,
  processAt,
  setExe,
  setExit,
} from "../../src/linux/processes.ts";
import { State } from "../../src/linux/records.ts";
import { initSignals } from "../../src/linux/signals.ts";
import { takeTable } from "../../src/linux/tables.ts";
import type { Task } from "../../src/linux/task.ts";
import { addThread, allocateTask, setName, TaskField, type TaskRecord, taskAt } from "../../src/linux/tasks.ts";
import { newAddressSpace } from "../../src/memory/address-space.ts";
import { newGuestMemory, pageSize } from "../../src/memory/guest-memory.ts";
import { map } from "../../src/memory/map.ts";
import { fixed, RW } from "../memory/spaces.ts";
import { AT_FDCWD, callByName, contentOf, linkOf, makeTask, memory, namesIn } from "../tools/task.ts";

interface Other {
  readonly process: ProcessRecord;
  readonly thread: TaskRecord;
  readonly pid: number;
}

/** A thread of a process, with a name. */
function thread(t: Task, process: number, name: string, tid?: number): TaskRecord {
  const { kernel } = t.process;
  const record = taskAt(kernel, allocateTask(kernel, process, tid));
  initSignals(record);
  addThread(kernel, process, record.index);
  setName(record, name);
  return record;
}

/** Another process, with a memory of its own in which nothing is but what `fill` puts there. */
function other(t: Task, pid: number, text = ""): Other {
  const { kernel, site } = t.process;
  const { tables } = site.bundle;
  const process = processAt(kernel, allocateProcess(kernel, pid));
  const { i32, f64, attributes } = process;
  i32[ProcessField.fdsTable] = takeTable(tables, "fds");
  i32[ProcessField.filesTable] = takeTable(tables, "files");
  i32[ProcessField.group] = i32[ProcessField.session] = pid;
  attributes.set(t.process.attributes.words);
  const space = newAddressSpace(newGuestMemory(2 ** 20));
  kept.push(space);
  const start = map(space, 0x20000, pageSize, RW, fixed);
  space.memory.u8.set(Buffer.from(text, "latin1"), start);
  f64[ProcessField.hostBase / 2] = space.memory.hostBase;
  f64.set([space.head, space.records, space.files, space.names].map(addressOf), ProcessField.mappings / 2);
  i32[ProcessField.argStart] = start;
  i32[ProcessField.argEnd] = start + text.length;
  setExe(process, "/bin/other");
  const first = thread(t, process.index, "other", pid);
  first.i32[TaskField.fdsTable] = i32[ProcessField.fdsTable]! + 1;
  first.i32[TaskField.filesTable] = i32[ProcessField.filesTable]! + 1;
  return { process, thread: first, pid };
}
/** Their addresses are in records. */
const kept: unknown[] = [];

const stateOf = (t: Task, pid: number): string =>
  /^State:\t(.)/m.exec(String(contentOf(t, `/proc/${pid}/status`)))![1]!;

describe("another process", () => {
  test("has its files, by what its records and its memory say", () => {
    const t = makeTask();
    const { pid, process } = other(t, 70_001, "other\0one\0");
    expect(contentOf(t, `/proc/${pid}/comm`)).toBe("other\n");
    expect(contentOf(t, `/proc/${pid}/cmdline`)).toBe("other\0one\0");
    expect(linkOf(t, `/proc/${pid}/exe`)).toBe("/bin/other");
    expect(contentOf(t, `/proc/${pid}/maps`)).toMatch(/^00020000-00021000 rw-p /);
    expect(contentOf(t, `/proc/${pid}/statm`)).toMatch(/^1 1 /);
    expect(contentOf(t, `/proc/${pid}/stat`)).toStartWith(`${pid} (other) `);
    process.i32[ProcessField.argEnd]! += 2 ** 30;
    expect(String(contentOf(t, `/proc/${pid}/cmdline`))).toHaveLength(4096);
  });
  test("shows nothing of its memory when that is gone", () => {
    const t = makeTask();
    const { pid, process } = other(t, 70_001, "other\0");
    process.f64.fill(0, ProcessField.mappings / 2, ProcessField.mappings / 2 + 4);
    process.f64[ProcessField.hostBase / 2] = 0;
    for (const name of ["cmdline", "maps", "environ"]) expect(contentOf(t, `/proc/${pid}/${name}`)).toBe("");
    expect(contentOf(t, `/proc/${pid}/stat`)).toStartWith(`${pid} (other) `);
  });
  test("has descriptors and a directory of its own", () => {
    const t = makeTask();
    const { pid, process, thread } = other(t, 70_001);
    const tables = tablesOf(t, { process, thread, whole: true })!;
    tables.fds.limit = 100;
    const h = installFd(t.process.fds, 0, false);
    expect(h).toBeGreaterThanOrEqual(0);
    setFd(tables.fds, 42, 0, false);
    tables.files.words[FsWord.cwd] = t.process.files.words[FsWord.cwd]!;
    expect(namesIn(t, `/proc/${pid}/fd`)).toEqual(["42"]);
    expect(linkOf(t, `/proc/${pid}/cwd`)).toBe(linkOf(t, "/proc/self/cwd"));
    expect(linkOf(t, `/proc/${pid}/fd/42`)).toBe(linkOf(t, "/proc/self/fd/0"));
    expect(linkOf(t, `/proc/${pid}/fd/0`)).toBe(-errno.ENOENT);
  });
  test("of another user shows what anybody may see", () => {
    const t = makeTask();
    const { pid, process } = other(t, 70_001, "other\0");
    t.process.attributes.words.fill(1000, Attr.ruid, Attr.fsgid + 1);
    process.attributes.fill(1001, Attr.ruid, Attr.fsgid + 1);
    expect(contentOf(t, `/proc/${pid}/cmdline`)).toBe("other\0");
    expect(contentOf(t, `/proc/${pid}/status`)).toContain("\nUid:\t1001\t1001\t1001\t1001\n");
    for (const name of ["environ", "maps", "auxv", "mem", "io"])
      expect(contentOf(t, `/proc/${pid}/${name}`)).toBe(-errno.EACCES);
    for (const name of ["exe", "cwd", "root"]) expect(linkOf(t, `/proc/${pid}/${name}`)).toBe(-errno.EACCES);
    expect(namesIn(t, `/proc/${pid}/fd`)).toBe(-errno.EACCES);
    expect(callByName(t, "prlimit64", pid, Resource.NOFILE, 0, memory.start)).toBe(-errno.EPERM);
    process.attributes.fill(1000, Attr.ruid, Attr.fsgid + 1);
    expect(contentOf(t, `/proc/${pid}/environ`)).toBe("");
    process.attributes[Attr.dumpable] = 0;
    expect(contentOf(t, `/proc/${pid}/environ`)).toBe(-errno.EACCES);
  });
  test("is its user's, to stat", () => {
    const t = makeTask();
    const { pid, process } = other(t, 70_001);
    process.attributes.fill(1001, Attr.ruid, Attr.fsgid + 1);
    expect(callByName(t, "newfstatat", AT_FDCWD, `/proc/${pid}`, memory.start, 0)).toBe(0);
    expect([24, 28].map((at) => t.memory.view.getUint32(memory.start + at, true))).toEqual([1001, 1001]);
  });
  test("has limits that can be seen and set", () => {
    const t = makeTask();
    const { pid, process, thread } = other(t, 70_001);
    setLimit(process.limits, Resource.NOFILE, 100, 200);
    expect(callByName(t, "prlimit64", pid, Resource.NOFILE, 0, memory.start)).toBe(0);
    expect([0, 8].map((at) => t.memory.view.getUint32(memory.start + at, true))).toEqual([100, 200]);
    t.memory.view.setUint32(memory.start, 50, true);
    expect(callByName(t, "prlimit64", pid, Resource.NOFILE, memory.start, 0)).toBe(0);
    expect(contentOf(t, `/proc/${pid}/limits`)).toMatch(/^Max open files {12}50 +200 /m);
    expect(tablesOf(t, { process, thread, whole: true })!.fds.limit).toBe(50);
    expect(callByName(t, "prlimit64", 70_999, Resource.NOFILE, 0, memory.start)).toBe(-errno.ESRCH);
  });
});

describe("the state of a thread", () => {
  test("is running, sleeping, stopped or ended, as its record says", () => {
    const t = makeTask();
    const { pid, process, thread: its } = other(t, 70_001);
    expect(stateOf(t, t.process.pid)).toBe("R");
    expect(stateOf(t, pid)).toBe("R");
    its.i32[TaskField.place] = Place.kernel;
    expect(stateOf(t, pid)).toBe("D");
    its.i32[TaskField.job] = 4;
    expect(stateOf(t, pid)).toBe("T");
    // Its leader has ended, others go on.
    its.i32[TaskField.state] = State.zombie;
    expect(stateOf(t, pid)).toBe("Z");
    setExit(process, { signal: 9, coreDumped: false });
    process.i32[ProcessField.state] = State.zombie;
    expect(stateOf(t, pid)).toBe("Z");
    expect(contentOf(t, `/proc/${pid}/stat`)).toMatch(/ 9\n$/);
    expect(contentOf(t, `/proc/${pid}/statm`)).toBe("0 0 0 0 0 0 0\n");
    expect(contentOf(t, `/proc/${pid}/status`)).not.toContain("VmRSS");
    expect(namesIn(t, `/proc/${pid}/fd`)).toEqual([]);
    expect(linkOf(t, `/proc/${pid}/exe`)).toBe(-errno.ENOENT);
  });
});

describe("threads", () => {
  test("are in their process's directory, and have directories that are not listed", () => {
    const t = makeTask();
    const { tid } = { tid: thread(t, t.process.index, "second", 70_002).i32[TaskField.tid]! };
    expect(namesIn(t, "/proc/self/task")).toEqual([String(t.tid), "70002"]);
    expect(contentOf(t, `/proc/self/task/${tid}/comm`)).toBe("second\n");
    expect(contentOf(t, `/proc/${tid}/status`)).toMatch(/\nTgid:\t(\d+)\n(.*\n)?Pid:\t70002\n/);
    expect(contentOf(t, "/proc/self/status")).toContain("\nThreads:\t2\n");
    expect(namesIn(t, "/proc", 2 ** 15)).not.toContain("70002");
    expect(contentOf(t, `/proc/self/task/${tid}/task`)).toBe(-errno.ENOENT);
    const { process } = other(t, 70_003);
    const stranger = thread(t, process.index, "stranger", 70_004).i32[TaskField.tid]!;
    expect(contentOf(t, `/proc/self/task/${stranger}/comm`)).toBe(-errno.ENOENT);
    expect(contentOf(t, `/proc/70003/task/${stranger}/comm`)).toBe("stranger\n");
    // Names are given within a process.
    expect(
      callByName(t, "write", callByName(t, "openat", AT_FDCWD, `/proc/${stranger}/comm`, 1, 0), memory.start, 4),
    ).toBe(-errno.EINVAL);
  });
});

describe("the directory of all processes", () => {
  test("has the guests, the host's processes and files, and nothing of the emulator's", () => {
    const t = makeTask();
    other(t, 70_001);
    const names = namesIn(t, "/proc", 2 ** 15) as string[];
    for (const name of [String(t.process.pid), "70001", "self", "version", "1"]) expect(names).toContain(name);
    expect(new Set(names).size).toBe(names.length);
    const own = readdirSync("/proc/self/task").filter((tid) => Number(tid) !== t.process.pid);
    for (const tid of own) expect(names).not.toContain(tid);
  });
  test("can be worked in, and leads to the host's files", () => {
    const t = makeTask({ cwd: "/proc" });
    expect(contentOf(t, "version")).toMatch(/^Linux version/);
    expect(contentOf(t, "self/comm")).toBe("guest\n");
    expect(contentOf(t, "sys/kernel/ostype")).toBe("Linux\n");
    expect(contentOf(t, "./../proc/sys/kernel/arch")).toBe("riscv64\n");
    expect(contentOf(t, "nothing")).toBe(-errno.ENOENT);
    expect(callByName(t, "newfstatat", AT_FDCWD, "/proc", memory.start, 0)).toBe(0);
    expect(t.memory.view.getUint32(memory.start + 8, true)).toBe(1);
  });
});
