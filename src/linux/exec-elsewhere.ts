// execve by a thread whose memory other processes use too (vfork, CLONE_VM): the next program needs another, which is a blank
// worker's (workers.ts). The thread goes over to that worker, which executes the program there.
import { initSharing, removeRunner } from "../memory/sharing.ts";
import { sharedPart } from "../memory/vmas.ts";
import { stopClock } from "./accounting.ts";
import { releaseMaker } from "./exit.ts";
import type { Order } from "./fork.ts";
import { wakeTask } from "./park.ts";
import { ProcessField } from "./processes.ts";
import { stopsAtCalls } from "./ptrace.ts";
import { stopAtExit } from "./ptrace-stops.ts";
import type { Process, Task } from "./task.ts";
import { firstTask } from "./tasks.ts";
import { addUser, dropUser, usersOf } from "./worker-table.ts";
import { claimBlank, launch, poolOf, prepare, release, withClaimed } from "./workers.ts";

/** Whether other processes use the memory of a process, or wait to: then the next program needs another. */
export const sharesMemory = ({ process: { record, site }, nested }: Task): boolean =>
  nested || (site.pool !== undefined && usersOf(site.pool.table, record.i32[ProcessField.space]!) > 1);

/** Claims a blank worker which can have a memory: its slot, for `moveTo` or `giveUp`; or -errno. */
export function claimMemory(process: Process): number {
  const pool = poolOf(process);
  const slot = claimBlank(pool);
  if (slot < 0) return slot;
  const error = withClaimed(pool, slot, () => prepare(pool, slot, { stay: true } satisfies Order));
  if (error === 0) return slot;
  release(pool, slot);
  return error;
}

/** What was claimed is not needed. */
export const giveUp = (process: Process, slot: number): void => release(poolOf(process), slot);

/**
 * Hands a thread, the only one of its process, over to the worker that was claimed, which has it execute a program there: what
 * calls/exec.ts makes of `request`, which is anything that JSON has. The caller returns to its worker.
 */
export function moveTo(t: Task, slot: number, request: unknown): void {
  const { process } = t;
  const pool = poolOf(process);
  stopClock(t);
  t.ended = t.moved = true;
  if (!t.nested) removeRunner(process.space.sharing);
  const before = process.record.i32[ProcessField.space]!;
  process.record.i32[ProcessField.space] = slot;
  addUser(pool.table, slot);
  releaseMaker(process);
  // Last: the thread may end at once, and its process with it.
  launch(pool, slot, t.index, { exec: request } satisfies Order);
  dropUser(pool.table, before);
  // The main thread may wait for that.
  wakeTask(process.kernel, firstTask);
}

/** What a thread does first on a worker that was given an order with it. */
export function obey(t: Task, order: Order | undefined): void {
  if (order === undefined || !("exec" in order)) return;
  const { process } = t;
  initSharing(sharedPart(process.space.head));
  process.record.f64[ProcessField.hostBase / 2] = process.memory.hostBase;
  const { execHere } = require("./calls/exec.ts") as typeof import("./calls/exec.ts");
  execHere(t, order.exec as Parameters<typeof execHere>[1]);
  // The call that began elsewhere ends here.
  if (stopsAtCalls(t.record)) stopAtExit(t, 0);
}
