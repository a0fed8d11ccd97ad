// Compiled code works in watched pages by itself (jit/wasm/checks.ts): whatever loops access beside what is watched, a compiled one stops before
// the access before which the interpreter stops, with the same state; and where none is touched it goes on alike.
import { beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import { encode } from "../../src/isa/riscv/encode.ts";
import type { Watched } from "../../src/memory/watch-table.ts";
import { dataBase, type Sequence } from "../tools/sequence.ts";
import { type Bare, expectSame, newBare, prepare, runCompiled } from "./wasm-runner.ts";

let plain: Bare;
let compiled: Bare;
beforeAll(() => {
  plain = newBare();
  compiled = newBare();
});

/** Pointers: x8 walks in a round, x9 stays; x10 counts rounds down. */
const [value, walking, staying, count] = [5, 8, 9, 10];

const around = fc.integer({ min: -40, max: 40 });
const access = fc
  .tuple(
    fc.constantFrom("lb", "lhu", "lw", "ld", "fld", "sb", "sh", "sw", "sd", "fsd"),
    fc.constantFrom(walking, staying),
    around,
  )
  .map(([name, rs1, imm]) =>
    encode(name, name.startsWith("s") || name.startsWith("fs") ? { rs1, rs2: value, imm } : { rs1, rd: value, imm }),
  );
const step = fc
  .tuple(fc.constantFrom(walking, walking, staying), fc.constantFrom(1, 8, 24, 512, -4, -8))
  .map(([rd, imm]) => encode("addi", { rd, rs1: rd, imm }));
/** Over the next instruction or not, so that blocks have facts from others. */
const branch = fc.constantFrom("bne", "beq").map((name) => encode(name, { rs1: value, rs2: 0, imm: 8 }));
const body = fc.array(fc.oneof({ weight: 5, arbitrary: access }, step, branch), { minLength: 1, maxLength: 9 });

const place = fc.integer({ min: 64, max: 0x1f80 });
const watched: fc.Arbitrary<Watched> = fc.record({
  address: place.map((at) => dataBase + at),
  length: fc.constantFrom(1, 2, 4, 8, 24),
  reads: fc.boolean(),
  writes: fc.boolean(),
});

const sequence = (body: readonly number[], walks: number, stays: number): Sequence => {
  const nop = encode("addi", { rd: 0, rs1: 0, imm: 0 });
  const round = [...body, nop, encode("addi", { rd: count, rs1: count, imm: -1 })];
  const code = [...round, encode("bne", { rs1: count, rs2: 0, imm: -4 * round.length }), encode("ebreak", {})];
  const x = Array<bigint>(31).fill(7n);
  x[walking - 1] = BigInt(dataBase + walks);
  x[staying - 1] = BigInt(dataBase + stays);
  x[count - 1] = 300n;
  return { x, f: Array<bigint>(32).fill(0x3ff0000000000000n), fcsr: 0, code };
};

test("loops stop before what is watched, and nowhere else", () => {
  fc.assert(
    fc.property(body, place, place, fc.array(watched, { maxLength: 3 }), (code, walks, stays, all) => {
      plain.watched = compiled.watched = all;
      expectSame(plain, compiled, [sequence(code, walks, stays)], 200);
    }),
    { numRuns: 1500 },
  );
}, 120_000);

test("a loop that touches all but what is watched runs compiled, and through the other pages too", () => {
  const fields = [0, 8, 24, 32].map((imm) => encode("sd", { rs1: staying, rs2: value, imm }));
  const walk = [
    encode("ld", { rs1: walking, rd: value, imm: 0 }),
    encode("addi", { rd: walking, rs1: walking, imm: 8 }),
  ];
  compiled.watched = [{ address: dataBase + 0x810, length: 8, reads: true, writes: true }];
  prepare(compiled, sequence([...fields, ...walk], 0x820, 0x800));
  expect(runCompiled(compiled, 200)).toBeGreaterThan(2000);
});
