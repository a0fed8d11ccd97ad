// Kinds of arguments of the calls about signals, and how a trace shows them.
import { flagSet } from "./kinds.ts";
import type { Kind } from "./row.ts";
import { infoWords, sigMax, signalName } from "./siginfo.ts";
import { showInfo } from "./siginfo-text.ts";
import type { Task } from "./task.ts";
import { addressText } from "./text.ts";
import { loadWords, u64 } from "./words.ts";

/** A signal number. */
export const signo: Kind<number> = { load: (_t, lo) => lo | 0, show: (_t, lo) => signalName(lo | 0) };

/** A set of signals by its two words: `[INT TERM]`, or `~[KILL STOP]` where most are in it. */
export function showSet(lo: number, hi: number): string {
  const all = Array.from({ length: sigMax }, (_, i) => i + 1);
  const isIn = (n: number): boolean => ((n <= 32 ? lo >>> (n - 1) : hi >>> (n - 33)) & 1) !== 0;
  const list = (signals: readonly number[]): string =>
    "[" + signals.map((n) => signalName(n).replace(/^SIG/, "")).join(" ") + "]";
  const members = all.filter(isIn);
  return members.length > (sigMax * 2) / 3 ? "~" + list(all.filter((n) => !isIn(n))) : list(members);
}

const pointed = (words: number, show: (w: Int32Array) => string, out: boolean): Kind<number> => ({
  load: (_t, lo, hi) => u64(lo, hi),
  show: (t: Task, lo, hi, call) => {
    const w = out && (call.result ?? -1) < 0 ? undefined : loadWords(t, u64(lo, hi), words);
    return w === undefined || u64(lo, hi) === 0 ? addressText(u64(lo, hi)) : show(w);
  },
  ...(out && { out: true as const }),
});

/** Pointer to a sigset_t. */
export const sigset = pointed(2, (w) => showSet(w[0]!, w[1]!), false);
export const sigsetOut = pointed(2, (w) => showSet(w[0]!, w[1]!), true);

const saFlags = flagSet({
  SA_NOCLDSTOP: 1,
  SA_NOCLDWAIT: 2,
  SA_SIGINFO: 4,
  SA_ONSTACK: 0x08000000,
  SA_RESTART: 0x10000000,
  SA_NODEFER: 0x40000000,
  SA_RESETHAND: 0x80000000,
});

const showAction = (w: Int32Array): string => {
  const handler = u64(w[0]!, w[1]!);
  const name = handler === 0 ? "SIG_DFL" : handler === 1 ? "SIG_IGN" : addressText(handler);
  const member = w[2]! & 4 ? "sa_sigaction" : "sa_handler";
  return `{${member}=${name}, sa_mask=${showSet(w[4]!, w[5]!)}, sa_flags=${saFlags(w[2]! >>> 0)}}`;
};

/** Pointer to a struct sigaction. */
export const sigaction = pointed(6, showAction, false);
export const sigactionOut = pointed(6, showAction, true);

const ssFlags = flagSet({ SS_ONSTACK: 1, SS_DISABLE: 2, SS_AUTODISARM: 0x80000000 });
const showStack = (w: Int32Array): string =>
  `{ss_sp=${addressText(u64(w[0]!, w[1]!))}, ss_flags=${ssFlags(w[2]! >>> 0)}, ss_size=${u64(w[4]!, w[5]!)}}`;

/** Pointer to a stack_t. */
export const stack = pointed(6, showStack, false);
export const stackOut = pointed(6, showStack, true);

/** Pointer to a siginfo_t. */
export const siginfo = pointed(infoWords, showInfo, false);
export const siginfoOut = pointed(infoWords, showInfo, true);
