// Short names in which the instruction rows read like the specification. Each builds one node of the vocabulary, or a
// small idiom that many rows share.
import { i32, i64, imm, type Node, node, type Op, x } from "../vocabulary.ts";

export const op =
  (name: Op) =>
  (...args: Node[]): Node =>
    node(name, ...args);

export const rs1 = x("rs1");
export const rs2 = x("rs2");
/** The address of loads and stores. */
export const address = node("i64.add", rs1, imm);

export const add = op("i64.add");
export const sub = op("i64.sub");
export const and = op("i64.and");
export const or = op("i64.or");
export const xor = op("i64.xor");
export const not = op("i64.not");
export const sll = op("i64.shl");
export const srl = op("i64.shr_u");
export const sra = op("i64.shr_s");
export const lt = op("i64.lt_s");
export const ltu = op("i64.lt_u");
export const select = op("i64.select");

/** The low 32 bits. */
export const w = op("i32.wrap");
/** A 32-bit value to 64 bits, by its sign or by zeros. */
export const sext = op("i64.extend_i32_s");
export const zext = op("i64.extend_i32_u");
/** The low 32 bits of a 64-bit value, zero-extended. */
export const uw = (a: Node): Node => zext(w(a));

export const zero = i64(0);
export const one = i64(1);
export const yes = i32(1);
