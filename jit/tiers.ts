// Decides what is compiled, and keeps what was: regions by their entry, and by the pages that they came from. What makes
// functions of regions is an emitter, js/ or wasm/.
import { type Hart, hart } from "../src/cpu/hart.ts";
import type { CompiledRegion, Interpreter, Tier } from "../src/cpu/interpreter.ts";
import type { GuestMemory } from "../src/memory/guest-memory.ts";
import { makeJsEmitter } from "./js/compile.ts";
import { makeProfiles } from "./profiles.ts";
import { findRegion, followedSwitches, isBehindCall, type Region, type Shape } from "./region.ts";
import { tuning } from "./tuning.ts";
import { makeWasmEmitter } from "./wasm/compile.ts";
import type { Links } from "./wasm/links.ts";

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
  /** Where indirect jumps led; absent where its regions do not tell. */
  readonly jumps?: Links["jumps"];
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

/** Whether a region executes the instruction at that address. */
export const executes = (region: Region, pc: number): boolean =>
  region.blocks.some(({ code }) => code.some((at) => at.pc === pc));

export function makeTiers(name: EmitterName, place: Place): Tiers {
  const { interpreter } = place;
  const emitter: Emitter = emitters[name](place);
  const figures: CacheFigures = { regions: 0, instructions: 0, compiled: 0, dropped: 0, seconds: 0 };
  /** `together`: those that call each other directly, so that where one has to go all have to. */
  interface Entry {
    readonly region: Region;
    readonly made: CompiledRegion;
    readonly together: readonly Region[];
  }
  const entries = new Map<number, Entry>();
  /** What other addresses are entries of, by the region's first. */
  const aliases = new Map<number, number>();
  const byPage = new Map<number, Set<number>>();

  /** Regions that are being compiled. */
  const making = new Map<number, Region>();
  const profiles = makeProfiles((pc) => making.get(pc) ?? entries.get(pc)?.region);

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
    for (const at of [pc, ...region.entries]) {
      if (at !== pc && aliases.get(at) !== pc) continue;
      aliases.delete(at);
      interpreter.plant(at, undefined);
      emitter.link(at, undefined);
    }
    figures.regions--;
    figures.instructions -= region.instructions;
    figures.dropped++;
    garbage++;
  }

  /** Drops the oldest regions, all by default. */
  function evict(count = entries.size): void {
    for (const pc of [...entries.keys()].slice(0, count)) drop(pc);
  }

  function keep(region: Region, made: CompiledRegion, together: readonly Region[]): void {
    const { pc } = region;
    interpreter.plant(pc, made);
    emitter.link(pc, made);
    entries.set(pc, { region, made, together });
    profiles.kept(region);
    for (const at of region.entries) {
      if (aliases.has(at)) continue;
      drop(at);
      aliases.set(at, pc);
      interpreter.plant(at, made);
      emitter.link(at, made);
    }
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

  /** How often targets have been hot that are not hot enough. */
  const warm = new Map<number, number>();
  const { first, fewer } = tuning.rounds[name];

  /** Whether so many arrivals at a target are few among the instructions of a program that has not run for long. */
  function isSpread(arrivals: number): boolean {
    if (name !== "wasm") return false;
    const executed = place.hart.f64[hart.instret / 2]!;
    return executed < tuning.early.instructions && executed > arrivals * tuning.early.apart;
  }

  /** Whether a target is hot once more, and not yet often enough. */
  function isLukewarm(pc: number): boolean {
    const rounds = (warm.get(pc) ?? 0) + 1;
    if (rounds >= first - figures.compiled / fewer && (figures.compiled > 0 || !isSpread(rounds * tuning.heat[name]))) {
      warm.delete(pc);
      return false;
    }
    warm.set(pc, rounds);
    return true;
  }

  /** Entries that wait to be compiled, and since when. */
  const queue = new Set<number>();
  let since = 0;

  /** Compiling anew waits until compiling has taken no more than a share of the time. */
  const mayCompile = (): boolean => figures.seconds * 1000 <= tuning.share * performance.now();

  function compileQueue(): void {
    const begun = performance.now();
    if (figures.regions >= tuning.regions) evict(tuning.regions / 8);
    if (emitter.crowded()) {
      evict();
      emitter.reset();
    }
    compile(queue);
    queue.clear();
    figures.seconds += (performance.now() - begun) / 1000;
  }

  function compile(pcs: ReadonlySet<number>): void {
    for (const pc of pcs) {
      if (aliases.has(pc)) continue;
      const taken = (at: number): boolean => {
        const owner = aliases.get(at);
        return owner === undefined ? entries.has(at) || pcs.has(at) : owner !== pc;
      };
      const profileOf = (site: number) => profiles.of(site, pc);
      const region = findRegion(pc, fetch, tuning.regionInstructions, emitter.shape, taken, profileOf);
      if (region === undefined) continue;
      making.set(pc, region);
      for (const site of followedSwitches(region)) profiles.claim(site, pc);
    }
    const regions = [...making.values()];
    making.clear();
    if (regions.length === 0) return;
    const made = emitter.compile(regions);
    // They call each other directly, and so last only as long as the code of all.
    const pages = [...new Set(regions.flatMap((region) => region.pages))];
    for (const [i, region] of regions.entries()) {
      const before = entries.get(region.pc)?.region.entries ?? [];
      drop(region.pc);
      // One of those before may be entered here.
      if (!aliases.has(region.pc)) keep({ ...region, pages }, made[i]!, regions);
      // What it could be entered at was hot, and will not be so again.
      for (const at of before) if (!aliases.has(at) && !entries.has(at)) queue.add(at);
    }
  }

  /** Entries of regions that are to be compiled anew. */
  const outdated = new Set<number>();
  /** Recorded jumps that are enough to look at them. */
  let least: number = tuning.switches.sample;

  /** Compiles anew the regions whose indirect jumps often led elsewhere than known. No compiled code may be running. */
  function learn(): void {
    const jumps = emitter.jumps?.(least);
    if (jumps !== undefined) {
      // The longer nothing changes, the seldomer it is looked at.
      least *= tuning.switches.patience;
      for (const pc of profiles.learn(jumps)) outdated.add(pc);
    }
    if (outdated.size === 0 || !mayCompile()) return;
    const begun = performance.now();
    const again = [...outdated];
    outdated.clear();
    least = tuning.switches.sample;
    const most = Math.max(1, tuning.batch[name]);
    for (let i = 0; i < again.length; i += most) compile(new Set(again.slice(i, i + most)));
    figures.seconds += (performance.now() - begun) / 1000;
  }

  return {
    figures,
    hot: (pc) => {
      learn();
      const known = entries.get(pc);
      // The interpreter has lost its page since.
      if (known !== undefined) {
        interpreter.plant(pc, known.made);
        return false;
      }
      const owner = entries.get(aliases.get(pc) ?? -1);
      if (owner !== undefined) {
        interpreter.plant(pc, owner.made);
        return false;
      }
      if (!declined.has(pc) && isLukewarm(pc)) return true;
      if (emitter.shape.calls && tuning.heat[name] > 1 && !declined.has(pc) && isBehindCall(pc, fetch)) {
        // It will be part of a function, or of a loop: if not, it will be hot again.
        if (declined.size > tuning.regions) declined.clear();
        declined.add(pc);
        return false;
      }
      if (queue.size === 0) since = performance.now();
      queue.add(pc);
      if (queue.size >= tuning.batch[name]) compileQueue();
      return false;
    },
    missed: (pc) => emitter.missed(pc),
    paused: () => {
      learn();
      // What the engine made of a region is outside of its heap, and does not make it collect.
      if (garbage >= tuning.collect) {
        garbage = 0;
        Bun.gc(true);
      }
      if (queue.size > 0 && performance.now() - since > tuning.patience) compileQueue();
    },
    dropAt: (pc) => {
      for (const entry of [...(byPage.get(pc >>> 12) ?? [])]) {
        const { together = [] } = entries.get(entry) ?? {};
        if (together.some((region) => executes(region, pc))) drop(entry);
      }
    },
    dropPages: (first, last) => {
      if (entries.size === 0) return;
      profiles.forget(first, last);
      if (last - first > byPage.size) {
        for (const [page, pcs] of byPage) if (page >= first && page < last) for (const pc of [...pcs]) drop(pc);
      } else for (let page = first; page < last; page++) for (const pc of [...(byPage.get(page) ?? [])]) drop(pc);
    },
    memoryGrew: () => {
      if (emitter.memoryGrew()) evict();
    },
  };
}
