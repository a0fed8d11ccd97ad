// When a function finds out whether floating point needs care (`pushCare` in float-helpers.ts): where it computes, as its
// calls may change that. A loop that computes knows it when it begins, and finds it out again behind its calls.
import type { Block } from "../region.ts";
import { factsOf } from "../rows.ts";
import { sparing } from "../sparing.ts";
import { type Code, newLocal } from "./code.ts";
import { I32 } from "./encoder.ts";
import { readCare } from "./floats.ts";

export interface Care {
  /** The local that says so, once there is one. */
  local: number | undefined;
  /** Whether it does where code is being emitted. */
  known: boolean;
  /** Whether it does at labelled blocks, by all ways that led there so far. */
  readonly met: Map<number, boolean>;
  /** Whether the code that is being emitted is in a loop that computes. */
  loop: boolean;
}

export const newCare = (): Care => ({ local: undefined, known: false, met: new Map(), loop: false });

export const careLocal = (care: Care, c: Code): number => (care.local ??= newLocal(c, I32));

/** Makes the local say whether care is needed. */
export function knowCare(care: Care, c: Code): void {
  if (!care.known) readCare(c, careLocal(care, c));
  care.known = true;
}

/** Before a loop of those blocks. */
export function knowCareInLoop(care: Care, c: Code, blocks: readonly Block[]): void {
  if (care.loop) return;
  care.loop = blocks.some(({ code }) => code.some((at) => factsOf(at).careful));
  if (care.loop) knowCare(care, c);
  else if (blocks.some((b) => b.end.kind === "call")) care.known = false;
}

/** Behind a call. */
export function careBehindCall(care: Care, c: Code): void {
  care.known = false;
  if (care.loop) knowCare(care, c);
}

/** On a way to a labelled block. */
export function meetCare({ met, known }: Care, label: number): void {
  met.set(label, known && (met.get(label) ?? true));
}

sparing({ knowCareInLoop });
