// Says on the terminal what a long run is at: one line that changes, or nothing where the output is a file.
const live = process.stderr.isTTY === true;
const began = performance.now();

/** `part` of `parts` is under way. */
export function progress(part: number, parts: number, what: string): void {
  if (!live) return;
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  process.stderr.write(`\r\x1b[K[${part}/${parts}, ${seconds} s] ${what}`.slice(0, (process.stderr.columns ?? 80) + 3));
}

/** Something is finished: a line that stays. */
export function milestone(line: string): void {
  process.stderr.write(live ? `\r\x1b[K${line}\n` : `${line}\n`);
}
