// Floating-point instructions in compiled regions give the bits and flags of the exact unit: each in a loop over cases in
// memory, so that what stands inline, its helpers and the unit behind them all take part.
import { beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import { makeExact } from "../../src/cpu/float/exact.ts";
import type { FloatOp } from "../../src/cpu/float/fpu.ts";
import { type Hart, newHart } from "../../src/cpu/hart.ts";
import { encode } from "../../src/isa/riscv/encode.ts";
import { instructions } from "../../src/isa/riscv/instructions.ts";
import {
  answer,
  bitsOfDouble,
  type Case,
  casesOf,
  floatOps,
  givesInteger,
  operandTypes,
  takesNumber,
} from "../cpu/float-cases.ts";
import { dataBase } from "../tools/sequence.ts";
import { type Bare, newBare, prepare, runCompiled } from "./wasm-runner.ts";

const count = Number(process.env["SABRE_FLOAT_CASES"] ?? 60_000) / 50;
const given = process.env["SABRE_SEED"] ?? "20261121";
const seed = given === "random" ? Date.now() % 2 ** 31 : Number(given);

let compiled: Bare;
let exactHart: Hart;
let exact: ReturnType<typeof makeExact>;
beforeAll(() => {
  compiled = newBare();
  exactHart = newHart();
  exact = makeExact(exactHart);
});

/** A case with what fcsr holds before. Its mode is in there where it is dynamic. */
interface Run {
  readonly c: Case;
  readonly flags: number;
}

const bytesEach = 40;
const runsEach = 200;

/** The instruction that does an operation. */
const nameOf = (op: FloatOp): string | undefined =>
  instructions.find(({ row }) =>
    row.does?.some((n) => n.args[0]?.op === op && n.args[0].args.every((a) => a.args.length === 0)),
  )?.name;

/** Instructions of a loop over runs: operands, fcsr, the operation, its result and fcsr again. */
function loopOf(op: FloatOp, name: string, rm: number): number[] {
  const types = operandTypes(op);
  const integer = types[0] === "i64";
  const gives = givesInteger(op);
  const loads = types.map((_, i) =>
    integer ? encode("ld", { rd: 5, rs1: 8, imm: 8 * i }) : encode("fld", { rd: i + 1, rs1: 8, imm: 8 * i }),
  );
  const sources = Object.fromEntries(types.map((_, i) => [`rs${i + 1}`, integer ? 5 : i + 1]));
  const code = [
    ...loads,
    encode("ld", { rd: 6, rs1: 8, imm: 24 }),
    encode("csrrw", { rd: 0, rs1: 6, imm: 3 }),
    encode(name, { rd: gives ? 7 : 4, ...sources, ...(takesNumber(op) ? { rm } : {}) }),
    gives ? encode("sd", { rs2: 7, rs1: 8, imm: 32 }) : encode("fsd", { rs2: 4, rs1: 8, imm: 32 }),
    encode("csrrs", { rd: 7, rs1: 0, imm: 3 }),
    encode("sd", { rs2: 7, rs1: 8, imm: 24 }),
    encode("addi", { rd: 8, rs1: 8, imm: bytesEach }),
  ];
  return [...code, encode("bne", { rs1: 8, rs2: 9, imm: -4 * code.length })];
}

/** Fails where one of some cases of an operation, with that mode or the dynamic one, comes out otherwise. */
function expectExact(op: FloatOp, name: string, rm: number, runs: readonly Run[]): void {
  const x = Array<bigint>(31).fill(0n);
  x[7] = BigInt(dataBase);
  x[8] = BigInt(dataBase + runs.length * bytesEach);
  prepare(compiled, { x, f: Array<bigint>(32).fill(0n), fcsr: 0, code: loopOf(op, name, rm) });
  const cells = new BigUint64Array(compiled.m.u8.buffer, compiled.m.u8.byteOffset + dataBase, runs.length * 5);
  runs.forEach(({ c, flags }, i) => {
    c.operands.forEach((bits, j) => {
      cells[5 * i + j] = bits;
    });
    cells[5 * i + 3] = BigInt(flags | (c.rm << 5));
  });
  expect(runCompiled(compiled, 200)).toBeGreaterThan(0);
  const hex = (v: bigint): string => BigInt.asUintN(64, v).toString(16);
  runs.forEach(({ c, flags }, i) => {
    const wanted = answer(exactHart, exact, { ...c, rm: rm === 7 ? c.rm : rm }, flags, rm === 7);
    const got = `${hex(cells[5 * i + 4]!)} ${cells[5 * i + 3]}`;
    const state = `${hex(wanted.bits)} ${wanted.flags | (c.rm << 5)}`;
    if (got !== state)
      throw new Error(`${name} rm=${rm} fcsr=${flags | (c.rm << 5)} of ${c.operands.map(hex)}: ${got}, not ${state}`);
  });
}

/** Mostly the flags and the mode that programs have nearly always. */
const runOf = (c: fc.Arbitrary<Case>): fc.Arbitrary<Run> =>
  fc
    .tuple(c, fc.constantFrom(1, 1, 1, 0, 0, 17, 31), fc.constantFrom(true, true, true, false))
    .map(([one, flags, usual]) => ({
      c: usual ? { ...one, rm: 0 } : one,
      flags,
    }));

const batches = (runs: readonly Run[]): Run[][] =>
  Array.from({ length: Math.ceil(runs.length / runsEach) }, (_, i) => runs.slice(i * runsEach, (i + 1) * runsEach));

for (const op of floatOps) {
  const name = nameOf(op);
  if (name === undefined || op.endsWith(".fli")) continue;
  test(`${name}, seed ${seed}`, () => {
    const runs = fc.sample(runOf(casesOf(op)), { numRuns: count, seed });
    const modes = takesNumber(op) ? [7, 0, 1] : [7];
    for (const [i, b] of batches(runs).entries()) expectExact(op, name, modes[i % modes.length]!, b);
  });
}

/** Fused operands where the product, exactly, lies next to the middle or a quarter between two numbers near the addend. */
const nearBoundaries = (op: FloatOp): fc.Arbitrary<Case> => {
  const small = fc.integer({ min: -3, max: 3 });
  return fc
    .tuple(
      small,
      small,
      fc.constantFrom(0.25, 0.5, 0.75, 1, 1.25, 1.5, 2),
      fc.nat(3),
      fc.double({ min: 1, max: 2 }),
      fc.boolean(),
    )
    .map(([i, j, units, kind, any, negative]) => {
      const u = 2 ** -52;
      const addend = kind === 0 ? 1 + i * u : kind === 1 ? 2 - 3 * u : kind === 2 ? any : 1;
      const factor = 1 + (j * 2 ** (kind + 1) - i) * u;
      const product = units * u * (1 + i * u);
      const operands = [factor, negative ? -product : product, addend].map(bitsOfDouble);
      return { op, operands, rm: 0 };
    });
};

/** Fused operands of few bits each, whose sums need just more than there are: ties are frequent. */
const short = (op: FloatOp): fc.Arbitrary<Case> => {
  const number = (bits: number): fc.Arbitrary<number> =>
    fc
      .tuple(fc.integer({ min: -(2 ** bits), max: 2 ** bits }), fc.integer({ min: -30, max: 30 }))
      .map(([n, e]) => n * 2 ** e);
  return fc
    .tuple(number(27), number(29), number(30))
    .map((numbers) => ({ op, operands: numbers.map(bitsOfDouble), rm: 0 }));
};

for (const op of ["f64.madd", "f64.msub", "f64.nmsub", "f64.nmadd"] as const)
  test(`${op} next to what rounds otherwise, seed ${seed}`, () => {
    const name = nameOf(op)!;
    for (const arbitrary of [nearBoundaries(op), short(op)])
      for (const b of batches(fc.sample(runOf(arbitrary), { numRuns: count, seed }))) expectExact(op, name, 7, b);
  });
