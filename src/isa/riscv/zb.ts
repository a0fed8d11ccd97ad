// Bit manipulation (Zba, Zbb, Zbc, Zbs) and the conditional moves (Zicond).
import { field, i32, type Node, node, rd } from "../vocabulary.ts";
import type { Row } from "./row.ts";
import {
  add,
  and,
  lt,
  ltu,
  not,
  one,
  op,
  or,
  rs1,
  rs2,
  select,
  sext,
  sll,
  srl,
  uw,
  w,
  xor,
  zero,
  zext,
} from "./terms.ts";

const shamt = field("imm");
const shadd = (value: Node, by: number) => add(sll(value, i32(by)), rs2);
const bit = (n: Node) => sll(one, n);
const [rol, ror, rolw, rorw] = [op("i64.rotl"), op("i64.rotr"), op("i32.rotl"), op("i32.rotr")];
const [eq, ne] = [op("i64.eq"), op("i64.ne")];

// biome-ignore format: a table
export const zba = {
  "add.uw":    { bits: "0000100 rs2 rs1 000 rd 0111011",      asm: "rd,rs1,rs2", ext: "Zba", does: [rd(add(uw(rs1), rs2))] },
  sh1add:      { bits: "0010000 rs2 rs1 010 rd 0110011",      asm: "rd,rs1,rs2", ext: "Zba", does: [rd(shadd(rs1, 1))] },
  sh2add:      { bits: "0010000 rs2 rs1 100 rd 0110011",      asm: "rd,rs1,rs2", ext: "Zba", does: [rd(shadd(rs1, 2))] },
  sh3add:      { bits: "0010000 rs2 rs1 110 rd 0110011",      asm: "rd,rs1,rs2", ext: "Zba", does: [rd(shadd(rs1, 3))] },
  "sh1add.uw": { bits: "0010000 rs2 rs1 010 rd 0111011",      asm: "rd,rs1,rs2", ext: "Zba", does: [rd(shadd(uw(rs1), 1))] },
  "sh2add.uw": { bits: "0010000 rs2 rs1 100 rd 0111011",      asm: "rd,rs1,rs2", ext: "Zba", does: [rd(shadd(uw(rs1), 2))] },
  "sh3add.uw": { bits: "0010000 rs2 rs1 110 rd 0111011",      asm: "rd,rs1,rs2", ext: "Zba", does: [rd(shadd(uw(rs1), 3))] },
  "slli.uw":   { bits: "000010 uimm[5:0] rs1 001 rd 0011011", asm: "rd,rs1,hex", ext: "Zba", does: [rd(sll(uw(rs1), shamt))] },
} as const satisfies Record<string, Row>;

// biome-ignore format: a table
export const zbb = {
  andn:     { bits: "0100000 rs2 rs1 111 rd 0110011",       asm: "rd,rs1,rs2", ext: "Zbb", does: [rd(and(rs1, not(rs2)))] },
  orn:      { bits: "0100000 rs2 rs1 110 rd 0110011",       asm: "rd,rs1,rs2", ext: "Zbb", does: [rd(or(rs1, not(rs2)))] },
  xnor:     { bits: "0100000 rs2 rs1 100 rd 0110011",       asm: "rd,rs1,rs2", ext: "Zbb", does: [rd(not(xor(rs1, rs2)))] },
  clz:      { bits: "011000000000 rs1 001 rd 0010011",      asm: "rd,rs1",     ext: "Zbb", does: [rd(node("i64.clz", rs1))] },
  ctz:      { bits: "011000000001 rs1 001 rd 0010011",      asm: "rd,rs1",     ext: "Zbb", does: [rd(node("i64.ctz", rs1))] },
  cpop:     { bits: "011000000010 rs1 001 rd 0010011",      asm: "rd,rs1",     ext: "Zbb", does: [rd(node("i64.popcnt", rs1))] },
  clzw:     { bits: "011000000000 rs1 001 rd 0011011",      asm: "rd,rs1",     ext: "Zbb", does: [rd(zext(node("i32.clz", w(rs1))))] },
  ctzw:     { bits: "011000000001 rs1 001 rd 0011011",      asm: "rd,rs1",     ext: "Zbb", does: [rd(zext(node("i32.ctz", w(rs1))))] },
  cpopw:    { bits: "011000000010 rs1 001 rd 0011011",      asm: "rd,rs1",     ext: "Zbb", does: [rd(zext(node("i32.popcnt", w(rs1))))] },
  min:      { bits: "0000101 rs2 rs1 100 rd 0110011",       asm: "rd,rs1,rs2", ext: "Zbb", does: [rd(select(lt(rs1, rs2), rs1, rs2))] },
  minu:     { bits: "0000101 rs2 rs1 101 rd 0110011",       asm: "rd,rs1,rs2", ext: "Zbb", does: [rd(select(ltu(rs1, rs2), rs1, rs2))] },
  max:      { bits: "0000101 rs2 rs1 110 rd 0110011",       asm: "rd,rs1,rs2", ext: "Zbb", does: [rd(select(lt(rs1, rs2), rs2, rs1))] },
  maxu:     { bits: "0000101 rs2 rs1 111 rd 0110011",       asm: "rd,rs1,rs2", ext: "Zbb", does: [rd(select(ltu(rs1, rs2), rs2, rs1))] },
  "sext.b": { bits: "011000000100 rs1 001 rd 0010011",      asm: "rd,rs1",     ext: "Zbb", does: [rd(node("i64.extend8_s", rs1))] },
  "sext.h": { bits: "011000000101 rs1 001 rd 0010011",      asm: "rd,rs1",     ext: "Zbb", does: [rd(node("i64.extend16_s", rs1))] },
  "zext.h": { bits: "0000100 00000 rs1 100 rd 0111011",     asm: "rd,rs1",     ext: "Zbb", does: [rd(node("i64.extend16_u", rs1))] },
  rol:      { bits: "0110000 rs2 rs1 001 rd 0110011",       asm: "rd,rs1,rs2", ext: "Zbb", does: [rd(rol(rs1, w(rs2)))] },
  ror:      { bits: "0110000 rs2 rs1 101 rd 0110011",       asm: "rd,rs1,rs2", ext: "Zbb", does: [rd(ror(rs1, w(rs2)))] },
  rori:     { bits: "011000 uimm[5:0] rs1 101 rd 0010011",  asm: "rd,rs1,hex", ext: "Zbb", does: [rd(ror(rs1, shamt))] },
  rolw:     { bits: "0110000 rs2 rs1 001 rd 0111011",       asm: "rd,rs1,rs2", ext: "Zbb", does: [rd(sext(rolw(w(rs1), w(rs2))))] },
  rorw:     { bits: "0110000 rs2 rs1 101 rd 0111011",       asm: "rd,rs1,rs2", ext: "Zbb", does: [rd(sext(rorw(w(rs1), w(rs2))))] },
  roriw:    { bits: "0110000 uimm[4:0] rs1 101 rd 0011011", asm: "rd,rs1,hex", ext: "Zbb", does: [rd(sext(rorw(w(rs1), shamt)))] },
  "orc.b":  { bits: "001010000111 rs1 101 rd 0010011",      asm: "rd,rs1",     ext: "Zbb", does: [rd(node("i64.orc_b", rs1))] },
  rev8:     { bits: "011010111000 rs1 101 rd 0010011",      asm: "rd,rs1",     ext: "Zbb", does: [rd(node("i64.bswap", rs1))] },
} as const satisfies Record<string, Row>;

// biome-ignore format: a table
export const zbc = {
  clmul:  { bits: "0000101 rs2 rs1 001 rd 0110011", asm: "rd,rs1,rs2", ext: "Zbc", does: [rd(node("i64.clmul", rs1, rs2))] },
  clmulr: { bits: "0000101 rs2 rs1 010 rd 0110011", asm: "rd,rs1,rs2", ext: "Zbc", does: [rd(node("i64.clmulr", rs1, rs2))] },
  clmulh: { bits: "0000101 rs2 rs1 011 rd 0110011", asm: "rd,rs1,rs2", ext: "Zbc", does: [rd(node("i64.clmulh", rs1, rs2))] },
} as const satisfies Record<string, Row>;

// biome-ignore format: a table
export const zbs = {
  bclr:  { bits: "0100100 rs2 rs1 001 rd 0110011",      asm: "rd,rs1,rs2", ext: "Zbs", does: [rd(and(rs1, not(bit(w(rs2)))))] },
  bclri: { bits: "010010 uimm[5:0] rs1 001 rd 0010011", asm: "rd,rs1,hex", ext: "Zbs", does: [rd(and(rs1, not(bit(shamt))))] },
  bext:  { bits: "0100100 rs2 rs1 101 rd 0110011",      asm: "rd,rs1,rs2", ext: "Zbs", does: [rd(and(srl(rs1, w(rs2)), one))] },
  bexti: { bits: "010010 uimm[5:0] rs1 101 rd 0010011", asm: "rd,rs1,hex", ext: "Zbs", does: [rd(and(srl(rs1, shamt), one))] },
  binv:  { bits: "0110100 rs2 rs1 001 rd 0110011",      asm: "rd,rs1,rs2", ext: "Zbs", does: [rd(xor(rs1, bit(w(rs2))))] },
  binvi: { bits: "011010 uimm[5:0] rs1 001 rd 0010011", asm: "rd,rs1,hex", ext: "Zbs", does: [rd(xor(rs1, bit(shamt)))] },
  bset:  { bits: "0010100 rs2 rs1 001 rd 0110011",      asm: "rd,rs1,rs2", ext: "Zbs", does: [rd(or(rs1, bit(w(rs2))))] },
  bseti: { bits: "001010 uimm[5:0] rs1 001 rd 0010011", asm: "rd,rs1,hex", ext: "Zbs", does: [rd(or(rs1, bit(shamt)))] },
} as const satisfies Record<string, Row>;

// biome-ignore format: a table
export const zicond = {
  "czero.eqz": { bits: "0000111 rs2 rs1 101 rd 0110011", asm: "rd,rs1,rs2", ext: "Zicond", does: [rd(select(eq(rs2, zero), zero, rs1))] },
  "czero.nez": { bits: "0000111 rs2 rs1 111 rd 0110011", asm: "rd,rs1,rs2", ext: "Zicond", does: [rd(select(ne(rs2, zero), zero, rs1))] },
} as const satisfies Record<string, Row>;
