// From the vocabulary to JavaScript text: the one place that says how an operation is written in JavaScript.
// 64-bit values are pairs of int32 expressions. What differs between engines (where registers live, how control leaves)
// is a `Site`. The emitted text runs in a scope that has the names of `src/cpu/scope.ts`.
import { type Field, isPcRelative, type Node, type Op } from "../isa/vocabulary.ts";
import { Page } from "../memory/guest-memory.ts";
import { floatName } from "./float/fpu-type.ts";
import {
  bind,
  bitwise,
  constant,
  copy,
  flag,
  isSigned,
  known,
  less,
  literal,
  pair,
  plus,
  productHigh,
  rotateLeft,
  rotateLeftBy,
  type Statements,
  same,
  shiftLeftBy,
  shiftRightBy,
  shiftRightSignedBy,
  signed,
  type Text,
  temp,
  word,
} from "./text.ts";

/** Where the text stands. Statement-giving members answer text that ends control there, or lets it fall through. */
export interface Site {
  /** Number expression of a field: register number, or rounding mode. */
  readonly field: (name: Field) => string;
  readonly imm: () => Text;
  readonly pc: () => Text;
  readonly next: () => Text;
  readonly x: (name: Field) => Text;
  /** An integer register by its number, where conditions of a debugger are lowered. */
  readonly register?: (n: number) => Text;
  readonly setX: (name: Field, value: Text) => string;
  /** Word index expression of a floating-point register's low word in `R`. */
  readonly f: (name: Field) => string;
  readonly jump: (target: Text) => string;
  /** To pc + imm. */
  readonly jumpRelative: () => string;
  readonly branch: (condition: string) => string;
  /** Leaves with the trap that a slow path recorded. */
  readonly fault: () => string;
  readonly illegal: () => string;
  /** Leaves with a cause of hart.ts and no address. */
  readonly trap: (cause: "ecall" | "breakpoint") => string;
  /** Leaves so that the count of instructions is exact, then runs this instruction again. */
  readonly recount: () => string;
  readonly fenceI: () => string;
  /** Where products and quotients leave their high word; by default `wide[0]`, where functions of arith.ts do. */
  readonly high?: string;
  /**
   * Whether the condition under which a load or store may not be done here is known to be another than the usual one:
   * text, empty where it may always. Only asked where `interpret` is there.
   */
  readonly guard?: (address: Node) => string | undefined;
  /** Whether a sum of a register and an immediate is known to have the high word 0. */
  readonly isAddress?: (sum: Node) => boolean;
  /**
   * Where others may run on the same memory: the condition under which eight bytes that are aligned are read and written at once,
   * by `load64` and `store64` of at-once.ts; empty for always.
   */
  readonly atOnce?: string;
  /** Where it is there, memory accesses that are not aligned, or refused, leave through it instead of being done here. */
  readonly interpret?: () => string;
}

/** Collects the statements of one instruction. */
interface Out extends Statements {
  readonly site: Site;
}

type Emit = (o: Out, args: readonly Text[], n: Node) => Text;

const none: Text = { lo: "", hi: "" };

const both =
  (op: "&" | "|" | "^"): Emit =>
  (o, [a, b]) =>
    isSigned(a!) && isSigned(b!)
      ? signed(o, bitwise(op, a!.lo, b!.lo))
      : { lo: bitwise(op, a!.lo, b!.lo), hi: bitwise(op, a!.hi, b!.hi) };

/** A function of arith.ts that takes two pairs and leaves the high word in `wide`. */
const wideCall =
  (name: string, high?: (s: Site) => string | undefined): Emit =>
  (o, [a, b]) => {
    const lo = bind(o, `${name}(${a!.lo},${a!.hi},${b!.lo},${b!.hi})`);
    return { lo, hi: bind(o, high?.(o.site) ?? "wide[0]") };
  };

/** The same of those functions for which a site may have its own. */
const product = (name: string): Emit => wideCall(name, (s) => s.high);

const i32Binary =
  (f: (a: string, b: string) => string): Emit =>
  (_o, [a, b]) =>
    word(f(a!.lo, b!.lo));

/** Shifts by a variable amount: `s & 32` chooses the half; JavaScript takes the amount modulo 32, and ~s is 31 - s. */
const shift =
  (f: (s: string, lo: string, hi: string) => Text, known: (o: Out, s: number, v: Text) => Text): Emit =>
  (o, [a, b]) => {
    const v = pair(o, a!);
    const s = bind(o, b!.lo);
    const n = literal(s);
    return n === undefined ? f(s, v.lo, v.hi) : (n & 63) === 0 ? v : known(o, n & 63, v);
  };

const bytesOf = { "8": 1, "16": 2, "32": 4, "64": 8 } as const;
type Bits = keyof typeof bytesOf;

// Bits of the page table that are looked at on the fast path, and what they must be.
const loadMask = Page.read | Page.watch;
const loadBits = Page.read;
const storeMask = Page.write | Page.code | Page.watch;
const storeBits = Page.write;

const fastElement = (bits: Bits, a: string): string =>
  ({ "8": `U8[${a}>>>0]`, "16": `U16[${a}>>>1]`, "32": `I32[${a}>>>2]`, "64": `I32[${a}>>>2]` })[bits];

/** The words of an aligned access. The first is read before the second. */
function elements(o: Out, bits: Bits, a: string): readonly [lo: string, hi: string] {
  const lo = fastElement(bits, a);
  if (bits !== "64") return [lo, "0"];
  const { atOnce } = o.site;
  const hi = `I32[(${a}>>>2)+1]`;
  if (atOnce === undefined) return [lo, hi];
  const call = `load64(${a},HIGH)`;
  return atOnce === "" ? [call, "R[RESULT+1]"] : [`${atOnce}?${call}:${lo}`, `${atOnce}?R[RESULT+1]:${hi}`];
}

/** Writes the words of an aligned access. */
function assign(o: Out, bits: Bits, a: string, v: Text): string {
  const words = `${fastElement(bits, a)}=${v.lo};${bits === "64" ? `I32[(${a}>>>2)+1]=${v.hi};` : ""}`;
  const { atOnce } = o.site;
  if (bits !== "64" || atOnce === undefined) return words;
  const call = `store64(${a},${v.lo},${v.hi});`;
  return atOnce === "" ? call : `if(${atOnce}){${call}}else{${words}}`;
}

const aligned = (bits: Bits, a: string): string => (bits === "8" ? "" : `&&(${a}&${bytesOf[bits] - 1})===0`);

/**
 * The high word to test on the fast path. For a register plus an offset the register's own will do: where the sum crosses
 * into another high word, its low word lies within 2 KiB of the ends of the address space, where nothing is ever mapped.
 */
function highWord(o: Out, addr: Text, n: Node): string {
  const [base, offset] = n.op === "i64.add" ? n.args : [];
  return base?.op === "x" && offset?.op === "imm" ? o.site.x(base.field!).hi : addr.hi;
}

/** Bits of the page table that are looked at before an access, and what they must be. */
const accessMask = { load: loadMask, store: storeMask, both: loadMask | storeMask } as const;
const accessBits = { load: loadBits, store: storeBits, both: loadBits | storeBits } as const;

/** Not 0 where a page does not allow such accesses on the fast path. */
export const pageRefuses = (address: string, kind: keyof typeof accessMask): string =>
  `(P[${address}>>>12]&${accessMask[kind]}^${accessBits[kind]})`;

/**
 * Leaves where the fast path may not be taken. One test of all bits that must be 0: a test of its own for each makes the
 * engine's compilers take much longer.
 */
function leaveUnless(o: Out, bits: Bits, a: string, addr: Text, n: Node, kind: "load" | "store"): void {
  const high = highWord(o, addr, n);
  const slow =
    o.site.guard?.(n) ??
    [
      ...(high === "0" ? [] : [high]),
      pageRefuses(a, kind),
      ...(bits === "8" ? [] : [`(${a}&${bytesOf[bits] - 1})`]),
    ].join("|");
  if (slow !== "") o.text += `if((${slow})!==0){${o.site.interpret!()}}`;
}

/** A load of `bits` into fresh temporaries, zero-extended within the low word. `n` states the address. */
function load(o: Out, bits: Bits, addr: Text, n: Node): Text {
  const a = bind(o, addr.lo);
  if (o.site.interpret) {
    leaveUnless(o, bits, a, addr, n, "load");
    const [low, high] = elements(o, bits, a);
    return { lo: bind(o, low), hi: bits === "64" ? bind(o, high) : "0" };
  }
  const lo = temp(o);
  const hi = bits === "64" ? temp(o) : "0";
  const [lowElement, highElement] = elements(o, bits, a);
  const high = bits === "64" ? `${hi}=${highElement};` : "";
  const slowHigh = bits === "64" ? `${hi}=wide[0];` : "";
  o.text +=
    `if((${highWord(o, addr, n)})===0&&(P[${a}>>>12]&${loadMask})===${loadBits}${aligned(bits, a)}){${lo}=${lowElement};${high}}` +
    `else{${lo}=slowLoad(${a},${addr.hi},${bytesOf[bits]});if(R[TRAPPED]!==0){${o.site.fault()}}${slowHigh}}`;
  return { lo, hi };
}

function store(o: Out, bits: Bits, addr: Text, n: Node, value: Text): void {
  const a = bind(o, addr.lo);
  const v = { lo: bind(o, value.lo), hi: bits === "64" ? bind(o, value.hi) : "0" };
  if (o.site.interpret) {
    leaveUnless(o, bits, a, addr, n, "store");
    o.text += assign(o, bits, a, v);
    return;
  }
  o.text +=
    `if((${highWord(o, addr, n)})===0&&(P[${a}>>>12]&${storeMask})===${storeBits}${aligned(bits, a)}){${assign(o, bits, a, v)}}` +
    `else{slowStore(${a},${addr.hi},${bytesOf[bits]},${v.lo},${v.hi});if(R[TRAPPED]!==0){${o.site.fault()}}}`;
}

const storeOf =
  (bits: Bits): Emit =>
  (o, [a, v], n) => {
    store(o, bits, a!, n.args[0]!, v!);
    return none;
  };

/** Stores of the floating-point file take the register's words as they are. */
const floatStore =
  (bits: Bits): Emit =>
  (o, [a], n) => {
    const cell = bind(o, o.site.f(n.args[1]!.field!));
    store(o, bits, a!, n.args[0]!, { lo: `R[${cell}]`, hi: `R[${cell}+1]` });
    return none;
  };

/** Atomics of scope.ts: `name(operation, size, address, operand)`; the high word of the result in `wide`. */
const atomic =
  (name: string, ...fixed: (string | number)[]): Emit =>
  (o, args) => {
    const operands = args.flatMap((a) => [a.lo, a.hi]);
    const lo = bind(o, `${name}(${[...fixed, ...operands].join(",")})`);
    o.text += `if(R[TRAPPED]!==0){${o.site.fault()}}`;
    return { lo, hi: bind(o, "wide[0]") };
  };

/** A call of the floating-point unit, which works on register numbers and answers not 0 for a reserved rounding mode. */
function floatCall(o: Out, n: Node, args: readonly Text[], rd: string | undefined): void {
  const operands = n.args.flatMap((a, i) => (a.type === "i64" ? [args[i]!.lo, args[i]!.hi] : [args[i]!.lo]));
  const call = `${floatName(n.op)}(${[...(rd === undefined ? [] : [rd]), ...operands].join(",")})`;
  const rounds = n.args.some((a) => a.op === "field" && a.field === "rm");
  o.text += rounds ? `if(${call}!==0){${o.site.illegal()}}` : `${call};`;
}

/** The name in the scope of a floating-point operation. */

/** Gives an integer: the unit leaves it in the hart's `result`. */
const floatToInteger: Emit = (o, args, n) => {
  floatCall(o, n, args, undefined);
  return { lo: "R[RESULT]", hi: "R[RESULT+1]" };
};

/** Gives a register value: written by `setFloat`, which calls the unit with the destination. */
const floatToFloat: Emit = () => none;

/** A write of the floating-point file; the value's operation is made right into the register. */
const setFloat: Emit = (o, _args, n) => {
  const value = n.args[0]!;
  const rd = n.field!;
  const inline = inlineFloat[value.op];
  if (inline) {
    const cell = bind(o, o.site.f(rd));
    inline(o, cell, value);
    return none;
  }
  floatCall(
    o,
    value,
    value.args.map((a) => emit(o, a)),
    o.site.field(rd),
  );
  return none;
};

/** Loads and moves write the register's words without the unit. */
const inlineFloat: { readonly [K in Op]?: (o: Out, cell: string, value: Node) => void } = {
  "f16.load": (o, cell, v) => {
    const value = load(o, "16", emit(o, v.args[0]!), v.args[0]!);
    o.text += `R[${cell}]=${value.lo}|0xffff0000;R[${cell}+1]=-1;`;
  },
  "f32.load": (o, cell, v) => {
    const value = load(o, "32", emit(o, v.args[0]!), v.args[0]!);
    o.text += `R[${cell}]=${value.lo};R[${cell}+1]=-1;`;
  },
  "f64.load": (o, cell, v) => {
    const value = load(o, "64", emit(o, v.args[0]!), v.args[0]!);
    o.text += `R[${cell}]=${value.lo};R[${cell}+1]=${value.hi};`;
  },
  "f32.from_bits": (o, cell, v) => {
    const value = emit(o, v.args[0]!);
    o.text += `R[${cell}]=${value.lo};R[${cell}+1]=-1;`;
  },
  "f64.from_bits": (o, cell, v) => {
    const value = pair(o, emit(o, v.args[0]!));
    o.text += `R[${cell}]=${value.lo};R[${cell}+1]=${value.hi};`;
  },
};

/** The low words of a register as they are, sign-extended. */
const bitsOf =
  (read: (cell: string) => string): Emit =>
  (o, _args, n) =>
    signed(o, read(bind(o, o.site.f(n.args[0]!.field!))));

const csr =
  (kind: string): Emit =>
  (o, [number, value, writes]) => {
    const status = bind(o, `csrAccess(${JSON.stringify(kind)},${number!.lo},${value!.lo},${writes!.lo})`);
    o.text += `if(${status}!==0){if(${status}===2){${o.site.recount()}}${o.site.illegal()}}`;
    return { lo: "R[RESULT]", hi: "R[RESULT+1]" };
  };

const effect =
  (f: (o: Out, args: readonly Text[]) => string): Emit =>
  (o, args) => {
    o.text += f(o, args);
    return none;
  };

const emitters = {
  field: (o, _a, n) => word(o.site.field(n.field!)),
  imm: (o) => o.site.imm(),
  pc: (o) => o.site.pc(),
  next: (o) => o.site.next(),
  x: (o, _a, n) => pair(o, n.field === undefined ? o.site.register!(n.n) : o.site.x(n.field)),
  "f16.reg": (o, _a, n) => word(o.site.field(n.field!)),
  "f32.reg": (o, _a, n) => word(o.site.field(n.field!)),
  "f64.reg": (o, _a, n) => word(o.site.field(n.field!)),
  "i32.const": (_o, _a, n) => word(String(n.n | 0)),
  "i64.const": (_o, _a, n) => constant(n.n),

  "i32.wrap": (_o, [a]) => word(a!.lo),
  "i32.add": i32Binary((a, b) => `((${a}+${b})|0)`),
  "i32.sub": i32Binary((a, b) => `((${a}- ${b})|0)`),
  "i32.mul": i32Binary((a, b) => `Math.imul(${a},${b})`),
  "i32.div_s": i32Binary((a, b) => `div32s(${a},${b})`),
  "i32.div_u": i32Binary((a, b) => `div32u(${a},${b})`),
  "i32.rem_s": i32Binary((a, b) => `rem32s(${a},${b})`),
  "i32.rem_u": i32Binary((a, b) => `rem32u(${a},${b})`),
  "i32.shl": i32Binary((a, b) => `(${a}<<${b})`),
  "i32.shr_s": i32Binary((a, b) => `(${a}>>${b})`),
  "i32.shr_u": i32Binary((a, b) => `((${a}>>>${b})|0)`),
  "i32.rotl": (o, [a, b]) => {
    const [v, s] = [bind(o, a!.lo), bind(o, b!.lo)];
    return word(`((${v}<<${s})|((${v}>>>1)>>>~${s}))`);
  },
  "i32.rotr": (o, [a, b]) => {
    const [v, s] = [bind(o, a!.lo), bind(o, b!.lo)];
    return word(`((${v}>>>${s})|((${v}<<1)<<~${s}))`);
  },
  "i32.clz": (_o, [a]) => word(`Math.clz32(${a!.lo})`),
  "i32.ctz": (_o, [a]) => word(`ctz32(${a!.lo})`),
  "i32.popcnt": (_o, [a]) => word(`popcnt32(${a!.lo})`),
  "i32.eq": (_o, [a, b]) => flag(`${a!.lo}===${b!.lo}`),
  "i32.ne": (_o, [a, b]) => flag(`${a!.lo}!==${b!.lo}`),

  "i64.extend_i32_s": (o, [a]) => signed(o, a!.lo),
  "i64.extend_i32_u": (_o, [a]) => word(a!.lo),
  "i64.extend8_s": (o, [a]) => signed(o, `(${a!.lo}<<24>>24)`),
  "i64.extend16_s": (o, [a]) => signed(o, `(${a!.lo}<<16>>16)`),
  "i64.extend8_u": (_o, [a]) => word(`(${a!.lo}&255)`),
  "i64.extend16_u": (_o, [a]) => word(`(${a!.lo}&65535)`),
  "i64.add": (o, [a, b], n) => {
    const sum = known(a!) + known(b!);
    if (Number.isSafeInteger(sum)) return constant(sum);
    const al = bind(o, a!.lo);
    if (b!.lo === "0" && b!.hi === "0") return { lo: al, hi: a!.hi };
    if (al === "0" && a!.hi === "0") return b!;
    const lo = bind(o, `(${al}+${b!.lo})|0`);
    if (o.site.isAddress?.(n)) return word(lo);
    return { lo, hi: `((${plus(a!.hi, b!.hi)}+((${lo}>>>0)<(${al}>>>0)?1:0))|0)` };
  },
  "i64.sub": (o, [a, b]) => {
    const [al, bl] = [bind(o, a!.lo), bind(o, b!.lo)];
    return { lo: `((${al}- ${bl})|0)`, hi: `((${a!.hi}- ${b!.hi}-((${al}>>>0)<(${bl}>>>0)?1:0))|0)` };
  },
  "i64.and": both("&"),
  "i64.or": both("|"),
  "i64.xor": both("^"),
  "i64.not": (o, [a]) => (isSigned(a!) ? signed(o, `(~${a!.lo})`) : { lo: `(~${a!.lo})`, hi: `(~${a!.hi})` }),
  "i64.shl": shift(
    (s, lo, hi) => ({
      lo: `(${s}&32?0:${lo}<<${s})`,
      hi: `(${s}&32?${lo}<<${s}:(${hi}<<${s})|((${lo}>>>1)>>>~${s}))`,
    }),
    shiftLeftBy,
  ),
  "i64.shr_u": shift(
    (s, lo, hi) => ({
      lo: `((${s}&32?${hi}>>>${s}:(${lo}>>>${s})|((${hi}<<1)<<~${s}))|0)`,
      hi: `((${s}&32?0:${hi}>>>${s})|0)`,
    }),
    shiftRightBy,
  ),
  "i64.shr_s": shift(
    (s, lo, hi) => ({
      lo: `(${s}&32?${hi}>>${s}:(${lo}>>>${s})|((${hi}<<1)<<~${s}))`,
      hi: `(${s}&32?${hi}>>31:${hi}>>${s})`,
    }),
    shiftRightSignedBy,
  ),
  "i64.rotl": shift(rotateLeft, rotateLeftBy),
  "i64.rotr": (o, [a, b]) => {
    const v = pair(o, a!);
    const s = bind(o, b!.lo);
    const n = literal(s);
    if (n !== undefined) return (n & 63) === 0 ? v : rotateLeftBy(o, 64 - (n & 63), v);
    return rotateLeft(bind(o, `(-${s})&63`), v.lo, v.hi);
  },
  "i64.mul": (o, [a, b]) => {
    const [x, y] = [pair(o, a!), pair(o, b!)];
    const high = `((mulhu32(${x.lo},${y.lo})+${productHigh(x.lo, y.hi)}+${productHigh(x.hi, y.lo)})|0)`;
    return { lo: bind(o, `Math.imul(${x.lo},${y.lo})`), hi: bind(o, high) };
  },
  "i64.mulh_s": product("mulh64s"),
  "i64.mulh_u": product("mulh64u"),
  "i64.mulh_su": product("mulh64su"),
  "i64.div_s": product("div64s"),
  "i64.div_u": product("div64u"),
  "i64.rem_s": product("rem64s"),
  "i64.rem_u": product("rem64u"),
  "i64.clmul": wideCall("clmul"),
  "i64.clmulh": wideCall("clmulh"),
  "i64.clmulr": wideCall("clmulr"),
  "i64.clz": (o, [a]) => word(`(${bind(o, a!.hi)}===0?32+Math.clz32(${a!.lo}):Math.clz32(${a!.hi}))`),
  "i64.ctz": (o, [a]) => word(`(${bind(o, a!.lo)}===0?32+ctz32(${a!.hi}):ctz32(${a!.lo}))`),
  "i64.popcnt": (_o, [a]) => word(`(popcnt32(${a!.lo})+popcnt32(${a!.hi}))`),
  "i64.bswap": (_o, [a]) => ({ lo: `bswap32(${a!.hi})`, hi: `bswap32(${a!.lo})` }),
  "i64.orc_b": (_o, [a]) => ({ lo: `orcb32(${a!.lo})`, hi: `orcb32(${a!.hi})` }),
  "i64.eq": (_o, [a, b]) => flag(same(a!, b!)),
  "i64.ne": (_o, [a, b]) => flag(`!(${same(a!, b!)})`),
  "i64.lt_s": (o, [a, b]) => flag(less(o, a!, b!, false)),
  "i64.lt_u": (o, [a, b]) => flag(less(o, a!, b!, true)),
  "i64.ge_s": (o, [a, b]) => flag(`!(${less(o, a!, b!, false)})`),
  "i64.ge_u": (o, [a, b]) => flag(`!(${less(o, a!, b!, true)})`),
  "i64.select": (o, [c, a, b]) => {
    const condition = bind(o, c!.lo);
    return { lo: `(${condition}!==0?${a!.lo}:${b!.lo})`, hi: `(${condition}!==0?${a!.hi}:${b!.hi})` };
  },

  "i64.load8_s": (o, [a], n) => signed(o, `${load(o, "8", a!, n.args[0]!).lo}<<24>>24`),
  "i64.load8_u": (o, [a], n) => load(o, "8", a!, n.args[0]!),
  "i64.load16_s": (o, [a], n) => signed(o, `${load(o, "16", a!, n.args[0]!).lo}<<16>>16`),
  "i64.load16_u": (o, [a], n) => load(o, "16", a!, n.args[0]!),
  "i64.load32_s": (o, [a], n) => signed(o, load(o, "32", a!, n.args[0]!).lo),
  "i64.load32_u": (o, [a], n) => load(o, "32", a!, n.args[0]!),
  "i64.load64": (o, [a], n) => load(o, "64", a!, n.args[0]!),
  "f16.load": floatToFloat,
  "f32.load": floatToFloat,
  "f64.load": floatToFloat,
  store8: storeOf("8"),
  store16: storeOf("16"),
  store32: storeOf("32"),
  store64: storeOf("64"),
  "f16.store": floatStore("16"),
  "f32.store": floatStore("32"),
  "f64.store": floatStore("64"),
  zero_block: effect((o, [a]) => `zeroBlock(${a!.lo},${a!.hi});if(R[TRAPPED]!==0){${o.site.fault()}}`),
  touch_block: effect((o, [a]) => `touchBlock(${a!.lo},${a!.hi});if(R[TRAPPED]!==0){${o.site.fault()}}`),

  "i32.lr": atomic("loadReserved", 4),
  "i64.lr": atomic("loadReserved", 8),
  "i32.sc": atomic("storeConditional", 4),
  "i64.sc": atomic("storeConditional", 8),
  "i32.amo_swap": atomic("amo32", '"swap"'),
  "i32.amo_add": atomic("amo32", '"add"'),
  "i32.amo_xor": atomic("amo32", '"xor"'),
  "i32.amo_and": atomic("amo32", '"and"'),
  "i32.amo_or": atomic("amo32", '"or"'),
  "i32.amo_min_s": atomic("amo32", '"min_s"'),
  "i32.amo_max_s": atomic("amo32", '"max_s"'),
  "i32.amo_min_u": atomic("amo32", '"min_u"'),
  "i32.amo_max_u": atomic("amo32", '"max_u"'),
  "i64.amo_swap": atomic("amo64", '"swap"'),
  "i64.amo_add": atomic("amo64", '"add"'),
  "i64.amo_xor": atomic("amo64", '"xor"'),
  "i64.amo_and": atomic("amo64", '"and"'),
  "i64.amo_or": atomic("amo64", '"or"'),
  "i64.amo_min_s": atomic("amo64", '"min_s"'),
  "i64.amo_max_s": atomic("amo64", '"max_s"'),
  "i64.amo_min_u": atomic("amo64", '"min_u"'),
  "i64.amo_max_u": atomic("amo64", '"max_u"'),

  "f32.add": floatToFloat,
  "f32.sub": floatToFloat,
  "f32.mul": floatToFloat,
  "f32.div": floatToFloat,
  "f32.sqrt": floatToFloat,
  "f32.madd": floatToFloat,
  "f32.msub": floatToFloat,
  "f32.nmsub": floatToFloat,
  "f32.nmadd": floatToFloat,
  "f32.min": floatToFloat,
  "f32.max": floatToFloat,
  "f32.minm": floatToFloat,
  "f32.maxm": floatToFloat,
  "f32.sgnj": floatToFloat,
  "f32.sgnjn": floatToFloat,
  "f32.sgnjx": floatToFloat,
  "f32.eq": floatToInteger,
  "f32.lt": floatToInteger,
  "f32.le": floatToInteger,
  "f32.ltq": floatToInteger,
  "f32.leq": floatToInteger,
  "f32.class": floatToInteger,
  "f32.round": floatToFloat,
  "f32.roundnx": floatToFloat,
  "f32.fli": floatToFloat,
  "f64.add": floatToFloat,
  "f64.sub": floatToFloat,
  "f64.mul": floatToFloat,
  "f64.div": floatToFloat,
  "f64.sqrt": floatToFloat,
  "f64.madd": floatToFloat,
  "f64.msub": floatToFloat,
  "f64.nmsub": floatToFloat,
  "f64.nmadd": floatToFloat,
  "f64.min": floatToFloat,
  "f64.max": floatToFloat,
  "f64.minm": floatToFloat,
  "f64.maxm": floatToFloat,
  "f64.sgnj": floatToFloat,
  "f64.sgnjn": floatToFloat,
  "f64.sgnjx": floatToFloat,
  "f64.eq": floatToInteger,
  "f64.lt": floatToInteger,
  "f64.le": floatToInteger,
  "f64.ltq": floatToInteger,
  "f64.leq": floatToInteger,
  "f64.class": floatToInteger,
  "f64.round": floatToFloat,
  "f64.roundnx": floatToFloat,
  "f64.fli": floatToFloat,
  "i32.from_f32_s": floatToInteger,
  "i32.from_f32_u": floatToInteger,
  "i64.from_f32_s": floatToInteger,
  "i64.from_f32_u": floatToInteger,
  "i32.from_f64_s": floatToInteger,
  "i32.from_f64_u": floatToInteger,
  "i64.from_f64_s": floatToInteger,
  "i64.from_f64_u": floatToInteger,
  "i32.from_f64_mod": floatToInteger,
  "f32.from_i32_s": floatToFloat,
  "f32.from_i32_u": floatToFloat,
  "f32.from_i64_s": floatToFloat,
  "f32.from_i64_u": floatToFloat,
  "f64.from_i32_s": floatToFloat,
  "f64.from_i32_u": floatToFloat,
  "f64.from_i64_s": floatToFloat,
  "f64.from_i64_u": floatToFloat,
  "f32.from_f64": floatToFloat,
  "f64.from_f32": floatToFloat,
  "f16.from_f32": floatToFloat,
  "f32.from_f16": floatToFloat,
  "f16.from_f64": floatToFloat,
  "f64.from_f16": floatToFloat,
  "f16.bits": bitsOf((cell) => `R[${cell}]<<16>>16`),
  "f32.bits": bitsOf((cell) => `R[${cell}]`),
  "f64.bits": (o, _a, n) => {
    const cell = bind(o, o.site.f(n.args[0]!.field!));
    return { lo: `R[${cell}]`, hi: `R[${cell}+1]` };
  },
  "f16.from_bits": floatToFloat,
  "f32.from_bits": floatToFloat,
  "f64.from_bits": floatToFloat,

  "csr.write": csr("write"),
  "csr.set": csr("set"),
  "csr.clear": csr("clear"),

  "x.set": (o, [value], n) => {
    const v = pair(o, value!);
    o.text += o.site.setX(n.field!, v);
    return none;
  },
  "f16.set": setFloat,
  "f32.set": setFloat,
  "f64.set": setFloat,
  jump: () => none, // `lower` puts it last
  branch: effect((o, [condition]) => o.site.branch(condition!.lo)),
  fence: effect(() => "fence();"),
  "fence.i": effect((o) => o.site.fenceI()),
  pause: effect(() => ""),
  wait_reservation: effect(() => ""),
  ecall: effect((o) => o.site.trap("ecall")),
  ebreak: effect((o) => o.site.trap("breakpoint")),
  illegal: effect((o) => o.site.illegal()),
} satisfies Record<Op, Emit> as Record<Op, Emit>;

function emit(o: Out, n: Node): Text {
  const f = emitters[n.op];
  // Operands of a register write of the floating-point file are made by setFloat, straight into the register.
  return f(o, f === setFloat ? [] : n.args.map((a) => emit(o, a)), n);
}

/** Statements, after which the condition that `value`, an i32 or i64, is not 0 can be tested. */
export function lowerCondition(
  value: Node,
  site: Site,
  firstTemp: number,
): { readonly text: string; readonly condition: string } {
  const o: Out = { site, text: "", temps: firstTemp };
  const { lo, hi } = emit(o, value);
  return { text: o.text, condition: hi === "0" ? `${lo}!==0` : `(${lo}|${hi})!==0` };
}

/**
 * The statements of one instruction, in order, but for a jump: its target is taken first, for the link register may hold
 * it, and control leaves last. Temporaries are numbered from `firstTemp` on; `temps` is the next free number.
 */
export function lower(
  does: readonly Node[],
  site: Site,
  firstTemp = 0,
): { readonly text: string; readonly temps: number } {
  const o: Out = { site, text: "", temps: firstTemp };
  const jump = does.find((n) => n.op === "jump");
  const target = jump && !isPcRelative(jump.args[0]!) ? copy(o, emit(o, jump.args[0]!)) : undefined;
  for (const n of does) if (n !== jump) emit(o, n);
  if (jump) o.text += target ? site.jump(target) : site.jumpRelative();
  return o;
}
