// How guest threads leave: whatever ended one (exit, the end of its process, an exec by another thread), the worker that ran it
// calls `leaveThread`, once. The thread that leaves last gives back what its process has, and has it buried.
import { giveBackPages } from "../memory/give-back.ts";
import { residentKib } from "../memory/maps.ts";
import { removeRunner } from "../memory/sharing.ts";
import { closeAccount, noteResident, startClock } from "./accounting.ts";
import { isSuperseded, wakeExecutor } from "./alone.ts";
import type { Site } from "./bundle.ts";
import { bury, leaveChildren, othersLive } from "./family.ts";
import { endFutexes } from "./futex-exit.ts";
import { endIpc } from "./ipc-table.ts";
import type { Kernel } from "./kernel.ts";
import { park, wakeCount, wakeTask } from "./park.ts";
import { clearPending, Pending } from "./place.ts";
import { exitOf, firstProcess, ProcessField, processAt } from "./processes.ts";
import { keepForTracer, leaveTracees, stopAtEnd } from "./ptrace-ends.ts";
import { State } from "./records.ts";
import { leaveRseq } from "./rseq.ts";
import { dropSignalFds } from "./signalfd-table.ts";
import { exitProcess, exitSignals } from "./signals.ts";
import { timersOf } from "./tables.ts";
import type { Exit, Process, Task } from "./task.ts";
import { firstTask, freeTask, TaskField, taskAt } from "./tasks.ts";
import { leaveTerminal } from "./terminals.ts";
import { dropTables, nameTables } from "./thread-tables.ts";
import { releaseThreadMaker } from "./threads.ts";
import { initTimers } from "./timers.ts";
import type { WorkerPool } from "./workers.ts";

/** Programs with one thread need no workers. */
const loadWorkers = () => require("./workers.ts") as typeof import("./workers.ts");
const loadTable = () => require("./worker-table.ts") as typeof import("./worker-table.ts");

/**
 * A thread that has ended leaves its process: all that was its own is given back. After the last one the process is a zombie, or
 * no more. What the worker has of either is not to be used after it, and its memory may be emptied.
 */
export function leaveThread(t: Task): void {
  const { process, record, index } = t;
  const { kernel } = process;
  stopAtEnd(t);
  leaveTracees(t);
  endFutexes(t);
  releaseThreadMaker(t);
  closeAccount(t);
  leaveRseq(t);
  leaveChildren(kernel, process.record, index);
  const p = process.record.i32;
  exitSignals(t);
  // Before its descriptors go: with a master among them the terminal would be hung up first.
  if (Atomics.load(p, ProcessField.runners) === 1) leaveTerminal(kernel, process.record);
  nameTables(process);
  dropTables(process, record);
  if (!t.nested) removeRunner(process.space.sharing);
  // The first thread is found by its id as long as the process is there.
  if (p[ProcessField.leader] === index + 1) Atomics.store(record.i32, TaskField.state, State.zombie);
  else if (!keepForTracer(t)) freeTask(kernel, index);
  // Those that left before have given back what they had.
  if (Atomics.sub(p, ProcessField.runners, 1) === 1) endProcess(process);
  else wakeExecutor(process);
}

/**
 * Called by a thread that runs in place of another (vfork) which may be about to end: that one ends now, and this one goes on in
 * its memory without it.
 */
export function outliveMaker(t: Task): void {
  clearPending(t.record, Pending.maker);
  const { maker } = t;
  if (maker === undefined || (maker.process.exit === undefined && !isSuperseded(maker))) return;
  // What it was to its memory, and to another in whose place it may have run itself, this one is from now on.
  [t.nested, t.maker] = [maker.nested, maker.maker];
  if (t.maker !== undefined) Atomics.store(t.maker.record.i32, TaskField.inPlace, t.index + 1);
  Atomics.store(t.process.record.i32, ProcessField.vforkParent, 0);
  maker.nested = maker.ended = maker.moved = true;
  maker.process.watcher?.end(maker, maker.process.exit ?? { code: 0 });
  // So that what it has used is counted.
  startClock(maker);
  leaveThread(maker);
}

/** The last thread is gone. Without exit_group or a signal the exit code is that of the first thread. */
function endProcess(process: Process): void {
  const { kernel, index, record, site } = process;
  const leader = taskAt(kernel, record.i32[ProcessField.leader]! - 1);
  exitProcess(kernel, record, { code: leader.i32[TaskField.exitCode]! });
  if (record.i32[ProcessField.parent] !== 0) noteResident(kernel, index, residentKib(process.space));
  const { tables } = site.bundle;
  initTimers(timersOf(tables, index));
  endIpc(process, hasOwnMemory(process));
  dropSignalFds(kernel, index);
  process.tracer?.ending(process);
  leaveSpace(process);
  releaseMaker(process);
  leaveTerminal(kernel, record);
  bury(kernel, index);
  // The main thread may wait for it.
  wakeTask(kernel, firstTask);
}

/** Whether no other process uses the memory of this one. */
function hasOwnMemory({ record, site: { pool } }: Process): boolean {
  const owner = record.i32[ProcessField.space]!;
  return owner !== nowhere && (pool === undefined || loadTable().usersOf(pool.table, owner) === 1);
}

/** The process uses its memory no more. Done again it does nothing. */
export function leaveSpace({ record, site: { pool } }: Process): void {
  record.f64[ProcessField.hostBase / 2] = 0;
  const owner = record.i32[ProcessField.space]!;
  record.i32[ProcessField.space] = nowhere;
  if (pool !== undefined && owner !== nowhere) loadTable().dropUser(pool.table, owner);
}

/** In place of the slot of a memory's owner. */
const nowhere = -1;

/** Wakes the thread that made the process by vfork, which sleeps until it executes a program or ends. */
export function releaseMaker({ kernel, record }: Process): void {
  const maker = Atomics.exchange(record.i32, ProcessField.vforkParent, 0);
  if (maker !== 0) wakeTask(kernel, maker - 1);
}

// ---- the end of the emulator

/** Sleeps in the main thread until all guest processes have ended. Answers how the first did. */
export function awaitAll(t: Task): Exit {
  const { kernel } = t.process;
  let hasMemory = true;
  for (;;) {
    // First: what comes after it ends the sleep. Signals of the host are taken out by the sleep itself.
    clearPending(t.record, ~Pending.inbox);
    const seen = wakeCount(t);
    const end = firstEnd(kernel);
    if (end !== undefined && !othersLive(kernel)) return end;
    if (hasMemory) hasMemory = !leaveFirstSpace(t.process.site);
    park(t, seen);
  }
}

/** Gives the memory of the main thread back, which has no more use for it, as soon as nobody else has. */
function leaveFirstSpace({ pool, space }: Site): boolean {
  if (pool === undefined || loadTable().usersOf(pool.table, pool.space) > 0) return false;
  loadWorkers().endThreads(pool);
  giveBackPages(space);
  return true;
}

/** How the first process ended; undefined while it is there. */
function firstEnd(k: Kernel): Exit | undefined {
  const first = processAt(k, firstProcess);
  return Atomics.load(first.i32, ProcessField.state) === State.live ? undefined : exitOf(first);
}

/** Ends all workers, after `awaitAll`. Throws where one of them failed. */
export function dismiss(pool: WorkerPool): void {
  loadWorkers().endWorkers(pool);
  const failure = loadTable().failureOf(pool.table);
  if (failure !== undefined) throw new Error(`in a worker: ${failure}`);
}
