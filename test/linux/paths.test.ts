// Where guest paths lead: sysroot and host, links, the working directory, umask.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
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
import { locate } from "../../src/linux/paths.ts";
import { AT_FDCWD, callByName, contentOf, linkOf, makeTask, memory, namesIn, textAt } from "../tools/task.ts";

const O_CREAT = 0o100;
const O_WRONLY = 1;
const O_NOFOLLOW = 0o400000;
const O_DIRECTORY = 0o200000;

let host = "";
let root = "";
/** Files as `path: content`; `path@` is a link with that text, `path/` a directory. */
function lay(base: string, files: Record<string, string>): void {
  for (const [path, content] of Object.entries(files)) {
    const at = join(base, path.replace(/[@/]$/, ""));
    mkdirSync(path.endsWith("/") ? at : join(at, ".."), { recursive: true });
    if (path.endsWith("@")) symlinkSync(content, at);
    else if (!path.endsWith("/")) writeFileSync(at, content);
  }
}

beforeAll(() => {
  host = realpathSync(mkdtempSync(join(tmpdir(), "sabre-paths-")));
  root = join(host, "sysroot");
  lay(host, {
    "both/one": "host one",
    "both/host-only": "host only",
    "dir/file": "file",
    "link@": "dir/file",
    "dirlink@": "dir",
    "loop@": "loop",
    "absolute@": join(host, "dir/file"),
    "to-proc@": "/proc/self/comm",
    "to-mem@": "/proc/self/fd/0",
    "dangling@": "nowhere/at/all",
    "dangling-file@": "made",
  });
  lay(root, {
    [`${host}/both/one`]: "sysroot one",
    [`${host}/only/inside`]: "inside",
    [`${host}/to-host@`]: join(host, "dir/file"),
    "etc/alternatives/awk@": "/usr/bin/mawk",
    "usr/bin/mawk": "mawk",
    "usr/bin/awk@": "/etc/alternatives/awk",
    "usr/lib/libc": "libc",
    "lib@": "usr/lib",
    "up@": "../../../../usr/bin/mawk",
    "proc/": "",
    "dev/null": "not a device",
  });
});
afterAll(() => rmSync(host, { recursive: true, force: true }));

describe("absolute paths", () => {
  test("are the host's without a sysroot", () => {
    expect(contentOf(makeTask(), join(host, "both/one"))).toBe("host one");
  });
  test("lead into the sysroot where the file exists there, else to the host", () => {
    const t = makeTask({ sysroot: root });
    expect(contentOf(t, join(host, "both/one"))).toBe("sysroot one");
    expect(contentOf(t, join(host, "both/host-only"))).toBe("host only");
    expect(contentOf(t, join(host, "only/inside"))).toBe("inside");
    expect(contentOf(t, join(host, "neither"))).toBe(-errno.ENOENT);
  });
  test("follow absolute links of the sysroot as guest paths", () => {
    const t = makeTask({ sysroot: root });
    expect(contentOf(t, "/usr/bin/awk")).toBe("mawk");
    expect(contentOf(t, "/lib/libc")).toBe("libc");
    expect(contentOf(t, join(host, "to-host"))).toBe("file");
    expect(linkOf(t, "/usr/bin/awk")).toBe("/etc/alternatives/awk");
  });
  test("do not leave the sysroot by ..", () => {
    const t = makeTask({ sysroot: root });
    expect(contentOf(t, "/up")).toBe("mawk");
    expect(contentOf(t, "/../../usr/bin/../lib/libc")).toBe("libc");
  });
  test("below /proc, /sys and /dev are never the sysroot's", () => {
    const t = makeTask({ sysroot: root });
    expect(contentOf(t, "/dev/null")).toBe("");
    expect(contentOf(t, "/proc/self/comm")).toBe("guest\n");
    expect(callByName(t, "chdir", "/")).toBe(0);
    expect(contentOf(t, "dev/null")).toBe("");
    expect(contentOf(t, "proc/self/comm")).toBe("guest\n");
  });
  test("of programs to start resolve before there is a process", () => {
    const t = makeTask({ sysroot: root });
    expect(locate(t.process.files, "/usr/bin/awk")).toBe(join(root, "usr/bin/mawk"));
    expect(locate(t.process.files, join(host, "dir/file"))).toBe(join(host, "dir/file"));
    expect(locate(t.process.files, `/proc/${process.pid}/exe`)).toBe(-errno.ENOENT);
  });
});

describe("new files", () => {
  const create = (t: ReturnType<typeof makeTask>, path: string) =>
    callByName(t, "openat", AT_FDCWD, path, O_CREAT | O_WRONLY, 0o666);
  test("go to the host where it has the directory", () => {
    expect(create(makeTask({ sysroot: root }), join(host, "both/new"))).toBeGreaterThanOrEqual(0);
    expect(existsSync(join(host, "both/new"))).toBe(true);
    expect(existsSync(join(root, host, "both/new"))).toBe(false);
  });
  test("go to the sysroot where only it has the directory", () => {
    const t = makeTask({ sysroot: root });
    expect(create(t, join(host, "only/new"))).toBeGreaterThanOrEqual(0);
    expect(existsSync(join(root, host, "only/new"))).toBe(true);
    expect(callByName(t, "mkdirat", AT_FDCWD, join(host, "only/d"), 0o777)).toBe(0);
    expect(statSync(join(root, host, "only/d")).isDirectory()).toBe(true);
  });
  test("that exist in the sysroot are replaced there", () => {
    const t = makeTask({ sysroot: root });
    lay(root, { [`${host}/only/replaced`]: "old" });
    const O_TRUNC = 0o1000;
    const fd = callByName(t, "openat", AT_FDCWD, join(host, "only/replaced"), O_CREAT | O_WRONLY | O_TRUNC, 0o666);
    expect(fd).toBeGreaterThanOrEqual(0);
    expect(readFileSync(join(root, host, "only/replaced"), "utf8")).toBe("");
  });
  test("are made where a dangling link leads", () => {
    expect(create(makeTask({ cwd: host }), "dangling-file")).toBeGreaterThanOrEqual(0);
    expect(existsSync(join(host, "made"))).toBe(true);
    expect(create(makeTask({ cwd: host }), "dangling")).toBe(-errno.ENOENT);
  });
  test("get the guest's umask, and the emulator's does not matter", () => {
    const t = makeTask({ cwd: host });
    expect(callByName(t, "umask", 0o027)).toBeGreaterThanOrEqual(0);
    expect(callByName(t, "umask", 0o027)).toBe(0o027);
    create(t, "masked");
    callByName(t, "mkdirat", AT_FDCWD, "masked-dir", 0o777);
    expect(statSync(join(host, "masked")).mode & 0o777).toBe(0o640);
    expect(statSync(join(host, "masked-dir")).mode & 0o777).toBe(0o750);
    expect(callByName(t, "umask", 0)).toBe(0o027);
    create(t, "unmasked");
    expect(statSync(join(host, "unmasked")).mode & 0o777).toBe(0o666);
  });
});

describe("relative paths", () => {
  test("start from the guest's working directory, not the emulator's", () => {
    const before = process.cwd();
    const [a, b] = [makeTask({ cwd: join(host, "dir") }), makeTask({ cwd: join(host, "both") })];
    expect(contentOf(a, "file")).toBe("file");
    expect(contentOf(b, "one")).toBe("host one");
    expect(contentOf(a, "../both/one")).toBe("host one");
    expect(process.cwd()).toBe(before);
  });
  test("start from a directory descriptor", () => {
    const t = makeTask();
    const fd = callByName(t, "openat", AT_FDCWD, host, O_DIRECTORY, 0);
    expect(contentOf(t, "dir/file", fd)).toBe("file");
    expect(contentOf(t, "dirlink/../dir/./file", fd)).toBe("file");
    expect(contentOf(t, "x", 999)).toBe(-errno.EBADF);
    const file = callByName(t, "openat", fd, "dir/file", 0, 0);
    expect(contentOf(t, "x", file)).toBe(-errno.ENOTDIR);
  });
  test("from a directory of the sysroot also find what only the host has", () => {
    const t = makeTask({ sysroot: root, cwd: join(host, "both") });
    expect(contentOf(t, "one")).toBe("sysroot one");
    expect(contentOf(t, "host-only")).toBe("host only");
    expect(contentOf(t, "../dir/file")).toBe("file");
    expect(contentOf(t, "neither")).toBe(-errno.ENOENT);
  });
  test("the working directory is told in guest terms", () => {
    const t = makeTask({ sysroot: root });
    expect(callByName(t, "chdir", "/lib")).toBe(0);
    expect(callByName(t, "getcwd", memory.start, 100)).toBe(9);
    expect(textAt(t, memory.start, 9)).toBe("/usr/lib\0");
    expect(callByName(t, "getcwd", memory.start, 8)).toBe(-errno.ERANGE);
    expect(callByName(t, "getcwd", memory.unmapped, 100)).toBe(-errno.EFAULT);
  });
  test("a removed working directory has no name", () => {
    mkdirSync(join(host, "gone"));
    const t = makeTask({ cwd: join(host, "gone") });
    rmSync(join(host, "gone"), { recursive: true });
    expect(callByName(t, "getcwd", memory.start, 4096)).toBe(-errno.ENOENT);
  });
  test("fchdir and chdir refuse what is no directory", () => {
    const t = makeTask({ cwd: host });
    expect(callByName(t, "chdir", "dir/file")).toBe(-errno.ENOTDIR);
    expect(callByName(t, "fchdir", callByName(t, "openat", AT_FDCWD, "dir/file", 0, 0))).toBe(-errno.ENOTDIR);
    expect(callByName(t, "fchdir", 999)).toBe(-errno.EBADF);
    expect(callByName(t, "fchdir", callByName(t, "openat", AT_FDCWD, "dir", 0, 0))).toBe(0);
    expect(contentOf(t, "file")).toBe("file");
  });
});

describe("links", () => {
  test("are followed, in the last place only when asked", () => {
    const t = makeTask({ cwd: host });
    expect(contentOf(t, "link")).toBe("file");
    expect(contentOf(t, "absolute")).toBe("file");
    expect(contentOf(t, "dirlink/file")).toBe("file");
    expect(callByName(t, "openat", AT_FDCWD, "link", O_NOFOLLOW, 0)).toBe(-errno.ELOOP);
    expect(callByName(t, "openat", AT_FDCWD, "dirlink/file", O_NOFOLLOW, 0)).toBeGreaterThanOrEqual(0);
    expect(callByName(t, "openat", AT_FDCWD, "link", O_CREAT | 0o200, 0)).toBe(-errno.EEXIST);
  });
  test("of more than forty are too many", () => {
    expect(contentOf(makeTask({ cwd: host }), "loop")).toBe(-errno.ELOOP);
    lay(
      host,
      Object.fromEntries(Array.from({ length: 41 }, (_, i) => [`chain${i}@`, i === 0 ? "dir/file" : `chain${i - 1}`])),
    );
    const t = makeTask({ cwd: host });
    expect(contentOf(t, "chain39")).toBe("file");
    expect(contentOf(t, "chain40")).toBe(-errno.ELOOP);
  });
  test("into /proc show the guest", () => {
    const t = makeTask({ cwd: host });
    expect(contentOf(t, "to-proc")).toBe("guest\n");
  });
  test("a trailing slash follows them and wants a directory", () => {
    const t = makeTask({ cwd: host });
    expect(namesIn(t, "dirlink/")).toEqual(["file"]);
    expect(contentOf(t, "dir/file/")).toBe(-errno.ENOTDIR);
    expect(contentOf(t, "link/")).toBe(-errno.ENOTDIR);
  });
});

describe("the last name", () => {
  test("is never created below a missing directory", () => {
    const t = makeTask({ sysroot: root });
    expect(callByName(t, "mkdirat", AT_FDCWD, "/no/such/dir", 0o777)).toBe(-errno.ENOENT);
  });
  test("of an empty path is ENOENT, unless the call takes the descriptor itself", () => {
    const t = makeTask({ cwd: host });
    const AT_EMPTY_PATH = 0x1000;
    expect(contentOf(t, "")).toBe(-errno.ENOENT);
    expect(callByName(t, "newfstatat", AT_FDCWD, "", memory.start, 0)).toBe(-errno.ENOENT);
    expect(callByName(t, "newfstatat", AT_FDCWD, "", memory.start, AT_EMPTY_PATH)).toBe(0);
  });
  test("may be too long, and so may the whole path", () => {
    const t = makeTask({ cwd: host });
    expect(contentOf(t, "n".repeat(256))).toBe(-errno.ENAMETOOLONG);
    expect(contentOf(t, "a/".repeat(2100))).toBe(-errno.ENAMETOOLONG);
  });
});

test("chroot leaves only its directory, and .. stays inside", () => {
  const t = makeTask({ cwd: host });
  if (process.getuid?.() !== 0) return expect(callByName(t, "chroot", root)).toBe(-errno.EPERM);
  expect(callByName(t, "chroot", root)).toBe(0);
  expect(contentOf(t, "/usr/bin/awk")).toBe("mawk");
  expect(contentOf(t, "/../usr/lib/libc")).toBe("libc");
  expect(contentOf(t, join(host, "dir/file"))).toBe(-errno.ENOENT);
  expect(contentOf(t, "/proc/self/comm")).toBe("guest\n");
});

test("a directory without search permission cannot be entered", () => {
  mkdirSync(join(host, "closed"));
  chmodSync(join(host, "closed"), 0o600);
  const result = callByName(makeTask({ cwd: host }), "chdir", "closed");
  expect(result).toBe(process.getuid?.() === 0 ? 0 : -errno.EACCES);
});
