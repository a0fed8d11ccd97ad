// The JavaScript that small regions become, kept in golden/ so that a change of code shape shows in review.
// SABRE_GOLDEN=1 writes the files anew.
import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { emitRegion } from "../../jit/js/emit.ts";
import { findRegion, type Region } from "../../jit/region.ts";
import { tuning } from "../../jit/tuning.ts";
import { lengthOf } from "../../src/isa/riscv/decode.ts";
import { disassemble } from "../../src/isa/riscv/disassemble.ts";
import { encode } from "../../src/isa/riscv/encode.ts";

const base = 0x10000;
const [zero, a0, a1, a2, a3, ra] = [0, 10, 11, 12, 13, 1];

const programs = {
  /** Adds up 64-bit words: a loop keeps its registers in variables. */
  sum: [
    encode("ld", { rd: a3, rs1: a0, imm: 0 }),
    encode("add", { rd: a2, rs1: a2, rs2: a3 }),
    encode("addi", { rd: a0, rs1: a0, imm: 8 }),
    encode("bne", { rs1: a0, rs2: a1, imm: -12 }),
    encode("jalr", { rd: zero, rs1: ra, imm: 0 }),
  ],
  /** Straight code reads registers when it needs them, and stores them before it may be left. */
  straight: [
    encode("slli", { rd: a0, rs1: a0, imm: 3 }),
    encode("lw", { rd: a2, rs1: a0, imm: 4 }),
    encode("beq", { rs1: a2, rs2: zero, imm: 8 }),
    encode("sw", { rs2: a2, rs1: a1, imm: 0 }),
    encode("jalr", { rd: zero, rs1: ra, imm: 0 }),
  ],
  /** Floating point is done by the unit, on the register file. */
  float: [
    encode("fld", { rd: 1, rs1: a0, imm: 0 }),
    encode("fmadd.d", { rd: 0, rs1: 1, rs2: 1, rs3: 0, rm: 7 }),
    encode("jalr", { rd: zero, rs1: ra, imm: 0 }),
  ],
} as const;

function regionOf(code: readonly number[]): Region {
  const at = (pc: number): number => code[(pc - base) / 4] ?? -1;
  return findRegion(base, at, tuning.regionInstructions)!;
}

for (const [name, code] of Object.entries(programs))
  test(`${name}: code shape is as kept`, () => {
    const listing = code.map((bits, i) => `// ${disassemble(bits, base + 4 * i)}`).join("\n");
    const text = `${listing}\n${emitRegion(regionOf(code))}`;
    const file = join(import.meta.dir, "golden", `${name}.js.txt`);
    if (process.env["SABRE_GOLDEN"] !== undefined) {
      mkdirSync(join(import.meta.dir, "golden"), { recursive: true });
      writeFileSync(file, text);
    }
    expect(existsSync(file)).toBe(true);
    expect(text).toBe(readFileSync(file, "utf8"));
  });

test("a region ends before what only the interpreter does, and behind calls", () => {
  const code = [
    encode("addi", { rd: a0, rs1: a0, imm: 1 }),
    encode("ecall", {}),
    encode("addi", { rd: a0, rs1: a0, imm: 1 }),
  ];
  expect(regionOf(code)).toMatchObject({
    instructions: 1,
    blocks: [{ end: { kind: "goto", to: { exit: base + 4 } } }],
  });
  const call = [encode("jal", { rd: ra, imm: 64 }), encode("addi", { rd: a0, rs1: a0, imm: 1 })];
  expect(regionOf(call)).toMatchObject({
    instructions: 1,
    blocks: [{ end: { kind: "goto", to: { exit: base + 64 } } }],
  });
  expect(findRegion(base, () => encode("ecall", {}), 10)).toBeUndefined();
  expect(lengthOf(0x73)).toBe(4);
});
