// Tables of records in the kernel's buffer: which are free, and whose is which. A record is free while its first word,
// its state, is 0; taking one is a single exchange of that word, so it needs no lock.
import type { Kernel } from "./kernel.ts";

/** Where a table is, and how large: the byte offset of record 0, words a record, number of records. */
export interface Table {
  readonly section: number;
  readonly words: number;
  readonly most: number;
  /** Words of the header: where to begin to look for a free record; number of records ever used. */
  readonly hint: number;
  readonly used: number;
  /** The word of a record that counts how often it was freed. */
  readonly generation: number;
  /** Where the accounts of the records are, and the float64 words of one: a byte offset. */
  readonly accounts: number;
  readonly accountWords: number;
}

/** States of a record. One that is `live` or a `zombie` is found by its number. */
export const State = { free: 0, reserved: 1, live: 2, zombie: 3 } as const;

/** The word of the kernel's buffer at which a record begins: its state. */
export const wordOf = (t: Table, index: number): number => t.section / 4 + index * t.words;

/** Takes a free record, which is `reserved` then, and otherwise all zero but for its generation, as is its account. Its index, or -1. */
export function takeRecord(k: Kernel, t: Table): number {
  const from = k.i32[t.hint]!;
  for (let i = 0; i < t.most; i++) {
    const index = (from + i) % t.most;
    if (Atomics.compareExchange(k.i32, wordOf(t, index), State.free, State.reserved) !== State.free) continue;
    k.i32[t.hint] = (index + 1) % t.most;
    const account = t.accounts / 8 + index * t.accountWords;
    k.f64.fill(0, account, account + t.accountWords);
    markUsed(k, t, index + 1);
    return index;
  }
  return -1;
}

function markUsed(k: Kernel, t: Table, count: number): void {
  for (;;) {
    const now = Atomics.load(k.i32, t.used);
    if (now >= count || Atomics.compareExchange(k.i32, t.used, now, count) === now) return;
  }
}

/** Gives a record back: it is zero from then on, and of the next generation. */
export function freeRecord(k: Kernel, t: Table, index: number): void {
  const at = wordOf(t, index);
  const generation = k.i32[at + t.generation]! + 1;
  k.i32.fill(0, at + 1, at + t.words);
  k.i32[at + t.generation] = generation;
  // Last: from then on it is somebody else's. The hint goes down, so that low records are used again.
  Atomics.store(k.i32, at, State.free);
  if (index < k.i32[t.hint]!) k.i32[t.hint] = index;
}

/** The first record that is not free and has `value` in a word, from index `from` on; or -1. */
export function findRecord(k: Kernel, t: Table, word: number, value: number, from = 0): number {
  const used = Atomics.load(k.i32, t.used);
  for (let index = from; index < used; index++) {
    const at = wordOf(t, index);
    if (k.i32[at + word] === value && Atomics.load(k.i32, at) !== State.free) return index;
  }
  return -1;
}

const two32 = 2 ** 32;

/** A guest address in two words of a record. */
export const getField = ({ i32 }: { readonly i32: Int32Array }, field: number): number =>
  (i32[field + 1]! >>> 0) * two32 + (i32[field]! >>> 0);

export function setField({ i32 }: { readonly i32: Int32Array }, field: number, address: number): void {
  i32[field] = address % two32;
  i32[field + 1] = Math.floor(address / two32);
}
