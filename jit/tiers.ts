// Decides what is compiled, and keeps what was: regions by their entry, and by the pages that they came from. What makes
// functions of regions is an emitter, js/ or wasm/.
import type { Hart } from "../src/cpu/hart.ts";
import type { CompiledRegion, Interpreter, Tier } from "../src/cpu/interpreter.ts";
import type { GuestMemory } from "../src/memory/guest-memory.ts";
import { makeJsEmitter } from "./js/compile.ts";
import { findRegion, isBehindCall, type Region, type Shape } from "./region.ts";
import { tuning } from "./tuning.ts";
import { makeWasmEmitter } from "./wasm/compile.ts";

/** Figures of the code cache. */
export interface CacheFigures {
  /** Regions that are in the cache, and their instructions. */
  regions: number;
  instructions: number;
  /** Regions compiled and dropped so far. */
  compiled: number;
  dropped: number;
  /** Seconds of finding regions and compiling them. */
  seconds: number;
}

export type EmitterName = "js" | "wasm";

/** Makes functions of regions. */
export interface Emitter {
  readonly shape: Shape;
  /** In the order of the regions. */
  readonly compile: (regions: readonly Region[]) => CompiledRegion[];
  /** The region at `pc` may be entered by others without the interpreter; or, undefined, no longer. */
  readonly link: (pc: number, made: CompiledRegion | undefined) => void;
  /** Another region gave control back at `pc`, though there is one there. */
  readonly missed: (pc: number) => void;
  /** Whether so many addresses have been linked that it is time to begin anew. */
  readonly crowded: () => boolean;
  /** Forgets all links. Nothing that was made is in use any more. */
  readonly reset: () => void;
  /** The guest's memory has new views. True where nothing that was made works on. */
  readonly memoryGrew: () => boolean;
}

/** What code is made for. */
export interface Place {
  readonly interpreter: Interpreter;
  readonly hart: Hart;
  readonly memory: GuestMemory;
}

/** What the interpreter tells tiers of, and their figures. */
export interface Tiers extends Omit<Tier, "heat" | "pause"> {
  readonly figures: CacheFigures;
}

const emitters = { js: makeJsEmitter, wasm: makeWasmEmitter } satisfies Record<EmitterName, (p: Place) => Emitter>;

export function makeTiers(name: EmitterName, place: Place): Tiers {
  const { interpreter } = place;
  const emitter: Emitter = emitters[name](place);
  const figures: CacheFigures = { regions: 0, instructions: 0, compiled: 0, dropped: 0, seconds: 0 };
  const entries = new Map<number, { readonly region: Region; readonly made: CompiledRegion }>();
  const byPage = new Map<number, Set<number>>();

  /** Regions dropped since garbage was collected. */
  let garbage = 0;

  function drop(pc: number): void {
    const region = entries.get(pc)?.region;
    if (region === undefined) return;
    entries.delete(pc);
    for (const page of region.pages) {
      const here = byPage.get(page);
      here?.delete(pc);
      if (here?.size === 0) byPage.delete(page);
    }
    interpreter.plant(pc, undefined);
    emitter.link(pc, undefined);
    figures.regions--;
    figures.instructions -= region.instructions;
    figures.dropped++;
    garbage++;
  }

  /** Drops the oldest regions, all by default. */
  function evict(count = entries.size): void {
    for (const pc of [...entries.keys()].slice(0, count)) drop(pc);
  }

  function keep(region: Region, made: CompiledRegion): void {
    const { pc } = region;
    interpreter.plant(pc, made);
    emitter.link(pc, made);
    entries.set(pc, { region, made });
    for (const page of region.pages) {
      let here = byPage.get(page);
      if (here === undefined) byPage.set(page, (here = new Set()));
      here.add(pc);
    }
    figures.regions++;
    figures.compiled++;
    figures.instructions += region.instructions;
  }

  /** What was never reached until code is hot is seldom reached later: it is left out. With no heat nothing is known. */
  const fetch = (pc: number): number => (tuning.heat[name] < 2 || interpreter.seen(pc) ? interpreter.probe(pc) : -1);

  /** Places behind calls that have been hot once. */
  const declined = new Set<number>();

  /** Entries that wait to be compiled, and since when. */
  const queue = new Set<number>();
  let since = 0;

  function compileQueue(): void {
    const begun = performance.now();
    if (figures.regions >= tuning.regions) evict(tuning.regions / 8);
    if (emitter.crowded()) {
      evict();
      emitter.reset();
    }
    const taken = (pc: number): boolean => entries.has(pc) || queue.has(pc);
    const regions: Region[] = [];
    for (const pc of queue) {
      const region = findRegion(pc, fetch, tuning.regionInstructions, emitter.shape, taken);
      if (region !== undefined) regions.push(region);
    }
    queue.clear();
    if (regions.length > 0) {
      const made = emitter.compile(regions);
      // They call each other directly, and so last only as long as the code of all.
      const pages = [...new Set(regions.flatMap((region) => region.pages))];
      for (const [i, region] of regions.entries()) keep({ ...region, pages }, made[i]!);
    }
    figures.seconds += (performance.now() - begun) / 1000;
  }

  return {
    figures,
    hot: (pc) => {
      const known = entries.get(pc);
      // The interpreter has lost its page since.
      if (known !== undefined) {
        interpreter.plant(pc, known.made);
        return;
      }
      if (emitter.shape.calls && tuning.heat[name] > 1 && !declined.has(pc) && isBehindCall(pc, fetch)) {
        // It will be part of a function, or of a loop: if not, it will be hot again.
        if (declined.size > tuning.regions) declined.clear();
        declined.add(pc);
        return;
      }
      if (queue.size === 0) since = performance.now();
      queue.add(pc);
      if (queue.size >= tuning.batch[name]) compileQueue();
    },
    missed: (pc) => emitter.missed(pc),
    paused: () => {
      // What the engine made of a region is outside of its heap, and does not make it collect.
      if (garbage >= tuning.collect) {
        garbage = 0;
        Bun.gc(true);
      }
      if (queue.size > 0 && performance.now() - since > tuning.patience) compileQueue();
    },
    dropPages: (first, last) => {
      if (entries.size === 0) return;
      if (last - first > byPage.size) {
        for (const [page, pcs] of byPage) if (page >= first && page < last) for (const pc of [...pcs]) drop(pc);
      } else for (let page = first; page < last; page++) for (const pc of [...(byPage.get(page) ?? [])]) drop(pc);
    },
    memoryGrew: () => {
      if (emitter.memoryGrew()) evict();
    },
  };
}
