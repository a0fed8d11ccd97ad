// Layouts of records in shared memory, and access to them.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  bytes,
  cacheLine,
  indexOf,
  type Kind,
  newSharedMemory,
  newTable,
  recordAt,
  struct,
  words,
} from "../../src/sync/struct.ts";

const kinds: fc.Arbitrary<Kind> = fc.oneof(
  fc.constantFrom("i32" as const, "u32" as const, "i64" as const, "f64" as const),
  fc.integer({ min: 1, max: 20 }).map(bytes),
  fc.integer({ min: 1, max: 5 }).map(words),
);
const sizeOf = (kind: Kind): number =>
  typeof kind !== "string" ? ("bytes" in kind ? kind.bytes : 4 * kind.words) : /32/.test(kind) ? 4 : 8;

describe("a layout", () => {
  test("puts fields where C does", () => {
    const s = struct({ a: bytes(3), b: "i32", c: bytes(1), d: "i64", e: words(3), f: "f64" });
    const { a, b, c, d, e, f } = s.fields;
    expect([a, b, c, d, e, f].map((field) => field.offset)).toEqual([0, 4, 8, 16, 24, 40]);
    expect([s.size, s.align]).toEqual([48, 8]);
    expect(struct({ a: bytes(1) }).size).toBe(4);
    expect(struct({ a: "i32" }, cacheLine).size).toBe(cacheLine);
  });
  test("never lets fields overlap, and aligns each", () => {
    fc.assert(
      fc.property(fc.array(kinds, { minLength: 1, maxLength: 12 }), (list) => {
        const s = struct(Object.fromEntries(list.map((kind, i) => [`f${i}`, kind])));
        let end = 0;
        list.forEach((kind, i) => {
          const { offset } = s.fields[`f${i}`]!;
          expect(offset).toBeGreaterThanOrEqual(end);
          expect(offset - end).toBeLessThan(8);
          if (typeof kind === "string") expect(offset % sizeOf(kind)).toBe(0);
          end = offset + sizeOf(kind);
        });
        expect(s.size).toBeGreaterThanOrEqual(end);
        expect(s.size % s.align).toBe(0);
      }),
    );
  });
});

describe("fields", () => {
  const s = struct({ i: "i32", u: "u32", l: "i64", d: "f64", b: bytes(6), w: words(2) });
  const t = newTable(s, 3);
  const [m, r] = [t.memory, recordAt(t, 1)];
  const { i, u, l, d, b, w } = s.fields;

  test("keep signed, unsigned, long and double numbers", () => {
    fc.assert(
      fc.property(fc.integer(), fc.nat({ max: 2 ** 32 - 1 }), fc.maxSafeInteger(), fc.double(), (a, c, e, f) => {
        i.set(m, r, a);
        u.set(m, r, c);
        l.set(m, r, e);
        d.set(m, r, f);
        expect([i.get(m, r), u.get(m, r), l.get(m, r), d.get(m, r)]).toEqual([a, c, e, f]);
      }),
    );
    for (const edge of [-1, -(2 ** 32), -(2 ** 53) + 1, 2 ** 53 - 1, 2 ** 32 - 1, 0]) {
      l.set(m, r, edge);
      expect(l.get(m, r)).toBe(edge);
    }
  });
  test("change words atomically and answer what they were", () => {
    u.store(m, r, 0xffff_ffff);
    expect(u.add(m, r, 2)).toBe(0xffff_ffff);
    expect(u.load(m, r)).toBe(1);
    expect(i.exchange(m, r, -7)).toBeNumber();
    expect(i.compareExchange(m, r, 0, 5)).toBe(-7);
    expect(i.compareExchange(m, r, -7, 5)).toBe(-7);
    expect(i.or(m, r, 8)).toBe(5);
    expect(i.and(m, r, 9)).toBe(13);
    expect(i.load(m, r)).toBe(9);
    expect(m.i32[i.indexIn(r)]).toBe(9);
  });
  test("show runs in place", () => {
    b.of(m, r).set([1, 2, 3, 4, 5, 6]);
    w.of(m, r).set([-1, -2]);
    expect([...m.u8.subarray(b.indexIn(r), b.indexIn(r) + b.length)]).toEqual([1, 2, 3, 4, 5, 6]);
    expect(m.i32[w.indexIn(r) + 1]).toBe(-2);
  });
  test("leave other records alone", () => {
    for (const index of [0, 2]) {
      const other = recordAt(t, index);
      expect([i, u, l, d].map((field) => field.get(m, other))).toEqual([0, 0, 0, 0]);
      expect([...b.of(m, other), ...w.of(m, other)]).toEqual(new Array(8).fill(0));
    }
    expect(indexOf(t, r)).toBe(1);
  });
});

test("tables can share a memory, and arrive elsewhere as the same memory", () => {
  const s = struct({ a: "i32", b: "f64" });
  const memory = newSharedMemory(1000);
  const t = newTable(s, 10, memory, 512);
  const copy = structuredClone(t);
  s.fields.a.set(t.memory, recordAt(t, 9), 77);
  expect(s.fields.a.get(copy.memory, recordAt(copy, 9))).toBe(77);
  expect(memory.i32[(512 + 9 * 16) / 4]).toBe(77);
});
