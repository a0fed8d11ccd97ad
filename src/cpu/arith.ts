// hot path: 64-bit arithmetic on pairs of int32 words that JavaScript has no operator for.
// Each function gives the low word and leaves the high word in `wide[0]`: a pair in an object or a BigInt would be
// allocated at every call (40 to 120 ns on Bun 1.4.5, against 2 to 15 ns).

/** The high word of the last result. */
export const wide = new Int32Array(2);

/** High 32 bits of the unsigned product of two 32-bit words, as an int32. */
export function mulhu32(a: number, b: number): number {
  const a0 = a & 0xffff;
  const a1 = a >>> 16;
  const b0 = b & 0xffff;
  const b1 = b >>> 16;
  // Sums of a product of halves and one half stay below 2**32: integers throughout, which doubles are five times as slow as.
  const mid = (Math.imul(a1, b0) + (Math.imul(a0, b0) >>> 16)) | 0;
  const mid2 = (Math.imul(a0, b1) + (mid & 0xffff)) | 0;
  return (Math.imul(a1, b1) + (mid >>> 16) + (mid2 >>> 16)) | 0;
}

export function mul64(al: number, ah: number, bl: number, bh: number): number {
  wide[0] = mulhu32(al, bl) + Math.imul(al, bh) + Math.imul(ah, bl);
  return Math.imul(al, bl);
}

/** High 64 bits of the unsigned 128-bit product. */
export function mulh64u(al: number, ah: number, bl: number, bh: number): number {
  // Sum of the partial products that reach word 1, then words 2 and 3; each sum stays below 2**35.
  const w1 = (mulhu32(al, bl) >>> 0) + (Math.imul(al, bh) >>> 0) + (Math.imul(ah, bl) >>> 0);
  const w2 =
    (mulhu32(al, bh) >>> 0) + (mulhu32(ah, bl) >>> 0) + (Math.imul(ah, bh) >>> 0) + Math.floor(w1 / 4294967296);
  wide[0] = (mulhu32(ah, bh) >>> 0) + Math.floor(w2 / 4294967296);
  return w2 | 0;
}

/** Subtracts a 64-bit pair from the result (`lo`, wide[0]). */
function takeAway(lo: number, bl: number, bh: number): number {
  wide[0] = wide[0]! - bh - (lo >>> 0 < bl >>> 0 ? 1 : 0);
  return (lo - bl) | 0;
}

/** High 64 bits of the signed 128-bit product. */
export function mulh64s(al: number, ah: number, bl: number, bh: number): number {
  let lo = mulh64u(al, ah, bl, bh);
  if (ah < 0) lo = takeAway(lo, bl, bh);
  if (bh < 0) lo = takeAway(lo, al, ah);
  return lo;
}

/** High 64 bits of the product of signed a and unsigned b. */
export function mulh64su(al: number, ah: number, bl: number, bh: number): number {
  const lo = mulh64u(al, ah, bl, bh);
  return ah < 0 ? takeAway(lo, bl, bh) : lo;
}

// Quotient and remainder of the last unsigned division.
let ql = 0;
let qh = 0;
let rl = 0;
let rh = 0;

/** Unsigned division, b not 0. */
function divide(al: number, ah: number, bl: number, bh: number): void {
  if ((ah | bh) === 0) {
    const a = al >>> 0;
    const b = bl >>> 0;
    ql = Math.floor(a / b) | 0;
    rl = (a % b) | 0;
    qh = rh = 0;
    return;
  }
  if (ah >>> 0 < 0x200000 && bh >>> 0 < 0x200000) {
    // Both are exact doubles: the rounded quotient is off by at most one, and only where it was rounded up.
    const a = (ah >>> 0) * 4294967296 + (al >>> 0);
    const b = (bh >>> 0) * 4294967296 + (bl >>> 0);
    const r = a % b;
    const q = (a - r) / b;
    ql = q | 0;
    qh = Math.floor(q / 4294967296) | 0;
    rl = r | 0;
    rh = Math.floor(r / 4294967296) | 0;
    return;
  }
  if (bh === 0) {
    // Schoolbook by 16-bit digits: every partial dividend is below 2**48.
    const b = bl >>> 0;
    qh = Math.floor((ah >>> 0) / b) | 0;
    const d1 = ((ah >>> 0) % b) * 65536 + (al >>> 16);
    const d0 = (d1 % b) * 65536 + (al & 0xffff);
    ql = (Math.floor(d1 / b) * 65536 + Math.floor(d0 / b)) | 0;
    rl = (d0 % b) | 0;
    rh = 0;
    return;
  }
  // b >= 2**32, so the quotient has one word, and the estimate in doubles is off by at most one.
  const estimate = Math.floor(((ah >>> 0) * 4294967296 + (al >>> 0)) / ((bh >>> 0) * 4294967296 + (bl >>> 0)));
  let q = estimate > 0xffffffff ? -1 : estimate | 0;
  let pl = mul64(bl, bh, q, 0);
  let ph = wide[0]! >>> 0;
  // mul64 is modulo 2**64: an estimate one too high can wrap only where the product exceeds a anyway.
  const overflow =
    (mulhu32(bh, q) >>> 0) + ((mulhu32(bl, q) >>> 0) + (Math.imul(bh, q) >>> 0) > 0xffffffff ? 1 : 0) > 0;
  if (overflow || ph > ah >>> 0 || (ph === ah >>> 0 && pl >>> 0 > al >>> 0)) {
    q = (q - 1) | 0;
    const borrow = pl >>> 0 < bl >>> 0 ? 1 : 0;
    pl = (pl - bl) | 0;
    ph = (ph - (bh >>> 0) - borrow) >>> 0;
  }
  rl = (al - pl) | 0;
  rh = (ah - ph - (al >>> 0 < pl >>> 0 ? 1 : 0)) | 0;
  if (rh >>> 0 > bh >>> 0 || (rh === bh && rl >>> 0 >= bl >>> 0)) {
    q = (q + 1) | 0;
    const borrow = rl >>> 0 < bl >>> 0 ? 1 : 0;
    rl = (rl - bl) | 0;
    rh = (rh - bh - borrow) | 0;
  }
  ql = q;
  qh = 0;
}

export function div64u(al: number, ah: number, bl: number, bh: number): number {
  if ((bl | bh) === 0) {
    wide[0] = -1;
    return -1;
  }
  divide(al, ah, bl, bh);
  wide[0] = qh;
  return ql;
}

export function rem64u(al: number, ah: number, bl: number, bh: number): number {
  if ((bl | bh) === 0) {
    wide[0] = ah;
    return al;
  }
  divide(al, ah, bl, bh);
  wide[0] = rh;
  return rl;
}

const negateHigh = (lo: number, hi: number): number => (lo === 0 ? -hi : ~hi) | 0;

/** Divides the magnitudes. */
function divideSigned(al: number, ah: number, bl: number, bh: number): void {
  if (ah < 0) {
    ah = negateHigh(al, ah);
    al = -al | 0;
  }
  if (bh < 0) {
    bh = negateHigh(bl, bh);
    bl = -bl | 0;
  }
  divide(al, ah, bl, bh);
}

export function div64s(al: number, ah: number, bl: number, bh: number): number {
  if ((bl | bh) === 0) {
    wide[0] = -1;
    return -1;
  }
  divideSigned(al, ah, bl, bh);
  if ((ah ^ bh) >= 0) {
    wide[0] = qh;
    return ql;
  }
  wide[0] = negateHigh(ql, qh);
  return -ql | 0;
}

export function rem64s(al: number, ah: number, bl: number, bh: number): number {
  if ((bl | bh) === 0) {
    wide[0] = ah;
    return al;
  }
  divideSigned(al, ah, bl, bh);
  if (ah >= 0) {
    wide[0] = rh;
    return rl;
  }
  wide[0] = negateHigh(rl, rh);
  return -rl | 0;
}

export const div32s = (a: number, b: number): number => (b === 0 ? -1 : (a / b) | 0);
export const rem32s = (a: number, b: number): number => (b === 0 ? a : (a % b) | 0);
export const div32u = (a: number, b: number): number => (b === 0 ? -1 : ((a >>> 0) / (b >>> 0)) | 0);
export const rem32u = (a: number, b: number): number => (b === 0 ? a : ((a >>> 0) % (b >>> 0)) | 0);

export function popcnt32(v: number): number {
  v -= (v >>> 1) & 0x55555555;
  v = (v & 0x33333333) + ((v >>> 2) & 0x33333333);
  return Math.imul((v + (v >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

export const ctz32 = (v: number): number => (v === 0 ? 32 : 31 - Math.clz32(v & -v));

export const bswap32 = (v: number): number => (v << 24) | ((v & 0xff00) << 8) | ((v >>> 8) & 0xff00) | (v >>> 24);

/** Each byte of the word becomes 0xff where it is not zero. */
export function orcb32(v: number): number {
  v |= (v >>> 1) & 0x7f7f7f7f;
  v |= (v >>> 2) & 0x3f3f3f3f;
  v |= (v >>> 4) & 0x0f0f0f0f;
  return Math.imul(v & 0x01010101, 0xff) | 0;
}

/** The 128-bit carry-less product from bit `from` on (0, 63 or 64). */
function carryless(al: number, ah: number, bl: number, bh: number, from: number): number {
  let p0 = 0;
  let p1 = 0;
  let p2 = 0;
  let p3 = 0;
  // a moves left through four words while b is read bit by bit.
  let [s0, s1, s2, s3] = [al, ah, 0, 0];
  for (let bit = 0; bit < 64; bit++) {
    if (((bit < 32 ? bl >>> bit : bh >>> (bit - 32)) & 1) !== 0) {
      p0 ^= s0;
      p1 ^= s1;
      p2 ^= s2;
      p3 ^= s3;
    }
    s3 = (s3 << 1) | (s2 >>> 31);
    s2 = (s2 << 1) | (s1 >>> 31);
    s1 = (s1 << 1) | (s0 >>> 31);
    s0 <<= 1;
  }
  if (from === 0) {
    wide[0] = p1;
    return p0;
  }
  if (from === 64) {
    wide[0] = p3;
    return p2;
  }
  wide[0] = (p3 << 1) | (p2 >>> 31);
  return (p2 << 1) | (p1 >>> 31);
}

export const clmul = (al: number, ah: number, bl: number, bh: number): number => carryless(al, ah, bl, bh, 0);
export const clmulh = (al: number, ah: number, bl: number, bh: number): number => carryless(al, ah, bl, bh, 64);
export const clmulr = (al: number, ah: number, bl: number, bh: number): number => carryless(al, ah, bl, bh, 63);
