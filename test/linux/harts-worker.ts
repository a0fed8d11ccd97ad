// What workers are in the tests of workers: they run instructions only, and what a guest thread asks for is one of these.
import { getU64, hartIn } from "../../src/cpu/hart.ts";
import { makeEngine } from "../../src/linux/engine.ts";
import { serve } from "../../src/linux/serve.ts";
import { request, runUntilCall, start } from "./harts.ts";

serve(({ site, pool, hart }) => {
  const h = hartIn(site.memory, hart);
  const engine = makeEngine(h, site.space, site.bundle.options);
  return () => {
    for (;;) {
      runUntilCall(engine, h);
      switch (getU64(h, 17)) {
        case request.end:
          return;
        case request.child:
          start(pool, getU64(h, 10), [getU64(h, 10), getU64(h, 11), getU64(h, 12), getU64(h, 13)]);
          break;
        case request.fail:
          throw new Error("this thread fails");
      }
    }
  };
});
