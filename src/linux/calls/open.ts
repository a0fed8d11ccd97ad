// Opening files by path: the host's, and those that /proc makes up.
import { cstring, scratch } from "../../host/scratch.ts";
import { host } from "../../host/syscall.ts";
import { readable } from "../../memory/guest-memory.ts";
import { errno } from "../errno.ts";
import { FdKind, hostFd, installFd } from "../fds.ts";
import { AT_FDCWD, FsWord, masked } from "../file-system.ts";
import { dirfd, path, pointer, size } from "../kinds.ts";
import { createMode, openFlags, showOpenFlags } from "../kinds-file.ts";
import { O, toHostFlags } from "../open-flags.ts";
import { Look, openPlace, type Place, resolve } from "../paths.ts";
import { directoryRecords, makeFile, type ProcNode, showsEmulator } from "../proc.ts";
import { type CallRow, call, type Kind } from "../row.ts";
import type { Task } from "../task.ts";
import { afterOpen, openControlling } from "../terminals.ts";
import { beforeResize } from "../truncation.ts";
import { sleepIn } from "../wait.ts";
import { loadWords } from "../words.ts";

const tmpfileBit = O.TMPFILE & ~O.DIRECTORY;

function openat(t: Task, from: number, name: string, flags: number, permissions: number): number {
  return open(t, from, name, flags, permissions, 0);
}

function open(t: Task, from: number, name: string, flags: number, permissions: number, resolveBits: number): number {
  const exclusive = (flags & O.CREAT) !== 0 && (flags & O.EXCL) !== 0;
  const follow = (flags & O.NOFOLLOW) === 0 && !exclusive ? Look.follow : 0;
  const links = resolveBits & Resolve.NO_SYMLINKS ? Look.noLinks : 0;
  const p = resolve(t, from, name, follow | links | (flags & O.CREAT ? Look.create : 0));
  if (typeof p === "number") return p;
  if (p.magic && (resolveBits & (Resolve.NO_MAGICLINKS | Resolve.NO_SYMLINKS)) !== 0) return -errno.ELOOP;
  if (p.node !== undefined) return openNode(t, p.node, p.guest ?? name, flags);
  if (p.guest === "/dev/tty" && (flags & O.PATH) === 0) return install(t, openControlling(t, flags), flags);
  if ((flags & O.TRUNC) !== 0 && (flags & O.PATH) === 0) announceTruncation(t, p);
  return install(t, openPlace(p, flags, masked(t.process.files, permissions), resolveBits, openingBy(t)), flags);
}

const openingBy =
  (t: Task): typeof host =>
  (...call) =>
    sleepIn(t, ...call);

/** Gives the guest an open host file, unless it is one that would show it the emulator. */
function install(t: Task, h: number, flags: number): number {
  if (h < 0) return h;
  if (showsEmulator(h)) {
    host("close", h);
    return -errno.EACCES;
  }
  afterOpen(t, h, flags);
  return installFd(t.process.fds, h, (flags & O.CLOEXEC) !== 0);
}

function announceTruncation(t: Task, p: Place): void {
  const h = openPlace(p, O.PATH, 0);
  if (h < 0) return;
  beforeResize(t, h, 0);
  host("close", h);
}

function openNode(t: Task, node: ProcNode, name: string, flags: number): number {
  const access = flags & O.PATH ? 0 : flags & O.ACCMODE;
  const { fds } = t.process;
  const cloexec = (flags & O.CLOEXEC) !== 0;
  if ((flags & O.CREAT) !== 0 && (flags & O.EXCL) !== 0) return -errno.EEXIST;
  if (node.kind === "directory") {
    if (access !== 0 || (flags & O.CREAT) !== 0) return -errno.EISDIR;
    const h = makeFile(name, directoryRecords(name, node.entries(t)), 0o555, 0);
    return installFd(fds, h, cloexec, FdKind.directory);
  }
  if (node.kind === "forbidden") return -errno.EACCES;
  if (node.kind !== "file" && node.kind !== "memory") return -errno.ELOOP;
  if ((flags & O.DIRECTORY) !== 0) return -errno.ENOTDIR;
  if (access !== 0 && (node.mode & 0o222) === 0) return -errno.EACCES;
  if (node.kind === "memory")
    return installFd(fds, makeFile(name, new Uint8Array(0), node.mode, access), cloexec, FdKind.memory);
  const h = makeFile(name, Buffer.from(node.content(t), "latin1"), node.mode, access);
  return installFd(fds, h, cloexec, access === 0 ? FdKind.host : FdKind.control);
}

const Resolve = { NO_XDEV: 1, NO_MAGICLINKS: 2, NO_SYMLINKS: 4, BENEATH: 8, IN_ROOT: 16, CACHED: 32 } as const;
const resolveMask = 63;
const howWords = 6;
const howBytes = howWords * 4;
const knownFlags = 0o37777703;
const pageBytes = 4096;

function openat2(t: Task, from: number, name: string, how: number, bytes: number): number {
  if (bytes < howBytes) return -errno.EINVAL;
  if (bytes > pageBytes) return -errno.E2BIG;
  const struct = readable(t.memory, how, bytes);
  const words = loadWords(t, how, howWords);
  if (struct === undefined || words === undefined) return -errno.EFAULT;
  if (struct.subarray(howBytes).some((byte) => byte !== 0)) return -errno.E2BIG;
  const [flags, flagsHigh, permissions, permissionsHigh, bits, bitsHigh] = words as unknown as readonly [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const creates = (flags & (O.CREAT | tmpfileBit)) !== 0;
  if ((flags & ~knownFlags) !== 0 || flagsHigh !== 0 || permissionsHigh !== 0 || bitsHigh !== 0) return -errno.EINVAL;
  if ((creates ? permissions & ~0o7777 : permissions) !== 0 || (bits & ~resolveMask) !== 0) return -errno.EINVAL;
  if ((bits & Resolve.BENEATH) !== 0 && (bits & Resolve.IN_ROOT) !== 0) return -errno.EINVAL;
  if ((bits & (Resolve.BENEATH | Resolve.IN_ROOT)) === 0) return open(t, from, name, flags, permissions, bits);
  return openConfined(t, from, name, flags, permissions, bits);
}

/** The path must not leave its directory: links, too, are the host's to judge. */
function openConfined(t: Task, from: number, name: string, flags: number, permissions: number, bits: number): number {
  const base = from === AT_FDCWD ? t.process.files.words[FsWord.cwd]! : hostFd(t.process.fds, from);
  if (base < 0) return base;
  scratch.i32.fill(0, 0, howWords);
  scratch.i32[0] = toHostFlags((flags & ~O.ASYNC) | O.NOCTTY | O.CLOEXEC);
  scratch.i32[2] = masked(t.process.files, permissions);
  scratch.i32[4] = bits | Resolve.NO_MAGICLINKS;
  return install(t, sleepIn(t, "openat2", base, cstring(name), scratch.address, howBytes), flags);
}

/** Pointer to a struct open_how. */
const openHow: Kind<number> = {
  load: pointer.load,
  show: (t, lo, hi, shown) => {
    const words = loadWords(t, shown.raw[2]!, howWords);
    if (words === undefined) return pointer.show(t, lo, hi, shown);
    return `{flags=${showOpenFlags(words[0]!)}, mode=0${words[2]!.toString(8)}, resolve=0x${words[4]!.toString(16)}}`;
  },
};

export const openCalls: readonly CallRow[] = [
  call(56, "openat", [dirfd, path, openFlags, createMode(2)], "fd", "restart", openat),
  call(437, "openat2", [dirfd, path, openHow, size], "fd", "restart", openat2),
];
