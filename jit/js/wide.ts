// High halves of 64-bit products, and quotients, made by a small WebAssembly module: a call takes 3 ns, where word pairs
// in JavaScript take 15 and more. The operations are those of wasm/lowering.ts; the
// functions take what those of src/cpu/arith.ts take, and leave the high word of the result in the hart.
import { type Hart, hart } from "../../src/cpu/hart.ts";
import { type Node, node, type Op, x } from "../../src/isa/vocabulary.ts";
import { finish, get, i64, newCode, newLocal, put, set, storeHart } from "../wasm/code.ts";
import { encodeModule, I32, I64 } from "../wasm/encoder.ts";
import { emit } from "../wasm/lowering.ts";
import type { Site } from "../wasm/site.ts";

/** By the names that src/cpu/lowering.ts uses. */
const operations = {
  mulh64u: "i64.mulh_u",
  mulh64s: "i64.mulh_s",
  mulh64su: "i64.mulh_su",
  div64u: "i64.div_u",
  div64s: "i64.div_s",
  rem64u: "i64.rem_u",
  rem64s: "i64.rem_s",
} as const satisfies Record<string, Op>;

/** Where the functions leave the high word of a result. */
export const highWord = `R[${hart.result + 1}]`;

const type = { params: [I32, I32, I32, I32], results: [I32] } as const;

function functionOf(name: string, op: Op, hartAt: number) {
  const c = newCode(type.params, hartAt);
  const operands = [newLocal(c, I64), newLocal(c, I64)];
  const result = newLocal(c, I64);
  operands.forEach((operand, i) => {
    const [extend, shiftLeft, or] = [0xad, 0x86, 0x84];
    get(c, 2 * i);
    put(c, extend);
    get(c, 2 * i + 1);
    put(c, extend);
    i64(c, 32);
    put(c, shiftLeft, or);
    set(c, operand);
  });
  // These operations ask for no more than their operands.
  const site = {
    code: c,
    at: { pc: 0, fields: { name, row: 0, length: 4, rd: 0, rs1: 1, rs2: 2, rs3: 0, rm: 0, imm: 0 }, does: [] },
    push: (n: Node): void => emit(site as unknown as Site, n),
    x: (register: number): number => operands[register - 1]!,
  } satisfies Partial<Site>;
  site.push(node(op, x("rs1"), x("rs2")));
  set(c, result);
  storeHart(c, hart.result, result);
  get(c, result);
  put(c, 0xa7); // i32.wrap_i64
  return finish(c, type, name);
}

/** The functions, for a hart in that memory. */
export function wideArithmetic(h: Hart, memory: WebAssembly.Memory): Record<string, unknown> {
  const imports = [{ module: "m", name: "memory", kind: "memory", minimum: 1, maximum: 65536, shared: true }] as const;
  const functions = Object.entries(operations).map(([name, op]) => functionOf(name, op, h.i32.byteOffset));
  const module = new WebAssembly.Module(encodeModule({ types: [], imports, functions, elements: [] }));
  return new WebAssembly.Instance(module, { m: { memory } }).exports;
}
