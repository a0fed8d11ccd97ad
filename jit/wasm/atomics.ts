// Atomic operations on guest memory: WebAssembly's own, and compare-exchange loops for what it lacks. A reservation is
// kept in the hart's state, as the interpreter keeps it: the address, the size, and the value that was read.
import { hart } from "../../src/cpu/hart.ts";
import type { Node } from "../../src/isa/vocabulary.ts";
import { alignedAddress } from "./checks.ts";
import {
  atomicAccess,
  brIf,
  end,
  get,
  i32,
  i64,
  loadHart,
  op,
  open,
  orElse,
  put,
  set,
  storeHart,
  tee,
  temp,
} from "./code.ts";
import { I32, I64 } from "./encoder.ts";
import type { Emit, Site } from "./site.ts";

type Size = 2 | 3;

const type = (size: Size) => (size === 2 ? I32 : I64);
const loadOp = (size: Size): number => (size === 2 ? 0x10 : 0x11);
const exchangeOp = (size: Size): number => (size === 2 ? 0x48 : 0x49);
const equal = (size: Size): number => (size === 2 ? 0x46 : 0x51);

/** Takes the operand, in the width of the access, into a local. */
function operand(s: Site, n: Node, size: Size): number {
  const value = temp(s.code, type(size));
  s.push(n);
  if (size === 2) put(s.code, 0xa7);
  set(s.code, value);
  return value;
}

/** A 32-bit result is sign-extended. */
function widen(s: Site, size: Size): void {
  if (size === 2) put(s.code, 0xac);
}

/** Pushes what the reservation's words hold while `at` is reserved. */
function reservation(s: Site, at: number, size: Size): void {
  get(s.code, at);
  put(s.code, 0xad);
  i64(s.code, 2 ** size * 2 ** 32);
  put(s.code, 0x84);
}

export const loadReserved =
  (size: Size): Emit =>
  (s, n) => {
    const c = s.code;
    const at = alignedAddress(s, n.args[0]!, size, "read");
    const word = temp(c, I64);
    reservation(s, at, size);
    set(c, word);
    storeHart(c, hart.reservation, word);
    const value = temp(c, I64);
    get(c, at);
    atomicAccess(c, loadOp(size), size);
    widen(s, size);
    set(c, value);
    storeHart(c, hart.reserved, value);
    get(c, value);
  };

export const storeConditional =
  (size: Size): Emit =>
  (s, n) => {
    const c = s.code;
    const value = operand(s, n.args[1]!, size);
    const at = alignedAddress(s, n.args[0]!, size, "write");
    const none = temp(c, I32);
    loadHart(c, hart.reservation, I64);
    reservation(s, at, size);
    put(c, 0x51);
    i32(c, 0);
    set(c, none);
    storeHart(c, hart.reservation + 1, none);
    open(c, op.if, I32);
    get(c, at);
    loadHart(c, hart.reserved, type(size));
    get(c, value);
    atomicAccess(c, exchangeOp(size), size);
    loadHart(c, hart.reserved, type(size));
    put(c, equal(size), 0x45);
    orElse(c);
    i32(c, 1);
    end(c);
    put(c, 0xad);
  };

/** A read-modify-write that WebAssembly has. */
export const modify =
  (size: Size, opcode: number): Emit =>
  (s, n) => {
    const c = s.code;
    const value = operand(s, n.args[1]!, size);
    const at = alignedAddress(s, n.args[0]!, size, "write");
    get(c, at);
    get(c, value);
    atomicAccess(c, opcode, size);
    widen(s, size);
  };

/** Keeps the old value where `comparison` holds between it and the operand, else stores the operand. */
export const choose =
  (size: Size, comparison: number): Emit =>
  (s, n) => {
    const c = s.code;
    const value = operand(s, n.args[1]!, size);
    const at = alignedAddress(s, n.args[0]!, size, "write");
    const old = temp(c, type(size));
    const again = c.depth;
    open(c, op.loop);
    get(c, at);
    get(c, at);
    atomicAccess(c, loadOp(size), size);
    tee(c, old);
    get(c, old);
    get(c, value);
    get(c, old);
    get(c, value);
    put(c, comparison, op.select);
    atomicAccess(c, exchangeOp(size), size);
    get(c, old);
    put(c, equal(size), 0x45);
    brIf(c, again);
    end(c);
    get(c, old);
    widen(s, size);
  };
