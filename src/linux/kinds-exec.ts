// Kinds of the arguments of execve, and how a trace shows them: the strings of the program, and how many its environment has.
import { readString } from "../memory/guest-memory.ts";
import { pointer } from "./kinds.ts";
import type { Kind } from "./row.ts";
import type { Task } from "./task.ts";
import { addressText, pointerText, quote } from "./text.ts";
import { loadWords, u64 } from "./words.ts";

/** Strings, and bytes of each, that a trace shows. */
const [shownStrings, shownBytes] = [32, 32];
const most = 2 ** 20;

/** The addresses in an array that ends with NULL, at most `limit`; undefined where it cannot be read. */
function pointers(t: Task, address: number, limit: number): number[] | undefined {
  const found: number[] = [];
  while (found.length < limit) {
    const words = loadWords(t, address + 8 * found.length, 2);
    if (words === undefined) return undefined;
    const pointer = u64(words[0]!, words[1]!);
    if (pointer === 0) break;
    found.push(pointer);
  }
  return found;
}

function stringText(t: Task, address: number): string {
  const text = readString(t.memory, address, 2 ** 17);
  if (text == null) return addressText(address);
  return quote(text.slice(0, shownBytes)) + (text.length > shownBytes ? "..." : "");
}

/** An array of strings that ends with NULL. */
export const strings: Kind<number> = {
  load: pointer.load,
  show: (t, lo, hi) => {
    const address = u64(lo, hi);
    const found = address === 0 ? undefined : pointers(t, address, shownStrings + 1);
    if (found === undefined) return pointerText(lo, hi);
    const texts = found.slice(0, shownStrings).map((at) => stringText(t, at));
    return `[${[...texts, ...(found.length > shownStrings ? ["..."] : [])].join(", ")}]`;
  },
};

/** The same, of which only the number is shown. */
export const environment: Kind<number> = {
  load: pointer.load,
  show: (t, lo, hi) => {
    const found = (lo | hi) === 0 ? undefined : pointers(t, u64(lo, hi), most);
    const count = found?.length;
    return pointerText(lo, hi) + (count === undefined ? "" : ` /* ${count} ${count === 1 ? "var" : "vars"} */`);
  },
};
