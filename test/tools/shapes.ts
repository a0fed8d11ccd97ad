// The shapes of control that random sequences have: branches, loops one in the other, knots that no structure fits,
// calls, recursion, tables of jumps, code that rewrites itself, pointers that walk or leap out of what is mapped. All end:
// each way back counts down.
import fc from "fast-check";
import { encode } from "../../src/isa/riscv/encode.ts";
import { lengthOf } from "../../src/isa/riscv/encoding.ts";
import { type Form, formNamed } from "../../src/isa/riscv/instructions.ts";
import { branch, constant, fieldNamed, type Item, jump, type Label, newLabel, place } from "./assembler.ts";
import { bytesOf, codeBase } from "./sequence.ts";

/** A part of a sequence: its items, given how deep in other shapes it is, and the place some pieces further on. */
export type Piece = (depth: number, ahead: (over: number) => Label) => Item[];

/** Where single instructions come from, and the registers that have a meaning. */
export interface Draw {
  readonly plain: fc.Arbitrary<number>;
  /** Jumps and branches, without their distance. */
  readonly jump: fc.Arbitrary<{ readonly form: Form; readonly bits: number }> | undefined;
  /** Accesses of memory through a full-size base register; and those that take any address. */
  readonly access: fc.Arbitrary<number>;
  readonly walkingAccess: fc.Arbitrary<number>;
  readonly pointers: readonly number[];
  /** One for each depth: nothing else writes them. */
  readonly counters: readonly number[];
}

/** Scratch registers, used from one item to the next. */
const [t, u, v] = [30, 31, 28] as const;
const [ra, sp] = [1, 2] as const;

const addi = (rd: number, rs1: number, imm: number): number => encode("addi", { rd, rs1, imm });
const ret = (link: number): number => encode("jalr", { rs1: link });
const fenceI = encode("fence.i", {});
const times = fc.integer({ min: 1, max: 8 });
const small = fc.integer({ min: 0, max: 5 });

/** All of one body, its jumps forward staying in it. */
function inside(body: readonly Piece[], depth: number): Item[] {
  const starts = [...body.map(newLabel), newLabel()];
  return [
    ...body.flatMap((p, i) => [starts[i]!, ...p(depth, (over) => starts[Math.min(i + 1 + over, body.length)]!)]),
    starts.at(-1)!,
  ];
}

/** Does `body` so many times. */
function counted(counter: number, n: number, body: readonly Item[]): Item[] {
  const head = newLabel();
  return [addi(counter, 0, n), head, ...body, addi(counter, counter, -1), branch("bne", counter, 0, head)];
}

/** Four bytes that do what an instruction does. */
const padded = (bits: number): number[] => (lengthOf(bits) === 4 ? [bits] : [bits, encode("c.addi", {})]);
const wordOf = (bits: number): number => (lengthOf(bits) === 4 ? bits | 0 : bits | (encode("c.addi", {}) << 16));

/** Words of a function, for code that writes it somewhere. */
function words(code: readonly number[]): number[] {
  const bytes = bytesOf(code);
  const whole = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
  whole.set(bytes);
  return [...new Int32Array(whole.buffer)];
}

/** Distances that lead out of what is mapped. Not 2**38: the reference has its stack there. */
const leaps = [12, 13, 20, 32, 33, 40, 47, 48, 62, 63] as const;
const strides = [1, 2, 4, 7, 8, 16, 64, 256, 1000, -1, -4, -8, -24, -1024] as const;

/** Shapes around bodies that `part` draws. */
function shapes(d: Draw, part: fc.Arbitrary<Piece>): fc.Arbitrary<Piece> {
  const body = fc.array(part, { minLength: 1, maxLength: 4 });
  const bodies = fc.array(body, { minLength: 2, maxLength: 4 });
  const counterOf = (depth: number): number => d.counters[depth]!;

  const loop = fc.tuple(body, times).map(
    ([b, n]): Piece =>
      (depth) =>
        counted(counterOf(depth), n, inside(b, depth + 1)),
  );

  // Blocks that go anywhere among themselves, from a way in that is any of them.
  const knot = fc
    .record({
      blocks: bodies,
      ways: fc.array(
        fc.record({ form: fc.constantFrom("beq", "bne", "blt", "bge"), rs1: small, rs2: small, to: small }),
        {
          minLength: 8,
          maxLength: 8,
        },
      ),
      n: fc.integer({ min: 1, max: 20 }),
    })
    .map(
      ({ blocks, ways, n }): Piece =>
        (depth) => {
          const heads = blocks.map(newLabel);
          const out = newLabel();
          const counter = counterOf(depth);
          const to = (w: number): Label => heads[ways[w]!.to % heads.length]!;
          const decide = (w: number): Item =>
            branch(ways[w]!.form as "beq", 10 + ways[w]!.rs1, 10 + ways[w]!.rs2, to(w));
          return [
            addi(counter, 0, n),
            decide(7),
            ...blocks.flatMap((b, i): Item[] => [
              heads[i]!,
              ...inside(b, depth + 1),
              addi(counter, counter, -1),
              branch("bge", 0, counter, out),
              decide(i),
              ...(ways[i]!.rs1 > 2 ? [jump(to(i + 3))] : []),
            ]),
            out,
          ];
        },
    );

  // A function, and calls of it: direct, by either link register, through a register.
  const call = fc
    .record({ function: body, between: body, ways: fc.array(small, { minLength: 1, maxLength: 3 }), odd: fc.boolean() })
    .map(
      ({ function: f, between, ways, odd }): Piece =>
        (depth) => {
          const [entry, over] = [newLabel(), newLabel()];
          const link = odd ? 5 : ra;
          return [
            jump(over),
            entry,
            ...inside(f, depth + 1),
            ret(link),
            over,
            ...ways.flatMap((way): Item[] => [
              ...(way < 3
                ? [jump(entry, link)]
                : [{ address: entry, rd: t }, encode("jalr", { rd: link, rs1: t, imm: way & 1 })]),
              ...inside(between, depth + 1),
            ]),
          ];
        },
    );

  const recursion = fc.record({ before: body, after: body, n: times }).map(
    ({ before, after, n }): Piece =>
      (depth) => {
        const [entry, over, bottom] = [newLabel(), newLabel(), newLabel()];
        const counter = counterOf(depth);
        return [
          jump(over),
          entry,
          addi(sp, sp, -16),
          encode("sd", { rs2: ra, rs1: sp, imm: 0 }),
          addi(counter, counter, -1),
          branch("bge", 0, counter, bottom),
          ...inside(before, depth + 1),
          jump(entry, ra),
          ...inside(after, depth + 1),
          bottom,
          encode("ld", { rd: ra, rs1: sp, imm: 0 }),
          addi(sp, sp, 16),
          ret(ra),
          over,
          addi(counter, 0, n),
          jump(entry, ra),
        ];
      },
  );

  const table = fc.record({ arms: bodies, by: small, n: times }).map(
    ({ arms, by, n }): Piece =>
      (depth) => {
        const heads = arms.map(newLabel);
        const [rows, out] = [newLabel(), newLabel()];
        const counter = counterOf(depth);
        return counted(counter, n, [
          { address: rows, rd: t },
          encode("andi", { rd: u, rs1: by < 3 ? counter : 10 + by, imm: 3 }),
          encode("slli", { rd: u, rs1: u, imm: 2 }),
          encode("add", { rd: u, rs1: u, rs2: t }),
          encode("lwu", { rd: u, rs1: u, imm: 0 }),
          encode("add", { rd: t, rs1: t, rs2: u }),
          ret(t),
          rows,
          ...[0, 1, 2, 3].map((i): Item => ({ offset: heads[i % heads.length]!, from: rows })),
          ...arms.flatMap((arm, i): Item[] => [heads[i]!, ...inside(arm, depth + 1), jump(out)]),
          out,
        ]);
      },
  );

  // A loop that writes one of two instructions to a place in it, ahead or behind, each time around.
  const patch = fc
    .record({ old: d.plain, even: d.plain, odd: d.plain, before: body, after: body, n: times, behind: fc.boolean() })
    .map(
      ({ old, even, odd, before, after, n, behind }): Piece =>
        (depth) => {
          const [slot, chosen] = [newLabel(), newLabel()];
          const counter = counterOf(depth);
          const write: Item[] = [
            { address: slot, rd: t },
            ...constant(u, wordOf(even)),
            encode("andi", { rd: v, rs1: counter, imm: 1 }),
            branch("beq", v, 0, chosen),
            ...constant(u, wordOf(odd)),
            chosen,
            encode("sw", { rs1: t, rs2: u }),
            fenceI,
          ];
          const [first, second] = [inside(before, depth + 1), inside(after, depth + 1)];
          const place: Item[] = [slot, ...padded(old)];
          return counted(
            counter,
            n,
            behind ? [...first, ...place, ...second, ...write] : [...write, ...first, ...place, ...second],
          );
        },
    );

  // A function written to another page, which holds another one after, and so on. Other things may happen before the fence.
  const copy = fc
    .record({
      functions: fc.array(fc.array(d.plain, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 3 }),
      between: body,
      at: fc.oneof(fc.integer({ min: 0x800, max: 0x17ff }), fc.integer({ min: 0xff0, max: 0x1000 })),
      n: times,
      byHalves: fc.boolean(),
    })
    .map(
      ({ functions, between, at, n, byHalves }): Piece =>
        (depth) => {
          const to = codeBase + 2 * at;
          const put = (word: number, i: number): Item[] => [
            ...constant(u, word),
            encode(byHalves ? "sh" : "sw", { rs1: t, rs2: u, imm: 4 * i }),
            ...(byHalves
              ? [encode("srli", { rd: u, rs1: u, imm: 16 }), encode("sh", { rs1: t, rs2: u, imm: 4 * i + 2 })]
              : []),
          ];
          return counted(
            counterOf(depth),
            n,
            functions.flatMap((f): Item[] => [
              ...constant(t, to),
              ...words([...f, ret(ra)]).flatMap(put),
              ...inside(between, depth + 1),
              fenceI,
              ...constant(t, to),
              encode("jalr", { rd: ra, rs1: t }),
            ]),
          );
        },
    );

  const accessAt = (bits: number, base: number): number => place(fieldNamed(formNamed("jalr"), "rs1")!, base, bits);

  const walk = fc
    .record({
      access: d.walkingAccess,
      other: body,
      stride: fc.constantFrom(...strides),
      n: fc.integer({ min: 1, max: 40 }),
    })
    .map(
      ({ access, other, stride, n }): Piece =>
        (depth) =>
          counted(counterOf(depth), n, [
            accessAt(access, d.pointers[0]!),
            ...inside(other, depth + 1),
            addi(d.pointers[0]!, d.pointers[0]!, stride),
          ]),
    );

  // A pointer that is good but for the last time around.
  const leap = fc
    .record({ access: d.access, other: body, by: fc.constantFrom(...leaps), down: fc.boolean(), n: times })
    .map(
      ({ access, other, by, down, n }): Piece =>
        (depth) =>
          counted(counterOf(depth), n, [
            ...inside(other, depth + 1),
            addi(t, counterOf(depth), -1),
            encode("sltiu", { rd: t, rs1: t, imm: 1 }),
            encode("slli", { rd: t, rs1: t, imm: by }),
            encode(down ? "sub" : "add", { rd: t, rs1: d.pointers[1]!, rs2: t }),
            accessAt(access, t),
          ]),
    );

  return fc.oneof(
    { weight: 4, arbitrary: loop },
    { weight: 3, arbitrary: knot },
    { weight: 3, arbitrary: call },
    { weight: 1, arbitrary: recursion },
    { weight: 2, arbitrary: table },
    { weight: 2, arbitrary: patch },
    { weight: 1, arbitrary: copy },
    { weight: 2, arbitrary: walk },
    { weight: 1, arbitrary: leap },
  );
}

/** Any piece, and shapes in shapes. */
export function shaped(d: Draw): fc.Arbitrary<Piece> {
  const plain = d.plain.map(
    (bits): Piece =>
      () => [bits],
  );
  const mode = fc.integer({ min: 0, max: 4 }).map(
    (rm): Piece =>
      () => [encode("csrrwi", { imm: 2, rs1: rm })],
  );
  const ahead =
    d.jump === undefined
      ? plain
      : fc.tuple(d.jump, small).map(
          ([{ form, bits }, over]): Piece =>
            (_, label) => [{ jump: form, bits, to: label(over) }],
        );
  const simple = fc.oneof(
    { weight: 34, arbitrary: plain },
    { weight: 5, arbitrary: ahead },
    { weight: 1, arbitrary: mode },
  );
  const inner = shapes(d, simple);
  const outer = shapes(d, fc.oneof({ weight: 4, arbitrary: simple }, { weight: 1, arbitrary: inner }));
  return fc.oneof({ weight: 14, arbitrary: simple }, { weight: 2, arbitrary: inner }, { weight: 1, arbitrary: outer });
}
