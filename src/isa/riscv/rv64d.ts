// D: double-precision floating point.
import { d, node, rd, rm, s } from "../vocabulary.ts";
import type { Row } from "./row.ts";
import { address, rs1 } from "./terms.ts";

const [fs1, fs2, fs3] = [d("rs1"), d("rs2"), d("rs3")];

// biome-ignore format: a table
export const rv64d = {
  fld:         { bits: "imm[11:0] rs1 011 rd 0000111",           asm: "fd,imm(rs1)",       ext: "D", does: [rd(node("f64.load", address))] },
  fsd:         { bits: "imm[11:5] rs2 rs1 011 imm[4:0] 0100111", asm: "fs2,imm(rs1)",      ext: "D", does: [node("f64.store", address, fs2)] },

  "fmadd.d":   { bits: "rs3 01 rs2 rs1 rm rd 1000011",           asm: "fd,fs1,fs2,fs3,rm", ext: "D", does: [rd(node("f64.madd", fs1, fs2, fs3, rm))] },
  "fmsub.d":   { bits: "rs3 01 rs2 rs1 rm rd 1000111",           asm: "fd,fs1,fs2,fs3,rm", ext: "D", does: [rd(node("f64.msub", fs1, fs2, fs3, rm))] },
  "fnmsub.d":  { bits: "rs3 01 rs2 rs1 rm rd 1001011",           asm: "fd,fs1,fs2,fs3,rm", ext: "D", does: [rd(node("f64.nmsub", fs1, fs2, fs3, rm))] },
  "fnmadd.d":  { bits: "rs3 01 rs2 rs1 rm rd 1001111",           asm: "fd,fs1,fs2,fs3,rm", ext: "D", does: [rd(node("f64.nmadd", fs1, fs2, fs3, rm))] },

  "fadd.d":    { bits: "0000001 rs2 rs1 rm rd 1010011",          asm: "fd,fs1,fs2,rm",     ext: "D", does: [rd(node("f64.add", fs1, fs2, rm))] },
  "fsub.d":    { bits: "0000101 rs2 rs1 rm rd 1010011",          asm: "fd,fs1,fs2,rm",     ext: "D", does: [rd(node("f64.sub", fs1, fs2, rm))] },
  "fmul.d":    { bits: "0001001 rs2 rs1 rm rd 1010011",          asm: "fd,fs1,fs2,rm",     ext: "D", does: [rd(node("f64.mul", fs1, fs2, rm))] },
  "fdiv.d":    { bits: "0001101 rs2 rs1 rm rd 1010011",          asm: "fd,fs1,fs2,rm",     ext: "D", does: [rd(node("f64.div", fs1, fs2, rm))] },
  "fsqrt.d":   { bits: "0101101 00000 rs1 rm rd 1010011",        asm: "fd,fs1,rm",         ext: "D", does: [rd(node("f64.sqrt", fs1, rm))] },
  "fsgnj.d":   { bits: "0010001 rs2 rs1 000 rd 1010011",         asm: "fd,fs1,fs2",        ext: "D", does: [rd(node("f64.sgnj", fs1, fs2))] },
  "fsgnjn.d":  { bits: "0010001 rs2 rs1 001 rd 1010011",         asm: "fd,fs1,fs2",        ext: "D", does: [rd(node("f64.sgnjn", fs1, fs2))] },
  "fsgnjx.d":  { bits: "0010001 rs2 rs1 010 rd 1010011",         asm: "fd,fs1,fs2",        ext: "D", does: [rd(node("f64.sgnjx", fs1, fs2))] },
  "fmin.d":    { bits: "0010101 rs2 rs1 000 rd 1010011",         asm: "fd,fs1,fs2",        ext: "D", does: [rd(node("f64.min", fs1, fs2))] },
  "fmax.d":    { bits: "0010101 rs2 rs1 001 rd 1010011",         asm: "fd,fs1,fs2",        ext: "D", does: [rd(node("f64.max", fs1, fs2))] },
  "feq.d":     { bits: "1010001 rs2 rs1 010 rd 1010011",         asm: "rd,fs1,fs2",        ext: "D", does: [rd(node("f64.eq", fs1, fs2))] },
  "flt.d":     { bits: "1010001 rs2 rs1 001 rd 1010011",         asm: "rd,fs1,fs2",        ext: "D", does: [rd(node("f64.lt", fs1, fs2))] },
  "fle.d":     { bits: "1010001 rs2 rs1 000 rd 1010011",         asm: "rd,fs1,fs2",        ext: "D", does: [rd(node("f64.le", fs1, fs2))] },
  "fclass.d":  { bits: "1110001 00000 rs1 001 rd 1010011",       asm: "rd,fs1",            ext: "D", does: [rd(node("f64.class", fs1))] },

  "fcvt.s.d":  { bits: "0100000 00001 rs1 rm rd 1010011",        asm: "fd,fs1,rm",         ext: "D", does: [rd(node("f32.from_f64", fs1, rm))] },
  "fcvt.d.s":  { bits: "0100001 00000 rs1 rm rd 1010011",        asm: "fd,fs1,exact",      ext: "D", does: [rd(node("f64.from_f32", s("rs1"), rm))] },
  "fcvt.w.d":  { bits: "1100001 00000 rs1 rm rd 1010011",        asm: "rd,fs1,rm",         ext: "D", does: [rd(node("i32.from_f64_s", fs1, rm))] },
  "fcvt.wu.d": { bits: "1100001 00001 rs1 rm rd 1010011",        asm: "rd,fs1,rm",         ext: "D", does: [rd(node("i32.from_f64_u", fs1, rm))] },
  "fcvt.l.d":  { bits: "1100001 00010 rs1 rm rd 1010011",        asm: "rd,fs1,rm",         ext: "D", does: [rd(node("i64.from_f64_s", fs1, rm))] },
  "fcvt.lu.d": { bits: "1100001 00011 rs1 rm rd 1010011",        asm: "rd,fs1,rm",         ext: "D", does: [rd(node("i64.from_f64_u", fs1, rm))] },
  "fcvt.d.w":  { bits: "1101001 00000 rs1 rm rd 1010011",        asm: "fd,rs1,exact",      ext: "D", does: [rd(node("f64.from_i32_s", rs1, rm))] },
  "fcvt.d.wu": { bits: "1101001 00001 rs1 rm rd 1010011",        asm: "fd,rs1,exact",      ext: "D", does: [rd(node("f64.from_i32_u", rs1, rm))] },
  "fcvt.d.l":  { bits: "1101001 00010 rs1 rm rd 1010011",        asm: "fd,rs1,rm",         ext: "D", does: [rd(node("f64.from_i64_s", rs1, rm))] },
  "fcvt.d.lu": { bits: "1101001 00011 rs1 rm rd 1010011",        asm: "fd,rs1,rm",         ext: "D", does: [rd(node("f64.from_i64_u", rs1, rm))] },
  "fmv.x.d":   { bits: "1110001 00000 rs1 000 rd 1010011",       asm: "rd,fs1",            ext: "D", does: [rd(node("f64.bits", fs1))] },
  "fmv.d.x":   { bits: "1111001 00000 rs1 000 rd 1010011",       asm: "fd,rs1",            ext: "D", does: [rd(node("f64.from_bits", rs1))] },
} as const satisfies Record<string, Row>;
