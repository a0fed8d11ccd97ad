// Steps of a debugger through a range of addresses (vCont;r), a line that loops first of all: what is hot in the range is compiled by itself,
// and gives control back wherever the range ends, at stops, and after so many instructions. The regions of the tiers know no end and are not used.
import { Cause, getPc, hart, setPc } from "../src/cpu/hart.ts";
import type { CompiledRegion, Interpreter } from "../src/cpu/interpreter.ts";
import { pageSize } from "../src/memory/guest-memory.ts";
import { makeJsEmitter } from "./js/compile.ts";
import { findRegion, type Region } from "./region.ts";
import { type Emitter, type EmitterName, executes, type Place } from "./tiers.ts";
import { tuning } from "./tuning.ts";
import { makeWasmEmitter } from "./wasm/compile.ts";

export interface RangeSteps {
  /** As `Interpreter.step`. */
  readonly step: Interpreter["step"];
  /** The instruction at `pc` is one to stop at, or no longer. */
  readonly dropAt: (pc: number) => void;
  /** What the pages `[first, last)` hold has changed. */
  readonly dropPages: (first: number, last: number) => void;
  /** The memory has new views, or is not this hart's alone any more. */
  readonly memoryGrew: () => void;
}

export interface RangeStops {
  readonly stopsAt: (pc: number) => boolean;
  readonly passes: (pc: number) => boolean;
}

interface Compiled {
  readonly region: Region;
  readonly made: CompiledRegion;
}

/** What is known of one range: its regions by their first address, and how often jumps back led to others. */
interface Range {
  readonly start: number;
  readonly end: number;
  readonly regions: Map<number, Compiled>;
  readonly heat: Map<number, number>;
}

export function makeRangeSteps(name: EmitterName, place: Place, { stopsAt, passes }: RangeStops): RangeSteps {
  const { interpreter, hart: h } = place;
  const R = h.i32;
  let emitter: Emitter | undefined;
  let ranges: Range[] = [];

  function rangeOf(start: number, end: number): Range {
    const known = ranges.find((range) => range.start === start && range.end === end);
    if (known !== undefined) return known;
    if (ranges.length === tuning.ranges.kept) ranges = [];
    const range: Range = { start, end, regions: new Map(), heat: new Map() };
    ranges.push(range);
    return range;
  }

  function compile({ start, end, regions }: Range, pc: number): void {
    emitter ??= name === "js" ? makeJsEmitter(place) : makeWasmEmitter(place, true);
    const fetch = (at: number): number => (at >= start && at < end ? interpreter.probe(at) : -1);
    const region = findRegion(pc, fetch, tuning.regionInstructions, emitter.shape);
    if (region === undefined) return;
    const [made] = emitter.compile([region]);
    if (made !== undefined) regions.set(pc, { region, made });
  }

  /** Runs a region. Answers the cause where that has to be told; undefined where it goes on at the hart's pc; 0 executed: the interpreter's. */
  function enter(made: CompiledRegion, pc: number): { readonly count: number; readonly cause: Cause | undefined } {
    R[hart.executed] = 0;
    const next = made(0, pc);
    const count = R[hart.executed]!;
    h.f64[hart.instret / 2]! += count;
    h.f64[hart.compiled / 2]! += count;
    if (next === -1) return { count, cause: R[hart.cause]! as Cause };
    if (count > 0) setPc(h, next >>> 0);
    return { count, cause: undefined };
  }

  return {
    step: (start, end, budget) => {
      const range = rangeOf(start, end);
      for (let done = 0; ; ) {
        const pc = getPc(h);
        if (done > 0) {
          if (pc < start || pc >= end || done >= budget) return Cause.requested;
          if (stopsAt(pc) && !passes(pc)) return Cause.debug;
          const compiled = range.regions.get(pc);
          if (compiled !== undefined) {
            const { count, cause } = enter(compiled.made, pc);
            if (cause !== undefined) return cause;
            done += count;
            if (count > 0) continue;
          }
        }
        const cause = interpreter.step(0, 0, 1);
        if (cause !== Cause.requested) return cause;
        done++;
        const to = getPc(h);
        if (to > pc || to < start || range.regions.has(to)) continue;
        const heat = (range.heat.get(to) ?? 0) + 1;
        range.heat.set(to, heat);
        if (heat === tuning.ranges.heat) compile(range, to);
      }
    },
    dropAt: (pc) => {
      for (const { regions } of ranges)
        for (const [at, { region }] of regions) if (executes(region, pc)) regions.delete(at);
      for (const { start, end, heat } of ranges) if (pc >= start && pc < end) heat.clear();
    },
    dropPages: (first, last) => {
      ranges = ranges.filter(({ start, end }) => end <= first * pageSize || start >= last * pageSize);
    },
    memoryGrew: () => {
      if (emitter?.memoryGrew()) ranges = [];
    },
  };
}
