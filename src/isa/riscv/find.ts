// Which form the bits of an instruction have, by tables alone: who only wants to know that does without the rows.
import { bucketOf, fieldValue } from "./encoding.ts";
import { type FormTables, formTables } from "./form-tables.ts";

let tables: FormTables | undefined;

type Restricted = ReturnType<FormTables["restricted"]>;
const restricted: Restricted[] = [];

/** Whether a form takes the fields' values. */
function takes(index: number, bits: number): boolean {
  for (const field of (restricted[index] ??= tables!.restricted(index)))
    if (field.except.includes(fieldValue(field, bits))) return false;
  return true;
}

/**
 * The index in `forms` of the form that the bits have: the low 16 of them, or all 32 where the lowest two are set. -1 for what
 * is reserved or not implemented.
 */
export function indexOfForm(bits: number): number {
  const { masks, matches, starts, members } = (tables ??= formTables());
  const relevant = (bits & 3) === 3 ? bits | 0 : bits & 0xffff;
  const bucket = bucketOf(relevant);
  // By index: this runs for every instruction that is decoded, mostly before it is compiled.
  for (let i = starts[bucket]!; i < starts[bucket + 1]!; i++) {
    const index = members[i]!;
    if ((relevant & masks[index]!) === matches[index] && takes(index, relevant)) return index;
  }
  return -1;
}
