// Record locks between guest processes, which to the host are one.
import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errno } from "../../src/linux/errno.ts";
import { endLocks } from "../../src/linux/lock-table.ts";
import { lockOwner } from "../../src/linux/locks.ts";
import type { Task } from "../../src/linux/task.ts";
import { siblingOf } from "../tools/sibling.ts";
import { AT_FDCWD, callByName, makeTask, memory } from "../tools/task.ts";

const [GETLK, SETLK, OFD_GETLK, OFD_SETLK] = [5, 6, 36, 37];
const [RDLCK, WRLCK, UNLCK] = [0, 1, 2];
const [RDONLY, WRONLY, RDWR] = [0, 1, 2];
const at = memory.start;

const folder = mkdtempSync(join(tmpdir(), "locks-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let path = "";
let files = 0;
// A new one each time: what a test leaves open keeps its locks.
beforeEach(() => {
  path = join(folder, `file ${files++}`);
  writeFileSync(path, "0123456789");
});

const open = (t: Task, mode = RDWR): number => callByName(t, "openat", AT_FDCWD, path, mode, 0);

/** A lock as the guest says it: type, start, length, and what start counts from. */
function lock(t: Task, fd: number, command: number, type: number, start = 0, length = 0, whence = 0): number {
  t.memory.u8.fill(0xee, at, at + 32);
  t.memory.view.setInt16(at, type, true);
  t.memory.view.setInt16(at + 2, whence, true);
  t.memory.view.setBigInt64(at + 8, BigInt(start), true);
  t.memory.view.setBigInt64(at + 16, BigInt(length), true);
  t.memory.view.setInt32(at + 24, 0, true);
  return callByName(t, "fcntl", fd, command, at);
}

/** Type, start, length, process id of the lock that is in the way; or "free". */
function inTheWay(
  t: Task,
  fd: number,
  type = WRLCK,
  start = 0,
  length = 0,
  command = GETLK,
): readonly number[] | "free" {
  expect(lock(t, fd, command, type, start, length)).toBe(0);
  const v = t.memory.view;
  if (v.getInt16(at, true) === UNLCK) return "free";
  return [
    v.getInt16(at, true),
    Number(v.getBigInt64(at + 8, true)),
    Number(v.getBigInt64(at + 16, true)),
    v.getInt32(at + 24, true),
  ];
}

describe("record locks", () => {
  test("of two processes conflict, those of one do not, and who has one is told by its id", () => {
    const a = makeTask();
    const b = siblingOf(a);
    const [f, again, g] = [open(a), open(a), open(b)];
    expect(lock(a, f, SETLK, WRLCK, 2, 3)).toBe(0);
    expect(lock(a, again, SETLK, RDLCK, 4, 10)).toBe(0);
    expect(lock(b, g, SETLK, WRLCK, 0, 3)).toBe(-errno.EAGAIN);
    expect(lock(b, g, SETLK, RDLCK, 4, 1)).toBe(0);
    expect(inTheWay(b, g)).toEqual([WRLCK, 2, 2, a.process.pid]);
    expect(inTheWay(a, f)).toEqual([RDLCK, 4, 1, b.process.pid]);
    expect(inTheWay(b, g, WRLCK, 0, 2)).toBe("free");
    expect(lock(a, f, SETLK, UNLCK)).toBe(0);
    expect(inTheWay(b, g)).toBe("free");
  });

  test("go when their process closes any descriptor of the file", () => {
    const a = makeTask();
    const b = siblingOf(a);
    const [f, again, g] = [open(a), open(a, RDONLY), open(b)];
    expect(lock(a, f, SETLK, WRLCK)).toBe(0);
    expect(lock(b, g, SETLK, WRLCK)).toBe(-errno.EAGAIN);
    expect(callByName(a, "close", again)).toBe(0);
    expect(lock(b, g, SETLK, WRLCK)).toBe(0);
    // By dup3 over it too.
    expect(callByName(b, "dup3", 0, g, 0)).toBe(g);
    expect(lock(a, f, SETLK, WRLCK)).toBe(0);
  });

  test("go when their process ends, and are not those of its child", () => {
    const a = makeTask();
    const f = open(a);
    expect(lock(a, f, SETLK, WRLCK)).toBe(0);
    const b = siblingOf(a);
    expect(lock(b, f, SETLK, RDLCK)).toBe(-errno.EAGAIN);
    // The child's descriptors are not the parent's.
    expect(callByName(b, "close", f)).toBe(0);
    const g = open(b);
    expect(lock(b, g, SETLK, RDLCK)).toBe(-errno.EAGAIN);
    endLocks(a.process.kernel, lockOwner(a.process));
    expect(lock(b, g, SETLK, RDLCK)).toBe(0);
  });

  test("count from the position and from the end of the descriptor that is named", () => {
    const a = makeTask();
    const b = siblingOf(a);
    const [f, g] = [open(a), open(b)];
    callByName(a, "lseek", f, 4, 0);
    expect(lock(a, f, SETLK, WRLCK, 1, 2, 1)).toBe(0);
    expect(inTheWay(b, g)).toEqual([WRLCK, 5, 2, a.process.pid]);
    expect(lock(a, f, SETLK, WRLCK, -2, 0, 2)).toBe(0);
    expect(inTheWay(b, g, WRLCK, 7)).toEqual([WRLCK, 8, 0, a.process.pid]);
    expect(lock(a, f, SETLK, WRLCK, 5, -2)).toBe(0);
    expect(inTheWay(b, g)).toEqual([WRLCK, 3, 4, a.process.pid]);
    expect(callByName(a, "lseek", f, 0, 1)).toBe(4);
  });

  test("need a descriptor that may do what they protect", () => {
    const t = makeTask();
    const [reader, writer] = [open(t, RDONLY), open(t, WRONLY)];
    expect(lock(t, reader, SETLK, WRLCK)).toBe(-errno.EBADF);
    expect(lock(t, writer, SETLK, RDLCK)).toBe(-errno.EBADF);
    expect(lock(t, reader, SETLK, RDLCK)).toBe(0);
    expect(lock(t, writer, SETLK, WRLCK)).toBe(0);
    expect(lock(t, reader, SETLK, 7)).toBe(-errno.EINVAL);
    expect(lock(t, reader, GETLK, UNLCK)).toBe(-errno.EINVAL);
    expect(lock(t, reader, SETLK, RDLCK, -1)).toBe(-errno.EINVAL);
    expect(lock(t, reader, SETLK, RDLCK, 0, 0, 9)).toBe(-errno.EINVAL);
    expect(callByName(t, "fcntl", reader, SETLK, memory.unmapped)).toBe(-errno.EFAULT);
  });

  test("and those of descriptions see one another", () => {
    const a = makeTask();
    const b = siblingOf(a);
    const [f, g] = [open(a), open(b)];
    expect(lock(a, f, OFD_SETLK, WRLCK, 0, 4)).toBe(0);
    expect(lock(a, f, SETLK, WRLCK, 0, 4)).toBe(-errno.EAGAIN);
    expect(lock(a, f, SETLK, WRLCK, 4, 4)).toBe(0);
    expect(inTheWay(b, g)).toEqual([WRLCK, 0, 4, -1]);
    expect(inTheWay(b, g, WRLCK, 4, 0, OFD_GETLK)).toEqual([WRLCK, 4, 4, a.process.pid]);
    expect(inTheWay(a, f, WRLCK, 4, 0, OFD_GETLK)).toEqual([WRLCK, 4, 4, a.process.pid]);
  });
});
