// The interpreter's loop in WebAssembly leaves the state that the interpreter leaves: registers, memory, the trap, and the
// count, with any budget, and where code changes behind it.
import { beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { makeQuickLoop } from "../../jit/quick-loop.ts";
import { Cause, hart } from "../../src/cpu/hart.ts";
import type { Tier } from "../../src/cpu/interpreter.ts";
import { pairs } from "../../src/cpu/pairs.ts";
import { encode } from "../../src/isa/riscv/encode.ts";
import { type Form, instructions } from "../../src/isa/riscv/instructions.ts";
import { codeBase, dataBase } from "../tools/sequence.ts";
import { sequences } from "../tools/sequences.ts";
import { type Bare, expectSame, newBare, prepare } from "./wasm-runner.ts";

const count = Number(process.env["SABRE_SEQUENCES"] ?? 600);
const given = process.env["SABRE_SEED"] ?? "20261122";
const seed = given === "random" ? Date.now() % 2 ** 31 : Number(given);

/** Addresses that the loop said are hot, with the heat at which they are. */
const hot: number[] = [];
const heat = 5;

const tier: Tier = {
  heat,
  pause: 100_000,
  hot: (pc) => {
    hot.push(pc);
    return false;
  },
  dropAt: () => {},
  dropPages: () => {},
  memoryGrew: () => {},
  missed: () => {},
  paused: () => {},
  quickLoop: (h, m) => makeQuickLoop(h, m, heat),
};

let plain: Bare;
let quick: Bare;
beforeAll(() => {
  plain = newBare();
  quick = newBare(tier);
});

/** Runs to the first trap, so many instructions at a time. */
const inSteps =
  (budget: number) =>
  ({ interpreter, h }: Bare): void => {
    let before = h.f64[hart.instret / 2]!;
    while (interpreter.run(budget) === Cause.requested) {
      const now = h.f64[hart.instret / 2]!;
      expect(now - before).toBe(budget);
      before = now;
    }
  };

/** Counters count otherwise where there is no kernel to ask; the rest must agree. */
const usable = ({ name }: Form): boolean => !/^csr|^wrs/.test(name);

describe("the quick loop leaves what the interpreter leaves", () => {
  for (const budget of [1, 2, 7, 20_000])
    test(`${count} random sequences, ${budget} instructions at a time, seed ${seed}`, () => {
      expectSame(plain, quick, fc.sample(sequences(usable), { numRuns: count, seed: seed + budget }), inSteps(budget));
    }, 300_000);

  for (const { name } of instructions.filter((i) => usable(i as Form)))
    test(`${name} on operands of every kind`, () => {
      const only = (form: Form): boolean =>
        form.name === name || (form.row.is ?? "").startsWith(`${name} `) || ["addi", "jal", "beq"].includes(form.name);
      const some = fc.sample(sequences(only, 12), { numRuns: Math.ceil(count / 40), seed });
      expectSame(plain, quick, some, inSteps(20_000));
    });

  test("on another hart", () => {
    const some = fc.sample(sequences(usable), { numRuns: count / 10, seed });
    for (const index of [1, 100]) expectSame(plain, newBare(tier, index), some, inSteps(20_000));
  }, 300_000);

  test("pairs, in all orders", () => {
    const names = new Set(pairs.flat().map((row) => instructions[row]!.name));
    const only = (form: Form): boolean => names.has(form.name) || names.has((form.row.is ?? "").split(" ")[0]!);
    for (const budget of [1, 3, 20_000])
      expectSame(plain, quick, fc.sample(sequences(only), { numRuns: count, seed: seed + budget }), inSteps(budget));
  }, 300_000);
});

/** Runs instructions at `codeBase`, with x8 = 5 and x9 the data, until the first trap. */
function run(...code: number[]): void {
  const x = Array.from({ length: 31 }, (_, i) => (i === 7 ? 5n : i === 8 ? BigInt(dataBase) : 0n));
  prepare(quick, { x, f: Array<bigint>(32).fill(0n), fcsr: 0, code });
  hot.length = 0;
  while (quick.interpreter.run(1000) === Cause.requested);
}

const countDown = [
  encode("addi", { rd: 8, rs1: 8, imm: -1 }),
  encode("sd", { rs1: 9, rs2: 8, imm: 0 }),
  encode("bne", { rs1: 8, rs2: 0, imm: -8 }),
  encode("ebreak", {}),
];

test("a jump target is hot at the arrival that the tier wants to hear of", () => {
  run(encode("addi", { rd: 8, rs1: 8, imm: 20 }), ...countDown);
  expect(hot).toEqual([codeBase + 4]);
  run(encode("addi", { rd: 8, rs1: 8, imm: -2 }), ...countDown);
  expect(hot).toEqual([]);
});

test("a region is entered, at its address, and may begin at the second of a pair", () => {
  const { interpreter, h, m } = quick;
  run(...countDown);
  const entered: number[] = [];
  const { exports } = new WebAssembly.Instance(
    new WebAssembly.Module(
      // (memory) (depth, pc) -> pc + 4, after a call of the test
      // biome-ignore format: bytes
      new Uint8Array([
        0, 97, 115, 109, 1, 0, 0, 0, 1, 11, 2, 96, 1, 127, 0, 96, 2, 127, 127, 1, 127, 2, 7, 1, 1, 116, 1, 101, 0, 0, 3,
        2, 1, 1, 7, 5, 1, 1, 114, 0, 1, 10, 13, 1, 11, 0, 32, 1, 16, 0, 32, 1, 65, 4, 106, 11,
      ]),
    ),
    {
      t: {
        e: (pc: number) => {
          entered.push(pc);
          h.i32[hart.executed]! += 1;
        },
      },
    },
  );
  // Before the sd, which is the second of one pair and the first of another.
  interpreter.plant(codeBase + 4, exports["r"] as () => number);
  h.i32[2 * 8] = 3;
  h.i32[hart.pc] = codeBase;
  const before = h.f64[hart.instret / 2]!;
  expect(interpreter.run(1000)).toBe(Cause.breakpoint);
  expect(entered).toEqual([1, 2, 3].map(() => codeBase + 4));
  expect(h.f64[hart.instret / 2]! - before).toBe(9);
  expect(m.i32[dataBase >>> 2]).toBe(0);
  interpreter.plant(codeBase + 4, undefined);
});
