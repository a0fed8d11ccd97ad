// The tiers of a program that may be over before anything in it is hot: they are loaded when something is.
import type { CacheFigures, EmitterName, Place, Tiers } from "./tiers.ts";
import { tuning } from "./tuning.ts";

const nothing: CacheFigures = { regions: 0, instructions: 0, compiled: 0, dropped: 0, seconds: 0 };

export function lazyTiers(name: EmitterName): Tiers {
  let place: Place | undefined;
  let tiers: Tiers | undefined;
  function load(): Tiers {
    const made = (require("./tiers.ts") as typeof import("./tiers.ts")).makeTiers(name);
    if (place !== undefined) made.attach(place);
    return made;
  }
  return {
    heat: tuning.heat[name],
    pause: tuning.fuel,
    get figures() {
      return tiers?.figures ?? nothing;
    },
    attach: (p) => {
      place = p;
    },
    hot: (pc) => {
      tiers ??= load();
      tiers.hot(pc);
    },
    missed: (pc) => tiers?.missed(pc),
    paused: () => tiers?.paused(),
    dropPages: (first, last) => tiers?.dropPages(first, last),
    memoryGrew: () => tiers?.memoryGrew(),
  };
}
