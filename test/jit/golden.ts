// Small programs that both emitters are shown on, and their output as it is kept in golden/. SABRE_GOLDEN=1 writes it anew.
import { expect } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { disassemble } from "../../src/isa/riscv/disassemble.ts";
import { encode } from "../../src/isa/riscv/encode.ts";

/** Where the programs lie. */
export const base = 0x10000;
export const [zero, ra, sp, a0, a1, a2, a3] = [0, 1, 2, 10, 11, 12, 13] as const;
export const ret = encode("jalr", { rd: zero, rs1: ra, imm: 0 });

/** A loop that adds up 64-bit words; straight code with accesses of both kinds and a branch. */
export const programs = {
  sum: [
    encode("ld", { rd: a3, rs1: a0, imm: 0 }),
    encode("add", { rd: a2, rs1: a2, rs2: a3 }),
    encode("addi", { rd: a0, rs1: a0, imm: 8 }),
    encode("bne", { rs1: a0, rs2: a1, imm: -12 }),
    ret,
  ],
  straight: [
    encode("slli", { rd: a0, rs1: a0, imm: 3 }),
    encode("lw", { rd: a2, rs1: a0, imm: 4 }),
    encode("beq", { rs1: a2, rs2: zero, imm: 8 }),
    encode("sw", { rs2: a2, rs1: a1, imm: 0 }),
    ret,
  ],
} as const;

/** What an emitter wrote for a program is as kept. `comment` begins a comment of its language. */
export function expectKept(name: string, code: readonly number[], comment: string, output: string): void {
  const listing = code.map((bits, i) => `${comment} ${disassemble(bits, base + 4 * i)}`).join("\n");
  const text = `${listing}\n${output}`;
  const folder = join(import.meta.dir, "golden");
  const file = join(folder, `${name}.txt`);
  if (process.env["SABRE_GOLDEN"] !== undefined) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(file, text);
  }
  expect(existsSync(file)).toBe(true);
  expect(text).toBe(readFileSync(file, "utf8"));
}
