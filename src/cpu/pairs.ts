// Pairs of instructions that stand behind each other so often that a quick loop does them at once: the slot of the first
// has the pair's operation, its other bits as before, and the slot of the second is as it would be alone. Half of what a
// program executes is loads, stores, sums and what tests them; chosen by what rows state, not by their names.
import { instructions } from "../isa/riscv/instructions.ts";
import type { Node, Op } from "../isa/vocabulary.ts";
import { firstInstruction } from "./cache.ts";

/** Values of which a first instruction sets a register, and its effect; and those of a second one. */
const firstOps: readonly Op[] = ["i64.load64", "store64", "i64.add", "i64.shl"];
const secondOps: readonly Op[] = [...firstOps, "i64.eq", "i64.ne", "jump"];

const leaves: readonly Op[] = ["x", "imm", "field"];

/** The operation that an instruction is all about; undefined where it works on more than fields. */
function essence([statement, link]: readonly Node[]): Op | undefined {
  if (statement === undefined || (link !== undefined && statement.op !== "jump")) return undefined;
  const inner = statement.op === "x.set" || statement.op === "branch" ? statement.args[0]! : statement;
  const isSum = (n: Node): boolean => n.op === "i64.add" && n.args[1]!.op === "imm";
  const isPlain = (n: Node): boolean => leaves.includes(n.op) || (inner.op !== "i64.add" && isSum(n));
  return inner.args.every(isPlain) ? inner.op : undefined;
}

const rowsOf = (ops: readonly Op[]): number[] =>
  [...instructions.keys()].filter((row) => {
    const op = essence(instructions[row]!.row.does ?? []);
    return op !== undefined && ops.includes(op);
  });

/** By their place here, from `firstPair` on, pairs have their operations. Numbers of rows. */
export const pairs: readonly (readonly [first: number, second: number])[] = rowsOf(firstOps).flatMap((first) =>
  rowsOf(secondOps).map((second) => [first, second] as const),
);

export const firstPair = firstInstruction + instructions.length;
