// From instruction bits to the instruction and its fields. A compressed instruction comes out as the one it stands for.
import { fieldValue } from "./encoding.ts";
import { type Form, forms, layoutOf } from "./instructions.ts";

export interface Decoded {
  /** The mnemonic as written, such as `c.addi`. */
  readonly name: string;
  /** Index in `instructions` of what is to be done. */
  readonly row: number;
  /** Fields of that row; 0 where it has none. Register fields are 0..31, `imm` is a signed 32-bit number, scaled and shifted. */
  readonly rd: number;
  readonly rs1: number;
  readonly rs2: number;
  readonly rs3: number;
  readonly rm: number;
  readonly imm: number;
  /** Bytes that it takes in memory. */
  readonly length: 2 | 4;
}

/** Bytes of the instruction that begins with this halfword: 2 or 4, the only lengths there are in the table. */
export const lengthOf = (half: number): 2 | 4 => ((half & 3) === 3 ? 4 : 2);

/** The bits that choose a bucket: `funct3` with the opcode, or the high bits of a halfword with its quadrant. */
const bucketOf = (bits: number): number =>
  (bits & 3) === 3 ? 32 | ((bits & 0x7c) << 4) | ((bits >> 12) & 7) : ((bits >> 11) & 0x1c) | (bits & 3);
const bucketBits = (form: Form): number => (form.length === 4 ? 0x707f : 0xe003);

// Buckets of forms, those within another's encodings before it.
const buckets: Form[][] = [];
for (const form of [...forms].sort((a, b) => Number(!a.row.within) - Number(!b.row.within))) {
  const { mask, match } = form;
  const free = bucketBits(form) & ~mask;
  // Every value of the bucket bits that this form leaves free.
  for (let bits = free; ; bits = (bits - 1) & free) {
    (buckets[bucketOf(match | bits)] ??= []).push(form);
    if (bits === 0) break;
  }
}

/** Whether a form that has these fixed bits takes the fields' values. */
function takes(form: Form, bits: number): boolean {
  for (const field of layoutOf(form).restricted) if (field.except.includes(fieldValue(field, bits))) return false;
  return true;
}

/**
 * The form that the bits have: the low 16 of them, or all 32 where the lowest two are set. Undefined for what is
 * reserved or not implemented.
 */
export function formOf(bits: number): Form | undefined {
  const relevant = (bits & 3) === 3 ? bits | 0 : bits & 0xffff;
  const bucket = buckets[bucketOf(relevant)];
  if (!bucket) return undefined;
  // By index: this runs for every instruction that is decoded, mostly before it is compiled.
  for (let i = 0; i < bucket.length; i++) {
    const form = bucket[i]!;
    if ((relevant & form.mask) === form.match && takes(form, relevant)) return form;
  }
  return undefined;
}

/** Decodes an instruction given as for `formOf`. */
export function decode(bits: number): Decoded | undefined {
  const form = formOf(bits);
  if (!form) return undefined;
  const { target, sources } = layoutOf(form);
  const { rd, rs1, rs2, rs3, rm, imm } = sources;
  return {
    name: form.name,
    row: target,
    rd: fieldValue(rd, bits),
    rs1: fieldValue(rs1, bits),
    rs2: fieldValue(rs2, bits),
    rs3: fieldValue(rs3, bits),
    rm: fieldValue(rm, bits),
    imm: fieldValue(imm, bits),
    length: form.length,
  };
}
