// Guest memory as bytes: the shared WebAssembly memory, its page table of one byte a page, and checked copies.
// The memory begins with what is the emulator's: the page table, and the state of harts. Behind it, from `guestBase` on,
// lies the guest's: a guest address is an offset from there, in JavaScript's views and in WebAssembly (as the constant
// offset of an access) alike. So translated code reaches all three as its first memory, which is the fastest, and no
// guest address, being unsigned, can reach what lies before. What is mapped where is address-space.ts's job.
//
// Any thread may read a byte of the page table at any time. Who changes some holds the table's lock meanwhile, for no
// longer: the engine cannot change a byte atomically (an optimized Atomics.and left 0 in it, Bun 1.4.5).
import { guardLostPages, lostCellWords } from "../host/lost-pages.ts";
import { addressOf } from "../host/syscall.ts";
import { lock, type Mutex, unlock } from "../sync/mutex.ts";
import { changesFrom, logWords, noteChange, sequenceOf } from "./change-log.ts";
import { watchTableWords } from "./watch-table.ts";

export const pageSize = 4096;
const pageShift = 12;

const kibi = 1024;
/** Byte offset of the guest's address 0 in the memory. The engine tests accesses whose constant offset is 8 MiB or more. */
export const guestBase = 7680 * kibi;
/** The guest's address space ends here. */
export const addressLimit = 2 ** 32 - guestBase;

/** Bits of a page-table byte. */
export const Page = {
  read: 1,
  write: 2,
  exec: 4,
  /** Code of this page has been decoded or translated: a store to it must drop that. */
  code: 8,
  /** A watchpoint covers part of it. */
  watch: 16,
  /** Mapped, but past the end of its file: SIGBUS. The permission bits are clear. */
  bus: 32,
  /** It can be read, and is not watched. */
  plainRead: 64,
  /** It can be written, has no code, and is not watched. */
  plainWrite: 128,
} as const;

/** What is done to bytes; `both` by an atomic operation. */
export type AccessKind = "read" | "write" | "both";

/** Views of one guest address space's bytes. Another worker makes its own from `memory`. */
export interface GuestMemory {
  readonly memory: WebAssembly.Memory;
  /** The page table. Index: address >>> 12. */
  readonly pages: Uint8Array;
  /** Held by who changes the page table, or `log`. Nothing is waited for by its owner. */
  readonly tableLock: Mutex;
  /** What changed that has a page table's mark of code, and when the memory grew: change-log.ts. */
  readonly log: Int32Array;
  /** How far this worker has read the log. */
  seen: number;
  /** Where the host replaced pages that their files lost, by zeros: cells of host/lost-pages.ts. */
  readonly lost: Int32Array;
  u8: Uint8Array;
  i8: Int8Array;
  u16: Uint16Array;
  i16: Int16Array;
  i32: Int32Array;
  view: DataView;
  /** Host address of guest address 0. */
  hostBase: number;
  /** Bytes that the memory has now: views end here. */
  size: number;
  /** Set by the engine: code in `[start, end)` changes, so what this worker made of it must go. */
  codeChanged: (start: number, end: number) => void;
  /** Set by a debugger: told of accesses to pages with a watchpoint, which would be made next. True where an instruction is to stop before that. */
  watched: ((addr: number, length: number, kind: AccessKind) => boolean) | undefined;
  /** What is watched, for compiled code: watch-table.ts. */
  readonly watchTable: Int32Array;
  /** Whether anything has been watched so far: then code is compiled so that it can work on watched pages. */
  looksAtWatches: boolean;
  /**
   * Set by the address space: the page of `addr` lacks some of `bits`. True where that has been mended (the stack grew,
   * a mapped file reaches this far by now), so that the page table is worth another look. Undefined where another thread is
   * changing the address space and this one runs guest code: it has to leave that, and try the access again.
   */
  fault: (addr: number, bits: number) => boolean | undefined;
}

const wasmPage = 65536;
const pageCount = 2 ** 32 / pageSize;
// Byte offsets in the memory: the page table is at 0.
const headOffset = pageCount;
const hartsOffset = headOffset + pageSize;

// Words of the page behind the page table.
const HeadWord = { tableLock: 0, log: 16, watched: 384, lost: 512 } as const;
if (
  HeadWord.log + logWords > HeadWord.watched ||
  HeadWord.watched + watchTableWords > HeadWord.lost ||
  HeadWord.lost + lostCellWords > pageSize / 4
)
  throw new Error("the page behind the page table is too small");

/** Byte offset of the table of what is watched in the memory: watch-table.ts. */
export const watchTableOffset = headOffset + HeadWord.watched * 4;

/** Bytes that a hart has in the memory: its state, and tables of what is translated for it. */
export const hartBytes = 24 * kibi;
export const mostHarts = Math.floor((guestBase - hartsOffset) / hartBytes);

/** Byte offset of a hart in the memory. */
export const hartOffset = (index: number): number => hartsOffset + index * hartBytes;

/** A new, empty memory of at least `initial` bytes. */
export function newGuestMemory(initial: number): GuestMemory {
  const memory = new WebAssembly.Memory({
    initial: Math.ceil((guestBase + initial) / wasmPage),
    maximum: 2 ** 32 / wasmPage,
    shared: true,
  });
  const m = attachGuestMemory(memory);
  guardLostPages(m.hostBase, m.lost);
  return m;
}

/** Views of a memory that exists. */
export function attachGuestMemory(memory: WebAssembly.Memory): GuestMemory {
  const head = new Int32Array(memory.buffer, headOffset, pageSize / 4);
  const log = head.subarray(HeadWord.log, HeadWord.log + logWords);
  return {
    memory,
    pages: new Uint8Array(memory.buffer, 0, pageCount),
    tableLock: { words: head, index: HeadWord.tableLock },
    log,
    seen: sequenceOf(log),
    lost: head.subarray(HeadWord.lost, HeadWord.lost + lostCellWords),
    codeChanged: () => {},
    watched: undefined,
    watchTable: head.subarray(HeadWord.watched, HeadWord.watched + watchTableWords),
    looksAtWatches: false,
    fault: () => false,
    ...viewsOf(memory),
  };
}

function viewsOf(memory: WebAssembly.Memory) {
  const b = memory.buffer;
  return {
    u8: new Uint8Array(b, guestBase),
    i8: new Int8Array(b, guestBase),
    u16: new Uint16Array(b, guestBase),
    i16: new Int16Array(b, guestBase),
    i32: new Int32Array(b, guestBase),
    view: new DataView(b, guestBase),
    hostBase: addressOf(new Uint8Array(b)) + guestBase,
    size: b.byteLength - guestBase,
  };
}

/** Renews the views after another worker, or `growTo`, made the memory larger. */
export function refresh(m: GuestMemory): void {
  if (m.memory.buffer.byteLength !== guestBase + m.size) Object.assign(m, viewsOf(m.memory));
}

/** Makes the memory at least `bytes` long; other workers' views follow when they catch up. False where the engine refuses. */
export function growTo(m: GuestMemory, bytes: number): boolean {
  refresh(m);
  if (bytes <= m.size) return true;
  try {
    m.memory.grow(Math.ceil((bytes - m.size) / wasmPage));
  } catch {
    return false;
  }
  refresh(m);
  lock(m.tableLock);
  noteChange(m.log, 0, 0);
  unlock(m.tableLock);
  return true;
}

/** Whether all of `[addr, addr + length)` has every permission in `bits`. Addresses and lengths may be any number. */
export function accessible(m: GuestMemory, addr: number, length: number, bits: number): boolean {
  return accessibleLength(m, addr, length, bits) === length;
}

/** How many bytes from `addr` on, at most `length`, have every permission in `bits`. */
export function accessibleLength(m: GuestMemory, addr: number, length: number, bits: number): number {
  if (!(addr >= 0 && addr < addressLimit)) return 0;
  const end = Math.min(addr + length, addressLimit);
  let at = addr;
  while (at < end) {
    const page = Math.floor(at / pageSize);
    if ((m.pages[page]! & bits) === bits) at = (page + 1) * pageSize;
    else if (m.fault(at, bits) !== true) break;
  }
  if (end > m.size) refresh(m);
  return Math.max(0, Math.min(at, end) - addr);
}

/** The bytes themselves (not a copy), or undefined where some are not readable. */
export function readable(m: GuestMemory, addr: number, length: number): Uint8Array | undefined {
  if (!accessible(m, addr, length, Page.read)) return undefined;
  if (m.watched !== undefined) isWatched(m, addr, length, "read");
  return m.u8.subarray(addr, addr + length);
}

/** The bytes themselves, to be overwritten, or undefined where some are not writable. Every write of the kernel asks here first. */
export function writable(m: GuestMemory, addr: number, length: number): Uint8Array | undefined {
  if (!accessible(m, addr, length, Page.write)) return undefined;
  willWrite(m, addr, length);
  return m.u8.subarray(addr, addr + length);
}

/** Bytes that may be overwritten are about to be: code that lies there goes. */
export function willWrite(m: GuestMemory, addr: number, length: number): void {
  if (length > 0) dropCode(m, addr >>> pageShift, Math.ceil((addr + length) / pageSize));
  if (m.watched !== undefined) isWatched(m, addr, length, "write");
}

/** Tells a debugger of an access, if it is to a page with a watchpoint. Answers what it says. */
export function isWatched(m: GuestMemory, addr: number, length: number, kind: AccessKind): boolean {
  const last = Math.floor((addr + length - 1) / pageSize);
  for (let page = Math.floor(addr / pageSize); page <= last; page++)
    if ((m.pages[page]! & Page.watch) !== 0) return m.watched?.(addr, length, kind) === true;
  return false;
}

const rights = Page.read | Page.write | Page.exec;

/** A byte with the bits that sum up others: past the end of its file a page has no rights. */
function summed(byte: number): number {
  if (byte & Page.bus) return byte & (Page.bus | Page.watch);
  const read = (byte & (Page.read | Page.watch)) === Page.read ? Page.plainRead : 0;
  const write = (byte & (Page.write | Page.code | Page.watch)) === Page.write ? Page.plainWrite : 0;
  return (byte & ~(Page.plainRead | Page.plainWrite)) | read | write;
}

/**
 * Changes the bytes of pages `[start, end)`: of each the bits of `keep` stay, and `set` is added. Where that ends a mark of
 * code, all workers hear of it. Answers whether a page had a right that it has no more.
 */
export function changePages(m: GuestMemory, start: number, end: number, keep: number, set: number): boolean {
  const { pages } = m;
  let taken = 0;
  let dropped = -1;
  lock(m.tableLock);
  for (let page = start; page < end; page++) {
    const old = pages[page]!;
    const byte = summed((old & keep) | set);
    pages[page] = byte;
    const gone = old & ~byte;
    taken |= gone;
    if (gone & Page.code) {
      if (dropped < 0) dropped = page;
    } else if (dropped >= 0) {
      noteChange(m.log, dropped, page);
      dropped = -1;
    }
  }
  if (dropped >= 0) noteChange(m.log, dropped, end);
  unlock(m.tableLock);
  if (taken & Page.code) catchUp(m);
  return (taken & rights) !== 0;
}

/** Puts bytes back that pages from `start` on had before, but for marks of code. */
export function restorePages(m: GuestMemory, start: number, before: Uint8Array): void {
  lock(m.tableLock);
  before.forEach((byte, i) => {
    m.pages[start + i] = summed(byte & ~Page.code);
  });
  unlock(m.tableLock);
}

/** Brings the bits that sum up others up to date, where the bytes of pages `[start, end)` were written as such. */
export const pagesChanged = (m: GuestMemory, start: number, end: number): void =>
  void changePages(m, start, end, -1, 0);

/** Says that code of a page is about to be decoded or translated. */
export function markCode(m: GuestMemory, page: number): void {
  if ((m.pages[page]! & Page.code) === 0) changePages(m, page, page + 1, -1, Page.code);
}

/** Tells the engines of all workers of each page in `[start, end)` (page numbers) that has code, and forgets that it has. */
export function dropCode(m: GuestMemory, start: number, end: number): void {
  let first = start;
  while (first < end && (m.pages[first]! & Page.code) === 0) first++;
  if (first < end) changePages(m, first, end, ~Page.code, 0);
}

/** Drops what this worker made of code that has changed, by whomever, and renews its views. What it costs where nothing has: a comparison. */
export function catchUp(m: GuestMemory): void {
  if (sequenceOf(m.log) !== m.seen) catchUpWith(m);
}

function catchUpWith(m: GuestMemory): void {
  lock(m.tableLock);
  const changes = changesFrom(m.log, m.seen);
  m.seen = sequenceOf(m.log);
  unlock(m.tableLock);
  refresh(m);
  if (changes === undefined) m.codeChanged(0, 2 ** 32);
  else
    for (let i = 0; i < changes.length; i += 2)
      if (changes[i]! < changes[i + 1]!) m.codeChanged(changes[i]! * pageSize, changes[i + 1]! * pageSize);
}

/** Copies bytes in. False, and nothing written, where some are not writable. */
export function copyTo(m: GuestMemory, addr: number, bytes: Uint8Array): boolean {
  const to = writable(m, addr, bytes.length);
  to?.set(bytes);
  return to !== undefined;
}

/**
 * A NUL-terminated string, one character a byte (latin1), without its NUL. Undefined where it runs into bytes that are
 * not readable, null where it is longer than `limit` bytes.
 */
export function readString(m: GuestMemory, addr: number, limit: number): string | undefined | null {
  let text = "";
  for (let at = addr; text.length <= limit; ) {
    const n = accessibleLength(m, at, pageSize - (at % pageSize), Page.read);
    if (n === 0) return undefined;
    const bytes = m.u8.subarray(at, at + n);
    const nul = bytes.indexOf(0);
    text += latin1(nul < 0 ? bytes : bytes.subarray(0, nul));
    if (nul >= 0) return text.length <= limit ? text : null;
    at += n;
  }
  return null;
}

/** Bytes as a string of one character a byte. */
export const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");
