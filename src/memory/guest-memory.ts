// Guest memory as bytes: the shared WebAssembly memory, its page table of one byte a page, and checked copies.
// A guest address is an offset into the memory. What is mapped where, and from which file, is address-space.ts's job.
import { guardLostPages } from "../host/lost-pages.ts";
import { addressOf } from "../host/syscall.ts";

export const pageSize = 4096;
const pageShift = 12;
/** The guest's address space ends here. */
export const addressLimit = 2 ** 32;

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
} as const;

/** Views of one guest address space's bytes. Another worker makes its own from `memory` and `pages.buffer`. */
export interface GuestMemory {
  readonly memory: WebAssembly.Memory;
  /** The page table. Index: address >>> 12. */
  readonly pages: Uint8Array;
  /** Holds the page table from byte 0 on, then `lost` and `changes`. */
  readonly pageTable: WebAssembly.Memory;
  /** Counts what takes rights from pages, or marks writable ones as code or watched: see `rightsChanged`. One word. */
  readonly changes: Int32Array;
  /** Where the host replaced a page that its file lost, by zeros: the address of the access, then 1. See host/lost-pages.ts. */
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
  /** Set by the engine: code in `[start, end)` is about to change, so what was made of it must go. */
  codeChanged: (start: number, end: number) => void;
  /**
   * Set by the address space: the page of `addr` lacks some of `bits`. True where that has been mended (the stack grew,
   * a mapped file reaches this far by now), so that the page table is worth another look.
   */
  fault: (addr: number, bits: number) => boolean;
}

const wasmPage = 65536;
const pageCount = addressLimit / pageSize;

/** What the page table's memory holds, at byte offsets. */
export const tableOffset = { pages: 0, lost: pageCount, changes: pageCount + 64 } as const;

/** A new, empty memory of at least `initial` bytes. */
export function newGuestMemory(initial: number): GuestMemory {
  const memory = new WebAssembly.Memory({
    initial: Math.ceil(initial / wasmPage),
    maximum: addressLimit / wasmPage,
    shared: true,
  });
  const tablePages = pageCount / wasmPage + 1;
  const table = new WebAssembly.Memory({ initial: tablePages, maximum: tablePages, shared: true });
  const m = attachGuestMemory(memory, table);
  guardLostPages(m.hostBase, m.lost);
  return m;
}

/** Views of a memory that exists, and of its page table. */
export function attachGuestMemory(memory: WebAssembly.Memory, pageTable: WebAssembly.Memory): GuestMemory {
  const table = pageTable.buffer;
  return {
    memory,
    pageTable,
    pages: new Uint8Array(table, tableOffset.pages, pageCount),
    lost: new Int32Array(table, tableOffset.lost, 2),
    changes: new Int32Array(table, tableOffset.changes, 1),
    codeChanged: () => {},
    fault: () => false,
    ...viewsOf(memory),
  };
}

function viewsOf(memory: WebAssembly.Memory) {
  const b = memory.buffer;
  return {
    u8: new Uint8Array(b),
    i8: new Int8Array(b),
    u16: new Uint16Array(b),
    i16: new Int16Array(b),
    i32: new Int32Array(b),
    view: new DataView(b),
    hostBase: addressOf(new Uint8Array(b)),
    size: b.byteLength,
  };
}

/** Renews the views after another worker, or `growTo`, made the memory larger. */
export function refresh(m: GuestMemory): void {
  if (m.memory.buffer.byteLength !== m.size) Object.assign(m, viewsOf(m.memory));
}

/** Makes the memory at least `bytes` long. False where the engine refuses. */
export function growTo(m: GuestMemory, bytes: number): boolean {
  refresh(m);
  if (bytes <= m.size) return true;
  try {
    m.memory.grow(Math.ceil((bytes - m.size) / wasmPage));
  } catch {
    return false;
  }
  refresh(m);
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
    if ((m.pages[page]! & bits) !== bits && !(m.fault(at, bits) && (m.pages[page]! & bits) === bits)) break;
    at = (page + 1) * pageSize;
  }
  if (end > m.size) refresh(m);
  return Math.max(0, Math.min(at, end) - addr);
}

/** The bytes themselves (not a copy), or undefined where some are not readable. */
export function readable(m: GuestMemory, addr: number, length: number): Uint8Array | undefined {
  return accessible(m, addr, length, Page.read) ? m.u8.subarray(addr, addr + length) : undefined;
}

/** The bytes themselves, to be overwritten, or undefined where some are not writable. Every write of the kernel asks here first. */
export function writable(m: GuestMemory, addr: number, length: number): Uint8Array | undefined {
  if (!accessible(m, addr, length, Page.write)) return undefined;
  if (length > 0) dropCode(m, addr >>> pageShift, Math.ceil((addr + length) / pageSize));
  return m.u8.subarray(addr, addr + length);
}

/**
 * Says that some page allows less than it did: what was remembered of the page table is to be looked up again. Every
 * write to `pages` that takes a right, or sets `code` or `watch` where `write` or `read` is, is followed by a call.
 */
export function rightsChanged(m: GuestMemory): void {
  Atomics.add(m.changes, 0, 1);
}

/** Tells the engine of each page in `[start, end)` (page numbers) that has code, and forgets that it has. */
export function dropCode(m: GuestMemory, start: number, end: number): void {
  for (let page = start; page < end; page++) {
    if (!(m.pages[page]! & Page.code)) continue;
    // Not Atomics.and: once optimized (Bun 1.4.5), it left 0 in the byte.
    m.pages[page]! &= ~Page.code;
    m.codeChanged(page * pageSize, (page + 1) * pageSize);
  }
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
