// The interpreter's loop in WebAssembly, bound to a hart and its memory.
import { cachePages, type QuickLoop } from "../src/cpu/cache.ts";
import type { Hart } from "../src/cpu/hart.ts";
import { type GuestMemory, hartOffset } from "../src/memory/guest-memory.ts";
import { quickLoopBytes } from "./quick-loop-bytes.ts";
import { relocate } from "./relocation.ts";

/** `heat`: arrivals at a slot that make it hot. */
export function makeQuickLoop(h: Hart, m: GuestMemory, heat: number): QuickLoop {
  const cache = new WebAssembly.Memory({ initial: cachePages, maximum: cachePages });
  const regions = new WebAssembly.Table({ element: "anyfunc", initial: 64 });
  const code = quickLoopBytes();
  const further = h.i32.byteOffset - hartOffset(0);
  if (further !== 0) relocate(code, further);
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(code.bytes), {
    env: { memory: m.memory, cache, regions, heat },
  });
  return {
    buffer: cache.buffer,
    run: exports["run"] as QuickLoop["run"],
    enter: (id, region) => {
      if (id >= regions.length) regions.grow(regions.length);
      regions.set(id, region);
    },
  };
}
