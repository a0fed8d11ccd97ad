// The WebAssembly that small regions become, kept in golden/ so that a change of code shape shows in review.
// SABRE_GOLDEN=1 writes the files anew.

import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findRegion } from "../../jit/region.ts";
import { tuning } from "../../jit/tuning.ts";
import { wasmShape } from "../../jit/wasm/compile.ts";
import { emitModule } from "../../jit/wasm/emit.ts";
import { disassemble } from "../../src/isa/riscv/disassemble.ts";
import { encode } from "../../src/isa/riscv/encode.ts";
import { wasmText } from "../tools/wasm-text.ts";

const base = 0x10000;
const [zero, ra, sp, a0, a1, a2, a3] = [0, 1, 2, 10, 11, 12, 13] as const;
const ret = encode("jalr", { rs1: ra });

const programs = {
  /** Adds up 64-bit words: a loop keeps its registers in locals. */
  sum: [
    encode("ld", { rd: a3, rs1: a0, imm: 0 }),
    encode("add", { rd: a2, rs1: a2, rs2: a3 }),
    encode("addi", { rd: a0, rs1: a0, imm: 8 }),
    encode("bne", { rs1: a0, rs2: a1, imm: -12 }),
    ret,
  ],
  /** Straight code with accesses of both kinds and a branch. */
  straight: [
    encode("slli", { rd: a0, rs1: a0, imm: 3 }),
    encode("lw", { rd: a2, rs1: a0, imm: 4 }),
    encode("beq", { rs1: a2, rs2: zero, imm: 8 }),
    encode("sw", { rs2: a2, rs1: a1, imm: 0 }),
    ret,
  ],
  /** A function that calls itself. */
  recursion: [
    encode("beq", { rs1: a0, rs2: zero, imm: 32 }),
    encode("addi", { rd: sp, rs1: sp, imm: -16 }),
    encode("sd", { rs2: ra, rs1: sp, imm: 8 }),
    encode("addi", { rd: a0, rs1: a0, imm: -1 }),
    encode("jal", { rd: ra, imm: -16 }),
    encode("addi", { rd: a0, rs1: a0, imm: 2 }),
    encode("ld", { rd: ra, rs1: sp, imm: 8 }),
    encode("addi", { rd: sp, rs1: sp, imm: 16 }),
    ret,
  ],
  /** Floating point, with its flags. */
  float: [encode("fld", { rd: 1, rs1: a0, imm: 0 }), encode("fadd.d", { rd: 0, rs1: 1, rs2: 0, rm: 7 }), ret],
  atomic: [encode("amoadd.d", { rd: a1, rs1: a0, rs2: a2, imm: 3 }), ret],
} as const;

/** Slots of the table of links, in the order in which they are asked for. */
function slots(): (pc: number) => number {
  const known = new Map<number, number>();
  return (pc) => {
    if (!known.has(pc)) known.set(pc, known.size + 1);
    return known.get(pc)!;
  };
}

for (const [name, code] of Object.entries(programs))
  test(`${name}: code shape is as kept`, () => {
    const fetch = (pc: number): number => code[(pc - base) / 4] ?? -1;
    const region = findRegion(base, fetch, tuning.regionInstructions, wasmShape)!;
    const { bytes } = emitModule([region], 0x1000, slots());
    expect(WebAssembly.validate(bytes)).toBe(true);
    const listing = code.map((bits, i) => `;; ${disassemble(bits, base + 4 * i)}`).join("\n");
    const text = `${listing}\n${wasmText(bytes)}`;
    const file = join(import.meta.dir, "golden", `${name}.wasm.txt`);
    if (process.env["SABRE_GOLDEN"] !== undefined) {
      mkdirSync(join(import.meta.dir, "golden"), { recursive: true });
      writeFileSync(file, text);
    }
    expect(existsSync(file)).toBe(true);
    expect(text).toBe(readFileSync(file, "utf8"));
  });
