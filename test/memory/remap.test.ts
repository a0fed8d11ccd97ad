// mremap, rule by rule.
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { taskSize } from "../../src/memory/address-space.ts";
import { MapFlag, map, protect } from "../../src/memory/map.ts";
import { RemapFlag, remap } from "../../src/memory/remap.ts";
import { makeFile, open } from "./files.ts";
import { anon, base, EFAULT, EINVAL, ENOMEM, fixed, K, listed, newSpace, R, RW, rights, stateOf } from "./spaces.ts";

const { MAYMOVE, FIXED, DONTUNMAP } = RemapFlag;
const file = (path: string, flags = "r", offset = 0) => ({ fd: open(path, flags), offset, name: path });
const bytes = (s: ReturnType<typeof newSpace>, addr: number, pages: number): number[] =>
  Array.from({ length: pages }, (_, i) => s.memory.u8[addr + i * K]!);

describe("anonymous memory", () => {
  const filled = (pages: number) => {
    const s = newSpace();
    map(s, base, pages * K, RW, anon);
    for (let i = 0; i < pages; i++) s.memory.u8[base + i * K] = i + 1;
    return s;
  };

  test("shrinks in place", () => {
    const s = filled(3);
    expect(remap(s, base, 3 * K, K, 0, 0)).toBe(base);
    expect(listed(s)).toEqual(["0-1 rw-p"]);
    expect(rights(s, base + K)).toBe("");
  });

  test("grows in place where it can", () => {
    const s = filled(2);
    expect(remap(s, base, 2 * K, 4 * K, 0, 0)).toBe(base);
    expect(bytes(s, base, 4)).toEqual([1, 2, 0, 0]);
    expect(listed(s)).toEqual(["0-4 rw-p"]);
    expect(rights(s, base + 3 * K)).toBe("rw");
  });

  test("moves only where it may", () => {
    const s = filled(2);
    map(s, base + 2 * K, K, R, fixed);
    const before = stateOf(s);
    expect(remap(s, base, 2 * K, 3 * K, 0, 0)).toBe(-ENOMEM);
    expect(stateOf(s)).toBe(before);
    expect(remap(s, base, 2 * K, 3 * K, MAYMOVE, 0)).toBe(base + 3 * K);
    expect(bytes(s, base + 3 * K, 3)).toEqual([1, 2, 0]);
    expect(listed(s)).toEqual(["2-3 r--p", "3-6 rw-p"]);
    expect(map(s, 0, 2 * K, R, anon)).toBe(base);
    expect(bytes(s, base, 2)).toEqual([0, 0]);
  });

  test("a large one moves with its pages", () => {
    const s = filled(600);
    map(s, base + 600 * K, K, R, fixed);
    const to = remap(s, base, 600 * K, 700 * K, MAYMOVE, 0);
    expect(to).toBe(base + 601 * K);
    expect(bytes(s, to, 700)).toEqual(Array.from({ length: 700 }, (_, i) => (i < 600 ? (i + 1) & 255 : 0)));
    map(s, base, 600 * K, R, fixed);
    expect(bytes(s, base, 600).every((b) => b === 0)).toBe(true);
  });

  test("MREMAP_FIXED replaces what is there", () => {
    const s = filled(4);
    expect(remap(s, base, 2 * K, K, MAYMOVE | FIXED, base + 3 * K)).toBe(base + 3 * K);
    expect(listed(s)).toEqual(["2-4 rw-p"]);
    expect(bytes(s, base + 2 * K, 2)).toEqual([3, 1]);
  });

  test("MREMAP_DONTUNMAP leaves zeroed pages behind", () => {
    const s = filled(2);
    expect(remap(s, base, 2 * K, 2 * K, MAYMOVE | DONTUNMAP, 0)).toBe(base + 2 * K);
    expect(bytes(s, base, 4)).toEqual([0, 0, 1, 2]);
    expect(listed(s)).toEqual(["0-4 rw-p"]);
    expect(rights(s, base)).toBe("rw");
  });

  test("a part of a mapping moves alone", () => {
    const s = filled(3);
    expect(remap(s, base + K, K, 2 * K, MAYMOVE, 0)).toBe(base + 3 * K);
    expect(listed(s)).toEqual(["0-1 rw-p", "2-5 rw-p"]);
    expect(bytes(s, base + 2 * K, 3)).toEqual([3, 2, 0]);
  });

  test("refuses arguments as Linux does, and changes nothing", () => {
    const s = filled(4);
    protect(s, base + 2 * K, 2 * K, R);
    const before = stateOf(s);
    const cases: readonly [number, number, number, number, number, number][] = [
      [base, K, 2 * K, 8, 0, EINVAL],
      [base, K, 2 * K, FIXED, base, EINVAL],
      [base, K, 2 * K, MAYMOVE | DONTUNMAP, 0, EINVAL],
      [base, K, K, DONTUNMAP, 0, EINVAL],
      [base + 1, K, K, 0, 0, EINVAL],
      [base, K, 0, 0, 0, EINVAL],
      [base, 0, K, MAYMOVE, 0, EINVAL],
      [base + 4 * K, K, K, 0, 0, EFAULT],
      [2 ** 40, K, K, 0, 0, EFAULT],
      [base, 3 * K, 4 * K, MAYMOVE, 0, EFAULT],
      [base, 2 * K, 2 * K, MAYMOVE | FIXED, base + K, EINVAL],
      [base, K, K, MAYMOVE | FIXED, base + 1, EINVAL],
      [base, K, K, MAYMOVE | FIXED, taskSize, EINVAL],
      [base, K, K, MAYMOVE | FIXED, 2 ** 63, EINVAL],
      [base, 2 * K, taskSize, MAYMOVE, 0, ENOMEM],
      [base, 2 * K, 2 ** 64, MAYMOVE, 0, ENOMEM],
    ];
    for (const [addr, old, length, flags, to, error] of cases)
      expect(remap(s, addr, old, length, flags, to)).toBe(-error);
    expect(stateOf(s)).toBe(before);
  });
});

describe("file mappings", () => {
  test("a shared one shows more of its file when it grows", () => {
    const s = newSpace();
    const path = makeFile(4 * K);
    const addr = map(s, 0, 2 * K, RW, MapFlag.SHARED, file(path, "r+", K));
    expect(remap(s, addr, 2 * K, 4 * K, 0, 0)).toBe(addr);
    expect(s.memory.fault(addr + 2 * K, 1)).toBe(true);
    expect(s.memory.fault(addr + 3 * K, 1)).toBe(false);
    expect(bytes(s, addr, 3)).toEqual([66, 67, 68]);
    expect(listed(s)).toEqual(["0-4 rw-s"]);
    s.memory.u8[addr + 2 * K] = 5;
    expect(readFileSync(path)[3 * K]).toBe(5);
  });

  test("a private one keeps what was written when it moves", () => {
    const s = newSpace();
    const path = makeFile(3 * K);
    const addr = map(s, 0, 2 * K, RW, MapFlag.PRIVATE, file(path));
    map(s, addr + 2 * K, K, R, fixed);
    s.memory.u8[addr] = 1;
    const to = remap(s, addr, 2 * K, 3 * K, MAYMOVE, 0);
    expect(to).toBe(base + 3 * K);
    expect(s.memory.fault(to + 2 * K, 1)).toBe(true);
    expect(bytes(s, to, 3)).toEqual([1, 66, 67]);
    map(s, addr, 2 * K, R, fixed);
    expect(bytes(s, addr, 2)).toEqual([0, 0]);
    expect(readFileSync(path)[0]).toBe(65);
  });

  test("SIGBUS pages move too", () => {
    const s = newSpace();
    const addr = map(s, 0, 3 * K, R, MapFlag.SHARED, file(makeFile(K), "r"));
    map(s, addr + 3 * K, K, R, fixed);
    const to = remap(s, addr, 3 * K, 4 * K, MAYMOVE, 0);
    expect([0, 1, 2, 3].map((page) => rights(s, to + page * K))).toEqual(["r", "b", "b", "b"]);
  });

  test.each(["r", "r+"])("old size 0 gives a second view of a shared mapping (opened with %s)", (mode) => {
    const s = newSpace();
    const path = makeFile(2 * K);
    const addr = map(s, 0, 2 * K, R, MapFlag.SHARED, file(path, mode));
    const to = remap(s, addr, 0, 2 * K, MAYMOVE, 0);
    expect(to).toBe(addr + 2 * K);
    expect(s.memory.fault(to, 1) && s.memory.fault(to + K, 1)).toBe(true);
    expect(bytes(s, addr, 4)).toEqual([65, 66, 65, 66]);
  });

  test("shared anonymous memory has two views of the same bytes", () => {
    const s = newSpace();
    const addr = map(s, 0, K, RW, MapFlag.SHARED | MapFlag.ANONYMOUS);
    const to = remap(s, addr, 0, K, MAYMOVE, 0);
    s.memory.u8[addr] = 9;
    expect(s.memory.u8[to]).toBe(9);
  });
});
