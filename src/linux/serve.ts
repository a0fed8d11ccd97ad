// The worker's end of workers.ts: from its first message to its last task. A worker sleeps in the host while it is idle, and
// its event loop stands still all its life.
import { hostTid, useInterrupts } from "../host/interrupt.ts";
import { unguardLostPages } from "../host/lost-pages.ts";
import { newAddressSpace } from "../memory/address-space.ts";
import { closePages, forgetPulled } from "../memory/copy.ts";
import { catchUp, newGuestMemory, refresh } from "../memory/guest-memory.ts";
import { clear } from "../memory/map.ts";
import { mainAgent, setAgentId } from "../sync/agent.ts";
import { attachProcess, attachSite, attachTask, type Bundle, type Site } from "./bundle.ts";
import { errno } from "./errno.ts";
import { obey } from "./exec-elsewhere.ts";
import { leaveThread } from "./exit.ts";
import { type Order, pull } from "./fork.ts";
import { collectAll, isLittered, noteThread } from "./garbage.ts";
import { dropKickTimer } from "./kick-timer.ts";
import { endEmulator, textOf } from "./load-worker.ts";
import { resetScheduling } from "./scheduling.ts";
import { Sig } from "./siginfo.ts";
import { exitProcess } from "./signals.ts";
import type { Task } from "./task.ts";
import { TaskField, taskAt } from "./tasks.ts";
import {
  announce,
  awaitUsers,
  change,
  hartOf,
  kindOf,
  leave,
  noteFailure,
  setCome,
  setPrepared,
  sleepIn,
  stateOf,
  tableOf,
  takeOrder,
  taskOf,
  usersOf,
  WorkerKind,
  WorkerState,
  type Workers,
} from "./worker-table.ts";
import { endSurplus, endThreads, type Introduction, isSurplus, joinPool, type WorkerPool } from "./workers.ts";

/** An address space as a worker has it whose hart is that of the index. */
export interface Served {
  readonly site: Site;
  readonly hart: number;
  readonly pool: WorkerPool;
}

/** Runs a guest thread until it ends, or goes on elsewhere. */
export type Work = (t: Task) => void;

/**
 * Milliseconds that a worker waits for a task when more are idle than are kept. The end of a worker is dear: it waits for what the
 * engine still compiles for it, holding up all others where many end at a time (the soak had 100 that were about to end,
 * after a minute with a second of patience, and none with ten).
 */
const patience = 10_000;

/** Milliseconds of idleness after which a worker collects its garbage. */
const calm = 1000;

/** A blank worker's memory before it is used. It grows to what is pulled into it. */
const initialMemory = 2 ** 20;

/**
 * Makes this worker what it was made for; called while its module is loaded. `begin` makes what runs threads. An
 * exception is a fault of the emulator: it ends the process, as by SIGABRT, and is kept for whoever made the machine.
 */
export function serve(begin: (served: Served) => Work): void {
  const scope = globalThis as { onmessage?: ((event: MessageEvent<Introduction>) => void) | null };
  scope.onmessage = ({ data }) => {
    const { slot } = data;
    const table = tableOf(data.bundle);
    setAgentId(mainAgent + slot);
    let site: OwnSite | undefined;
    try {
      useInterrupts(data.interrupts);
      if (stateOf(table, slot) !== WorkerState.ending) site = makeSite(data, begin);
      if (site === undefined) refuse(table, slot, -errno.ENOMEM);
      else {
        setCome(table, slot, hostTid());
        while (awaitTask(site)) runThread(site);
      }
    } catch (e) {
      noteFailure(table, textOf(e));
      abandon(table, slot, site, e);
    }
    if (site !== undefined && kindOf(table, slot) === WorkerKind.blank) {
      endThreads(site.pool);
      unguardLostPages(site.memory.hostBase);
    }
    closePages();
    leave(table, slot);
    endLoop(data);
  };
}

/** Without a listener, and a port, the event loop ends, and the worker with it. */
function endLoop({ maker }: Introduction): void {
  (globalThis as { onmessage?: unknown }).onmessage = null;
  maker.close();
}

/** A worker's view of an address space, with what makes workers and runs threads there. */
interface OwnSite extends Site {
  pool: WorkerPool;
  run: Work;
}

/** That which a worker was made for, or a new one; undefined where the engine has no memory for a new one. */
function makeSite(data: Introduction, begin: (served: Served) => Work): OwnSite | undefined {
  try {
    const site = attachSite(bundleFor(data));
    const pool = joinPool(data, site);
    const run = begin({ site, pool, hart: hartOf(pool.table, data.slot) });
    return Object.assign(site, { pool, run });
  } catch (e) {
    if (e instanceof RangeError && !("memory" in data.bundle)) return undefined;
    throw e;
  }
}

function bundleFor({ bundle }: Introduction): Bundle {
  if ("memory" in bundle) return bundle;
  const { memory, head, records, files, names } = newAddressSpace(newGuestMemory(initialMemory));
  return { ...bundle, memory: memory.memory, mappings: { head, records, files, names } };
}

/**
 * The end of a worker that can do nothing: whoever has claimed it, or claims it still, is answered `error`. False where it is
 * to run a thread, which nobody else will.
 */
function refuse(table: Workers, slot: number, error: number): boolean {
  for (let state = 0; (state = stateOf(table, slot)) !== WorkerState.ending; ) {
    if (state === WorkerState.running) return false;
    if (state === WorkerState.preparing) {
      takeOrder(table, slot);
      setPrepared(table, slot, error);
    } else if (state === WorkerState.claimed) sleepIn(table, slot, state);
    else change(table, slot, state, WorkerState.ending);
  }
  return true;
}

/** The end of a worker whose modules could not be loaded. */
export function refuseAll(data: Introduction, why: unknown): void {
  const { slot, bundle } = data;
  const table = tableOf(bundle);
  noteFailure(table, textOf(why));
  if (!refuse(table, slot, -errno.EAGAIN)) endEmulator(why);
  leave(table, slot);
  endLoop(data);
}

/** The thread that this worker runs, while it does; whether that has ended, and the worker is not idle yet. */
let running: Task | undefined;
let hasRun = false;

function runThread(site: OwnSite): void {
  const { pool } = site;
  const { table, self } = pool;
  refresh(site.memory);
  catchUp(site.memory);
  const t = taskFor(site, taskOf(table, self));
  running = t;
  Atomics.store(t.record.i32, TaskField.hostTid, hostTid());
  obey(t, takeOrder(table, self) as Order | undefined);
  site.run(t);
  hasRun = true;
  running = undefined;
  dropKickTimer();
  noteThread();
  const isFit = resetScheduling(site.kernel);
  const isBlank = kindOf(table, self) === WorkerKind.blank;
  if (isBlank) empty(site);
  hasRun = false;
  const isOfUse = isFit && (isBlank || usersOf(table, pool.space) > 0);
  change(table, self, stateOf(table, self), isOfUse ? WorkerState.idle : WorkerState.ending);
  announce(table);
}

/** Makes a blank worker blank again, as soon as nobody uses its memory. */
function empty({ memory, space, pool }: OwnSite): void {
  awaitUsers(pool.table, pool.self);
  refresh(memory);
  clear(space, undefined);
  forgetPulled(space);
}

/** Prepares a blank worker's memory as it was told. */
function prepare(site: OwnSite): void {
  const { table, self } = site.pool;
  const order = takeOrder(table, self) as Order;
  let result: number = -errno.ENOMEM;
  try {
    result = pull(site, order);
  } finally {
    if (result < 0) {
      clear(site.space, undefined);
      forgetPulled(site.space);
    }
    setPrepared(table, self, result);
  }
}

/** Sleeps until there is a task. False where the worker is to end. */
function awaitTask(site: OwnSite): boolean {
  const { pool } = site;
  const { table, self } = pool;
  for (;;) {
    const state = stateOf(table, self);
    if (state === WorkerState.running) return true;
    if (state === WorkerState.ending) return false;
    if (state === WorkerState.preparing) {
      prepare(site);
      continue;
    }
    const surplus = state === WorkerState.idle && isSurplus(pool, self);
    const littered = state === WorkerState.idle && isLittered();
    if (sleepIn(table, self, state, littered ? calm : surplus ? patience : 0)) continue;
    if (littered) collectAll();
    else endSurplus(pool, self);
  }
}

/** What a worker was to do that failed is ended, so that nobody waits for it. */
function abandon(table: Workers, slot: number, site: Site | undefined, why: unknown): void {
  try {
    if (running === undefined && (hasRun || refuse(table, slot, -errno.EAGAIN))) return;
    if (site === undefined) endEmulator(why);
    const t = running ?? taskFor(site, taskOf(table, slot));
    exitProcess(t.process.kernel, t.process.record, { signal: Sig.ABRT, coreDumped: false });
    if (!t.moved) leaveThread(t);
  } catch {
    // What failed before is what is told.
  }
}

/** The thread that a worker was to run, which has not begun. */
const taskFor = (site: Site, index: number): Task =>
  attachTask(attachProcess(site, taskAt(site.kernel, index).i32[TaskField.process]!), index);
