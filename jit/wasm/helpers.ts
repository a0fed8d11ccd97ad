// Functions that translated code calls for what is not its usual case: looking pages up, carry-less products, floating
// point that needs care. They are reached by name; names that are operations of the vocabulary stand
// for the floating-point unit's functions, which are imported under the same names.
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
import {
  encodeModule,
  F32,
  F64,
  type FunctionCode,
  type FunctionType,
  I32,
  I64,
  type Import,
  type ValueType,
} from "./encoder.ts";
import { box } from "./floats.ts";
import { isUsualProduct, productError, sumError, toOdd } from "./twofold.ts";

/** What an operation of the floating-point unit is imported as: register numbers and words, all i32; answers a status. */
function unitType(name: Op): FunctionType {
  const [result, ...operands]: readonly Type[] = ops[name];
  const count = operands.reduce((n, t) => n + (t === "i64" ? 2 : 1), result === "i64" ? 0 : 1);
  return { params: Array<ValueType>(count).fill(I32), results: [I32] };
}

const value = { i32: I32, i64: I64, f16: F64, f32: F32, f64: F64, void: I32 } as const;

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

function typeOf(name: Op): FunctionType {
  const [result, ...operands]: readonly Type[] = ops[name];
  return { params: operands.map((t) => value[t]), results: [value[result!]] };
}

const unitHelper = (name: Op, unit: number, state: number): FunctionCode => {
  const type = typeOf(name);
  const c = newCode(type.params, state);
  byUnit(c, name, unit);
  return finish(c, type, undefined);
};

/** 0 where the mode is to nearest even and the inexact flag is set, else -1. */
function carefulHelper(state: number): FunctionCode {
  const type = helperType("careful");
  const c = newCode([], state);
  i32(c, -1);
  i32(c, 0);
  loadHart(c, hart.fflags, I32);
  i32(c, 1);
  put(c, 0x71, 0x45);
  loadHart(c, hart.frm, I32);
  put(c, 0x72, op.select);
  return finish(c, type, undefined);
}

/** The carry-less product's bits from `from` on. */
function carrylessHelper(from: 0 | 63 | 64, state: number): FunctionCode {
  const type = helperType("clmul");
  const c = newCode(type.params, state);
  const [a, b] = [0, 1];
  const [low, high, bit] = [newLocal(c, I64), newLocal(c, I64), newLocal(c, I64)];
  const again = c.depth;
  open(c, op.loop);
  // mask = -(b >> bit & 1)
  const mask = newLocal(c, I64);
  i64(c, 0);
  get(c, b);
  get(c, bit);
  put(c, 0x88);
  i64(c, 1);
  put(c, 0x83, 0x7d);
  set(c, mask);
  get(c, low);
  get(c, a);
  get(c, bit);
  put(c, 0x86);
  get(c, mask);
  put(c, 0x83, 0x85);
  set(c, low);
  // a >> (64 - bit), 0 for bit 0
  get(c, high);
  get(c, a);
  i64(c, 1);
  put(c, 0x88);
  i64(c, 63);
  get(c, bit);
  put(c, 0x7d, 0x88);
  get(c, mask);
  put(c, 0x83, 0x85);
  set(c, high);
  get(c, bit);
  i64(c, 1);
  put(c, 0x7c);
  tee(c, bit);
  i64(c, 64);
  put(c, 0x54);
  brIf(c, again);
  end(c);
  if (from === 0) get(c, low);
  else if (from === 64) get(c, high);
  else {
    get(c, high);
    i64(c, 1);
    put(c, 0x86);
    get(c, low);
    i64(c, 63);
    put(c, 0x88, 0x84);
  }
  return finish(c, type, undefined);
}

/**
 * a * b + c rounded once, to nearest even, while the inexact flag is set anyway: the way of src/cpu/float/double.ts.
 * What is not between its bounds is the unit's. Code that is sure of the result in nearly all cases stands inline.
 */
function fusedDouble(unit: number, state: number): FunctionCode {
  const type = typeOf("f64.madd");
  const c = newCode(type.params, state);
  const [a, b, addend] = [0, 1, 2] as const;
  const local = (): number => newLocal(c, F64);
  const [p, s, e, r, t, rest] = [local(), local(), local(), local(), local(), local()];
  const unusual = c.depth;
  open(c, op.block);
  get(c, a);
  get(c, b);
  put(c, 0xa2);
  tee(c, p);
  get(c, addend);
  put(c, 0xa0);
  set(c, s);
  // A product with a zero in it is exact.
  get(c, s);
  get(c, s);
  put(c, 0xa1);
  f64(c, 0);
  put(c, 0x61);
  get(c, a);
  f64(c, 0);
  put(c, 0x61);
  get(c, b);
  f64(c, 0);
  put(c, 0x61, 0x72, 0x71);
  open(c, op.if);
  get(c, s);
  put(c, op.return);
  end(c);
  isUsualProduct(c, p);
  put(c, 0x45);
  brIf(c, unusual, false);
  productError(c, a, b, p);
  set(c, e);
  sumError(c, p, addend, s);
  tee(c, r);
  get(c, e);
  put(c, 0xa0);
  set(c, t);
  sumError(c, r, e, t);
  set(c, rest);
  toOdd(c, t, rest);
  get(c, s);
  get(c, t);
  put(c, 0xa0);
  tee(c, t);
  get(c, t);
  get(c, t);
  put(c, 0xa1);
  f64(c, 0);
  put(c, 0x62);
  brIf(c, unusual, false);
  put(c, op.return);
  end(c);
  byUnit(c, "f64.madd", unit);
  return finish(c, type, undefined);
}

/** The product of two f32 is an exact double; the sum is rounded to odd, then to f32. */
function fusedSingle(unit: number, state: number): FunctionCode {
  const type = typeOf("f32.madd");
  const c = newCode(type.params, state);
  const [p, addend, s, rest] = [newLocal(c, F64), newLocal(c, F64), newLocal(c, F64), newLocal(c, F64)];
  const r = newLocal(c, F32);
  open(c, op.block);
  get(c, 0);
  put(c, 0xbb);
  get(c, 1);
  put(c, 0xbb, 0xa2);
  tee(c, p);
  get(c, 2);
  put(c, 0xbb);
  tee(c, addend);
  put(c, 0xa0);
  set(c, s);
  sumError(c, p, addend, s);
  set(c, rest);
  toOdd(c, s, rest);
  get(c, s);
  put(c, 0xb6);
  tee(c, r);
  put(c, 0xbc);
  i32(c, 23);
  put(c, 0x76);
  i32(c, 0xff);
  put(c, 0x71);
  i32(c, 2);
  put(c, 0x6b);
  i32(c, 0xfd);
  put(c, 0x4f);
  brIf(c, 0, false);
  get(c, r);
  put(c, op.return);
  end(c);
  byUnit(c, "f32.madd", unit);
  return finish(c, type, undefined);
}

/** Whether the helper is the floating-point unit's operation of that name. */
const isUnit = (name: string): name is Op => name in ops && !name.startsWith("i64.clmul");

/** The operation that a helper imports. */
const unitOf = (name: string): Op | undefined =>
  name === "f64.fused" ? "f64.madd" : name === "f32.fused" ? "f32.madd" : isUnit(name) ? name : undefined;

/** The helper of that name. The unit's function that it needs is function 0. */
/** `state`: byte offset of the hart's state in the memory. */
function makeHelper(name: string, state: number): FunctionCode {
  switch (name) {
    case "careful":
      return carefulHelper(state);
    case "clmul":
      return carrylessHelper(0, state);
    case "clmulr":
      return carrylessHelper(63, state);
    case "clmulh":
      return carrylessHelper(64, state);
    case "f64.fused":
      return fusedDouble(0, state);
    case "f32.fused":
      return fusedSingle(0, state);
    default:
      if (isUnit(name)) return unitHelper(name, 0, state);
      throw new RangeError(`there is no helper ${name}`);
  }
}

/** The type of the helper of that name. */
export function helperType(name: string): FunctionType {
  switch (name) {
    case "careful":
      return { params: [], results: [I32] };
    case "clmul":
    case "clmulr":
    case "clmulh":
      return { params: [I64, I64], results: [I64] };
    default:
      return typeOf(unitOf(name)!);
  }
}

/** The memories that all code imports, in the order of their numbers. */
export const memoryImport: Import = {
  module: "env",
  name: "memory",
  kind: "memory",
  minimum: 1,
  maximum: 65536,
  shared: true,
};

export interface Place {
  /** Of the guest, with all that src/memory/guest-memory.ts puts there. */
  readonly memory: WebAssembly.Memory;
  /** Byte offset of the hart's state in it. */
  readonly hart: number;
}

/** Gives helpers by name; each is made when it is first asked for. `unit`: functions by the names of operations. */
export function makeHelpers(
  { memory, hart }: Place,
  unit: Readonly<Record<string, (...operands: number[]) => number>>,
): (name: string) => CallableFunction {
  const made = new Map<string, CallableFunction>();
  return (name) => {
    const known = made.get(name);
    if (known !== undefined) return known;
    const needed = unitOf(name);
    const imports: Import[] = [memoryImport];
    if (needed !== undefined) imports.push({ module: "unit", name: needed, kind: "function", type: unitType(needed) });
    const bytes = encodeModule({ types: [], imports, functions: [{ ...makeHelper(name, hart), name }], elements: [] });
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
      env: { memory },
      unit: needed === undefined ? {} : { [needed]: unit[needed]! },
    });
    const helper = instance.exports[name] as CallableFunction;
    made.set(name, helper);
    return helper;
  };
}
