// A guest thread without a program, for tests that make system calls by name and look at what became of the thread.
import { getI64, hart, setPc, setX } from "../../src/cpu/hart.ts";
import { newProcess } from "../../src/linux/process.ts";
import type { CallRow } from "../../src/linux/row.ts";
import { finishCall } from "../../src/linux/signal-delivery.ts";
import type { Task } from "../../src/linux/task.ts";
import { Page, pageSize } from "../../src/memory/guest-memory.ts";

/** Memory of the thread: `size` bytes that can be read and written, after which nothing is mapped. */
export const room = { start: 0x100000, size: 16 * pageSize, end: 0x100000 + 16 * pageSize } as const;
/** A page that can only be read. */
export const readOnly = 0x200000;
/** An address that is not mapped, and one that no guest has. */
export const unmapped = 0x300000;
export const beyond = 2 ** 63 + 4096;

const ecallAt = 0x5000;
export const stackTop = room.end - 256;

/** A thread that stands at an ecall, its stack at the end of the room. */
export function caller(): Task {
  const t = newProcess({ sysroot: undefined, stackSize: undefined });
  const { pages } = t.memory;
  pages.fill(Page.read | Page.write, room.start / pageSize, room.end / pageSize);
  pages[readOnly / pageSize] = Page.read;
  t.process.signals.trampoline = 0x7000;
  setX(t.hart, 2, stackTop);
  setPc(t.hart, ecallAt);
  return t;
}

type Call = (t: Task, name: string, ...args: number[]) => number;

function rowOf(rows: readonly CallRow[], name: string): CallRow {
  const row = rows.find((r) => r.name === name);
  if (row === undefined) throw new Error(`no row ${name}`);
  return row;
}

/** What the handler answers to the arguments, which go through registers. */
function handle(t: Task, row: CallRow, args: readonly number[]): number {
  for (let i = 0; i < 6; i++) setX(t.hart, 10 + i, args[i] ?? 0);
  const words = t.hart.i32;
  return row.handler(t, ...row.args.map((kind, i) => kind.load(t, words[20 + 2 * i]!, words[21 + 2 * i]!)));
}

/** Makes the call of that name among `rows`, as the thread's next instruction; answers a0. */
export const callOf =
  (rows: readonly CallRow[]): Call =>
  (t, name, ...args) => {
    const row = rowOf(rows, name);
    setX(t.hart, 17, row.nr);
    setPc(t.hart, ecallAt + 4);
    finishCall(t, row, handle(t, row, args));
    return getI64(t.hart, 10);
  };

/** The same without what comes after the handler: signals are not delivered, and restart codes, which no guest sees, are answered. */
export const resultOf =
  (rows: readonly CallRow[]): Call =>
  (t, name, ...args) =>
    handle(t, rowOf(rows, name), args);

/** Where the thread goes on: after the call, at it again, or at a handler. */
export const pcOf = (t: Task): number => t.hart.i32[hart.pc]!;
export const afterCall = ecallAt + 4;
export const atCall = ecallAt;
