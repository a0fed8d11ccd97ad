// From the blocks of a region to nested control: loops, labelled blocks and branches out of them, which JavaScript and
// WebAssembly both have. By dominators: a block is placed inside its immediate dominator; one with several forward
// predecessors is placed behind a labelled block that they leave; one that a later block comes back to is a loop.
// Method: N. Ramsey, "Beyond Relooper" (ICFP 2022). A jump into the middle of a loop leaves the region instead.
import { type Block, type Region, successors, type Target } from "./region.ts";
import { sparing } from "./sparing.ts";

/** How control goes on: by falling into `inline`, to a label, or out of the region to an address. */
export type Way =
  | { readonly kind: "inline"; readonly tree: Tree }
  /** Out of the labelled block with this number. */
  | { readonly kind: "break"; readonly label: number }
  /** To the head of the loop with this number. */
  | { readonly kind: "continue"; readonly label: number }
  | { readonly kind: "exit"; readonly pc: number };

/** Nested control. Labels are block numbers. Every path ends in a `Way`: nothing falls out of the end of a tree. */
export type Tree =
  | { readonly kind: "loop"; readonly label: number; readonly body: Tree }
  /** `inner` breaks to `label` to come to `after`. */
  | { readonly kind: "block"; readonly label: number; readonly inner: Tree; readonly after: Tree }
  | { readonly kind: "code"; readonly block: Block; readonly to: Way }
  | { readonly kind: "branch"; readonly block: Block; readonly taken: Way; readonly otherwise: Way }
  | { readonly kind: "indirect"; readonly block: Block }
  /** By the address that an indirect jump leads to; leaves the region for any other. */
  | {
      readonly kind: "switch";
      readonly block: Block;
      readonly ways: readonly { readonly pc: number; readonly way: Way }[];
    }
  /** Comes back, if it does, to `next`. */
  | { readonly kind: "call"; readonly block: Block; readonly next: Way };

/** The index of the block that control comes to first. */
export function headOf(t: Tree, indexOf: ReadonlyMap<Block, number>): number {
  if (t.kind === "loop") return t.label;
  return t.kind === "block" ? headOf(t.inner, indexOf) : indexOf.get(t.block)!;
}

/** The blocks of a tree that go back to the loop of that label. */
export function waysBack(t: Tree, label: number): Block[] {
  const through = (w: Way, from: Block): Block[] =>
    w.kind === "inline" ? waysBack(w.tree, label) : w.kind === "continue" && w.label === label ? [from] : [];
  switch (t.kind) {
    case "loop":
      return waysBack(t.body, label);
    case "block":
      return [...waysBack(t.inner, label), ...waysBack(t.after, label)];
    case "code":
      return through(t.to, t.block);
    case "branch": {
      const both = [...through(t.taken, t.block), ...through(t.otherwise, t.block)];
      return [...new Set(both)];
    }
    case "call":
      return through(t.next, t.block);
    case "switch":
      return [...new Set(t.ways.flatMap(({ way }) => through(way, t.block)))];
    case "indirect":
      return [];
  }
}

/** Blocks that control can reach, in reverse postorder: predecessors first, but for loops. */
function reversePostorder(region: Region): number[] {
  const order: number[] = [];
  const seen = new Set<number>([0]);
  // Each entry: a block and how many of its successors were visited. Recursion would go as deep as the region is long.
  const stack: [number, number][] = [[0, 0]];
  while (stack.length > 0) {
    const top = stack.at(-1)!;
    const next = successors(region.blocks[top[0]]!)[top[1]++];
    if (next === undefined) {
      order.push(top[0]);
      stack.pop();
    } else if (!seen.has(next)) {
      seen.add(next);
      stack.push([next, 0]);
    }
  }
  return order.reverse();
}

/** The structure of a region. */
export function structure(region: Region): Tree {
  const order = reversePostorder(region);
  const rank = new Map(order.map((block, i) => [block, i]));
  const predecessors = new Map<number, number[]>(order.map((b) => [b, []]));
  for (const b of order) for (const s of successors(region.blocks[b]!)) predecessors.get(s)!.push(b);

  // Immediate dominators (Cooper, Harvey, Kennedy).
  const idom = new Map<number, number>([[0, 0]]);
  const common = (a: number, b: number): number => {
    while (a !== b) {
      while (rank.get(a)! > rank.get(b)!) a = idom.get(a)!;
      while (rank.get(b)! > rank.get(a)!) b = idom.get(b)!;
    }
    return a;
  };
  for (let changed = true; changed; ) {
    changed = false;
    for (const b of order.slice(1)) {
      const known = predecessors.get(b)!.filter((p) => idom.has(p));
      const dominator = known.reduce(common);
      if (idom.get(b) === dominator) continue;
      idom.set(b, dominator);
      changed = true;
    }
  }
  const dominates = (a: number, b: number): boolean => {
    while (rank.get(b)! > rank.get(a)!) b = idom.get(b)!;
    return a === b;
  };

  const goesBack = (from: number, to: number): boolean => rank.get(to)! <= rank.get(from)!;
  const isLoop = (b: number): boolean => predecessors.get(b)!.some((p) => goesBack(p, b) && dominates(b, p));
  const isMerge = (b: number): boolean => predecessors.get(b)!.filter((p) => !goesBack(p, b)).length > 1;
  const children = new Map<number, number[]>(order.map((b) => [b, []]));
  for (const b of order.slice(1)) children.get(idom.get(b)!)!.push(b);

  function treeOf(b: number): Tree {
    // Merge blocks below b, the last in the order outermost: it may be reached from within the others.
    const merges = children
      .get(b)!
      .filter(isMerge)
      .sort((x, y) => rank.get(y)! - rank.get(x)!);
    const tree = within(b, merges);
    return isLoop(b) ? { kind: "loop", label: b, body: tree } : tree;
  }

  function within(b: number, merges: readonly number[]): Tree {
    const [label, ...rest] = merges;
    if (label !== undefined) return { kind: "block", label, inner: within(b, rest), after: treeOf(label) };
    const block = region.blocks[b]!;
    const { end } = block;
    if (end.kind === "indirect" && end.dispatch !== undefined) {
      const to = way(b, end.dispatch);
      if (to.kind !== "exit") return { kind: "code", block, to };
    }
    if (end.kind === "indirect" || end.kind === "return") return { kind: "indirect", block };
    if (end.kind === "switch")
      return { kind: "switch", block, ways: end.ways.map(({ pc, to }) => ({ pc, way: way(b, to) })) };
    if (end.kind === "call") return { kind: "call", block, next: way(b, end.next) };
    if (end.kind === "goto") return { kind: "code", block, to: way(b, end.to) };
    return { kind: "branch", block, taken: way(b, end.taken), otherwise: way(b, end.otherwise) };
  }

  function way(from: number, to: Target): Way {
    if ("exit" in to) return { kind: "exit", pc: to.exit };
    const { block } = to;
    if (goesBack(from, block))
      return dominates(block, from)
        ? { kind: "continue", label: block }
        : { kind: "exit", pc: region.blocks[block]!.pc };
    return isMerge(block) ? { kind: "break", label: block } : { kind: "inline", tree: treeOf(block) };
  }

  return treeOf(0);
}

sparing({ reversePostorder, structure, waysBack });
