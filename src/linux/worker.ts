// What a worker is that runs guest threads: the module that workers.ts starts.
import { hartIn } from "../cpu/hart.ts";
import { makeEngine } from "./engine.ts";
import { runTask } from "./run.ts";
import { serve } from "./serve.ts";

serve(({ process, hart }) => {
  const engine = makeEngine(hartIn(process.memory, hart), process.space, process.options);
  return (t) => void runTask(t, engine, {});
});
