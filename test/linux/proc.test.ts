// /proc shows the guest: its own files, links and descriptors, and nothing of the emulator.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errno } from "../../src/linux/errno.ts";
import { isaString } from "../../src/linux/hwcap.ts";
import { argStrings, setStrings } from "../../src/linux/processes.ts";
import type { Task } from "../../src/linux/task.ts";
import { AT_FDCWD, callByName, contentOf, linkOf, makeTask, memory, namesIn, putText, textAt } from "../tools/task.ts";

const O_WRONLY = 1;
const O_RDWR = 2;
const O_DIRECTORY = 0o200000;
const open = (t: Task, path: string, flags = 0) => callByName(t, "openat", AT_FDCWD, path, flags, 0o666);

let host = "";
beforeAll(() => {
  host = realpathSync(mkdtempSync(join(tmpdir(), "sabre-proc-")));
  writeFileSync(join(host, "file"), "content");
  symlinkSync("/proc/self", join(host, "self"));
  symlinkSync(`/proc/${process.pid}/fd`, join(host, "fds"));
});
afterAll(() => rmSync(host, { recursive: true, force: true }));

describe("files of the process", () => {
  test("show the arguments as the program has changed them, and a title that overruns them", () => {
    const t = makeTask();
    const [start, end] = argStrings(t.process.record);
    putText(t, start, "GUEST");
    expect(contentOf(t, "/proc/self/cmdline")).toBe("GUEST\0one\0\0");
    putText(t, start, "guest: waiting for work\0");
    expect(contentOf(t, "/proc/self/cmdline")).toBe("guest: waiting for work\0");
    putText(t, end - 1, "\0");
    expect(contentOf(t, "/proc/self/cmdline")).toBe("guest: wai\0");
    setStrings(t.process.record, [start, start], [end, end]);
    expect([contentOf(t, "/proc/self/cmdline"), contentOf(t, "/proc/self/environ")]).toEqual(["", ""]);
    setStrings(t.process.record, [memory.unmapped, memory.unmapped + 8], [memory.unmapped, 2 ** 40]);
    expect([contentOf(t, "/proc/self/cmdline"), contentOf(t, "/proc/self/environ")]).toEqual(["", ""]);
  });

  test("say who the guest is", () => {
    const t = makeTask();
    t.process.auxv = Uint8Array.of(6, 0, 0, 0);
    expect(contentOf(t, "/proc/self/comm")).toBe("guest\n");
    expect(contentOf(t, "/proc/self/cmdline")).toBe("guest\0one\0\0");
    expect(contentOf(t, "/proc/self/environ")).toBe("A=1\0B=2\0");
    expect(contentOf(t, "/proc/self/auxv")).toBe("\x06\0\0\0");
    expect(linkOf(t, "/proc/self/exe")).toBe("/bin/guest");
    expect(linkOf(t, "/proc/self/root")).toBe("/");
    expect(linkOf(t, "/proc/self")).toBe(String(t.process.pid));
    expect(contentOf(t, "/proc/sys/kernel/arch")).toBe("riscv64\n");
  });
  test("are the same by pid, by thread and by any way there", () => {
    const t = makeTask({ cwd: "/proc" });
    const pid = t.process.pid;
    const proc = callByName(t, "openat", AT_FDCWD, "/proc/self", O_DIRECTORY, 0);
    for (const path of [`/proc/${pid}/comm`, `/proc/${pid}/task/${t.tid}/comm`, "/proc/thread-self/comm"])
      expect(contentOf(t, path)).toBe("guest\n");
    for (const path of ["self/comm", "../proc/self/comm", "self/task/../comm", "./self/net/../comm"])
      expect(contentOf(t, path)).toBe("guest\n");
    expect(contentOf(t, "comm", proc)).toBe("guest\n");
    expect(contentOf(t, "../self/comm", proc)).toBe("guest\n");
    expect(contentOf(t, join(host, "self/comm"))).toBe("guest\n");
    expect(callByName(t, "fchdir", proc)).toBe(0);
    expect(contentOf(t, "comm")).toBe("guest\n");
    expect(contentOf(t, "../version")).toMatch(/^Linux version/);
    callByName(t, "getcwd", memory.start, 100);
    expect(textAt(t, memory.start, 6 + String(pid).length)).toBe(`/proc/${pid}`);
    expect(callByName(t, "chdir", "/proc/self/fd")).toBe(0);
    expect(contentOf(t, "../comm")).toBe("guest\n");
  });
  test("have the fields of proc(5)", () => {
    const t = makeTask();
    t.name = "a (b) c";
    const stat = String(contentOf(t, "/proc/self/stat"));
    expect(stat).toStartWith(`${t.process.pid} (a (b) c) R `);
    expect(
      stat
        .slice(stat.lastIndexOf(")") + 2)
        .trim()
        .split(" "),
    ).toHaveLength(50);
    expect(String(contentOf(t, "/proc/self/statm")).trim().split(" ")).toHaveLength(7);
    const status = String(contentOf(t, "/proc/self/status"));
    expect(status).toContain("Name:\ta (b) c\n");
    expect(status).toContain(`Pid:\t${t.process.pid}\n`);
    expect(status).toContain("Threads:\t1\n");
    expect(status).toMatch(/^VmRSS:\t +\d+ kB$/m);
    const limits = String(contentOf(t, "/proc/self/limits"));
    expect(limits).toMatch(/^Max open files {12}1024 /m);
  });
  test("cpuinfo has an entry a processor, with the guest's instruction set", () => {
    const text = String(contentOf(makeTask(), "/proc/cpuinfo"));
    expect(text).toStartWith("processor\t: 0\nhart\t\t: 0\nisa\t\t: " + isaString + "\n");
    expect(text).toEndWith("\n\n");
    expect(text).not.toContain("GenuineIntel");
  });
  test("can only be read, but comm and oom_score_adj", () => {
    const t = makeTask();
    for (const file of ["maps", "cmdline", "status", "environ"])
      expect(open(t, `/proc/self/${file}`, O_WRONLY)).toBe(-errno.EACCES);
    const comm = open(t, "/proc/self/comm", O_RDWR);
    expect(callByName(t, "write", comm, memory.start, putText(t, memory.start, "a name longer than it may be\n"))).toBe(
      29,
    );
    expect(t.name).toBe("a name longer t");
    expect(contentOf(t, "/proc/self/comm")).toBe("a name longer t\n");
    const reader = open(t, "/proc/self/comm");
    expect(callByName(t, "write", reader, memory.start, 1)).toBe(-errno.EBADF);
    const oom = open(t, "/proc/self/oom_score_adj", O_WRONLY);
    expect(callByName(t, "write", oom, memory.start, putText(t, memory.start, "junk"))).toBe(-errno.EINVAL);
    expect(callByName(t, "read", oom, memory.start, 10)).toBe(-errno.EBADF);
    expect(callByName(t, "unlinkat", AT_FDCWD, "/proc/self/comm", 0)).toBe(-errno.EPERM);
    expect(callByName(t, "fchmodat", AT_FDCWD, "/proc/self/comm", 0o777)).toBe(-errno.EPERM);
    expect(callByName(t, "truncate", "/proc/self/comm", 0)).toBe(-errno.EACCES);
  });
  test("are regular files, directories and links to stat", () => {
    const t = makeTask();
    const modeOf = (path: string, flags = 0x100) => {
      expect(callByName(t, "newfstatat", AT_FDCWD, path, memory.start, flags)).toBe(0);
      return t.memory.view.getUint32(memory.start + 16, true);
    };
    expect(modeOf("/proc/self/maps")).toBe(0o100444);
    expect(modeOf("/proc/self/fd")).toBe(0o040555);
    expect(modeOf("/proc/self/exe")).toBe(0o120777);
    expect(modeOf("/proc/self/environ")).toBe(0o100400);
    callByName(t, "fstat", open(t, "/proc/self/task", O_DIRECTORY), memory.start);
    expect(t.memory.view.getUint32(memory.start + 16, true)).toBe(0o040555);
    expect(callByName(t, "statx", AT_FDCWD, "/proc/self/fd", 0, 0xfff, memory.start)).toBe(0);
    expect(t.memory.view.getUint16(memory.start + 28, true)).toBe(0o040555);
    expect(callByName(t, "faccessat", AT_FDCWD, "/proc/self/maps", 4)).toBe(0);
    expect(callByName(t, "faccessat", AT_FDCWD, "/proc/self/maps", 2)).toBe(-errno.EACCES);
    expect(callByName(t, "faccessat", AT_FDCWD, "/proc/self/nothing", 0)).toBe(-errno.ENOENT);
  });
});

describe("descriptors", () => {
  test("are listed by the guest's numbers, the listing's own among them", () => {
    const t = makeTask();
    callByName(t, "close", 1);
    const fd = callByName(t, "dup3", open(t, join(host, "file")), 40, 0);
    expect(fd).toBe(40);
    // 1 is the file, so the listing gets 3.
    expect(namesIn(t, "/proc/self/fd")).toEqual(["0", "1", "2", "3", "40"]);
    expect(namesIn(t, "/dev/fd")).toEqual(["0", "1", "2", "3", "40"]);
    expect(namesIn(t, "/proc/self/fd", 24)).toEqual(["0", "1", "2", "3", "40"]);
    expect(namesIn(t, "/proc/self/fd", 20)).toBe(-errno.EINVAL);
  });
  test("are read as links, opened again, and walked through", () => {
    const t = makeTask();
    const fd = open(t, join(host, "file"));
    const dir = open(t, host, O_DIRECTORY);
    expect(linkOf(t, `/proc/self/fd/${fd}`)).toBe(join(host, "file"));
    expect(contentOf(t, `/proc/self/fd/${fd}`)).toBe("content");
    expect(contentOf(t, `/dev/fd/${fd}`)).toBe("content");
    expect(contentOf(t, `/proc/self/fd/${dir}/file`)).toBe("content");
    expect(contentOf(t, `/proc/self/fd/${dir}/../${host.split("/").at(-1)}/file`)).toBe("content");
    expect(linkOf(t, "/proc/self/fd/77")).toBe(-errno.ENOENT);
    expect(linkOf(t, "/proc/self/fd/0x1")).toBe(-errno.ENOENT);
    expect(callByName(t, "newfstatat", AT_FDCWD, `/proc/self/fd/${fd}`, memory.start, 0)).toBe(0);
    expect(t.memory.view.getUint32(memory.start + 48, true)).toBe("content".length);
    expect(String(contentOf(t, `/proc/self/fdinfo/${fd}`))).toMatch(/^pos:\t0\nflags:\t0100000\n/);
  });
  test("a file without a name gets one through its link", () => {
    const t = makeTask({ cwd: host });
    const O_TMPFILE = 0o20200000;
    const fd = open(t, ".", O_TMPFILE | O_RDWR);
    expect(callByName(t, "write", fd, memory.start, putText(t, memory.start, "late"))).toBe(4);
    expect(callByName(t, "linkat", AT_FDCWD, `/proc/self/fd/${fd}`, AT_FDCWD, "named", 0x400)).toBe(0);
    expect(contentOf(t, "named")).toBe("late");
  });
  test("of made-up files stand for those again", () => {
    const t = makeTask();
    const fd = open(t, "/proc/self/fd", O_DIRECTORY);
    expect(linkOf(t, `/proc/self/fd/${fd}`)).toBe(`/proc/${t.process.pid}/fd`);
    expect(callByName(t, "read", fd, memory.start, 10)).toBe(-errno.EISDIR);
    expect(callByName(t, "getdents64", fd, memory.start, 4096)).toBeGreaterThan(0);
    expect(callByName(t, "getdents64", fd, memory.start, 4096)).toBe(0);
    expect(callByName(t, "lseek", fd, 0, 0)).toBe(0);
    expect(callByName(t, "getdents64", fd, memory.start, 4096)).toBeGreaterThan(0);
    expect(callByName(t, "getdents64", callByName(t, "dup", fd), memory.unmapped, 4096)).toBe(-errno.EFAULT);
  });
});

describe("mem", () => {
  test("is the guest's memory, where its pages allow", () => {
    const t = makeTask();
    const fd = open(t, "/proc/self/mem", O_RDWR);
    putText(t, memory.start + 4096, "from memory");
    expect(callByName(t, "lseek", fd, memory.start + 4096, 0)).toBe(memory.start + 4096);
    expect(callByName(t, "read", fd, memory.start, 11)).toBe(11);
    expect(textAt(t, memory.start, 11)).toBe("from memory");
    expect(callByName(t, "lseek", fd, 0, 1)).toBe(memory.start + 4096 + 11);
    expect(callByName(t, "pwrite64", fd, memory.start, 4, memory.end - 2)).toBe(2);
    expect(textAt(t, memory.end - 2, 2)).toBe("fr");
    expect(callByName(t, "pwrite64", fd, memory.start, 4, memory.readOnly)).toBe(-errno.EIO);
    expect(callByName(t, "pread64", fd, memory.start, 4, memory.unmapped)).toBe(-errno.EIO);
    expect(callByName(t, "pread64", fd, memory.start, 4, 2 ** 40)).toBe(-errno.EIO);
    expect(callByName(t, "pread64", fd, memory.unmapped, 4, memory.start)).toBe(-errno.EFAULT);
  });
});

describe("the emulator", () => {
  const own = () => readdirSync("/proc/self/task");
  test("is not to be found by the numbers of its threads", () => {
    const t = makeTask();
    for (const tid of own().filter((n) => Number(n) !== t.process.pid)) {
      expect(contentOf(t, `/proc/${tid}/maps`)).toBe(-errno.ENOENT);
      expect(contentOf(t, `/proc/self/task/${tid}/maps`)).toBe(-errno.ENOENT);
    }
  });
  test("does not show its descriptors, whatever link leads there", () => {
    const t = makeTask();
    const hidden = readdirSync("/proc/self/fd")
      .map(Number)
      .filter((n) => n > 2);
    for (const fd of hidden) {
      expect(contentOf(t, `/proc/self/fd/${fd}`)).toBe(-errno.ENOENT);
      expect(contentOf(t, join(host, "fds", String(fd)))).toBe(-errno.ENOENT);
      expect(callByName(t, "newfstatat", AT_FDCWD, join(host, "fds", String(fd)), memory.start, 0)).toBe(-errno.ENOENT);
    }
  });
  test("is not reached through the root of another process", () => {
    const t = makeTask();
    const parent = `/proc/${process.ppid}`;
    expect(contentOf(t, `${parent}/root/proc/self/comm`)).toBe("guest\n");
    expect(contentOf(t, `${parent}/root${parent}/task/../../${process.pid}/comm`)).toBe("guest\n");
    expect(linkOf(t, `${parent}/cwd`)).toStartWith("/");
  });
  test("has files that the guest does not: they are absent", () => {
    const t = makeTask();
    for (const name of ["pagemap", "map_files", "smaps", "syscall", "stack", "clear_refs"])
      expect(contentOf(t, `/proc/self/${name}`)).toBe(-errno.ENOENT);
  });
});
