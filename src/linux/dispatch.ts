// hot path: one system call, from the registers to the registers, as its row says.
import { getI64, hart, setX } from "../cpu/hart.ts";
import { errno } from "./errno.ts";
import { noteCall } from "./garbage.ts";
import { mostNamed, noteUnknownCall } from "./kernel.ts";
import { stopsAtCalls } from "./ptrace.ts";
import { stopAtEntry, stopAtExit } from "./ptrace-stops.ts";
import type { CallRow, Fault } from "./row.ts";
import { deliverSignals, finishCall } from "./signal-delivery.ts";
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

/** Runs the row's handler on the arguments in the registers. Without a list of values a call takes 60 ns less. */
function invoke(t: Task, { args, handler }: CallRow, words: Int32Array): number {
  const count = args.length;
  if (count === 0) return handler(t);
  const a = args[0]!.load(t, words[a0]!, words[a0 + 1]!);
  if (isFault(a)) return -a.errno;
  if (count === 1) return handler(t, a);
  const b = args[1]!.load(t, words[a0 + 2]!, words[a0 + 3]!);
  if (isFault(b)) return -b.errno;
  if (count === 2) return handler(t, a, b);
  const c = args[2]!.load(t, words[a0 + 4]!, words[a0 + 5]!);
  if (isFault(c)) return -c.errno;
  if (count === 3) return handler(t, a, b, c);
  const d = args[3]!.load(t, words[a0 + 6]!, words[a0 + 7]!);
  if (isFault(d)) return -d.errno;
  if (count === 4) return handler(t, a, b, c, d);
  const e = args[4]!.load(t, words[a0 + 8]!, words[a0 + 9]!);
  if (isFault(e)) return -e.errno;
  if (count === 5) return handler(t, a, b, c, d, e);
  const f = args[5]!.load(t, words[a0 + 10]!, words[a0 + 11]!);
  if (isFault(f)) return -f.errno;
  return handler(t, a, b, c, d, e, f);
}

/** Makes the call at which the hart stands (pc at its ecall); leaves pc behind it, or where a signal wants it. */
export function systemCall(t: Task, watcher: CallWatcher | undefined): void {
  noteCall();
  const { tracer } = t.process;
  if (tracer !== undefined) {
    tracer.enterCall(t);
    if (t.process.exit !== undefined) return;
  }
  const R = t.hart.i32;
  if (stopsAtCalls(t.record) && !stopAtEntry(t)) {
    endCall(t, undefined, undefined);
    return;
  }
  const nr = getI64(t.hart, a7);
  const row = rowByNumber(nr);
  const raw = watcher && R.slice(a0, a0 + 12);
  if (raw) watcher?.enter(t, row, nr, raw);
  R[hart.pc] = R[hart.pc]! + ecallBytes;
  let result = row ? invoke(t, row, R) : unknownCall(t, nr);
  if (raw && !(t.moved && t.process.exit !== undefined)) watcher?.leave(t, row, nr, raw, result);
  // Its record may be another thread's by now.
  if (t.ended) return;
  if (tracer !== undefined) result = tracer.leaveCall(t, nr, result);
  if (stopsAtCalls(t.record)) endCall(t, row, row?.result === "never" ? undefined : result);
  else if (row) finishCall(t, row, result);
  else setX(t.hart, 10, result);
}

/** The end of a call of a thread that stops there. Its result is undefined where it is in a0 already. */
function endCall(t: Task, row: CallRow | undefined, result: number | undefined): void {
  if (t.process.exit !== undefined) return;
  const code = stopAtExit(t, result);
  if (code === undefined || row === undefined) deliverSignals(t);
  else finishCall(t, row, code);
}

/** Each number without a row is named once. */
function unknownCall(t: Task, nr: number): number {
  const named = noteUnknownCall(t.process.kernel, nr);
  if (named > 0) t.process.watcher?.unknownCall(t, nr, named === mostNamed);
  return -errno.ENOSYS;
}
