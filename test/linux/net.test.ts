import { afterAll, expect, test } from "bun:test";
import { existsSync, lstatSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cstring } from "../../src/host/scratch.ts";
import { host } from "../../src/host/syscall.ts";
import { netCalls } from "../../src/linux/calls/net.ts";
import { signalCalls } from "../../src/linux/calls/signal.ts";
import { timerCalls } from "../../src/linux/calls/timers.ts";
import { errno, restart } from "../../src/linux/errno.ts";
import { closeOnExec, hostFd, installFd, openFds } from "../../src/linux/fds.ts";
import { setCwd, setUmask } from "../../src/linux/file-system.ts";
import { Sig } from "../../src/linux/siginfo.ts";
import { takeSignal } from "../../src/linux/signals.ts";
import type { Task } from "../../src/linux/task.ts";
import { expireTimers } from "../../src/linux/timers.ts";
import { beyond, caller, callOf, readOnly, resultOf, room, unmapped } from "./caller.ts";
import { get32, get64, getText, put16, put32, put64, putText } from "./fields.ts";

const rows = [...netCalls, ...signalCalls, ...timerCalls];
const call = callOf(rows);
const raw = resultOf(rows);
const a = room.start;
const b = room.start + 4096;
const c = room.start + 8192;
const d = room.start + 12288;
const [UNIX, INET, INET6] = [1, 2, 10] as const;
const [STREAM, DGRAM] = [1, 2] as const;
const SOL_SOCKET = 1;
const DONTWAIT = 0x40;
const NOSIGNAL = 0x4000;

const hostDirectory = mkdtempSync(join(tmpdir(), "sockets-"));
afterAll(() => rmSync(hostDirectory, { recursive: true }));

/** A thread whose working directory is a folder of the test. */
function there(): Task {
  const t = caller();
  setCwd(t.process.files, host("openat", -100, cstring(hostDirectory), 0o12000000));
  return t;
}

function pair(t: Task, type: number = STREAM): readonly [number, number] {
  expect(call(t, "socketpair", UNIX, type, 0, d)).toBe(0);
  return [get32(t, d), get32(t, d + 4)];
}

const sendText = (t: Task, fd: number, text: string, flags = 0): number =>
  call(t, "sendto", fd, putText(t, d, text), text.length, flags, 0, 0);
function receiveText(t: Task, fd: number, room = 100, flags = DONTWAIT): string | number {
  const n = call(t, "recvfrom", fd, d, room, flags, 0, 0);
  return n < 0 ? n : getText(t, d, n);
}

/** sockaddr_in at `addr`. */
function putInet(t: Task, addr: number, port: number): void {
  put64(t, addr, 0, 0);
  put16(t, addr, INET);
  t.memory.view.setUint16(addr + 2, port);
  t.memory.u8.set([127, 0, 0, 1], addr + 4);
}
/** sockaddr_un at `addr`; its length. */
function putUnix(t: Task, addr: number, path: string): number {
  put16(t, addr, UNIX);
  t.memory.u8.fill(0, addr + 2, addr + 112);
  t.memory.u8.set(Buffer.from(path, "latin1"), addr + 2);
  return 2 + path.length + (path.startsWith("\0") || path.length === 108 ? 0 : 1);
}
/** The name of a socket as the guest sees it: the path of a unix socket. */
function nameOf(t: Task, fd: number, which = "getsockname"): string {
  put32(t, c, 128);
  expect(call(t, which, fd, d, c)).toBe(0);
  return getText(t, d + 2, get32(t, c) - 2);
}

const hostFdCount = (): number => readdirSync("/proc/self/fd").length;

// ---- making

test("a socket is the guest's own descriptor, close-on-exec if it says so", () => {
  const t = caller();
  const plain = call(t, "socket", INET, STREAM, 0);
  const marked = call(t, "socket", INET, STREAM | 0o2004000, 0);
  expect([plain, marked]).toEqual([3, 4]);
  expect(closeOnExec(t.process.fds, plain)).toBe(false);
  expect(closeOnExec(t.process.fds, marked)).toBe(true);
});

test("families and types that are not there, and families whose options carry pointers", () => {
  const t = caller();
  for (const family of [-1, 99, 21, 44]) expect(call(t, "socket", family, STREAM, 0)).toBe(-errno.EAFNOSUPPORT);
  expect(call(t, "socket", INET, 99, 0)).toBe(-errno.EINVAL);
});

test("socketpair stores both or neither", () => {
  const t = caller();
  const before = openFds(t.process.fds).length;
  const hostBefore = hostFdCount();
  for (const addr of [unmapped, beyond, readOnly, room.end - 4])
    expect(call(t, "socketpair", UNIX, STREAM, 0, addr)).toBe(-errno.EFAULT);
  t.process.fds.limit = 4;
  expect(call(t, "socketpair", UNIX, STREAM, 0, d)).toBe(-errno.EMFILE);
  expect(openFds(t.process.fds).length).toBe(before);
  expect(hostFdCount()).toBe(hostBefore);
});

// ---- TCP and addresses

test("a TCP connection over loopback: bind, listen, connect, accept, names, shutdown", () => {
  const t = caller();
  const server = call(t, "socket", INET, STREAM, 0);
  putInet(t, a, 0);
  expect(call(t, "bind", server, a, 16)).toBe(0);
  expect(call(t, "listen", server, 5)).toBe(0);
  put32(t, c, 16);
  expect(call(t, "getsockname", server, a, c)).toBe(0);
  const port = t.memory.view.getUint16(a + 2);
  expect(port).toBeGreaterThan(0);

  const client = call(t, "socket", INET, STREAM, 0);
  expect(call(t, "connect", client, a, 16)).toBe(0);
  put32(t, c, 100);
  const accepted = call(t, "accept4", server, b, c, 0o2000000);
  expect(closeOnExec(t.process.fds, accepted)).toBe(true);
  expect(get32(t, c)).toBe(16);
  put32(t, c, 16);
  expect(call(t, "getpeername", client, d, c)).toBe(0);
  expect(t.memory.view.getUint16(d + 2)).toBe(port);

  expect(sendText(t, client, "hello")).toBe(5);
  expect(receiveText(t, accepted)).toBe("hello");
  expect(call(t, "shutdown", client, 1)).toBe(0);
  expect(receiveText(t, accepted)).toBe("");
  expect(call(t, "shutdown", client, 9)).toBe(-errno.EINVAL);
});

test("an address is cut to the room that it has, and its full length told", () => {
  const t = caller();
  const fd = call(t, "socket", INET6, DGRAM, 0);
  t.memory.u8.fill(0xaa, a, a + 32);
  put32(t, c, 4);
  expect(call(t, "getsockname", fd, a, c)).toBe(0);
  expect(get32(t, c)).toBe(28);
  expect(get32(t, a)).toBe(INET6);
  expect(get32(t, a + 4)).toBe(0xaaaaaaaa | 0);
  put32(t, c, -1);
  expect(call(t, "getsockname", fd, a, c)).toBe(-errno.EINVAL);
  put32(t, c, 28);
  expect(call(t, "getsockname", fd, unmapped, c)).toBe(-errno.EFAULT);
  expect(call(t, "getsockname", fd, a, unmapped)).toBe(-errno.EFAULT);
  expect(call(t, "getpeername", fd, a, c)).toBe(-errno.ENOTCONN);
});

test("addresses of an impossible length or place", () => {
  const t = caller();
  const fd = call(t, "socket", INET, STREAM, 0);
  putInet(t, a, 0);
  for (const name of ["bind", "connect"]) {
    for (const length of [-1, 129, 0x7fffffff]) expect(call(t, name, fd, a, length)).toBe(-errno.EINVAL);
    for (const addr of [unmapped, beyond, room.end - 8]) expect(call(t, name, fd, addr, 16)).toBe(-errno.EFAULT);
    expect(call(t, name, 999, a, 16)).toBe(-errno.EBADF);
    expect(call(t, name, 0, a, 16)).toBe(-errno.ENOTSOCK);
  }
});

test("a datagram's sender is told, and reached", () => {
  const t = caller();
  const fds = [0, 1].map(() => {
    const fd = call(t, "socket", INET, DGRAM, 0);
    putInet(t, a, 0);
    call(t, "bind", fd, a, 16);
    return fd;
  });
  const [x, y] = [fds[0]!, fds[1]!];
  put32(t, c, 16);
  call(t, "getsockname", y, a, c);
  expect(call(t, "sendto", x, putText(t, d, "ping"), 4, 0, a, 16)).toBe(4);
  put32(t, c, 16);
  expect(call(t, "recvfrom", y, d, 100, 0, b, c)).toBe(4);
  expect(call(t, "sendto", y, d, 4, 0, b, 16)).toBe(4);
  expect(receiveText(t, x)).toBe("ping");
  expect(call(t, "sendto", x, d, 4, 0, a, -1)).toBe(-errno.EINVAL);
});

test("accept leaves the connection in the queue where the table is full, and takes nothing for a bad address", () => {
  const t = there();
  const server = call(t, "socket", UNIX, STREAM, 0);
  const length = putUnix(t, a, "full");
  expect(call(t, "bind", server, a, length)).toBe(0);
  call(t, "listen", server, 5);
  const client = call(t, "socket", UNIX, STREAM, 0);
  putUnix(t, a, "full");
  expect(call(t, "connect", client, a, length)).toBe(0);
  const { limit } = t.process.fds;
  t.process.fds.limit = openFds(t.process.fds).length;
  expect(call(t, "accept", server, 0, 0)).toBe(-errno.EMFILE);
  t.process.fds.limit = limit;
  expect(call(t, "accept", server, 0, 0)).toBeGreaterThan(client);
  expect(call(t, "connect", call(t, "socket", UNIX, STREAM, 0), a, length)).toBe(0);
  const before = hostFdCount();
  expect(call(t, "accept", server, a, unmapped)).toBe(-errno.EFAULT);
  expect(hostFdCount()).toBe(before);
});

// ---- unix sockets

test("a unix socket's path is the guest's: from its working directory, under its spelling, by its umask", () => {
  const t = there();
  setUmask(t.process.files, 0o027);
  const server = call(t, "socket", UNIX, STREAM, 0);
  expect(call(t, "bind", server, a, putUnix(t, a, "relative"))).toBe(0);
  const file = join(hostDirectory, "relative");
  expect(lstatSync(file).isSocket()).toBe(true);
  expect(lstatSync(file).mode & 0o777).toBe(0o750);
  expect(nameOf(t, server)).toBe("relative\0");
  call(t, "listen", server, 5);
  const client = call(t, "socket", UNIX, STREAM, 0);
  expect(call(t, "connect", client, a, putUnix(t, a, "./relative"))).toBe(0);
  expect(nameOf(t, client, "getpeername")).toBe("relative\0");
  expect(nameOf(t, client)).toBe("");
  expect(call(t, "bind", call(t, "socket", UNIX, STREAM, 0), a, putUnix(t, a, "relative"))).toBe(-errno.EADDRINUSE);
  expect(call(t, "connect", client, a, putUnix(t, a, "absent"))).toBe(-errno.ENOENT);
});

test("names of up to 108 bytes work, whatever the host must be told", () => {
  const t = there();
  const server = call(t, "socket", UNIX, STREAM, 0);
  const name = "n".repeat(108);
  expect(call(t, "bind", server, a, putUnix(t, a, name))).toBe(0);
  expect(existsSync(join(hostDirectory, name))).toBe(true);
  expect(readdirSync(hostDirectory).filter((file) => file.startsWith("."))).toEqual([]);
  call(t, "listen", server, 5);
  const before = hostFdCount();
  const client = call(t, "socket", UNIX, STREAM, 0);
  expect(call(t, "connect", client, a, putUnix(t, a, name))).toBe(0);
  expect(hostFdCount()).toBe(before + 1);
  expect(nameOf(t, client, "getpeername")).toBe(`${name}\0`);
  const again = call(t, "socket", UNIX, STREAM, 0);
  expect(call(t, "bind", again, a, putUnix(t, a, name))).toBe(-errno.EADDRINUSE);
  expect(call(t, "bind", again, a, 111)).toBe(-errno.EINVAL);
});

test("an absolute path is found in the sysroot", () => {
  const t = caller();
  t.process.files.sysroot = hostDirectory;
  const server = call(t, "socket", UNIX, DGRAM, 0);
  const length = putUnix(t, a, "/rooted");
  expect(call(t, "bind", server, a, length)).toBe(0);
  const placed = existsSync(join(hostDirectory, "rooted")) ? join(hostDirectory, "rooted") : "/rooted";
  expect(nameOf(t, server)).toBe("/rooted\0");
  const client = call(t, "socket", UNIX, DGRAM, 0);
  expect(call(t, "connect", client, a, length)).toBe(0);
  expect(sendText(t, client, "hi")).toBe(2);
  expect(receiveText(t, server)).toBe("hi");
  rmSync(placed);
});

test("abstract names pass as they are", () => {
  const t = caller();
  const name = `\0${crypto.randomUUID()}\0x`;
  const server = call(t, "socket", UNIX, DGRAM, 0);
  const length = putUnix(t, a, name);
  expect(call(t, "bind", server, a, length)).toBe(0);
  expect(nameOf(t, server)).toBe(name);
  const client = call(t, "socket", UNIX, DGRAM, 0);
  expect(call(t, "sendto", client, putText(t, d, "hi"), 2, 0, a, length)).toBe(2);
  expect(receiveText(t, server)).toBe("hi");
});

// ---- messages

/** A msghdr at `a`, with its vectors from `a + 64` on. */
function putMessage(t: Task, vectors: readonly (readonly [number, number])[], control = 0, controlLength = 0): void {
  put64(t, a, 0, 0, a + 64, vectors.length, control, controlLength, 0);
  vectors.forEach(([base, length], i) => {
    put64(t, a + 64 + 16 * i, base, length);
  });
}
const flagsOf = (t: Task): number => get32(t, a + 48);

test("sendmsg gathers, recvmsg scatters", () => {
  const t = caller();
  const [x, y] = pair(t);
  putText(t, b, "onetwothree");
  putMessage(t, [
    [b, 3],
    [0, 0],
    [b + 6, 5],
  ]);
  expect(call(t, "sendmsg", x, a, 0)).toBe(8);
  putMessage(t, [
    [c, 2],
    [d, 100],
  ]);
  expect(call(t, "recvmsg", y, a, 0)).toBe(8);
  expect([getText(t, c, 2), getText(t, d, 6)]).toEqual(["on", "ethree"]);
  expect([get32(t, a + 8), get64(t, a + 40), flagsOf(t)]).toEqual([0, 0, 0]);
});

test("a datagram that is cut says so", () => {
  const t = caller();
  const [x, y] = pair(t, DGRAM);
  sendText(t, x, "long message");
  putMessage(t, [[b, 4]]);
  expect(call(t, "recvmsg", y, a, 0)).toBe(4);
  expect(flagsOf(t)).toBe(0x20);
});

test("a buffer that runs off its mapping moves what fits, one that is not there is EFAULT", () => {
  const t = caller();
  const [x, y] = pair(t);
  expect(call(t, "sendto", x, unmapped, 4, 0, 0, 0)).toBe(-errno.EFAULT);
  expect(call(t, "sendto", x, beyond, 4, 0, 0, 0)).toBe(-errno.EFAULT);
  t.memory.u8.fill(65, room.end - 3, room.end);
  const moved = call(t, "sendto", x, room.end - 3, 10, 0, 0, 0);
  expect([3, -errno.EFAULT]).toContain(moved);
  if (moved === 3) expect(receiveText(t, y)).toBe("AAA");
  sendText(t, x, "data");
  expect(call(t, "recvfrom", y, readOnly, 4, DONTWAIT, 0, 0)).toBe(-errno.EFAULT);
  expect(call(t, "recvfrom", y, unmapped, 4, DONTWAIT, 0, 0)).toBe(-errno.EFAULT);
});

test("vectors of impossible number, length or place", () => {
  const t = caller();
  const [x] = pair(t);
  for (const [name, fd] of [
    ["sendmsg", x],
    ["recvmsg", x],
  ] as const) {
    putMessage(t, [[b, 1]]);
    put64(t, a + 24, 1025);
    expect(call(t, name, fd, a, DONTWAIT)).toBe(-errno.EMSGSIZE);
    putMessage(t, [[b, -1]]);
    expect(call(t, name, fd, a, DONTWAIT)).toBe(-errno.EINVAL);
    putMessage(t, [[b, 1]]);
    put64(t, a + 16, unmapped);
    expect(call(t, name, fd, a, DONTWAIT)).toBe(-errno.EFAULT);
    for (const addr of [0, unmapped, beyond, room.end - 32]) expect(call(t, name, fd, addr, 0)).toBe(-errno.EFAULT);
    expect(call(t, name, 999, a, 0)).toBe(-errno.EBADF);
  }
});

test("1024 vectors, the last of which is not there", () => {
  const t = caller();
  const [x] = pair(t);
  const vectors = Array.from({ length: 1024 }, (_, i) => [i === 1023 ? room.end - 1 : b, 2] as const);
  put64(t, c, 0, 0, c + 64, 1024, 0, 0, 0);
  vectors.forEach(([base, length], i) => {
    put64(t, c + 64 + 16 * i, base, length);
  });
  const n = call(t, "sendmsg", x, c, DONTWAIT);
  expect(n === -errno.EFAULT || n >= 2046).toBe(true);
});

test("a stream in blocking mode takes all, though its peer reads late", () => {
  const t = caller();
  const [x, y] = pair(t);
  put32(t, d, 4096);
  call(t, "setsockopt", x, SOL_SOCKET, 7, d, 4);
  put64(t, d, 0, 20_000);
  call(t, "setsockopt", x, SOL_SOCKET, 21, d, 16);
  // Nobody reads: after the timeout, what fitted is answered.
  const sent = call(t, "sendto", x, b, 40_000, 0, 0, 0);
  expect(sent).toBeGreaterThan(0);
  expect(sent).toBeLessThan(40_000);
  expect(call(t, "sendto", x, b, 10_000, 0, 0, 0)).toBe(-errno.EAGAIN);
  let got = 0;
  for (let n = 1; n > 0; got += Math.max(n, 0)) n = call(t, "recvfrom", y, c, 4096, DONTWAIT, 0, 0);
  expect(got).toBe(sent);
});

test("MSG_WAITALL waits for all of a stream, and ends with it", () => {
  const t = caller();
  const [x, y] = pair(t);
  sendText(t, x, "one");
  sendText(t, x, "two");
  expect(receiveText(t, y, 6, 0x100)).toBe("onetwo");
  sendText(t, x, "end");
  call(t, "shutdown", x, 1);
  expect(receiveText(t, y, 6, 0x100)).toBe("end");
  const [p, q] = pair(t, DGRAM);
  sendText(t, p, "one");
  expect(receiveText(t, q, 6, 0x100)).toBe("one");
});

test("a broken stream is SIGPIPE and EPIPE; with MSG_NOSIGNAL, or no stream, EPIPE alone", () => {
  const t = caller();
  const [x] = pair(t);
  call(t, "shutdown", x, 1);
  expect(raw(t, "sendto", x, b, 1, NOSIGNAL, 0, 0)).toBe(-errno.EPIPE);
  expect(takeSignal(t, -1, -1)).toBeUndefined();
  expect(raw(t, "sendto", x, b, 1, 0, 0, 0)).toBe(-errno.EPIPE);
  expect(takeSignal(t, -1, -1)?.[0]).toBe(Sig.PIPE);
  const [p] = pair(t, DGRAM);
  call(t, "shutdown", p, 1);
  expect(raw(t, "sendto", p, b, 1, 0, 0, 0)).toBe(-errno.EPIPE);
  expect(takeSignal(t, -1, -1)).toBeUndefined();
});

// ---- control messages

const SCM_RIGHTS = 1;
const SCM_CREDENTIALS = 2;
/** A cmsghdr with ints at `c`; its aligned length. */
function putControl(t: Task, at: number, type: number, ...ints: readonly number[]): number {
  const length = 16 + 4 * ints.length;
  put64(t, at, length);
  put32(t, at + 8, SOL_SOCKET);
  put32(t, at + 12, type);
  ints.forEach((value, i) => {
    put32(t, at + 16 + 4 * i, value);
  });
  return (length + 7) & ~7;
}

function sendRights(t: Task, fd: number, ...fds: readonly number[]): number {
  const length = putControl(t, c, SCM_RIGHTS, ...fds);
  putMessage(t, [[b, 1]], c, length);
  return call(t, "sendmsg", fd, a, 0);
}
function receiveControl(t: Task, fd: number, length = 256, flags = 0): number {
  t.memory.u8.fill(0, c, c + 256);
  putMessage(t, [[b, 1]], c, length);
  return call(t, "recvmsg", fd, a, flags);
}

test("SCM_RIGHTS passes open files by the guest's numbers", () => {
  const t = caller();
  const [x, y] = pair(t);
  const [p, q] = pair(t);
  expect(sendRights(t, x, p, q)).toBe(1);
  expect(receiveControl(t, y, 256, 0x40000000)).toBe(1);
  expect([get64(t, c), get32(t, c + 8), get32(t, c + 12), get64(t, a + 40)]).toEqual([24, 1, SCM_RIGHTS, 24]);
  expect(flagsOf(t)).toBe(0x40000000);
  const [p2, q2] = [get32(t, c + 16), get32(t, c + 20)];
  expect([p2, q2]).toEqual([q + 1, q + 2]);
  expect([p2, q2].map((fd) => closeOnExec(t.process.fds, fd))).toEqual([true, true]);
  sendText(t, p2, "through");
  expect(receiveText(t, q)).toBe("through");
  expect(sendRights(t, x, p)).toBe(1);
  receiveControl(t, y);
  expect(closeOnExec(t.process.fds, get32(t, c + 16))).toBe(false);
  expect(flagsOf(t)).toBe(0);
});

test("the guest passes nothing but its own descriptors", () => {
  const t = caller();
  const [x] = pair(t);
  const h = host("eventfd2", 0, 0);
  for (const fd of [h, -1, 999]) expect(sendRights(t, x, fd)).toBe(-errno.EBADF);
  host("close", h);
});

test("descriptors that find no number, or no room, are closed, and MSG_CTRUNC says so", () => {
  const t = caller();
  const [x, y] = pair(t);
  const { limit } = t.process.fds;
  const before = hostFdCount();
  sendRights(t, x, x, x, x);
  t.process.fds.limit = openFds(t.process.fds).length + 1;
  expect(receiveControl(t, y)).toBe(1);
  expect([get64(t, c), get32(t, c + 16), flagsOf(t) & 8, get64(t, a + 40)]).toEqual([20, y + 1, 8, 24]);
  expect(hostFdCount()).toBe(before + 1);
  sendRights(t, x, x);
  expect(receiveControl(t, y)).toBe(1);
  expect([get64(t, a + 40), flagsOf(t) & 8]).toEqual([0, 8]);
  t.process.fds.limit = limit;
  sendRights(t, x, x, x);
  expect(receiveControl(t, y, 20)).toBe(1);
  expect([get64(t, c), flagsOf(t) & 8]).toEqual([20, 8]);
  sendRights(t, x, x);
  putMessage(t, [[b, 1]], readOnly, 64);
  expect(call(t, "recvmsg", y, a, 0)).toBe(1);
  expect([get64(t, a + 40), flagsOf(t) & 8]).toEqual([0, 8]);
  expect(hostFdCount()).toBe(before + 2);
});

test("SCM_CREDENTIALS name the guest's process", () => {
  const t = caller();
  const [x, y] = pair(t);
  put32(t, d, 1);
  expect(call(t, "setsockopt", y, SOL_SOCKET, 16, d, 4)).toBe(0);
  const [uid, gid] = [process.getuid!(), process.getgid!()];
  const length = putControl(t, c, SCM_CREDENTIALS, t.process.pid, uid, gid);
  putMessage(t, [[b, 1]], c, length);
  expect(call(t, "sendmsg", x, a, 0)).toBe(1);
  expect(receiveControl(t, y)).toBe(1);
  expect([get32(t, c + 12), get32(t, c + 16), get32(t, c + 20)]).toEqual([SCM_CREDENTIALS, t.process.pid, uid]);
});

test("control messages of impossible length or place", () => {
  const t = caller();
  const [x] = pair(t);
  const send = (control: number, length: number): number => {
    putMessage(t, [[b, 1]], control, length);
    return call(t, "sendmsg", x, a, 0);
  };
  putControl(t, c, SCM_RIGHTS, x);
  for (const length of [15, 25, 2 ** 40, 2 ** 63]) {
    put64(t, c, length);
    expect(send(c, 24)).toBe(-errno.EINVAL);
  }
  expect(send(unmapped, 24)).toBe(-errno.EFAULT);
  expect(send(0, 24)).toBe(-errno.EFAULT);
  for (const length of [200_000, 2 ** 31, 2 ** 63]) expect(send(c, length)).toBe(-errno.ENOBUFS);
});

// ---- batches

test("sendmmsg and recvmmsg count messages and tell their lengths", () => {
  const t = caller();
  const [x, y] = pair(t, DGRAM);
  const batch = (lengths: readonly number[]): void => {
    lengths.forEach((length, i) => {
      put64(t, c + 64 * i, 0, 0, c + 1024 + 16 * i, 1, 0, 0, 0, 0);
      put64(t, c + 1024 + 16 * i, b + 64 * i, length);
    });
  };
  const told = (i: number): number => get32(t, c + 64 * i + 56);
  batch([1, 2, 3]);
  expect(call(t, "sendmmsg", x, c, 3, 0)).toBe(3);
  expect([told(0), told(1), told(2)]).toEqual([1, 2, 3]);
  batch([64, 64, 64, 64]);
  expect(call(t, "recvmmsg", y, c, 4, 0x10000, 0)).toBe(3);
  expect([told(0), told(1), told(2)]).toEqual([1, 2, 3]);
  expect(call(t, "recvmmsg", y, c, 4, DONTWAIT, 0)).toBe(-errno.EAGAIN);
  batch([1, 1]);
  expect(call(t, "sendmmsg", x, c, 2, 0)).toBe(2);
  put64(t, d, 0, 0);
  expect(call(t, "recvmmsg", y, c, 2, 0, d)).toBe(1);
  put64(t, d, 0, 1e9);
  expect(call(t, "recvmmsg", y, c, 2, 0, d)).toBe(-errno.EINVAL);
  expect(call(t, "recvmmsg", y, unmapped, 2, 0, 0)).toBe(-errno.EFAULT);
  expect(call(t, "sendmmsg", y, unmapped, 2, 0)).toBe(-errno.EFAULT);
});

// ---- options

test("options are stored and told by their bytes", () => {
  const t = caller();
  const fd = call(t, "socket", INET, STREAM, 0);
  put64(t, a, 3, 500_000);
  expect(call(t, "setsockopt", fd, SOL_SOCKET, 20, a, 16)).toBe(0);
  put32(t, c, 100);
  expect(call(t, "getsockopt", fd, SOL_SOCKET, 20, b, c)).toBe(0);
  expect([get64(t, b), get64(t, b + 8), get32(t, c)]).toEqual([3, 500_000, 16]);
  put32(t, c, 2);
  t.memory.u8.fill(0xaa, b, b + 8);
  expect(call(t, "getsockopt", fd, SOL_SOCKET, 3, b, c)).toBe(0);
  expect([get32(t, b), get32(t, c)]).toEqual([0xaaaa0001 | 0, 2]);
});

test("SO_PEERCRED names the guest's process", () => {
  const t = caller();
  const [x] = pair(t);
  put32(t, c, 12);
  expect(call(t, "getsockopt", x, SOL_SOCKET, 17, b, c)).toBe(0);
  expect(get32(t, b)).toBe(t.process.pid);
});

test("a socket filter is read from the guest's memory", () => {
  const t = caller();
  const [x, y] = pair(t, DGRAM);
  // ret #0: nothing passes.
  put64(t, b, 0x06);
  put64(t, a, 1, b);
  expect(call(t, "setsockopt", y, SOL_SOCKET, 26, a, 16)).toBe(0);
  sendText(t, x, "dropped");
  expect(receiveText(t, y)).toBe(-errno.EAGAIN);
  put64(t, a, 1, unmapped);
  expect(call(t, "setsockopt", y, SOL_SOCKET, 26, a, 16)).toBe(-errno.EFAULT);
  put32(t, c, 10);
  expect(call(t, "getsockopt", y, SOL_SOCKET, 26, d, c)).toBe(0);
  expect([get32(t, c), get32(t, d) & 0xffff]).toEqual([1, 6]);
});

test("options that would give the host a pointer are not there", () => {
  const t = caller();
  const fd = call(t, "socket", INET, STREAM, 0);
  put32(t, c, 64);
  for (const [level, name] of [
    [0, 64],
    [0, 128],
    [41, 64],
    [6, 35],
  ] as const) {
    expect(call(t, "setsockopt", fd, level, name, a, 64)).toBe(-errno.ENOPROTOOPT);
    expect(call(t, "getsockopt", fd, level, name, a, c)).toBe(-errno.ENOPROTOOPT);
  }
});

test("options of impossible length or place", () => {
  const t = caller();
  const fd = call(t, "socket", INET, STREAM, 0);
  put32(t, c, 4);
  for (const addr of [unmapped, beyond, room.end - 2]) {
    expect(call(t, "setsockopt", fd, SOL_SOCKET, 2, addr, 4)).toBe(-errno.EFAULT);
    expect(call(t, "getsockopt", fd, SOL_SOCKET, 2, addr, c)).toBe(-errno.EFAULT);
    expect(call(t, "getsockopt", fd, SOL_SOCKET, 2, a, addr)).toBe(-errno.EFAULT);
  }
  expect(call(t, "setsockopt", fd, SOL_SOCKET, 2, a, -1)).toBe(-errno.EINVAL);
  expect(call(t, "setsockopt", fd, SOL_SOCKET, 2, a, 0x7fffffff)).toBe(-errno.EFAULT);
  put32(t, c, -1);
  expect(call(t, "getsockopt", fd, SOL_SOCKET, 2, a, c)).toBe(-errno.EINVAL);
  put32(t, c, 0x7fffffff);
  expect(call(t, "getsockopt", fd, SOL_SOCKET, 2, a, c)).toBe(0);
  expect(get32(t, c)).toBe(4);
});

// ---- waiting

/** Has SIGALRM come in two milliseconds. */
function alarm(t: Task): void {
  put64(t, d, 0, 0, 0, 2000);
  expect(call(t, "setitimer", 0, d, 0)).toBe(0);
}

test("a signal interrupts a receive, a send, an accept and a connect that wait", () => {
  const t = there();
  const [x] = pair(t);
  alarm(t);
  expect(raw(t, "recvfrom", x, b, 1, 0, 0, 0)).toBe(-restart.ERESTARTSYS);
  expect(takeSignal(t, -1, -1)?.[0]).toBe(Sig.ALRM);

  while (sendText(t, x, "z".repeat(4000), DONTWAIT) > 0);
  alarm(t);
  expect(raw(t, "sendto", x, b, 4000, 0, 0, 0)).toBe(-restart.ERESTARTSYS);
  expect(takeSignal(t, -1, -1)?.[0]).toBe(Sig.ALRM);

  const server = call(t, "socket", UNIX, STREAM, 0);
  const length = putUnix(t, a, "busy");
  call(t, "bind", server, a, length);
  call(t, "listen", server, 0);
  alarm(t);
  expect(raw(t, "accept", server, 0, 0)).toBe(-restart.ERESTARTSYS);
  expect(takeSignal(t, -1, -1)?.[0]).toBe(Sig.ALRM);

  putUnix(t, a, "busy");
  expect(call(t, "connect", call(t, "socket", UNIX, STREAM, 0), a, length)).toBe(0);
  const late = call(t, "socket", UNIX, STREAM, 0);
  alarm(t);
  expect(raw(t, "connect", late, a, length)).toBe(-restart.ERESTARTSYS);
  expect(takeSignal(t, -1, -1)?.[0]).toBe(Sig.ALRM);
  expect(host("fcntl", hostFd(t.process.fds, late), 3) & 0o4000).toBe(0);
});

test("a receive with a timeout ends with EAGAIN, or with EINTR for a signal", () => {
  const t = caller();
  const [x] = pair(t);
  put64(t, d, 0, 2000);
  call(t, "setsockopt", x, SOL_SOCKET, 20, d, 16);
  expect(call(t, "recvfrom", x, b, 1, 0, 0, 0)).toBe(-errno.EAGAIN);
  put64(t, d, 1000, 0);
  call(t, "setsockopt", x, SOL_SOCKET, 20, d, 16);
  alarm(t);
  expect(raw(t, "recvfrom", x, b, 1, 0, 0, 0)).toBe(-errno.EINTR);
});

test("a socket in non-blocking mode never waits", () => {
  const t = caller();
  expect(call(t, "socketpair", UNIX, STREAM | 0o4000, 0, d)).toBe(0);
  const fd = get32(t, d);
  expect(call(t, "recvfrom", fd, b, 1, 0, 0, 0)).toBe(-errno.EAGAIN);
  alarm(t);
  expect(raw(t, "recvfrom", fd, b, 1, 0, 0, 0)).toBe(-errno.EAGAIN);
  expect(raw(t, "accept", fd, 0, 0)).toBe(-errno.EINVAL);
});

test("what is there is received, whatever signal is pending", () => {
  const t = caller();
  const [x, y] = pair(t);
  sendText(t, y, "q");
  alarm(t);
  while (t.process.signals.pending.words[0] === 0) expireTimers(t);
  expect(raw(t, "recvfrom", x, b, 1, 0, 0, 0)).toBe(1);
});

test("descriptors of the host that a guest cannot name stay out of reach", () => {
  const t = caller();
  const h = host("socket", INET, STREAM, 0);
  for (const name of ["listen", "shutdown", "getsockname", "accept"]) expect(call(t, name, h, 0, 0)).toBe(-errno.EBADF);
  expect(installFd(t.process.fds, h, false)).toBe(3);
  expect(call(t, "listen", 3, 1)).toBe(0);
});
