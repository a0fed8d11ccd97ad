// The whole instruction table: what engines implement (`instructions`), and every form that can be written (`forms`):
// those, and the compressed ones, each resolved to the instruction that it stands for.
import type { Field } from "../vocabulary.ts";
import { type EncodedField, type FixedBits, readFields, readFixedBits, type Source } from "./encoding.ts";
import { registerNumber } from "./names.ts";
import type { Row } from "./row.ts";
import { rv64a } from "./rv64a.ts";
import { rv64c, zcb } from "./rv64c.ts";
import { rv64d } from "./rv64d.ts";
import { rv64f } from "./rv64f.ts";
import { rv64i, zicsr } from "./rv64i.ts";
import { rv64m } from "./rv64m.ts";
import { zba, zbb, zbc, zbs, zicond } from "./zb.ts";
import { zfa } from "./zfa.ts";
import { zfhmin } from "./zfhmin.ts";
import { zawrs, zicbo, zihint } from "./zi.ts";

const full = {
  ...rv64i,
  ...zicsr,
  ...rv64m,
  ...rv64a,
  ...rv64f,
  ...rv64d,
  ...zfhmin,
  ...zfa,
  ...zba,
  ...zbb,
  ...zbc,
  ...zbs,
  ...zicond,
  ...zihint,
  ...zicbo,
  ...zawrs,
};
const compressed = { ...rv64c, ...zcb };

export interface Instruction {
  readonly name: string;
  readonly row: Row;
}

/** Rows with `does`: what engines implement. */
export const instructions: readonly Instruction[] = Object.entries<Row>(full).map(([name, row]) => ({ name, row }));

/** One way to write an instruction. */
export interface Form extends Instruction, FixedBits {
  readonly index: number;
}

/** What is worked out of a form when it is first needed. */
export interface Layout {
  /** Those of the fields that do not take every value. */
  readonly restricted: readonly EncodedField[];
  /** The fields that it encodes. */
  readonly fields: readonly EncodedField[];
  /** The index in `instructions` of what it is, or stands for. */
  readonly target: number;
  /** Where the fields of that instruction come from. */
  readonly sources: Readonly<Record<Field, Source>>;
}

const constant = (base: number): Source => ({ pieces: [], base, sign: 0 });
const absent = constant(0);

const withAll = (fields: Record<string, Source>): Record<Field, Source> => ({
  rd: fields["rd"] ?? absent,
  rs1: fields["rs1"] ?? absent,
  rs2: fields["rs2"] ?? absent,
  rs3: fields["rs3"] ?? absent,
  rm: fields["rm"] ?? absent,
  imm: fields["imm"] ?? absent,
});

/** The words of an operand list: `rd,imm(rs1)` is `rd imm rs1`. */
export const operandsOf = (asm: string): string[] => asm.split(/[,()]+/).filter(Boolean);

/** Operand names of the assembler's notation that are not a field's name. */
const spelled: Record<string, Field> = {
  fd: "rd",
  fs1: "rs1",
  fs2: "rs2",
  fs3: "rs3",
  target: "imm",
  hex: "imm",
  upper: "imm",
  csr: "imm",
  zimm: "rs1",
  exact: "rm",
  fli: "rs1",
};

/** The field that an operand of the notation shows, or the notation itself where it shows none. */
export const fieldOf = (operand: string): string => spelled[operand] ?? operand;

const targets = new Map(instructions.map(({ name }, i) => [name, i]));

function lay({ name, row }: Form): Layout {
  const fields = readFields(row.bits);
  const restricted = fields.filter(({ except }) => except.length > 0);
  const own: Record<string, Source> = Object.fromEntries(fields.map((f) => [f.name, f]));
  const [targetName = "", operands = ""] = (row.is ?? name).split(" ");
  const target = targets.get(targetName);
  if (target === undefined) throw new RangeError(`${name} stands for ${targetName}, which is not in the table`);
  if (!row.is) return { fields, restricted, target, sources: withAll(own) };
  const given = operandsOf(operands);
  const sources: Record<string, Source> = {};
  operandsOf(instructions[target]!.row.asm).forEach((operand, i) => {
    const text = given[i] ?? "";
    sources[fieldOf(operand)] = own[text] ?? constant(registerNumber(text) ?? Number(text));
  });
  return { fields, restricted, target, sources: withAll(sources) };
}

const layouts: Layout[] = [];
export const layoutOf = (form: Form): Layout => (layouts[form.index] ??= lay(form));

/** Every form, compressed ones included; the full-size ones stand first, numbered as in `instructions`. */
export const forms: readonly Form[] = [
  ...instructions,
  ...Object.entries<Row>(compressed).map(([name, row]) => ({ name, row })),
].map(({ name, row }, index) => ({ name, row, index, ...readFixedBits(row.bits) }));

const byName = new Map(forms.map((form) => [form.name, form]));

/** The form of that mnemonic. Throws a RangeError where there is none. */
export function formNamed(name: string): Form {
  const form = byName.get(name);
  if (!form) throw new RangeError(`${name} is not in the instruction table`);
  return form;
}
