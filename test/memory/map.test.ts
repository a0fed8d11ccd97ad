// mmap, munmap, mprotect and brk: the rules, one by one.
import { describe, expect, test } from "bun:test";
import { fstatSync, readFileSync } from "node:fs";
import {
  attachAddressSpace,
  guardGap,
  layoutFor,
  minAddress,
  setLayout,
  taskSize,
} from "../../src/memory/address-space.ts";
import { addressLimit, attachGuestMemory, Page, readable } from "../../src/memory/guest-memory.ts";
import { brk, clear, MapFlag, map, protect, setBrk, unmap } from "../../src/memory/map.ts";
import { mapsText } from "../../src/memory/maps.ts";
import { makeFile, open } from "./files.ts";
import {
  anon,
  base,
  EACCES,
  EBADF,
  EEXIST,
  EINVAL,
  ENODEV,
  ENOMEM,
  EOVERFLOW,
  EPERM,
  fixed,
  K,
  listed,
  newSpace,
  R,
  RW,
  rights,
  stateOf,
  W,
  X,
} from "./spaces.ts";

const shared = MapFlag.SHARED;
const file = (path: string, flags = "r", offset = 0) => ({ fd: open(path, flags), offset, name: path });

describe("mmap of anonymous memory", () => {
  test("takes the first hole that is large enough, from the top of the stack upwards", () => {
    const s = newSpace();
    expect(map(s, 0, 3 * K, RW, anon)).toBe(base);
    expect(map(s, 0, 1, R, anon)).toBe(base + 3 * K);
    expect(unmap(s, base, 2 * K)).toBe(0);
    expect(map(s, 0, 3 * K, RW, anon)).toBe(base + 4 * K);
    expect(map(s, 0, 2 * K, RW, anon)).toBe(base);
  });

  test("a hint is followed where it is free, rounded down, and ignored elsewhere", () => {
    const s = newSpace();
    expect(map(s, 0x2000_0123, K, RW, anon)).toBe(0x2000_0000);
    expect(map(s, 0x2000_0000, K, RW, anon)).toBe(base);
    expect(map(s, 8, K, RW, anon)).toBe(minAddress);
    for (const hint of [taskSize, addressLimit, 2 ** 40, 2 ** 63, 2 ** 64])
      expect(map(s, hint, K, RW, anon)).toBeLessThan(base + 16 * K);
  });

  test("MAP_FIXED replaces, and what it shows is zero", () => {
    const s = newSpace();
    map(s, base, 4 * K, RW, anon);
    s.memory.u8.fill(7, base, base + 4 * K);
    expect(map(s, base + K, K, R, fixed)).toBe(base + K);
    expect(s.memory.u8[base]).toBe(7);
    expect(s.memory.u8[base + K]).toBe(0);
    expect(listed(s)).toEqual(["0-1 rw-p", "1-2 r--p", "2-4 rw-p"]);
  });

  test("MAP_FIXED_NOREPLACE refuses what is taken", () => {
    const s = newSpace();
    const flags = anon | MapFlag.FIXED_NOREPLACE;
    expect(map(s, base, 2 * K, RW, flags)).toBe(base);
    expect(map(s, base + K, K, RW, flags)).toBe(-EEXIST);
    expect(map(s, base + 2 * K, K, RW, flags)).toBe(base + 2 * K);
  });

  test("refuses arguments as Linux does", () => {
    const s = newSpace();
    const before = stateOf(s);
    expect(map(s, 0, 0, RW, anon)).toBe(-EINVAL);
    expect(map(s, 0, K, RW, MapFlag.ANONYMOUS)).toBe(-EINVAL);
    expect(map(s, 0, K, RW, MapFlag.ANONYMOUS | MapFlag.SHARED_VALIDATE)).toBe(-EINVAL);
    expect(map(s, 0, K, RW, MapFlag.ANONYMOUS | shared | MapFlag.GROWSDOWN)).toBe(-EINVAL);
    expect(map(s, 0, K, RW, anon, { fd: -1, offset: 1, name: "" })).toBe(-EINVAL);
    expect(map(s, base + 1, K, RW, fixed)).toBe(-EINVAL);
    expect(map(s, 0, K, RW, fixed)).toBe(-EPERM);
    expect(map(s, minAddress - K, K, RW, fixed)).toBe(-EPERM);
    expect(map(s, 0, K, RW, MapFlag.PRIVATE)).toBe(-EBADF);
    expect(map(s, 0, K, RW, anon | MapFlag.HUGETLB)).toBe(-ENOMEM);
    for (const length of [taskSize + 1, addressLimit, 2 ** 53, 2 ** 63, 2 ** 64])
      expect(map(s, 0, length, RW, anon)).toBe(-ENOMEM);
    for (const addr of [taskSize, addressLimit, 2 ** 40, 2 ** 64 - 4096])
      expect(map(s, addr, K, RW, fixed)).toBe(-ENOMEM);
    expect(stateOf(s)).toBe(before);
  });

  test("the address space ends at 4 GiB minus 64 KiB, and being full is ENOMEM", () => {
    const s = newSpace();
    expect(map(s, 0, taskSize - base, 0, anon | MapFlag.NORESERVE)).toBe(base);
    expect(map(s, 0, K, R, anon)).toBe(-ENOMEM);
    expect(protect(s, taskSize - K, K, RW)).toBe(0);
    expect(s.memory.size).toBeGreaterThanOrEqual(taskSize);
    s.memory.u8[taskSize - 1] = 1;
    expect(unmap(s, base, taskSize - base)).toBe(0);
    expect(map(s, taskSize - K, K, R, fixed)).toBe(taskSize - K);
    expect(s.memory.u8[taskSize - 1]).toBe(0);
  });

  test("the memory grows to what is mapped, and addresses on the host stay", () => {
    const s = newSpace();
    const { hostBase, size } = s.memory;
    const addr = map(s, 0, 400 * 2 ** 20, RW, anon);
    expect(s.memory.size).toBeGreaterThan(size);
    expect(s.memory.hostBase).toBe(hostBase);
    expect(s.memory.u8[addr + 399 * 2 ** 20]).toBe(0);
  });

  test("memory stays below 2 GiB, where it is fast, while no page above may be touched", () => {
    const s = newSpace();
    map(s, 0, 3 * 2 ** 30, 0, anon | MapFlag.NORESERVE);
    expect(s.memory.size).toBeLessThan(base + 2 ** 27);
    expect(protect(s, 2 ** 31 - 2 ** 20, 2 ** 19, RW)).toBe(0);
    expect(s.memory.size).toBeLessThan(2 ** 31);
    expect(unmap(s, base, 3 * 2 ** 30)).toBe(0);
    expect(map(s, 2 ** 31, K, RW, fixed)).toBe(2 ** 31);
    expect(s.memory.u8[2 ** 31]).toBe(0);
  });

  test("no more mappings than vm.max_map_count", () => {
    const s = newSpace();
    let n = 0;
    while (map(s, 0, K, n % 2 === 0 ? R : RW, anon) >= 0) n++;
    expect(n).toBe(65531);
    const before = stateOf(s);
    expect(map(s, 0, K, R, anon)).toBe(-ENOMEM);
    expect(stateOf(s)).toBe(before);
    expect(unmap(s, base, 3 * K)).toBe(0);
    expect(map(s, 0, 3 * K, R, anon)).toBe(base);
    // Splitting one mapping into three needs two more.
    expect(protect(s, base + K, K, 0)).toBe(-ENOMEM);
    expect(unmap(s, base + K, K)).toBe(0);
  });

  test("RLIMIT_AS and RLIMIT_DATA bound it", () => {
    const s = newSpace();
    s.limit = (what) => (what === "as" ? 8 * K : what === "data" ? 4 * K : Number.POSITIVE_INFINITY);
    expect(map(s, base, 4 * K, RW, anon)).toBe(base);
    expect(map(s, 0, K, RW, anon)).toBe(-ENOMEM);
    expect(map(s, 0, 4 * K, R, anon)).toBe(base + 4 * K);
    expect(map(s, 0, K, R, anon)).toBe(-ENOMEM);
    expect(map(s, base, K, R, fixed)).toBe(base);
    expect(protect(s, base + 4 * K, 2 * K, RW)).toBe(-ENOMEM);
    expect(protect(s, base + 4 * K, K, RW)).toBe(0);
  });
});

describe("rights", () => {
  test("a page that can be written can be read; one that can only be executed cannot", () => {
    const s = newSpace();
    const addr = map(s, 0, 4 * K, 0, anon);
    const seen = [0, R, W, X, R | X, RW | X].map((prot) => {
      expect(protect(s, addr, K, prot)).toBe(0);
      return rights(s, addr);
    });
    expect(seen).toEqual(["", "r", "rw", "x", "rx", "rwx"]);
  });

  test("mprotect refuses holes and wrong arguments, and changes nothing then", () => {
    const s = newSpace();
    map(s, base, 2 * K, RW, anon);
    map(s, base + 3 * K, K, RW, anon);
    const before = stateOf(s);
    expect(protect(s, base, 4 * K, R)).toBe(-ENOMEM);
    expect(protect(s, base + 2 * K, K, R)).toBe(-ENOMEM);
    expect(protect(s, base + 1, K, R)).toBe(-EINVAL);
    expect(protect(s, base, K, 0x10)).toBe(-EINVAL);
    expect(protect(s, base, K, 0x0300_0000)).toBe(-EINVAL);
    expect(protect(s, base, K, 0x0100_0000 | R)).toBe(-EINVAL);
    expect(protect(s, base, K, 0x0200_0000 | R)).toBe(-EINVAL);
    expect(protect(s, base, 0, 0x10)).toBe(0);
    for (const length of [addressLimit, 2 ** 53, 2 ** 64]) expect(protect(s, base, length, R)).toBe(-ENOMEM);
    for (const addr of [taskSize, 2 ** 40, 2 ** 64 - 4096]) expect(protect(s, addr, K, R)).toBe(-ENOMEM);
    expect(stateOf(s)).toBe(before);
  });

  test("PROT_GROWSDOWN reaches to the beginning of a stack", () => {
    const s = newSpace();
    map(s, base, 8 * K, RW, anon | MapFlag.GROWSDOWN);
    expect(protect(s, base + 4 * K, K, RW | X | 0x0100_0000)).toBe(0);
    expect(listed(s)).toEqual(["0-5 rwxp", "5-8 rw-p"]);
  });

  test("neighbours that are alike are one mapping", () => {
    const s = newSpace();
    map(s, base, K, RW, anon);
    map(s, base + 2 * K, K, RW, anon);
    map(s, base + K, K, RW, anon);
    expect(listed(s)).toEqual(["0-3 rw-p"]);
    protect(s, base + K, K, R);
    expect(listed(s)).toEqual(["0-1 rw-p", "1-2 r--p", "2-3 rw-p"]);
    protect(s, base + K, K, RW);
    expect(listed(s)).toEqual(["0-3 rw-p"]);
  });

  test("the engine hears of code that is unmapped, mapped over, or changes its rights", () => {
    const s = newSpace();
    const changed: number[] = [];
    s.memory.codeChanged = (start) => changed.push((start - base) / K);
    const code = 8;
    const mark = (page: number) => {
      s.memory.pages[base / K + page]! |= code;
    };
    map(s, base, 4 * K, R | X, anon);
    for (const page of [0, 1, 2, 3]) mark(page);
    protect(s, base, K, R);
    map(s, base + K, K, R | X, fixed);
    unmap(s, base + 2 * K, K);
    expect(changed).toEqual([0, 1, 2]);
    protect(s, base + K, K, RW | X);
    expect(changed).toEqual([0, 1, 2]);
    expect([0, 1, 2, 3].map((page) => s.memory.pages[base / K + page]! & code)).toEqual([0, 0, 0, code]);
  });
});

describe("munmap", () => {
  test("takes holes as they are, and gives zeroed memory to the next", () => {
    const s = newSpace();
    map(s, base, 6 * K, RW, anon);
    s.memory.u8.fill(9, base, base + 6 * K);
    expect(unmap(s, base + K, 2 * K)).toBe(0);
    expect(unmap(s, base, 4 * K)).toBe(0);
    expect(listed(s)).toEqual(["4-6 rw-p"]);
    expect(rights(s, base)).toBe("");
    expect(map(s, 0, 4 * K, R, anon)).toBe(base);
    expect(s.memory.u8.subarray(base, base + 4 * K).every((b) => b === 0)).toBe(true);
    expect(s.memory.u8[base + 4 * K]).toBe(9);
  });

  test("refuses wrong arguments", () => {
    const s = newSpace();
    expect(unmap(s, base + 1, K)).toBe(-EINVAL);
    expect(unmap(s, base, 0)).toBe(-EINVAL);
    for (const [addr, length] of [
      [taskSize, K],
      [base, taskSize],
      [0, 2 ** 64],
      [2 ** 64 - 4096, K],
    ] as const)
      expect(unmap(s, addr, length)).toBe(-EINVAL);
    expect(unmap(s, 0, taskSize)).toBe(0);
  });

  test("clear leaves an address space as new", () => {
    const s = newSpace();
    setBrk(s, 0x20000);
    brk(s, 0x28000);
    map(s, 0, K, RW, anon);
    map(s, 0, K, RW, shared, file(makeFile(K), "r+"));
    clear(s, layoutFor(8 * 2 ** 20));
    expect(stateOf(s)).toBe(stateOf(newSpace()));
  });
});

describe("files", () => {
  test("a shared mapping writes to the file, and sees what others write", () => {
    const s = newSpace();
    const path = makeFile(2 * K);
    const addr = map(s, 0, 2 * K, RW, shared, file(path, "r+"));
    const again = map(s, 0, K, R, shared, file(path, "r"));
    const copy = map(s, 0, K, RW, MapFlag.PRIVATE, file(path, "r", K));
    expect(s.memory.u8[addr + K]).toBe(66);
    s.memory.u8[addr] = 1;
    s.memory.u8[copy] = 2;
    expect(readFileSync(path)[0]).toBe(1);
    expect(s.memory.u8[again]).toBe(1);
    expect(readFileSync(path)[K]).toBe(66);
    unmap(s, addr, 2 * K);
    expect(map(s, addr, K, RW, fixed)).toBe(addr);
    expect(s.memory.u8[addr]).toBe(0);
    expect(readFileSync(path)[0]).toBe(1);
  });

  test("what a descriptor does not allow is EACCES, then and later", () => {
    const s = newSpace();
    const path = makeFile(K);
    expect(map(s, 0, K, RW, shared, file(path, "r"))).toBe(-EACCES);
    expect(map(s, 0, K, R, shared, file(path, "a"))).toBe(-EACCES);
    expect(map(s, 0, K, R, MapFlag.PRIVATE, file(path, "a"))).toBe(-EACCES);
    const addr = map(s, 0, K, R, shared, file(path, "r"));
    expect(addr).toBe(base);
    expect(protect(s, addr, K, RW)).toBe(-EACCES);
    expect(rights(s, addr)).toBe("r");
    const copy = map(s, 0, K, R, MapFlag.PRIVATE, file(path, "r"));
    expect(protect(s, copy, K, RW)).toBe(0);
  });

  test("what cannot be mapped says so", () => {
    const s = newSpace();
    expect(map(s, 0, K, R, MapFlag.PRIVATE, file("/"))).toBe(-ENODEV);
    expect(map(s, 0, K, R, MapFlag.PRIVATE, file("/dev/null", "r+"))).toBe(-ENODEV);
    expect(map(s, 0, K, R, MapFlag.PRIVATE, { fd: 99999, offset: 0, name: "" })).toBe(-EBADF);
    const path = makeFile(K);
    expect(map(s, 0, K, R, MapFlag.PRIVATE, file(path, "r", 512))).toBe(-EINVAL);
    expect(map(s, 0, K, R, MapFlag.PRIVATE, file(path, "r", 2 ** 63))).toBe(-EOVERFLOW);
    expect(map(s, 0, K, R, MapFlag.PRIVATE, file(path, "r", -K))).toBe(-EOVERFLOW);
    expect(map(s, 0, K, R, MapFlag.PRIVATE | MapFlag.GROWSDOWN, file(path))).toBe(-EINVAL);
    expect(map(s, 0, K, R, MapFlag.PRIVATE | MapFlag.HUGETLB, file(path))).toBe(-EINVAL);
    expect(map(s, 0, 0, R, MapFlag.PRIVATE, file(path))).toBe(-EINVAL);
    expect(mapsText(s)).toBe("");
  });

  test("a failure leaves what MAP_FIXED would have replaced", () => {
    const s = newSpace();
    map(s, base, K, RW, anon);
    s.memory.u8[base] = 5;
    expect(map(s, base, K, RW, shared | MapFlag.FIXED, file(makeFile(K), "r"))).toBe(-EACCES);
    expect(s.memory.u8[base]).toBe(5);
    expect(rights(s, base)).toBe("rw");
  });

  test("/dev/zero is anonymous memory", () => {
    const s = newSpace();
    const addr = map(s, 0, 2 * K, RW, MapFlag.PRIVATE, file("/dev/zero", "r+"));
    s.memory.u8[addr + K] = 1;
    expect(rights(s, addr + K)).toBe("rw");
  });

  test("a memory with file mappings can be given up", () => {
    (() => {
      const s = newSpace();
      map(s, 0, K, R, shared, file(makeFile(K), "r"));
      map(s, 0, K, RW, shared, file(makeFile(K), "r+"));
      map(s, 0, K, R, MapFlag.PRIVATE, file(makeFile(K), "r"));
    })();
    for (let i = 0; i < 3; i++) Bun.gc(true);
  });

  test("maps shows them as Linux does", () => {
    const s = newSpace();
    const path = makeFile(3 * K);
    setBrk(s, 0x20000);
    brk(s, 0x21800);
    map(s, base - 4 * K, 4 * K, RW, fixed | MapFlag.GROWSDOWN | MapFlag.STACK);
    map(s, 0, 2 * K, R | X, MapFlag.PRIVATE, file(path, "r", K));
    map(s, 0, K, RW, shared | MapFlag.ANONYMOUS);
    map(s, 0, K, R | X, anon, { fd: -1, offset: 0, name: "[vdso]" });
    map(s, 0, K, 0, anon);
    const { dev, ino } = fstatSync(open(path, "r"));
    const hex = (n: number) => n.toString(16).padStart(2, "0");
    const device = `${hex((dev >> 8) & 0xfff)}:${hex((dev & 0xff) | ((dev >> 12) & 0xfff00))}`;
    const named = (text: string, name: string) => `${text.padEnd(73)}${name}\n`;
    expect(mapsText(s)).toBe(
      named("00020000-00022000 rw-p 00000000 00:00 0", "[heap]") +
        named("0fffc000-10000000 rw-p 00000000 00:00 0", "[stack]") +
        named(`10000000-10002000 r-xp 00001000 ${device} ${ino}`, path) +
        named("10002000-10003000 rw-s 00000000 00:01 1", "/dev/zero (deleted)") +
        named("10003000-10004000 r-xp 00000000 00:00 0", "[vdso]") +
        "10004000-10005000 ---p 00000000 00:00 0 \n",
    );
  });
});

describe("brk", () => {
  const start = 0x20000;
  const heap = () => {
    const s = newSpace();
    setBrk(s, start);
    return s;
  };

  test("grows and shrinks by bytes, and maps by pages", () => {
    const s = heap();
    expect(brk(s, 0)).toBe(start);
    expect(brk(s, start + 100)).toBe(start + 100);
    expect(rights(s, start)).toBe("rw");
    s.memory.u8[start] = 3;
    expect(brk(s, start + 5 * K)).toBe(start + 5 * K);
    s.memory.u8[start + 4 * K] = 4;
    expect(brk(s, start + K)).toBe(start + K);
    expect(rights(s, start + 4 * K)).toBe("");
    expect(brk(s, start + 5 * K)).toBe(start + 5 * K);
    expect([s.memory.u8[start], s.memory.u8[start + 4 * K]]).toEqual([3, 0]);
  });

  test("answers the old end where it cannot move", () => {
    const s = heap();
    brk(s, start + K);
    map(s, start + 4 * K, K, R, fixed);
    const before = stateOf(s);
    for (const addr of [1, start - 1, start + 4 * K, start + 64 * K, taskSize, addressLimit, 2 ** 53, 2 ** 64])
      expect(brk(s, addr)).toBe(start + K);
    expect(stateOf(s)).toBe(before);
    expect(brk(s, start + 3 * K)).toBe(start + 3 * K);
  });

  test("leaves the stack its room", () => {
    const s = heap();
    const layout = layoutFor(8 * 2 ** 20);
    expect(brk(s, layout.stackTop - layout.stackReserve)).toBe(start);
    const end = layout.stackTop - layout.stackReserve - K;
    expect(brk(s, end)).toBe(end);
    map(s, layout.stackTop - K, K, RW, fixed | MapFlag.GROWSDOWN);
    expect(s.memory.fault(layout.stackTop - 8 * 2 ** 20, Page.write)).toBe(true);
  });
});

test("a larger stack, or a larger program, moves the top of the stack up", () => {
  expect(layoutFor(8 * 2 ** 20).stackTop).toBe(base);
  expect(layoutFor(Number.POSITIVE_INFINITY).stackTop).toBe(base);
  for (const [stack, image] of [
    [512 * 2 ** 20, 0],
    [8 * 2 ** 20, 300 * 2 ** 20],
  ] as const) {
    const layout = layoutFor(stack, image);
    expect(layout.stackTop).toBeGreaterThanOrEqual(stack + image + guardGap * K);
    const s = newSpace();
    setLayout(s, layout);
    expect(map(s, 0, K, R, anon)).toBe(layout.stackTop);
  }
});

test("another worker's views of the same buffers show the same mappings", () => {
  const s = newSpace();
  const addr = map(s, 0, 2 * K, RW, anon);
  const memory = attachGuestMemory(s.memory.memory);
  const { head, records, files, names } = s;
  const other = attachAddressSpace(memory, { head, records, files, names });
  expect(mapsText(other)).toBe(mapsText(s));
  expect(unmap(other, addr, K)).toBe(0);
  expect(rights(s, addr)).toBe("");
  expect(map(other, 0, 512 * 2 ** 20, RW, anon)).toBe(addr + 2 * K);
  expect(readable(s.memory, addr + 500 * 2 ** 20, 4)?.length).toBe(4);
});
