// Names in directories: making, linking, moving, removing, listing them; and the directory that a process works in.
import { cstring, scratch } from "../../host/scratch.ts";
import { host } from "../../host/syscall.ts";
import { copyTo, Page } from "../../memory/guest-memory.ts";
import { privileged } from "../attributes.ts";
import { errno } from "../errno.ts";
import { dupHost, FdKind, fdKind, isMadeUp } from "../fds.ts";
import { AT_FDCWD, cwdPath, hostPathOf, masked, setCwd, setUmask } from "../file-system.ts";
import { dirfd, fd, path, size, uint } from "../kinds.ts";
import { atFlags, direntsOut, fileMode, mode, renameFlags, textOut, unlinkFlags } from "../kinds-file.ts";
import { O, toHostFlags } from "../open-flags.ts";
import { Look, openPlace, type Place, resolve } from "../paths.ts";
import { directoryRecords, makeFile, showsEmulator } from "../proc.ts";
import { type CallRow, call } from "../row.ts";
import type { Task } from "../task.ts";
import { hostOf, usable } from "../transfer.ts";

/** Looks a path up whose last name is to be made or removed, and makes a host call on it. /proc refuses. */
function change(t: Task, from: number, name: string, look: number, act: (p: Place) => number): number {
  const p = resolve(t, from, name, look);
  if (typeof p === "number") return p;
  return p.node === undefined ? act(p) : -errno.EPERM;
}

const S_IFMT = 0o170000;

const mkdirat = (t: Task, from: number, name: string, permissions: number): number =>
  change(t, from, name, Look.create, (p) =>
    host("mkdirat", p.fd, cstring(p.path), masked(t.process.files, permissions & 0o1777)),
  );

const mknodat = (t: Task, from: number, name: string, type: number, device: number): number =>
  change(t, from, name, Look.create, (p) =>
    host("mknodat", p.fd, cstring(p.path), (type & S_IFMT) | masked(t.process.files, type & 0o7777), device),
  );

const symlinkat = (t: Task, text: string, from: number, name: string): number =>
  change(t, from, name, Look.create, (p) => host("symlinkat", cstring(text, 1), p.fd, cstring(p.path)));

const unlinkat = (t: Task, from: number, name: string, flags: number): number =>
  change(t, from, name, 0, (p) => host("unlinkat", p.fd, cstring(p.path), flags));

const AT_SYMLINK_FOLLOW = 0x400;
const AT_EMPTY_PATH = 0x1000;

function linkat(t: Task, from: number, name: string, to: number, newName: string, flags: number): number {
  if ((flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) !== 0) return -errno.EINVAL;
  const look = (flags & AT_SYMLINK_FOLLOW ? Look.follow : 0) | (flags & AT_EMPTY_PATH ? Look.empty : 0);
  return change(t, from, name, look, (p) =>
    change(t, to, newName, Look.create, (q) => {
      const how = (p.magic ? AT_SYMLINK_FOLLOW : 0) | (p.path === "" ? AT_EMPTY_PATH : 0);
      return host("linkat", p.fd, cstring(p.path), q.fd, cstring(q.path, 1), how);
    }),
  );
}

const renameat = (t: Task, from: number, name: string, to: number, newName: string): number =>
  renameat2(t, from, name, to, newName, 0);

const renameat2 = (t: Task, from: number, name: string, to: number, newName: string, flags: number): number =>
  change(t, from, name, 0, (p) =>
    change(t, to, newName, Look.create, (q) =>
      host("renameat2", p.fd, cstring(p.path), q.fd, cstring(q.path, 1), flags),
    ),
  );

/** Records of a made-up directory come from its memfd, where each ends where the next begins; others from the host. */
function getdents64(t: Task, fd: number, address: number, room: number): number {
  const h = hostOf(t, fd);
  if (h < 0) return h;
  const n = usable(t, address, room, Page.write);
  if (n < 0) return n;
  if (fdKind(t.process.fds, fd) !== FdKind.directory)
    return host("getdents64", h, t.memory.hostBase + (n > 0 ? address : 0), n);
  const start = host("lseek", h, 0, SEEK_CUR);
  const got = host("read", h, scratch.address, Math.min(n, scratch.bytes.length));
  let end = 0;
  while (end + recordLengthAt + 2 <= got && end + scratch.view.getUint16(end + recordLengthAt, true) <= got)
    end += scratch.view.getUint16(end + recordLengthAt, true);
  host("lseek", h, start + end, SEEK_SET);
  if (end === 0 && got > 0) return -errno.EINVAL;
  return copyTo(t.memory, address, scratch.bytes.subarray(0, end)) ? end : -errno.EFAULT;
}

const recordLengthAt = 16;
const [SEEK_SET, SEEK_CUR] = [0, 1];

// ---- the working directory

const X_OK = 1;
const searchable = (h: number): number => host("faccessat", h, cstring("."), X_OK);

function chdir(t: Task, name: string): number {
  const p = resolve(t, AT_FDCWD, name, Look.follow);
  if (typeof p === "number") return p;
  if (p.node !== undefined) {
    if (p.node.kind !== "directory" || p.guest === undefined) return -errno.ENOTDIR;
    const made = makeFile(p.guest, directoryRecords(p.guest, p.node.entries(t)), 0o555, 0);
    return made < 0 ? made : enter(t, made, FdKind.directory);
  }
  const h = openPlace(p, O.PATH | O.DIRECTORY, 0);
  if (h < 0) return h;
  const allowed = showsEmulator(h) ? -errno.EACCES : searchable(h);
  if (allowed >= 0) return enter(t, h, FdKind.host);
  host("close", h);
  return allowed;
}

function fchdir(t: Task, fd: number): number {
  const h = hostOf(t, fd);
  if (h < 0) return h;
  const kind = fdKind(t.process.fds, fd);
  if (kind === FdKind.directory) {
    const copy = dupHost(h);
    return copy < 0 ? copy : enter(t, copy, kind);
  }
  if (isMadeUp(kind)) return -errno.ENOTDIR;
  const directory = host("openat", h, cstring("."), toHostFlags(O.PATH | O.DIRECTORY | O.CLOEXEC));
  if (directory < 0) return directory;
  const allowed = searchable(directory);
  if (allowed >= 0) return enter(t, directory, FdKind.host);
  host("close", directory);
  return allowed;
}

function enter(t: Task, h: number, kind: FdKind): number {
  setCwd(t.process.files, h, kind);
  return 0;
}

/** From now on the directory is all that the process sees of the file system, but for /proc. */
function chroot(t: Task, name: string): number {
  const p = resolve(t, AT_FDCWD, name, Look.follow);
  if (typeof p === "number") return p;
  if (p.node !== undefined) return -errno.EPERM;
  const h = openPlace(p, O.PATH | O.DIRECTORY, 0);
  if (h < 0) return h;
  const root = hostPathOf(h);
  host("close", h);
  if (!privileged(t.process.attributes)) return -errno.EPERM;
  if (root === undefined) return -errno.ENOENT;
  const { files } = t.process;
  if (root !== "/") [files.jailed, files.sysroot] = [true, root];
  return 0;
}

function getcwd(t: Task, address: number, room: number): number {
  const text = cwdPath(t.process.files);
  if (typeof text === "number") return text;
  if (room < text.length + 1) return -errno.ERANGE;
  return copyTo(t.memory, address, Buffer.from(text + "\0", "latin1")) ? text.length + 1 : -errno.EFAULT;
}

const umask = (t: Task, mask: number): number => setUmask(t.process.files, mask);

export const nameCalls: readonly CallRow[] = [
  call(17, "getcwd", [textOut, size], "int", "quick", getcwd),
  call(33, "mknodat", [dirfd, path, fileMode, uint], "int", "quick", mknodat),
  call(34, "mkdirat", [dirfd, path, mode], "int", "quick", mkdirat),
  call(35, "unlinkat", [dirfd, path, unlinkFlags], "int", "quick", unlinkat),
  call(36, "symlinkat", [path, dirfd, path], "int", "quick", symlinkat),
  call(37, "linkat", [dirfd, path, dirfd, path, atFlags], "int", "quick", linkat),
  call(38, "renameat", [dirfd, path, dirfd, path], "int", "quick", renameat),
  call(49, "chdir", [path], "int", "quick", chdir),
  call(50, "fchdir", [fd], "int", "quick", fchdir),
  call(51, "chroot", [path], "int", "quick", chroot),
  call(61, "getdents64", [fd, direntsOut, uint], "int", "quick", getdents64),
  call(166, "umask", [mode], "int", "quick", umask),
  call(276, "renameat2", [dirfd, path, dirfd, path, renameFlags], "int", "quick", renameat2),
];
