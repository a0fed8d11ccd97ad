// Signals have numbers of their own in the remote protocol (gdb's include/gdb/signals.def); here they meet Linux's.
import { Sig, sigRtMin } from "../linux/siginfo.ts";

/** The protocol's number of Linux's signals, by name where they differ from the first fifteen. */
const numbers: Readonly<Record<number, number>> = {
  [Sig.HUP]: 1,
  [Sig.INT]: 2,
  [Sig.QUIT]: 3,
  [Sig.ILL]: 4,
  [Sig.TRAP]: 5,
  [Sig.ABRT]: 6,
  [Sig.FPE]: 8,
  [Sig.KILL]: 9,
  [Sig.BUS]: 10,
  [Sig.SEGV]: 11,
  [Sig.SYS]: 12,
  [Sig.PIPE]: 13,
  [Sig.ALRM]: 14,
  [Sig.TERM]: 15,
  [Sig.URG]: 16,
  [Sig.STOP]: 17,
  [Sig.TSTP]: 18,
  [Sig.CONT]: 19,
  [Sig.CHLD]: 20,
  [Sig.TTIN]: 21,
  [Sig.TTOU]: 22,
  [Sig.IO]: 23,
  [Sig.XCPU]: 24,
  [Sig.XFSZ]: 25,
  [Sig.VTALRM]: 26,
  [Sig.PROF]: 27,
  [Sig.WINCH]: 28,
  [Sig.USR1]: 30,
  [Sig.USR2]: 31,
  [Sig.PWR]: 32,
};

/** Real-time signals: 33 to 63 are together, 32 and 64 came later. */
const [realtime33, realtime32, realtime64] = [45, 77, 78];
const unknown = 143;

/** The protocol's number of a signal of Linux. */
export function toHostNumber(signo: number): number {
  if (signo === 0) return 0;
  if (signo < sigRtMin) return numbers[signo] ?? unknown;
  if (signo === 32) return realtime32;
  return signo === 64 ? realtime64 : realtime33 + signo - 33;
}

const back = new Map<number, number>();
for (let signo = 1; signo <= 64; signo++) if (toHostNumber(signo) !== unknown) back.set(toHostNumber(signo), signo);

/** Linux's number of a signal of the protocol; undefined where Linux has none. */
export const fromHostNumber = (number: number): number | undefined => back.get(number);

/** A list of the protocol's numbers, in hexadecimal, as two words of a set of Linux's. */
export function setOf(text: string): readonly [number, number] {
  const words: [number, number] = [0, 0];
  for (const part of text.split(";")) {
    const signo = fromHostNumber(Number.parseInt(part, 16));
    if (signo !== undefined) words[signo > 32 ? 1 : 0] |= 1 << ((signo - 1) & 31);
  }
  return words;
}
