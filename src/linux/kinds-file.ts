// Kinds of arguments of the calls on files, and how a trace shows them: buffers as quoted text, flags by name, structs
// by their telling fields.
import { accessibleLength, latin1, Page, readable } from "../memory/guest-memory.ts";
import { flagSet, flags } from "./kinds.ts";
import { O } from "./open-flags.ts";
import { failed, type Kind } from "./row.ts";
import { StatAt, statBytes } from "./stat.ts";
import type { Task } from "./task.ts";
import { addressText, quote } from "./text.ts";
import { loadWords, u64 } from "./words.ts";

const two32 = 2 ** 32;
const load = (_t: Task, lo: number, hi: number): number => u64(lo, hi);

/** Bytes of a buffer that a trace shows. */
const shownBytes = 32;

/** `length` bytes at an address, in quotes, cut short; or the address where they are not readable. */
function quoted(t: Task, address: number, length: number): string {
  const n = Math.min(length, shownBytes);
  const bytes = readable(t.memory, address, n);
  if (bytes === undefined || address === 0) return addressText(address);
  return quote(latin1(bytes)) + (length > n ? "..." : "");
}

/** A buffer that the call reads; argument `length` says how long it is. */
export const bufferIn = (length: number): Kind<number> => ({
  load,
  show: (t, lo, hi, call) => quoted(t, u64(lo, hi), call.raw[length]!),
});

/** A buffer that the call fills with as many bytes as it answers. */
export const bufferOut: Kind<number> = {
  load,
  show: (t, lo, hi, call) => (failed(call) ? addressText(u64(lo, hi)) : quoted(t, u64(lo, hi), call.result!)),
  out: true,
};

/** A buffer that the call fills with a C string. */
export const textOut: Kind<number> = {
  load,
  show: (t, lo, hi, call) => {
    const n = failed(call) ? 0 : accessibleLength(t.memory, u64(lo, hi), call.result!, Page.read);
    const bytes = readable(t.memory, u64(lo, hi), n);
    return n === 0 || bytes === undefined ? addressText(u64(lo, hi)) : quote(latin1(bytes).replace(/\0.*$/s, ""));
  },
  out: true,
};

function vector(t: Task, address: number, count: number, filled: number): string {
  const words = count <= 1024 ? loadWords(t, address, count * 4) : undefined;
  if (words === undefined) return addressText(address);
  let left = filled;
  const entries = Array.from({ length: count }, (_, i) => {
    const [base, length] = [u64(words[4 * i]!, words[4 * i + 1]!), u64(words[4 * i + 2]!, words[4 * i + 3]!)];
    const n = Math.min(length, left);
    left -= n;
    return `{iov_base=${quoted(t, base, n)}, iov_len=${length}}`;
  });
  return `[${entries.join(", ")}]`;
}

/** An array of buffers that the call reads; argument `count` says how many. */
export const vectorIn = (count: number): Kind<number> => ({
  load,
  show: (t, lo, hi, call) => vector(t, u64(lo, hi), call.raw[count]! >>> 0, Number.POSITIVE_INFINITY),
});
/** An array of buffers that the call fills with as many bytes as it answers. */
export const vectorOut = (count: number): Kind<number> => ({
  load,
  show: (t, lo, hi, call) =>
    failed(call) ? addressText(u64(lo, hi)) : vector(t, u64(lo, hi), call.raw[count]! >>> 0, call.result!),
  out: true,
});

const openBits = flagSet({
  O_CREAT: O.CREAT,
  O_EXCL: O.EXCL,
  O_NOCTTY: O.NOCTTY,
  O_TRUNC: O.TRUNC,
  O_APPEND: O.APPEND,
  O_NONBLOCK: O.NONBLOCK,
  O_SYNC: O.SYNC,
  O_DSYNC: O.DSYNC,
  FASYNC: O.ASYNC,
  O_DIRECT: O.DIRECT,
  O_LARGEFILE: O.LARGEFILE,
  O_TMPFILE: O.TMPFILE,
  O_DIRECTORY: O.DIRECTORY,
  O_NOFOLLOW: O.NOFOLLOW,
  O_NOATIME: O.NOATIME,
  O_CLOEXEC: O.CLOEXEC,
  O_PATH: O.PATH,
});
const accessModes = ["O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"] as const;

/** Text of open(2)'s flags. */
export const showOpenFlags = (value: number): string => {
  const rest = value & ~O.ACCMODE;
  return accessModes[value & O.ACCMODE]! + (rest === 0 ? "" : "|" + openBits(rest));
};

export const openFlags: Kind<number> = { load: (_t, lo) => lo | 0, show: (_t, lo) => showOpenFlags(lo | 0) };

/** Permissions, in octal. */
export const mode: Kind<number> = {
  load: (_t, lo) => lo >>> 0,
  show: (_t, lo) => (lo === 0 ? "0" : "0" + (lo >>> 0).toString(8).padStart(3, "0")),
};

/** Permissions of a file that open makes: shown only where the flags, argument `flags`, say that it makes one. */
export const createMode = (flags: number): Kind<number> => ({
  load: mode.load,
  show: (t, lo, hi, call) =>
    call.raw[flags]! & (O.CREAT | (O.TMPFILE & ~O.DIRECTORY)) ? mode.show(t, lo, hi, call) : "",
});

const fileTypes: ReadonlyMap<number, string> = new Map([
  [0o140000, "S_IFSOCK"],
  [0o120000, "S_IFLNK"],
  [0o100000, "S_IFREG"],
  [0o060000, "S_IFBLK"],
  [0o040000, "S_IFDIR"],
  [0o020000, "S_IFCHR"],
  [0o010000, "S_IFIFO"],
]);

/** Text of st_mode. */
function showFileMode(value: number): string {
  const type = fileTypes.get(value & 0o170000);
  const bits = "0" + (value & 0o7777).toString(8).padStart(3, "0");
  return type === undefined ? "0" + value.toString(8) : `${type}|${bits}`;
}

/** st_mode: type and permissions. */
export const fileMode: Kind<number> = { load: (_t, lo) => lo >>> 0, show: (_t, lo) => showFileMode(lo >>> 0) };

/** Pointer to a struct stat that the call fills. */
export const statOut: Kind<number> = {
  load,
  show: (t, lo, hi, call) => {
    const words = failed(call) ? undefined : loadWords(t, u64(lo, hi), statBytes / 4);
    if (words === undefined) return addressText(u64(lo, hi));
    const size = u64(words[StatAt.size / 4]!, words[StatAt.size / 4 + 1]!);
    return `{st_mode=${showFileMode(words[StatAt.mode / 4]!)}, st_size=${size}, ...}`;
  },
  out: true,
};

/** Pointer to a struct statx that the call fills. */
export const statxOut: Kind<number> = {
  load,
  show: (t, lo, hi, call) => {
    const words = failed(call) ? undefined : loadWords(t, u64(lo, hi), 12);
    if (words === undefined) return addressText(u64(lo, hi));
    return `{stx_mask=${addressText(words[0]! >>> 0)}, stx_mode=${showFileMode(words[7]! & 0xffff)}, stx_size=${u64(words[10]!, words[11]!)}, ...}`;
  },
  out: true,
};

/** Directory entries that the call fills: how many. */
export const direntsOut: Kind<number> = {
  load,
  show: (t, lo, hi, call) => {
    const address = u64(lo, hi);
    const bytes = failed(call) ? undefined : readable(t.memory, address, call.result!);
    if (bytes === undefined) return addressText(address);
    let count = 0;
    for (let at = 0; at + 18 < bytes.length; at += Math.max(bytes[at + 16]! | (bytes[at + 17]! << 8), 24)) count++;
    return `${addressText(address)} /* ${count} entries */`;
  },
  out: true,
};

/** Two descriptors that the call fills. */
export const fdPairOut: Kind<number> = {
  load,
  show: (t, lo, hi, call) => {
    const words = failed(call) ? undefined : loadWords(t, u64(lo, hi), 2);
    return words === undefined ? addressText(u64(lo, hi)) : `[${words.join(", ")}]`;
  },
  out: true,
};

/** Pointer to a file offset, or NULL. */
export const offsetPointer: Kind<number> = {
  load,
  show: (t, lo, hi) => {
    const words = loadWords(t, u64(lo, hi), 2);
    return words === undefined ? addressText(u64(lo, hi)) : `[${words[1]! * two32 + (words[0]! >>> 0)}]`;
  },
};

const UTIME_NOW = 0x3fffffff;
const UTIME_OMIT = 0x3ffffffe;

/** Pointer to the two times of utimensat, or NULL. */
export const utimes: Kind<number> = {
  load,
  show: (t, lo, hi) => {
    const w = loadWords(t, u64(lo, hi), 8);
    if (w === undefined) return addressText(u64(lo, hi));
    const time = (at: number) => {
      if (w[at + 2] === UTIME_NOW || w[at + 2] === UTIME_OMIT)
        return w[at + 2] === UTIME_NOW ? "UTIME_NOW" : "UTIME_OMIT";
      return `{tv_sec=${w[at + 1]! * two32 + (w[at]! >>> 0)}, tv_nsec=${w[at + 2]! >>> 0}}`;
    };
    return `[${time(0)}, ${time(4)}]`;
  },
};

/** Uid or gid, where -1 leaves it as it is. */
export const owner: Kind<number> = { load: (_t, lo) => lo >>> 0, show: (_t, lo) => String(lo | 0) };

const atBits = {
  AT_SYMLINK_NOFOLLOW: 0x100,
  AT_SYMLINK_FOLLOW: 0x400,
  AT_NO_AUTOMOUNT: 0x800,
  AT_EMPTY_PATH: 0x1000,
  AT_STATX_FORCE_SYNC: 0x2000,
  AT_STATX_DONT_SYNC: 0x4000,
} as const;
/** AT_ flags of most calls; of unlinkat; of faccessat2. */
export const atFlags: Kind<number> = flags(atBits);
export const unlinkFlags: Kind<number> = flags({ AT_REMOVEDIR: 0x200 });
export const accessFlags: Kind<number> = flags({ ...atBits, AT_EACCESS: 0x200 });
export const accessMode: Kind<number> = {
  load: (_t, lo) => lo | 0,
  show: (_t, lo) => (lo === 0 ? "F_OK" : flagSet({ R_OK: 4, W_OK: 2, X_OK: 1 })(lo)),
};
export const renameFlags: Kind<number> = flags({ RENAME_NOREPLACE: 1, RENAME_EXCHANGE: 2, RENAME_WHITEOUT: 4 });
