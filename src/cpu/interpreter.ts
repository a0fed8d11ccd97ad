// Tier 0: the interpreter, generated from the instruction rows. One JavaScript function a row, chosen by a table.
//
// A page of code is decoded, slot by slot when first reached, into a frame of the decode cache: two words for every two
// bytes of guest code, so the index of a slot within its frame is the offset within its page. A handler gets its index and
// its first word, and answers the index of the next instruction; -1 leaves the loop, with pc and cause in the hart.
// Measured (Bun 1.4.5, 320 handlers, integer loop): a table of functions 225 million instructions a second and 130 after
// the first million; one switch over all 280, but 30 after the first million, because the engine compiles it as a whole.
import { fieldValue } from "../isa/riscv/encoding.ts";
import { catchUp, type GuestMemory, markCode, Page, pageSize } from "../memory/guest-memory.ts";
import * as arith from "./arith.ts";
import { type AtOnce, atOnce } from "./at-once.ts";
import {
  fieldShift,
  frames,
  frameWords,
  newCache,
  opIllegal,
  opMask,
  opNextPage,
  opRegion,
  opStop,
  opUndecoded,
  type QuickLoop,
} from "./cache.ts";
import { type Fpu, floatName } from "./float/fpu-type.ts";
import { core, floatFactory } from "./generated.ts";
import { Cause, type Hart, hart } from "./hart.ts";
import { makeScope, type ScopeHooks } from "./scope.ts";
import type { SlotPlan } from "./slot-tables.ts";
import { operationOf, pairOf, planOf } from "./slots.ts";

export interface Interpreter {
  /**
   * Runs from the hart's pc until a trap, or `budget` instructions (at least 1), which compiled code may exceed by `pause`. Answers the cause; the hart
   * holds pc (of the instruction that trapped) and tval. `instret` counts what completed.
   */
  readonly run: (budget: number) => Cause;
  /**
   * Executes at least one instruction, whatever stops there, and goes on one by one while pc is in `[start, end)`, no other stop is
   * reached and the budget is not used up. Answers as `run`; `debug` where the next one has a stop.
   */
  readonly step: (start: number, end: number, budget: number) => Cause;
  /** `stopsAt` answers otherwise for that address from now on: what was made of it is dropped, and only that. */
  readonly stopChanged: (pc: number) => void;
  /** Drops what was decoded or compiled of the pages in `[start, end)`. */
  readonly invalidate: (start: number, end: number) => void;
  /** Makes the slot of `pc` enter a compiled region, or, without one, decode anew. */
  readonly plant: (pc: number, region: CompiledRegion | undefined) => void;
  /** The bits of the instruction at `pc`, or -1; its pages are marked as holding code. Raises no trap. */
  readonly probe: (pc: number) => number;
  /** Whether the instruction at `pc` has been reached, as far as is known. */
  readonly seen: (pc: number) => boolean;
  /** What emitted JavaScript may name: registers, memory, slow paths; `load64` where others run on the memory too. Anew after `Tier.memoryGrew`. */
  readonly names: () => Readonly<Record<string, unknown>>;
  /** The floating-point unit of the hart, loaded when first asked for. */
  readonly floatUnit: () => Fpu;
}

/**
 * Code compiled from a region, entered with all state in the hart, and 0 as the number of instructions executed. It leaves
 * that number there, and answers the pc to go on at (an int32), or -1 with pc, cause and tval in the hart. Where it executed none and
 * has no trap to tell, its first instruction is one for the interpreter to do. It gets 0 for the guest calls that it is inside of, and
 * the pc, for it may have several entries.
 */
export type CompiledRegion = (depth?: number, pc?: number) => number;

/** A higher tier, as the interpreter sees it. */
export interface Tier {
  /** Arrivals at a jump target that make it hot. */
  readonly heat: number;
  /** Makes a loop that is quicker than the interpreter's own. */
  readonly quickLoop?: (h: Hart, m: GuestMemory) => QuickLoop;
  /** Instructions after which compiled code pauses at any place. */
  readonly pause: number;
  /** A jump target was reached that often. True where the tier wants to hear of it when that has happened once more. */
  readonly hot: (pc: number) => boolean;
  /** Regions that execute the instruction at `pc` are to go. */
  readonly dropAt: (pc: number) => void;
  /** What the pages `[first, last)` hold has changed. */
  readonly dropPages: (first: number, last: number) => void;
  /** The memory has new views, or is not this hart's alone any more. */
  readonly memoryGrew: () => void;
  /** A region gave control back where another one begins. */
  readonly missed: (pc: number) => void;
  /** The hart is between two runs. */
  readonly paused: () => void;
}

export interface InterpreterHooks extends ScopeHooks {
  /** Called for each instruction when it is decoded, where a log asks for it. */
  readonly decoded: ((pc: number, bits: number) => void) | undefined;
  readonly tier?: Tier;
  /** Whether a debugger wants to stop before the instruction at that address: then `run` leaves there with `Cause.debug`. */
  readonly stopsAt?: (pc: number) => boolean;
  /** Asked where a stop has been reached: whether to go on for this time. All state but pc is in the hart. */
  readonly passes?: (pc: number) => boolean;
  /** Whether other harts may be running on the same memory, or a part of it; by default none are. */
  readonly shared?: () => boolean;
  /** Drops code that may have changed unseen, which stores and calls of this guest cannot do. False where all is to be dropped, as without it. */
  readonly fenceI?: () => boolean;
}

/** The sink for x0 as the first word's rd, and the bits of that rd. */
const sinkRd = 32 << fieldShift.rd;
const rdBits = 63 << fieldShift.rd;

/** The unit is large, and many programs never compute in it: loaded for the first that does. */
const loadFpu = () => require("./float/fpu.ts") as typeof import("./float/fpu.ts");

export function makeInterpreter(h: Hart, m: GuestMemory, hooks: InterpreterHooks): Interpreter {
  const quick = hooks.tier?.quickLoop?.(h, m);
  const { code, frameOf, heat } = newCache(quick?.buffer);
  const pageOf = new Int32Array(frames);
  let used = 1;

  /** What is at stops: the words of their slots without them. */
  const kept = new Map<number, [word: number, value: number]>();

  const regions: CompiledRegion[] = [];
  const freeRegions: number[] = [];

  function dropAll(): void {
    hooks.tier?.dropPages(0, frameOf.length);
    for (let f = 1; f < used; f++) clear(f);
  }

  function clear(f: number): void {
    const at = f * frameWords;
    code.fill(opUndecoded, at, at + pageSize);
    heat.fill(0, at / 2, (at + frameWords) / 2);
  }

  /** A frame for a page that has none. When all are used every page loses its own: the caller is leaving its frame. */
  function takeFrame(page: number): number {
    if (used === frames) {
      dropAll();
      for (let f = 1; f < used; f++) frameOf[pageOf[f]!] = 0;
      used = 1;
    }
    const f = used++;
    const end = f * frameWords + pageSize;
    code[end] = opNextPage;
    code[end + 2] = opNextPage;
    frameOf[page] = f;
    pageOf[f] = page;
    return f;
  }

  const scope = makeScope(h, m, hooks);

  /**
   * Pages of which code was decoded while others could write to them. A hart that tested the page before it was marked may
   * store there for a while and tell nobody.
   */
  const unwatched = new Set<number>();

  /** Says that code of a page is about to be decoded. */
  function mark(page: number): void {
    if ((m.pages[page]! & (Page.code | Page.write)) === Page.code) return;
    if ((m.pages[page]! & Page.write) !== 0 && hooks.shared?.()) unwatched.add(page);
    markCode(m, page);
  }

  /** What others have stored, and told this hart of in some way, is what is decoded from now on. */
  function fenceI(): void {
    catchUp(m);
    for (const page of unwatched) invalidate(page * pageSize, (page + 1) * pageSize);
    unwatched.clear();
    if (hooks.fenceI?.() !== true) dropAll();
  }

  /** The halfword at `at`, or -1 where it cannot be fetched. */
  function fetch(at: number): number {
    const page = at >>> 12;
    if ((m.pages[page]! & Page.exec) === 0 && !scope.isMended(at, Page.exec, Cause.fetchFault, Cause.fetchAccess))
      return -1;
    mark(page);
    return m.u16[at >>> 1]!;
  }

  /** The bits of the instruction at `at`, or -1 with the trap recorded; a 16-bit instruction has its low half alone. */
  function fetchInstruction(at: number): number {
    const low = fetch(at);
    if (low < 0 || (low & 3) !== 3) return low;
    if (at + 2 >= 2 ** 32) {
      scope.trap(Cause.fetchFault, 0, 1);
      return -1;
    }
    const high = fetch(at + 2);
    return high < 0 ? -1 : high * 65536 + low;
  }

  /** Fills the slot at `index` of the instruction at `at`. False where it cannot be fetched: the trap is recorded. `alone`: for that one alone, and now. */
  function decodeAt(index: number, at: number, alone = false): boolean {
    if (!alone && hooks.stopsAt?.(at) === true) {
      const bits = fetchInstruction(at);
      if (bits < 0) return false;
      fill(index, bits);
      kept.set(index, [code[index]!, code[index + 1]!]);
      code[index] = opStop;
      return true;
    }
    const bits = fetchInstruction(at);
    if (bits < 0) return false;
    const plan = fill(index, bits);
    if (alone) return true;
    if (hooks.decoded !== undefined) hooks.decoded(at, bits);
    else if (plan !== undefined && quick !== undefined) decodeBehind(plan, index, at);
    return true;
  }

  /** Undefined for what is no instruction. */
  function fill(index: number, bits: number): SlotPlan | undefined {
    const plan = planOf(bits);
    if (plan === undefined) {
      code[index] = opIllegal;
      return undefined;
    }
    const { pieces } = plan;
    let word = plan.word;
    for (let i = 0; i < pieces.length; i++) {
      const { from, mask, to } = pieces[i]!;
      word |= ((bits >>> from) & mask) << to;
    }
    code[index] = plan.writesX && (word & rdBits) === 0 ? word | sinkRd : word;
    code[index + 1] = fieldValue(plan.value, bits);
    return plan;
  }

  /**
   * Decodes what will be reached next, as far as the page goes, and makes pairs: a quick loop is left for each slot that
   * is not decoded.
   */
  function decodeBehind(first: SlotPlan, index: number, at: number): void {
    let plan: SlotPlan | undefined = first;
    const end = index - (at & (pageSize - 1)) + pageSize - 4;
    while (plan !== undefined && !plan.jumps) {
      const { length } = plan;
      const next = index + length;
      at += length;
      if (next > end) return;
      const decoded = code[next] !== opUndecoded;
      if (!decoded) {
        if (hooks.stopsAt?.(at) === true) return;
        const low = m.u16[at >>> 1]!;
        plan = fill(next, (low & 3) === 3 ? m.u16[(at >>> 1) + 1]! * 65536 + low : low);
      }
      const pair = pairOf(code[index]! & opMask, code[next]! & opMask);
      if (pair !== undefined) code[index] = (code[index]! & ~opMask) | pair;
      if (decoded) return;
      index = next;
    }
  }

  /** The slot at `index` will be another: those before it are pairs with it no more. */
  function unpair(index: number): void {
    for (let before = index - 2; before >= index - 4; before -= 2)
      code[before] = (code[before]! & ~opMask) | operationOf(code[before]! & opMask);
  }

  function invalidate(start: number, end: number): void {
    if (end - start === 2 ** 32) {
      dropAll();
      return;
    }
    hooks.tier?.dropPages(start >>> 12, Math.ceil(end / pageSize));
    for (let page = start >>> 12; page * pageSize < end; page++) {
      const f = frameOf[page]!;
      if (f !== 0) clear(f);
      // An instruction that begins in the page before may reach into this one.
      const before = page > 0 ? frameOf[page - 1]! : 0;
      const last = before * frameWords + pageSize - 2;
      if (before !== 0 && (code[last]! & opMask) !== opRegion) code[last] = opUndecoded;
    }
  }

  function plant(pc: number, region: CompiledRegion | undefined): void {
    const page = pc >>> 12;
    const f = frameOf[page]!;
    // Without a frame nothing of the page is being executed: the region is entered from others alone.
    if (f === 0) return;
    const index = f * frameWords + (pc & (pageSize - 1));
    unpair(index);
    if ((code[index]! & opMask) === opRegion) freeRegions.push(code[index + 1]!);
    if (region === undefined) code[index] = opUndecoded;
    else {
      const id = freeRegions.pop() ?? regions.length;
      regions[id] = region;
      quick?.enter(id, region);
      code[index + 1] = id;
      code[index] = opRegion;
    }
  }

  function stopChanged(pc: number): void {
    hooks.tier?.dropAt(pc);
    const f = frameOf[pc >>> 12]!;
    if (f === 0) return;
    const index = f * frameWords + (pc & (pageSize - 1));
    unpair(index);
    kept.delete(index);
    code[index] = opUndecoded;
  }

  function probe(pc: number): number {
    if (hooks.stopsAt?.(pc) === true) return -1;
    const half = (at: number): number => {
      const page = at >>> 12;
      if (at >= 2 ** 32 || (m.pages[page]! & Page.exec) === 0) return -1;
      mark(page);
      return m.u16[at >>> 1]!;
    };
    const low = half(pc);
    if (low < 0 || (low & 3) !== 3) return low;
    const high = half(pc + 2);
    return high < 0 ? -1 : high * 65536 + low;
  }

  const constants = {
    ...{ R: h.i32, P: m.pages, TRAPPED: hart.trapped, RESULT: hart.result },
    HIGH: h.i32.byteOffset + 4 * (hart.result + 1),
    ...arith,
    ...scope,
  };
  /** Where others run on the same memory. */
  let together: AtOnce | undefined;
  let fpu: Fpu | undefined;
  const floatUnit = (): Fpu => (fpu ??= loadFpu().makeFpu(h));
  const names = (): Readonly<Record<string, unknown>> => ({
    ...constants,
    ...together,
    ...Object.fromEntries(Object.entries(floatUnit()).map(([op, f]) => [floatName(op), f])),
    U8: m.u8,
    U16: m.u16,
    I32: m.i32,
  });

  const made = core(hooks.tier !== undefined)(
    h,
    m,
    constants,
    code,
    frameOf,
    takeFrame,
    decodeAt,
    (at: number) => fetchInstruction(at) | 0,
    fenceI,
    regions,
    freeRegions,
    pageOf,
    heat,
    hooks.tier?.heat ?? 0,
    hooks.tier?.pause ?? 0,
    hooks.tier?.hot,
    hooks.tier?.missed,
    quick,
    (fault: unknown, illegal: unknown) => floatFactory()(names(), code, fault, illegal),
    hooks.passes,
    kept,
  );
  let bound = m.u8;
  function begin(): void {
    catchUp(m);
    if (together === undefined && hooks.shared?.() === true) {
      together = atOnce(m.memory);
      made.share(together.load64, together.store64);
      // What was compiled reads and writes as if nobody else did.
      hooks.tier?.memoryGrew();
    }
    if (bound !== m.u8) {
      bound = m.u8;
      made.rebind();
      hooks.tier?.memoryGrew();
    }
  }
  return {
    run: (budget) => {
      begin();
      hooks.tier?.paused();
      return made.run(budget);
    },
    step: (start, end, budget) => {
      begin();
      return made.step(start, end, budget);
    },
    stopChanged,
    invalidate,
    plant,
    probe,
    seen: (pc) => {
      const f = frameOf[pc >>> 12]!;
      return f !== 0 && code[f * frameWords + (pc & (pageSize - 1))] !== opUndecoded;
    },
    names,
    floatUnit,
  };
}
