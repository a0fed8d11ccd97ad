// ioctl as a table: request, name, which way its struct goes, how long it is. The structs are those of the asm-generic
// ABI, which the hosts share. What has no row is not passed on: ENOTTY.
import { loadU64, scratch } from "../../host/scratch.ts";
import { host } from "../../host/syscall.ts";
import { copyTo, readable, writable } from "../../memory/guest-memory.ts";
import { nameOfOwner, noteAsync, ownerNamed, ownerOf, setOwner } from "../async-signals.ts";
import { errno } from "../errno.ts";
import { hostFd, installFd, setCloseOnExec } from "../fds.ts";
import { fd, pointer } from "../kinds.ts";
import { O, toHostFlags } from "../open-flags.ts";
import { type CallRow, call, type Kind } from "../row.ts";
import type { Task } from "../task.ts";
import {
  afterOpen,
  beforeChange,
  control,
  foreground,
  giveUp,
  resized,
  sendKey,
  session,
  setForeground,
} from "../terminals.ts";
import { sleepIn } from "../wait.ts";
import { loadWords, storeWords } from "../words.ts";

/** in: the call reads it; out: it fills it; both; value: the argument is a number; none: there is no argument. */
type Way = "in" | "out" | "both" | "value" | "none";
type Row = readonly [request: number, name: string, way: Way, bytes: number];

const rows: readonly Row[] = [
  // Terminals.
  [0x5401, "TCGETS", "out", 36],
  [0x5402, "TCSETS", "in", 36],
  [0x5403, "TCSETSW", "in", 36],
  [0x5404, "TCSETSF", "in", 36],
  [0x5405, "TCGETA", "out", 18],
  [0x5406, "TCSETA", "in", 18],
  [0x5407, "TCSETAW", "in", 18],
  [0x5408, "TCSETAF", "in", 18],
  [0x5409, "TCSBRK", "value", 0],
  [0x540a, "TCXONC", "value", 0],
  [0x540b, "TCFLSH", "value", 0],
  [0x540c, "TIOCEXCL", "none", 0],
  [0x540d, "TIOCNXCL", "none", 0],
  [0x5411, "TIOCOUTQ", "out", 4],
  [0x5412, "TIOCSTI", "in", 1],
  [0x5413, "TIOCGWINSZ", "out", 8],
  [0x5414, "TIOCSWINSZ", "in", 8],
  [0x5415, "TIOCMGET", "out", 4],
  [0x5416, "TIOCMBIS", "in", 4],
  [0x5417, "TIOCMBIC", "in", 4],
  [0x5418, "TIOCMSET", "in", 4],
  [0x5419, "TIOCGSOFTCAR", "out", 4],
  [0x541a, "TIOCSSOFTCAR", "in", 4],
  [0x541b, "FIONREAD", "out", 4],
  [0x5420, "TIOCPKT", "in", 4],
  [0x5421, "FIONBIO", "in", 4],
  [0x5423, "TIOCSETD", "in", 4],
  [0x5424, "TIOCGETD", "out", 4],
  [0x5425, "TCSBRKP", "value", 0],
  [0x5427, "TIOCSBRK", "none", 0],
  [0x5428, "TIOCCBRK", "none", 0],
  [0x802c542a, "TCGETS2", "out", 44],
  [0x402c542b, "TCSETS2", "in", 44],
  [0x402c542c, "TCSETSW2", "in", 44],
  [0x402c542d, "TCSETSF2", "in", 44],
  [0x80045430, "TIOCGPTN", "out", 4],
  [0x40045431, "TIOCSPTLCK", "in", 4],
  [0x80045432, "TIOCGDEV", "out", 4],
  [0x80045438, "TIOCGPKT", "out", 4],
  [0x80045439, "TIOCGPTLCK", "out", 4],
  [0x80045440, "TIOCGEXCL", "out", 4],
  [0x4b33, "KDGKBTYPE", "out", 1],
  [0x4b3b, "KDGETMODE", "out", 4],
  // Files and file systems. Some headers declare a long where the kernel moves an int.
  [0x1, "FIBMAP", "both", 4],
  [0x2, "FIGETBSZ", "out", 4],
  [0x5460, "FIOQSIZE", "out", 8],
  [0x80086601, "FS_IOC_GETFLAGS", "out", 4],
  [0x40086602, "FS_IOC_SETFLAGS", "in", 4],
  [0x80087601, "FS_IOC_GETVERSION", "out", 4],
  [0x801c581f, "FS_IOC_FSGETXATTR", "out", 28],
  [0x401c5820, "FS_IOC_FSSETXATTR", "in", 28],
  // Block devices, random numbers.
  [0x301, "HDIO_GETGEO", "out", 16],
  [0x125e, "BLKROGET", "out", 4],
  [0x1260, "BLKGETSIZE", "out", 8],
  [0x1261, "BLKFLSBUF", "none", 0],
  [0x1263, "BLKRAGET", "out", 8],
  [0x1268, "BLKSSZGET", "out", 4],
  [0x80081270, "BLKBSZGET", "out", 4],
  [0x80081272, "BLKGETSIZE64", "out", 8],
  [0x1278, "BLKIOMIN", "out", 4],
  [0x1279, "BLKIOOPT", "out", 4],
  [0x127a, "BLKALIGNOFF", "out", 4],
  [0x127b, "BLKPBSZGET", "out", 4],
  [0x127e, "BLKROTATIONAL", "out", 2],
  [0x80045200, "RNDGETENTCNT", "out", 4],
  // Sockets.
  [0x8905, "SIOCATMARK", "out", 4],
  [0x8906, "SIOCGSTAMP", "out", 16],
  [0x8907, "SIOCGSTAMPNS", "out", 16],
  [0x80108906, "SIOCGSTAMP_NEW", "out", 16],
  [0x80108907, "SIOCGSTAMPNS_NEW", "out", 16],
  // Network interfaces, by struct ifreq.
  [0x8910, "SIOCGIFNAME", "both", 40],
  [0x8913, "SIOCGIFFLAGS", "both", 40],
  [0x8915, "SIOCGIFADDR", "both", 40],
  [0x8917, "SIOCGIFDSTADDR", "both", 40],
  [0x8919, "SIOCGIFBRDADDR", "both", 40],
  [0x891b, "SIOCGIFNETMASK", "both", 40],
  [0x891d, "SIOCGIFMETRIC", "both", 40],
  [0x8921, "SIOCGIFMTU", "both", 40],
  [0x8927, "SIOCGIFHWADDR", "both", 40],
  [0x8933, "SIOCGIFINDEX", "both", 40],
  [0x8942, "SIOCGIFTXQLEN", "both", 40],
  [0x8970, "SIOCGIFMAP", "both", 40],
];

/** Requests that wait until a terminal has sent what was written to it: TCSETSW and its like, TCSBRK, TCSBRKP. */
const drains: ReadonlySet<number> = new Set([
  ...[0x5403, 0x5404, 0x5407, 0x5408, 0x5409, 0x5425, 0x402c542c, 0x402c542d],
]);

/** Requests that are for the foreground of a terminal: the TCSETS, TCSETA, TCSBRK and TCFLSH families, TIOCSETD and breaks. */
const changes: ReadonlySet<number> = new Set([
  ...[0x5402, 0x5403, 0x5404, 0x5406, 0x5407, 0x5408, 0x5409, 0x540a, 0x540b, 0x5423, 0x5425, 0x5427, 0x5428],
  ...[0x402c542b, 0x402c542c, 0x402c542d],
]);

/** Requests about the session and the groups of a terminal, of which the host knows nothing; and what tells of changes. */
const Terminal = {
  TIOCSCTTY: 0x540e,
  TIOCGPGRP: 0x540f,
  TIOCSPGRP: 0x5410,
  TIOCGWINSZ: 0x5413,
  TIOCSWINSZ: 0x5414,
  TIOCNOTTY: 0x5422,
  TIOCGSID: 0x5429,
  TIOCSPTLCK: 0x40045431,
  TIOCSIG: 0x40045436,
} as const;

/** Requests that name descriptors or addresses in their argument, or that are about the guest's table. */
const Special = {
  TIOCGPTPEER: 0x5441,
  FIONCLEX: 0x5450,
  FIOCLEX: 0x5451,
  FIOASYNC: 0x5452,
  FICLONE: 0x40049409,
  FICLONERANGE: 0x4020940d,
  SIOCGIFCONF: 0x8912,
  FIOSETOWN: 0x8901,
  SIOCSPGRP: 0x8902,
  FIOGETOWN: 0x8903,
  SIOCGPGRP: 0x8904,
} as const;

const byRequest: ReadonlyMap<number, Row> = new Map(rows.map((row) => [row[0], row]));

function ioctl(t: Task, fd: number, request: number, argument: number): number {
  const h = hostFd(t.process.fds, fd);
  if (h < 0) return h;
  switch (request) {
    case Special.FIOCLEX:
    case Special.FIONCLEX:
      setCloseOnExec(t.process.fds, fd, request === Special.FIOCLEX);
      return 0;
    case Special.FIOASYNC: {
      const on = readable(t.memory, argument, 4) === undefined ? undefined : t.memory.view.getInt32(argument, true);
      if (on === undefined) return -errno.EFAULT;
      if (on !== 0) noteAsync(t, fd, h);
      scratch.i32[0] = on;
      return host("ioctl", h, request, scratch.address);
    }
    case Special.FIOSETOWN:
    case Special.SIOCSPGRP:
    case Special.FIOGETOWN:
    case Special.SIOCGPGRP:
      return owner(t, h, request, argument);
    case Special.TIOCGPTPEER:
      return openPeer(t, h, argument);
    case Special.FICLONE: {
      const source = hostFd(t.process.fds, argument | 0);
      return source < 0 ? source : host("ioctl", h, request, source);
    }
    case Special.FICLONERANGE:
      return cloneRange(t, h, argument);
    case Special.SIOCGIFCONF:
      return interfaceList(t, h, argument);
    case Terminal.TIOCSCTTY:
      return control(t, h, argument === 1);
    case Terminal.TIOCNOTTY:
      return giveUp(t, h);
    case Terminal.TIOCGPGRP:
      return storeId(t, argument, foreground(t, h));
    case Terminal.TIOCGSID:
      return storeId(t, argument, session(t, h));
    case Terminal.TIOCSPGRP:
      return setForeground(t, h, loadWords(t, argument, 1)?.[0]);
    case Terminal.TIOCSIG:
      return sendKey(t, h, argument);
    default:
      return byTable(t, h, request, argument);
  }
}

/** The owner of a socket: a process's id, or that of a group, negative. */
function owner(t: Task, h: number, request: number, addr: number): number {
  // Of sockets alone.
  const known = host("ioctl", h, Special.FIOGETOWN, scratch.address);
  if (known < 0) return known;
  if (request === Special.FIOSETOWN || request === Special.SIOCSPGRP) {
    if (readable(t.memory, addr, 4) === undefined) return -errno.EFAULT;
    return setOwner(t, h, ownerNamed(t.memory.view.getInt32(addr, true)));
  }
  const found = ownerOf(t, h);
  if (typeof found === "number") return found;
  return copyTo(t.memory, addr, new Uint8Array(Int32Array.of(nameOfOwner(found)).buffer)) ? 0 : -errno.EFAULT;
}

/** TIOCGPTPEER: the slave of a master. */
function openPeer(t: Task, h: number, flags: number): number {
  const slave = host("ioctl", h, Special.TIOCGPTPEER, toHostFlags(flags | O.NOCTTY | O.CLOEXEC) >>> 0);
  if (slave >= 0) afterOpen(t, slave, flags);
  return installFd(t.process.fds, slave, (flags & O.CLOEXEC) !== 0);
}

/** Stores an id that was found, or passes an error on. */
const storeId = (t: Task, address: number, id: number): number =>
  id < 0 ? id : storeWords(t, address, Int32Array.of(id)) ? 0 : -errno.EFAULT;

function byTable(t: Task, h: number, request: number, argument: number): number {
  const row = byRequest.get(request);
  if (row === undefined) return -errno.ENOTTY;
  if (changes.has(request)) {
    const refused = beforeChange(t, h);
    if (refused < 0) return refused;
  }
  const [, , way, bytes] = row;
  const call: typeof host = drains.has(request) ? (...args) => sleepIn(t, ...args) : host;
  if (way === "value" || way === "none") return call("ioctl", h, request, way === "none" ? 0 : argument | 0);
  scratch.bytes.fill(0, 0, bytes);
  if (way !== "out") {
    const struct = readable(t.memory, argument, bytes);
    if (struct === undefined) return -errno.EFAULT;
    scratch.bytes.set(struct);
  }
  if (way !== "in" && writable(t.memory, argument, bytes) === undefined) {
    // The host says first whether it knows the request for this file.
    const result = host("ioctl", h, request, scratch.address);
    return result < 0 ? result : -errno.EFAULT;
  }
  if (request === Terminal.TIOCSWINSZ) return resize(t, h);
  const result = call("ioctl", h, request, scratch.address);
  // A slave can be opened from now on.
  if (result >= 0 && request === Terminal.TIOCSPTLCK) t.process.fds.hasMasters = true;
  if (result >= 0 && way !== "in") copyTo(t.memory, argument, scratch.bytes.subarray(0, bytes));
  return result;
}

/** TIOCSWINSZ, with the new size in `scratch`. Who is in the foreground hears of a change. */
function resize(t: Task, h: number): number {
  const wanted = scratch.i32.slice(0, 2);
  const known = host("ioctl", h, Terminal.TIOCGWINSZ, scratch.address) === 0;
  const isSame = known && wanted.every((word, i) => word === scratch.i32[i]);
  scratch.i32.set(wanted);
  const result = host("ioctl", h, Terminal.TIOCSWINSZ, scratch.address);
  if (result === 0 && !isSame) resized(t, h);
  return result;
}

/** struct file_clone_range: the source's descriptor as a 64-bit number, then offsets. */
function cloneRange(t: Task, h: number, argument: number): number {
  const struct = readable(t.memory, argument, 32);
  if (struct === undefined) return -errno.EFAULT;
  scratch.bytes.set(struct);
  const source = hostFd(t.process.fds, scratch.i32[0]!);
  if (source < 0 || scratch.i32[1] !== 0) return -errno.EBADF;
  scratch.i32[0] = source;
  return host("ioctl", h, Special.FICLONERANGE, scratch.address);
}

const ifreqBytes = 40;
const ifconfBytes = 16;

/** struct ifconf: a length in bytes, then the address of an array of ifreq, or NULL to ask for the length. */
function interfaceList(t: Task, h: number, argument: number): number {
  const struct = writable(t.memory, argument, ifconfBytes);
  if (struct === undefined) return -errno.EFAULT;
  scratch.bytes.set(struct);
  const target = loadU64(scratch, 8);
  const room = Math.min(Math.max(scratch.i32[0]!, 0), scratch.bytes.length - ifreqBytes);
  scratch.i32[0] = room;
  const listAt = scratch.address + ifreqBytes;
  scratch.view.setUint32(8, target === 0 ? 0 : listAt, true);
  scratch.view.setUint32(12, target === 0 ? 0 : Math.floor(listAt / 2 ** 32), true);
  const result = host("ioctl", h, Special.SIOCGIFCONF, scratch.address);
  if (result < 0) return result;
  const length = scratch.i32[0]!;
  if (target !== 0 && !copyTo(t.memory, target, scratch.bytes.subarray(ifreqBytes, ifreqBytes + length)))
    return -errno.EFAULT;
  return copyTo(t.memory, argument, scratch.bytes.subarray(0, 4)) ? result : -errno.EFAULT;
}

const names: ReadonlyMap<number, string> = new Map<number, string>([
  ...rows.map(([request, name]) => [request, name] as const),
  ...Object.entries({ ...Special, ...Terminal }).map(([name, request]) => [request, name] as const),
]);

const requestKind: Kind<number> = {
  load: (_t, lo) => lo >>> 0,
  show: (_t, lo) => names.get(lo >>> 0) ?? "0x" + (lo >>> 0).toString(16),
};

export const ioctlCalls: readonly CallRow[] = [call(29, "ioctl", [fd, requestKind, pointer], "int", "restart", ioctl)];
