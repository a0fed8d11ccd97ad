// An ELF file: header, program headers, sections, dynamic entries, notes. Everything in it is untrusted: whatever the
// bytes are, these functions answer a value or a FileError, never throw, and read no more than the file has.
// Specification: System V gABI chapter 4 and 5, RISC-V ELF psABI.
import { constants } from "node:os";
import { latin1 } from "../memory/guest-memory.ts";
import { type ByteSource, type FileError, type HostPath, isFileError, openSource, readFailed } from "./source.ts";

const { ENOEXEC } = constants.errno;

/** Values of `type`. */
export const ElfType = { relocatable: 1, executable: 2, dynamic: 3, core: 4 } as const;

/** Program-header types. */
export const SegmentType = {
  load: 1,
  dynamic: 2,
  interpreter: 3,
  note: 4,
  gnuStack: 0x6474e551,
} as const;

/** Bits of a segment's flags. */
export const SegmentFlag = { exec: 1, write: 2, read: 4 } as const;

/** Section types. */
export const SectionType = { symbols: 2, note: 7, noBits: 8, dynamicSymbols: 11 } as const;

/** Bits of a section's flags. */
export const SectionFlag = { exec: 4 } as const;

/** A program header. Numbers above 2**53 are rounded, and then beyond anything a valid file has. */
export interface Segment {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly address: number;
  readonly fileSize: number;
  readonly memorySize: number;
  readonly align: number;
}

export interface Section {
  readonly name: string;
  readonly type: number;
  /** `SectionFlag` bits, the low 32 of them. */
  readonly flags: number;
  readonly address: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
  readonly entrySize: number;
}

/** An ELF file for 64-bit RISC-V with sound headers. Whether it can run is check.ts's question. */
export interface ElfFile {
  readonly source: ByteSource;
  readonly type: number;
  readonly flags: number;
  /** As linked: the load address is not added. */
  readonly entry: number;
  readonly headerOffset: number;
  readonly segments: readonly Segment[];
  /** Where the section headers are; none where `count` is 0. Read them through `sections`. */
  readonly sectionTable: { readonly offset: number; readonly count: number; readonly names: number };
}

const headerSize = 64;
export const programHeaderSize = 56;
const sectionHeaderSize = 64;
/** As in Linux: the table must fit in 64 KiB. */
const maxProgramHeaders = Math.floor(65536 / programHeaderSize);
const riscv = 243;

const machines: Record<number, string> = {
  2: "sparc",
  3: "i386",
  4: "m68k",
  8: "mips",
  15: "parisc",
  18: "sparc32plus",
  20: "powerpc",
  21: "powerpc64",
  22: "s390x",
  40: "arm",
  42: "sh",
  43: "sparc64",
  50: "ia64",
  62: "x86-64",
  83: "avr",
  92: "openrisc",
  93: "arc",
  94: "xtensa",
  183: "aarch64",
  189: "microblaze",
  195: "arc",
  247: "bpf",
  252: "csky",
  258: "loongarch",
  36902: "alpha",
};

/** The error for an ELF file that is no program sabre can run: what execve calls ENOEXEC. */
export const badFormat = (name: string, text: string): FileError => ({
  errno: ENOEXEC,
  message: `${name}: ${text}`,
  notable: true,
});

const u64 = (v: DataView, at: number): number => v.getUint32(at + 4, true) * 2 ** 32 + v.getUint32(at, true);
export const viewOf = (b: Uint8Array): DataView => new DataView(b.buffer, b.byteOffset, b.byteLength);
export const hex = (n: number): string => `0x${n.toString(16)}`;

/** Opens a file, which may be no program, and reads its headers. `name` is what messages call it. */
export function openElf(at: HostPath, name: string): ElfFile | FileError {
  const source = openSource(at, name, false);
  if (isFileError(source)) return source;
  const elf = readElf(source);
  if (isFileError(elf)) source.close();
  return elf;
}

/** Reads the headers. The source stays open, also after an error. */
export function readElf(source: ByteSource): ElfFile | FileError {
  const { name } = source;
  const start = source.read(0, Math.min(source.size, headerSize));
  if (start === undefined) return readFailed(name);
  if (start.length < 4 || latin1(start.subarray(0, 4)) !== "\x7fELF")
    return { errno: ENOEXEC, message: `${name}: ${notElf(source, start)}` };
  if (start.length < headerSize) return badFormat(name, `this ELF file is truncated: only ${start.length} bytes long`);
  const foreign = foreignMachine(start);
  if (foreign !== undefined)
    return badFormat(name, `this file is for ${foreign}; sabre runs 64-bit RISC-V (riscv64) programs`);

  const v = viewOf(start);
  const headerOffset = u64(v, 32);
  const [entrySize, count] = [v.getUint16(54, true), v.getUint16(56, true)];
  if (count > 0 && entrySize !== programHeaderSize)
    return badFormat(
      name,
      `this ELF file is damaged: its program headers have ${entrySize} bytes each, not ${programHeaderSize}`,
    );
  if (count > maxProgramHeaders)
    return badFormat(
      name,
      `this ELF file is damaged: it claims ${count} program headers (at most ${maxProgramHeaders})`,
    );
  const end = headerOffset + count * programHeaderSize;
  if (end > source.size)
    return badFormat(
      name,
      `this ELF file is truncated or damaged: its program headers end at byte ${end}, the file at ${source.size}`,
    );
  const table = source.read(headerOffset, count * programHeaderSize);
  if (table === undefined) return readFailed(name);
  return {
    source,
    type: v.getUint16(16, true),
    flags: v.getUint32(48, true),
    entry: u64(v, 24),
    headerOffset,
    segments: Array.from({ length: count }, (_, i) => segmentAt(viewOf(table), i * programHeaderSize)),
    sectionTable: {
      offset: u64(v, 40),
      count: v.getUint16(58, true) === sectionHeaderSize ? v.getUint16(60, true) : 0,
      names: v.getUint16(62, true),
    },
  };
}

const segmentAt = (v: DataView, at: number): Segment => ({
  type: v.getUint32(at, true),
  flags: v.getUint32(at + 4, true),
  offset: u64(v, at + 8),
  address: u64(v, at + 16),
  fileSize: u64(v, at + 32),
  memorySize: u64(v, at + 40),
  align: u64(v, at + 48),
});

/** What a file without the ELF magic is, as a sentence's end. */
function notElf(source: ByteSource, start: Uint8Array): string {
  const wanted = "sabre runs ELF programs for riscv64 and scripts that begin with #!";
  if (source.size === 0) return `this file is empty; ${wanted}`;
  const printable = start.every((c) => (c >= 32 && c !== 127) || (c >= 8 && c <= 13) || c === 27);
  return `this is not an ELF file but ${printable ? "text" : "other data"}; ${wanted}`;
}

/** The name of the machine that a header is for, or undefined where it is riscv64, little-endian. */
function foreignMachine(header: Uint8Array): string | undefined {
  const bigEndian = header[5] === 2;
  const machine = viewOf(header).getUint16(18, !bigEndian);
  if (machine !== riscv) {
    const name = machines[machine];
    return name === undefined ? `an unknown machine (number ${machine})` : name;
  }
  if (header[4] !== 2) return "32-bit RISC-V (riscv32)";
  return header[5] === 1 ? undefined : "big-endian RISC-V";
}

/** The path in PT_INTERP; undefined where the program needs no interpreter. */
export function interpreterOf(elf: ElfFile): string | undefined | FileError {
  const s = elf.segments.find((s) => s.type === SegmentType.interpreter);
  if (s === undefined) return undefined;
  const bytes = s.fileSize >= 2 && s.fileSize <= 4096 ? elf.source.read(s.offset, s.fileSize) : undefined;
  if (bytes === undefined || bytes.indexOf(0) !== bytes.length - 1)
    return badFormat(elf.source.name, "this ELF file is damaged: the name of its interpreter (PT_INTERP) is no string");
  return latin1(bytes.subarray(0, -1));
}

/**
 * The NUL-terminated string at `offset` of a string table, cut at `limit` (so that a table without a NUL, which many
 * names point into, costs little); "" where the table has none.
 */
export function stringAt(strings: Uint8Array, offset: number, limit: number): string {
  const bytes = strings.subarray(offset, offset + limit);
  const end = bytes.indexOf(0);
  return latin1(end < 0 ? bytes : bytes.subarray(0, end));
}

/** The section headers; none where the file has none or they are cut off. */
export function sections(elf: ElfFile): Section[] {
  const { offset, count, names } = elf.sectionTable;
  const table = elf.source.read(offset, count * sectionHeaderSize);
  if (table === undefined) return [];
  const v = viewOf(table);
  const namesAt = names * sectionHeaderSize;
  const strings = (names < count && elf.source.read(u64(v, namesAt + 24), u64(v, namesAt + 32))) || new Uint8Array();
  return Array.from({ length: count }, (_, i) => {
    const at = i * sectionHeaderSize;
    return {
      name: stringAt(strings, v.getUint32(at, true), 256),
      type: v.getUint32(at + 4, true),
      flags: v.getUint32(at + 8, true),
      address: u64(v, at + 16),
      offset: u64(v, at + 24),
      size: u64(v, at + 32),
      link: v.getUint32(at + 40, true),
      entrySize: u64(v, at + 56),
    };
  });
}

/** The bytes of a section; undefined where it has none in the file. */
export const sectionBytes = (elf: ElfFile, s: Section): Uint8Array | undefined =>
  s.type === SectionType.noBits ? undefined : elf.source.read(s.offset, s.size);

/** Tags of dynamic entries. */
export const DynamicTag = { hash: 4, strings: 5, symbols: 6, stringsSize: 10 } as const;

/** The dynamic entries by tag; of repeated tags the first. Empty in a static program. */
export function dynamicEntries(elf: ElfFile): Map<number, number> {
  const found = new Map<number, number>();
  const s = elf.segments.find((s) => s.type === SegmentType.dynamic);
  const bytes = s && elf.source.read(s.offset, Math.min(s.fileSize, 65536));
  if (bytes === undefined) return found;
  const v = viewOf(bytes);
  for (let at = 0; at + 16 <= bytes.length; at += 16) {
    const tag = u64(v, at);
    if (tag === 0) break;
    if (!found.has(tag)) found.set(tag, u64(v, at + 8));
  }
  return found;
}

/** Where the bytes that belong to a linked address are in the file; undefined where no PT_LOAD brings them from there. */
export function fileOffset(elf: ElfFile, address: number): number | undefined {
  const s = elf.segments.find(
    (s) => s.type === SegmentType.load && address >= s.address && address < s.address + s.fileSize,
  );
  return s && s.offset + address - s.address;
}

/** The build-id as hexadecimal digits, from the notes of segments or sections. */
export function buildId(elf: ElfFile): string | undefined {
  const notes = [
    ...elf.segments.filter((s) => s.type === SegmentType.note).map((s) => [s.offset, s.fileSize] as const),
    ...sections(elf)
      .filter((s) => s.type === SectionType.note)
      .map((s) => [s.offset, s.size] as const),
  ];
  for (const [offset, size] of notes) {
    const bytes = elf.source.read(offset, Math.min(size, 65536));
    const id = bytes && buildIdIn(bytes);
    if (id !== undefined) return id;
  }
  return undefined;
}

function buildIdIn(notes: Uint8Array): string | undefined {
  const gnuBuildId = 3;
  const v = viewOf(notes);
  for (let at = 0; at + 12 <= notes.length; ) {
    const [nameSize, size] = [v.getUint32(at, true), v.getUint32(at + 4, true)];
    const name = at + 12;
    const text = name + Math.ceil(nameSize / 4) * 4;
    if (text + size > notes.length) return undefined;
    if (v.getUint32(at + 8, true) === gnuBuildId && latin1(notes.subarray(name, name + nameSize)) === "GNU\0")
      return Buffer.from(notes.subarray(text, text + size)).toString("hex");
    at = text + Math.ceil(size / 4) * 4;
  }
  return undefined;
}
