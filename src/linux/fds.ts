// The guest's table of file descriptors: guest numbers to host descriptors. Every guest descriptor has a host
// descriptor of its own (dup is a host dup), so open file descriptions, locks and epoll sets are the host's. The guest
// never learns a host number, and can neither use nor close a descriptor of the emulator.
import { addressOf, host } from "../host/syscall.ts";
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
  /** A reader of a pipe that shows the end of a guest process: pidfds.ts. */
  process: 5,
} as const;
export type FdKind = (typeof FdKind)[keyof typeof FdKind];

/** Whether a descriptor stands for a file that /proc makes up. */
export const isMadeUp = (kind: FdKind): boolean =>
  kind === FdKind.directory || kind === FdKind.control || kind === FdKind.memory;

// Words of an entry: host descriptor + 1 (0: free, -1: being changed), kind, close-on-exec in bit 0 and what
// `registeredFd` answers in the others, a word for the kind's use.
const stride = 4;
const changing = -1;

/** Shared by the threads of a process, or of processes cloned with CLONE_FILES. */
export interface FdTable {
  readonly words: Int32Array;
  /** Limit on new numbers: RLIMIT_NOFILE. */
  limit: number;
  /** Record locks were asked for: `closing` hears of all descriptors from then on. */
  hasLocked: boolean;
  /** There may be masters of pseudoterminals: `closing` hears of all descriptors from then on. */
  hasMasters: boolean;
  /** There may be message queues: `closing` hears of all descriptors from then on. */
  hasQueues: boolean;
  /**
   * Told that guest descriptor `fd` is closed, which had host descriptor `h` and was registered with `registered` (or -1).
   * Answers whether that needs no closing any more: it is, or is to stay open.
   */
  closing: (fd: number, h: number, registered: number) => boolean;
}

/** The hard limit on descriptors. */
export const maxFds = 65536;
const limitWord = maxFds * stride;
const lockedWord = limitWord + 1;
/** No number from this one on was ever used. */
const usedWord = limitWord + 2;
const mastersWord = limitWord + 3;
const queuesWord = limitWord + 4;
/** Words of a table, zero for an empty one. */
export const fdWords = limitWord + 5;
const usualLimit = 1024;

/** The table behind these words, which another worker may share. */
export const attachFdTable = (words: Int32Array): FdTable => ({
  words,
  get limit() {
    return words[limitWord]!;
  },
  set limit(n: number) {
    words[limitWord] = n;
  },
  get hasLocked() {
    return words[lockedWord] !== 0;
  },
  set hasLocked(on: boolean) {
    words[lockedWord] = on ? 1 : 0;
  },
  get hasMasters() {
    return words[mastersWord] !== 0;
  },
  set hasMasters(on: boolean) {
    words[mastersWord] = on ? 1 : 0;
  },
  get hasQueues() {
    return words[queuesWord] !== 0;
  },
  set hasQueues(on: boolean) {
    words[queuesWord] = on ? 1 : 0;
  },
  closing: () => false,
});

export function newFdTable(): FdTable {
  const t = attachFdTable(new Int32Array(new SharedArrayBuffer(fdWords * 4)));
  t.limit = usualLimit;
  return t;
}

/** The host descriptor behind a guest descriptor, or -EBADF. */
export function hostFd(t: FdTable, fd: number): number {
  const value = fd >= 0 && fd < maxFds ? t.words[fd * stride]! : 0;
  return value <= 0 ? -errno.EBADF : value - 1;
}

/** The kind of a descriptor that is open. */
export const fdKind = (t: FdTable, fd: number): FdKind => t.words[fd * stride + 1] as FdKind;
export const closeOnExec = (t: FdTable, fd: number): boolean => (t.words[fd * stride + 2]! & 1) !== 0;
export function setCloseOnExec(t: FdTable, fd: number, on: boolean): void {
  if (on) Atomics.or(t.words, fd * stride + 2, 1);
  else Atomics.and(t.words, fd * stride + 2, ~1);
}
/** The host descriptor by which the host's epoll sets know this one: its own, or that of the process which inherited it first; -1 for none. */
export const registeredFd = (t: FdTable, fd: number): number => (t.words[fd * stride + 2]! >> 1) - 1;
export function setRegisteredFd(t: FdTable, fd: number, h: number): void {
  const at = fd * stride + 2;
  for (let old = t.words[at]!; ; old = t.words[at]!)
    if (Atomics.compareExchange(t.words, at, old, (old & 1) | ((h + 1) << 1)) === old) return;
}
/** A word whose meaning is the kind's. */
export const fdData = (t: FdTable, fd: number): number => t.words[fd * stride + 3]!;
export function setFdData(t: FdTable, fd: number, word: number): void {
  t.words[fd * stride + 3] = word;
}

/** Open guest descriptors, ascending. */
export function openFds(t: FdTable): number[] {
  const found: number[] = [];
  const used = Atomics.load(t.words, usedWord);
  for (let fd = 0; fd < used; fd++) if (t.words[fd * stride]! > 0) found.push(fd);
  return found;
}

/**
 * Gives host descriptor `h` (or an error, which is passed through) the lowest free guest number from `from` on.
 * Answers the number, or -EMFILE with the host descriptor closed; or -ENFILE where it is the emulator that has no more.
 */
export function installFd(t: FdTable, h: number, cloexec: boolean, kind: FdKind = FdKind.host, from = 0): number {
  if (h < 0) return h === -errno.EMFILE ? -errno.ENFILE : h;
  if (sparing(h) < 0) return -errno.ENFILE;
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
  const registered = registeredFd(t, fd);
  fill(t, fd, h, cloexec, kind);
  if (before > 0) closeHost(t, fd, before - 1, registered);
}

// The host descriptor comes last: until then the entry is taken, but answers EBADF.
function fill(t: FdTable, fd: number, h: number, cloexec: boolean, kind: FdKind): void {
  for (let used = 0; (used = Atomics.load(t.words, usedWord)) <= fd; )
    Atomics.compareExchange(t.words, usedWord, used, fd + 1);
  t.words[fd * stride + 1] = kind;
  t.words[fd * stride + 2] = cloexec ? 1 : 0;
  t.words[fd * stride + 3] = 0;
  Atomics.store(t.words, fd * stride, h + 1);
}

/** 0 or -EBADF; or what the host's close says. */
export function closeFd(t: FdTable, fd: number): number {
  const h = hostFd(t, fd);
  if (h < 0) return h;
  const registered = registeredFd(t, fd);
  if (Atomics.compareExchange(t.words, fd * stride, h + 1, 0) !== h + 1) return -errno.EBADF;
  return closeHost(t, fd, h, registered);
}

function closeHost(t: FdTable, fd: number, h: number, registered: number): number {
  const concerns = registered >= 0 || t.hasLocked || t.hasMasters || t.hasQueues;
  return concerns && t.closing(fd, h, registered) ? 0 : host("close", h);
}

const RLIMIT_NOFILE = 7;
/** So many of the host's descriptors, or a quarter of them, guests cannot have: the emulator loads what it needs when it needs it. */
const mostReserved = 64;
let unreserved = 0;

/** Whether host descriptor `h`, the lowest that was free, is one that the emulator keeps for itself. */
function isReserved(h: number): boolean {
  if (unreserved === 0) {
    const [soft = 0, high = 0] = limitsOfHost(RLIMIT_NOFILE);
    unreserved = high !== 0 ? Number.POSITIVE_INFINITY : soft - Math.min(mostReserved, Math.floor(soft / 4));
  }
  return h >= unreserved;
}

/** Soft and hard limit of the emulator, low and high words. */
function limitsOfHost(resource: number): Uint32Array {
  const words = new Uint32Array(4);
  host("prlimit64", 0, resource, 0, addressOf(words));
  return words;
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

/** Gives an empty table, by default a new one, the same open files, as fork does. Answers it; or -EMFILE, and nothing is left open. */
export function forkFdTable(t: FdTable, copy: FdTable = newFdTable()): FdTable | number {
  copy.limit = t.limit;
  copy.hasMasters = t.hasMasters;
  copy.hasQueues = t.hasQueues;
  for (const fd of openFds(t)) {
    const error = forkFd(t, copy, fd);
    if (error === 0) continue;
    closeAll(copy);
    return error;
  }
  return copy;
}

/** The same host descriptor; or -EMFILE, and it is closed, where the emulator keeps it for itself. */
function sparing(h: number): number {
  if (h < 0 || !isReserved(h)) return h;
  host("close", h);
  return -errno.EMFILE;
}

function forkFd(t: FdTable, copy: FdTable, fd: number): number {
  for (;;) {
    const from = hostFd(t, fd);
    if (from < 0) return 0;
    const h = sparing(dupHost(from));
    // Another thread may have closed it meanwhile, and the number may be something else's.
    const isSame = hostFd(t, fd) === from;
    if (h < 0 && isSame) return h;
    if (isSame) {
      setFd(copy, fd, h, closeOnExec(t, fd), fdKind(t, fd));
      setFdData(copy, fd, fdData(t, fd));
      setRegisteredFd(copy, fd, registeredFd(t, fd));
      return 0;
    }
    if (h >= 0) host("close", h);
  }
}

/** Closes every descriptor: the process ended. */
export function closeAll(t: FdTable): void {
  for (const fd of openFds(t)) closeFd(t, fd);
  t.hasLocked = t.hasMasters = t.hasQueues = false;
  Atomics.store(t.words, usedWord, 0);
}

/** Closes what is marked close-on-exec. */
export function closeForExec(t: FdTable): void {
  for (const fd of openFds(t)) if (closeOnExec(t, fd)) closeFd(t, fd);
}
