// Reading ELF files: what is in good ones, and the one sentence that each bad one gets.
import { describe, expect, test } from "bun:test";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { checkRunnable, loadSegments } from "../../src/elf/check.ts";
import { buildId, type ElfFile, ElfType, interpreterOf, sections } from "../../src/elf/file.ts";
import { hostPath, isFileError, openSource } from "../../src/elf/source.ts";
import { loadSymbols } from "../../src/elf/symbols.ts";
import { bare, bareFlags, bytesOf, change, changeLoad, open, parse, workshop } from "./programs.ts";

const { folder, build } = workshop();

const fixed = build("fixed", bare, ...bareFlags, "-static", "-no-pie");
const dynamic = build("dynamic", "int main(void) { return 3; }");
const good = bytesOf(fixed);

/** The sentence for bytes that cannot run; "" where they can. */
function complaint(bytes: Uint8Array): string {
  const elf = parse(bytes);
  return (isFileError(elf) ? elf : checkRunnable(elf))?.message ?? "";
}

describe("a good file", () => {
  test("gives its type, entry and segments as readelf sees them", () => {
    const elf = open(fixed);
    const [loads] = [loadSegments(elf)];
    expect(elf.type).toBe(ElfType.executable);
    expect(checkRunnable(elf)).toBeUndefined();
    const text = Bun.spawnSync(["riscv64-linux-gnu-readelf", "-lW", fixed]).stdout.toString();
    expect(text).toContain(`Entry point 0x${elf.entry.toString(16)}`);
    const listed = [...text.matchAll(/^ +LOAD +(0x\w+) (0x\w+) 0x\w+ (0x\w+) (0x\w+)/gm)].map((m) =>
      m.slice(1).map(Number),
    );
    expect(loads.map((s) => [s.offset, s.address, s.fileSize, s.memorySize])).toEqual(listed);
  });

  test("gives its interpreter, build-id and sections", () => {
    const elf = open(dynamic);
    expect(interpreterOf(elf)).toBe("/lib/ld-linux-riscv64-lp64d.so.1");
    expect(interpreterOf(open(fixed))).toBeUndefined();
    const notes = Bun.spawnSync(["riscv64-linux-gnu-readelf", "-nW", dynamic]).stdout.toString();
    expect(notes).toContain(`Build ID: ${buildId(elf)}`);
    expect(sections(elf).map((s) => s.name)).toContain(".text");
  });
});

describe("a file that cannot run is described in one sentence", () => {
  const text = (s: string) => new TextEncoder().encode(s);
  const cases: readonly (readonly [what: string, bytes: Uint8Array, sentence: RegExp])[] = [
    ["empty", text(""), /this file is empty/],
    ["text", text("hello, world\n"), /not an ELF file but text/],
    ["other data", Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0, 0, 0), /not an ELF file but other data/],
    ["cut in the header", good.subarray(0, 40), /truncated: only 40 bytes long/],
    ["cut in the program headers", good.subarray(0, 100), /truncated or damaged: its program headers end at byte/],
    ["cut in a segment", good.subarray(0, 0x200), /truncated or damaged: the segment at 0x11000 needs/],
    ["x86-64", change(good, { machine: 62 }), /this file is for x86-64; sabre runs 64-bit RISC-V \(riscv64\) programs/],
    ["aarch64", change(good, { machine: 183 }), /for aarch64;/],
    ["arm", change(good, { machine: 40, class: 1 }), /for arm;/],
    ["i386", change(good, { machine: 3, class: 1 }), /for i386;/],
    ["big-endian s390x", change(good, { endian: 2, machine: 22 * 256 }), /for s390x;/],
    ["no known machine", change(good, { machine: 4711 }), /an unknown machine \(number 4711\)/],
    ["riscv32", change(good, { class: 1 }), /for 32-bit RISC-V \(riscv32\)/],
    ["big-endian riscv", change(good, { endian: 2, machine: 243 * 256 }), /for big-endian RISC-V/],
    ["an object file", change(good, { type: 1 }), /an object file, not a program; link it/],
    ["a core dump", change(good, { type: 4 }), /a core dump/],
    ["of another type", change(good, { type: 0xfe00 }), /its type is 65024, not EXEC or DYN/],
    ["RV64E", change(good, { flags: 0x8 }), /RV64E.*compile it with -march=rv64gc/],
    ["quad precision", change(good, { flags: 0x7 }), /128-bit floating-point/],
    ["total store ordering", change(good, { flags: 0x15 }), /total store ordering/],
    ["program headers of another size", change(good, { headerSize: 32 }), /program headers have 32 bytes each, not 56/],
    ["too many program headers", change(good, { headerCount: 65535 }), /claims 65535 program headers/],
    ["program headers far away", change(good, { headerOffset: 2 ** 60 }), /truncated or damaged: its program headers/],
    ["without program headers", change(good, { headerCount: 0 }), /nothing to load/],
    ["without an entry", change(good, { entry: 0 }), /no entry point; it is a shared library/],
    ["with a wild entry", change(good, { entry: 0x12345678 }), /entry point 0x12345678 is in no executable segment/],
    ["with an odd entry", change(good, { entry: 0x10001 }), /entry point 0x10001 is odd/],
    ["overlapping segments", changeLoad(good, 0, { memorySize: 0x5000 }), /segments at 0x10000 and 0x1\w+ overlap/],
    ["unsorted segments", changeLoad(good, 0, { address: 0x4000000 }), /not in the order of their addresses/],
    ["a huge segment", changeLoad(good, 1, { memorySize: 2 ** 40 }), /1099511627776 bytes of memory does not fit/],
    ["a segment that wraps", changeLoad(good, 1, { memorySize: 2n ** 64n - 0x1000n }), /does not fit into the 4 GiB/],
    ["a segment beyond the end", changeLoad(good, 1, { address: 0xffffff0000001000n, offset: 0x1000 }), /does not fit/],
    [
      "more in the file than in memory",
      changeLoad(good, 1, { memorySize: 1 }),
      /more bytes in the file \(\d+\) than in/,
    ],
    ["a misaligned segment", changeLoad(good, 1, { offset: 0x123 }), /differ within the 4096-byte page/],
    ["a file offset beyond the end", changeLoad(good, 1, { offset: 2n ** 63n }), /truncated or damaged/],
  ];
  test.each(cases)("%s", (_what, bytes, sentence) => {
    expect(complaint(bytes)).toMatch(sentence);
    expect(complaint(bytes)).toStartWith("prog: ");
    expect(complaint(bytes)).not.toContain("\n");
  });
});

describe("a path that cannot be opened as a program", () => {
  const openFor = (path: string) => {
    const found = openSource(hostPath(path), path, true);
    return isFileError(found) ? found : undefined;
  };
  test("a directory, a device, a FIFO are named; a FIFO is not waited for", () => {
    const fifo = join(folder, "fifo");
    Bun.spawnSync(["mkfifo", fifo]);
    expect(openFor(folder)?.message).toContain("this is a directory");
    expect(openFor("/dev/null")?.message).toContain("this is a character device");
    expect(openFor(fifo)?.message).toContain("this is a FIFO");
    expect(openFor(fifo)?.errno).toBe(13);
  });

  test("one that is not there is ENOENT, below a file ENOTDIR", () => {
    expect(openFor(join(folder, "nothing"))).toEqual({
      errno: 2,
      message: `${folder}/nothing: no such file; give the path of a riscv64 program`,
    });
    expect(openFor(join(fixed, "x"))?.errno).toBe(20);
    expect(openFor("/" + "x".repeat(5000))?.errno).toBe(36);
  });

  test("one without execute permission says how to give it", () => {
    const path = join(folder, "plain");
    writeFileSync(path, good);
    chmodSync(path, 0o644);
    expect(openFor(path)).toEqual({
      errno: 13,
      message: `${path}: execute permission is missing (mode 0644); chmod +x ${path} gives it`,
    });
  });
});

describe("hostile bytes", () => {
  /** Reads everything there is to read of a file. */
  const readAll = (elf: ElfFile) => [interpreterOf(elf), sections(elf), buildId(elf), loadSymbols(elf)];
  const survives = (bytes: Uint8Array) => {
    const elf = parse(bytes);
    if (isFileError(elf)) expect(elf.message.length).toBeGreaterThan(10);
    else {
      readAll(elf);
      const error = checkRunnable(elf);
      if (error !== undefined) expect(error.message).toStartWith("prog: ");
      else for (const s of loadSegments(elf)) expect(s.address + s.memorySize).toBeLessThanOrEqual(2 ** 32);
    }
  };
  const dynamicBytes = bytesOf(dynamic);

  test("a file cut anywhere is read or refused", () => {
    fc.assert(fc.property(fc.nat(dynamicBytes.length), (n) => survives(dynamicBytes.subarray(0, n))));
  });

  test("headers with any bytes changed are read or refused", () => {
    const { programHeaders, sectionHeaders } = { programHeaders: 64 + 56 * 10, sectionHeaders: 64 * 30 };
    const place = fc.oneof(
      fc.nat(programHeaders),
      fc.nat(sectionHeaders).map((n) => dynamicBytes.length - 1 - n),
      fc.nat(dynamicBytes.length - 1),
    );
    const byte = fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.nat(255));
    fc.assert(
      fc.property(fc.array(fc.tuple(place, byte), { minLength: 1, maxLength: 16 }), (changes) => {
        const bytes = dynamicBytes.slice();
        for (const [at, value] of changes) bytes[at] = value;
        survives(bytes);
      }),
      { numRuns: 1000 },
    );
  });
});
