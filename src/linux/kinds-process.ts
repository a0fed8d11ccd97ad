// Kinds of arguments of the calls about processes and scheduling, and how a trace shows them: names for numbers, names
// for bits, limits.
import type { Kind } from "./row.ts";
import { pointerText } from "./text.ts";
import { loadWords } from "./words.ts";

const two32 = 2 ** 32;
const u64 = (lo: number, hi: number): number => (hi >>> 0) * two32 + (lo >>> 0);

/** Text of a number made of named bits: `A|B|0x40`, and `0` for none. */
export const flagSet =
  (names: Readonly<Record<string, number>>) =>
  (value: number): string => {
    let left = value >>> 0;
    const found: string[] = [];
    for (const [name, bit] of Object.entries(names)) {
      if ((left & bit) >>> 0 !== bit >>> 0 || bit === 0) continue;
      found.push(name);
      left = (left & ~bit) >>> 0;
    }
    if (left !== 0 || found.length === 0) found.push(left === 0 ? "0" : "0x" + left.toString(16));
    return found.join("|");
  };

/** An int that names bits. */
export const flags = (names: Readonly<Record<string, number>>): Kind<number> => {
  const show = flagSet(names);
  return { load: (_t, lo) => lo | 0, show: (_t, lo) => show(lo) };
};

/** An int that is one of some named numbers. */
export const oneOf = (names: Readonly<Record<string, number>>, prefix = ""): Kind<number> => {
  const byNumber = new Map(Object.entries(names).map(([name, n]) => [n, prefix + name]));
  return { load: (_t, lo) => lo | 0, show: (_t, lo) => byNumber.get(lo | 0) ?? String(lo | 0) };
};

/** One of the two numbers of a limit: strace writes multiples of 1024 as such. */
function showLimit(lo: number, hi: number): string {
  const value = u64(lo, hi);
  if ((lo & hi) === -1) return "RLIM64_INFINITY";
  return value > 0 && value % 1024 === 0 ? `${value / 1024}*1024` : String(value);
}

const limitKind = (out: boolean): Kind<number> => ({
  load: (_t, lo, hi) => u64(lo, hi),
  show: (t, lo, hi, call) => {
    const hidden = (lo | hi) === 0 || (out && (call.result ?? -1) < 0);
    const w = hidden ? undefined : loadWords(t, u64(lo, hi), 4);
    return w === undefined
      ? pointerText(lo, hi)
      : `{rlim_cur=${showLimit(w[0]!, w[1]!)}, rlim_max=${showLimit(w[2]!, w[3]!)}}`;
  },
  ...(out && { out: true as const }),
});
/** Pointer to a struct rlimit64. */
export const rlimit = limitKind(false);
export const rlimitOut = limitKind(true);
