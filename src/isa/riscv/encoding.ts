// Reads the `bits` of a row: the fixed bits, and where each field's bits stand. Decoder, encoder and disassembler work
// from the result. It knows the notation of row.ts and no instruction.
import type { Field } from "../vocabulary.ts";

/** Consecutive bits of a field: `mask` (unshifted) stands at bit `from` of the instruction and means bit `to` of the value. */
export interface Piece {
  readonly from: number;
  readonly mask: number;
  readonly to: number;
}

/** Where a field's value comes from. */
export interface Source {
  readonly pieces: readonly Piece[];
  /** Added to the bits: 8 for the short register forms, the value itself for a constant (no pieces). */
  readonly base: number;
  /** Distance of the sign bit from bit 31; 0 for unsigned fields and for those that reach bit 31. */
  readonly sign: number;
}

/** A field that an instruction encodes. */
export interface EncodedField extends Source {
  readonly name: Field;
  /** Values that this row does not take. */
  readonly except: readonly number[];
}

/** An instruction has these where `(bits & mask) === match`, both as int32. */
export interface FixedBits {
  readonly length: 2 | 4;
  readonly mask: number;
  readonly match: number;
}

/** Bytes of the instruction that begins with this halfword: 2 or 4, the only lengths there are in the table. */
export const lengthOf = (half: number): 2 | 4 => ((half & 3) === 3 ? 4 : 2);

/** The bits by which a decoder chooses between forms first: `funct3` with the opcode, or the high bits of a halfword with its quadrant. */
export const bucketOf = (bits: number): number =>
  (bits & 3) === 3 ? 32 | ((bits & 0x7c) << 4) | ((bits >> 12) & 7) : ((bits >> 11) & 0x1c) | (bits & 3);
/** Those bits themselves. */
export const bucketBits = (length: 2 | 4): number => (length === 4 ? 0x707f : 0xe003);

export function fieldValue(source: Source, bits: number): number {
  let value = 0;
  const { pieces } = source;
  // By index: this runs for every instruction that is decoded, mostly before it is compiled.
  for (let i = 0; i < pieces.length; i++) {
    const { from, mask, to } = pieces[i]!;
    value |= ((bits >>> from) & mask) << to;
  }
  return source.base + ((value << source.sign) >> source.sign);
}

/** A field, or a part of one, as a token names it: its runs of bits, most significant first. */
interface Token {
  readonly name: Field;
  readonly parts: readonly { readonly width: number; readonly to: number }[];
  /** Of all parts. */
  readonly width: number;
  readonly base: number;
  readonly signed: boolean;
  readonly except: readonly number[];
}

const part = (width: number, to: number) => ({ width, to });

/** One-bit and four-bit fields that only the disassembler looks at stand in `imm`: `aq rl`, and a fence's `fm pred succ`. */
const packed: Record<string, Token["parts"]> = {
  aq: [part(1, 1)],
  rl: [part(1, 0)],
  fm: [part(4, 8)],
  pred: [part(4, 4)],
  succ: [part(4, 0)],
};

const registers: Record<string, Field> = { rd: "rd", rs1: "rs1", rs2: "rs2", rs3: "rs3" };

const isFixed = (text: string): boolean => text.charCodeAt(0) <= 0x31;

function readToken(text: string): Omit<Token, "width"> {
  const bracket = text.indexOf("imm[");
  if (bracket >= 0) {
    const parts = text
      .slice(bracket + 4, -1)
      .split("|")
      .map((range) => {
        const [high, low = high] = range.split(":").map(Number) as [number, number?];
        return part(high - low + 1, low);
      });
    const kind = text.slice(0, bracket);
    return { name: "imm", parts, base: 0, signed: !kind.endsWith("u"), except: kind.startsWith("nz") ? [0] : [] };
  }
  if (packed[text]) return { name: "imm", parts: packed[text], base: 0, signed: false, except: [] };
  // Rounding modes 5 and 6 are reserved.
  if (text === "rm") return { name: "rm", parts: [part(3, 0)], base: 0, signed: false, except: [5, 6] };
  const [register = "", except] = text.split("!=");
  const prime = register.endsWith("'");
  const name = registers[prime ? register.slice(0, -1) : register];
  if (!name) throw new RangeError(`${text} is no field of an instruction`);
  return {
    name,
    parts: [part(prime ? 3 : 5, 0)],
    base: prime ? 8 : 0,
    signed: false,
    except: except ? except.split(",").map(Number) : [],
  };
}

const tokens = new Map<string, Token>();

function token(text: string): Token {
  let found = tokens.get(text);
  if (!found) {
    const read = readToken(text);
    tokens.set(text, (found = { ...read, width: read.parts.reduce((sum, { width }) => sum + width, 0) }));
  }
  return found;
}

/** The fixed bits of an encoding. Throws a RangeError where the tokens do not fill 16 or 32 bits, or are no fields. */
export function readFixedBits(notation: string): FixedBits {
  let mask = 0;
  let match = 0;
  let from = 0;
  for (let end = notation.length; end > 0; ) {
    const start = notation.lastIndexOf(" ", end - 1) + 1;
    const text = notation.slice(start, end);
    end = start - 1;
    if (isFixed(text)) {
      mask |= (2 ** text.length - 1) << from;
      match |= Number.parseInt(text, 2) << from;
      from += text.length;
    } else from += token(text).width;
  }
  if (from !== 16 && from !== 32) throw new RangeError(`${notation} has ${from} bits`);
  return { length: from === 16 ? 2 : 4, mask, match };
}

/** The fields of an encoding. */
export function readFields(notation: string): readonly EncodedField[] {
  const fields: (EncodedField & { pieces: Piece[]; sign: number })[] = [];
  let from = 0;
  for (const text of notation.split(" ").reverse()) {
    if (isFixed(text)) {
      from += text.length;
      continue;
    }
    const { name, parts, base, signed, except } = token(text);
    let field = fields.find((f) => f.name === name);
    if (!field) fields.push((field = { name, pieces: [], base, sign: signed ? 31 : 0, except }));
    for (const { width, to } of parts.toReversed()) {
      field.pieces.push({ from, mask: 2 ** width - 1, to });
      if (signed) field.sign = Math.min(field.sign, 32 - width - to);
      from += width;
    }
  }
  return fields;
}
