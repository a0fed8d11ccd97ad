// What statx says of the host's files.
import { loadU64, newScratch } from "./scratch.ts";
import { host } from "./syscall.ts";

/** Types of files, as in the upper bits of a mode. */
export const FileType = { fifo: 1, character: 2, directory: 4, block: 6, regular: 8, link: 10, socket: 12 } as const;

export interface HostStat {
  /** A `FileType`. */
  readonly type: number;
  readonly permissions: number;
  readonly links: number;
  /** In bytes. */
  readonly size: number;
  readonly inoLow: number;
  readonly inoHigh: number;
  /** Of the device that it is on, and of the one that it is. */
  readonly major: number;
  readonly minor: number;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
}

const [basicStats, atEmptyPath] = [0x7ff, 0x1000];
// Of its own, so that it may be asked while the shared rooms are in use.
const struct = newScratch(256);
const empty = newScratch(8);

/** Of the file at a path, a C string at a host address, relative to descriptor `fd`; or -errno. */
export function statAt(fd: number, address: number, flags: number): HostStat | number {
  const result = host("statx", fd, address, flags, basicStats, struct.address);
  if (result < 0) return result;
  const w = struct.u32;
  const mode = w[7]! & 0xffff;
  return {
    type: mode >>> 12,
    permissions: mode & 0o7777,
    links: w[4]!,
    size: loadU64(struct, 40),
    inoLow: w[8]!,
    inoHigh: w[9]!,
    major: w[34]!,
    minor: w[35]!,
    deviceMajor: w[32]!,
    deviceMinor: w[33]!,
  };
}

/** Of an open file. */
export const statOf = (fd: number): HostStat | number => statAt(fd, empty.address, atEmptyPath);
