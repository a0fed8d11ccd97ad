// What programs are told of the hart: the instruction rows must back every claim.
import { describe, expect, test } from "bun:test";
import { forms } from "../../src/isa/riscv/instructions.ts";
import { hwprobeCalls } from "../../src/linux/calls/hwprobe.ts";
import { errno } from "../../src/linux/errno.ts";
import { extensionNames, hwcap, hwprobe, isaString } from "../../src/linux/hwcap.ts";
import type { Task } from "../../src/linux/task.ts";
import { newAddressSpace } from "../../src/memory/address-space.ts";
import { newGuestMemory } from "../../src/memory/guest-memory.ts";
import { MapFlag, map } from "../../src/memory/map.ts";

test("the extensions named are those of the instruction rows, and their parts", () => {
  const rows = new Set(forms.map(({ row }) => row.ext.toLowerCase()));
  // Registers, not instructions; the parts of A; the parts of C.
  const parts = ["zicntr", "zaamo", "zalrsc", "zca", "zcd"];
  expect([...extensionNames].sort()).toEqual([...rows, ...parts].sort());
});

test("AT_HWCAP has I, M, A, F, D and C, but not V", () => {
  expect(hwcap).toBe(0x112d);
});

test("the ISA string has single letters, then the others behind underscores", () => {
  expect(isaString).toMatch(/^rv64imafdc(_z[a-z0-9]+)+$/);
  expect(new Set(isaString.split("_")).size).toBe(isaString.split("_").length);
});

test("riscv_hwprobe knows the keys of the kernel's header", () => {
  const bit = (n: number) => (hwprobe(4)! >> BigInt(n)) & 1n;
  expect(hwprobe(3)).toBe(1n);
  for (const has of [0, 1, 3, 4, 5, 6, 7, 28, 29, 32, 35, 36, 44, 48, 50, 55]) expect(bit(has)).toBe(1n);
  // V, Zbkb, Zbkc, Zbkx, Zfh, Zacas, Zimop, Zcmop
  for (const lacks of [2, 8, 9, 10, 27, 34, 42, 47]) expect(bit(lacks)).toBe(0n);
  expect([5, 6, 9, 10, 12, 15].map(hwprobe)).toEqual([3n, 64n, 3n, 4n, 64n, 64n]);
  expect([-1, 16, 1e6].map(hwprobe)).toEqual([undefined, undefined, undefined]);
});

describe("the call", () => {
  const [at, set] = [0x20000, 0x20800];
  const memory = newGuestMemory(2 ** 20);
  map(newAddressSpace(memory), at, 4096, 3, MapFlag.PRIVATE | MapFlag.ANONYMOUS | MapFlag.FIXED);
  const handler = hwprobeCalls[0]!.handler;
  const call = (...args: number[]) => handler({ memory } as unknown as Task, ...args);
  const pairs = (list: readonly (readonly [bigint, bigint])[]) =>
    list.forEach(([key, value], i) => {
      memory.view.setBigInt64(at + i * 16, key, true);
      memory.view.setBigUint64(at + i * 16 + 8, value, true);
    });
  const pair = (i: number) => [
    memory.view.getBigInt64(at + i * 16, true),
    memory.view.getBigUint64(at + i * 16 + 8, true),
  ];
  const mask = (value: bigint) => memory.view.setBigUint64(set, value, true);
  const maskNow = () => memory.view.getBigUint64(set, true);

  test("fills in values, and answers a key that it does not know with -1 and 0", () => {
    pairs([
      [3n, 7n],
      [99n, 7n],
      [-5n, 7n],
      [2n ** 32n + 3n, 7n],
    ]);
    expect(call(at, 4, 0, 0, 0)).toBe(0);
    expect([0, 1, 2, 3].map(pair)).toEqual([
      [3n, 1n],
      [-1n, 0n],
      [-1n, 0n],
      [-1n, 0n],
    ]);
  });

  test("wants a CPU that is there in its set", () => {
    pairs([[3n, 0n]]);
    mask(1n);
    expect(call(at, 1, 8, set, 0)).toBe(0);
    mask(0n);
    expect(call(at, 1, 8, set, 0)).toBe(-errno.EINVAL);
    expect(call(at, 1, 0, set, 0)).toBe(-errno.EINVAL);
    expect(call(at, 1, 8, 0, 0)).toBe(-errno.EFAULT);
    expect(call(at, 1, 0, 0, 2)).toBe(-errno.EINVAL);
  });

  test("with WHICH_CPUS gives the CPUs that match all pairs", () => {
    const all = 2n ** BigInt(Math.min(navigator.hardwareConcurrency, 64)) - 1n;
    mask(0n);
    pairs([
      [4n, 3n],
      [6n, 64n],
    ]);
    expect(call(at, 2, 8, set, 1)).toBe(0);
    expect(maskNow()).toBe(all);
    mask(1n);
    expect(call(at, 2, 8, set, 1)).toBe(0);
    expect(maskNow()).toBe(1n);
    pairs([[4n, 4n]]);
    expect(call(at, 1, 8, set, 1)).toBe(0);
    expect(maskNow()).toBe(0n);
    pairs([
      [4n, 3n],
      [77n, 5n],
    ]);
    mask(1n);
    expect(call(at, 2, 8, set, 1)).toBe(0);
    expect([maskNow(), ...pair(1)]).toEqual([0n, -1n, 0n]);
    expect(call(at, 1, 8, 0, 1)).toBe(-errno.EINVAL);
  });

  test("answers EFAULT where pairs run off the mapping, whatever their number", () => {
    expect(call(at, 2 ** 64, 0, 0, 0)).toBe(-errno.EFAULT);
    for (const bad of [0, at + 4090, 2 ** 32 - 8, 2 ** 63, 2 ** 64 - 2048])
      expect(call(bad, 1, 0, 0, 0)).toBe(-errno.EFAULT);
    expect(call(0, 0, 0, 0, 0)).toBe(0);
  });
});
