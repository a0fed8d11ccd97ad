// The code of one translated function while it is being written: instruction bytes, locals, open labels, branch hints.
// What is emitted for the guest's sake is in lowering.ts and its neighbours; here are only the words of WebAssembly.
import { guestBase } from "../../src/memory/guest-memory.ts";
import * as encoder from "./encoder.ts";
import { type Bytes, F32, F64, type Hint, I32, I64, newBytes, type ValueType } from "./encoder.ts";

/** What an access is to: the guest's memory, where the address is a guest's; the hart's state; or the page table. */
export const memory = { guest: 0, hart: 1, pages: 2 } as const;
export type Target = (typeof memory)[keyof typeof memory];

export interface Code {
  readonly out: Bytes;
  /** Byte offset of the hart's state in the memory. */
  readonly hart: number;
  readonly hints: Hint[];
  readonly callees: encoder.Callee[];
  /** Types of the locals, parameters first. */
  readonly locals: ValueType[];
  /** Labels that are open. */
  depth: number;
  /** Scratch locals that may be taken, by type. */
  readonly free: Record<ValueType, number[]>;
  readonly taken: number[];
}

export const newCode = (params: readonly ValueType[], hart: number): Code => ({
  out: newBytes(1024),
  hart,
  hints: [],
  callees: [],
  locals: [...params],
  depth: 0,
  free: { [I32]: [], [I64]: [], [F32]: [], [F64]: [] },
  taken: [],
});

/** Opcodes. Those that only lowering tables use stand there. */
export const op = {
  block: 0x02,
  loop: 0x03,
  if: 0x04,
  else: 0x05,
  end: 0x0b,
  br: 0x0c,
  brIf: 0x0d,
  brTable: 0x0e,
  return: 0x0f,
  call: 0x10,
  callIndirect: 0x11,
  returnCall: 0x12,
  returnCallIndirect: 0x13,
  drop: 0x1a,
  select: 0x1b,
} as const;

/** A new local that keeps its value. */
export function newLocal(c: Code, type: ValueType): number {
  c.locals.push(type);
  return c.locals.length - 1;
}

/** A scratch local, until `release`. */
export function temp(c: Code, type: ValueType): number {
  const local = c.free[type].pop() ?? newLocal(c, type);
  c.taken.push(local);
  return local;
}

/** Gives all scratch locals back. */
export function release(c: Code): void {
  for (const local of c.taken) c.free[c.locals[local]!].push(local);
  c.taken.length = 0;
}

export function put(c: Code, ...opcodes: number[]): void {
  for (const o of opcodes) encoder.byte(c.out, o);
}

export function get(c: Code, local: number): void {
  encoder.byte(c.out, 0x20);
  encoder.unsigned(c.out, local);
}

export function set(c: Code, local: number): void {
  encoder.byte(c.out, 0x21);
  encoder.unsigned(c.out, local);
}

export function tee(c: Code, local: number): void {
  encoder.byte(c.out, 0x22);
  encoder.unsigned(c.out, local);
}

/** A constant, taken modulo 2**32. */
export function i32(c: Code, value: number): void {
  encoder.byte(c.out, 0x41);
  encoder.signed(c.out, value | 0);
}

/** A safe integer. */
export function i64(c: Code, value: number): void {
  encoder.byte(c.out, 0x42);
  encoder.signed(c.out, value);
}

export function i64Big(c: Code, value: bigint): void {
  encoder.byte(c.out, 0x42);
  encoder.signedBig(c.out, value);
}

const cell = new DataView(new ArrayBuffer(8));

export function f64(c: Code, value: number): void {
  encoder.byte(c.out, 0x44);
  cell.setFloat64(0, value, true);
  for (let i = 0; i < 8; i++) encoder.byte(c.out, cell.getUint8(i));
}

export function f32(c: Code, value: number): void {
  encoder.byte(c.out, 0x43);
  cell.setFloat32(0, value, true);
  for (let i = 0; i < 4; i++) encoder.byte(c.out, cell.getUint8(i));
}

/** A load or store with its address (and value) on the stack. `offset`: of a guest address it may be negative, where the sum is not. `align` is the power of two. */
export function access(c: Code, opcode: number, to: Target, offset = 0, align = 0): void {
  encoder.byte(c.out, opcode);
  memarg(c, to, offset, align);
}

/** An atomic access; `align` must be the power of two of its size. */
export function atomicAccess(c: Code, opcode: number, align: number): void {
  put(c, 0xfe, opcode);
  memarg(c, memory.guest, 0, align);
}

function memarg(c: Code, to: Target, offset: number, align: number): void {
  encoder.byte(c.out, align);
  encoder.unsigned(c.out, offset + (to === memory.guest ? guestBase : to === memory.hart ? c.hart : 0));
}

const loadOf = { [I32]: 0x28, [I64]: 0x29, [F32]: 0x2a, [F64]: 0x2b } as const;
const storeOf = { [I32]: 0x36, [I64]: 0x37, [F32]: 0x38, [F64]: 0x39 } as const;
const wide = (type: ValueType): number => (type === I32 || type === F32 ? 2 : 3);

/** Pushes a value from the hart's state, by its word offset. */
export function loadHart(c: Code, word: number, type: ValueType): void {
  i32(c, 0);
  access(c, loadOf[type], memory.hart, word * 4, wide(type));
}

/** Stores a local to the hart's state. */
export function storeHart(c: Code, word: number, local: number): void {
  const type = c.locals[local]!;
  i32(c, 0);
  get(c, local);
  access(c, storeOf[type], memory.hart, word * 4, wide(type));
}

/** Opens a label: a block, loop or if; `type` is the block's result or `empty`. */
export function open(c: Code, opcode: number, type: number = encoder.empty): void {
  put(c, opcode, type);
  c.depth++;
}

export function orElse(c: Code): void {
  put(c, op.else);
}

export function end(c: Code): void {
  put(c, op.end);
  c.depth--;
}

/** Opens an `if` whose condition is on the stack and is hardly ever, or nearly always, true. */
export function openIf(c: Code, likely: boolean, type: number = encoder.empty): void {
  c.hints.push({ offset: c.out.length, likely });
  open(c, op.if, type);
}

/** Branches to the label that was opened when `level` others were open. */
export function br(c: Code, level: number): void {
  put(c, op.br);
  encoder.unsigned(c.out, c.depth - level - 1);
}

export function brIf(c: Code, level: number, likely?: boolean): void {
  if (likely !== undefined) c.hints.push({ offset: c.out.length, likely });
  put(c, op.brIf);
  encoder.unsigned(c.out, c.depth - level - 1);
}

export function call(c: Code, index: number): void {
  put(c, op.call);
  encoder.unsigned(c.out, index);
}

/** Calls, or goes over into, a function of the same module, by its number among them. */
export function callOwn(c: Code, opcode: typeof op.call | typeof op.returnCall, callee: number): void {
  put(c, opcode);
  c.callees.push({ offset: c.out.length, callee });
  put(c, 0, 0, 0, 0, 0);
}

/** Calls the region in the slot on the stack; its parameters are below. */
export function callIndirect(c: Code): void {
  put(c, op.callIndirect, 0, 0);
}

/** The function that the code has become. */
export function finish(c: Code, type: encoder.FunctionType, name: string | undefined): encoder.FunctionCode {
  const runs: [number, ValueType][] = [];
  for (const t of c.locals.slice(type.params.length)) {
    const last = runs.at(-1);
    if (last?.[1] === t) last[0]++;
    else runs.push([1, t]);
  }
  return { type, locals: runs, code: c.out, hints: c.hints, callees: c.callees, name };
}
