// What a worker does that runs guest threads: worker.ts loads it.
import { hartIn } from "../cpu/hart.ts";
import { makeEngine } from "./engine.ts";
import { leaveThread } from "./exit.ts";
import { runTask } from "./run.ts";
import { serve } from "./serve.ts";

serve(({ site, hart }) => {
  const { memory, space, bundle, watcher } = site;
  const engine = makeEngine(hartIn(memory, hart), space, { jit: bundle.options.jit, decoded: watcher?.decoded });
  return (t) => {
    runTask(t, engine);
    watcher?.ran(engine.figures);
    if (!t.moved) leaveThread(t);
  };
});
