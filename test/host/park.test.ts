// Sleeps on a host futex word: woken, timed out on both clocks, kicked; and the timers of threads.
import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { Worker } from "node:worker_threads";
import { after, Clock, monotonic, nanosecondsBetween, readClock } from "../../src/host/clock.ts";
import {
  blockingHost,
  hostTid,
  installInterrupts,
  kick,
  kickSignal,
  notEntered,
  timerBit,
} from "../../src/host/interrupt.ts";
import { signalBit } from "../../src/host/machine-code.ts";
import {
  armKickTimer,
  type Deadline,
  deleteKickTimer,
  disarmKickTimer,
  newKickTimer,
  park,
  unpark,
} from "../../src/host/park.ts";
import { addressOf, host } from "../../src/host/syscall.ts";
import { errno, pipe } from "./blocking.ts";
import { type Sleep, type SleeperStart, sleeperWords } from "./park-worker.ts";

const code = installInterrupts();
const words = new Int32Array(new SharedArrayBuffer(8));
const [word, pending] = [addressOf(words), addressOf(words) + 4];
beforeEach(() => void words.fill(0));

const clocks = [Clock.MONOTONIC, Clock.REALTIME] as const;
const inFuture = (clock: Deadline["clock"], nanoseconds: number): Deadline => ({
  clock,
  at: after(readClock(clock)!, nanoseconds),
});

/** Sleeps in a worker, from now on until it answers. The worker ends by itself. */
function sleeper(
  kind: Sleep,
  rounds = 1,
): { words: Int32Array; ended: Promise<number[]>; until: (i: number, n: number) => void } {
  const shared = new Int32Array(new SharedArrayBuffer(4 * sleeperWords.count));
  const worker = new Worker(new URL("./park-worker.ts", import.meta.url), {
    workerData: { words: shared, kind, code, rounds } satisfies SleeperStart,
  });
  const { promise, resolve, reject } = Promise.withResolvers<number[]>();
  let results: number[] = [];
  worker.on("message", (message) => {
    results = message;
  });
  worker.on("error", reject);
  worker.on("exit", () => resolve(results));
  const until = (i: number, n: number) => {
    const end = performance.now() + 10_000;
    while (Atomics.load(shared, i) < n) {
      if (performance.now() > end) throw new Error(`the sleeper does not come to ${n}`);
      host("sched_yield");
    }
  };
  until(sleeperWords.ready, 1);
  return { words: shared, ended: promise, until };
}

describe("a sleep", () => {
  test("does not begin where the word has changed, or something is pending", () => {
    words[0] = 7;
    expect(park(word, 6, pending)).toBe(errno.EAGAIN);
    words[0] = -1;
    expect(park(word, 0, pending)).toBe(errno.EAGAIN);
    words[1] = 1;
    expect(park(word, -1, pending)).toBe(notEntered);
  });
  test.each(clocks)("ends at its deadline on clock %d, not before", (clock) => {
    for (const nanoseconds of [0, 1000, 2e6, 20e6]) {
      const deadline = inFuture(clock, nanoseconds);
      words[0] = -5;
      expect(park(word, -5, pending, deadline)).toBe(errno.ETIMEDOUT);
      expect(nanosecondsBetween(deadline.at, readClock(clock)!)).toBeGreaterThanOrEqual(0);
    }
  });
  test.each(clocks)("to a time long past on clock %d is over at once", (clock) => {
    for (const sec of [0, -1, -1e9, 1])
      expect(park(word, 0, pending, { clock, at: { sec, nsec: 5 } })).toBe(errno.ETIMEDOUT);
  });
  test("of another thread ends when it is woken, and nobody is woken twice", async () => {
    const rounds = 2000;
    const s = sleeper("word", rounds);
    let woken = 0;
    for (let i = 1; i <= rounds; i++) {
      Atomics.store(s.words, sleeperWords.word, i);
      woken += unpark(addressOf(s.words) + 4 * sleeperWords.word);
      s.until(sleeperWords.seen, i);
    }
    const results = await s.ended;
    // Whoever was asleep was woken by just one call.
    expect(results.filter((r) => r === 0).length).toBe(woken);
    expect(results.filter((r) => r !== 0 && r !== errno.EAGAIN)).toEqual([]);
    expect(unpark(addressOf(s.words) + 4 * sleeperWords.word, 2 ** 31 - 1)).toBe(0);
  });
  test("on the pending word itself needs no kick", async () => {
    const rounds = 2000;
    const s = sleeper("pending", rounds);
    for (let i = 1; i <= rounds; i++) {
      Atomics.store(s.words, sleeperWords.pending, 1);
      unpark(addressOf(s.words) + 4 * sleeperWords.pending);
      s.until(sleeperWords.seen, i);
    }
    expect((await s.ended).filter((r) => r !== 0 && r !== errno.EAGAIN && r !== notEntered)).toEqual([]);
  });
  test("ends at a kick, its deadline far away", async () => {
    const rounds = 2000;
    const s = sleeper("deadline", rounds);
    for (let i = 1; i <= rounds; i++) {
      Atomics.store(s.words, sleeperWords.pending, 1);
      kick(s.words[sleeperWords.tid]!);
      s.until(sleeperWords.seen, i);
    }
    expect((await s.ended).filter((r) => r !== errno.EINTR && r !== notEntered)).toEqual([]);
  });
});

describe("a thread's timer", () => {
  const [from, to] = pipe() as [number, number];
  const timer = newKickTimer(pending);
  const read = (): number => blockingHost("read", from, word, 1, 0, 0, 0, pending);
  const arm = (nanoseconds: number): number => {
    armKickTimer(timer, after(readClock(Clock.MONOTONIC)!, nanoseconds));
    return monotonic() + nanoseconds;
  };
  const busy = (nanoseconds: number): void => {
    for (const end = monotonic() + nanoseconds; monotonic() < end; );
  };
  afterAll(() => {
    deleteKickTimer(timer);
    host("close", from);
    host("close", to);
  });

  test("ends a call that has no deadline, and says so", () => {
    expect(timer).toBeGreaterThanOrEqual(0);
    const deadline = arm(5e6);
    expect(read()).toBe(errno.EINTR);
    expect(monotonic()).toBeGreaterThan(deadline - 1e6);
    expect(words[1]).toBe(timerBit);
  });
  test("ends the next call where it went off before", () => {
    arm(0);
    busy(1e6);
    expect(words[1]).toBe(timerBit);
    expect(read()).toBe(notEntered);
  });
  test("leaves other bits alone", () => {
    words[1] = 0x40000011;
    arm(0);
    busy(1e6);
    expect(words[1]).toBe(0x40000011 | timerBit);
  });
  test("takes times long past for now", () => {
    for (const at of [
      { sec: 0, nsec: 0 },
      { sec: -7, nsec: 3 },
      { sec: 0, nsec: 5 },
    ]) {
      words[1] = 0;
      armKickTimer(timer, at);
      busy(1e6);
      expect(words[1]).toBe(timerBit);
    }
  });
  test("that is disarmed stays silent", () => {
    arm(2e6);
    disarmKickTimer(timer);
    busy(4e6);
    expect(words[1]).toBe(0);
  });
  test("says so even where a kick of another kind waits to be handled already", () => {
    const set = new BigUint64Array([signalBit(kickSignal)]);
    const [block, unblock] = [0, 1];
    host("rt_sigprocmask", block, addressOf(set), 0, 8);
    kick(hostTid());
    arm(0);
    busy(1e6);
    kick(hostTid());
    expect(words[1]).toBe(0);
    host("rt_sigprocmask", unblock, addressOf(set), 0, 8);
    expect(words[1]).toBe(timerBit);
  });
  test("at random instants around the moment of blocking is never missed", () => {
    const rounds = process.env["SABRE_SOAK"] ? 100_000 : 3_000;
    const ends = { interrupted: 0, notEntered: 0 };
    for (let i = 0; i < rounds; i++) {
      words[1] = 0;
      // From before the arming's return to well after falling asleep. A missed one would sleep for ever.
      arm(Math.random() * 12_000);
      const result = read();
      if (result === errno.EINTR) ends.interrupted++;
      else if (result === notEntered) ends.notEntered++;
      if (words[1] !== timerBit) throw new Error(`round ${i}: result ${result}, pending ${words[1]}`);
    }
    expect(ends.interrupted + ends.notEntered).toBe(rounds);
    expect(ends.interrupted).toBeGreaterThan(0);
    expect(ends.notEntered).toBeGreaterThan(0);
  }, 120_000);
  test("kicks the thread that made it, each its own", async () => {
    const crew = [1, 2, 3].map(() => sleeper("timer", 200));
    for (const results of await Promise.all(crew.map((s) => s.ended)))
      expect(results.filter((r) => r !== errno.EINTR && r !== notEntered)).toEqual([]);
  });
});
