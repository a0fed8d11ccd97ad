// The kinds of system-call arguments: how each is read from its register, and how a trace shows it.
import { readString } from "../memory/guest-memory.ts";
import { errno } from "./errno.ts";
import type { Kind } from "./row.ts";

const two32 = 2 ** 32;
const u64 = (lo: number, hi: number): number => (hi >>> 0) * two32 + (lo >>> 0);
const s64 = (lo: number, hi: number): number => hi * two32 + (lo >>> 0);
const hex = (lo: number, hi: number): string => (u64(lo, hi) === 0 ? "NULL" : "0x" + u64(lo, hi).toString(16));

/** C int. */
export const int: Kind<number> = { load: (_t, lo) => lo | 0, show: (_t, lo) => String(lo | 0) };
/** C unsigned int. */
export const uint: Kind<number> = { load: (_t, lo) => lo >>> 0, show: (_t, lo) => String(lo >>> 0) };
/** size_t and other unsigned 64-bit numbers. Above 2**53 not exact, and then always out of any range. */
export const size: Kind<number> = { load: (_t, lo, hi) => u64(lo, hi), show: (_t, lo, hi) => String(u64(lo, hi)) };
/** off_t and other signed 64-bit numbers. */
export const offset: Kind<number> = { load: (_t, lo, hi) => s64(lo, hi), show: (_t, lo, hi) => String(s64(lo, hi)) };
/** A guest address that the handler checks when it copies. */
export const pointer: Kind<number> = { load: (_t, lo, hi) => u64(lo, hi), show: (_t, lo, hi) => hex(lo, hi) };
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
    return text == null ? hex(lo, hi) : JSON.stringify(text);
  },
};
