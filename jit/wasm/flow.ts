// Where in a region the hart's registers are in locals, and which locals are newer than the hart's memory. A register is
// loaded where it is first used, or on the way into a loop that uses it, and stored where the region is left or a call
// is made. Sets of registers are pairs of words: bit r of the first for xr, of the second for fr.
import type { Block, Instruction, Region } from "../region.ts";
import { factsOf } from "../rows.ts";
import { headOf, type Tree, type Way } from "../structure.ts";
import { tuning } from "../tuning.ts";
import { sp, usesFrame, usualLink } from "./frames.ts";

export interface Registers {
  readonly x: number;
  readonly f: number;
}

export const none: Registers = { x: 0, f: 0 };
export const all: Registers = { x: -2, f: -1 };
export const union = (a: Registers, b: Registers): Registers => ({ x: a.x | b.x, f: a.f | b.f });
export const common = (a: Registers, b: Registers): Registers => ({ x: a.x & b.x, f: a.f & b.f });
export const without = (a: Registers, b: Registers): Registers => ({ x: a.x & ~b.x, f: a.f & ~b.f });
export const same = (a: Registers, b: Registers): boolean => a.x === b.x && a.f === b.f;

/** The numbers of the registers of one file. */
export function* numbersOf(word: number): Generator<number> {
  for (let rest = word; rest !== 0; rest &= rest - 1) yield 31 - Math.clz32(rest & -rest);
}

export interface Accesses {
  readonly reads: Registers;
  readonly writes: Registers;
}

/** Registers that instructions name, x0 apart. */
export function accessesOf(code: readonly Instruction[]): Accesses {
  let [readX, readF, writtenX, writtenF] = [0, 0, 0, 0];
  for (const at of code) {
    const { fields } = at;
    const row = factsOf(at);
    for (const field of row.readsX) readX |= 1 << fields[field];
    for (const field of row.readsF) readF |= 1 << fields[field];
    if (row.writesX) writtenX |= 1 << fields.rd;
    if (row.writesF) writtenF |= 1 << fields.rd;
  }
  return { reads: { x: readX & -2, f: readF }, writes: { x: writtenX & -2, f: writtenF } };
}

interface Edge {
  readonly from: number;
  readonly to: number;
  readonly back: boolean;
}

/** What holds throughout a loop. */
export interface Loop {
  readonly writes: Registers;
  /** What has its value behind all its calls. */
  readonly kept: Registers;
}

/** By the block's number. */
export interface Flow {
  /** Registers that are in locals at the block's beginning. */
  readonly known: readonly Registers[];
  /** Of these, those whose locals may be newer. */
  readonly dirty: readonly Registers[];
  /** Where the block ends in a call, registers whose values that is to give back: else it is left. */
  readonly kept: readonly Registers[];
  /** By the number of its head. */
  readonly loops: ReadonlyMap<number, Loop>;
  readonly indexOf: ReadonlyMap<Block, number>;
  /** The blocks that control comes from, by the number of the block. */
  readonly before: readonly (readonly number[])[];
}

function edgesOf(tree: Tree, indexOf: ReadonlyMap<Block, number>): Edge[] {
  const edges: Edge[] = [];
  const way = (from: Block, w: Way): void => {
    const source = indexOf.get(from)!;
    if (w.kind === "inline") {
      edges.push({ from: source, to: headOf(w.tree, indexOf), back: false });
      visit(w.tree);
    } else if (w.kind !== "exit") edges.push({ from: source, to: w.label, back: w.kind === "continue" });
  };
  const visit = (t: Tree): void => {
    switch (t.kind) {
      case "loop":
        visit(t.body);
        return;
      case "block":
        visit(t.inner);
        visit(t.after);
        return;
      case "code":
        way(t.block, t.to);
        return;
      case "branch":
        way(t.block, t.taken);
        way(t.block, t.otherwise);
        return;
      case "call":
        way(t.block, t.next);
        return;
      case "switch":
        for (const c of t.ways) way(t.block, c.way);
        return;
    }
  };
  visit(tree);
  return edges;
}

/** A loop, or the inner part of one. */
interface Round {
  readonly inside: ReadonlySet<number>;
  readonly writes: Registers;
  /** Registers that it names. */
  readonly used: Registers;
  /** Whether there is a way round without a call. */
  readonly quiet: boolean;
}

const countOf = (word: number): number => [...numbersOf(word)].length;
const fits = ({ x, f }: Registers): boolean =>
  countOf(x) <= tuning.loopRegisters.x && countOf(f) <= tuning.loopRegisters.f;

/**
 * Registers that may be in locals at a block. More than the host has would be kept on its stack, as likely as not those of
 * the innermost loop: so there only as many of the loops around it are kept as fit beside its own.
 */
function allowedIn(around: readonly Round[]): Registers {
  let keep = none;
  for (const [i, round] of around.entries()) {
    const more = union(keep, round.used);
    if (i > 0 && !fits(more)) return keep;
    keep = more;
  }
  return all;
}

export function flowOf(region: Region, tree: Tree): Flow {
  const { blocks } = region;
  const indexOf = new Map(blocks.map((b, i) => [b, i]));
  const edges = edgesOf(tree, indexOf);
  const before: number[][] = blocks.map(() => []);
  const after: number[][] = blocks.map(() => []);
  for (const { from, to } of edges) {
    before[to]!.push(from);
    after[from]!.push(to);
  }
  const uses = blocks.map((b) => accessesOf(b.code));
  const calls = blocks.map((b) => b.end.kind === "call");
  const frame = usesFrame(region) ? { x: 1 << sp, f: 0 } : none;
  // Who calls by another link register than the usual one may want another stack pointer back.
  const kept = blocks.map((b, i) => (!calls[i]! ? all : b.code.at(-1)!.fields.rd === usualLink ? frame : none));

  const loops = new Map<number, Loop>();
  const rounds: Round[] = [];
  for (const head of new Set(edges.filter((e) => e.back).map((e) => e.to))) {
    const back = edges.filter((e) => e.back && e.to === head).map((e) => e.from);
    const roundOf = (sources: readonly number[]): Round => {
      const inside = insideBefore(before, head, sources);
      const writes = [...inside].map((b) => uses[b]!.writes).reduce(union, none);
      const used = union([...inside].map((b) => uses[b]!.reads).reduce(union, none), writes);
      // Where each time round makes a call, the registers are lost each time, and are loaded as they are used.
      const quiet = reach([head], (b) => (calls[b]! ? [] : after[b]!.filter((s) => inside.has(s))));
      return { inside, writes, used, quiet: sources.some((b) => quiet.has(b) && !calls[b]!) };
    };
    const whole = roundOf(back);
    rounds.push(whole);
    loops.set(head, { writes: whole.writes, kept: [...whole.inside].map((b) => kept[b]!).reduce(common, all) });
    // The head of an inner loop where the region begins is that of all loops around it.
    const inner = back.filter((b) => blocks[b]!.pc >= blocks[head]!.pc);
    if (inner.length > 0 && inner.length < back.length) rounds.push(roundOf(inner));
  }
  rounds.sort((a, b) => a.inside.size - b.inside.size);
  const allowed = blocks.map((_, b) => allowedIn(rounds.filter((r) => r.inside.has(b))));
  const wanted: Registers[] = blocks.map(() => none);
  for (const r of rounds) {
    if (!r.quiet) continue;
    const kept = [...r.inside].map((b) => allowed[b]!).reduce(common, r.used);
    for (const b of r.inside) wanted[b] = union(wanted[b]!, kept);
  }

  const known = blocks.map((_, i) => (i === 0 ? wanted[0]! : all));
  const knownBehind = (b: number): Registers =>
    calls[b]! ? kept[b]! : union(known[b]!, union(uses[b]!.reads, uses[b]!.writes));
  settle(blocks.length, (b) => {
    if (b === 0) return false;
    const now = common(allowed[b]!, union(wanted[b]!, before[b]!.map(knownBehind).reduce(common, all)));
    const changed = !same(now, known[b]!);
    known[b] = now;
    return changed;
  });

  const dirty = blocks.map(() => none);
  const dirtyBehind = (b: number): Registers => (calls[b]! ? none : union(dirty[b]!, uses[b]!.writes));
  settle(blocks.length, (b) => {
    const now = common(before[b]!.map(dirtyBehind).reduce(union, none), known[b]!);
    const changed = !same(now, dirty[b]!);
    dirty[b] = now;
    return changed;
  });
  return { known, dirty, kept, loops, indexOf, before };
}

/** What can be reached from `starts`, these included. */
function reach(starts: readonly number[], next: (b: number) => readonly number[]): Set<number> {
  const found = new Set(starts);
  for (const b of found) for (const n of next(b)) found.add(n);
  return found;
}

const insideBefore = (before: Flow["before"], head: number, back: readonly number[]): Set<number> =>
  reach(back, (b) => (b === head ? [] : before[b]!)).add(head);

/** The blocks of the loop of a head and some of the ways back to it. */
export const insideOf = ({ indexOf, before }: Flow, head: number, back: readonly Block[]): Set<number> =>
  insideBefore(
    before,
    head,
    back.map((b) => indexOf.get(b)!),
  );

function settle(count: number, step: (block: number) => boolean): void {
  for (let changed = true; changed; ) {
    changed = false;
    for (let b = 0; b < count; b++) changed = step(b) || changed;
  }
}
