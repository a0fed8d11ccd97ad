// Records in shared memory: a layout is written down once, as names and kinds, and gives typed accessors. What travels
// between workers (memory, tables) is plain data; layouts are code, which every worker has.
// A record is named by its place: the byte offset of its first byte in the memory. Words are the host's, little-endian.

/** One SharedArrayBuffer seen as what fields need. Sent to a worker it arrives as views of the same memory. */
export interface SharedMemory {
  readonly i32: Int32Array;
  readonly u32: Uint32Array;
  readonly f64: Float64Array;
  readonly u8: Uint8Array;
}

/** Views of a shared buffer whose length is a multiple of 8. */
export const viewsOf = (buffer: SharedArrayBuffer): SharedMemory => ({
  i32: new Int32Array(buffer),
  u32: new Uint32Array(buffer),
  f64: new Float64Array(buffer),
  u8: new Uint8Array(buffer),
});

/** New memory of at least that many bytes, all 0. The host gives it pages as they are touched. */
export const newSharedMemory = (bytes: number): SharedMemory =>
  viewsOf(new SharedArrayBuffer(Math.ceil(bytes / 8) * 8));

/** Room for some bytes, or for some int32 words. */
export interface Bytes {
  readonly bytes: number;
}
export interface Words {
  readonly words: number;
}
export const bytes = (count: number): Bytes => ({ bytes: count });
export const words = (count: number): Words => ({ words: count });

/**
 * What a field can be. `i64` is a number within ±2**53 in two words, which are not stored at once: whoever reads it while
 * another agent may write it needs a lock. The others are never seen half written.
 */
export type Kind = "i32" | "u32" | "i64" | "f64" | Bytes | Words;

/** Access to a number, for one agent at a time, or where its age does not matter. */
export interface NumberField {
  /** Bytes from the record's start. */
  readonly offset: number;
  readonly get: (m: SharedMemory, record: number) => number;
  readonly set: (m: SharedMemory, record: number, value: number) => void;
}

/** Access to a word. The operations after `set` are atomic and sequentially consistent; those that change it answer what it was. */
export interface WordField extends NumberField {
  readonly load: (m: SharedMemory, record: number) => number;
  readonly store: (m: SharedMemory, record: number, value: number) => void;
  readonly add: (m: SharedMemory, record: number, value: number) => number;
  readonly and: (m: SharedMemory, record: number, value: number) => number;
  readonly or: (m: SharedMemory, record: number, value: number) => number;
  readonly exchange: (m: SharedMemory, record: number, value: number) => number;
  readonly compareExchange: (m: SharedMemory, record: number, expected: number, value: number) => number;
  /** Its index in `i32`, for Atomics.wait, a mutex, a wake word. */
  readonly indexIn: (record: number) => number;
}

/** Access to a run of bytes or words: a view of it, not a copy. */
export interface RunField<View> {
  readonly offset: number;
  readonly length: number;
  readonly of: (m: SharedMemory, record: number) => View;
  /** Index of the first one in `u8`, or in `i32`: for loops that want no view. */
  readonly indexIn: (record: number) => number;
}

type FieldOf<K extends Kind> = K extends "i32" | "u32"
  ? WordField
  : K extends "i64" | "f64"
    ? NumberField
    : K extends Bytes
      ? RunField<Uint8Array>
      : RunField<Int32Array>;

/** A layout: fields in the order that they were written in, each aligned to its size as in C. */
export interface Struct<Shape extends Readonly<Record<string, Kind>>> {
  /** Bytes of a record, a multiple of `align`. */
  readonly size: number;
  readonly align: number;
  readonly fields: { readonly [Name in keyof Shape]: FieldOf<Shape[Name]> };
}

/** Bytes that processors move between their caches as one: records that different agents write often are aligned to it. */
export const cacheLine = 64;

/** Lays out a record. `align` (a power of two) raises its alignment. */
export function struct<const Shape extends Readonly<Record<string, Kind>>>(shape: Shape, align = 4): Struct<Shape> {
  let at = 0;
  let widest = align;
  const fields: Record<string, FieldOf<Kind>> = {};
  for (const [name, kind] of Object.entries(shape)) {
    const [size, alignment] = extentOf(kind);
    at = Math.ceil(at / alignment) * alignment;
    fields[name] = fieldOf(kind, at);
    at += size;
    widest = Math.max(widest, alignment);
  }
  return {
    size: Math.ceil(at / widest) * widest,
    align: widest,
    fields: fields as Struct<Shape>["fields"],
  };
}

function extentOf(kind: Kind): readonly [size: number, align: number] {
  if (kind === "i32" || kind === "u32") return [4, 4];
  if (kind === "i64" || kind === "f64") return [8, 8];
  return "bytes" in kind ? [kind.bytes, 1] : [4 * kind.words, 4];
}

function fieldOf(kind: Kind, offset: number): FieldOf<Kind> {
  if (kind === "i32") return wordField("i32", offset);
  if (kind === "u32") return wordField("u32", offset);
  if (kind === "i64") return longField(offset);
  if (kind === "f64") return doubleField(offset);
  return "bytes" in kind ? byteRun(offset, kind.bytes) : wordRun(offset, kind.words);
}

const wordField = (view: "i32" | "u32", offset: number): WordField => ({
  offset,
  get: (m, record) => m[view][(record + offset) >> 2]!,
  set: (m, record, value) => {
    m[view][(record + offset) >> 2] = value;
  },
  load: (m, record) => Atomics.load(m[view], (record + offset) >> 2),
  store: (m, record, value) => void Atomics.store(m[view], (record + offset) >> 2, value),
  add: (m, record, value) => Atomics.add(m[view], (record + offset) >> 2, value),
  and: (m, record, value) => Atomics.and(m[view], (record + offset) >> 2, value),
  or: (m, record, value) => Atomics.or(m[view], (record + offset) >> 2, value),
  exchange: (m, record, value) => Atomics.exchange(m[view], (record + offset) >> 2, value),
  compareExchange: (m, record, expected, value) =>
    Atomics.compareExchange(m[view], (record + offset) >> 2, expected, value),
  indexIn: (record) => (record + offset) >> 2,
});

const longField = (offset: number): NumberField => ({
  offset,
  get: (m, record) => m.i32[((record + offset) >> 2) + 1]! * 2 ** 32 + m.u32[(record + offset) >> 2]!,
  set: (m, record, value) => {
    m.u32[(record + offset) >> 2] = value;
    m.i32[((record + offset) >> 2) + 1] = Math.floor(value / 2 ** 32);
  },
});

const doubleField = (offset: number): NumberField => ({
  offset,
  get: (m, record) => m.f64[(record + offset) >> 3]!,
  set: (m, record, value) => {
    m.f64[(record + offset) >> 3] = value;
  },
});

const byteRun = (offset: number, length: number): RunField<Uint8Array> => ({
  offset,
  length,
  of: (m, record) => m.u8.subarray(record + offset, record + offset + length),
  indexIn: (record) => record + offset,
});

const wordRun = (offset: number, length: number): RunField<Int32Array> => ({
  offset,
  length,
  of: (m, record) => m.i32.subarray((record + offset) >> 2, ((record + offset) >> 2) + length),
  indexIn: (record) => (record + offset) >> 2,
});

/** An array of records. */
export interface Table {
  readonly memory: SharedMemory;
  /** Where record 0 is. */
  readonly base: number;
  /** Bytes from one record to the next. */
  readonly stride: number;
  readonly count: number;
}

/** A new array of `count` records, all 0; or one in `memory` from byte `base` (a multiple of the layout's alignment) on. */
export function newTable(s: { readonly size: number }, count: number, memory?: SharedMemory, base = 0): Table {
  return { memory: memory ?? newSharedMemory(s.size * count), base, stride: s.size, count };
}

/** Where the record of that index is. */
export const recordAt = (t: Table, index: number): number => t.base + index * t.stride;
/** The index of the record there. */
export const indexOf = (t: Table, record: number): number => (record - t.base) / t.stride;
