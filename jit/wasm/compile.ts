// The WebAssembly emitter of one hart: its modules are linked with the memory that holds the hart's state.

import type { Shape } from "../region.ts";
import type { Emitter, Place } from "../tiers.ts";
import { tuning } from "../tuning.ts";
import { compileRegions, makeEnvironment } from "./emit.ts";

/** What regions it wants. */
export const wasmShape: Shape = {
  calls: true,
  straight: tuning.regionInstructions,
  ...tuning.overlap,
  inlined: tuning.smallFunction,
  switched: tuning.switches.instructions,
};

export function makeWasmEmitter({ interpreter, hart, memory }: Place): Emitter {
  type Unit = Parameters<typeof makeEnvironment>[1];
  // Only what code needs is asked for, since the unit is large.
  const unit = new Proxy<Unit>({}, { get: (_, name) => (interpreter.floatUnit() as unknown as Unit)[name as string] });
  const environment = makeEnvironment({ memory: memory.memory, hart: hart.i32.byteOffset }, unit);
  return {
    shape: wasmShape,
    compile: (regions) => compileRegions(regions, environment),
    ...environment.links,
    memoryGrew: () => false,
  };
}
