// Real code for the measurements: the instructions of a program of the macro suite with the C library that it is linked
// with, and the regions that begin where it calls.
import { findRegion, type Region, type Shape } from "../../jit/region.ts";
import { tuning } from "../../jit/tuning.ts";
import { readElf, SectionFlag, sectionBytes, sections } from "../../src/elf/file.ts";
import { isFileError, sourceOfBytes } from "../../src/elf/source.ts";
import { decode } from "../../src/isa/riscv/decode.ts";
import { lengthOf } from "../../src/isa/riscv/encoding.ts";
import { instructions as rows } from "../../src/isa/riscv/instructions.ts";

export interface Code {
  /** The bits of the instruction at an address, -1 where there is none. */
  readonly fetch: (at: number) => number;
  readonly instructions: readonly number[];
  /** Addresses that are called. */
  readonly entries: readonly number[];
}

/** The largest section of code in a file. */
export async function codeOf(program: string): Promise<Code> {
  const elf = readElf(sourceOfBytes(await Bun.file(program).bytes(), program));
  if (isFileError(elf)) throw new Error(elf.message);
  const text = sections(elf)
    .filter((s) => s.flags & SectionFlag.exec)
    .sort((a, b) => b.size - a.size)[0];
  const bytes = text && sectionBytes(elf, text);
  if (bytes === undefined) throw new Error(`${program} has no code`);
  const [view, base] = [new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), text!.address];
  const fetch = (at: number): number => {
    const offset = at - base;
    if (offset < 0 || offset + 4 > view.byteLength) return -1;
    const low = view.getUint16(offset, true);
    return lengthOf(low) === 2 ? low : view.getUint32(offset, true);
  };
  const instructions: number[] = [];
  const entries = new Set<number>();
  for (let at = base; fetch(at) >= 0; at += lengthOf(fetch(at))) {
    instructions.push(fetch(at));
    const d = decode(fetch(at));
    if (d !== undefined && rows[d.row]!.name === "jal" && d.rd === 1) entries.add(at + d.imm);
  }
  return { fetch, instructions, entries: [...entries].filter((at) => fetch(at) >= 0) };
}

/** Regions at distinct addresses, `count` of them: the same code again, further up, when the entries are used up. */
export function regionsOf(code: Code, shape: Shape, count: number): Region[] {
  const found: Region[] = [];
  for (let i = 0; found.length < count; i++) {
    const shift = Math.floor(i / code.entries.length) * 2 ** 20;
    const entry = code.entries[i % code.entries.length]! + shift;
    const region = findRegion(entry, (at) => code.fetch(at - shift), tuning.regionInstructions, shape);
    if (region !== undefined) found.push(region);
  }
  return found;
}
