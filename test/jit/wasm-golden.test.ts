// The WebAssembly that small regions become, kept in golden/ so that a change of code shape shows in review.
// SABRE_GOLDEN=1 writes the files anew.
import { expect, test } from "bun:test";
import { findRegion, type Profile } from "../../jit/region.ts";
import { tuning } from "../../jit/tuning.ts";
import { wasmShape } from "../../jit/wasm/compile.ts";
import { emitModule } from "../../jit/wasm/module.ts";
import { wasmText } from "../../jit/wasm/text.ts";
import { encode } from "../../src/isa/riscv/encode.ts";
import { a0, a1, a2, base, expectKept, programs as kept, ra, ret, sp, zero } from "./golden.ts";

const programs = {
  ...kept,
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
  /** A loop through a jump to four places. */
  switch: [
    encode("sh2add", { rd: a1, rs1: a0, rs2: a2 }),
    encode("jalr", { rd: zero, rs1: a1, imm: 0 }),
    ...[1, 2, 3, 4].flatMap((n) => [
      encode("addi", { rd: a0, rs1: a0, imm: n }),
      encode("jal", { rd: zero, imm: -8 * n - 4 }),
    ]),
  ],
} as const;

/** Where jumps are known to lead. */
const profiles: Readonly<Record<string, Profile>> = {
  switch: { targets: [0x08, 0x10, 0x18, 0x20].map((at) => base + at), learns: true },
};
const unknown: Profile = { targets: [], learns: false };

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
    const profileOf = (): Profile => profiles[name] ?? unknown;
    const region = findRegion(base, fetch, tuning.regionInstructions, wasmShape, undefined, profileOf)!;
    const { bytes } = emitModule([region], 0x1000, slots());
    expect(WebAssembly.validate(bytes)).toBe(true);
    expectKept(`${name}.wasm`, code, ";;", wasmText(bytes));
  });
