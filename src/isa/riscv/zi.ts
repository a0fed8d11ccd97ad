// Hints and cache-block instructions: Zihintpause, Zihintntl, Zicbop, Zicbom, Zicboz, Zawrs.
// Hints take a part of the encodings of an older instruction that would change nothing there.
import { node } from "../vocabulary.ts";
import type { Row } from "./row.ts";
import { rs1 } from "./terms.ts";

// biome-ignore format: a table
export const zihint = {
  pause:      { bits: "0000 0001 0000 00000 000 00000 0001111", asm: "", ext: "Zihintpause", within: "fence", does: [node("pause")] },
  "ntl.p1":   { bits: "0000000 00010 00000 000 00000 0110011",  asm: "", ext: "Zihintntl",   within: "add", does: [] },
  "ntl.pall": { bits: "0000000 00011 00000 000 00000 0110011",  asm: "", ext: "Zihintntl",   within: "add", does: [] },
  "ntl.s1":   { bits: "0000000 00100 00000 000 00000 0110011",  asm: "", ext: "Zihintntl",   within: "add", does: [] },
  "ntl.all":  { bits: "0000000 00101 00000 000 00000 0110011",  asm: "", ext: "Zihintntl",   within: "add", does: [] },
} as const satisfies Record<string, Row>;

// biome-ignore format: a table
export const zicbo = {
  "prefetch.i": { bits: "imm[11:5] 00000 rs1 110 00000 0010011", asm: "imm(rs1)", ext: "Zicbop", within: "ori", does: [] },
  "prefetch.r": { bits: "imm[11:5] 00001 rs1 110 00000 0010011", asm: "imm(rs1)", ext: "Zicbop", within: "ori", does: [] },
  "prefetch.w": { bits: "imm[11:5] 00011 rs1 110 00000 0010011", asm: "imm(rs1)", ext: "Zicbop", within: "ori", does: [] },
  "cbo.inval":  { bits: "000000000000 rs1 010 00000 0001111",    asm: "(rs1)",    ext: "Zicbom", does: [node("touch_block", rs1)] },
  "cbo.clean":  { bits: "000000000001 rs1 010 00000 0001111",    asm: "(rs1)",    ext: "Zicbom", does: [node("touch_block", rs1)] },
  "cbo.flush":  { bits: "000000000010 rs1 010 00000 0001111",    asm: "(rs1)",    ext: "Zicbom", does: [node("touch_block", rs1)] },
  "cbo.zero":   { bits: "000000000100 rs1 010 00000 0001111",    asm: "(rs1)",    ext: "Zicboz", does: [node("zero_block", rs1)] },
} as const satisfies Record<string, Row>;

// biome-ignore format: a table
export const zawrs = {
  "wrs.nto": { bits: "000000001101 00000 000 00000 1110011", asm: "", ext: "Zawrs", does: [node("wait_reservation")] },
  "wrs.sto": { bits: "000000011101 00000 000 00000 1110011", asm: "", ext: "Zawrs", does: [node("wait_reservation")] },
} as const satisfies Record<string, Row>;
