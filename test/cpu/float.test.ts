import { test } from "bun:test";
import fc from "fast-check";
import { makeExact } from "../../src/cpu/float/exact.ts";
import { makeFpu } from "../../src/cpu/float/fpu.ts";
import { newHart } from "../../src/cpu/hart.ts";
import { answer, anyCase, show } from "./float-cases.ts";

const fastHart = newHart();
const fast = makeFpu(fastHart);
const exactHart = newHart();
const exact = makeExact(exactHart);

test("fast paths give the bits and flags of the exact unit, whatever the operands, mode and flags before", () => {
  const flags = fc.constantFrom(0, 0, 0, 1, 2, 31);
  fc.assert(
    fc.property(anyCase, flags, fc.boolean(), (c, before, dynamic) => {
      const isIndex = c.op.endsWith(".fli");
      const expected = answer(exactHart, exact, c, before, dynamic && !isIndex);
      const got = answer(fastHart, fast, c, before, dynamic && !isIndex);
      if (show(got) !== show(expected)) throw new Error(`${show(c)}: ${show(got)}, not ${show(expected)}`);
    }),
    { numRuns: Number(process.env["SABRE_FLOAT_CASES"] ?? 300_000) },
  );
}, 60_000);
