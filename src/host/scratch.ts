// Memory of our own that host calls may be given the address of: it never moves while it is in use.
import { addressOf } from "./syscall.ts";

/** A buffer that `reserve` makes larger on demand. Its contents do not survive that. */
export interface Scratch {
  bytes: Uint8Array<ArrayBuffer>;
  i32: Int32Array<ArrayBuffer>;
  u32: Uint32Array<ArrayBuffer>;
  /** Host address of the first byte, a multiple of 8. */
  address: number;
}

/** `size` is a multiple of 8. */
export function newScratch(size: number): Scratch {
  // An explicit ArrayBuffer: the engine may move the contents of a small array when its buffer is first asked for.
  const buffer = new ArrayBuffer(size);
  const bytes = new Uint8Array(buffer);
  return { bytes, i32: new Int32Array(buffer), u32: new Uint32Array(buffer), address: addressOf(bytes) };
}

/** Makes room for `size` bytes. Ask before filling it, and read `address` after. */
export function reserve(s: Scratch, size: number): void {
  if (size > s.bytes.length) Object.assign(s, newScratch(2 ** Math.ceil(Math.log2(size))));
}

/** Stores a 64-bit number (at most 2**53, not negative) at a byte offset that is a multiple of 4. */
export function storeU64(s: Scratch, offset: number, value: number): void {
  s.u32[offset >> 2] = value;
  s.u32[(offset >> 2) + 1] = Math.floor(value / 2 ** 32);
}

export const loadU64 = (s: Scratch, offset: number): number =>
  s.u32[(offset >> 2) + 1]! * 2 ** 32 + s.u32[offset >> 2]!;
