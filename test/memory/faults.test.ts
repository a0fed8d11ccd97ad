// Refused accesses: stacks that grow, files that end, and what signals say; also as copies by system calls see them.
import { describe, expect, test } from "bun:test";
import { appendFileSync, truncateSync } from "node:fs";
import { type AddressSpace, type FaultKind, faultOf, fileResized, guardGap } from "../../src/memory/address-space.ts";
import { fileStatus } from "../../src/memory/backing.ts";
import { accessible, accessibleLength, copyTo, Page, readable, readString } from "../../src/memory/guest-memory.ts";
import { MapFlag, map, protect } from "../../src/memory/map.ts";
import { mapsText } from "../../src/memory/maps.ts";
import { makeFile, open } from "./files.ts";
import { anon, base, fixed, K, listed, newSpace, R, RW, rights, X } from "./spaces.ts";

const stackFlags = fixed | MapFlag.GROWSDOWN;
const gap = guardGap * K;

/** Whether a refused access works when it is tried again. */
const repair = (s: AddressSpace, addr: number, kind: FaultKind) => s.memory.fault(addr, Page[kind]);

describe("a stack", () => {
  test("grows to the touched page, at once and zeroed", () => {
    const s = newSpace();
    map(s, base - K, K, RW, stackFlags);
    expect(repair(s, base - 5 * K + 17, "write")).toBe(true);
    expect(listed(s)).toEqual(["-5-0 rw-p"]);
    expect(rights(s, base - 5 * K)).toBe("rw");
    expect(repair(s, base - 5 * K, "exec")).toBe(false);
    expect(faultOf(s, base - 5 * K, "exec")).toBe("SEGV_ACCERR");
  });

  test("grows no further than its limit", () => {
    const s = newSpace();
    s.limit = (what) => (what === "stack" ? 4 * K : Number.POSITIVE_INFINITY);
    map(s, base - K, K, RW, stackFlags);
    expect(repair(s, base - 4 * K - 1, "write")).toBe(false);
    expect(faultOf(s, base - 4 * K - 1, "write")).toBe("SEGV_MAPERR");
    expect(repair(s, base - 4 * K, "write")).toBe(true);
  });

  test("keeps a gap to the mapping below, unless that has no rights or grows itself", () => {
    for (const [below, flags, grows] of [
      [R, fixed, false],
      [0, fixed, true],
      [RW, stackFlags, true],
    ] as const) {
      const s = newSpace();
      map(s, base - K, K, RW, stackFlags);
      map(s, base - gap - 5 * K, K, below, flags);
      expect(repair(s, base - 4 * K, "read")).toBe(true);
      expect(repair(s, base - 5 * K, "read")).toBe(grows);
    }
  });

  test("keeps others away: no mapping is placed in its gap", () => {
    const s = newSpace();
    map(s, base + gap + 2 * K, K, RW, stackFlags);
    expect(map(s, 0, 3 * K, RW, anon)).toBe(base + gap + 3 * K);
    expect(map(s, base + 2 * K, K, RW, anon)).toBe(base);
    expect(map(s, base + K, K, RW, anon)).toBe(base + K);
  });

  test("grows under a system call's copy", () => {
    const s = newSpace();
    map(s, base - K, K, RW, stackFlags);
    expect(copyTo(s.memory, base - 3 * K, Uint8Array.of(1, 2))).toBe(true);
    expect(readString(s.memory, base - 6 * K, 10)).toBe("");
    expect(listed(s)).toEqual(["-6-0 rw-p"]);
  });
});

describe("what a fault says", () => {
  const cases: readonly [string, number, FaultKind, string][] = [
    ["nothing mapped", 0, "read", "SEGV_MAPERR"],
    ["nothing mapped", 3, "exec", "SEGV_MAPERR"],
    ["beyond the address space", 2 ** 30, "write", "SEGV_MAPERR"],
    ["beyond all", Number.POSITIVE_INFINITY, "write", "SEGV_MAPERR"],
    ["a wild negative number", -(2 ** 40), "read", "SEGV_MAPERR"],
    ["not writable", 1, "write", "SEGV_ACCERR"],
    ["not executable", 1, "exec", "SEGV_ACCERR"],
    ["only executable", 2, "read", "SEGV_ACCERR"],
  ];
  test.each(cases)("%s, page %d, %s: %p", (_name, page, kind, expected) => {
    const s = newSpace();
    map(s, base + K, K, R, anon);
    map(s, base + 2 * K, K, X, anon);
    expect(repair(s, base + page * K, kind)).toBe(false);
    expect(faultOf(s, base + page * K, kind)).toBe(expected as "SEGV_MAPERR");
  });
});

describe("a file that ends before its mapping", () => {
  const mapped = (
    size: number,
    pages: number,
    flags: number = MapFlag.SHARED,
  ): [AddressSpace, number, string, number] => {
    const s = newSpace();
    const path = makeFile(size);
    const fd = open(path, "r+");
    return [s, map(s, 0, pages * K, RW, flags, { fd, offset: 0, name: path }), path, fd];
  };

  test("gives SIGBUS past its last page", () => {
    const [s, addr] = mapped(K + 1, 4);
    expect([0, 1, 2, 3].map((page) => rights(s, addr + page * K))).toEqual(["rw", "rw", "b", "b"]);
    expect(s.memory.u8[addr + K]).toBe(66);
    expect(faultOf(s, addr + 2 * K, "read")).toBe("BUS_ADRERR");
    expect(faultOf(s, addr + 2 * K, "exec")).toBe("SEGV_ACCERR");
    expect(accessibleLength(s.memory, addr, 4 * K, Page.read)).toBe(2 * K);
    expect(protect(s, addr, 4 * K, R)).toBe(0);
    expect(rights(s, addr + 2 * K)).toBe("b");
  });

  test("with nothing in it gives SIGBUS everywhere", () => {
    const [s, addr] = mapped(0, 1);
    expect(rights(s, addr)).toBe("b");
    expect(readable(s.memory, addr, 1)).toBeUndefined();
  });

  test("and grows later is there when touched", () => {
    const [s, addr, path] = mapped(K, 3);
    appendFileSync(path, new Uint8Array(K).fill(90));
    expect(repair(s, addr + K, "read")).toBe(true);
    expect(s.memory.u8[addr + K]).toBe(90);
    expect(rights(s, addr + K)).toBe("rw");
    expect(repair(s, addr + 2 * K, "read")).toBe(false);
    appendFileSync(path, new Uint8Array(K).fill(91));
    expect(readable(s.memory, addr + 2 * K, K)?.[5]).toBe(91);
  });

  test.each([
    ["shared", MapFlag.SHARED],
    ["private", MapFlag.PRIVATE],
  ] as const)("is announced before it is truncated, for a %s mapping", (_name, flags) => {
    const [s, addr, path, fd] = mapped(4 * K, 4, flags);
    const half = map(s, 0, 2 * K, RW, flags, { fd, offset: 2 * K, name: path });
    const other = makeFile(4 * K);
    const untouched = map(s, 0, 4 * K, R, flags, { fd: open(other, "r+"), offset: 0, name: other });
    const changed: number[] = [];
    s.memory.codeChanged = (start) => changed.push((start - addr) / K);
    s.memory.pages[addr / K + 2]! |= Page.code;
    s.memory.u8[addr + 3 * K] = 1;
    const status = fileStatus(fd);
    if (typeof status === "number") throw new Error(`no status: ${status}`);
    fileResized(s, status, 2 * K + 1);
    truncateSync(path, 2 * K + 1);
    expect([0, 1, 2, 3].map((page) => rights(s, addr + page * K))).toEqual(["rw", "rw", "rw", "b"]);
    expect([0, 1].map((page) => rights(s, half + page * K))).toEqual(["rw", "b"]);
    expect(rights(s, untouched + 3 * K)).toBe("r");
    fileResized(s, status, 0);
    truncateSync(path, 0);
    expect([0, 1, 2, 3].map((page) => rights(s, addr + page * K))).toEqual(["b", "b", "b", "b"]);
    expect(changed).toEqual([2]);
    expect(repair(s, addr, "read")).toBe(false);
    truncateSync(path, 4 * K);
    expect(repair(s, addr + 3 * K, "write")).toBe(true);
    expect(s.memory.u8[addr + 3 * K]).toBe(0);
  });

  test("keeps its line in maps", () => {
    const [s, , path, fd] = mapped(4 * K, 4);
    const before = mapsText(s);
    const status = fileStatus(fd);
    if (typeof status !== "number") fileResized(s, status, 0);
    expect(mapsText(s)).toBe(before);
    expect(before).toEndWith(`${path}\n`);
  });
});

test("copies ask for all pages of a range, with any numbers", () => {
  const s = newSpace();
  map(s, base, 2 * K, R, anon);
  expect(accessible(s.memory, base, 2 * K, Page.read)).toBe(true);
  expect(accessible(s.memory, base, 2 * K + 1, Page.read)).toBe(false);
  expect(accessibleLength(s.memory, base + 10, 2 ** 64, Page.read)).toBe(2 * K - 10);
  for (const addr of [-1, 2 ** 32, 2 ** 53, 2 ** 64]) expect(readable(s.memory, addr, 1)).toBeUndefined();
});
