// Workers that run threads of a process without a program and make futex calls as those, for the tests of futexes among threads.
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { installInterrupts } from "../../src/host/interrupt.ts";
import { attachTask, attachThread, type Bundle, bundleOf } from "../../src/linux/bundle.ts";
import { errno } from "../../src/linux/errno.ts";
import { endFutexes } from "../../src/linux/futex-exit.ts";
import { resumeLocks } from "../../src/linux/futex-pi.ts";
import { isQueued, waiterOf } from "../../src/linux/futex-queue.ts";
import { queueSignal, takeSignal } from "../../src/linux/signals.ts";
import type { Task } from "../../src/linux/task.ts";
import { addThread, allocateTask } from "../../src/linux/tasks.ts";
import { setAgentId } from "../../src/sync/agent.ts";
import { callByName, memory } from "./task.ts";

/** Futex operations, of futexes that may be shared and of those that are private. */
export const Op = {
  ...{ WAIT: 0, WAKE: 1, REQUEUE: 3, CMP_REQUEUE: 4, WAKE_OP: 5, LOCK_PI: 6, UNLOCK_PI: 7, TRYLOCK_PI: 8 },
  ...{ WAIT_BITSET: 9, WAKE_BITSET: 10, WAIT_REQUEUE_PI: 11, CMP_REQUEUE_PI: 12, LOCK_PI2: 13 },
  ...{ PRIVATE: 128, REALTIME: 256 },
} as const;
export const any = 0xffffffff;

/** Guest addresses: words apart from each other, and room for structures of each thread. */
export const wordAt = (i: number): number => memory.start + i * 64;
export const roomOf = (t: Task): number => memory.start + 0x8000 + (t.index % 32) * 1024;

export const load = (t: Task, addr: number): number => Atomics.load(t.memory.i32, addr / 4);
export const store = (t: Task, addr: number, value: number): number => Atomics.store(t.memory.i32, addr / 4, value);
export const add = (t: Task, addr: number, by: number): number => Atomics.add(t.memory.i32, addr / 4, by);
export const swap = (t: Task, addr: number, from: number, to: number): boolean =>
  Atomics.compareExchange(t.memory.i32, addr / 4, from, to) === from;

export const futex = (t: Task, addr: number, op: number, value = 0, argument = 0, addr2 = 0, third = 0): number =>
  callByName(t, "futex", addr, op, value, argument, addr2, third);

/** Stores a struct timespec for the thread, and answers where. */
export function timespec(t: Task, sec: number, nsec: number): number {
  t.memory.i32.set([sec, Math.floor(sec / 2 ** 32), nsec, 0], roomOf(t) / 4);
  return roomOf(t);
}

/** Stores structs futex_waitv of private futexes, each of which expects 0. */
export function vector(t: Task, words: readonly number[]): number {
  const at = roomOf(t) + 64;
  words.forEach((addr, i) => {
    t.memory.i32.set([0, 0, addr, 0, 2 | Op.PRIVATE, 0], at / 4 + i * 6);
  });
  return at;
}

const microseconds = (t: Task, n: number): number => timespec(t, 0, n * 1000);
const random = (n: number): number => Math.floor(Math.random() * n);

/** What waits in a loop has seen: how often a wake took it, and how else its waits ended. */
export interface Seen {
  woken: number;
  timeouts: number;
  signals: number;
  others: number;
}

/** Waits on `pick()`s word again and again until the word `stop` is not 0. */
function waitAgain(t: Task, stop: number, wait: () => number): Seen {
  const seen: Seen = { woken: 0, timeouts: 0, signals: 0, others: 0 };
  while (load(t, stop) === 0) {
    const result = wait();
    if (result >= 0) seen.woken++;
    else if (result === -errno.ETIMEDOUT) seen.timeouts++;
    else if (result <= -512 || result === -errno.EAGAIN) {
      if (takeSignal(t, -1, -1) !== undefined) {
        seen.signals++;
        store(t, roomOf(t) + 60, 0);
      } else seen.others++;
    } else throw new Error(`a wait answered ${result}`);
  }
  return seen;
}

export const jobs = {
  /** Says that it is there, and makes one call. */
  call: (t: Task, args: readonly number[]): readonly number[] => {
    const begun = performance.now();
    const result = callByName(t, "futex", ...args);
    return [result, performance.now() - begun, load(t, args[0]!)];
  },
  waitv: (t: Task, [count]: readonly number[]): readonly number[] => [
    callByName(
      t,
      "futex_waitv",
      vector(
        t,
        Array.from({ length: count! }, (_, i) => wordAt(i)),
      ),
      count!,
      0,
      0,
      0,
    ),
  ],
  /** Side `own` (0 or 1) of two that pass a ball `rounds` times. Answers waits that were woken, and wakes. */
  pingPong: (t: Task, [own, rounds]: readonly number[]): readonly number[] => {
    const ball = wordAt(0);
    let [waits, wakes] = [0, 0];
    for (let round = 0; round < rounds!; round++) {
      while (load(t, ball) !== own) if (futex(t, ball, Op.WAIT | Op.PRIVATE, 1 - own!) === 0) waits++;
      store(t, ball, 1 - own!);
      wakes += futex(t, ball, Op.WAKE | Op.PRIVATE, 1);
    }
    return [waits, wakes];
  },
  /** Waits on one of `words` words, for a few microseconds, or for ever. */
  waitOn: (t: Task, [words, stop, longest]: readonly number[]): Seen =>
    waitAgain(t, stop!, () => {
      const limit = longest === 0 || random(4) === 0 ? 0 : microseconds(t, random(longest!));
      return futex(t, wordAt(random(words!)), Op.WAIT | Op.PRIVATE, 0, limit);
    }),
  waitOnAny: (t: Task, [words, stop, longest]: readonly number[]): Seen =>
    waitAgain(t, stop!, () => {
      const limit = performance.timeOrigin + performance.now() + random(longest!) / 1000;
      const time = timespec(t, Math.floor(limit / 1000), Math.floor((limit % 1000) * 1e6));
      const list = vector(
        t,
        Array.from({ length: words! }, (_, i) => wordAt(i)),
      );
      return callByName(t, "futex_waitv", list, words!, 0, time, 0);
    }),
  /** Takes a lock of three states `rounds` times, as a C library does, and adds 1 to the word behind it. */
  mutex: (t: Task, [word, counter, rounds]: readonly number[]): readonly number[] => {
    for (let i = 0; i < rounds!; i++) {
      if (!swap(t, word!, 0, 1))
        while (Atomics.exchange(t.memory.i32, word! / 4, 2) !== 0) futex(t, word!, Op.WAIT | Op.PRIVATE, 2);
      store(t, counter!, load(t, counter!) + 1);
      if (Atomics.exchange(t.memory.i32, word! / 4, 0) === 2) futex(t, word!, Op.WAKE | Op.PRIVATE, 1);
    }
    return [];
  },
  /** Takes a lock that lends priority `rounds` times; tries for `longest` microseconds each time if that is not 0. Answers how often it had it. */
  lockPi: (t: Task, [word, counter, rounds, longest]: readonly number[]): readonly number[] => {
    let had = 0;
    for (let i = 0; i < rounds!; i++) {
      if (!swap(t, word!, 0, t.tid)) {
        const limit = performance.timeOrigin + performance.now() + random(longest!) / 1000;
        const time = longest === 0 ? 0 : timespec(t, Math.floor(limit / 1000), Math.floor((limit % 1000) * 1e6));
        const result = futex(t, word!, Op.LOCK_PI | Op.PRIVATE, 0, time);
        if (result === -errno.ETIMEDOUT) continue;
        if (result !== 0) throw new Error(`a lock answered ${result}`);
      }
      if ((load(t, word!) & 0x3fffffff) !== t.tid) throw new Error("the lock is another's");
      store(t, counter!, load(t, counter!) + 1);
      had++;
      if (!swap(t, word!, t.tid, 0)) {
        const result = futex(t, word!, Op.UNLOCK_PI | Op.PRIVATE);
        if (result !== 0) throw new Error(`an unlock answered ${result}`);
      }
    }
    return [had];
  },
  /** Takes a lock that lends priority, says so in a word, waits until that is 0 again, and ends with the lock in hand. */
  dieWith: (t: Task, [word, said]: readonly number[]): readonly number[] => {
    store(t, word!, t.tid);
    store(t, said!, 1);
    while (load(t, said!) !== 0) Atomics.pause();
    endFutexes(t);
    return [];
  },
  /** Takes a lock that lends priority `rounds` times, adds 1 to the word behind it, and ends with the lock in hand each time. */
  dieOften: (t: Task, [word, counter, rounds]: readonly number[]): readonly number[] => {
    const head = roomOf(t) + 512;
    for (let i = 0; i < rounds!; i++) {
      const result = futex(t, word!, Op.LOCK_PI | Op.PRIVATE);
      if (result !== 0) throw new Error(`a lock answered ${result}`);
      store(t, counter!, load(t, counter!) + 1);
      // One element, 32 bytes before its lock, which lends priority.
      t.memory.i32.set([(word! - 32) | 1, 0, 32, 0, 0, 0], head / 4);
      t.memory.i32.set([head, 0], (word! - 32) / 4);
      t.robustList = head;
      endFutexes(t);
      resumeLocks(t);
    }
    return [rounds!];
  },
  /** Waits on a word to be given the lock, `rounds` times, which it releases each time. Answers how often it was given it, and not. */
  waitForLock: (t: Task, [word, lock, stop, longest]: readonly number[]): Seen =>
    waitAgain(t, stop!, () => {
      const limit = performance.timeOrigin + performance.now() + random(longest!) / 1000;
      const time = timespec(t, Math.floor(limit / 1000), Math.floor((limit % 1000) * 1e6));
      const op = Op.WAIT_REQUEUE_PI | Op.PRIVATE | Op.REALTIME;
      const result = futex(t, word!, op, 0, longest === 0 ? 0 : time, lock!, any);
      if (result === 0) {
        if ((load(t, lock!) & 0x3fffffff) !== t.tid) throw new Error("the lock is another's");
        if (!swap(t, lock!, t.tid, 0) && futex(t, lock!, Op.UNLOCK_PI | Op.PRIVATE) !== 0) throw new Error("unlock");
      }
      return result;
    }),
} satisfies Record<string, (t: Task, args: readonly number[]) => unknown>;

type Jobs = typeof jobs;

interface Order {
  readonly bundle: Bundle;
  readonly task: number;
  readonly job: keyof Jobs;
  readonly args: readonly number[];
  readonly agent: number;
}

let agents = 1;

/** A thread on a worker of its own. */
export interface Hand<J extends keyof Jobs = keyof Jobs> {
  /** Its record. */
  readonly task: Task;
  readonly done: Promise<ReturnType<Jobs[J]>>;
  ended: boolean;
}

/** Has another worker do a job as a new thread of the process. */
export function start<J extends keyof Jobs>(t: Task, job: J, ...args: readonly number[]): Hand<J> {
  // Before any other does, and so that this one can kick them.
  installInterrupts();
  const { kernel, index } = t.process;
  const task = attachTask(t.process, allocateTask(kernel, index));
  addThread(kernel, index, task.index);
  const order: Order = { bundle: bundleOf(t.process), task: task.index, job, args, agent: ++agents };
  const done = new Promise<ReturnType<Jobs[J]>>((resolve, reject) => {
    const worker = new Worker(new URL("./futex-worker.ts", import.meta.url), { workerData: order });
    worker.once("message", resolve);
    worker.once("error", reject);
  });
  const hand: Hand<J> = { task, done, ended: false };
  const end = (): void => {
    hand.ended = true;
  };
  done.then(end, end);
  return hand;
}

/** Lets others work until something is so. */
export async function until(so: () => boolean): Promise<void> {
  for (const end = performance.now() + 50_000; !so(); await Bun.sleep(1))
    if (performance.now() > end) throw new Error(`not within 50 s: ${so}`);
}

/** Whether the thread is in a queue by the waiter of its own. */
export const waits = ({ task }: Hand): boolean => isQueued(task.process.kernel, waiterOf(task.index));

/** Sends a signal to a thread on another worker, unless one that was sent is not taken yet. Whether it did. */
export function signal({ task }: Hand, signo: number): boolean {
  const waiting = roomOf(task) + 60;
  if (load(task, waiting) !== 0) return false;
  store(task, waiting, 1);
  queueSignal(task, signo);
  return true;
}

if (!isMainThread) {
  const { bundle, task, job, args, agent } = workerData as Order;
  setAgentId(agent);
  parentPort!.postMessage(jobs[job](attachThread(bundle, task), args));
}
