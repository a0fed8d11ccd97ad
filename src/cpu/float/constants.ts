// The constants of Zfa's fli instructions.

/** By index, for a format whose least normal number is given. The last is NaN. */
export const fliConstants = (leastNormal: number): readonly number[] => [
  ...[-1, leastNormal, 2 ** -16, 2 ** -15, 2 ** -8, 2 ** -7, 2 ** -4, 2 ** -3],
  ...[0.25, 0.3125, 0.375, 0.4375, 0.5, 0.625, 0.75, 0.875],
  ...[1, 1.25, 1.5, 1.75, 2, 2.5, 3, 4],
  ...[8, 16, 2 ** 7, 2 ** 8, 2 ** 15, 2 ** 16, Infinity, NaN],
];
