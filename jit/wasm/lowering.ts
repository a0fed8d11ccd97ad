// From the vocabulary to WebAssembly: the one place that says how an operation is written there. 64-bit values are
// i64, f32 and f64 values are wasm's own, with the bits that the guest sees. What an operation cannot do on its own
// (a fault, a rounding mode that is reserved) it leaves to the interpreter: the function is left at this instruction.
import { hart } from "../../src/cpu/hart.ts";
import type { Field, Node, Op } from "../../src/isa/vocabulary.ts";
import * as atomics from "./atomics.ts";
import * as checks from "./checks.ts";
import {
  access,
  type Code,
  call,
  end,
  get,
  i32,
  i64,
  i64Big,
  loadHart,
  memory,
  op,
  open,
  openIf,
  orElse,
  put,
  set,
  storeHart,
  tee,
  temp,
} from "./code.ts";
import { I32, I64 } from "./encoder.ts";
import { box } from "./float-helpers.ts";
import * as floats from "./floats.ts";
import type { Emit, Site } from "./site.ts";

/** Pushes the operands, then the instruction of those bytes. */
const plain =
  (...opcode: number[]): Emit =>
  (s, n) => {
    for (const a of n.args) s.push(a);
    put(s.code, ...opcode);
  };

const helped =
  (name: string): Emit =>
  (s, n) => {
    for (const a of n.args) s.push(a);
    call(s.code, s.helper(name));
  };

/** A shift of an i64 by an i32. */
const shift =
  (opcode: number): Emit =>
  (s, n) => {
    s.push(n.args[0]!);
    s.push(n.args[1]!);
    put(s.code, 0xad, opcode); // i64.extend_i32_u
  };

const masked =
  (mask: number): Emit =>
  (s, n) => {
    s.push(n.args[0]!);
    i64(s.code, mask);
    put(s.code, 0x83);
  };

/** Takes an operand into a local of its own. */
function bind(s: Site, n: Node, type: typeof I32 | typeof I64): number {
  if (n.op === "x" && s.at.fields[n.field as Field] !== 0) return s.x(s.at.fields[n.field as Field]);
  const local = temp(s.code, type);
  s.push(n);
  set(s.code, local);
  return local;
}

interface Width {
  readonly type: typeof I32 | typeof I64;
  readonly constant: (c: Code, value: number) => void;
  readonly eqz: number;
  readonly add: number;
  readonly sub: number;
  readonly ltU: number;
}
const wide: Width = { type: I64, constant: i64, eqz: 0x50, add: 0x7c, sub: 0x7d, ltU: 0x54 };
const narrow: Width = { type: I32, constant: i32, eqz: 0x45, add: 0x6a, sub: 0x6b, ltU: 0x49 };

/** WebAssembly's division traps where the guest's gives a value: by 0, and the least number by -1. */
const divide =
  (w: Width, opcode: number, kind: "div_s" | "div_u" | "rem"): Emit =>
  (s, n) => {
    const c = s.code;
    const a = bind(s, n.args[0]!, w.type);
    const b = bind(s, n.args[1]!, w.type);
    get(c, b);
    if (kind === "div_s") {
      w.constant(c, 1);
      put(c, w.add);
      w.constant(c, 2);
      put(c, w.ltU);
    } else put(c, w.eqz);
    openIf(c, false, w.type);
    if (kind === "div_s") {
      // -1 for x/0 and -x for x/-1
      w.constant(c, -1);
      w.constant(c, 0);
      get(c, a);
      put(c, w.sub);
      get(c, b);
      put(c, w.eqz, op.select);
    } else if (kind === "div_u") w.constant(c, -1);
    else get(c, a);
    orElse(c);
    get(c, a);
    get(c, b);
    put(c, opcode);
    end(c);
  };

/** i64.mul_wide_u and _s give the low half, then the high half. */
const highProduct =
  (opcode: number): Emit =>
  (s, n) => {
    const c = s.code;
    const high = temp(c, I64);
    for (const a of n.args) s.push(a);
    put(c, 0xfc, opcode);
    set(c, high);
    put(c, op.drop);
    get(c, high);
  };

/** The unsigned high product, less b where a is negative. */
const highProductMixed: Emit = (s, n) => {
  const c = s.code;
  const a = bind(s, n.args[0]!, I64);
  const b = bind(s, n.args[1]!, I64);
  const high = temp(c, I64);
  get(c, a);
  get(c, b);
  put(c, 0xfc, 22);
  set(c, high);
  put(c, op.drop);
  get(c, high);
  get(c, a);
  i64(c, 63);
  put(c, 0x87);
  get(c, b);
  put(c, 0x83, 0x7d);
};

/** Bytes, then halfwords, then words change places. */
const bswap: Emit = (s, n) => {
  const c = s.code;
  const v = temp(c, I64);
  s.push(n.args[0]!);
  set(c, v);
  for (const [by, mask] of [
    [8, 0x00ff00ff00ff00ffn],
    [16, 0x0000ffff0000ffffn],
  ] as const) {
    get(c, v);
    i64(c, by);
    put(c, 0x88);
    i64Big(c, mask);
    put(c, 0x83);
    get(c, v);
    i64Big(c, mask);
    put(c, 0x83);
    i64(c, by);
    put(c, 0x86, 0x84);
    set(c, v);
  }
  get(c, v);
  i64(c, 32);
  put(c, 0x89);
};

/** Per byte: the high bit of ((v & 0x7f) + 0x7f) | v says that it is not zero. */
const orcB: Emit = (s, n) => {
  const c = s.code;
  const v = temp(c, I64);
  s.push(n.args[0]!);
  tee(c, v);
  i64Big(c, 0x7f7f7f7f7f7f7f7fn);
  put(c, 0x83);
  i64Big(c, 0x7f7f7f7f7f7f7f7fn);
  put(c, 0x7c);
  get(c, v);
  put(c, 0x84);
  i64(c, 7);
  put(c, 0x88);
  i64Big(c, 0x0101010101010101n);
  put(c, 0x83);
  i64(c, 255);
  put(c, 0x7e);
};

/** The condition comes first in the vocabulary, last in WebAssembly. */
const select: Emit = (s, n) => {
  s.push(n.args[1]!);
  s.push(n.args[2]!);
  s.push(n.args[0]!);
  put(s.code, op.select);
};

const load =
  (size: 0 | 1 | 2 | 3, opcode: number, ...more: number[]): Emit =>
  (s, n) => {
    const offset = checks.address(s, n.args[0]!, size, "read");
    access(s.code, opcode, memory.guest, offset);
    put(s.code, ...more);
  };

const store =
  (size: 0 | 1 | 2 | 3, opcode: number): Emit =>
  (s, n) => {
    // The value first: it may be what the address was before.
    const value = bind(s, n.args[1]!, I64);
    const offset = checks.address(s, n.args[0]!, size, "write");
    get(s.code, value);
    access(s.code, opcode, memory.guest, offset);
  };

/** Stores of the floating-point file take the register's low bits as they are. */
const floatStore =
  (size: 1 | 2 | 3): Emit =>
  (s, n) => {
    const offset = checks.address(s, n.args[0]!, size, "write");
    get(s.code, s.f(s.at.fields[n.args[1]!.field as Field]));
    if (size === 3) access(s.code, 0x39, memory.guest, offset);
    else {
      put(s.code, 0xbd);
      access(s.code, size === 2 ? 0x3e : 0x3d, memory.guest, offset);
    }
  };

/** The register whose raw bits an operation reads. */
const rawBits =
  (...more: number[]): Emit =>
  (s, n) => {
    get(s.code, s.f(s.at.fields[n.args[0]!.field as Field]));
    put(s.code, 0xbd, ...more);
  };

const zeroBlock: Emit = (s, n) => {
  const c = s.code;
  // What is looked at is a byte of the block.
  if (s.watched) s.leave();
  const at = temp(c, I32);
  const from = checks.address(s, n.args[0]!, 0, "write");
  i32(c, from);
  put(c, 0x6a);
  i32(c, -64);
  put(c, 0x71);
  set(c, at);
  for (let offset = 0; offset < 64; offset += 8) {
    get(c, at);
    i64(c, 0);
    access(c, 0x37, memory.guest, offset);
  }
};

const leave: Emit = (s) => s.leave();
const nothing: Emit = () => {};

/** fflags, frm and fcsr, which are the only ones that a region has. */
const csr =
  (kind: "write" | "set" | "clear"): Emit =>
  (s, n) => {
    const c = s.code;
    const number = s.at.fields.imm;
    const [by, mask] = number === 1 ? [0, 31] : number === 2 ? [5, 7] : [0, 255];
    const [old, next] = [temp(c, I32), temp(c, I32)];
    loadHart(c, hart.frm, I32);
    i32(c, 5);
    put(c, 0x74);
    loadHart(c, hart.fflags, I32);
    put(c, 0x72);
    i32(c, by);
    put(c, 0x76);
    i32(c, mask);
    put(c, 0x71);
    set(c, old);
    s.push(n.args[2]!);
    open(c, op.if);
    s.push(n.args[1]!);
    put(c, 0xa7);
    if (kind === "clear") {
      i32(c, -1);
      put(c, 0x73);
    }
    if (kind !== "write") {
      get(c, old);
      put(c, kind === "set" ? 0x72 : 0x71);
    }
    i32(c, mask);
    put(c, 0x71);
    i32(c, by);
    put(c, 0x74);
    set(c, next);
    const value = temp(c, I32);
    if (number !== 2) {
      get(c, next);
      i32(c, 31);
      put(c, 0x71);
      set(c, value);
      storeHart(c, hart.fflags, value);
    }
    if (number !== 1) {
      get(c, next);
      i32(c, 5);
      put(c, 0x76);
      i32(c, 7);
      put(c, 0x71);
      set(c, value);
      storeHart(c, hart.frm, value);
    }
    end(c);
    floats.readCare(c, s.careful());
    get(c, old);
    put(c, 0xad);
  };

const { float } = floats;

export const emitters = {
  field: (s, n) => i32(s.code, s.at.fields[n.field!]),
  imm: (s) => i64(s.code, s.at.fields.imm),
  pc: (s) => i64(s.code, s.at.pc),
  next: (s) => i64(s.code, s.at.pc + s.at.fields.length),
  x: (s, n) => {
    const register = s.at.fields[n.field!];
    if (register === 0) i64(s.code, 0);
    else get(s.code, s.x(register));
  },
  "f16.reg": (s, n) => get(s.code, s.f(s.at.fields[n.field!])),
  "f32.reg": floats.unboxed,
  "f64.reg": (s, n) => get(s.code, s.f(s.at.fields[n.field!])),
  "i32.const": (s, n) => i32(s.code, n.n),
  "i64.const": (s, n) => i64(s.code, n.n),

  "i32.wrap": plain(0xa7),
  "i32.add": plain(0x6a),
  "i32.sub": plain(0x6b),
  "i32.mul": plain(0x6c),
  "i32.div_s": divide(narrow, 0x6d, "div_s"),
  "i32.div_u": divide(narrow, 0x6e, "div_u"),
  "i32.rem_s": divide(narrow, 0x6f, "rem"),
  "i32.rem_u": divide(narrow, 0x70, "rem"),
  "i32.shl": plain(0x74),
  "i32.shr_s": plain(0x75),
  "i32.shr_u": plain(0x76),
  "i32.rotl": plain(0x77),
  "i32.rotr": plain(0x78),
  "i32.clz": plain(0x67),
  "i32.ctz": plain(0x68),
  "i32.popcnt": plain(0x69),
  "i32.eq": plain(0x46),
  "i32.ne": plain(0x47),

  "i64.extend_i32_s": plain(0xac),
  "i64.extend_i32_u": plain(0xad),
  "i64.extend8_s": plain(0xc2),
  "i64.extend16_s": plain(0xc3),
  "i64.extend8_u": masked(0xff),
  "i64.extend16_u": masked(0xffff),
  "i64.add": plain(0x7c),
  "i64.sub": plain(0x7d),
  "i64.and": plain(0x83),
  "i64.or": plain(0x84),
  "i64.xor": plain(0x85),
  "i64.not": (s, n) => {
    s.push(n.args[0]!);
    i64(s.code, -1);
    put(s.code, 0x85);
  },
  "i64.shl": shift(0x86),
  "i64.shr_s": shift(0x87),
  "i64.shr_u": shift(0x88),
  "i64.rotl": shift(0x89),
  "i64.rotr": shift(0x8a),
  "i64.mul": plain(0x7e),
  "i64.mulh_s": highProduct(21),
  "i64.mulh_u": highProduct(22),
  "i64.mulh_su": highProductMixed,
  "i64.div_s": divide(wide, 0x7f, "div_s"),
  "i64.div_u": divide(wide, 0x80, "div_u"),
  "i64.rem_s": divide(wide, 0x81, "rem"),
  "i64.rem_u": divide(wide, 0x82, "rem"),
  "i64.clmul": helped("clmul"),
  "i64.clmulh": helped("clmulh"),
  "i64.clmulr": helped("clmulr"),
  "i64.clz": plain(0x79),
  "i64.ctz": plain(0x7a),
  "i64.popcnt": plain(0x7b),
  "i64.bswap": bswap,
  "i64.orc_b": orcB,
  "i64.eq": plain(0x51),
  "i64.ne": plain(0x52),
  "i64.lt_s": plain(0x53),
  "i64.lt_u": plain(0x54),
  "i64.ge_s": plain(0x59),
  "i64.ge_u": plain(0x5a),
  "i64.select": select,

  "i64.load8_s": load(0, 0x30),
  "i64.load8_u": load(0, 0x31),
  "i64.load16_s": load(1, 0x32),
  "i64.load16_u": load(1, 0x33),
  "i64.load32_s": load(2, 0x34),
  "i64.load32_u": load(2, 0x35),
  "i64.load64": load(3, 0x29),
  "f16.load": floats.halfLoad,
  "f32.load": load(2, 0x2a),
  "f64.load": load(3, 0x2b),
  store8: store(0, 0x3c),
  store16: store(1, 0x3d),
  store32: store(2, 0x3e),
  store64: store(3, 0x37),
  "f16.store": floatStore(1),
  "f32.store": floatStore(2),
  "f64.store": floatStore(3),
  zero_block: zeroBlock,
  touch_block: (s, n) => {
    checks.address(s, n.args[0]!, 0, "read");
    put(s.code, op.drop);
  },

  "i32.lr": atomics.loadReserved(2),
  "i64.lr": atomics.loadReserved(3),
  "i32.sc": atomics.storeConditional(2),
  "i64.sc": atomics.storeConditional(3),
  "i32.amo_swap": atomics.modify(2, 0x41),
  "i32.amo_add": atomics.modify(2, 0x1e),
  "i32.amo_xor": atomics.modify(2, 0x3a),
  "i32.amo_and": atomics.modify(2, 0x2c),
  "i32.amo_or": atomics.modify(2, 0x33),
  "i32.amo_min_s": atomics.choose(2, 0x48),
  "i32.amo_max_s": atomics.choose(2, 0x4a),
  "i32.amo_min_u": atomics.choose(2, 0x49),
  "i32.amo_max_u": atomics.choose(2, 0x4b),
  "i64.amo_swap": atomics.modify(3, 0x42),
  "i64.amo_add": atomics.modify(3, 0x1f),
  "i64.amo_xor": atomics.modify(3, 0x3b),
  "i64.amo_and": atomics.modify(3, 0x2d),
  "i64.amo_or": atomics.modify(3, 0x34),
  "i64.amo_min_s": atomics.choose(3, 0x53),
  "i64.amo_max_s": atomics.choose(3, 0x55),
  "i64.amo_min_u": atomics.choose(3, 0x54),
  "i64.amo_max_u": atomics.choose(3, 0x56),

  "f32.add": float.arithmetic("f32", "add"),
  "f32.sub": float.arithmetic("f32", "sub"),
  "f32.mul": float.arithmetic("f32", "mul"),
  "f32.div": float.arithmetic("f32", "div"),
  "f32.sqrt": float.arithmetic("f32", "sqrt"),
  "f32.madd": float.fused("f32", { negateProduct: false, negateAddend: false }),
  "f32.msub": float.fused("f32", { negateProduct: false, negateAddend: true }),
  "f32.nmsub": float.fused("f32", { negateProduct: true, negateAddend: false }),
  "f32.nmadd": float.fused("f32", { negateProduct: true, negateAddend: true }),
  "f32.min": float.extreme("f32", 0x96),
  "f32.max": float.extreme("f32", 0x97),
  "f32.minm": float.extreme("f32", 0x96),
  "f32.maxm": float.extreme("f32", 0x97),
  "f32.sgnj": float.sign("f32", "copy"),
  "f32.sgnjn": float.sign("f32", "negate"),
  "f32.sgnjx": float.sign("f32", "xor"),
  "f32.eq": float.compare("f32", "eq"),
  "f32.lt": float.compare("f32", "lt"),
  "f32.le": float.compare("f32", "le"),
  "f32.ltq": float.compare("f32", "lt"),
  "f32.leq": float.compare("f32", "le"),
  "f32.class": float.slow,
  "f32.round": float.slow,
  "f32.roundnx": float.slow,
  "f32.fli": float.slow,
  "f64.add": float.arithmetic("f64", "add"),
  "f64.sub": float.arithmetic("f64", "sub"),
  "f64.mul": float.arithmetic("f64", "mul"),
  "f64.div": float.arithmetic("f64", "div"),
  "f64.sqrt": float.arithmetic("f64", "sqrt"),
  "f64.madd": float.fused("f64", { negateProduct: false, negateAddend: false }),
  "f64.msub": float.fused("f64", { negateProduct: false, negateAddend: true }),
  "f64.nmsub": float.fused("f64", { negateProduct: true, negateAddend: false }),
  "f64.nmadd": float.fused("f64", { negateProduct: true, negateAddend: true }),
  "f64.min": float.extreme("f64", 0xa4),
  "f64.max": float.extreme("f64", 0xa5),
  "f64.minm": float.extreme("f64", 0xa4),
  "f64.maxm": float.extreme("f64", 0xa5),
  "f64.sgnj": float.sign("f64", "copy"),
  "f64.sgnjn": float.sign("f64", "negate"),
  "f64.sgnjx": float.sign("f64", "xor"),
  "f64.eq": float.compare("f64", "eq"),
  "f64.lt": float.compare("f64", "lt"),
  "f64.le": float.compare("f64", "le"),
  "f64.ltq": float.compare("f64", "lt"),
  "f64.leq": float.compare("f64", "le"),
  "f64.class": float.slow,
  "f64.round": float.slow,
  "f64.roundnx": float.slow,
  "f64.fli": float.slow,
  "i32.from_f32_s": float.toInteger("f32", "i32_s"),
  "i32.from_f32_u": float.toInteger("f32", "i32_u"),
  "i64.from_f32_s": float.toInteger("f32", "i64_s"),
  "i64.from_f32_u": float.toInteger("f32", "i64_u"),
  "i32.from_f64_s": float.toInteger("f64", "i32_s"),
  "i32.from_f64_u": float.toInteger("f64", "i32_u"),
  "i64.from_f64_s": float.toInteger("f64", "i64_s"),
  "i64.from_f64_u": float.toInteger("f64", "i64_u"),
  "i32.from_f64_mod": float.slow,
  "f32.from_i32_s": float.fromInteger(0xb2, true, true),
  "f32.from_i32_u": float.fromInteger(0xb3, true, true),
  "f32.from_i64_s": float.fromInteger(0xb4, false, true),
  "f32.from_i64_u": float.fromInteger(0xb5, false, true),
  "f64.from_i32_s": float.fromInteger(0xb7, true, false),
  "f64.from_i32_u": float.fromInteger(0xb8, true, false),
  "f64.from_i64_s": float.fromInteger(0xb9, false, true),
  "f64.from_i64_u": float.fromInteger(0xba, false, true),
  "f32.from_f64": float.demote,
  "f64.from_f32": float.promote,
  "f16.from_f32": float.slow,
  "f32.from_f16": float.slow,
  "f16.from_f64": float.slow,
  "f64.from_f16": float.slow,
  "f16.bits": rawBits(0xc3), // i64.extend16_s
  "f32.bits": rawBits(0xc4), // i64.extend32_s
  "f64.bits": rawBits(),
  "f16.from_bits": floats.halfFromBits,
  "f32.from_bits": plain(0xa7, 0xbe),
  "f64.from_bits": plain(0xbf),

  "csr.write": csr("write"),
  "csr.set": csr("set"),
  "csr.clear": csr("clear"),

  "x.set": (s, n) => {
    s.push(n.args[0]!);
    const register = s.at.fields[n.field!];
    if (register === 0) put(s.code, op.drop);
    else set(s.code, s.x(register));
  },
  // Half-precision values are boxed doubles on the stack already.
  "f16.set": (s, n) => {
    s.push(n.args[0]!);
    set(s.code, s.f(s.at.fields[n.field!]));
  },
  "f32.set": (s, n) => {
    s.push(n.args[0]!);
    box(s.code);
    set(s.code, s.f(s.at.fields[n.field!]));
  },
  "f64.set": (s, n) => {
    s.push(n.args[0]!);
    set(s.code, s.f(s.at.fields[n.field!]));
  },
  jump: plain(), // the target stays on the stack
  branch: plain(), // and so does the condition
  fence: (s) => put(s.code, 0xfe, 3, 0),
  "fence.i": leave,
  pause: nothing,
  wait_reservation: nothing,
  ecall: leave,
  ebreak: leave,
  illegal: leave,
} satisfies Record<Op, Emit> as Record<Op, Emit>;

/** Pushes the value of a node, or does its effect. */
export const emit: Emit = (s, n) => emitters[n.op](s, n);
