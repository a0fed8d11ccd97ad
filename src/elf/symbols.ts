// Symbol tables: from .symtab, else .dynsym, else what the dynamic entries point to. Sorted for look-ups by address;
// names stay in the file's string table until someone asks. Symbol versions are ignored.
import {
  DynamicTag,
  dynamicEntries,
  type ElfFile,
  fileOffset,
  type Section,
  SectionType,
  sectionBytes,
  sections,
  stringAt,
  viewOf,
} from "./file.ts";

/** Types of symbols, as in `st_info`. */
export const SymbolType = { none: 0, object: 1, function: 2, section: 3, file: 4, tls: 6, ifunc: 10 } as const;

export interface ElfSymbol {
  readonly name: string;
  /** As linked, without the load address. */
  readonly address: number;
  /** In bytes; 0 where the file does not say, as for labels of assembly code. */
  readonly size: number;
  /** A value of `SymbolType`. */
  readonly type: number;
}

/** Defined symbols with addresses, as columns sorted by address; at one address the best to show is last. */
export interface SymbolTable {
  readonly addresses: Float64Array;
  readonly sizes: Float64Array;
  /** Where a symbol's reach ends: by its size, or for one without size at the next symbol or the section's end. */
  readonly ends: Float64Array;
  /** Type in the low four bits, binding above. */
  readonly info: Uint8Array;
  /** Offsets of names in `strings`. */
  readonly names: Uint32Array;
  readonly strings: Uint8Array;
  /** Row by name; made at the first look-up of a name. */
  byName: Map<string, number> | undefined;
}

const entrySize = 24;
const nameLimit = 65536;

interface RawTable {
  readonly bytes: Uint8Array;
  readonly strings: Uint8Array;
}

/** Whether the file has the full table, .symtab, and not only what dynamic linking needs. */
export const hasFullSymbols = (elf: ElfFile): boolean => sections(elf).some((s) => s.type === SectionType.symbols);

/** Reads the symbols of a file; an empty table where it has none. */
export function loadSymbols(elf: ElfFile): SymbolTable {
  const all = sections(elf);
  const raw =
    tableOf(elf, all, SectionType.symbols) ?? tableOf(elf, all, SectionType.dynamicSymbols) ?? dynamicTable(elf);
  return raw === undefined ? build({ bytes: new Uint8Array(), strings: new Uint8Array() }, all) : build(raw, all);
}

function tableOf(elf: ElfFile, all: readonly Section[], type: number): RawTable | undefined {
  const section = all.find((s) => s.type === type);
  const linked = section && all[section.link];
  const bytes = section && sectionBytes(elf, section);
  const strings = linked && sectionBytes(elf, linked);
  return bytes && strings && { bytes, strings };
}

/** The table that DT_SYMTAB names, for a file whose section headers were removed. */
function dynamicTable(elf: ElfFile): RawTable | undefined {
  const entries = dynamicEntries(elf);
  const bytesAt = (tag: number, length: number): Uint8Array | undefined => {
    const address = entries.get(tag);
    const offset = address === undefined ? undefined : fileOffset(elf, address);
    return offset === undefined ? undefined : elf.source.read(offset, length);
  };
  // Nothing tells the number of symbols but the hash table, or that the strings follow the symbols (as all linkers lay
  // them out).
  const hash = bytesAt(DynamicTag.hash, 8);
  const between = (entries.get(DynamicTag.strings) ?? 0) - (entries.get(DynamicTag.symbols) ?? 0);
  const count = hash ? viewOf(hash).getUint32(4, true) : Math.max(0, Math.floor(between / entrySize));
  const bytes = bytesAt(DynamicTag.symbols, count * entrySize);
  const strings = bytesAt(DynamicTag.strings, entries.get(DynamicTag.stringsSize) ?? 0);
  return bytes && strings && { bytes, strings };
}

function build({ bytes, strings }: RawTable, all: readonly Section[]): SymbolTable {
  const v = viewOf(bytes);
  const addressAt = (at: number): number => v.getUint32(at + 12, true) * 2 ** 32 + v.getUint32(at + 8, true);
  const sizeAt = (at: number): number => v.getUint32(at + 20, true) * 2 ** 32 + v.getUint32(at + 16, true);
  const rows: number[] = [];
  for (let at = 0; at + entrySize <= bytes.length; at += entrySize) if (isPlace(v, at, strings)) rows.push(at);
  const rank = new Map(rows.map((at) => [at, rankOf(v, at, strings)]));
  rows.sort((a, b) => addressAt(a) - addressAt(b) || rank.get(a)! - rank.get(b)!);

  const table: SymbolTable = {
    addresses: Float64Array.from(rows, addressAt),
    sizes: Float64Array.from(rows, sizeAt),
    ends: new Float64Array(rows.length),
    info: Uint8Array.from(rows, (at) => v.getUint8(at + 4)),
    names: Uint32Array.from(rows, (at) => v.getUint32(at, true)),
    strings,
    byName: undefined,
  };
  const { addresses, sizes, ends } = table;
  let next = Number.POSITIVE_INFINITY;
  for (let i = rows.length - 1; i >= 0; i--) {
    if (i + 1 < rows.length && addresses[i + 1]! > addresses[i]!) next = addresses[i + 1]!;
    const section = all[v.getUint16(rows[i]! + 6, true)];
    const sectionEnd = section === undefined ? next : section.address + section.size;
    ends[i] = sizes[i]! > 0 ? addresses[i]! + sizes[i]! : Math.min(next, sectionEnd);
  }
  return table;
}

/** Whether an entry names a place in memory: no undefined, absolute, section, file or thread-local symbol, no label of the assembler. */
function isPlace(v: DataView, at: number, strings: Uint8Array): boolean {
  const section = v.getUint16(at + 6, true);
  const type = v.getUint8(at + 4) & 15;
  if (section === 0 || section >= 0xff00) return false;
  if (type === SymbolType.section || type === SymbolType.file || type === SymbolType.tls) return false;
  const [first, second] = [strings[v.getUint32(at, true)], strings[v.getUint32(at, true) + 1]];
  const [dollar, dot, capitalL, d, x] = [0x24, 0x2e, 0x4c, 0x64, 0x78];
  if (first === undefined || first === 0) return false;
  return !(first === dollar && (second === d || second === x)) && !(first === dot && second === capitalL);
}

/** How good a symbol is to show, among those at one address: sized, global before weak before local, few leading underscores. */
function rankOf(v: DataView, at: number, strings: Uint8Array): number {
  const info = v.getUint8(at + 4);
  const typed = (info & 15) !== SymbolType.none;
  const sized = v.getUint32(at + 16, true) !== 0 || v.getUint32(at + 20, true) !== 0;
  let underscores = 0;
  while (underscores < 3 && strings[v.getUint32(at, true) + underscores] === 0x5f) underscores++;
  return (
    (typed ? 64 : 0) + (sized ? 32 : 0) + (info >>> 4 === 0 ? 0 : 16) - underscores * 2 + (info >>> 4 === 1 ? 1 : 0)
  );
}

/** The symbol in a row of the table. */
export function symbolInRow(t: SymbolTable, row: number): ElfSymbol {
  const text = stringAt(t.strings, t.names[row]!, nameLimit);
  const version = text.indexOf("@", 1);
  return {
    name: version < 0 ? text : text.slice(0, version),
    address: t.addresses[row]!,
    size: t.sizes[row]!,
    type: t.info[row]! & 15,
  };
}

/** How far back a symbol that encloses others is looked for. */
const nesting = 32;

/** The symbol whose reach covers a linked address, or undefined. */
export function symbolCovering(t: SymbolTable, address: number): ElfSymbol | undefined {
  let low = 0;
  let high = t.addresses.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (t.addresses[middle]! <= address) low = middle + 1;
    else high = middle;
  }
  for (let i = low - 1; i >= Math.max(0, low - nesting); i--) if (address < t.ends[i]!) return symbolInRow(t, i);
  return undefined;
}

/** The symbol of that name; of several a global before a local one. */
export function symbolNamed(t: SymbolTable, name: string): ElfSymbol | undefined {
  t.byName ??= namesOf(t);
  const row = t.byName.get(name);
  return row === undefined ? undefined : symbolInRow(t, row);
}

function namesOf(t: SymbolTable): Map<string, number> {
  const rows = new Map<string, number>();
  for (let row = 0; row < t.addresses.length; row++) {
    const { name } = symbolInRow(t, row);
    const other = rows.get(name);
    if (other === undefined || t.info[row]! >>> 4 !== 0) rows.set(name, row);
  }
  return rows;
}
