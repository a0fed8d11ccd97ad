// What the host cannot know of System V objects, which are its own: which guest process made or used one last, since to the host
// all are one process; and what each has to undo of its semaphore operations when it ends.
// The host is told of SEM_UNDO too, so that the end of the emulator undoes what its guests would have: then its sums, which are
// of all guests, and those of the single processes change together.
import { newScratch } from "../host/scratch.ts";
import { host } from "../host/syscall.ts";
import { detachAll } from "../memory/segments.ts";
import { type Mutex, withLock } from "../sync/mutex.ts";
import { errno } from "./errno.ts";
import { Header, type Kernel, sections } from "./kernel.ts";
import type { Process } from "./task.ts";

/** Whose id is kept: by the object's kind and what was done. */
export const Mark = { segmentMade: 1, segmentUsed: 2, sent: 3, received: 4, semaphore: 5 } as const;
export type Mark = (typeof Mark)[keyof typeof Mark];

const base = sections.ipc / 4;
// Words of the head: the lock; marks in use; adjustments ever used.
const Word = { lock: 0, marks: 1, used: 2 } as const;
// Records of four words. A mark: kind (0: free), object's id, number of the semaphore, process id.
// An adjustment: index + 1 of the process (0: free), the set's id, number of the semaphore, what is added at the end.
const stride = 4;
const marksAt = base + 0x1000 / 4;
const mostMarks = 8192;
const adjustmentsAt = marksAt + mostMarks * stride;
const mostAdjustments = 16384;

/** Guards all of it. The host is asked with it, but nothing is waited for, and no other lock is taken. */
const lockOf = (k: Kernel): Mutex => ({ words: k.i32, index: base + Word.lock });

// ---- marks

/** How far from its place a mark may be. */
const window = 8;

const placeOf = (kind: Mark, id: number, number: number): number =>
  (Math.imul(id ^ Math.imul(number, 0x9e3779b1) ^ (kind << 28), 0x85ebca6b) >>> 0) % (mostMarks - window);

/** The word at which that mark begins; else of the place where it may go, negative. */
function findMark(w: Int32Array, kind: Mark, id: number, number: number): number {
  const from = marksAt + placeOf(kind, id, number) * stride;
  let free = from;
  for (let at = from + (window - 1) * stride; at >= from; at -= stride) {
    if (w[at] === kind && w[at + 1] === id && w[at + 2] === number) return at;
    if (w[at] === 0) free = at;
  }
  return -free;
}

/**
 * Notes that a process is the last that did this to an object. Of the first process nothing is kept: its id is the emulator's,
 * which the host knows. Where the table is full, others are forgotten, and that id is shown.
 */
export function mark(k: Kernel, pid: number, kind: Mark, id: number, number = 0): void {
  if (needsNoMark(k, pid)) return;
  withLock(lockOf(k), () => markHeld(k.i32, pid, kind, id, number));
}

const needsNoMark = (k: Kernel, pid: number): boolean =>
  pid === k.i32[Header.hostPid] && k.i32[base + Word.marks] === 0 && k.i32[Header.usedProcesses]! <= 1;

function markHeld(w: Int32Array, pid: number, kind: Mark, id: number, number: number): void {
  const at = findMark(w, kind, id, number);
  if (pid === w[Header.hostPid]) {
    if (at > 0) w[at] = 0;
    if (at > 0) w[base + Word.marks]!--;
    return;
  }
  if (at < 0 && w[-at] === 0) w[base + Word.marks]!++;
  w.set([kind, id, number, pid], Math.abs(at));
}

/**
 * Does something to an object, and notes that a process did it if it worked. Of what several do, each without waiting, the
 * order is that of the host: `attempt` must not wait, and answers `late` where it would have to. Then `wait` is asked.
 */
export function doMarked(
  k: Kernel,
  pid: number,
  kind: Mark,
  id: number,
  numbers: Iterable<number>,
  late: number,
  attempt: () => number,
  wait: (() => number) | undefined,
): number {
  const markAll = (): void => {
    for (const number of numbers) markHeld(k.i32, pid, kind, id, number);
  };
  if (needsNoMark(k, pid)) return (wait ?? attempt)();
  const done = withLock(lockOf(k), () => {
    const result = attempt();
    if (result >= 0) markAll();
    return result;
  });
  if (done !== late || wait === undefined) return done;
  const result = wait();
  if (result >= 0) withLock(lockOf(k), markAll);
  return result;
}

/** The guest's id of the process which the host says did this last: its own where the host names the emulator. */
export function markedBy(k: Kernel, hostPid: number, kind: Mark, id: number, number = 0): number {
  const w = k.i32;
  if (hostPid !== w[Header.hostPid] || w[base + Word.marks] === 0) return hostPid;
  return withLock(lockOf(k), () => {
    const at = findMark(w, kind, id, number);
    return at > 0 ? w[at + 3]! : hostPid;
  });
}

// ---- what is to be undone

/** An operation on a semaphore: its number, what it adds. */
export interface Change {
  readonly number: number;
  readonly by: number;
}

/** Whether a process may have so many more semaphores to undo something on. */
export const mayUndo = (k: Kernel, count: number): boolean => {
  const w = k.i32;
  if (w[base + Word.used]! + count <= mostAdjustments) return true;
  let free = 0;
  for (let i = 0; i < mostAdjustments; i++) if (w[adjustmentsAt + i * stride] === 0) free++;
  return free >= count;
};

/** Notes operations that were done, to be undone when the process of that index ends. */
export const noteUndo = (k: Kernel, process: number, id: number, changes: readonly Change[]): void =>
  withLock(lockOf(k), () => {
    for (const { number, by } of changes) adjust(k.i32, process, id, number, -by);
  });

function adjust(w: Int32Array, process: number, id: number, number: number, by: number): void {
  const used = w[base + Word.used]!;
  let free = -1;
  for (let i = 0; i < used; i++) {
    const at = adjustmentsAt + i * stride;
    if (w[at] === 0 && free < 0) free = at;
    if (w[at] !== process + 1 || w[at + 1] !== id || w[at + 2] !== number) continue;
    w[at + 3]! += by;
    if (w[at + 3] === 0) w[at] = 0;
    return;
  }
  if (free < 0 && used < mostAdjustments) {
    free = adjustmentsAt + used * stride;
    w[base + Word.used] = used + 1;
  }
  if (free >= 0 && by !== 0) w.set([process + 1, id, number, by], free);
}

/** Nobody has anything to undo on a semaphore any more, or on none of a set: its value was set, or it was removed. */
export const forgetUndo = (k: Kernel, id: number, number?: number): void =>
  withLock(lockOf(k), () => {
    const w = k.i32;
    for (let i = 0; i < w[base + Word.used]!; i++) {
      const at = adjustmentsAt + i * stride;
      if (w[at + 1] === id && (number === undefined || w[at + 2] === number)) w[at] = 0;
    }
  });

// ---- the end of a process

const operation = newScratch(8);
const GETVAL = 12;
const IPC_NOWAIT = 0o4000;
const SEM_UNDO = 0o10000;
const largest = 32767;

/** Adds to a semaphore, but never beyond what it may be, without waiting. */
function addTo(id: number, number: number, by: number): void {
  const add = (n: number): number => {
    operation.i32[0] = number | (n << 16);
    operation.i32[1] = IPC_NOWAIT | SEM_UNDO;
    const result = host("semop", id, operation.address, 1);
    if (result !== -errno.ERANGE) return result;
    // The host's sum of what there is to undo is out of its range.
    operation.i32[1] = IPC_NOWAIT;
    return host("semop", id, operation.address, 1);
  };
  let left = by;
  while (left !== 0) {
    const result = add(left);
    if (result !== -errno.EAGAIN && result !== -errno.ERANGE) return;
    // Others may change it meanwhile.
    const value = host("semctl", id, number, GETVAL, 0);
    if (value < 0) return;
    left = left < 0 ? Math.max(left, -value) : Math.min(left, largest - value);
  }
}

/**
 * Undoes what a process that ends has to undo, and detaches its segments, if nobody else has its memory. Called by the last of
 * its threads, while the memory is there.
 */
export function endIpc({ kernel: k, index, pid, space }: Process, hasOwnMemory: boolean): void {
  if (hasOwnMemory) for (const id of detachAll(space)) mark(k, pid, Mark.segmentUsed, id);
  const w = k.i32;
  for (let i = 0; i < w[base + Word.used]!; i++) {
    const at = adjustmentsAt + i * stride;
    if (w[at] !== index + 1) continue;
    const [id, number, by] = [w[at + 1]!, w[at + 2]!, w[at + 3]!];
    const own = withLock(lockOf(k), () => {
      const still = w[at] === index + 1;
      w[at] = 0;
      return still;
    });
    if (!own) continue;
    addTo(id, number, by);
    mark(k, pid, Mark.semaphore, id, number);
  }
}
