// The kinds of system-call arguments: how each is read from its register, and how a trace shows it.
import { readString } from "../memory/guest-memory.ts";
import { errno } from "./errno.ts";
import type { Kind } from "./row.ts";
import { hexWords, pointerText, quote } from "./text.ts";

const two32 = 2 ** 32;
const u64 = (lo: number, hi: number): number => (hi >>> 0) * two32 + (lo >>> 0);
const s64 = (lo: number, hi: number): number => hi * two32 + (lo >>> 0);

/** C int. */
export const int: Kind<number> = { load: (_t, lo) => lo | 0, show: (_t, lo) => String(lo | 0) };
/** C unsigned int. */
export const uint: Kind<number> = { load: (_t, lo) => lo >>> 0, show: (_t, lo) => String(lo >>> 0) };
/** size_t and other unsigned 64-bit numbers. Above 2**53 not exact, and then always out of any range. */
export const size: Kind<number> = { load: (_t, lo, hi) => u64(lo, hi), show: (_t, lo, hi) => String(u64(lo, hi)) };
/** off_t and other signed 64-bit numbers. */
export const offset: Kind<number> = { load: (_t, lo, hi) => s64(lo, hi), show: (_t, lo, hi) => String(s64(lo, hi)) };
/** off_t where it may be the place of an entry in a directory: a hash of 63 bits that must come back as it was given. */
export const place: Kind<number | bigint> = {
  load: (_t, lo, hi) => {
    const near = s64(lo, hi);
    return Number.isSafeInteger(near) ? near : (BigInt(hi) << 32n) | BigInt(lo >>> 0);
  },
  show: offset.show,
};
/** A guest address that the handler checks when it copies. */
export const pointer: Kind<number> = { load: (_t, lo, hi) => u64(lo, hi), show: (_t, lo, hi) => pointerText(lo, hi) };
/** An unsigned 64-bit number that people read in hexadecimal, such as an offset in pages. */
export const hexadecimal: Kind<number> = {
  load: (_t, lo, hi) => u64(lo, hi),
  show: (_t, lo, hi) => ((lo | hi) === 0 ? "0" : hexWords(lo, hi)),
};
export const fd: Kind<number> = { load: (_t, lo) => lo | 0, show: (_t, lo) => String(lo | 0) };
/** A directory descriptor, where AT_FDCWD is -100. */
export const dirfd: Kind<number> = {
  load: (_t, lo) => lo | 0,
  show: (_t, lo) => ((lo | 0) === -100 ? "AT_FDCWD" : String(lo | 0)),
};

const pathMax = 4096;

/** A path: latin1, one character a byte, without its NUL. */
export const path: Kind<string> = {
  load: (t, lo, hi) => {
    const text = readString(t.memory, u64(lo, hi), pathMax - 1);
    if (text === undefined) return { errno: errno.EFAULT };
    return text === null ? { errno: errno.ENAMETOOLONG } : text;
  },
  show: (t, lo, hi) => {
    const text = readString(t.memory, u64(lo, hi), pathMax);
    return text == null ? pointerText(lo, hi) : quote(text);
  },
};
