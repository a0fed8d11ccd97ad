// Rules of the specification that qemu-user of Debian 12 cannot be asked about (Zfa), or that concern registers
// and modes rather than numbers.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { Flag } from "../../src/cpu/float/formats.ts";
import { type FloatOp, makeFpu } from "../../src/cpu/float/fpu.ts";
import { hart, newHart } from "../../src/cpu/hart.ts";
import {
  type Answer,
  answer,
  bitsOfDouble,
  bitsOfSingle,
  box,
  call,
  floatOps,
  operandTypes,
  registers,
  setRegister,
  takesNumber,
} from "./float-cases.ts";

const h = newHart();
const fpu = makeFpu(h);
const run = (op: FloatOp, operands: readonly bigint[], rm = 0): Answer => answer(h, fpu, { op, operands, rm });

const nan64 = 0x7ff8000000000000n;
const nan32 = box(32, 0x7fc00000n);
const signaling64 = 0x7ff0000000000001n;
const d = bitsOfDouble;
const s = (x: number): bigint => box(32, bitsOfSingle(x));

const isNan64 = (bits: bigint): boolean => (bits & 0x7fffffffffffffffn) > 0x7ff0000000000000n;
const isSignaling64 = (bits: bigint): boolean => isNan64(bits) && (bits & 0x0008000000000000n) === 0n;
const numberOf = (bits: bigint): number => new Float64Array(new BigUint64Array([bits]).buffer)[0]!;
const nvFor = (...operands: bigint[]): number => (operands.some(isSignaling64) ? Flag.invalid : 0);

const f64s = registers(64);
const mode = fc.integer({ min: 0, max: 4 });

test("a reserved rounding mode, static or dynamic, answers 1 and changes nothing", () => {
  for (const op of floatOps.filter((op) => takesNumber(op) && !op.endsWith(".fli"))) {
    const operands = operandTypes(op).map((type) => (type === "f64" ? d(1.1) : s(1.1)));
    for (const [rm, frm] of [
      [5, 0],
      [6, 0],
      [7, 5],
      [7, 6],
      [7, 7],
    ] as const) {
      operands.forEach((bits, i) => {
        setRegister(h, 1 + i, bits);
      });
      h.i32[hart.frm] = frm;
      const before = h.i32.slice();
      expect([op, rm, frm, call(fpu, op, operands, rm)]).toEqual([op, rm, frm, 1]);
      expect(h.i32.slice()).toEqual(before);
    }
  }
});

test("a narrow operand that is not boxed counts as the canonical NaN, except for moves of bits", () => {
  const unboxed = 0x000000003f800000n;
  expect(run("f32.add", [unboxed, s(1)])).toEqual({ status: 0, bits: nan32, flags: 0 });
  expect(run("f32.sgnjn", [unboxed, unboxed]).bits).toBe(box(32, 0xffc00000n));
  expect(run("f32.sgnj", [s(-2), unboxed]).bits).toBe(s(2));
  expect(run("f32.class", [unboxed]).bits).toBe(0x200n);
  expect(run("f64.from_f32", [unboxed]).bits).toBe(nan64);
  expect(run("f32.from_f16", [box(32, 0x3c00n)]).bits).toBe(nan32);
  expect(run("f32.bits", [unboxed]).bits).toBe(0x3f800000n);
  expect(run("f32.bits", [0x80000000n]).bits).toBe(0xffffffff80000000n);
  expect(run("f16.bits", [0x8000n]).bits).toBe(0xffffffffffff8000n);
});

test("sign injection and moves keep a NaN's payload", () => {
  expect(run("f64.sgnj", [signaling64, d(-1)])).toEqual({ status: 0, bits: signaling64 | (1n << 63n), flags: 0 });
  expect(run("f32.sgnjx", [box(32, 0xff800001n), s(-1)]).bits).toBe(box(32, 0x7f800001n));
  expect(run("f64.bits", [signaling64]).bits).toBe(signaling64);
  expect(run("f64.from_bits", [signaling64]).bits).toBe(signaling64);
});

test("zero times infinity plus a quiet NaN is invalid", () => {
  expect(run("f64.madd", [0n, d(Infinity), nan64])).toEqual({ status: 0, bits: nan64, flags: Flag.invalid });
  expect(run("f32.nmadd", [s(-Infinity), s(0), nan32])).toEqual({ status: 0, bits: nan32, flags: Flag.invalid });
});

test("a number that rounds up to the least normal one is tiny only where it is below with unbounded exponent", () => {
  const least = 2 ** -1022;
  // A quarter of a subnormal's last place below: with 53 bits and any exponent that is a tie, which rounds up to `least`.
  const quarter = run("f64.madd", [d(-(2 ** -1000)), d(2 ** -76), d(least)]);
  expect(quarter).toEqual({ status: 0, bits: d(least), flags: Flag.inexact });
  // Half of one below: representable with 53 bits and any exponent, so tiny, and only then rounded up.
  const half = run("f64.madd", [d(-(2 ** -1000)), d(2 ** -75), d(least)]);
  expect(half).toEqual({ status: 0, bits: d(least), flags: Flag.underflow | Flag.inexact });
});

test("a product just below overflow still gives its last bits to a sum that cancels", () => {
  const a = d(2 ** 512 * (1 - 2 ** -53));
  const minusProduct = d(-(2 ** 1023) * (2 - 2 ** -51)); // of a with itself, rounded
  expect(run("f64.madd", [a, a, minusProduct])).toEqual({ status: 0, bits: d(2 ** 918), flags: 0 });
});

test("fli gives the table of Zfa", () => {
  const singles = [
    [0xbf800000, 0x00800000, 0x37800000, 0x38000000, 0x3b800000, 0x3c000000, 0x3d800000, 0x3e000000],
    [0x3e800000, 0x3ea00000, 0x3ec00000, 0x3ee00000, 0x3f000000, 0x3f200000, 0x3f400000, 0x3f600000],
    [0x3f800000, 0x3fa00000, 0x3fc00000, 0x3fe00000, 0x40000000, 0x40200000, 0x40400000, 0x40800000],
    [0x41000000, 0x41800000, 0x43000000, 0x43800000, 0x47000000, 0x47800000, 0x7f800000, 0x7fc00000],
  ].flat();
  singles.forEach((bits, index) => {
    expect(run("f32.fli", [], index)).toEqual({ status: 0, bits: box(32, BigInt(bits)), flags: 0 });
    const wide = index === 1 ? 0x0010000000000000n : run("f64.from_f32", [box(32, BigInt(bits))]).bits;
    expect(run("f64.fli", [], index)).toEqual({ status: 0, bits: wide, flags: 0 });
  });
});

test("fminm and fmaxm are fmin and fmax, but the canonical NaN where an operand is NaN", () => {
  fc.assert(
    fc.property(fc.constantFrom("min", "max"), f64s, f64s, (name, a, b) => {
      const expected =
        isNan64(a) || isNan64(b) ? { status: 0, bits: nan64, flags: nvFor(a, b) } : run(`f64.${name}`, [a, b]);
      expect(run(`f64.${name}m`, [a, b])).toEqual(expected);
    }),
    { numRuns: 5000 },
  );
});

test("fleq and fltq are fle and flt, but raise invalid for signaling NaNs alone", () => {
  fc.assert(
    fc.property(fc.constantFrom("le", "lt"), f64s, f64s, (name, a, b) => {
      const quiet = run(name === "le" ? "f64.leq" : "f64.ltq", [a, b]);
      expect(quiet).toEqual({ status: 0, bits: run(`f64.${name}`, [a, b]).bits, flags: nvFor(a, b) });
    }),
    { numRuns: 5000 },
  );
});

test("fround agrees with the conversion to an integer and back, keeps the sign, and only froundnx raises inexact", () => {
  fc.assert(
    fc.property(f64s, mode, (x, rm) => {
      const value = numberOf(x);
      let bits = x;
      let flags = 0;
      if (isNan64(x)) {
        bits = nan64;
        flags = nvFor(x);
      } else if (Math.abs(value) < 2 ** 52) {
        const integer = run("i64.from_f64_s", [x], rm);
        flags = integer.flags;
        bits = run("f64.from_i64_s", [integer.bits]).bits | (x & (1n << 63n));
      }
      expect(run("f64.roundnx", [x], rm)).toEqual({ status: 0, bits, flags });
      expect(run("f64.round", [x], rm)).toEqual({ status: 0, bits, flags: flags & ~Flag.inexact });
    }),
    { numRuns: 20_000 },
  );
});

test("fround.s of a number is fround.d of the same number", () => {
  fc.assert(
    fc.property(registers(32), mode, (x, rm) => {
      const single = run("f32.roundnx", [x], rm);
      const widened = run("f64.from_f32", [x]);
      const wide = run("f64.roundnx", [widened.bits], rm);
      expect(run("f64.from_f32", [single.bits]).bits).toBe(wide.bits);
      expect(single.flags).toBe(widened.flags | wide.flags);
    }),
    { numRuns: 10_000 },
  );
});

test("fcvtmod.w.d gives the integer part modulo 2**32, sign-extended, with the flags of fcvt.w.d", () => {
  fc.assert(
    fc.property(f64s, (x) => {
      const value = numberOf(x);
      const integer = Number.isFinite(value) ? BigInt(Math.trunc(value)) : 0n;
      expect(run("i32.from_f64_mod", [x])).toEqual({
        status: 0,
        bits: BigInt.asUintN(64, BigInt.asIntN(32, integer)),
        flags: run("i32.from_f64_s", [x], 1).flags,
      });
    }),
    { numRuns: 10_000 },
  );
});
