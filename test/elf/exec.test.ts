// Starting programs: what is mapped where, what the stack holds, which scripts lead where, and what is said when a
// program does not start.
import { describe, expect, test } from "bun:test";
import { chmodSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { loadSegments } from "../../src/elf/check.ts";
import { hostPath, isFileError } from "../../src/elf/source.ts";
import { Aux } from "../../src/elf/stack.ts";
import { loadSymbols, symbolNamed } from "../../src/elf/symbols.ts";
import { type Loaded, loadProgram, shellStatus } from "../../src/linux/exec.ts";
import { hwcap } from "../../src/linux/hwcap.ts";
import type { ExecRequest } from "../../src/linux/program.ts";
import { type AddressSpace, newAddressSpace, stackTop } from "../../src/memory/address-space.ts";
import { accessible, newGuestMemory, Page, readable, readString } from "../../src/memory/guest-memory.ts";
import { brk, clear } from "../../src/memory/map.ts";
import { bare, bareFlags, bytesOf, change, changeLoad, crossRoot, open, workshop } from "./programs.ts";

const { folder, build } = workshop();

const fixed = build("exec-fixed", bare, ...bareFlags, "-static", "-no-pie");
const pie = build("exec-pie", bare, ...bareFlags, "-pie", "-fPIE", "-Wl,--no-dynamic-linker");
const dynamic = build("exec-dynamic", "int main(void) { return 3; }");
const ids = { uid: 1, euid: 2, gid: 3, egid: 4 };

/** A guest path is in the folder of libraries if that has it, else on the host. */
const locate = (path: string) => ({
  ...hostPath(path.startsWith("/lib/") ? crossRoot + path : path),
  guest: path,
  node: undefined,
});
const request = (path: string, more: Partial<ExecRequest> = {}): ExecRequest => ({
  path,
  argv: [path],
  envp: [],
  locate,
  stackLimit: 8 * 2 ** 20,
  ...more,
});

interface Start extends Loaded {
  readonly space: AddressSpace;
}

function start(r: ExecRequest): Start {
  const space = newAddressSpace(newGuestMemory(2 ** 26));
  const loaded = loadProgram(space, r, ids);
  if (isFileError(loaded)) throw new Error(loaded.message);
  return { ...loaded, space };
}

function refusal(r: ExecRequest) {
  const loaded = loadProgram(newAddressSpace(newGuestMemory(2 ** 20)), r, ids);
  if (!isFileError(loaded)) throw new Error(`${r.path} started`);
  return { ...loaded, status: shellStatus(loaded) };
}

const word = (s: Start, at: number): number => {
  const bytes = readable(s.space.memory, at, 8)!;
  return Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true));
};
const text = (s: Start, at: number): string => readString(s.space.memory, at, 2 ** 20)!;

/** What a program finds on its stack. */
function stackOf(s: Start) {
  const list = (at: number): number[] => {
    const found: number[] = [];
    for (; word(s, at) !== 0; at += 8) found.push(word(s, at));
    return found;
  };
  const argc = word(s, s.sp);
  const argv = list(s.sp + 8);
  const envp = list(s.sp + 8 * (argc + 2));
  const auxAt = s.sp + 8 * (argc + 2 + envp.length + 1);
  const aux = new Map<number, number>();
  let end = auxAt;
  for (; word(s, end) !== 0; end += 16) aux.set(word(s, end), word(s, end + 8));
  return { argc, argv, envp, aux, auxBytes: readable(s.space.memory, auxAt, end + 16 - auxAt)! };
}

let scripts = 0;
function script(...lines: string[]): string {
  const path = join(folder, `script${scripts++}`);
  writeFileSync(path, Buffer.from(lines.join("\n"), "latin1"));
  chmodSync(path, 0o755);
  return path;
}
function program(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  chmodSync(path, 0o755);
  return path;
}

describe("the image", () => {
  test.each([
    ["linked to an address", fixed, 0],
    ["position-independent", pie, 0x0100_0000],
  ])("of a program %s has the file's bytes, zeroes after them, and the segments' rights", (_what, path, bias) => {
    const s = start(request(path));
    const file = bytesOf(path);
    expect(s.bias).toBe(bias);
    expect(s.entry).toBe(open(path).entry + bias);
    for (const g of loadSegments(open(path))) {
      const [at, end] = [g.address + bias, g.address + bias + g.memorySize];
      expect(
        Buffer.compare(readable(s.space.memory, at, g.fileSize)!, file.subarray(g.offset, g.offset + g.fileSize)),
      ).toBe(0);
      expect(readable(s.space.memory, at + g.fileSize, g.memorySize - g.fileSize)!.every((b) => b === 0)).toBe(true);
      expect(accessible(s.space.memory, at, 1, Page.exec)).toBe((g.flags & 1) !== 0);
      expect(accessible(s.space.memory, at, 1, Page.write)).toBe((g.flags & 2) !== 0);
      // The last page is zero to its end, too, as a program's heap that begins there expects.
      if (g.flags & 2) expect(readable(s.space.memory, end, -end & 4095)!.every((b) => b === 0)).toBe(true);
    }
  });

  test("is followed by the heap", () => {
    const { space, bias } = start(request(pie));
    const last = loadSegments(open(pie)).at(-1)!;
    const end = Math.ceil((last.address + last.memorySize + bias) / 4096) * 4096;
    expect(brk(space, 0)).toBe(end);
    expect(brk(space, end + 0x300_0000)).toBe(end + 0x300_0000);
  });

  test("of a large program moves stack and mmap area up; of one linked high the heap stays low", () => {
    const large = start(request(program("large", changeLoad(bytesOf(pie), 1, { memorySize: 0x1400_0000 }))));
    expect(stackTop(large.space)).toBeGreaterThan(0x1500_0000);
    expect(brk(large.space, 0)).toBeGreaterThan(0x1500_0000);
    const highFlags = [...bareFlags, "-static", "-no-pie", "-Wl,-Ttext-segment=0x60000000"];
    const high = start(request(build("high", bare, ...highFlags)));
    expect(high.entry).toBeGreaterThan(0x60000000);
    expect(stackTop(high.space)).toBe(0x1000_0000);
    expect(brk(high.space, 0)).toBe(0x0100_0000);
  });

  test("of a program that leaves no room is refused with ENOMEM", () => {
    const path = program("huge", changeLoad(bytesOf(pie), 1, { memorySize: 0xff00_0000 - 0x2000 }));
    expect(refusal(request(path))).toMatchObject({ errno: 12, status: 126 });
  });

  test("respects an alignment beyond the page", () => {
    const s = start(request(program("aligned", changeLoad(bytesOf(pie), 0, { align: 0x0400_0000 }))));
    expect(s.bias).toBe(0x0400_0000);
  });

  test("of a dynamic program comes with its interpreter, which starts first", () => {
    const s = start(request(dynamic));
    const ld = open(join(crossRoot, "lib/ld-linux-riscv64-lp64d.so.1"));
    expect(s.entry).toBe(ld.entry + s.interpreterBias!);
    expect(s.interpreterBias! % 4096).toBe(0);
    expect(s.interpreterBias!).toBeGreaterThanOrEqual(stackTop(s.space));
    const { aux } = stackOf(s);
    expect(aux.get(Aux.base)).toBe(s.interpreterBias);
    expect(aux.get(Aux.entry)).toBe(open(dynamic).entry + s.bias);
    const name = symbolNamed(loadSymbols(open(dynamic)), "main")!;
    expect(accessible(s.space.memory, name.address + s.bias, name.size, Page.exec)).toBe(true);
  });

  test("has the signal trampoline that unwinders know in a page of its own", () => {
    const s = start(request(fixed));
    expect(s.trampoline % 4096).toBe(0);
    expect([...readable(s.space.memory, s.trampoline, 8)!]).toEqual([0x93, 0x08, 0xb0, 0x08, 0x73, 0, 0, 0]);
    expect(accessible(s.space.memory, s.trampoline, 4096, Page.read | Page.exec)).toBe(true);
    expect(accessible(s.space.memory, s.trampoline, 1, Page.write)).toBe(false);
  });

  test("has an executable stack only where PT_GNU_STACK asks for it", () => {
    const stack = (path: string) => {
      const s = start(request(path));
      return accessible(s.space.memory, s.sp, 8, Page.exec);
    };
    expect(stack(fixed)).toBe(false);
    expect(stack(build("execstack", bare, ...bareFlags, "-static", "-no-pie", "-z", "execstack"))).toBe(true);
  });
});

describe("the initial stack", () => {
  const argv = ["name", "", "two words", "\xff\xc3\xa9", "x".repeat(5000)];
  const envp = ["HOME=/root", "EMPTY=", "=", "NO_EQUALS"];

  test("holds arguments and environment, and sp is a multiple of 16", () => {
    for (let n = 1; n <= argv.length; n++) {
      const s = start(request(fixed, { argv: argv.slice(0, n), envp }));
      const found = stackOf(s);
      expect(s.sp % 16).toBe(0);
      expect(found.argc).toBe(n);
      expect(found.argv.map((at) => text(s, at))).toEqual(argv.slice(0, n));
      expect(found.envp.map((at) => text(s, at))).toEqual(envp);
    }
  });

  test("has the strings in Linux's order: arguments, environment, path of the program, a null word", () => {
    const s = start(request(fixed, { argv, envp }));
    const { argv: args, envp: env, aux } = stackOf(s);
    const ends = (list: number[]) => list.map((at) => at + text(s, at).length + 1);
    const all = [...args, ...env, aux.get(Aux.execfn)!];
    expect(ends(all).slice(0, -1)).toEqual(all.slice(1));
    expect(ends(all).at(-1)).toBe(stackTop(s.space) - 8);
    expect(word(s, stackTop(s.space) - 8)).toBe(0);
    expect(s.argStrings).toEqual([args[0]!, env[0]!]);
    expect(s.envStrings).toEqual([env[0]!, aux.get(Aux.execfn)!]);
  });

  test("has the auxiliary vector, which is answered too", () => {
    const s = start(request(pie));
    const { aux, auxBytes } = stackOf(s);
    expect(Buffer.compare(auxBytes, s.auxv)).toBe(0);
    expect(Object.fromEntries(aux)).toEqual({
      [Aux.phdr]: s.bias + 64,
      [Aux.phent]: 56,
      [Aux.phnum]: open(pie).segments.length,
      [Aux.pagesz]: 4096,
      [Aux.base]: 0,
      [Aux.flags]: 0,
      [Aux.entry]: s.entry,
      [Aux.uid]: 1,
      [Aux.euid]: 2,
      [Aux.gid]: 3,
      [Aux.egid]: 4,
      [Aux.hwcap]: hwcap,
      [Aux.clktck]: 100,
      [Aux.secure]: 0,
      [Aux.random]: aux.get(Aux.random)!,
      [Aux.execfn]: aux.get(Aux.execfn)!,
      [Aux.minsigstksz]: 1088,
      [Aux.rseqFeatureSize]: 24,
      [Aux.rseqAlign]: 32,
    });
    expect(text(s, aux.get(Aux.execfn)!)).toBe(pie);
    const random = (t: Start) =>
      Buffer.from(readable(t.space.memory, stackOf(t).aux.get(Aux.random)!, 16)!).toString("hex");
    expect(random(s)).not.toBe(random(start(request(pie))));
  });

  test("has one empty argument where there is none", () => {
    const s = start(request(fixed, { argv: [] }));
    expect(stackOf(s).argv.map((at) => text(s, at))).toEqual([""]);
  });

  test("is refused with E2BIG beyond 128 KiB a string, or a quarter of the stack's limit in all", () => {
    const longest = "x".repeat(128 * 1024 - 1);
    expect(start(request(fixed, { argv: [longest] })).argv[0]).toBe(longest);
    expect(refusal(request(fixed, { argv: [`${longest}x`] }))).toMatchObject({ errno: 7, status: 126 });
    const quarter = Array.from({ length: 16 }, () => longest);
    expect(refusal(request(fixed, { envp: quarter }))).toMatchObject({ errno: 7 });
    expect(start(request(fixed, { envp: quarter.slice(1) })).envp.length).toBe(15);
    expect(refusal(request(fixed, { envp: quarter.slice(0, 4), stackLimit: 2 ** 20 }))).toMatchObject({ errno: 7 });
  });
});

describe("a script", () => {
  test("starts its interpreter with one argument, its path, and the other arguments", () => {
    const path = script(`#!  ${fixed} \t one argument `, "text");
    const s = start(request(path, { argv: ["ignored", "a", "b"] }));
    expect(s.argv).toEqual([fixed, "one argument", path, "a", "b"]);
    expect(s.exe).toBe(fixed);
    expect(text(s, stackOf(s).aux.get(Aux.execfn)!)).toBe(path);
    expect(start(request(script(`#!${fixed}`))).argv).toHaveLength(2);
  });

  test("may be interpreted by scripts, five deep but not six", () => {
    let path = fixed;
    for (let depth = 1; depth <= 5; depth++) path = script(`#!${path} ${depth}`, "");
    const s = start(request(path, { argv: ["x", "end"] }));
    expect(s.argv.filter((a) => !a.startsWith("/"))).toEqual(["1", "2", "3", "4", "5", "end"]);
    expect(refusal(request(script(`#!${path}`, "")))).toMatchObject({ errno: 40, status: 126 });
  });

  test("has at most 255 bytes of line: an argument is cut, a path is refused", () => {
    const s = start(request(script(`#!${fixed} ${"x".repeat(300)}`, "")));
    expect(`#!${fixed} ${s.argv[1]}`).toHaveLength(255);
    expect(refusal(request(script(`#!/${"x".repeat(300)}`, ""))).errno).toBe(8);
    expect(refusal(request(script("#!   ", "")))).toMatchObject({ errno: 8, status: 126 });
  });

  test("whose interpreter does not start says which and why", () => {
    const missing = script("#!/no/such/program", "");
    expect(refusal(request(missing))).toEqual({
      errno: 2,
      message: `${missing}: the interpreter of this script, /no/such/program, was not found; give the root that has it with -L DIR`,
      status: 127,
    });
    expect(refusal(request(script(`#!${fixed}\r`, ""))).message).toContain("carriage return");
    const foreign = script(`#!${program("foreign", change(bytesOf(fixed), { machine: 62 }))}`, "");
    expect(refusal(request(foreign))).toMatchObject({ errno: 8, status: 126 });
    expect(refusal(request(foreign)).message).toContain("this file is for x86-64");
  });
});

describe("a program that does not start", () => {
  test("for want of its interpreter names it, -L, and the package", () => {
    const away = (path: string) => (path.startsWith("/lib/") ? -2 : locate(path));
    expect(refusal(request(dynamic, { locate: away }))).toEqual({
      errno: 2,
      message: `${dynamic}: needs /lib/ld-linux-riscv64-lp64d.so.1, which was not found; give the root that has it with -L DIR, such as -L /usr/riscv64-linux-gnu (Debian's package libc6-riscv64-cross)`,
      notable: true,
      status: 127,
    });
  });

  test("because its interpreter is bad answers ELIBBAD", () => {
    const bad = (path: string) => locate(path.startsWith("/lib/") ? script("no program") : path);
    expect(refusal(request(dynamic, { locate: bad }))).toMatchObject({ errno: 80, status: 126 });
    expect(refusal(request(dynamic, { locate: bad })).message).toContain("its interpreter does not start");
  });

  test("has the status of shells: 127 where it is not there, else 126", () => {
    expect(refusal(request("/no/such/program"))).toMatchObject({ errno: 2, status: 127 });
    expect(refusal(request(folder))).toMatchObject({ errno: 13, status: 126 });
    expect(
      refusal(request("/proc/self/maps", { locate: () => ({ ...hostPath(""), guest: undefined, node: {} }) })),
    ).toMatchObject({ errno: 13 });
  });
});

test("no start, good or bad, leaves a file open", () => {
  const truncated = program("truncated", bytesOf(fixed).subarray(0, 300));
  const badLibrary = (path: string) => locate(path.startsWith("/lib/") ? truncated : path);
  const noLibrary = (path: string) => (path.startsWith("/lib/") ? -2 : locate(path));
  const before = readdirSync("/proc/self/fd").length;
  for (let i = 0; i < 20; i++) {
    // What is mapped keeps its file.
    for (const path of [dynamic, script(`#!${fixed}`, "")]) clear(start(request(path)).space, undefined);
    refusal(request(truncated));
    refusal(request(script(`#!${truncated}`, "")));
    refusal(request(dynamic, { locate: badLibrary }));
    refusal(request(dynamic, { locate: noLibrary }));
    refusal(request(fixed, { envp: ["x".repeat(200_000)] }));
  }
  expect(readdirSync("/proc/self/fd").length).toBeLessThan(before + 20);
});

test("a program with any header changed starts or is refused in one sentence", () => {
  const original = bytesOf(pie);
  const path = program("mutant", original);
  const headers = 64 + 56 * open(pie).segments.length;
  const byte = fc.oneof(fc.constantFrom(0, 1, 0x10, 0x7f, 0x80, 0xff), fc.nat(255));
  const space = newAddressSpace(newGuestMemory(2 ** 26));
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 16, max: headers - 1 }), byte), { minLength: 1, maxLength: 4 }),
      (changes) => {
        const bytes = original.slice();
        for (const [at, value] of changes) bytes[at] = value;
        writeFileSync(path, bytes);
        clear(space, undefined);
        const loaded = loadProgram(space, request(path), ids);
        if (isFileError(loaded)) expect(loaded.message).toMatch(/^\S+: .{10,}$/);
        else expect(accessible(space.memory, loaded.entry, 2, Page.exec)).toBe(true);
      },
    ),
    { numRuns: 300 },
  );
});
