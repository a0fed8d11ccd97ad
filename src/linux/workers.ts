// Workers: threads of the host that run guest threads, one at a time each, and are used again. There is one table of them for
// all processes of a kernel. Any worker may have others made, and claim an idle one by a single exchange; nobody looks after them.
//
// A worker serves one memory for all its life. A blank worker has made its own, and runs the first thread of one process after
// the other there; when nobody uses the memory any more it empties it, and is blank again. Other workers were made for
// the further threads of such a memory, or of the main thread's, which came with their first message. The tables of a worker's
// engine belong to its hart, which is its own. A worker that was claimed before it is there begins its task when it comes.
// Their table is worker-table.ts, how they are made making.ts; the worker's end is in serve.ts.
//
// Measured on Bun 1.4.5, two busy cores, x86-64: from a claim to the guest's first instruction 25 us (median) where a worker is idle, else
// 30 ms with a build, of which 4 are the engine's and 25 the evaluation of our modules, 70 to 120 from the sources. Each has some 9 MB.
import { buildFolder } from "../host/build.ts";
import { installInterrupts } from "../host/interrupt.ts";
import { type Bundle, bundleOf, type EngineOptions, type Site } from "./bundle.ts";
import type { Kernel } from "./kernel.ts";
import { type Maker, make, makeSpare } from "./making.ts";
import type { Process } from "./task.ts";
import { TaskField, taskAt } from "./tasks.ts";
import {
  allWorkers,
  alone,
  change,
  changeAndWake,
  changesOf,
  field,
  fieldOf,
  Head,
  hartOf,
  hasCome,
  kindOf,
  mainSlot,
  putOrder,
  setIdle,
  setState,
  sleepIn,
  sleepUntilChanged,
  stateOf,
  tableOf,
  WorkerField,
  WorkerKind,
  WorkerState,
  type Workers,
  workersOf,
} from "./worker-table.ts";

/** What makes workers, as one worker has it. */
export interface WorkerPool {
  readonly table: Workers;
  readonly bundle: Bundle;
  /** Slot of the worker whose memory this one runs in. */
  readonly space: number;
  /** The worker that this is. */
  readonly self: number;
  /** What `installInterrupts` answered. */
  readonly interrupts: number;
  /** The module that workers run. */
  readonly script: string;
  readonly kernel: Kernel;
  /** Undefined in the main thread until it makes the first worker. */
  maker: Maker | undefined;
}

/** What a worker is told when it is made. A blank one makes what the bundle lacks. */
export interface Introduction extends Pick<WorkerPool, "interrupts" | "script"> {
  readonly bundle: Bundle | BlankBundle;
  readonly slot: number;
  readonly maker: MessagePort;
}

/** A bundle without an address space. */
export type BlankBundle = Omit<Bundle, "memory" | "mappings">;

/** The pool of the first process, for the main thread; `script` is what workers run. */
export function openPool(process: Process, script = workerScript(process.options)): WorkerPool {
  const bundle = bundleOf(process);
  const table = tableOf(bundle);
  const at = fieldOf(mainSlot, 0);
  table.i32[at + WorkerField.kind] = WorkerKind.main;
  table.i32[at + WorkerField.users] = 1;
  table.i32[at + WorkerField.state] = WorkerState.running;
  table.i32[Head.used] = Math.max(table.i32[Head.used]!, mainSlot + 1);
  return {
    table,
    bundle,
    kernel: process.kernel,
    space: mainSlot,
    self: mainSlot,
    interrupts: installInterrupts(),
    script,
    maker: undefined,
  };
}

/** The pool of a thread that makes workers. */
export const poolOf = (process: Process): WorkerPool => (process.site.pool ??= openPool(process));

/** The pool of a worker, which has that address space. */
export function joinPool({ slot, interrupts, script, maker }: Introduction, { kernel, bundle }: Site): WorkerPool {
  const table = tableOf(bundle);
  return { table, bundle, kernel, space: field(table, slot, WorkerField.space), self: slot, interrupts, script, maker };
}

function workerScript({ debug }: EngineOptions): string {
  const folder = buildFolder();
  if (debug !== undefined)
    return folder === undefined ? `${import.meta.dir}/../debug/traced-worker.ts` : `${folder}/traced-worker.js`;
  return folder === undefined ? `${import.meta.dir}/worker.ts` : `${folder}/worker.js`;
}

// ---- claiming

/**
 * Takes an idle worker for a thread of this memory, one that is there before one that is to come, or makes one. Answers its
 * slot: its hart is the caller's to fill; then follows `launch` or `release`. -EAGAIN where there can be no more.
 */
export const claim = (pool: WorkerPool): number =>
  claimFrom(pool, WorkerKind.thread, () => workersOf(pool.table, pool.space));

/** The same for a thread that gets a memory of its own. */
export const claimBlank = (pool: WorkerPool): number => claimFrom(pool, WorkerKind.blank, () => allWorkers(pool.table));

function claimFrom(pool: WorkerPool, kind: number, candidates: () => Iterable<number>): number {
  const { table } = pool;
  for (;;) {
    let found = -1;
    for (const slot of candidates()) {
      if (stateOf(table, slot) !== WorkerState.idle || kindOf(table, slot) !== kind) continue;
      found = slot;
      if (hasCome(table, slot)) break;
    }
    if (found < 0) return make(pool, kind);
    if (change(table, found, WorkerState.idle, WorkerState.claimed)) return found;
  }
}

/**
 * Has a worker that was claimed run the thread of that record, whose fields say on which worker and hart; with an `order`, which
 * is anything that JSON has, it does that first. Makes others for the next.
 */
export function launch(pool: WorkerPool, slot: number, task: number, order?: unknown): void {
  const { table, kernel } = pool;
  const { i32 } = taskAt(kernel, task);
  i32[TaskField.worker] = slot;
  i32[TaskField.hart] = hartOf(table, slot);
  table.i32[fieldOf(slot, WorkerField.task)] = task;
  if (order !== undefined) putOrder(table, slot, order);
  const kind = kindOf(table, slot);
  setState(table, slot, WorkerState.running);
  if (kind === WorkerKind.thread ? surplusOf(pool) >= 0 : !wantsBlank(pool)) return;
  makeSpare(pool, kind);
}

/** A program that forked once may never again; one that has two children at a time will have more. */
function wantsBlank({ table }: WorkerPool): boolean {
  let [all, idle] = [0, 0];
  for (const slot of allWorkers(table)) {
    if (kindOf(table, slot) !== WorkerKind.blank) continue;
    all++;
    if (stateOf(table, slot) === WorkerState.idle) idle++;
  }
  return all > 1 && idle === 0;
}

/** Has a blank worker that was claimed prepare its memory, and sleeps until that is done. Answers what came of it: 0 or -errno. */
export function prepare({ table }: WorkerPool, slot: number, order: unknown): number {
  putOrder(table, slot, order);
  setState(table, slot, WorkerState.preparing);
  while (stateOf(table, slot) === WorkerState.preparing) sleepIn(table, slot, WorkerState.preparing);
  return field(table, slot, WorkerField.result);
}

/** Gives a worker back that was claimed. */
export const release = ({ table }: WorkerPool, slot: number): void => setIdle(table, slot);

/** Does something with a worker that was claimed. Where that throws, which is a fault of the emulator, the worker ends. */
export function withClaimed<T>({ table }: WorkerPool, slot: number, work: () => T): T {
  try {
    return work();
  } catch (e) {
    changeAndWake(table, slot, WorkerState.claimed, WorkerState.ending);
    throw e;
  }
}

const countIn = ({ table, space }: WorkerPool, ...states: readonly number[]): number => {
  let count = 0;
  for (const slot of workersOf(table, space)) if (states.includes(stateOf(table, slot))) count++;
  return count;
};

/** How many more are idle, or will be, than are kept; negative where they are fewer. More are kept the more threads there are. */
export const surplusOf = (pool: WorkerPool): number =>
  countIn(pool, WorkerState.idle) -
  Math.min(4, 1 + Math.floor(countIn(pool, WorkerState.claimed, WorkerState.running) / 8));

/** Blank workers that are kept idle for good. */
const keptBlank = 2;

/** Whether a worker is one too many. */
export function isSurplus(pool: WorkerPool, slot: number): boolean {
  const { table } = pool;
  // Those of a memory whose owner has ended are of no use.
  if (kindOf(table, slot) === WorkerKind.thread)
    return surplusOf(pool) > 0 || stateOf(table, pool.space) === WorkerState.none;
  let idle = 0;
  for (const other of allWorkers(table))
    if (kindOf(table, other) === WorkerKind.blank && stateOf(table, other) === WorkerState.idle) idle++;
  return idle > keptBlank;
}

// ---- ending

/**
 * Ends all workers but the one that asks, and sleeps until none is left but some that have not come yet, which will do
 * nothing. Those that run a thread end when that does: its process must have ended.
 */
export function endWorkers(pool: WorkerPool): void {
  const { table, self } = pool;
  awaitEnds(table, self);
  pool.maker?.postMessage({ end: true }, []);
  pool.maker = undefined;
}

function awaitEnds(table: Workers, self: number): void {
  for (;;) {
    const changes = changesOf(table);
    let left = 0;
    for (const slot of allWorkers(table)) {
      if (slot === self) continue;
      endIdle(table, slot);
      if (hasCome(table, slot) || stateOf(table, slot) !== WorkerState.ending) left++;
    }
    if (left === 0) return;
    sleepUntilChanged(table, changes);
  }
}

const endIdle = (t: Workers, slot: number): void => changeAndWake(t, slot, WorkerState.idle, WorkerState.ending);

/** Ends the idle workers of a memory, but its owner. */
export function endThreads({ table, space }: WorkerPool): void {
  for (const slot of workersOf(table, space)) if (slot !== space) endIdle(table, slot);
}

/** Has an idle worker end if it is still one too many. */
export const endSurplus = (pool: WorkerPool, slot: number): void =>
  alone(pool.table, () => {
    if (isSurplus(pool, slot)) change(pool.table, slot, WorkerState.idle, WorkerState.ending);
  });
