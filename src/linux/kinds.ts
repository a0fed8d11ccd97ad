// The kinds of system-call arguments that serve calls of every sort: how each is read from its register, and how a trace shows
// it. Those of one topic are in the kinds-*.ts beside this.
import { readString } from "../memory/guest-memory.ts";
import { errno } from "./errno.ts";
import type { Kind } from "./row.ts";
import { hexWords, pointerText, quote } from "./text.ts";
import { s64, u64 } from "./words.ts";

const bigWords = (lo: number, hi: number): bigint => (BigInt(hi) << 32n) | BigInt(lo >>> 0);

/** C int. */
export const int: Kind<number> = { load: (_t, lo) => lo | 0, show: (_t, lo) => String(lo | 0) };
/** C unsigned int. */
export const uint: Kind<number> = { load: (_t, lo) => lo >>> 0, show: (_t, lo) => String(lo >>> 0) };
/** size_t and other unsigned 64-bit numbers. Above 2**53 not exact, and then always out of any range. */
export const size: Kind<number> = {
  load: (_t, lo, hi) => u64(lo, hi),
  show: (_t, lo, hi) => String(BigInt.asUintN(64, bigWords(lo, hi))),
};
/** The greatest number below 2**63 that is a float64: rounded up, the host would see a negative one. */
const largest = 2 ** 63 - 1024;
/** off_t and other signed 64-bit numbers. */
export const offset: Kind<number> = {
  load: (_t, lo, hi) => Math.min(s64(lo, hi), largest),
  show: (_t, lo, hi) => String(bigWords(lo, hi)),
};
/** off_t where it may be the place of an entry in a directory: a hash of 63 bits that must come back as it was given. */
export const place: Kind<number | bigint> = {
  load: (_t, lo, hi) => {
    const near = s64(lo, hi);
    return Number.isSafeInteger(near) ? near : bigWords(lo, hi);
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

/** Text of a number made of named bits: `A|B|0x40`, and `0` for none. */
export const flagSet =
  (names: Readonly<Record<string, number>>) =>
  (value: number): string => {
    let left = value >>> 0;
    const found: string[] = [];
    for (const [name, bit] of Object.entries(names)) {
      if ((left & bit) >>> 0 !== bit >>> 0 || bit === 0) continue;
      found.push(name);
      left = (left & ~bit) >>> 0;
    }
    if (left !== 0 || found.length === 0) found.push(left === 0 ? "0" : "0x" + left.toString(16));
    return found.join("|");
  };

/** An int that names bits. */
export const flags = (names: Readonly<Record<string, number>>): Kind<number> => {
  const show = flagSet(names);
  return { load: (_t, lo) => lo | 0, show: (_t, lo) => show(lo) };
};

/** An int that is one of some named numbers. */
export const oneOf = (names: Readonly<Record<string, number>>, prefix = ""): Kind<number> => {
  const byNumber = new Map(Object.entries(names).map(([name, n]) => [n, prefix + name]));
  return { load: (_t, lo) => lo | 0, show: (_t, lo) => byNumber.get(lo | 0) ?? String(lo | 0) };
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
