// How the functions of regions find one another. A jump or call to an address that is known goes through that address's
// cell, one that is computed through a table by address. Both are ways in JavaScript: a jump is a tail call, which takes
// no stack, a guest's call is a call, which comes back with the pc to go on at.
import { type Hart, hart } from "../../src/cpu/hart.ts";
import type { CompiledRegion } from "../../src/cpu/interpreter.ts";
import { tuning } from "../tuning.ts";

/**
 * A region's function. `d`: how many guest calls deep it is. It adds the instructions that it executed to the hart's
 * `executed`, with all other state in the hart, and answers the pc to go on at, or -1 with a trap in the hart. Where the
 * interpreter is to go on, it adds `forInterpreter` to the count.
 */
export type Linked = (d: number) => number;

/** What an address leads to: where nothing is compiled, `f` answers the address. */
export interface Cell {
  readonly pc: number;
  f: Linked;
}

/** Above all counts of instructions, so that nothing goes on from function to function. */
const forInterpreter = 0x40000000;

const tableSize = 0x8000;

export function makeLinks(h: Hart) {
  const R = h.i32;
  const cells = new Map<number, Cell>();
  const linked = new Map<number, Linked>();
  const functionOf = new WeakMap<CompiledRegion, Linked>();
  const never: Linked = () => -1;
  // The table: index is (pc >>> 1) & MASK.
  const PCS = new Int32Array(tableSize).fill(-1);
  const CODE: Linked[] = new Array<Linked>(tableSize).fill(never);
  const MASK = tableSize - 1;

  function absent(this: Cell): number {
    return this.pc | 0;
  }

  function leave(pc: number, n: number): number {
    R[hart.executed] = (R[hart.executed]! + n) | forInterpreter;
    return pc;
  }

  function fault(pc: number, n: number): number {
    R[hart.executed] = (R[hart.executed]! + n) | 0;
    R[hart.pc] = pc;
    R[hart.pc + 1] = 0;
    R[hart.trapped] = 0;
    return -1;
  }

  function lookUp(pc: number): Linked | undefined {
    const i = (pc >>> 1) & MASK;
    if (PCS[i] === pc) return CODE[i];
    const f = linked.get(pc);
    if (f === undefined) return undefined;
    PCS[i] = pc;
    CODE[i] = f;
    return f;
  }

  /** Runs from function to function until the interpreter must go on, or enough was executed. */
  function run(f: Linked): number {
    R[hart.executed] = 0;
    let pc = f(0);
    while (pc !== -1 && R[hart.executed]! <= tuning.fuel) {
      const next = lookUp(pc);
      if (next === undefined) break;
      pc = next(0);
    }
    R[hart.executed]! &= forInterpreter - 1;
    return pc;
  }

  return {
    names: { PCS, CODE, MASK, leave, fault } as const,
    cellOf: (pc: number): Cell => {
      const key = pc | 0;
      let cell = cells.get(key);
      if (cell === undefined) cells.set(key, (cell = { pc: key, f: linked.get(key) ?? absent }));
      return cell;
    },
    enter: (f: Linked): CompiledRegion => {
      const entry = () => run(f);
      functionOf.set(entry, f);
      return entry;
    },
    crowded: (): boolean => cells.size > tuning.links,
    reset: (): void => {
      cells.clear();
      linked.clear();
      PCS.fill(-1);
      CODE.fill(never);
    },
    /** The region at `pc` may be entered by others; or, without one, no longer. */
    link: (pc: number, made: CompiledRegion | undefined): void => {
      const key = pc | 0;
      const f = made && functionOf.get(made);
      const cell = cells.get(key);
      if (cell) cell.f = f ?? absent;
      const i = (key >>> 1) & MASK;
      if (f) {
        linked.set(key, f);
        PCS[i] = key;
        CODE[i] = f;
        return;
      }
      linked.delete(key);
      if (PCS[i] === key) {
        PCS[i] = -1;
        CODE[i] = never;
      }
    },
  };
}
