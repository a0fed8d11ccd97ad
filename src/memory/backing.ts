// What the host holds behind guest pages. Ordinary guest memory is the WebAssembly memory's own anonymous pages; files
// and shared memory are host mappings laid over them. Three rules keep the engine alive, which cannot survive a fault
// of its own: every page of the memory stays readable and writable on the host (the engine changes the protection of
// the whole when it frees a memory, and aborts if that is refused), no page is ever without a mapping (another thread's
// mmap could land in the hole), and what the guest has not mapped reads as zero.
import { constants } from "node:os";
import { readHostFile } from "../host/file.ts";
import { newScratch, reserve } from "../host/scratch.ts";
import { FileType, statOf } from "../host/stat.ts";
import { host } from "../host/syscall.ts";
import { type GuestMemory, pageSize } from "./guest-memory.ts";
import type { FileIdentity } from "./vmas.ts";

const { EACCES, EFAULT, EINVAL, ENODEV, ENOMEM, EPERM } = constants.errno;
const [readOnly, readWrite, readExec] = [1, 3, 5];
const map = { shared: 1, private: 2, fixed: 0x10, anonymous: 0x20, noReserve: 0x4000 } as const;
const remap = { mayMove: 1, fixed: 2, dontUnmap: 4 } as const;
const dontNeed = 4;
const syncNow = 4;

// The kernel's addresses are positive; errors are the last page of the numbers.
const failed = (result: number): boolean => result < 0;
const pages = (n: number): number => n * pageSize;
const at = (m: GuestMemory, page: number): number => m.hostBase + page * pageSize;

/** A sentence for the user where the host's pages are not of the guest's size, without which nothing here works. */
export function hostPageProblem(): string | undefined {
  const AT_PAGESZ = 6;
  const text = readHostFile("/proc/self/auxv");
  const auxv = Buffer.from(typeof text === "number" ? "" : text, "latin1");
  for (let at = 0; at + 16 <= auxv.length; at += 16) {
    const size = auxv.readUInt32LE(at + 8);
    if (auxv.readUInt32LE(at) === AT_PAGESZ && size !== pageSize)
      return `the host has pages of ${size} bytes; only a kernel with pages of ${pageSize} will do`;
  }
  return undefined;
}

export interface FileStatus extends FileIdentity {
  /** In bytes. */
  readonly size: number;
  /** A file whose pages past its end give SIGBUS. Else it is /dev/zero, or cannot be mapped. */
  readonly regular: boolean;
  readonly mappable: boolean;
}

/** What can be mapped of an open file, and which file it is; or -errno. */
export function fileStatus(hostFd: number): FileStatus | number {
  const found = statOf(hostFd);
  if (typeof found === "number") return found;
  const { type, size, major, minor, inoLow, inoHigh } = found;
  const regular = type === FileType.regular;
  // Other devices may take pages away, or fault, as they like.
  const zero = type === FileType.character && found.deviceMajor === 1 && found.deviceMinor === 5;
  return { major, minor, inoLow, inoHigh, size, regular, mappable: regular || zero };
}

/** A host mapping outside the guest's memory that waits to be laid over guest pages. */
export interface Lifted {
  readonly address: number;
  readonly pages: number;
  readonly shared: boolean;
  /** The guest may never write to it. */
  readonly neverWrite: boolean;
}

export const isLifted = (x: Lifted | number): x is Lifted => typeof x === "object";

/**
 * Maps `n` pages of a file, wherever the host likes, so that all errors show before the guest's memory is touched.
 * `offset` is in bytes. A shared mapping that may not be written is a private one on the host: as nobody writes to it,
 * the two show the same, and the host lets it be writable.
 */
export function liftFile(fd: number, offset: number, n: number, prot: number, shared: boolean): Lifted | number {
  if ((prot & 4) !== 0) {
    // A file system mounted with noexec.
    const probe = host("mmap", 0, pageSize, readExec, map.private, fd, 0);
    if (probe === -EPERM) return probe;
    if (!failed(probe)) host("munmap", probe, pageSize);
  }
  if (shared) {
    const address = host("mmap", 0, pages(n), readWrite, map.shared | map.noReserve, fd, offset);
    if (!failed(address)) return { address, pages: n, shared: true, neverWrite: false };
    // EACCES: opened for reading. EPERM: sealed against writing.
    if ((address !== -EACCES && address !== -EPERM) || (prot & 2) !== 0) return address;
  }
  const address = host("mmap", 0, pages(n), readWrite, map.private | map.noReserve, fd, offset);
  return failed(address) ? address : { address, pages: n, shared: false, neverWrite: shared };
}

/** Whether a private mapping of the file could be made at all, and which error says that it cannot. */
export function fileError(fd: number): number {
  const address = host("mmap", 0, pageSize, readOnly, map.private, fd, 0);
  if (failed(address)) return address;
  host("munmap", address, pageSize);
  return -ENODEV;
}

/** Zeroed memory that several host mappings, and so several guest processes, can show. */
export function liftShared(n: number): Lifted | number {
  const address = host("mmap", 0, pages(n), readWrite, map.shared | map.anonymous | map.noReserve, -1, 0);
  return failed(address) ? address : { address, pages: n, shared: true, neverWrite: false };
}

/** All of a System V segment, which the host then counts as attached once more. */
export function liftSegment(id: number, n: number): Lifted | number {
  const address = host("shmat", id, 0, 0);
  return failed(address) ? address : { address, pages: n, shared: true, neverWrite: false };
}

/**
 * Takes what the host has mapped at guest page `page`, `count` pages of it, and gives a mapping of the same of `n` pages.
 * The guest pages keep a mapping of the same file; pages that were written privately move. Needs Linux 5.13.
 */
export function liftMapped(m: GuestMemory, page: number, count: number, n: number, shared: boolean): Lifted | number {
  const from = at(m, page);
  if (shared) {
    const copy = host("mremap", from, 0, pages(n), remap.mayMove);
    return failed(copy) ? copy : { address: copy, pages: n, shared, neverWrite: false };
  }
  const moved = host("mremap", from, pages(count), pages(count), remap.mayMove | remap.dontUnmap, 0);
  if (failed(moved)) return moved === -EINVAL ? -ENOMEM : moved;
  const sized = count === n ? moved : host("mremap", moved, pages(count), pages(n), remap.mayMove);
  if (!failed(sized)) return { address: sized, pages: n, shared, neverWrite: false };
  host("mremap", moved, pages(count), pages(count), remap.mayMove | remap.fixed, from);
  return sized;
}

/** Lays a lifted mapping over guest pages. 0; or -errno, with the guest pages as they were and the mapping still lifted. */
export function place(m: GuestMemory, lifted: Lifted, page: number): number {
  const length = pages(lifted.pages);
  const r = host("mremap", lifted.address, length, length, remap.mayMove | remap.fixed, at(m, page));
  if (!failed(r)) return 0;
  // A kernel that is out of memory may fail after it took away what was there.
  if (residency(m, page, lifted.pages) === undefined) anonymous(m, page, page + lifted.pages);
  return r;
}

/** Undoes `liftMapped`. */
export function putBack(m: GuestMemory, lifted: Lifted, page: number, count: number): void {
  if (lifted.shared) drop(lifted);
  else host("mremap", lifted.address, pages(lifted.pages), pages(count), remap.mayMove | remap.fixed, at(m, page));
}

export function drop(lifted: Lifted): void {
  host("munmap", lifted.address, pages(lifted.pages));
}

/** Gives guest pages `[start, end)` the memory's own zeroed pages, whatever the host had mapped there. */
export function anonymous(m: GuestMemory, start: number, end: number): void {
  const flags = map.private | map.anonymous | map.fixed | map.noReserve;
  const r = host("mmap", at(m, start), pages(end - start), readWrite, flags, -1, 0);
  if (failed(r))
    throw new Error(`the host has no anonymous memory for guest pages ${start}..${end}: mmap answers ${r}`);
}

/**
 * Drops what the host keeps of guest pages: anonymous memory is zero after it, a private file mapping shows the file again.
 * The memory's pages go back to the host: 6 us for one page that was in use, 0.6 us where there was none.
 */
export function discard(m: GuestMemory, start: number, end: number): void {
  // Beyond the memory's size nothing was ever touched.
  const last = Math.min(end, m.size / pageSize);
  if (start >= last) return;
  const r = host("madvise", at(m, start), pages(last - start), dontNeed);
  if (r < 0) throw new Error(`the host keeps pages ${start}..${last} of the guest: madvise answers ${r}`);
}

/** From so many pages on it costs as little to map anew, which takes what was advised of them back too. */
const renewFrom = 512;

/** As `discard`, for pages that are unmapped: nothing that was advised of them stays. */
export function renew(m: GuestMemory, start: number, end: number): void {
  const last = Math.min(end, m.size / pageSize);
  if (last - start < renewFrom) discard(m, start, end);
  else anonymous(m, start, last);
}

/** Passes an advice on, for those of the pages that the memory has by now. */
export function advise(m: GuestMemory, start: number, end: number, advice: number): number {
  const last = Math.min(end, m.size / pageSize);
  return start < last ? host("madvise", at(m, start), pages(last - start), advice) : 0;
}

/** Writes the changes of a shared file mapping to its file. */
export const sync = (m: GuestMemory, start: number, end: number): number =>
  host("msync", at(m, start), pages(end - start), syncNow);

/** Below this, copying the bytes is cheaper than another host mapping. */
const moveFrom = 256;

/** Moves the contents of anonymous pages to others that are zero, and leaves zero behind. */
export function moveAnonymous(m: GuestMemory, from: number, to: number, n: number): void {
  if (n >= moveFrom) {
    const flags = remap.mayMove | remap.fixed | remap.dontUnmap;
    if (!failed(host("mremap", at(m, from), pages(n), pages(n), flags, at(m, to)))) return;
  }
  m.u8.copyWithin(pages(to), pages(from), pages(from + n));
  discard(m, from, from + n);
}

/**
 * Whether the host can serve a page of a file mapping, found out by a call that reads from it and does nothing else:
 * sigprocmask with an operation that does not exist.
 */
export const served = (m: GuestMemory, page: number): boolean =>
  host("rt_sigprocmask", 99, at(m, page), 0, 8) !== -EFAULT;

const residencyScratch = newScratch(4096);

/** One byte a page, bit 0: the host has it in memory. Valid until the next call. Undefined where a page has no mapping. */
export function residency(m: GuestMemory, start: number, n: number): Uint8Array | undefined {
  reserve(residencyScratch, n);
  const r = host("mincore", at(m, start), pages(n), residencyScratch.address);
  return r < 0 ? undefined : residencyScratch.bytes.subarray(0, n);
}
