// Calls on the address space. The operations themselves are in src/memory; here are descriptors, copies and limits.
import { host } from "../../host/syscall.ts";
import { flushCode } from "../../memory/address-space.ts";
import { lockAll, lockRange, madvise, mincore, msync, unlockAll } from "../../memory/advice.ts";
import { addressLimit, pageSize, writable } from "../../memory/guest-memory.ts";
import { brk, MapFlag, map, protect, unmap } from "../../memory/map.ts";
import { remap } from "../../memory/remap.ts";
import { withLayout } from "../../memory/sharing.ts";
import { covers, cut, Head, vmaOf } from "../../memory/vmas.ts";
import { errno } from "../errno.ts";
import { fdKind, hostFd, isMadeUp } from "../fds.ts";
import { descriptorPath } from "../file-system.ts";
import { fd, hexadecimal, int, pointer, size, uint } from "../kinds.ts";
import {
  advice,
  Barrier,
  barrier,
  lockAllFlags,
  lockFlags,
  mapFlags,
  memoryPolicy,
  policyFlags,
  policyQuery,
  prot,
  remapFlags,
  syncFlags,
} from "../kinds-memory.ts";
import { type CallRow, call } from "../row.ts";
import { restartSections } from "../rseq.ts";
import type { Task } from "../task.ts";
import { loadWords, storeWords } from "../words.ts";

function mmapCall(
  t: Task,
  addr: number,
  length: number,
  protection: number,
  flags: number,
  fd: number,
  offset: number,
): number {
  const { space, fds, files } = t.process;
  if ((flags & MapFlag.ANONYMOUS) !== 0)
    return map(space, addr, length, protection, flags, { fd: -1, offset, name: "" });
  if (offset % pageSize !== 0) return -errno.EINVAL;
  const h = hostFd(fds, fd);
  if (h < 0) return h;
  const kind = fdKind(fds, fd);
  if (isMadeUp(kind)) return -errno.ENODEV;
  return map(space, addr, length, protection, flags, { fd: h, offset, name: descriptorPath(files, h, kind) ?? "" });
}

const brkCall = (t: Task, addr: number): number => brk(t.process.space, addr);
const munmapCall = (t: Task, addr: number, length: number): number => unmap(t.process.space, addr, length);
const mprotectCall = (t: Task, addr: number, length: number, protection: number): number =>
  protect(t.process.space, addr, length, protection);
const mremapCall = (t: Task, addr: number, oldSize: number, newSize: number, flags: number, to: number): number =>
  remap(t.process.space, addr, oldSize, newSize, flags, to);
const madviseCall = (t: Task, addr: number, length: number, what: number): number =>
  madvise(t.process.space, addr, length, what);
const msyncCall = (t: Task, addr: number, length: number, flags: number): number =>
  msync(t.process.space, addr, length, flags);

function mincoreCall(t: Task, addr: number, length: number, vector: number): number {
  const found = mincore(t.process.space, addr, length);
  if (typeof found === "number") return found;
  const to = writable(t.memory, vector, found.length);
  if (to === undefined) return -errno.EFAULT;
  to.set(found);
  return 0;
}

const mlockCall = (t: Task, addr: number, length: number): number =>
  lockRange(t.process.space, addr, length, true, false);
const mlock2Call = (t: Task, addr: number, length: number, flags: number): number =>
  (flags & ~1) === 0 ? lockRange(t.process.space, addr, length, true, flags === 1) : -errno.EINVAL;
const munlockCall = (t: Task, addr: number, length: number): number =>
  lockRange(t.process.space, addr, length, false, false);
const mlockallCall = (t: Task, flags: number): number => lockAll(t.process.space, flags);
const munlockallCall = (t: Task): number => unlockAll(t.process.space);

/** Deprecated since Linux 3.16, and no program's only way. */
const remapFilePages = (): number => -errno.ENOSYS;
/** riscv64 is built without protection keys. */
const noPkeys = (): number => -errno.ENOSYS;

const [policyDefault, policyPreferred, policyLocal, policyLast] = [0, 1, 4, 6];
const policyModeFlags = 0xe000;

/** Whether a node mask names the machine's one node; or -errno. */
function nodesOf(t: Task, mask: number, maxNode: number): boolean | number {
  const bits = maxNode - 1;
  if (bits <= 0 || mask === 0) return false;
  if (bits > pageSize * 8) return -errno.EINVAL;
  const words = loadWords(t, mask, Math.ceil(bits / 64) * 2);
  if (words === undefined) return -errno.EFAULT;
  const others = words.some((word, i) => (i === 0 ? word & ~1 : word) !== 0);
  return others ? -errno.EINVAL : (words[0]! & 1) !== 0;
}

/** Checks a policy. 0 or -errno. */
function checkPolicy(t: Task, mode: number, mask: number, maxNode: number): number {
  const policy = mode & ~policyModeFlags;
  if (policy < 0 || policy > policyLast) return -errno.EINVAL;
  const node = nodesOf(t, mask, maxNode);
  if (typeof node === "number") return node;
  if (policy === policyDefault || policy === policyLocal) return node ? -errno.EINVAL : 0;
  return node || policy === policyPreferred ? 0 : -errno.EINVAL;
}

/** On one node every policy comes to the same; so none is kept. */
const setMempolicy = (t: Task, mode: number, mask: number, maxNode: number): number =>
  checkPolicy(t, mode, mask, maxNode);

function mbind(
  t: Task,
  addr: number,
  length: number,
  mode: number,
  mask: number,
  maxNode: number,
  flags: number,
): number {
  if ((flags & ~7) !== 0 || addr % pageSize !== 0) return -errno.EINVAL;
  const error = checkPolicy(t, mode, mask, maxNode);
  if (error < 0) return error;
  if (length === 0) return 0;
  if (addr + length > addressLimit) return -errno.EFAULT;
  const [start, end] = [addr / pageSize, Math.ceil((addr + length) / pageSize)];
  const { space } = t.process;
  return withLayout(space.sharing, () => covers(cut(space, start, end).inside, start, end)) ? 0 : -errno.EFAULT;
}

function getMempolicy(t: Task, mode: number, mask: number, maxNode: number, addr: number, flags: number): number {
  const [byNode, ofAddress, allowed] = [1, 2, 4];
  if ((flags & ~7) !== 0 || (mask !== 0 && maxNode < 1)) return -errno.EINVAL;
  if ((flags & allowed) !== 0 && (flags & (byNode | ofAddress)) !== 0) return -errno.EINVAL;
  if ((flags & ofAddress) !== 0) {
    const { space } = t.process;
    const isMapped = (): boolean => vmaOf(space, Math.floor(addr / pageSize)) !== undefined;
    const inRange = addr < addressLimit && withLayout(space.sharing, isMapped);
    if (!inRange) return -errno.EFAULT;
  } else if (addr !== 0 || flags === byNode) return -errno.EINVAL;
  if (mask !== 0) {
    const words = Math.ceil((maxNode - 1) / 64) * 2;
    if (words * 4 > pageSize) return -errno.EINVAL;
    const nodes = new Int32Array(words);
    if (words > 0) nodes[0] = (flags & allowed) !== 0 ? 1 : 0;
    if (!storeWords(t, mask, nodes)) return -errno.EFAULT;
  }
  return mode === 0 || storeWords(t, mode, new Int32Array(1)) ? 0 : -errno.EFAULT;
}

const barrierCommands =
  Barrier.GLOBAL |
  Barrier.GLOBAL_EXPEDITED |
  Barrier.REGISTER_GLOBAL_EXPEDITED |
  Barrier.PRIVATE_EXPEDITED |
  Barrier.REGISTER_PRIVATE_EXPEDITED;

/** Those that restart critical sections, which are none of the host's. */
const ofSections = Barrier.PRIVATE_EXPEDITED_RSEQ | Barrier.REGISTER_PRIVATE_EXPEDITED_RSEQ;

/** The host's barrier reaches every thread of the emulator, and so every thread of the guest. */
function membarrier(t: Task, command: number, flags: number): number {
  // The number of a CPU follows, which bounds what need not be bounded.
  const namesCpu = command === Barrier.PRIVATE_EXPEDITED_RSEQ && flags === 1;
  if (flags !== 0 && !namesCpu) return -errno.EINVAL;
  if (command === Barrier.QUERY) {
    const supported = host("membarrier", Barrier.QUERY);
    return supported < 0 ? supported : (supported & barrierCommands) | ofSections;
  }
  if (command === Barrier.REGISTER_PRIVATE_EXPEDITED_RSEQ) {
    Atomics.or(t.process.space.head, Head.membarrier, command);
    return 0;
  }
  if (command === Barrier.PRIVATE_EXPEDITED_RSEQ) {
    if (!(t.process.space.head[Head.membarrier]! & Barrier.REGISTER_PRIVATE_EXPEDITED_RSEQ)) return -errno.EPERM;
    restartSections(t);
    return 0;
  }
  if ((command & barrierCommands) !== command || command < 0 || (command & (command - 1)) !== 0) return -errno.EINVAL;
  const { head } = t.process.space;
  const registers = Barrier.REGISTER_PRIVATE_EXPEDITED | Barrier.REGISTER_GLOBAL_EXPEDITED;
  if (command === Barrier.PRIVATE_EXPEDITED && !(head[Head.membarrier]! & Barrier.REGISTER_PRIVATE_EXPEDITED))
    return -errno.EPERM;
  const r = host("membarrier", command);
  if (r === 0 && (command & registers) !== 0) Atomics.or(head, Head.membarrier, command);
  return r;
}

/**
 * Linux flushes everything, whatever the range. Here stores are seen where they are made, so only the range is dropped, and
 * what may have been written at another address. A range without an end means everything.
 */
function flushIcache(t: Task, start: number, end: number, flags: number): number {
  if ((flags & ~1) !== 0) return -errno.EINVAL;
  const [from, to] = start < end ? [Math.min(start, addressLimit), Math.min(end, addressLimit)] : [0, addressLimit];
  const SYS_RISCV_FLUSH_ICACHE_LOCAL = 1;
  flushCode(t.process.space, from, to, flags !== SYS_RISCV_FLUSH_ICACHE_LOCAL);
  return 0;
}

export const mmCalls: readonly CallRow[] = [
  call(214, "brk", [pointer], "address", "quick", brkCall),
  call(215, "munmap", [pointer, size], "none", "quick", munmapCall),
  call(216, "mremap", [pointer, size, size, remapFlags, pointer], "address", "quick", mremapCall),
  call(222, "mmap", [pointer, size, prot, mapFlags, fd, hexadecimal], "address", "quick", mmapCall),
  call(226, "mprotect", [pointer, size, prot], "none", "quick", mprotectCall),
  call(227, "msync", [pointer, size, syncFlags], "none", "quick", msyncCall),
  call(228, "mlock", [pointer, size], "none", "quick", mlockCall),
  call(229, "munlock", [pointer, size], "none", "quick", munlockCall),
  call(230, "mlockall", [lockAllFlags], "none", "quick", mlockallCall),
  call(231, "munlockall", [], "none", "quick", munlockallCall),
  call(232, "mincore", [pointer, size, pointer], "none", "quick", mincoreCall),
  call(233, "madvise", [pointer, size, advice], "none", "quick", madviseCall),
  call(234, "remap_file_pages", [pointer, size, prot, size, mapFlags], "none", "quick", remapFilePages),
  call(235, "mbind", [pointer, size, memoryPolicy, pointer, size, policyFlags], "none", "quick", mbind),
  call(236, "get_mempolicy", [pointer, pointer, size, pointer, policyQuery], "none", "quick", getMempolicy),
  call(237, "set_mempolicy", [memoryPolicy, pointer, size], "none", "quick", setMempolicy),
  call(259, "riscv_flush_icache", [pointer, pointer, size], "none", "quick", flushIcache),
  call(283, "membarrier", [barrier, uint, int], "int", "quick", membarrier),
  call(284, "mlock2", [pointer, size, lockFlags], "none", "quick", mlock2Call),
  call(288, "pkey_mprotect", [pointer, size, prot, int], "none", "quick", noPkeys),
  call(289, "pkey_alloc", [uint, uint], "int", "quick", noPkeys),
  call(290, "pkey_free", [int], "none", "quick", noPkeys),
];
