// The worker's end of workers.ts: from its first message to its last task. A worker sleeps in the host while it is idle, and
// its event loop stands still all its life.
import { hostTid, useInterrupts } from "../host/interrupt.ts";
import { refresh } from "../memory/guest-memory.ts";
import { mainAgent, setAgentId } from "../sync/agent.ts";
import { attachProcess, attachTask } from "./bundle.ts";
import { dropKickTimer } from "./kick-timer.ts";
import { Sig } from "./siginfo.ts";
import { exitProcess } from "./signals.ts";
import type { Process, Task } from "./task.ts";
import { TaskField } from "./tasks.ts";
import {
  announce,
  change,
  endSurplus,
  hartOf,
  hasMade,
  type Introduction,
  joinPool,
  leave,
  noteFailure,
  setCome,
  sleepIn,
  stateOf,
  surplusOf,
  taskOf,
  type WorkerPool,
  WorkerState,
} from "./workers.ts";

/** A process as a worker knows it whose hart is that of the index. */
export interface Served {
  readonly process: Process;
  readonly hart: number;
  readonly pool: WorkerPool;
}

/** Runs a guest thread until it ends. */
export type Work = (t: Task) => void;

/** Milliseconds that a worker waits for a task when more are idle than are kept. */
const patience = 200;

/**
 * Makes this worker what it was made for; called while its module is loaded. `begin` makes what runs threads. An
 * exception is a fault of the emulator: it ends the process, as by SIGABRT, and is kept for whoever made the machine.
 */
export function serve(begin: (served: Served) => Work): void {
  const scope = globalThis as { onmessage?: ((event: MessageEvent<Introduction>) => void) | null };
  scope.onmessage = ({ data }) => {
    const { slot } = data;
    setAgentId(mainAgent + 1 + slot);
    useInterrupts(data.interrupts);
    const process = attachProcess(data.bundle);
    const pool = joinPool(data, process);
    process.workers = pool;
    try {
      if (stateOf(pool.table, slot) !== WorkerState.ending) {
        const work = begin({ process, pool, hart: hartOf(pool.table, slot) });
        setCome(pool.table, slot, hostTid());
        while (awaitTask(pool)) runThread(process, pool, work);
      }
    } catch (e) {
      noteFailure(pool.table, e instanceof Error ? (e.stack ?? e.message) : String(e));
      exitProcess(process.kernel, process.record, { signal: Sig.ABRT, coreDumped: false });
    }
    // Without a listener, and when those are gone that it made, the event loop ends, and the worker with it.
    scope.onmessage = null;
    leave(pool.table, slot);
  };
}

function runThread(process: Process, { table, self }: WorkerPool, work: Work): void {
  refresh(process.memory);
  const t = attachTask(process, taskOf(table, self));
  Atomics.store(t.record.i32, TaskField.hostTid, hostTid());
  work(t);
  dropKickTimer();
  const next = process.exit === undefined ? WorkerState.idle : WorkerState.ending;
  change(table, self, WorkerState.running, next);
  announce(table);
}

/** Sleeps until there is a task. False where the worker is to end. */
function awaitTask(pool: WorkerPool): boolean {
  const { table, self } = pool;
  for (;;) {
    const state = stateOf(table, self);
    if (state === WorkerState.running) return true;
    if (state === WorkerState.ending) return false;
    const surplus = state === WorkerState.idle && surplusOf(pool) > 0 && !hasMade(table, self);
    if (!sleepIn(table, self, state, surplus ? patience : 0)) endSurplus(pool, self);
  }
}
