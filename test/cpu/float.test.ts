import { test } from "bun:test";
import fc from "fast-check";
import { makeExact } from "../../src/cpu/float/exact.ts";
import { makeFpu } from "../../src/cpu/float/fpu.ts";
import { newHart } from "../../src/cpu/hart.ts";
import { answer, anyCase, show } from "./float-cases.ts";

const numRuns = Number(process.env["SABRE_FLOAT_CASES"] ?? 300_000);

test("fast paths give the bits and flags of the exact unit, whatever operands, mode, flags and destination", () => {
  const fastHart = newHart();
  const fast = makeFpu(fastHart);
  const exactHart = newHart();
  const exact = makeExact(exactHart);
  const flagsBefore = fc.constantFrom(0, 0, 0, 1, 2, 31);
  const destination = fc.constantFrom(31, 31, 1, 2, 3);
  fc.assert(
    fc.property(anyCase, flagsBefore, fc.boolean(), destination, (c, before, dynamic, rd) => {
      const inFrm = dynamic && !c.op.endsWith(".fli");
      const expected = show(answer(exactHart, exact, c, before, inFrm, rd));
      const got = show(answer(fastHart, fast, c, before, inFrm, rd));
      if (got !== expected) throw new Error(`${show(c)}: ${got}, not ${expected}`);
    }),
    { numRuns },
  );
}, 120_000);
