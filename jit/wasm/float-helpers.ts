// The floating-point helpers: one an operation. Each answers its result, and whether the next operation needs care: see
// floats.ts. Those that programs are full of do what is usual themselves, to nearest even, and find out whether it was exact
// while the inexact flag is clear, as src/cpu/float/{double,single,conversions}.ts do; the rest is the unit's.
import { hart } from "../../src/cpu/hart.ts";
import { type Op, ops, type Type } from "../../src/isa/vocabulary.ts";
import {
  access,
  brIf,
  type Code,
  call,
  end,
  f64,
  finish,
  get,
  i32,
  i64,
  loadHart,
  memory,
  newCode,
  newLocal,
  op,
  open,
  put,
  set,
  tee,
} from "./code.ts";
import { F32, F64, type FunctionCode, type FunctionType, I32, I64, type ValueType } from "./encoder.ts";
import { hasZeroFactor, isUsual, productError, singleExponent, sumError, toOdd } from "./twofold.ts";

/** What an operation of the floating-point unit is imported as: register numbers and words, all i32; answers a status. */
export function unitType(name: Op): FunctionType {
  const [result, ...operands]: readonly Type[] = ops[name];
  const count = operands.reduce((n, t) => n + (t === "i64" ? 2 : 1), result === "i64" ? 0 : 1);
  return { params: Array<ValueType>(count).fill(I32), results: [I32] };
}

const value = { i32: I32, i64: I64, f16: F64, f32: F32, f64: F64, void: I32 } as const;

/** The type of an operation's helper. */
export function floatHelperType(name: Op): FunctionType {
  const [result, ...operands]: readonly Type[] = ops[name];
  return { params: operands.map((t) => value[t]), results: [value[result!], I32] };
}

/** Register number of the first operand cell, as the unit counts. */
const cell = (hart.operands - hart.f) / 2;

/** Has the unit do an operation on values: operands go through cells of the hart's state. Modes are known to be good. */
function byUnit(c: Code, name: Op, unit: number): void {
  const [result, ...operands]: readonly Type[] = ops[name];
  operands.forEach((t, i) => {
    if (t === "i64" || t === "i32") return;
    i32(c, 0);
    get(c, i);
    if (t === "f32") box(c);
    access(c, 0x39, memory.hart, 4 * hart.operands + 8 * i);
  });
  if (result !== "i64") i32(c, cell);
  operands.forEach((t, i) => {
    if (t === "i64") {
      get(c, i);
      put(c, 0xa7);
      get(c, i);
      i64(c, 32);
      put(c, 0x88, 0xa7);
    } else if (t === "i32") get(c, i);
    else i32(c, cell + i);
  });
  call(c, unit);
  put(c, op.drop);
  loadHart(c, result === "i64" ? hart.result : hart.operands, value[result!]);
}

/** f32 on the stack to a boxed f64. */
export function box(c: Code): void {
  put(c, 0xbc, 0xad);
  i64(c, -(2 ** 32));
  put(c, 0x84, 0xbf);
}

/**
 * Pushes how much care operations need: 0 where the mode is to nearest even and the inexact flag is set, -1 in other modes,
 * and while only that flag is clear `untilInexact`. All but 0 are large as unsigned numbers.
 */
export function pushCare(c: Code): void {
  i32(c, -1);
  i32(c, 0);
  i32(c, untilInexact);
  loadHart(c, hart.fflags, I32);
  i32(c, 1);
  put(c, 0x71, op.select);
  loadHart(c, hart.frm, I32);
  put(c, op.select);
}

const untilInexact = 2 ** 30;

/** Where an operation's usual way is written. Its operands are locals 0, 1 and so on. */
interface Usual {
  readonly c: Code;
  readonly local: (type: ValueType) => number;
  /** The result. */
  readonly r: number;
  /** Leaves the operation to the unit where the condition on the stack holds. */
  readonly giveUp: () => void;
  /** While the inexact flag is clear: sets it where what `lost` pushes is true. */
  readonly notice: (lost: () => void) => void;
}

const times = (c: Code, a: number, b: number, opcode: number): void => {
  get(c, a);
  get(c, b);
  put(c, opcode);
};

const isNotZero = (c: Code): void => {
  f64(c, 0);
  put(c, 0x62);
};

/** Pushes whether a double is infinite or NaN. */
const isSpecial = (c: Code, v: number): void => {
  times(c, v, v, 0xa1);
  isNotZero(c);
};

/** Pushes whether a single is neither 0 nor certainly normal. */
const isOddSingle = (c: Code, v: number): void => {
  singleExponent(c, v);
  i32(c, 0xfd);
  put(c, 0x4f);
};

const addDoubles =
  (opcode: number) =>
  ({ c, local, r, giveUp, notice }: Usual): void => {
    const b = local(F64);
    get(c, 1);
    if (opcode === 0xa1) put(c, 0x9a);
    set(c, b);
    times(c, 0, 1, opcode);
    set(c, r);
    isSpecial(c, r);
    giveUp();
    notice(() => {
      sumError(c, 0, b, r);
      isNotZero(c);
    });
  };

/** Gives up where a double is not usual, but for 0. */
const mustBeUsual = ({ c, giveUp }: Usual, v: number): void => {
  isUsual(c, v);
  put(c, 0x45);
  giveUp();
};

const multiplyDoubles = (u: Usual): void => {
  const { c, r, notice } = u;
  times(c, 0, 1, 0xa2);
  set(c, r);
  hasZeroFactor(c, 0, 1, r);
  put(c, 0x45);
  open(c, op.if);
  mustBeUsual(u, r);
  mustBeUsual(u, 1);
  notice(() => {
    productError(c, 0, 1, r);
    isNotZero(c);
  });
  end(c);
};

/** Notices whether a quotient or root times `by` is not `whole` exactly. */
function noticeRest({ c, local, r, notice }: Usual, by: number, whole: number): void {
  const back = local(F64);
  notice(() => {
    get(c, r);
    get(c, by);
    put(c, 0xa2);
    tee(c, back);
    get(c, whole);
    put(c, 0x62);
    productError(c, r, by, back);
    isNotZero(c);
    put(c, 0x72);
  });
}

const divideDoubles = (u: Usual): void => {
  const { c, r } = u;
  times(c, 0, 1, 0xa3);
  set(c, r);
  hasZeroFactor(c, 0, 0, r);
  put(c, 0x45);
  open(c, op.if);
  for (const v of [r, 0, 1]) mustBeUsual(u, v);
  noticeRest(u, 1, 0);
  end(c);
};

const rootOfDouble = (u: Usual): void => {
  const { c, r } = u;
  get(c, 0);
  put(c, 0x9f);
  set(c, r);
  hasZeroFactor(c, 0, 0, r);
  put(c, 0x45);
  open(c, op.if);
  isSpecial(c, r);
  u.giveUp();
  mustBeUsual(u, 0);
  noticeRest(u, r, 0);
  end(c);
};

/** The way of `fused` in src/cpu/float/double.ts. */
const fuseDoubles = (u: Usual): void => {
  const { c, local, r, giveUp, notice } = u;
  const [p, s, e, x, t, rest] = [local(F64), local(F64), local(F64), local(F64), local(F64), local(F64)];
  times(c, 0, 1, 0xa2);
  tee(c, p);
  get(c, 2);
  put(c, 0xa0);
  tee(c, s);
  set(c, r);
  hasZeroFactor(c, 0, 1, s);
  put(c, 0x45);
  open(c, op.if);
  mustBeUsual(u, p);
  productError(c, 0, 1, p);
  set(c, e);
  sumError(c, p, 2, s);
  set(c, x);
  times(c, x, e, 0xa0);
  set(c, t);
  sumError(c, x, e, t);
  set(c, rest);
  toOdd(c, t, rest);
  times(c, s, t, 0xa0);
  set(c, r);
  isSpecial(c, r);
  giveUp();
  notice(() => {
    get(c, t);
    times(c, r, s, 0xa1);
    put(c, 0x62);
  });
  end(c);
};

/** A single operation on doubles: `compute` pushes the double, which is not rounded, or so that it may be once more. */
const single =
  (compute: (u: Usual) => void, lost: (u: Usual, wide: number) => void) =>
  (u: Usual): void => {
    const { c, local, r, giveUp, notice } = u;
    const wide = local(F64);
    compute(u);
    tee(c, wide);
    put(c, 0xb6);
    set(c, r);
    // 0 is exact only where it was 0 before.
    isOddSingle(c, r);
    get(c, wide);
    isNotZero(c);
    put(c, 0x71);
    giveUp();
    notice(() => lost(u, wide));
  };

const promoted = (c: Code, v: number): void => {
  get(c, v);
  put(c, 0xbb);
};

/** Pushes whether the single result is not the double that was rounded. */
const differs = ({ c, r }: Usual, wide: number): void => {
  promoted(c, r);
  get(c, wide);
  put(c, 0x62);
};

/** The operands of a sum of singles, as doubles. */
const addSingles = (opcode: number): ((u: Usual) => void) => {
  return (u) => {
    const { c, local } = u;
    const [a, b] = [local(F64), local(F64)];
    single(
      () => {
        promoted(c, 0);
        set(c, a);
        promoted(c, 1);
        if (opcode === 0xa1) put(c, 0x9a);
        set(c, b);
        times(c, a, b, 0xa0);
      },
      (_, wide) => {
        differs(u, wide);
        sumError(c, a, b, wide);
        isNotZero(c);
        put(c, 0x72);
      },
    )(u);
  };
};

/** Pushes whether the result times `by`, an exact product, is not the first operand. */
const isRest = (u: Usual, by: number): void => {
  const { c, r } = u;
  promoted(c, r);
  promoted(c, by);
  put(c, 0xa2);
  promoted(c, 0);
  put(c, 0x62);
};

/** A quotient that is 0 is so exactly: 0 was divided, or it was divided by infinity. */
const isQuotientRounded = (u: Usual, wide: number): void => {
  isRest(u, 1);
  get(u.c, wide);
  isNotZero(u.c);
  put(u.c, 0x71);
};

/** The product of two singles is an exact double; the sum is rounded to odd. */
const fuseSingles = (u: Usual): void => {
  const { c, local } = u;
  const [p, d, s, rest] = [local(F64), local(F64), local(F64), local(F64)];
  single(
    () => {
      promoted(c, 0);
      promoted(c, 1);
      put(c, 0xa2);
      set(c, p);
      promoted(c, 2);
      set(c, d);
      times(c, p, d, 0xa0);
      set(c, s);
      sumError(c, p, d, s);
      set(c, rest);
      toOdd(c, s, rest);
      get(c, s);
    },
    (_, wide) => {
      differs(u, wide);
      get(c, rest);
      isNotZero(c);
      put(c, 0x72);
    },
  )(u);
};

const binary = (opcode: number): ((u: Usual) => void) => {
  return ({ c }) => {
    promoted(c, 0);
    promoted(c, 1);
    put(c, opcode);
  };
};

/** `there` rounds, `back` gives an integer again. Only the end of the range comes back the same though it was rounded. */
const fromInteger =
  (there: number, back: readonly number[], limit: number) =>
  ({ c, r, notice }: Usual): void => {
    get(c, 0);
    put(c, there);
    set(c, r);
    const wide = (): void => {
      get(c, r);
      if (c.locals[r] === F32) put(c, 0xbb);
    };
    notice(() => {
      wide();
      put(c, ...back);
      get(c, 0);
      put(c, 0x52);
      wide();
      f64(c, limit);
      put(c, 0x61, 0x72);
    });
  };

const usual: Partial<Record<Op, (u: Usual) => void>> = {
  "f64.add": addDoubles(0xa0),
  "f64.sub": addDoubles(0xa1),
  "f64.mul": multiplyDoubles,
  "f64.div": divideDoubles,
  "f64.sqrt": rootOfDouble,
  "f64.madd": fuseDoubles,
  "f32.add": addSingles(0xa0),
  "f32.sub": addSingles(0xa1),
  "f32.mul": single(binary(0xa2), differs),
  "f32.div": single(binary(0xa3), isQuotientRounded),
  "f32.sqrt": single(
    ({ c }) => {
      promoted(c, 0);
      put(c, 0x9f);
    },
    (u) => isRest(u, u.r),
  ),
  "f32.madd": fuseSingles,
  "f32.from_f64": single(({ c }) => get(c, 0), differs),
  "f64.from_i64_s": fromInteger(0xb9, [0xfc, 6], 2 ** 63),
  "f64.from_i64_u": fromInteger(0xba, [0xfc, 7], 2 ** 64),
  "f32.from_i64_s": fromInteger(0xb4, [0xfc, 6], 2 ** 63),
  "f32.from_i64_u": fromInteger(0xb5, [0xfc, 7], 2 ** 64),
};

/** The helper of an operation. `unit`: the number of the unit's function. `state`: byte offset of the hart's state. */
export function floatHelper(name: Op, unit: number, state: number): FunctionCode {
  const type = floatHelperType(name);
  const c = newCode(type.params, state);
  const local = (t: ValueType): number => newLocal(c, t);
  const way = usual[name];
  if (way !== undefined) {
    const r = local(type.results[0]!);
    const rm = type.params.length - 1;
    const unusual = c.depth;
    open(c, op.block);
    loadHart(c, hart.frm, I32);
    get(c, rm);
    get(c, rm);
    i32(c, 7);
    put(c, 0x46, op.select);
    brIf(c, unusual);
    way({
      c,
      local,
      r,
      giveUp: () => brIf(c, unusual),
      notice: (lost) => {
        loadHart(c, hart.fflags, I32);
        i32(c, 1);
        put(c, 0x71, 0x45);
        open(c, op.if);
        i32(c, 0);
        loadHart(c, hart.fflags, I32);
        lost();
        put(c, 0x72);
        access(c, 0x36, memory.hart, 4 * hart.fflags);
        end(c);
      },
    });
    get(c, r);
    pushCare(c);
    put(c, op.return);
    end(c);
  }
  byUnit(c, name, unit);
  pushCare(c);
  return finish(c, type, undefined);
}
