// Futexes among threads, each on a worker of its own: who is woken, how many, and that each wake is one thread's.
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { errno, restart } from "../../src/linux/errno.ts";
import { endFutexes } from "../../src/linux/futex-exit.ts";
import { Sig } from "../../src/linux/siginfo.ts";
import { actionWords, exitProcess } from "../../src/linux/signals.ts";
import type { Task } from "../../src/linux/task.ts";
import {
  any,
  futex,
  type Hand,
  load,
  Op,
  roomOf,
  type Seen,
  signal,
  start,
  store,
  timespec,
  until,
  waits,
  wordAt,
} from "../tools/futex-worker.ts";
import { callByName, makeTask, memory } from "../tools/task.ts";

// Other processes may have the processors.
setDefaultTimeout(60_000);

const WAIT = Op.WAIT | Op.PRIVATE;
const WAKE = Op.WAKE | Op.PRIVATE;
const [a, b, c] = [wordAt(0), wordAt(1), wordAt(2)];
const stop = wordAt(100);

const answer = async ({ done }: Hand<"call">): Promise<number> => (await done)[0]!;
const results = (hands: readonly Hand<"call">[]): Promise<readonly number[]> => Promise.all(hands.map(answer));

/** Threads that have made a wait each, one after the other, and sleep. */
async function sleepers(t: Task, ...calls: readonly (readonly number[])[]): Promise<readonly Hand<"call">[]> {
  const hands: Hand<"call">[] = [];
  for (const args of calls) {
    const hand = start(t, "call", ...args);
    await until(() => waits(hand) || hand.ended);
    hands.push(hand);
  }
  return hands;
}

/** Has the process handle a signal, so that it does not end it. */
const handle = (t: Task, signo: number): void => t.process.signals.actions.set([0x4000], signo * actionWords);

const waiting = (hands: readonly Hand[]): number => hands.filter(waits).length;

test("two threads pass a ball 10,000 times, and each wake is one wait's", async () => {
  const t = makeTask();
  const sides = [start(t, "pingPong", 0, 10_000), start(t, "pingPong", 1, 10_000)];
  const counts = await Promise.all(sides.map(({ done }) => done));
  expect(load(t, a)).toBe(0);
  expect(counts[0]![0]! + counts[1]![0]!).toBe(counts[0]![1]! + counts[1]![1]!);
});

test("three threads add behind a lock of three states", async () => {
  const t = makeTask();
  const hands = Array.from({ length: 3 }, () => start(t, "mutex", a, b, 5000));
  await Promise.all(hands.map(({ done }) => done));
  expect([load(t, a), load(t, b)]).toEqual([0, 15_000]);
});

describe("a wake", () => {
  test("takes as many as it says, in the order in which they came", async () => {
    const t = makeTask();
    const hands = await sleepers(t, ...Array.from({ length: 6 }, () => [a, WAIT, 0]));
    expect(futex(t, b, WAKE, 10)).toBe(0);
    // A private futex and one that may be shared are two.
    expect(futex(t, a, Op.WAKE, 10)).toBe(0);
    expect(futex(t, a, WAKE, 2)).toBe(2);
    expect(hands.map(waits)).toEqual([false, false, true, true, true, true]);
    expect(futex(t, a, WAKE, 0)).toBe(1);
    expect(futex(t, a, WAKE, -1)).toBe(1);
    expect(futex(t, a, WAKE, 10)).toBe(2);
    expect(await results(hands)).toEqual([0, 0, 0, 0, 0, 0]);
  });

  test("takes those that have one of its bits", async () => {
    const t = makeTask();
    const bits = [1, 2, 4, any, 2];
    const hands = await sleepers(t, ...bits.map((set) => [a, Op.WAIT_BITSET | Op.PRIVATE, 0, 0, 0, set]));
    expect(futex(t, a, Op.WAKE_BITSET | Op.PRIVATE, 10, 0, 0, 8)).toBe(1);
    expect(futex(t, a, Op.WAKE_BITSET | Op.PRIVATE, 1, 0, 0, 2)).toBe(1);
    expect(futex(t, a, Op.WAKE_BITSET | Op.PRIVATE, 10, 0, 0, 5)).toBe(2);
    expect(hands.map(waits)).toEqual([false, false, false, false, true]);
    expect(futex(t, a, WAKE, 10)).toBe(1);
    expect(await results(hands)).toEqual([0, 0, 0, 0, 0]);
  });

  test("finds a word of a file by each of its addresses", async () => {
    const t = makeTask();
    const fd = callByName(t, "memfd_create", "words", 0);
    callByName(t, "ftruncate", fd, 8192);
    const [MAP_SHARED, MAP_PRIVATE, FIXED] = [1, 2, 0x10];
    const at = [0x4000000, 0x5000000, 0x6000000] as const;
    for (const addr of at) expect(callByName(t, "mmap", addr, 8192, 3, MAP_SHARED | FIXED, fd, 0)).toBe(addr);
    expect(callByName(t, "mmap", at[2], 4096, 3, MAP_PRIVATE | FIXED, fd, 0)).toBe(at[2]);
    const hands = await sleepers(t, [at[0] + 8, Op.WAIT, 0], [at[1] + 4104, Op.WAIT, 0], [at[2] + 8, Op.WAIT, 0]);
    expect(futex(t, at[0] + 12, Op.WAKE, 10)).toBe(0);
    expect(futex(t, at[2] + 4096 + 8, Op.WAKE, 10)).toBe(1);
    expect(futex(t, at[1] + 8, Op.WAKE, 10)).toBe(1);
    expect(futex(t, at[2] + 8, Op.WAKE, 10)).toBe(1);
    expect(await results(hands)).toEqual([0, 0, 0]);
  });
});

describe("requeue", () => {
  test("wakes some and moves others, who are found at the other word from then on", async () => {
    const t = makeTask();
    const hands = await sleepers(t, ...Array.from({ length: 6 }, () => [a, WAIT, 0]));
    const op = Op.CMP_REQUEUE | Op.PRIVATE;
    expect(futex(t, a, op, 1, 3, b, 1)).toBe(-errno.EAGAIN);
    expect(futex(t, a, op, 1, 3, b, 0)).toBe(4);
    expect(waiting(hands)).toBe(5);
    expect(futex(t, b, Op.REQUEUE | Op.PRIVATE, 0, 1, c)).toBe(1);
    // In place, and there again.
    expect(futex(t, a, Op.REQUEUE | Op.PRIVATE, 0, 10, a)).toBe(2);
    expect([futex(t, a, WAKE, 10), futex(t, b, WAKE, 10), futex(t, c, WAKE, 10)]).toEqual([2, 2, 1]);
    expect(await results(hands)).toEqual([0, 0, 0, 0, 0, 0]);
  });

  test("leaves who was moved his deadline", async () => {
    const t = makeTask();
    const [hand] = await sleepers(t, [a, WAIT, 0, timespec(t, 0, 800e6)]);
    expect(futex(t, a, Op.REQUEUE | Op.PRIVATE, 0, 1, b)).toBe(1);
    const [result, took] = await hand!.done;
    expect(result).toBe(-errno.ETIMEDOUT);
    expect(took).toBeGreaterThan(750);
    expect(futex(t, b, WAKE, 10)).toBe(0);
  });
});

test("FUTEX_WAKE_OP wakes at the first word, and at the second where its old value compares", async () => {
  const t = makeTask();
  const hands = await sleepers(t, [a, WAIT, 0], [a, WAIT, 0], [b, WAIT, 0], [b, WAIT, 0]);
  const encoded = (operation: number, argument: number, comparison: number, to: number): number =>
    ((operation << 28) | (comparison << 24) | ((argument & 0xfff) << 12) | (to & 0xfff)) >>> 0;
  const [add, equal, less] = [1, 0, 2];
  expect(futex(t, a, Op.WAKE_OP | Op.PRIVATE, 1, 1, b, encoded(add, 5, equal, 1))).toBe(1);
  expect(futex(t, a, Op.WAKE_OP | Op.PRIVATE, 1, 1, b, encoded(add, -7, equal, 5))).toBe(2);
  expect(futex(t, a, Op.WAKE_OP | Op.PRIVATE, 1, 10, b, encoded(add, 0, less, -1))).toBe(1);
  expect(load(t, b)).toBe(-2);
  expect(await results(hands)).toEqual([0, 0, 0, 0]);
});

describe("a wait ends", () => {
  test("at its deadline, on both clocks", async () => {
    const t = makeTask();
    const now = performance.timeOrigin + performance.now() + 300;
    const wall = timespec(t, Math.floor(now / 1000), Math.floor((now % 1000) * 1e6));
    const bitset = Op.WAIT_BITSET | Op.PRIVATE | Op.REALTIME;
    t.memory.i32.set([0, 0, 100e6, 0], (roomOf(t) + 64) / 4);
    const hands = [start(t, "call", a, bitset, 0, wall, 0, any), start(t, "call", a, WAIT, 0, roomOf(t) + 64)];
    const [late, early] = await Promise.all(hands.map(({ done }) => done));
    expect([late![0], early![0]]).toEqual([-errno.ETIMEDOUT, -errno.ETIMEDOUT]);
    expect(performance.timeOrigin + performance.now()).toBeGreaterThanOrEqual(now);
    expect(early![1]).toBeGreaterThanOrEqual(99);
    expect(futex(t, a, WAKE, 10)).toBe(0);
  });

  test("by a signal to its thread, and by the end of its process", async () => {
    const t = makeTask();
    handle(t, Sig.USR1);
    const hands = await sleepers(t, [a, WAIT, 0], [a, WAIT, 0, timespec(t, 1000, 0)], [a, WAIT, 0]);
    signal(hands[0]!, Sig.USR1);
    signal(hands[1]!, Sig.USR1);
    expect(await results(hands.slice(0, 2))).toEqual([-restart.ERESTARTSYS, -restart.ERESTART_RESTARTBLOCK]);
    exitProcess(t.process.kernel, t.process.record, { code: 0 });
    expect(await results(hands.slice(2))).toEqual([-restart.ERESTARTSYS]);
    expect(futex(t, a, WAKE, 10)).toBe(0);
  });
});

test("futex_waitv says which of its words was woken", async () => {
  const t = makeTask();
  for (const which of [0, 1, 2]) {
    const hand = start(t, "waitv", 3);
    await until(() => futex(t, wordAt(which), WAKE, 1) === 1);
    expect(await hand.done).toEqual([which]);
    for (const word of [a, b, c]) expect(futex(t, word, WAKE, 10)).toBe(0);
  }
});

/** What several loops of waits saw, together. */
const sum = (seen: readonly Seen[], what: keyof Seen): number => seen.reduce((n, s) => n + s[what], 0);

/** Does something that wakes until that has happened often enough, then ends the loops. Answers what they saw, and all wakes. */
async function race(t: Task, hands: readonly Hand<"waitOn" | "waitOnAny">[], enough: number, act: () => number) {
  let wakes = 0;
  await until(() => {
    for (let i = 0; i < 50; i++) wakes += act();
    return wakes >= enough;
  });
  store(t, stop, 1);
  while (hands.some(({ ended }) => !ended)) {
    for (const word of [a, b, c]) wakes += futex(t, word, WAKE, 100);
    await Bun.sleep(1);
  }
  return { seen: await Promise.all(hands.map(({ done }) => done)), wakes };
}

describe("no wake is lost, and none counts twice", () => {
  const pick = (): number => wordAt(Math.floor(Math.random() * 3));

  test("of waits that time out", async () => {
    const t = makeTask();
    const hands = Array.from({ length: 3 }, () => start(t, "waitOn", 3, stop, 60));
    const { seen, wakes } = await race(t, hands, 500, () => futex(t, pick(), WAKE, 1));
    expect(sum(seen, "woken")).toBe(wakes);
    expect(sum(seen, "timeouts")).toBeGreaterThan(0);
  });

  test("of waits that are moved in a storm, and time out", async () => {
    const t = makeTask();
    const hands = Array.from({ length: 4 }, () => start(t, "waitOn", 3, stop, 200));
    let moved = 0;
    const { seen, wakes } = await race(t, hands, 500, () => {
      if (Math.random() < 0.3) return futex(t, pick(), WAKE, 1);
      const moves = futex(t, pick(), Op.CMP_REQUEUE | Op.PRIVATE, 0, 2, pick(), 0);
      moved += Math.max(moves, 0);
      return 0;
    });
    expect(sum(seen, "woken")).toBe(wakes);
    expect(moved).toBeGreaterThan(100);
  });

  test("of waits for any of several", async () => {
    const t = makeTask();
    const hands = Array.from({ length: 3 }, () => start(t, "waitOnAny", 3, stop, 200));
    const { seen, wakes } = await race(t, hands, 500, () => futex(t, pick(), WAKE, 1));
    // A wait that two wakes take answers one of them.
    expect(sum(seen, "woken")).toBeGreaterThan(0);
    expect(sum(seen, "woken")).toBeLessThanOrEqual(wakes);
    expect(futex(t, a, WAKE, 10) + futex(t, b, WAKE, 10) + futex(t, c, WAKE, 10)).toBe(0);
  });

  test("of waits that signals end", async () => {
    const t = makeTask();
    handle(t, Sig.USR1);
    const hands = Array.from({ length: 3 }, () => start(t, "waitOn", 3, stop, 500));
    let sent = 0;
    const { seen, wakes } = await race(t, hands, 500, () => {
      for (const hand of hands) if (signal(hand, Sig.USR1)) sent++;
      return futex(t, pick(), WAKE, 1);
    });
    expect(sum(seen, "woken")).toBe(wakes);
    expect(sent).toBeGreaterThan(10);
    expect(sum(seen, "signals")).toBeGreaterThanOrEqual(sent - hands.length);
  });
});

describe("a thread that ends", () => {
  test("clears its id and wakes who waits for it", async () => {
    const t = makeTask();
    store(t, a, 77);
    t.clearTid = a;
    const hands = await sleepers(t, [a, Op.WAIT, 77]);
    endFutexes(t);
    expect([load(t, a), t.clearTid]).toEqual([0, 0]);
    expect(await results(hands)).toEqual([0]);
  });

  /** A robust list: a head, then elements, each with its lock 16 bytes behind. */
  function robustList(t: Task, locks: readonly number[], pending: number, lends = 0): void {
    const head = memory.start + 0x4000;
    const element = (i: number): number => head + 64 * (i + 1);
    const next = (i: number): number => (i < locks.length ? element(i) + lends : head);
    t.memory.i32.set([next(0), 0, 16, 0, pending, 0], head / 4);
    locks.forEach((word, i) => {
      t.memory.i32.set([next(i + 1), 0, 0, 0, word], element(i) / 4);
    });
    t.robustList = head;
  }
  const lockAt = (i: number): number => memory.start + 0x4000 + 64 * (i + 1) + 16;
  const [waitersBit, diedBit] = [0x80000000 | 0, 0x40000000];

  test("leaves the locks of its robust list marked, and wakes one that waits for each", async () => {
    const t = makeTask();
    robustList(t, [t.tid, t.tid | waitersBit, 12345, t.tid | waitersBit], memory.start + 0x4000 + 64 * 4);
    const hands = await sleepers(t, ...[1, 1, 3].map((i) => [lockAt(i), Op.WAIT, load(t, lockAt(i))]));
    endFutexes(t);
    expect([0, 1, 2, 3].map((i) => load(t, lockAt(i)))).toEqual([
      diedBit,
      waitersBit | diedBit,
      12345,
      waitersBit | diedBit,
    ]);
    expect(hands.map(waits)).toEqual([false, true, false]);
    expect(futex(t, lockAt(1), Op.WAKE, 1)).toBe(1);
    await results(hands);
  });

  test("wakes one at a lock that it was about to release", async () => {
    const t = makeTask();
    robustList(t, [0], memory.start + 0x4000 + 64);
    const hands = await sleepers(t, [lockAt(0), Op.WAIT, 0]);
    endFutexes(t);
    expect(await results(hands)).toEqual([0]);
  });

  test("comes to an end of a list that is a circle, or is not there", () => {
    const t = makeTask();
    robustList(t, [0, 0], 0);
    const second = memory.start + 0x4000 + 128;
    store(t, second, second);
    endFutexes(t);
    for (const head of [memory.unmapped, memory.start + 1, 2 ** 63]) {
      t.robustList = head;
      endFutexes(t);
    }
  });
});

describe("locks that lend priority", () => {
  const LOCK = Op.LOCK_PI | Op.PRIVATE;
  const UNLOCK = Op.UNLOCK_PI | Op.PRIVATE;
  const [waitersBit, diedBit] = [0x80000000 | 0, 0x40000000];

  test("go from who releases one to who waits first", async () => {
    const t = makeTask();
    expect(futex(t, a, LOCK)).toBe(0);
    const hands = await sleepers(t, [a, LOCK], [a, LOCK]);
    expect(load(t, a)).toBe(t.tid | waitersBit);
    expect(futex(t, a, Op.TRYLOCK_PI | Op.PRIVATE)).toBe(-errno.EDEADLK);
    expect(futex(t, a, WAKE, 1)).toBe(-errno.EINVAL);
    expect(futex(t, a, WAIT, load(t, a), timespec(t, 0, 1))).toBe(-errno.ETIMEDOUT);
    expect(futex(t, a, UNLOCK)).toBe(0);
    expect(hands.map(waits)).toEqual([false, true]);
    expect(load(t, a)).toBe(hands[0]!.task.tid | waitersBit);
    expect(await answer(hands[0]!)).toBe(0);
    expect(futex(t, a, UNLOCK)).toBe(-errno.EPERM);
    expect(futex(t, a, Op.TRYLOCK_PI | Op.PRIVATE)).toBe(-errno.EAGAIN);
    expect(futex(hands[0]!.task, a, UNLOCK)).toBe(0);
    expect(load(t, a)).toBe(hands[1]!.task.tid | waitersBit);
    expect(futex(hands[1]!.task, a, UNLOCK)).toBe(0);
    expect(load(t, a)).toBe(0);
    await results(hands);
  });

  test("are waited for until a deadline, or a signal", async () => {
    const t = makeTask();
    handle(t, Sig.USR1);
    store(t, a, t.tid);
    const now = performance.timeOrigin + performance.now() + 300;
    const late = timespec(t, Math.floor(now / 1000), Math.floor((now % 1000) * 1e6));
    const hands = await sleepers(t, [a, LOCK], [a, LOCK, 0, late]);
    signal(hands[0]!, Sig.USR1);
    expect(await results(hands)).toEqual([-restart.ERESTARTNOINTR, -errno.ETIMEDOUT]);
    expect(futex(t, a, UNLOCK)).toBe(0);
    expect(load(t, a)).toBe(0);
  });

  test("that would wait for each other in a circle are EDEADLK", async () => {
    const t = makeTask();
    const hands = await sleepers(t, [a, WAIT, 0]);
    const other = hands[0]!.task;
    store(t, b, other.tid);
    store(t, c, t.tid);
    expect(futex(t, a, WAKE, 1)).toBe(1);
    await results(hands);
    // The thread that has b waits for c, which this one has.
    const wait = start(t, "call", c, LOCK);
    await until(() => waits(wait));
    store(t, b, wait.task.tid);
    expect(futex(t, b, LOCK)).toBe(-errno.EDEADLK);
    expect(futex(t, c, UNLOCK)).toBe(0);
    expect(await answer(wait)).toBe(0);
  });

  test("keep a count right that three threads change, who give up at times", async () => {
    const t = makeTask();
    const patient = Array.from({ length: 2 }, () => start(t, "lockPi", a, b, 3000, 0));
    const hasty = Array.from({ length: 2 }, () => start(t, "lockPi", a, b, 3000, 100));
    const had = await Promise.all([...patient, ...hasty].map(({ done }) => done));
    expect([had[0]![0], had[1]![0]]).toEqual([3000, 3000]);
    expect(load(t, b)).toBe(had.reduce((sum, [n]) => sum + n!, 0));
    expect(load(t, a) & ~waitersBit).toBe(0);
  });

  test("of a thread that ends are the next one's, who sees that its owner died", async () => {
    const t = makeTask();
    const owner = start(t, "dieWith", a, b);
    await until(() => load(t, b) === 1);
    const hands = await sleepers(t, [a, LOCK], [a, LOCK]);
    store(t, b, 0);
    await owner.done;
    expect(await hands[0]!.done).toMatchObject([0, expect.any(Number), waitersBit | diedBit | hands[0]!.task.tid]);
    expect(waits(hands[1]!)).toBe(true);
    expect(futex(hands[0]!.task, a, UNLOCK)).toBe(0);
    expect(await answer(hands[1]!)).toBe(0);
    expect(futex(hands[1]!.task, a, UNLOCK)).toBe(0);
    // Nobody waits for it any more.
    store(t, a, owner.task.tid);
    expect(futex(t, a, LOCK)).toBe(-errno.ESRCH);
  });

  test("keep a count right while threads end with the lock in hand", async () => {
    const t = makeTask();
    const hands = [
      ...Array.from({ length: 2 }, () => start(t, "dieOften", b, c, 1000)),
      start(t, "lockPi", b, c, 1000, 0),
      start(t, "lockPi", b, c, 1000, 100),
    ];
    const had = await Promise.all(hands.map(({ done }) => done));
    expect(load(t, c)).toBe(had.reduce((all, [n]) => all + n!, 0));
    expect(load(t, b) & ~(waitersBit | diedBit)).toBe(0);
  });

  test("are given to who waits to be moved to one, in their order", async () => {
    const t = makeTask();
    const WAIT_REQUEUE = Op.WAIT_REQUEUE_PI | Op.PRIVATE;
    const CMP_REQUEUE = Op.CMP_REQUEUE_PI | Op.PRIVATE;
    const hands = await sleepers(t, ...Array.from({ length: 4 }, () => [a, WAIT_REQUEUE, 0, 0, b, any]));
    const tid = (i: number): number => hands[i]!.task.tid;
    expect(futex(t, a, WAKE, 1)).toBe(-errno.EINVAL);
    expect(futex(t, a, Op.REQUEUE | Op.PRIVATE, 1, 1, b)).toBe(-errno.EINVAL);
    expect(futex(t, a, CMP_REQUEUE, 1, 1, b, 7)).toBe(-errno.EAGAIN);
    expect(futex(t, a, CMP_REQUEUE, 1, 1, c, 0)).toBe(-errno.EINVAL);
    // The lock is free: the first has it. Another is moved.
    expect(futex(t, a, CMP_REQUEUE, 1, 1, b, 0)).toBe(2);
    expect(hands.map(waits)).toEqual([false, true, true, true]);
    expect(load(t, b)).toBe(tid(0) | waitersBit);
    expect(futex(t, a, CMP_REQUEUE, 1, 10, b, 0)).toBe(2);
    for (let i = 0; i < 4; i++) {
      expect(await answer(hands[i]!)).toBe(0);
      expect(load(t, b) & ~waitersBit).toBe(tid(i));
      expect(futex(hands[i]!.task, b, UNLOCK)).toBe(0);
    }
    expect(load(t, b)).toBe(0);
  });

  test("no lock is lost that waits are moved to, which time out or are interrupted", async () => {
    const t = makeTask();
    handle(t, Sig.USR1);
    const hands = Array.from({ length: 3 }, () => start(t, "waitForLock", a, b, stop, 500));
    let moved = 0;
    for (; moved < 500; await Bun.sleep(0)) {
      if (futex(t, b, LOCK) !== 0) throw new Error("no lock");
      moved += Math.max(futex(t, a, Op.CMP_REQUEUE_PI | Op.PRIVATE, 1, 2, b, 0), 0);
      for (const hand of hands) signal(hand, Sig.USR1);
      if (futex(t, b, UNLOCK) !== 0) throw new Error("no unlock");
      moved += Math.max(futex(t, a, Op.CMP_REQUEUE_PI | Op.PRIVATE, 1, 2, b, 0), 0);
    }
    store(t, stop, 1);
    const seen = await Promise.all(hands.map(({ done }) => done));
    expect(load(t, b) & ~waitersBit).toBe(0);
    expect(sum(seen, "woken")).toBeGreaterThan(0);
    expect(sum(seen, "woken")).toBeLessThanOrEqual(moved);
  });
});
