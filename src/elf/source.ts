// Where the bytes of an ELF file come from: a file of the host, or bytes in memory. Reads never throw and never wait
// (a FIFO is refused, not opened for reading), so that any path a user or a guest names is safe to try.
import { constants } from "node:os";
import { loadU64, newScratch, reserve, type Scratch } from "../host/scratch.ts";
import { addressOf, host } from "../host/syscall.ts";

/** What is wrong with a file: the error number that execve would answer, and one sentence for the user. */
export interface FileError {
  readonly errno: number;
  readonly message: string;
}

export const isFileError = (x: object): x is FileError => "errno" in x && "message" in x;

/** Bytes that can be read at any offset. */
export interface ByteSource {
  /** The name that messages use. */
  readonly name: string;
  /** In bytes. */
  readonly size: number;
  /** The host's descriptor, for mapping, or -1 where the bytes have no file. */
  readonly fd: number;
  /** Exactly `length` bytes, or undefined where the source does not have them. Offsets and lengths may be any number. */
  readonly read: (offset: number, length: number) => Uint8Array | undefined;
  readonly close: () => void;
}

/** Bytes in memory as a source. */
export function sourceOfBytes(bytes: Uint8Array, name: string): ByteSource {
  return {
    name,
    size: bytes.length,
    fd: -1,
    read: (offset, length) =>
      offset >= 0 && offset + length <= bytes.length ? bytes.subarray(offset, offset + length) : undefined,
    close: () => {},
  };
}

const { EACCES, EIO, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR } = constants.errno;
const atFdcwd = -100;
const atEmptyPath = 0x1000;
const statxTypeModeSize = 0x203;
const fileTypes: Record<number, string> = {
  1: "a FIFO",
  2: "a character device",
  4: "a directory",
  6: "a block device",
  10: "a symbolic link",
  12: "a socket",
};
const regular = 8;

interface Stat {
  readonly type: number;
  readonly permissions: number;
  readonly size: number;
}

const statBuffer = newScratch(256);
const pathBuffer = newScratch(4096);

/** Puts a latin1 string where the host can read it. */
function hostString(to: Scratch, text: string): number {
  reserve(to, text.length + 1);
  to.bytes.set(Buffer.from(text + "\0", "latin1"));
  return to.address;
}

/** What statx says of a path relative to `dirfd`, or -errno. */
function stat(dirfd: number, path: string, flags: number): Stat | number {
  const r = host("statx", dirfd, hostString(pathBuffer, path), flags, statxTypeModeSize, statBuffer.address);
  if (r < 0) return r;
  const mode = statBuffer.u32[7]! & 0xffff;
  return { type: mode >>> 12, permissions: mode & 0o7777, size: loadU64(statBuffer, 40) };
}

/** The sentence for a path that cannot be opened. */
export function cannotOpen(name: string, error: number): FileError {
  const why: Record<number, string> = {
    [ENOENT]: "no such file; give the path of a riscv64 program",
    [ENOTDIR]: "a part of this path is not a directory",
    [EACCES]: "permission denied; sabre must be able to read a program to run it",
    [ELOOP]: "too many symbolic links",
    [ENAMETOOLONG]: "this path, or a name in it, is too long",
  };
  return { errno: error, message: `${name}: ${why[error] ?? `cannot be opened (error ${error})`}` };
}

/** A file of the host: a latin1 path relative to a directory's descriptor (-100, AT_FDCWD, for none). */
export interface HostPath {
  readonly fd: number;
  readonly path: string;
}

export const hostPath = (path: string): HostPath => ({ fd: atFdcwd, path });

/**
 * Opens a file for reading. `name` is what messages call it. With `toExecute`, the file must have execute permission as
 * execve demands it.
 */
export function openSource(at: HostPath, name: string, toExecute: boolean): ByteSource | FileError {
  const found = stat(at.fd, at.path, 0);
  if (typeof found === "number") return cannotOpen(name, -found);
  if (found.type !== regular)
    return { errno: EACCES, message: `${name}: this is ${fileTypes[found.type] ?? "no regular file"}, not a program` };
  const address = hostString(pathBuffer, at.path);
  if (toExecute && host("faccessat", at.fd, address, 1) === -EACCES) return notExecutable(name, found);
  const { O_NONBLOCK, O_NOCTTY, O_CLOEXEC } = openFlags;
  const fd = host("openat", at.fd, address, O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) return cannotOpen(name, -fd);
  const opened = stat(fd, "", atEmptyPath);
  if (typeof opened === "number" || opened.type !== regular) {
    host("close", fd);
    return { errno: EACCES, message: `${name}: changed while it was opened` };
  }
  return {
    name,
    size: opened.size,
    fd,
    read: (offset, length) => readAt(fd, opened.size, offset, length),
    close: () => host("close", fd),
  };
}

// The same on x86-64 and arm64.
const openFlags = { O_NOCTTY: 0o400, O_NONBLOCK: 0o4000, O_CLOEXEC: 0o2000000 } as const;

function notExecutable(name: string, found: Stat): FileError {
  const mode = found.permissions.toString(8).padStart(4, "0");
  const remedy =
    (found.permissions & 0o111) === 0
      ? `chmod +x ${name} gives it`
      : "its directory, owner or a noexec file system denies it to you";
  return { errno: EACCES, message: `${name}: execute permission is missing (mode ${mode}); ${remedy}` };
}

// A sparse file may claim any size: no table of a real file comes near this.
const readLimit = 2 ** 30;

function readAt(fd: number, size: number, offset: number, length: number): Uint8Array | undefined {
  if (!(offset >= 0 && length >= 0 && length <= readLimit && offset + length <= size)) return undefined;
  // An explicit ArrayBuffer: the engine may move the contents of a small array when its buffer is first asked for.
  const bytes = new Uint8Array(new ArrayBuffer(length));
  const address = length === 0 ? 0 : addressOf(bytes);
  for (let done = 0; done < length; ) {
    const n = host("pread64", fd, address + done, length - done, offset + done);
    if (n <= 0) return undefined;
    done += n;
  }
  return bytes;
}

/** The sentence for a file whose bytes the host fails to give although they should be there. */
export const readFailed = (name: string): FileError => ({
  errno: EIO,
  message: `${name}: reading it failed; is its disk or network file system in order?`,
});
