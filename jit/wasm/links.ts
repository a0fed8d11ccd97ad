// How regions go over into each other without leaving WebAssembly: each address that a region goes to has a slot in a
// table of functions. The slot holds the region that begins there, or else a stub that gives control back. Indirect
// jumps find the slot by a hash of the address, in the hart's memory, where they are also listed to learn where they lead.
import { tuning } from "../tuning.ts";
import { finish, get, newCode } from "./code.ts";
import { encodeModule, type FunctionType, I32 } from "./encoder.ts";
import type { Place } from "./helpers.ts";

/** (calls that it is inside of, pc) -> pc. A caller from JavaScript gives no arguments, which makes them 0. */
export const regionType: FunctionType = { params: [I32, I32], results: [I32] };

/** The hash: entries of 8 bytes (the address, then its slot), by bits 1 to 11 of the address and those 12 above. */
export const hashOffset = 1024;
export const hashMask = 0xffe;

const hashOf = (pc: number): number => (pc ^ (pc >>> 12)) & hashMask;

/**
 * Indirect jumps that led elsewhere than known: how many there were, then from byte 16 on the last of them, 16 bytes each:
 * the entry of the region, the address of the jump, where it led.
 */
export const jumpsOffset = 19 * 1024;
export const jumpsKept = 256;

/** An indirect jump, in the region that begins at `entry`. */
export interface Jump {
  readonly entry: number;
  readonly site: number;
  readonly target: number;
}

/** The slot of a function that gives control back. */
export const stubSlot = 0;

export interface Links {
  readonly table: WebAssembly.Table;
  /** The slot of an address, made if there is none. */
  readonly slotOf: (pc: number) => number;
  /** Makes control that goes to `pc` enter a region, or, without one, come back to the caller. */
  readonly link: (pc: number, region: (() => number) | undefined) => void;
  /** An indirect jump did not find the region that is at `pc`, since another had its entry of the hash: it takes that back. */
  readonly missed: (pc: number) => void;
  /** The last of the indirect jumps that were recorded, and how many there were, if at least `least`: none are left then. */
  readonly jumps: (least: number) => { readonly last: readonly Jump[]; readonly count: number } | undefined;
  readonly crowded: () => boolean;
  readonly reset: () => void;
}

/** Gives control back at the address that it gets. */
function stub(): () => number {
  const c = newCode(regionType.params, 0);
  get(c, 1);
  const functions = [finish(c, regionType, "stub")];
  const module = new WebAssembly.Module(encodeModule({ types: [], imports: [], functions, elements: [] }));
  return new WebAssembly.Instance(module, {}).exports["stub"] as () => number;
}

/** Links of regions that all give control back where they end. */
export function noLinks(): Links {
  const table = new WebAssembly.Table({ element: "anyfunc", initial: 1 });
  table.set(stubSlot, stub());
  return {
    table,
    slotOf: () => stubSlot,
    link: () => {},
    missed: () => {},
    jumps: () => undefined,
    crowded: () => false,
    reset: () => {},
  };
}

/** Links of a hart. */
export function makeLinks({ memory, hart }: Place): Links {
  const back = stub();
  const table = new WebAssembly.Table({ element: "anyfunc", initial: 1024 });
  const slots = new Map<number, number>();
  const hash = new Int32Array(memory.buffer, hart + hashOffset, hashMask + 2).fill(0);
  table.set(stubSlot, back);
  const recorded = new Int32Array(memory.buffer, hart + jumpsOffset, 4 + 4 * jumpsKept).fill(0);
  let used = 1;
  function slotOf(pc: number): number {
    const known = slots.get(pc);
    if (known !== undefined) return known;
    if (used === table.length) table.grow(used);
    table.set(used, back);
    slots.set(pc, used);
    return used++;
  }
  return {
    table,
    slotOf,
    link: (pc, region) => {
      const slot = slotOf(pc);
      table.set(slot, region ?? back);
      const at = hashOf(pc);
      if (region !== undefined) {
        hash[at] = pc;
        hash[at + 1] = slot;
      } else if (hash[at] === (pc | 0)) hash.fill(0, at, at + 2);
    },
    crowded: () => used > tuning.links,
    reset: () => {
      for (let slot = 1; slot < used; slot++) table.set(slot, back);
      slots.clear();
      hash.fill(0);
      used = 1;
    },
    jumps: (least) => {
      const count = recorded[0]!;
      if (count < least) return undefined;
      recorded[0] = 0;
      const last = Array.from({ length: Math.min(count, jumpsKept) }, (_, i): Jump => {
        const [entry, site, target] = recorded.subarray(4 + 4 * i, 7 + 4 * i);
        return { entry: entry! >>> 0, site: site! >>> 0, target: target! >>> 0 };
      });
      return { last, count };
    },
    missed: (pc) => {
      const slot = slots.get(pc);
      if (slot === undefined) return;
      hash[hashOf(pc)] = pc;
      hash[hashOf(pc) + 1] = slot;
    },
  };
}
