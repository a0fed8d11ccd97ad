// How the bits of an instruction become a slot of the decode cache, and which two slots are a pair: by tables alone, so that a
// program starts without the rows.
import { indexOfForm } from "../isa/riscv/find.ts";
import { firstInstruction } from "./cache.ts";
import { type SlotPlan, type SlotTables, slotTables } from "./slot-tables.ts";

let made: SlotTables | undefined;
const tables = (): SlotTables => (made ??= slotTables());

const plans: SlotPlan[] = [];

/** What is to be done for the instruction of these bits; undefined for what is none. */
export function planOf(bits: number): SlotPlan | undefined {
  const index = indexOfForm(bits);
  return index < 0 ? undefined : (plans[index] ??= tables().plan(index));
}

const keyOf = (first: number, second: number): number => first * 1024 + second;
let operations: Map<number, number> | undefined;

/** By the first and the second operation of a pair. */
function operationsOfPairs(): Map<number, number> {
  const { pairs, firstPair } = tables();
  const found = new Map<number, number>();
  for (let i = 0; i < pairs.length; i += 2)
    found.set(keyOf(firstInstruction + pairs[i]!, firstInstruction + pairs[i + 1]!), firstPair + i / 2);
  return found;
}

/** The operation that a slot has without the one behind it. */
export function operationOf(operation: number): number {
  const { pairs, firstPair } = tables();
  return operation < firstPair ? operation : firstInstruction + pairs[2 * (operation - firstPair)]!;
}

/** The operation of two together; undefined for no pair. */
export const pairOf = (first: number, second: number): number | undefined =>
  (operations ??= operationsOfPairs()).get(keyOf(first, operationOf(second)));
