// A file in a temporary folder for tests of file mappings.
import { mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pageSize } from "../../src/memory/guest-memory.ts";

const folder = mkdtempSync(join(tmpdir(), "sabre-memory-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
let made = 0;

/** Path of a new file: page `i` is filled with bytes `first + i`, and `size` bytes are there. */
export function makeFile(size: number, first = 65): string {
  const path = join(folder, `file${made++}`);
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at++) bytes[at] = first + Math.floor(at / pageSize);
  writeFileSync(path, bytes);
  return path;
}

/** A descriptor of a path, never closed by the garbage collector. */
export const open = (path: string, flags: string): number => openSync(path, flags);
