// The table of workers: a slot for each thread of the host that runs guest threads, in memory that all share. What a worker does,
// whose memory it runs in, what it was told; and how one waits for another. Who makes, claims and ends them: workers.ts.
import { type Pointer, toArrayBuffer } from "bun:ffi";
import { addressOf, host } from "../host/syscall.ts";
import { withLock } from "../sync/mutex.ts";
import { errno } from "./errno.ts";

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
  /** What came of the making of its host thread: a value of `Made`. */
  made: 5,
  /** Id of the host's thread; 0 until it is there. */
  hostTid: 6,
  /** How many processes use the memory that is its own. */
  users: 7,
  /** What it was told: host address of a text, a float64, and its bytes, 0 for nothing; what came of it. */
  order: 8,
  orderLength: 10,
  result: 11,
  /** Of the threads of its memory: which numbers of CPUs some have, 64 bits; whether one has none; how often sections were restarted: rseq.ts. */
  cpus: 12,
  wanted: 14,
  restarts: 15,
  words: 32,
} as const;

/** Values of the word `made`. */
export const Made = { not: 0, yes: 1, failed: 2 } as const;

/** The slot of the main thread. */
export const mainSlot = 0;

/** Words of the table's head. */
export const Head = {
  /** Guards which slots and harts are taken. */
  lock: 0,
  /** Counts workers that came, became idle or ended. */
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

/** Where the table is in the shared buffer of tables.ts: a byte offset, and how many bytes. */
export const [workersAt, workersRoom] = [0x10000, 0x80000];

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

/** The table of workers, of all who have the shared buffer of tables.ts. */
export const tableOf = ({ tables }: { readonly tables: { readonly shared: SharedArrayBuffer } }): Workers =>
  attachWorkers(new Int32Array(tables.shared, workersAt, workersRoom / 4));

/** The index of a word of a slot. */
export const fieldOf = (slot: number, field: number): number => slotsAt + slot * WorkerField.words + field;

export const field = ({ i32 }: Workers, slot: number, name: number): number => Atomics.load(i32, fieldOf(slot, name));

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
export function setCome(t: Workers, slot: number, hostTid: number): void {
  Atomics.store(t.i32, fieldOf(slot, WorkerField.hostTid), hostTid);
  announce(t);
}

/** Whether its host thread was started and is on its way: it has neither come nor left. */
export const isComing = (t: Workers, slot: number): boolean =>
  field(t, slot, WorkerField.made) === Made.yes && !hasCome(t, slot) && stateOf(t, slot) !== WorkerState.none;

/** Goes from one state to another, if it is in that one. */
export const change = ({ i32 }: Workers, slot: number, from: number, to: number): boolean =>
  Atomics.compareExchange(i32, fieldOf(slot, WorkerField.state), from, to) === from;

/** The same, and tells who sleeps on that. */
export function changeAndWake(t: Workers, slot: number, from: number, to: number): void {
  if (change(t, slot, from, to)) wake(t, fieldOf(slot, WorkerField.state), everybody);
}

/** The slots of all workers but the main thread. */
export function* allWorkers(t: Workers): Generator<number> {
  const used = Atomics.load(t.i32, Head.used);
  for (let slot = mainSlot + 1; slot < used; slot++) if (stateOf(t, slot) !== WorkerState.none) yield slot;
}

/** The slots of a memory's workers but the main thread. */
export function* workersOf(t: Workers, space: number): Generator<number> {
  for (const slot of allWorkers(t)) if (field(t, slot, WorkerField.space) === space) yield slot;
}

// ---- what a worker is told

/** The worker that was told to prepare has done so. */
export function setPrepared(t: Workers, slot: number, result: number): void {
  t.i32[fieldOf(slot, WorkerField.result)] = result;
  setState(t, slot, WorkerState.claimed);
}

/** Leaves a worker a text, in memory of the host's. */
export function putOrder({ i32 }: Workers, slot: number, order: unknown): void {
  const text = Buffer.from(JSON.stringify(order));
  const [readWrite, privateAnonymous] = [3, 0x22];
  const address = host("mmap", 0, text.length, readWrite, privateAnonymous, -1, 0);
  if (address < 0) throw new Error(`no memory for an order: errno ${-address}`);
  Buffer.from(toArrayBuffer(address as Pointer, 0, text.length)).set(text);
  i32[fieldOf(slot, WorkerField.order)] = address % 2 ** 32;
  i32[fieldOf(slot, WorkerField.order) + 1] = Math.floor(address / 2 ** 32);
  i32[fieldOf(slot, WorkerField.orderLength)] = text.length;
}

/** Says what came of the making of a worker: a value of `Made`. */
export function setMade(t: Workers, slot: number, made: number): void {
  Atomics.store(t.i32, fieldOf(slot, WorkerField.made), made);
  wake(t, fieldOf(slot, WorkerField.made), everybody);
}

/** A worker that was claimed is idle. */
export function setIdle(t: Workers, slot: number): void {
  change(t, slot, WorkerState.claimed, WorkerState.idle);
  // So that it looks whether it is one too many.
  wake(t, fieldOf(slot, WorkerField.state), 1);
  announce(t);
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
export function setState(t: Workers, slot: number, state: number): void {
  Atomics.store(t.i32, fieldOf(slot, WorkerField.state), state);
  wake(t, fieldOf(slot, WorkerField.state), everybody);
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
  changeAndWake(t, owner, WorkerState.holding, WorkerState.clearing);
}

/** Sleeps until nobody uses the memory of the worker that asks, which has run its thread. It is to be emptied then. */
export function awaitUsers(t: Workers, slot: number): void {
  setState(t, slot, WorkerState.holding);
  if (usersOf(t, slot) === 0) change(t, slot, WorkerState.holding, WorkerState.clearing);
  while (stateOf(t, slot) === WorkerState.holding) sleepIn(t, slot, WorkerState.holding);
}

// ---- taking and leaving slots

/** Does something while nobody else makes or ends a worker. */
export const alone = <T>({ i32 }: Workers, does: () => T): T => withLock({ words: i32, index: Head.lock }, does);

/** The worker that asks does nothing more: its slot and hart are free. */
export function leave(t: Workers, slot: number): void {
  setState(t, slot, WorkerState.none);
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

/** How often a worker came, became idle or ended. Wraps. */
export const changesOf = ({ i32 }: Workers): number => Atomics.load(i32, Head.changes);

/** Says that a worker came, became idle, or ended. */
export function announce(t: Workers): void {
  Atomics.add(t.i32, Head.changes, 1);
  wake(t, Head.changes, everybody);
}

const FUTEX = { WAIT: 0, WAKE: 1, PRIVATE: 128 } as const;
const everybody = 2 ** 31 - 1;

const wake = ({ address }: Workers, word: number, count: number): void =>
  void host("futex", address + word * 4, FUTEX.WAKE | FUTEX.PRIVATE, count);

/** Sleeps until a worker has come, become idle or ended since there were so many changes. False where that took so many milliseconds, for 0 never. */
export const sleepUntilChanged = (t: Workers, changes: number, milliseconds = 0): boolean =>
  sleep(t, Head.changes, changes, milliseconds);

/** Sleeps while the word holds `value`; at most that many milliseconds, for 0 any time. False where it was for them. */
export function sleep({ address }: Workers, word: number, value: number, milliseconds = 0): boolean {
  if (milliseconds > 0) limit.set([BigInt(Math.floor(milliseconds / 1000)), BigInt(milliseconds % 1000) * 1_000_000n]);
  const most = milliseconds > 0 ? addressOf(limit) : 0;
  return host("futex", address + word * 4, FUTEX.WAIT | FUTEX.PRIVATE, value, most) !== -errno.ETIMEDOUT;
}

/** A struct timespec. */
const limit = new BigInt64Array(new SharedArrayBuffer(16));

/** Sleeps while the worker's state is that one. False where that took as long as it may. */
export const sleepIn = (t: Workers, slot: number, state: number, milliseconds = 0): boolean =>
  sleep(t, fieldOf(slot, WorkerField.state), state, milliseconds);
