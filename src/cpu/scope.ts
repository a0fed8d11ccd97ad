// hot path: what emitted JavaScript calls for all that is not its fast path: unaligned and faulting accesses, atomics,
// control and status registers. One set a hart, bound to its registers and its memory.
// A function that cannot do its work records the trap (cause, tval, trapped) and answers 0; the emitted text then leaves.
import {
  type AccessKind,
  dropCode,
  type GuestMemory,
  guestBase,
  isWatched,
  Page,
  pageSize,
} from "../memory/guest-memory.ts";
import { wide } from "./arith.ts";
import { Cause, type Hart, hart } from "./hart.ts";

/** What the slow paths ask of the layers above. */
export interface ScopeHooks {
  /** The `time` register: 10 MHz ticks of the monotonic clock. */
  readonly time: () => number;
}

export type Scope = ReturnType<typeof makeScope>;

const two32 = 2 ** 32;

export function makeScope(h: Hart, m: GuestMemory, hooks: ScopeHooks) {
  const R = h.i32;
  const P = m.pages;

  function trap(cause: number, lo: number, hi: number): number {
    R[hart.cause] = cause;
    R[hart.tval] = lo;
    R[hart.tval + 1] = hi;
    R[hart.trapped] = 1;
    return 0;
  }

  /**
   * Whether the page of an address, which lacks a right, has it by now. Else the trap is recorded: `refused`, or `lost` past
   * the end of a file. Where another thread is changing the address space nothing is said: the instruction is left, to be
   * done again.
   */
  function isMended(at: number, bit: number, refused: Cause, lost: Cause): boolean {
    const mended = m.fault(at, bit);
    const byte = P[at >>> 12]!;
    if (mended === true && (byte & bit) !== 0) return true;
    if (mended !== false) trap(Cause.requested, 0, 0);
    else trap((byte & Page.bus) !== 0 ? lost : refused, at | 0, 0);
    return false;
  }

  /** Checks each page of an access; records the fault at the first byte that is refused. */
  function check(lo: number, hi: number, size: number, kind: "read" | "write", as: AccessKind = kind): boolean {
    const bit = kind === "read" ? Page.read : Page.write;
    if (hi === 0) {
      const first = lo >>> 0;
      for (let at = first; at < first + size; at = (Math.floor(at / pageSize) + 1) * pageSize) {
        if (at >= two32) {
          trap(kind === "read" ? Cause.loadFault : Cause.storeFault, 0, 1);
          return false;
        }
        const page = at >>> 12;
        if ((P[page]! & bit) === 0) {
          const [refused, lost] =
            kind === "read" ? [Cause.loadFault, Cause.loadAccess] : [Cause.storeFault, Cause.storeAccess];
          if (!isMended(at, bit, refused, lost)) return false;
        }
        if (kind === "write" && (P[page]! & Page.code) !== 0) dropCode(m, page, page + 1);
      }
      if (m.watched !== undefined && isWatched(m, first, size, as)) {
        trap(Cause.debug, first | 0, 0);
        return false;
      }
      return true;
    }
    trap(kind === "read" ? Cause.loadFault : Cause.storeFault, lo, hi);
    return false;
  }

  /** Zero-extended; the high word of an 8-byte load is left in `wide`. */
  function slowLoad(lo: number, hi: number, size: number): number {
    if (!check(lo, hi, size, "read")) return 0;
    const at = lo >>> 0;
    switch (size) {
      case 1:
        return m.u8[at]!;
      case 2:
        return m.view.getUint16(at, true);
      case 4:
        return m.view.getInt32(at, true);
      default:
        // What is aligned is read at once.
        if ((at & 7) === 0) return split(big()[at >>> 3]!);
        wide[0] = m.view.getInt32(at + 4, true);
        return m.view.getInt32(at, true);
    }
  }

  function slowStore(lo: number, hi: number, size: number, valueLo: number, valueHi: number): void {
    if (!check(lo, hi, size, "write")) return;
    const at = lo >>> 0;
    switch (size) {
      case 1:
        m.u8[at] = valueLo;
        break;
      case 2:
        m.view.setInt16(at, valueLo, true);
        break;
      case 4:
        m.view.setInt32(at, valueLo, true);
        break;
      default:
        if ((at & 7) === 0) {
          big()[at >>> 3] = join(valueLo, valueHi);
          return;
        }
        m.view.setInt32(at, valueLo, true);
        m.view.setInt32(at + 4, valueHi, true);
    }
  }

  const blockBytes = 64;

  function zeroBlock(lo: number, hi: number): void {
    const at = (lo & -blockBytes) >>> 0;
    if (check(at | 0, hi, blockBytes, "write")) m.u8.fill(0, at, at + blockBytes);
    else if (hi === 0) R[hart.tval] = lo; // the address as the guest gave it
  }

  /** Cache-block management needs a page that may be read or written. */
  function touchBlock(lo: number, hi: number): void {
    if (hi === 0 && (P[lo >>> 12]! & (Page.read | Page.write)) !== 0) return;
    if (check(lo, hi, 1, "read") || R[hart.cause] === Cause.requested) return;
    R[hart.cause] = R[hart.cause] === Cause.loadAccess ? Cause.storeAccess : Cause.storeFault;
  }

  /** Whether an atomic access may go ahead. */
  function atomicAllowed(lo: number, hi: number, size: number, kind: "read" | "write", as: AccessKind = kind): boolean {
    if ((lo & (size - 1)) !== 0) {
      trap(kind === "read" ? Cause.loadMisaligned : Cause.storeMisaligned, lo, hi);
      return false;
    }
    return check(lo, hi, size, kind, as);
  }

  // 64-bit atomics, and what is seldom, go through a BigInt64Array (about 100 ns). It follows the memory's growth.
  let bigView = new BigInt64Array(m.u8.buffer as SharedArrayBuffer, guestBase);
  function big(): BigInt64Array {
    if (bigView.buffer !== m.u8.buffer) bigView = new BigInt64Array(m.u8.buffer as SharedArrayBuffer, guestBase);
    return bigView;
  }
  const pairScratch = new BigInt64Array(1);
  const pairWords = new Int32Array(pairScratch.buffer);
  /** Leaves the high word in `wide`, answers the low one. */
  function split(v: bigint): number {
    pairScratch[0] = v;
    wide[0] = pairWords[1]!;
    return pairWords[0]!;
  }
  function join(lo: number, hi: number): bigint {
    pairWords[0] = lo;
    pairWords[1] = hi;
    return pairScratch[0]!;
  }

  function loadReserved(size: number, lo: number, hi: number): number {
    if (!atomicAllowed(lo, hi, size, "read")) return 0;
    R[hart.reservation] = lo;
    R[hart.reservation + 1] = size;
    let value: number;
    if (size === 4) {
      value = Atomics.load(m.i32, lo >>> 2);
      wide[0] = value >> 31;
    } else value = split(Atomics.load(big(), lo >>> 3));
    R[hart.reserved] = value;
    R[hart.reserved + 1] = wide[0]!;
    return value;
  }

  /** A compare-exchange with the value that the load saw. 0 where it stored. */
  function storeConditional(size: number, lo: number, hi: number, valueLo: number, valueHi: number): number {
    if (!atomicAllowed(lo, hi, size, "write")) return 0;
    const held = R[hart.reservation] === lo && R[hart.reservation + 1] === size;
    R[hart.reservation + 1] = 0;
    wide[0] = 0;
    if (!held) return 1;
    const seen = R[hart.reserved]!;
    if (size === 4) return Atomics.compareExchange(m.i32, lo >>> 2, seen, valueLo) === seen ? 0 : 1;
    const seenPair = join(seen, R[hart.reserved + 1]!);
    const stored = Atomics.compareExchange(big(), lo >>> 3, seenPair, join(valueLo, valueHi)) === seenPair;
    return stored ? 0 : 1;
  }

  /** A loop of compare-exchanges, for what Atomics lacks. */
  function update32(index: number, f: (old: number) => number): number {
    for (;;) {
      const old = Atomics.load(m.i32, index);
      if (Atomics.compareExchange(m.i32, index, old, f(old)) === old) return old;
    }
  }
  function update64(index: number, f: (old: bigint) => bigint): bigint {
    for (;;) {
      const old = Atomics.load(big(), index);
      if (Atomics.compareExchange(big(), index, old, f(old)) === old) return old;
    }
  }

  function amo32(kind: AmoKind, lo: number, hi: number, v: number): number {
    if (!atomicAllowed(lo, hi, 4, "write", "both")) return 0;
    const i = lo >>> 2;
    let old: number;
    switch (kind) {
      case "swap":
        old = Atomics.exchange(m.i32, i, v);
        break;
      case "add":
        old = Atomics.add(m.i32, i, v);
        break;
      case "xor":
        old = Atomics.xor(m.i32, i, v);
        break;
      case "and":
        old = Atomics.and(m.i32, i, v);
        break;
      case "or":
        old = Atomics.or(m.i32, i, v);
        break;
      case "min_s":
        old = update32(i, (o) => (o < v ? o : v));
        break;
      case "max_s":
        old = update32(i, (o) => (o > v ? o : v));
        break;
      case "min_u":
        old = update32(i, (o) => (o >>> 0 < v >>> 0 ? o : v));
        break;
      case "max_u":
        old = update32(i, (o) => (o >>> 0 > v >>> 0 ? o : v));
        break;
    }
    wide[0] = old >> 31;
    return old;
  }

  function amo64(kind: AmoKind, lo: number, hi: number, valueLo: number, valueHi: number): number {
    if (!atomicAllowed(lo, hi, 8, "write", "both")) return 0;
    const i = lo >>> 3;
    const v = join(valueLo, valueHi);
    const unsigned = (b: bigint): bigint => BigInt.asUintN(64, b);
    switch (kind) {
      case "swap":
        return split(Atomics.exchange(big(), i, v));
      case "add":
        return split(Atomics.add(big(), i, v));
      case "xor":
        return split(Atomics.xor(big(), i, v));
      case "and":
        return split(Atomics.and(big(), i, v));
      case "or":
        return split(Atomics.or(big(), i, v));
      case "min_s":
        return split(update64(i, (o) => (o < v ? o : v)));
      case "max_s":
        return split(update64(i, (o) => (o > v ? o : v)));
      case "min_u":
        return split(update64(i, (o) => (unsigned(o) < unsigned(v) ? o : v)));
      case "max_u":
        return split(update64(i, (o) => (unsigned(o) > unsigned(v) ? o : v)));
    }
  }

  const fenceWord = new Int32Array(new SharedArrayBuffer(4));
  /** Sequentially consistent: an atomic exchange orders all that stands around it. */
  const fence = (): void => {
    Atomics.exchange(fenceWord, 0, 0);
  };

  function setResult(value: number): number {
    R[hart.result] = value;
    R[hart.result + 1] = Math.floor(value / two32);
    return 0;
  }

  /** True once the engine has brought `instret` up to date for the access that asked. */
  let counted = false;

  /**
   * Reads a control and status register into `result` and, where `writes` is not 0, changes it by the low word `bits`: only
   * those of the floating-point unit can be written, and they have no more.
   * 0: done. 1: illegal. 2: the count of instructions is needed: the engine calls `countIsExact` and comes again.
   */
  function csrAccess(kind: "write" | "set" | "clear", number: number, bits: number, writes: number): number {
    const shape = floatCsr(number);
    if (shape) {
      const old = ((R[hart.frm]! << 5) | R[hart.fflags]!) >>> shape.shift;
      setResult(old & shape.mask);
      if (writes !== 0) {
        const value = kind === "write" ? bits : kind === "set" ? old | bits : old & ~bits;
        const fcsr = (value & shape.mask) << shape.shift;
        if (shape.flags) R[hart.fflags] = fcsr & 31;
        if (shape.mode) R[hart.frm] = (fcsr >>> 5) & 7;
      }
      return 0;
    }
    if (writes !== 0) return 1;
    switch (number) {
      case 0xc01:
        return setResult(hooks.time());
      case 0xc00:
      case 0xc02:
        if (!counted) return 2;
        counted = false;
        return setResult(h.f64[hart.instret / 2]!);
      default:
        return 1;
    }
  }

  /** A jump to an address beyond 2**32, where nothing can be fetched. */
  function wildJump(lo: number, hi: number): void {
    R[hart.pc] = R[hart.tval] = lo;
    R[hart.pc + 1] = R[hart.tval + 1] = hi;
    R[hart.cause] = Cause.fetchFault;
  }

  return {
    trap,
    isMended,
    wildJump,
    slowLoad,
    slowStore,
    zeroBlock,
    touchBlock,
    loadReserved,
    storeConditional,
    amo32,
    amo64,
    fence,
    csrAccess,
    countIsExact: (): void => {
      counted = true;
    },
  };
}

type AmoKind = "swap" | "add" | "xor" | "and" | "or" | "min_s" | "max_s" | "min_u" | "max_u";

/** Where fflags (1), frm (2) and fcsr (3) lie in fcsr. */
function floatCsr(number: number) {
  switch (number) {
    case 1:
      return { shift: 0, mask: 31, flags: true, mode: false } as const;
    case 2:
      return { shift: 5, mask: 7, flags: false, mode: true } as const;
    case 3:
      return { shift: 0, mask: 255, flags: true, mode: true } as const;
    default:
      return undefined;
  }
}
