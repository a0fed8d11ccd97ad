// A guest that has no file: small programs, assembled and laid into its memory, 256 bytes apart.

import type { EngineOptions } from "../../src/linux/bundle.ts";
import { newProcess } from "../../src/linux/process.ts";
import type { Task } from "../../src/linux/task.ts";
import { Page, pageSize, pagesChanged } from "../../src/memory/guest-memory.ts";
import { assemble, type Item } from "../tools/assembler.ts";

export type Programs = Readonly<Record<string, () => Item[]>>;

const programBytes = 256;

/** Guest address of a program; the first is at `codeAt`, at the beginning of a page that has room for all. */
export const entryIn = (codeAt: number, programs: Programs, name: string): number =>
  codeAt + Object.keys(programs).indexOf(name) * programBytes;

/** A process with the programs in its memory. */
export function newGuest(jit: EngineOptions["jit"], codeAt: number, programs: Programs): Task {
  const engine = { jit, stats: false, trace: undefined, log: undefined };
  const t = newProcess({ sysroot: undefined, stackSize: undefined, engine });
  for (const [name, program] of Object.entries(programs)) {
    const code = assemble(program());
    if (code.length * 4 > programBytes) throw new Error(`${name} is too long`);
    code.forEach((bits, i) => {
      t.memory.view.setUint32(entryIn(codeAt, programs, name) + 4 * i, bits, true);
    });
  }
  giveRights(t, codeAt, codeAt + pageSize, Page.read | Page.exec);
  return t;
}

/** Gives pages rights, those that hold `[from, to)`. */
export function giveRights({ memory }: Task, from: number, to: number, bits: number): void {
  const [first, end] = [from / pageSize, Math.ceil(to / pageSize)];
  memory.pages.fill(bits, first, end);
  pagesChanged(memory, first, end);
}
