// Mutual exclusion between agents, and what becomes of it when one dies.
import { afterEach, describe, expect, test } from "bun:test";
import { agentId, mainAgent } from "../../src/sync/agent.ts";
import { lock, newMutex, ownerOf, recover, tryLock, unlock, withLock } from "../../src/sync/mutex.ts";
import { count, dismissAll, hire, newCounter, reach, together } from "./crew.ts";

afterEach(dismissAll);

const wordOf = (m: { words: Int32Array; index: number }) => Atomics.load(m.words, m.index);
/** Waits until somebody sleeps on a mutex, or is about to. */
const someoneWaits = (m: { words: Int32Array; index: number }) => {
  while ((wordOf(m) & 1) === 0) Atomics.pause();
};

describe("a mutex", () => {
  test("has one owner, and knows it", () => {
    const m = newMutex();
    expect(agentId()).toBe(mainAgent);
    expect(ownerOf(m)).toBe(0);
    lock(m);
    expect(ownerOf(m)).toBe(mainAgent);
    unlock(m);
    expect(tryLock(m)).toBe(true);
    unlock(m);
    expect(ownerOf(m)).toBe(0);
  });
  test("throws where it would wait for itself, or is given back by somebody else", () => {
    const m = newMutex();
    lock(m);
    expect(() => lock(m)).toThrow("holds");
    expect(() => tryLock(m)).toThrow("holds");
    unlock(m);
    expect(() => unlock(m)).toThrow("agent 0");
    m.words[m.index] = 99 << 1;
    expect(() => unlock(m)).toThrow("agent 99");
    expect(tryLock(m)).toBe(false);
  });
  test("is given back after an exception", () => {
    const m = newMutex();
    expect(withLock(m, () => ownerOf(m))).toBe(mainAgent);
    expect(() =>
      withLock(m, () => {
        throw new Error("inside");
      }),
    ).toThrow("inside");
    expect(ownerOf(m)).toBe(0);
  });
  test("lets one of four workers in at a time, 400,000 times", async () => {
    const d = { gate: newCounter(), parties: 4, mutex: newMutex(), words: new Int32Array(new SharedArrayBuffer(8)) };
    const torn = await together(4, "increments", { ...d, rounds: 100_000 });
    expect(torn).toEqual([0, 0, 0, 0]);
    expect([...d.words]).toEqual([400_000, 400_000]);
    expect(ownerOf(d.mutex)).toBe(0);
  });
  test("lets the main thread sleep for it", async () => {
    const d = { mutex: newMutex(), held: newCounter(), release: newCounter() };
    const owner = hire("holds", d);
    reach(d.held, 1);
    expect(ownerOf(d.mutex)).toBe(owner.agent);
    expect(tryLock(d.mutex)).toBe(false);
    count(d.release);
    lock(d.mutex);
    expect(ownerOf(d.mutex)).toBe(mainAgent);
    unlock(d.mutex);
    await owner.result;
  });
  test("wakes one sleeper after the other", async () => {
    const [mutex, coming] = [newMutex(), newCounter()];
    lock(mutex);
    const others = Array.from({ length: 3 }, () => hire("takes", { mutex, coming }));
    reach(coming, 3);
    someoneWaits(mutex);
    unlock(mutex);
    const owners = (await Promise.all(others.map((o) => o.result))).map((word) => word >> 1);
    expect(owners.sort()).toEqual(others.map((o) => o.agent).sort());
  });
});

describe("after the death of a worker", () => {
  test("what it held can be released, to those who wait", async () => {
    const d = { mutex: newMutex(), held: newCounter(), release: newCounter() };
    const owner = hire("holds", d);
    reach(d.held, 1);
    const coming = newCounter();
    const others = [1, 2].map(() => hire("takes", { mutex: d.mutex, coming }));
    someoneWaits(d.mutex);
    await owner.stop();
    expect(ownerOf(d.mutex)).toBe(owner.agent);
    expect(recover(d.mutex, owner.agent)).toBe(true);
    const owners = (await Promise.all(others.map((o) => o.result))).map((word) => word >> 1);
    expect(owners.sort()).toEqual(others.map((o) => o.agent).sort());
    expect(recover(d.mutex, owner.agent)).toBe(false);
  });
  test("the wake that it took with it is made up for", async () => {
    const [mutex, coming] = [newMutex(), newCounter()];
    lock(mutex);
    const waiter = hire("takes", { mutex, coming });
    someoneWaits(mutex);
    // Wherever the waiter was: asleep now, or about to be on a word that is not that one any more.
    while (Atomics.notify(mutex.words, mutex.index) === 0) Atomics.pause();
    someoneWaits(mutex);
    // An unlock whose notify went to one that then died.
    mutex.words[mutex.index] = 0;
    expect(recover(mutex, 12345)).toBe(false);
    expect((await waiter.result) >> 1).toBe(waiter.agent);
  });
  test("what others hold stays theirs", () => {
    const m = newMutex();
    lock(m);
    expect(recover(m, 12345)).toBe(false);
    expect(ownerOf(m)).toBe(mainAgent);
    unlock(m);
  });
});
