// Hot path. Conversions between integers and the formats, and moves of bit patterns; all rounding modes for the
// way to integers, round to nearest even for the others. The rest as in double.ts.
import { type Hart, hart } from "../hart.ts";
import { dynamicMode, Flag, Mode } from "./formats.ts";
import type { Fpu } from "./fpu-type.ts";
import { integral } from "./twofold.ts";

const F = hart.f;
const D = hart.f / 2;
const two32 = 2 ** 32;
const two63 = 2 ** 63;
const leastNormalSingle = 2 ** -126;
const leastNormalHalf = 2 ** -14;

export function makeConversions(h: Hart, exact: Fpu) {
  const { i32, f64 } = h;
  const f32 = new Float32Array(i32.buffer, i32.byteOffset, hart.words);
  const f16 = new Float16Array(i32.buffer, i32.byteOffset, 2 * hart.words);

  const modeOf = (rm: number): number => (rm === dynamicMode ? i32[hart.frm]! : rm);
  const isReserved = (mode: number): boolean => mode >>> 0 > Mode.rmm;
  const raise = (flag: number): void => {
    i32[hart.fflags]! |= flag;
  };

  /** NaN where a register holds one, or is not boxed. */
  const readSingle = (reg: number): number => (i32[F + 2 * reg + 1] === -1 ? f32[F + 2 * reg]! : NaN);
  const readHalf = (reg: number): number =>
    i32[F + 2 * reg + 1] === -1 && i32[F + 2 * reg]! >> 16 === -1 ? f16[2 * (F + 2 * reg)]! : NaN;
  const readDouble = (reg: number): number => f64[D + reg]!;

  function writeSingle(rd: number, value: number): number {
    f32[F + 2 * rd] = value;
    i32[F + 2 * rd + 1] = -1;
    return 0;
  }

  function writeDouble(rd: number, value: number): number {
    f64[D + rd] = value;
    return 0;
  }

  function give(lo: number, hi: number): number {
    i32[hart.result] = lo;
    i32[hart.result + 1] = hi;
    return 0;
  }

  /** An unsigned 32-bit number as an int32, without the engine's slow way for large doubles. */
  const signed = (n: number): number => (n > 0x7fffffff ? n - two32 : n) | 0;

  // To integers. Each: rounds, leaves what is out of range (and NaNs and reserved modes) to the exact unit.

  const toI32 = (read: (reg: number) => number, slow: Fpu["i32.from_f64_s"]) => (rs1: number, rm: number) => {
    const a = read(rs1);
    const mode = modeOf(rm);
    if (mode === Mode.rtz && a > -0x80000001 && a < 0x80000000) {
      // As a cast in C: 4 ns less than the general way.
      const lo = a | 0;
      if (lo !== a) raise(Flag.inexact);
      return give(lo, lo >> 31);
    }
    const n = integral(a, mode);
    if (isReserved(mode) || !(n >= -0x80000000 && n <= 0x7fffffff)) return slow(rs1, rm);
    if (n !== a) raise(Flag.inexact);
    const lo = n | 0;
    return give(lo, lo >> 31);
  };

  const toU32 = (read: (reg: number) => number, slow: Fpu["i32.from_f64_u"]) => (rs1: number, rm: number) => {
    const a = read(rs1);
    const mode = modeOf(rm);
    const n = integral(a, mode);
    if (isReserved(mode) || !(n >= 0 && n < two32)) return slow(rs1, rm);
    if (n !== a) raise(Flag.inexact);
    const lo = signed(n);
    return give(lo, lo >> 31);
  };

  const toI64 = (read: (reg: number) => number, slow: Fpu["i64.from_f64_s"]) => (rs1: number, rm: number) => {
    const a = read(rs1);
    const mode = modeOf(rm);
    const n = integral(a, mode);
    if (isReserved(mode) || !(n >= -two63 && n < two63)) return slow(rs1, rm);
    if (n !== a) raise(Flag.inexact);
    const hi = Math.floor(n / two32);
    return give(signed(n - hi * two32), hi);
  };

  const toU64 = (read: (reg: number) => number, slow: Fpu["i64.from_f64_u"]) => (rs1: number, rm: number) => {
    const a = read(rs1);
    const mode = modeOf(rm);
    const n = integral(a, mode);
    if (isReserved(mode) || !(n >= 0 && n < two32 * two32)) return slow(rs1, rm);
    if (n !== a) raise(Flag.inexact);
    const hi = Math.floor(n / two32);
    return give(signed(n - hi * two32), signed(hi));
  };

  function modular(rs1: number): number {
    const a = f64[D + rs1]!;
    const n = Math.trunc(a);
    if (!(n >= -0x80000000 && n <= 0x7fffffff)) raise(Flag.invalid);
    else if (n !== a) raise(Flag.inexact);
    const lo = a | 0; // modulo 2**32, and 0 for NaN and infinity, in JavaScript too
    return give(lo, lo >> 31);
  }

  // From integers.

  const fromI32 = (write: (rd: number, value: number) => number) => (rd: number, lo: number, _hi: number, rm: number) =>
    isReserved(modeOf(rm)) ? 1 : write(rd, lo | 0);
  const fromU32 = (write: (rd: number, value: number) => number) => (rd: number, lo: number, _hi: number, rm: number) =>
    isReserved(modeOf(rm)) ? 1 : write(rd, lo >>> 0);

  function singleFromI32(rd: number, lo: number, hi: number, rm: number): number {
    const r = Math.fround(lo);
    if (modeOf(rm) !== Mode.rne) return exact["f32.from_i32_s"](rd, lo, hi, rm);
    if (r !== lo) raise(Flag.inexact);
    return writeSingle(rd, r);
  }

  function singleFromU32(rd: number, lo: number, hi: number, rm: number): number {
    const n = lo >>> 0;
    const r = Math.fround(n);
    if (modeOf(rm) !== Mode.rne) return exact["f32.from_i32_u"](rd, lo, hi, rm);
    if (r !== n) raise(Flag.inexact);
    return writeSingle(rd, r);
  }

  /** `hi` counts 2**32: the high word, signed or unsigned. Exact before it rounds, because `lo` keeps 20 bits and a sticky one. */
  function singleFromWords(rd: number, hi: number, lo: number): number {
    const short = hi >= -0x200000 && hi < 0x200000;
    const n = hi * two32 + (short || (lo & 0xfff) === 0 ? lo >>> 0 : ((lo & ~0xfff) | 0x800) >>> 0);
    const r = Math.fround(n);
    if (r !== n) raise(Flag.inexact);
    return writeSingle(rd, r);
  }

  function singleFromI64(rd: number, lo: number, hi: number, rm: number): number {
    return modeOf(rm) === Mode.rne ? singleFromWords(rd, hi, lo) : exact["f32.from_i64_s"](rd, lo, hi, rm);
  }

  function singleFromU64(rd: number, lo: number, hi: number, rm: number): number {
    return modeOf(rm) === Mode.rne ? singleFromWords(rd, hi >>> 0, lo) : exact["f32.from_i64_u"](rd, lo, hi, rm);
  }

  function doubleFromWords(rd: number, hi: number, lo: number): number {
    const n = hi * two32 + lo;
    if (n - hi * two32 !== lo) raise(Flag.inexact);
    return writeDouble(rd, n);
  }

  function doubleFromI64(rd: number, lo: number, hi: number, rm: number): number {
    return modeOf(rm) === Mode.rne ? doubleFromWords(rd, hi, lo >>> 0) : exact["f64.from_i64_s"](rd, lo, hi, rm);
  }

  function doubleFromU64(rd: number, lo: number, hi: number, rm: number): number {
    return modeOf(rm) === Mode.rne ? doubleFromWords(rd, hi >>> 0, lo >>> 0) : exact["f64.from_i64_u"](rd, lo, hi, rm);
  }

  // Between formats.

  function singleFromDouble(rd: number, rs1: number, rm: number): number {
    const a = f64[D + rs1]!;
    const r = Math.fround(a);
    const magnitude = Math.abs(r);
    const plain = (magnitude > leastNormalSingle && magnitude < Infinity) || a === 0;
    if (modeOf(rm) !== Mode.rne || !plain) return exact["f32.from_f64"](rd, rs1, rm);
    if (r !== a) raise(Flag.inexact);
    return writeSingle(rd, r);
  }

  function doubleFromSingle(rd: number, rs1: number, rm: number): number {
    const a = readSingle(rs1);
    return Number.isNaN(a) || isReserved(modeOf(rm)) ? exact["f64.from_f32"](rd, rs1, rm) : writeDouble(rd, a);
  }

  function singleFromHalf(rd: number, rs1: number, rm: number): number {
    const a = readHalf(rs1);
    return Number.isNaN(a) || isReserved(modeOf(rm)) ? exact["f32.from_f16"](rd, rs1, rm) : writeSingle(rd, a);
  }

  function doubleFromHalf(rd: number, rs1: number, rm: number): number {
    const a = readHalf(rs1);
    return Number.isNaN(a) || isReserved(modeOf(rm)) ? exact["f64.from_f16"](rd, rs1, rm) : writeDouble(rd, a);
  }

  const toHalf =
    (read: (reg: number) => number, slow: Fpu["f16.from_f64"]) => (rd: number, rs1: number, rm: number) => {
      const a = read(rs1);
      const r = Math.f16round(a);
      const magnitude = Math.abs(r);
      const plain = (magnitude > leastNormalHalf && magnitude < Infinity) || a === 0;
      if (modeOf(rm) !== Mode.rne || !plain) return slow(rd, rs1, rm);
      if (r !== a) raise(Flag.inexact);
      i32[F + 2 * rd] = -1;
      i32[F + 2 * rd + 1] = -1;
      f16[2 * (F + 2 * rd)] = r;
      return 0;
    };

  // Moves.

  function fromBits(rd: number, lo: number, hi: number): number {
    i32[F + 2 * rd] = lo;
    i32[F + 2 * rd + 1] = hi;
    return 0;
  }

  function halfBits(rs1: number): number {
    const lo = (i32[F + 2 * rs1]! << 16) >> 16;
    return give(lo, lo >> 31);
  }

  function singleBits(rs1: number): number {
    const lo = i32[F + 2 * rs1]!;
    return give(lo, lo >> 31);
  }

  return {
    "i32.from_f32_s": toI32(readSingle, exact["i32.from_f32_s"]),
    "i32.from_f32_u": toU32(readSingle, exact["i32.from_f32_u"]),
    "i64.from_f32_s": toI64(readSingle, exact["i64.from_f32_s"]),
    "i64.from_f32_u": toU64(readSingle, exact["i64.from_f32_u"]),
    "i32.from_f64_s": toI32(readDouble, exact["i32.from_f64_s"]),
    "i32.from_f64_u": toU32(readDouble, exact["i32.from_f64_u"]),
    "i64.from_f64_s": toI64(readDouble, exact["i64.from_f64_s"]),
    "i64.from_f64_u": toU64(readDouble, exact["i64.from_f64_u"]),
    "i32.from_f64_mod": modular,
    "f32.from_i32_s": singleFromI32,
    "f32.from_i32_u": singleFromU32,
    "f32.from_i64_s": singleFromI64,
    "f32.from_i64_u": singleFromU64,
    "f64.from_i32_s": fromI32(writeDouble),
    "f64.from_i32_u": fromU32(writeDouble),
    "f64.from_i64_s": doubleFromI64,
    "f64.from_i64_u": doubleFromU64,
    "f32.from_f64": singleFromDouble,
    "f64.from_f32": doubleFromSingle,
    "f16.from_f32": toHalf(readSingle, exact["f16.from_f32"]),
    "f32.from_f16": singleFromHalf,
    "f16.from_f64": toHalf(readDouble, exact["f16.from_f64"]),
    "f64.from_f16": doubleFromHalf,
    "f16.bits": halfBits,
    "f32.bits": singleBits,
    "f64.bits": (rs1) => give(i32[F + 2 * rs1]!, i32[F + 2 * rs1 + 1]!),
    "f16.from_bits": (rd, lo) => fromBits(rd, lo | -0x10000, -1),
    "f32.from_bits": (rd, lo) => fromBits(rd, lo, -1),
    "f64.from_bits": fromBits,
  } as const satisfies Partial<Fpu>;
}
