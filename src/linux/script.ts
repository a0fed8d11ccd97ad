// The first line of a script: `#!`, the path of an interpreter, at most one argument. As in Linux: 255 bytes are looked
// at, blanks at either end do not count, and the argument is the rest of the line, inner blanks included.
import { latin1 } from "../memory/guest-memory.ts";

export interface ScriptLine {
  readonly interpreter: string;
  readonly argument: string | undefined;
}

/** Bytes of a file that decide how it runs. */
export const scriptHead = 256;

const isBlank = (c: string | undefined): boolean => c === " " || c === "\t";

/**
 * Reads the line from the first `scriptHead` bytes of a file (fewer where the file is shorter). Undefined where it is no
 * script, null where the line names no interpreter or its path is cut off.
 */
export function scriptLine(start: Uint8Array): ScriptLine | undefined | null {
  if (start[0] !== 0x23 || start[1] !== 0x21) return undefined;
  const text = latin1(start)
    .slice(2, scriptHead)
    .padEnd(scriptHead - 2, "\0");
  const newline = text.indexOf("\n");
  // Without a newline the line may have been cut: then the path must at least end before the cut.
  const line = newline < 0 ? text.slice(0, -1) : text.slice(0, newline);
  let begin = 0;
  while (isBlank(line[begin])) begin++;
  if (newline < 0 && !/[ \t\0]/.test(text.slice(begin))) return null;
  let end = line.length;
  while (end > begin && isBlank(line[end - 1])) end--;
  const [, interpreter, rest] = /^([^ \t\0]*)[ \t]*([^\0]*)/.exec(line.slice(begin, end))!;
  if (interpreter === "") return null;
  return { interpreter: interpreter!, argument: rest === "" ? undefined : rest };
}
