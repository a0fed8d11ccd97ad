// The rows of the calls on memory, through their handlers: descriptors, copies to the guest, wild arguments.
import { describe, expect, test } from "bun:test";
import { mmCalls } from "../../src/linux/calls/mm.ts";
import { errno } from "../../src/linux/errno.ts";
import { newFdTable, setFd } from "../../src/linux/fds.ts";
import { newFileSystem } from "../../src/linux/file-system.ts";
import type { Task } from "../../src/linux/task.ts";
import { copyTo } from "../../src/memory/guest-memory.ts";
import { mapsText } from "../../src/memory/maps.ts";
import { makeFile, open } from "../memory/files.ts";
import { anon, base, K, newSpace, R, RW, stateOf } from "../memory/spaces.ts";

function newTask(): Task {
  const space = newSpace();
  const process = { memory: space.memory, space, fds: newFdTable(), files: newFileSystem(undefined, 0o022) };
  return { memory: space.memory, process } as unknown as Task;
}

const row = (name: string) => mmCalls.find((r) => r.name === name)!;
const invoke = (t: Task, name: string, ...args: readonly number[]): number => row(name).handler(t, ...args);

/** How a trace shows a call with these argument registers. */
const shown = (t: Task, name: string, ...args: readonly number[]): string =>
  row(name)
    .args.map((kind, i) => kind.show(t, args[i]! | 0, Math.floor(args[i]! / 2 ** 32), { raw: args, result: undefined }))
    .join(", ");

describe("mmap", () => {
  test("of a guest descriptor shows its file, under its guest path", () => {
    const t = newTask();
    const path = makeFile(2 * K);
    setFd(t.process.fds, 3, open(path, "r"), false);
    expect(invoke(t, "mmap", 0, K, R, 2, 3, K)).toBe(base);
    expect(t.memory.u8[base]).toBe(66);
    expect(mapsText(t.process.space)).toEndWith(`${path}\n`);
  });

  test("of no guest descriptor is EBADF, whatever the host has there", () => {
    const t = newTask();
    for (const fd of [-1, 0, 1, 4, 2 ** 31 - 1, -(2 ** 31)])
      expect(invoke(t, "mmap", 0, K, R, 2, fd, 0)).toBe(-errno.EBADF);
  });

  test("traces like strace", () => {
    const t = newTask();
    expect(shown(t, "mmap", 0, 8192, 3, 0x22, -1, 0)).toBe(
      "NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0",
    );
    expect(shown(t, "mprotect", 0x10000, 4096, 0)).toBe("0x10000, 4096, PROT_NONE");
    expect(shown(t, "madvise", 0x10000, 4096, 4)).toBe("0x10000, 4096, MADV_DONTNEED");
    expect(shown(t, "mremap", 0x10000, 4096, 8192, 1, 0)).toBe("0x10000, 4096, 8192, MREMAP_MAYMOVE, NULL");
  });
});

test("mincore writes one byte a page, or EFAULT", () => {
  const t = newTask();
  invoke(t, "mmap", 0, 2 * K, RW, anon, -1, 0);
  t.memory.u8[base] = 1;
  expect(invoke(t, "mincore", base, 2 * K, base + 100)).toBe(0);
  expect([...t.memory.u8.subarray(base + 100, base + 102)].map((b) => b & 1)).toEqual([1, 0]);
  expect(invoke(t, "mincore", base, 2 * K, base + 2 * K - 1)).toBe(-errno.EFAULT);
  expect(invoke(t, "mincore", base, 2 * K, 0)).toBe(-errno.EFAULT);
});

test("riscv_flush_icache drops code of the range, or of everything where there is none", () => {
  const t = newTask();
  invoke(t, "mmap", 0, 4 * K, RW, anon, -1, 0);
  const changed: number[] = [];
  t.memory.codeChanged = (start, end) => {
    for (let at = start; at < end; at += K) changed.push((at - base) / K);
  };
  const mark = () => {
    for (const page of [0, 1, 2]) t.memory.pages[base / K + page]! |= 8;
  };
  mark();
  expect(invoke(t, "riscv_flush_icache", base + K + 4, base + 2 * K, 1)).toBe(0);
  expect(changed.splice(0)).toEqual([1]);
  expect(invoke(t, "riscv_flush_icache", 0, 0, 0)).toBe(0);
  expect(changed.splice(0)).toEqual([0, 2]);
  mark();
  expect(invoke(t, "riscv_flush_icache", 0, 2 ** 64, 0)).toBe(0);
  expect(changed).toEqual([0, 1, 2]);
  expect(invoke(t, "riscv_flush_icache", 0, 0, 2)).toBe(-errno.EINVAL);
});

test("memory policies are those of a machine with one node", () => {
  const t = newTask();
  invoke(t, "mmap", 0, K, RW, anon, -1, 0);
  const mask = (...bytes: number[]) =>
    copyTo(
      t.memory,
      base,
      Uint8Array.from({ length: 8 }, (_, i) => bytes[i] ?? 0),
    );
  mask(1);
  expect(invoke(t, "set_mempolicy", 2, base, 64)).toBe(0);
  expect(invoke(t, "mbind", base, K, 2, base, 64, 0)).toBe(0);
  expect(invoke(t, "mbind", base, 2 * K, 2, base, 64, 0)).toBe(-errno.EFAULT);
  expect(invoke(t, "set_mempolicy", 0, base, 64)).toBe(-errno.EINVAL);
  mask(2);
  expect(invoke(t, "set_mempolicy", 2, base, 64)).toBe(-errno.EINVAL);
  mask(0);
  expect(invoke(t, "set_mempolicy", 3, base, 64)).toBe(-errno.EINVAL);
  expect(invoke(t, "set_mempolicy", 99, 0, 0)).toBe(-errno.EINVAL);
  expect(invoke(t, "get_mempolicy", base + 8, base, 65, 0, 4)).toBe(0);
  expect(t.memory.u8[base]).toBe(1);
  expect(invoke(t, "get_mempolicy", 1, 0, 0, 0, 0)).toBe(-errno.EFAULT);
});

test("membarrier answers what it has, and asks for registration", () => {
  const t = newTask();
  expect(invoke(t, "membarrier", 0, 0, 0) & 24).toBe(24);
  expect(invoke(t, "membarrier", 8, 0, 0)).toBe(-errno.EPERM);
  expect(invoke(t, "membarrier", 16, 0, 0)).toBe(0);
  expect(invoke(t, "membarrier", 8, 0, 0)).toBe(0);
  for (const command of [-1, 3, 32, 1024, 2 ** 30]) expect(invoke(t, "membarrier", command, 0, 0)).toBe(-errno.EINVAL);
  expect(invoke(t, "membarrier", 0, 1, 0)).toBe(-errno.EINVAL);
});

// Registers as a guest might fill them, loaded by each row's own kinds.
const wild = [
  0,
  1,
  7,
  4096,
  base,
  base + 1,
  2 ** 31,
  2 ** 32 - 4096,
  2 ** 32,
  2 ** 53,
  2 ** 63,
  2 ** 64 - 4096,
  2 ** 64 - 1,
];

test.each(mmCalls.filter((r) => r.args.length > 0))("$name survives wild arguments", (r) => {
  const t = newTask();
  invoke(t, "mmap", 0, 4 * K, RW, anon, -1, 0);
  let seed = r.nr;
  for (let i = 0; i < 1000; i++) {
    const args = r.args.map((kind) => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      const value = wild[(seed >>> 8) % wild.length]!;
      const [lo, hi] = [value >= 2 ** 64 ? -1 : value | 0, value >= 2 ** 64 ? -1 : Math.floor(value / 2 ** 32) | 0];
      kind.show(t, lo, hi, { raw: [], result: undefined });
      return kind.load(t, lo, hi);
    });
    const before = stateOf(t.process.space);
    const result = r.handler(t, ...args);
    expect(Number.isInteger(result)).toBe(true);
    // madvise takes what advice it can, as Linux does.
    if (result < 0 && r.name !== "madvise") expect(stateOf(t.process.space)).toBe(before);
  }
});
