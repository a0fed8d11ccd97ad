// Random instructions, made from the instruction table itself.
import fc from "fast-check";
import { domainsOf, encode } from "../../src/isa/riscv/encode.ts";
import type { Field } from "../../src/isa/vocabulary.ts";

export type FieldValues = Partial<Record<Field, number>>;

/** Values for every field that the form of that name encodes. */
export const fieldValues = (name: string): fc.Arbitrary<FieldValues> =>
  fc.record(
    Object.fromEntries(
      domainsOf(name).map(({ field, min, max, step, except }) => [
        field,
        fc
          .integer({ min: min / step, max: max / step })
          .map((n) => n * step)
          .filter((value) => !except.includes(value)),
      ]),
    ),
  );

/** Bits of that form. */
export const instructionBits = (name: string): fc.Arbitrary<number> =>
  fieldValues(name).map((values) => encode(name, values));
