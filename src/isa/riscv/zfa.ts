// Zfa: additional floating-point instructions.
import { d, field, node, rd, rm, s } from "../vocabulary.ts";
import type { Row } from "./row.ts";

const index = field("rs1");

// biome-ignore format: a table
export const zfa = {
  "fli.s":       { bits: "1111000 00001 rs1 000 rd 1010011", asm: "fd,fli",     ext: "Zfa", does: [rd(node("f32.fli", index))] },
  "fminm.s":     { bits: "0010100 rs2 rs1 010 rd 1010011",   asm: "fd,fs1,fs2", ext: "Zfa", does: [rd(node("f32.minm", s("rs1"), s("rs2")))] },
  "fmaxm.s":     { bits: "0010100 rs2 rs1 011 rd 1010011",   asm: "fd,fs1,fs2", ext: "Zfa", does: [rd(node("f32.maxm", s("rs1"), s("rs2")))] },
  "fround.s":    { bits: "0100000 00100 rs1 rm rd 1010011",  asm: "fd,fs1,rm",  ext: "Zfa", does: [rd(node("f32.round", s("rs1"), rm))] },
  "froundnx.s":  { bits: "0100000 00101 rs1 rm rd 1010011",  asm: "fd,fs1,rm",  ext: "Zfa", does: [rd(node("f32.roundnx", s("rs1"), rm))] },
  "fleq.s":      { bits: "1010000 rs2 rs1 100 rd 1010011",   asm: "rd,fs1,fs2", ext: "Zfa", does: [rd(node("f32.leq", s("rs1"), s("rs2")))] },
  "fltq.s":      { bits: "1010000 rs2 rs1 101 rd 1010011",   asm: "rd,fs1,fs2", ext: "Zfa", does: [rd(node("f32.ltq", s("rs1"), s("rs2")))] },

  "fli.d":       { bits: "1111001 00001 rs1 000 rd 1010011", asm: "fd,fli",     ext: "Zfa", does: [rd(node("f64.fli", index))] },
  "fminm.d":     { bits: "0010101 rs2 rs1 010 rd 1010011",   asm: "fd,fs1,fs2", ext: "Zfa", does: [rd(node("f64.minm", d("rs1"), d("rs2")))] },
  "fmaxm.d":     { bits: "0010101 rs2 rs1 011 rd 1010011",   asm: "fd,fs1,fs2", ext: "Zfa", does: [rd(node("f64.maxm", d("rs1"), d("rs2")))] },
  "fround.d":    { bits: "0100001 00100 rs1 rm rd 1010011",  asm: "fd,fs1,rm",  ext: "Zfa", does: [rd(node("f64.round", d("rs1"), rm))] },
  "froundnx.d":  { bits: "0100001 00101 rs1 rm rd 1010011",  asm: "fd,fs1,rm",  ext: "Zfa", does: [rd(node("f64.roundnx", d("rs1"), rm))] },
  "fleq.d":      { bits: "1010001 rs2 rs1 100 rd 1010011",   asm: "rd,fs1,fs2", ext: "Zfa", does: [rd(node("f64.leq", d("rs1"), d("rs2")))] },
  "fltq.d":      { bits: "1010001 rs2 rs1 101 rd 1010011",   asm: "rd,fs1,fs2", ext: "Zfa", does: [rd(node("f64.ltq", d("rs1"), d("rs2")))] },
  // Always rounds towards zero.
  "fcvtmod.w.d": { bits: "1100001 01000 rs1 001 rd 1010011", asm: "rd,fs1,rtz", ext: "Zfa", does: [rd(node("i32.from_f64_mod", d("rs1")))] },
} as const satisfies Record<string, Row>;
