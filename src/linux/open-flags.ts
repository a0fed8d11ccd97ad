// The flags of open(2) as riscv64 numbers them, and as the host does. x86-64 agrees; arm64 gives four of them other bits.
import { arch } from "../host/syscall.ts";

export const O = {
  ACCMODE: 3,
  WRONLY: 1,
  RDWR: 2,
  CREAT: 0o100,
  EXCL: 0o200,
  NOCTTY: 0o400,
  TRUNC: 0o1000,
  APPEND: 0o2000,
  NONBLOCK: 0o4000,
  DSYNC: 0o10000,
  ASYNC: 0o20000,
  DIRECT: 0o40000,
  LARGEFILE: 0o100000,
  DIRECTORY: 0o200000,
  NOFOLLOW: 0o400000,
  NOATIME: 0o1000000,
  CLOEXEC: 0o2000000,
  SYNC: 0o4010000,
  PATH: 0o10000000,
  TMPFILE: 0o20200000,
} as const;

/** Guest bit, arm64 bit. */
const arm64Bits = [
  [O.DIRECT, 0o200000],
  [O.LARGEFILE, 0o400000],
  [O.DIRECTORY, 0o40000],
  [O.NOFOLLOW, 0o100000],
] as const;

const differing = arch === "arm64" ? arm64Bits : [];
const same = ~(O.DIRECT | O.LARGEFILE | O.DIRECTORY | O.NOFOLLOW);

/** Guest flags as the host's. */
export function toHostFlags(flags: number): number {
  if (differing.length === 0) return flags;
  return differing.reduce((f, [guest, host]) => (flags & guest ? f | host : f), flags & same);
}

/** Host flags as the guest's. */
export function toGuestFlags(flags: number): number {
  if (differing.length === 0) return flags;
  return differing.reduce((f, [guest, host]) => (flags & host ? f | guest : f), flags & same);
}
