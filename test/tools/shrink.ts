// Makes a sequence that fails small: without runs of its instructions, the targets of its jumps kept, or with nothing done
// in their place. Candidates are tried many at a time.
import { formOf } from "../../src/isa/riscv/decode.ts";
import { encode } from "../../src/isa/riscv/encode.ts";
import { fieldValue, lengthOf } from "../../src/isa/riscv/encoding.ts";
import { assemble, fieldNamed, type Item, newLabel } from "./assembler.ts";
import type { Sequence } from "./sequence.ts";

/** Without it, code that is written may or may not be what runs, on the reference too. */
const isFence = (bits: number): boolean => formOf(bits)?.name === "fence.i";

/** The code without `[from, to)`, fences of code apart: what jumped there jumps behind it. */
function without(code: readonly number[], from: number, to: number): number[] {
  const labels = [...code.map(newLabel), newLabel()];
  const starts: number[] = [0];
  for (const bits of code) starts.push(starts.at(-1)! + lengthOf(bits));
  const items = code.flatMap((bits, i): Item[] => {
    if (i >= from && i < to && !isFence(bits)) return [labels[i]!];
    const form = formOf(bits);
    const target = form?.row.asm.includes("target") ? fieldNamed(form, "imm") : undefined;
    const at = target === undefined ? -1 : starts.indexOf(starts[i]! + fieldValue(target, bits));
    return [labels[i]!, at < 0 ? bits : { jump: form!, bits, to: labels[at]! }];
  });
  return assemble([...items, labels.at(-1)!]);
}

const nops = { 2: encode("c.addi", {}) | 0, 4: encode("addi", {}) | 0 } as const;

/** The code with nothing done in `[from, to)`. */
const idle = (code: readonly number[], from: number, to: number): number[] =>
  code.map((bits, i) => (i >= from && i < to && !isFence(bits) ? nops[lengthOf(bits)] : bits));

/** Smaller ones: without runs of so many instructions, or idle in them. */
function candidates({ code, ...rest }: Sequence, run: number): Sequence[] {
  const made: Sequence[] = [];
  for (let to = code.length; to > 0; to -= run) {
    const from = Math.max(to - run, 0);
    for (const smaller of [without(code, from, to), idle(code, from, to)])
      if (smaller.length < code.length || smaller.some((bits, i) => bits !== code[i]))
        made.push({ ...rest, code: smaller });
  }
  return made;
}

/** `failing`: which of some sequences fail. Answers a sequence that fails and none of whose candidates does. */
export async function shrink(
  s: Sequence,
  failing: (all: readonly Sequence[]) => Promise<readonly boolean[]>,
): Promise<Sequence> {
  for (let run = s.code.length; run >= 1; ) {
    const all = candidates(s, run);
    const fails = await failing(all);
    let next: Sequence | undefined;
    // What failed among others must fail alone.
    for (let i = 0; i < all.length && next === undefined; i++)
      if (fails[i] && (await failing([all[i]!]))[0]) next = all[i]!;
    if (next === undefined) run >>= 1;
    else s = next;
  }
  return s;
}
