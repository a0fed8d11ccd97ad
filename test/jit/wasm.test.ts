// What tier 2 compiles leaves the state that the interpreter leaves: registers, flags, memory, the trap, and the count.
import { beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Form } from "../../src/isa/riscv/instructions.ts";
import { instructions } from "../../src/isa/riscv/instructions.ts";
import { sequences } from "../tools/sequences.ts";
import { type Bare, expectSame, newBare, prepare, runCompiled } from "./wasm-runner.ts";

const count = Number(process.env["SABRE_SEQUENCES"] ?? 600);
const seed = Number(process.env["SABRE_SEED"] ?? Date.now() % 2 ** 31);

let plain: Bare;
let compiled: Bare;
beforeAll(() => {
  plain = newBare();
  compiled = newBare();
});

/** Counters count otherwise where there is no kernel to ask; the rest must agree. */
const usable = ({ name }: Form): boolean => !/^csr|^wrs/.test(name);

describe("a compiled region leaves what the interpreter leaves", () => {
  test(`${count} random sequences, seed ${seed}`, () => {
    expectSame(plain, compiled, fc.sample(sequences(usable), { numRuns: count, seed }), 200);
  }, 300_000);

  for (const { name } of instructions.filter((i) => usable(i as Form)))
    test(`${name} on operands of every kind`, () => {
      const only = (form: Form): boolean =>
        form.name === name || (form.row.is ?? "").startsWith(`${name} `) || ["addi", "jal", "beq"].includes(form.name);
      expectSame(plain, compiled, fc.sample(sequences(only, 12), { numRuns: Math.ceil(count / 40), seed }), 200);
    });
});

test("what programs do mostly stays in a region", () => {
  const common = ({ name, row }: Form): boolean =>
    ["I", "M", "Zba", "Zbb"].includes(row.ext) && !/fence|ecall|ebreak|^l|^s[bhwd]$|^jalr/.test(name);
  const [s] = fc.sample(sequences(common, 24), { numRuns: 1, seed: 1 });
  prepare(compiled, s!);
  expect(runCompiled(compiled, 200)).toBeGreaterThan(0);
});
