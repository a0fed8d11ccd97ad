// Bytes from and to a debugger: a socket of the host, or the standard streams. Whoever reads from it sleeps for the bell of the
// debug state at the same time.
import { newScratch, storeU64 } from "../host/scratch.ts";
import { spinAndYield } from "../host/spin.ts";
import { addressOf, host } from "../host/syscall.ts";

export interface Connection {
  readonly input: number;
  readonly output: number;
}

const POLLIN = 1;
const polls = newScratch(16);
const timeout = newScratch(16);

/** Sleeps until one of two descriptors has something (-1 for none), at most so many milliseconds. Answers which have. */
export function awaitInput(
  first: number,
  second: number,
  milliseconds: number | undefined,
): readonly [boolean, boolean] {
  polls.i32.set([first, POLLIN, second, POLLIN]);
  if (milliseconds !== undefined) {
    storeU64(timeout, 0, Math.floor(milliseconds / 1000));
    storeU64(timeout, 8, (milliseconds % 1000) * 1e6);
  }
  const ready = host("ppoll", polls.address, 2, milliseconds === undefined ? 0 : timeout.address, 0, 8);
  return ready <= 0 ? [false, false] : [polls.u32[1]! >>> 16 !== 0, polls.u32[3]! >>> 16 !== 0];
}

const room = newScratch(0x10000);
const EINTR = -4;

/** Bytes that are there; none at the end. Good until the next call. */
export function receive({ input }: Connection): Uint8Array {
  for (;;) {
    const n = host("read", input, room.address, room.bytes.length);
    if (n !== EINTR) return room.bytes.subarray(0, Math.max(0, n));
  }
}

const MSG_DONTWAIT = 0x40;
const EAGAIN = -11;

/** Bytes that come within so many rounds of `spinAndYield`, from a socket; as `receive`, and undefined for nothing. */
export function receiveSoon({ input }: Connection, rounds: number): Uint8Array | undefined {
  let n = EAGAIN;
  spinAndYield(rounds, () => {
    n = host("recvfrom", input, room.address, room.bytes.length, MSG_DONTWAIT);
    return n !== EAGAIN;
  });
  return n < 0 ? undefined : room.bytes.subarray(0, n);
}

const MSG_NOSIGNAL = 0x4000;
const ENOTSOCK = -88;

/** Sends all. False where nobody is there any more. */
export function transmit({ output }: Connection, bytes: Buffer): boolean {
  for (let at = 0; at < bytes.length; ) {
    const from = addressOf(bytes) + at;
    let n = host("sendto", output, from, bytes.length - at, MSG_NOSIGNAL);
    if (n === ENOTSOCK) n = host("write", output, from, bytes.length - at);
    if (n < 0 && n !== EINTR) return false;
    if (n > 0) at += n;
  }
  return true;
}

const F_DUPFD_CLOEXEC = 1030;
const O_CLOEXEC = 0o2000000;
/** Descriptors of our own begin here, so that they are in nobody's way. */
const firstOwn = 100;

/** Makes the standard streams a connection. The program reads nothing, and writes where it writes errors. */
export function takeStandardStreams(): Connection {
  const input = host("fcntl", 0, F_DUPFD_CLOEXEC, firstOwn);
  const output = host("fcntl", 1, F_DUPFD_CLOEXEC, firstOwn);
  const nothing = host("openat", AT_FDCWD, addressOf(Buffer.from("/dev/null\0")), O_CLOEXEC);
  host("dup3", nothing, 0, 0);
  host("dup3", 2, 1, 0);
  host("close", nothing);
  return { input, output };
}

const SHUT_WR = 1;
/** Milliseconds that the other side has to hang up. */
const patience = 300;

/** Ends it, after the other side has got what was sent. */
export function hangUp(c: Connection): void {
  if (host("shutdown", c.output, SHUT_WR) === 0) while (awaitInput(c.input, -1, patience)[0] && receive(c).length > 0);
  if (c.input > 2) host("close", c.input);
}

const AT_FDCWD = -100;
const SOCK_CLOEXEC = 0o2000000;
const [IPPROTO_TCP, TCP_NODELAY] = [6, 1];
const on = newScratch(8);

/** Takes who has come to a listening socket; undefined where they have gone again. */
export function accept(listening: number): Connection | undefined {
  const fd = host("accept4", listening, 0, 0, SOCK_CLOEXEC);
  if (fd < 0) return undefined;
  on.u32[0] = 1;
  // For what is no TCP that fails, and does not matter.
  host("setsockopt", fd, IPPROTO_TCP, TCP_NODELAY, on.address, 4);
  return { input: fd, output: fd };
}

// ---- where to listen

/** A socket to listen on: `/path`, or host and port; the host is a numeric address. */
export type Endpoint = { readonly path: string } | { readonly host: string; readonly port: number };

const [AF_UNIX, AF_INET, AF_INET6, SOCK_STREAM] = [1, 2, 10, 1];
const [SOL_SOCKET, SO_REUSEADDR] = [1, 2];

function addressBytes(e: Endpoint): { readonly family: number; readonly bytes: Buffer } | undefined {
  if ("path" in e) {
    const name = Buffer.from(`${e.path}\0`, "latin1");
    if (name.length > 108) return undefined;
    return { family: AF_UNIX, bytes: Buffer.concat([Buffer.of(AF_UNIX, 0), name]) };
  }
  const port = Buffer.of(e.port >> 8, e.port & 255);
  const four = /^(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(e.host);
  if (four !== null)
    return {
      family: AF_INET,
      bytes: Buffer.concat([Buffer.of(AF_INET, 0), port, Buffer.from(four.slice(1).map(Number)), Buffer.alloc(8)]),
    };
  const six = addressOfSix(e.host);
  if (six === undefined) return undefined;
  return {
    family: AF_INET6,
    bytes: Buffer.concat([Buffer.of(AF_INET6, 0), port, Buffer.alloc(4), six, Buffer.alloc(4)]),
  };
}

function addressOfSix(text: string): Buffer | undefined {
  const [head = "", tail, more] = text.split("::");
  const groups = (part: string): number[] => (part === "" ? [] : part.split(":").map((g) => Number.parseInt(g, 16)));
  const [a, b] = [groups(head), groups(tail ?? "")];
  if (more !== undefined || (tail === undefined && a.length !== 8) || a.length + b.length > 8) return undefined;
  const all = [...a, ...Array<number>(8 - a.length - b.length).fill(0), ...b];
  if (all.some((g) => !(g >= 0 && g < 65536))) return undefined;
  return Buffer.from(all.flatMap((g) => [g >> 8, g & 255]));
}

/** A listening socket, and the port that it has; or -errno, -EINVAL for what is no address. */
export function listen(e: Endpoint): { readonly fd: number; readonly port: number } | number {
  const to = addressBytes(e);
  if (to === undefined) return -22;
  if ("path" in e) removeStale(to.bytes);
  const fd = host("socket", to.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return fd;
  on.u32[0] = 1;
  if (to.family !== AF_UNIX) host("setsockopt", fd, SOL_SOCKET, SO_REUSEADDR, on.address, 4);
  if ("path" in e) host("fchmod", fd, 0o600);
  const error = host("bind", fd, addressOf(to.bytes), to.bytes.length) || host("listen", fd, 4);
  if (error < 0) {
    host("close", fd);
    return error;
  }
  if ("path" in e) return { fd, port: 0 };
  storeU64(room, 0, 128);
  host("getsockname", fd, room.address + 8, room.address);
  return { fd, port: room.bytes[10]! * 256 + room.bytes[11]! };
}

const ECONNREFUSED = -111;

/** Removes a socket's name that nobody listens at any more. */
function removeStale(bytes: Buffer): void {
  const fd = host("socket", AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (host("connect", fd, addressOf(bytes), bytes.length) === ECONNREFUSED)
    host("unlinkat", AT_FDCWD, addressOf(bytes) + 2, 0);
  host("close", fd);
}
