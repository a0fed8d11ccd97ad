// Instruction sequences for the comparison of engines: what one starts from, its bytes, and its text.
import { decode } from "../../src/isa/riscv/decode.ts";
import { disassemble } from "../../src/isa/riscv/disassemble.ts";
import { lengthOf } from "../../src/isa/riscv/encoding.ts";
import { instructions } from "../../src/isa/riscv/instructions.ts";
import type { Field, Node } from "../../src/isa/vocabulary.ts";

/** Where the code and the data of a sequence lie. */
export const codeBase = 0x40000000;
export const dataBase = 0x50000000;

/** What one sequence starts from: registers as 64-bit patterns (x1..x31, f0..f31), fcsr, and instructions as their bits. */
export interface Sequence {
  readonly x: readonly bigint[];
  readonly f: readonly bigint[];
  readonly fcsr: number;
  readonly code: readonly number[];
}

const ebreak = 0x00100073;

/** Bytes of instructions. */
export function bytesOf(code: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(code.reduce((sum, bits) => sum + lengthOf(bits), 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const bits of code) {
    if (lengthOf(bits) === 4) view.setInt32(at, bits, true);
    else view.setUint16(at, bits, true);
    at += lengthOf(bits);
  }
  return bytes;
}

/** The code's bytes, with the trap that ends it. */
export const codeBytes = (s: Sequence): Uint8Array => bytesOf([...s.code, ebreak]);

/** Registers that the code names: `x5`, `f3`. */
function namedBy(code: readonly number[]): ReadonlySet<string> {
  const names = new Set<string>();
  for (const bits of code) {
    const fields = decode(bits);
    if (fields === undefined) continue;
    const visit = (n: Node): void => {
      if (/^x(\.set)?$|^f\d+\.(reg|set)$/.test(n.op)) names.add(`${n.op[0]}${fields[n.field as Field]}`);
      n.args.forEach(visit);
    };
    (instructions[fields.row]!.row.does ?? []).forEach(visit);
  }
  return names;
}

/** The assembly text of a sequence, with those registers that it names. */
export function listing(s: Sequence): string {
  let pc = codeBase;
  const lines = [...s.code, ebreak].map((bits) => {
    const line = `  ${pc.toString(16)}:  ${disassemble(bits, pc)}`;
    pc += lengthOf(bits);
    return line;
  });
  const named = namedBy(s.code);
  const registers = (name: string, values: readonly bigint[], from: number): string =>
    values
      .map((v, i) => [`${name}${i + from}`, v] as const)
      .filter(([register]) => named.has(register))
      .map(([register, v]) => `${register}=${v.toString(16)}`)
      .join(" ");
  return [registers("x", s.x, 1), registers("f", s.f, 0), `fcsr=${s.fcsr.toString(16)}`, ...lines].join("\n");
}
