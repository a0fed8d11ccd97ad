// Reading and writing: whole, in part, at an end of memory, by vectors.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errno } from "../../src/linux/errno.ts";
import { Resource, setLimit } from "../../src/linux/limits.ts";
import { Sig } from "../../src/linux/siginfo.ts";
import { isPending } from "../../src/linux/signal-queue.ts";
import type { Task } from "../../src/linux/task.ts";
import { Page, pageSize } from "../../src/memory/guest-memory.ts";
import { AT_FDCWD, callByName, makeTask, memory, textAt } from "../tools/task.ts";

const O = { WRONLY: 1, RDWR: 2, CREAT: 0o100, APPEND: 0o2000, NONBLOCK: 0o4000 };
const at = memory.start;

let top = "";
let host = "";
let t: Task;
let count = 0;
const open = (path: string, flags = 0) => callByName(t, "openat", AT_FDCWD, path, flags, 0o644);
const put64 = (address: number, ...values: number[]) =>
  values.forEach((value, i) => {
    t.memory.view.setUint32(address + 8 * i, value % 2 ** 32, true);
    t.memory.view.setUint32(address + 8 * i + 4, Math.floor(value / 2 ** 32), true);
  });
const word = (address: number) => t.memory.view.getUint32(address, true);
function pipe(flags = 0): [number, number] {
  callByName(t, "pipe2", at, flags);
  return [word(at), word(at + 4)];
}

beforeAll(() => {
  top = realpathSync(mkdtempSync(join(tmpdir(), "sabre-io-")));
});
beforeEach(() => {
  host = mkdtempSync(join(top, `${count++}-`));
  writeFileSync(join(host, "file"), "0123456789");
  t = makeTask({ cwd: host });
});
afterAll(() => rmSync(top, { recursive: true, force: true }));

describe("read and write", () => {
  test("move bytes at the file's position or at one that is given", () => {
    const fd = open("file", O.RDWR);
    expect(callByName(t, "read", fd, at, 4)).toBe(4);
    expect(callByName(t, "pread64", fd, at + 4, 3, 7)).toBe(3);
    expect(textAt(t, at, 7)).toBe("0123789");
    expect(callByName(t, "write", fd, at, 2)).toBe(2);
    expect(callByName(t, "pwrite64", fd, at + 4, 1, 0)).toBe(1);
    expect(readFileSync(join(host, "file"), "utf8")).toBe("7123016789");
    expect(callByName(t, "pread64", fd, at, 1, -1)).toBe(-errno.EINVAL);
    expect(callByName(t, "lseek", fd, 0, 2)).toBe(10);
    expect(callByName(t, "lseek", fd, -11, 1)).toBe(-errno.EINVAL);
    expect(callByName(t, "read", fd, at, 4)).toBe(0);
  });
  test("fill what is there of a buffer that runs off its mapping", () => {
    const fd = open("file");
    expect(callByName(t, "read", fd, memory.end - 4, 10)).toBe(4);
    expect(textAt(t, memory.end - 4, 4)).toBe("0123");
    expect(callByName(t, "read", fd, memory.readOnly, 1)).toBe(-errno.EFAULT);
    expect(callByName(t, "lseek", fd, 0, 1)).toBe(4);
    const out = open("out", O.CREAT | O.WRONLY);
    expect(callByName(t, "write", out, memory.unmapped - 3, 10)).toBe(3);
    expect(callByName(t, "write", out, memory.unmapped, 10)).toBe(-errno.EFAULT);
    expect(callByName(t, "write", out, 2 ** 40, 10)).toBe(-errno.EFAULT);
    expect(callByName(t, "write", out, at, 2 ** 63)).toBe(-errno.EFAULT);
    expect(callByName(t, "write", out, memory.unmapped, 0)).toBe(0);
  });
  test("say why a descriptor is the wrong one", () => {
    expect(callByName(t, "read", open("out", O.CREAT | O.WRONLY), at, 1)).toBe(-errno.EBADF);
    expect(callByName(t, "read", open("."), at, 1)).toBe(-errno.EISDIR);
    expect(callByName(t, "write", open("file"), at, 1)).toBe(-errno.EBADF);
    expect(callByName(t, "lseek", pipe()[0], 0, 0)).toBe(-errno.ESPIPE);
  });
  test("tell the engine about code that a read overwrites", () => {
    const told: [number, number][] = [];
    t.memory.codeChanged = (start, end) => void told.push([start, end]);
    t.memory.pages[at / pageSize]! |= Page.code;
    const fd = open("file");
    expect(callByName(t, "read", fd, at + pageSize, 1)).toBe(1);
    expect(told).toEqual([]);
    expect(callByName(t, "read", fd, at + 8, 1)).toBe(1);
    expect(told).toEqual([[at, at + pageSize]]);
  });
  test("to a pipe that nobody reads send SIGPIPE", () => {
    const [reader, writer] = pipe();
    callByName(t, "close", reader);
    expect(callByName(t, "write", writer, at, 1)).toBe(-errno.EPIPE);
    expect(isPending(t.signals.pending, Sig.PIPE)).toBe(true);
  });
  test("end at RLIMIT_FSIZE with SIGXFSZ", () => {
    setLimit(t.process.limits, Resource.FSIZE, 12, 12);
    const fd = open("file", O.WRONLY | O.APPEND);
    expect(callByName(t, "write", fd, at, 10)).toBe(2);
    expect(isPending(t.signals.pending, Sig.XFSZ)).toBe(false);
    expect(callByName(t, "write", fd, at, 10)).toBe(-errno.EFBIG);
    expect(isPending(t.signals.pending, Sig.XFSZ)).toBe(true);
    expect(callByName(t, "ftruncate", fd, 13)).toBe(-errno.EFBIG);
    const [, writer] = pipe();
    expect(callByName(t, "write", writer, at, 20)).toBe(20);
  });
  test("and what copies from file to file ends at RLIMIT_FSIZE, too", () => {
    const from = open("file");
    const to = open("to", O.CREAT | O.RDWR);
    setLimit(t.process.limits, Resource.FSIZE, 12, 12);
    expect(callByName(t, "copy_file_range", from, 0, to, 0, 10, 0)).toBe(10);
    put64(at, 0);
    expect(callByName(t, "sendfile", to, from, at, 10)).toBe(2);
    expect(isPending(t.signals.pending, Sig.XFSZ)).toBe(false);
    expect(callByName(t, "sendfile", to, from, at, 10)).toBe(-errno.EFBIG);
    expect(isPending(t.signals.pending, Sig.XFSZ)).toBe(true);
    const [reader, writer] = pipe();
    expect(callByName(t, "write", writer, at, 5)).toBe(5);
    put64(at, 10);
    expect(callByName(t, "splice", reader, 0, to, at, 5, 0)).toBe(2);
  });
  test.each(["pipe", "socket"])("more than a %s has room for are interrupted by a timer, after a part", (kind) => {
    if (kind === "pipe") pipe();
    else expect(callByName(t, "socketpair", 1, 1, 0, at)).toBe(0);
    const writer = word(at + 4);
    const [sigalrm, handler] = [14, 0x5000];
    t.process.signals.actions[sigalrm * 6] = handler;
    put64(at, 0, 0, 0, 20_000);
    expect(callByName(t, "setitimer", 0, at, 0)).toBe(0);
    const size = 2 ** 20;
    t.memory.pages.fill(Page.read, 0x400000 / pageSize, (0x400000 + size) / pageSize);
    const written = callByName(t, "write", writer, 0x400000, size);
    expect(written).toBeGreaterThan(0);
    expect(written).toBeLessThan(size);
    expect(isPending(t.process.signals.pending, sigalrm)).toBe(true);
  });
  test("on a non-blocking pipe answer EAGAIN", () => {
    const [reader, writer] = pipe(O.NONBLOCK);
    expect(callByName(t, "read", reader, at, 1)).toBe(-errno.EAGAIN);
    expect(callByName(t, "write", writer, at, 5)).toBe(5);
    expect(callByName(t, "ioctl", reader, 0x541b, at)).toBe(0);
    expect(word(at)).toBe(5);
  });
});

describe("vectors", () => {
  const vector = at + 1024;
  test("are filled one after the other", () => {
    const fd = open("file");
    put64(vector, at, 3, at + 10, 0, at + 20, 4);
    expect(callByName(t, "readv", fd, vector, 3)).toBe(7);
    expect(textAt(t, at, 3) + textAt(t, at + 20, 4)).toBe("0123456");
    expect(callByName(t, "preadv", fd, vector, 3, 8)).toBe(2);
    expect(callByName(t, "preadv2", fd, vector, 1, -1, 0, 0)).toBe(3);
    expect(textAt(t, at, 3)).toBe("789");
    const out = open("out", O.CREAT | O.WRONLY);
    expect(callByName(t, "writev", out, vector, 3)).toBe(7);
    expect(callByName(t, "pwritev", out, vector, 1, 1)).toBe(3);
    expect(readFileSync(join(host, "out"), "latin1")).toBe("7789456");
  });
  test("end where memory ends", () => {
    const fd = open("file");
    put64(vector, at, 3, memory.end - 1, 5, at + 20, 4);
    expect(callByName(t, "readv", fd, vector, 3)).toBe(4);
    put64(vector, memory.unmapped, 3);
    expect(callByName(t, "readv", fd, vector, 1)).toBe(-errno.EFAULT);
  });
  test("are checked before anything moves", () => {
    const fd = open("file");
    expect(callByName(t, "readv", fd, vector, 1025)).toBe(-errno.EINVAL);
    expect(callByName(t, "readv", fd, vector, -1)).toBe(-errno.EINVAL);
    expect(callByName(t, "readv", fd, memory.unmapped, 1)).toBe(-errno.EFAULT);
    expect(callByName(t, "readv", fd, memory.unmapped, 0)).toBe(0);
    put64(vector, at, 3, at, 2 ** 63);
    expect(callByName(t, "readv", fd, vector, 2)).toBe(-errno.EINVAL);
    put64(vector, at, 3, at, 2 ** 40);
    expect(callByName(t, "readv", fd, vector, 2)).toBe(-errno.EFAULT);
    expect(callByName(t, "lseek", fd, 0, 1)).toBe(0);
  });
});

describe("from descriptor to descriptor", () => {
  test("sendfile goes on from an offset, and counts it up", () => {
    const [reader, writer] = pipe();
    put64(at, 2);
    expect(callByName(t, "sendfile", writer, open("file"), at, 5)).toBe(5);
    expect(word(at)).toBe(7);
    expect(callByName(t, "read", reader, at, 10)).toBe(5);
    expect(textAt(t, at, 5)).toBe("23456");
    expect(callByName(t, "sendfile", writer, open("file"), memory.readOnly, 5)).toBe(-errno.EFAULT);
    expect(callByName(t, "sendfile", 99, open("file"), 0, 5)).toBe(-errno.EBADF);
  });
  test("splice, tee and vmsplice move what a pipe holds", () => {
    const [reader, writer] = pipe();
    const [reader2, writer2] = pipe();
    expect(callByName(t, "splice", open("file"), 0, writer, 0, 4, 0)).toBe(4);
    expect(callByName(t, "tee", reader, writer2, 4, 0)).toBe(4);
    expect(callByName(t, "read", reader2, at, 9)).toBe(4);
    expect(textAt(t, at, 4)).toBe("0123");
    put64(at + 100, at, 4);
    expect(callByName(t, "vmsplice", writer2, at + 100, 1, 0)).toBe(4);
    expect(callByName(t, "read", reader2, at + 50, 9)).toBe(4);
    expect(textAt(t, at + 50, 4)).toBe("0123");
    put64(at + 100, memory.readOnly, 4);
    expect(callByName(t, "vmsplice", reader, at + 100, 1, 0)).toBe(-errno.EFAULT);
  });
  test("copy_file_range copies within the host", () => {
    const to = open("copy", O.CREAT | O.RDWR);
    put64(at, 5);
    expect(callByName(t, "copy_file_range", open("file"), at, to, 0, 100, 0)).toBe(5);
    expect(readFileSync(join(host, "copy"), "utf8")).toBe("56789");
    expect(word(at)).toBe(10);
  });
});
