// From instruction bits to the instruction and its fields. A compressed instruction comes out as the one it stands for.
import { fieldValue } from "./encoding.ts";
import { indexOfForm } from "./find.ts";
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

/**
 * The form that the bits have: the low 16 of them, or all 32 where the lowest two are set. Undefined for what is
 * reserved or not implemented.
 */
export const formOf = (bits: number): Form | undefined => forms[indexOfForm(bits)];

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
