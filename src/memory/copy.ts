// fork's copy of an address space: who owns a memory that has no mappings pulls them, and what they hold, out of another
// memory of the same host process, by host addresses. Nothing is shared between the two after it but what is meant to be.
// Of private memory only those pages are copied that the host has for it: others are zero, or as their file has them, in both.
// The other's layout lock is held meanwhile. Threads that write there at the same time may find that page copied or not.
//
// Measured on Bun 1.4.5, two busy cores, x86-64: 50 MB that are present take 10 to 20 ms with the host's huge pages, 40 to 60
// without, process_vm_readv half as much again.

import { type Pointer, toArrayBuffer } from "bun:ffi";
import { constants } from "node:os";
import { cstring, newScratch, scratch, setVector, storeU64, vectorAddress, vectorLimit } from "../host/scratch.ts";
import { addressOf, host } from "../host/syscall.ts";
import { type AddressSpace, markBus, pageBits, paintPages } from "./address-space.ts";
import { anonymous } from "./backing.ts";
import { growTo, guestBase, Page, pageSize, refresh } from "./guest-memory.ts";
import { copyFiles, fileDescriptor, fill, Head, type Mappings, type Vma, VmaFlag, vmaAt, vmaCount } from "./vmas.ts";

const { EFAULT, EINTR, ENOMEM } = constants.errno;

/** Where another address space lies: host addresses, and bytes of its memory. */
export interface SpaceSource {
  readonly hostBase: number;
  readonly size: number;
  readonly head: number;
  readonly records: number;
  readonly files: number;
  readonly names: number;
}

/** An address space as a source, by who has its layout lock, for as long as it is kept. */
export function sourceOf({ memory, head, records, files, names }: AddressSpace): SpaceSource {
  // Another thread may have made it larger.
  refresh(memory);
  return {
    hostBase: memory.hostBase,
    size: memory.size,
    head: addressOf(head),
    records: addressOf(records),
    files: addressOf(files),
    names: addressOf(names),
  };
}

/** Makes an address space in which nothing is mapped the copy that fork makes of another. 0; or -errno, with some of it mapped. */
export function pullSpace(space: AddressSpace, from: SpaceSource): number {
  const m = space.memory;
  if (!growTo(m, from.size)) return -ENOMEM;
  const source = mappingsAt(space, from);
  const pages = new Uint8Array(rawBytes(from.hostBase - guestBase, m.pages.length));
  copyFiles(space, source);
  for (const word of inherited) space.head[word] = source.head[word]!;
  const list: Vma[] = [];
  for (let i = 0; i < vmaCount(source); i++) {
    const v = vmaAt(source, i);
    // Locks are not inherited.
    if ((v.flags & VmaFlag.dontFork) === 0)
      list.push({ ...v, flags: v.flags & ~(VmaFlag.locked | VmaFlag.lockOnFault) });
  }
  fill(space, list);
  const copied: Run[] = [];
  /** Of files that the host let nobody open again: the copy gets what they hold now. */
  const whole: Run[] = [];
  for (const v of list) {
    const error = pullHosted(space, from, v);
    if (error < 0) return error;
    const isPrivate = (v.flags & VmaFlag.hosted) === 0 ? (v.flags & VmaFlag.wipeOnFork) === 0 : isOfFile(v);
    if (isOfFile(v) && fileDescriptor(space, v.file) < 0) whole.push(...withinFile(pages, v));
    else if (isPrivate) copied.push(v);
    const bits = pageBits(v.prot);
    if (bits !== 0) paintPages(space, v.start, v.end, bits);
    if (v.flags & VmaFlag.sized) markLost(space, pages, v);
  }
  const error = copyPages(space, from, copied);
  return error < 0 ? error : transfer(m.hostBase, from.hostBase, whole);
}

/** Words of the head that are the same in the copy. What no page is free below must be found again where mappings were left out. */
const inherited = [
  ...[Head.mmapBase, Head.stackTop, Head.stackReserve, Head.brkStart, Head.brk, Head.codeStart, Head.codeEnd],
  Head.membarrier,
];

const rawBytes = (address: number, length: number): ArrayBuffer => toArrayBuffer(address as Pointer, 0, length);

/** Views of another's list: it has the same form in every address space. */
const mappingsAt = (own: Mappings, from: SpaceSource): Mappings => ({
  head: new Uint32Array(rawBytes(from.head, own.head.byteLength)),
  records: new Uint32Array(rawBytes(from.records, own.records.byteLength)),
  files: new Uint32Array(rawBytes(from.files, own.files.byteLength)),
  names: new Uint8Array(rawBytes(from.names, own.names.byteLength)),
});

/** Whether the host has a private mapping of a file there: pages that were written are the guest's own. */
const isOfFile = (v: Vma): boolean => (v.flags & (VmaFlag.hosted | VmaFlag.hostShared)) === VmaFlag.hosted;

/** Marks pages past the end of their file as the other has them. */
function markLost(space: AddressSpace, pages: Uint8Array, v: Vma): void {
  for (const { start, end } of runsOf(v, (page) => (pages[page]! & Page.bus) !== 0)) markBus(space, start, end);
}

/** The pages of a mapping that its file had when last seen. */
const withinFile = (pages: Uint8Array, v: Vma): Run[] => runsOf(v, (page) => (pages[page]! & Page.bus) === 0);

function runsOf({ start, end }: Run, has: (page: number) => boolean): Run[] {
  const found: { start: number; end: number }[] = [];
  for (let page = start; page < end; page++) {
    if (!has(page)) continue;
    const previous = found.at(-1);
    if (previous?.end === page) previous.end++;
    else found.push({ start: page, end: page + 1 });
  }
  return found;
}

const [readWrite, mapPrivate, mapFixed, mapNoReserve] = [3, 2, 0x10, 0x4000];
const [mayMove, fixed] = [1, 2];

/** Lays the host's mappings of files and of shared memory over the own memory. 0 or -errno. */
function pullHosted({ memory, ...mappings }: AddressSpace, from: SpaceSource, v: Vma): number {
  if ((v.flags & VmaFlag.hosted) === 0) return 0;
  const at = memory.hostBase + v.start * pageSize;
  const length = (v.end - v.start) * pageSize;
  if (v.flags & VmaFlag.hostShared) {
    // Of length 0: the same pages appear at another place too.
    return Math.min(0, host("mremap", from.hostBase + v.start * pageSize, 0, length, mayMove | fixed, at));
  }
  const h = fileDescriptor(mappings, v.file);
  if (h < 0) return 0;
  const flags = mapPrivate | mapFixed | mapNoReserve;
  return Math.min(0, host("mmap", at, length, readWrite, flags, h, v.offset * pageSize));
}

// ---- contents

/** Pages `[start, end)`. */
interface Run {
  readonly start: number;
  readonly end: number;
}

/** Copies what is the guest's own of those pages (sorted). 0 or -errno. */
function copyPages(space: AddressSpace, from: SpaceSource, runs: readonly Run[]): number {
  const last = runs.at(-1);
  if (last === undefined) return 0;
  const owned = ownPages(from.hostBase, runs[0]!.start, last.end);
  const pending: Run[] = [];
  let i = 0;
  for (const run of runs) {
    while (i < owned.length && owned[i]!.end <= run.start) i++;
    for (let j = i; j < owned.length && owned[j]!.start < run.end; j++)
      pending.push({ start: Math.max(run.start, owned[j]!.start), end: Math.min(run.end, owned[j]!.end) });
  }
  copyRuns(space, from, pending);
  return 0;
}

/** Bytes of the host's huge pages, where it has some: one fault instead of 512. */
const hugeBytes = 2 ** 21;
const [useHuge, noHuge] = [14, 15];

/** Runs of pages that huge ones were asked for, which the host keeps apart from their neighbours. */
const apart: Run[] = [];

/** Copies runs of private pages, which the host has: nothing can take them away meanwhile. */
function copyRuns({ memory: { memory, hostBase } }: AddressSpace, from: SpaceSource, runs: readonly Run[]): void {
  const source = new Uint8Array(rawBytes(from.hostBase, from.size));
  const target = new Uint8Array(memory.buffer, guestBase);
  for (const { start, end } of runs) {
    const [first, last] = [start * pageSize, end * pageSize];
    const hugeStart = Math.ceil((hostBase + first) / hugeBytes) * hugeBytes;
    const hugeLength = Math.floor((hostBase + last - hugeStart) / hugeBytes) * hugeBytes;
    // Of memory that is all there, so that the copy takes no more of it.
    const isLarge = hugeLength > 0 && host("madvise", hugeStart, hugeLength, useHuge) === 0;
    target.set(source.subarray(first, last), first);
    if (!isLarge) continue;
    // What the next program touches there is its own matter.
    host("madvise", hugeStart, hugeLength, noHuge);
    const page = (hugeStart - hostBase) / pageSize;
    apart.push({ start: page, end: page + hugeLength / pageSize });
  }
}

/** Makes a memory from which all is unmapped that was pulled into it one piece for the host again. */
export function forgetPulled({ memory }: AddressSpace): void {
  for (const { start, end } of apart) anonymous(memory, start, end);
  apart.length = 0;
}

/** The most bytes that one call of the host moves. */
const mostBytes = 0x7ffff000;

/** Copies runs between two memories of this host process, of which the host may have lost some. */
function transfer(to: number, from: number, runs: readonly Run[]): number {
  const pid = host("getpid");
  const pieces = runs.flatMap(({ start, end }) => piecesOf(start * pageSize, (end - start) * pageSize));
  const half = vectorLimit / 2;
  for (let first = 0; first < pieces.length; ) {
    let [count, bytes] = [0, 0];
    while (count < half && first + count < pieces.length && bytes + pieces[first + count]!.length <= mostBytes) {
      const { at, length } = pieces[first + count]!;
      setVector(count, to + at, length);
      setVector(half + count, from + at, length);
      bytes += length;
      count++;
    }
    const moved = host("process_vm_readv", pid, vectorAddress, count, vectorAddress + half * 16, count, 0);
    if (moved === -EINTR) continue;
    if (moved !== bytes) return moved < 0 && moved !== -EFAULT ? moved : -ENOMEM;
    first += count;
  }
  return 0;
}

const piecesOf = (at: number, length: number): { readonly at: number; readonly length: number }[] =>
  length <= mostBytes ? [{ at, length }] : [{ at, length: mostBytes }, ...piecesOf(at + mostBytes, length - mostBytes)];

// struct pm_scan_arg and struct page_region, and categories of pages (Linux 6.7).
const PAGEMAP_SCAN = 0xc0606610;
const argBytes = 96;
const regionBytes = 24;
const mostRegions = 4096;
const Category = { file: 4, present: 8, swapped: 16, zero: 32 } as const;

const arg = newScratch(argBytes);
let regions: Float64Array | undefined;
let pagemap = -1;

/** Runs of pages in `[start, end)` that are in use and neither a file's nor zero, sorted; asked of the host. */
function ownPages(base: number, start: number, end: number): Run[] {
  const O_CLOEXEC = 0o2000000;
  if (pagemap < 0) pagemap = host("openat", -100, cstring("/proc/self/pagemap"), O_CLOEXEC);
  if (pagemap < 0) return [{ start, end }];
  return scanned(base, start, end) ?? listed(base, start, end);
}

/** Gives back what this worker keeps open to look at pages. */
export function closePages(): void {
  if (pagemap >= 0) host("close", pagemap);
  pagemap = -1;
}

/** By the call that finds them; undefined where the host does not have it. */
function scanned(base: number, start: number, end: number): Run[] | undefined {
  regions ??= new Float64Array((mostRegions * regionBytes) / 8);
  const words = new BigUint64Array(regions.buffer);
  const found: Run[] = [];
  const from = BigInt(base);
  for (let next = base + start * pageSize, limit = base + end * pageSize; next < limit; ) {
    const anyOf = Category.present | Category.swapped;
    const none = Category.file | Category.zero;
    const values = [argBytes, 0, next, limit, 0, addressOf(regions), mostRegions, 0, none, none, anyOf, anyOf];
    values.forEach((value, i) => {
      storeU64(arg, 8 * i, value);
    });
    const count = host("ioctl", pagemap, PAGEMAP_SCAN, arg.address);
    if (count < 0) return undefined;
    for (let i = 0; i < count; i++)
      found.push({
        start: Number(words[3 * i]! - from) / pageSize,
        end: Number(words[3 * i + 1]! - from) / pageSize,
      });
    next = Number(new BigUint64Array(arg.bytes.buffer)[4]);
  }
  return found;
}

const entryBytes = 8;
/** Bits of the upper word of an entry: of a file, swapped out, present. */
const [ofFile, swapped, present] = [1 << 29, 1 << 30, 1 << 31];

/** By looking at each page's entry. A page of zeros counts like any other. */
function listed(base: number, start: number, end: number): Run[] {
  const most = scratch.bytes.length / entryBytes;
  const found: { start: number; end: number }[] = [];
  for (let first = start; first < end; first += most) {
    const count = Math.min(most, end - first);
    const at = (base / pageSize + first) * entryBytes;
    const got = host("pread64", pagemap, scratch.address, count * entryBytes, at);
    for (let i = 0; i < count; i++) {
      // What cannot be read of it is taken for present.
      const word = i * entryBytes < got ? scratch.i32[2 * i + 1]! : present;
      if ((word & (swapped | present)) === 0 || (word & ofFile) !== 0) continue;
      const page = first + i;
      const previous = found.at(-1);
      if (previous?.end === page) previous.end++;
      else found.push({ start: page, end: page + 1 });
    }
  }
  return found;
}
