// Values as JavaScript text: a 64-bit one is a pair of int32 expressions. What their text says of them (a literal, a high word
// that is 0 or the low one's sign) makes for shorter text; what is no name yet gets one, as a statement.

/** A value as JavaScript text. i32: `lo` alone. Register reads of the floating-point file: `lo` is the register number. */
export interface Text {
  readonly lo: string;
  readonly hi: string;
}

/** Collects statements. */
export interface Statements {
  text: string;
  /** How many temporaries have been named. */
  temps: number;
}

/** A name or a literal; or the sign of one, which is as cheap, and says more about the value than a name of its own. */
const isAtom = (e: string): boolean => /^(\w+|-\d+|\(\w+>>31\))$/.test(e);

/** Names a value, unless it is a name or a literal already. */
export function bind(o: Statements, e: string): string {
  if (isAtom(e)) return e;
  const name = `t${o.temps++}`;
  o.text += `const ${name}=${e};`;
  return name;
}

/** Declares an assignable temporary. */
export function temp(o: Statements): string {
  const name = `t${o.temps++}`;
  o.text += `let ${name}=0;`;
  return name;
}

/** Names of its own for a value, which outlive a write of the register that it was read from. */
export function copy(o: Statements, v: Text): Text {
  const [lo, hi] = [`t${o.temps++}`, `t${o.temps++}`];
  o.text += `const ${lo}=${v.lo},${hi}=${v.hi};`;
  return { lo, hi };
}

export const pair = (o: Statements, v: Text): Text => ({ lo: bind(o, v.lo), hi: bind(o, v.hi) });
export const word = (lo: string): Text => ({ lo, hi: "0" });

/** Sign-extends a word. */
export function signed(o: Statements, e: string): Text {
  const lo = bind(o, e);
  return { lo, hi: `(${lo}>>31)` };
}

/** The value of a literal. */
export const literal = (e: string): number | undefined => (/^-?\d+$/.test(e) ? Number(e) : undefined);

/** The value of a pair of literals; NaN where it is not one, or not exact. */
export function known({ lo, hi }: Text): number {
  const value = (literal(hi) ?? NaN) * 2 ** 32 + ((literal(lo) ?? NaN) >>> 0);
  return literal(lo) !== undefined && Number.isSafeInteger(value) ? value : NaN;
}

export const constant = (n: number): Text => ({ lo: String(n | 0), hi: String(Math.floor(n / 2 ** 32) | 0) });

/** Whether the high word is the sign of the low one, or 0. */
export const isSigned = ({ lo, hi }: Text): boolean => {
  const n = literal(lo);
  return n === undefined ? hi === `(${lo}>>31)` : hi === (n < 0 ? "-1" : "0");
};
const isUnsigned = (v: Text): boolean => v.hi === "0";

/** A bitwise operation on words, where one of them may be 0 or all ones. */
export function bitwise(op: "&" | "|" | "^", a: string, b: string): string {
  if (literal(a) !== undefined) [a, b] = [b, a];
  const n = literal(b);
  if (op === "&" ? n === 0 : op === "|" ? n === -1 : false) return b;
  if (op === "&" ? n === -1 : n === 0) return a;
  return `(${a}${op}${b})`;
}

export const plus = (a: string, b: string): string => (a === "0" ? b : b === "0" ? a : `${a}+${b}`);

/** What a low word times a high word adds to the high word of a product. */
export const productHigh = (a: string, b: string): string => (a === "0" || b === "0" ? "0" : `Math.imul(${a},${b})`);

/** Bits of two words, one upon the other, from bit `s` (1 to 31) of the lower one on. */
const across = (s: number, lo: string, hi: string): string =>
  hi === "0" ? `((${lo}>>>${s})|0)` : `((${lo}>>>${s})|(${hi}<<${32 - s}))`;

export const shiftLeftBy = (_o: Statements, s: number, { lo, hi }: Text): Text =>
  s >= 32 ? { lo: "0", hi: s === 32 ? lo : `(${lo}<<${s - 32})` } : { lo: `(${lo}<<${s})`, hi: across(32 - s, lo, hi) };

export const shiftRightBy = (_o: Statements, s: number, { lo, hi }: Text): Text =>
  s >= 32
    ? word(s === 32 || hi === "0" ? hi : `((${hi}>>>${s - 32})|0)`)
    : { lo: across(s, lo, hi), hi: hi === "0" ? hi : `((${hi}>>>${s})|0)` };

export function shiftRightSignedBy(o: Statements, s: number, v: Text): Text {
  if (isSigned(v)) return signed(o, `(${v.lo}>>${Math.min(s, 31)})`);
  if (s >= 32) return signed(o, `(${v.hi}>>${s - 32})`);
  return { lo: across(s, v.lo, v.hi), hi: `(${v.hi}>>${s})` };
}

export const rotateLeftBy = (_o: Statements, s: number, { lo, hi }: Text): Text => {
  const [low, high] = s & 32 ? [hi, lo] : [lo, hi];
  const by = 32 - (s & 31);
  return by === 32 ? { lo: low, hi: high } : { lo: across(by, high, low), hi: across(by, low, high) };
};

export const rotateLeft = (s: string, lo: string, hi: string): Text => ({
  lo: `(${s}&32?(${hi}<<${s})|((${lo}>>>1)>>>~${s}):(${lo}<<${s})|((${hi}>>>1)>>>~${s}))`,
  hi: `(${s}&32?(${lo}<<${s})|((${hi}>>>1)>>>~${s}):(${hi}<<${s})|((${lo}>>>1)>>>~${s}))`,
});

export const less = (o: Statements, a: Text, b: Text, unsigned: boolean): string => {
  if (isSigned(a) && isSigned(b)) return unsigned ? `(${a.lo}>>>0)<(${b.lo}>>>0)` : `${a.lo}<${b.lo}`;
  if (isUnsigned(a) && isUnsigned(b)) return `(${a.lo}>>>0)<(${b.lo}>>>0)`;
  const [ah, bh] = [bind(o, a.hi), bind(o, b.hi)];
  const high = unsigned ? `(${ah}>>>0)<(${bh}>>>0)` : `${ah}<${bh}`;
  return `(${ah}===${bh}?(${a.lo}>>>0)<(${b.lo}>>>0):${high})`;
};

/** Whether two values are equal. With a zero one test does for both words. */
export const same = (a: Text, b: Text): string =>
  (isSigned(a) && isSigned(b)) || (isUnsigned(a) && isUnsigned(b))
    ? `${a.lo}===${b.lo}`
    : b.lo === "0" && b.hi === "0"
      ? `(${a.lo}|${a.hi})===0`
      : `${a.lo}===${b.lo}&&${a.hi}===${b.hi}`;

/** Conditions are int32 for the vocabulary; `flag` makes one of a JavaScript boolean. */
export const flag = (condition: string): Text => word(`(${condition}?1:0)`);
