// A pool of Bun workers, kept warm. The main thread makes workers and hears of their deaths; whoever has the tables starts tasks.
// It knows nothing of what tasks do. The worker's end is `pool-worker.ts`.
//
// Measured on Bun 1.4.5, two cores, x86-64: a worker takes 3 ms to make and 1.8 MB to keep. The first instruction of a task on an idle one comes
// after 15 us (median; 70 at the 90th percentile), with a message after 37 (110). A worker that starts a task and sleeps until it is done: 61 us.
import { mainAgent } from "./agent.ts";
import {
  askMain,
  attentionOf,
  breakPool,
  changesOf,
  claimIdle,
  clearSlot,
  type Introduction,
  isBroken,
  isFull,
  launch,
  newPoolTables,
  nextAttention,
  nextChange,
  type PoolTables,
  SlotState,
  setState,
  shortage,
  stateOf,
  tagOf,
  wantWorker,
} from "./pool-tables.ts";

/** A worker that is no more. Its agent number and slot are given to another one after this was told. */
export interface Death {
  readonly slot: number;
  readonly agent: number;
  /** What it was doing: a value of `SlotState`, and the tag of its last task. */
  readonly state: number;
  readonly tag: number;
  /** Whether `terminate` or `close` ended it, or the pool because it had too many. */
  readonly asked: boolean;
  /** Of an exception that nobody caught. */
  readonly error: string | undefined;
}

export interface PoolOptions {
  /** The module that workers run, which calls `serve`. */
  readonly script: string | URL;
  /** Cloned for each worker. */
  readonly init: unknown;
  /** Most workers at a time. */
  readonly limit: number;
  /** How many idle workers to keep, at least and at most. */
  readonly fewest: number;
  readonly most: number;
  /** Milliseconds that idle workers beyond `most` are kept for the next burst of tasks. */
  readonly patience?: number;
  /** Told of each death, when the worker runs no more: what it held is to be released here. */
  readonly died?: (death: Death) => void;
  /** Told of what a worker has posted. */
  readonly message?: (data: unknown, slot: number) => void;
}

interface Member {
  readonly worker: Worker;
  readonly mail: MessagePort;
  readonly closed: Promise<void>;
  /** What it was doing when somebody asked for its end. */
  ended: number | undefined;
}

/** The main thread's end. */
export interface Pool {
  readonly tables: PoolTables;
  readonly options: PoolOptions;
  /** By slot. */
  readonly members: (Member | undefined)[];
  /** Set while more workers are idle than should be. */
  shrinking: NodeJS.Timeout | undefined;
}

const defaultPatience = 500;

/** The agent number of a slot's worker. */
export const agentOf = (slot: number): number => mainAgent + 1 + slot;

/** Makes a pool, and begins to fill it. */
export function openPool(options: PoolOptions): Pool {
  const tables = newPoolTables(options.limit, options.fewest, options.most);
  const pool: Pool = { tables, options, members: new Array(options.limit).fill(undefined), shrinking: undefined };
  balance(pool);
  void lookAfter(pool);
  return pool;
}

async function lookAfter(pool: Pool): Promise<void> {
  for (let seen = attentionOf(pool.tables); !isBroken(pool.tables); seen = attentionOf(pool.tables)) {
    balance(pool);
    await nextAttention(pool.tables, seen);
  }
}

/** Makes the workers that are wanted. Those that are too many end if they have been for a while. */
function balance(pool: Pool, endsSurplus = false): void {
  if (isBroken(pool.tables)) return;
  let missing = shortage(pool.tables);
  while (missing > 0 && addWorker(pool)) missing--;
  if (missing >= 0) return;
  if (endsSurplus) {
    for (; missing < 0; missing++) {
      const slot = claimIdle(pool.tables, 0);
      if (slot >= 0) void terminate(pool, slot);
    }
  } else {
    pool.shrinking ??= setTimeout(shrink, pool.options.patience ?? defaultPatience, pool).unref();
  }
}

function shrink(pool: Pool): void {
  pool.shrinking = undefined;
  balance(pool, true);
}

/** Makes a worker. False where all slots have one. */
function addWorker(pool: Pool): boolean {
  const { tables, options, members } = pool;
  const slot = members.indexOf(undefined);
  if (slot < 0) return false;
  const worker = new Worker(options.script, { smol: true });
  const { port1, port2 } = new MessageChannel();
  setState(tables, slot, SlotState.starting);
  const { promise, resolve } = Promise.withResolvers<void>();
  const member: Member = { worker, mail: port1, closed: promise, ended: undefined };
  members[slot] = member;
  let error: string | undefined;
  worker.addEventListener("error", (event) => {
    event.preventDefault();
    error ??= event.message;
  });
  worker.addEventListener("message", ({ data }) => options.message?.(data, slot));
  worker.addEventListener("close", () => {
    port1.close();
    bury(pool, slot, member, error);
    resolve();
  });
  const introduction: Introduction = { pool: tables, slot, agent: agentOf(slot), mail: port2, init: options.init };
  worker.postMessage(introduction, [port2]);
  return true;
}

function bury(pool: Pool, slot: number, { ended }: Member, error: string | undefined): void {
  const { tables, options, members } = pool;
  const state = ended ?? stateOf(tables, slot);
  try {
    options.died?.({ slot, agent: agentOf(slot), state, tag: tagOf(tables, slot), asked: ended !== undefined, error });
  } finally {
    members[slot] = undefined;
    // One that dies before its first task would be replaced for ever.
    if (state === SlotState.starting && ended === undefined) breakPool(tables);
    clearSlot(tables, slot);
    askMain(tables);
  }
}

/**
 * Starts a task (at most `taskWords` words) from the main thread, with a message if that is not undefined. Resolves with the
 * slot, at once where a worker is idle; with -1 where every slot has a task, or the pool makes no more workers.
 */
export async function startHere(pool: Pool, tag: number, task: ArrayLike<number>, message?: unknown): Promise<number> {
  const { tables } = pool;
  for (;;) {
    const changes = changesOf(tables);
    const slot = claimIdle(tables, tag);
    if (slot >= 0) {
      // What a worker is sent that has just died is lost with it.
      if (message !== undefined) pool.members[slot]!.mail.postMessage(message);
      if (launch(tables, slot, tag, task, message !== undefined)) return slot;
    } else if (isBroken(tables) || isFull(tables)) {
      return -1;
    } else {
      wantWorker(tables);
      balance(pool);
      await nextChange(tables, changes);
    }
  }
}

/**
 * Ends a slot's worker wherever it is, without a `finally` being run. It dies in Atomics.wait too, but not in a host call: who
 * sleeps in one has to be woken. Resolves when it has died.
 */
export async function terminate(pool: Pool, slot: number): Promise<void> {
  const member = pool.members[slot];
  if (member === undefined) return;
  if (member.ended === undefined) {
    member.ended = setState(pool.tables, slot, SlotState.ending);
    member.worker.terminate();
  }
  await member.closed;
}

/** Ends all workers. Resolves when none is left. */
export async function closePool(pool: Pool): Promise<void> {
  breakPool(pool.tables);
  askMain(pool.tables);
  clearTimeout(pool.shrinking);
  await Promise.all(pool.members.map((_, slot) => terminate(pool, slot)));
}
