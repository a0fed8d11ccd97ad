// Workers: threads of the host that run guest threads, one at a time each, and are used again. There is one table of them for
// all processes of a kernel. Any worker may make others, and claim an idle one by a single exchange; nobody looks after them.
//
// A worker serves one address space for all its life: what it needs of that came with its first message, and the tables of
// its engine belong to its hart, which is its own. A worker that was claimed before it is there begins its task when it comes.
// The worker's end is in serve.ts.
//
// A worker's host thread lasts until those are gone that it made (Bun 1.4.5 ends them with it, unless it waits for them,
// as it does by default). So one that made others stays, idle, as long as they do.
// Measured on Bun 1.4.5, two busy cores, x86-64: from a claim to the guest's first instruction 25 us (median) where a worker is idle, else
// 30 ms with a build, of which 4 are the engine's and 25 the evaluation of our modules, 70 to 120 from the sources. Each has some 9 MB.
import { buildFolder } from "../host/build.ts";
import { installInterrupts } from "../host/interrupt.ts";
import { addressOf, host } from "../host/syscall.ts";
import { mostHarts } from "../memory/guest-memory.ts";
import { lock, type Mutex, unlock } from "../sync/mutex.ts";
import { type Bundle, bundleOf } from "./bundle.ts";
import { errno } from "./errno.ts";
import { ProcessField } from "./processes.ts";
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
} as const;

/** What a worker can be used for. */
export const WorkerKind = {
  /** Threads of the address space that it was made for. */
  thread: 1,
  /** The first thread of a process that is forked: it has a memory of its own. */
  blank: 2,
} as const;

/** Words of a slot. A worker sleeps on `state`. */
export const WorkerField = {
  state: 0,
  kind: 1,
  /** Index of the process that made its memory; of a blank worker's, once it is used. */
  space: 2,
  /** Index of its hart in the memory. */
  hart: 3,
  /** Index of the record of the thread that it runs, or ran last. */
  task: 4,
  /** Index + 1 of the worker that made it; 0 for the main thread. */
  maker: 5,
  /** Id of the host's thread; 0 until it is there. */
  hostTid: 6,
  /** Of a blank worker, float64 each: host addresses of guest address 0, and of the buffers of its bundle in their order. */
  addresses: 8,
  words: 32,
} as const;

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

/** A worker's view of the table. */
export interface Workers {
  readonly i32: Int32Array;
  /** Host address of its first byte. */
  readonly address: number;
}

const attachWorkers = (i32: Int32Array): Workers => ({ i32, address: addressOf(i32) });

/** What makes workers of an address space, as one worker has it. */
export interface WorkerPool {
  readonly table: Workers;
  readonly bundle: Bundle;
  /** Index of the process that made the memory. */
  readonly space: number;
  /** The worker that this is; -1 for the main thread. */
  readonly self: number;
  /** What `installInterrupts` answered. */
  readonly interrupts: number;
  /** The module that workers run. */
  readonly script: string;
  readonly kernel: Process["kernel"];
}

/** What a worker is told when it is made. */
export interface Introduction extends Pick<WorkerPool, "bundle" | "interrupts" | "script"> {
  readonly table: Int32Array;
  readonly slot: number;
}

/** The pool of a process that has none yet, for the main thread; `script` is what workers run. */
export function openPool(process: Process, script = workerScript()): WorkerPool {
  const words = slotsAt + mostWorkers * WorkerField.words;
  return {
    table: attachWorkers(new Int32Array(new SharedArrayBuffer(words * 4))),
    bundle: bundleOf(process),
    kernel: process.kernel,
    space: process.record.i32[ProcessField.space]!,
    self: -1,
    interrupts: installInterrupts(),
    script,
  };
}

/** The pool that a worker was made for. */
export function joinPool({ table, slot, bundle, interrupts, script }: Introduction, { kernel }: Process): WorkerPool {
  const joined = attachWorkers(table);
  const space = joined.i32[fieldOf(slot, WorkerField.space)]!;
  return { table: joined, bundle, kernel, space, self: slot, interrupts, script };
}

function workerScript(): string {
  const folder = buildFolder();
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
/** Whether its host thread is there. */
export const hasCome = (t: Workers, slot: number): boolean => field(t, slot, WorkerField.hostTid) !== 0;

/** Has the worker be found by its host thread's id. */
export const setCome = ({ i32 }: Workers, slot: number, hostTid: number): void =>
  void Atomics.store(i32, fieldOf(slot, WorkerField.hostTid), hostTid);

/** Goes from one state to another, if it is in that one. */
export const change = ({ i32 }: Workers, slot: number, from: number, to: number): boolean =>
  Atomics.compareExchange(i32, fieldOf(slot, WorkerField.state), from, to) === from;

/** The slots of an address space's workers. */
export function* workersOf(t: Workers, space: number): Generator<number> {
  const used = Atomics.load(t.i32, Head.used);
  for (let slot = 0; slot < used; slot++)
    if (stateOf(t, slot) !== WorkerState.none && field(t, slot, WorkerField.space) === space) yield slot;
}

/** Whether it made workers that are still there. */
export function hasMade(t: Workers, slot: number): boolean {
  const used = Atomics.load(t.i32, Head.used);
  for (let other = 0; other < used; other++)
    if (stateOf(t, other) !== WorkerState.none && field(t, other, WorkerField.maker) === slot + 1) return true;
  return false;
}

// ---- claiming

/**
 * Takes an idle worker for a thread, one that is there before one that is to come, or makes one. Answers its slot: its hart
 * is the caller's to fill; then follows `launch` or `release`. -EAGAIN where there can be no more.
 */
export function claim(pool: WorkerPool): number {
  const { table } = pool;
  for (;;) {
    let found = -1;
    for (const slot of workersOf(table, pool.space)) {
      if (stateOf(table, slot) !== WorkerState.idle || field(table, slot, WorkerField.kind) !== WorkerKind.thread)
        continue;
      found = slot;
      if (hasCome(table, slot)) break;
    }
    if (found < 0) return make(pool);
    if (change(table, found, WorkerState.idle, WorkerState.claimed)) return found;
  }
}

/** Has a worker that was claimed run the thread of that record, whose fields say on which worker and hart; makes others for the next. */
export function launch(pool: WorkerPool, slot: number, task: number): void {
  const { table, kernel } = pool;
  const { i32 } = taskAt(kernel, task);
  i32[TaskField.worker] = slot;
  i32[TaskField.hart] = hartOf(table, slot);
  table.i32[fieldOf(slot, WorkerField.task)] = task;
  Atomics.store(table.i32, fieldOf(slot, WorkerField.state), WorkerState.running);
  wake(table, fieldOf(slot, WorkerField.state), 1);
  if (surplusOf(pool) >= 0) return;
  const spare = make(pool);
  if (spare >= 0) release(pool, spare);
}

/** Gives a worker back that was claimed. */
export function release({ table }: WorkerPool, slot: number): void {
  change(table, slot, WorkerState.claimed, WorkerState.idle);
  // So that it looks whether it is one too many.
  wake(table, fieldOf(slot, WorkerField.state), 1);
  announce(table);
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

// ---- making

/** Makes a worker, which is claimed. Answers its slot, or -EAGAIN where the host starts no more threads, or the memory has no hart left. */
function make(pool: WorkerPool): number {
  const { bundle, interrupts, script, table } = pool;
  const slot = takeSlot(pool);
  if (slot < 0) return slot;
  try {
    // Comes while this thread goes on, without a turn of its event loop.
    const worker = new Worker(script, { smol: true });
    worker.postMessage({ table: table.i32, slot, bundle, interrupts, script } satisfies Introduction);
  } catch (e) {
    leave(table, slot);
    // That is what the engine throws where it cannot start a thread.
    if (e instanceof TypeError) return -errno.EAGAIN;
    throw e;
  }
  return slot;
}

/** The first slot without a worker, and the first hart of the memory without one. The first hart is that of the process's first thread. */
function takeSlot({ table, space, self }: WorkerPool): number {
  const { i32 } = table;
  return alone(table, () => {
    const taken = new Set([0]);
    for (const slot of workersOf(table, space)) taken.add(hartOf(table, slot));
    let hart = 0;
    while (taken.has(hart)) hart++;
    let slot = 0;
    while (slot < mostWorkers && stateOf(table, slot) !== WorkerState.none) slot++;
    if (hart >= mostHarts || slot === mostWorkers) return -errno.EAGAIN;
    const at = fieldOf(slot, 0);
    i32.fill(0, at, at + WorkerField.words);
    i32[at + WorkerField.kind] = WorkerKind.thread;
    i32[at + WorkerField.space] = space;
    i32[at + WorkerField.hart] = hart;
    i32[at + WorkerField.maker] = self + 1;
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
 * Ends all workers of the address space but the one that asks, and sleeps until none is left but some that have not come yet,
 * which will do nothing. Those that run a thread end when that does: its process must have ended.
 */
export function endWorkers({ table, space, self }: WorkerPool): void {
  for (;;) {
    const changes = changesOf(table);
    let left = 0;
    for (const slot of workersOf(table, space)) {
      if (slot === self) continue;
      if (change(table, slot, WorkerState.idle, WorkerState.ending)) wake(table, fieldOf(slot, WorkerField.state), 1);
      if (hasCome(table, slot) || stateOf(table, slot) !== WorkerState.ending) left++;
    }
    if (left === 0) return;
    sleep(table, Head.changes, changes);
  }
}

/** Has an idle worker end if it is still one too many. */
export const endSurplus = (pool: WorkerPool, slot: number): void =>
  alone(pool.table, () => {
    if (surplusOf(pool) > 0) change(pool.table, slot, WorkerState.idle, WorkerState.ending);
  });

/** The worker that asks does nothing more: its slot and hart are free. */
export function leave(t: Workers, slot: number): void {
  Atomics.store(t.i32, fieldOf(slot, WorkerField.state), WorkerState.none);
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
  if (milliseconds > 0) limit.set([0n, BigInt(milliseconds) * 1_000_000n]);
  const most = milliseconds > 0 ? addressOf(limit) : 0;
  return host("futex", address + word * 4, FUTEX.WAIT | FUTEX.PRIVATE, value, most) !== -errno.ETIMEDOUT;
}

/** A struct timespec. */
const limit = new BigInt64Array(new SharedArrayBuffer(16));

/** Sleeps while the worker's state is that one. False where that took as long as it may. */
export const sleepIn = (t: Workers, slot: number, state: number, milliseconds = 0): boolean =>
  sleep(t, fieldOf(slot, WorkerField.state), state, milliseconds);
