// Functions that translated code calls for what is not its usual case: looking pages up, carry-less products, floating
// point that needs care (float-helpers.ts). They are reached by name; names that are operations of the vocabulary stand
// for the floating-point unit's functions, which are imported under the same names.
import { type Op, ops } from "../../src/isa/vocabulary.ts";
import { brIf, end, finish, get, i64, newCode, newLocal, op, open, put, set, tee } from "./code.ts";
import { encodeModule, type FunctionCode, type FunctionType, I64, type Import } from "./encoder.ts";
import { floatHelper, floatHelperType, unitType } from "./float-helpers.ts";

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

/** Whether the helper is the floating-point unit's operation of that name. */
const isUnit = (name: string): name is Op => name in ops && !name.startsWith("i64.clmul");

/** The helper of that name. The unit's function that it needs is function 0. `state`: byte offset of the hart's state. */
function makeHelper(name: string, state: number): FunctionCode {
  switch (name) {
    case "clmul":
      return carrylessHelper(0, state);
    case "clmulr":
      return carrylessHelper(63, state);
    case "clmulh":
      return carrylessHelper(64, state);
    default:
      if (isUnit(name)) return floatHelper(name, 0, state);
      throw new RangeError(`there is no helper ${name}`);
  }
}

/** The type of the helper of that name. */
export function helperType(name: string): FunctionType {
  switch (name) {
    case "clmul":
    case "clmulr":
    case "clmulh":
      return { params: [I64, I64], results: [I64] };
    default:
      return floatHelperType(name as Op);
  }
}

/** The memory that all code imports: see src/memory/guest-memory.ts for what it holds. */
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
    const needed = isUnit(name) ? name : undefined;
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
