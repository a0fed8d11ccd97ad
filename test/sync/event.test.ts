// Wake words: no wake is lost, whenever it comes.
import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { monotonic } from "../../src/host/clock.ts";
import { host } from "../../src/host/syscall.ts";
import {
  isAsleep,
  never,
  newWakeWord,
  reasonsOf,
  resetWakeWord,
  sleep,
  sleepAsync,
  sleepInPoll,
  takeReasons,
  wake,
} from "../../src/sync/event.ts";
import { dismissAll, hire, newCounter, reach } from "./crew.ts";
import { eventfd, wakeHost } from "./wake-host.ts";

const descriptor = eventfd();
const other = eventfd();
const h = wakeHost();
const withOther = wakeHost(other);

afterEach(dismissAll);
afterAll(() => {
  for (const fd of [descriptor, other]) host("close", fd);
});

const ms = 1e6;
const asleep = (e: Parameters<typeof isAsleep>[0]) => {
  while (!isAsleep(e)) Atomics.pause();
};

describe("a thread with a reason to be awake", () => {
  test("does not sleep, and takes the reasons", () => {
    const e = newWakeWord(descriptor);
    wake(e, h, 4);
    wake(e, h, 1);
    expect(reasonsOf(e)).toBe(5);
    expect(sleep(e, h, never)).toBe(5);
    expect(reasonsOf(e)).toBe(0);
    wake(e, h, 2);
    expect(sleepInPoll(e, h, never)).toEqual({ ready: 0, reasons: 2 });
    wake(e, h, 7);
    expect(takeReasons(e, 2)).toBe(2);
    expect(takeReasons(e)).toBe(5);
    expect(takeReasons(e)).toBe(0);
  });
  test("still learns which descriptors are ready", () => {
    const e = newWakeWord(descriptor);
    withOther.ring(other);
    wake(e, h, 1);
    expect(sleepInPoll(e, withOther, never)).toEqual({ ready: 1, reasons: 1 });
    expect(sleepInPoll(e, withOther, never)).toEqual({ ready: 1, reasons: 0 });
    wakeHost().poll(other, 0);
    expect(sleepInPoll(e, withOther, 0)).toEqual({ ready: 0, reasons: 0 });
  });
});

describe("a sleep", () => {
  test("ends at its deadline, not before, and is over then", () => {
    const e = newWakeWord(descriptor);
    for (const span of [-5 * ms, 0, 0.03 * ms, 3 * ms]) {
      for (const nap of [
        (deadline: number) => sleep(e, h, deadline),
        (deadline: number) => {
          const { ready, reasons } = sleepInPoll(e, h, deadline);
          return ready + reasons;
        },
      ]) {
        const deadline = monotonic() + span;
        expect(nap(deadline)).toBe(0);
        expect(monotonic()).toBeGreaterThanOrEqual(deadline);
        expect(isAsleep(e)).toBe(false);
      }
    }
  });
  test("is ended by a reason, in either place", async () => {
    for (const poll of [false, true]) {
      const [event, coming] = [newWakeWord(descriptor), newCounter()];
      const sleeper = hire("sleepsOnce", { event, coming, poll });
      reach(coming, 1);
      asleep(event);
      wake(event, h, 6);
      expect(await sleeper.result).toBe(6);
      expect(isAsleep(event)).toBe(false);
    }
  });
  test("in a poll outlasts a ring that came late for the one before", () => {
    const e = newWakeWord(descriptor);
    h.ring(descriptor);
    const deadline = monotonic() + 3 * ms;
    expect(sleepInPoll(e, h, deadline)).toEqual({ ready: 0, reasons: 0 });
    expect(monotonic()).toBeGreaterThanOrEqual(deadline);
  });
  test("gives back an error of the host", () => {
    const e = newWakeWord(descriptor);
    expect(sleepInPoll(e, { ...h, poll: () => -22 }, never)).toEqual({ ready: -22, reasons: 0 });
    expect(isAsleep(e)).toBe(false);
  });
  test("is one thread's at a time", async () => {
    const [event, coming] = [newWakeWord(), newCounter()];
    const sleeper = hire("sleepsOnce", { event, coming, poll: false });
    asleep(event);
    expect(() => sleep(event, h, never)).toThrow("two threads");
    await sleeper.stop();
    resetWakeWord(event, 7);
    expect(isAsleep(event)).toBe(false);
    expect(event.words[event.index + 1]).toBe(7);
  });
  test("lets an event loop go on", async () => {
    const e = newWakeWord();
    const slept = sleepAsync(e);
    await Bun.sleep(1);
    expect(isAsleep(e)).toBe(true);
    wake(e, h, 8);
    expect(await slept).toBe(8);
    wake(e, h, 16);
    expect(await sleepAsync(e)).toBe(16);
    expect(isAsleep(e)).toBe(false);
  });
});

describe("wakes at random instants are never lost", () => {
  test.each([
    ["Atomics.wait", false, 100_000],
    ["a poll", true, 100_000],
  ] as const)(
    "by a thread that sleeps in %s",
    async (_, poll, rounds) => {
      const own = eventfd();
      const d = { event: newWakeWord(own), words: new Int32Array(new SharedArrayBuffer(8)), rounds, poll };
      const sleeper = hire("sleeps", { ...d, seed: 1 });
      const waker = hire("sends", { ...d, seed: 2 });
      const { lost, sleeps } = await sleeper.result;
      expect(lost).toBe(0);
      await waker.result;
      // Else the race was not run.
      expect(sleeps).toBeGreaterThan(rounds / 20);
      host("close", own);
    },
    30_000,
  );
});
