// What /proc says of an address space: the text of maps, and its sizes.
import { type AddressSpace, guarded, PROT_EXEC, PROT_READ, PROT_WRITE, stackTop } from "./address-space.ts";
import { residency } from "./backing.ts";
import { pageSize } from "./guest-memory.ts";
import { dataPages, lockedPages } from "./map.ts";
import { fileAt, Head, type NamedFile, type Vma, VmaFlag, vmaAt, vmaCount } from "./vmas.ts";

/** The text of /proc/self/maps, latin1. */
export const mapsText = guarded((space): string => {
  let text = "";
  for (let i = 0; i < vmaCount(space); i++) text += line(space, vmaAt(space, i)) + "\n";
  return text;
});

const nameColumn = 73;
const noFile: NamedFile = { major: 0, minor: 0, inoLow: 0, inoHigh: 0, name: "" };

function line(space: AddressSpace, v: Vma): string {
  const file = v.file === 0 ? noFile : fileAt(space, v.file);
  const rights =
    (v.prot & PROT_READ ? "r" : "-") +
    (v.prot & PROT_WRITE ? "w" : "-") +
    (v.prot & PROT_EXEC ? "x" : "-") +
    (v.flags & VmaFlag.shared ? "s" : "p");
  const range = `${hex(v.start * pageSize, 8)}-${hex(v.end * pageSize, 8)}`;
  const inode = (BigInt(file.inoHigh) << 32n) | BigInt(file.inoLow);
  const fields = `${range} ${rights} ${hex(v.offset * pageSize, 8)} ${hex(file.major, 2)}:${hex(file.minor, 2)} ${inode} `;
  const name = v.file === 0 ? areaName(space, v) : file.name.replaceAll("\n", "\\012");
  return name === "" ? fields : fields.padEnd(nameColumn) + name;
}

const hex = (n: number, width: number): string => n.toString(16).padStart(width, "0");

function areaName(space: AddressSpace, v: Vma): string {
  const [start, end] = [v.start * pageSize, v.end * pageSize];
  if (start < space.head[Head.brk]! && end > space.head[Head.brkStart]!) return "[heap]";
  return (v.flags & VmaFlag.growsDown) !== 0 && start < stackTop(space) && end >= stackTop(space) ? "[stack]" : "";
}

/** A mapping of a file: guest addresses `[start, end)`, offset in the file in bytes, guest path. */
export interface MappedFile {
  readonly start: number;
  readonly end: number;
  readonly offset: number;
  readonly file: string;
}

/** The mappings of files, ascending. */
export const mappedFiles = guarded((space): MappedFile[] => {
  const found: MappedFile[] = [];
  for (let i = 0; i < vmaCount(space); i++) {
    const v = vmaAt(space, i);
    if ((v.flags & VmaFlag.sized) === 0) continue;
    const { name } = fileAt(space, v.file);
    found.push({ start: v.start * pageSize, end: v.end * pageSize, offset: v.offset * pageSize, file: name });
  }
  return found;
});

/** What stat, statm and status show. Sizes in pages, addresses in bytes. */
export interface Usage {
  /** All mappings, now and at most. */
  readonly total: number;
  readonly peak: number;
  /** What the host has in memory: all, and of that files and shared memory. */
  readonly resident: number;
  readonly shared: number;
  readonly locked: number;
  /** Private writable memory without stacks; stacks. */
  readonly data: number;
  readonly stack: number;
  /** Code beyond the program's own. */
  readonly library: number;
  readonly codeStart: number;
  readonly codeEnd: number;
  readonly stackTop: number;
  readonly brkStart: number;
  readonly brk: number;
}

export const usage = guarded((space): Usage => {
  const { head } = space;
  let [resident, shared, stack, code] = [0, 0, 0, 0];
  for (let i = 0; i < vmaCount(space); i++) {
    const v = vmaAt(space, i);
    const there = residentPages(space, v);
    resident += there;
    if (v.flags & VmaFlag.hosted) shared += there;
    if (v.flags & VmaFlag.growsDown) stack += v.end - v.start;
    if (v.prot & PROT_EXEC && !(v.prot & PROT_WRITE)) code += v.end - v.start;
  }
  const [codeStart, codeEnd] = [head[Head.codeStart]!, head[Head.codeEnd]!];
  return {
    total: head[Head.total]!,
    peak: head[Head.peak]!,
    resident,
    shared,
    locked: lockedPages(space),
    data: dataPages(space),
    stack,
    library: Math.max(0, code - Math.ceil(codeEnd / pageSize) + Math.floor(codeStart / pageSize)),
    codeStart,
    codeEnd,
    stackTop: stackTop(space),
    brkStart: head[Head.brkStart]!,
    brk: head[Head.brk]!,
  };
});

/** KiB of it that the host has in memory. */
export const residentKib = guarded((space): number => {
  let pages = 0;
  for (let i = 0; i < vmaCount(space); i++) pages += residentPages(space, vmaAt(space, i));
  return (pages * pageSize) / 1024;
});

function residentPages(space: AddressSpace, v: Vma): number {
  let n = 0;
  for (const byte of residency(space.memory, v.start, v.end - v.start) ?? []) n += byte & 1;
  return n;
}
