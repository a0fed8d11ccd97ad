// Decides what is compiled, and keeps what was: regions by their entry, and by the pages that they came from.
import type { CompiledRegion, Interpreter, Tier } from "../src/cpu/interpreter.ts";
import { aliased, emitRegion } from "./js/emit.ts";
import { findRegion, type Region } from "./region.ts";
import { tuning } from "./tuning.ts";

const allPages = 2 ** 20;

/** Figures of the code cache. */
export interface CacheFigures {
  /** Regions that are in the cache, and their instructions. */
  regions: number;
  instructions: number;
  /** Regions compiled and dropped so far. */
  compiled: number;
  dropped: number;
}

export interface Tiers extends Tier {
  readonly figures: CacheFigures;
  /** Called once, with the interpreter that enters what is compiled. */
  readonly attach: (interpreter: Interpreter) => void;
}

export function makeTiers(): Tiers {
  let interpreter: Interpreter | undefined;
  const figures: CacheFigures = { regions: 0, instructions: 0, compiled: 0, dropped: 0 };
  const entries = new Map<number, Region>();
  const byPage = new Map<number, Set<number>>();

  /** What regions may name. It changes only with the memory's views, and then every region is dropped. */
  let names: Record<string, unknown> | undefined;
  function namesFor(i: Interpreter): Record<string, unknown> {
    if (names === undefined) {
      names = { ...i.names(), probe: i.probe };
      for (const name of aliased) names[name + "_"] = names[name];
    }
    return names;
  }

  function compile(i: Interpreter, region: Region): CompiledRegion {
    const body = emitRegion(region);
    const all = namesFor(i);
    // A function's parameters cost time to parse: it gets those that it uses.
    const used = [...new Set(body.match(/[A-Za-z]\w+/g))].filter((word) => word in all && !aliased.includes(word));
    const name = `region_${region.pc.toString(16)}`;
    const make = new Function(...used, `return function ${name}(){${body}}`);
    return make(...used.map((word) => all[word])) as CompiledRegion;
  }

  function drop(pc: number): void {
    const region = entries.get(pc);
    if (region === undefined) return;
    entries.delete(pc);
    for (const page of region.pages) byPage.get(page)?.delete(pc);
    interpreter?.plant(pc, undefined);
    figures.regions--;
    figures.instructions -= region.instructions;
    figures.dropped++;
  }

  const dropEvery = (): void => {
    for (const pc of [...entries.keys()]) drop(pc);
    byPage.clear();
  };

  return {
    figures,
    heat: tuning.heat,
    attach: (i) => {
      interpreter = i;
    },
    hot: (pc) => {
      if (interpreter === undefined || entries.has(pc)) return;
      const region = findRegion(pc, interpreter.probe, tuning.regionInstructions);
      if (region === undefined) return;
      if (figures.regions >= tuning.regions) dropEvery();
      interpreter.plant(pc, compile(interpreter, region));
      entries.set(pc, region);
      for (const page of region.pages) {
        let here = byPage.get(page);
        if (here === undefined) byPage.set(page, (here = new Set()));
        here.add(pc);
      }
      figures.regions++;
      figures.compiled++;
      figures.instructions += region.instructions;
    },
    dropPages: (first, last) => {
      if (last - first >= allPages) names = undefined;
      if (entries.size === 0) return;
      if (last - first > byPage.size) {
        for (const [page, pcs] of byPage) if (page >= first && page < last) for (const pc of [...pcs]) drop(pc);
      } else for (let page = first; page < last; page++) for (const pc of [...(byPage.get(page) ?? [])]) drop(pc);
    },
  };
}
