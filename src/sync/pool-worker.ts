// The worker's end of a pool: it is told once what all its tasks need, then sleeps until somebody starts a task here.
// Tasks are synchronous: the worker's event loop stands still for as long as it lives.
import { setAgentId } from "./agent.ts";
import { awaitTask, endTask, type Introduction, taskOf } from "./pool-tables.ts";

/** Does a task: its words (a copy), and what was sent along, undefined for nothing. */
export type Work = (task: Int32Array, message: unknown) => void;

/**
 * Makes this worker one of the pool that created it; called while its module is loaded. `begin` gets the pool's `init`, and
 * answers what does tasks. An exception in either ends the worker, and the pool's owner hears of it.
 */
export function serve(begin: (init: unknown) => Work): void {
  (globalThis as { onmessage?: (event: MessageEvent<Introduction>) => void }).onmessage = ({ data }) => {
    const { pool, slot } = data;
    setAgentId(data.agent);
    const work = begin(data.init);
    for (;;) {
      const hasMail = awaitTask(pool, slot);
      work(taskOf(pool, slot), hasMail ? receive(data.mail) : undefined);
      endTask(pool, slot);
    }
  };
}

/** The message that was sent before the task was started. */
function receive(mail: MessagePort): unknown {
  // Loaded where it is needed: it takes 3 ms.
  const { receiveMessageOnPort } = require("node:worker_threads") as typeof import("node:worker_threads");
  const received = receiveMessageOnPort(mail as never) as { readonly message: unknown } | undefined;
  if (received === undefined) throw new Error("a task came without its message");
  return received.message;
}
