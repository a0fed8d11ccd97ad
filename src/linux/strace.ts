// One line a system call, in the manner of strace: name, arguments by their kinds, result, error with its text.
// Arguments that the kernel reads are shown as they were before the call, those that it fills as they are after it.
import type { CallWatcher } from "./dispatch.ts";
import { errnoName, restart } from "./errno.ts";
import type { CallRow, Shown } from "./row.ts";
import { type SigInfo, signalName } from "./siginfo.ts";
import { showInfo } from "./siginfo-text.ts";
import { errorText } from "./strerror.ts";
import type { Exit, Task } from "./task.ts";
import { hexWords } from "./text.ts";
import type { Transcript } from "./transcript.ts";

/** A call that has begun: what was known of its arguments then. */
type Begun = readonly (string | undefined)[];

/** Watches calls and writes a line for each. */
export function traceCalls(to: Pick<Transcript, "begin" | "end">): CallWatcher {
  const calls = new WeakMap<Task, Begun>();
  return {
    enter: (t, row, nr, words) => {
      const known = row === undefined ? rawTexts(words) : argumentTexts(t, row, words, undefined);
      calls.set(t, known);
      if (row?.result === "never") {
        // The thread may be gone when it is over.
        const whole = line(`${row.name}(${shown(known.map((text) => text ?? "?"))})`, "?");
        to.end(t, whole, whole);
        return;
      }
      const first = upToUnknown(known);
      to.begin(t, `${nameOf(row, nr)}(${shown(first)}${first.length < known.length && first.length > 0 ? ", " : ""}`);
    },
    leave: (t, row, nr, words, result) => {
      if (row?.result === "never") return;
      const known = calls.get(t) ?? [];
      const filled = row === undefined ? [] : argumentTexts(t, row, words, result);
      const all = known.map((text, i) => text ?? filled[i] ?? "?");
      const answer = resultText(t, row, result);
      const name = nameOf(row, nr);
      const rest = all.slice(upToUnknown(known).length);
      to.end(t, line(`${name}(${shown(all)})`, answer), line(`<... ${name} resumed>${shown(rest)})`, answer));
    },
  };
}

const nameOf = (row: CallRow | undefined, nr: number): string => row?.name ?? `syscall_0x${nr.toString(16)}`;

const rawTexts = (words: Int32Array): string[] =>
  Array.from({ length: 6 }, (_, i) => hexWords(words[2 * i]!, words[2 * i + 1]!));

/** The arguments before the first that the call is to fill. */
function upToUnknown(texts: Begun): readonly string[] {
  const end = texts.indexOf(undefined);
  return texts.slice(0, end < 0 ? texts.length : end) as string[];
}

const shown = (texts: readonly string[]): string => texts.filter((text) => text !== "").join(", ");

/** Texts of the arguments that are shown at this time: before the call, where `result` is undefined, or after it. */
function argumentTexts(t: Task, row: CallRow, words: Int32Array, result: number | undefined): (string | undefined)[] {
  const call: Shown = { raw: unsigned(words), result };
  return row.args.map((kind, i) =>
    (kind.out === true) === (result !== undefined) ? kind.show(t, words[2 * i]!, words[2 * i + 1]!, call) : undefined,
  );
}

/** The six argument words as unsigned numbers. */
const unsigned = (words: Int32Array): number[] =>
  Array.from({ length: 6 }, (_, i) => (words[2 * i + 1]! >>> 0) * 2 ** 32 + (words[2 * i]! >>> 0));

/** The line of a signal as it reaches the program. */
export const traceSignal = (info: SigInfo): string => `--- ${signalName(info[0]!)} ${showInfo(info)} ---`;

/** The last line: how the process ended. */
export const traceExit = (end: Exit): string =>
  "code" in end
    ? `+++ exited with ${end.code} +++`
    : `+++ killed by ${signalName(end.signal)}${end.coreDumped ? " (core dumped)" : ""} +++`;

/** Results begin in this column where the call is short enough. */
const resultColumn = 40;

const line = (call: string, result: string): string => `${call} `.padEnd(resultColumn) + `= ${result}`;

const hex = (n: number): string => "0x" + n.toString(16);

function resultText(t: Task, row: CallRow | undefined, result: number): string {
  // It was interrupted by the end of its process: nobody sees an answer.
  if (restartText.has(-result) && t.process.exit !== undefined) return "?";
  if (result < 0) return errorResult(result);
  return row?.result === "address" ? hex(result) : String(result);
}

/** What the restart codes promise, which no guest sees. */
const restartText = new Map<number, string>([
  [restart.ERESTARTSYS, "To be restarted if SA_RESTART is set"],
  [restart.ERESTARTNOINTR, "To be restarted"],
  [restart.ERESTARTNOHAND, "To be restarted if no handler"],
  [restart.ERESTART_RESTARTBLOCK, "Interrupted by signal"],
]);

function errorResult(result: number): string {
  const promise = restartText.get(-result);
  if (promise !== undefined) return `? ${errnoName(-result)} (${promise})`;
  return `-1 ${errnoName(-result)} (${errorText(-result)})`;
}
