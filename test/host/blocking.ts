// Host calls that block, one row a kind, for the tests of interruption: a worker makes the call again and again, the main
// thread lets it go on now and then and kicks the worker in between. Each row counts what went over on both sides.
import { after, Clock, readClock } from "../../src/host/clock.ts";
import { blockingHost } from "../../src/host/interrupt.ts";
import type { HostCall } from "../../src/host/numbers.ts";
import { newScratch, storeU64 } from "../../src/host/scratch.ts";
import { host } from "../../src/host/syscall.ts";

/** What both sides know: host descriptors, and the host address of a word in shared memory. */
export interface Shared {
  readonly fds: readonly number[];
  readonly word: number;
  readonly path: string;
}

/** Makes a blocking call. */
type Call = (name: HostCall, ...args: number[]) => number;

export interface BlockingClass {
  /** On the main thread, before the worker starts: descriptors of the process. */
  open(path: string): number[];
  /** In the worker: the call. */
  call(s: Shared, blocking: Call): number;
  /** In the worker, after a call that did its work: how many units went over. Throws where they are not the next ones. */
  took(s: Shared, result: number): number;
  /** On the main thread, without blocking: lets calls go on; how many units that was. */
  give(s: Shared): number;
  /** On the main thread, at the end: units that the worker's side is ahead of `give`'s by right, negative where it is behind. */
  rest(s: Shared): number;
  /** Gives back what `open` answered, where those are no descriptors. */
  close?(s: Shared): void;
}

/** Gives back what a row has opened. */
export function close(row: BlockingClass, s: Shared): void {
  if (row.close) row.close(s);
  else for (const fd of s.fds) host("close", fd);
}

export const makeBlocking =
  (pendingAddress: number): Call =>
  (name, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0) =>
    blockingHost(name, a, b, c, d, e, f, pendingAddress);

// ---- constants and calls of the host

export const errno = { EINTR: -4, EAGAIN: -11, ENXIO: -6, EINPROGRESS: -115, ETIMEDOUT: -110 } as const;
const [O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_NONBLOCK] = [0, 1, 2, 0o100, 0o4000];
const AT_FDCWD = -100;
const [LOCK_EX, LOCK_NB, LOCK_UN] = [2, 4, 8];
const [POLLIN, EPOLL_CTL_ADD] = [1, 1];
const [AF_UNIX, SOCK_STREAM, SOCK_DGRAM] = [1, 1, 2];
const TIMER_ABSTIME = 1;
const [F_OFD_SETLK, F_OFD_SETLKW, F_WRLCK, F_UNLCK] = [37, 38, 1, 2];
const [IPC_PRIVATE, IPC_RMID, IPC_NOWAIT] = [0, 0, 0o4000];

/** Throws where a call of the test's own fails. */
export function must(result: number): number {
  if (result < 0) throw new Error(`a host call of the test failed: errno ${-result}`);
  return result;
}

const room = newScratch(65536);
const small = newScratch(256);
const text = (s: string): number => {
  small.bytes.fill(0);
  Buffer.from(small.bytes.buffer).write(s, "latin1");
  return small.address;
};

/** Two descriptors that a call stores. */
export function pair(call: () => number): number[] {
  must(call());
  return [...room.i32.subarray(0, 2)];
}
/** The reading and the writing end. The second argument are flags of both. */
export const pipe = (flags = 0): number[] => pair(() => host("pipe2", room.address, flags));
const socketPair = (kind: number): number[] => pair(() => host("socketpair", AF_UNIX, kind, 0, room.address));
export const setNonBlocking = (fd: number): number => must(host("fcntl", fd, 4, O_NONBLOCK));
const openFile = (path: string, flags: number): number =>
  host("openat", AT_FDCWD, text(path), flags, flags & O_CREAT ? 0o600 : 0);

/** Bytes that are numbered: the next expected of each stream. */
const streams = { written: 0, read: 0 };
const period = 251;

function fillNumbered(length: number): void {
  for (let i = 0; i < length; i++) room.bytes[i] = (streams.written + i) % period;
}
function checkNumbered(length: number): number {
  for (let i = 0; i < length; i++)
    if (room.bytes[i] !== (streams.read + i) % period)
      throw new Error(`byte ${streams.read + i} is missing or doubled`);
  streams.read += length;
  return length;
}

/** Passes up to so many rounds, and often none, without sleeping. */
export function dawdle(most: number): void {
  for (let rounds = Math.max(Math.random() - 0.3, 0) * most; rounds > 0; rounds--) Atomics.pause();
}

/** Begins the byte streams of a test. */
export function resetStreams(): void {
  streams.written = 0;
  streams.read = 0;
}

/** Sends numbered bytes, as many as are accepted. */
function send(call: HostCall, fd: number, length: number): number {
  fillNumbered(length);
  const n = Math.max(host(call, fd, room.address, length), 0);
  streams.written += n;
  return n;
}
/** Reads a non-blocking descriptor empty, at most `rounds` times. */
function drain(call: HostCall, fd: number, length: number, rounds = 1): number {
  let sum = 0;
  for (let n: number; rounds > 0 && (n = host(call, fd, room.address, length)) > 0; rounds--) sum += checkNumbered(n);
  return sum;
}

/** The main thread sends at random, the worker receives. */
const receiving = (receive: HostCall, give: HostCall, open: () => number[]): BlockingClass => ({
  open: () => {
    const fds = open();
    setNonBlocking(fds[1]!);
    return fds;
  },
  call: (s, blocking) => blocking(receive, s.fds[0]!, room.address, 7),
  took: (_, n) => checkNumbered(n),
  give: (s) => send(give, s.fds[1]!, 5),
  rest: (s) => {
    setNonBlocking(s.fds[0]!);
    // The numbers go on where the worker stopped, which this thread does not know.
    let left = 0;
    for (let n: number; (n = host(receive, s.fds[0]!, room.address, 4096)) > 0; ) left += n;
    return -left;
  },
});

/** The worker sends at random sizes into what is full, the main thread makes room. */
const sending = (call: HostCall, receive: HostCall, most: number, open: () => number[]): BlockingClass => ({
  open: () => {
    const fds = open();
    setNonBlocking(fds[0]!);
    return fds;
  },
  call: (s, blocking) => {
    const length = 1 + Math.floor(Math.random() * most);
    fillNumbered(length);
    return blocking(call, s.fds[1]!, room.address, length);
  },
  took: (_, n) => {
    streams.written += n;
    return n;
  },
  give: (s) => drain(receive, s.fds[0]!, most),
  rest: (s) => drain(receive, s.fds[0]!, 65536, Number.POSITIVE_INFINITY),
});

const storeFlock = (type: number): number => {
  // struct flock: type, whence, start, length (0: to the end), pid.
  small.bytes.fill(0);
  small.view.setInt16(0, type, true);
  return small.address;
};

/** Two open files of one path: the main thread has the first locked most of the time. Units are the worker's locks. */
const locking = (
  tryLock: (fd: number) => number,
  unlock: (fd: number) => number,
  lock: (fd: number, blocking: Call) => number,
): BlockingClass => ({
  open: (path) => {
    const fds = [1, 2, 3].map(() => must(openFile(path, O_RDWR | O_CREAT)));
    must(tryLock(fds[0]!));
    return fds;
  },
  call: (s, blocking) => lock(s.fds[1]!, blocking),
  took: (s) => {
    if (tryLock(s.fds[2]!) >= 0) throw new Error("the lock is said to be held and is not");
    must(unlock(s.fds[1]!));
    return 0;
  },
  give: (s) => {
    must(unlock(s.fds[0]!));
    const begin = performance.now();
    while (tryLock(s.fds[0]!) < 0) {
      if (performance.now() - begin > 10_000) throw new Error("the worker keeps the lock");
      host("sched_yield");
    }
    return 0;
  },
  rest: (s) => {
    // Nobody has it who was told that he has not.
    must(unlock(s.fds[0]!));
    must(tryLock(s.fds[2]!));
    return 0;
  },
});

const unixName = (s: Shared): number => {
  const address = text(`__\0${s.path}`);
  small.view.setUint16(0, AF_UNIX, true);
  return address;
};
/** `bind` and `connect` of an abstract name. The length is that of family, zero and name. */
const withName = (call: HostCall, fd: number, s: Pick<Shared, "path">): number =>
  host(call, fd, unixName(s as Shared), 3 + s.path.length);
const unixSocket = (): number => must(host("socket", AF_UNIX, SOCK_STREAM, 0));
function listener(path: string, backlog: number): number {
  const fd = unixSocket();
  must(withName("bind", fd, { path }));
  must(host("listen", fd, backlog));
  return fd;
}
/** Accepts and closes what is there. */
function acceptAll(fd: number): number {
  let sum = 0;
  for (let n: number; (n = host("accept4", fd)) >= 0; sum++) host("close", n);
  return sum;
}

const counts = newScratch(8);

export const classes: Readonly<Record<string, BlockingClass>> = {
  "read of an empty pipe": receiving("read", "write", pipe),
  "readv of an empty pipe": {
    ...receiving("read", "write", pipe),
    call: (s, blocking) => {
      storeU64(small, 0, room.address);
      storeU64(small, 8, 3);
      storeU64(small, 16, room.address + 3);
      storeU64(small, 24, 4);
      return blocking("readv", s.fds[0]!, small.address, 2);
    },
  },
  "write to a full pipe": sending("write", "read", 9000, pipe),
  "recvfrom of a stream socket": receiving("recvfrom", "sendto", () => socketPair(SOCK_STREAM)),
  "sendto of a full stream socket": sending("sendto", "recvfrom", 60000, () => socketPair(SOCK_STREAM)),
  "recvfrom of a datagram socket": receiving("recvfrom", "sendto", () => socketPair(SOCK_DGRAM)),
  "splice from an empty pipe": {
    ...receiving("read", "write", () => [...pipe(), ...pipe()]),
    call: (s, blocking) => blocking("splice", s.fds[0]!, 0, s.fds[3]!, 0, 7),
    took: (s, n) => checkNumbered(must(host("read", s.fds[2]!, room.address, n))),
  },
  "read of an eventfd": {
    open: () => [must(host("eventfd2", 0, 0))],
    call: (s, blocking) => blocking("read", s.fds[0]!, counts.address, 8),
    took: () => counts.u32[0]!,
    give: (s) => {
      storeU64(counts, 0, 3);
      must(host("write", s.fds[0]!, counts.address, 8));
      return 3;
    },
    rest: (s) => {
      setNonBlocking(s.fds[0]!);
      return host("read", s.fds[0]!, counts.address, 8) < 0 ? 0 : -counts.u32[0]!;
    },
  },
  "epoll_pwait of an eventfd": {
    open: () => {
      const fds = [must(host("eventfd2", 0, O_NONBLOCK)), must(host("epoll_create1"))];
      small.u32.set([POLLIN, fds[0]!, 0]);
      must(host("epoll_ctl", fds[1]!, EPOLL_CTL_ADD, fds[0]!, small.address));
      return fds;
    },
    call: (s, blocking) => blocking("epoll_pwait", s.fds[1]!, small.address, 1, -1, 0, 8),
    took: (s) => {
      must(host("read", s.fds[0]!, counts.address, 8));
      return counts.u32[0]!;
    },
    give: (s) => {
      storeU64(counts, 0, 1);
      must(host("write", s.fds[0]!, counts.address, 8));
      return 1;
    },
    rest: (s) => (host("read", s.fds[0]!, counts.address, 8) < 0 ? 0 : -counts.u32[0]!),
  },
  "ppoll of a pipe": {
    ...receiving("read", "write", pipe),
    call: (s, blocking) => {
      small.i32.set([s.fds[0]!, POLLIN]);
      return blocking("ppoll", small.address, 1, 0, 0, 8);
    },
    took: (s) => checkNumbered(must(host("read", s.fds[0]!, room.address, 7))),
  },
  flock: locking(
    (fd) => host("flock", fd, LOCK_EX | LOCK_NB),
    (fd) => host("flock", fd, LOCK_UN),
    (fd, blocking) => blocking("flock", fd, LOCK_EX),
  ),
  "fcntl F_OFD_SETLKW": locking(
    (fd) => host("fcntl", fd, F_OFD_SETLK, storeFlock(F_WRLCK)),
    (fd) => host("fcntl", fd, F_OFD_SETLK, storeFlock(F_UNLCK)),
    (fd, blocking) => blocking("fcntl", fd, F_OFD_SETLKW, storeFlock(F_WRLCK)),
  ),
  "open of a FIFO": {
    open: (path) => {
      must(host("mknodat", AT_FDCWD, text(path), 0o010600, 0));
      return [];
    },
    // Writers that were there and went again let an open go on as well, so nothing can be counted.
    call: (s, blocking) => blocking("openat", AT_FDCWD, text(s.path), O_RDONLY, 0),
    took: (_, fd) => must(host("close", fd)),
    give: (s) => {
      const fd = openFile(s.path, O_WRONLY | O_NONBLOCK);
      if (fd >= 0) host("close", fd);
      else if (fd !== errno.ENXIO) must(fd);
      return 0;
    },
    rest: () => 0,
  },
  futex: {
    open: () => [],
    call: (s, blocking) => blocking("futex", s.word, 128, 0, 0),
    took: () => 1,
    give: (s) => must(host("futex", s.word, 129, 1)),
    rest: () => 0,
  },
  accept: {
    open: (path) => [listener(path, 4096)],
    call: (s, blocking) => blocking("accept4", s.fds[0]!),
    took: (_, fd) => 1 + must(host("close", fd)),
    give: (s) => {
      const fd = unixSocket();
      must(withName("connect", fd, s));
      must(host("close", fd));
      return 1;
    },
    rest: (s) => {
      setNonBlocking(s.fds[0]!);
      return -acceptAll(s.fds[0]!);
    },
  },
  connect: {
    open: (path) => {
      const fd = listener(path, 1);
      setNonBlocking(fd);
      return [fd];
    },
    call: (s, blocking) => {
      const fd = unixSocket();
      const r = blocking("connect", fd, unixName(s), 3 + s.path.length);
      host("close", fd);
      return r;
    },
    took: () => 1,
    give: (s) => acceptAll(s.fds[0]!),
    rest: (s) => acceptAll(s.fds[0]!),
  },
  clock_nanosleep: {
    open: () => [],
    call: (_, blocking) => {
      const until = after(readClock(Clock.MONOTONIC)!, Math.random() < 0.2 ? 20_000 : 10e9);
      storeU64(small, 0, until.sec);
      storeU64(small, 8, until.nsec);
      const r = blocking("clock_nanosleep", Clock.MONOTONIC, TIMER_ABSTIME, small.address);
      const now = readClock(Clock.MONOTONIC)!;
      if (r === 0 && (now.sec - until.sec) * 1e9 + now.nsec - until.nsec < 0) throw new Error("a sleep was cut short");
      return r;
    },
    took: () => 0,
    give: () => 0,
    rest: () => 0,
  },
  msgrcv: {
    open: () => [must(host("msgget", IPC_PRIVATE, 0o600))],
    call: (s, blocking) => blocking("msgrcv", s.fds[0]!, room.address, 8),
    took: () => 1,
    give: (s) => {
      storeU64(room, 0, 1);
      return host("msgsnd", s.fds[0]!, room.address, 8, IPC_NOWAIT) === 0 ? 1 : 0;
    },
    rest: (s) => {
      let left = 0;
      while (host("msgrcv", s.fds[0]!, room.address, 8, 0, IPC_NOWAIT) >= 0) left++;
      return -left;
    },
    close: (s) => void must(host("msgctl", s.fds[0]!, IPC_RMID, 0)),
  },
};
