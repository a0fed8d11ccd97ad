// What a worker is that runs guest threads which a debugger may stop: as linux/worker.ts, with a tracer.
import { hartIn } from "../cpu/hart.ts";
import { makeEngine } from "../linux/engine.ts";
import { serve } from "../linux/serve.ts";
import { attachDebugState, type DebugBundle } from "./state.ts";
import { makeTracing } from "./tracing.ts";

serve(({ site, hart, pool }) => {
  const { memory, space, bundle, watcher } = site;
  const state = attachDebugState(bundle.options.debug as DebugBundle);
  const own = hartIn(memory, hart);
  const tracing = makeTracing(state, site, pool.space, own);
  const engine = makeEngine(own, space, {
    jit: bundle.options.jit,
    decoded: watcher?.decoded,
    ...tracing.stops,
  });
  return tracing.begin(engine);
});
