// The shared libraries of a process, read from what its dynamic linker keeps for debuggers (struct r_debug and its link maps): one document
// in place of a dozen small reads for each library; and where threads have the storage of each.
import { hartOf } from "../debug/memory.ts";
import type { GuestThread } from "../debug/world.ts";
import { auxvOf, processAt } from "../linux/processes.ts";
import { xmlText } from "./codec.ts";
import { read, type Session } from "./session.ts";

const [PT_DYNAMIC, PT_PHDR, PT_TLS] = [2, 6, 7];
const [AT_PHDR, AT_PHNUM] = [3, 5];
const DT_DEBUG = 21;
const [headerBytes, entryBytes] = [56, 16];
/** Fields of a link map, and its size. */
const LinkMap = { base: 0, name: 8, dynamic: 16, next: 24, previous: 32, bytes: 40 } as const;
/** Longer lists of what is loaded are taken for circles. */
const mostLibraries = 4096;
const longestPath = 4096;

const u64 = (bytes: Buffer, at: number): number => (at + 8 <= bytes.length ? Number(bytes.readBigUInt64LE(at)) : 0);

interface Headers {
  /** What the program was moved by from where it was linked. */
  readonly bias: number;
  /** Where its dynamic section is linked, and its bytes; 0 for none. */
  readonly dynamic: number;
  readonly length: number;
}

/** The program headers of a process's program, and where they lie. */
function programTable(s: Session, t: GuestThread): { readonly headers: number; readonly table: Buffer } {
  const auxv = Buffer.from(auxvOf(processAt(s.world.kernel, t.process)));
  const known = new Map<number, number>();
  for (let at = 0; at + entryBytes <= auxv.length; at += entryBytes) known.set(u64(auxv, at), u64(auxv, at + 8));
  const [headers = 0, count = 0] = [known.get(AT_PHDR), known.get(AT_PHNUM)];
  return { headers, table: Buffer.from(read(s, t, headers, headerBytes * count)) };
}

/** What the program headers in memory say of a process's program. */
export function headersOf(s: Session, t: GuestThread): Headers {
  const { headers, table } = programTable(s, t);
  let [bias, dynamic, length] = [0, 0, 0];
  for (let at = 0; at + headerBytes <= table.length; at += headerBytes) {
    const type = table.readUInt32LE(at);
    if (type === PT_PHDR) bias = headers - u64(table, at + 16);
    if (type === PT_DYNAMIC) [dynamic, length] = [u64(table, at + 16), u64(table, at + 40)];
  }
  return { bias, dynamic, length };
}

/** Where struct r_debug is, and the first link map, the program's own; 0 where there is none yet. */
function loaded(s: Session, t: GuestThread): { readonly debug: number; readonly first: number } {
  const memory = (at: number, length: number): Buffer => Buffer.from(read(s, t, at, length));
  const { bias, dynamic, length } = headersOf(s, t);
  if (dynamic === 0) return { debug: 0, first: 0 };
  const entries = memory(bias + dynamic, Math.min(length, 0x1000));
  for (let at = 0; at + entryBytes <= entries.length; at += entryBytes) {
    const debug = u64(entries, at + 8);
    if (u64(entries, at) === DT_DEBUG && debug !== 0) return { debug, first: u64(memory(debug, 16), 8) };
  }
  return { debug: 0, first: 0 };
}

/** The document that qXfer:libraries-svr4:read gives. */
export function librariesXml(s: Session, t: GuestThread): string {
  const hex = (n: number): string => `0x${n.toString(16)}`;
  const { debug, first } = loaded(s, t);
  const lines: string[] = [];
  // A list that is a circle ends too.
  for (let at = first, rounds = 0; at !== 0 && rounds < mostLibraries; rounds++) {
    const map = Buffer.from(read(s, t, at, LinkMap.bytes));
    if (map.length < LinkMap.bytes) break;
    const text = Buffer.from(read(s, t, u64(map, LinkMap.name), longestPath)).toString("latin1");
    const name = text.slice(0, Math.max(0, text.indexOf("\0")));
    if (at !== first)
      lines.push(
        `<library name="${xmlText(name)}" lm="${hex(at)}" l_addr="${hex(u64(map, LinkMap.base))}" l_ld="${hex(u64(map, LinkMap.dynamic))}" lmid="${hex(debug)}"/>`,
      );
    at = u64(map, LinkMap.next);
  }
  const main = first === 0 ? "" : ` main-lm="${hex(first)}"`;
  return `<library-list-svr4 version="1.0"${main}>\n${lines.join("\n")}\n</library-list-svr4>\n`;
}

// ---- storage of threads

const tp = 4;

/** An 8-byte number of guest memory; undefined where there is none. */
function word(s: Session, t: GuestThread, address: number): number | undefined {
  const bytes = read(s, t, address, 8);
  return bytes.length < 8 ? undefined : Number(Buffer.from(bytes).readBigUInt64LE());
}

/**
 * Where a thread has the storage of a module, as the C libraries for RISC-V keep it: the vector of blocks is told 16 bytes
 * before the thread pointer. `module`: its number, from 1 on.
 */
export function threadStorage(s: Session, t: GuestThread, module: number): number | undefined {
  const words = hartOf(s.world, t);
  const pointer = (words[2 * tp + 1]! >>> 0) * 2 ** 32 + (words[2 * tp]! >>> 0);
  const vector = word(s, t, pointer - 16);
  const block = vector === undefined ? undefined : word(s, t, vector + 16 * module);
  return block === undefined || block >= 2 ** 48 || block === 0 ? undefined : block;
}

/** The number of the module that a link map (an address) describes: modules with thread storage are counted as they were loaded. */
export function moduleOf(s: Session, t: GuestThread, map: number): number | undefined {
  let first = map;
  let left = mostLibraries;
  for (
    let before = word(s, t, first + LinkMap.previous);
    before && left-- > 0;
    before = word(s, t, first + LinkMap.previous)
  )
    first = before;
  let count = 0;
  left = mostLibraries;
  for (let at: number | undefined = first; at && left-- > 0; at = word(s, t, at + LinkMap.next)) {
    if (hasStorage(s, t, at)) count++;
    if (at === map) return count === 0 ? undefined : count;
  }
  return undefined;
}

function hasStorage(s: Session, t: GuestThread, map: number): boolean {
  const name = word(s, t, map + LinkMap.name) ?? 0;
  const isMain = read(s, t, name, 1)[0] === 0 && (word(s, t, map + LinkMap.previous) ?? 0) === 0;
  const table = isMain ? programTable(s, t).table : libraryTable(s, t, word(s, t, map + LinkMap.base) ?? 0);
  for (let at = 0; at + headerBytes <= table.length; at += headerBytes)
    if (table.readUInt32LE(at) === PT_TLS) return true;
  return false;
}

/** The program headers of a library; empty where there is none. */
function libraryTable(s: Session, t: GuestThread, base: number): Buffer {
  const header = Buffer.from(read(s, t, base, 64));
  if (header.length < 64 || header.toString("latin1", 1, 4) !== "ELF") return Buffer.alloc(0);
  return Buffer.from(read(s, t, base + u64(header, 32), headerBytes * header.readUInt16LE(56)));
}
