// What tier 2 compiles leaves the state that the interpreter leaves: registers, flags, memory, the trap, and the count.
import { beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { encode } from "../../src/isa/riscv/encode.ts";
import type { Form } from "../../src/isa/riscv/instructions.ts";
import { instructions } from "../../src/isa/riscv/instructions.ts";
import { dataBase } from "../tools/sequence.ts";
import { sequences } from "../tools/sequences.ts";
import { type Bare, expectSame, newBare, prepare, runCompiled } from "./wasm-runner.ts";

const count = Number(process.env["SABRE_SEQUENCES"] ?? 600);
const given = process.env["SABRE_SEED"] ?? "20261121";
const seed = given === "random" ? Date.now() % 2 ** 31 : Number(given);

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

describe("a pointer that walks, or leaps, stops where the interpreter's stops", () => {
  const accesses = ["lb", "lh", "lw", "ld", "flw", "fld", "sb", "sh", "sw", "sd", "fsw", "fsd", "cbo.zero"];
  const strides = [1n, 2n, 7n, 8n, -8n, 4096n, -4096n, 2n ** 31n, 2n ** 32n, 2n ** 44n, -(2n ** 32n), 2n ** 63n];
  const starts = [0n, 0xff8n, 0x1ff9n, 0x1ffdn, 0x2000n, 0x2ff8n, 0x2fffn].map((at) => BigInt(dataBase) + at);

  for (const name of accesses)
    test(name, () => {
      // 0: access through x8; 4: x8 += x6; 8: back to 0
      const stored = name.startsWith("s")
        ? { rs2: 5 }
        : name.startsWith("f")
          ? name[1] === "s"
            ? { rs2: 5 }
            : { rd: 5 }
          : { rd: 5 };
      const code = [
        encode(name, name === "cbo.zero" ? { rs1: 8 } : { rs1: 8, imm: 0, ...stored }),
        encode("add", { rd: 8, rs1: 8, rs2: 6 }),
        encode("jal", { rd: 0, imm: -8 }),
      ];
      const walks = starts.flatMap((start) =>
        strides.map((stride) => ({
          x: Array.from({ length: 31 }, (_, i) => (i === 7 ? start : i === 5 ? BigInt.asUintN(64, stride) : 77n)),
          f: Array<bigint>(32).fill(0x3ff0000000000000n),
          fcsr: 0,
          code,
        })),
      );
      expectSame(plain, compiled, walks, 200);
    });
});
