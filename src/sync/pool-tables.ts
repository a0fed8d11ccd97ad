// What a pool of workers shares: a slot for each worker, and how a task gets into one. Any agent can start a task on a
// warm worker: it takes an idle slot by one atomic step, writes the task, and wakes the worker. Only the main thread can
// make workers (`pool.ts`): whoever finds none idle asks it, and sleeps.
import { cacheLine, newTable, recordAt, struct, type Table, words } from "./struct.ts";

/** Int32 words of a task. What they mean is the caller's matter. */
export const taskWords = 12;

const layout = struct({ state: "i32", tag: "i32", mail: "i32", task: words(taskWords) }, cacheLine);
const Slot = layout.fields;

/** What a slot's worker does. */
export const SlotState = {
  /** There is none. */
  empty: 0,
  /** It will be idle soon. */
  starting: 1,
  idle: 2,
  /** Somebody writes a task for it. */
  claimed: 3,
  running: 4,
  /** It is being ended. */
  ending: 5,
} as const;

const Control = {
  /** Changes when the main thread has something to do. */
  attention: 0,
  /** Changes when a worker has become idle or has died, or none will come any more. */
  changed: 1,
  /** How often somebody found no idle worker since the main thread looked. */
  wanted: 2,
  /** How many idle workers are kept, at least and at most. */
  fewest: 3,
  most: 4,
  /** 1 where no more workers come: the pool is closed, or its workers do not start. */
  broken: 5,
  words: 8,
} as const;

/** Shared by everybody who starts tasks; plain data. */
export interface PoolTables {
  readonly slots: Table;
  /** Words of `Control`. */
  readonly control: Int32Array;
}

/** What a new worker is told. */
export interface Introduction {
  readonly pool: PoolTables;
  readonly slot: number;
  readonly agent: number;
  readonly mail: MessagePort;
  readonly init: unknown;
}

export function newPoolTables(limit: number, fewest: number, most: number): PoolTables {
  const control = new Int32Array(new SharedArrayBuffer(Control.words * 4));
  control[Control.fewest] = fewest;
  control[Control.most] = most;
  return { slots: newTable(layout, limit), control };
}

const stateIndex = (p: PoolTables, slot: number): number => Slot.state.indexIn(recordAt(p.slots, slot));

/** What a slot's worker does: a value of `SlotState`. */
export const stateOf = (p: PoolTables, slot: number): number =>
  Slot.state.load(p.slots.memory, recordAt(p.slots, slot));

/** The tag of the task that runs there, or ran last. 0 for none. */
export const tagOf = (p: PoolTables, slot: number): number => Slot.tag.get(p.slots.memory, recordAt(p.slots, slot));

/** A copy of the words of the task there. */
export const taskOf = (p: PoolTables, slot: number): Int32Array =>
  Slot.task.of(p.slots.memory, recordAt(p.slots, slot)).slice();

/** Puts a slot into another state. Answers which it was in. */
export const setState = (p: PoolTables, slot: number, state: number): number =>
  Slot.state.exchange(p.slots.memory, recordAt(p.slots, slot), state);

/** Goes from one state to another, if it is in that one. */
const change = (p: PoolTables, slot: number, from: number, to: number): boolean =>
  Slot.state.compareExchange(p.slots.memory, recordAt(p.slots, slot), from, to) === from;

/** How many workers are in a state. */
export function countIn(p: PoolTables, state: number): number {
  let count = 0;
  for (let slot = 0; slot < p.slots.count; slot++) if (stateOf(p, slot) === state) count++;
  return count;
}

// ---- whoever starts a task

/**
 * Takes an idle worker for a task: one that did a task of the same tag last, else one that did none, else any. Answers its
 * slot, or -1 where none is idle.
 */
export function claimIdle(p: PoolTables, tag: number): number {
  for (;;) {
    let idle = 0;
    let best = -1;
    let bestRank = 0;
    for (let slot = 0; slot < p.slots.count; slot++) {
      if (stateOf(p, slot) !== SlotState.idle) continue;
      idle++;
      const last = tagOf(p, slot);
      const rank = last === tag ? 3 : last === 0 ? 2 : 1;
      if (rank > bestRank) {
        best = slot;
        bestRank = rank;
      }
    }
    if (best < 0) return -1;
    if (!change(p, best, SlotState.idle, SlotState.claimed)) continue;
    if (idle <= p.control[Control.fewest]!) askMain(p);
    return best;
  }
}

/** Whether every slot has a task, or is about to get one. */
export function isFull(p: PoolTables): boolean {
  for (let slot = 0; slot < p.slots.count; slot++) {
    const state = stateOf(p, slot);
    if (state !== SlotState.claimed && state !== SlotState.running) return false;
  }
  return true;
}

/** Starts a task on a worker that the caller has claimed. False where the worker died meanwhile. `hasMail`: a message was posted to it before. */
export function launch(p: PoolTables, slot: number, tag: number, task: ArrayLike<number>, hasMail: boolean): boolean {
  const { memory } = p.slots;
  const record = recordAt(p.slots, slot);
  Slot.task.of(memory, record).set(task);
  Slot.tag.set(memory, record, tag);
  Slot.mail.set(memory, record, hasMail ? 1 : 0);
  if (!change(p, slot, SlotState.claimed, SlotState.running)) return false;
  Atomics.notify(memory.i32, stateIndex(p, slot));
  return true;
}

/**
 * Starts a task (at most `taskWords` words) on a worker. Answers the slot, or -1 where every slot has a task, or the pool
 * makes no more workers. Sleeps while the main thread makes one; the main thread itself has `startHere` in `pool.ts`.
 */
export function start(p: PoolTables, tag: number, task: ArrayLike<number>): number {
  for (;;) {
    const changes = changesOf(p);
    const slot = claimIdle(p, tag);
    if (slot >= 0) {
      if (launch(p, slot, tag, task, false)) return slot;
    } else if (isBroken(p) || isFull(p)) {
      return -1;
    } else {
      wantWorker(p);
      askMain(p);
      Atomics.wait(p.control, Control.changed, changes);
    }
  }
}

/** Says that somebody found no idle worker. */
export const wantWorker = (p: PoolTables): void => void Atomics.add(p.control, Control.wanted, 1);

/** How often a worker became idle or died, or the pool broke. Wraps. To be asked before looking for an idle one. */
export const changesOf = (p: PoolTables): number => Atomics.load(p.control, Control.changed);

// ---- the worker

/** Is idle until there is a task. Answers whether a message came with it. */
export function awaitTask(p: PoolTables, slot: number): boolean {
  const { i32 } = p.slots.memory;
  const index = stateIndex(p, slot);
  // Not where it is being ended.
  if (change(p, slot, SlotState.starting, SlotState.idle)) announce(p);
  if (countIn(p, SlotState.idle) > p.control[Control.most]!) askMain(p);
  for (let state = Atomics.load(i32, index); state !== SlotState.running; state = Atomics.load(i32, index)) {
    Atomics.wait(i32, index, state);
  }
  return Slot.mail.get(p.slots.memory, recordAt(p.slots, slot)) !== 0;
}

/** After a task, until `awaitTask`. */
export const endTask = (p: PoolTables, slot: number): void =>
  void change(p, slot, SlotState.running, SlotState.starting);

// ---- between them and the main thread

/** Wakes those who wait for a worker. */
function announce(p: PoolTables): void {
  Atomics.add(p.control, Control.changed, 1);
  Atomics.notify(p.control, Control.changed);
}

/** Wakes whoever looks after the pool. */
export function askMain(p: PoolTables): void {
  Atomics.add(p.control, Control.attention, 1);
  Atomics.notify(p.control, Control.attention);
}

/** How often `askMain` was called. Wraps. */
export const attentionOf = (p: PoolTables): number => Atomics.load(p.control, Control.attention);

/** Resolves when `attentionOf` is not `seen` any more. Keeps no process alive, nor does `nextChange`. */
export const nextAttention = (p: PoolTables, seen: number): Promise<void> => next(p, Control.attention, seen);
/** Resolves when `changesOf` is not `seen` any more. */
export const nextChange = (p: PoolTables, seen: number): Promise<void> => next(p, Control.changed, seen);

async function next(p: PoolTables, word: number, seen: number): Promise<void> {
  const wait = Atomics.waitAsync(p.control, word, seen);
  if (wait.async) await wait.value;
}

/** How many workers there should be more (or fewer, if negative) that are idle or about to be. Forgets who wanted one. */
export function shortage(p: PoolTables): number {
  // Before the count: who finds none idle after it asks again.
  const wanted = Atomics.exchange(p.control, Control.wanted, 0);
  const idle = countIn(p, SlotState.idle);
  const least = Math.max(p.control[Control.fewest]!, wanted) - idle - countIn(p, SlotState.starting);
  return Math.max(least, Math.min(0, Math.max(p.control[Control.most]!, wanted) - idle));
}

/** From now on nobody waits for a worker that does not exist. */
export function breakPool(p: PoolTables): void {
  Atomics.store(p.control, Control.broken, 1);
  announce(p);
}
export const isBroken = (p: PoolTables): boolean => Atomics.load(p.control, Control.broken) !== 0;

/** Empties the slot of a worker that is no more. */
export function clearSlot(p: PoolTables, slot: number): void {
  Slot.tag.set(p.slots.memory, recordAt(p.slots, slot), 0);
  setState(p, slot, SlotState.empty);
  announce(p);
}
