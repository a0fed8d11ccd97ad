// How often each system call was made, by all threads of all processes, and how long that took; and what workers keep of
// compiled code: sums in the kernel's buffer, for the figures at the end of a run.
import type { CacheFigures } from "../../jit/tiers.ts";
import { monotonic, second } from "../host/clock.ts";
import { withLock } from "../sync/mutex.ts";
import type { CallWatcher } from "./dispatch.ts";
import { type Kernel, mostNamed, namedCalls, sections } from "./kernel.ts";
import { rowByNumber } from "./table.ts";
import type { Task } from "./task.ts";

/** How often a system call was made, failed, and how many seconds it took. */
export interface CallFigures {
  readonly count: number;
  readonly errors: number;
  readonly seconds: number;
}

/** Words of a call's figures: times made, failed; nanoseconds, the low word and the high one. */
const Word = { count: 0, errors: 1, low: 2, high: 3, words: 4 } as const;
/** Calls by their numbers; behind them those that were named for having no row; behind those all others. */
const byNumber = 1024;
const others = byNumber + mostNamed;
const entries = others + 1;
export const callFiguresBytes = entries * Word.words * 4;

const two32 = 2 ** 32;

/** Counts and times calls. */
export function countCalls(kernel: Kernel): CallWatcher {
  const begun = new WeakMap<Task, number>();
  return {
    enter: (t) => void begun.set(t, monotonic()),
    leave: (t, row, nr, _raw, result) =>
      add(kernel, entryOf(kernel, row === undefined, nr), result < 0, monotonic() - begun.get(t)!),
  };
}

function entryOf(k: Kernel, unknown: boolean, nr: number): number {
  if (!unknown) return nr;
  const named = namedCalls(k).indexOf(nr);
  return named < 0 ? others : byNumber + named;
}

function add({ i32 }: Kernel, entry: number, failed: boolean, nanoseconds: number): void {
  const at = sections.callFigures / 4 + entry * Word.words;
  Atomics.add(i32, at + Word.count, 1);
  if (failed) Atomics.add(i32, at + Word.errors, 1);
  const low = nanoseconds % two32;
  const before = Atomics.add(i32, at + Word.low, low | 0) >>> 0;
  const carry = Math.floor(nanoseconds / two32) + (before + low >= two32 ? 1 : 0);
  if (carry > 0) Atomics.add(i32, at + Word.high, carry);
}

/** The figures of all calls that were made, by name. */
export function callFigures(k: Kernel): Record<string, CallFigures> {
  const named = namedCalls(k);
  const figures: Record<string, CallFigures> = {};
  for (let entry = 0; entry < entries; entry++) {
    const word = (of: number): number => k.i32[sections.callFigures / 4 + entry * Word.words + of]! >>> 0;
    if (word(Word.count) === 0) continue;
    const name =
      entry < byNumber
        ? rowByNumber(entry)!.name
        : entry < others
          ? `syscall_${named[entry - byNumber]}`
          : "syscalls without a row";
    const seconds = (word(Word.high) * two32 + word(Word.low)) / second;
    figures[name] = { count: word(Word.count), errors: word(Word.errors), seconds };
  }
  return figures;
}

// ---- compiled code

const codeAt = (sections.callFigures + 0x8000) / 8;
const codeKeys = [
  "regions",
  "instructions",
  "compiled",
  "dropped",
  "seconds",
] as const satisfies (keyof CacheFigures)[];
/** What this worker has added of those that it has. */
const added = new WeakMap<Readonly<CacheFigures>, number[]>();

/** Adds what has come to the figures of a worker's compiled code since they were added last. */
export const addCodeFigures = (k: Kernel, own: Readonly<CacheFigures> | undefined): void => {
  if (own === undefined) return;
  const before = added.get(own);
  const now = codeKeys.map((key) => own[key]);
  added.set(own, now);
  withLock(k.signalsLock, () => {
    now.forEach((value, i) => {
      k.f64[codeAt + i]! += value - (before?.[i] ?? 0);
    });
  });
};

/** The sums of what workers have added. */
export const codeFigures = (k: Kernel): CacheFigures => {
  const [regions, instructions, compiled, dropped, seconds] = k.f64.subarray(codeAt, codeAt + codeKeys.length);
  return {
    regions: regions!,
    instructions: instructions!,
    compiled: compiled!,
    dropped: dropped!,
    seconds: seconds!,
  };
};
