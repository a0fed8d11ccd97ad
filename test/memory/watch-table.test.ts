import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  fillWatchTable,
  type Watched,
  watchBounds,
  watchEntries,
  watchEntryBytes,
  watchTableWords,
} from "../../src/memory/watch-table.ts";

/** Whether compiled code would look further at an access that lies in a page. */
function isNear(table: Int32Array, address: number, length: number, kind: "read" | "write"): boolean {
  const entry = (((address >>> 12) & (watchEntries - 1)) * watchEntryBytes) / 4;
  const { low, high } = watchBounds[kind];
  return address < table[entry + high / 4]! >>> 0 && address + length > table[entry + low / 4]! >>> 0;
}

const watched: fc.Arbitrary<Watched> = fc.record({
  address: fc.integer({ min: 0, max: 0xff00_0000 }),
  length: fc.integer({ min: 1, max: 9000 }),
  reads: fc.boolean(),
  writes: fc.boolean(),
});

test("the table leaves nothing out that is watched, an atomic operation's read included, whatever it said before", () => {
  const table = new Int32Array(watchTableWords);
  fc.assert(
    fc.property(fc.array(watched, { maxLength: 6 }), fc.nat(), fc.constantFrom(1, 2, 4, 8), (all, where, length) => {
      fillWatchTable(table, all);
      for (const w of all) {
        const address = w.address + (where % w.length);
        if ((address & 4095) + length > 4096) continue;
        if (w.reads) expect(isNear(table, address, length, "read")).toBe(true);
        if (w.reads || w.writes) expect(isNear(table, address, length, "write")).toBe(true);
      }
    }),
  );
});

test("what lies beside a single watchpoint is told from it, in its page and in others", () => {
  const table = new Int32Array(watchTableWords);
  fillWatchTable(table, [{ address: 0x12ffc, length: 8, reads: false, writes: true }]);
  for (const [address, length, near] of [
    [0x12ff8, 4, false],
    [0x12ff8, 8, true],
    [0x12ffc, 1, true],
    [0x13000, 4, true],
    [0x13003, 1, true],
    [0x13004, 8, false],
    [0x14000, 8, false],
  ] as const)
    expect([address, isNear(table, address, length, "write")]).toEqual([address, near]);
  expect(isNear(table, 0x12ffc, 4, "read")).toBe(false);
  fillWatchTable(table, []);
  expect(isNear(table, 0x12ffc, 4, "write")).toBe(false);
});
