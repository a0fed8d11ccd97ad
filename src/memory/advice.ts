// What a process says about its mappings without changing where they are: madvise, msync, mincore and the mlock family.
// Locking is book-keeping: limits and errors are Linux's, but the host's pages are not locked.
import { constants } from "node:os";
import { type AddressSpace, busFault, guarded, pageBits, taskSize } from "./address-space.ts";
import { advise, discard, residency, sync } from "./backing.ts";
import { dropCode, Page, pageSize } from "./guest-memory.ts";
import { lockedPages } from "./map.ts";
import { commit, covers, cut, edit, Head, maxMapCount, type Vma, VmaFlag, vmaCount } from "./vmas.ts";

const { EACCES, EBUSY, EFAULT, EINVAL, ENOMEM, EPERM } = constants.errno;

/** Advice of madvise, asm-generic. */
export const Advice = {
  NORMAL: 0,
  RANDOM: 1,
  SEQUENTIAL: 2,
  WILLNEED: 3,
  DONTNEED: 4,
  FREE: 8,
  REMOVE: 9,
  DONTFORK: 10,
  DOFORK: 11,
  MERGEABLE: 12,
  UNMERGEABLE: 13,
  HUGEPAGE: 14,
  NOHUGEPAGE: 15,
  DONTDUMP: 16,
  DODUMP: 17,
  WIPEONFORK: 18,
  KEEPONFORK: 19,
  COLD: 20,
  PAGEOUT: 21,
  POPULATE_READ: 22,
  POPULATE_WRITE: 23,
  DONTNEED_LOCKED: 24,
} as const;

/** Advice that sets and clears flags of the mapping. */
const flagAdvice = new Map<number, readonly [set: number, clear: number]>([
  [Advice.NORMAL, [0, VmaFlag.random | VmaFlag.sequential]],
  [Advice.RANDOM, [VmaFlag.random, VmaFlag.sequential]],
  [Advice.SEQUENTIAL, [VmaFlag.sequential, VmaFlag.random]],
  [Advice.DONTFORK, [VmaFlag.dontFork, 0]],
  [Advice.DOFORK, [0, VmaFlag.dontFork]],
  [Advice.MERGEABLE, [VmaFlag.mergeable, 0]],
  [Advice.UNMERGEABLE, [0, VmaFlag.mergeable]],
  [Advice.HUGEPAGE, [VmaFlag.huge, VmaFlag.noHuge]],
  [Advice.NOHUGEPAGE, [VmaFlag.noHuge, VmaFlag.huge]],
  [Advice.DONTDUMP, [VmaFlag.dontDump, 0]],
  [Advice.DODUMP, [0, VmaFlag.dontDump]],
  [Advice.WIPEONFORK, [VmaFlag.wipeOnFork, 0]],
  [Advice.KEEPONFORK, [0, VmaFlag.wipeOnFork]],
]);

const known: ReadonlySet<number> = new Set(Object.values(Advice));

/** Pages `[start, end)` of an argument pair, or -errno. */
function rangeOf(addr: number, length: number): readonly [number, number] | number {
  if (addr % pageSize !== 0) return -EINVAL;
  if (length === 0) return [0, 0];
  if (addr >= taskSize || length > taskSize - addr) return -ENOMEM;
  return [addr / pageSize, addr / pageSize + Math.ceil(length / pageSize)];
}

/**
 * madvise. As in Linux, advice to a range with holes is taken for what is mapped, and the answer is -ENOMEM then: this is
 * the one operation that does something and answers an error.
 */
export const madvise = guarded(doMadvise);

function doMadvise(space: AddressSpace, addr: number, length: number, advice: number): number {
  if (!known.has(advice)) return -EINVAL;
  const range = rangeOf(addr, length);
  if (typeof range === "number") return range;
  const [start, end] = range;
  if (start === end) return 0;
  const { inside } = cut(space, start, end);
  const hole = covers(inside, start, end) ? 0 : -ENOMEM;
  for (const v of inside) if (refuses(v, advice)) return -EINVAL;
  const change = flagAdvice.get(advice);
  if (change !== undefined) {
    const error = setFlags(space, inside, start, end, ...change);
    if (error === 0 && (advice === Advice.HUGEPAGE || advice === Advice.NOHUGEPAGE))
      for (const v of inside) if ((v.flags & VmaFlag.hosted) === 0) advise(space.memory, v.start, v.end, advice);
    return error || hole;
  }
  if (advice === Advice.POPULATE_READ || advice === Advice.POPULATE_WRITE)
    return hole || populate(space, inside, advice === Advice.POPULATE_READ ? Page.read : Page.write);
  for (const v of inside) {
    const error = act(space, v, advice);
    if (error < 0) return error;
  }
  return hole;
}

function refuses(v: Vma, advice: number): boolean {
  switch (advice) {
    case Advice.FREE:
      return (v.flags & (VmaFlag.locked | VmaFlag.hosted)) !== 0;
    case Advice.WIPEONFORK:
      return (v.flags & VmaFlag.hosted) !== 0;
    case Advice.REMOVE:
      return (v.flags & VmaFlag.locked) !== 0 || (v.flags & VmaFlag.hosted) === 0;
    case Advice.DONTNEED:
    case Advice.COLD:
    case Advice.PAGEOUT:
      return (v.flags & VmaFlag.locked) !== 0;
    default:
      return false;
  }
}

/** Advice that concerns what the pages hold. 0 or -errno. */
function act(space: AddressSpace, v: Vma, advice: number): number {
  const m = space.memory;
  switch (advice) {
    case Advice.DONTNEED:
    case Advice.DONTNEED_LOCKED:
      dropCode(m, v.start, v.end);
      discard(m, v.start, v.end);
      return 0;
    case Advice.FREE:
      dropCode(m, v.start, v.end);
      return advise(m, v.start, v.end, advice);
    case Advice.REMOVE:
      if ((v.flags & VmaFlag.shared) === 0 || (v.prot & 2) === 0) return -EACCES;
      dropCode(m, v.start, v.end);
      return advise(m, v.start, v.end, advice);
    default:
      return 0;
  }
}

/** Touching the pages would succeed; there is nothing to gain from doing so now. */
function populate(space: AddressSpace, inside: readonly Vma[], bits: number): number {
  for (const v of inside) {
    if ((pageBits(v.prot) & bits) === 0) return -EINVAL;
    for (let page = v.start; page < v.end; page++)
      if ((space.memory.pages[page]! & Page.bus) !== 0 && !busFault(space, page * pageSize)) return -EFAULT;
  }
  return 0;
}

/** Sets and clears flags of the mapped parts of `[start, end)`. 0 or -errno. */
function setFlags(
  space: AddressSpace,
  inside: readonly Vma[],
  start: number,
  end: number,
  set: number,
  clear: number,
): number {
  const changed = inside.map((v) => ({ ...v, flags: (v.flags & ~clear) | set }));
  const change = edit(space, cut(space, start, end), changed);
  if (change.count > Math.max(maxMapCount, vmaCount(space))) return -ENOMEM;
  commit(space, change);
  return 0;
}

export const SyncFlag = { ASYNC: 1, INVALIDATE: 2, SYNC: 4 } as const;

/** msync. Answers 0. What is mapped is written also where -ENOMEM tells of a hole. */
export const msync = guarded(doMsync);

function doMsync(space: AddressSpace, addr: number, length: number, flags: number): number {
  if ((flags & ~7) !== 0 || (flags & 5) === 5) return -EINVAL;
  const range = rangeOf(addr, length);
  if (typeof range === "number") return range;
  const [start, end] = range;
  const { inside } = cut(space, start, end);
  if (flags & SyncFlag.INVALIDATE && inside.some((v) => v.flags & VmaFlag.locked)) return -EBUSY;
  if (flags & SyncFlag.SYNC)
    for (const v of inside) {
      const error = v.flags & VmaFlag.hostShared ? sync(space.memory, v.start, v.end) : 0;
      if (error < 0) return error;
    }
  return covers(inside, start, end) ? 0 : -ENOMEM;
}

/** mincore: one byte a page, bit 0 where the host has it in memory; or -errno. */
export const mincore = guarded(doMincore);

function doMincore(space: AddressSpace, addr: number, length: number): Uint8Array | number {
  const range = rangeOf(addr, length);
  if (typeof range === "number") return range;
  const [start, end] = range;
  if (start === end) return new Uint8Array();
  if (!covers(cut(space, start, end).inside, start, end)) return -ENOMEM;
  return residency(space.memory, start, end - start) ?? -ENOMEM;
}

/** Refuses what RLIMIT_MEMLOCK does not allow: 0 or -errno. */
function lockLimit(space: AddressSpace, pages: number): number {
  const limit = space.limit("memlock");
  if (limit === 0) return -EPERM;
  return pages * pageSize > limit ? -ENOMEM : 0;
}

const allLocks = VmaFlag.locked | VmaFlag.lockOnFault;

/** mlock, mlock2 (with `onFault`), and munlock (`lock` false). Answers 0. The address need not be aligned. */
export const lockRange = guarded(doLockRange);

function doLockRange(space: AddressSpace, addr: number, length: number, lock: boolean, onFault: boolean): number {
  if (lock && space.limit("memlock") === 0) return -EPERM;
  if (length === 0) return 0;
  if (addr >= taskSize || length > taskSize - addr) return -ENOMEM;
  const [start, end] = [Math.floor(addr / pageSize), Math.ceil((addr + length) / pageSize)];
  const { inside } = cut(space, start, end);
  if (lock) {
    let already = 0;
    for (const v of inside) if (v.flags & VmaFlag.locked) already += v.end - v.start;
    const error = lockLimit(space, lockedPages(space) - already + end - start);
    if (error < 0) return error;
  }
  if (!covers(inside, start, end)) return -ENOMEM;
  return setFlags(space, inside, start, end, lock ? lockBits(onFault) : 0, allLocks);
}

const lockBits = (onFault: boolean): number => VmaFlag.locked | (onFault ? VmaFlag.lockOnFault : 0);

export const LockAllFlag = { CURRENT: 1, FUTURE: 2, ONFAULT: 4 } as const;

/** mlockall. Answers 0. */
export const lockAll = guarded(doLockAll);

function doLockAll(space: AddressSpace, flags: number): number {
  if (flags === 0 || (flags & ~7) !== 0 || flags === LockAllFlag.ONFAULT) return -EINVAL;
  const error = lockLimit(space, flags & LockAllFlag.CURRENT ? space.head[Head.total]! : 0);
  if (error < 0) return error;
  const bits = lockBits((flags & LockAllFlag.ONFAULT) !== 0);
  space.head[Head.future] = flags & LockAllFlag.FUTURE ? bits : 0;
  return flags & LockAllFlag.CURRENT ? setAllLocks(space, bits) : 0;
}

/** munlockall. Answers 0. */
export const unlockAll = guarded(doUnlockAll);

function doUnlockAll(space: AddressSpace): number {
  space.head[Head.future] = 0;
  return setAllLocks(space, 0);
}

function setAllLocks(space: AddressSpace, bits: number): number {
  const end = taskSize / pageSize;
  return setFlags(space, cut(space, 0, end).inside, 0, end, bits, allLocks);
}
