import { expect, test } from "bun:test";
import { setX } from "../../src/cpu/hart.ts";
import { netCalls } from "../../src/linux/calls/net.ts";
import { pollCalls } from "../../src/linux/calls/poll.ts";
import { timeCalls } from "../../src/linux/calls/time.ts";
import { timerCalls } from "../../src/linux/calls/timers.ts";
import { traceCalls } from "../../src/linux/strace.ts";
import type { Task } from "../../src/linux/task.ts";
import { beyond, caller, readOnly, room, unmapped } from "./caller.ts";
import { get32, put16, put32, put64, putText } from "./fields.ts";

const rows = [...netCalls, ...pollCalls, ...timeCalls, ...timerCalls];
const a = room.start;
const b = room.start + 4096;

/** Makes a call and answers its line, blanks before the result made one. */
function traced(t: Task, name: string, ...args: readonly number[]): string {
  const row = rows.find((r) => r.name === name)!;
  for (let i = 0; i < 6; i++) setX(t.hart, 10 + i, args[i] ?? 0);
  const words = t.hart.i32.slice(20, 32);
  let line = "";
  const watcher = traceCalls({
    begin: () => {},
    end: (_t, text) => {
      line = text;
    },
  });
  watcher.enter(t, row, row.nr, words);
  const values = row.args.map((kind, i) => kind.load(t, words[2 * i]!, words[2 * i + 1]!));
  watcher.leave(t, row, row.nr, words, row.handler(t, ...values));
  return line.replace(/ +=/, " =");
}

test("sockets are shown as strace shows them", () => {
  const t = caller();
  expect(traced(t, "socket", 2, 0o2000002, 17)).toBe("socket(AF_INET, SOCK_DGRAM|SOCK_CLOEXEC, 17) = 3");
  put16(t, a, 2);
  t.memory.view.setUint16(a + 2, 80);
  t.memory.u8.set([127, 0, 0, 1], a + 4);
  expect(traced(t, "connect", 3, a, 16)).toBe(
    'connect(3, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}, 16) = 0',
  );
  put32(t, b, 16);
  expect(traced(t, "getpeername", 3, a + 64, b)).toBe(
    'getpeername(3, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}, [16]) = 0',
  );
  put32(t, b, 1);
  expect(traced(t, "setsockopt", 3, 1, 2, b, 4)).toBe("setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0");
  put32(t, b + 8, 4);
  expect(traced(t, "getsockopt", 3, 1, 2, b, b + 8)).toBe("getsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], [4]) = 0");
  expect(traced(t, "shutdown", 999, 2)).toBe("shutdown(999, SHUT_RDWR) = -1 EBADF (Bad file descriptor)");
});

test("unix and IPv6 addresses, and what is no address", () => {
  const t = caller();
  put16(t, a, 1);
  putText(t, a + 2, "/run/x");
  expect(traced(t, "bind", 999, a, 9)).toContain('bind(999, {sa_family=AF_UNIX, sun_path="/run/x"}, 9)');
  t.memory.u8.set([0, 97, 0, 98], a + 2);
  expect(traced(t, "bind", 999, a, 6)).toContain('{sa_family=AF_UNIX, sun_path=@"a\\0b"}');
  expect(traced(t, "bind", 999, a, 2)).toContain("{sa_family=AF_UNIX}");
  t.memory.u8.fill(0, a, a + 28);
  put16(t, a, 10);
  t.memory.view.setUint16(a + 2, 443);
  t.memory.u8[a + 23] = 1;
  expect(traced(t, "bind", 999, a, 28)).toContain(
    'sin6_port=htons(443), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "::1", &sin6_addr), sin6_scope_id=0}',
  );
  t.memory.u8.set([0xfe, 0x80], a + 8);
  expect(traced(t, "bind", 999, a, 28)).toContain('"fe80::1"');
  expect(traced(t, "bind", 999, unmapped, 28)).toContain("bind(999, 0x300000, 28)");
});

test("messages show their buffers", () => {
  const t = caller();
  traced(t, "socketpair", 1, 1, 0, b);
  const [x, y] = [get32(t, b), get32(t, b + 4)];
  putText(t, b, "hello");
  put64(t, a, 0, 0, a + 64, 1, 0, 0, 0, 0, b, 5);
  const shown = `{msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base="hello", iov_len=5}], msg_iovlen=1, msg_control=NULL, msg_controllen=0, msg_flags=0}`;
  expect(traced(t, "sendmsg", x, a, 0x4000)).toBe(`sendmsg(${x}, ${shown}, MSG_NOSIGNAL) = 5`);
  expect(traced(t, "recvmsg", y, a, 0x40)).toBe(`recvmsg(${y}, ${shown}, MSG_DONTWAIT) = 5`);
  expect(traced(t, "sendto", x, b, 2, 0)).toBe(`sendto(${x}, "he", 2, 0, NULL, 0) = 2`);
});

test("polls and epoll sets", () => {
  const t = caller();
  put64(t, b, 0, 0);
  put32(t, a, 1);
  put16(t, a + 4, 5);
  put32(t, a + 8, -1);
  expect(traced(t, "ppoll", a, 2, b, 0, 8)).toContain(
    "ppoll([{fd=1, events=POLLIN|POLLOUT}, {fd=-1}], 2, {tv_sec=0, tv_nsec=0}, NULL, 8) =",
  );
  t.memory.u8[a] = 0b101;
  expect(traced(t, "pselect6", 3, a, 0, 0, b, 0)).toContain(
    "pselect6(3, [0 2], NULL, NULL, {tv_sec=0, tv_nsec=0}, NULL) =",
  );
  expect(traced(t, "epoll_create1", 0o2000000)).toBe("epoll_create1(EPOLL_CLOEXEC) = 3");
  traced(t, "socketpair", 1, 1, 0, b);
  put32(t, a, 4 | 0x80000000);
  put64(t, a + 8, 2 ** 32 + 7);
  const event = "{events=EPOLLOUT|EPOLLET, data={u32=7, u64=4294967303}}";
  expect(traced(t, "epoll_ctl", 3, 1, 4, a)).toBe(`epoll_ctl(3, EPOLL_CTL_ADD, 4, ${event}) = 0`);
  expect(traced(t, "epoll_pwait", 3, a, 8, 0, 0, 8)).toBe(
    "epoll_pwait(3, [{events=EPOLLOUT, data={u32=7, u64=4294967303}}], 8, 0, NULL, 8) = 1",
  );
});

test("clocks and timers", () => {
  const t = caller();
  put64(t, a, 1, 5);
  expect(traced(t, "clock_settime", 0, a)).toContain("clock_settime(CLOCK_REALTIME, {tv_sec=1, tv_nsec=5}) = -1 EPERM");
  expect(traced(t, "clock_gettime", 1, a)).toMatch(
    /^clock_gettime\(CLOCK_MONOTONIC, \{tv_sec=\d+, tv_nsec=\d+\}\) = 0$/,
  );
  expect(traced(t, "clock_gettime", 1, unmapped)).toContain("clock_gettime(CLOCK_MONOTONIC, 0x300000) = -1 EFAULT");
  put64(t, a, 0, 0, 9, 7);
  expect(traced(t, "setitimer", 0, a, b)).toBe(
    "setitimer(ITIMER_REAL, {it_interval={tv_sec=0, tv_usec=0}, it_value={tv_sec=9, tv_usec=7}}, " +
      "{it_interval={tv_sec=0, tv_usec=0}, it_value={tv_sec=0, tv_usec=0}}) = 0",
  );
});

const hostile = [
  0,
  1,
  -1,
  unmapped,
  beyond,
  readOnly,
  room.end - 4,
  2 ** 31,
  2 ** 32,
  2 ** 32 - 1,
  2 ** 53,
  2 ** 64 - 2048,
];

test("every call answers hostile arguments with an error or a small result, is shown, and lets the emulator live", () => {
  const t = caller();
  traced(t, "socketpair", 1, 1 | 0o4000, 0, a);
  const socket = get32(t, a);
  const epoll = 5;
  expect(traced(t, "epoll_create1", 0)).toContain(`= ${epoll}`);
  // What would sleep is interrupted soon.
  put64(t, a, 0, 1000, 0, 1000);
  traced(t, "setitimer", 0, a, 0);
  for (const row of rows) {
    if (["setitimer", "socket"].includes(row.name)) continue;
    for (let i = 0; i < row.args.length; i++)
      for (const value of hostile)
        for (const other of [a, unmapped, 2 ** 64 - 2048, 0]) {
          const args = row.args.map((_, j) =>
            j === i ? value : j === 0 ? (row.name.startsWith("epoll") ? epoll : socket) : other,
          );
          expect(traced(t, row.name, ...args)).toStartWith(`${row.name}(`);
        }
  }
});
