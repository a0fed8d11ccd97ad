// Records that several agents take and give back.
import { afterEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { allocate, capacityOf, free, liveHandles, newArena, recordOf, resolve, usedOf } from "../../src/sync/arena.ts";
import { indexOf, struct, words } from "../../src/sync/struct.ts";
import { dismissAll, newCounter, together } from "./crew.ts";

afterEach(dismissAll);

const layout = struct({ words: words(4) });
const capacities = [1, 2, 30, 31, 32, 33, 100, 1000];

describe("an arena", () => {
  test.each(capacities)("of %d records hands out each once, and then none", (capacity) => {
    const a = newArena(layout, capacity);
    const handles = Array.from({ length: capacity }, () => allocate(a));
    expect(allocate(a)).toBe(0);
    expect(usedOf(a)).toBe(capacity);
    const indices = new Set(handles.map((handle) => indexOf(a.records, recordOf(a, handle))));
    expect(indices.size).toBe(capacity);
    expect(Math.min(...indices)).toBe(1);
    expect(Math.max(...indices)).toBe(capacityOf(a));
    for (const handle of handles) free(a, handle);
    expect(usedOf(a)).toBe(0);
    for (let i = 0; i < capacity; i++) expect(allocate(a)).toBeGreaterThan(0);
    expect(allocate(a)).toBe(0);
  });
  test("finds out handles that outlived their record", () => {
    const a = newArena(layout, 3);
    const first = allocate(a);
    expect(resolve(a, first)).toBe(recordOf(a, first));
    free(a, first);
    expect(resolve(a, first)).toBe(0);
    const again = allocate(a);
    expect(recordOf(a, again)).toBe(recordOf(a, first));
    expect(again).not.toBe(first);
    expect(resolve(a, first)).toBe(0);
    expect(() => free(a, first)).toThrow("not good any more");
    free(a, again);
    expect(() => free(a, again)).toThrow("not good any more");
    for (const wild of [0, -1, 2 ** 31 - 1, 3]) {
      expect(resolve(a, wild)).toBe(0);
      expect(() => free(a, wild)).toThrow("not good any more");
    }
    expect(usedOf(a)).toBe(0);
  });
  test("keeps generations apart until they wrap", () => {
    const a = newArena(layout, 1);
    const seen = new Set<number>();
    for (let i = 0; i < 10_000; i++) {
      const handle = allocate(a);
      seen.add(handle);
      free(a, handle);
    }
    expect(seen.size).toBe(10_000);
    a.words[a.words.length - 1] = -2;
    const last = allocate(a);
    expect(last).toBeGreaterThan(0);
    free(a, last);
    const next = allocate(a);
    expect(resolve(a, last)).toBe(0);
    expect(resolve(a, next)).toBe(recordOf(a, next));
  });
  test("poisons what is given back", () => {
    const a = newArena(layout, 2, 0x0dead0);
    const handle = allocate(a);
    const view = layout.fields.words.of(a.records.memory, recordOf(a, handle));
    view.fill(5);
    free(a, handle);
    expect([...view]).toEqual(new Array(4).fill(0x0dead0));
  });
  test("behaves like a set", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 70 }), fc.array(fc.nat({ max: 1000 }), { maxLength: 300 }), (n, steps) => {
        const a = newArena(layout, n);
        const model: number[] = [];
        for (const step of steps) {
          if (step % 2 === 0) {
            const handle = allocate(a);
            expect(handle !== 0).toBe(model.length < n);
            if (handle !== 0) model.push(handle);
          } else if (model.length > 0) {
            free(a, model.splice(step % model.length, 1)[0]!);
          }
          expect(usedOf(a)).toBe(model.length);
          expect(liveHandles(a).sort()).toEqual(model.toSorted());
        }
      }),
    );
  });
  test.each([
    ["roomy", 500],
    ["nearly full", 40],
  ] as const)("four workers take and give back without loss or double hand-out: %s", async (_, capacity) => {
    const words4 = (n: number) => new Int32Array(new SharedArrayBuffer(4 * n));
    const d = {
      arena: newArena(layout, capacity, 0x0dead0),
      owners: words4(capacity + 1),
      exchange: words4(4),
      gate: newCounter(),
      parties: 4,
      rounds: 100_000,
    };
    const figures = await together(4, "churns", d);
    for (const { twice, changed } of figures) expect([twice, changed]).toEqual([0, 0]);
    if (capacity === 40) expect(figures.some(({ refused }) => refused > 0)).toBe(true);
    for (const handle of d.exchange) if (handle !== 0) free(d.arena, handle);
    expect(usedOf(d.arena)).toBe(0);
    expect(liveHandles(d.arena)).toEqual([]);
    const all = new Set(Array.from({ length: capacity }, () => recordOf(d.arena, allocate(d.arena))));
    expect(all.size).toBe(capacity);
  });
});
