// The vocabulary in which instruction rows state what they do: a small typed expression language.
// It knows nothing of RISC-V encodings and nothing of engines. Every engine (interpreter, JavaScript and WebAssembly
// emitters) implements each operation once, through a table `satisfies Record<Op, …>`, so a missing one is a type error.
//
// Conventions. i64 values are two's complement. Shift amounts are taken modulo the width. Division follows RISC-V:
// x/0 = -1, x%0 = x, overflow wraps. Comparisons give an i32 that is 0 or 1. Floating-point operations set the
// sticky flags; those with an `rm` operand round by it (7 = the dynamic mode) and trap as an illegal instruction when
// the mode is reserved. f16, f32 and f64 values are bit patterns; a read of a narrower value unboxes it.

export type Type = "i32" | "i64" | "f16" | "f32" | "f64" | "void";

/** Fields of a decoded instruction. Register fields hold a number 0..31, `imm` a signed 32-bit number. */
export type Field = "rd" | "rs1" | "rs2" | "rs3" | "rm" | "imm";

/** Result type, then operand types. */
type Signature = readonly [result: Type, ...operands: Type[]];

export const ops = {
  // Leaves: `field` names what they read.
  field: ["i32"], // the raw number in a field
  imm: ["i64"], // the immediate, sign-extended
  pc: ["i64"], // address of this instruction
  next: ["i64"], // address of the next instruction
  x: ["i64"], // integer register
  "f16.reg": ["f16"], // unboxed: canonical NaN where the box is invalid
  "f32.reg": ["f32"],
  "f64.reg": ["f64"],
  "i32.const": ["i32"],
  "i64.const": ["i64"], // value in `n`, a safe integer

  // i32
  "i32.wrap": ["i32", "i64"],
  "i32.add": ["i32", "i32", "i32"],
  "i32.sub": ["i32", "i32", "i32"],
  "i32.mul": ["i32", "i32", "i32"],
  "i32.div_s": ["i32", "i32", "i32"],
  "i32.div_u": ["i32", "i32", "i32"],
  "i32.rem_s": ["i32", "i32", "i32"],
  "i32.rem_u": ["i32", "i32", "i32"],
  "i32.shl": ["i32", "i32", "i32"],
  "i32.shr_s": ["i32", "i32", "i32"],
  "i32.shr_u": ["i32", "i32", "i32"],
  "i32.rotl": ["i32", "i32", "i32"],
  "i32.rotr": ["i32", "i32", "i32"],
  "i32.clz": ["i32", "i32"],
  "i32.ctz": ["i32", "i32"],
  "i32.popcnt": ["i32", "i32"],
  "i32.eq": ["i32", "i32", "i32"],
  "i32.ne": ["i32", "i32", "i32"],

  // i64
  "i64.extend_i32_s": ["i64", "i32"],
  "i64.extend_i32_u": ["i64", "i32"],
  "i64.extend8_s": ["i64", "i64"],
  "i64.extend16_s": ["i64", "i64"],
  "i64.extend8_u": ["i64", "i64"],
  "i64.extend16_u": ["i64", "i64"],
  "i64.add": ["i64", "i64", "i64"],
  "i64.sub": ["i64", "i64", "i64"],
  "i64.and": ["i64", "i64", "i64"],
  "i64.or": ["i64", "i64", "i64"],
  "i64.xor": ["i64", "i64", "i64"],
  "i64.not": ["i64", "i64"],
  "i64.shl": ["i64", "i64", "i32"],
  "i64.shr_s": ["i64", "i64", "i32"],
  "i64.shr_u": ["i64", "i64", "i32"],
  "i64.rotl": ["i64", "i64", "i32"],
  "i64.rotr": ["i64", "i64", "i32"],
  "i64.mul": ["i64", "i64", "i64"],
  "i64.mulh_s": ["i64", "i64", "i64"],
  "i64.mulh_u": ["i64", "i64", "i64"],
  "i64.mulh_su": ["i64", "i64", "i64"],
  "i64.div_s": ["i64", "i64", "i64"],
  "i64.div_u": ["i64", "i64", "i64"],
  "i64.rem_s": ["i64", "i64", "i64"],
  "i64.rem_u": ["i64", "i64", "i64"],
  "i64.clmul": ["i64", "i64", "i64"], // carry-less product, low 64 bits
  "i64.clmulh": ["i64", "i64", "i64"], // its high 64 bits
  "i64.clmulr": ["i64", "i64", "i64"], // bits 126..63
  "i64.clz": ["i64", "i64"],
  "i64.ctz": ["i64", "i64"],
  "i64.popcnt": ["i64", "i64"],
  "i64.bswap": ["i64", "i64"],
  "i64.orc_b": ["i64", "i64"], // each byte becomes 0xff where it is not zero
  "i64.eq": ["i32", "i64", "i64"],
  "i64.ne": ["i32", "i64", "i64"],
  "i64.lt_s": ["i32", "i64", "i64"],
  "i64.lt_u": ["i32", "i64", "i64"],
  "i64.ge_s": ["i32", "i64", "i64"],
  "i64.ge_u": ["i32", "i64", "i64"],
  "i64.select": ["i64", "i32", "i64", "i64"], // first operand not zero: the second, else the third

  // Memory. Operand: the address. Unaligned addresses work.
  "i64.load8_s": ["i64", "i64"],
  "i64.load8_u": ["i64", "i64"],
  "i64.load16_s": ["i64", "i64"],
  "i64.load16_u": ["i64", "i64"],
  "i64.load32_s": ["i64", "i64"],
  "i64.load32_u": ["i64", "i64"],
  "i64.load64": ["i64", "i64"],
  "f16.load": ["f16", "i64"],
  "f32.load": ["f32", "i64"],
  "f64.load": ["f64", "i64"],
  store8: ["void", "i64", "i64"], // address, value
  store16: ["void", "i64", "i64"],
  store32: ["void", "i64", "i64"],
  store64: ["void", "i64", "i64"],
  "f16.store": ["void", "i64", "f16"], // stores the register's low bits, whatever the box
  "f32.store": ["void", "i64", "f32"],
  "f64.store": ["void", "i64", "f64"],
  zero_block: ["void", "i64"], // zeroes the aligned 64-byte block that holds the address
  touch_block: ["void", "i64"], // cache-block management: faults as a load or store would, changes nothing

  // Atomics, sequentially consistent. Address, operand. An unaligned address traps.
  "i32.lr": ["i64", "i64"], // sign-extended
  "i64.lr": ["i64", "i64"],
  "i32.sc": ["i64", "i64", "i64"], // 0 where it stored, else 1
  "i64.sc": ["i64", "i64", "i64"],
  "i32.amo_swap": ["i64", "i64", "i64"], // give the old value, sign-extended
  "i32.amo_add": ["i64", "i64", "i64"],
  "i32.amo_xor": ["i64", "i64", "i64"],
  "i32.amo_and": ["i64", "i64", "i64"],
  "i32.amo_or": ["i64", "i64", "i64"],
  "i32.amo_min_s": ["i64", "i64", "i64"],
  "i32.amo_max_s": ["i64", "i64", "i64"],
  "i32.amo_min_u": ["i64", "i64", "i64"],
  "i32.amo_max_u": ["i64", "i64", "i64"],
  "i64.amo_swap": ["i64", "i64", "i64"],
  "i64.amo_add": ["i64", "i64", "i64"],
  "i64.amo_xor": ["i64", "i64", "i64"],
  "i64.amo_and": ["i64", "i64", "i64"],
  "i64.amo_or": ["i64", "i64", "i64"],
  "i64.amo_min_s": ["i64", "i64", "i64"],
  "i64.amo_max_s": ["i64", "i64", "i64"],
  "i64.amo_min_u": ["i64", "i64", "i64"],
  "i64.amo_max_u": ["i64", "i64", "i64"],

  // Floating point. Operands are always register reads, so an engine may work on the register file.
  "f32.add": ["f32", "f32", "f32", "i32"], // last operand: rm
  "f32.sub": ["f32", "f32", "f32", "i32"],
  "f32.mul": ["f32", "f32", "f32", "i32"],
  "f32.div": ["f32", "f32", "f32", "i32"],
  "f32.sqrt": ["f32", "f32", "i32"],
  "f32.madd": ["f32", "f32", "f32", "f32", "i32"], // a*b+c, rounded once
  "f32.msub": ["f32", "f32", "f32", "f32", "i32"], // a*b-c
  "f32.nmsub": ["f32", "f32", "f32", "f32", "i32"], // -(a*b)+c
  "f32.nmadd": ["f32", "f32", "f32", "f32", "i32"], // -(a*b)-c
  "f32.min": ["f32", "f32", "f32"],
  "f32.max": ["f32", "f32", "f32"],
  "f32.minm": ["f32", "f32", "f32"], // Zfa: NaN if either is
  "f32.maxm": ["f32", "f32", "f32"],
  "f32.sgnj": ["f32", "f32", "f32"],
  "f32.sgnjn": ["f32", "f32", "f32"],
  "f32.sgnjx": ["f32", "f32", "f32"],
  "f32.eq": ["i64", "f32", "f32"],
  "f32.lt": ["i64", "f32", "f32"],
  "f32.le": ["i64", "f32", "f32"],
  "f32.ltq": ["i64", "f32", "f32"], // quiet
  "f32.leq": ["i64", "f32", "f32"],
  "f32.class": ["i64", "f32"],
  "f32.round": ["f32", "f32", "i32"],
  "f32.roundnx": ["f32", "f32", "i32"],
  "f32.fli": ["f32", "i32"], // the Zfa table, by index
  "f64.add": ["f64", "f64", "f64", "i32"],
  "f64.sub": ["f64", "f64", "f64", "i32"],
  "f64.mul": ["f64", "f64", "f64", "i32"],
  "f64.div": ["f64", "f64", "f64", "i32"],
  "f64.sqrt": ["f64", "f64", "i32"],
  "f64.madd": ["f64", "f64", "f64", "f64", "i32"],
  "f64.msub": ["f64", "f64", "f64", "f64", "i32"],
  "f64.nmsub": ["f64", "f64", "f64", "f64", "i32"],
  "f64.nmadd": ["f64", "f64", "f64", "f64", "i32"],
  "f64.min": ["f64", "f64", "f64"],
  "f64.max": ["f64", "f64", "f64"],
  "f64.minm": ["f64", "f64", "f64"],
  "f64.maxm": ["f64", "f64", "f64"],
  "f64.sgnj": ["f64", "f64", "f64"],
  "f64.sgnjn": ["f64", "f64", "f64"],
  "f64.sgnjx": ["f64", "f64", "f64"],
  "f64.eq": ["i64", "f64", "f64"],
  "f64.lt": ["i64", "f64", "f64"],
  "f64.le": ["i64", "f64", "f64"],
  "f64.ltq": ["i64", "f64", "f64"],
  "f64.leq": ["i64", "f64", "f64"],
  "f64.class": ["i64", "f64"],
  "f64.round": ["f64", "f64", "i32"],
  "f64.roundnx": ["f64", "f64", "i32"],
  "f64.fli": ["f64", "i32"],
  "i32.from_f32_s": ["i64", "f32", "i32"], // saturating; 32-bit results are sign-extended, unsigned ones too
  "i32.from_f32_u": ["i64", "f32", "i32"],
  "i64.from_f32_s": ["i64", "f32", "i32"],
  "i64.from_f32_u": ["i64", "f32", "i32"],
  "i32.from_f64_s": ["i64", "f64", "i32"],
  "i32.from_f64_u": ["i64", "f64", "i32"],
  "i64.from_f64_s": ["i64", "f64", "i32"],
  "i64.from_f64_u": ["i64", "f64", "i32"],
  "i32.from_f64_mod": ["i64", "f64"], // fcvtmod.w.d
  "f32.from_i32_s": ["f32", "i64", "i32"],
  "f32.from_i32_u": ["f32", "i64", "i32"],
  "f32.from_i64_s": ["f32", "i64", "i32"],
  "f32.from_i64_u": ["f32", "i64", "i32"],
  "f64.from_i32_s": ["f64", "i64", "i32"],
  "f64.from_i32_u": ["f64", "i64", "i32"],
  "f64.from_i64_s": ["f64", "i64", "i32"],
  "f64.from_i64_u": ["f64", "i64", "i32"],
  "f32.from_f64": ["f32", "f64", "i32"],
  "f64.from_f32": ["f64", "f32", "i32"], // exact, but for a reserved mode
  "f16.from_f32": ["f16", "f32", "i32"],
  "f32.from_f16": ["f32", "f16", "i32"],
  "f16.from_f64": ["f16", "f64", "i32"],
  "f64.from_f16": ["f64", "f16", "i32"],
  "f16.bits": ["i64", "f16"], // the register's low bits, sign-extended, whatever the box
  "f32.bits": ["i64", "f32"],
  "f64.bits": ["i64", "f64"],
  "f16.from_bits": ["f16", "i64"],
  "f32.from_bits": ["f32", "i64"],
  "f64.from_bits": ["f64", "i64"],

  // Control and status registers. Number, new bits, whether it writes; they give the old value.
  "csr.write": ["i64", "i32", "i64", "i32"],
  "csr.set": ["i64", "i32", "i64", "i32"],
  "csr.clear": ["i64", "i32", "i64", "i32"],

  // Effects
  "x.set": ["void", "i64"], // into `field`
  "f16.set": ["void", "f16"], // boxed
  "f32.set": ["void", "f32"],
  "f64.set": ["void", "f64"],
  jump: ["void", "i64"], // to an absolute address, bit 0 ignored, when the other effects are done
  branch: ["void", "i32"], // to pc + imm where the condition is not 0
  fence: ["void"],
  "fence.i": ["void"],
  pause: ["void"], // a hint that this hart spins
  wait_reservation: ["void"], // Zawrs: may return at any time
  ecall: ["void"],
  ebreak: ["void"],
  illegal: ["void"],
} as const satisfies Record<string, Signature>;

export type Op = keyof typeof ops;

/** A node of the tree that states an instruction: a value, or an effect where its type is `void`. */
export interface Node {
  readonly op: Op;
  readonly type: Type;
  readonly args: readonly Node[];
  /** For leaves and register writes: which field of the instruction. */
  readonly field: Field | undefined;
  /** For constants. */
  readonly n: number;
}

const leaf = (op: Op, field?: Field, n = 0): Node => ({ op, type: ops[op][0], args: [], field, n });

/** Builds a node. Throws a RangeError where the operands do not fit the operation: a table that loads is well typed. */
export function node(op: Op, ...args: Node[]): Node {
  const [type, ...operands]: readonly Type[] = ops[op];
  if (operands.length !== args.length || operands.some((t, i) => t !== args[i]!.type))
    throw new RangeError(`${op} takes (${operands.join(", ")}), not (${args.map((a) => a.type).join(", ")})`);
  return { op, type: type!, args, field: undefined, n: 0 };
}

export const field = (name: Field): Node => leaf("field", name);
export const x = (name: "rs1" | "rs2" | "rd"): Node => leaf("x", name);
export const h = (name: "rs1" | "rs2" | "rs3"): Node => leaf("f16.reg", name);
export const s = (name: "rs1" | "rs2" | "rs3"): Node => leaf("f32.reg", name);
export const d = (name: "rs1" | "rs2" | "rs3"): Node => leaf("f64.reg", name);
export const imm: Node = leaf("imm", "imm");
export const rm: Node = leaf("field", "rm");
export const pc: Node = leaf("pc");
export const next: Node = leaf("next");
export const i32 = (n: number): Node => leaf("i32.const", undefined, n);
export const i64 = (n: number): Node => leaf("i64.const", undefined, n);

/** Write to register `rd`, of the file that the value's type names. */
export function rd(value: Node): Node {
  const op = value.type === "i64" ? "x.set" : (`${value.type as "f16" | "f32" | "f64"}.set` as const);
  return { ...node(op, value), field: "rd" };
}

/** Whether a jump's target is pc + imm: known once the instruction's place is. */
export const isPcRelative = (target: Node): boolean =>
  target.op === "i64.add" && target.args[0]!.op === "pc" && target.args[1]!.op === "imm";
