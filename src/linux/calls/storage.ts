// The room that files take: their size, when they reach the disk, what their file system says of itself.
import { cstring } from "../../host/scratch.ts";
import { host } from "../../host/syscall.ts";
import { writable } from "../../memory/guest-memory.ts";
import { errno } from "../errno.ts";
import { AT_FDCWD } from "../file-system.ts";
import { fd, flags, offset, oneOf, path, pointer, size } from "../kinds.ts";
import { limitOf, Resource } from "../limits.ts";
import { O } from "../open-flags.ts";
import { fullPath, Look, openPlace, resolve } from "../paths.ts";
import { type CallRow, call } from "../row.ts";
import { Sig } from "../siginfo.ts";
import { queueSignal } from "../signals.ts";
import type { Task } from "../task.ts";
import { fileSize, hostOf } from "../transfer.ts";
import { beforeResize } from "../truncation.ts";

/** -EFBIG, with SIGXFSZ, where a file may not become that long. */
function checkSize(t: Task, bytes: number): number {
  if (bytes <= limitOf(t.process.limits, Resource.FSIZE)) return 0;
  queueSignal(t, Sig.XFSZ);
  return -errno.EFBIG;
}

function truncate(t: Task, name: string, bytes: number): number {
  if (bytes < 0) return -errno.EINVAL;
  const p = resolve(t, AT_FDCWD, name, Look.follow);
  if (typeof p === "number") return p;
  if (p.node !== undefined) return -errno.EACCES;
  const allowed = checkSize(t, bytes);
  if (allowed < 0) return allowed;
  const h = openPlace(p, O.PATH, 0);
  if (h < 0) return h;
  beforeResize(t, h, bytes);
  const result = host("truncate", cstring(fullPath(p)), bytes);
  host("close", h);
  return result;
}

function ftruncate(t: Task, fd: number, bytes: number): number {
  const h = hostOf(t, fd);
  if (h < 0) return h;
  if (bytes < 0) return -errno.EINVAL;
  const allowed = checkSize(t, bytes);
  if (allowed < 0) return allowed;
  beforeResize(t, h, bytes);
  return host("ftruncate", h, bytes);
}

const FALLOC_FL_COLLAPSE_RANGE = 8;

function fallocate(t: Task, fd: number, how: number, at: number, bytes: number): number {
  const h = hostOf(t, fd);
  if (h < 0) return h;
  if (at < 0 || bytes <= 0) return -errno.EINVAL;
  const allowed = checkSize(t, at + bytes);
  if (allowed < 0) return allowed;
  if (how & FALLOC_FL_COLLAPSE_RANGE) beforeResize(t, h, Math.max(fileSize(h) - bytes, 0));
  return host("fallocate", h, how, at, bytes);
}

function fadvise64(t: Task, fd: number, at: number, bytes: number, advice: number): number {
  const h = hostOf(t, fd);
  return h < 0 ? h : host("fadvise64", h, at, bytes, advice);
}

function readahead(t: Task, fd: number, at: number, bytes: number): number {
  const h = hostOf(t, fd);
  return h < 0 ? h : host("readahead", h, at, Math.min(bytes, 2 ** 52));
}

const onFd =
  (name: "fsync" | "fdatasync" | "syncfs") =>
  (t: Task, fd: number): number => {
    const h = hostOf(t, fd);
    return h < 0 ? h : host(name, h);
  };

function syncFileRange(t: Task, fd: number, at: number, bytes: number, how: number): number {
  const h = hostOf(t, fd);
  return h < 0 ? h : host("sync_file_range", h, at, bytes, how);
}

/** struct statfs, the same on all 64-bit architectures. */
const statfsBytes = 120;

function statfs(t: Task, name: string, address: number): number {
  const p = resolve(t, AT_FDCWD, name, Look.follow);
  if (typeof p === "number") return p;
  if (writable(t.memory, address, statfsBytes) === undefined) return -errno.EFAULT;
  return host("statfs", cstring(p.node === undefined ? fullPath(p) : "/proc"), t.memory.hostBase + address);
}

function fstatfs(t: Task, fd: number, address: number): number {
  const h = hostOf(t, fd);
  if (h < 0) return h;
  if (writable(t.memory, address, statfsBytes) === undefined) return -errno.EFAULT;
  return host("fstatfs", h, t.memory.hostBase + address);
}

const fallocFlags = flags({
  FALLOC_FL_KEEP_SIZE: 1,
  FALLOC_FL_PUNCH_HOLE: 2,
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_ZERO_RANGE: 16,
  FALLOC_FL_INSERT_RANGE: 32,
  FALLOC_FL_UNSHARE_RANGE: 64,
});
const advice = oneOf({ NORMAL: 0, RANDOM: 1, SEQUENTIAL: 2, WILLNEED: 3, DONTNEED: 4, NOREUSE: 5 }, "POSIX_FADV_");
const syncRange = flags({
  SYNC_FILE_RANGE_WAIT_BEFORE: 1,
  SYNC_FILE_RANGE_WRITE: 2,
  SYNC_FILE_RANGE_WAIT_AFTER: 4,
});

export const storageCalls: readonly CallRow[] = [
  call(43, "statfs", [path, pointer], "int", "quick", statfs),
  call(44, "fstatfs", [fd, pointer], "int", "quick", fstatfs),
  call(45, "truncate", [path, offset], "int", "quick", truncate),
  call(46, "ftruncate", [fd, offset], "int", "quick", ftruncate),
  call(47, "fallocate", [fd, fallocFlags, offset, offset], "int", "quick", fallocate),
  call(81, "sync", [], "int", "quick", () => host("sync")),
  call(82, "fsync", [fd], "int", "quick", onFd("fsync")),
  call(83, "fdatasync", [fd], "int", "quick", onFd("fdatasync")),
  call(84, "sync_file_range", [fd, offset, offset, syncRange], "int", "quick", syncFileRange),
  call(213, "readahead", [fd, offset, size], "int", "quick", readahead),
  call(223, "fadvise64", [fd, offset, offset, advice], "int", "quick", fadvise64),
  call(267, "syncfs", [fd], "int", "quick", onFd("syncfs")),
];
