// hot path: agent expressions (GDB manual, "The GDB Agent Expression Mechanism"): conditions of breakpoints, as bytes that gdb has compiled,
// evaluated by the thread that has come to one, in the middle of its engine. Values are 64 bits in two int32 words.
// What cannot be evaluated counts as true: then the debugger decides. Commands of breakpoints are expressions too, for what they print.
import { addressLimit, type GuestMemory, Page, pageSize } from "../memory/guest-memory.ts";
import { isEmpty } from "./breakpoints.ts";
import { pcRegister, registers } from "./registers.ts";
import { type DebugState, Head } from "./state.ts";

const Op = {
  add: 0x02,
  sub: 0x03,
  mul: 0x04,
  divSigned: 0x05,
  divUnsigned: 0x06,
  remSigned: 0x07,
  remUnsigned: 0x08,
  lsh: 0x09,
  rshSigned: 0x0a,
  rshUnsigned: 0x0b,
  logNot: 0x0e,
  bitAnd: 0x0f,
  bitOr: 0x10,
  bitXor: 0x11,
  bitNot: 0x12,
  equal: 0x13,
  lessSigned: 0x14,
  lessUnsigned: 0x15,
  ext: 0x16,
  ref8: 0x17,
  ref16: 0x18,
  ref32: 0x19,
  ref64: 0x1a,
  ifGoto: 0x20,
  goto: 0x21,
  const8: 0x22,
  const16: 0x23,
  const32: 0x24,
  const64: 0x25,
  reg: 0x26,
  end: 0x27,
  dup: 0x28,
  pop: 0x29,
  zeroExt: 0x2a,
  swap: 0x2b,
  pick: 0x32,
  rot: 0x33,
  printf: 0x34,
} as const;

const depth = 64;
/** An expression that goes on for longer is wrong. */
const mostSteps = 10_000;

/** Evaluates expressions over the registers of a hart and its memory. */
export type Evaluator = (code: Uint8Array, at: number, length: number, pc: number) => boolean;

/** Is told what an expression prints: a format, one character a byte, and the values behind it. */
export type Print = (format: string, values: readonly bigint[]) => void;

/** `R`: the hart's words. */
export function makeEvaluator(R: Int32Array, m: GuestMemory, print?: Print): Evaluator {
  const lo = new Int32Array(depth + 4);
  const hi = new Int32Array(depth + 4);

  /** Whether `size` bytes at the address in slot `s` can be read. */
  function canRead(s: number, size: number): boolean {
    const address = lo[s]! >>> 0;
    if (hi[s] !== 0 || address + size > addressLimit) return false;
    const last = Math.floor((address + size - 1) / pageSize);
    for (let page = Math.floor(address / pageSize); page <= last; page++)
      if ((m.pages[page]! & Page.read) === 0) return false;
    return address + size <= m.size;
  }

  const wide = (s: number): bigint => (BigInt(hi[s]!) << 32n) | BigInt(lo[s]! >>> 0);
  function setWide(s: number, value: bigint): void {
    lo[s] = Number(BigInt.asIntN(32, value));
    hi[s] = Number(BigInt.asIntN(32, value >> 32n));
  }

  /** What is seldom: false where there is no answer. */
  function seldom(op: number, s: number): boolean {
    const [a, b] = [wide(s), wide(s + 1)];
    const [ua, ub] = [BigInt.asUintN(64, a), BigInt.asUintN(64, b)];
    const shift = ub > 63n ? 64n : ub;
    if (b === 0n && op >= Op.divSigned && op <= Op.remUnsigned) return false;
    switch (op) {
      case Op.mul:
        setWide(s, a * b);
        return true;
      case Op.divSigned:
        setWide(s, a / b);
        return true;
      case Op.divUnsigned:
        setWide(s, ua / ub);
        return true;
      case Op.remSigned:
        setWide(s, a % b);
        return true;
      case Op.remUnsigned:
        setWide(s, ua % ub);
        return true;
      case Op.lsh:
        setWide(s, a << shift);
        return true;
      case Op.rshSigned:
        setWide(s, a >> shift);
        return true;
      case Op.rshUnsigned:
        setWide(s, ua >> shift);
        return true;
      default:
        return false;
    }
  }

  /** The register of that number into slot `s`; false where there is none. */
  function load(n: number, s: number, pc: number): boolean {
    const word = registers[n]?.word;
    if (word === undefined) return false;
    lo[s] = n === pcRegister ? pc : R[word]!;
    hi[s] = n === pcRegister ? 0 : R[word + 1]!;
    return true;
  }

  return (code, at, length, pc) => {
    const end = at + length;
    let p = at;
    // Slot of the topmost value.
    let s = -1;
    for (let steps = 0; steps < mostSteps && p < end && s < depth; steps++) {
      const op = code[p++]!;
      switch (op) {
        case Op.add: {
          s--;
          const sum = (lo[s]! >>> 0) + (lo[s + 1]! >>> 0);
          lo[s] = sum;
          hi[s] = hi[s]! + hi[s + 1]! + (sum > 0xffffffff ? 1 : 0);
          break;
        }
        case Op.sub: {
          s--;
          const borrow = lo[s]! >>> 0 < lo[s + 1]! >>> 0 ? 1 : 0;
          lo[s] = lo[s]! - lo[s + 1]!;
          hi[s] = hi[s]! - hi[s + 1]! - borrow;
          break;
        }
        case Op.logNot:
          lo[s] = (lo[s]! | hi[s]!) === 0 ? 1 : 0;
          hi[s] = 0;
          break;
        case Op.bitAnd:
          s--;
          lo[s]! &= lo[s + 1]!;
          hi[s]! &= hi[s + 1]!;
          break;
        case Op.bitOr:
          s--;
          lo[s]! |= lo[s + 1]!;
          hi[s]! |= hi[s + 1]!;
          break;
        case Op.bitXor:
          s--;
          lo[s]! ^= lo[s + 1]!;
          hi[s]! ^= hi[s + 1]!;
          break;
        case Op.bitNot:
          lo[s] = ~lo[s]!;
          hi[s] = ~hi[s]!;
          break;
        case Op.equal:
          s--;
          lo[s] = lo[s] === lo[s + 1] && hi[s] === hi[s + 1] ? 1 : 0;
          hi[s] = 0;
          break;
        case Op.lessSigned:
          s--;
          lo[s] = hi[s]! < hi[s + 1]! || (hi[s] === hi[s + 1] && lo[s]! >>> 0 < lo[s + 1]! >>> 0) ? 1 : 0;
          hi[s] = 0;
          break;
        case Op.lessUnsigned: {
          s--;
          const [a, b] = [hi[s]! >>> 0, hi[s + 1]! >>> 0];
          lo[s] = a < b || (a === b && lo[s]! >>> 0 < lo[s + 1]! >>> 0) ? 1 : 0;
          hi[s] = 0;
          break;
        }
        case Op.ext: {
          const bits = code[p++]!;
          if (bits <= 32) {
            lo[s] = (lo[s]! << (32 - bits)) >> (32 - bits);
            hi[s] = lo[s]! >> 31;
          } else if (bits < 64) hi[s] = (hi[s]! << (64 - bits)) >> (64 - bits);
          break;
        }
        case Op.zeroExt: {
          const bits = code[p++]!;
          if (bits < 32) lo[s] = lo[s]! & ((1 << bits) - 1);
          if (bits <= 32) hi[s] = 0;
          else if (bits < 64) hi[s] = hi[s]! & ((1 << (bits - 32)) - 1);
          break;
        }
        case Op.ref8:
          if (!canRead(s, 1)) return true;
          lo[s] = m.u8[lo[s]! >>> 0]!;
          hi[s] = 0;
          break;
        case Op.ref16:
          if (!canRead(s, 2)) return true;
          lo[s] = m.view.getUint16(lo[s]! >>> 0, true);
          hi[s] = 0;
          break;
        case Op.ref32:
          if (!canRead(s, 4)) return true;
          lo[s] = m.view.getInt32(lo[s]! >>> 0, true);
          hi[s] = 0;
          break;
        case Op.ref64: {
          if (!canRead(s, 8)) return true;
          const address = lo[s]! >>> 0;
          lo[s] = m.view.getInt32(address, true);
          hi[s] = m.view.getInt32(address + 4, true);
          break;
        }
        case Op.ifGoto:
          p = (lo[s]! | hi[s]!) !== 0 ? at + code[p]! * 256 + code[p + 1]! : p + 2;
          s--;
          break;
        case Op.goto:
          p = at + code[p]! * 256 + code[p + 1]!;
          break;
        case Op.const8:
          lo[++s] = code[p++]!;
          hi[s] = 0;
          break;
        case Op.const16:
          lo[++s] = code[p]! * 256 + code[p + 1]!;
          hi[s] = 0;
          p += 2;
          break;
        case Op.const32:
          lo[++s] = word(code, p);
          hi[s] = 0;
          p += 4;
          break;
        case Op.const64:
          hi[++s] = word(code, p);
          lo[s] = word(code, p + 4);
          p += 8;
          break;
        case Op.reg:
          if (!load(code[p]! * 256 + code[p + 1]!, ++s, pc)) return true;
          p += 2;
          break;
        case Op.end:
          return s < 0 || (lo[s]! | hi[s]!) !== 0;
        case Op.dup:
          lo[s + 1] = lo[s]!;
          hi[s + 1] = hi[s]!;
          s++;
          break;
        case Op.pop:
          s--;
          break;
        case Op.swap:
          [lo[s], lo[s - 1]] = [lo[s - 1]!, lo[s]!];
          [hi[s], hi[s - 1]] = [hi[s - 1]!, hi[s]!];
          break;
        case Op.pick: {
          const from = s - code[p++]!;
          if (from < 0) return true;
          lo[s + 1] = lo[from]!;
          hi[s + 1] = hi[from]!;
          s++;
          break;
        }
        case Op.rot:
          [lo[s], lo[s - 1], lo[s - 2]] = [lo[s - 1]!, lo[s - 2]!, lo[s]!];
          [hi[s], hi[s - 1], hi[s - 2]] = [hi[s - 1]!, hi[s - 2]!, hi[s]!];
          break;
        case Op.printf: {
          // What is printed by, and to what: ours. Below them the values, the first one topmost.
          const count = code[p++]!;
          const bytes = code[p]! * 256 + code[p + 1]!;
          const first = s - 2;
          s = first - count;
          if (s < -1 || bytes === 0 || p + 2 + bytes > end || print === undefined) return true;
          print(
            Buffer.from(code.buffer, code.byteOffset + p + 2, bytes - 1).toString("latin1"),
            Array.from({ length: count }, (_, i) => wide(first - i)),
          );
          p += 2 + bytes;
          break;
        }
        default:
          if (op < Op.mul || op > Op.rshUnsigned || s < 1) return true;
          s--;
          if (!seldom(op, s)) return true;
      }
      if (s < -1) return true;
    }
    return true;
  };
}

const word = (code: Uint8Array, at: number): number =>
  (code[at]! << 24) | (code[at + 1]! << 16) | (code[at + 2]! << 8) | code[at + 3]!;

// ---- where they are kept

// Expressions lie one behind the other in shared bytes: two bytes of how many conditions belong together, and of each its length and
// itself; then the same of commands. They are never moved; a place that nobody uses any more is lost until there is no breakpoint left.

/** Whether one of the expressions at `place` is true. */
export function anyHolds(evaluate: Evaluator, code: Uint8Array, place: number, pc: number): boolean {
  const count = code[place]! * 256 + code[place + 1]!;
  let at = place + 2;
  for (let i = 0; i < count; i++) {
    const length = code[at]! * 256 + code[at + 1]!;
    if (evaluate(code, at + 2, length, pc)) return true;
    at += 2 + length;
  }
  return count === 0;
}

/** Executes the commands at `place`, one after the other. False where there are none. */
export function execute(evaluate: Evaluator, code: Uint8Array, place: number, pc: number): boolean {
  let at = place;
  let count = 0;
  for (const list of ["conditions", "commands"]) {
    count = code[at]! * 256 + code[at + 1]!;
    at += 2;
    for (let i = 0; i < count; i++) {
      const length = code[at]! * 256 + code[at + 1]!;
      if (list === "commands") evaluate(code, at + 2, length, pc);
      at += 2 + length;
    }
  }
  return count > 0;
}

/** Keeps expressions that belong together; answers their place, 0 for none; undefined where there is no room. The stub's matter. */
export function keepExpressions(
  d: DebugState,
  conditions: readonly Uint8Array[],
  commands: readonly Uint8Array[] = [],
): number | undefined {
  if (conditions.length + commands.length === 0) return 0;
  if (isEmpty(d.breakpoints)) d.words[Head.expressions] = 0;
  const bytes = Buffer.concat([packExpressions(conditions), packExpressions(commands)]);
  const used = Math.max(1, d.words[Head.expressions]!);
  // A debugger says the same again and again.
  const known = Buffer.from(d.expressions.buffer, 0, used).indexOf(bytes);
  if (known > 0) return known;
  if (used + bytes.length > d.expressions.length) return undefined;
  d.expressions.set(bytes, used);
  d.words[Head.expressions] = used + bytes.length;
  return used;
}

/** The bytes of expressions that belong together. */
function packExpressions(all: readonly Uint8Array[]): Uint8Array {
  const lengths = (n: number): number[] => [n >> 8, n & 255];
  return Uint8Array.from([...lengths(all.length), ...all.flatMap((e) => [...lengths(e.length), ...e])]);
}
