// Bytes between host descriptors and guest memory: which part of a buffer may be used, vectors, and reads and writes of
// the descriptors that the personality answers itself.
import type { HostCall } from "../host/numbers.ts";
import { setVector, vectorLimit } from "../host/scratch.ts";
import { FileType, statOf } from "../host/stat.ts";
import { host } from "../host/syscall.ts";
import { accessibleLength, latin1, Page, readable, willWrite } from "../memory/guest-memory.ts";
import { errno } from "./errno.ts";
import { FdKind, fdData, fdKind, hostFd, setFdData } from "./fds.ts";
import { descriptorPath } from "./file-system.ts";
import { limitOf, Resource } from "./limits.ts";
import { O } from "./open-flags.ts";
import { noteSender } from "./peers.ts";
import { procNode } from "./proc.ts";
import type { ProcessRecord } from "./processes.ts";
import { readMemory, writeMemory } from "./remote-memory.ts";
import { Sig } from "./siginfo.ts";
import { readSignalFd } from "./signalfd.ts";
import { queueSignal } from "./signals.ts";
import type { Task } from "./task.ts";
import { beforeTransfer, deviceOf, isMaster, typed } from "./terminals.ts";
import { type Limit, moveAll, sending, sleepOn } from "./wait.ts";

/** Most bytes that one call moves, as in Linux. */
export const maxTransfer = 0x7ffff000;
/** Where user addresses end on a riscv64 kernel with three-level page tables: a buffer beyond is refused as a whole. */
const userLimit = 2 ** 38;

/** The host descriptor behind a guest descriptor, or -EBADF. */
export const hostOf = (t: Task, fd: number): number => hostFd(t.process.fds, fd);

/**
 * How many bytes of a guest buffer the host may be given for reading (Page.read) or overwriting (Page.write), at most
 * `maxTransfer`; -EFAULT where the first already may not. The engine is told about code that will be overwritten.
 */
export function usable(t: Task, address: number, length: number, bits: number): number {
  if (address + length > userLimit) return -errno.EFAULT;
  if (length === 0) return 0;
  const n = accessibleLength(t.memory, address, Math.min(length, maxTransfer), bits);
  if (n === 0) return -errno.EFAULT;
  if (bits & Page.write) willWrite(t.memory, address, n);
  return n;
}

/** Host address of a guest buffer of which `n` bytes are usable. */
export const hostAddress = (t: Task, address: number, n: number): number => t.memory.hostBase + (n > 0 ? address : 0);

/**
 * A host address to give for a guest buffer of which nothing is usable, to be read (Page.read) or overwritten (Page.write).
 * The host refuses it after all that it looks at before the buffer (what the descriptor is and may; the end of the file), so
 * the guest gets the answer that Linux gives. What is to be read is refused before the file system hears of it: some
 * kernels let the file grow up to where nothing could be written.
 */
export const refusedAddress = (address: number, bits: number): number =>
  bits === Page.write && address < userLimit ? 0 : -1;

export interface Segment {
  readonly address: number;
  readonly length: number;
}

/** Reads an iovec array from the guest. Lengths are cut so that their sum is at most `maxTransfer`. */
export function loadVector(t: Task, address: number, count: number): readonly Segment[] | number {
  if (count > vectorLimit) return -errno.EINVAL;
  if (count > 0 && readable(t.memory, address, count * 16) === undefined) return -errno.EFAULT;
  const segments: Segment[] = [];
  let room = maxTransfer;
  for (let i = 0; i < count; i++) {
    const word = (at: number) => t.memory.view.getUint32(address + 16 * i + at, true);
    const [base, length] = [word(4) * 2 ** 32 + word(0), word(12) * 2 ** 32 + word(8)];
    if (length >= 2 ** 63) return -errno.EINVAL;
    if (base + length > userLimit) return -errno.EFAULT;
    segments.push({ address: base, length: Math.min(length, room) });
    room -= Math.min(length, room);
  }
  return segments;
}

/**
 * Fills the host's iovec array with what is usable of the segments, at most `most` bytes; with a buffer that the host
 * refuses, where there are bytes to move, but not even the first may be. Answers the number of its entries.
 */
export function hostVector(t: Task, segments: readonly Segment[], bits: number, most = maxTransfer): number {
  let entries = 0;
  let left = most;
  for (const { address, length } of segments) {
    const wanted = Math.min(length, left);
    if (wanted === 0) continue;
    const n = usable(t, address, wanted, bits);
    if (n < 0 && entries === 0) {
      setVector(0, refusedAddress(address, bits), wanted);
      return 1;
    }
    if (n > 0) setVector(entries++, hostAddress(t, address, n), n);
    if (n < wanted) break;
    left -= n;
  }
  return entries;
}

/** What an open file is, as its descriptor's data word remembers it. */
const Waits = { unknown: 0, never: 1, maybe: 2, terminal: 3, master: 4 } as const;
const waitless: readonly number[] = [FileType.regular, FileType.directory, FileType.block];

/** The `FileType` of an open host file; 0 where there is none. */
function fileType(h: number): number {
  const found = statOf(h);
  return typeof found === "number" ? 0 : found.type;
}

/** Whether calls on the descriptor never sleep: files and block devices, as opposed to pipes, terminals, sockets; and what is a terminal. */
function waitsOf(t: Task, fd: number, h: number): number {
  const { fds } = t.process;
  if (fdKind(fds, fd) !== FdKind.host) return Waits.maybe;
  const known = fdData(fds, fd);
  if (known !== Waits.unknown) return known;
  const type = fileType(h);
  const found = type === FileType.character ? characterWaits(h) : waitless.includes(type) ? Waits.never : Waits.maybe;
  // It may have come by a message.
  if (found === Waits.master) fds.hasMasters = true;
  setFdData(fds, fd, found);
  return found;
}

const characterWaits = (h: number): number =>
  deviceOf(h) < 0 ? Waits.maybe : isMaster(h) ? Waits.master : Waits.terminal;

/** Segments, of which `n` bytes were written, may have been typed at a terminal. Answers `n`, which may be an error. */
export function afterWrite(t: Task, fd: number, h: number, segments: readonly Segment[], n: number): number {
  if (n <= 0 || waitsOf(t, fd, h) !== Waits.master) return n;
  let left = n;
  for (const { address, length } of segments) {
    const part = Math.min(left, length);
    if (part > 0) typed(t, h, t.memory.u8.subarray(address, address + part));
    left -= part;
  }
  return n;
}

/** Makes a host call on a descriptor, one that signals end where it may block. */
export function onDescriptor(
  t: Task,
  fd: number,
  h: number,
  limit: Limit,
  name: HostCall,
  a: number,
  b: number | bigint,
  c?: number,
  d?: number,
  e?: number,
  f?: number,
): number {
  if (limit === sending) noteSender(t, h);
  const waits = waitsOf(t, fd, h);
  if (waits === Waits.terminal) {
    const refused = beforeTransfer(t, h, limit === sending);
    if (refused < 0) return refused;
  }
  if (waits === Waits.never) {
    const result = host(name, a, b, c, d, e, f);
    // Of a file system that is a program.
    if (result !== -errno.EINTR) return result;
  }
  return sleepOn(t, h, limit, name, a, b, c, d, e, f);
}

/** Writes `n` usable guest bytes at the file's position. */
export const writeOut = (t: Task, fd: number, h: number, address: number, n: number): number =>
  written(
    t,
    moveAll(t, n, (done) =>
      onDescriptor(t, fd, h, sending, "write", h, hostAddress(t, address + done, n - done), n - done),
    ),
  );

/** Passes on what a write answered; a pipe or socket without a reader also sends SIGPIPE. */
export function written(t: Task, result: number): number {
  if (result === -errno.EPIPE) queueSignal(t, Sig.PIPE);
  return result;
}

const SEEK_CUR = 1;
const F_GETFL = 3;

/**
 * How many of `n` bytes may be written at offset `at` (undefined: the file's position) under RLIMIT_FSIZE: at least one,
 * or -EFBIG, with SIGXFSZ.
 */
export function belowSizeLimit(t: Task, h: number, at: number | undefined, n: number): number {
  const limit = limitOf(t.process.limits, Resource.FSIZE);
  if (limit === Number.POSITIVE_INFINITY || n === 0 || fileType(h) !== FileType.regular) return n;
  const appends = at === undefined && (host("fcntl", h, F_GETFL) & O.APPEND) !== 0;
  const from = at ?? (appends ? fileSize(h) : host("lseek", h, 0, SEEK_CUR));
  if (from < limit) return Math.min(n, limit - from);
  queueSignal(t, Sig.XFSZ);
  return -errno.EFBIG;
}

/** Size in bytes of an open host file; 0 where there is none. */
export function fileSize(h: number): number {
  const found = statOf(h);
  return typeof found === "number" ? 0 : found.size;
}

// ---- descriptors that the personality answers itself

/** Reads from a descriptor that is not the host's; `at` undefined: from its position on. */
export function readSpecial(t: Task, fd: number, h: number, address: number, length: number, at?: number): number {
  const kind = fdKind(t.process.fds, fd);
  if (kind === FdKind.directory) return -errno.EISDIR;
  if (kind === FdKind.process) return -errno.EINVAL;
  if (kind === FdKind.signal) return at === undefined ? readSignalFd(t, fd, address, length) : -errno.ESPIPE;
  const n = usable(t, address, length, Page.write);
  if (n < 0) return n;
  if (kind === FdKind.memory) return readProcess(t, h, address, n, at);
  const to = hostAddress(t, address, n);
  return at === undefined ? host("read", h, to, n) : host("pread64", h, to, n, at);
}

/** Writes to a descriptor that is not the host's. */
export function writeSpecial(t: Task, fd: number, h: number, address: number, length: number, at?: number): number {
  const kind = fdKind(t.process.fds, fd);
  if (kind === FdKind.directory) return -errno.EBADF;
  if (kind === FdKind.signal || kind === FdKind.process) return -errno.EINVAL;
  if ((host("fcntl", h, F_GETFL) & O.ACCMODE) === 0) return -errno.EBADF;
  const n = usable(t, address, length, Page.read);
  if (n < 0) return n;
  if (kind === FdKind.memory) return writeProcess(t, h, address, n, at);
  const path = descriptorPath(t.process.files, h, kind);
  const node = path === undefined ? undefined : procNode(t, path);
  if (node?.kind !== "file" || node.control === undefined) return -errno.EINVAL;
  const result = node.control(t, latin1(t.memory.u8.subarray(address, address + n)));
  return result < 0 ? result : n;
}

// ---- memory of a process as a file

/** The process whose memory a descriptor of /proc/pid/mem is; undefined where it is no more. */
function processBehind(t: Task, h: number): ProcessRecord | undefined {
  const path = descriptorPath(t.process.files, h, FdKind.memory);
  const node = path === undefined ? undefined : procNode(t, path);
  return node?.kind === "memory" ? node.subject.process : undefined;
}

function readProcess(t: Task, h: number, address: number, n: number, at: number | undefined): number {
  const process = processBehind(t, h);
  // As where its memory is gone.
  if (process === undefined) return 0;
  const own = process === t.process.record;
  return moveMemory(h, at, n, (from) => {
    if (!own) return readMemory(process, from, hostAddress(t, address, n), n, "forced");
    const bytes = Math.max(0, usable(t, from, n, Page.read));
    t.memory.u8.copyWithin(address, from, from + bytes);
    return bytes;
  });
}

function writeProcess(t: Task, h: number, address: number, n: number, at: number | undefined): number {
  const process = processBehind(t, h);
  if (process === undefined) return 0;
  const own = process === t.process.record;
  return moveMemory(h, at, n, (to) => {
    if (!own) return writeMemory(t.process.kernel, process, to, hostAddress(t, address, n), n, "forced");
    const bytes = Math.max(0, usable(t, to, n, Page.write));
    t.memory.u8.copyWithin(to, address, address + bytes);
    return bytes;
  });
}

/** Moves up to `n` bytes at the file position, which is an address. `move` answers how many. */
function moveMemory(h: number, at: number | undefined, n: number, move: (address: number) => number): number {
  const address = at ?? host("lseek", h, 0, SEEK_CUR);
  if (n === 0) return 0;
  const moved = move(address);
  if (moved === 0) return -errno.EIO;
  if (at === undefined) host("lseek", h, moved, SEEK_CUR);
  return moved;
}
