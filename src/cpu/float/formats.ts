// The three binary formats of IEEE 754 that the guest knows, its sticky flags and its rounding modes.
// A format is two numbers; all others follow from them.

/** Bits of `fflags`. */
export const Flag = { inexact: 1, underflow: 2, overflow: 4, divideByZero: 8, invalid: 16 } as const;

/** Static rounding modes, as `rm` and `frm` number them. */
export const Mode = {
  /** To nearest, ties to even. */
  rne: 0,
  /** Toward zero. */
  rtz: 1,
  /** Down. */
  rdn: 2,
  /** Up. */
  rup: 3,
  /** To nearest, ties away from zero. */
  rmm: 4,
} as const;

/** The value of an `rm` field that stands for the mode in `frm`. */
export const dynamicMode = 7;

export interface Format {
  /** Bits of a value. */
  readonly width: number;
  /** Bits of its fraction field. A normal significand has one more. */
  readonly fraction: bigint;
  /** The exponent field of infinities and NaNs. */
  readonly topExponent: bigint;
  /** The weight of a subnormal's last bit is two to this power. */
  readonly lowest: number;
  /** Bit patterns. */
  readonly sign: bigint;
  readonly infinity: bigint;
  readonly quietBit: bigint;
  readonly canonicalNaN: bigint;
}

function format(width: number, fractionBits: number): Format {
  const fraction = BigInt(fractionBits);
  const topExponent = 2n ** BigInt(width - 1 - fractionBits) - 1n;
  const infinity = topExponent << fraction;
  const quietBit = 1n << (fraction - 1n);
  return {
    width,
    fraction,
    topExponent,
    lowest: 1 - Number(topExponent >> 1n) - fractionBits,
    sign: 1n << BigInt(width - 1),
    infinity,
    quietBit,
    canonicalNaN: infinity | quietBit,
  };
}

export const f16 = format(16, 10);
export const f32 = format(32, 23);
export const f64 = format(64, 52);
