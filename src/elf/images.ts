// The symbols of a process: which ELF file lies where, by its file mappings, and what is at an address. Files are read
// when an address or a name first needs them, and kept.
import { pageSize } from "../memory/guest-memory.ts";
import { loadSegments } from "./check.ts";
import { buildId, type ElfFile } from "./file.ts";
import { type FileError, isFileError } from "./source.ts";
import { hasFullSymbols, loadSymbols, type SymbolTable, symbolCovering, symbolNamed } from "./symbols.ts";

/** A mapping of a file: guest addresses `[start, end)`, offset in the file, guest path. */
export interface FileMapping {
  readonly start: number;
  readonly end: number;
  readonly offset: number;
  readonly file: string;
}

/** An ELF file in memory. `bias` is what its linked addresses are moved by. */
export interface Image {
  readonly file: string;
  readonly elf: ElfFile;
  readonly start: number;
  readonly end: number;
  readonly bias: number;
}

/** An address in terms of a symbol. */
export interface Located {
  readonly name: string;
  /** Bytes from the symbol's beginning. */
  readonly offset: number;
  /** Guest path of the file. */
  readonly file: string;
}

/** The symbols of one process. It keeps the files open that it has read, until `close`. */
export class ProcessSymbols {
  readonly #mappings: () => readonly FileMapping[];
  readonly #open: (file: string) => ElfFile | FileError;
  readonly #files = new Map<string, ElfFile | undefined>();
  readonly #tables = new Map<string, SymbolTable>();

  /** `mappings` gives the file mappings of the process as they are now; `open` opens a file by its guest path. */
  constructor(mappings: () => readonly FileMapping[], open: (file: string) => ElfFile | FileError) {
    this.#mappings = mappings;
    this.#open = open;
  }

  /** The ELF files in memory, by address. A file's beginning must be mapped; its later segments need not be any more. */
  images(): Image[] {
    const found: Image[] = [];
    for (const m of this.#mappings()) {
      const elf = this.#fileOf(m.file);
      const segments = elf === undefined ? [] : loadSegments(elf);
      const [first, last] = [segments[0], segments.at(-1)];
      if (elf === undefined || first === undefined || last === undefined) continue;
      if (pageFloor(first.offset) !== m.offset) continue;
      const bias = m.start - pageFloor(first.address);
      const end = bias + pageFloor(last.address + last.memorySize + pageSize - 1);
      if (found.some((i) => i.file === m.file && m.start < i.end && i.start <= m.start)) continue;
      found.push({ file: m.file, elf, start: m.start, end, bias });
    }
    return found;
  }

  /** What is at a guest address, or undefined. */
  symbolAt(address: number): Located | undefined {
    for (const image of this.images()) {
      if (address < image.start || address >= image.end) continue;
      const symbol = symbolCovering(this.tableOf(image), address - image.bias);
      if (symbol !== undefined)
        return { name: symbol.name, offset: address - image.bias - symbol.address, file: image.file };
    }
    return undefined;
  }

  /** Guest address of the first symbol of that name, in the order of the mappings. */
  addressOf(name: string): number | undefined {
    for (const image of this.images()) {
      const symbol = symbolNamed(this.tableOf(image), name);
      if (symbol !== undefined) return symbol.address + image.bias;
    }
    return undefined;
  }

  /** The symbols of an image; those of its separate debug file where it is stripped and has one. */
  tableOf(image: Image): SymbolTable {
    let table = this.#tables.get(image.file);
    if (table === undefined) {
      table = loadSymbols(this.#debugFileOf(image.elf) ?? image.elf);
      this.#tables.set(image.file, table);
    }
    return table;
  }

  close(): void {
    for (const elf of this.#files.values()) elf?.source.close();
    this.#files.clear();
    this.#tables.clear();
  }

  #debugFileOf(elf: ElfFile): ElfFile | undefined {
    const id = hasFullSymbols(elf) ? undefined : buildId(elf);
    const debug = id && this.#fileOf(`/usr/lib/debug/.build-id/${id.slice(0, 2)}/${id.slice(2)}.debug`);
    return debug && hasFullSymbols(debug) ? debug : undefined;
  }

  #fileOf(file: string): ElfFile | undefined {
    if (!this.#files.has(file)) {
      const elf = this.#open(file);
      this.#files.set(file, isFileError(elf) ? undefined : elf);
    }
    return this.#files.get(file);
  }
}

const pageFloor = (n: number): number => Math.floor(n / pageSize) * pageSize;
