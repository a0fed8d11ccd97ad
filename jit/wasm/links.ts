// How regions go over into each other without leaving WebAssembly: each address that a region goes to has a slot in a
// table of functions. The slot holds the region that begins there, or else a stub that gives control back. Indirect
// jumps find the slot by a hash of the address, in the hart's memory.
import { hart } from "../../src/cpu/hart.ts";
import { finish, get, newCode, storeHart } from "./code.ts";
import { encodeModule, type FunctionType, I32 } from "./encoder.ts";

/** (executed instructions, pc) -> pc. A caller from JavaScript gives no arguments, which makes them 0. */
export const regionType: FunctionType = { params: [I32, I32], results: [I32] };

/** The hash: entries of 8 bytes (the address, then its slot), by the low bits of the address but for bit 0. */
export const hashOffset = 32768;
export const hashMask = 0x1ffe;

export interface Links {
  readonly table: WebAssembly.Table;
  /** The slot of an address, made if there is none. */
  readonly slotOf: (pc: number) => number;
  /** Makes control that goes to `pc` enter a region, or, without one, come back to the caller. */
  readonly link: (pc: number, region: (() => number) | undefined) => void;
}

/** Gives control back at the address that it gets. */
function stub(state: WebAssembly.Memory): () => number {
  const c = newCode(regionType.params);
  storeHart(c, hart.executed, 0);
  get(c, 1);
  const bytes = encodeModule({
    types: [],
    imports: [
      { module: "env", name: "guest", kind: "memory", minimum: 1, maximum: 1, shared: true },
      { module: "env", name: "hart", kind: "memory", minimum: 1, maximum: 1, shared: true },
    ],
    functions: [finish(c, regionType, "stub")],
    elements: [],
  });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { guest: state, hart: state } });
  return exports["stub"] as () => number;
}

/** Links of the hart whose memory that is. */
export function makeLinks(state: WebAssembly.Memory): Links {
  const back = stub(state);
  const table = new WebAssembly.Table({ element: "anyfunc", initial: 1024 });
  const slots = new Map<number, number>();
  const hash = new Int32Array(state.buffer, hashOffset, hashMask + 2);
  table.set(0, back);
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
      const at = pc & hashMask;
      if (region !== undefined) {
        hash[at] = pc;
        hash[at + 1] = slot;
      } else if (hash[at] === (pc | 0)) hash[at] = 0;
    },
  };
}
