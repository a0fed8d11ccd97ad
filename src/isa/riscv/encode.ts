// From a mnemonic and field values to instruction bits, and the values that each field can take: for tests, which
// generate instructions from the table.
import type { Field } from "../vocabulary.ts";
import { type EncodedField, fieldValue } from "./encoding.ts";
import { formNamed, layoutOf } from "./instructions.ts";

/** The values of a field: the multiples of `step` from `min` to `max`, but not those in `except`. */
export interface Domain {
  readonly field: Field;
  readonly min: number;
  readonly max: number;
  readonly step: number;
  readonly except: readonly number[];
}

function domainOf({ name: field, pieces, base, sign, except }: EncodedField): Domain {
  let bits = 0;
  for (const { mask, to } of pieces) bits |= mask << to;
  const step = bits & -bits;
  // The field ends at bit 31 - sign where it is signed; one that reaches bit 31 is signed too.
  const top = 2 ** (31 - sign);
  const signed = sign > 0 || bits < 0;
  return signed
    ? { field, min: -top, max: top - step, step, except }
    : { field, min: base, max: base + bits, step, except };
}

/** The fields that the form of that name encodes. What it shows nowhere else, such as `aq` and `rl`, is in `imm`. */
export const domainsOf = (name: string): readonly Domain[] => layoutOf(formNamed(name)).fields.map(domainOf);

/**
 * The bits of an instruction, an unsigned number. Fields that are not given are 0.
 * Throws a RangeError for a value that the form cannot have, or a field that it does not encode.
 */
export function encode(name: string, values: Readonly<Partial<Record<Field, number>>>): number {
  const form = formNamed(name);
  const { fields } = layoutOf(form);
  for (const given of Object.keys(values))
    if (!fields.some((f) => f.name === given)) throw new RangeError(`${name} has no field ${given}`);
  let bits = form.match;
  for (const field of fields) {
    const value = values[field.name] ?? 0;
    for (const { from, mask, to } of field.pieces) bits |= (((value - field.base) >>> to) & mask) << from;
    if (fieldValue(field, bits) !== value || field.except.includes(value))
      throw new RangeError(`${field.name} of ${name} cannot be ${value}`);
  }
  return bits >>> 0;
}
