// Random instruction sequences, made from the instruction table itself: single instructions with operands at which
// arithmetic turns, in the shapes of control that shapes.ts draws.
import fc from "fast-check";
import { formOf } from "../../src/isa/riscv/decode.ts";
import { type Form, formNamed, forms, layoutOf } from "../../src/isa/riscv/instructions.ts";
import { assemble, fieldNamed, type Item, newLabel, place } from "./assembler.ts";
import { bytesOf, dataBase, type Sequence } from "./sequence.ts";
import { type Draw, type Piece, shaped } from "./shapes.ts";

/** Pointers into the data: the first two wander, the last is always good. */
const [stack, wandering, good] = [2, 8, 9] as const;
const pointers = [wandering, good, stack];
/** What shapes.ts keeps to itself: counters of its loops. */
const counters: readonly number[] = [6, 7, 29];
/** Written seldom, for much would end soon: the link, and the pointers that wander. */
const careful: readonly number[] = [1, stack, wandering];

const isJump = (form: Form): boolean => form.row.asm.includes("target") || /target|^jal /.test(form.row.is ?? "");
const touchesMemory = (form: Form): boolean => form.row.asm.includes("(rs1)") || /\(/.test(form.row.is ?? "");

/** The control registers that instructions name: fflags, frm, fcsr. Counters are tested elsewhere. */
const csrs = [1, 2, 3];

/** Where atomics may point: another address than an aligned one makes the reference give up. */
export type Atomics = "aligned" | "anywhere";

/** Bits of a form with free bits drawn at random, biased so that registers meet each other and pointers stay pointers. */
function shape(form: Form, random: number, keep: boolean, atomics: Atomics): number {
  let bits = form.match | (random & ~form.mask) | 0;
  if (form.length === 2) bits &= 0xffff;
  for (const field of layoutOf(form).fields) {
    if (form.row.asm.includes("csr") && field.name === "imm")
      bits = place(field, csrs[(random >>> 22) % csrs.length]!, bits);
    if (field.name !== "rd" && field.name !== "rs1" && field.name !== "rs2") continue;
    let register = 0;
    for (const { from, mask, to } of field.pieces) register |= ((bits >>> from) & mask) << to;
    register += field.base;
    if (field.name === "rd" && !form.row.asm.startsWith("f")) {
      if (register === good || counters.includes(register) || (keep && careful.includes(register))) register = 10;
    }
    if (field.name === "rs1" && form.row.ext === "A" && atomics === "aligned") register = good;
    else if (keep && field.name === "rs1" && touchesMemory(form))
      register = field.base === 0 ? pointers[register % 3]! : pointers[register % 2]!;
    bits = place(field, register, bits);
  }
  return form.length === 2 ? bits & 0xffff : bits;
}

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

/** Mostly well inside the first page of the data or the third, else near an edge of a page, or anywhere. */
const pointer: fc.Arbitrary<bigint> = fc
  .oneof(
    { weight: 8, arbitrary: fc.integer({ min: 0x100, max: 0xe00 }) },
    { weight: 1, arbitrary: fc.integer({ min: 0x2100, max: 0x2e00 }) },
    {
      weight: 4,
      arbitrary: fc
        .tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: -32, max: 31 }))
        .map(([page, o]) => Math.max(0, 4096 * page + o)),
    },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 0x3fff }) },
  )
  .map((o) => BigInt(dataBase + o));
/** Where atomics work: aligned. */
const goodPointer = pointer.map((p) => ((p & ~15n) % 0x4000n) | BigInt(dataBase));

/** Longer code would reach into the page that sequences write code to. */
const codeLimit = 4000;

/**
 * Makes sequences of up to `length` pieces, of the forms that `usable` lets through. The shapes of control around them use
 * some more.
 */
export function sequences(
  usable: (form: Form) => boolean,
  length = 24,
  atomics: Atomics = "aligned",
): fc.Arbitrary<Sequence> {
  const chosen = forms.filter(usable);
  const jumps = chosen.filter(isJump);
  const others = chosen.filter((f) => !isJump(f));
  const draw = fc.record({ random: fc.integer(), keep: fc.integer({ min: 0, max: 9 }) });
  /** An instruction of one of the forms. */
  const one = (of: readonly Form[]): fc.Arbitrary<number> =>
    fc
      .tuple(fc.constantFrom(...of), draw)
      .map(([form, { random, keep }]) => ({ form, bits: shape(form, random, keep > 0, atomics) }))
      .filter(({ form, bits }) => formOf(bits) === form)
      .map(({ bits }) => bits);
  const accesses = others.filter((f) => touchesMemory(f) && fieldNamed(f, "rs1")?.base === 0);
  const walking = accesses.filter((f) => atomics === "anywhere" || f.row.ext !== "A");
  const orLoad = (of: readonly Form[]): readonly Form[] => (of.length === 0 ? [formNamed("ld")] : of);
  const d: Draw = {
    plain: one(others),
    jump: jumps.length === 0 ? undefined : one(jumps).map((bits) => ({ form: formOf(bits)!, bits })),
    access: one(orLoad(accesses)),
    walkingAccess: one(orLoad(walking)),
    pointers,
    counters,
  };
  return fc
    .record({
      x: fc.array(integer, { minLength: 31, maxLength: 31 }),
      wanders: pointer,
      stays: goodPointer,
      stack: pointer,
      f: fc.array(float, { minLength: 32, maxLength: 32 }),
      flags: fc.integer({ min: 0, max: 31 }),
      mode: fc.oneof(
        { weight: 12, arbitrary: fc.integer({ min: 0, max: 4 }) },
        { weight: 1, arbitrary: fc.constant(7) },
      ),
      pieces: fc.array(shaped(d), { minLength: 1, maxLength: length }),
    })
    .map(({ x, wanders, stays, stack: sp, f, flags, mode, pieces }) => ({
      x: x
        .with(wandering - 1, wanders)
        .with(good - 1, stays)
        .with(stack - 1, BigInt.asUintN(64, sp & ~15n)),
      f,
      fcsr: (mode << 5) | flags,
      code: assemble(lay(pieces)),
    }))
    .filter(({ code }) => bytesOf(code).length < codeLimit);
}

/** One piece after the other; a jump of a piece forward over some of those that follow. */
function lay(pieces: readonly Piece[]): Item[] {
  const starts = [...pieces.map(newLabel), newLabel()];
  return [
    ...pieces.flatMap((p, i) => [starts[i]!, ...p(0, (over) => starts[Math.min(i + 1 + over, pieces.length)]!)]),
    starts.at(-1)!,
  ];
}
