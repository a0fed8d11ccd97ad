// Workers: threads of the host that run guest threads, one at a time each, and are used again. There is one table of them for
// all processes of a kernel. Any worker may make others, and claim an idle one by a single exchange; nobody looks after them.
//
// A worker serves one memory for all its life. A blank worker has made its own, and runs the first thread of one process after
// the other there; when nobody uses the memory any more it empties it, and is blank again. Other workers were made for
// the further threads of such a memory, or of the main thread's, which came with their first message. The tables of a worker's
// engine belong to its hart, which is its own. A worker that was claimed before it is there begins its task when it comes.
// The worker's end is in serve.ts.
//
// A worker's host thread lasts until those are gone that it made (Bun 1.4.5 ends them with it, unless it waits for them,
// as it does by default). So one that made others stays, idle, as long as they do.
// Measured on Bun 1.4.5, two busy cores, x86-64: from a claim to the guest's first instruction 25 us (median) where a worker is idle, else
// 30 ms with a build, of which 4 are the engine's and 25 the evaluation of our modules, 70 to 120 from the sources. Each has some 9 MB.
import { type Pointer, toArrayBuffer } from "bun:ffi";
import { existsSync } from "node:fs";
import { buildFolder } from "../host/build.ts";
import { installInterrupts } from "../host/interrupt.ts";
import { addressOf, host } from "../host/syscall.ts";
import { mostHarts } from "../memory/guest-memory.ts";
import { lock, type Mutex, unlock } from "../sync/mutex.ts";
import { type Bundle, bundleOf, type EngineOptions, type Site } from "./bundle.ts";
import { errno } from "./errno.ts";
import type { Kernel } from "./kernel.ts";
import { workersRoom, workerWords } from "./tables.ts";
import type { Process } from "./task.ts";
import { TaskField, taskAt } from "./tasks.ts";

/** What a worker does. */
export const WorkerState = {
  /** There is none. */
  none: 0,
  /** It waits for a task, or will when it comes. */
  idle: 1,
  /** Somebody prepares a task for it. */
  claimed: 2,
  running: 3,
  /** It is to end. */
  ending: 4,
  /** A blank worker prepares its memory, as it was told by who claimed it. */
  preparing: 5,
  /** It has run its thread, and others use its memory still. */
  holding: 6,
  /** It empties its memory. */
  clearing: 7,
} as const;

/** What a worker can be used for. */
export const WorkerKind = {
  /** Threads of the address space that it was made for. */
  thread: 1,
  /** The first thread of a process that is forked: it has a memory of its own. */
  blank: 2,
  /** The main thread. */
  main: 3,
} as const;

/** Words of a slot. A worker sleeps on `state`. */
export const WorkerField = {
  state: 0,
  kind: 1,
  /** Slot of the worker whose memory it runs in: its own, unless its kind is `thread`. */
  space: 2,
  /** Index of its hart in the memory. */
  hart: 3,
  /** Index of the record of the thread that it runs, or ran last. */
  task: 4,
  /** Slot of the worker that made it. */
  maker: 5,
  /** Id of the host's thread; 0 until it is there. */
  hostTid: 6,
  /** How many processes use the memory that is its own. */
  users: 7,
  /** What it was told: host address of a text, a float64, and its bytes, 0 for nothing; what came of it. */
  order: 8,
  orderLength: 10,
  result: 11,
  words: 32,
} as const;

/** The slot of the main thread. */
export const mainSlot = 0;

/** Words of the table's head. */
const Head = {
  /** Guards which slots and harts are taken. */
  lock: 0,
  /** Counts workers that became idle or ended. */
  changes: 1,
  /** Slots ever used. */
  used: 2,
  /** 1 while somebody writes why a worker failed, then 2; the length of that text. */
  failed: 3,
  failureLength: 4,
  words: 16,
} as const;

const failureAt = Head.words * 4;
const failureBytes = 4096 - failureAt;
const slotsAt = 1024;

/** Most workers of a kernel. Their host threads take some 8 MB each. */
export const mostWorkers = 2048;
if (slotsAt + mostWorkers * WorkerField.words > workersRoom / 4) throw new Error("the table of workers is too large");

/** A worker's view of the table. */
export interface Workers {
  readonly i32: Int32Array;
  /** Host address of its first byte. */
  readonly address: number;
}

const attachWorkers = (i32: Int32Array): Workers => ({ i32, address: addressOf(i32) });

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
}

/** What a worker is told when it is made. A blank one makes what the bundle lacks. */
export interface Introduction extends Pick<WorkerPool, "interrupts" | "script"> {
  readonly bundle: Bundle | BlankBundle;
  readonly slot: number;
}

/** A bundle without an address space. */
export type BlankBundle = Omit<Bundle, "memory" | "mappings">;

const blank = ({ kernel, tables, options }: Bundle): BlankBundle => ({ kernel, tables, options });

/** The table of workers. */
export const tableOf = ({ tables }: Pick<Bundle, "tables">): Workers => attachWorkers(workerWords(tables));

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
  };
}

/** The pool of a thread that makes workers. */
export const poolOf = (process: Process): WorkerPool => (process.site.pool ??= openPool(process));

/** The pool of a worker, which has that address space. */
export function joinPool({ slot, interrupts, script }: Introduction, { kernel, bundle }: Site): WorkerPool {
  const table = tableOf(bundle);
  return { table, bundle, kernel, space: field(table, slot, WorkerField.space), self: slot, interrupts, script };
}

function workerScript({ debug }: EngineOptions): string {
  const folder = buildFolder();
  if (debug !== undefined)
    return folder === undefined ? `${import.meta.dir}/../debug/traced-worker.ts` : `${folder}/traced-worker.js`;
  return folder === undefined ? `${import.meta.dir}/worker.ts` : `${folder}/worker.js`;
}

/** The index of a word of a slot. */
const fieldOf = (slot: number, field: number): number => slotsAt + slot * WorkerField.words + field;

const field = ({ i32 }: Workers, slot: number, name: number): number => Atomics.load(i32, fieldOf(slot, name));

/** The state of a worker: a value of `WorkerState`. */
export const stateOf = (t: Workers, slot: number): number => field(t, slot, WorkerField.state);
/** Index of its hart. */
export const hartOf = (t: Workers, slot: number): number => field(t, slot, WorkerField.hart);
/** Index of the record of the thread that it is to run. */
export const taskOf = (t: Workers, slot: number): number => field(t, slot, WorkerField.task);
/** What a worker can be used for: a value of `WorkerKind`. */
export const kindOf = (t: Workers, slot: number): number => field(t, slot, WorkerField.kind);
/** Whether its host thread is there. */
export const hasCome = (t: Workers, slot: number): boolean => field(t, slot, WorkerField.hostTid) !== 0;

/** Has the worker be found by its host thread's id. */
export const setCome = ({ i32 }: Workers, slot: number, hostTid: number): void =>
  void Atomics.store(i32, fieldOf(slot, WorkerField.hostTid), hostTid);

/** Goes from one state to another, if it is in that one. */
export const change = ({ i32 }: Workers, slot: number, from: number, to: number): boolean =>
  Atomics.compareExchange(i32, fieldOf(slot, WorkerField.state), from, to) === from;

/** The slots of all workers but the main thread. */
function* allWorkers(t: Workers): Generator<number> {
  const used = Atomics.load(t.i32, Head.used);
  for (let slot = mainSlot + 1; slot < used; slot++) if (stateOf(t, slot) !== WorkerState.none) yield slot;
}

/** The slots of a memory's workers but the main thread. */
export function* workersOf(t: Workers, space: number): Generator<number> {
  for (const slot of allWorkers(t)) if (field(t, slot, WorkerField.space) === space) yield slot;
}

/** Whether it made workers that are still there. */
export function hasMade(t: Workers, maker: number): boolean {
  for (const slot of allWorkers(t)) if (field(t, slot, WorkerField.maker) === maker) return true;
  return false;
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
  const spare = make(pool, kind);
  if (spare >= 0) release(pool, spare);
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

/** The worker that was told to prepare has done so. */
export function setPrepared(t: Workers, slot: number, result: number): void {
  t.i32[fieldOf(slot, WorkerField.result)] = result;
  setState(t, slot, WorkerState.claimed);
}

/** Leaves a worker a text, in memory of the host's. */
function putOrder({ i32 }: Workers, slot: number, order: unknown): void {
  const text = Buffer.from(JSON.stringify(order));
  const [readWrite, privateAnonymous] = [3, 0x22];
  const address = host("mmap", 0, text.length, readWrite, privateAnonymous, -1, 0);
  if (address < 0) throw new Error(`no memory for an order: errno ${-address}`);
  Buffer.from(toArrayBuffer(address as Pointer, 0, text.length)).set(text);
  i32[fieldOf(slot, WorkerField.order)] = address % 2 ** 32;
  i32[fieldOf(slot, WorkerField.order) + 1] = Math.floor(address / 2 ** 32);
  i32[fieldOf(slot, WorkerField.orderLength)] = text.length;
}

/** What a worker was told; undefined for nothing, or for what it was told before. */
export function takeOrder({ i32 }: Workers, slot: number): unknown {
  const length = i32[fieldOf(slot, WorkerField.orderLength)]!;
  if (length === 0) return undefined;
  const at = fieldOf(slot, WorkerField.order);
  const address = i32[at + 1]! * 2 ** 32 + (i32[at]! >>> 0);
  const text = Buffer.from(toArrayBuffer(address as Pointer, 0, length)).toString();
  host("munmap", address, length);
  i32[fieldOf(slot, WorkerField.orderLength)] = 0;
  return JSON.parse(text);
}

/** Sets the state of a worker that only the caller changes, and wakes who waits for that: the worker, or who claimed it. */
function setState(t: Workers, slot: number, state: number): void {
  Atomics.store(t.i32, fieldOf(slot, WorkerField.state), state);
  wake(t, fieldOf(slot, WorkerField.state), everybody);
}

/** Gives a worker back that was claimed. */
export function release({ table }: WorkerPool, slot: number): void {
  change(table, slot, WorkerState.claimed, WorkerState.idle);
  // So that it looks whether it is one too many.
  wake(table, fieldOf(slot, WorkerField.state), 1);
  announce(table);
}

/** Does something with a worker that was claimed. Where that throws, which is a fault of the emulator, the worker ends. */
export function withClaimed<T>({ table }: WorkerPool, slot: number, work: () => T): T {
  try {
    return work();
  } catch (e) {
    change(table, slot, WorkerState.claimed, WorkerState.ending);
    wake(table, fieldOf(slot, WorkerField.state), everybody);
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
  if (kindOf(table, slot) === WorkerKind.thread) return surplusOf(pool) > 0;
  let idle = 0;
  for (const other of allWorkers(table))
    if (kindOf(table, other) === WorkerKind.blank && stateOf(table, other) === WorkerState.idle) idle++;
  return idle > keptBlank;
}

// ---- who uses a memory

/** One more process uses the memory of a worker. */
export const addUser = ({ i32 }: Workers, owner: number): void =>
  void Atomics.add(i32, fieldOf(owner, WorkerField.users), 1);

/** How many processes do. */
export const usersOf = (t: Workers, owner: number): number => field(t, owner, WorkerField.users);

/** A process uses the memory no more, and neither does the caller: after the last one it is emptied. */
export function dropUser(t: Workers, owner: number): void {
  if (Atomics.sub(t.i32, fieldOf(owner, WorkerField.users), 1) > 1) return;
  if (change(t, owner, WorkerState.holding, WorkerState.clearing))
    wake(t, fieldOf(owner, WorkerField.state), everybody);
}

/** Sleeps until nobody uses the memory of the worker that asks, which has run its thread. It is to be emptied then. */
export function awaitUsers(t: Workers, slot: number): void {
  setState(t, slot, WorkerState.holding);
  if (usersOf(t, slot) === 0) change(t, slot, WorkerState.holding, WorkerState.clearing);
  while (stateOf(t, slot) === WorkerState.holding) sleepIn(t, slot, WorkerState.holding);
}

// ---- making

/**
 * Makes a worker, which is claimed. Answers its slot, or -EAGAIN where the host starts no more threads, the memory has no hart
 * left, or the module is not there any more: the engine would tell that in a turn of the event loop, which never comes.
 */
function make(pool: WorkerPool, kind: number): number {
  const { interrupts, script, table } = pool;
  if (!existsSync(script)) return -errno.EAGAIN;
  const slot = takeSlot(pool, kind);
  if (slot < 0) return slot;
  try {
    const bundle = kind === WorkerKind.blank ? blank(pool.bundle) : pool.bundle;
    // Comes while this thread goes on, without a turn of its event loop.
    const worker = new Worker(script, { smol: true });
    worker.postMessage({ slot, bundle, interrupts, script } satisfies Introduction);
  } catch (e) {
    leave(table, slot);
    // That is what the engine throws where it cannot start a thread.
    if (e instanceof TypeError) return -errno.EAGAIN;
    throw e;
  }
  return slot;
}

/** The first slot without a worker, and the first hart of the memory without one. The first hart is that of the memory's owner. */
function takeSlot({ table, space, self }: WorkerPool, kind: number): number {
  const { i32 } = table;
  return alone(table, () => {
    // Threads of a memory may outlive a worker that failed, which was its owner.
    const isFree = (slot: number): boolean => stateOf(table, slot) === WorkerState.none && usersOf(table, slot) === 0;
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
    i32[at + WorkerField.maker] = self;
    Atomics.store(i32, at + WorkerField.state, WorkerState.claimed);
    if (slot >= i32[Head.used]!) Atomics.store(i32, Head.used, slot + 1);
    return slot;
  });
}

/** Does something while nobody else makes or ends a worker. */
function alone<T>({ i32 }: Workers, does: () => T): T {
  const guard: Mutex = { words: i32, index: Head.lock };
  lock(guard);
  try {
    return does();
  } finally {
    unlock(guard);
  }
}

// ---- ending

/**
 * Ends all workers but the one that asks, and sleeps until none is left but some that have not come yet, which will do
 * nothing. Those that run a thread end when that does: its process must have ended.
 */
export function endWorkers({ table, self }: WorkerPool): void {
  for (;;) {
    const changes = changesOf(table);
    let left = 0;
    for (const slot of allWorkers(table)) {
      if (slot === self) continue;
      endIdle(table, slot);
      if (hasCome(table, slot) || stateOf(table, slot) !== WorkerState.ending) left++;
    }
    if (left === 0) return;
    sleep(table, Head.changes, changes);
  }
}

function endIdle(t: Workers, slot: number): void {
  if (change(t, slot, WorkerState.idle, WorkerState.ending)) wake(t, fieldOf(slot, WorkerField.state), 1);
}

/** Ends the idle workers of a memory, but its owner. */
export function endThreads({ table, space }: WorkerPool): void {
  for (const slot of workersOf(table, space)) if (slot !== space) endIdle(table, slot);
}

/** Has an idle worker end if it is still one too many. */
export const endSurplus = (pool: WorkerPool, slot: number): void =>
  alone(pool.table, () => {
    if (isSurplus(pool, slot)) change(pool.table, slot, WorkerState.idle, WorkerState.ending);
  });

/** The worker that asks does nothing more: its slot and hart are free. Its maker may have waited for that, to end too. */
export function leave(t: Workers, slot: number): void {
  const maker = field(t, slot, WorkerField.maker);
  setState(t, slot, WorkerState.none);
  wake(t, fieldOf(maker, WorkerField.state), everybody);
  announce(t);
}

/** Notes why a worker failed, which is a fault of the emulator. The first one counts. */
export function noteFailure({ i32 }: Workers, text: string): void {
  if (Atomics.compareExchange(i32, Head.failed, 0, 1) !== 0) return;
  const room = Buffer.from(i32.buffer, i32.byteOffset + failureAt, failureBytes);
  i32[Head.failureLength] = room.write(text);
  Atomics.store(i32, Head.failed, 2);
}

/** Why a worker failed; undefined where none did. */
export function failureOf({ i32 }: Workers): string | undefined {
  if (Atomics.load(i32, Head.failed) !== 2) return undefined;
  return Buffer.from(i32.buffer, i32.byteOffset + failureAt, i32[Head.failureLength]!).toString();
}

// ---- sleeping

/** How often a worker became idle or ended. Wraps. */
const changesOf = ({ i32 }: Workers): number => Atomics.load(i32, Head.changes);

/** Says that a worker became idle, or ended. */
export function announce(t: Workers): void {
  Atomics.add(t.i32, Head.changes, 1);
  wake(t, Head.changes, everybody);
}

const FUTEX = { WAIT: 0, WAKE: 1, PRIVATE: 128 } as const;
const everybody = 2 ** 31 - 1;

const wake = ({ address }: Workers, word: number, count: number): void =>
  void host("futex", address + word * 4, FUTEX.WAKE | FUTEX.PRIVATE, count);

/** Sleeps while the word holds `value`; at most that many milliseconds, for 0 any time. False where it was for them. */
function sleep({ address }: Workers, word: number, value: number, milliseconds = 0): boolean {
  if (milliseconds > 0) limit.set([BigInt(Math.floor(milliseconds / 1000)), BigInt(milliseconds % 1000) * 1_000_000n]);
  const most = milliseconds > 0 ? addressOf(limit) : 0;
  return host("futex", address + word * 4, FUTEX.WAIT | FUTEX.PRIVATE, value, most) !== -errno.ETIMEDOUT;
}

/** A struct timespec. */
const limit = new BigInt64Array(new SharedArrayBuffer(16));

/** Sleeps while the worker's state is that one. False where that took as long as it may. */
export const sleepIn = (t: Workers, slot: number, state: number, milliseconds = 0): boolean =>
  sleep(t, fieldOf(slot, WorkerField.state), state, milliseconds);
