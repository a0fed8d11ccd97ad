// madvise, msync, mincore and locks, and the figures of an address space.
import { describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { taskSize } from "../../src/memory/address-space.ts";
import {
  Advice,
  LockAllFlag,
  lockAll,
  lockRange,
  madvise,
  mincore,
  msync,
  unlockAll,
} from "../../src/memory/advice.ts";
import { hostPageProblem } from "../../src/memory/backing.ts";
import { MapFlag, map, unmap } from "../../src/memory/map.ts";
import { mappedFiles, usage } from "../../src/memory/maps.ts";
import { makeFile, open } from "./files.ts";
import {
  anon,
  base,
  EACCES,
  EAGAIN,
  EBUSY,
  EFAULT,
  EINVAL,
  ENOMEM,
  EPERM,
  fixed,
  K,
  listed,
  newSpace,
  R,
  RW,
  stateOf,
  X,
} from "./spaces.ts";

const file = (path: string, flags = "r", offset = 0) => ({ fd: open(path, flags), offset, name: path });

describe("madvise", () => {
  test("DONTNEED zeroes anonymous memory, and brings back the file of a private mapping", () => {
    const s = newSpace();
    const path = makeFile(2 * K);
    const a = map(s, 0, 2 * K, RW, anon);
    const f = map(s, 0, 2 * K, RW, MapFlag.PRIVATE, file(path));
    const w = map(s, 0, 2 * K, RW, MapFlag.SHARED | MapFlag.ANONYMOUS);
    for (const addr of [a, a + K, f, f + K, w]) s.memory.u8[addr] = 9;
    for (const addr of [a, f, w]) expect(madvise(s, addr, K, Advice.DONTNEED)).toBe(0);
    expect([a, a + K, f, f + K, w].map((addr) => s.memory.u8[addr])).toEqual([0, 9, 65, 9, 9]);
  });

  test("drops what was made of code in the pages", () => {
    const s = newSpace();
    const changed: number[] = [];
    s.memory.codeChanged = (start) => changed.push(start);
    map(s, base, 2 * K, RW | X, anon);
    s.memory.pages[base / K]! |= 8;
    madvise(s, base, 2 * K, Advice.DONTNEED);
    expect(changed).toEqual([base]);
  });

  test("REMOVE punches a hole into shared memory alone", () => {
    const s = newSpace();
    const w = map(s, 0, 2 * K, RW, MapFlag.SHARED | MapFlag.ANONYMOUS);
    s.memory.u8[w] = 9;
    expect(madvise(s, w, K, Advice.REMOVE)).toBe(0);
    expect(s.memory.u8[w]).toBe(0);
    expect(madvise(s, map(s, 0, K, RW, anon), K, Advice.REMOVE)).toBe(-EINVAL);
    expect(madvise(s, map(s, 0, K, RW, MapFlag.PRIVATE, file(makeFile(K))), K, Advice.REMOVE)).toBe(-EACCES);
  });

  test("takes the advice for what is mapped of a range with holes, and says ENOMEM", () => {
    const s = newSpace();
    map(s, base, K, RW, anon);
    map(s, base + 2 * K, K, RW, anon);
    s.memory.u8[base + 2 * K] = 9;
    expect(madvise(s, base, 3 * K, Advice.DONTNEED)).toBe(-ENOMEM);
    expect(s.memory.u8[base + 2 * K]).toBe(0);
  });

  test("splits and merges mappings by what it says of them", () => {
    const s = newSpace();
    map(s, base, 3 * K, RW, anon);
    expect(madvise(s, base + K, K, Advice.DONTFORK)).toBe(0);
    expect(listed(s)).toEqual(["0-1 rw-p", "1-2 rw-p", "2-3 rw-p"]);
    expect(madvise(s, base, 3 * K, Advice.DOFORK)).toBe(0);
    expect(listed(s)).toEqual(["0-3 rw-p"]);
    for (const advice of [Advice.WILLNEED, Advice.HUGEPAGE, Advice.COLD, Advice.FREE, Advice.WIPEONFORK])
      expect(madvise(s, base, 3 * K, advice)).toBe(0);
  });

  test("POPULATE asks for rights and for a file that is there", () => {
    const s = newSpace();
    map(s, base, K, R, anon);
    const f = map(s, 0, 2 * K, R, MapFlag.PRIVATE, file(makeFile(K)));
    expect(madvise(s, base, K, Advice.POPULATE_READ)).toBe(0);
    expect(madvise(s, base, K, Advice.POPULATE_WRITE)).toBe(-EINVAL);
    expect(madvise(s, f, 2 * K, Advice.POPULATE_READ)).toBe(-EFAULT);
  });

  test("refuses what it does not know", () => {
    const s = newSpace();
    map(s, base, K, RW, anon);
    const before = stateOf(s);
    for (const advice of [-1, 5, 7, 25, 99, 100, 1000]) expect(madvise(s, base, K, advice)).toBe(-EINVAL);
    expect(madvise(s, base + 1, K, Advice.NORMAL)).toBe(-EINVAL);
    expect(madvise(s, base, 0, Advice.NORMAL)).toBe(0);
    for (const length of [taskSize, 2 ** 53, 2 ** 64]) expect(madvise(s, base, length, Advice.NORMAL)).toBe(-ENOMEM);
    for (const addr of [taskSize, 2 ** 64 - 4096]) expect(madvise(s, addr, K, Advice.NORMAL)).toBe(-ENOMEM);
    expect(stateOf(s)).toBe(before);
  });
});

test("msync writes shared mappings, and refuses holes and wrong flags", () => {
  const s = newSpace();
  const path = makeFile(K);
  const addr = map(s, 0, K, RW, MapFlag.SHARED, file(path, "r+"));
  s.memory.u8[addr] = 4;
  expect(msync(s, addr, K, 4)).toBe(0);
  expect(readFileSync(path)[0]).toBe(4);
  expect(msync(s, addr, K, 1)).toBe(0);
  expect(msync(s, addr, 2 * K, 4)).toBe(-ENOMEM);
  for (const flags of [5, 8]) expect(msync(s, addr, K, flags)).toBe(-EINVAL);
  expect(msync(s, addr + 1, K, 4)).toBe(-EINVAL);
  lockRange(s, addr, K, true, false);
  expect(msync(s, addr, K, 2)).toBe(-EBUSY);
});

test("mincore tells touched pages from others", () => {
  const s = newSpace();
  map(s, base, 3 * K, RW, anon);
  s.memory.u8[base + K] = 1;
  const found = mincore(s, base, 3 * K);
  expect(typeof found === "number" ? found : [...found].map((b) => b & 1)).toEqual([0, 1, 0]);
  expect(mincore(s, base, 4 * K)).toBe(-ENOMEM);
  expect(mincore(s, base + 1, K)).toBe(-EINVAL);
  expect(mincore(s, base, 2 ** 64)).toBe(-ENOMEM);
});

describe("locks", () => {
  test("are bounded by RLIMIT_MEMLOCK", () => {
    const s = newSpace();
    let limit = 2 * K;
    s.limit = (what) => (what === "memlock" ? limit : Number.POSITIVE_INFINITY);
    map(s, base, 4 * K, RW, anon);
    expect(lockRange(s, base + 5, K, true, false)).toBe(0);
    expect(lockRange(s, base, 2 * K, true, true)).toBe(0);
    expect(usage(s).locked).toBe(2);
    expect(lockRange(s, base + 2 * K, 1, true, false)).toBe(-ENOMEM);
    expect(lockAll(s, LockAllFlag.CURRENT)).toBe(-ENOMEM);
    expect(map(s, 0, K, RW, anon | MapFlag.LOCKED)).toBe(-EAGAIN);
    limit = 0;
    expect(lockRange(s, base, 1, true, false)).toBe(-EPERM);
    expect(map(s, 0, K, RW, anon | MapFlag.LOCKED)).toBe(-EPERM);
    expect(lockRange(s, base, 4 * K, false, false)).toBe(0);
    expect(listed(s)).toEqual(["0-4 rw-p"]);
  });

  test("refuse holes and wrong flags", () => {
    const s = newSpace();
    map(s, base, K, RW, anon);
    const before = stateOf(s);
    expect(lockRange(s, base, 2 * K, true, false)).toBe(-ENOMEM);
    expect(lockRange(s, base, 2 ** 64, true, false)).toBe(-ENOMEM);
    expect(lockRange(s, 2 ** 64, 1, false, false)).toBe(-ENOMEM);
    for (const flags of [0, 4, 8]) expect(lockAll(s, flags)).toBe(-EINVAL);
    expect(stateOf(s)).toBe(before);
  });

  test("a locked mapping keeps its pages", () => {
    const s = newSpace();
    map(s, base, K, RW, anon | MapFlag.LOCKED);
    expect(madvise(s, base, K, Advice.DONTNEED)).toBe(-EINVAL);
    expect(madvise(s, base, K, Advice.DONTNEED_LOCKED)).toBe(0);
  });

  test("MCL_FUTURE locks what comes", () => {
    const s = newSpace();
    lockAll(s, LockAllFlag.FUTURE);
    map(s, base, 2 * K, RW, anon);
    expect(usage(s).locked).toBe(2);
    expect(unlockAll(s)).toBe(0);
    map(s, 0, 2 * K, RW, anon);
    expect(usage(s).locked).toBe(0);
  });
});

test("usage counts pages by what they are", () => {
  const s = newSpace();
  map(s, base - 2 * K, 2 * K, RW, fixed | MapFlag.GROWSDOWN);
  const addr = map(s, 0, 3 * K, RW, anon);
  const f = map(s, 0, 4 * K, R | X, MapFlag.PRIVATE, file(makeFile(4 * K)));
  map(s, 0, 5 * K, RW, MapFlag.SHARED | MapFlag.ANONYMOUS);
  s.memory.u8[addr] = 1;
  expect(usage(s)).toMatchObject({ total: 14, peak: 14, data: 3, stack: 2, library: 4 });
  expect(usage(s).resident).toBeGreaterThanOrEqual(1);
  unmap(s, f, 4 * K);
  expect(usage(s)).toMatchObject({ total: 10, peak: 14, library: 0 });
});

test("mappedFiles lists files with their offsets", () => {
  const s = newSpace();
  const path = makeFile(4 * K);
  map(s, 0, K, RW, anon);
  map(s, 0, K, R, MapFlag.PRIVATE, file(path, "r", 2 * K));
  expect(mappedFiles(s)).toEqual([{ start: base + K, end: base + 2 * K, offset: 2 * K, file: path }]);
});

test("names of files are kept for as long as they are mapped, however many come and go", () => {
  const s = newSpace();
  const path = makeFile(K);
  const fd = open(path, "r");
  const long = "/" + "x".repeat(4000);
  map(s, base, K, R, MapFlag.PRIVATE | MapFlag.FIXED, { fd, offset: 0, name: "/kept" });
  for (let i = 0; i < 1500; i++)
    expect(map(s, base + K, K, R, MapFlag.PRIVATE | MapFlag.FIXED, { fd, offset: 0, name: long + i })).toBe(base + K);
  expect(mappedFiles(s).map((f) => f.file)).toEqual(["/kept", long + 1499]);
});

test("the host's pages are the guest's", () => {
  expect(hostPageProblem()).toBeUndefined();
});

test("what the file shows changes with the file", () => {
  const s = newSpace();
  const path = makeFile(K);
  const addr = map(s, 0, K, R, MapFlag.SHARED, file(path, "r"));
  const bytes = new Uint8Array(K).fill(3);
  writeFileSync(open(path, "r+"), bytes);
  expect(s.memory.u8[addr]).toBe(3);
});
