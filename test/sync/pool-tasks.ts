// What the workers of the pool in the test do. Tasks are: kind, argument.
import { agentId } from "../../src/sync/agent.ts";
import { type PoolTables, start } from "../../src/sync/pool-tables.ts";
import { serve } from "../../src/sync/pool-worker.ts";
import { count, reach } from "./crew.ts";

export const Task = { report: 0, hold: 1, fail: 2, startMany: 3, sum: 4, post: 5 } as const;

export interface Init {
  /** Words: tasks done; then by slot the agent, the tasks done there, the last result. */
  readonly done: Int32Array;
  readonly began: Int32Array;
  readonly release: Int32Array;
  readonly brokenFrom: number;
}

export const [agentWord, tasksWord, resultWord, slotWords] = [0, 1, 2, 3];

if (!Bun.isMainThread) {
  serve((data) => {
    const init = data as Init;
    if (agentId() >= init.brokenFrom) throw new Error("this one does not begin");
    const at = 1 + (agentId() - 2) * slotWords;
    return (task, message) => {
      const [kind = -1, argument = 0] = task;
      count(init.began);
      init.done[at + agentWord] = agentId();
      init.done[at + tasksWord]!++;
      switch (kind) {
        case Task.hold:
          reach(init.release, 1);
          break;
        case Task.fail:
          throw new Error("a task failed");
        case Task.startMany:
          for (let i = 0; i < argument; i++) {
            // All slots may have a task for a moment.
            while (start(message as PoolTables, 5, [Task.report]) < 0) Atomics.pause();
          }
          break;
        case Task.sum: {
          const { words } = message as { words: Int32Array };
          init.done[at + resultWord] = words.reduce((a, b) => a + b, 0);
          break;
        }
        case Task.post:
          postMessage(`from ${agentId()}`);
          break;
        default:
          init.done[at + resultWord] = argument;
      }
      count(init.done);
    };
  });
}
