// What tells the forms apart, as numbers: made of the rows when it is first asked for. A build puts the tables themselves in this
// module's place (build.ts), so that a program starts without the rows.
import { bucketBits, bucketOf, type EncodedField } from "./encoding.ts";
import { forms, layoutOf } from "./instructions.ts";

/** By a form's index, but for `starts`. */
export interface FormTables {
  /** A form has these where `(bits & mask) === match`, both as int32. */
  readonly masks: readonly number[];
  readonly matches: readonly number[];
  /** Its fields that do not take every value. */
  readonly restricted: (index: number) => readonly EncodedField[];
  /** Where each bucket's forms begin in `members`, and, last, where those of the last one end. */
  readonly starts: readonly number[];
  /** The forms of each bucket, those within another's encodings before it. */
  readonly members: readonly number[];
}

function membersOfBuckets(): number[][] {
  const buckets: number[][] = [];
  for (const { index, mask, match, length } of [...forms].sort(
    (a, b) => Number(!a.row.within) - Number(!b.row.within),
  )) {
    const free = bucketBits(length) & ~mask;
    // Every value of the bucket bits that this form leaves free.
    for (let bits = free; ; bits = (bits - 1) & free) {
      (buckets[bucketOf(match | bits)] ??= []).push(index);
      if (bits === 0) break;
    }
  }
  return buckets;
}

export function formTables(): FormTables {
  const buckets = membersOfBuckets();
  const starts = [0];
  for (let bucket = 0; bucket <= bucketOf(-1); bucket++) starts.push(starts[bucket]! + (buckets[bucket]?.length ?? 0));
  return {
    masks: forms.map(({ mask }) => mask),
    matches: forms.map(({ match }) => match),
    restricted: (index) => layoutOf(forms[index]!).restricted,
    starts,
    members: buckets.flat(),
  };
}
