// The shape of a floating-point unit: one function for each floating-point operation of the vocabulary, its
// parameters derived from the operation's signature there.
import type { Op, ops, Type } from "../../isa/vocabulary.ts";

type Access = `${string}.reg` | `${string}.load` | `${string}.store` | `${string}.set`;

/** The operations that compute on floating-point registers, or move between them and integers. */
export type FloatOp = Exclude<Extract<Op, `f${16 | 32 | 64}.${string}` | `i${32 | 64}.from_f${string}`>, Access>;

/** A floating-point operand is a register number, an i64 its low and its high word, an i32 (rm, index) a number. */
type Operands<T extends readonly Type[]> = T extends readonly [infer Head, ...infer Rest extends readonly Type[]]
  ? [...(Head extends "i64" ? [lo: number, hi: number] : [operand: number]), ...Operands<Rest>]
  : [];

type FloatFunction<S extends readonly Type[]> = S extends readonly [infer Result, ...infer Rest extends readonly Type[]]
  ? (...operands: Result extends "i64" ? Operands<Rest> : [rd: number, ...Operands<Rest>]) => number
  : never;

/**
 * What gives a floating-point value writes register `rd`, boxed; what gives an i64 leaves it at `hart.result`.
 * Flags are ORed into `hart.fflags`. The functions return 0, or 1 where the rounding mode is reserved: an illegal
 * instruction, and nothing has changed.
 */
export type Fpu = { readonly [O in FloatOp]: FloatFunction<(typeof ops)[O]> };

/** The name by which emitted text calls the function of an operation. */
export const floatName = (op: string): string => `fp_${op.replaceAll(".", "_")}`;
