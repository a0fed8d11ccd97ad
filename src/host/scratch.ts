// Memory of our own that host calls may be given the address of: it never moves while it is in use. Buffers that a caller
// keeps for itself, and one set for all in each worker, in which nothing outlives the host call that it was filled for.
import { addressOf } from "./syscall.ts";

/** A buffer that `reserve` makes larger on demand. Its contents do not survive that. */
export interface Scratch {
  bytes: Uint8Array<ArrayBuffer>;
  i32: Int32Array<ArrayBuffer>;
  u32: Uint32Array<ArrayBuffer>;
  view: DataView<ArrayBuffer>;
  /** Host address of the first byte, a multiple of 8. */
  address: number;
}

/** `size` is a multiple of 8. */
export function newScratch(size: number): Scratch {
  // An explicit ArrayBuffer: the engine may move the contents of a small array when its buffer is first asked for.
  const buffer = new ArrayBuffer(size);
  const bytes = new Uint8Array(buffer);
  return {
    bytes,
    i32: new Int32Array(buffer),
    u32: new Uint32Array(buffer),
    view: new DataView(buffer),
    address: addressOf(bytes),
  };
}

/** Makes room for `size` bytes. Ask before filling it, and read `address` after. */
export function reserve(s: Scratch, size: number): void {
  if (size > s.bytes.length) Object.assign(s, newScratch(2 ** Math.ceil(Math.log2(size))));
}

/** Stores a 64-bit number (within ±2**53) at a byte offset that is a multiple of 4. */
export function storeU64(s: Scratch, offset: number, value: number): void {
  s.u32[offset >> 2] = value;
  s.u32[(offset >> 2) + 1] = Math.floor(value / 2 ** 32);
}

export const loadU64 = (s: Scratch, offset: number): number =>
  s.u32[(offset >> 2) + 1]! * 2 ** 32 + s.u32[offset >> 2]!;

/** `length` bytes from the start as a latin1 string. */
export const textOf = (s: Scratch, length: number): string => Buffer.from(s.bytes.buffer, 0, length).toString("latin1");

// ---- one set for all

/** For the structs that calls take and give. */
export const scratch: Scratch = newScratch(8192);

/** Size of a C string's room: twice PATH_MAX, so that the host itself finds that a path is too long. */
const textRoom = 8192;
const textSlots = 2;
const texts = newScratch(textSlots * textRoom);
const text = Buffer.from(texts.bytes.buffer);

/** Host address of a latin1 string as a C string, good until the slot's next use. Overlong strings are cut to a length that no path may have. */
export function cstring(value: string, slot: 0 | 1 = 0): number {
  const at = slot * textRoom;
  const n = text.write(value, at, textRoom - 1, "latin1");
  text[at + n] = 0;
  return texts.address + at;
}

/** Room for the host's iovec array: 1024 entries of 16 bytes. */
export const vectorLimit = 1024;
const vector = newScratch(vectorLimit * 16);
export const vectorAddress: number = vector.address;

/** Sets entry `i` of the host's iovec array. */
export function setVector(i: number, base: number, length: number): void {
  storeU64(vector, 16 * i, base);
  storeU64(vector, 16 * i + 8, length);
}
