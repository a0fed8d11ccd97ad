// What closing a descriptor does beside, and epoll sets with it.
//
// The host's epoll sets know an open file by the number under which it was added. A guest's number has another number of the
// host's in each process, so a child that changes or removes what its parent added has to name the parent's: the descriptor
// remembers it (`registeredFd`), as it was when the table was copied. When the parent closes its own, the host's stays open
// for as long as a child has such a descriptor, or the entry could be named no more; the file is open for that long anyhow.
import { isSameFile } from "../host/same-file.ts";
import { host } from "../host/syscall.ts";
import { type Mutex, withLock } from "../sync/mutex.ts";
import { attachFdTable, FdKind, type FdTable, fdData, fdKind, hostFd, registeredFd, setRegisteredFd } from "./fds.ts";
import { type Kernel, sections } from "./kernel.ts";
import { releaseLocks } from "./lock-table.ts";
import { closeQueue } from "./message-notes.ts";
import { isOfSignalFd } from "./signalfd-table.ts";
import { type Tables, tablesInUse, wordsOf } from "./tables.ts";
import { closeMaster } from "./terminals.ts";

const base = sections.kept / 4;
const lockOf = (k: Kernel): Mutex => ({ words: k.i32, index: base });
// Behind the lock, a bit for each of the host's descriptors that stays open for others.
const bitsAt = base + 16;
const mostKept = 65536;

const isKept = (k: Kernel, h: number): boolean => ((k.i32[bitsAt + (h >> 5)]! >>> (h & 31)) & 1) !== 0;
function setKept(k: Kernel, h: number, on: boolean): void {
  const at = bitsAt + (h >> 5);
  k.i32[at] = on ? k.i32[at]! | (1 << (h & 31)) : k.i32[at]! & ~(1 << (h & 31));
}

/** All other tables. */
function* othersOf(tables: Tables, own: number): Generator<FdTable> {
  for (const table of tablesInUse(tables, "fds")) if (table !== own) yield attachFdTable(wordsOf(tables, "fds", table));
}

/** Who closes: in table number `own`, and the index of the process that does. */
export interface Closer {
  readonly kernel: Kernel;
  readonly tables: Tables;
  readonly own: number;
  readonly process: number;
}

/** Has a view of a table do what closing does. */
export function watchClosing(t: FdTable, { kernel: k, tables, own, process }: Closer): FdTable {
  t.closing = (fd, h, registered) => {
    if (t.hasLocked) releaseLocks(k, own, h);
    if (registered >= 0 && closeRegistered(k, tables, own, fd, h, registered)) return true;
    if (t.hasMasters && closeMaster(k, h)) return true;
    return t.hasQueues && closeQueue(k, process, h);
  };
  return t;
}

function closeRegistered(k: Kernel, tables: Tables, own: number, fd: number, h: number, registered: number): boolean {
  if (registered >= mostKept) return false;
  return withLock(lockOf(k), () => {
    const isOwn = registered === h;
    if (!isOwn && !isKept(k, registered)) return false;
    for (const other of othersOf(tables, own)) {
      const theirs = hostFd(other, fd);
      if (theirs < 0) continue;
      // What this one added, those can change that have the file under the same number.
      if (isOwn && registeredFd(other, fd) < 0 && isSameFile(theirs, h)) setRegisteredFd(other, fd, h);
      if (registeredFd(other, fd) !== registered) continue;
      if (isOwn) setKept(k, h, true);
      return isOwn;
    }
    if (isKept(k, registered)) {
      setKept(k, registered, false);
      if (!isOwn) host("close", registered);
    }
    return false;
  });
}

/** The host descriptor by which an epoll set knows guest descriptor `fd` of table number `own`, or is to know it. */
export function epollName(t: FdTable, k: Kernel, tables: Tables, own: number, fd: number): number {
  const h = hostFd(t, fd);
  const isSignalFd = h >= 0 && fdKind(t, fd) === FdKind.signal;
  const isGood = (name: number): boolean =>
    name >= 0 && (name === h || isSameFile(name, h) || (isSignalFd && isOfSignalFd(k, fdData(t, fd), name)));
  const name = registeredFd(t, fd);
  if (h < 0 || isGood(name)) return h < 0 ? h : name;
  for (const other of othersOf(tables, own)) {
    const theirs = hostFd(other, fd) < 0 ? -1 : registeredFd(other, fd);
    if (isGood(theirs)) return theirs;
  }
  return h;
}
