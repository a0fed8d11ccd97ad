// What a rounded double operation lost, in WebAssembly: the exact errors of sums and products, from which fused
// operations are made. The same method in JavaScript, with its limits, is src/cpu/float/twofold.ts.
import { type Code, end, f64, get, i32, i64, op, open, put, set, tee, temp } from "./code.ts";
import { F64, I64 } from "./encoder.ts";

/** Pushes a * b - p, by Dekker's product with Veltkamp's splitting. */
export function productError(c: Code, a: number, b: number, p: number): void {
  const halves = [a, b].map((v) => {
    const [t, h, l] = [temp(c, F64), temp(c, F64), temp(c, F64)];
    get(c, v);
    f64(c, 134217729);
    put(c, 0xa2);
    tee(c, t);
    get(c, t);
    get(c, v);
    put(c, 0xa1, 0xa1);
    set(c, h);
    get(c, v);
    get(c, h);
    put(c, 0xa1);
    set(c, l);
    return [h, l] as const;
  });
  const [[ah, al], [bh, bl]] = halves as [readonly [number, number], readonly [number, number]];
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

/** Pushes whether a product is so large, and so small, that its error and all else that is made of it are exact. */
export function isUsualProduct(c: Code, p: number): void {
  get(c, p);
  put(c, 0xbd);
  i64(c, 52);
  put(c, 0x88, 0xa7);
  i32(c, 0x7ff);
  put(c, 0x71);
  i32(c, leastExponent);
  put(c, 0x6b);
  i32(c, mostExponent - leastExponent);
  put(c, 0x49);
}

/** Biased exponents: 2**-900 and 2**1000. */
const leastExponent = 123;
const mostExponent = 2023;

/**
 * Pushes a * b + c rounded once, and sets `sure` to whether it certainly is: t, which stands for all that p + c lost,
 * is off by at most half a unit in its last place, and must not matter so much.
 */
export function fusedIfSure(c: Code, a: number, b: number, addend: number, sure: number): void {
  const local = (): number => temp(c, F64);
  const [p, s, e, r, t, u] = [local(), local(), local(), local(), local(), local()];
  get(c, a);
  get(c, b);
  put(c, 0xa2);
  tee(c, p);
  get(c, addend);
  put(c, 0xa0);
  set(c, s);
  productError(c, a, b, p);
  set(c, e);
  sumError(c, p, addend, s);
  tee(c, r);
  get(c, e);
  put(c, 0xa0);
  tee(c, t);
  f64(c, 2 ** -52);
  put(c, 0xa2);
  set(c, u);
  isUsualProduct(c, p);
  get(c, s);
  get(c, t);
  get(c, u);
  put(c, 0xa1, 0xa0);
  get(c, s);
  get(c, t);
  get(c, u);
  put(c, 0xa0, 0xa0);
  put(c, 0x61);
  // Where p + c lost nothing, t is the product's error itself.
  get(c, r);
  f64(c, 0);
  put(c, 0x61, 0x72, 0x71);
  set(c, sure);
  get(c, s);
  get(c, t);
  put(c, 0xa0);
}
