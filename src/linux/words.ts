// 64-bit numbers as pairs of words; small structures from and to guest memory as 32-bit words, at any alignment.
import { copyTo, readable } from "../memory/guest-memory.ts";
import type { Task } from "./task.ts";

/** A copy of `count` words, undefined where they are not readable. */
export function loadWords(t: Task, addr: number, count: number): Int32Array | undefined {
  const bytes = readable(t.memory, addr, count * 4);
  return bytes && new Int32Array(bytes.slice().buffer);
}

/** Writes words. False, and nothing written, where they do not fit. */
export const storeWords = (t: Task, addr: number, words: Int32Array | Uint32Array): boolean =>
  copyTo(t.memory, addr, new Uint8Array(words.buffer, words.byteOffset, words.byteLength));

/** The number that two words are; exact below 2**53. */
export const u64 = (lo: number, hi: number): number => (hi >>> 0) * 2 ** 32 + (lo >>> 0);
/** The same, signed. */
export const s64 = (lo: number, hi: number): number => hi * 2 ** 32 + (lo >>> 0);
/** A 64-bit number as its words. */
export const words64 = (value: number): Int32Array => Int32Array.of(value | 0, Math.floor(value / 2 ** 32));
