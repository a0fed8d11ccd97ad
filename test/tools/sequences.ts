// Random instruction sequences, made from the instruction table itself, for the comparison with the reference emulator.
import fc from "fast-check";
import { formOf } from "../../src/isa/riscv/decode.ts";
import { disassemble } from "../../src/isa/riscv/disassemble.ts";
import type { EncodedField } from "../../src/isa/riscv/encoding.ts";
import { type Form, formNamed, forms, layoutOf } from "../../src/isa/riscv/instructions.ts";

/** Where oracle.c puts the code and the data of a sequence. */
export const codeBase = 0x40000000;
export const dataBase = 0x50000000;

/** What one sequence starts from: registers as 64-bit patterns, fcsr, and instructions as their bits. */
export interface Sequence {
  readonly x: readonly bigint[];
  readonly f: readonly bigint[];
  readonly fcsr: number;
  readonly code: readonly number[];
}

/** Places a value of a field among the bits of an instruction. */
function place(field: EncodedField, value: number, bits: number): number {
  for (const { from, mask, to } of field.pieces)
    bits = (bits & ~(mask << from)) | (((((value - field.base) >> to) & mask) << from) | 0);
  return bits;
}

const fieldNamed = (form: Form, name: string): EncodedField | undefined =>
  layoutOf(form).fields.find((f) => f.name === name);

const lengthOf = (bits: number): 2 | 4 => ((bits & 3) === 3 ? 4 : 2);

/** Pointers into the data, which most instructions leave alone; and the counter of loops. */
const pointers = [8, 9];
const counter = 7;

// A piece of a sequence, before jumps are given their distance.
type Piece =
  | { readonly plain: number }
  | { readonly jump: number; readonly over: number }
  | { readonly loop: readonly Piece[]; readonly times: number };

const isJump = (form: Form): boolean => form.row.asm.includes("target") || /target|^jal /.test(form.row.is ?? "");

/** Bits of a form with free bits drawn at random, biased so that registers meet each other and pointers stay pointers. */
function shape(form: Form, random: number, keep: boolean): number {
  let bits = form.match | (random & ~form.mask) | 0;
  if (form.length === 2) bits &= 0xffff;
  for (const field of layoutOf(form).fields) {
    if (field.name !== "rd" && field.name !== "rs1" && field.name !== "rs2") continue;
    let register = 0;
    for (const { from, mask, to } of field.pieces) register |= ((bits >>> from) & mask) << to;
    register += field.base;
    // The second pointer is always good: atomics need an aligned address, or the reference gives up.
    if (field.name === "rd" && (register === pointers[1] || (keep && (register === 8 || register === counter))))
      register = 10;
    if (field.name === "rs1" && form.row.ext === "A") register = pointers[1]!;
    else if (keep && field.name === "rs1" && touchesMemory(form)) register = pointers[register & 1]!;
    bits = place(field, register, bits);
  }
  return form.length === 2 ? bits & 0xffff : bits;
}

const touchesMemory = (form: Form): boolean => form.row.asm.includes("(rs1)") || /\(/.test(form.row.is ?? "");

/** Values at which arithmetic turns. */
const corners = [
  0n,
  1n,
  2n,
  0x7fn,
  0x80n,
  0xffn,
  0x7fffn,
  0x8000n,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  0x100000000n,
];
const wide = corners.flatMap((c) => [c, BigInt.asUintN(64, -c), BigInt.asUintN(64, ~(1n << 63n) - c)]);
const integer: fc.Arbitrary<bigint> = fc.oneof(
  fc.constantFrom(...wide),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  fc.bigInt({ min: 0n, max: 64n }),
);

const box = (single: number): bigint => 0xffffffff00000000n | BigInt(single >>> 0);
const doubles = [
  0,
  1,
  1.5,
  2,
  0.1,
  1e300,
  1e-300,
  5e-324,
  2.2250738585072014e-308,
  Number.MAX_VALUE,
  2 ** 31,
  2 ** 53,
  2 ** 63,
];
const doubleBits = (v: number): bigint => {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, v);
  return view.getBigUint64(0);
};
const float: fc.Arbitrary<bigint> = fc.oneof(
  fc.constantFrom(...doubles, ...doubles.map((v) => -v), Infinity, -Infinity).map(doubleBits),
  fc.constantFrom(0x7ff8000000000000n, 0x7ff0000000000001n, 0xfff8000000000001n, box(0x7fc00000), box(0x7f800001)),
  fc
    .constantFrom(0, 1, 0x3f800000, 0xbf800000, 0x3dcccccd, 0x7f7fffff, 0x800000, 0x7fffff, 0x7f800000, 0x4f000000)
    .map(box),
  fc.bigInt({ min: 0n, max: 2n ** 32n - 1n }).map((v) => 0xffffffff00000000n | v),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
);

/** Makes sequences of the forms that `usable` lets through. */
export function sequences(usable: (form: Form) => boolean, maxLength = 24): fc.Arbitrary<Sequence> {
  const chosen = forms.filter(usable);
  const jumps = chosen.filter(isJump);
  const others = chosen.filter((f) => !isJump(f));
  const draw = fc.record({ random: fc.integer(), keep: fc.integer({ min: 0, max: 9 }) });
  const plain = fc
    .tuple(fc.constantFrom(...others), draw)
    .map(([form, { random, keep }]) => ({ form, bits: shape(form, random, keep > 0) }))
    .filter(({ form, bits }) => formOf(bits) === form)
    .map(({ bits }): Piece => ({ plain: bits }));
  const jump = fc
    .tuple(fc.constantFrom(...jumps), draw, fc.integer({ min: 0, max: 4 }))
    .map(([form, { random }, over]) => ({ form, bits: shape(form, random, true), over }))
    .filter(({ form, bits }) => formOf(bits) === form)
    .map(({ bits, over }): Piece => ({ jump: bits, over }));
  const simple = fc.oneof({ weight: 9, arbitrary: plain }, { weight: 1, arbitrary: jump });
  const loop = fc
    .record({ loop: fc.array(plain, { minLength: 1, maxLength: 5 }), times: fc.integer({ min: 1, max: 8 }) })
    .map((l): Piece => l);
  const piece = fc.oneof({ weight: 19, arbitrary: simple }, { weight: 1, arbitrary: loop });
  const pointer = fc.integer({ min: 0, max: 0x1ff }).map((o) => BigInt(dataBase + 16 * o));
  return fc
    .record({
      x: fc.array(integer, { minLength: 31, maxLength: 31 }),
      low: pointer,
      high: pointer,
      f: fc.array(float, { minLength: 32, maxLength: 32 }),
      flags: fc.integer({ min: 0, max: 31 }),
      mode: fc.oneof(
        { weight: 12, arbitrary: fc.integer({ min: 0, max: 4 }) },
        { weight: 1, arbitrary: fc.constant(7) },
      ),
      pieces: fc.array(piece, { minLength: 1, maxLength: maxLength }),
    })
    .map(({ x, low, high, f, flags, mode, pieces }) => ({
      x: x.with(pointers[0]! - 1, low).with(pointers[1]! - 1, high),
      f,
      fcsr: (mode << 5) | flags,
      code: assemble(pieces),
    }));
}

const [li, addi, bne] = [() => formNamed("addi"), () => formNamed("addi"), () => formNamed("bne")];

function assembleOne(form: Form, values: Record<string, number>): number {
  let bits = form.match;
  for (const [name, value] of Object.entries(values)) bits = place(fieldNamed(form, name)!, value, bits);
  return bits;
}

/** Gives jumps their distances: forward over some instructions; loops count down. */
function assemble(pieces: readonly Piece[]): number[] {
  const items = pieces.map((p): number[] | { bits: number; over: number } => {
    if ("plain" in p) return [p.plain];
    if ("jump" in p) return { bits: p.jump, over: p.over };
    const body = p.loop.map((q) => (q as { plain: number }).plain);
    const back = -(body.reduce((sum, bits) => sum + lengthOf(bits), 0) + 4);
    return [
      assembleOne(li(), { rd: counter, imm: p.times }),
      ...body,
      assembleOne(addi(), { rd: counter, rs1: counter, imm: -1 }),
      assembleOne(bne(), { rs1: counter, imm: back }),
    ];
  });
  return items.flatMap((item, i) => {
    if (Array.isArray(item)) return item;
    let distance = lengthOf(item.bits);
    for (const next of items.slice(i + 1, i + 1 + item.over))
      for (const bits of Array.isArray(next) ? next : [next.bits]) distance += lengthOf(bits);
    return [place(fieldNamed(formOf(item.bits)!, "imm")!, distance, item.bits)];
  });
}

const ebreak = 0x00100073;

/** The code's bytes, with the trap that ends it. */
export function codeBytes(s: Sequence): Uint8Array {
  const code = [...s.code, ebreak];
  const bytes = new Uint8Array(code.reduce((sum, bits) => sum + lengthOf(bits), 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const bits of code) {
    if (lengthOf(bits) === 4) view.setInt32(at, bits, true);
    else view.setUint16(at, bits, true);
    at += lengthOf(bits);
  }
  return bytes;
}

/** A sequence as oracle.c reads it. */
export function record(s: Sequence): Uint8Array {
  const code = codeBytes(s);
  const words = new BigUint64Array([...s.x, ...s.f, BigInt(s.fcsr), BigInt(code.length)]);
  return Buffer.concat([new Uint8Array(words.buffer), code]);
}

/** The state that a sequence left, as oracle.c writes it. */
export const stateBytes = (4 + 31 + 32 + 1) * 8 + 0x2000;

/** Names and values of what differs between two states. */
export function difference(a: Uint8Array, b: Uint8Array): string[] {
  const names = [
    ...["signal", "si_code", "si_addr", "pc"],
    ...Array.from({ length: 31 }, (_, i) => `x${i + 1}`),
    ...Array.from({ length: 32 }, (_, i) => `f${i}`),
    "fcsr",
  ];
  const [va, vb] = [a, b].map((s) => new DataView(s.buffer, s.byteOffset, s.byteLength));
  const found: string[] = [];
  for (let at = 0; at + 8 <= stateBytes; at += 8) {
    if (at + 8 > a.length || at + 8 > b.length) return [...found, "one of them ended early"];
    const [wa, wb] = [va!.getBigUint64(at, true), vb!.getBigUint64(at, true)];
    if (wa === wb) continue;
    // Of an address that x86-64 cannot even fault on, the reference does not know the number.
    if (names[at / 8] === "si_addr" && BigInt.asIntN(48, wb) !== BigInt.asIntN(64, wb)) continue;
    const data = at - names.length * 8;
    const name = names[at / 8] ?? `data+0x${data.toString(16)}`;
    found.push(`${name}: ${wa.toString(16)} and ${wb.toString(16)}`);
  }
  return found;
}

/** The assembly text of a sequence, with the registers it starts from. */
export function listing(s: Sequence): string {
  let pc = codeBase;
  const lines = [...s.code, ebreak].map((bits) => {
    const line = `  ${pc.toString(16)}:  ${disassemble(bits, pc)}`;
    pc += lengthOf(bits);
    return line;
  });
  const registers = (name: string, values: readonly bigint[], from: number) =>
    values.map((v, i) => `${name}${i + from}=${v.toString(16)}`).join(" ");
  return [registers("x", s.x, 1), registers("f", s.f, 0), `fcsr=${s.fcsr.toString(16)}`, ...lines].join("\n");
}
