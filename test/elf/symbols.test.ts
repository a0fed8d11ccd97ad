// Symbols: by address and by name, in one file and in a process, against what nm says.
import { describe, expect, test } from "bun:test";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { loadSegments } from "../../src/elf/check.ts";
import { buildId } from "../../src/elf/file.ts";
import { type FileMapping, ProcessSymbols } from "../../src/elf/images.ts";
import { isFileError } from "../../src/elf/source.ts";
import { loadSymbols, SymbolType, symbolCovering, symbolInRow, symbolNamed } from "../../src/elf/symbols.ts";
import { bare, bareFlags, bytesOf, change, crossRoot, open, parse, workshop } from "./programs.ts";

const { folder, build } = workshop();

const program = build("symbols", bare, ...bareFlags, "-static", "-no-pie", "-Wl,--build-id");
const run = (...command: string[]): string => {
  const r = Bun.spawnSync(command);
  if (r.exitCode !== 0) throw new Error(`${command[0]}: ${r.stderr}`);
  return r.stdout.toString();
};
const nm = (path: string, ...flags: string[]) =>
  [...run("riscv64-linux-gnu-nm", ...flags, "-S", path).matchAll(/^(\w+) (\w+) ([a-zA-Z]) ([^@\n]+)/gm)].map((m) => ({
    address: Number.parseInt(m[1]!, 16),
    size: Number.parseInt(m[2]!, 16),
    letter: m[3]!,
    name: m[4]!,
  }));

describe("the table of a file", () => {
  const table = loadSymbols(open(program));

  test("has every sized symbol of nm, with its address, at its first and last byte but not after", () => {
    for (const s of nm(program).filter((s) => s.name !== "local")) {
      expect(symbolNamed(table, s.name)).toMatchObject({ address: s.address, size: s.size });
      expect(symbolCovering(table, s.address)?.name).toBe(s.name);
      expect(symbolCovering(table, s.address + s.size - 1)?.name).toBe(s.name);
      expect(symbolCovering(table, s.address + s.size)?.name).not.toBe(s.name);
    }
    expect(symbolNamed(table, "work")?.type).toBe(SymbolType.function);
    expect(symbolNamed(table, "zeroes")).toMatchObject({ type: SymbolType.object, size: 20000 });
  });

  test("gives a label without size its reach: to the next symbol or the end of its section", () => {
    const label = symbolNamed(table, "label")!;
    expect(label.size).toBe(0);
    expect(symbolCovering(table, label.address + 2)?.name).toBe("label");
    expect(symbolCovering(table, label.address + 0x10000000)).toBeUndefined();
    expect(symbolCovering(table, symbolNamed(table, "_start")!.address - 1)?.name).not.toBe("_start");
  });

  test("has no mapping symbols, labels of the assembler, thread-local or undefined symbols", () => {
    const names = Array.from(table.addresses, (_, row) => symbolInRow(table, row).name);
    expect(names.filter((n) => n.startsWith("$") || n.startsWith(".L"))).toEqual([]);
    expect(symbolNamed(table, "local")).toBeUndefined();
    expect(symbolNamed(table, "")).toBeUndefined();
  });

  test("comes from .dynsym in a stripped library, and from the dynamic entries without section headers", () => {
    const libc = join(crossRoot, "lib/libc.so.6");
    const wanted = nm(libc, "-D").filter((s) => "TWi".includes(s.letter));
    expect(wanted.length).toBeGreaterThan(1000);
    const headless = parse(change(bytesOf(libc), { sectionCount: 0 }));
    if (isFileError(headless)) throw new Error(headless.message);
    for (const symbols of [loadSymbols(open(libc)), loadSymbols(headless)])
      for (const s of wanted) {
        expect(symbolNamed(symbols, s.name)).toBeDefined();
        const at = symbolCovering(symbols, s.address)!;
        expect(s.address - at.address).toBeLessThan(at.size);
      }
    expect(symbolCovering(loadSymbols(open(libc)), symbolNamed(loadSymbols(headless), "write")!.address)?.name).toBe(
      "write",
    );
  });
});

describe("the symbols of a process", () => {
  const library = build("library", bare.replaceAll("_start", "begin"), ...bareFlags, "-shared", "-fPIC");
  const at = 0x20000000;
  const mapped = (file: string, base: number): FileMapping[] =>
    loadSegments(open(file)).map((s) => {
      const [offset, address] = [s.offset & -4096, s.address & -4096];
      return { start: base + address, end: base + address + 4096, offset, file };
    });
  const process = () => new ProcessSymbols(() => [...mapped(program, 0), ...mapped(library, at)], open);

  test("are found in the program and, moved, in a library, its bss included", () => {
    const symbols = process();
    const inLibrary = (name: string) => at + symbolNamed(loadSymbols(open(library)), name)!.address;
    expect(symbols.symbolAt(symbols.addressOf("work")! + 2)).toEqual({ name: "work", offset: 2, file: program });
    expect(symbols.symbolAt(inLibrary("helper"))).toEqual({ name: "helper", offset: 0, file: library });
    expect(symbols.symbolAt(inLibrary("zeroes") + 19999)).toEqual({ name: "zeroes", offset: 19999, file: library });
    expect(symbols.addressOf("begin")).toBe(inLibrary("begin"));
    expect(symbols.addressOf("nowhere")).toBeUndefined();
    expect(symbols.symbolAt(5)).toBeUndefined();
    symbols.close();
  });

  test("of a mapped file that is no ELF file or is gone are none", () => {
    const bad = parse(new Uint8Array(8));
    const symbols = new ProcessSymbols(
      () => [{ start: 0x1000, end: 0x2000, offset: 0, file: "/etc/passwd" }, ...mapped(program, 0)],
      (file) => (file === program ? open(file) : bad),
    );
    expect(symbols.symbolAt(0x1000)).toBeUndefined();
    expect(symbols.addressOf("work")).toBeDefined();
  });

  test("of a stripped file come from its debug file, by build-id", () => {
    const [stripped, debug] = [join(folder, "stripped"), join(folder, "debug")];
    copyFileSync(program, stripped);
    run("riscv64-linux-gnu-objcopy", "--only-keep-debug", program, debug);
    run("riscv64-linux-gnu-strip", stripped);
    const id = buildId(open(program))!;
    const asked: string[] = [];
    const symbols = new ProcessSymbols(
      () => mapped(stripped, 0),
      (file) => {
        asked.push(file);
        return open(file === stripped ? stripped : debug);
      },
    );
    expect(symbols.symbolAt(symbols.addressOf("helper")!)?.name).toBe("helper");
    expect(asked).toContain(`/usr/lib/debug/.build-id/${id.slice(0, 2)}/${id.slice(2)}.debug`);
  });
});
