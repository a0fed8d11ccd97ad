// Calls on descriptors, names and metadata of files.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errno } from "../../src/linux/errno.ts";
import { closeForExec, forkFdTable, hostFd, openFds } from "../../src/linux/fds.ts";
import type { Task } from "../../src/linux/task.ts";
import { AT_FDCWD, callByName, contentOf, linkOf, makeTask, memory, namesIn, putText } from "../tools/task.ts";

const O = {
  WRONLY: 1,
  RDWR: 2,
  CREAT: 0o100,
  TRUNC: 0o1000,
  NONBLOCK: 0o4000,
  DIRECTORY: 0o200000,
  CLOEXEC: 0o2000000,
  PATH: 0o10000000,
};
const at = memory.start;

let top = "";
let host = "";
let t: Task;
let count = 0;
const open = (path: string, flags = 0, mode = 0o644) => callByName(t, "openat", AT_FDCWD, path, flags, mode);
const word = (offset: number) => t.memory.view.getUint32(at + offset, true);
const put32 = (address: number, ...values: number[]) =>
  values.forEach((value, i) => {
    t.memory.view.setUint32(address + 4 * i, value, true);
  });

beforeAll(() => {
  top = realpathSync(mkdtempSync(join(tmpdir(), "sabre-files-")));
});
beforeEach(() => {
  host = mkdtempSync(join(top, `${count++}-`));
  writeFileSync(join(host, "file"), "0123456789");
  symlinkSync("file", join(host, "link"));
  t = makeTask({ cwd: host });
});
afterAll(() => rmSync(top, { recursive: true, force: true }));

describe("descriptors", () => {
  test("are the lowest free number, up to the limit", () => {
    expect([open("file"), open("file"), open("file")]).toEqual([3, 4, 5]);
    expect(callByName(t, "close", 4)).toBe(0);
    expect(callByName(t, "close", 4)).toBe(-errno.EBADF);
    expect(open("file")).toBe(4);
    t.process.fds.limit = 6;
    expect(open("file")).toBe(-errno.EMFILE);
    expect(callByName(t, "dup", 3)).toBe(-errno.EMFILE);
    expect(callByName(t, "pipe2", at, 0)).toBe(-errno.EMFILE);
    expect(callByName(t, "dup3", 3, 6, 0)).toBe(-errno.EBADF);
  });
  test("of the emulator are out of reach", () => {
    const h = hostFd(t.process.fds, open("file"));
    expect(callByName(t, "close", h + 1)).toBe(-errno.EBADF);
    for (const fd of [h + 1, -1, 65536, 2 ** 31 - 1]) expect(callByName(t, "fstat", fd, at)).toBe(-errno.EBADF);
  });
  test("dup3 replaces what was there, and not itself", () => {
    const fd = open("file");
    expect(callByName(t, "dup3", fd, 9, O.CLOEXEC)).toBe(9);
    expect(callByName(t, "fcntl", 9, 1, 0)).toBe(1);
    expect(callByName(t, "dup3", fd, fd, 0)).toBe(-errno.EINVAL);
    expect(callByName(t, "dup3", 77, 9, 0)).toBe(-errno.EBADF);
    expect(callByName(t, "dup3", fd, -1, 0)).toBe(-errno.EBADF);
    expect(callByName(t, "dup3", fd, 1, 0)).toBe(1);
    // One open file, one position.
    expect(callByName(t, "lseek", 9, 4, 0)).toBe(4);
    expect(callByName(t, "lseek", 1, 0, 1)).toBe(4);
  });
  test("fcntl copies from a number on, and keeps close-on-exec apart for each", () => {
    const fd = open("file", O.CLOEXEC);
    expect(callByName(t, "fcntl", fd, 1, 0)).toBe(1);
    expect(callByName(t, "fcntl", fd, 0, 20)).toBe(20);
    expect(callByName(t, "fcntl", fd, 1030, 20)).toBe(21);
    expect([20, 21].map((n) => callByName(t, "fcntl", n, 1, 0))).toEqual([0, 1]);
    expect(callByName(t, "fcntl", fd, 2, 0)).toBe(0);
    expect(callByName(t, "fcntl", fd, 1, 0)).toBe(0);
    expect(callByName(t, "ioctl", fd, 0x5451, 0)).toBe(0);
    expect(callByName(t, "fcntl", fd, 1, 0)).toBe(1);
    expect(callByName(t, "fcntl", fd, 0, 65536)).toBe(-errno.EINVAL);
    expect(callByName(t, "fcntl", fd, 0, -1)).toBe(-errno.EINVAL);
    expect(callByName(t, "fcntl", fd, 4242, 0)).toBe(-errno.EINVAL);
  });
  test("fcntl shows and sets status flags", () => {
    const fd = open("file", O.RDWR);
    expect(callByName(t, "fcntl", fd, 3, 0) & 0o7777).toBe(O.RDWR);
    expect(callByName(t, "fcntl", fd, 4, O.NONBLOCK | 0o2000)).toBe(0);
    expect(callByName(t, "fcntl", fd, 3, 0) & 0o7777).toBe(O.RDWR | O.NONBLOCK | 0o2000);
    // O_ASYNC would have the host send signals to the emulator.
    expect(callByName(t, "fcntl", fd, 4, 0o20000)).toBe(0);
    expect(callByName(t, "fcntl", fd, 3, 0) & 0o20000).toBe(0);
  });
  test("locks go to the host", () => {
    const fd = open("file", O.RDWR);
    const [F_WRLCK, F_UNLCK] = [1, 2];
    t.memory.u8.fill(0, at, at + 32);
    t.memory.view.setInt16(at, F_WRLCK, true);
    expect(callByName(t, "fcntl", fd, 37, at)).toBe(0);
    const other = open("file", O.RDWR);
    expect(callByName(t, "fcntl", other, 37, at)).toBe(-errno.EAGAIN);
    expect(callByName(t, "fcntl", other, 36, at)).toBe(0);
    expect(t.memory.view.getInt16(at, true)).toBe(F_WRLCK);
    t.memory.u8.fill(0, at, at + 32);
    t.memory.view.setInt16(at, F_UNLCK, true);
    expect(callByName(t, "fcntl", fd, 37, at)).toBe(0);
    expect(callByName(t, "fcntl", fd, 6, memory.unmapped)).toBe(-errno.EFAULT);
    expect(callByName(t, "flock", fd, 2)).toBe(0);
    expect(callByName(t, "flock", other, 2 | 4)).toBe(-errno.EAGAIN);
  });
  test("close_range closes or marks", () => {
    for (let i = 0; i < 5; i++) open("file");
    expect(callByName(t, "close_range", 4, 5, 0)).toBe(0);
    expect(openFds(t.process.fds)).toEqual([0, 1, 2, 3, 6, 7]);
    expect(callByName(t, "close_range", 6, 0xffffffff, 4)).toBe(0);
    closeForExec(t.process.fds);
    expect(openFds(t.process.fds)).toEqual([0, 1, 2, 3]);
    expect(callByName(t, "close_range", 5, 4, 0)).toBe(-errno.EINVAL);
  });
  test("a forked table has the same open files, and closes apart", () => {
    const fd = open("file");
    const copy = forkFdTable(t.process.fds);
    if (typeof copy === "number") throw new Error("no copy");
    callByName(t, "close", fd);
    expect(hostFd(copy, fd)).toBeGreaterThanOrEqual(0);
    expect(hostFd(t.process.fds, fd)).toBe(-errno.EBADF);
  });
  test("a pipe whose numbers cannot be stored is not there", () => {
    expect(callByName(t, "pipe2", memory.readOnly, 0)).toBe(-errno.EFAULT);
    expect(openFds(t.process.fds)).toEqual([0, 1, 2]);
    expect(callByName(t, "pipe2", at, O.CLOEXEC)).toBe(0);
    expect([word(0), word(4)]).toEqual([3, 4]);
    expect(callByName(t, "fcntl", 3, 1, 0)).toBe(1);
  });
});

describe("open", () => {
  test("creates, truncates and refuses as asked", () => {
    expect(open("new", O.CREAT | O.WRONLY)).toBe(3);
    expect(open("new", O.CREAT | 0o200)).toBe(-errno.EEXIST);
    expect(open("file", O.DIRECTORY)).toBe(-errno.ENOTDIR);
    expect(open(".", O.RDWR)).toBe(-errno.EISDIR);
    expect(open("file", O.WRONLY | O.TRUNC)).toBe(4);
    expect(readFileSync(join(host, "file"), "utf8")).toBe("");
  });
  test("O_PATH gives a descriptor that only names", () => {
    const fd = open("file", O.PATH);
    expect(callByName(t, "read", fd, at, 1)).toBe(-errno.EBADF);
    expect(callByName(t, "fstat", fd, at)).toBe(0);
    const link = open("link", O.PATH | 0o400000);
    expect(linkOf(t, "", link)).toBe("file");
  });
  test("openat2 checks its struct, and confines paths", () => {
    const how = (flags: number, mode: number, resolve: number) => put32(at, flags, 0, mode, 0, resolve, 0, 0, 0);
    const openat2 = (path: string, size = 24) => callByName(t, "openat2", AT_FDCWD, path, at, size);
    how(0, 0, 0);
    expect(openat2("file")).toBe(3);
    expect(openat2("file", 32)).toBe(4);
    expect(openat2("file", 23)).toBe(-errno.EINVAL);
    expect(openat2("file", 5000)).toBe(-errno.E2BIG);
    put32(at + 24, 1);
    expect(openat2("file", 32)).toBe(-errno.E2BIG);
    how(0, 0o644, 0);
    expect(openat2("file")).toBe(-errno.EINVAL);
    how(0, 0, 4);
    expect(openat2("link")).toBe(-errno.ELOOP);
    expect(openat2("file")).toBe(5);
    how(0, 0, 8);
    expect(openat2("../x")).toBe(-errno.EXDEV);
    expect(openat2("link")).toBe(6);
    how(0, 0, 2);
    expect(openat2("/proc/self/fd/3")).toBe(-errno.ELOOP);
    how(0, 0, 1024);
    expect(openat2("file")).toBe(-errno.EINVAL);
  });
});

describe("names", () => {
  test("are made, linked, moved and removed", () => {
    expect(callByName(t, "mkdirat", AT_FDCWD, "dir", 0o777)).toBe(0);
    expect(callByName(t, "mkdirat", AT_FDCWD, "dir", 0o777)).toBe(-errno.EEXIST);
    expect(callByName(t, "symlinkat", "target", AT_FDCWD, "dir/sym")).toBe(0);
    expect(linkOf(t, "dir/sym")).toBe("target");
    expect(callByName(t, "linkat", AT_FDCWD, "file", AT_FDCWD, "dir/hard", 0)).toBe(0);
    expect(statSync(join(host, "file")).nlink).toBe(2);
    expect(callByName(t, "linkat", AT_FDCWD, "link", AT_FDCWD, "dir/hardlink", 0)).toBe(0);
    expect(lstatSync(join(host, "dir/hardlink")).isSymbolicLink()).toBe(true);
    expect(callByName(t, "renameat2", AT_FDCWD, "dir/hard", AT_FDCWD, "dir/moved", 1)).toBe(0);
    expect(callByName(t, "renameat2", AT_FDCWD, "file", AT_FDCWD, "dir/moved", 1)).toBe(-errno.EEXIST);
    expect(callByName(t, "renameat", AT_FDCWD, "link", AT_FDCWD, "link2")).toBe(0);
    expect(lstatSync(join(host, "link2")).isSymbolicLink()).toBe(true);
    expect(callByName(t, "unlinkat", AT_FDCWD, "dir", 0)).toBe(-errno.EISDIR);
    expect(callByName(t, "unlinkat", AT_FDCWD, "dir", 0x200)).toBe(-errno.ENOTEMPTY);
    expect(callByName(t, "unlinkat", AT_FDCWD, "link2", 0)).toBe(0);
    expect(existsSync(join(host, "file"))).toBe(true);
    expect((namesIn(t, "dir") as string[]).sort()).toEqual(["hardlink", "moved", "sym"]);
  });
  test("of FIFOs and directories keep their mode bits", () => {
    callByName(t, "umask", 0o022);
    expect(callByName(t, "mknodat", AT_FDCWD, "fifo", 0o010666, 0)).toBe(0);
    expect(statSync(join(host, "fifo")).isFIFO()).toBe(true);
    expect(statSync(join(host, "fifo")).mode & 0o7777).toBe(0o644);
    expect(callByName(t, "mkdirat", AT_FDCWD, "sticky", 0o1777)).toBe(0);
    expect(statSync(join(host, "sticky")).mode & 0o7777).toBe(0o1755);
  });
  test("getdents64 fills what fits, and goes on there", () => {
    for (let i = 0; i < 40; i++) writeFileSync(join(host, `name${i}`), "");
    expect((namesIn(t, ".", 100) as string[]).length).toBe(42);
    const fd = open(".", O.DIRECTORY);
    expect(callByName(t, "getdents64", fd, at, 10)).toBe(-errno.EINVAL);
    expect(callByName(t, "getdents64", fd, memory.unmapped, 1000)).toBe(-errno.EFAULT);
    expect(callByName(t, "getdents64", open("file"), at, 1000)).toBe(-errno.ENOTDIR);
  });
});

describe("metadata", () => {
  test("stat has riscv64's layout", () => {
    const s = statSync(join(host, "file"), { bigint: true });
    expect(callByName(t, "newfstatat", AT_FDCWD, "link", at, 0)).toBe(0);
    const u64 = (offset: number) => t.memory.view.getBigUint64(at + offset, true);
    expect([u64(0), u64(8), BigInt(word(16)), BigInt(word(20)), BigInt(word(24)), BigInt(word(28))]).toEqual([
      s.dev,
      s.ino,
      s.mode,
      s.nlink,
      s.uid,
      s.gid,
    ]);
    expect([u64(32), u64(48), BigInt(word(56)), u64(64)]).toEqual([s.rdev, s.size, s.blksize, s.blocks]);
    expect([u64(72) * 10n ** 9n + u64(80), u64(88) * 10n ** 9n + u64(96), u64(104) * 10n ** 9n + u64(112)]).toEqual([
      s.atimeNs,
      s.mtimeNs,
      s.ctimeNs,
    ]);
    expect(u64(120)).toBe(0n);
    expect(callByName(t, "newfstatat", AT_FDCWD, "link", at, 0x100)).toBe(0);
    expect(word(16) & 0o170000).toBe(0o120000);
    expect(callByName(t, "fstat", open("file"), memory.readOnly)).toBe(-errno.EFAULT);
    expect(callByName(t, "newfstatat", AT_FDCWD, "file", at, 0x8000)).toBe(-errno.EINVAL);
  });
  test("a struct that ends where memory does is stored whole or not at all", () => {
    expect(callByName(t, "fstat", 0, memory.end - 128)).toBe(0);
    t.memory.u8.fill(0xaa, memory.end - 127, memory.end);
    expect(callByName(t, "fstat", 0, memory.end - 127)).toBe(-errno.EFAULT);
    expect(t.memory.u8[memory.end - 127]).toBe(0xaa);
  });
  test("statx fills the same struct as the host", () => {
    expect(callByName(t, "statx", AT_FDCWD, "file", 0, 0xfff, at)).toBe(0);
    expect(word(40)).toBe(10);
    expect(callByName(t, "statx", open("file"), "", 0x1000, 0xfff, at)).toBe(0);
    expect(word(40)).toBe(10);
  });
  test("permissions, owners and times change", () => {
    expect(callByName(t, "fchmodat", AT_FDCWD, "link", 0o600)).toBe(0);
    expect(statSync(join(host, "file")).mode & 0o777).toBe(0o600);
    expect(callByName(t, "fchmod", open("file"), 0o640)).toBe(0);
    expect(statSync(join(host, "file")).mode & 0o777).toBe(0o640);
    expect(callByName(t, "fchmodat2", AT_FDCWD, "file", 0o644, 0)).toBe(0);
    expect(callByName(t, "fchownat", AT_FDCWD, "file", -1, -1, 0)).toBe(0);
    expect(callByName(t, "fchown", open("file"), -1, -1)).toBe(0);
    put32(at, 100, 0, 5, 0, 200, 0, 7, 0);
    expect(callByName(t, "utimensat", AT_FDCWD, "file", at, 0)).toBe(0);
    expect(statSync(join(host, "file"), { bigint: true }).mtimeNs).toBe(200_000_000_007n);
    put32(at, 300, 0, 0, 0, 400, 0, 0, 0);
    expect(callByName(t, "utimensat", open("file"), 0, at, 0)).toBe(0);
    expect(statSync(join(host, "file")).mtimeMs).toBe(400_000);
    expect(callByName(t, "utimensat", AT_FDCWD, 0, at, 0)).toBe(-errno.EFAULT);
    expect(callByName(t, "utimensat", AT_FDCWD, "file", memory.unmapped, 0)).toBe(-errno.EFAULT);
  });
  test("readlinkat cuts the text to the buffer", () => {
    expect(callByName(t, "readlinkat", AT_FDCWD, "link", at, 2)).toBe(2);
    expect(callByName(t, "readlinkat", AT_FDCWD, "link", at, 0)).toBe(-errno.EINVAL);
    expect(callByName(t, "readlinkat", AT_FDCWD, "file", at, 10)).toBe(-errno.EINVAL);
    expect(callByName(t, "readlinkat", AT_FDCWD, "link", memory.unmapped, 10)).toBe(-errno.EFAULT);
  });
  test("extended attributes come back as they were set, or the file system has none", () => {
    putText(t, at, "value");
    const set = callByName(t, "setxattr", "file", "user.key", at, 5, 0);
    if (set === -errno.ENOTSUP) return;
    expect(set).toBe(0);
    expect(callByName(t, "getxattr", "link", "user.key", 0, 0)).toBe(5);
    expect(callByName(t, "fgetxattr", open("file"), "user.key", at + 100, 100)).toBe(5);
    expect(callByName(t, "getxattr", "file", "user.key", memory.readOnly, 5)).toBe(-errno.EFAULT);
    expect(callByName(t, "listxattr", "file", at, 100)).toBeGreaterThanOrEqual(9);
    expect(callByName(t, "removexattr", "file", "user.key")).toBe(0);
    expect(callByName(t, "getxattr", "file", "user.key", 0, 0)).toBe(-errno.ENODATA);
  });
});

describe("ioctl", () => {
  test("knows its requests, and no others", () => {
    const fd = open("file");
    expect(callByName(t, "ioctl", fd, 0x541b, at)).toBe(0);
    expect(word(0)).toBe(10);
    expect(callByName(t, "ioctl", fd, 0x541b, memory.readOnly)).toBe(-errno.EFAULT);
    expect(callByName(t, "ioctl", fd, 0x5401, at)).toBe(-errno.ENOTTY);
    expect(callByName(t, "ioctl", fd, 0xdeadbeef, at)).toBe(-errno.ENOTTY);
    expect(callByName(t, "ioctl", 99, 0x5401, at)).toBe(-errno.EBADF);
  });
  test("FIONBIO makes a pipe non-blocking", () => {
    callByName(t, "pipe2", at, 0);
    put32(at, 1);
    expect(callByName(t, "ioctl", 3, 0x5421, at)).toBe(0);
    expect(callByName(t, "read", 3, at, 1)).toBe(-errno.EAGAIN);
  });
  test("works on a terminal", () => {
    const master = open("/dev/ptmx", O.RDWR | 0o400);
    if (master < 0) return;
    expect(callByName(t, "ioctl", master, 0x5401, at)).toBe(0);
    put32(at, 0);
    expect(callByName(t, "ioctl", master, 0x40045431, at)).toBe(0);
    const slave = callByName(t, "ioctl", master, 0x5441, O.RDWR | 0o400);
    expect(slave).toBe(4);
    t.memory.view.setUint32(at, 24 | (80 << 16), true);
    expect(callByName(t, "ioctl", master, 0x5414, at)).toBe(0);
    put32(at, 0);
    expect(callByName(t, "ioctl", slave, 0x5413, at)).toBe(0);
    expect(word(0)).toBe(24 | (80 << 16));
    expect(callByName(t, "ioctl", master, 0x80045430, at)).toBe(0);
    const number = word(0);
    expect(linkOf(t, `/proc/self/fd/${slave}`)).toBe(`/dev/pts/${number}`);
  });
});

test("truncate and fallocate change the size", () => {
  const size = () => statSync(join(host, "file")).size;
  expect(callByName(t, "truncate", "link", 4)).toBe(0);
  expect(size()).toBe(4);
  const fd = open("file", O.RDWR);
  expect(callByName(t, "ftruncate", fd, 100)).toBe(0);
  expect(size()).toBe(100);
  expect(callByName(t, "fallocate", fd, 0, 0, 200)).toBe(0);
  expect(size()).toBe(200);
  expect(callByName(t, "ftruncate", fd, -1)).toBe(-errno.EINVAL);
  expect(callByName(t, "ftruncate", open("file"), 0)).toBe(-errno.EINVAL);
  expect(callByName(t, "statfs", ".", at)).toBe(0);
  expect(callByName(t, "fstatfs", fd, memory.unmapped)).toBe(-errno.EFAULT);
});

test("inotify tells of changes under guest paths", () => {
  const fd = callByName(t, "inotify_init1", O.NONBLOCK);
  expect(callByName(t, "inotify_add_watch", fd, ".", 0x100)).toBe(1);
  expect(callByName(t, "read", fd, at, 1000)).toBe(-errno.EAGAIN);
  open("made", O.CREAT);
  expect(callByName(t, "read", fd, at, 1000)).toBe(32);
  expect(callByName(t, "inotify_rm_watch", fd, 1)).toBe(0);
});

test("what the guest may not do is refused", () => {
  for (const name of ["mount", "umount2", "pivot_root"]) expect(callByName(t, name)).toBe(-errno.EPERM);
  expect(callByName(t, "io_setup", 1, at)).toBe(-errno.ENOSYS);
});

test("a file that a guest truncates below a mapping is safe to touch", () => {
  const fd = open("file", O.RDWR);
  callByName(t, "ftruncate", fd, 8192);
  const address = callByName(t, "mmap", 0, 8192, 3, 1, fd, 0);
  expect(address).toBeGreaterThan(0);
  expect(callByName(t, "write", fd, address + 4096, 10)).toBe(10);
  expect(callByName(t, "ftruncate", fd, 100)).toBe(0);
  expect(callByName(t, "write", fd, address + 4096, 10)).toBe(-errno.EFAULT);
  callByName(t, "ftruncate", fd, 8192);
  expect(open("file", O.WRONLY | O.TRUNC)).toBeGreaterThan(0);
  expect(callByName(t, "write", fd, address, 10)).toBe(-errno.EFAULT);
  expect(contentOf(t, "file")).toBe("");
});
