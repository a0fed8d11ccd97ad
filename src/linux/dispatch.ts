// hot path: one system call, from the registers to the registers, as its row says.
import { getI64, hart, setX } from "../cpu/hart.ts";
import { errno } from "./errno.ts";
import { mostNamed, noteUnknownCall } from "./kernel.ts";
import type { CallRow, Fault } from "./row.ts";
import { finishCall } from "./signal-delivery.ts";
import { rowByNumber } from "./table.ts";
import type { Task } from "./task.ts";

/** Who watches system calls: a trace, statistics. `raw` holds six argument words, low and high in turn. */
export interface CallWatcher {
  readonly enter: (t: Task, row: CallRow | undefined, nr: number, raw: Int32Array) => void;
  /** The result is the handler's: an error is negative, and may be one of `restart`. */
  readonly leave: (t: Task, row: CallRow | undefined, nr: number, raw: Int32Array, result: number) => void;
}

const a0 = 2 * 10;
const a7 = 17;
const ecallBytes = 4;

const isFault = (value: unknown): value is Fault => typeof value === "object" && value !== null && "errno" in value;

/** Runs the row's handler on the arguments, which begin at word `at` of `words`. */
function invoke(t: Task, row: CallRow, words: Int32Array, at: number): number {
  const kinds = row.args;
  const values: unknown[] = [];
  for (let i = 0; i < kinds.length; i++) {
    const value = kinds[i]!.load(t, words[at + 2 * i]!, words[at + 2 * i + 1]!);
    if (isFault(value)) return -value.errno;
    values.push(value);
  }
  return row.handler(t, ...values);
}

/** Makes the call at which the hart stands (pc at its ecall); leaves pc behind it, or where a signal wants it. */
export function systemCall(t: Task, watcher: CallWatcher | undefined): void {
  const R = t.hart.i32;
  const nr = getI64(t.hart, a7);
  const row = rowByNumber(nr);
  const raw = watcher && R.slice(a0, a0 + 12);
  if (raw) watcher?.enter(t, row, nr, raw);
  R[hart.pc] = R[hart.pc]! + ecallBytes;
  const result = row ? invoke(t, row, R, a0) : unknownCall(t, nr);
  if (raw) watcher?.leave(t, row, nr, raw, result);
  // Its record may be another thread's by now.
  if (t.ended) return;
  if (row) finishCall(t, row, result);
  else setX(t.hart, 10, result);
}

/** Each number without a row is named once. */
function unknownCall(t: Task, nr: number): number {
  const named = noteUnknownCall(t.process.kernel, nr);
  if (named > 0) t.process.log(`system call ${nr} is not implemented`);
  if (named === mostNamed) t.process.log("further numbers are not named");
  return -errno.ENOSYS;
}
