// Operands for the tests of the floating-point unit, and a way to run any of its operations on them.
import fc from "fast-check";
import type { FloatOp, Fpu } from "../../src/cpu/float/fpu.ts";
import { type Hart, hart } from "../../src/cpu/hart.ts";
import { ops, type Type } from "../../src/isa/vocabulary.ts";

type Width = 16 | 32 | 64;
const fractionBits = { 16: 10n, 32: 23n, 64: 52n } as const;
const mask = (width: number): bigint => (1n << BigInt(width)) - 1n;

/** A register that holds a value of `width` bits, boxed. */
export const box = (width: Width, bits: bigint): bigint => (mask(64) ^ mask(width)) | bits;

const double = new Float64Array(1);
const doubleBits = new BigUint64Array(double.buffer);
export function bitsOfDouble(x: number): bigint {
  double[0] = x;
  return doubleBits[0]!;
}

const single = new Float32Array(1);
const singleBits = new Uint32Array(single.buffer);
export function bitsOfSingle(x: number): bigint {
  single[0] = x;
  return BigInt(singleBits[0]!);
}

/** The floating-point operations of the vocabulary. */
export const floatOps = Object.keys(ops).filter(
  (op) => /^(f16|f32|f64)\.|^i(32|64)\.from_f/.test(op) && !/\.(reg|load|store|set)$/.test(op),
) as FloatOp[];

const edges = (width: Width): bigint[] => {
  const f = fractionBits[width];
  const top = mask(width - 1) >> f;
  const bias = top >> 1n;
  const [one, infinity, low] = [bias << f, top << f, (1n << f) - 1n];
  const magnitudes = [
    [0n, 1n, 2n, 3n, low >> 1n, low, low + 1n, low + 2n, 2n << f], // zero, subnormal, least normal
    [one - 1n, one, one + 1n, one + (1n << (f - 1n)), one + (1n << f), one - (1n << f)],
    [infinity - 1n, infinity - 2n, infinity - (1n << f), infinity - (1n << f) - 1n, infinity], // greatest
    [infinity + 1n, infinity + (1n << (f - 1n)), infinity + (1n << (f - 1n)) + 5n, mask(width - 1)], // NaNs
    // Where products and roots are near the least normal number.
    [((bias >> 1n) + 1n) << f, (((bias >> 1n) + 1n) << f) + 1n, (((bias >> 1n) + 1n) << f) - 1n],
  ].flat();
  return magnitudes.flatMap((m) => [m, m | (1n << BigInt(width - 1))]);
};

/** Numbers at the borders of the integer types and of the narrower formats, and halfway cases. */
const borders = [
  [0.25, 0.5, 0.49999999999999994, 0.5000000000000001, 0.75, 1.5, 2.5, 3.5, 4.5, 1e10 + 0.5],
  [7, 8, 15, 16, 23, 24, 31, 32, 52, 53, 62, 63, 64].flatMap((n) => [2 ** n - 1, 2 ** n - 0.5, 2 ** n, 2 ** n + 0.5]),
  [2 ** 53 + 2, 2 ** 63 - 1024, 2 ** 63 + 2048, 2 ** 64 - 2048, 2 ** 32 + 1, 2 ** 31 - 0.75, 2 ** 31 + 1],
  [65504, 65519, 65519.99, 65520, 65536, 2 ** -14, 2 ** -14 * (1 - 2 ** -12), 2 ** -14 * (1 - 2 ** -11)],
  [2 ** -24, 2 ** -25, 2 ** -25 * (1 + 2 ** -30), 2 ** -15, 1 + 2 ** -11, 1 + 3 * 2 ** -11],
  [2 ** 128 * (1 - 2 ** -25), 2 ** 128 * (1 - 2 ** -24), 2 ** 128, 2 ** -126 * (1 - 2 ** -25), 2 ** -126, 2 ** -149],
  [2 ** -126 * (1 - 2 ** -24), 2 ** -150, 2 ** -150 * (1 + 2 ** -40), 1 + 2 ** -24, 1 + 3 * 2 ** -24, 2 ** -969],
  [2 ** -960, 2 ** 996, 2 ** 970, 2 ** -900, 2 ** 1000, 2 ** 512, 2 ** -511, 2 ** -1022, 2 ** -1074, 1 / 3],
]
  .flat()
  .flatMap((x) => [x, -x]);

const half = new Float16Array(1);
const halfBits = new Uint16Array(half.buffer);
function bitsOfHalf(x: number): bigint {
  half[0] = x;
  return BigInt(halfBits[0]!);
}

const bitsOf = (width: Width, x: number): bigint =>
  width === 64 ? bitsOfDouble(x) : width === 32 ? bitsOfSingle(x) : bitsOfHalf(x);

/** Bit patterns of a format: the edges, the borders, any, and those with few bits set, near one or anywhere. */
export function patterns(width: Width): fc.Arbitrary<bigint> {
  const f = fractionBits[width];
  const bias = (mask(width - 1) >> f) >> 1n;
  const any = fc.bigInt({ min: 0n, max: mask(width) });
  const fraction = fc.bigInt({ min: 0n, max: (1n << f) - 1n });
  const place = fc.bigInt({ min: 0n, max: f });
  const sparse = fc.tuple(fraction, place, place).map(([n, a, b]) => ((n >> a) << a) ^ (1n << b) ^ (1n << (b / 2n)));
  const near = fc.bigInt({ min: -3n, max: 3n });
  const withExponent = (spread: bigint) =>
    fc
      .tuple(
        fc.bigInt({ min: bias - spread, max: bias + spread }),
        fc.oneof(fraction, sparse),
        fc.bigInt({ min: 0n, max: 1n }),
      )
      .map(([e, n, s]) => (s << BigInt(width - 1)) | (e << f) | (n & ((1n << f) - 1n)));
  return fc.oneof(
    { arbitrary: fc.constantFrom(...edges(width)), weight: 3 },
    { arbitrary: fc.constantFrom(...borders.map((x) => bitsOf(width, x))), weight: 3 },
    {
      arbitrary: fc.tuple(fc.constantFrom(...borders), near).map(([x, d]) => (bitsOf(width, x) + d) & mask(width)),
      weight: 1,
    },
    { arbitrary: any, weight: 2 },
    { arbitrary: withExponent(f < bias ? f : bias), weight: 3 },
    { arbitrary: withExponent(3n), weight: 3 },
  );
}

/** Register contents for an operand of a format: mostly boxed. */
export const registers = (width: Width): fc.Arbitrary<bigint> =>
  width === 64
    ? patterns(64)
    : fc.oneof(
        { arbitrary: patterns(width).map((bits) => box(width, bits)), weight: 30 },
        { arbitrary: patterns(64), weight: 1 },
      );

const integers: fc.Arbitrary<bigint> = fc.oneof(
  fc.bigInt({ min: 0n, max: mask(64) }),
  fc.bigInt({ min: -1000n, max: 1000n }).map((n) => n & mask(64)),
  fc
    .tuple(fc.bigInt({ min: 0n, max: 64n }), fc.bigInt({ min: -3n, max: 3n }), fc.bigInt({ min: 0n, max: 64n }))
    .map(([a, b, c]) => ((1n << a) + b + ((1n << c) >> 1n)) & mask(64)),
);

/** What an operation works on: raw 64-bit registers f1..f3, or an integer in the first; the rest are not used. */
export interface Case {
  readonly op: FloatOp;
  readonly operands: readonly bigint[];
  /** A rounding mode, 0..4. An index for fli. */
  readonly rm: number;
}

/** The types of an operation's operands, without its rounding mode or index. */
export const operandTypes = (op: FloatOp): Type[] => {
  const [, ...operands]: readonly Type[] = ops[op];
  return operands.filter((t) => t !== "i32");
};
export const takesNumber = (op: FloatOp): boolean => (ops[op] as readonly Type[]).includes("i32");
export const givesInteger = (op: FloatOp): boolean => ops[op][0] === "i64";

const ofType = (type: Type): fc.Arbitrary<bigint> =>
  type === "i64" ? integers : registers(type === "f16" ? 16 : type === "f32" ? 32 : 64);

const unbox32 = (register: bigint): number => {
  singleBits[0] = Number(register & mask(32));
  return single[0]!;
};
const unbox64 = (register: bigint): number => {
  doubleBits[0] = register;
  return double[0]!;
};

type Operands = readonly bigint[];

/** The operands with the last one replaced, by `target` moved some units in the last place. */
function withLast(op: FloatOp, operands: Operands, target: number, units: bigint): Operands {
  const wide = op.startsWith("f64");
  const bits = (wide ? bitsOfDouble(target) : bitsOfSingle(target)) + units;
  return [...operands.slice(0, -1), wide ? bits & mask(64) : box(32, bits & mask(32))];
}

/** A last operand against which the first, or the first two's product, nearly cancels; or that it equals. */
function cancelling(op: FloatOp, operands: Operands, units: bigint): Operands {
  const value = op.startsWith("f64") ? unbox64 : unbox32;
  const first = value(operands[0]!);
  return withLast(
    op,
    operands,
    operands.length === 3 ? -first * value(operands[1]!) : units & 1n ? first : -first,
    units,
  );
}

/** A second operand that brings the product or quotient to the least normal number, or to the greatest. */
function atTheLimits(op: FloatOp, operands: Operands, units: bigint): Operands {
  const wide = op.startsWith("f64");
  const first = (wide ? unbox64 : unbox32)(operands[0]!);
  const limit = (wide ? [2 ** -1022, Number.MAX_VALUE] : [2 ** -126, 2 ** 128])[units < 0n ? 0 : 1]!;
  const target = op.endsWith(".div") ? first / limit : limit / first;
  const [a, b] = withLast(op, operands.slice(0, 2), target, units / 2n);
  return [a!, b!, ...operands.slice(2)];
}

/** Half the significand's bits each, so that products are often halfway between two numbers. */
const halfLong = (width: 32 | 64): fc.Arbitrary<bigint> => {
  const f = fractionBits[width];
  const bias = (mask(width - 1) >> f) >> 1n;
  const length = (f + 1n) / 2n;
  return fc
    .tuple(fc.bigInt({ min: bias - 3n, max: bias + 3n }), fc.bigInt({ min: 0n, max: 2n ** (length + 1n) - 1n }))
    .map(([exponent, n]) => box(width, (exponent << f) | (n << (f - length - 1n))));
};

/** Operands of an operation: any, and those that bring out its hard cases. */
function operandsOf(op: FloatOp): fc.Arbitrary<Operands> {
  const any: fc.Arbitrary<Operands> = fc.tuple(...operandTypes(op).map(ofType));
  const units = fc.bigInt({ min: -3n, max: 3n });
  const choices = [{ arbitrary: any, weight: 3 }];
  const add = (arbitrary: fc.Arbitrary<Operands>) => choices.push({ arbitrary, weight: 1 });
  if (/\.n?m(add|sub)$|\.add$|\.sub$|\.eq$|\.l[te]q?$/.test(op))
    add(fc.tuple(any, units).map(([o, n]) => cancelling(op, o, n)));
  if (/\.n?m(add|sub)$|\.mul$|\.div$/.test(op)) {
    add(fc.tuple(any, units).map(([o, n]) => atTheLimits(op, o, n)));
    const half = halfLong(op.startsWith("f64") ? 64 : 32);
    add(fc.tuple(any, half, half).map(([o, a, b]) => [a, b, ...o.slice(2)]));
  }
  return fc.oneof(...choices);
}

/** Cases of one operation. */
export function casesOf(op: FloatOp): fc.Arbitrary<Case> {
  const rm = fc.integer({ min: 0, max: op.endsWith(".fli") ? 31 : 4 });
  return fc.record({ op: fc.constant(op), operands: operandsOf(op), rm });
}

export const anyCase: fc.Arbitrary<Case> = fc.oneof(...floatOps.map(casesOf));

/** The register that results go to, and those of the operands. */
const destination = 31;
const operandRegister = (index: number): number => 1 + index;

export function setRegister(h: Hart, reg: number, bits: bigint): void {
  h.i32[hart.f + 2 * reg] = Number(BigInt.asIntN(32, bits));
  h.i32[hart.f + 2 * reg + 1] = Number(BigInt.asIntN(32, bits >> 32n));
}

const wordsAt = (h: Hart, at: number): bigint => (BigInt(h.i32[at + 1]! >>> 0) << 32n) | BigInt(h.i32[at]! >>> 0);
const getRegister = (h: Hart, reg: number): bigint => wordsAt(h, hart.f + 2 * reg);
const getResult = (h: Hart): bigint => wordsAt(h, hart.result);

/** Calls an operation whose operands are in their registers already. */
export function call(fpu: Fpu, op: FloatOp, operands: readonly bigint[], rm: number, rd = destination): number {
  const args: number[] = givesInteger(op) ? [] : [rd];
  operandTypes(op).forEach((type, i) => {
    if (type === "i64")
      args.push(Number(BigInt.asIntN(32, operands[i]!)), Number(BigInt.asIntN(32, operands[i]! >> 32n)));
    else args.push(operandRegister(i));
  });
  if (takesNumber(op)) args.push(rm);
  const run: (...args: number[]) => number = fpu[op];
  return run(...args);
}

export interface Answer {
  /** What the function returned. */
  readonly status: number;
  /** The destination register, or the integer result. */
  readonly bits: bigint;
  readonly flags: number;
}

/** Runs a case on a hart whose flags are `flags` before, with the mode in the instruction or in `frm`. */
export function answer(h: Hart, fpu: Fpu, c: Case, flags = 0, dynamic = false, rd = destination): Answer {
  c.operands.forEach((bits, i) => {
    setRegister(h, operandRegister(i), bits);
  });
  h.i32[hart.fflags] = flags;
  h.i32[hart.frm] = dynamic ? c.rm : 0;
  const status = call(fpu, c.op, c.operands, dynamic ? 7 : c.rm, rd);
  return {
    status,
    bits: givesInteger(c.op) ? getResult(h) : getRegister(h, rd),
    flags: h.i32[hart.fflags]!,
  };
}

/** A case or an answer as text, bit patterns in hexadecimal. */
export const show = (value: Case | Answer): string =>
  JSON.stringify(value, (_, v) => (typeof v === "bigint" ? "0x" + v.toString(16) : v));
