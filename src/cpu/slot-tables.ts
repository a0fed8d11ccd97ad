// What slots.ts goes by: made of the rows when it is first asked for. A build puts the tables themselves in this module's place
// (build.ts).
import type { Piece, Source } from "../isa/riscv/encoding.ts";
import { type Form, forms, instructions, layoutOf } from "../isa/riscv/instructions.ts";
import type { Op } from "../isa/vocabulary.ts";
import { fieldShift, firstInstruction } from "./cache.ts";
import { firstPair, pairs } from "./pairs.ts";
/** How the bits of a form become a slot. */
export interface SlotPlan {
  /** The constant part of the first word, and the runs of bits that are put into it. */
  readonly word: number;
  readonly pieces: readonly Piece[];
  /** The second word. */
  readonly value: Source;
  readonly writesX: boolean;
  /** Whether control may go elsewhere than to what stands behind. */
  readonly jumps: boolean;
  readonly length: 2 | 4;
}

export interface SlotTables {
  /** By a form's index. */
  readonly plan: (index: number) => SlotPlan;
  /** Rows of the first and the second instruction of each pair, in turn. */
  readonly pairs: readonly number[];
  /** The first pair's operation. */
  readonly firstPair: number;
}

function planSlot(form: Form): SlotPlan {
  const { target, sources } = layoutOf(form);
  const { row } = instructions[target]!;
  let word = (target + firstInstruction) | (form.length === 4 ? 1 << 31 : 0);
  const pieces: Piece[] = [];
  for (const name of ["rd", "rs1", "rs2", "rs3"] as const) {
    const shift = fieldShift[name];
    word |= sources[name].base << shift;
    for (const { from, mask, to } of sources[name].pieces) pieces.push({ from, mask, to: to + shift });
  }
  const { pieces: parts, base, sign } = row.bits.includes(" rm ") ? sources.rm : sources.imm;
  const does = (op: Op): boolean => (row.does ?? []).some((n) => n.op === op);
  return {
    word,
    pieces,
    value: { pieces: parts, base, sign },
    writesX: does("x.set"),
    jumps: does("jump") || does("branch"),
    length: form.length,
  };
}

export const slotTables = (): SlotTables => ({
  plan: (index) => planSlot(forms[index]!),
  pairs: pairs.flat(),
  firstPair,
});
