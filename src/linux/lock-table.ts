// Record locks belong to a table of descriptors (as in Linux, where threads share one) and a file. To the host all guests are
// one process, so each pair has an open file description of the host's: what guests lock are that one's locks, which the
// host keeps apart, waits for, and tells programs of its own of. Here is which there are, who locked, and who waits.
// The lock of the table guards all of it; no other is taken with it.
import { readHostFile } from "../host/file.ts";
import { newScratch } from "../host/scratch.ts";
import { FileType, statOf } from "../host/stat.ts";
import { host } from "../host/syscall.ts";
import { type Mutex, withLock } from "../sync/mutex.ts";
import { errno } from "./errno.ts";
import { dupHost } from "./fds.ts";
import { type Kernel, sections } from "./kernel.ts";
import { O, toHostFlags } from "./open-flags.ts";

const base = sections.locks / 4;
// Words of the head: the lock, records and waits ever used.
const Head = { lock: 0, records: 1, waits: 2 } as const;

// A record: index + 1 of the table of descriptors, 0 for none; id of the process that locked last; the file's device and
// inode; host descriptor; how many threads use it now.
const Field = { owner: 0, pid: 1, major: 2, minor: 3, inoLow: 4, inoHigh: 5, fd: 6, users: 7 } as const;
const recordWords = 8;
const recordsAt = base + 16;
const mostRecords = 16384;

// A wait: index + 1 of its record, 0 for none; F_RDLCK or F_WRLCK; first and last byte, 64 bits each.
const Wait = { record: 0, type: 1, start: 2, end: 4 } as const;
const waitWords = 6;
const waitsAt = recordsAt + mostRecords * recordWords;
const mostWaits = 4096;

export const [F_RDLCK, F_WRLCK, F_UNLCK] = [0, 1, 2];
const [F_OFD_SETLK, F_GETFL] = [37, 3];

const lockOf = (k: Kernel): Mutex => ({ words: k.i32, index: base + Head.lock });
const wordOf = (record: number): number => recordsAt + record * recordWords;

interface FileId {
  readonly major: number;
  readonly minor: number;
  readonly inoLow: number;
  readonly inoHigh: number;
}

const isOf = (w: Int32Array, at: number, id: FileId): boolean =>
  w[at + Field.inoLow] === (id.inoLow | 0) &&
  w[at + Field.inoHigh] === (id.inoHigh | 0) &&
  w[at + Field.minor] === id.minor &&
  w[at + Field.major] === id.major;

function findHeld(w: Int32Array, owner: number, id: FileId): number {
  const used = w[base + Head.records]!;
  for (let record = 0; record < used; record++)
    if (w[wordOf(record)] === owner + 1 && isOf(w, wordOf(record), id)) return record;
  return -1;
}

/** Host descriptor of another open file description for the file behind `h`, for reading and writing if possible; or -errno. */
function openAgain(h: number, type: number): number {
  // Others do something when they are opened.
  if (type !== FileType.regular && type !== FileType.directory) return dupHost(h);
  const path = Buffer.from(`/proc/self/fd/${h}\0`, "latin1");
  room.bytes.set(path);
  const open = (mode: number): number =>
    host("openat", -100, room.address, toHostFlags(mode | O.CLOEXEC | O.NONBLOCK | O.NOCTTY));
  const best = open(O.RDWR);
  const own = best >= 0 ? best : open(host("fcntl", h, F_GETFL) & O.ACCMODE);
  // Who was given the descriptor may not be allowed to open the file: then its description serves, for all who have it.
  const opened = own >= 0 ? own : dupHost(h);
  if (opened < 0) return opened;
  // Above the numbers that programs use.
  const moved = dupHost(opened);
  host("close", opened);
  return moved;
}
const room = newScratch(64);

/** A description that a thread may use until it gives it back: `release`. */
export interface Description {
  readonly record: number;
  /** Host descriptor. */
  readonly fd: number;
}

/**
 * The description of a table of descriptors and the file behind host descriptor `h`, made where there is none. Answers -errno
 * where it cannot be.
 */
export function describe(k: Kernel, owner: number, pid: number, h: number): Description | number {
  const id = statOf(h);
  if (typeof id === "number") return id;
  return withLock(lockOf(k), () => {
    const w = k.i32;
    const found = findHeld(w, owner, id);
    const record = found < 0 ? newRecord(w, owner, id, openAgain(h, id.type)) : found;
    if (record < 0) return record;
    w[wordOf(record) + Field.users]!++;
    w[wordOf(record) + Field.pid] = pid;
    return { record, fd: w[wordOf(record) + Field.fd]! };
  });
}

function newRecord(w: Int32Array, owner: number, id: FileId, fd: number): number {
  if (fd < 0) return fd;
  let record = 0;
  while (record < mostRecords && (w[wordOf(record)] !== 0 || w[wordOf(record) + Field.users] !== 0)) record++;
  if (record === mostRecords) {
    host("close", fd);
    return -errno.ENOLCK;
  }
  w[base + Head.records] = Math.max(w[base + Head.records]!, record + 1);
  w.set([owner + 1, 0, id.major, id.minor, id.inoLow, id.inoHigh, fd, 0], wordOf(record));
  return record;
}

/** Gives a description back. The last to do so closes it, where its owner has closed the file meanwhile. */
export const release = (k: Kernel, { record, fd }: Description): void =>
  withLock(lockOf(k), () => {
    const at = wordOf(record);
    if (--k.i32[at + Field.users]! === 0 && k.i32[at] === 0) host("close", fd);
  });

/**
 * Puts a description that may do what `h` may in place of one that may not, with the same locks: these are for reading, so
 * both may have them for a moment. Answers 0 or -errno.
 */
export const widen = (k: Kernel, { record, fd }: Description, h: number): number => {
  const id = statOf(h);
  if (typeof id === "number") return id;
  return withLock(lockOf(k), () => {
    const wider = openAgain(h, id.type);
    if (wider < 0) return wider;
    for (const { type, start, end } of rangesOf(fd)) host("fcntl", wider, F_OFD_SETLK, putRange(type, start, end));
    host("dup3", wider, fd, toHostFlags(O.CLOEXEC));
    host("close", wider);
    return k.i32[wordOf(record)] === 0 ? -errno.EBADF : 0;
  });
};

// ---- ranges

/** The last byte of a range without end. */
export const lastByte = 2n ** 63n - 1n;

export interface Range {
  /** F_RDLCK or F_WRLCK. */
  readonly type: number;
  readonly start: bigint;
  readonly end: bigint;
}

const flockBytes = 32;
const flock = newScratch(flockBytes);

/** Host address of a `struct flock`, good until the next. */
function putRange(type: number, start: bigint, end: bigint): number {
  flock.u32.fill(0);
  flock.view.setInt16(0, type, true);
  flock.view.setBigInt64(8, start, true);
  flock.view.setBigInt64(16, end === lastByte ? 0n : end - start + 1n, true);
  return flock.address;
}

const line = /^lock:\t\d+: OFDLCK\s+\S+\s+(READ|WRITE)\s+\S+\s+\S+\s+(\d+)\s+(\d+|EOF)$/gm;

/** What an open file description has locked. */
function rangesOf(fd: number): Range[] {
  const text = readHostFile(`/proc/self/fdinfo/${fd}`);
  if (typeof text === "number") return [];
  return [...text.matchAll(line)].map(([, type, start, end]) => ({
    type: type === "READ" ? F_RDLCK : F_WRLCK,
    start: BigInt(start!),
    end: end === "EOF" ? lastByte : BigInt(end!),
  }));
}

const overlap = (a: Range, b: Range): boolean => a.start <= b.end && b.start <= a.end;
const conflict = (a: Range, b: Range): boolean => overlap(a, b) && (a.type === F_WRLCK || b.type === F_WRLCK);

/** Other records of the same file whose owners live. */
function* rivalsHeld(w: Int32Array, record: number): Generator<number> {
  const own = wordOf(record);
  const [major, minor, inoLow, inoHigh] = [2, 3, 4, 5].map((i) => w[own + i]!) as [number, number, number, number];
  const used = w[base + Head.records]!;
  for (let other = 0; other < used; other++) {
    const at = wordOf(other);
    if (w[at] !== 0 && w[at] !== w[own] && isOf(w, at, { major, minor, inoLow, inoHigh })) yield other;
  }
}

/** Id of a guest process, but for that owner, that has a lock of this range on the file behind a host descriptor. */
export const holderOf = (k: Kernel, fd: number, range: Range, except = -1): number | undefined => {
  const id = statOf(fd);
  if (typeof id === "number") return undefined;
  return withLock(lockOf(k), () => {
    for (let record = 0; record < k.i32[base + Head.records]!; record++) {
      const at = wordOf(record);
      if (k.i32[at] === 0 || k.i32[at] === except + 1 || !isOf(k.i32, at, id)) continue;
      const isIt = (held: Range): boolean => held.type === range.type && overlap(held, range);
      if (rangesOf(k.i32[at + Field.fd]!).some(isIt)) return k.i32[at + Field.pid]!;
    }
    return undefined;
  });
};

// ---- waiting

const waitAt = (wait: number): number => waitsAt + wait * waitWords;

function putWait(k: Kernel, wait: number, record: number, { type, start, end }: Range): void {
  const w = k.i32;
  const at = waitAt(wait);
  w[at + Wait.type] = type;
  [start, end].forEach((value, i) => {
    w[at + Wait.start + 2 * i] = Number(BigInt.asIntN(32, value));
    w[at + Wait.start + 2 * i + 1] = Number(value >> 32n);
  });
  w[at + Wait.record] = record + 1;
}

function rangeOfWait(w: Int32Array, wait: number): Range {
  const at = waitAt(wait);
  const long = (field: number): bigint => (BigInt(w[at + field + 1]!) << 32n) | BigInt(w[at + field]! >>> 0);
  return { type: w[at + Wait.type]!, start: long(Wait.start), end: long(Wait.end) };
}

/**
 * Notes that the description's owner waits for a range. Answers the number of the wait, for `endWait`; -EDEADLK where it
 * would wait for itself, through others.
 */
export const beginWait = (k: Kernel, { record }: Description, range: Range): number =>
  withLock(lockOf(k), () => {
    const w = k.i32;
    let wait = 0;
    while (wait < mostWaits && w[waitAt(wait)] !== 0) wait++;
    if (wait === mostWaits) return -errno.ENOLCK;
    const self = w[wordOf(record)]!;
    const seen = new Set<number>();
    const leadsBack = (from: number, wanted: Range): boolean => {
      for (const rival of rivalsHeld(w, from)) {
        const owner = w[wordOf(rival)]!;
        if (owner !== self && seen.has(owner)) continue;
        if (!rangesOf(w[wordOf(rival) + Field.fd]!).some((held) => conflict(held, wanted))) continue;
        if (owner === self) return true;
        seen.add(owner);
        if (waitsOf(owner).some((other) => leadsBack(w[waitAt(other)]! - 1, rangeOfWait(w, other)))) return true;
      }
      return false;
    };
    const waitsOf = (owner: number): number[] => {
      const found: number[] = [];
      for (let i = 0; i < w[base + Head.waits]!; i++)
        if (w[waitAt(i)] !== 0 && w[wordOf(w[waitAt(i)]! - 1)] === owner) found.push(i);
      return found;
    };
    if (leadsBack(record, range)) return -errno.EDEADLK;
    w[base + Head.waits] = Math.max(w[base + Head.waits]!, wait + 1);
    putWait(k, wait, record, range);
    return wait;
  });

export const endWait = (k: Kernel, wait: number): void =>
  withLock(lockOf(k), () => {
    k.i32[waitAt(wait)] = 0;
  });

// ---- the end

/** The owner gives up a record: what it has locked is free from now on, whoever sleeps on it. */
function dropHeld(w: Int32Array, record: number): void {
  const at = wordOf(record);
  const fd = w[at + Field.fd]!;
  w[at] = 0;
  if (w[at + Field.users] === 0) host("close", fd);
  else host("fcntl", fd, F_OFD_SETLK, putRange(F_UNLCK, 0n, lastByte));
}

/** A descriptor of a table is about to be closed, host descriptor `h`: with it go the table's locks on the file. */
export function releaseLocks(k: Kernel, owner: number, h: number): void {
  const id = statOf(h);
  if (typeof id === "number") return;
  withLock(lockOf(k), () => {
    const record = findHeld(k.i32, owner, id);
    if (record >= 0) dropHeld(k.i32, record);
  });
}

/** A table of descriptors is given up: so are its locks. */
export const endLocks = (k: Kernel, owner: number): void =>
  withLock(lockOf(k), () => {
    for (let record = 0; record < k.i32[base + Head.records]!; record++)
      if (k.i32[wordOf(record)] === owner + 1) dropHeld(k.i32, record);
  });
