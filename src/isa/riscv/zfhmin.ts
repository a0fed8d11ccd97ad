// Zfhmin: half-precision values are loaded, stored, moved and converted, nothing more.
import { d, h, node, rd, rm, s } from "../vocabulary.ts";
import type { Row } from "./row.ts";
import { address, rs1 } from "./terms.ts";

const half = h("rs1");

// biome-ignore format: a table
export const zfhmin = {
  flh:        { bits: "imm[11:0] rs1 001 rd 0000111",           asm: "fd,imm(rs1)",  ext: "Zfhmin", does: [rd(node("f16.load", address))] },
  fsh:        { bits: "imm[11:5] rs2 rs1 001 imm[4:0] 0100111", asm: "fs2,imm(rs1)", ext: "Zfhmin", does: [node("f16.store", address, h("rs2"))] },
  "fmv.x.h":  { bits: "1110010 00000 rs1 000 rd 1010011",       asm: "rd,fs1",       ext: "Zfhmin", does: [rd(node("f16.bits", half))] },
  "fmv.h.x":  { bits: "1111010 00000 rs1 000 rd 1010011",       asm: "fd,rs1",       ext: "Zfhmin", does: [rd(node("f16.from_bits", rs1))] },
  "fcvt.s.h": { bits: "0100000 00010 rs1 rm rd 1010011",        asm: "fd,fs1,exact", ext: "Zfhmin", does: [rd(node("f32.from_f16", half, rm))] },
  "fcvt.d.h": { bits: "0100001 00010 rs1 rm rd 1010011",        asm: "fd,fs1,exact", ext: "Zfhmin", does: [rd(node("f64.from_f16", half, rm))] },
  "fcvt.h.s": { bits: "0100010 00000 rs1 rm rd 1010011",        asm: "fd,fs1,rm",    ext: "Zfhmin", does: [rd(node("f16.from_f32", s("rs1"), rm))] },
  "fcvt.h.d": { bits: "0100010 00001 rs1 rm rd 1010011",        asm: "fd,fs1,rm",    ext: "Zfhmin", does: [rd(node("f16.from_f64", d("rs1"), rm))] },
} as const satisfies Record<string, Row>;
