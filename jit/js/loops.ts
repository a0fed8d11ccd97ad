// The loops of a region: which blocks they consist of, and which registers these use.
import { type Region, successors } from "../region.ts";
import { registersOf, writtenBy } from "../rows.ts";
import type { Tree, Way } from "../structure.ts";
import { basesOf } from "./guards.ts";

/** A natural loop: the blocks from which control comes back to its head. */
export interface Loop {
  /** Its head's index. */
  readonly label: number;
  readonly body: ReadonlySet<number>;
  readonly used: ReadonlySet<number>;
  readonly written: ReadonlySet<number>;
  /** Registers whose high word is 0 wherever control goes on at the head: its first block makes accesses through them. */
  readonly bases: readonly number[];
  /** Whether some way through it has a call: what is known before it may not hold when it goes round. */
  readonly mayCall: boolean;
  /** Whether each way through it has a call. */
  readonly calls: boolean;
}

/** By their labels. */
export function findLoops(region: Region, tree: Tree): Map<number, Loop> {
  const indexOf = new Map(region.blocks.map((b, i) => [b, i]));
  // Blocks by the loops' text that they stand in, and those that go back to the head.
  const within = new Map<number, Set<number>>();
  const ends = new Map<number, number[]>();
  const walkWay = (from: number, w: Way, around: readonly number[]): void => {
    if (w.kind === "inline") walk(w.tree, around);
    if (w.kind === "continue") ends.get(w.label)!.push(from);
  };
  const walk = (t: Tree, around: readonly number[]): void => {
    if (t.kind === "loop") {
      within.set(t.label, new Set());
      ends.set(t.label, []);
      walk(t.body, [...around, t.label]);
      return;
    }
    if (t.kind === "block") {
      walk(t.inner, around);
      walk(t.after, around);
      return;
    }
    const at = indexOf.get(t.block)!;
    for (const label of around) within.get(label)!.add(at);
    if (t.kind === "code") walkWay(at, t.to, around);
    if (t.kind === "call") walkWay(at, t.next, around);
    if (t.kind === "branch") {
      walkWay(at, t.taken, around);
      walkWay(at, t.otherwise, around);
    }
  };
  walk(tree, []);

  const before = new Map<number, number[]>(region.blocks.map((_, i) => [i, []]));
  region.blocks.forEach((b, i) => {
    for (const s of successors(b)) before.get(s)!.push(i);
  });
  const loops = new Map<number, Loop>();
  for (const [label, blocks] of within) {
    const body = new Set([label]);
    const work = [...ends.get(label)!];
    for (let at = work.pop(); at !== undefined; at = work.pop()) {
      if (body.has(at) || !blocks.has(at)) continue;
      body.add(at);
      work.push(...before.get(at)!);
    }
    const all = [...body].map((i) => region.blocks[i]!);
    const code = all.flatMap((b) => b.code);
    const written = new Set(code.flatMap(writtenBy));
    const calls = !comesBackWithoutCall(label, ends.get(label)!, body, region, before);
    const bases = calls ? [] : basesOf(region.blocks[label]!);
    const mayCall = all.some((b) => b.end.kind === "call");
    loops.set(label, { label, body, used: new Set(code.flatMap(registersOf)), written, bases, mayCall, calls });
  }
  return loops;
}

/** Whether some way from the head back to it has no call. */
function comesBackWithoutCall(
  head: number,
  ends: readonly number[],
  body: ReadonlySet<number>,
  region: Region,
  before: ReadonlyMap<number, readonly number[]>,
): boolean {
  const seen = new Set<number>();
  const work = [...ends];
  for (let at = work.pop(); at !== undefined; at = work.pop()) {
    if (seen.has(at) || !body.has(at) || region.blocks[at]!.end.kind === "call") continue;
    if (at === head) return true;
    seen.add(at);
    work.push(...before.get(at)!);
  }
  return false;
}
