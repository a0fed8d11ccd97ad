// What a function accesses through its stack pointer: bytes at constant distances from it, so that one check of them all
// serves its whole frame, over calls too, as those give the same stack pointer back.
import { type Block, type Instruction, type Region, successors } from "../region.ts";
import { factsOf } from "../rows.ts";
import { sparing } from "../sparing.ts";
import { span } from "./checks.ts";
import type { Fact } from "./site.ts";

/** The stack pointer, and the register that calls leave the return address in, by convention. */
export const sp = 2;
export const usualLink = 1;

/** The access that an instruction makes through the stack pointer; undefined for none. */
function frameAccess(at: Instruction): ReturnType<typeof factsOf>["access"] {
  const { access } = factsOf(at);
  return access !== undefined && at.fields[access.base] === sp ? access : undefined;
}

export const usesFrame = (region: Region): boolean =>
  region.blocks.some(({ code }) => code.some((at) => frameAccess(at) !== undefined));

/**
 * The bytes around the stack pointer that a region may access from an instruction of one of its blocks on, while constants
 * are all that is added to it, the nearest first; undefined where the instruction itself makes no such access.
 */
export function frameAhead(region: Region, code: readonly Instruction[], index: number): Fact | undefined {
  let fact: Fact | undefined;
  /** How much has been added on the way to the block's beginning. */
  const moved = new Map<Block, number>();
  const pending: Block[] = [];
  const walk = (b: Block, from: number, by: number): void => {
    let moves = by;
    for (const at of b.code.slice(from)) {
      const { moves: move, writesX } = factsOf(at);
      const access = frameAccess(at);
      if (access !== undefined) {
        const low = moves + (access.moved ? at.fields.imm : 0);
        const [least, most] = [Math.min(low, fact?.low ?? low), Math.max(low + access.size, fact?.high ?? low)];
        if (most - least <= span)
          fact = { low: least, high: most, write: access.kind === "write" || fact?.write === true };
      }
      if (!writesX || at.fields.rd !== sp) continue;
      if (move === undefined || !move.moved || at.fields[move.base] !== sp) return;
      moves += at.fields.imm;
    }
    for (const s of successors(b)) {
      const next = region.blocks[s]!;
      if (moved.has(next)) continue;
      moved.set(next, moves);
      pending.push(next);
    }
  };
  const start = region.blocks.find((b) => b.code === code)!;
  walk(start, index, 0);
  for (const b of pending) walk(b, 0, moved.get(b)!);
  return fact;
}

sparing({ frameAhead });
