// Bytes at a host address that stays, for what host calls take and give besides guest memory: C strings, small structs,
// vectors. One set in each worker. Nothing here outlives the host call that it was filled for.
import { addressOf } from "../host/syscall.ts";

/** Size of a C string's room: twice PATH_MAX, so that the host itself finds that a path is too long. */
const textRoom = 8192;
const textSlots = 2;
const structRoom = 8192;

// Backed by a buffer of its own, which the engine never moves.
const text = Buffer.from(new SharedArrayBuffer(textSlots * textRoom));
const textBase = addressOf(text);
const struct = new SharedArrayBuffer(structRoom);

/** Bytes for structs, as the views that calls need. */
export const scratch = {
  u8: new Uint8Array(struct),
  i32: new Int32Array(struct),
  view: new DataView(struct),
  /** Host address of the first byte. */
  address: addressOf(new Uint8Array(struct)),
  size: structRoom,
} as const;

/** Host address of a latin1 string as a C string, good until the slot's next use. Overlong strings are cut to a length that no path may have. */
export function cstring(value: string, slot: 0 | 1 = 0): number {
  const at = slot * textRoom;
  const n = text.write(value, at, textRoom - 1, "latin1");
  text[at + n] = 0;
  return textBase + at;
}

/** `length` bytes at the start of the struct room as a latin1 string. */
export const scratchText = (length: number): string => Buffer.from(struct, 0, length).toString("latin1");

/** A 64-bit number at byte `at` of the struct room; exact below 2**53. */
export const scratchU64 = (at: number): number =>
  scratch.view.getUint32(at + 4, true) * 2 ** 32 + scratch.view.getUint32(at, true);

/** Room for the host's iovec array: 1024 entries of 16 bytes. */
export const vectorLimit = 1024;
const vector = new Float64Array(new SharedArrayBuffer(vectorLimit * 16));
const vectorWords = new Uint32Array(vector.buffer);
export const vectorAddress: number = addressOf(vector);

/** Sets entry `i` of the host's iovec array. */
export function setVector(i: number, base: number, length: number): void {
  vectorWords[4 * i] = base;
  vectorWords[4 * i + 1] = Math.floor(base / 2 ** 32);
  vectorWords[4 * i + 2] = length;
  vectorWords[4 * i + 3] = Math.floor(length / 2 ** 32);
}
