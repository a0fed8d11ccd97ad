// struct stat as riscv64 has it (the asm-generic one, 128 bytes), from the host's, which on x86-64 lies differently; and
// what stat says of the files that /proc makes up. struct statx is the same everywhere.
import { cstring, scratch } from "../host/scratch.ts";
import { arch, host } from "../host/syscall.ts";
import { copyTo } from "../memory/guest-memory.ts";
import { errno } from "./errno.ts";
import { AT_FDCWD } from "./file-system.ts";
import { inodeOf, ownerOf, type ProcNode, procRoot } from "./proc.ts";
import type { Task } from "./task.ts";

export const statBytes = 128;
const statxBytes = 256;

/** Pairs of words, guest's from host's, in 32-bit words; the rest is zero. x86-64's struct has 144 bytes. */
const fromX64: readonly (readonly [guest: number, host: number, words: number])[] = [
  [0, 0, 4], // st_dev, st_ino
  [4, 6, 1], // st_mode
  [5, 4, 1], // st_nlink
  [6, 7, 2], // st_uid, st_gid
  [8, 10, 2], // st_rdev
  [12, 12, 2], // st_size
  [14, 14, 1], // st_blksize
  [16, 16, 14], // st_blocks, st_atim, st_mtim, st_ctim
];

/** Byte offsets into the guest's struct stat. */
export const StatAt = { ino: 8, mode: 16, nlink: 20, uid: 24, gid: 28, size: 48 } as const;
/** Byte offsets into struct statx. */
const StatxAt = { nlink: 16, uid: 20, gid: 24, mode: 28, ino: 32, size: 40 } as const;

const guestStat = new Uint8Array(statBytes);
const guestWords = new Int32Array(guestStat.buffer);

/** The struct that the host's call left in the scratch room, as the guest has it. Good until the next conversion. */
function convertStat(): Uint8Array {
  if (arch === "arm64") return scratch.bytes.subarray(0, statBytes);
  guestWords.fill(0);
  for (const [to, from, words] of fromX64) for (let i = 0; i < words; i++) guestWords[to + i] = scratch.i32[from + i]!;
  return guestStat;
}

/** Stores the struct of a host call that answered `result`: passed through if it is an error. */
export function storeStat(t: Task, result: number, address: number): number {
  if (result < 0) return result;
  return copyTo(t.memory, address, convertStat()) ? 0 : -errno.EFAULT;
}

/** Stores the struct statx that a host call left in the scratch room. */
export function storeStatx(t: Task, result: number, address: number): number {
  if (result < 0) return result;
  return copyTo(t.memory, address, scratch.bytes.subarray(0, statxBytes)) ? 0 : -errno.EFAULT;
}

const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const S_IFLNK = 0o120000;

/** Type and permissions of a made-up file. */
export function nodeMode(node: ProcNode): number {
  if (node.kind === "link" || node.kind === "open") return S_IFLNK | 0o777;
  if (node.kind === "forbidden" && node.link) return S_IFLNK | node.mode;
  if (node.kind === "forbidden" && node.mode === 0o500) return S_IFDIR | node.mode;
  if (node.kind === "file" || node.kind === "memory" || node.kind === "forbidden") return S_IFREG | node.mode;
  return S_IFDIR | 0o555;
}

/** What stat says of a made-up file: as /proc itself, but for what differs. */
export function nodeStat(t: Task, node: ProcNode, path: string, address: number): number {
  const result = host("newfstatat", AT_FDCWD, cstring("/proc"), scratch.address);
  if (result < 0) return result;
  const view = new DataView(convertStat().buffer);
  patch(t, view, node, path, StatAt);
  return copyTo(t.memory, address, new Uint8Array(view.buffer, 0, statBytes)) ? 0 : -errno.EFAULT;
}

export function nodeStatx(t: Task, node: ProcNode, path: string, mask: number, address: number): number {
  const result = host("statx", AT_FDCWD, cstring("/proc"), 0, mask, scratch.address);
  if (result < 0) return result;
  patch(t, scratch.view, node, path, StatxAt, true);
  return storeStatx(t, 0, address);
}

function patch(
  t: Task,
  view: DataView,
  node: ProcNode,
  path: string,
  at: typeof StatAt | typeof StatxAt,
  short = false,
): void {
  // That is the host's but for its names.
  if (path === procRoot) return;
  const [uid, gid] = ownerOf(t, path);
  view.setUint32(at.uid, uid, true);
  view.setUint32(at.gid, gid, true);
  const mode = nodeMode(node);
  view.setUint32(at.ino, inodeOf(path), true);
  view.setUint32(at.ino + 4, 0, true);
  if (short) view.setUint16(at.mode, mode, true);
  else view.setUint32(at.mode, mode, true);
  view.setUint32(at.nlink, (mode & S_IFDIR) !== 0 && (mode & S_IFREG) === 0 ? 2 : 1, true);
  view.setUint32(at.size, 0, true);
  view.setUint32(at.size + 4, 0, true);
}
