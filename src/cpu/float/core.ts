// Floating-point arithmetic by the definition: operands become exact numbers (sign, integer significand, exponent),
// the operation is exact on them, and one function rounds. Slow, and meant to be seen to be right.
// Works on bit patterns; knows nothing of registers. IEEE 754-2019 with the choices of RISC-V: every computed NaN is
// the canonical one, tininess is detected after rounding, 0 * infinity + NaN is invalid.
import { Flag, type Format, Mode } from "./formats.ts";

/** A result's bit pattern and the flags that it raises. */
export type Outcome = readonly [bits: bigint, flags: number];

/** An operand. A finite one is exactly ±significand * 2**exponent. */
interface Value {
  readonly kind: "finite" | "infinity" | "quiet" | "signaling";
  readonly negative: boolean;
  readonly significand: bigint;
  readonly exponent: number;
}

const finite = (negative: boolean, significand: bigint, exponent: number): Value => ({
  kind: "finite",
  negative,
  significand,
  exponent,
});

function unpack(f: Format, bits: bigint): Value {
  const negative = (bits & f.sign) !== 0n;
  const field = (bits >> f.fraction) & f.topExponent;
  const fraction = bits & ((1n << f.fraction) - 1n);
  if (field === 0n) return finite(negative, fraction, f.lowest);
  if (field < f.topExponent) return finite(negative, fraction | (1n << f.fraction), f.lowest + Number(field) - 1);
  const kind = fraction === 0n ? "infinity" : (fraction & f.quietBit) !== 0n ? "quiet" : "signaling";
  return { kind, negative, significand: 0n, exponent: 0 };
}

const isZero = (v: Value): boolean => v.kind === "finite" && v.significand === 0n;
const isInfinity = (v: Value): boolean => v.kind === "infinity";
const isNan = (v: Value): boolean => v.kind === "quiet" || v.kind === "signaling";
const negate = (v: Value): Value => ({ ...v, negative: !v.negative });
const bitLength = (n: bigint): number => n.toString(2).length;

const zero = (f: Format, negative: boolean): bigint => (negative ? f.sign : 0n);
const infinity = (f: Format, negative: boolean): bigint => zero(f, negative) | f.infinity;
const invalid = (f: Format): Outcome => [f.canonicalNaN, Flag.invalid];

/** What any computation with a NaN gives; undefined where no operand is one. */
function ofNaNs(f: Format, ...values: Value[]): Outcome | undefined {
  if (!values.some(isNan)) return undefined;
  return [f.canonicalNaN, values.some((v) => v.kind === "signaling") ? Flag.invalid : 0];
}

/** The magnitude of a finite `v` in units of 2**unit, rounded to an integer, and whether that lost anything. */
function roundTo(v: Value, unit: number, mode: number): [units: bigint, inexact: boolean] {
  if (v.exponent >= unit) return [v.significand << BigInt(v.exponent - unit), false];
  const shift = BigInt(unit - v.exponent);
  const units = v.significand >> shift;
  const rest = v.significand - (units << shift);
  if (rest === 0n) return [units, false];
  const half = 1n << (shift - 1n);
  const away =
    mode === Mode.rne
      ? rest > half || (rest === half && (units & 1n) === 1n)
      : mode === Mode.rmm
        ? rest >= half
        : mode === Mode.rdn
          ? v.negative
          : mode === Mode.rup && !v.negative;
  return [away ? units + 1n : units, true];
}

/** Whether `v`, rounded to the precision of `f` as if exponents had no bound, is below the normal numbers. */
function isTiny(f: Format, v: Value, unbounded: number, mode: number): boolean {
  if (unbounded !== f.lowest - 1) return unbounded < f.lowest;
  return roundTo(v, unbounded, mode)[0] >> (f.fraction + 1n) === 0n;
}

/** The value of format `f` that a finite `v` rounds to. */
function round(f: Format, v: Value, mode: number): Outcome {
  const sign = zero(f, v.negative);
  if (v.significand === 0n) return [sign, 0];
  // The last place that the format's precision allows where the exponent is not bounded, then where it is.
  const unbounded = v.exponent + bitLength(v.significand) - 1 - Number(f.fraction);
  const unit = Math.max(unbounded, f.lowest);
  const [units, inexact] = roundTo(v, unit, mode);
  // The leading bit of a normal significand adds one to the exponent field, and so does a carry out of rounding.
  const bits = (BigInt(unit - f.lowest) << f.fraction) + units;
  if (bits >= f.infinity) {
    const outward = mode === Mode.rne || mode === Mode.rmm || mode === (v.negative ? Mode.rdn : Mode.rup);
    return [sign | (outward ? f.infinity : f.infinity - 1n), Flag.overflow | Flag.inexact];
  }
  if (!inexact) return [sign | bits, 0];
  return [sign | bits, isTiny(f, v, unbounded, mode) ? Flag.underflow | Flag.inexact : Flag.inexact];
}

/** The exact sum of finite values. */
function exactSum(a: Value, b: Value, mode: number): Value {
  const exponent = Math.min(a.exponent, b.exponent);
  const signed = (v: Value) => (v.negative ? -v.significand : v.significand) << BigInt(v.exponent - exponent);
  const sum = signed(a) + signed(b);
  // An exact zero: of like signs that sign, of unlike ones the sign that the mode leans to.
  if (sum === 0n) {
    const bothZero = a.significand === 0n && b.significand === 0n;
    return finite(bothZero && a.negative === b.negative ? a.negative : mode === Mode.rdn, 0n, exponent);
  }
  return finite(sum < 0n, sum < 0n ? -sum : sum, exponent);
}

function sumOf(f: Format, a: Value, b: Value, mode: number): Outcome {
  if (isInfinity(a)) return isInfinity(b) && a.negative !== b.negative ? invalid(f) : [infinity(f, a.negative), 0];
  if (isInfinity(b)) return [infinity(f, b.negative), 0];
  return round(f, exactSum(a, b, mode), mode);
}

export function add(f: Format, x: bigint, y: bigint, mode: number): Outcome {
  const a = unpack(f, x);
  const b = unpack(f, y);
  return ofNaNs(f, a, b) ?? sumOf(f, a, b, mode);
}

export const sub = (f: Format, x: bigint, y: bigint, mode: number): Outcome => {
  const a = unpack(f, x);
  const b = unpack(f, y);
  return ofNaNs(f, a, b) ?? sumOf(f, a, negate(b), mode);
};

/** The exact product of values that are no NaN and not zero times infinity. */
function exactProduct(a: Value, b: Value): Value {
  const negative = a.negative !== b.negative;
  if (isInfinity(a) || isInfinity(b)) return { kind: "infinity", negative, significand: 0n, exponent: 0 };
  return finite(negative, a.significand * b.significand, a.exponent + b.exponent);
}

const zeroTimesInfinity = (a: Value, b: Value): boolean => (isZero(a) && isInfinity(b)) || (isInfinity(a) && isZero(b));

export function mul(f: Format, x: bigint, y: bigint, mode: number): Outcome {
  const a = unpack(f, x);
  const b = unpack(f, y);
  const nan = ofNaNs(f, a, b);
  if (nan) return nan;
  if (zeroTimesInfinity(a, b)) return invalid(f);
  const product = exactProduct(a, b);
  return isInfinity(product) ? [infinity(f, product.negative), 0] : round(f, product, mode);
}

/** ±(x * y) ± z, rounded once. */
export function fused(
  f: Format,
  x: bigint,
  y: bigint,
  z: bigint,
  mode: number,
  negateProduct: boolean,
  negateAddend: boolean,
): Outcome {
  const a = unpack(f, x);
  const b = unpack(f, y);
  const c = unpack(f, z);
  if (zeroTimesInfinity(a, b)) return invalid(f);
  const nan = ofNaNs(f, a, b, c);
  if (nan) return nan;
  const product = exactProduct(a, b);
  return sumOf(f, negateProduct ? negate(product) : product, negateAddend ? negate(c) : c, mode);
}

/** `n` with a bit behind it that stands for anything that is left over. */
const sticky = (n: bigint, leftOver: boolean): bigint => (n << 1n) | (leftOver ? 1n : 0n);

export function div(f: Format, x: bigint, y: bigint, mode: number): Outcome {
  const a = unpack(f, x);
  const b = unpack(f, y);
  const nan = ofNaNs(f, a, b);
  if (nan) return nan;
  const negative = a.negative !== b.negative;
  if (isInfinity(a)) return isInfinity(b) ? invalid(f) : [infinity(f, negative), 0];
  if (isInfinity(b)) return [zero(f, negative), 0];
  if (isZero(b)) return isZero(a) ? invalid(f) : [infinity(f, negative), Flag.divideByZero];
  // Enough quotient bits for the precision, one to round by, and the sticky one, whatever the operands' lengths.
  const shift = 2n * f.fraction + 4n;
  const dividend = a.significand << shift;
  const quotient = dividend / b.significand;
  const leftOver = quotient * b.significand !== dividend;
  return round(f, finite(negative, sticky(quotient, leftOver), a.exponent - b.exponent - Number(shift) - 1), mode);
}

/** The integer square root, rounded down. */
function integerRoot(n: bigint): bigint {
  if (n === 0n) return 0n;
  let guess = 1n << BigInt((bitLength(n) + 1) >> 1);
  for (;;) {
    const better = (guess + n / guess) >> 1n;
    if (better >= guess) return guess;
    guess = better;
  }
}

export function sqrt(f: Format, x: bigint, mode: number): Outcome {
  const a = unpack(f, x);
  const nan = ofNaNs(f, a);
  if (nan) return nan;
  if (isZero(a)) return [x, 0];
  if (a.negative) return invalid(f);
  if (isInfinity(a)) return [x, 0];
  // An even exponent, and twice the precision and more in front of the root.
  const shift = 2 * Number(f.fraction) + 4 + (a.exponent & 1);
  const square = a.significand << BigInt(shift);
  const root = integerRoot(square);
  return round(f, finite(false, sticky(root, root * root !== square), (a.exponent - shift) / 2 - 1), mode);
}

/** The same number in another format. */
export function convert(to: Format, from: Format, x: bigint, mode: number): Outcome {
  const a = unpack(from, x);
  const nan = ofNaNs(to, a);
  if (nan) return nan;
  return isInfinity(a) ? [infinity(to, a.negative), 0] : round(to, a, mode);
}

export const fromInteger = (f: Format, n: bigint, mode: number): Outcome =>
  round(f, finite(n < 0n, n < 0n ? -n : n, 0), mode);

/** An integer between `least` and `most`: what is out of range saturates, a NaN counts as very large. */
export function toInteger(f: Format, x: bigint, mode: number, least: bigint, most: bigint): [n: bigint, flags: number] {
  const a = unpack(f, x);
  if (isNan(a)) return [most, Flag.invalid];
  if (isInfinity(a)) return [a.negative ? least : most, Flag.invalid];
  const [units, inexact] = roundTo(a, 0, mode);
  const n = a.negative ? -units : units;
  if (n < least) return [least, Flag.invalid];
  if (n > most) return [most, Flag.invalid];
  return [n, inexact ? Flag.inexact : 0];
}

/** The low 32 bits of the integer toward zero, as a signed number; the flags are those of the saturating conversion. */
export function toIntegerModular(f: Format, x: bigint): [n: bigint, flags: number] {
  const a = unpack(f, x);
  const [, flags] = toInteger(f, x, Mode.rtz, -(2n ** 31n), 2n ** 31n - 1n);
  if (a.kind !== "finite") return [0n, flags];
  const [units] = roundTo(a, 0, Mode.rtz);
  return [BigInt.asIntN(32, a.negative ? -units : units), flags];
}

/** The nearest integer by `mode`, in the same format. `flagInexact`: raises the inexact flag. */
export function roundToIntegral(f: Format, x: bigint, mode: number, flagInexact: boolean): Outcome {
  const a = unpack(f, x);
  const nan = ofNaNs(f, a);
  if (nan) return nan;
  if (isInfinity(a)) return [x, 0];
  const [units, inexact] = roundTo(a, 0, mode);
  const [bits] = round(f, finite(a.negative, units, 0), mode);
  return [bits, inexact && flagInexact ? Flag.inexact : 0];
}

/** -1, 0 or 1, or undefined for unordered operands. */
function order(a: Value, b: Value): number | undefined {
  if (isNan(a) || isNan(b)) return undefined;
  const rank = (v: Value) => (isInfinity(v) ? (v.negative ? -1 : 1) : 0);
  if (isInfinity(a) || isInfinity(b)) return Math.sign(rank(a) - rank(b));
  const difference = exactSum(a, negate(b), Mode.rne);
  return isZero(difference) ? 0 : difference.negative ? -1 : 1;
}

/** The order of two operands, and the flags: a quiet comparison raises invalid for signaling NaNs alone. */
export function compare(f: Format, x: bigint, y: bigint, quiet: boolean): [order: number | undefined, flags: number] {
  const a = unpack(f, x);
  const b = unpack(f, y);
  const nan = ofNaNs(f, a, b);
  if (!nan) return [order(a, b), 0];
  return [undefined, quiet ? nan[1] : Flag.invalid];
}

/**
 * The lesser operand (`direction` -1) or the greater (1); -0 is less than +0. Of a number and a NaN: the number, or the
 * canonical NaN where `nanWins`.
 */
export function extremum(f: Format, x: bigint, y: bigint, direction: number, nanWins: boolean): Outcome {
  const a = unpack(f, x);
  const b = unpack(f, y);
  const nan = ofNaNs(f, a, b);
  if (nan) return nanWins || (isNan(a) && isNan(b)) ? nan : [isNan(a) ? y : x, nan[1]];
  const signs = Number(b.negative) - Number(a.negative);
  return [(order(a, b) || signs) === direction ? x : y, 0];
}

/** The bit that fclass sets. */
export function classOf(f: Format, x: bigint): number {
  const a = unpack(f, x);
  if (isNan(a)) return a.kind === "signaling" ? 1 << 8 : 1 << 9;
  const magnitude = x & ~f.sign;
  const kind = isInfinity(a) ? 3 : magnitude >> f.fraction > 0n ? 2 : magnitude > 0n ? 1 : 0;
  return a.negative ? 1 << (3 - kind) : 1 << (4 + kind);
}
