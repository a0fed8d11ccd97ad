// Which guest memory the host is asked to put huge pages behind, by what it says of the mappings that lie there.
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import type { AddressSpace } from "../../src/memory/address-space.ts";
import { brk, MapFlag, map, setBrk, unmap } from "../../src/memory/map.ts";
import { RemapFlag, remap } from "../../src/memory/remap.ts";
import { anon, base, fixed, newSpace, R, RW } from "./spaces.ts";

const MiB = 2 ** 20;
// A kernel without them refuses the advice, and all goes on as it would.
const hasHuge = existsSync("/sys/kernel/mm/transparent_hugepage");

/** The host's mapping at a guest address: its first address, and whether huge pages are wanted there. */
function hostMapping(space: AddressSpace, addr: number): { start: number; huge: boolean } {
  const at = space.memory.hostBase + addr;
  let [start, inside] = [0, false];
  for (const line of readFileSync("/proc/self/smaps", "latin1").split("\n")) {
    const range = /^([0-9a-f]+)-([0-9a-f]+) /.exec(line);
    if (range) {
      start = Number.parseInt(range[1]!, 16);
      inside = start <= at && at < Number.parseInt(range[2]!, 16);
    } else if (inside && line.startsWith("VmFlags:")) return { start, huge: line.split(" ").includes("hg") };
  }
  throw new Error(`nothing is mapped at ${at}`);
}
const isHuge = (space: AddressSpace, addr: number): boolean => hostMapping(space, addr).huge;

describe.skipIf(!hasHuge)("huge pages of the host", () => {
  test("are wanted for large anonymous private memory, all of it, and no more", () => {
    const s = newSpace();
    expect(map(s, base, 5 * MiB, RW, fixed)).toBe(base);
    for (const [at, wanted] of [
      [0, true],
      [5 * MiB - 1, true],
      [5 * MiB, false],
    ] as const)
      expect(isHuge(s, base + at)).toBe(wanted);
  });

  test("are not wanted for small mappings, stacks, and what is not meant to be filled", () => {
    const s = newSpace();
    const rest = [MapFlag.STACK, MapFlag.NORESERVE, MapFlag.GROWSDOWN, 0];
    for (const [i, flag] of rest.entries()) {
      const [at, length] = [base + i * 16 * MiB, flag === 0 ? 3 * MiB : 8 * MiB];
      expect(map(s, at, length, RW, fixed | flag)).toBe(at);
      expect(isHuge(s, at)).toBe(false);
    }
    for (const prot of [0, R]) expect(isHuge(s, map(s, 0, 8 * MiB, prot, anon))).toBe(false);
    expect(isHuge(s, map(s, 0, 8 * MiB, RW, MapFlag.SHARED | MapFlag.ANONYMOUS))).toBe(false);
  });

  test("are not wanted any more where it was unmapped, and the host's mapping is one piece again", () => {
    const s = newSpace();
    const whole = hostMapping(s, base).start;
    map(s, base, 12 * MiB, RW, fixed);
    s.memory.u8.fill(1, base, base + 12 * MiB);
    unmap(s, base + 4 * MiB, 4 * MiB);
    expect(isHuge(s, base + 5 * MiB)).toBe(false);
    expect(s.memory.u8[base + 5 * MiB]).toBe(0);
    expect(isHuge(s, base + 8 * MiB)).toBe(true);
    unmap(s, base, 12 * MiB);
    expect(hostMapping(s, base + 12 * MiB)).toEqual({ start: whole, huge: false });
  });

  test("are wanted for a heap from when it is large, to the end of the one that it ends in", () => {
    const s = newSpace();
    const start = 0x20000;
    setBrk(s, start);
    for (const end of [3, 6, 7]) brk(s, start + end * MiB);
    expect(isHuge(s, start)).toBe(false);
    brk(s, start + 8 * MiB);
    expect(isHuge(s, start)).toBe(true);
    for (let end = 8 * MiB; end < 15 * MiB; end += 0x21000) {
      brk(s, start + end);
      expect(isHuge(s, start + end - 1)).toBe(true);
    }
    expect(isHuge(s, start + 18 * MiB)).toBe(false);
    brk(s, start + 2 * MiB);
    expect(isHuge(s, start + 10 * MiB)).toBe(false);
  });

  test("are wanted for what becomes large", () => {
    const s = newSpace();
    const at = map(s, 0, 2 * MiB, RW, anon);
    s.memory.u8[at + MiB] = 7;
    const to = remap(s, at, 2 * MiB, 6 * MiB, RemapFlag.MAYMOVE | RemapFlag.FIXED, at + 64 * MiB);
    expect(to).toBe(at + 64 * MiB);
    expect([isHuge(s, to), isHuge(s, to + 5 * MiB), isHuge(s, at)]).toEqual([true, true, false]);
    expect(s.memory.u8[to + MiB]).toBe(7);
  });
});
