// Hot path. The f64 operations in JavaScript's own doubles, for what programs do nearly always: round to nearest even,
// finite operands, a normal or zero result. Anything else is the exact unit's. While the inexact flag is clear, each
// operation works out whether it was exact; once it is set (for good, in most programs) that part is skipped.
// Nanoseconds a call from compiled code, Bun 1.4.5 on x86-64: add 1.6, mul 3.3, div 1.8, sqrt 2.3, fused 11, compare 1;
// with the flags clear before each call: add 1.9, mul 3.2, div 4, sqrt 2.9, fused 12. The exact unit takes about 1,000.
import { type Hart, hart } from "../hart.ts";
import { fliConstants } from "./constants.ts";
import { dynamicMode, Flag, Mode } from "./formats.ts";
import type { Fpu } from "./fpu-type.ts";
import { integral, leastSafeProduct, productError, sumError, toOdd } from "./twofold.ts";

const F = hart.f;
const D = hart.f / 2;
const leastNormal = 2 ** -1022;
/** The fused operations take products between these: everything that they make of one is a normal number or zero. */
const leastFused = 2 ** -900;
const mostFused = 2 ** 1000;

export function makeDouble(h: Hart, exact: Fpu) {
  const { i32, f64 } = h;

  const modeOf = (rm: number): number => (rm === dynamicMode ? i32[hart.frm]! : rm);
  const isExactSoFar = (): boolean => (i32[hart.fflags]! & Flag.inexact) === 0;
  const inexact = (): void => {
    i32[hart.fflags]! |= Flag.inexact;
  };

  function add(rd: number, rs1: number, rs2: number, rm: number): number {
    const a = f64[D + rs1]!;
    const b = f64[D + rs2]!;
    const s = a + b;
    // A sum never underflows: below the normal numbers it is exact.
    if (modeOf(rm) !== Mode.rne || s - s !== 0) return exact["f64.add"](rd, rs1, rs2, rm);
    if (isExactSoFar() && sumError(a, b, s) !== 0) inexact();
    f64[D + rd] = s;
    return 0;
  }

  function sub(rd: number, rs1: number, rs2: number, rm: number): number {
    const a = f64[D + rs1]!;
    const b = f64[D + rs2]!;
    const s = a - b;
    if (modeOf(rm) !== Mode.rne || s - s !== 0) return exact["f64.sub"](rd, rs1, rs2, rm);
    if (isExactSoFar() && sumError(a, -b, s) !== 0) inexact();
    f64[D + rd] = s;
    return 0;
  }

  function mul(rd: number, rs1: number, rs2: number, rm: number): number {
    const a = f64[D + rs1]!;
    const b = f64[D + rs2]!;
    const p = a * b;
    const magnitude = Math.abs(p);
    // The least normal number itself may have been rounded up to, and be tiny.
    const plain = (magnitude > leastNormal && magnitude < Infinity) || (p === 0 && (a === 0 || b === 0));
    if (modeOf(rm) !== Mode.rne || !plain) return exact["f64.mul"](rd, rs1, rs2, rm);
    if (isExactSoFar()) {
      const lost = productError(a, b, p);
      if (lost - lost !== 0 || (magnitude < leastSafeProduct && p !== 0)) return exact["f64.mul"](rd, rs1, rs2, rm);
      if (lost !== 0) inexact();
    }
    f64[D + rd] = p;
    return 0;
  }

  function div(rd: number, rs1: number, rs2: number, rm: number): number {
    const a = f64[D + rs1]!;
    const b = f64[D + rs2]!;
    const q = a / b;
    const magnitude = Math.abs(q);
    const plain = (magnitude > leastNormal && magnitude < Infinity) || (a === 0 && q === 0);
    if (modeOf(rm) !== Mode.rne || !plain) return exact["f64.div"](rd, rs1, rs2, rm);
    if (isExactSoFar() && q !== 0) {
      const back = q * b;
      const lost = back !== a ? 1 : Math.abs(a) < leastSafeProduct ? NaN : productError(q, b, back);
      if (lost - lost !== 0) return exact["f64.div"](rd, rs1, rs2, rm);
      if (lost !== 0) inexact();
    }
    f64[D + rd] = q;
    return 0;
  }

  function sqrt(rd: number, rs1: number, rm: number): number {
    const a = f64[D + rs1]!;
    const r = Math.sqrt(a);
    if (modeOf(rm) !== Mode.rne || !(r >= 0 && r < Infinity)) return exact["f64.sqrt"](rd, rs1, rm);
    if (isExactSoFar() && r !== 0) {
      const back = r * r;
      const lost = back !== a ? 1 : a < leastSafeProduct ? NaN : productError(r, r, back);
      if (lost - lost !== 0) return exact["f64.sqrt"](rd, rs1, rm);
      if (lost !== 0) inexact();
    }
    f64[D + rd] = r;
    return 0;
  }

  /**
   * a * b + c with the signs of product and addend given. The product is p + e exactly, p + c is s + r exactly, and
   * r + e rounded to odd is still right after the last rounding: where p and c nearly cancel r is 0, elsewhere r + e is
   * at most two units in the last place of s.
   */
  const fused =
    (productSign: number, addendSign: number, slow: Fpu["f64.madd"]) =>
    (rd: number, rs1: number, rs2: number, rs3: number, rm: number): number => {
      const a = productSign * f64[D + rs1]!;
      const b = f64[D + rs2]!;
      const c = addendSign * f64[D + rs3]!;
      const p = a * b;
      const magnitude = Math.abs(p);
      const s = p + c;
      if (modeOf(rm) !== Mode.rne || s - s !== 0) return slow(rd, rs1, rs2, rs3, rm);
      if (a === 0 || b === 0) {
        f64[D + rd] = s; // exact, and s has the sign of a zero
        return 0;
      }
      if (!(magnitude > leastFused && magnitude < mostFused)) return slow(rd, rs1, rs2, rs3, rm);
      const e = productError(a, b, p);
      const r = sumError(p, c, s);
      const t = r + e;
      const rest = sumError(r, e, t);
      const odd = rest === 0 ? t : toOdd(t, rest);
      const z = s + odd;
      if (z - z !== 0) return slow(rd, rs1, rs2, rs3, rm);
      if (isExactSoFar() && odd - (z - s) !== 0) inexact();
      f64[D + rd] = z;
      return 0;
    };

  const min =
    (slow: Fpu["f64.min"]) =>
    (rd: number, rs1: number, rs2: number): number => {
      const m = Math.min(f64[D + rs1]!, f64[D + rs2]!);
      if (Number.isNaN(m)) return slow(rd, rs1, rs2);
      f64[D + rd] = m;
      return 0;
    };

  const max =
    (slow: Fpu["f64.max"]) =>
    (rd: number, rs1: number, rs2: number): number => {
      const m = Math.max(f64[D + rs1]!, f64[D + rs2]!);
      if (Number.isNaN(m)) return slow(rd, rs1, rs2);
      f64[D + rd] = m;
      return 0;
    };

  /**
   * The magnitude of register `rs1` with the sign bit of `sign`. As a double where it can be: a load of eight bytes
   * that two stores of four have just made waits for both.
   */
  function inject(rd: number, rs1: number, sign: number): number {
    const a = f64[D + rs1]!;
    if (Number.isNaN(a)) {
      i32[F + 2 * rd] = i32[F + 2 * rs1]!;
      i32[F + 2 * rd + 1] = (i32[F + 2 * rs1 + 1]! & 0x7fffffff) | (sign & -0x80000000);
    } else {
      f64[D + rd] = sign < 0 ? -Math.abs(a) : Math.abs(a);
    }
    return 0;
  }

  const top = (reg: number): number => i32[F + 2 * reg + 1]!;

  function give(lo: number): number {
    i32[hart.result] = lo;
    i32[hart.result + 1] = 0;
    return 0;
  }

  function eq(rs1: number, rs2: number): number {
    const a = f64[D + rs1]!;
    const b = f64[D + rs2]!;
    if (a === b) return give(1);
    return a < b || a > b ? give(0) : exact["f64.eq"](rs1, rs2);
  }

  const lt =
    (slow: Fpu["f64.lt"]) =>
    (rs1: number, rs2: number): number => {
      const a = f64[D + rs1]!;
      const b = f64[D + rs2]!;
      if (a < b) return give(1);
      return a >= b ? give(0) : slow(rs1, rs2);
    };

  const le =
    (slow: Fpu["f64.le"]) =>
    (rs1: number, rs2: number): number => {
      const a = f64[D + rs1]!;
      const b = f64[D + rs2]!;
      if (a <= b) return give(1);
      return a > b ? give(0) : slow(rs1, rs2);
    };

  /** The bit that fclass sets. */
  function classify(rs1: number): number {
    const hi = i32[F + 2 * rs1 + 1]!;
    const lo = i32[F + 2 * rs1]!;
    const magnitude = hi & 0x7fffffff;
    const isSpecial = magnitude >= 0x7ff00000;
    if (isSpecial && ((hi & 0xfffff) | lo) !== 0) return give(hi & 0x80000 ? 0x200 : 0x100);
    const kind = isSpecial ? 3 : magnitude >= 0x100000 ? 2 : (magnitude | lo) !== 0 ? 1 : 0;
    return give(1 << (hi < 0 ? 3 - kind : 4 + kind));
  }

  const constants = new Float64Array(fliConstants(leastNormal));
  function fli(rd: number, index: number): number {
    if (index === 31) return exact["f64.fli"](rd, index);
    f64[D + rd] = constants[index]!;
    return 0;
  }

  const rounding =
    (flagInexact: boolean, slow: Fpu["f64.round"]) =>
    (rd: number, rs1: number, rm: number): number => {
      const a = f64[D + rs1]!;
      const mode = modeOf(rm);
      if (Number.isNaN(a) || mode >>> 0 > Mode.rmm) return slow(rd, rs1, rm);
      const r = integral(a, mode);
      if (flagInexact && r !== a) inexact();
      f64[D + rd] = r;
      return 0;
    };

  return {
    "f64.add": add,
    "f64.sub": sub,
    "f64.mul": mul,
    "f64.div": div,
    "f64.sqrt": sqrt,
    "f64.madd": fused(1, 1, exact["f64.madd"]),
    "f64.msub": fused(1, -1, exact["f64.msub"]),
    "f64.nmsub": fused(-1, 1, exact["f64.nmsub"]),
    "f64.nmadd": fused(-1, -1, exact["f64.nmadd"]),
    "f64.min": min(exact["f64.min"]),
    "f64.max": max(exact["f64.max"]),
    "f64.minm": min(exact["f64.minm"]),
    "f64.maxm": max(exact["f64.maxm"]),
    "f64.sgnj": (rd, rs1, rs2) => inject(rd, rs1, top(rs2)),
    "f64.sgnjn": (rd, rs1, rs2) => inject(rd, rs1, ~top(rs2)),
    "f64.sgnjx": (rd, rs1, rs2) => inject(rd, rs1, top(rs1) ^ top(rs2)),
    "f64.eq": eq,
    "f64.lt": lt(exact["f64.lt"]),
    "f64.le": le(exact["f64.le"]),
    "f64.ltq": lt(exact["f64.ltq"]),
    "f64.leq": le(exact["f64.leq"]),
    "f64.class": classify,
    "f64.fli": fli,
    "f64.round": rounding(false, exact["f64.round"]),
    "f64.roundnx": rounding(true, exact["f64.roundnx"]),
  } as const satisfies Partial<Fpu>;
}
