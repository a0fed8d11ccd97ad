// The guest's table of file descriptors: guest numbers to host descriptors. Every guest descriptor has a host
// descriptor of its own (dup is a host dup), so open file descriptions, locks and epoll sets are the host's. The guest
// never learns a host number, and can neither use nor close a descriptor of the emulator.
import { host } from "../host/syscall.ts";
import { errno } from "./errno.ts";

/** What answers calls on a descriptor, beyond the host. */
export const FdKind = {
  host: 0,
  /** A memfd that holds linux_dirent64 records of a directory the personality makes up, such as /proc/self/fd. */
  directory: 1,
  /** An eventfd, readable while a signal of its set is pending. */
  signal: 2,
  /** A memfd of a made-up /proc file where a write does something: proc.ts. */
  control: 3,
  /** /proc/self/mem: a memfd that keeps the file position; the bytes are the guest's memory. */
  memory: 4,
} as const;
export type FdKind = (typeof FdKind)[keyof typeof FdKind];

/** Whether a descriptor stands for a file that /proc makes up. */
export const isMadeUp = (kind: FdKind): boolean =>
  kind === FdKind.directory || kind === FdKind.control || kind === FdKind.memory;

// Words of an entry: host descriptor + 1 (0: free, -1: being changed), kind, close-on-exec, a word for the kind's use.
const stride = 4;
const changing = -1;

/** Shared by the threads of a process, or of processes cloned with CLONE_FILES. */
export interface FdTable {
  readonly words: Int32Array;
  /** Limit on new numbers: RLIMIT_NOFILE. */
  limit: number;
}

/** The hard limit on descriptors. */
export const maxFds = 65536;
const limitWord = maxFds * stride;

/** The table behind these words, which another worker may share. */
export const attachFdTable = (words: Int32Array): FdTable => ({
  words,
  get limit() {
    return words[limitWord]!;
  },
  set limit(n: number) {
    words[limitWord] = n;
  },
});

export function newFdTable(): FdTable {
  const t = attachFdTable(new Int32Array(new SharedArrayBuffer((limitWord + 1) * 4)));
  t.limit = 1024;
  return t;
}

/** The host descriptor behind a guest descriptor, or -EBADF. */
export function hostFd(t: FdTable, fd: number): number {
  const value = fd >= 0 && fd < maxFds ? t.words[fd * stride]! : 0;
  return value <= 0 ? -errno.EBADF : value - 1;
}

/** The kind of a descriptor that is open. */
export const fdKind = (t: FdTable, fd: number): FdKind => t.words[fd * stride + 1] as FdKind;
export const closeOnExec = (t: FdTable, fd: number): boolean => t.words[fd * stride + 2] !== 0;
export function setCloseOnExec(t: FdTable, fd: number, on: boolean): void {
  t.words[fd * stride + 2] = on ? 1 : 0;
}
/** A word whose meaning is the kind's. */
export const fdData = (t: FdTable, fd: number): number => t.words[fd * stride + 3]!;
export function setFdData(t: FdTable, fd: number, word: number): void {
  t.words[fd * stride + 3] = word;
}

/** Open guest descriptors, ascending. */
export function openFds(t: FdTable): number[] {
  const found: number[] = [];
  for (let fd = 0; fd < maxFds; fd++) if (t.words[fd * stride]! > 0) found.push(fd);
  return found;
}

/**
 * Gives host descriptor `h` (or an error, which is passed through) the lowest free guest number from `from` on.
 * Answers the number, or -EMFILE with the host descriptor closed.
 */
export function installFd(t: FdTable, h: number, cloexec: boolean, kind: FdKind = FdKind.host, from = 0): number {
  if (h < 0) return h;
  for (let fd = from; fd < Math.min(t.limit, maxFds); fd++) {
    if (Atomics.compareExchange(t.words, fd * stride, 0, changing) !== 0) continue;
    fill(t, fd, h, cloexec, kind);
    return fd;
  }
  host("close", h);
  return -errno.EMFILE;
}

/** Puts host descriptor `h` at a number below `maxFds`, closing what was there. */
export function setFd(t: FdTable, fd: number, h: number, cloexec: boolean, kind: FdKind = FdKind.host): void {
  const before = Atomics.exchange(t.words, fd * stride, changing);
  fill(t, fd, h, cloexec, kind);
  if (before > 0) host("close", before - 1);
}

// The host descriptor comes last: until then the entry is taken, but answers EBADF.
function fill(t: FdTable, fd: number, h: number, cloexec: boolean, kind: FdKind): void {
  t.words[fd * stride + 1] = kind;
  t.words[fd * stride + 2] = cloexec ? 1 : 0;
  t.words[fd * stride + 3] = 0;
  Atomics.store(t.words, fd * stride, h + 1);
}

/** 0 or -EBADF; or what the host's close says. */
export function closeFd(t: FdTable, fd: number): number {
  const h = hostFd(t, fd);
  if (h < 0) return h;
  if (Atomics.compareExchange(t.words, fd * stride, h + 1, 0) !== h + 1) return -errno.EBADF;
  return host("close", h);
}

const F_DUPFD_CLOEXEC = 1030;
/** Above the numbers that programs use for what they pass on: the emulator's own descriptors stay out of their way. */
const hostFrom = 3;

/** A host descriptor of its own for the same open file, or -errno. */
export const dupHost = (h: number): number => host("fcntl", h, F_DUPFD_CLOEXEC, hostFrom);

/**
 * Gives the guest copies of the emulator's standard streams, and hands over other host descriptors that the emulator was
 * started with, under their numbers: nothing here keeps the far end of such a pipe waiting once the guest closed it.
 */
export function inheritDescriptors(t: FdTable, others: readonly number[]): void {
  for (const fd of [0, 1, 2]) {
    const h = dupHost(fd);
    if (h >= 0) setFd(t, fd, h, false);
  }
  for (const fd of others) if (fd < maxFds) setFd(t, fd, fd, false);
}

/** A table of its own with the same open files, as fork makes it; or -EMFILE, and nothing is left open. */
export function forkFdTable(t: FdTable): FdTable | number {
  const copy = newFdTable();
  copy.limit = t.limit;
  for (const fd of openFds(t)) {
    const h = dupHost(hostFd(t, fd));
    if (h < 0) {
      closeAll(copy);
      return h;
    }
    setFd(copy, fd, h, closeOnExec(t, fd), fdKind(t, fd));
    setFdData(copy, fd, fdData(t, fd));
  }
  return copy;
}

/** Closes every descriptor: the process ended. */
export function closeAll(t: FdTable): void {
  for (const fd of openFds(t)) closeFd(t, fd);
}

/** Closes what is marked close-on-exec. */
export function closeForExec(t: FdTable): void {
  for (const fd of openFds(t)) if (closeOnExec(t, fd)) closeFd(t, fd);
}
