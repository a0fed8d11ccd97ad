// The WebAssembly emitter of one hart: its modules are linked with the hart's memory, the guest's and the page table.
import type { Emitter, Place } from "../tiers.ts";
import { compileRegions, makeEnvironment } from "./emit.ts";

export function makeWasmEmitter({ interpreter, hart, memory }: Place): Emitter {
  const memories = { guest: memory.memory, hart: hart.memory, pages: memory.pageTable };
  type Unit = Parameters<typeof makeEnvironment>[1];
  // Only what code needs is asked for, since the unit is large.
  const unit = new Proxy<Unit>({}, { get: (_, name) => (interpreter.floatUnit() as unknown as Unit)[name as string] });
  const environment = makeEnvironment(memories, unit);
  return {
    compile: (regions) => compileRegions(regions, environment),
    link: environment.links.link,
    memoryGrew: () => false,
  };
}
