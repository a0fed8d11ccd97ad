// The WebAssembly emitter of one hart: its modules are linked with the memory that holds the hart's state.

import type { Shape } from "../region.ts";
import type { Emitter, Place } from "../tiers.ts";
import { tuning } from "../tuning.ts";
import { makeEnvironment } from "./environment.ts";
import { noLinks } from "./links.ts";
import { compileRegions } from "./module.ts";

/** What regions it wants. */
export const wasmShape: Shape = {
  calls: true,
  straight: tuning.regionInstructions,
  ...tuning.overlap,
  inlined: tuning.smallFunction,
  switched: tuning.switches.instructions,
};

/** `confined`: of regions that are reached by none but their caller, and go nowhere by themselves. */
export function makeWasmEmitter({ interpreter, hart, memory }: Place, confined = false): Emitter {
  type Unit = Parameters<typeof makeEnvironment>[1];
  // Only what code needs is asked for, since the unit is large.
  const unit = new Proxy<Unit>({}, { get: (_, name) => (interpreter.floatUnit() as unknown as Unit)[name as string] });
  const place = { memory: memory.memory, hart: hart.i32.byteOffset };
  const environment = makeEnvironment(place, unit, confined ? noLinks() : undefined);
  return {
    shape: wasmShape,
    compile: (regions) => compileRegions(regions, environment, { watched: memory.looksAtWatches, confined }),
    ...environment.links,
    memoryGrew: () => false,
  };
}
