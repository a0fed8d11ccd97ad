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

/** Watches calls and writes a line for each. Serves one thread. */
export function traceCalls(write: (line: string) => void): CallWatcher {
  let texts: readonly (string | undefined)[] = [];
  return {
    enter: (t, row, _nr, words) => {
      texts = row === undefined ? [] : argumentTexts(t, row, words, undefined);
    },
    leave: (t, row, nr, words, result) => {
      if (row === undefined)
        write(
          line(
            `syscall_0x${nr.toString(16)}`,
            Array.from({ length: 6 }, (_, i) => hexWords(words[2 * i]!, words[2 * i + 1]!)),
            errorResult(result),
          ),
        );
      else {
        const filled = argumentTexts(t, row, words, result);
        const shown = texts.map((text, i) => text ?? filled[i] ?? "?");
        write(line(row.name, shown, resultText(row, result)));
      }
    },
  };
}

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

const line = (name: string, args: readonly string[], result: string): string =>
  `${name}(${args.filter((text) => text !== "").join(", ")}) `.padEnd(resultColumn) + `= ${result}`;

const hex = (n: number): string => "0x" + n.toString(16);

function resultText(row: CallRow, result: number): string {
  if (result < 0) return errorResult(result);
  if (row.result === "never") return "?";
  return row.result === "address" ? hex(result) : String(result);
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
