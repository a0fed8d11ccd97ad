// Guest memory as bytes: the shared WebAssembly memory, its page table of one byte a page, and checked copies.
// The memory begins with what is the emulator's: the page table, and the state of harts. Behind it, from `guestBase` on,
// lies the guest's: a guest address is an offset from there, in JavaScript's views and in WebAssembly (as the constant
// offset of an access) alike. So translated code reaches all three as its first memory, which is the fastest, and no
// guest address, being unsigned, can reach what lies before. What is mapped where is address-space.ts's job.
import { guardLostPages } from "../host/lost-pages.ts";
import { addressOf } from "../host/syscall.ts";

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

/** Views of one guest address space's bytes. Another worker makes its own from `memory`. */
export interface GuestMemory {
  readonly memory: WebAssembly.Memory;
  /** The page table. Index: address >>> 12. */
  readonly pages: Uint8Array;
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
const pageCount = 2 ** 32 / pageSize;
// Byte offsets in the memory: the page table is at 0.
const lostOffset = pageCount;
const hartsOffset = lostOffset + pageSize;

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
  return {
    memory,
    pages: new Uint8Array(memory.buffer, 0, pageCount),
    lost: new Int32Array(memory.buffer, lostOffset, 2),
    codeChanged: () => {},
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

/** Brings the bits that sum up others up to date. Follows every other change of the bytes of `[start, end)`. */
export function pagesChanged(m: GuestMemory, start: number, end: number): void {
  for (let page = start; page < end; page++) {
    const byte = m.pages[page]!;
    const read = (byte & (Page.read | Page.watch)) === Page.read ? Page.plainRead : 0;
    const write = (byte & (Page.write | Page.code | Page.watch)) === Page.write ? Page.plainWrite : 0;
    m.pages[page] = (byte & ~(Page.plainRead | Page.plainWrite)) | read | write;
  }
}

/** Tells the engine of each page in `[start, end)` (page numbers) that has code, and forgets that it has. */
export function dropCode(m: GuestMemory, start: number, end: number): void {
  for (let page = start; page < end; page++) {
    if (!(m.pages[page]! & Page.code)) continue;
    // Not Atomics.and: once optimized (Bun 1.4.5), it left 0 in the byte.
    m.pages[page]! &= ~Page.code;
    pagesChanged(m, page, page + 1);
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
