// How workers are made: by one that does nothing else, the maker (maker.ts), at the request of others. What a worker has of the host,
// a thread and 4 MiB of stack, the engine gives back in a turn of the event loop of who made it; those that run guest threads never
// turn theirs. Only the first worker is made by the main thread itself, so that it need not wait for the maker to come.
import { existsSync } from "node:fs";
import { buildFolder } from "../host/build.ts";
import { mostHarts } from "../memory/guest-memory.ts";
import type { Bundle } from "./bundle.ts";
import { errno } from "./errno.ts";
import { isRefused, type Order, type Request, settle, start } from "./starting.ts";
import {
  alone,
  field,
  fieldOf,
  Head,
  hartOf,
  leave,
  Made,
  mainSlot,
  mostWorkers,
  sleep,
  stateOf,
  usersOf,
  WorkerField,
  WorkerKind,
  WorkerState,
  workersOf,
} from "./worker-table.ts";
import type { BlankBundle, WorkerPool } from "./workers.ts";

/** The way to the maker. */
export interface Maker {
  readonly postMessage: (message: Order, transfer: MessagePort[]) => void;
}

const blank = ({ kernel, tables, options }: Bundle): BlankBundle => ({ kernel, tables, options });

/**
 * Makes a worker, which is claimed. Answers its slot, or -EAGAIN where the host starts no more threads, the memory has no hart
 * left, or the module is not there any more: the engine would tell that in a turn of the event loop, which never comes.
 */
export function make(pool: WorkerPool, kind: number): number {
  const slot = request(pool, kind, false);
  if (slot < 0) return slot;
  const { table } = pool;
  const made = fieldOf(slot, WorkerField.made);
  while (field(table, slot, WorkerField.made) === Made.not) sleep(table, made, Made.not);
  if (field(table, slot, WorkerField.made) === Made.yes) return slot;
  leave(table, slot);
  return -errno.EAGAIN;
}

/** Makes a worker that is idle when it has been made, if that can be. */
export const makeSpare = (pool: WorkerPool, kind: number): void => void request(pool, kind, true);

function request(pool: WorkerPool, kind: number, isSpare: boolean): number {
  const { interrupts, script } = pool;
  if (!existsSync(script) || (pool.maker === undefined && !existsSync(makerScript()))) return -errno.EAGAIN;
  const slot = takeSlot(pool, kind);
  if (slot < 0) return slot;
  const bundle = kind === WorkerKind.blank ? blank(pool.bundle) : pool.bundle;
  const asked: Request = { slot, bundle, interrupts, script, isSpare };
  if (pool.maker !== undefined) pool.maker.postMessage(asked, []);
  else begin(pool, asked);
  return slot;
}

/** Makes the first worker, and has the maker come. */
function begin(pool: WorkerPool, asked: Request): void {
  try {
    const maker = new Worker(makerScript(), { smol: true });
    pool.maker = maker;
    const { port } = start(asked);
    // Comes while this thread goes on, without a turn of its event loop.
    maker.postMessage({ port } satisfies Order, [port]);
    settle(asked, true);
  } catch (e) {
    settle(asked, false);
    if (!isRefused(e)) throw e;
  }
}

function makerScript(): string {
  const folder = buildFolder();
  return folder === undefined ? `${import.meta.dir}/maker.ts` : `${folder}/maker.js`;
}

/** The first slot without a worker, and the first hart of the memory without one. The first hart is that of the memory's owner. */
function takeSlot({ table, space }: WorkerPool, kind: number): number {
  const { i32 } = table;
  return alone(table, () => {
    // Threads of a memory may outlive the worker that was its owner, and processes one that failed.
    const isFree = (slot: number): boolean =>
      stateOf(table, slot) === WorkerState.none &&
      usersOf(table, slot) === 0 &&
      workersOf(table, slot).next().done === true;
    let slot = mainSlot + 1;
    while (slot < mostWorkers && !isFree(slot)) slot++;
    let hart = 0;
    if (kind === WorkerKind.thread) {
      const taken = new Set([0]);
      for (const other of workersOf(table, space)) taken.add(hartOf(table, other));
      while (taken.has(hart)) hart++;
    }
    if (hart >= mostHarts || slot === mostWorkers) return -errno.EAGAIN;
    const at = fieldOf(slot, 0);
    i32.fill(0, at, at + WorkerField.words);
    i32[at + WorkerField.kind] = kind;
    i32[at + WorkerField.space] = kind === WorkerKind.thread ? space : slot;
    i32[at + WorkerField.hart] = hart;
    Atomics.store(i32, at + WorkerField.state, WorkerState.claimed);
    if (slot >= i32[Head.used]!) Atomics.store(i32, Head.used, slot + 1);
    return slot;
  });
}
