// What the emitters ask of an instruction's statement again and again, worked out once a row.
import type { Field, Node } from "../src/isa/vocabulary.ts";
import type { Instruction } from "./region.ts";

export type Access = "read" | "write";

/** A field that names an integer register, and whether the immediate is added to it. */
interface Address {
  readonly base: Field;
  readonly moved: boolean;
}

export interface RowFacts {
  /** Fields that name registers, by file. */
  readonly readsX: readonly Field[];
  readonly readsF: readonly Field[];
  readonly writesX: boolean;
  readonly writesF: boolean;
  /** A plain load or store through a register. */
  readonly access: (Address & { readonly size: number; readonly kind: Access }) | undefined;
  /** rd becomes a register's value, moved by the immediate. */
  readonly moves: Address | undefined;
  /** Whether it may compute in floating point: signs are only moved. */
  readonly careful: boolean;
}

const careOp = /^(?:f\d\d\.(?!load|store|reg|set|bits|from_bits|sgnj)|i\d\d\.from_f)/;
const accessOp = /^(?:i64\.(load)|f\d\d\.(load|store)|(store))(\d*)/;

export function addressOf(n: Node): Address | undefined {
  if (n.op === "x") return { base: n.field as Field, moved: false };
  const [a, b] = n.args;
  if (n.op !== "i64.add" || a?.op !== "x" || b?.op !== "imm") return undefined;
  return { base: a.field as Field, moved: true };
}

function work(does: readonly Node[]): RowFacts {
  const readsX = new Set<Field>();
  const readsF = new Set<Field>();
  let [writesX, writesF, careful] = [false, false, false];
  let access: RowFacts["access"];
  const visit = (n: Node): void => {
    if (n.op === "x") readsX.add(n.field as Field);
    else if (n.op.endsWith(".reg")) readsF.add(n.field as Field);
    else if (n.op === "x.set") writesX = true;
    else if (/^f\d\d\.set$/.test(n.op)) writesF = true;
    careful ||= careOp.test(n.op);
    const match = accessOp.exec(n.op);
    const address = match && addressOf(n.args[0]!);
    if (match && address) {
      const kind = (match[1] ?? match[2] ?? match[3]) === "load" ? "read" : "write";
      access = { ...address, size: Number(match[4] || n.op.slice(1, 3)) / 8, kind };
    }
    n.args.forEach(visit);
  };
  does.forEach(visit);
  const set = does.find((n) => n.op === "x.set");
  return {
    readsX: [...readsX],
    readsF: [...readsF],
    writesX,
    writesF,
    access,
    moves: set && addressOf(set.args[0]!),
    careful,
  };
}

/** By the row's number. */
const known: RowFacts[] = [];

export const factsOf = (at: Instruction): RowFacts => (known[at.fields.row] ??= work(at.does));

/** The integer register that an instruction sets, if it sets one. */
export const writtenBy = (at: Instruction): number[] =>
  factsOf(at).writesX && at.fields.rd !== 0 ? [at.fields.rd] : [];

/** Numbers of the integer registers that an instruction names, x0 apart. */
export const registersOf = (at: Instruction): number[] => [
  ...writtenBy(at),
  ...factsOf(at).readsX.flatMap((field) => (at.fields[field] === 0 ? [] : [at.fields[field]])),
];
