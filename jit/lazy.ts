// The tiers of a program that may be over before anything in it is hot: they are loaded when something is.
import type { Tier } from "../src/cpu/interpreter.ts";
import { makeQuickLoop } from "./quick-loop.ts";
import type { CacheFigures, EmitterName, Place, Tiers } from "./tiers.ts";
import { tuning } from "./tuning.ts";

const nothing: CacheFigures = { regions: 0, instructions: 0, compiled: 0, dropped: 0, seconds: 0 };

export interface LazyTiers extends Tier {
  readonly figures: CacheFigures;
  /** Whether what is hot is compiled; from the beginning it is. */
  compiles: boolean;
  /** Called once, with the interpreter that enters what is compiled. */
  readonly attach: (place: Place) => void;
}

export function lazyTiers(name: EmitterName): LazyTiers {
  let place: Place | undefined;
  let tiers: Tiers | undefined;
  const lazy: LazyTiers = {
    compiles: true,
    heat: tuning.heat[name],
    pause: tuning.fuel,
    // It enters regions in WebAssembly alone.
    ...(name === "wasm" && { quickLoop: (h, m) => makeQuickLoop(h, m, tuning.heat.wasm) }),
    get figures() {
      return tiers?.figures ?? nothing;
    },
    attach: (p) => {
      place = p;
    },
    hot: (pc) => {
      if (place === undefined || !lazy.compiles) return false;
      tiers ??= (require("./tiers.ts") as typeof import("./tiers.ts")).makeTiers(name, place);
      return tiers.hot(pc);
    },
    missed: (pc) => tiers?.missed(pc),
    paused: () => tiers?.paused(),
    dropAt: (pc) => tiers?.dropAt(pc),
    dropPages: (first, last) => tiers?.dropPages(first, last),
    memoryGrew: () => tiers?.memoryGrew(),
  };
  return lazy;
}
