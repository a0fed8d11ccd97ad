// The table of breakpoints against a plain list: whatever is done to it in whatever order, it says what the list says.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  type Breakpoint,
  breakpointsAt,
  breakpointsOf,
  inheritBreakpoints,
  insertBreakpoint,
  newBreakpoints,
  Owner,
  removeBreakpoint,
  removeBreakpoints,
} from "../../src/debug/breakpoints.ts";

const spaces = [0, 1, 7];
const addresses = [0x1000, 0x1002, 0x80000000, 0xfffffff0];

const breakpoint: fc.Arbitrary<Breakpoint> = fc.record({
  space: fc.constantFrom(...spaces),
  address: fc.constantFrom(...addresses),
  kind: fc.integer({ min: 0, max: 4 }),
  length: fc.constantFrom(2, 4, 8),
  owner: fc.constantFrom(Owner.debugger, Owner.guest),
  reference: fc.integer({ min: 0, max: 2 }),
  code: fc.integer({ min: 0, max: 3 }),
});

type Change =
  | { readonly does: "insert" | "remove"; readonly b: Breakpoint }
  | { readonly does: "removeOwner"; readonly owner: number }
  | { readonly does: "removeReference"; readonly reference: number }
  | { readonly does: "inherit"; readonly from: number; readonly to: number };

const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ does: fc.constant("insert" as const), b: breakpoint }) },
  { weight: 3, arbitrary: fc.record({ does: fc.constant("remove" as const), b: breakpoint }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant("removeOwner" as const), owner: fc.constantFrom(0, 1) }) },
  {
    weight: 1,
    arbitrary: fc.record({ does: fc.constant("removeReference" as const), reference: fc.integer({ min: 0, max: 2 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      does: fc.constant("inherit" as const),
      from: fc.constantFrom(...spaces),
      to: fc.constantFrom(...spaces),
    }),
  },
);

const keyOf = (b: Breakpoint): readonly number[] => [b.space, b.address, b.owner, b.kind, b.length, b.reference];
const isSame = (a: Breakpoint, b: Breakpoint): boolean => keyOf(a).every((n, i) => n === keyOf(b)[i]);
const byKey = (a: Breakpoint, b: Breakpoint): number => {
  const [x, y] = [keyOf(a), keyOf(b)];
  const i = x.findIndex((n, j) => n !== y[j]);
  return i < 0 ? 0 : x[i]! - y[i]!;
};

/** What the list is after a change. */
function model(list: readonly Breakpoint[], c: Change): readonly Breakpoint[] {
  switch (c.does) {
    case "insert":
      return [...list.filter((b) => !isSame(b, c.b)), c.b];
    case "remove":
      return list.filter((b) => !isSame({ ...b, reference: c.b.reference }, c.b));
    case "removeOwner":
      return list.filter((b) => b.owner !== c.owner);
    case "removeReference":
      return list.filter((b) => b.reference !== c.reference);
    case "inherit":
      return [
        ...list.filter((b) => b.space !== c.to),
        ...list.filter((b) => b.space === c.from).map((b) => ({ ...b, space: c.to })),
      ];
  }
}

describe("the table of breakpoints", () => {
  test("has what was inserted and not removed, the debugger's first at each address", () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
        const table = newBreakpoints(4);
        let list: readonly Breakpoint[] = [];
        for (const c of changes) {
          list = model(list, c);
          if (c.does === "insert") insertBreakpoint(table, c.b);
          else if (c.does === "remove") removeBreakpoint(table, c.b);
          else if (c.does === "removeOwner") removeBreakpoints(table, ({ owner }) => owner === c.owner);
          else if (c.does === "removeReference") removeBreakpoints(table, (b) => b.reference === c.reference);
          else if (c.does === "inherit") inheritBreakpoints(table, c.from, c.to);
        }
        for (const space of spaces) {
          const mine = list.filter((b) => b.space === space).sort(byKey);
          expect(breakpointsOf(table, space)).toEqual(mine);
          for (const address of addresses)
            expect(breakpointsAt(table, space, address)).toEqual(mine.filter((b) => b.address === address));
        }
      }),
    );
  });
});
