// What threads of one address space tell each other of its changes: a ring of ranges of pages whose code has changed, in
// shared memory, numbered in one sequence. Each worker remembers how far it has read, and reads on before it runs guest
// code: one comparison where nothing happened. Who writes or reads ranges holds the page table's lock.

/** Ranges that are kept. Who falls behind further has to take everything for changed. */
const kept = 128;
const sequenceWord = 0;
const firstRange = 2;

/** Words of a log: how many changes there were, then the ring, two words each. */
export const logWords = firstRange + 2 * kept;

/** How many changes there were so far. Wraps. */
export const sequenceOf = (log: Int32Array): number => Atomics.load(log, sequenceWord);

/** Notes that code in pages `[start, end)` has changed; with none, that the memory grew. */
export function noteChange(log: Int32Array, start: number, end: number): void {
  const n = sequenceOf(log);
  const at = firstRange + 2 * (n & (kept - 1));
  log[at] = start;
  log[at + 1] = end;
  Atomics.store(log, sequenceWord, n + 1);
}

/** Starts and ends of the changes from number `seen` on; undefined where some are not kept any more. */
export function changesFrom(log: Int32Array, seen: number): number[] | undefined {
  const missing = (sequenceOf(log) - seen) | 0;
  if (missing < 0 || missing > kept) return undefined;
  const ranges: number[] = [];
  for (let n = seen; n !== ((seen + missing) | 0); n = (n + 1) | 0) {
    const at = firstRange + 2 * (n & (kept - 1));
    ranges.push(log[at]!, log[at + 1]!);
  }
  return ranges;
}
