// M: multiplication and division.
import { rd } from "../vocabulary.ts";
import type { Row } from "./row.ts";
import { op, rs1, rs2, sext, w } from "./terms.ts";

const [mul, mulh, mulhsu, mulhu] = [op("i64.mul"), op("i64.mulh_s"), op("i64.mulh_su"), op("i64.mulh_u")];
const [div, divu, rem, remu] = [op("i64.div_s"), op("i64.div_u"), op("i64.rem_s"), op("i64.rem_u")];
const [mulw, divw, divuw, remw, remuw] = [
  op("i32.mul"),
  op("i32.div_s"),
  op("i32.div_u"),
  op("i32.rem_s"),
  op("i32.rem_u"),
];

// biome-ignore format: a table
export const rv64m = {
  mul:    { bits: "0000001 rs2 rs1 000 rd 0110011", asm: "rd,rs1,rs2", ext: "M", does: [rd(mul(rs1, rs2))] },
  mulh:   { bits: "0000001 rs2 rs1 001 rd 0110011", asm: "rd,rs1,rs2", ext: "M", does: [rd(mulh(rs1, rs2))] },
  mulhsu: { bits: "0000001 rs2 rs1 010 rd 0110011", asm: "rd,rs1,rs2", ext: "M", does: [rd(mulhsu(rs1, rs2))] },
  mulhu:  { bits: "0000001 rs2 rs1 011 rd 0110011", asm: "rd,rs1,rs2", ext: "M", does: [rd(mulhu(rs1, rs2))] },
  div:    { bits: "0000001 rs2 rs1 100 rd 0110011", asm: "rd,rs1,rs2", ext: "M", does: [rd(div(rs1, rs2))] },
  divu:   { bits: "0000001 rs2 rs1 101 rd 0110011", asm: "rd,rs1,rs2", ext: "M", does: [rd(divu(rs1, rs2))] },
  rem:    { bits: "0000001 rs2 rs1 110 rd 0110011", asm: "rd,rs1,rs2", ext: "M", does: [rd(rem(rs1, rs2))] },
  remu:   { bits: "0000001 rs2 rs1 111 rd 0110011", asm: "rd,rs1,rs2", ext: "M", does: [rd(remu(rs1, rs2))] },
  mulw:   { bits: "0000001 rs2 rs1 000 rd 0111011", asm: "rd,rs1,rs2", ext: "M", does: [rd(sext(mulw(w(rs1), w(rs2))))] },
  divw:   { bits: "0000001 rs2 rs1 100 rd 0111011", asm: "rd,rs1,rs2", ext: "M", does: [rd(sext(divw(w(rs1), w(rs2))))] },
  divuw:  { bits: "0000001 rs2 rs1 101 rd 0111011", asm: "rd,rs1,rs2", ext: "M", does: [rd(sext(divuw(w(rs1), w(rs2))))] },
  remw:   { bits: "0000001 rs2 rs1 110 rd 0111011", asm: "rd,rs1,rs2", ext: "M", does: [rd(sext(remw(w(rs1), w(rs2))))] },
  remuw:  { bits: "0000001 rs2 rs1 111 rd 0111011", asm: "rd,rs1,rs2", ext: "M", does: [rd(sext(remuw(w(rs1), w(rs2))))] },
} as const satisfies Record<string, Row>;
