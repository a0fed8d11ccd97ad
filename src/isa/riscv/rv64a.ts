// A: load-reserved, store-conditional and atomic memory operations.
import { node, rd } from "../vocabulary.ts";
import type { Row } from "./row.ts";
import { rs1, rs2 } from "./terms.ts";

// biome-ignore format: a table
export const rv64a = {
  "lr.w":      { bits: "00010 aq rl 00000 rs1 010 rd 0101111", asm: "rd,(rs1)",     ext: "A", does: [rd(node("i32.lr", rs1))] },
  "sc.w":      { bits: "00011 aq rl rs2 rs1 010 rd 0101111",   asm: "rd,rs2,(rs1)", ext: "A", does: [rd(node("i32.sc", rs1, rs2))] },
  "amoswap.w": { bits: "00001 aq rl rs2 rs1 010 rd 0101111",   asm: "rd,rs2,(rs1)", ext: "A", does: [rd(node("i32.amo_swap", rs1, rs2))] },
  "amoadd.w":  { bits: "00000 aq rl rs2 rs1 010 rd 0101111",   asm: "rd,rs2,(rs1)", ext: "A", does: [rd(node("i32.amo_add", rs1, rs2))] },
  "amoxor.w":  { bits: "00100 aq rl rs2 rs1 010 rd 0101111",   asm: "rd,rs2,(rs1)", ext: "A", does: [rd(node("i32.amo_xor", rs1, rs2))] },
  "amoand.w":  { bits: "01100 aq rl rs2 rs1 010 rd 0101111",   asm: "rd,rs2,(rs1)", ext: "A", does: [rd(node("i32.amo_and", rs1, rs2))] },
  "amoor.w":   { bits: "01000 aq rl rs2 rs1 010 rd 0101111",   asm: "rd,rs2,(rs1)", ext: "A", does: [rd(node("i32.amo_or", rs1, rs2))] },
  "amomin.w":  { bits: "10000 aq rl rs2 rs1 010 rd 0101111",   asm: "rd,rs2,(rs1)", ext: "A", does: [rd(node("i32.amo_min_s", rs1, rs2))] },
  "amomax.w":  { bits: "10100 aq rl rs2 rs1 010 rd 0101111",   asm: "rd,rs2,(rs1)", ext: "A", does: [rd(node("i32.amo_max_s", rs1, rs2))] },
  "amominu.w": { bits: "11000 aq rl rs2 rs1 010 rd 0101111",   asm: "rd,rs2,(rs1)", ext: "A", does: [rd(node("i32.amo_min_u", rs1, rs2))] },
  "amomaxu.w": { bits: "11100 aq rl rs2 rs1 010 rd 0101111",   asm: "rd,rs2,(rs1)", ext: "A", does: [rd(node("i32.amo_max_u", rs1, rs2))] },

  "lr.d":      { bits: "00010 aq rl 00000 rs1 011 rd 0101111", asm: "rd,(rs1)",     ext: "A", does: [rd(node("i64.lr", rs1))] },
  "sc.d":      { bits: "00011 aq rl rs2 rs1 011 rd 0101111",   asm: "rd,rs2,(rs1)", ext: "A", does: [rd(node("i64.sc", rs1, rs2))] },
  "amoswap.d": { bits: "00001 aq rl rs2 rs1 011 rd 0101111",   asm: "rd,rs2,(rs1)", ext: "A", does: [rd(node("i64.amo_swap", rs1, rs2))] },
  "amoadd.d":  { bits: "00000 aq rl rs2 rs1 011 rd 0101111",   asm: "rd,rs2,(rs1)", ext: "A", does: [rd(node("i64.amo_add", rs1, rs2))] },
  "amoxor.d":  { bits: "00100 aq rl rs2 rs1 011 rd 0101111",   asm: "rd,rs2,(rs1)", ext: "A", does: [rd(node("i64.amo_xor", rs1, rs2))] },
  "amoand.d":  { bits: "01100 aq rl rs2 rs1 011 rd 0101111",   asm: "rd,rs2,(rs1)", ext: "A", does: [rd(node("i64.amo_and", rs1, rs2))] },
  "amoor.d":   { bits: "01000 aq rl rs2 rs1 011 rd 0101111",   asm: "rd,rs2,(rs1)", ext: "A", does: [rd(node("i64.amo_or", rs1, rs2))] },
  "amomin.d":  { bits: "10000 aq rl rs2 rs1 011 rd 0101111",   asm: "rd,rs2,(rs1)", ext: "A", does: [rd(node("i64.amo_min_s", rs1, rs2))] },
  "amomax.d":  { bits: "10100 aq rl rs2 rs1 011 rd 0101111",   asm: "rd,rs2,(rs1)", ext: "A", does: [rd(node("i64.amo_max_s", rs1, rs2))] },
  "amominu.d": { bits: "11000 aq rl rs2 rs1 011 rd 0101111",   asm: "rd,rs2,(rs1)", ext: "A", does: [rd(node("i64.amo_min_u", rs1, rs2))] },
  "amomaxu.d": { bits: "11100 aq rl rs2 rs1 011 rd 0101111",   asm: "rd,rs2,(rs1)", ext: "A", does: [rd(node("i64.amo_max_u", rs1, rs2))] },
} as const satisfies Record<string, Row>;
