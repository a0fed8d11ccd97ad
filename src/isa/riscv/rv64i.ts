// The base integer instruction set RV64I, with the control and status registers (Zicsr) and the instruction fence (Zifencei).
import { field, i32, imm, next, node, pc, rd } from "../vocabulary.ts";
import type { Row } from "./row.ts";
import { add, address, and, lt, ltu, op, or, rs1, rs2, sext, sll, sra, srl, sub, w, xor, yes, zext } from "./terms.ts";

const shamt = field("imm");
const [addw, subw, sllw, srlw, sraw] = [op("i32.add"), op("i32.sub"), op("i32.shl"), op("i32.shr_u"), op("i32.shr_s")];
const [jump, branch] = [op("jump"), op("branch")];
const [eq, ne, ge, geu] = [op("i64.eq"), op("i64.ne"), op("i64.ge_s"), op("i64.ge_u")];
const [lb, lbu, lh, lhu] = [op("i64.load8_s"), op("i64.load8_u"), op("i64.load16_s"), op("i64.load16_u")];
const [lw, lwu, ld] = [op("i64.load32_s"), op("i64.load32_u"), op("i64.load64")];
const [sb, sh, sw, sd] = [op("store8"), op("store16"), op("store32"), op("store64")];

// biome-ignore format: a table
export const rv64i = {
  lui:         { bits: "imm[31:12] rd 0110111",                        asm: "rd,upper",       ext: "I",        does: [rd(imm)] },
  auipc:       { bits: "imm[31:12] rd 0010111",                        asm: "rd,upper",       ext: "I",        does: [rd(add(pc, imm))] },

  jal:         { bits: "imm[20|10:1|11|19:12] rd 1101111",             asm: "rd,target",      ext: "I",        does: [jump(add(pc, imm)), rd(next)] },
  jalr:        { bits: "imm[11:0] rs1 000 rd 1100111",                 asm: "rd,imm(rs1)",    ext: "I",        does: [jump(address), rd(next)] },

  beq:         { bits: "imm[12|10:5] rs2 rs1 000 imm[4:1|11] 1100011", asm: "rs1,rs2,target", ext: "I",        does: [branch(eq(rs1, rs2))] },
  bne:         { bits: "imm[12|10:5] rs2 rs1 001 imm[4:1|11] 1100011", asm: "rs1,rs2,target", ext: "I",        does: [branch(ne(rs1, rs2))] },
  blt:         { bits: "imm[12|10:5] rs2 rs1 100 imm[4:1|11] 1100011", asm: "rs1,rs2,target", ext: "I",        does: [branch(lt(rs1, rs2))] },
  bge:         { bits: "imm[12|10:5] rs2 rs1 101 imm[4:1|11] 1100011", asm: "rs1,rs2,target", ext: "I",        does: [branch(ge(rs1, rs2))] },
  bltu:        { bits: "imm[12|10:5] rs2 rs1 110 imm[4:1|11] 1100011", asm: "rs1,rs2,target", ext: "I",        does: [branch(ltu(rs1, rs2))] },
  bgeu:        { bits: "imm[12|10:5] rs2 rs1 111 imm[4:1|11] 1100011", asm: "rs1,rs2,target", ext: "I",        does: [branch(geu(rs1, rs2))] },

  lb:          { bits: "imm[11:0] rs1 000 rd 0000011",                 asm: "rd,imm(rs1)",    ext: "I",        does: [rd(lb(address))] },
  lh:          { bits: "imm[11:0] rs1 001 rd 0000011",                 asm: "rd,imm(rs1)",    ext: "I",        does: [rd(lh(address))] },
  lw:          { bits: "imm[11:0] rs1 010 rd 0000011",                 asm: "rd,imm(rs1)",    ext: "I",        does: [rd(lw(address))] },
  ld:          { bits: "imm[11:0] rs1 011 rd 0000011",                 asm: "rd,imm(rs1)",    ext: "I",        does: [rd(ld(address))] },
  lbu:         { bits: "imm[11:0] rs1 100 rd 0000011",                 asm: "rd,imm(rs1)",    ext: "I",        does: [rd(lbu(address))] },
  lhu:         { bits: "imm[11:0] rs1 101 rd 0000011",                 asm: "rd,imm(rs1)",    ext: "I",        does: [rd(lhu(address))] },
  lwu:         { bits: "imm[11:0] rs1 110 rd 0000011",                 asm: "rd,imm(rs1)",    ext: "I",        does: [rd(lwu(address))] },
  sb:          { bits: "imm[11:5] rs2 rs1 000 imm[4:0] 0100011",       asm: "rs2,imm(rs1)",   ext: "I",        does: [sb(address, rs2)] },
  sh:          { bits: "imm[11:5] rs2 rs1 001 imm[4:0] 0100011",       asm: "rs2,imm(rs1)",   ext: "I",        does: [sh(address, rs2)] },
  sw:          { bits: "imm[11:5] rs2 rs1 010 imm[4:0] 0100011",       asm: "rs2,imm(rs1)",   ext: "I",        does: [sw(address, rs2)] },
  sd:          { bits: "imm[11:5] rs2 rs1 011 imm[4:0] 0100011",       asm: "rs2,imm(rs1)",   ext: "I",        does: [sd(address, rs2)] },

  addi:        { bits: "imm[11:0] rs1 000 rd 0010011",                 asm: "rd,rs1,imm",     ext: "I",        does: [rd(add(rs1, imm))] },
  slti:        { bits: "imm[11:0] rs1 010 rd 0010011",                 asm: "rd,rs1,imm",     ext: "I",        does: [rd(zext(lt(rs1, imm)))] },
  sltiu:       { bits: "imm[11:0] rs1 011 rd 0010011",                 asm: "rd,rs1,imm",     ext: "I",        does: [rd(zext(ltu(rs1, imm)))] },
  xori:        { bits: "imm[11:0] rs1 100 rd 0010011",                 asm: "rd,rs1,imm",     ext: "I",        does: [rd(xor(rs1, imm))] },
  ori:         { bits: "imm[11:0] rs1 110 rd 0010011",                 asm: "rd,rs1,imm",     ext: "I",        does: [rd(or(rs1, imm))] },
  andi:        { bits: "imm[11:0] rs1 111 rd 0010011",                 asm: "rd,rs1,imm",     ext: "I",        does: [rd(and(rs1, imm))] },
  slli:        { bits: "000000 uimm[5:0] rs1 001 rd 0010011",          asm: "rd,rs1,hex",     ext: "I",        does: [rd(sll(rs1, shamt))] },
  srli:        { bits: "000000 uimm[5:0] rs1 101 rd 0010011",          asm: "rd,rs1,hex",     ext: "I",        does: [rd(srl(rs1, shamt))] },
  srai:        { bits: "010000 uimm[5:0] rs1 101 rd 0010011",          asm: "rd,rs1,hex",     ext: "I",        does: [rd(sra(rs1, shamt))] },

  add:         { bits: "0000000 rs2 rs1 000 rd 0110011",               asm: "rd,rs1,rs2",     ext: "I",        does: [rd(add(rs1, rs2))] },
  sub:         { bits: "0100000 rs2 rs1 000 rd 0110011",               asm: "rd,rs1,rs2",     ext: "I",        does: [rd(sub(rs1, rs2))] },
  sll:         { bits: "0000000 rs2 rs1 001 rd 0110011",               asm: "rd,rs1,rs2",     ext: "I",        does: [rd(sll(rs1, w(rs2)))] },
  slt:         { bits: "0000000 rs2 rs1 010 rd 0110011",               asm: "rd,rs1,rs2",     ext: "I",        does: [rd(zext(lt(rs1, rs2)))] },
  sltu:        { bits: "0000000 rs2 rs1 011 rd 0110011",               asm: "rd,rs1,rs2",     ext: "I",        does: [rd(zext(ltu(rs1, rs2)))] },
  xor:         { bits: "0000000 rs2 rs1 100 rd 0110011",               asm: "rd,rs1,rs2",     ext: "I",        does: [rd(xor(rs1, rs2))] },
  srl:         { bits: "0000000 rs2 rs1 101 rd 0110011",               asm: "rd,rs1,rs2",     ext: "I",        does: [rd(srl(rs1, w(rs2)))] },
  sra:         { bits: "0100000 rs2 rs1 101 rd 0110011",               asm: "rd,rs1,rs2",     ext: "I",        does: [rd(sra(rs1, w(rs2)))] },
  or:          { bits: "0000000 rs2 rs1 110 rd 0110011",               asm: "rd,rs1,rs2",     ext: "I",        does: [rd(or(rs1, rs2))] },
  and:         { bits: "0000000 rs2 rs1 111 rd 0110011",               asm: "rd,rs1,rs2",     ext: "I",        does: [rd(and(rs1, rs2))] },

  addiw:       { bits: "imm[11:0] rs1 000 rd 0011011",                 asm: "rd,rs1,imm",     ext: "I",        does: [rd(sext(addw(w(rs1), field("imm"))))] },
  slliw:       { bits: "0000000 uimm[4:0] rs1 001 rd 0011011",         asm: "rd,rs1,hex",     ext: "I",        does: [rd(sext(sllw(w(rs1), shamt)))] },
  srliw:       { bits: "0000000 uimm[4:0] rs1 101 rd 0011011",         asm: "rd,rs1,hex",     ext: "I",        does: [rd(sext(srlw(w(rs1), shamt)))] },
  sraiw:       { bits: "0100000 uimm[4:0] rs1 101 rd 0011011",         asm: "rd,rs1,hex",     ext: "I",        does: [rd(sext(sraw(w(rs1), shamt)))] },
  addw:        { bits: "0000000 rs2 rs1 000 rd 0111011",               asm: "rd,rs1,rs2",     ext: "I",        does: [rd(sext(addw(w(rs1), w(rs2))))] },
  subw:        { bits: "0100000 rs2 rs1 000 rd 0111011",               asm: "rd,rs1,rs2",     ext: "I",        does: [rd(sext(subw(w(rs1), w(rs2))))] },
  sllw:        { bits: "0000000 rs2 rs1 001 rd 0111011",               asm: "rd,rs1,rs2",     ext: "I",        does: [rd(sext(sllw(w(rs1), w(rs2))))] },
  srlw:        { bits: "0000000 rs2 rs1 101 rd 0111011",               asm: "rd,rs1,rs2",     ext: "I",        does: [rd(sext(srlw(w(rs1), w(rs2))))] },
  sraw:        { bits: "0100000 rs2 rs1 101 rd 0111011",               asm: "rd,rs1,rs2",     ext: "I",        does: [rd(sext(sraw(w(rs1), w(rs2))))] },

  // Fences must be accepted whatever their unused fields hold.
  fence:       { bits: "fm pred succ rs1 000 rd 0001111",              asm: "pred,succ",      ext: "I",        does: [node("fence")] },
  "fence.tso": { bits: "1000 0011 0011 00000 000 00000 0001111",       asm: "",               ext: "I",        within: "fence", does: [node("fence")] },
  "fence.i":   { bits: "imm[11:0] rs1 001 rd 0001111",                 asm: "",               ext: "Zifencei", does: [node("fence.i")] },
  ecall:       { bits: "000000000000 00000 000 00000 1110011",         asm: "",               ext: "I",        does: [node("ecall")] },
  ebreak:      { bits: "000000000001 00000 000 00000 1110011",         asm: "",               ext: "I",        does: [node("ebreak")] },
} as const satisfies Record<string, Row>;

const csr = field("imm");
const zimm = zext(field("rs1"));
/** Set and clear write only where the source is not x0, or the immediate not 0: a read of a read-only register is legal. */
const some = node("i32.ne", field("rs1"), i32(0));
const [csrWrite, csrSet, csrClear] = [op("csr.write"), op("csr.set"), op("csr.clear")];

// biome-ignore format: a table
export const zicsr = {
  csrrw:  { bits: "uimm[11:0] rs1 001 rd 1110011", asm: "rd,csr,rs1",  ext: "Zicsr", does: [rd(csrWrite(csr, rs1, yes))] },
  csrrs:  { bits: "uimm[11:0] rs1 010 rd 1110011", asm: "rd,csr,rs1",  ext: "Zicsr", does: [rd(csrSet(csr, rs1, some))] },
  csrrc:  { bits: "uimm[11:0] rs1 011 rd 1110011", asm: "rd,csr,rs1",  ext: "Zicsr", does: [rd(csrClear(csr, rs1, some))] },
  csrrwi: { bits: "uimm[11:0] rs1 101 rd 1110011", asm: "rd,csr,zimm", ext: "Zicsr", does: [rd(csrWrite(csr, zimm, yes))] },
  csrrsi: { bits: "uimm[11:0] rs1 110 rd 1110011", asm: "rd,csr,zimm", ext: "Zicsr", does: [rd(csrSet(csr, zimm, some))] },
  csrrci: { bits: "uimm[11:0] rs1 111 rd 1110011", asm: "rd,csr,zimm", ext: "Zicsr", does: [rd(csrClear(csr, zimm, some))] },
} as const satisfies Record<string, Row>;
