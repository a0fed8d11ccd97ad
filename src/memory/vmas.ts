// The list of mappings of one address space as data: sorted records in shared memory, the files that they name, and the
// edits on them. What a mapping's pages hold, and which rules an edit obeys, is decided above.
// Whoever reads or edits the list holds the address space's layout lock.
import { host } from "../host/syscall.ts";
import { latin1 } from "./guest-memory.ts";
import { initSharing, sharingWords } from "./sharing.ts";

/** One mapping. `start` and `end` are page numbers, `offset` the page in the file that `start` maps (0 without a file). */
export interface Vma {
  readonly start: number;
  readonly end: number;
  /** PROT_READ 1, PROT_WRITE 2, PROT_EXEC 4. */
  readonly prot: number;
  /** Bits of `VmaFlag`. */
  readonly flags: number;
  /** Number of a file record, or 0. */
  readonly file: number;
  readonly offset: number;
}

export const VmaFlag = {
  shared: 1 << 0,
  growsDown: 1 << 1,
  /** PROT_WRITE can never be had: shared, of a file that was opened for reading. */
  neverWrite: 1 << 2,
  /** The host has a mapping of its own here, in place of the memory's anonymous pages. */
  hosted: 1 << 3,
  /** That host mapping is MAP_SHARED. */
  hostShared: 1 << 4,
  /** Pages past the end of the file give SIGBUS. */
  sized: 1 << 5,
  locked: 1 << 6,
  lockOnFault: 1 << 7,
  noReserve: 1 << 8,
  dontFork: 1 << 9,
  wipeOnFork: 1 << 10,
  dontDump: 1 << 11,
  random: 1 << 12,
  sequential: 1 << 13,
  mergeable: 1 << 14,
  huge: 1 << 15,
  noHuge: 1 << 16,
  /** A System V shared-memory segment: its id stands as the inode number. */
  segment: 1 << 17,
} as const;

/** What the list, and the address space around it, keep in single words. */
export const Head = {
  count: 0,
  /** Pages of all mappings, now and at most. */
  total: 1,
  peak: 2,
  /** Bytes of `names` in use. */
  names: 3,
  /** File records ever used. */
  files: 4,
  /** Whether something was mapped since the list was made that others beyond the address space may see. */
  shared: 5,
  mmapBase: 6,
  stackTop: 7,
  stackReserve: 8,
  brkStart: 9,
  brk: 10,
  codeStart: 11,
  codeEnd: 12,
  /** VmaFlag bits that new mappings get, by mlockall(MCL_FUTURE). */
  future: 13,
  /** Registered membarrier commands. */
  membarrier: 14,
  /** No page is free in the area of mmap below this one. */
  full: 15,
  /** Odd while the records are being edited: for those that look at them from elsewhere, without the lock. Wraps. */
  edits: 16,
  words: 18,
} as const;

/** Shared state. Another worker attaches by making views of the same buffers. */
export interface Mappings {
  /** Words of `Head`; addresses are unsigned. Behind them are those of sharing.ts. */
  readonly head: Uint32Array;
  /** `stride` words a record: start, end, prot, flags, file, offset low, offset high, none. */
  readonly records: Uint32Array;
  /** `fileStride` words a record: device major, minor, inode low, high, first byte and length + 1 of the name, host descriptor + 1 (0 for none), none. */
  readonly files: Uint32Array;
  readonly names: Uint8Array;
}

/** As Linux has it by default (vm.max_map_count). One more can be there for a moment. */
export const maxMapCount = 65530;

const stride = 8;
const fileStride = 8;
const maxFiles = maxMapCount + 2;
const two32 = 2 ** 32;

export function newMappings(): Mappings {
  const words = (n: number) => new Uint32Array(new SharedArrayBuffer(n * 4));
  const head = words(Head.words + sharingWords);
  initSharing(sharedPart(head));
  return {
    head,
    records: words((maxMapCount + 4) * stride),
    files: words((maxFiles + 1) * fileStride),
    names: new Uint8Array(new SharedArrayBuffer(2 ** 22)),
  };
}

/** The words of a list's head that are sharing.ts's. */
export const sharedPart = (head: Uint32Array): Int32Array<SharedArrayBuffer> =>
  new Int32Array(head.buffer as SharedArrayBuffer, head.byteOffset + Head.words * 4, sharingWords);

/** How many bytes of a list's parts are in use, as its head says. */
export const listBytes = ({ head }: Mappings) => ({
  records: head[Head.count]! * stride * 4,
  files: (head[Head.files]! + 1) * fileStride * 4,
  names: head[Head.names]!,
});

export const vmaCount = (t: Mappings): number => t.head[Head.count]!;

/** The mapping at an index below `vmaCount`. */
export function vmaAt(t: Mappings, index: number): Vma {
  const r = index * stride;
  const w = t.records;
  return {
    start: w[r]!,
    end: w[r + 1]!,
    prot: w[r + 2]!,
    flags: w[r + 3]!,
    file: w[r + 4]!,
    offset: w[r + 6]! * two32 + w[r + 5]!,
  };
}

/** The index of the first mapping that ends after `page`; the count where there is none. */
export function indexFrom(t: Mappings, page: number): number {
  let [low, high] = [0, vmaCount(t)];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (t.records[middle * stride + 1]! > page) high = middle;
    else low = middle + 1;
  }
  return low;
}

export const startOf = (t: Mappings, index: number): number => t.records[index * stride]!;
export const endOf = (t: Mappings, index: number): number => t.records[index * stride + 1]!;
export const flagsOf = (t: Mappings, index: number): number => t.records[index * stride + 3]!;

/** The mapping that holds `page`. */
export function vmaOf(t: Mappings, page: number): Vma | undefined {
  const index = indexFrom(t, page);
  return index < vmaCount(t) && startOf(t, index) <= page ? vmaAt(t, index) : undefined;
}

/** The part of a mapping within `[start, end)`. */
export function clip(v: Vma, start: number, end: number): Vma {
  const from = Math.max(v.start, start);
  return { ...v, start: from, end: Math.min(v.end, end), offset: v.file === 0 ? 0 : v.offset + (from - v.start) };
}

/** The mappings that overlap `[start, end)`: indices `[first, last)`, the parts inside, and the parts outside. */
export interface Cut {
  readonly first: number;
  readonly last: number;
  readonly before: readonly Vma[];
  readonly inside: readonly Vma[];
  readonly after: readonly Vma[];
}

export function cut(t: Mappings, start: number, end: number): Cut {
  const first = indexFrom(t, start);
  let last = first;
  const inside: Vma[] = [];
  for (; last < vmaCount(t) && startOf(t, last) < end; last++) inside.push(clip(vmaAt(t, last), start, end));
  const before = inside.length > 0 && startOf(t, first) < start ? [clip(vmaAt(t, first), 0, start)] : [];
  const after = inside.length > 0 && endOf(t, last - 1) > end ? [clip(vmaAt(t, last - 1), end, two32)] : [];
  return { first, last, before, inside, after };
}

/** Whether the parts inside cover all of `[start, end)`. */
export function covers(inside: readonly Vma[], start: number, end: number): boolean {
  let at = start;
  for (const v of inside) {
    if (v.start !== at) return false;
    at = v.end;
  }
  return at === end;
}

/** An edit that has been thought through but not made. */
export interface Edit {
  readonly first: number;
  readonly last: number;
  readonly list: readonly Vma[];
  /** How many mappings there are after it. */
  readonly count: number;
  /** How many pages it adds. */
  readonly pages: number;
}

/**
 * Puts `middle` (sorted) in place of what was cut. Neighbours that are alike become one, as /proc/self/maps shows them.
 */
export function edit(t: Mappings, c: Cut, middle: readonly Vma[]): Edit {
  const first = Math.max(0, c.first - 1);
  const last = Math.min(vmaCount(t), c.last + 1);
  const left = first < c.first ? [vmaAt(t, first)] : [];
  const right = c.last < last ? [vmaAt(t, c.last)] : [];
  const list: Vma[] = [];
  for (const v of [...left, ...c.before, ...middle, ...c.after, ...right]) {
    const previous = list.at(-1);
    if (previous !== undefined && alike(previous, v)) list[list.length - 1] = { ...previous, end: v.end };
    else list.push(v);
  }
  let pages = 0;
  for (const v of list) pages += v.end - v.start;
  for (let i = first; i < last; i++) pages -= endOf(t, i) - startOf(t, i);
  return { first, last, list, count: vmaCount(t) - (last - first) + list.length, pages };
}

const alike = (a: Vma, b: Vma): boolean =>
  a.end === b.start &&
  a.prot === b.prot &&
  a.flags === b.flags &&
  a.file === b.file &&
  (a.file === 0 || a.offset + (a.end - a.start) === b.offset);

const isShared = ({ flags }: Vma): boolean => (flags & VmaFlag.hostShared) !== 0;

export function commit(t: Mappings, e: Edit): void {
  const replaced = keptFiles(t, e.first, e.last);
  if (e.pages < 0) t.head[Head.full] = Math.min(t.head[Head.full]!, startOf(t, e.first));
  const grown = e.first + e.list.length;
  Atomics.add(t.head, Head.edits, 1);
  t.records.copyWithin(grown * stride, e.last * stride, vmaCount(t) * stride);
  e.list.forEach((v, i) => {
    const high = Math.floor(v.offset / two32);
    t.records.set([v.start, v.end, v.prot, v.flags, v.file, v.offset % two32, high, 0], (e.first + i) * stride);
  });
  t.head[Head.count] = e.count;
  Atomics.add(t.head, Head.edits, 1);
  if (e.list.some(isShared)) t.head[Head.shared] = 1;
  t.head[Head.total]! += e.pages;
  t.head[Head.peak] = Math.max(t.head[Head.peak]!, t.head[Head.total]!);
  for (const file of replaced) if (!isMapped(t, file)) closeFile(t, file);
}

/** Makes a list of mappings (sorted, as few as can be) that of an address space which has none. */
export function fill(t: Mappings, list: readonly Vma[]): void {
  let pages = 0;
  list.forEach((v, i) => {
    const high = Math.floor(v.offset / two32);
    t.records.set([v.start, v.end, v.prot, v.flags, v.file, v.offset % two32, high, 0], i * stride);
    pages += v.end - v.start;
  });
  t.head[Head.count] = list.length;
  t.head[Head.shared] = list.some(isShared) ? 1 : 0;
  t.head[Head.total] = t.head[Head.peak] = pages;
}

/** What tells one file from another. */
export interface FileIdentity {
  readonly major: number;
  readonly minor: number;
  /** The inode number's two words, unsigned. */
  readonly inoLow: number;
  readonly inoHigh: number;
}

export interface NamedFile extends FileIdentity {
  /** Guest path, latin1. */
  readonly name: string;
}

/** The file record of that number. */
export function fileAt(t: Mappings, file: number): NamedFile {
  const r = file * fileStride;
  const w = t.files;
  return { major: w[r]!, minor: w[r + 1]!, inoLow: w[r + 2]!, inoHigh: w[r + 3]!, name: latin1(nameAt(t, file)) };
}

function nameAt(t: Mappings, file: number): Uint8Array {
  const at = t.files[file * fileStride + 4]!;
  return t.names.subarray(at, at + t.files[file * fileStride + 5]! - 1);
}

export function isFile(t: Mappings, file: number, id: FileIdentity): boolean {
  const r = file * fileStride;
  const w = t.files;
  return (
    w[r] === id.major && w[r + 1] === id.minor && w[r + 2] === id.inoLow && w[r + 3] === id.inoHigh && w[r + 5] !== 0
  );
}

/** The number of that file's record, made where there is none. 0 where no room is left for it. */
export function internFile(t: Mappings, f: NamedFile): number {
  const used = t.head[Head.files]!;
  const name = Buffer.from(f.name, "latin1");
  for (let n = 1; n <= used; n++) if (isFile(t, n, f) && name.equals(nameAt(t, n))) return n;
  if (used === maxFiles || t.head[Head.names]! + f.name.length > t.names.length) sweepFiles(t);
  const at = t.head[Head.names]!;
  if (at + f.name.length > t.names.length) return 0;
  let n = 1;
  while (n <= t.head[Head.files]! && t.files[n * fileStride + 5] !== 0) n++;
  if (n > maxFiles) return 0;
  t.names.set(name, at);
  t.files.set([f.major, f.minor, f.inoLow, f.inoHigh, at, f.name.length + 1, 0, 0], n * fileStride);
  t.head[Head.names] = at + f.name.length;
  t.head[Head.files] = Math.max(t.head[Head.files]!, n);
  return n;
}

/** Drops the files that no mapping names, and packs the names of the others. */
function sweepFiles(t: Mappings): void {
  const live = new Set<number>();
  for (let i = 0; i < vmaCount(t); i++) live.add(t.records[i * stride + 4]!);
  const names = new Map<number, string>();
  for (let n = 1; n <= t.head[Head.files]!; n++) {
    if (live.has(n)) names.set(n, fileAt(t, n).name);
    else {
      closeFile(t, n);
      t.files[n * fileStride + 5] = 0;
    }
  }
  let at = 0;
  for (const [n, name] of names) {
    t.names.set(Buffer.from(name, "latin1"), at);
    t.files[n * fileStride + 4] = at;
    at += name.length;
  }
  t.head[Head.names] = at;
}

// ---- host descriptors of files, by which another address space can map them too

const descriptorWord = 6;
const F_DUPFD_CLOEXEC = 1030;
/** Above the numbers that programs use for what they pass on. */
const hostFrom = 3;

/** Has a file's record keep a host descriptor of its own for the file behind `hostFd`, for as long as it is mapped; or none, where the host has none left. */
export function keepFile(t: Mappings, file: number, hostFd: number): void {
  const at = file * fileStride + descriptorWord;
  if (file !== 0 && t.files[at] === 0) t.files[at] = Math.max(0, host("fcntl", hostFd, F_DUPFD_CLOEXEC, hostFrom) + 1);
}

/** The host descriptor that a file's record keeps, or -1. */
export const fileDescriptor = (t: Mappings, file: number): number => t.files[file * fileStride + descriptorWord]! - 1;

function closeFile(t: Mappings, file: number): void {
  const h = fileDescriptor(t, file);
  t.files[file * fileStride + descriptorWord] = 0;
  if (h >= 0) host("close", h);
}

/** The files of records `[first, last)` that keep a descriptor. */
function keptFiles(t: Mappings, first: number, last: number): Set<number> {
  const found = new Set<number>();
  for (let i = first; i < last; i++) {
    const file = t.records[i * stride + 4]!;
    if (file !== 0 && fileDescriptor(t, file) >= 0) found.add(file);
  }
  return found;
}

function isMapped(t: Mappings, file: number): boolean {
  for (let i = 0; i < vmaCount(t); i++) if (t.records[i * stride + 4] === file) return true;
  return false;
}

/** Forgets all files: no mapping is left. */
export function forgetFiles(t: Mappings): void {
  for (let file = 1; file <= t.head[Head.files]!; file++) closeFile(t, file);
  t.head[Head.files] = t.head[Head.names] = 0;
}

/** Gives an address space that has no files those of another, with host descriptors of its own. */
export function copyFiles(t: Mappings, from: Mappings): void {
  const [files, names] = [from.head[Head.files]!, from.head[Head.names]!];
  t.files.set(from.files.subarray(0, (files + 1) * fileStride));
  t.names.set(from.names.subarray(0, names));
  t.head[Head.files] = files;
  t.head[Head.names] = names;
  for (let file = 1; file <= files; file++) {
    t.files[file * fileStride + descriptorWord] = 0;
    const h = fileDescriptor(from, file);
    if (h >= 0) keepFile(t, file, h);
  }
}
