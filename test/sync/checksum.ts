// Snapshots that prove themselves: the last word is a sum over the others.

const mix = (sum: number, word: number): number => (Math.imul(sum, 31) + word) | 0;

/** Whether `length` words from `at` on are what `withSum` made, or none. */
export function sumsUp(words: Int32Array, at: number, length: number): boolean {
  if (length === 0) return true;
  if (length < 2 || length > 65) return false;
  let sum = 0;
  for (let i = 0; i < length - 1; i++) sum = mix(sum, words[at + i]!);
  return words[at + length - 1] === sum;
}

/** Other words, of another number, with their sum. Throws where the old ones do not sum up. */
export function withSum(old: Int32Array, random: () => number): Int32Array {
  if (!sumsUp(old, 0, old.length)) throw new Error("a writer was given a snapshot that is not whole");
  const words = Int32Array.from({ length: 1 + (random() % 64) }, (_, i) => (old[i] ?? 0) ^ random());
  return Int32Array.of(...words, words.reduce(mix, 0));
}
