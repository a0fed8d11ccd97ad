// Sequences that once left another state than the reference's.
import { encode } from "../../src/isa/riscv/encode.ts";
import type { Sequence } from "../tools/sequence.ts";

const zeros = (n: number): bigint[] => Array.from({ length: n }, () => 0n);

/** A case from its code, and the registers that matter: integer registers by number, then floating-point ones. */
const of = (code: number[], x: Record<number, bigint> = {}, f: Record<number, bigint> = {}, fcsr = 0): Sequence => ({
  x: zeros(31).map((_, i) => x[i + 1] ?? 0n),
  f: zeros(32).map((_, i) => f[i] ?? 0n),
  fcsr,
  code,
});

export const kept: readonly Sequence[] = [
  of([]),
  // csrrsi s5,fcsr,11: the set of a control register was taken for one of a floating-point register.
  of([encode("csrrsi", { rd: 21, imm: 3, rs1: 11 })], {}, { 21: 0xc340000000000000n }),
];
