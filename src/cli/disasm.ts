// `sabre disasm`: the instructions of a file, in the form of objdump -d, with symbols.
import {
  type ElfFile,
  hex,
  readElf,
  SectionFlag,
  SectionType,
  SegmentFlag,
  SegmentType,
  sections,
  viewOf,
} from "../elf/file.ts";
import { hostPath, isFileError, openSource } from "../elf/source.ts";
import { loadSymbols, type SymbolTable, symbolCovering, symbolNamed } from "../elf/symbols.ts";
import { writeAll } from "../host/write.ts";
import { listingHead, listingLine } from "../isa/riscv/disassemble.ts";
import { lengthOf } from "../isa/riscv/encoding.ts";
import { dieBy } from "./death.ts";
import { usageStatus } from "./options.ts";
import { complain, exit } from "./output.ts";
import { asText } from "./words.ts";

/** Addresses as linked; `offset` is where the first byte stands in the file. Instructions begin before `end`. */
interface Range {
  readonly name: string;
  readonly start: number;
  readonly end: number;
  /** Where the section or segment ends, and with it the last instruction at the latest. */
  readonly limit: number;
  readonly offset: number;
}

const usage = "sabre disasm PROGRAM [SYMBOL|START..END]";
const failed = 1;
const sigpipe = 13;

/** Prints what the words say. Does not come back. */
export function disasm(words: readonly string[]): never {
  const [program, what, ...more] = words;
  if (program === undefined || program.startsWith("-") || more.length > 0) {
    complain(`usage: ${usage}`);
    exit(program === "--help" || program === "-h" ? 0 : usageStatus);
  }
  const source = openSource(hostPath(program), program, false);
  const elf = isFileError(source) ? source : readElf(source);
  if (isFileError(elf)) {
    complain(asText(elf.message));
    exit(failed);
  }
  const symbols = loadSymbols(elf);
  const wanted = what === undefined ? undefined : addressesOf(what, symbols);
  const ranges = codeOf(elf).flatMap((range) => cut(range, wanted));
  if (ranges.length === 0) {
    complain(
      asText(
        what === undefined
          ? `${program}: no code in this file`
          : `${program}: no code at ${what}; give a symbol of the file, or addresses as in 0x10400..0x10480`,
      ),
    );
    exit(failed);
  }
  writeLines(lines(elf, symbols, ranges));
  exit(0);
}

type Addresses = readonly [start: number, end: number];

/** The addresses of `START..END` (hexadecimal) or of a symbol. */
function addressesOf(what: string, symbols: SymbolTable): Addresses {
  const match = /^(?:0x)?([0-9a-f]+)\.\.(?:0x)?([0-9a-f]+)$/i.exec(what);
  if (match !== null) return [Number.parseInt(match[1]!, 16), Number.parseInt(match[2]!, 16)];
  const symbol = symbolNamed(symbols, what);
  if (symbol === undefined) return [0, 0];
  const row = symbols.addresses.lastIndexOf(symbol.address);
  return [symbol.address, symbol.size > 0 ? symbol.address + symbol.size : symbols.ends[row]!];
}

const rangeOf = (name: string, start: number, size: number, offset: number): Range => ({
  name,
  start,
  end: start + size,
  limit: start + size,
  offset,
});

/** Where the file has code: its sections say it, or where it has none, its segments. */
function codeOf(elf: ElfFile): Range[] {
  const parts = sections(elf)
    .filter((s) => s.flags & SectionFlag.exec && s.type !== SectionType.noBits)
    .map((s) => rangeOf(s.name, s.address, s.size, s.offset));
  if (parts.length > 0) return parts;
  return elf.segments
    .filter((s) => s.type === SegmentType.load && s.flags & SegmentFlag.exec)
    .map((s) => rangeOf("an executable segment", s.address, s.fileSize, s.offset));
}

/** The part of a range that is wanted, if any. */
function cut(range: Range, wanted: Addresses | undefined): Range[] {
  if (wanted === undefined) return [range];
  const [start, end] = [Math.max(range.start, wanted[0]), Math.min(range.end, wanted[1])];
  return start < end ? [{ ...range, start, end, offset: range.offset + start - range.start }] : [];
}

function* lines(elf: ElfFile, symbols: SymbolTable, ranges: readonly Range[]): Generator<string> {
  const symbolize = (address: number): string | undefined => {
    const symbol = symbolCovering(symbols, address);
    if (symbol === undefined) return undefined;
    return address === symbol.address ? symbol.name : `${symbol.name}+${hex(address - symbol.address)}`;
  };
  const options = { aliases: true, symbolize };
  yield `\n${elf.source.name}:     file format elf64-littleriscv\n`;
  for (const range of ranges) {
    yield `\n\nDisassembly of ${range.name.startsWith(".") ? "section " : ""}${range.name}:\n`;
    const bytes = elf.source.read(range.offset, Math.min(range.end + 2, range.limit) - range.start);
    if (bytes === undefined) continue;
    const view = viewOf(bytes);
    let row = symbols.addresses.findIndex((address) => address >= range.start);
    for (let at = 0; range.start + at < range.end && at + 2 <= bytes.length; ) {
      const address = range.start + at;
      if (at === 0 || (row >= 0 && address >= symbols.addresses[row]!)) {
        const name = symbolize(address);
        if (name !== undefined) yield `\n${listingHead(address, name)}\n`;
        while (row >= 0 && row < symbols.addresses.length && symbols.addresses[row]! <= address) row++;
      }
      const length = at + lengthOf(view.getUint16(at, true)) <= bytes.length ? lengthOf(view.getUint16(at, true)) : 2;
      const bits = length === 2 ? view.getUint16(at, true) : view.getUint32(at, true);
      yield listingLine(bits, address, options) + "\n";
      at += length;
    }
  }
}

/** Writes in large pieces. A reader that has gone ends this process as it ends any tool of a pipeline. */
function writeLines(all: Iterable<string>): void {
  const pieceSize = 65536;
  let piece = "";
  for (const line of all) {
    piece += line;
    if (piece.length < pieceSize) continue;
    if (!writeAll(1, piece, "latin1")) dieBy(sigpipe);
    piece = "";
  }
  if (!writeAll(1, piece, "latin1")) dieBy(sigpipe);
}
