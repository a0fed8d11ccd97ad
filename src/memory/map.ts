// mmap, munmap, mprotect and brk on an address space, by the rules of Linux's mm/mmap.c and mm/mprotect.c.
// Each answers a result or -errno. An operation that fails has changed nothing: rules are checked first, then what the
// host may refuse is done beside the guest's memory, and only then are list, host pages and page table changed.
import { constants } from "node:os";
import {
  type AddressSpace,
  clearPages,
  findFree,
  guarded,
  isFree,
  type Layout,
  markBus,
  minAddress,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
  pageBits,
  paintPages,
  reachTo,
  setLayout,
  settle,
  taskSize,
} from "./address-space.ts";
import {
  anonymous,
  drop,
  fileError,
  fileStatus,
  isLifted,
  type Lifted,
  liftFile,
  liftShared,
  place,
  renew,
} from "./backing.ts";
import { pageSize, restorePages } from "./guest-memory.ts";
import { preferHuge, preferHugeHeap } from "./huge.ts";
import {
  commit,
  covers,
  cut,
  edit,
  flagsOf,
  forgetFiles,
  Head,
  indexFrom,
  internFile,
  keepFile,
  maxMapCount,
  startOf,
  type Vma,
  VmaFlag,
  vmaAt,
  vmaCount,
} from "./vmas.ts";

const { EACCES, EAGAIN, EBADF, EEXIST, EINVAL, ENOMEM, EOPNOTSUPP, EOVERFLOW, EPERM } = constants.errno;

/** Flags of mmap, asm-generic. */
export const MapFlag = {
  SHARED_VALIDATE: 0x3,
  SHARED: 0x1,
  PRIVATE: 0x2,
  FIXED: 0x10,
  ANONYMOUS: 0x20,
  GROWSDOWN: 0x100,
  DENYWRITE: 0x800,
  EXECUTABLE: 0x1000,
  LOCKED: 0x2000,
  NORESERVE: 0x4000,
  POPULATE: 0x8000,
  NONBLOCK: 0x10000,
  STACK: 0x20000,
  HUGETLB: 0x40000,
  SYNC: 0x80000,
  FIXED_NOREPLACE: 0x100000,
} as const;

const mapType = 0xf;
/** What is so mapped is not meant to be filled. */
const sparse = MapFlag.GROWSDOWN | MapFlag.NORESERVE | MapFlag.STACK;
/** What MAP_SHARED_VALIDATE lets pass. */
const validated = Object.values(MapFlag).reduce<number>((all, flag) => all | flag, 0) & ~MapFlag.SYNC;

/**
 * Bound on the mappings that the host must keep too, well below its own vm.max_map_count: the emulator does not survive
 * being refused one of its own.
 */
export const maxHosted = 16384;

const pagesOf = (bytes: number): number => Math.ceil(bytes / pageSize);
const aligned = (addr: number): boolean => addr % pageSize === 0;

/** What a mapping shows. `fd` is the host's descriptor, `name` the guest path (latin1), `offset` in bytes. */
export interface MapSource {
  readonly fd: number;
  readonly offset: number;
  readonly name: string;
  /** What is behind the `n` pages of anonymous shared memory, where that is no new one; or -errno. */
  readonly backing?: (space: AddressSpace, n: number) => Backing | number;
}

/** Anonymous memory. */
export const noFile: MapSource = { fd: -1, offset: 0, name: "" };

/**
 * mmap. Answers the address. For anonymous private memory a `name` (such as `[vdso]`) is what maps shows.
 * All numbers may be anything that a register can hold.
 */
export const map = guarded(doMap);

// As in Linux, the names that begin with `do` are those of operations for which the layout lock is held.
function doMap(
  space: AddressSpace,
  addr: number,
  length: number,
  prot: number,
  flags: number,
  source: MapSource = noFile,
): number {
  const isAnonymous = (flags & MapFlag.ANONYMOUS) !== 0;
  if (!aligned(source.offset)) return -EINVAL;
  if (!isAnonymous && source.fd < 0) return -EBADF;
  if (length === 0 || (!isAnonymous && (flags & MapFlag.HUGETLB) !== 0)) return -EINVAL;
  const n = pagesOf(length);
  // Also the pool of huge pages, which is empty.
  if (n * pageSize > taskSize || (flags & MapFlag.HUGETLB) !== 0) return -ENOMEM;
  if (vmaCount(space) > maxMapCount) return -ENOMEM;

  const start = placeFor(space, addr, n, flags);
  if (start < 0) return start;
  const end = start + n;

  const lock = lockFlags(space, flags);
  if ((flags & MapFlag.LOCKED) !== 0 && space.limit("memlock") === 0) return -EPERM;
  if (lock !== 0 && !mayLock(space, n)) return -EAGAIN;

  const type = flags & mapType;
  const shared = type === MapFlag.SHARED || type === MapFlag.SHARED_VALIDATE;
  if (!shared && type !== MapFlag.PRIVATE) return -EINVAL;
  if (isAnonymous && type === MapFlag.SHARED_VALIDATE) return -EINVAL;
  if (type === MapFlag.SHARED_VALIDATE && (flags & ~validated) !== 0) return -EOPNOTSUPP;
  const growsDown = (flags & MapFlag.GROWSDOWN) !== 0;
  if (growsDown && (shared || !isAnonymous)) return -EINVAL;

  const old = cut(space, start, end);
  const room = roomFor(space, n, old.inside, (prot & PROT_WRITE) !== 0 && !shared && !growsDown);
  if (room < 0) return room;

  const backing =
    source.backing !== undefined
      ? source.backing(space, n)
      : isAnonymous
        ? anonymousBacking(space, n, shared, source.name)
        : fileBacking(space, n, prot, shared, source);
  if (typeof backing === "number") return backing;
  const { lifted } = backing;
  const failure = (error: number): number => {
    if (lifted !== undefined) drop(lifted);
    return error;
  };
  const vma: Vma = {
    start,
    end,
    prot: prot & (PROT_READ | PROT_WRITE | PROT_EXEC),
    flags:
      backing.flags |
      lock |
      (shared ? VmaFlag.shared : 0) |
      (growsDown ? VmaFlag.growsDown : 0) |
      (flags & MapFlag.NORESERVE ? VmaFlag.noReserve : 0),
    file: backing.file,
    offset: isAnonymous ? 0 : source.offset / pageSize,
  };
  const change = edit(space, old, [vma]);
  if (change.count > maxMapCount + 1) return failure(-ENOMEM);
  // An address range that is only reserved needs no memory.
  if ((vma.prot !== 0 || lifted !== undefined) && !reachTo(space, end)) return failure(-ENOMEM);

  const before = takeRights(space, start, end);
  if (lifted === undefined) release(space, old.inside);
  else {
    const error = place(space.memory, lifted, start);
    if (error < 0) {
      restorePages(space.memory, start, before);
      return failure(error);
    }
  }
  commit(space, change);
  if (lifted === undefined && (prot & PROT_WRITE) !== 0 && (flags & sparse) === 0) preferHuge(space, start, end);
  if (backing.pages < n) markBus(space, start + backing.pages, end);
  paintPages(space, start, end, pageBits(prot));
  return start * pageSize;
}

/** The first page of the new mapping, or -errno. */
function placeFor(space: AddressSpace, addr: number, n: number, flags: number): number {
  const only = (flags & MapFlag.FIXED_NOREPLACE) !== 0;
  if (!only && (flags & MapFlag.FIXED) === 0) {
    const hint = addr === 0 || addr > taskSize ? 0 : Math.max(Math.floor(addr / pageSize), minAddress / pageSize);
    return findFree(space, hint, n) ?? -ENOMEM;
  }
  if (addr > taskSize - n * pageSize) return -ENOMEM;
  if (!aligned(addr)) return -EINVAL;
  if (addr < minAddress) return -EPERM;
  const page = addr / pageSize;
  if (only && cut(space, page, page + n).inside.length > 0) return -EEXIST;
  return page;
}

/** 0, or -ENOMEM where `n` more pages in place of `old` go beyond a limit. */
export function roomFor(space: AddressSpace, n: number, old: readonly Vma[], data: boolean): number {
  let replaced = 0;
  for (const v of old) replaced += v.end - v.start;
  if ((space.head[Head.total]! + n - replaced) * pageSize > space.limit("as")) return -ENOMEM;
  return data && overData(space, n) ? -ENOMEM : 0;
}

const overData = (space: AddressSpace, n: number): boolean =>
  space.limit("data") !== Number.POSITIVE_INFINITY && (dataPages(space) + n) * pageSize > space.limit("data");

/** Whether RLIMIT_DATA counts such a mapping. */
export const isData = (prot: number, flags: number): boolean =>
  (prot & PROT_WRITE) !== 0 && (flags & (VmaFlag.shared | VmaFlag.growsDown)) === 0;

const sumPages = (space: AddressSpace, counts: (v: Vma) => boolean): number => {
  let sum = 0;
  for (let i = 0; i < vmaCount(space); i++) {
    const v = vmaAt(space, i);
    if (counts(v)) sum += v.end - v.start;
  }
  return sum;
};

/** Pages of private writable memory that is no stack. */
export const dataPages = (space: AddressSpace): number => sumPages(space, (v) => isData(v.prot, v.flags));
export const lockedPages = (space: AddressSpace): number => sumPages(space, (v) => (v.flags & VmaFlag.locked) !== 0);

const lockFlags = (space: AddressSpace, flags: number): number =>
  space.head[Head.future]! | (flags & MapFlag.LOCKED ? VmaFlag.locked : 0);

/** Whether RLIMIT_MEMLOCK lets `n` more pages be locked. */
export const mayLock = (space: AddressSpace, n: number): boolean =>
  space.limit("memlock") === Number.POSITIVE_INFINITY || (lockedPages(space) + n) * pageSize <= space.limit("memlock");

/** The host mapping that is laid over the guest's pages, if any, and what the list says of it: flags, file, and: */
export interface Backing {
  readonly lifted: Lifted | undefined;
  readonly flags: number;
  readonly file: number;
  /** Pages that the file has for the mapping. */
  readonly pages: number;
}

const noDevice = { major: 0, minor: 0, inoLow: 0, inoHigh: 0 };

function anonymousBacking(space: AddressSpace, n: number, shared: boolean, name: string): Backing | number {
  if (!shared) {
    const file = name === "" ? 0 : internFile(space, { ...noDevice, name });
    return { lifted: undefined, flags: 0, file, pages: n };
  }
  if (hostedCount(space) >= maxHosted) return -ENOMEM;
  const inoLow = space.nextInode();
  const file = internFile(space, { ...noDevice, minor: 1, inoLow, name: "/dev/zero (deleted)" });
  const lifted = file === 0 ? -ENOMEM : liftShared(n);
  if (!isLifted(lifted)) return lifted;
  return { lifted, flags: VmaFlag.hosted | VmaFlag.hostShared, file, pages: n };
}

function fileBacking(
  space: AddressSpace,
  n: number,
  prot: number,
  shared: boolean,
  source: MapSource,
): Backing | number {
  if (source.offset < 0 || source.offset + n * pageSize > 2 ** 63 - 2 ** 12) return -EOVERFLOW;
  const status = fileStatus(source.fd);
  if (typeof status === "number") return status;
  if (!status.mappable) return fileError(source.fd);
  if (hostedCount(space) >= maxHosted) return -ENOMEM;
  const file = internFile(space, { ...status, name: source.name });
  const lifted = file === 0 ? -ENOMEM : liftFile(source.fd, source.offset, n, prot, shared);
  if (!isLifted(lifted)) return lifted;
  // A shared one is shared with a forked process as it is.
  if (!lifted.shared) keepFile(space, file, source.fd);
  const flags =
    VmaFlag.hosted |
    (status.regular ? VmaFlag.sized : 0) |
    (lifted.shared ? VmaFlag.hostShared : 0) |
    (lifted.neverWrite ? VmaFlag.neverWrite : 0);
  const pages = status.regular ? Math.max(0, pagesOf(status.size) - source.offset / pageSize) : n;
  return { lifted, flags, file, pages };
}

/** How many there are. */
export function hostedCount(space: AddressSpace): number {
  let n = 0;
  for (let i = 0; i < vmaCount(space); i++) if (flagsOf(space, i) & VmaFlag.hosted) n++;
  return n;
}

/** Clears the page table for `[start, end)`, so that no thread uses the pages, and answers what it held, to be put back on failure. */
export function takeRights(space: AddressSpace, start: number, end: number): Uint8Array {
  const before = space.memory.pages.slice(start, end);
  if (clearPages(space, start, end)) settle(space);
  return before;
}

/** Gives the host's pages of mappings back: they are the memory's own, and zero, after. */
export function release(space: AddressSpace, inside: readonly Vma[]): void {
  for (const v of inside)
    if (v.flags & VmaFlag.hosted) anonymous(space.memory, v.start, v.end);
    else renew(space.memory, v.start, v.end);
}

/** munmap. Answers 0. */
export const unmap = guarded((space, addr: number, length: number): number => {
  if (!aligned(addr) || addr > taskSize || length > taskSize - addr || length === 0) return -EINVAL;
  return doUnmap(space, addr / pageSize, addr / pageSize + pagesOf(length));
});

/** Unmaps pages `[start, end)`. 0 or -errno. */
export function doUnmap(space: AddressSpace, start: number, end: number): number {
  const old = cut(space, start, end);
  if (old.inside.length === 0) return 0;
  const change = edit(space, old, []);
  if (change.count > Math.max(maxMapCount, vmaCount(space))) return -ENOMEM;
  let taken = false;
  for (const v of old.inside) if (clearPages(space, v.start, v.end)) taken = true;
  if (taken) settle(space);
  release(space, old.inside);
  commit(space, change);
  return 0;
}

/** Unmaps all and begins anew, for execve; or, without a layout, before the memory is given up. */
export const clear = guarded((space, layout: Layout | undefined): void => {
  doUnmap(space, 0, taskSize / pageSize);
  forgetFiles(space);
  space.head.fill(0, 0, Head.words);
  if (layout !== undefined) setLayout(space, layout);
});

const PROT_SEM = 8;
const PROT_GROWSDOWN = 0x01000000;
const PROT_GROWSUP = 0x02000000;

/** mprotect. Answers 0. */
export const protect = guarded(doProtect);

function doProtect(space: AddressSpace, addr: number, length: number, prot: number): number {
  const grows = prot & (PROT_GROWSDOWN | PROT_GROWSUP);
  if (grows === (PROT_GROWSDOWN | PROT_GROWSUP) || !aligned(addr)) return -EINVAL;
  if (length === 0) return 0;
  if (addr >= taskSize || length > taskSize - addr) return -ENOMEM;
  if ((prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM | grows)) !== 0) return -EINVAL;
  let start = addr / pageSize;
  const end = start + pagesOf(length);
  const i = indexFrom(space, start);
  if (i === vmaCount(space)) return -ENOMEM;
  if (grows === PROT_GROWSDOWN) {
    if (startOf(space, i) >= end) return -ENOMEM;
    if ((flagsOf(space, i) & VmaFlag.growsDown) === 0) return -EINVAL;
    start = startOf(space, i);
  } else if (startOf(space, i) > start) return -ENOMEM;
  // No mapping grows up on this architecture.
  if (grows === PROT_GROWSUP) return -EINVAL;

  const newProt = prot & (PROT_READ | PROT_WRITE | PROT_EXEC);
  const old = cut(space, start, end);
  if (!covers(old.inside, start, end)) return -ENOMEM;
  if (newProt & PROT_WRITE && old.inside.some((v) => v.flags & VmaFlag.neverWrite)) return -EACCES;
  let becomesData = 0;
  for (const v of old.inside) if (isData(newProt, v.flags) && !isData(v.prot, v.flags)) becomesData += v.end - v.start;
  if (becomesData > 0 && overData(space, becomesData)) return -ENOMEM;
  const middle = old.inside.map((v) => ({ ...v, prot: newProt }));
  const change = edit(space, old, middle);
  if (change.count > Math.max(maxMapCount, vmaCount(space))) return -ENOMEM;
  if (newProt !== 0 && !reachTo(space, end)) return -ENOMEM;
  commit(space, change);
  if (paintPages(space, start, end, pageBits(newProt))) settle(space);
  return 0;
}

/** Where the heap begins, which is where it ends until brk is called. */
export function setBrk(space: AddressSpace, addr: number): void {
  space.head[Head.brkStart] = Math.ceil(addr / pageSize) * pageSize;
  space.head[Head.brk] = space.head[Head.brkStart]!;
}

/** brk. Answers the end of the heap, which is the old one where the new one could not be had. */
export const brk = guarded(doBrk);

function doBrk(space: AddressSpace, addr: number): number {
  const { head } = space;
  const [first, now] = [head[Head.brkStart]!, head[Head.brk]!];
  if (addr < first || addr > taskSize || addr - first > space.limit("data")) return now;
  const [from, to] = [pagesOf(now), pagesOf(addr)];
  if (to < from && doUnmap(space, to, from) < 0) return now;
  if (to > from) {
    if (!growHeap(space, from, to)) return now;
    preferHugeHeap(space, to);
  }
  head[Head.brk] = addr;
  return addr;
}

function growHeap(space: AddressSpace, from: number, to: number): boolean {
  const top = space.head[Head.stackTop]!;
  const ceiling = from * pageSize < top ? (top - space.head[Head.stackReserve]!) / pageSize : taskSize / pageSize;
  // A page stays free above the heap.
  if (to + 1 > ceiling || !isFree(space, from, to + 1)) return false;
  const flags = MapFlag.PRIVATE | MapFlag.ANONYMOUS | MapFlag.FIXED;
  return doMap(space, from * pageSize, (to - from) * pageSize, PROT_READ | PROT_WRITE, flags) >= 0;
}
