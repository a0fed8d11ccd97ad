// What is known of the registers at a point of emitted code.
import type { Text } from "../../src/cpu/text.ts";
import type { Loop } from "./loops.ts";

/** The value itself; or that its high word is the low one's sign, or 0. */
export type Fact = "sign" | "zero" | number;

export interface State {
  /** Registers whose variable has their value. */
  readonly known: Set<number>;
  /** Of those: newer than the hart's memory. */
  readonly dirty: Set<number>;
  readonly facts: Map<number, Fact>;
  /** Registers that point, by at most that many bytes, beside an address that is mapped. */
  readonly near: Map<number, number>;
}

/**
 * How far beside an address that is mapped the high word is surely 0: nothing is ever mapped in the first 64 KiB and
 * the last 64 KiB of the address space.
 */
export const surelyNear = 0x8000;

export const newState = (): State => ({ known: new Set(), dirty: new Set(), facts: new Map(), near: new Map() });

export const copyState = (s: State): State => ({
  known: new Set(s.known),
  dirty: new Set(s.dirty),
  facts: new Map(s.facts),
  near: new Map(s.near),
});

/** What holds where either of two may have been before. */
export function meet(a: State, b: State): State {
  const facts = new Map<number, Fact>();
  for (const [r, fact] of a.facts) {
    const common = weaker(fact, b.facts.get(r));
    if (common !== undefined) facts.set(r, common);
  }
  const near = new Map<number, number>();
  for (const [r, by] of a.near) if (b.near.has(r)) near.set(r, Math.max(by, b.near.get(r)!));
  return { known: a.known.intersection(b.known), dirty: a.dirty.union(b.dirty), facts, near };
}

function weaker(a: Fact, b: Fact | undefined): Fact | undefined {
  if (a === b || b === undefined) return b;
  for (const common of ["zero", "sign"] as const) if (is(a, common) && is(b, common)) return common;
  return undefined;
}

export const is = (fact: Fact | undefined, wanted: "zero" | "sign"): boolean =>
  fact === wanted || (typeof fact === "number" && (wanted === "sign" || fact >= 0));

/** What holds at the head of a loop, come from before or from its end. `inside`: the loop that keeps its registers, if any. */
export function atLoopHead(before: State, loop: Loop, inside: Loop | undefined): State {
  if (inside === undefined) return newState();
  const stays = ([r]: readonly [number, unknown]): boolean => !(loop.mayCall || loop.written.has(r));
  const facts = new Map([...before.facts].filter(stays));
  for (const r of loop.bases) if (!facts.has(r)) facts.set(r, "zero");
  const near = new Map([...before.near].filter(stays));
  const known = loop.mayCall ? new Set(inside.used) : new Set(before.known);
  return { known, dirty: new Set(inside.written), facts, near };
}

/** The high word of a register whose variable has its value. */
export function highOf(state: State, r: number): string {
  const fact = state.facts.get(r);
  if (fact === undefined) return `y${r}`;
  return fact === "zero" ? "0" : fact === "sign" ? `(x${r}>>31)` : fact < 0 ? "-1" : "0";
}

/** What the text of a value shows. */
export function factOf({ lo, hi }: Text): Fact | undefined {
  if (hi === `(${lo}>>31)`) return "sign";
  if (/^-?\d+$/.test(lo) && hi === (Number(lo) < 0 ? "-1" : "0")) return Number(lo);
  return hi === "0" ? "zero" : undefined;
}
