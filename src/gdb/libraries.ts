// The shared libraries of a process, read from what its dynamic linker keeps for debuggers (struct r_debug and its link maps): one document
// in place of a dozen small reads for each library.
import type { GuestThread } from "../debug/world.ts";
import { auxvOf, processAt } from "../linux/processes.ts";
import { mostLibraries, xmlText } from "./packets/threads.ts";
import { read, type Session } from "./session.ts";

const [PT_DYNAMIC, PT_PHDR] = [2, 6];
const [AT_PHDR, AT_PHNUM] = [3, 5];
const DT_DEBUG = 21;
const [headerBytes, entryBytes, mapBytes] = [56, 16, 40];
const longestPath = 4096;

const u64 = (bytes: Buffer, at: number): number => (at + 8 <= bytes.length ? Number(bytes.readBigUInt64LE(at)) : 0);

interface Headers {
  /** What the program was moved by from where it was linked. */
  readonly bias: number;
  /** Where its dynamic section is linked, and its bytes; 0 for none. */
  readonly dynamic: number;
  readonly length: number;
}

/** What the program headers in memory say of a process's program. */
export function headersOf(s: Session, t: GuestThread): Headers {
  const auxv = Buffer.from(auxvOf(processAt(s.world.kernel, t.process)));
  const known = new Map<number, number>();
  for (let at = 0; at + entryBytes <= auxv.length; at += entryBytes) known.set(u64(auxv, at), u64(auxv, at + 8));
  const [headers = 0, count = 0] = [known.get(AT_PHDR), known.get(AT_PHNUM)];
  const table = Buffer.from(read(s, t, headers, headerBytes * count));
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
    const map = Buffer.from(read(s, t, at, mapBytes));
    if (map.length < mapBytes) break;
    const text = Buffer.from(read(s, t, u64(map, 8), longestPath)).toString("latin1");
    const name = text.slice(0, Math.max(0, text.indexOf("\0")));
    if (at !== first)
      lines.push(
        `<library name="${xmlText(name)}" lm="${hex(at)}" l_addr="${hex(u64(map, 0))}" l_ld="${hex(u64(map, 16))}" lmid="${hex(debug)}"/>`,
      );
    at = u64(map, 24);
  }
  const main = first === 0 ? "" : ` main-lm="${hex(first)}"`;
  return `<library-list-svr4 version="1.0"${main}>\n${lines.join("\n")}\n</library-list-svr4>\n`;
}
