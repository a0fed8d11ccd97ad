// What the tests of this folder have in common: small programs, built by the cross compiler, and changed copies of them.
import { afterAll } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ElfFile, openElf, readElf } from "../../src/elf/file.ts";
import { type FileError, hostPath, isFileError, sourceOfBytes } from "../../src/elf/source.ts";

/** Where the cross compiler's libraries are: a root for dynamic programs. */
export const crossRoot = "/usr/riscv64-linux-gnu";

/** A folder for one test file, and a compiler that puts C programs into it and answers their paths. */
export function workshop() {
  const folder = mkdtempSync(join(tmpdir(), "sabre-elf-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const build = (name: string, source: string, ...flags: string[]): string => {
    const [input, output] = [join(folder, `${name}.c`), join(folder, name)];
    writeFileSync(input, source);
    const r = Bun.spawnSync(["riscv64-linux-gnu-gcc", "-O1", ...flags, "-o", output, input]);
    if (r.exitCode !== 0) throw new Error(`riscv64-linux-gnu-gcc ${name}: ${r.stderr}`);
    return output;
  };
  return { folder, build };
}

/** A program without a library, that does nothing. */
export const bare = `
int zeroes[5000]; int data = 1; __thread int local;
__attribute__((noinline)) static int helper(int x) { return x * 3; }
__attribute__((noinline)) int work(int x) { zeroes[x] = data; return helper(x) + 1; }
__asm__(".globl _start\\n_start: andi a0, sp, 15\\n call work\\n li a7, 93\\n ecall\\nlabel: nop\\n nop\\n");
`;
export const bareFlags = ["-nostdlib", "-ffreestanding"];

export const bytesOf = (path: string): Uint8Array => new Uint8Array(readFileSync(path));

export const parse = (bytes: Uint8Array, name = "prog"): ElfFile | FileError => readElf(sourceOfBytes(bytes, name));

/** Opens an ELF file that is known to be good. */
export function open(path: string): ElfFile {
  const elf = openElf(hostPath(path), path);
  if (isFileError(elf)) throw new Error(elf.message);
  return elf;
}

/** Fields of the file header and of program headers: offset and width in bytes. */
export const field = {
  class: [4, 1],
  endian: [5, 1],
  type: [16, 2],
  machine: [18, 2],
  entry: [24, 8],
  headerOffset: [32, 8],
  sectionOffset: [40, 8],
  flags: [48, 4],
  headerSize: [54, 2],
  headerCount: [56, 2],
  sectionCount: [60, 2],
} as const;
const segmentField = {
  type: 0,
  flags: 4,
  offset: 8,
  address: 16,
  fileSize: 32,
  memorySize: 40,
  align: 48,
} as const;

/** A copy with some fields of the file header changed. */
export function change(bytes: Uint8Array, to: Partial<Record<keyof typeof field, number>>): Uint8Array {
  const copy = bytes.slice();
  const v = new DataView(copy.buffer);
  for (const [name, value] of Object.entries(to)) {
    const [at, width] = field[name as keyof typeof field];
    for (let i = 0; i < width; i++) v.setUint8(at + i, Math.floor(value / 256 ** i) % 256);
  }
  return copy;
}

/** A copy with fields of the `nth` PT_LOAD's program header changed. */
export function changeLoad(
  bytes: Uint8Array,
  nth: number,
  to: Partial<Record<keyof typeof segmentField, number | bigint>>,
): Uint8Array {
  const copy = bytes.slice();
  const v = new DataView(copy.buffer);
  let at = Number(v.getBigUint64(32, true));
  for (let left = nth; ; at += 56) if (v.getUint32(at, true) === 1 && left-- === 0) break;
  for (const [name, value] of Object.entries(to)) {
    const offset = at + segmentField[name as keyof typeof segmentField];
    if (offset - at < 8) v.setUint32(offset, Number(value), true);
    else v.setBigUint64(offset, BigInt(value), true);
  }
  return copy;
}
