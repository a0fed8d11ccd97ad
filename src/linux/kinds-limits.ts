// Kinds of arguments of the calls on resource limits, and how a trace shows them.
import { failed, type Kind } from "./row.ts";
import { pointerText } from "./text.ts";
import { loadWords, u64 } from "./words.ts";

/** One of the two numbers of a limit: strace writes multiples of 1024 as such. */
function showLimit(lo: number, hi: number): string {
  const value = u64(lo, hi);
  if ((lo & hi) === -1) return "RLIM64_INFINITY";
  return value > 0 && value % 1024 === 0 ? `${value / 1024}*1024` : String(value);
}

const limitKind = (out: boolean): Kind<number> => ({
  load: (_t, lo, hi) => u64(lo, hi),
  show: (t, lo, hi, call) => {
    const hidden = (lo | hi) === 0 || (out && failed(call));
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
