// Hot path. What a rounded double operation lost: the exact errors of sums and products (Knuth's TwoSum, Dekker's
// product with Veltkamp's splitting). JavaScript has neither the inexact flag nor a fused multiply-add; both follow
// from these errors.

/** Below this magnitude a product's error may not be a double. */
export const leastSafeProduct = 2 ** -960;

/** a + b - s exactly, where s is a + b rounded. Not finite where a step overflows; a + b is not exact then. */
export function sumError(a: number, b: number, s: number): number {
  const part = s - a;
  return a - (s - part) + (b - part);
}

/**
 * a * b - p exactly, where p is a * b rounded and is 0 or at least `leastSafeProduct` in magnitude.
 * NaN where a factor is above some 2**996.
 */
export function productError(a: number, b: number, p: number): number {
  const at = a * 134217729;
  const ah = at - (at - a);
  const al = a - ah;
  const bt = b * 134217729;
  const bh = bt - (bt - b);
  const bl = b - bh;
  return al * bl - (p - ah * bh - al * bh - ah * bl);
}

const cell = new Float64Array(1);
const words = new Int32Array(cell.buffer);

/** A sum that rounded to `t` and lost `rest` (not 0), rounded to odd instead: it may then be rounded again, to fewer bits. */
export function toOdd(t: number, rest: number): number {
  cell[0] = t;
  const low = words[0]!;
  if (low & 1) return t;
  if (rest > 0 === t > 0) {
    words[0] = low | 1;
  } else {
    words[0] = low - 1;
    if (low === 0) words[1]! -= 1;
  }
  return cell[0];
}

/** `a` rounded to an integer by mode 0..4. The sign of a zero result is that of `a`. */
export function integral(a: number, mode: number): number {
  if (!(Math.abs(a) < 4503599627370496)) return a;
  if (mode === 1) return Math.trunc(a);
  if (mode === 2) return Math.floor(a);
  if (mode === 3) return Math.ceil(a);
  // To nearest: added to 2**52, a number has no fraction bits left.
  const r =
    mode === 0 ? (a < 0 ? a - 4503599627370496 + 4503599627370496 : a + 4503599627370496 - 4503599627370496) : away(a);
  return r === 0 ? a * 0 : r;
}

function away(a: number): number {
  const t = Math.trunc(a);
  return Math.abs(a - t) < 0.5 ? t : a < 0 ? t - 1 : t + 1;
}
