// Instruction text in the form of GNU objdump: mnemonic, a tab, operands.
import type { Field } from "../vocabulary.ts";
import { aliases } from "./aliases.ts";
import { csrName } from "./csrs.ts";
import { formOf } from "./decode.ts";
import { fieldValue, lengthOf, type Source } from "./encoding.ts";
import { fieldOf, formNamed, instructions, layoutOf, operandsOf } from "./instructions.ts";
import { fliNames, fNames, registerNumber, roundingNames, xNames } from "./names.ts";

export interface DisassemblyOptions {
  /** Write pseudo-instructions and the full-size names of compressed instructions, as objdump does by default. */
  readonly aliases?: boolean;
  /** The symbol of an address, such as `main+0x4`; it is put in angle brackets behind jump targets. */
  readonly symbolize?: (address: number) => string | undefined;
}

type Values = Partial<Record<Field, number>>;

const hex = (n: number): string => `0x${(n >>> 0).toString(16)}`;

/** Letters of a fence's predecessor or successor set. */
const accesses = (set: number): string => [..."iorw"].filter((_, i) => set & (8 >> i)).join("") || "unknown";

/** The words of the assembler's notation that stand for a field, and how each shows it. */
const words: Record<string, (v: Values, pc: number, options: DisassemblyOptions) => string | undefined> = {
  rd: (v) => xNames[v.rd!],
  rs1: (v) => xNames[v.rs1!],
  rs2: (v) => xNames[v.rs2!],
  fd: (v) => fNames[v.rd!],
  fs1: (v) => fNames[v.rs1!],
  fs2: (v) => fNames[v.rs2!],
  fs3: (v) => fNames[v.rs3!],
  imm: (v) => `${v.imm}`,
  hex: (v) => hex(v.imm!),
  upper: (v) => hex(v.imm! >>> 12),
  csr: (v) => csrName(v.imm!),
  zimm: (v) => `${v.rs1}`,
  fli: (v) => fliNames[v.rs1!],
  pred: (v) => accesses((v.imm! >> 4) & 15),
  succ: (v) => accesses(v.imm! & 15),
  rm: (v) => (v.rm === 7 ? undefined : roundingNames[v.rm!]),
  exact: (v) => (v.rm === 0 ? undefined : roundingNames[v.rm!]),
  target: (v, pc, { symbolize }) => {
    const address = pc + v.imm!;
    const text = address < 0 ? BigInt.asUintN(64, BigInt(address)).toString(16) : address.toString(16);
    const symbol = symbolize?.(address);
    return symbol === undefined ? `0x${text}` : `${text} <${symbol}>`;
  },
};

/** Fills in the operands; one that is not shown takes the comma before it along. */
const render = (asm: string, v: Values, pc: number, options: DisassemblyOptions): string =>
  asm.replace(/(,?)([a-z]\w*)/g, (_, comma: string, word: string) => {
    const text = Object.hasOwn(words, word) ? words[word]!(v, pc, options) : word;
    return text === undefined ? "" : comma + text;
  });

interface Alias {
  /** Fields, and the value or the other field that each must equal. */
  readonly conditions: readonly (readonly [field: Field, equals: number | Field])[];
  readonly name: string;
  readonly asm: string;
}

const split = (text: string): [name: string, operands: string] => {
  const [name = "", operands = ""] = text.split(" ");
  return [name, operands];
};

function readAliases(): Map<string, Alias[]> {
  const table = new Map<string, Alias[]>();
  for (const [pattern, written] of aliases) {
    const [name, operands] = split(pattern);
    const given = operandsOf(operands);
    const conditions = operandsOf(formNamed(name).row.asm).flatMap((operand, i): Alias["conditions"] => {
      const [field, text] = [fieldOf(operand), fieldOf(given[i]!)];
      if (field === text) return [];
      const constant = registerNumber(text) ?? Number(text);
      return [[field as Field, Number.isNaN(constant) ? (text as Field) : constant]];
    });
    const [alias, asm] = split(written);
    const list = table.get(name) ?? [];
    table.set(name, [...list, { conditions, name: alias, asm }]);
  }
  return table;
}

let aliasTable: Map<string, Alias[]> | undefined;

const aliasOf = (name: string, v: Values): Alias | undefined =>
  (aliasTable ??= readAliases())
    .get(name)
    ?.find(({ conditions }) =>
      conditions.every(([field, equals]) => v[field] === (typeof equals === "number" ? equals : v[equals])),
    );

const valuesOf = (sources: Partial<Record<Field, Source>>, bits: number): Values => {
  const values: Values = {};
  for (const [name, source] of Object.entries(sources)) values[name as Field] = fieldValue(source, bits);
  return values;
};

const orderings = ["", ".rl", ".aq", ".aqrl"];

/** A write to a counter, which traps. objdump has it as an instruction of its own, under canonical names too. */
const unimp = 0xc0001073;

/** What stands for bits that are no instruction. */
function unknown(bits: number, aliases: boolean): string {
  const length = lengthOf(bits);
  const n = length === 2 ? bits & 0xffff : bits >>> 0;
  if (n === 0) return aliases ? "unimp" : "c.unimp";
  return `.insn\t${length}, 0x${n.toString(16).padStart(n < 0x10000 ? 4 : 8, "0")}`;
}

/** The text of an instruction, given as for `formOf`, that stands at `pc`. */
export function disassemble(bits: number, pc: number, options: DisassemblyOptions = {}): string {
  const form = formOf(bits);
  if (!form) return unknown(bits, options.aliases === true);
  if (bits >>> 0 === unimp) return "unimp";
  const layout = layoutOf(form);
  let { name, row } = form;
  let values: Values;
  if (options.aliases) {
    ({ name, row } = instructions[layout.target]!);
    values = valuesOf(layout.sources, bits);
  } else values = valuesOf(Object.fromEntries(layout.fields.map((f) => [f.name, f])), bits);
  const alias = options.aliases ? (aliasOf(form.name, values) ?? aliasOf(name, values)) : undefined;
  let { asm } = row;
  if (alias) ({ name, asm } = alias);
  if (row.bits.includes(" aq rl ")) name += orderings[values.imm!];
  const operands = render(asm, values, pc, options);
  return operands ? `${name}\t${operands}` : name;
}

/** A line of a listing as objdump writes it: address, bits, text; without a newline. */
export function listingLine(bits: number, pc: number, options: DisassemblyOptions = {}): string {
  const shown = (bits >>> 0)
    .toString(16)
    .padStart(2 * lengthOf(bits), "0")
    .padEnd(18);
  return `${pc.toString(16).padStart(8)}:\t${shown}\t${disassemble(bits, pc, options)}`;
}

/** The line above the first instruction of a symbol. */
export const listingHead = (pc: number, symbol: string): string => `${pc.toString(16).padStart(16, "0")} <${symbol}>:`;
