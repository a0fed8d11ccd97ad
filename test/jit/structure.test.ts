// The nested control of a region goes the way of its blocks: whatever its branches decide, the same blocks run in the
// same order, and it is left for the same address.
import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Block, End, Region, Target } from "../../jit/region.ts";
import { structure, type Tree, type Way } from "../../jit/structure.ts";

/** A region from its ends alone: block n has address 4n. */
const regionOf = (ends: readonly End[]): Region => ({
  pc: 0,
  entries: [],
  blocks: ends.map((end, i): Block => ({ pc: 4 * i, inlined: false, code: [], end })),
  instructions: 0,
  pages: [],
});

/** Where a block goes on, given a number for what decides. Undefined where that is anywhere. */
function targetOf(end: End, decision: number): Target | undefined {
  switch (end.kind) {
    case "goto":
      return end.to;
    case "call":
      return end.next;
    case "branch":
      return decision % 2 === 1 ? end.taken : end.otherwise;
    case "switch":
      return end.ways[decision % (end.ways.length + 1)]?.to;
    case "indirect":
      return end.dispatch;
    case "return":
      return undefined;
  }
}

/** Follows control for some blocks, each branch as `decisions` say in turn. Gives the blocks' addresses, then where it left. */
function followBlocks(region: Region, decisions: readonly number[]): (number | string)[] {
  const trace: (number | string)[] = [];
  let at = 0;
  for (const decision of decisions) {
    const block = region.blocks[at]!;
    trace.push(block.pc);
    const { end } = block;
    const to = targetOf(end, decision);
    if (to === undefined) return [...trace, "indirect"];
    if ("exit" in to) return [...trace, `exit ${to.exit}`];
    at = to.block;
  }
  return trace;
}

/** The same through the tree. It may leave for the address of a block where that is the middle of a loop. */
function followTree(tree: Tree, all: readonly number[]): (number | string)[] {
  const trace: (number | string)[] = [];
  const decisions = [...all];
  // Where control goes next: a label to break to or to continue, or the end of the walk.
  type Next = { readonly break: number } | { readonly continue: number } | "end";
  const go = (w: Way): Next => {
    if (w.kind === "inline") return walk(w.tree);
    if (w.kind === "break") return { break: w.label };
    if (w.kind === "continue") return { continue: w.label };
    trace.push(`exit ${w.pc}`);
    return "end";
  };
  const walk = (t: Tree): Next => {
    switch (t.kind) {
      case "loop":
        for (;;) {
          const next = walk(t.body);
          if (next === "end" || !("continue" in next) || next.continue !== t.label) return next;
        }
      case "block": {
        const next = walk(t.inner);
        return next !== "end" && "break" in next && next.break === t.label ? walk(t.after) : next;
      }
      default: {
        const decision = decisions.shift();
        if (decision === undefined) return "end";
        trace.push(t.block.pc);
        if (t.kind === "code") return go(t.to);
        if (t.kind === "call") return go(t.next);
        if (t.kind === "branch") return go(decision % 2 === 1 ? t.taken : t.otherwise);
        const way = t.kind === "switch" && t.ways[decision % (t.ways.length + 1)]?.way;
        if (way) return go(way);
        trace.push("indirect");
        return "end";
      }
    }
  };
  walk(tree);
  return trace;
}

const ends = (count: number): fc.Arbitrary<End[]> => {
  const target: fc.Arbitrary<Target> = fc.oneof(
    { weight: 5, arbitrary: fc.integer({ min: 0, max: count - 1 }).map((block) => ({ block })) },
    { weight: 1, arbitrary: fc.integer({ min: 1000, max: 1010 }).map((exit) => ({ exit })) },
  );
  const end: fc.Arbitrary<End> = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("branch" as const), taken: target, otherwise: target }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("goto" as const), to: target }) },
    { weight: 1, arbitrary: fc.constant({ kind: "indirect" as const }) },
    {
      weight: 2,
      arbitrary: fc
        .array(target, { maxLength: 4 })
        .map((to) => ({ kind: "switch" as const, ways: to.map((to, i) => ({ pc: 3000 + i, to })) })),
    },
    { weight: 1, arbitrary: fc.constant({ kind: "return" as const }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("call" as const), to: fc.constant(2000), next: target }) },
  );
  // An indirect jump goes on through a switch, if there is one.
  return fc.array(end, { minLength: count, maxLength: count }).map((all) => {
    const block = all.findIndex(({ kind }) => kind === "switch");
    return block < 0
      ? all
      : all.map((e): End => (e.kind === "indirect" ? { kind: "indirect", dispatch: { block } } : e));
  });
};

test("random control-flow graphs and their structures run the same blocks", () => {
  const graph = fc.integer({ min: 1, max: 12 }).chain(ends);
  const decisions = fc.array(fc.nat({ max: 59 }), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(graph, decisions, (g, taken) => {
      const region = regionOf(g);
      const wanted = followBlocks(region, taken);
      const got = followTree(structure(region), taken);
      // Where the tree leaves for a block of the region, the walk goes on from there elsewhere: compare up to that point.
      const last = got.at(-1);
      const middle = typeof last === "string" && /^exit \d{1,2}$/.test(last) ? Number(last.slice(5)) : undefined;
      if (middle !== undefined && middle % 4 === 0 && middle < 4 * g.length) {
        expect(wanted.slice(0, got.length - 1)).toEqual(got.slice(0, -1));
        if (wanted.length >= got.length) expect(wanted[got.length - 1]).toBe(middle);
      } else if (got.at(-1) === "indirect" && wanted[got.length - 1] !== "indirect") {
        // So it does at a jump whose switch is in the middle of a loop.
        const jump = g[(got.at(-2)! as number) / 4]!;
        expect(jump).toMatchObject({ kind: "indirect", dispatch: {} });
        expect(wanted.slice(0, got.length - 1)).toEqual(got.slice(0, -1));
      } else expect(got).toEqual(wanted);
    }),
    { numRuns: 3000 },
  );
});

test("a loop with one entry is a loop, not a way out of the region", () => {
  const region = regionOf([
    { kind: "goto", to: { block: 1 } },
    { kind: "branch", taken: { block: 1 }, otherwise: { exit: 1000 } },
  ]);
  const tree = structure(region);
  expect(tree).toMatchObject({
    kind: "code",
    to: { kind: "inline", tree: { kind: "loop", label: 1, body: { taken: { kind: "continue", label: 1 } } } },
  });
});
