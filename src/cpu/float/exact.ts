// A floating-point unit made of core.ts alone: any operand, any rounding mode, microseconds an operation.
// It is what the fast unit falls back to, and what the fast unit is tested against.
import { type Hart, hart } from "../hart.ts";
import { fliConstants } from "./constants.ts";
import * as core from "./core.ts";
import { dynamicMode, type Format, f16, f32, f64, Mode } from "./formats.ts";
import type { Fpu } from "./fpu-type.ts";

/** The bit patterns of Zfa's fli, by index. */
function fliBits(f: Format): bigint[] {
  const leastNormal = 2 ** (f.lowest + Number(f.fraction));
  const doubles = new BigUint64Array(new Float64Array(fliConstants(leastNormal)).buffer);
  return [...doubles].map((bits) => core.convert(f, f64, bits, Mode.rne)[0]);
}

const least32 = -(2n ** 31n);
const least64 = -(2n ** 63n);
const allOnes = 2n ** 64n - 1n;

export function makeExact(h: Hart): Fpu {
  const { i32 } = h;

  const raw = (reg: number): bigint =>
    (BigInt(i32[hart.f + 2 * reg + 1]! >>> 0) << 32n) | BigInt(i32[hart.f + 2 * reg]! >>> 0);

  /** The operand of format `f` in a register: the canonical NaN where the bits above it are not all ones. */
  function read(f: Format, reg: number): bigint {
    const bits = raw(reg);
    const boxed = bits >> BigInt(f.width) === allOnes >> BigInt(f.width);
    return boxed ? BigInt.asUintN(f.width, bits) : f.canonicalNaN;
  }

  function writeWords(at: number, bits: bigint): void {
    i32[at] = Number(BigInt.asIntN(32, bits));
    i32[at + 1] = Number(BigInt.asIntN(32, bits >> 32n));
  }

  const box = (f: Format, bits: bigint): bigint =>
    ((allOnes << BigInt(f.width)) & allOnes) | BigInt.asUintN(f.width, bits);

  function write(f: Format, rd: number, [bits, flags]: core.Outcome): number {
    writeWords(hart.f + 2 * rd, box(f, bits));
    i32[hart.fflags]! |= flags;
    return 0;
  }

  function give(n: bigint, flags: number): number {
    writeWords(hart.result, n);
    i32[hart.fflags]! |= flags;
    return 0;
  }

  /** The rounding mode that `rm` asks for; it may be a reserved one. */
  const modeOf = (rm: number): number => (rm === dynamicMode ? i32[hart.frm]! : rm);
  const reserved = (mode: number): boolean => mode >>> 0 > Mode.rmm;

  type Rounded<N extends bigint[]> = (f: Format, ...operands: [...N, mode: number]) => core.Outcome;

  const unary = (f: Format, op: Rounded<[bigint]>) => (rd: number, rs1: number, rm: number) => {
    const mode = modeOf(rm);
    return reserved(mode) ? 1 : write(f, rd, op(f, read(f, rs1), mode));
  };

  const binary = (f: Format, op: Rounded<[bigint, bigint]>) => (rd: number, rs1: number, rs2: number, rm: number) => {
    const mode = modeOf(rm);
    return reserved(mode) ? 1 : write(f, rd, op(f, read(f, rs1), read(f, rs2), mode));
  };

  const fused =
    (f: Format, negateProduct: boolean, negateAddend: boolean) =>
    (rd: number, rs1: number, rs2: number, rs3: number, rm: number) => {
      const mode = modeOf(rm);
      if (reserved(mode)) return 1;
      const [a, b, c] = [read(f, rs1), read(f, rs2), read(f, rs3)];
      return write(f, rd, core.fused(f, a, b, c, mode, negateProduct, negateAddend));
    };

  const extremum = (f: Format, direction: number, nanWins: boolean) => (rd: number, rs1: number, rs2: number) =>
    write(f, rd, core.extremum(f, read(f, rs1), read(f, rs2), direction, nanWins));

  /** Sign injection: the magnitude of the first, a sign made of both. */
  const inject = (f: Format, sign: (a: bigint, b: bigint) => bigint) => (rd: number, rs1: number, rs2: number) => {
    const a = read(f, rs1);
    return write(f, rd, [(a & ~f.sign) | (sign(a, read(f, rs2)) & f.sign), 0]);
  };

  const compare = (f: Format, quiet: boolean, holds: (order: number) => boolean) => (rs1: number, rs2: number) => {
    const [order, flags] = core.compare(f, read(f, rs1), read(f, rs2), quiet);
    return give(order !== undefined && holds(order) ? 1n : 0n, flags);
  };

  const classify = (f: Format) => (rs1: number) => give(BigInt(core.classOf(f, read(f, rs1))), 0);

  /** To an integer of `width` bits; 32-bit results are sign-extended, unsigned ones too. */
  const toInteger = (f: Format, width: 32 | 64, signed: boolean) => {
    const least = signed ? (width === 32 ? least32 : least64) : 0n;
    const most = least + 2n ** BigInt(width) - 1n;
    return (rs1: number, rm: number) => {
      const mode = modeOf(rm);
      if (reserved(mode)) return 1;
      const [n, flags] = core.toInteger(f, read(f, rs1), mode, least, most);
      return give(BigInt.asIntN(width, n), flags);
    };
  };

  const fromInteger = (f: Format, width: 32 | 64, signed: boolean) => {
    const narrow = signed ? BigInt.asIntN : BigInt.asUintN;
    return (rd: number, lo: number, hi: number, rm: number) => {
      const mode = modeOf(rm);
      if (reserved(mode)) return 1;
      const n = (BigInt(hi) << 32n) | BigInt(lo >>> 0);
      return write(f, rd, core.fromInteger(f, narrow(width, n), mode));
    };
  };

  const convert = (to: Format, from: Format) => (rd: number, rs1: number, rm: number) => {
    const mode = modeOf(rm);
    return reserved(mode) ? 1 : write(to, rd, core.convert(to, from, read(from, rs1), mode));
  };

  const bits = (f: Format) => (rs1: number) => give(BigInt.asIntN(f.width, raw(rs1)), 0);
  const fromBits = (f: Format) => (rd: number, lo: number, hi: number) =>
    write(f, rd, [(BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0), 0]);
  const fli = (f: Format) => {
    const constants = fliBits(f);
    return (rd: number, index: number) => write(f, rd, [constants[index]!, 0]);
  };

  const arithmetic = (f: Format) =>
    ({
      add: binary(f, core.add),
      sub: binary(f, core.sub),
      mul: binary(f, core.mul),
      div: binary(f, core.div),
      sqrt: unary(f, core.sqrt),
      madd: fused(f, false, false),
      msub: fused(f, false, true),
      nmsub: fused(f, true, false),
      nmadd: fused(f, true, true),
      min: extremum(f, -1, false),
      max: extremum(f, 1, false),
      minm: extremum(f, -1, true),
      maxm: extremum(f, 1, true),
      sgnj: inject(f, (_, b) => b),
      sgnjn: inject(f, (_, b) => ~b),
      sgnjx: inject(f, (a, b) => a ^ b),
      eq: compare(f, true, (order) => order === 0),
      lt: compare(f, false, (order) => order < 0),
      le: compare(f, false, (order) => order <= 0),
      ltq: compare(f, true, (order) => order < 0),
      leq: compare(f, true, (order) => order <= 0),
      class: classify(f),
      round: unary(f, (_, x, mode) => core.roundToIntegral(f, x, mode, false)),
      roundnx: unary(f, (_, x, mode) => core.roundToIntegral(f, x, mode, true)),
      fli: fli(f),
      from_i32_s: fromInteger(f, 32, true),
      from_i32_u: fromInteger(f, 32, false),
      from_i64_s: fromInteger(f, 64, true),
      from_i64_u: fromInteger(f, 64, false),
      bits: bits(f),
      from_bits: fromBits(f),
    }) as const;

  return {
    ...prefixed("f32", arithmetic(f32)),
    ...prefixed("f64", arithmetic(f64)),
    "i32.from_f32_s": toInteger(f32, 32, true),
    "i32.from_f32_u": toInteger(f32, 32, false),
    "i64.from_f32_s": toInteger(f32, 64, true),
    "i64.from_f32_u": toInteger(f32, 64, false),
    "i32.from_f64_s": toInteger(f64, 32, true),
    "i32.from_f64_u": toInteger(f64, 32, false),
    "i64.from_f64_s": toInteger(f64, 64, true),
    "i64.from_f64_u": toInteger(f64, 64, false),
    "i32.from_f64_mod": (rs1) => give(...core.toIntegerModular(f64, read(f64, rs1))),
    "f32.from_f64": convert(f32, f64),
    "f64.from_f32": convert(f64, f32),
    "f16.from_f32": convert(f16, f32),
    "f32.from_f16": convert(f32, f16),
    "f16.from_f64": convert(f16, f64),
    "f64.from_f16": convert(f64, f16),
    "f16.bits": bits(f16),
    "f16.from_bits": fromBits(f16),
  };
}

/** `table` with its keys in the vocabulary's spelling. */
function prefixed<P extends string, T extends object>(prefix: P, table: T) {
  const entries = Object.entries(table).map(([name, value]) => [`${prefix}.${name}`, value]);
  return Object.fromEntries(entries) as { [K in keyof T & string as `${P}.${K}`]: T[K] };
}
