// The figures of a run, for people and as JSON.
import type { Stats } from "../machine.ts";

const thousands = (n: number): string => n.toLocaleString("en-US");

/** A table for people. Ends in a newline. */
export function statsText(s: Stats): string {
  const calls = Object.entries(s.calls).sort(([, a], [, b]) => b.count - a.count);
  const total = calls.reduce((sum, [, call]) => sum + call.count, 0);
  const lines = [
    `instructions  ${thousands(s.instructions)}`,
    `wall time     ${s.wallSeconds.toFixed(3)} s`,
    `CPU time      ${s.cpuSeconds.toFixed(3)} s`,
    `speed         ${s.mips.toFixed(1)} million instructions/s`,
    ...Object.entries(s.tiers).map(([name, n]) => `${name.padEnd(13)} ${thousands(n)}`),
    ...(s.codeCache
      ? [
          `regions       ${s.codeCache.regions} kept, of ${thousands(s.codeCache.instructions)} instructions; ` +
            `${s.codeCache.compiled} compiled in ${s.codeCache.seconds.toFixed(3)} s, ${s.codeCache.dropped} dropped`,
        ]
      : []),
    `system calls  ${thousands(total)}`,
    ...calls.map(
      ([name, call]) =>
        `  ${String(call.count).padStart(9)}  ${name.padEnd(20)} ${call.seconds.toFixed(6)} s` +
        (call.errors === 0 ? "" : `  ${call.errors} failed`),
    ),
  ];
  return lines.map((line) => line + "\n").join("");
}

/** One line of JSON: the same figures, times in seconds. */
export const statsJson = (s: Stats): string => JSON.stringify(s) + "\n";
