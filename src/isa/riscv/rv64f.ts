// F: single-precision floating point.
import { node, rd, rm, s } from "../vocabulary.ts";
import type { Row } from "./row.ts";
import { address, rs1 } from "./terms.ts";

const [fs1, fs2, fs3] = [s("rs1"), s("rs2"), s("rs3")];

// biome-ignore format: a table
export const rv64f = {
  flw:         { bits: "imm[11:0] rs1 010 rd 0000111",           asm: "fd,imm(rs1)",       ext: "F", does: [rd(node("f32.load", address))] },
  fsw:         { bits: "imm[11:5] rs2 rs1 010 imm[4:0] 0100111", asm: "fs2,imm(rs1)",      ext: "F", does: [node("f32.store", address, fs2)] },

  "fmadd.s":   { bits: "rs3 00 rs2 rs1 rm rd 1000011",           asm: "fd,fs1,fs2,fs3,rm", ext: "F", does: [rd(node("f32.madd", fs1, fs2, fs3, rm))] },
  "fmsub.s":   { bits: "rs3 00 rs2 rs1 rm rd 1000111",           asm: "fd,fs1,fs2,fs3,rm", ext: "F", does: [rd(node("f32.msub", fs1, fs2, fs3, rm))] },
  "fnmsub.s":  { bits: "rs3 00 rs2 rs1 rm rd 1001011",           asm: "fd,fs1,fs2,fs3,rm", ext: "F", does: [rd(node("f32.nmsub", fs1, fs2, fs3, rm))] },
  "fnmadd.s":  { bits: "rs3 00 rs2 rs1 rm rd 1001111",           asm: "fd,fs1,fs2,fs3,rm", ext: "F", does: [rd(node("f32.nmadd", fs1, fs2, fs3, rm))] },

  "fadd.s":    { bits: "0000000 rs2 rs1 rm rd 1010011",          asm: "fd,fs1,fs2,rm",     ext: "F", does: [rd(node("f32.add", fs1, fs2, rm))] },
  "fsub.s":    { bits: "0000100 rs2 rs1 rm rd 1010011",          asm: "fd,fs1,fs2,rm",     ext: "F", does: [rd(node("f32.sub", fs1, fs2, rm))] },
  "fmul.s":    { bits: "0001000 rs2 rs1 rm rd 1010011",          asm: "fd,fs1,fs2,rm",     ext: "F", does: [rd(node("f32.mul", fs1, fs2, rm))] },
  "fdiv.s":    { bits: "0001100 rs2 rs1 rm rd 1010011",          asm: "fd,fs1,fs2,rm",     ext: "F", does: [rd(node("f32.div", fs1, fs2, rm))] },
  "fsqrt.s":   { bits: "0101100 00000 rs1 rm rd 1010011",        asm: "fd,fs1,rm",         ext: "F", does: [rd(node("f32.sqrt", fs1, rm))] },
  "fsgnj.s":   { bits: "0010000 rs2 rs1 000 rd 1010011",         asm: "fd,fs1,fs2",        ext: "F", does: [rd(node("f32.sgnj", fs1, fs2))] },
  "fsgnjn.s":  { bits: "0010000 rs2 rs1 001 rd 1010011",         asm: "fd,fs1,fs2",        ext: "F", does: [rd(node("f32.sgnjn", fs1, fs2))] },
  "fsgnjx.s":  { bits: "0010000 rs2 rs1 010 rd 1010011",         asm: "fd,fs1,fs2",        ext: "F", does: [rd(node("f32.sgnjx", fs1, fs2))] },
  "fmin.s":    { bits: "0010100 rs2 rs1 000 rd 1010011",         asm: "fd,fs1,fs2",        ext: "F", does: [rd(node("f32.min", fs1, fs2))] },
  "fmax.s":    { bits: "0010100 rs2 rs1 001 rd 1010011",         asm: "fd,fs1,fs2",        ext: "F", does: [rd(node("f32.max", fs1, fs2))] },
  "feq.s":     { bits: "1010000 rs2 rs1 010 rd 1010011",         asm: "rd,fs1,fs2",        ext: "F", does: [rd(node("f32.eq", fs1, fs2))] },
  "flt.s":     { bits: "1010000 rs2 rs1 001 rd 1010011",         asm: "rd,fs1,fs2",        ext: "F", does: [rd(node("f32.lt", fs1, fs2))] },
  "fle.s":     { bits: "1010000 rs2 rs1 000 rd 1010011",         asm: "rd,fs1,fs2",        ext: "F", does: [rd(node("f32.le", fs1, fs2))] },
  "fclass.s":  { bits: "1110000 00000 rs1 001 rd 1010011",       asm: "rd,fs1",            ext: "F", does: [rd(node("f32.class", fs1))] },

  "fcvt.w.s":  { bits: "1100000 00000 rs1 rm rd 1010011",        asm: "rd,fs1,rm",         ext: "F", does: [rd(node("i32.from_f32_s", fs1, rm))] },
  "fcvt.wu.s": { bits: "1100000 00001 rs1 rm rd 1010011",        asm: "rd,fs1,rm",         ext: "F", does: [rd(node("i32.from_f32_u", fs1, rm))] },
  "fcvt.l.s":  { bits: "1100000 00010 rs1 rm rd 1010011",        asm: "rd,fs1,rm",         ext: "F", does: [rd(node("i64.from_f32_s", fs1, rm))] },
  "fcvt.lu.s": { bits: "1100000 00011 rs1 rm rd 1010011",        asm: "rd,fs1,rm",         ext: "F", does: [rd(node("i64.from_f32_u", fs1, rm))] },
  "fcvt.s.w":  { bits: "1101000 00000 rs1 rm rd 1010011",        asm: "fd,rs1,rm",         ext: "F", does: [rd(node("f32.from_i32_s", rs1, rm))] },
  "fcvt.s.wu": { bits: "1101000 00001 rs1 rm rd 1010011",        asm: "fd,rs1,rm",         ext: "F", does: [rd(node("f32.from_i32_u", rs1, rm))] },
  "fcvt.s.l":  { bits: "1101000 00010 rs1 rm rd 1010011",        asm: "fd,rs1,rm",         ext: "F", does: [rd(node("f32.from_i64_s", rs1, rm))] },
  "fcvt.s.lu": { bits: "1101000 00011 rs1 rm rd 1010011",        asm: "fd,rs1,rm",         ext: "F", does: [rd(node("f32.from_i64_u", rs1, rm))] },
  "fmv.x.w":   { bits: "1110000 00000 rs1 000 rd 1010011",       asm: "rd,fs1",            ext: "F", does: [rd(node("f32.bits", fs1))] },
  "fmv.w.x":   { bits: "1111000 00000 rs1 000 rd 1010011",       asm: "fd,rs1",            ext: "F", does: [rd(node("f32.from_bits", rs1))] },
} as const satisfies Record<string, Row>;
