import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { decode, formOf } from "../../src/isa/riscv/decode.ts";
import { domainsOf, encode } from "../../src/isa/riscv/encode.ts";
import { fieldValue, lengthOf } from "../../src/isa/riscv/encoding.ts";
import { type Form, forms, instructions, layoutOf } from "../../src/isa/riscv/instructions.ts";
import type { Field, Node } from "../../src/isa/vocabulary.ts";
import { fieldValues } from "./arbitrary.ts";

/** Whether a form has these bits, worked out without the decoder. */
const has = (form: Form, bits: number): boolean =>
  lengthOf(bits) === form.length &&
  (bits & form.mask) === form.match &&
  layoutOf(form).fields.every((f) => !f.except.includes(fieldValue(f, bits)));

const within = (inner: Form, outer: Form): boolean => inner.row.within === outer.name;

describe("the instruction table", () => {
  test("has exactly one of `does` and `is` in every row", () => {
    for (const { name, row } of forms) expect([name, !row.does !== !row.is]).toEqual([name, true]);
  });

  test("reads registers only before it writes one", () => {
    const reads = (node: Node): boolean =>
      node.op === "x" || node.op.endsWith(".reg") || node.args.some((arg) => reads(arg));
    for (const { name, row } of instructions) {
      const firstWrite = row.does!.findIndex((node) => node.field === "rd");
      const later = firstWrite < 0 ? [] : row.does!.slice(firstWrite + 1);
      expect([name, later.some(reads)]).toEqual([name, false]);
    }
  });

  test("uses in a row's meaning all the fields that the row encodes, and no others", () => {
    const used = (node: Node): Field[] => [...(node.field ? [node.field] : []), ...node.args.flatMap(used)];
    for (const form of forms.slice(0, instructions.length)) {
      const { fields } = layoutOf(form);
      const meant = new Set(form.row.does!.flatMap(used));
      if (form.row.does!.some((node) => node.op === "branch")) meant.add("imm");
      const encoded = new Set<Field>(fields.map((f) => f.name));
      expect([form.name, [...meant].filter((f) => !encoded.has(f))]).toEqual([form.name, []]);
      // Ordering bits of atomics and fences, addresses of prefetches, modes of exact conversions: without effect.
      if (/^(amo|lr|sc|fence|prefetch)/.test(form.name) || form.row.asm.endsWith("exact")) continue;
      expect([form.name, [...encoded].filter((f) => !meant.has(f))]).toEqual([form.name, []]);
    }
  });

  test("has no two rows for the same bits, unless one declares to be within the other", () => {
    const full = forms.filter((f) => f.length === 4);
    for (const a of full)
      for (const b of full)
        if (a.index < b.index && ((a.match ^ b.match) & a.mask & b.mask) === 0)
          expect([a.name, b.name, within(a, b) || within(b, a)]).toEqual([a.name, b.name, true]);
    const short = forms.filter((f) => f.length === 2);
    for (let half = 0; half < 0x10000; half++) {
      const [a, b, ...more] = short.filter((form) => has(form, half));
      if (b) expect([half, within(a!, b) || within(b, a!), more.length]).toEqual([half, true, 0]);
    }
  });

  test("has no row that declares to be within another and is not", () => {
    for (const inner of forms.filter((f) => f.row.within)) {
      const outer = forms.find((f) => within(inner, f));
      const inside = outer && (inner.mask & outer.mask) === outer.mask && (inner.match & outer.mask) === outer.match;
      expect([inner.name, inside]).toEqual([inner.name, true]);
    }
  });
});

describe("decoding", () => {
  test.each(forms.map((form) => [form.name, form] as const))("%s gives back what was encoded", (name, form) => {
    fc.assert(
      fc.property(fieldValues(name), (values) => {
        const bits = encode(name, values);
        const found = formOf(bits)!;
        if (found !== form) expect(found.row.within).toBe(name);
        expect(decode(bits)!.length).toBe(form.length);
        const { fields, target, sources } = layoutOf(form);
        for (const field of fields)
          expect([field.name, fieldValue(field, bits)]).toEqual([field.name, values[field.name]!]);
        // Encoded again in full size, it means the same.
        if (found !== form || form.length === 4) return;
        const expanded: Partial<Record<Field, number>> = {};
        for (const { field } of domainsOf(instructions[target]!.name))
          expanded[field] = fieldValue(sources[field], bits);
        const { name: _, length: __, ...meaning } = decode(bits)!;
        const full = encode(instructions[target]!.name, expanded);
        // Some encodings that do nothing are a hint of their own in full size: `c.mv zero,sp` is `ntl.p1` there.
        if (formOf(full)!.row.within === instructions[target]!.name) expect(expanded.rd).toBe(0);
        else expect(decode(full)).toMatchObject(meaning);
      }),
      { numRuns: 50 },
    );
  });

  test("finds what a search through all rows finds", () => {
    const opcodes = [...new Set(forms.filter((f) => f.length === 4).map((f) => f.match & 0x7f))];
    const words = fc.tuple(fc.constantFrom(...opcodes), fc.nat({ max: 2 ** 25 - 1 }));
    fc.assert(
      fc.property(words, ([opcode, rest]) => {
        const bits = (rest << 7) | opcode;
        const all = forms.filter((form) => has(form, bits));
        expect(formOf(bits)).toBe(all.find((f) => f.row.within) ?? all[0]);
      }),
      { numRuns: 5000 },
    );
  });

  test("looks at no more than the low half of a compressed instruction", () => {
    fc.assert(
      fc.property(fc.nat({ max: 0xffff }), fc.nat({ max: 0xffff }), (half, above) => {
        if (lengthOf(half) === 2) expect(decode((above << 16) | half)).toEqual(decode(half));
      }),
    );
  });

  test.each([
    [0x0000, "all zeros"],
    [0xffff_ffff, "all ones"],
    [0x0004, "c.addi4spn of 0"],
    [0x2001, "c.addiw x0"],
    [0x6101, "c.addi16sp by 0"],
    [0x6081, "c.lui of 0"],
    [0x4002, "c.lwsp x0"],
    [0x6002, "c.ldsp x0"],
    [0x8002, "c.jr x0"],
    [0x9c79, "an unused operation of Zcb"],
    [0x0205_d59b, "srliw by 32"],
    [0x0450_5513, "srai without its bit, by 64"],
    [0x1015_252f, "lr.w with rs2"],
    [0x00a5_d553, "fadd.s with rounding mode 5"],
    [0x00a5_e553, "fadd.s with rounding mode 6"],
    [0x5815_7553, "fsqrt.s with rs2"],
    [0x0055_a00f, "cbo of an unused function"],
    [0x0005_a08f, "cbo.inval with rd"],
    [0x1050_0073, "wfi, which is not for user mode"],
    [0x3020_0073, "mret"],
    [0x1200_0073, "sfence.vma"],
    [0x0010_8073, "ebreak with rs1"],
  ])("refuses %d: %s", (bits, _reason) => {
    expect(decode(bits)).toBeUndefined();
  });

  test.each([
    [0x0000_0013, "addi"],
    [0x0001, "c.addi"],
    [0x107d, "c.addi"],
    [0x0085, "c.addi"],
    [0x4005, "c.li"],
    [0x6005, "c.lui"],
    [0x8006, "c.mv"],
    [0x9006, "c.add"],
    [0x0006, "c.slli"],
    [0x8001, "c.srli64"],
    [0x0100_000f, "pause"],
    [0x0010_6013, "prefetch.r"],
    [0x0020_6013, "ori"],
    [0x0020_0033, "ntl.p1"],
    [0x0330_000f, "fence"],
    [0x8330_000f, "fence.tso"],
    [0xffff_8f8f, "fence"],
    [0xffff_9f8f, "fence.i"],
  ])("takes the hint or fence %d as %s", (bits, name) => {
    expect(decode(bits)?.name).toBe(name);
  });
});

describe("encoding", () => {
  test.each([
    ["addi", { imm: 2048 }],
    ["addi", { imm: -2049 }],
    ["beq", { imm: 3 }],
    ["lui", { imm: 1 }],
    ["slliw", { imm: 32 }],
    ["add", { rd: 32 }],
    ["add", { rd: -1 }],
    ["add", { rd: 0.5 }],
    ["add", { imm: 1 }],
    ["fadd.s", { rm: 5 }],
    ["c.lw", { rd: 7 }],
    ["c.addi4spn", { rd: 8, imm: 0 }],
    ["c.jr", { rs1: 0 }],
    ["bogus", {}],
  ])("throws a RangeError for %s %j", (name, values) => {
    expect(() => encode(name, values)).toThrow(RangeError);
  });

  test("gives unsigned numbers", () => {
    expect(encode("srai", { rd: 10, rs1: 10, imm: 1 })).toBe(0x4015_5513);
    expect(encode("addi", { rd: 1, rs1: 1, imm: -1 })).toBe(0xfff0_8093);
  });
});
