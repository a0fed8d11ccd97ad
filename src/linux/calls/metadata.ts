// What is known of a file beside its bytes: stat, permissions, owner, times, the text of a link.
import { cstring, scratch } from "../../host/scratch.ts";
import { host } from "../../host/syscall.ts";
import { copyTo, Page, readable } from "../../memory/guest-memory.ts";
import { errno } from "../errno.ts";
import { fdKind, hostFd, isMadeUp } from "../fds.ts";
import { descriptorPath } from "../file-system.ts";
import { dirfd, fd, int, path, pointer, uint } from "../kinds.ts";
import { accessFlags, accessMode, atFlags, mode, owner, statOut, statxOut, textOut, utimes } from "../kinds-file.ts";
import { fullPath, Look, noFollow, type Place, resolve } from "../paths.ts";
import { type ProcNode, procNode } from "../proc.ts";
import { type CallRow, call } from "../row.ts";
import { nodeMode, nodeStat, nodeStatx, storeStat, storeStatx } from "../stat.ts";
import type { Task } from "../task.ts";
import { hostOf, usable } from "../transfer.ts";

const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_NO_AUTOMOUNT = 0x800;
const AT_EMPTY_PATH = 0x1000;
const AT_EACCESS = 0x200;

/** How a path is looked up by AT_ flags. */
const lookOf = (flags: number): number =>
  (flags & AT_SYMLINK_NOFOLLOW ? 0 : Look.follow) | (flags & AT_EMPTY_PATH ? Look.empty : 0);

/** The flags for the host, which need not follow what the lookup followed. */
const hostFlags = (p: Place, flags: number): number =>
  (flags & ~AT_SYMLINK_NOFOLLOW) | (p.path === "" ? AT_EMPTY_PATH : noFollow(p));

/** The made-up file behind a descriptor, with its path. */
function nodeOf(t: Task, fd: number): readonly [ProcNode, string] | undefined {
  const { fds, files } = t.process;
  const kind = fdKind(fds, fd);
  if (!isMadeUp(kind)) return undefined;
  const name = descriptorPath(files, hostFd(fds, fd), kind);
  const node = name === undefined ? undefined : procNode(t, name);
  return name === undefined || node === undefined ? undefined : [node, name];
}

function newfstatat(t: Task, from: number, name: string, address: number, flags: number): number {
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH)) !== 0) return -errno.EINVAL;
  const p = resolve(t, from, name, lookOf(flags));
  if (typeof p === "number") return p;
  if (p.node !== undefined) return nodeStat(t, p.node, p.guest ?? name, address);
  return storeStat(t, host("newfstatat", p.fd, cstring(p.path), scratch.address, hostFlags(p, flags)), address);
}

function fstat(t: Task, fd: number, address: number): number {
  const h = hostOf(t, fd);
  if (h < 0) return h;
  const node = nodeOf(t, fd);
  if (node !== undefined) return nodeStat(t, ...node, address);
  return storeStat(t, host("fstat", h, scratch.address), address);
}

function statx(t: Task, from: number, name: string, flags: number, mask: number, address: number): number {
  const p = resolve(t, from, name, lookOf(flags));
  if (typeof p === "number") return p;
  if (p.node !== undefined) return nodeStatx(t, p.node, p.guest ?? name, mask, address);
  const result = host("statx", p.fd, cstring(p.path), hostFlags(p, flags), mask, scratch.address);
  return storeStatx(t, result, address);
}

/** Looks a path up and makes a host call on it; what /proc makes up may not be changed. */
function change(t: Task, from: number, name: string, look: number, act: (p: Place) => number): number {
  const p = resolve(t, from, name, look);
  if (typeof p === "number") return p;
  return p.node === undefined ? act(p) : -errno.EPERM;
}

const fchmodat = (t: Task, from: number, name: string, permissions: number): number =>
  change(t, from, name, Look.follow, (p) => host("fchmodat", p.fd, cstring(p.path), permissions));

function fchmodat2(t: Task, from: number, name: string, permissions: number, flags: number): number {
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return -errno.EINVAL;
  return change(t, from, name, lookOf(flags), (p) => {
    // Before Linux 6.6 the host has only the call without flags, which follows links.
    if (p.path !== "" && (flags & AT_SYMLINK_NOFOLLOW) === 0)
      return host("fchmodat", p.fd, cstring(p.path), permissions);
    return host("fchmodat2", p.fd, cstring(p.path), permissions, hostFlags(p, flags));
  });
}

function fchmod(t: Task, fd: number, permissions: number): number {
  const h = hostOf(t, fd);
  if (h < 0) return h;
  return nodeOf(t, fd) === undefined ? host("fchmod", h, permissions) : -errno.EPERM;
}

function fchownat(t: Task, from: number, name: string, uid: number, gid: number, flags: number): number {
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return -errno.EINVAL;
  return change(t, from, name, lookOf(flags), (p) =>
    host("fchownat", p.fd, cstring(p.path), uid, gid, hostFlags(p, flags)),
  );
}

function fchown(t: Task, fd: number, uid: number, gid: number): number {
  const h = hostOf(t, fd);
  if (h < 0) return h;
  return nodeOf(t, fd) === undefined ? host("fchown", h, uid, gid) : -errno.EPERM;
}

const utimesBytes = 32;

/** A NULL path is the descriptor itself. */
function utimensat(t: Task, from: number, name: number, times: number, flags: number): number {
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return -errno.EINVAL;
  if (times !== 0 && readable(t.memory, times, utimesBytes) === undefined) return -errno.EFAULT;
  const timesAt = times === 0 ? 0 : t.memory.hostBase + times;
  if (name === 0) {
    if (from === -100) return -errno.EFAULT;
    if (flags !== 0) return -errno.EINVAL;
    const h = hostOf(t, from);
    return h < 0 ? h : host("utimensat", h, 0, timesAt, 0);
  }
  const text = path.load(t, name % 2 ** 32, Math.floor(name / 2 ** 32));
  if (typeof text !== "string") return -text.errno;
  return change(t, from, text, lookOf(flags), (p) =>
    host("utimensat", p.fd, cstring(p.path), timesAt, hostFlags(p, flags)),
  );
}

const access = (t: Task, from: number, name: string, wanted: number): number => faccessat2(t, from, name, wanted, 0);

function faccessat2(t: Task, from: number, name: string, wanted: number, flags: number): number {
  if ((wanted & ~7) !== 0 || (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_EACCESS)) !== 0) return -errno.EINVAL;
  const p = resolve(t, from, name, lookOf(flags));
  if (typeof p === "number") return p;
  if (p.node !== undefined) return (wanted & ~ownerRights(p.node)) === 0 ? 0 : -errno.EACCES;
  const result = host("faccessat2", p.fd, cstring(p.path), wanted, hostFlags(p, flags));
  // Kernels before 5.8 lack the call, and some containers forbid it.
  if (result !== -errno.ENOSYS && result !== -errno.EPERM) return result;
  return host("faccessat", p.fd, cstring(p.path === "" ? fullPath(p) : p.path), wanted);
}

const ownerRights = (node: ProcNode): number => (nodeMode(node) >> 6) & 7;

function readlinkat(t: Task, from: number, name: string, address: number, room: number): number {
  if (room <= 0) return -errno.EINVAL;
  const p = resolve(t, from, name, Look.empty);
  if (typeof p === "number") return p;
  if (p.node !== undefined) return storeLink(t, p.node, address, room);
  const n = usable(t, address, room, Page.write);
  if (n < 0) return Math.min(host("readlinkat", p.fd, cstring(p.path), scratch.address, 1), 0) || n;
  return host("readlinkat", p.fd, cstring(p.path), t.memory.hostBase + address, n);
}

function storeLink(t: Task, node: ProcNode, address: number, room: number): number {
  if (node.kind === "forbidden" && node.link) return -errno.EACCES;
  if (node.kind !== "link" && node.kind !== "open") return -errno.EINVAL;
  const text = Buffer.from(node.kind === "link" ? node.target : node.text, "latin1").subarray(0, room);
  return copyTo(t.memory, address, text) ? text.length : -errno.EFAULT;
}

export const metadataCalls: readonly CallRow[] = [
  call(48, "faccessat", [dirfd, path, accessMode], "int", "quick", access),
  call(52, "fchmod", [fd, mode], "int", "quick", fchmod),
  call(53, "fchmodat", [dirfd, path, mode], "int", "quick", fchmodat),
  call(54, "fchownat", [dirfd, path, owner, owner, atFlags], "int", "quick", fchownat),
  call(55, "fchown", [fd, owner, owner], "int", "quick", fchown),
  call(78, "readlinkat", [dirfd, path, textOut, int], "int", "quick", readlinkat),
  call(79, "newfstatat", [dirfd, path, statOut, atFlags], "int", "quick", newfstatat),
  call(80, "fstat", [fd, statOut], "int", "quick", fstat),
  call(88, "utimensat", [dirfd, pointer, utimes, atFlags], "int", "quick", utimensat),
  call(291, "statx", [dirfd, path, atFlags, uint, statxOut], "int", "quick", statx),
  call(439, "faccessat2", [dirfd, path, accessMode, accessFlags], "int", "quick", faccessat2),
  call(452, "fchmodat2", [dirfd, path, mode, atFlags], "int", "quick", fchmodat2),
];
