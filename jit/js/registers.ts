// Which integer registers an instruction names.
import type { Field, Node } from "../../src/isa/vocabulary.ts";
import type { Instruction } from "../region.ts";

/** Numbers of the integer registers that an instruction names, x0 apart. */
export function registersOf({ does, fields }: Instruction): number[] {
  const found: number[] = [];
  const visit = (n: Node): void => {
    if (n.op === "x" || n.op === "x.set") found.push(fields[n.field as Field]);
    n.args.forEach(visit);
  };
  does.forEach(visit);
  return found.filter((r) => r !== 0);
}

export const writtenBy = ({ does, fields }: Instruction): number[] =>
  does.flatMap((n) => (n.op === "x.set" && fields.rd !== 0 ? [fields.rd] : []));
