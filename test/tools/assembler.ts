// Puts instructions with labels together: the distances of jumps, addresses of places in the code, tables of offsets.

import { encode } from "../../src/isa/riscv/encode.ts";
import { type EncodedField, fieldValue, lengthOf } from "../../src/isa/riscv/encoding.ts";
import { type Form, formNamed, layoutOf } from "../../src/isa/riscv/instructions.ts";

/** A place in the code; each is an object of its own. */
export interface Label {
  readonly label: true;
}
export const newLabel = (): Label => ({ label: true });

export type Item =
  /** An instruction, as its bits. */
  | number
  /** Here is that place. */
  | Label
  /** A jump or branch of that form, whose distance is put into the bits. */
  | { readonly jump: Form; readonly bits: number; readonly to: Label }
  /** The address of a place into a register: auipc, addi. */
  | { readonly address: Label; readonly rd: number }
  /** A word of data: the distance of a place after `from`. */
  | { readonly offset: Label; readonly from: Label };

export const fieldNamed = (form: Form, name: string): EncodedField | undefined =>
  layoutOf(form).fields.find((f) => f.name === name);

/** Places a value of a field among the bits of an instruction. */
export function place(field: EncodedField, value: number, bits: number): number {
  for (const { from, mask, to } of field.pieces)
    bits = (bits & ~(mask << from)) | (((((value - field.base) >> to) & mask) << from) | 0);
  return bits;
}

const bytesOf = (item: Item): number => {
  if (typeof item === "number") return lengthOf(item);
  if ("label" in item) return 0;
  if ("jump" in item) return item.jump.length;
  return "rd" in item ? 8 : 4;
};

const nop = (length: 2 | 4): number => (length === 4 ? encode("addi", {}) : encode("c.addi", {}));

/** Instructions, as their bits. A jump that does not reach its label does nothing. */
export function assemble(items: readonly Item[]): number[] {
  const places = new Map<Label, number>();
  let at = 0;
  for (const item of items) {
    if (typeof item === "object" && "label" in item) places.set(item, at);
    at += bytesOf(item);
  }
  at = 0;
  return items.flatMap((item): number[] => {
    const here = at;
    at += bytesOf(item);
    if (typeof item === "number") return [item];
    if ("label" in item) return [];
    if ("jump" in item) {
      const field = fieldNamed(item.jump, "imm")!;
      const distance = places.get(item.to)! - here;
      const bits = place(field, distance, item.bits);
      return [fieldValue(field, bits) === distance ? bits : nop(item.jump.length)];
    }
    // Both halves of a word of data look like short instructions: it stands behind what it points from.
    if ("offset" in item) return [places.get(item.offset)! - places.get(item.from)!, 0];
    const imm = places.get(item.address)! - here;
    return [encode("auipc", { rd: item.rd }), encode("addi", { rd: item.rd, rs1: item.rd, imm })];
  });
}

/** A conditional branch, or a plain jump. */
export const branch = (name: "beq" | "bne" | "blt" | "bge", rs1: number, rs2: number, to: Label): Item => ({
  jump: formNamed(name),
  bits: encode(name, { rs1, rs2 }),
  to,
});
export const jump = (to: Label, rd = 0): Item => ({ jump: formNamed("jal"), bits: encode("jal", { rd }), to });

/** A 32-bit constant, sign-extended, into a register. */
export const constant = (rd: number, value: number): Item[] => [
  encode("lui", { rd, imm: ((value + 0x800) >> 12) << 12 }),
  encode("addiw", { rd, rs1: rd, imm: (value << 20) >> 20 }),
];
