// C and Zcb: 16-bit forms, each the name of a 32-bit instruction with its operands. Encodings with rd = x0 or a zero
// immediate that the specification calls hints are ordinary forms here: what they expand to changes nothing. So c.nop is a
// case of c.addi, and shifts by 0 have the names that RV128 gives them, both as in binutils.
import type { Row } from "./row.ts";

// biome-ignore format: a table
export const rv64c = {
  "c.addi4spn": { bits: "000 nzuimm[5:4|9:6|2|3] rd' 00",         asm: "rd,sp,imm",    ext: "C",         is: "addi rd,sp,imm" },
  "c.fld":      { bits: "001 uimm[5:3] rs1' uimm[7:6] rd' 00",    asm: "fd,imm(rs1)",  ext: "C",         is: "fld rd,imm(rs1)" },
  "c.lw":       { bits: "010 uimm[5:3] rs1' uimm[2|6] rd' 00",    asm: "rd,imm(rs1)",  ext: "C",         is: "lw rd,imm(rs1)" },
  "c.ld":       { bits: "011 uimm[5:3] rs1' uimm[7:6] rd' 00",    asm: "rd,imm(rs1)",  ext: "C",         is: "ld rd,imm(rs1)" },
  "c.fsd":      { bits: "101 uimm[5:3] rs1' uimm[7:6] rs2' 00",   asm: "fs2,imm(rs1)", ext: "C",         is: "fsd rs2,imm(rs1)" },
  "c.sw":       { bits: "110 uimm[5:3] rs1' uimm[2|6] rs2' 00",   asm: "rs2,imm(rs1)", ext: "C",         is: "sw rs2,imm(rs1)" },
  "c.sd":       { bits: "111 uimm[5:3] rs1' uimm[7:6] rs2' 00",   asm: "rs2,imm(rs1)", ext: "C",         is: "sd rs2,imm(rs1)" },

  "c.addi":     { bits: "000 imm[5] rd imm[4:0] 01",              asm: "rd,imm",       ext: "C",         is: "addi rd,rd,imm" },
  "c.addiw":    { bits: "001 imm[5] rd!=0 imm[4:0] 01",           asm: "rd,imm",       ext: "C",         is: "addiw rd,rd,imm" },
  "c.li":       { bits: "010 imm[5] rd imm[4:0] 01",              asm: "rd,imm",       ext: "C",         is: "addi rd,zero,imm" },
  "c.addi16sp": { bits: "011 nzimm[9] 00010 nzimm[4|6|8:7|5] 01", asm: "sp,imm",       ext: "C",         is: "addi sp,sp,imm" },
  "c.lui":      { bits: "011 nzimm[17] rd!=2 nzimm[16:12] 01",    asm: "rd,upper",     ext: "C",         is: "lui rd,imm" },
  "c.srli":     { bits: "100 nzuimm[5] 00 rd' nzuimm[4:0] 01",    asm: "rd,hex",       ext: "C",         is: "srli rd,rd,imm" },
  "c.srli64":   { bits: "100 0 00 rd' 00000 01",                  asm: "rd",           ext: "C",         is: "srli rd,rd,0" },
  "c.srai":     { bits: "100 nzuimm[5] 01 rd' nzuimm[4:0] 01",    asm: "rd,hex",       ext: "C",         is: "srai rd,rd,imm" },
  "c.srai64":   { bits: "100 0 01 rd' 00000 01",                  asm: "rd",           ext: "C",         is: "srai rd,rd,0" },
  "c.andi":     { bits: "100 imm[5] 10 rd' imm[4:0] 01",          asm: "rd,imm",       ext: "C",         is: "andi rd,rd,imm" },
  "c.sub":      { bits: "100 0 11 rd' 00 rs2' 01",                asm: "rd,rs2",       ext: "C",         is: "sub rd,rd,rs2" },
  "c.xor":      { bits: "100 0 11 rd' 01 rs2' 01",                asm: "rd,rs2",       ext: "C",         is: "xor rd,rd,rs2" },
  "c.or":       { bits: "100 0 11 rd' 10 rs2' 01",                asm: "rd,rs2",       ext: "C",         is: "or rd,rd,rs2" },
  "c.and":      { bits: "100 0 11 rd' 11 rs2' 01",                asm: "rd,rs2",       ext: "C",         is: "and rd,rd,rs2" },
  "c.subw":     { bits: "100 1 11 rd' 00 rs2' 01",                asm: "rd,rs2",       ext: "C",         is: "subw rd,rd,rs2" },
  "c.addw":     { bits: "100 1 11 rd' 01 rs2' 01",                asm: "rd,rs2",       ext: "C",         is: "addw rd,rd,rs2" },
  "c.j":        { bits: "101 imm[11|4|9:8|10|6|7|3:1|5] 01",      asm: "target",       ext: "C",         is: "jal zero,imm" },
  "c.beqz":     { bits: "110 imm[8|4:3] rs1' imm[7:6|2:1|5] 01",  asm: "rs1,target",   ext: "C",         is: "beq rs1,zero,imm" },
  "c.bnez":     { bits: "111 imm[8|4:3] rs1' imm[7:6|2:1|5] 01",  asm: "rs1,target",   ext: "C",         is: "bne rs1,zero,imm" },

  "c.slli":     { bits: "000 nzuimm[5] rd nzuimm[4:0] 10",        asm: "rd,hex",       ext: "C",         is: "slli rd,rd,imm" },
  "c.slli64":   { bits: "000 0 rd 00000 10",                      asm: "rd",           ext: "C",         is: "slli rd,rd,0" },
  "c.fldsp":    { bits: "001 uimm[5] rd uimm[4:3|8:6] 10",        asm: "fd,imm(sp)",   ext: "C",         is: "fld rd,imm(sp)" },
  "c.lwsp":     { bits: "010 uimm[5] rd!=0 uimm[4:2|7:6] 10",     asm: "rd,imm(sp)",   ext: "C",         is: "lw rd,imm(sp)" },
  "c.ldsp":     { bits: "011 uimm[5] rd!=0 uimm[4:3|8:6] 10",     asm: "rd,imm(sp)",   ext: "C",         is: "ld rd,imm(sp)" },
  "c.jr":       { bits: "100 0 rs1!=0 00000 10",                  asm: "rs1",          ext: "C",         is: "jalr zero,0(rs1)" },
  "c.mv":       { bits: "100 0 rd rs2!=0 10",                     asm: "rd,rs2",       ext: "C",         is: "add rd,zero,rs2" },
  "c.ebreak":   { bits: "100 1 00000 00000 10",                   asm: "",             ext: "C",         is: "ebreak" },
  "c.jalr":     { bits: "100 1 rs1!=0 00000 10",                  asm: "rs1",          ext: "C",         is: "jalr ra,0(rs1)" },
  "c.add":      { bits: "100 1 rd rs2!=0 10",                     asm: "rd,rs2",       ext: "C",         is: "add rd,rd,rs2" },
  "c.ntl.p1":   { bits: "100 1 00000 00010 10",                   asm: "",             ext: "Zihintntl", within: "c.add", is: "ntl.p1" },
  "c.ntl.pall": { bits: "100 1 00000 00011 10",                   asm: "",             ext: "Zihintntl", within: "c.add", is: "ntl.pall" },
  "c.ntl.s1":   { bits: "100 1 00000 00100 10",                   asm: "",             ext: "Zihintntl", within: "c.add", is: "ntl.s1" },
  "c.ntl.all":  { bits: "100 1 00000 00101 10",                   asm: "",             ext: "Zihintntl", within: "c.add", is: "ntl.all" },
  "c.fsdsp":    { bits: "101 uimm[5:3|8:6] rs2 10",               asm: "fs2,imm(sp)",  ext: "C",         is: "fsd rs2,imm(sp)" },
  "c.swsp":     { bits: "110 uimm[5:2|7:6] rs2 10",               asm: "rs2,imm(sp)",  ext: "C",         is: "sw rs2,imm(sp)" },
  "c.sdsp":     { bits: "111 uimm[5:3|8:6] rs2 10",               asm: "rs2,imm(sp)",  ext: "C",         is: "sd rs2,imm(sp)" },
} as const satisfies Record<string, Row>;

// biome-ignore format: a table
export const zcb = {
  "c.lbu":    { bits: "100 000 rs1' uimm[0|1] rd' 00",  asm: "rd,imm(rs1)",  ext: "Zcb", is: "lbu rd,imm(rs1)" },
  "c.lhu":    { bits: "100 001 rs1' 0 uimm[1] rd' 00",  asm: "rd,imm(rs1)",  ext: "Zcb", is: "lhu rd,imm(rs1)" },
  "c.lh":     { bits: "100 001 rs1' 1 uimm[1] rd' 00",  asm: "rd,imm(rs1)",  ext: "Zcb", is: "lh rd,imm(rs1)" },
  "c.sb":     { bits: "100 010 rs1' uimm[0|1] rs2' 00", asm: "rs2,imm(rs1)", ext: "Zcb", is: "sb rs2,imm(rs1)" },
  "c.sh":     { bits: "100 011 rs1' 0 uimm[1] rs2' 00", asm: "rs2,imm(rs1)", ext: "Zcb", is: "sh rs2,imm(rs1)" },
  "c.zext.b": { bits: "100 111 rd' 11 000 01",          asm: "rd",           ext: "Zcb", is: "andi rd,rd,255" },
  "c.sext.b": { bits: "100 111 rd' 11 001 01",          asm: "rd",           ext: "Zcb", is: "sext.b rd,rd" },
  "c.zext.h": { bits: "100 111 rd' 11 010 01",          asm: "rd",           ext: "Zcb", is: "zext.h rd,rd" },
  "c.sext.h": { bits: "100 111 rd' 11 011 01",          asm: "rd",           ext: "Zcb", is: "sext.h rd,rd" },
  "c.zext.w": { bits: "100 111 rd' 11 100 01",          asm: "rd",           ext: "Zcb", is: "add.uw rd,rd,zero" },
  "c.not":    { bits: "100 111 rd' 11 101 01",          asm: "rd",           ext: "Zcb", is: "xori rd,rd,-1" },
  "c.mul":    { bits: "100 111 rd' 10 rs2' 01",         asm: "rd,rs2",       ext: "Zcb", is: "mul rd,rd,rs2" },
} as const satisfies Record<string, Row>;
