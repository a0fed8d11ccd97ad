// Eight bytes of a guest's memory, read or written at once, as RISC-V has it for what is aligned: two halves may become those of
// different stores as soon as others run on the same memory. WebAssembly can, in 3 to 4 ns a call. Of what JavaScript has, two accesses
// of a half each cost 1 ns; a BigInt64Array 75; a Float64Array 7, but it loses which NaN it was, and -1 is one.
import { guestBase } from "../memory/guest-memory.ts";

/** Half a 64-bit value is left where others leave it too: `hart.result + 1`. */
export interface AtOnce {
  /** Answers the low word, and puts the high one at byte `high` of the memory. */
  readonly load64: (at: number, high: number) => number;
  readonly store64: (at: number, lo: number, hi: number) => void;
}

/** Unsigned LEB128. */
function leb(n: number): number[] {
  return n < 128 ? [n] : [(n & 127) | 128, ...leb(n >>> 7)];
}

const sized = (...bytes: number[]): number[] => [...leb(bytes.length), ...bytes];
const section = (id: number, ...bytes: number[]): number[] => [id, ...sized(...bytes)];
const name = (text: string): number[] => sized(...Buffer.from(text));

const [i32, i64] = [0x7f, 0x7e];
const [localGet, localTee, end] = [0x20, 0x22, 0x0b];
/** With an alignment of so many bits, as a power of 2, and at that offset. */
const access = (op: number, bits: number, offset: number): number[] => [op, bits, ...leb(offset)];
const shiftBy32 = [0x42, 32];

/** local 2 = i64 at local 0; i32 at local 1 = local 2 >> 32; answers local 2. */
const load = [
  ...[1, 1, i64],
  ...[localGet, 1, localGet, 0, ...access(0x29, 3, guestBase), localTee, 2, ...shiftBy32, 0x88, 0xa7],
  ...[...access(0x36, 2, 0), localGet, 2, 0xa7, end],
];
/** i64 at local 0 = local 2 << 32 | local 1. */
const store = [
  ...[0, localGet, 0, localGet, 2, 0xad, ...shiftBy32, 0x86, localGet, 1, 0xad, 0x84],
  ...[...access(0x37, 3, guestBase), end],
];

let module: WebAssembly.Module | undefined;

/** The functions for a guest's memory. */
export function atOnce(memory: WebAssembly.Memory): AtOnce {
  module ??= new WebAssembly.Module(
    new Uint8Array([
      ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      ...section(1, 2, 0x60, 2, i32, i32, 1, i32, 0x60, 3, i32, i32, i32, 0),
      // Shared, of at least one page and at most all.
      ...section(2, 1, ...name("m"), ...name("memory"), 2, 3, 1, ...leb(65536)),
      ...section(3, 2, 0, 1),
      ...section(7, 2, ...name("load64"), 0, 0, ...name("store64"), 0, 1),
      ...section(10, 2, ...sized(...load), ...sized(...store)),
    ]),
  );
  return new WebAssembly.Instance(module, { m: { memory } }).exports as unknown as AtOnce;
}
