import { expect, test } from "bun:test";
import fc from "fast-check";
import { makeExact } from "../../src/cpu/float/exact.ts";
import { makeFpu } from "../../src/cpu/float/fpu.ts";
import { newHart } from "../../src/cpu/hart.ts";
import { answer, casesOf, show } from "./float-cases.ts";
import { askOracle, oracleOps } from "./float-oracle.ts";

const perOperation = Number(process.env["SABRE_FLOAT_CASES"] ?? 2500);

test("both units agree with qemu in bits and flags, on every operation it has and every rounding mode", async () => {
  const cases = oracleOps.flatMap((op, seed) => fc.sample(casesOf(op), { numRuns: perOperation, seed }));
  const expected = await askOracle(cases);
  const fastHart = newHart();
  const fast = makeFpu(fastHart);
  const exactHart = newHart();
  const exact = makeExact(exactHart);
  const wrong: string[] = [];
  cases.forEach((c, i) => {
    const wanted = show({ status: 0, ...expected[i]! });
    for (const got of [answer(fastHart, fast, c), answer(exactHart, exact, c, 0, true)])
      if (show(got) !== wanted) wrong.push(`${show(c)}: ${show(got)}, not ${wanted}`);
  });
  expect(wrong).toEqual([]);
}, 60_000);
