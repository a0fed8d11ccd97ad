// Ids, limits, prctl, scheduling, and what is said about the system; and hostile arguments for all of these calls.
import { describe, expect, test } from "bun:test";
import { hostname } from "node:os";
import { Attr } from "../../src/linux/attributes.ts";
import { futexCalls } from "../../src/linux/calls/futex.ts";
import { idsCalls } from "../../src/linux/calls/ids.ts";
import { killCalls } from "../../src/linux/calls/kill.ts";
import { limitsCalls } from "../../src/linux/calls/limits.ts";
import { pidfdCalls } from "../../src/linux/calls/pidfd.ts";
import { prctlCalls } from "../../src/linux/calls/prctl.ts";
import { processCalls } from "../../src/linux/calls/process.ts";
import { processMemoryCalls } from "../../src/linux/calls/process-memory.ts";
import { ptraceCalls } from "../../src/linux/calls/ptrace.ts";
import { schedCalls } from "../../src/linux/calls/sched.ts";
import { signalCalls } from "../../src/linux/calls/signal.ts";
import { systemCalls } from "../../src/linux/calls/system.ts";
import { waitCalls } from "../../src/linux/calls/wait.ts";
import { errno } from "../../src/linux/errno.ts";
import { leaveThread } from "../../src/linux/exit.ts";
import { limitOf, Resource } from "../../src/linux/limits.ts";
import type { Task } from "../../src/linux/task.ts";
import { lock, unlock } from "../../src/sync/mutex.ts";
import { beyond, caller, callOf, readOnly, room, unmapped } from "./caller.ts";

const rows = [
  ...[...idsCalls, ...limitsCalls, ...prctlCalls, ...processCalls, ...schedCalls, ...systemCalls],
  ...[...signalCalls, ...killCalls, ...futexCalls, ...waitCalls, ...pidfdCalls, ...processMemoryCalls, ...ptraceCalls],
];
const make = callOf(rows);
const at = room.start;

const put = (t: Task, addr: number, ...values: number[]): void => t.memory.i32.set(values, addr / 4);
const get = (t: Task, addr: number, count: number): number[] => [...t.memory.i32.slice(addr / 4, addr / 4 + count)];
const text = (t: Task, addr: number): string => {
  const bytes = t.memory.u8.slice(addr, addr + 256);
  return Buffer.from(bytes.subarray(0, bytes.indexOf(0))).toString("latin1");
};
const putText = (t: Task, addr: number, value: string): void => {
  t.memory.u8.set(Buffer.from(value + "\0", "latin1"), addr);
};

/** A thread whose process has these real, effective and saved user and group ids. */
function actingAs(ids: readonly [number, number, number]): Task {
  const t = caller();
  t.process.attributes.words.set([...ids, ids[1], ...ids, ids[1]]);
  return t;
}

describe("credentials", () => {
  const families = [
    { user: "u", at: Attr.ruid },
    { user: "g", at: Attr.rgid },
  ] as const;
  for (const { user, at: first } of families) {
    const ids = (t: Task): number[] => [...t.process.attributes.words.slice(first, first + 4)];

    const rules = [
      { from: [5, 6, 7], name: "set*id", args: [5], to: [5, 5, 7, 5] },
      { from: [5, 6, 7], name: "set*id", args: [7], to: [5, 7, 7, 7] },
      { from: [5, 6, 7], name: "set*id", args: [6], to: -errno.EPERM },
      { from: [5, 6, 7], name: "set*id", args: [-1], to: -errno.EINVAL },
      { from: [5, 0, 7], name: "set*id", args: [9], to: [9, 9, 9, 9] },
      { from: [5, 6, 7], name: "setre*id", args: [6, 5], to: [6, 5, 5, 5] },
      { from: [5, 6, 7], name: "setre*id", args: [-1, 7], to: [5, 7, 7, 7] },
      { from: [5, 6, 7], name: "setre*id", args: [-1, 5], to: [5, 5, 7, 5] },
      { from: [5, 6, 7], name: "setre*id", args: [7, -1], to: -errno.EPERM },
      { from: [5, 6, 7], name: "setre*id", args: [-1, -1], to: [5, 6, 7, 6] },
      { from: [5, 0, 7], name: "setre*id", args: [8, 9], to: [8, 9, 9, 9] },
      { from: [5, 6, 7], name: "setres*id", args: [7, 5, 6], to: [7, 5, 6, 5] },
      { from: [5, 6, 7], name: "setres*id", args: [-1, -1, 5], to: [5, 6, 5, 6] },
      { from: [5, 6, 7], name: "setres*id", args: [-1, 8, -1], to: -errno.EPERM },
      { from: [5, 0, 7], name: "setres*id", args: [1, 2, 3], to: [1, 2, 3, 2] },
    ] as const;
    for (const rule of rules) {
      const name = rule.name.replace("*", user);
      test(`${name}(${rule.args}) of ${rule.from}: ${rule.to}`, () => {
        const t = actingAs([...rule.from]);
        const result = make(t, name, ...rule.args);
        expect(result === 0 ? ids(t) : result).toEqual(rule.to as number | number[]);
        make(t, `getres${user}id`, at, at + 4, at + 8);
        expect(get(t, at, 3)).toEqual(ids(t).slice(0, 3));
        expect([make(t, `get${user}id`), make(t, `gete${user}id`)]).toEqual(ids(t).slice(0, 2));
      });
    }

    test(`setfs${user}id answers the old id, and changes it where it may`, () => {
      const t = actingAs([5, 6, 7]);
      expect([7, 8, -1].map((id) => make(t, `setfs${user}id`, id))).toEqual([6, 7, 7]);
    });
  }

  test("they begin as the emulator's", () => {
    const t = caller();
    expect(make(t, "getuid")).toBe(process.getuid!());
    expect(make(t, "getegid")).toBe(process.getegid!());
    const n = make(t, "getgroups", 0, 0);
    expect(make(t, "getgroups", 65536, at)).toBe(n);
    expect(new Set([...get(t, at, n), process.getegid!()])).toEqual(
      new Set([...process.getgroups!(), process.getegid!()]),
    );
  });

  test("groups are root's to set", () => {
    put(caller(), at, 0);
    const t = actingAs([5, 5, 5]);
    expect(make(t, "setgroups", 0, 0)).toBe(-errno.EPERM);
    const root = actingAs([0, 0, 0]);
    put(root, at, 30, 10, 20);
    expect(make(root, "setgroups", 3, at)).toBe(0);
    expect(make(root, "getgroups", 2, at + 64)).toBe(-errno.EINVAL);
    expect(make(root, "getgroups", 3, at + 64)).toBe(3);
    expect(get(root, at + 64, 3)).toEqual([10, 20, 30]);
    expect(make(root, "setgroups", 65537, at)).toBe(-errno.EINVAL);
    expect(make(root, "setgroups", 3, unmapped)).toBe(-errno.EFAULT);
    expect(make(root, "getgroups", -1, at)).toBe(-errno.EINVAL);
  });

  test("acting for another user takes dumpability and the death signal away", () => {
    const t = actingAs([5, 6, 7]);
    make(t, "prctl", 1, 15);
    expect(make(t, "prctl", 3)).toBe(1);
    make(t, "setuid", 5);
    expect(make(t, "prctl", 3)).toBe(0);
    make(t, "prctl", 2, at);
    expect(get(t, at, 1)).toEqual([0]);
  });
});

test("ids of processes are the host's, for the guest itself by 0 and by its number", () => {
  const t = caller();
  expect([make(t, "getpid"), make(t, "gettid"), make(t, "getppid")]).toEqual([process.pid, t.tid, process.ppid]);
  for (const name of ["getpgid", "getsid"]) {
    expect(make(t, name, 0)).toBe(make(t, name, process.pid));
    expect(make(t, name, -1)).toBe(-errno.ESRCH);
  }
  expect(make(t, "setpgid", 0, -1)).toBe(-errno.EINVAL);
  expect(make(t, "setpgid", 1, 1)).toBe(-errno.ESRCH);
});

describe("limits", () => {
  test("of descriptors are set for all threads while nobody changes their list, which priorities look at too", () => {
    const t = caller();
    const { signalsLock } = t.process.kernel;
    put(t, at, 16, 0, 16, 0);
    lock(signalsLock);
    // One lock is not taken twice.
    expect(() => make(t, "setrlimit", Resource.NOFILE, at)).toThrow("a mutex it holds");
    expect(() => make(t, "getpriority", 1, 0)).toThrow("a mutex it holds");
    unlock(signalsLock);
    expect(make(t, "setrlimit", Resource.NOFILE, at)).toBe(0);
  });

  const pair = (t: Task, soft: number, hard: number): void =>
    put(t, at, soft, Math.floor(soft / 2 ** 32), hard, Math.floor(hard / 2 ** 32));

  test("are set and given with all 64 bits, and change nothing for the host", () => {
    const t = caller();
    put(t, at, 0x12345678, 0x9abcdef, -2, -1);
    put(t, at + 64, 0, 0, 0, 0);
    expect(make(t, "prlimit64", 0, Resource.FSIZE, at, 0)).toBe(0);
    expect(make(t, "prlimit64", process.pid, Resource.FSIZE, 0, at + 64)).toBe(0);
    expect(get(t, at + 64, 4)).toEqual([0x12345678, 0x9abcdef, -2, -1]);
    expect(make(t, "getrlimit", Resource.FSIZE, at + 128)).toBe(0);
    expect(get(t, at + 128, 4)).toEqual(get(t, at + 64, 4));
    const other = caller();
    expect(limitOf(other.process.limits, Resource.FSIZE)).not.toBe(limitOf(t.process.limits, Resource.FSIZE));
  });

  test("soft above hard is EINVAL; only root raises the hard limit, and not that of descriptors", () => {
    for (const [user, raised] of [
      [5, -errno.EPERM],
      [0, 0],
    ] as const) {
      const t = actingAs([user, user, user]);
      pair(t, 2, 1);
      expect(make(t, "setrlimit", Resource.CORE, at)).toBe(-errno.EINVAL);
      pair(t, 1, 10);
      expect(make(t, "setrlimit", Resource.CORE, at)).toBe(0);
      pair(t, 1, 11);
      expect(make(t, "setrlimit", Resource.CORE, at)).toBe(raised);
      pair(t, 1, 2 ** 40);
      expect(make(t, "setrlimit", Resource.NOFILE, at)).toBe(-errno.EPERM);
    }
  });

  test("that of descriptors bounds their table", () => {
    const t = caller();
    pair(t, 7, 20);
    expect(make(t, "setrlimit", Resource.NOFILE, at)).toBe(0);
    expect(t.process.fds.limit).toBe(7);
  });

  test("of unknown resources and processes are refused", () => {
    const t = caller();
    for (const resource of [16, -1, 2 ** 31]) {
      expect(make(t, "getrlimit", resource, at)).toBe(-errno.EINVAL);
      expect(make(t, "prlimit64", 0, resource, 0, at)).toBe(-errno.EINVAL);
    }
    expect(make(t, "prlimit64", 2 ** 31 - 1, 0, 0, at)).toBe(-errno.ESRCH);
    expect(make(t, "prlimit64", 0, 0, 0, unmapped)).toBe(-errno.EFAULT);
    expect(make(t, "prlimit64", 0, 0, unmapped, 0)).toBe(-errno.EFAULT);
  });
});

describe("prctl", () => {
  test("a thread's name is cut at 15 bytes, and read up to its end only", () => {
    const t = caller();
    putText(t, at, "a name that is much too long");
    expect(make(t, "prctl", 15, at)).toBe(0);
    expect(make(t, "prctl", 16, at + 64)).toBe(0);
    expect(text(t, at + 64)).toBe("a name that is ");
    putText(t, room.end - 4, "end");
    expect(make(t, "prctl", 15, room.end - 4)).toBe(0);
    expect(t.name).toBe("end");
    t.memory.u8[room.end - 1] = 1;
    expect(make(t, "prctl", 15, room.end - 4)).toBe(-errno.EFAULT);
    expect(make(t, "prctl", 16, room.end - 15)).toBe(-errno.EFAULT);
  });

  const settings = [
    { name: "dumpable", set: 4, get: 3, good: [0, 1], bad: [2, -1] },
    { name: "keepcaps", set: 8, get: 7, good: [0, 1], bad: [2] },
    { name: "no_new_privs", set: 38, get: 39, good: [1], bad: [0, 2] },
    { name: "THP disable", set: 41, get: 42, good: [1, 0], bad: [] },
    { name: "timer slack", set: 29, get: 30, good: [1, 2 ** 40], bad: [] },
  ];
  for (const { name, set, get: ask, good, bad } of settings)
    test(`${name} is kept and given back`, () => {
      const t = caller();
      for (const value of good) {
        expect(make(t, "prctl", set, value, 0, 0, 0)).toBe(0);
        expect(make(t, "prctl", ask, 0, 0, 0, 0)).toBe(value);
      }
      for (const value of bad) expect(make(t, "prctl", set, value, 0, 0, 0)).toBe(-errno.EINVAL);
    });

  test("settings that are given through a pointer", () => {
    const t = caller();
    for (const [set, ask, value] of [
      [1, 2, 9],
      [36, 37, 1],
    ] as const) {
      expect(make(t, "prctl", set, value)).toBe(0);
      expect(make(t, "prctl", ask, at)).toBe(0);
      expect(get(t, at, 1)).toEqual([value]);
      expect(make(t, "prctl", ask, unmapped)).toBe(-errno.EFAULT);
    }
    expect(make(t, "prctl", 1, 65)).toBe(-errno.EINVAL);
  });

  test("what is not there is EINVAL", () => {
    const t = caller();
    for (const option of [0, 5, 9, 11, 19, 22, 25, 50, 52, 69, 1000, -1])
      expect(make(t, "prctl", option, 1)).toBe(-errno.EINVAL);
  });

  test("the auxiliary vector is copied as far as there is room", () => {
    const t = caller();
    t.process.auxv = new Uint8Array([1, 2, 3, 4]);
    put(t, at, 0);
    expect(make(t, "prctl", 0x41555856, at, 2)).toBe(4);
    expect(get(t, at, 1)).toEqual([0x0201]);
  });
});

describe("the life of a process", () => {
  for (const name of ["exit", "exit_group"])
    test(`${name} keeps the low byte of the status`, () => {
      const t = caller();
      make(t, name, 0x1234);
      leaveThread(t);
      expect(t.process.exit).toEqual({ code: 0x34 });
    });

  test("there are no children to wait for", () => {
    const t = caller();
    expect(make(t, "wait4", -1, at, 1, 0)).toBe(-errno.ECHILD);
    expect(make(t, "wait4", -1, at, 4, 0)).toBe(-errno.EINVAL);
    expect(make(t, "wait4", -(2 ** 31), at, 0, 0)).toBe(-errno.ESRCH);
    expect(make(t, "waitid", 0, 0, at, 4, 0)).toBe(-errno.ECHILD);
    expect(make(t, "waitid", 0, 0, at, 1, 0)).toBe(-errno.EINVAL);
    expect(make(t, "waitid", 1, 0, at, 4, 0)).toBe(-errno.EINVAL);
    expect(make(t, "waitid", 3, 99, at, 4, 0)).toBe(-errno.EBADF);
    expect(make(t, "waitid", 4, 1, at, 4, 0)).toBe(-errno.EINVAL);
  });

  test("registrations of a thread are kept", () => {
    const t = caller();
    expect(make(t, "set_tid_address", at)).toBe(t.tid);
    expect(t.clearTid).toBe(at);
    expect(make(t, "set_robust_list", at, 23)).toBe(-errno.EINVAL);
    expect(make(t, "set_robust_list", at, 24)).toBe(0);
    expect(make(t, "get_robust_list", 0, at, at + 8)).toBe(0);
    expect(get(t, at, 4)).toEqual([at, 0, 24, 0]);
  });

  test("a pidfd of itself is a descriptor; there is none of the engine's threads", () => {
    const t = caller();
    expect(make(t, "pidfd_open", t.process.pid, 0)).toBeGreaterThanOrEqual(0);
    expect(make(t, "pidfd_open", 0, 0)).toBe(-errno.EINVAL);
    expect(make(t, "pidfd_open", t.process.pid, 1)).toBe(-errno.EINVAL);
    expect(make(t, "pidfd_open", 2 ** 31 - 1, 0)).toBe(-errno.ESRCH);
  });
});

describe("scheduling", () => {
  test("CPUs can be asked for and chosen, by masks of any length that holds them", () => {
    const t = caller();
    const length = make(t, "sched_getaffinity", 0, 4096, at);
    expect(length).toBeGreaterThan(0);
    expect(make(t, "sched_getaffinity", t.tid, 2 ** 31 - 8, at + 1024)).toBe(length);
    expect(make(t, "sched_getaffinity", 0, length + 1, at)).toBe(-errno.EINVAL);
    expect(make(t, "sched_setaffinity", 0, 4096, at)).toBe(0);
    expect(make(t, "sched_getaffinity", 0, 4096, unmapped)).toBe(-errno.EFAULT);
    expect(make(t, "sched_setaffinity", 0, 8, unmapped)).toBe(-errno.EFAULT);
    expect(make(t, "sched_getaffinity", 2 ** 31 - 1, 4096, at)).toBe(-errno.ESRCH);
    expect(make(t, "getcpu", at, at + 4, 0)).toBe(0);
    expect(make(t, "getcpu", unmapped, 0, 0)).toBe(-errno.EFAULT);
  });

  test("policy, parameters, attributes and priority", () => {
    const t = caller();
    expect(make(t, "sched_getscheduler", 0)).toBe(0);
    expect(make(t, "sched_getscheduler", -1)).toBe(-errno.EINVAL);
    put(t, at, 99);
    expect(make(t, "sched_getparam", 0, at)).toBe(0);
    expect(get(t, at, 1)).toEqual([0]);
    expect(make(t, "sched_setscheduler", 0, 0, at)).toBe(0);
    expect(make(t, "sched_setscheduler", 0, 0, 0)).toBe(-errno.EINVAL);
    expect([make(t, "sched_get_priority_max", 1), make(t, "sched_get_priority_min", 1)]).toEqual([99, 1]);
    expect(make(t, "sched_rr_get_interval", 0, at)).toBe(0);
    expect(make(t, "sched_getattr", 0, at, 47, 0)).toBe(-errno.EINVAL);
    expect(make(t, "sched_getattr", 0, at, 48, 0)).toBe(0);
    expect(get(t, at, 2)).toEqual([48, 0]);
    expect(make(t, "sched_setattr", 0, at, 0)).toBe(0);
    put(t, at, 47);
    expect(make(t, "sched_setattr", 0, at, 0)).toBe(-errno.E2BIG);
    expect(get(t, at, 1)[0]).toBeGreaterThanOrEqual(48);
    expect(make(t, "getpriority", 0, 0)).toBe(20);
    expect(make(t, "getpriority", 3, 0)).toBe(-errno.EINVAL);
    expect(make(t, "setpriority", 0, t.tid, 0)).toBe(0);
  });
});

describe("the system", () => {
  test("is a Linux of at least 6.1 on riscv64 with the host's name", () => {
    const t = caller();
    expect(make(t, "uname", at)).toBe(0);
    const fields = [0, 1, 2, 3, 4, 5].map((i) => text(t, at + 65 * i));
    expect(fields[0]).toBe("Linux");
    expect(fields[1]).toBe(hostname());
    expect(Number.parseInt(fields[2]!, 10)).toBeGreaterThanOrEqual(6);
    expect(fields[4]).toBe("riscv64");
    expect(make(t, "uname", room.end - 389)).toBe(-errno.EFAULT);
  });

  test("sysinfo counts bytes of memory, no more than can be addressed", () => {
    const t = caller();
    expect(make(t, "sysinfo", at)).toBe(0);
    const [lo, hi] = get(t, at + 32, 2);
    expect(hi).toBe(0);
    expect(lo! >>> 0).toBeGreaterThan(2 ** 27);
    expect(make(t, "sysinfo", room.end - 111)).toBe(-errno.EFAULT);
  });

  test("random bytes fill what can be written, and no more", () => {
    const t = caller();
    expect(make(t, "getrandom", at, 64, 0)).toBe(64);
    expect(get(t, at, 16).some((w) => w !== 0)).toBe(true);
    expect(make(t, "getrandom", room.end - 10, 64, 0)).toBe(10);
    expect(make(t, "getrandom", unmapped, 1, 0)).toBe(-errno.EFAULT);
    expect(make(t, "getrandom", readOnly, 1, 0)).toBe(-errno.EFAULT);
    expect(make(t, "getrandom", beyond, 0, 0)).toBe(0);
    expect(make(t, "getrandom", at, 1, 8)).toBe(-errno.EINVAL);
  });

  test("personality is kept", () => {
    const t = caller();
    expect(make(t, "personality", 0x40000)).toBe(0);
    expect(make(t, "personality", 0xffffffff)).toBe(0x40000);
    expect(make(t, "personality", 0)).toBe(0x40000);
  });

  test("root has all capabilities, others none, and more cannot be had", () => {
    for (const [user, low, high] of [
      [0, -1, 0x1ff],
      [5, 0, 0],
    ] as const) {
      const t = actingAs([user, user, user]);
      put(t, at, 0x20080522, 0);
      expect(make(t, "capget", at, at + 64)).toBe(0);
      expect(get(t, at + 64, 6)).toEqual([low, low, 0, high, high, 0]);
      expect(make(t, "capset", at, at + 64)).toBe(0);
      put(t, at + 64 + 16, 0x200);
      expect(make(t, "capset", at, at + 64)).toBe(-errno.EPERM);
      put(t, at, 1, 0);
      expect(make(t, "capget", at, at + 64)).toBe(-errno.EINVAL);
      expect(get(t, at, 1)).toEqual([0x20080522]);
      put(t, at, 1, 0);
      expect(make(t, "capget", at, 0)).toBe(0);
    }
  });

  test("process_vm_readv and writev move what can be moved, between a guest and itself", () => {
    const t = caller();
    putText(t, at, "abcdefgh");
    const [local, remote, out] = [at + 64, at + 128, at + 256];
    put(t, local, out, 0, 3, 0, out + 16, 0, 5, 0);
    put(t, remote, at, 0, 8, 0);
    expect(make(t, "process_vm_readv", t.process.pid, local, 2, remote, 1, 0)).toBe(8);
    expect([text(t, out), text(t, out + 16)]).toEqual(["abc", "defgh"]);
    expect(make(t, "process_vm_writev", t.process.pid, remote, 1, local, 2, 0)).toBe(8);
    put(t, remote, room.end - 4, 0, 8, 0);
    expect(make(t, "process_vm_readv", t.process.pid, local, 2, remote, 1, 0)).toBe(4);
    put(t, remote, unmapped, 0, 8, 0);
    expect(make(t, "process_vm_readv", t.process.pid, local, 2, remote, 1, 0)).toBe(-errno.EFAULT);
    put(t, remote, at, 0, -1, -1);
    expect(make(t, "process_vm_readv", t.process.pid, local, 2, remote, 1, 0)).toBe(-errno.EINVAL);
    expect(make(t, "process_vm_readv", t.process.pid, local, 1025, remote, 1, 0)).toBe(-errno.EINVAL);
    put(t, remote, at, 0, 8, 0);
    expect(make(t, "process_vm_readv", process.ppid, local, 2, remote, 1, 0)).toBe(-errno.EPERM);
  });
});

describe("hostile arguments", () => {
  // Their low halves are no process, no signal and no small number.
  const hostile = [-1, 0xf0000000, 0xffffffff, 2 ** 63, -(2 ** 31) - 1, room.end - 1, 2 ** 32 + room.start + 1];

  for (const row of rows)
    test(`${row.name} answers an errno or a result, and the emulator lives`, () => {
      for (const value of hostile) {
        const t = caller();
        t.memory.u8.fill(0xff, room.start, room.end);
        const args = Array.from({ length: 6 }, () => value);
        const result = make(t, row.name, ...args);
        expect(Number.isInteger(result)).toBe(true);
        for (const kind of row.args) {
          const words = [value | 0, Math.floor(value / 2 ** 32)] as const;
          const shown = kind.show(t, words[0], words[1], { raw: args, result });
          expect(shown).not.toBe("");
        }
      }
    });
});
