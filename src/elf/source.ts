// Where the bytes of an ELF file come from: a file of the host, or bytes in memory. Reads never throw and never wait
// (a FIFO is refused, not opened for reading), so that any path a user or a guest names is safe to try.
import { constants } from "node:os";
import { cstring } from "../host/scratch.ts";
import { FileType, type HostStat, statAt, statOf } from "../host/stat.ts";
import { addressOf, host } from "../host/syscall.ts";

/** What is wrong with a file: the error number that execve would answer, and one sentence for the user. */
export interface FileError {
  readonly errno: number;
  readonly message: string;
  /** It would run elsewhere, or nearly: the error number alone does not tell a user what to do. */
  readonly notable?: boolean;
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
const fileTypes: Record<number, string> = {
  [FileType.fifo]: "a FIFO",
  [FileType.character]: "a character device",
  [FileType.directory]: "a directory",
  [FileType.block]: "a block device",
  [FileType.link]: "a symbolic link",
  [FileType.socket]: "a socket",
};
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
  const address = cstring(at.path);
  const found = statAt(at.fd, address, 0);
  if (typeof found === "number") return cannotOpen(name, -found);
  if (found.type !== FileType.regular)
    // A link that is left is one that was not to be followed.
    return {
      errno: found.type === FileType.link ? ELOOP : EACCES,
      message: `${name}: this is ${fileTypes[found.type] ?? "no regular file"}, not a program`,
    };
  if (toExecute && host("faccessat", at.fd, address, 1) === -EACCES) return notExecutable(name, found);
  const { O_NONBLOCK, O_NOCTTY, O_CLOEXEC } = openFlags;
  const fd = host("openat", at.fd, address, O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) return cannotOpen(name, -fd);
  return sourceOfFd(fd, name);
}

/** An open file of the host as a source, which has the descriptor from then on; no regular file is refused, and closed. */
export function sourceOfFd(fd: number, name: string): ByteSource | FileError {
  const opened = statOf(fd);
  if (typeof opened === "number" || opened.type !== FileType.regular) {
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

function notExecutable(name: string, found: HostStat): FileError {
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
