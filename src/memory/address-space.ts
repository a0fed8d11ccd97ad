// The address space of a guest process: where things lie, what the page table says of each mapping, and what becomes
// of an access that it refuses. The operations on it are in map.ts, remap.ts and advice.ts, its text in maps.ts.
//
// Layout, bottom up: nothing below 64 KiB; a program linked at its own address, and the heap after it; the main stack;
// from its top to the end the area of mmap, filled first-fit from below, because the WebAssembly memory grows upwards
// and is cheapest to use below 2 GiB.
//
// Page table and host are changed in an order that other threads survive: rights are taken from the page table, then
// every thread that runs guest code passes a safepoint, then the host's pages change; rights are given after that. What is
// exported here and in the other files takes the layout lock itself, where its comment does not say that it is held.
import { served } from "./backing.ts";
import {
  addressLimit,
  changePages,
  dropCode,
  type GuestMemory,
  growTo,
  guestBase,
  Page,
  pageSize,
} from "./guest-memory.ts";
import { attachSharing, quiesce, quiesceCode, type Sharing, tryLayout, withLayout } from "./sharing.ts";
import {
  clip,
  commit,
  cut,
  edit,
  endOf,
  type FileIdentity,
  flagsOf,
  Head,
  indexFrom,
  isFile,
  type Mappings,
  newMappings,
  sharedPart,
  startOf,
  type Vma,
  VmaFlag,
  vmaAt,
  vmaCount,
  vmaOf,
} from "./vmas.ts";

/** What bounds an address space, in bytes; Infinity for no bound. */
export type SpaceLimit = "as" | "data" | "stack" | "memlock";

export interface AddressSpace extends Mappings {
  readonly memory: GuestMemory;
  readonly sharing: Sharing;
  /** The process's resource limits. */
  limit: (what: SpaceLimit) => number;
  /** An inode number for shared anonymous memory, one for all address spaces. */
  nextInode: () => number;
}

/** Guest addresses end here; the 64 KiB above stay free, so that no access wraps. */
export const taskSize = addressLimit - 2 ** 16;
/** The lowest address that can be mapped. */
export const minAddress = 2 ** 16;
/** Pages that stay free below a mapping that grows down. */
export const guardGap = 256;

export const PROT_READ = 1;
export const PROT_WRITE = 2;
export const PROT_EXEC = 4;

const mebi = 2 ** 20;
const defaultStackTop = 256 * mebi;
const defaultStackLimit = 8 * mebi;
/** Room that is kept for a heap, and for a stack without limit. */
const heapRoom = 64 * mebi;

/** Where the main stack ends and the area of mmap begins, and how many bytes below are kept for the stack. */
export interface Layout {
  readonly stackTop: number;
  readonly stackReserve: number;
}

/** The layout for a stack of at most `stackSize` bytes (Infinity: no limit, only room for a usual one is kept) above a program whose image ends at `imageEnd`. */
export function layoutFor(stackSize: number, imageEnd = 0): Layout {
  const reserved = stackSize === Number.POSITIVE_INFINITY ? heapRoom : Math.min(stackSize, 1024 * mebi);
  const stackReserve = Math.ceil(reserved / pageSize + guardGap) * pageSize;
  const needed = Math.max(imageEnd + heapRoom, defaultStackTop / 2) + stackReserve;
  return { stackTop: Math.max(defaultStackTop, Math.ceil(needed / mebi) * mebi), stackReserve };
}

/** An empty address space over a new memory. */
export function newAddressSpace(memory: GuestMemory, layout: Layout = layoutFor(defaultStackLimit)): AddressSpace {
  const space = attachAddressSpace(memory, newMappings());
  setLayout(space, layout);
  return space;
}

/** The address space of a process as another of its workers sees it: over that worker's views of the same buffers. */
export function attachAddressSpace(memory: GuestMemory, mappings: Mappings): AddressSpace {
  const limit = (what: SpaceLimit): number => (what === "stack" ? defaultStackLimit : Number.POSITIVE_INFINITY);
  let inodes = 0;
  const sharing = attachSharing(sharedPart(mappings.head));
  const space: AddressSpace = { ...mappings, memory, sharing, limit, nextInode: () => ++inodes };
  memory.fault = (addr, bits) => {
    const mended = tryLayout(sharing, () => faultBits(space, addr, bits) === undefined);
    if (mended === undefined) sharing.undecided = { addr, bits };
    return mended;
  };
  return space;
}

/** An operation that has the layout lock while it is done. */
export const guarded =
  <Rest extends unknown[], Result>(operation: (space: AddressSpace, ...rest: Rest) => Result) =>
  (space: AddressSpace, ...rest: Rest): Result =>
    withLayout(space.sharing, () => operation(space, ...rest));

/** Mends, as far as possible, what could not be decided in guest code, which has been left. */
export function decideFault({ sharing, memory }: AddressSpace): void {
  const { undecided } = sharing;
  if (undecided === undefined) return;
  sharing.undecided = undefined;
  memory.fault(undecided.addr, undecided.bits);
}

/** Only while nothing is mapped. */
export function setLayout(space: AddressSpace, layout: Layout): void {
  space.head[Head.mmapBase] = layout.stackTop;
  space.head[Head.stackTop] = layout.stackTop;
  space.head[Head.stackReserve] = layout.stackReserve;
}

export const stackTop = (space: AddressSpace): number => space.head[Head.stackTop]!;

/** Where the program's code lies, for what /proc says of it. */
export function setCode(space: AddressSpace, start: number, end: number): void {
  space.head[Head.codeStart] = start;
  space.head[Head.codeEnd] = end;
}

/** The page-table bits of a mapping's protection: RISC-V has no page that can be written but not read. */
export const pageBits = (prot: number): number =>
  (prot & PROT_WRITE ? Page.read | Page.write : prot & PROT_READ ? Page.read : 0) | (prot & PROT_EXEC ? Page.exec : 0);

/** Takes all rights from pages `[start, end)`, and drops what was made of their code. Watchpoints stay. True where some page had rights: it takes a `settle` until nobody uses them. */
export const clearPages = (space: AddressSpace, start: number, end: number): boolean =>
  changePages(space.memory, start, end, Page.watch, 0);

/** Gives pages `[start, end)` new rights in place of those that they had. Pages past the end of their file stay so. Answers as `clearPages`. */
export function paintPages(space: AddressSpace, start: number, end: number, bits: number): boolean {
  return changePages(space.memory, start, end, Page.watch | Page.bus, bits);
}

/** Marks pages as past the end of their file. Answers as `clearPages`. */
export const markBus = (space: AddressSpace, start: number, end: number): boolean =>
  changePages(space.memory, start, end, Page.watch, Page.bus);

/** Waits until no thread uses rights that were taken; may be called with the layout lock held, but not in guest code. */
export const settle = ({ sharing, memory }: AddressSpace): void => quiesce(sharing, memory);

const growthStep = 64 * mebi;
// From 2 GiB on, the engine's typed arrays are 2 to 12 times slower at every index (Bun 1.4.5: 1.3 ns become 3 to 15).
const fastSize = 2 ** 31 - 2 ** 16 - guestBase;

/**
 * Makes the memory reach to page `end`, as it must where the guest may touch a page. It grows in large steps, since each
 * gives every view a new buffer.
 */
export function reachTo(space: AddressSpace, end: number): boolean {
  const m = space.memory;
  const bytes = end * pageSize;
  if (bytes <= m.size) return true;
  const most = bytes <= fastSize ? fastSize : addressLimit;
  if (!growTo(m, Math.min(Math.max(bytes, m.size + growthStep), most)) && !growTo(m, bytes)) return false;
  // Views that end before a page which the table allows would read nothing there.
  settle(space);
  return true;
}

export type FaultKind = "read" | "write" | "exec";
/** Signal and code that Linux gives to a faulting access. */
export type SegvOrBus = "SEGV_MAPERR" | "SEGV_ACCERR" | "BUS_ADRERR";

/** What a signal says of an access that was refused. */
export const faultOf = guarded(
  (space, addr: number, kind: FaultKind): SegvOrBus => faultBits(space, addr, Page[kind]) ?? "SEGV_ACCERR",
);

/**
 * Why an access to `addr` is refused that found its page without the right. Undefined where it works now and is to be
 * tried again: a stack has grown, or a file under its mapping.
 */
function faultBits(space: AddressSpace, addr: number, bits: number): SegvOrBus | undefined {
  if (!(addr >= 0 && addr < taskSize)) return "SEGV_MAPERR";
  const page = Math.floor(addr / pageSize);
  const v = vmaOf(space, page) ?? growStack(space, page);
  if (v === undefined) return "SEGV_MAPERR";
  if ((pageBits(v.prot) & bits) !== bits) return "SEGV_ACCERR";
  if ((space.memory.pages[page]! & Page.bus) !== 0 && !busFault(space, addr)) return "BUS_ADRERR";
  return undefined;
}

/** Lets the mapping after `page` grow down over it, if it is one that does so and the guard gap and limits allow it. */
function growStack(space: AddressSpace, page: number): Vma | undefined {
  const index = indexFrom(space, page);
  if (index === vmaCount(space) || (flagsOf(space, index) & VmaFlag.growsDown) === 0) return undefined;
  const v = vmaAt(space, index);
  const pages = v.start - page;
  if (page * pageSize < minAddress || (v.end - page) * pageSize > space.limit("stack")) return undefined;
  if ((space.head[Head.total]! + pages) * pageSize > space.limit("as")) return undefined;
  if (index > 0) {
    const below = vmaAt(space, index - 1);
    const guarded = below.prot !== 0 && (below.flags & VmaFlag.growsDown) === 0;
    if (guarded && page - below.end < guardGap) return undefined;
  }
  const grown = { ...v, start: page };
  commit(space, edit(space, cut(space, page, v.start), [clip(grown, page, v.start)]));
  paintPages(space, page, v.start, pageBits(v.prot));
  return grown;
}

/**
 * Asks the host whether the page of `addr`, past the end of its file when last seen, is within it by now. True, and the page
 * has its rights, if so. The layout lock is held.
 */
export function busFault(space: AddressSpace, addr: number): boolean {
  const page = Math.floor(addr / pageSize);
  const v = vmaOf(space, page);
  if (v === undefined || !served(space.memory, page)) return false;
  changePages(space.memory, page, page + 1, Page.watch, pageBits(v.prot));
  return true;
}

/**
 * A file is about to end at `size` bytes: pages of its mappings past that give SIGBUS from now on. Called before the host
 * is told to truncate, so that guest code does not touch them after. Growth needs no call.
 */
export const fileResized = guarded((space, file: FileIdentity, size: number): void => {
  const filePages = Math.ceil(size / pageSize);
  let taken = false;
  for (let i = 0; i < vmaCount(space); i++) {
    if ((flagsOf(space, i) & VmaFlag.sized) === 0) continue;
    const v = vmaAt(space, i);
    if (!isFile(space, v.file, file)) continue;
    const start = Math.max(v.start, v.start + filePages - v.offset);
    if (start < v.end && markBus(space, start, v.end)) taken = true;
  }
  if (taken) settle(space);
});

/** Drops what was made of code that others may change: of mappings that are shared, with a file or at another address. */
function dropShared(space: AddressSpace): void {
  for (let i = 0; i < vmaCount(space); i++)
    if (flagsOf(space, i) & VmaFlag.shared) dropCode(space.memory, startOf(space, i), endOf(space, i));
}

/**
 * Drops what was made of code of shared mappings, for fence.i: guest code may be running. False where nothing could be
 * done, since another thread is changing the address space.
 */
export const dropSharedCode = (space: AddressSpace): boolean =>
  tryLayout(space.sharing, () => {
    dropShared(space);
    return true;
  }) ?? false;

/** Drops what was made of code between two addresses, and of shared mappings; with `everywhere` no thread executes it any more. */
export const flushCode = guarded((space, start: number, end: number, everywhere: boolean): void => {
  const { inside } = cut(space, Math.floor(start / pageSize), Math.ceil(end / pageSize));
  for (const v of inside) dropCode(space.memory, v.start, v.end);
  dropShared(space);
  if (everywhere) quiesceCode(space.sharing, space.memory);
});

/** First page of `n` free pages: at the hint (a page, 0 for none) if they are free there, else the first in the area of mmap. The layout lock is held, or nobody else is there. */
export function findFree(space: AddressSpace, hint: number, n: number): number | undefined {
  const limit = taskSize / pageSize;
  if (hint !== 0 && hint + n <= limit && isFree(space, hint, hint + n)) return hint;
  let candidate = Math.max(space.head[Head.mmapBase]! / pageSize, space.head[Head.full]!);
  let full = candidate;
  const count = vmaCount(space);
  for (let i = indexFrom(space, candidate); i < count; i++) {
    if (full === startOf(space, i)) full = endOf(space, i);
    if (candidate + n <= lowEdge(space, i)) break;
    candidate = endOf(space, i);
  }
  space.head[Head.full] = full;
  return candidate + n <= limit ? candidate : undefined;
}

/** Whether nothing, and no guard gap, is in pages `[start, end)`. The layout lock is held. */
export function isFree(space: AddressSpace, start: number, end: number): boolean {
  const i = indexFrom(space, start);
  return i === vmaCount(space) || end <= lowEdge(space, i);
}

const lowEdge = (space: AddressSpace, i: number): number =>
  startOf(space, i) - (flagsOf(space, i) & VmaFlag.growsDown ? guardGap : 0);
