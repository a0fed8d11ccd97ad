import { expect, test } from "bun:test";
import { host } from "../../src/host/syscall.ts";
import { netCalls } from "../../src/linux/calls/net.ts";
import { pollCalls } from "../../src/linux/calls/poll.ts";
import { signalCalls } from "../../src/linux/calls/signal.ts";
import { timerCalls } from "../../src/linux/calls/timers.ts";
import { errno, restart } from "../../src/linux/errno.ts";
import { closeFd, closeOnExec, hostFd } from "../../src/linux/fds.ts";
import { kernelInfo, Sig } from "../../src/linux/siginfo.ts";
import { queueSignal, TaskWord, takeSignal } from "../../src/linux/signals.ts";
import type { Task } from "../../src/linux/task.ts";
import { Poll } from "../../src/linux/wait.ts";
import { beyond, caller, callOf, readOnly, resultOf, room, unmapped } from "./caller.ts";
import { get16, get32, get64, put16, put32, put64, putText } from "./fields.ts";

const rows = [...pollCalls, ...netCalls, ...signalCalls, ...timerCalls];
const call = callOf(rows);
const raw = resultOf(rows);
const a = room.start;
const b = room.start + 4096;
const c = room.start + 8192;
const d = room.start + 12288;

/** Two connected stream sockets. */
function pair(t: Task): readonly [number, number] {
  expect(call(t, "socketpair", 1, 1, 0, c)).toBe(0);
  return [get32(t, c), get32(t, c + 4)];
}
const send = (t: Task, fd: number): void => {
  putText(t, c, "x");
  expect(call(t, "sendto", fd, c, 1, 0, 0, 0)).toBe(1);
};

function putPoll(t: Task, i: number, fd: number, events: number): void {
  put32(t, a + 8 * i, fd);
  put16(t, a + 8 * i + 4, events);
  put16(t, a + 8 * i + 6, 0xffff);
}
const revents = (t: Task, i: number): number => get16(t, a + 8 * i + 6);
/** A timespec at `b`. */
const span = (t: Task, sec: number, nsec: number): number => {
  put64(t, b, sec, nsec);
  return b;
};

test("ppoll tells which descriptors are ready", () => {
  const t = caller();
  const [x, y] = pair(t);
  send(t, x);
  putPoll(t, 0, x, Poll.IN);
  putPoll(t, 1, y, Poll.IN | Poll.OUT);
  expect(call(t, "ppoll", a, 2, 0, 0, 0)).toBe(1);
  expect(revents(t, 0)).toBe(0);
  expect(revents(t, 1)).toBe(Poll.IN | Poll.OUT);
});

test("ppoll ignores negative descriptors and names closed ones POLLNVAL", () => {
  const t = caller();
  putPoll(t, 0, -1, Poll.IN);
  putPoll(t, 1, 999, Poll.IN);
  putPoll(t, 2, 0x7fffffff, 0);
  expect(call(t, "ppoll", a, 3, 0, 0, 0)).toBe(2);
  expect([0, 1, 2].map((i) => revents(t, i))).toEqual([0, Poll.NVAL, Poll.NVAL]);
});

test("the guest polls its own descriptors only", () => {
  const t = caller();
  const h = host("eventfd2", 1, 0);
  expect(hostFd(t.process.fds, h)).toBe(-errno.EBADF);
  putPoll(t, 0, h, Poll.IN);
  expect(call(t, "ppoll", a, 1, 0, 0, 0)).toBe(1);
  expect(revents(t, 0)).toBe(Poll.NVAL);
  host("close", h);
});

test("ppoll ends at its timeout and leaves the time that is left", () => {
  const t = caller();
  const [x, y] = pair(t);
  putPoll(t, 0, x, Poll.IN);
  expect(call(t, "ppoll", a, 1, span(t, 0, 2e6), 0, 0)).toBe(0);
  expect([get64(t, b), get64(t, b + 8)]).toEqual([0, 0]);
  send(t, y);
  expect(call(t, "ppoll", a, 1, span(t, 100, 0), 0, 0)).toBe(1);
  expect(get64(t, b)).toBeLessThan(100);
  expect(get64(t, b)).toBeGreaterThan(0);
});

test("ppoll refuses impossible timeouts, too many descriptors, bad pointers", () => {
  const t = caller();
  expect(call(t, "ppoll", a, 0, span(t, -1, 0), 0, 0)).toBe(-errno.EINVAL);
  expect(call(t, "ppoll", a, 0, span(t, 0, 1e9), 0, 0)).toBe(-errno.EINVAL);
  expect(call(t, "ppoll", a, 0, unmapped, 0, 0)).toBe(-errno.EFAULT);
  expect(call(t, "ppoll", a, t.process.fds.limit + 1, 0, 0, 0)).toBe(-errno.EINVAL);
  expect(call(t, "ppoll", a, 2 ** 32 - 1, 0, 0, 0)).toBe(-errno.EINVAL);
  for (const addr of [unmapped, beyond, room.end - 4])
    expect(call(t, "ppoll", addr, 1, span(t, 0, 0), 0, 0)).toBe(-errno.EFAULT);
  expect(call(t, "ppoll", readOnly, 1, span(t, 0, 0), 0, 0)).toBe(-errno.EFAULT);
  expect(call(t, "ppoll", a, 0, span(t, 0, 0), a, 4)).toBe(-errno.EINVAL);
  expect(call(t, "ppoll", a, 0, span(t, 0, 0), unmapped, 8)).toBe(-errno.EFAULT);
});

test("a timer interrupts ppoll, which may be made again with the time that is left", () => {
  const t = caller();
  put64(t, a, 0, 0, 0, 2000);
  call(t, "setitimer", 0, a, 0);
  expect(raw(t, "ppoll", 0, 0, span(t, 1000, 0), 0, 0)).toBe(-restart.ERESTARTNOHAND);
  expect(get64(t, b)).toBeLessThan(1000);
  expect(get64(t, b)).toBeGreaterThan(0);
  expect(takeSignal(t, -1, -1)?.[0]).toBe(Sig.ALRM);
});

test("a signal that only the mask of ppoll lets through ends it, and the mask comes back at delivery", () => {
  const t = caller();
  put64(t, c, 2 ** (Sig.USR1 - 1));
  call(t, "rt_sigprocmask", 0, c, 0, 8);
  queueSignal(t, Sig.USR1, kernelInfo(Sig.USR1));
  expect(call(t, "ppoll", 0, 0, span(t, 0, 0), 0, 0)).toBe(0);
  put64(t, d, 0);
  expect(raw(t, "ppoll", 0, 0, 0, d, 8)).toBe(-restart.ERESTARTNOHAND);
  expect(t.signals.words[TaskWord.blocked]).toBe(0);
  expect(t.signals.words[TaskWord.hasSaved]).toBe(1);
  expect(t.signals.words[TaskWord.saved]).toBe(1 << (Sig.USR1 - 1));
});

test("the mask of ppoll is gone after a call that no signal ended", () => {
  const t = caller();
  put64(t, d, 2 ** 40);
  expect(call(t, "ppoll", 0, 0, span(t, 0, 0), d, 8)).toBe(0);
  expect([...t.signals.words.slice(0, 2)]).toEqual([0, 0]);
});

// ---- pselect6

const setAt = (t: Task, addr: number, ...fds: number[]): number => {
  t.memory.u8.fill(0, addr, addr + 128);
  for (const fd of fds) t.memory.u8[addr + (fd >> 3)]! |= 1 << (fd & 7);
  return addr;
};
const members = (t: Task, addr: number): number[] =>
  Array.from({ length: 1024 }, (_, i) => i).filter((i) => (t.memory.u8[addr + (i >> 3)]! >> (i & 7)) & 1);

test("pselect6 counts the members of all sets, and keeps those that are ready", () => {
  const t = caller();
  const [x, y] = pair(t);
  send(t, x);
  const [r, w, e] = [setAt(t, d, x, y), setAt(t, d + 128, x, y), setAt(t, d + 256, x, y)];
  expect(call(t, "pselect6", 64, r, w, e, 0, 0)).toBe(3);
  expect([members(t, r), members(t, w), members(t, e)]).toEqual([[y], [x, y], []]);
});

test("pselect6 names a closed descriptor EBADF, and looks only below its limit", () => {
  const t = caller();
  expect(call(t, "pselect6", 1001, setAt(t, d, 1000), 0, 0, span(t, 0, 0), 0)).toBe(-errno.EBADF);
  expect(call(t, "pselect6", 1000, setAt(t, d, 1000), 0, 0, span(t, 0, 0), 0)).toBe(0);
});

test("pselect6 does not wake for a hangup that nobody asks for", () => {
  const t = caller();
  const [x, y] = pair(t);
  closeFd(t.process.fds, y);
  const e = setAt(t, d, x);
  expect(call(t, "pselect6", 64, 0, 0, e, span(t, 0, 2e6), 0)).toBe(0);
  expect([get64(t, b), get64(t, b + 8)]).toEqual([0, 0]);
  expect(members(t, e)).toEqual([]);
  expect(call(t, "pselect6", 64, setAt(t, d, x), 0, 0, 0, 0)).toBe(1);
});

test("pselect6 takes its mask from a pointer and a size, and refuses what is impossible", () => {
  const t = caller();
  put64(t, c, d, 8);
  put64(t, d, 2 ** 40);
  expect(call(t, "pselect6", 0, 0, 0, 0, span(t, 0, 0), c)).toBe(0);
  put64(t, c, d, 16);
  expect(call(t, "pselect6", 0, 0, 0, 0, span(t, 0, 0), c)).toBe(-errno.EINVAL);
  put64(t, c, 0, 0);
  expect(call(t, "pselect6", 0, 0, 0, 0, span(t, 0, 0), c)).toBe(0);
  expect(call(t, "pselect6", 0, 0, 0, 0, span(t, 0, 0), unmapped)).toBe(-errno.EFAULT);
  expect(call(t, "pselect6", -1, 0, 0, 0, 0, 0)).toBe(-errno.EINVAL);
  for (const addr of [unmapped, beyond, room.end - 4])
    expect(call(t, "pselect6", 64, addr, 0, 0, span(t, 0, 0), 0)).toBe(-errno.EFAULT);
  expect(call(t, "pselect6", 64, readOnly, 0, 0, span(t, 0, 0), 0)).toBe(-errno.EFAULT);
});

// ---- epoll

const [ADD, DEL, MOD] = [1, 2, 3] as const;

function control(t: Task, ep: number, op: number, fd: number, events: number, lo = 0, hi = 0): number {
  put32(t, a, events);
  put32(t, a + 4, -1);
  put32(t, a + 8, lo);
  put32(t, a + 12, hi);
  return call(t, "epoll_ctl", ep, op, fd, a);
}
const event = (t: Task, i: number): number[] => [0, 4, 8, 12].map((at) => get32(t, b + 16 * i + at));

test("epoll gives events back with the guest's data, in records of 16 bytes", () => {
  const t = caller();
  const ep = call(t, "epoll_create1", 0o2000000);
  expect(closeOnExec(t.process.fds, ep)).toBe(true);
  const [x, y] = pair(t);
  expect(control(t, ep, ADD, x, Poll.OUT, 0x11223344, -2)).toBe(0);
  expect(control(t, ep, ADD, y, Poll.IN, 7, 8)).toBe(0);
  send(t, x);
  expect(call(t, "epoll_pwait", ep, b, 8, -1, 0, 8)).toBe(2);
  expect([event(t, 0), event(t, 1)]).toContainEqual([Poll.OUT, 0, 0x11223344, -2]);
  expect([event(t, 0), event(t, 1)]).toContainEqual([Poll.IN, 0, 7, 8]);
  expect(control(t, ep, MOD, x, Poll.IN, 1, 1)).toBe(0);
  expect(call(t, "epoll_pwait", ep, b, 8, 0, 0, 8)).toBe(1);
  expect(call(t, "epoll_ctl", ep, DEL, y, 0)).toBe(0);
  expect(call(t, "epoll_pwait", ep, b, 8, 0, 0, 8)).toBe(0);
});

test("epoll stores no more records than asked for, or than are writable", () => {
  const t = caller();
  const ep = call(t, "epoll_create1", 0);
  for (const fd of [...pair(t), ...pair(t)]) control(t, ep, ADD, fd, Poll.OUT, fd);
  expect(call(t, "epoll_pwait", ep, b, 3, -1, 0, 8)).toBe(3);
  expect(call(t, "epoll_pwait", ep, room.end - 40, 4, -1, 0, 8)).toBe(2);
  for (const addr of [unmapped, beyond, readOnly, room.end - 15])
    expect(call(t, "epoll_pwait", ep, addr, 4, -1, 0, 8)).toBe(-errno.EFAULT);
  for (const count of [0, -1, 0x7fffffff]) expect(call(t, "epoll_pwait", ep, b, count, -1, 0, 8)).toBe(-errno.EINVAL);
  expect(call(t, "epoll_pwait", ep, b, 0x7ffffff, -1, 0, 8)).toBe(4);
});

test("a descriptor leaves its epoll sets when it is closed", () => {
  const t = caller();
  const ep = call(t, "epoll_create1", 0);
  const [x] = pair(t);
  control(t, ep, ADD, x, Poll.OUT);
  closeFd(t.process.fds, x);
  expect(call(t, "epoll_pwait", ep, b, 8, 0, 0, 8)).toBe(0);
});

test("epoll_ctl refuses closed descriptors, bad pointers, unknown operations", () => {
  const t = caller();
  const ep = call(t, "epoll_create1", 0);
  const [x] = pair(t);
  expect(control(t, ep, ADD, 999, Poll.IN)).toBe(-errno.EBADF);
  expect(control(t, 999, ADD, x, Poll.IN)).toBe(-errno.EBADF);
  expect(control(t, ep, 9, x, Poll.IN)).toBe(-errno.EINVAL);
  expect(control(t, x, ADD, x, Poll.IN)).toBe(-errno.EINVAL);
  expect(control(t, ep, MOD, x, Poll.IN)).toBe(-errno.ENOENT);
  expect(call(t, "epoll_ctl", ep, ADD, x, unmapped)).toBe(-errno.EFAULT);
  expect(call(t, "epoll_create1", 1)).toBe(-errno.EINVAL);
});

test("epoll waits end at their timeout, and with EINTR for a signal", () => {
  const t = caller();
  const ep = call(t, "epoll_create1", 0);
  expect(call(t, "epoll_pwait", ep, b, 1, 2, 0, 8)).toBe(0);
  put64(t, d, 0, 1e6);
  expect(call(t, "epoll_pwait2", ep, b, 1, d, 0, 8)).toBe(0);
  put64(t, d, 0, 1e9);
  expect(call(t, "epoll_pwait2", ep, b, 1, d, 0, 8)).toBe(-errno.EINVAL);
  put64(t, a, 0, 0, 0, 2000);
  call(t, "setitimer", 0, a, 0);
  expect(raw(t, "epoll_pwait", ep, b, 1, -1, 0, 8)).toBe(-errno.EINTR);
  expect(takeSignal(t, -1, -1)?.[0]).toBe(Sig.ALRM);
});

// ---- signal descriptors

test("a signal descriptor is ready while a signal of its set is pending", () => {
  const t = caller();
  put64(t, d, 2 ** (Sig.USR1 - 1));
  call(t, "rt_sigprocmask", 0, d, 0, 8);
  const fd = call(t, "signalfd4", -1, d, 8, 0o2004000);
  expect(fd).toBeGreaterThan(2);
  putPoll(t, 0, fd, Poll.IN);
  expect(call(t, "ppoll", a, 1, span(t, 0, 0), 0, 0)).toBe(0);
  queueSignal(t, Sig.USR1, kernelInfo(Sig.USR1));
  expect(call(t, "ppoll", a, 1, 0, 0, 0)).toBe(1);
  put64(t, d, 2 ** (Sig.USR2 - 1));
  expect(call(t, "signalfd4", fd, d, 8, 0)).toBe(fd);
  expect(call(t, "ppoll", a, 1, span(t, 0, 0), 0, 0)).toBe(0);
});

test("signalfd4 refuses other sizes, flags, descriptors and bad pointers", () => {
  const t = caller();
  const [x] = pair(t);
  put64(t, d, 1);
  expect(call(t, "signalfd4", -1, d, 4, 0)).toBe(-errno.EINVAL);
  expect(call(t, "signalfd4", -1, d, 8, 1)).toBe(-errno.EINVAL);
  expect(call(t, "signalfd4", x, d, 8, 0)).toBe(-errno.EINVAL);
  expect(call(t, "signalfd4", 999, d, 8, 0)).toBe(-errno.EBADF);
  expect(call(t, "signalfd4", -1, unmapped, 8, 0)).toBe(-errno.EFAULT);
});
