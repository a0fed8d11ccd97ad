// Addresses that only go up, or only down, while a loop goes round, as those of pointers that walk through memory: once
// one was checked, all up to the end of its page are good, which one comparison tells. A local holds where that ends.
// A value's movement in a loop is bounded, as a region pauses (tuning.ts): so no address comes round the end of all
// addresses to one that was not checked.
import type { Node } from "../../src/isa/vocabulary.ts";
import type { Instruction, Region } from "../region.ts";
import { factsOf } from "../rows.ts";
import { tuning } from "../tuning.ts";
import { ahead, carry, covers } from "./checks.ts";
import { type Code, i64, put } from "./code.ts";
import { sp } from "./frames.ts";
import type { Fact, Limit } from "./site.ts";

/** A loop of the function: blocks that come back to its head, by their numbers, which make no call. */
export interface Level {
  readonly inside: ReadonlySet<number>;
  /** What its blocks write, by register. */
  readonly writes: ReadonlyMap<number, readonly Instruction[]>;
  /** By register where only constants are added to it, else by the instruction that makes the access. */
  readonly limits: Map<string, Limit[]>;
}

/** How far a value may go from what it was before in the same loop, at most. */
interface Movement {
  readonly up: number;
  readonly down: number;
}
const still: Movement = { up: 0, down: 0 };

/** Larger movements are not followed: addresses, of 32 bits, and these together are far from 2**63. */
const farthest = 2 ** 40;
/** Of an addition of an immediate, before the region pauses. */
const walked = 2 * tuning.fuel * 2 ** 11;

export function levelOf(region: Region, inside: ReadonlySet<number>): Level | undefined {
  const writes = new Map<number, Instruction[]>();
  for (const b of inside) {
    const { code, end } = region.blocks[b]!;
    if (end.kind === "call") return undefined;
    for (const at of code) {
      if (!factsOf(at).writesX) continue;
      const { rd } = at.fields;
      const here = writes.get(rd);
      if (here === undefined) writes.set(rd, [at]);
      else here.push(at);
    }
  }
  return { inside, writes, limits: new Map() };
}

/** Whether an instruction only moves the register that it sets, by less than a page. */
function moved(at: Instruction): number | undefined {
  const { moves } = factsOf(at);
  if (moves === undefined || at.fields[moves.base] !== at.fields.rd || !moves.moved) return undefined;
  return Math.abs(at.fields.imm) <= 2 ** 11 ? at.fields.imm : undefined;
}

/** How a register moves, looked at always at the same place, all of what the loop does to it being additions of constants. */
function movementOf(level: Level, register: number): Movement | undefined {
  const writes = level.writes.get(register) ?? [];
  let [up, down] = [0, 0];
  for (const at of writes) {
    const by = moved(at);
    if (by === undefined) return undefined;
    if (by > 0) up = walked;
    if (by < 0) down = walked;
  }
  return { up, down };
}

/** The instruction before `index` that sets a register last, by its place in the block; -1 where none does. */
function writerBefore(code: readonly Instruction[], index: number, register: number): number {
  let at = index - 1;
  while (at >= 0 && !(factsOf(code[at]!).writesX && code[at]!.fields.rd === register)) at--;
  return at;
}

/** How a register's value before the instruction `index` of a block moves from one round of a loop to the next. */
function movementAt(level: Level, code: readonly Instruction[], index: number, register: number): Movement | undefined {
  if (register === 0) return still;
  const at = writerBefore(code, index, register);
  if (at < 0) return movementOf(level, register);
  const set = code[at]!.does.find((n) => n.op === "x.set");
  return set && movementIn(level, code, at, set.args[0]!);
}

function movementIn(level: Level, code: readonly Instruction[], index: number, n: Node): Movement | undefined {
  const { fields } = code[index]!;
  const [a, b] = n.args;
  const within = (up: number, down: number): Movement | undefined => (up + down <= farthest ? { up, down } : undefined);
  switch (n.op) {
    case "x":
      return movementAt(level, code, index, fields[n.field!]);
    case "imm":
    case "pc":
    case "next":
    case "i64.const":
      return still;
    case "i64.add": {
      const [x, y] = [movementIn(level, code, index, a!), movementIn(level, code, index, b!)];
      return x && y && within(x.up + y.up, x.down + y.down);
    }
    case "i64.shl": {
      const x = movementIn(level, code, index, a!);
      if (x === undefined || b!.op !== "field") return undefined;
      const times = 2 ** (fields[b!.field!] & 63);
      return within(x.up * times, x.down * times);
    }
    default:
      return undefined;
  }
}

/** Pushes what is in a register before an instruction of a block if it is there with the registers as they are now. */
export function pushAt({ code, index }: Place, register: number, c: Code, x: (register: number) => void): void {
  const at = writerBefore(code, index, register);
  if (register === 0) i64(c, 0);
  else if (at < 0) x(register);
  else pushNode({ block: 0, code, index: at }, code[at]!.does.find((n) => n.op === "x.set")!.args[0]!, c, x);
}

/** Only operations that `movementIn` follows. */
function pushNode(at: Place, n: Node, c: Code, x: (register: number) => void): void {
  const { pc, fields } = at.code[at.index]!;
  const [a, b] = n.args;
  switch (n.op) {
    case "x":
      pushAt(at, fields[n.field!], c, x);
      return;
    case "imm":
      i64(c, fields.imm);
      return;
    case "pc":
      i64(c, pc);
      return;
    case "next":
      i64(c, pc + fields.length);
      return;
    case "i64.const":
      i64(c, n.n);
      return;
    case "i64.add":
      pushNode(at, a!, c, x);
      pushNode(at, b!, c, x);
      put(c, 0x7c);
      return;
    case "i64.shl":
      pushNode(at, a!, c, x);
      i64(c, fields[b!.field!] & 63);
      put(c, 0x86);
      return;
    default:
      throw new RangeError(`${n.op} moves no address`);
  }
}

/** Where an access is made. */
interface Place {
  readonly block: number;
  readonly code: readonly Instruction[];
  readonly index: number;
}

/** Whether all accesses through a register have its limits in common: constants are all that is added to it. */
const isCommon = (level: Level, register: number): boolean => movementOf(level, register) !== undefined;

const keyOf = (level: Level, { block, index }: Place, register: number): string =>
  isCommon(level, register) ? `x${register}` : `${block} ${index}`;

/** The loop, of those around a place, from the outermost on, in which the address in a register goes one way; and whether that is down. */
function walkAt(levels: readonly Level[], at: Place, register: number): { level: Level; down: boolean } | undefined {
  for (const level of levels) {
    if (!level.inside.has(at.block)) continue;
    const movement = movementAt(level, at.code, at.index, register);
    // What does not move at all has a fact; where not, the engine would do all of the check's sums before the loop.
    if (movement === undefined || movement.up > 0 === movement.down > 0) continue;
    return { level, down: movement.down > 0 };
  }
  return undefined;
}

/** A limit, and the access that it was first planned for. */
export interface Planned {
  readonly limit: Limit;
  readonly place: Place;
  readonly register: number;
}

/** Plans the limits of a loop's accesses that do not go one way in the loops around it. */
export function planLimits(region: Region, around: readonly Level[], level: Level, local: () => number): Planned[] {
  const planned: Planned[] = [];
  const levels = [...around, level];
  for (const block of level.inside) {
    const { code } = region.blocks[block]!;
    const facts = new Map<number, Fact>();
    for (const [index, at] of code.entries()) {
      const { access } = factsOf(at);
      const register = access === undefined ? 0 : at.fields[access.base];
      const offset = access?.moved ? at.fields.imm : 0;
      // What is accessed through the stack pointer is checked for all of a function.
      if (
        access &&
        register !== 0 &&
        register !== sp &&
        !covers(facts.get(register), offset, access.size, access.kind)
      ) {
        const fact = ahead(code, index, register)!;
        facts.set(register, fact);
        const place = { block, code, index };
        const walk = walkAt(levels, place, register);
        if (walk?.level === level && planned.length < tuning.limits && !limitAt(levels, place, register, fact)) {
          const limit = { ...fact, down: walk.down, local: local() };
          // Of those that share a limit any may be the first to be made: what the register is when the loop begins lies before all.
          planned.push({ limit, place: isCommon(level, register) ? { ...place, index: 0 } : place, register });
          const key = keyOf(level, place, register);
          level.limits.set(key, [...(level.limits.get(key) ?? []), limit]);
        }
      }
      carry(facts, at);
    }
  }
  return planned;
}

/** The limit of an access to the bytes of `fact`, counted from a register, if there is one. */
export function limitAt(levels: readonly Level[], at: Place, register: number, fact: Fact): Limit | undefined {
  const walk = walkAt(levels, at, register);
  return walk?.level.limits.get(keyOf(walk.level, at, register))?.find((l) => isFor(l, fact));
}

/** A limit says nothing of other bytes. */
const isFor = (l: Limit, { low, high, write }: Fact): boolean => l.low === low && l.high === high && l.write === write;
