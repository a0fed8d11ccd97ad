// The state of one hart in shared memory: registers, floating-point state, the pending trap.
// Engines, signal frames and the debugger all read it here. It knows nothing of Linux.

import { type GuestMemory, hartOffset } from "../memory/guest-memory.ts";

/** Word (int32) offsets into a hart's state. 64-bit values are low word, then high word. */
export const hart = {
  /** x0..x31, then a sink that takes writes to x0. */
  x: 0,
  /** Write target that stands for x0. */
  sink: 64,
  pc: 66,
  /** f0..f31 as bit patterns, NaN-boxed. */
  f: 68,
  /** A sink and a scratch cell for the floating-point unit. */
  fscratch: 132,
  fflags: 136,
  frm: 137,
  /** Why the engine returned: a `Cause`; `requested` where its instruction budget ran out. */
  cause: 138,
  /** Where a fault's address, or an illegal instruction's bits, go. */
  tval: 140,
  /** Executed instructions, a float64. */
  instret: 142,
  /** Low word of the address that is reserved, then the size of the access, 0 for none; and the value read. */
  reservation: 144,
  reserved: 146,
  /** 1 while a slow path has recorded a trap that the engine has not yet left with. */
  trapped: 149,
  /** Results of slow paths that give a 64-bit value. */
  result: 150,
  /** Instructions that a compiled region executed, when it came back. */
  executed: 152,
  /** Instructions executed by compiled regions, a float64. */
  compiled: 154,
  /** Three cells for operands that the floating-point unit gets from outside the register file. */
  operands: 156,
  words: 168,
} as const;

/** Trap causes, numbered as in `mcause`. */
export const Cause = {
  /** A debugger wants to stop before the instruction at pc, for a breakpoint there or what it is about to access. */
  debug: -3,
  requested: -1,
  fetchMisaligned: 0,
  fetchAccess: 1,
  illegal: 2,
  breakpoint: 3,
  loadMisaligned: 4,
  loadAccess: 5,
  storeMisaligned: 6,
  storeAccess: 7,
  ecall: 8,
  fetchFault: 12,
  loadFault: 13,
  storeFault: 15,
} as const;
export type Cause = (typeof Cause)[keyof typeof Cause];

/** Views of one hart's state. */
export interface Hart {
  readonly i32: Int32Array;
  readonly f64: Float64Array;
}

/** Views of the hart whose state begins at `byteOffset` (a multiple of 8) of `buffer`. */
export function hartAt(buffer: ArrayBufferLike, byteOffset = 0): Hart {
  return {
    i32: new Int32Array(buffer, byteOffset, hart.words),
    f64: new Float64Array(buffer, byteOffset, hart.words / 2),
  };
}

/** A hart of its own memory, which only the interpreter can run. */
export const newHart = (): Hart => hartAt(new SharedArrayBuffer(hart.words * 4));

/** The hart number `index` of those that a guest's memory has room for. */
export const hartIn = (m: GuestMemory, index: number): Hart => hartAt(m.memory.buffer, hartOffset(index));

const two32 = 2 ** 32;

/** Integer register `n` as an unsigned number; exact below 2**53. */
export const getU64 = (t: Hart, n: number): number => (t.i32[2 * n + 1]! >>> 0) * two32 + (t.i32[2 * n]! >>> 0);

/** Integer register `n` as a signed number; exact within ±2**53. */
export const getI64 = (t: Hart, n: number): number => t.i32[2 * n + 1]! * two32 + (t.i32[2 * n]! >>> 0);

/** Sets integer register `n` from a number (an integer within ±2**53, or up to 2**64 where the low bits are zero). */
export function setX(t: Hart, n: number, value: number): void {
  if (n === 0) return;
  t.i32[2 * n] = value;
  t.i32[2 * n + 1] = Math.floor(value / two32);
}

export const getPc = (t: Hart): number => (t.i32[hart.pc + 1]! >>> 0) * two32 + (t.i32[hart.pc]! >>> 0);
export function setPc(t: Hart, value: number): void {
  t.i32[hart.pc] = value;
  t.i32[hart.pc + 1] = Math.floor(value / two32);
}
