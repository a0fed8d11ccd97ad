// Floating-point operations. A floating-point register is an f64 local with the register's bits, a boxed f32 among them.
// The usual case is wasm's own operation: round to nearest even, an ordinary result, and the inexact flag set already, so
// that nothing is left to be recorded. While that flag is clear, or another mode is set, a function is "careful": then
// only what is seen to be exact goes on here, and a helper is asked for the rest, as for NaNs, infinities and what is
// nearly subnormal.

import { hart } from "../../src/cpu/hart.ts";
import type { Field, Node, Op } from "../../src/isa/vocabulary.ts";
import { address } from "./checks.ts";
import {
  access,
  brIf,
  type Code,
  call,
  end,
  f32,
  f64,
  get,
  i32,
  i64,
  loadHart,
  memory,
  op,
  open,
  openIf,
  put,
  set,
  tee,
  temp,
} from "./code.ts";
import { F32, F64, I32, I64 } from "./encoder.ts";
import { pushCare } from "./float-helpers.ts";
import type { Emit, Site } from "./site.ts";
import { fuseDoubles, fuseSingles, isUsual, type Signs, sumError, toNearest } from "./twofold.ts";

type Format = "f32" | "f64";

/** Rounding modes as an instruction names them. */
const rne = 0;
const rtz = 1;
const rmm = 4;
const dynamic = 7;

/** Pushes a register as f32: the canonical NaN where it is not boxed. */
export const unboxed: Emit = (s, n) => {
  const c = s.code;
  const bits = temp(c, I64);
  get(c, s.f(s.at.fields[n.field as Field]));
  put(c, 0xbd);
  tee(c, bits);
  put(c, 0xa7, 0xbe);
  f32(c, Number.NaN);
  get(c, bits);
  i64(c, 32);
  put(c, 0x88);
  i64(c, 2 ** 32 - 1);
  put(c, 0x51, op.select);
};

const boxHalf = (s: Site): void => {
  i64(s.code, -(2 ** 16));
  put(s.code, 0x84, 0xbf);
};

export const halfLoad: Emit = (s, n) => {
  const offset = address(s, n.args[0]!, 1, "read");
  access(s.code, 0x33, memory.guest, offset);
  boxHalf(s);
};

export const halfFromBits: Emit = (s, n) => {
  s.push(n.args[0]!);
  boxHalf(s);
};

/** Finds out again whether care is needed. */
export function readCare(c: Code, careful: number): void {
  pushCare(c);
  set(c, careful);
}

const roundsBy = (n: Node): boolean => n.args.some((a) => a.op === "field" && a.field === "rm");

/** Leaves where the rounding mode is reserved; the dynamic one is looked up. False where it always is. */
function modeIsGood(s: Site, n: Node): boolean {
  if (!roundsBy(n)) return true;
  const c = s.code;
  const { rm } = s.at.fields;
  if (rm === dynamic) {
    loadHart(c, hart.frm, I32);
    i32(c, rmm);
    put(c, 0x4b);
    openIf(c, false);
    s.leave();
    end(c);
  }
  return rm <= rmm || rm === dynamic;
}

const localType = { i32: I32, i64: I64, f16: F64, f32: F32, f64: F64 } as const;

/** Takes operands into locals: a register of the f64 file is one already. */
function operands(s: Site, n: Node): number[] {
  return n.args
    .filter((a) => a.op !== "field")
    .map((a) => {
      if (a.op === "f64.reg") return s.f(s.at.fields[a.field as Field]);
      const local = temp(s.code, localType[a.type as Format]);
      s.push(a);
      set(s.code, local);
      return local;
    });
}

/** Has the helper do an operation on operands that `push` pushes, into `result`: it knows all cases, and sets the flags. */
function byHelper(s: Site, n: Node, push: () => void, result: number, helper: Op = n.op): void {
  const c = s.code;
  if (!modeIsGood(s, n)) {
    s.leave();
    return;
  }
  push();
  call(c, s.helper(helper));
  set(c, s.careful());
  set(c, result);
}

/**
 * Where the condition on the stack holds: has the helper do the operation, into `result`. `exact` pushes, where given,
 * whether `result` is right all the same, and exact.
 */
function otherwise(s: Site, n: Node, locals: readonly number[], result: number, exact?: () => void): void {
  const c = s.code;
  openIf(c, false);
  const done = c.depth;
  if (exact !== undefined) {
    open(c, op.block);
    exact();
    brIf(c, done);
  }
  const push = (): void => {
    for (const l of locals) get(c, l);
    if (roundsBy(n)) i32(c, s.at.fields.rm);
  };
  byHelper(s, n, push, result);
  if (exact !== undefined) end(c);
  end(c);
}

/** A whole operation by its helper. */
const slow: Emit = (s, n) => {
  const c = s.code;
  const result = temp(c, localType[n.type as Format]);
  byHelper(s, n, () => n.args.forEach(s.push), result);
  get(c, result);
};

/** `inner` for the static mode to nearest even and the dynamic one; others are the helper's, or the interpreter's. */
const nearest =
  (inner: Emit): Emit =>
  (s, n) =>
    s.at.fields.rm === rne || s.at.fields.rm === dynamic ? inner(s, n) : slow(s, n);

/** `inner` for every mode that is not reserved. */
const anyMode =
  (inner: Emit): Emit =>
  (s, n) =>
    s.at.fields.rm <= rmm || s.at.fields.rm === dynamic ? inner(s, n) : slow(s, n);

/** Pushes whether a result in a local is out of the ordinary, or care is needed: see `binary`. */
function isOdd(s: Site, format: Format, kind: "add" | "mul", result: number): void {
  const c = s.code;
  const top = format === "f64" ? 0x7ff : 0xff;
  get(c, result);
  if (format === "f64") {
    put(c, 0xbd);
    i64(c, 52);
    put(c, 0x88, 0xa7);
  } else {
    put(c, 0xbc);
    i32(c, 23);
    put(c, 0x76);
  }
  i32(c, top);
  put(c, 0x71);
  if (kind === "mul") {
    i32(c, 2);
    put(c, 0x6b);
  }
  get(c, s.careful());
  put(c, 0x72);
  i32(c, kind === "mul" ? top - 2 : top);
  put(c, 0x4f);
}

/** Pushes whether a value is 0. */
function isZero(s: Site, format: Format, local: number): void {
  get(s.code, local);
  if (format === "f64") f64(s.code, 0);
  else f32(s.code, 0);
  put(s.code, format === "f64" ? 0x61 : 0x5b);
}

type Arithmetic = "add" | "sub" | "mul" | "div" | "sqrt";

const opcodes: Readonly<Record<Format, Readonly<Record<Arithmetic, number>>>> = {
  f64: { add: 0xa0, sub: 0xa1, mul: 0xa2, div: 0xa3, sqrt: 0x9f },
  f32: { add: 0x92, sub: 0x93, mul: 0x94, div: 0x95, sqrt: 0x91 },
};

/** Pushes whether a sum, difference or product lost nothing, or a quotient is 0 as its dividend is; not always when it is so. */
function isExact(s: Site, format: Format, kind: Arithmetic, [a, b]: readonly number[], result: number): void {
  const c = s.code;
  const wide = (local: number): void => {
    get(c, local);
    if (format === "f32") put(c, 0xbb);
  };
  if (kind === "add" || kind === "sub") {
    const [x, y, sum] = [temp(c, F64), temp(c, F64), temp(c, F64)];
    wide(a!);
    set(c, x);
    wide(b!);
    if (kind === "sub") put(c, 0x9a);
    set(c, y);
    wide(result);
    set(c, sum);
    sumError(c, x, y, sum);
    f64(c, 0);
    put(c, 0x61);
    return;
  }
  if (kind === "mul" && format === "f32") {
    wide(a!);
    wide(b!);
    put(c, 0xa2);
    wide(result);
    put(c, 0x61);
    return;
  }
  isZero(s, format, result);
  isZero(s, format, a!);
  if (kind === "mul") {
    isZero(s, format, b!);
    put(c, 0x72);
  }
  put(c, 0x71);
  if (kind !== "mul") return;
  // Factors of up to 26 bits, and nothing near underflow.
  get(c, a!);
  put(c, 0xbd);
  get(c, b!);
  put(c, 0xbd, 0x84);
  i64(c, 37);
  put(c, 0x86, 0x50);
  isUsual(c, result);
  put(c, 0x71, 0x72);
}

/**
 * A result that an addition or a root gives is ordinary where it is finite; one that may underflow, where it is above that
 * too. What is exact is right anyway.
 */
const arithmetic = (format: Format, kind: Arithmetic): Emit =>
  nearest((s, n) => {
    const c = s.code;
    const locals = operands(s, n);
    const result = temp(c, localType[format]);
    for (const l of locals) get(c, l);
    put(c, opcodes[format][kind]);
    set(c, result);
    isOdd(s, format, kind === "mul" || kind === "div" ? "mul" : "add", result);
    const exact = (): void => {
      isExact(s, format, kind, locals, result);
      toNearest(c, s.careful());
      put(c, 0x71);
    };
    otherwise(s, n, locals, result, kind === "sqrt" ? undefined : exact);
    get(c, result);
  });

/** The helper fuses a * b + c; the other three are it with signs changed. NaNs become canonical, whatever their sign. */
const fused = (format: Format, signs: Signs): Emit =>
  anyMode((s, n) => {
    const c = s.code;
    const result = temp(c, localType[format]);
    const locals = operands(s, n) as [number, number, number];
    const done = c.depth;
    open(c, op.block);
    const { rm } = s.at.fields;
    if (rm === rne || rm === dynamic)
      (format === "f64" ? fuseDoubles : fuseSingles)(c, locals, signs, s.careful(), result, done);
    const push = (): void => {
      locals.forEach((l, i) => {
        get(c, l);
        if ((i === 0 && signs.negateProduct) || (i === 2 && signs.negateAddend)) put(c, format === "f64" ? 0x9a : 0x8c);
      });
      i32(c, rm);
    };
    byHelper(s, n, push, result, `${format}.madd`);
    end(c);
    get(c, result);
  });

/** WebAssembly's least and greatest are the guest's, but for NaNs. */
const extreme =
  (format: Format, opcode: number): Emit =>
  (s, n) => {
    const c = s.code;
    const locals = operands(s, n);
    const result = temp(c, localType[format]);
    for (const l of locals) get(c, l);
    put(c, opcode);
    tee(c, result);
    get(c, result);
    put(c, format === "f64" ? 0x62 : 0x5c);
    otherwise(s, n, locals, result);
    get(c, result);
  };

const sign =
  (format: Format, kind: "copy" | "negate" | "xor"): Emit =>
  (s, n) => {
    const c = s.code;
    const is64 = format === "f64";
    const [abs, negate, copysign] = is64 ? [0x99, 0x9a, 0xa6] : [0x8b, 0x8c, 0x98];
    const [a, b] = n.args;
    s.push(a!);
    if (s.at.fields[a!.field as Field] === s.at.fields[b!.field as Field]) {
      if (kind !== "copy") put(c, kind === "negate" ? negate! : abs!);
      return;
    }
    if (kind === "xor") {
      const left = is64 ? 0xbd : 0xbc;
      put(c, left);
      s.push(b!);
      put(c, left);
      if (is64) i64(c, -(2 ** 63));
      else i32(c, -(2 ** 31));
      put(c, is64 ? 0x83 : 0x71, is64 ? 0x85 : 0x73, is64 ? 0xbf : 0xbe);
      return;
    }
    s.push(b!);
    if (kind === "negate") put(c, negate!);
    put(c, copysign!);
  };

const comparisons = { f64: { eq: 0x61, lt: 0x63, le: 0x65 }, f32: { eq: 0x5b, lt: 0x5d, le: 0x5f } } as const;

/** Unordered operands may be signalling. */
const compare =
  (format: Format, kind: "eq" | "lt" | "le"): Emit =>
  (s, n) => {
    const c = s.code;
    const [a, b] = operands(s, n) as [number, number];
    const result = temp(c, I64);
    get(c, a);
    get(c, b);
    put(c, comparisons[format][kind], 0xad);
    set(c, result);
    for (const l of [a, b]) {
      get(c, l);
      get(c, l);
      put(c, format === "f64" ? 0x62 : 0x5c);
    }
    put(c, 0x72);
    otherwise(s, n, [a, b], result);
    get(c, result);
  };

const toRounded: Readonly<Record<number, number>> = { [rne]: 0x9e, [rtz]: 0x9d, 2: 0x9c, 3: 0x9b, [dynamic]: 0x9e };

const integers = {
  i32_s: { least: -(2 ** 31), end: 2 ** 31, opcode: 2, isWide: false },
  i32_u: { least: 0, end: 2 ** 32, opcode: 3, isWide: false },
  i64_s: { least: -(2 ** 63), end: 2 ** 63, opcode: 6, isWide: true },
  i64_u: { least: 0, end: 2 ** 64, opcode: 7, isWide: true },
} as const;

/** Rounds as a double, which an f32 is exactly. */
const toInteger = (format: Format, to: keyof typeof integers): Emit =>
  anyMode((s, n) => {
    const c = s.code;
    const round = toRounded[s.at.fields.rm];
    if (round === undefined) {
      slow(s, n);
      return;
    }
    const { least, end: limit, opcode, isWide } = integers[to];
    const locals = operands(s, n);
    const rounded = temp(c, F64);
    const result = temp(c, I64);
    get(c, locals[0]!);
    if (format === "f32") put(c, 0xbb);
    put(c, round);
    tee(c, rounded);
    put(c, 0xfc, opcode);
    if (!isWide) put(c, 0xac);
    set(c, result);
    const isInRange = (): void => {
      get(c, rounded);
      f64(c, least);
      put(c, 0x66);
      get(c, rounded);
      f64(c, limit);
      put(c, 0x63, 0x71);
    };
    const exact = (): void => {
      isInRange();
      get(c, rounded);
      get(c, locals[0]!);
      if (format === "f32") put(c, 0xbb);
      put(c, 0x61, 0x71);
    };
    isInRange();
    put(c, 0x45);
    get(c, s.careful());
    put(c, 0x72);
    otherwise(s, n, locals, result, s.at.fields.rm === dynamic ? undefined : exact);
    get(c, result);
  });

const fromInteger = (opcode: number, isNarrow: boolean, rounds: boolean): Emit =>
  (rounds ? nearest : anyMode)((s, n) => {
    const c = s.code;
    const locals = operands(s, n);
    const result = temp(c, localType[n.type as Format]);
    if (!rounds && !modeIsGood(s, n)) return;
    get(c, locals[0]!);
    if (isNarrow) put(c, 0xa7);
    put(c, opcode);
    if (!rounds) return;
    set(c, result);
    get(c, s.careful());
    // Below 2**24 it is exact in every format.
    const exact = (): void => {
      get(c, locals[0]!);
      if (isNarrow) put(c, 0xa7, 0xad);
      i64(c, 2 ** 24);
      put(c, 0x54);
      toNearest(c, s.careful());
      put(c, 0x71);
    };
    otherwise(s, n, locals, result, exact);
    get(c, result);
  });

const demote: Emit = nearest((s, n) => {
  const c = s.code;
  const locals = operands(s, n);
  const result = temp(c, F32);
  get(c, locals[0]!);
  put(c, 0xb6);
  set(c, result);
  isOdd(s, "f32", "mul", result);
  otherwise(s, n, locals, result, () => {
    get(c, result);
    put(c, 0xbb);
    get(c, locals[0]!);
    put(c, 0x61);
    toNearest(c, s.careful());
    put(c, 0x71);
  });
  get(c, result);
});

const promote: Emit = anyMode((s, n) => {
  const c = s.code;
  const locals = operands(s, n);
  const result = temp(c, F64);
  modeIsGood(s, n);
  get(c, locals[0]!);
  put(c, 0xbb);
  tee(c, result);
  get(c, result);
  put(c, 0x62);
  otherwise(s, n, locals, result);
  get(c, result);
});

export const float = {
  arithmetic,
  fused,
  extreme,
  sign,
  compare,
  toInteger,
  fromInteger,
  demote,
  promote,
  slow,
};
