// What `-d` can show, and where it goes.
import type { UsageError } from "./options.ts";

/** Log items, in the manner and by the names of qemu's. */
export const logItems = {
  in_asm: "the instructions of each block, when it is first decoded",
  int: "traps, with their place and the signal that they become",
  page: "the guest's memory map, at the start and whenever it changes",
  strace: "system calls, as with --strace",
  unimp: "calls that sabre lacks, each once",
} as const;
export type LogItem = keyof typeof logItems;

const isItem = (word: string): word is LogItem => Object.hasOwn(logItems, word);

export const logHelp = (): string =>
  `Log items (-d ITEM,ITEM…, to stderr or to the file that -D names):\n` +
  [...Object.entries(logItems), ["none", "nothing at all"], ["help", "this list"]]
    .map(([name, text]) => `  ${name!.padEnd(10)} ${text}\n`)
    .join("");

/** The items of `-d` values, together; `help` where that is among them. */
export function parseLogItems(values: readonly string[]): ReadonlySet<LogItem> | "help" | UsageError {
  const items = new Set<LogItem>();
  for (const word of values.flatMap((value) => value.split(","))) {
    if (word === "help" || word === "?") return "help";
    if (word === "none") items.clear();
    else if (isItem(word)) items.add(word);
    else return { usage: `-d has no item "${word}": ${Object.keys(logItems).join(", ")}` };
  }
  return items;
}

const stderr = 2;

/** The descriptor of what a log or trace goes to: a file, made anew, in whose name `%d` becomes the process id; without a name, stderr. */
export function openSink(name: string | undefined): number | UsageError {
  if (name === undefined) return stderr;
  try {
    // Loaded for this alone: it would cost every start 2 ms.
    const { openSync } = require("node:fs") as typeof import("node:fs");
    return openSync(name.replaceAll("%d", String(process.pid)), "w");
  } catch (e) {
    return { usage: `cannot write to ${name}: ${(e as NodeJS.ErrnoException).code}` };
  }
}
