// What a rounded double operation lost, in WebAssembly: the exact errors of sums and products, from which fused
// operations are made. The same method in JavaScript, with its limits, is src/cpu/float/twofold.ts.
import { br, brIf, type Code, end, f64, get, i32, i64, op, open, put, set, tee, temp } from "./code.ts";
import { F64, I64 } from "./encoder.ts";

/** Sets `high` to the leading bits of v, and `low` to v less those. */
function split(c: Code, v: number, rounded: boolean): readonly [high: number, low: number] {
  const [high, low] = [temp(c, F64), temp(c, F64)];
  get(c, v);
  put(c, 0xbd);
  if (rounded) {
    i64(c, 2 ** 26);
    put(c, 0x7c);
  }
  i64(c, -(2 ** 27));
  put(c, 0x83, 0xbf);
  set(c, high);
  get(c, v);
  get(c, high);
  put(c, 0xa1);
  set(c, low);
  return [high, low];
}

/**
 * Pushes a * b - p, by Dekker's product. The halves come from the bits, which is shorter than Veltkamp's splitting and
 * overflows only where a factor is the largest of all. a loses its last 27 bits, b is rounded, so that al * bl has 53.
 */
export function productError(c: Code, a: number, b: number, p: number): void {
  const [bh, bl] = split(c, b, true);
  const [ah, al] = a === b ? [bh, bl] : split(c, a, false);
  const times = (x: number, y: number): void => {
    get(c, x);
    get(c, y);
    put(c, 0xa2);
  };
  times(al, bl);
  get(c, p);
  times(ah, bh);
  put(c, 0xa1);
  times(al, bh);
  put(c, 0xa1);
  times(ah, bl);
  put(c, 0xa1, 0xa1);
}

/** Pushes a + b - s (Knuth's sum). */
export function sumError(c: Code, a: number, b: number, s: number): void {
  const part = temp(c, F64);
  get(c, s);
  get(c, a);
  put(c, 0xa1);
  set(c, part);
  get(c, a);
  get(c, s);
  get(c, part);
  put(c, 0xa1, 0xa1);
  get(c, b);
  get(c, part);
  put(c, 0xa1, 0xa0);
}

/** A sum that rounded to `t` and lost `rest`, not 0, becomes odd in its last bit: then it may be rounded once more. */
export function toOdd(c: Code, t: number, rest: number): void {
  const bits = temp(c, I64);
  get(c, t);
  put(c, 0xbd);
  tee(c, bits);
  i64(c, 1);
  put(c, 0x83, 0x50);
  get(c, rest);
  f64(c, 0);
  put(c, 0x62, 0x71);
  open(c, op.if);
  // Away from zero where the rest has the sign of t: the bit is set; else toward it, and it is set then as well.
  get(c, bits);
  i64(c, 1);
  i64(c, -1);
  get(c, rest);
  put(c, 0xbd);
  get(c, bits);
  put(c, 0x85);
  i64(c, 0);
  put(c, 0x59, op.select, 0x7c, 0xbf);
  set(c, t);
  end(c);
}

/** Biased exponents: 2**-900 and 2**1000. */
const leastExponent = 123;
const mostExponent = 2023;

/** Pushes a double's biased exponent less `least`. */
function exponent(c: Code, v: number, least: number): void {
  get(c, v);
  put(c, 0xbd);
  i64(c, 52);
  put(c, 0x88, 0xa7);
  i32(c, 0x7ff);
  put(c, 0x71);
  i32(c, least);
  put(c, 0x6b);
}

/** Pushes whether a number is so large, and so small, that as a product its error and all that is made of it are exact. */
export function isUsual(c: Code, v: number): void {
  exponent(c, v, leastExponent);
  i32(c, mostExponent - leastExponent);
  put(c, 0x49);
}

/** Pushes whether a product is 0 because a factor is, and all of that finite: `s` is it, or it plus something. */
export function hasZeroFactor(c: Code, a: number, b: number, s: number): void {
  for (const factor of [a, b]) {
    get(c, factor);
    f64(c, 0);
    put(c, 0x61);
  }
  put(c, 0x72);
  get(c, s);
  get(c, s);
  put(c, 0xa1);
  f64(c, 0);
  put(c, 0x61, 0x71);
}

/** Signs of a fused operation: of its product, of its addend. */
export interface Signs {
  readonly negateProduct: boolean;
  readonly negateAddend: boolean;
}

/** The units in the last place by which the sum of all that was lost may be off. */
const slack = 64;

/**
 * Sets `result` to ±a * b ± c rounded once to nearest even, and leaves the label `done` where that is certainly so and no
 * care is needed; falls through elsewhere.
 *
 * The product is p + e, its sum with c is s + (x + y), both exactly, and t is e + x + y rounded. Where x + y is not 0, e is
 * at most a unit in the last place of s. So s + t is rounded as the exact sum is, unless the boundary between two
 * results lies between t and what it stands for. Such a t is hardly off a multiple of a quarter of a unit of s, no more
 * than six of them: three bits and zeros. That leaves t three additions from c, on the way that an accumulation waits for.
 * What is lost below 2**-900 does not matter, because nothing that small comes out here.
 */
export function fuseDoubles(
  c: Code,
  [a, b, addend]: readonly [number, number, number],
  { negateProduct, negateAddend }: Signs,
  careful: number,
  result: number,
  done: number,
): void {
  const local = (): number => temp(c, F64);
  const [product, s, e, part, x, y, t] = [local(), local(), local(), local(), local(), local(), local()];
  const p = negateProduct ? local() : product;
  const [plus, minus] = negateAddend ? [0xa1, 0xa0] : [0xa0, 0xa1];
  get(c, a);
  get(c, b);
  put(c, 0xa2);
  set(c, product);
  if (negateProduct) {
    get(c, product);
    put(c, 0x9a);
    set(c, p);
  }
  get(c, p);
  get(c, addend);
  put(c, plus);
  set(c, s);
  productError(c, a, b, product);
  set(c, e);
  get(c, s);
  get(c, p);
  put(c, 0xa1);
  set(c, part);
  get(c, p);
  get(c, s);
  get(c, part);
  put(c, 0xa1, 0xa1);
  set(c, x);
  // y is ±c - part; here it has the sign of c.
  get(c, addend);
  get(c, part);
  put(c, minus);
  set(c, y);
  // x ± (y ± e), so that neither e nor y waits to have its sign changed
  get(c, x);
  get(c, y);
  get(c, e);
  put(c, negateProduct === negateAddend ? 0xa0 : 0xa1, plus);
  set(c, t);
  get(c, s);
  get(c, t);
  put(c, 0xa0);
  set(c, result);

  const odd = c.depth;
  open(c, op.block);
  exponent(c, result, leastExponent);
  get(c, careful);
  put(c, 0x72);
  i32(c, 0x7ff - leastExponent);
  put(c, 0x4f);
  brIf(c, odd, false);
  get(c, t);
  put(c, 0xbd);
  i64(c, slack);
  put(c, 0x7c);
  i64(c, 14);
  put(c, 0x86);
  i64(c, 2 * slack * 2 ** 14);
  put(c, 0x5a);
  brIf(c, done, true);
  // All of it exactly, rounded to odd.
  get(c, x);
  get(c, y);
  put(c, plus);
  set(c, x);
  if (negateProduct) {
    get(c, e);
    put(c, 0x9a);
    set(c, e);
  }
  get(c, x);
  get(c, e);
  put(c, 0xa0);
  set(c, t);
  sumError(c, x, e, t);
  set(c, y);
  toOdd(c, t, y);
  get(c, s);
  get(c, t);
  put(c, 0xa0);
  set(c, result);
  br(c, done);
  end(c);
  // Nothing lost: integers while the inexact flag is clear, zeros.
  get(c, s);
  set(c, result);
  isUsual(c, product);
  hasZeroFactor(c, a, b, s);
  put(c, 0x72);
  get(c, e);
  f64(c, 0);
  put(c, 0x61, 0x71);
  get(c, x);
  get(c, y);
  put(c, plus);
  f64(c, 0);
  put(c, 0x61, 0x71);
  toNearest(c, careful);
  put(c, 0x71);
  brIf(c, done);
}

/** Pushes whether the mode is to nearest even, though the inexact flag may be clear. */
export function toNearest(c: Code, careful: number): void {
  get(c, careful);
  i32(c, 0);
  put(c, 0x4e);
}

/** Pushes the biased exponent of a single, less 2: below 0xfd where it is certainly normal, and no 0. */
export function singleExponent(c: Code, v: number): void {
  get(c, v);
  put(c, 0xbc); // i32.reinterpret_f32
  i32(c, 23);
  put(c, 0x76); // i32.shr_u
  i32(c, 0xff);
  put(c, 0x71); // i32.and
  i32(c, 2);
  put(c, 0x6b); // i32.sub
}

/**
 * As `fuseDoubles`, for singles: the product of two is an exact double. Its sum with c rounds to s, and that is rounded
 * again as the exact sum is, unless it looks like the very middle between two results.
 */
export function fuseSingles(
  c: Code,
  [a, b, addend]: readonly [number, number, number],
  { negateProduct, negateAddend }: Signs,
  careful: number,
  result: number,
  done: number,
): void {
  const [p, d, s, rest] = [temp(c, F64), temp(c, F64), temp(c, F64), temp(c, F64)];
  const demote = (): void => {
    get(c, s);
    put(c, 0xb6);
    set(c, result);
  };
  const isOrdinary = (): void => {
    singleExponent(c, result);
    get(c, careful);
    put(c, 0x72);
    i32(c, 0xfd);
    put(c, 0x49);
  };
  get(c, a);
  put(c, 0xbb);
  get(c, b);
  put(c, 0xbb, 0xa2);
  if (negateProduct) put(c, 0x9a);
  set(c, p);
  get(c, addend);
  put(c, 0xbb);
  if (negateAddend) put(c, 0x9a);
  set(c, d);
  get(c, p);
  get(c, d);
  put(c, 0xa0);
  set(c, s);
  demote();
  const odd = c.depth;
  open(c, op.block);
  isOrdinary();
  put(c, 0x45);
  brIf(c, odd, false);
  get(c, s);
  put(c, 0xbd, 0xa7);
  i32(c, 2 ** 29 - 1);
  put(c, 0x71);
  i32(c, 2 ** 28);
  put(c, 0x47);
  brIf(c, done, true);
  sumError(c, p, d, s);
  set(c, rest);
  toOdd(c, s, rest);
  demote();
  isOrdinary();
  brIf(c, done);
  end(c);
  // An exact sum with nothing to round: zeros above all.
  get(c, s);
  get(c, result);
  put(c, 0xbb, 0x61);
  sumError(c, p, d, s);
  f64(c, 0);
  put(c, 0x61, 0x71);
  toNearest(c, careful);
  put(c, 0x71);
  brIf(c, done);
}
