// System V objects as a guest sees them, where two guest processes are two to it but one to the host.
import { afterEach, describe, expect, test } from "bun:test";
import { errno } from "../../src/linux/errno.ts";
import { endIpc } from "../../src/linux/ipc-table.ts";
import type { Task } from "../../src/linux/task.ts";
import { siblingOf } from "../tools/sibling.ts";
import { callByName, makeTask, memory } from "../tools/task.ts";

const [IPC_CREAT, IPC_NOWAIT, IPC_RMID, IPC_STAT, SEM_UNDO] = [0o1000, 0o4000, 0, 2, 0o10000];
const [GETPID, GETVAL, GETALL, SETVAL, SETALL] = [11, 12, 13, 16, 17];
const [SHM_RDONLY, SHM_RND, SHM_REMAP] = [0o10000, 0o20000, 0o40000];
const page = 4096;
const at = memory.start;

const undo: (() => void)[] = [];
afterEach(() => {
  for (const one of undo.splice(0)) one();
});

/** Makes an object that goes with the test. */
function make(t: Task, name: "semget" | "msgget" | "shmget", ...args: number[]): number {
  const id = callByName(t, name, 0, ...args);
  expect(id).toBeGreaterThanOrEqual(0);
  const remove =
    name === "semget" ? ["semctl", id, 0, IPC_RMID] : [name === "msgget" ? "msgctl" : "shmctl", id, IPC_RMID, 0];
  undo.push(() => void callByName(t, ...(remove as [string, ...number[]])));
  return id;
}

function operate(
  t: Task,
  set: number,
  ...ops: readonly (readonly [number: number, by: number, flags: number])[]
): number {
  ops.forEach(([number, by, flags], i) => {
    t.memory.view.setUint16(at + 6 * i, number, true);
    t.memory.view.setInt16(at + 6 * i + 2, by, true);
    t.memory.view.setUint16(at + 6 * i + 4, flags, true);
  });
  return callByName(t, "semop", set, at, ops.length);
}

describe("semaphores", () => {
  test("an operation with SEM_UNDO is undone when its process ends, and only then", () => {
    const [a, b] = [makeTask(), makeTask()];
    const set = make(a, "semget", 2, IPC_CREAT | 0o600);
    expect(callByName(a, "semctl", set, 0, SETVAL, 5)).toBe(0);
    expect(operate(a, set, [0, -2, SEM_UNDO], [1, 3, SEM_UNDO])).toBe(0);
    expect(operate(a, set, [0, 1, 0])).toBe(0);
    expect([0, 1].map((n) => callByName(b, "semctl", set, n, GETVAL, 0))).toEqual([4, 3]);
    expect(operate(b, set, [1, -1, IPC_NOWAIT])).toBe(0);
    endIpc(b.process, false);
    endIpc(a.process, false);
    // The second cannot become negative.
    expect([0, 1].map((n) => callByName(b, "semctl", set, n, GETVAL, 0))).toEqual([6, 0]);
    endIpc(a.process, false);
    expect(callByName(b, "semctl", set, 0, GETVAL, 0)).toBe(6);
  });

  test("a value that is set leaves nothing to undo", () => {
    const t = makeTask();
    const set = make(t, "semget", 2, IPC_CREAT | 0o600);
    expect(operate(t, set, [0, 2, SEM_UNDO], [1, 2, SEM_UNDO])).toBe(0);
    expect(callByName(t, "semctl", set, 0, SETVAL, 7)).toBe(0);
    endIpc(t.process, false);
    expect([0, 1].map((n) => callByName(t, "semctl", set, n, GETVAL, 0))).toEqual([7, 0]);
    expect(operate(t, set, [0, 2, SEM_UNDO])).toBe(0);
    expect(callByName(t, "semctl", set, 0, SETALL, at)).toBe(0);
    endIpc(t.process, false);
    expect(callByName(t, "semctl", set, 0, GETALL, at + 64)).toBe(0);
    expect(t.memory.u8.slice(at + 64, at + 68)).toEqual(t.memory.u8.slice(at, at + 4));
  });

  test("the last process is told by its guest id", () => {
    const a = makeTask();
    const b = siblingOf(a);
    expect(b.process.pid).not.toBe(a.process.pid);
    const set = make(a, "semget", 1, IPC_CREAT | 0o600);
    expect(operate(b, set, [0, 1, 0])).toBe(0);
    expect(callByName(a, "semctl", set, 0, GETPID, 0)).toBe(b.process.pid);
    expect(operate(a, set, [0, 1, 0])).toBe(0);
    expect(callByName(b, "semctl", set, 0, GETPID, 0)).toBe(a.process.pid);
  });

  test("the structure of a set is that of riscv64", () => {
    const t = makeTask();
    const set = make(t, "semget", 3, IPC_CREAT | 0o640);
    t.memory.u8.fill(0xee, at, at + 128);
    expect(callByName(t, "semctl", set, 0, IPC_STAT, at)).toBe(0);
    const v = t.memory.view;
    expect(v.getUint32(at + 20, true) & 0o777).toBe(0o640);
    expect(v.getBigUint64(at + 48, true)).toBe(0n);
    expect(Math.abs(Number(v.getBigUint64(at + 56, true)) - Date.now() / 1000)).toBeLessThan(5);
    expect(v.getBigUint64(at + 64, true)).toBe(3n);
    expect(v.getUint32(at + 88, true)).toBe(0xeeeeeeee);
  });

  test("a timeout ends the wait, and wrong arguments are refused", () => {
    const t = makeTask();
    const set = make(t, "semget", 1, IPC_CREAT | 0o600);
    t.memory.view.setBigInt64(at + 64, 0n, true);
    t.memory.view.setBigInt64(at + 72, 5_000_000n, true);
    operate(t, set);
    t.memory.view.setInt16(at + 2, -1, true);
    t.memory.u8.fill(0, at, at + 2);
    t.memory.u8.fill(0, at + 4, at + 6);
    expect(callByName(t, "semtimedop", set, at, 1, at + 64)).toBe(-errno.EAGAIN);
    t.memory.view.setBigInt64(at + 72, 2_000_000_000n, true);
    expect(callByName(t, "semtimedop", set, at, 1, at + 64)).toBe(-errno.EINVAL);
    expect(callByName(t, "semtimedop", set, at, 1, memory.unmapped)).toBe(-errno.EFAULT);
    expect(callByName(t, "semop", set, memory.unmapped, 1)).toBe(-errno.EFAULT);
    expect(callByName(t, "semop", set, at, 0)).toBe(-errno.EINVAL);
    expect(callByName(t, "semop", set, at, 40000)).toBe(-errno.E2BIG);
    expect(callByName(t, "semctl", set, 0, 0x100 | IPC_STAT, at)).toBe(-errno.EINVAL);
  });
});

describe("message queues", () => {
  test("messages pass by type, and who sent and received is told by guest ids", () => {
    const a = makeTask();
    const b = siblingOf(a);
    const queue = make(a, "msgget", IPC_CREAT | 0o600);
    const put = (type: number, text: string): void => {
      a.memory.view.setBigInt64(at, BigInt(type), true);
      a.memory.u8.set(Buffer.from(text), at + 8);
    };
    put(1, "first");
    expect(callByName(b, "msgsnd", queue, at, 5, 0)).toBe(0);
    put(2, "other");
    expect(callByName(b, "msgsnd", queue, at, 5, 0)).toBe(0);
    expect(callByName(a, "msgrcv", queue, at + 64, 100, 2, 0)).toBe(5);
    expect(Buffer.from(a.memory.u8.slice(at + 64, at + 77)).toString()).toBe("\x02\0\0\0\0\0\0\0other");
    expect(callByName(a, "msgctl", queue, IPC_STAT, at + 256)).toBe(0);
    expect([96, 100].map((n) => a.memory.view.getInt32(at + 256 + n, true))).toEqual([b.process.pid, a.process.pid]);
    expect(callByName(a, "msgrcv", queue, at + 64, 2, 0, 0)).toBe(-errno.E2BIG);
    // Received where there is no room for it, a message is lost.
    expect(callByName(a, "msgrcv", queue, memory.end - 10, 100, 0, 0)).toBe(-errno.EFAULT);
    expect(callByName(a, "msgrcv", queue, at + 64, 100, 0, IPC_NOWAIT)).toBe(-errno.ENOMSG);
    expect(callByName(a, "msgsnd", queue, memory.unmapped, 1, 0)).toBe(-errno.EFAULT);
    expect(callByName(a, "msgsnd", queue, at, 2 ** 30, 0)).toBe(-errno.EINVAL);
  });
});

describe("shared memory", () => {
  const attachments = (t: Task, id: number): number => {
    expect(callByName(t, "shmctl", id, IPC_STAT, at + 512)).toBe(0);
    return t.memory.view.getUint32(at + 512 + 88, true);
  };

  test("a segment that is attached twice is the same memory, and counted as on Linux", () => {
    const t = makeTask();
    const id = make(t, "shmget", 3 * page - 5, IPC_CREAT | 0o600);
    expect(attachments(t, id)).toBe(0);
    const [one, two] = [callByName(t, "shmat", id, 0, 0), callByName(t, "shmat", id, 0, SHM_RDONLY)];
    expect(attachments(t, id)).toBe(2);
    t.memory.view.setUint32(one + 2 * page, 0x12345678, true);
    expect(t.memory.view.getUint32(two + 2 * page, true)).toBe(0x12345678);
    expect(callByName(t, "mprotect", two, page, 3)).toBe(-errno.EACCES);
    expect(callByName(t, "msgsnd", id, two, 1, 0)).toBeLessThan(0);
    expect(callByName(t, "shmdt", two)).toBe(0);
    expect(callByName(t, "shmdt", two)).toBe(-errno.EINVAL);
    expect(attachments(t, id)).toBe(1);
    // Two parts are two attachments, which go together.
    expect(callByName(t, "munmap", one + page, page)).toBe(0);
    expect(attachments(t, id)).toBe(2);
    expect(callByName(t, "shmdt", one + page)).toBe(-errno.EINVAL);
    expect(callByName(t, "shmdt", one)).toBe(0);
    expect(attachments(t, id)).toBe(0);
    expect(callByName(t, "shmdt", one)).toBe(-errno.EINVAL);
  });

  test("addresses are rounded, refused or replaced as asked", () => {
    const t = makeTask();
    const id = make(t, "shmget", 2 * page, IPC_CREAT | 0o600);
    const there = callByName(t, "mmap", 0, 4 * page, 3, 0x22, -1, 0);
    expect(callByName(t, "shmat", id, there + 8, 0)).toBe(-errno.EINVAL);
    expect(callByName(t, "shmat", id, there, 0)).toBe(-errno.EINVAL);
    expect(callByName(t, "shmat", id, 0, SHM_REMAP)).toBe(-errno.EINVAL);
    expect(callByName(t, "shmat", id, there + page + 8, SHM_RND | SHM_REMAP)).toBe(there + page);
    expect(callByName(t, "munmap", there, 4 * page)).toBe(0);
    expect(attachments(t, id)).toBe(0);
    expect(callByName(t, "shmat", id, there + page + 8, SHM_RND)).toBe(there + page);
    expect(callByName(t, "shmat", -1, 0, 0)).toBe(-errno.EINVAL);
    expect(callByName(t, "shmdt", there + page)).toBe(0);
  });

  test("a segment that was removed is there until it is detached", () => {
    const t = makeTask();
    const id = make(t, "shmget", page, IPC_CREAT | 0o600);
    const addr = callByName(t, "shmat", id, 0, 0);
    expect(callByName(t, "shmctl", id, IPC_RMID, 0)).toBe(0);
    expect(attachments(t, id)).toBe(1);
    t.memory.view.setUint32(addr, 1, true);
    expect(callByName(t, "shmdt", addr)).toBe(0);
    expect([-errno.EINVAL, -errno.EIDRM]).toContain(callByName(t, "shmctl", id, IPC_STAT, at));
  });

  test("who made and used it last is told by guest ids", () => {
    const a = makeTask();
    const b = siblingOf(a);
    const id = make(b, "shmget", page, IPC_CREAT | 0o600);
    const pids = (): number[] => {
      expect(callByName(a, "shmctl", id, IPC_STAT, at)).toBe(0);
      return [80, 84].map((n) => a.memory.view.getInt32(at + n, true));
    };
    const addr = callByName(a, "shmat", id, 0, 0);
    expect(pids()).toEqual([b.process.pid, a.process.pid]);
    expect(callByName(b, "shmdt", addr)).toBe(0);
    expect(pids()).toEqual([b.process.pid, b.process.pid]);
  });
});
