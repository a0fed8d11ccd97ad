// Read-copy-update: what a reader found stays until its safepoint, and what is replaced is freed after it.
import { afterEach, describe, expect, test } from "bun:test";
import { ownerOf, recover } from "../../src/sync/mutex.ts";
import { goOffline, goOnline, isOnline, newRcu, noSlot, passSafepoint, waitForReaders } from "../../src/sync/rcu.ts";
import {
  currentOf,
  lengthOf,
  newSnapshots,
  poison,
  publish,
  type Snapshots,
  versionOf,
} from "../../src/sync/snapshot.ts";
import { withSum } from "./checksum.ts";
import { dismissAll, hire, newCounter, randoms, reach, together } from "./crew.ts";

afterEach(dismissAll);

const wordsAt = (s: Snapshots, at: number) => [...s.words.subarray(at, at + lengthOf(s, at))];
const contents = (s: Snapshots) => wordsAt(s, currentOf(s));

/** Makes sure that somebody who should still wait does. The only place where time passes for nothing. */
function stillWaits(over: Int32Array): void {
  Atomics.wait(over, 0, 0, 15);
  expect(over[0]).toBe(0);
}

describe("a snapshot", () => {
  test("is replaced as a whole", () => {
    const s = newSnapshots(newRcu(2), 4);
    expect(contents(s)).toEqual([]);
    expect(publish(s, noSlot, () => [3, 1, 2])).toBe(true);
    expect(contents(s)).toEqual([3, 1, 2]);
    expect(publish(s, noSlot, (old) => old.toSorted())).toBe(true);
    expect(contents(s)).toEqual([1, 2, 3]);
    expect(versionOf(s, currentOf(s))).toBe(2);
  });
  test("that is too long is refused, and one that cannot be made changes nothing", () => {
    const s = newSnapshots(newRcu(2), 4);
    publish(s, noSlot, () => [1, 2, 3, 4]);
    expect(publish(s, noSlot, () => [1, 2, 3, 4, 5])).toBe(false);
    expect(() =>
      publish(s, noSlot, () => {
        throw new Error("no");
      }),
    ).toThrow("no");
    expect(contents(s)).toEqual([1, 2, 3, 4]);
    expect(ownerOf(s.update)).toBe(0);
    expect(publish(s, noSlot, () => [9])).toBe(true);
  });
  test("is useless after its time", () => {
    const s = newSnapshots(newRcu(2), 4);
    publish(s, noSlot, () => [1, 2, 3]);
    goOnline(s.rcu, 0);
    const at = currentOf(s);
    // The writer has that slot itself: it holds nothing, it says.
    publish(s, 0, () => [4]);
    expect(isOnline(s.rcu, 0)).toBe(true);
    expect([...s.words.subarray(at - 2, at + 3)]).toEqual(new Array(5).fill(poison));
    expect(contents(s)).toEqual([4]);
  });
  test("tells of its publication before it waits", () => {
    const s = newSnapshots(newRcu(2), 4);
    publish(s, noSlot, () => [1]);
    const before = currentOf(s);
    let seen: number[][] = [];
    publish(s, noSlot, () => [2], {
      published: () => {
        seen = [contents(s), wordsAt(s, before)];
      },
    });
    expect(seen).toEqual([[2], [1]]);
  });
});

describe("a grace period", () => {
  test("waits for each thread that runs, until its safepoint or its sleep", async () => {
    const rcu = newRcu(8);
    for (const slot of [1, 4, 6]) goOnline(rcu, slot);
    const d = { rcu, own: 0, asked: newCounter(), over: newCounter(), spared: 6 };
    const writer = hire("waitsForReaders", d);
    reach(d.asked, 2);
    stillWaits(d.over);
    passSafepoint(rcu, 4);
    stillWaits(d.over);
    goOffline(rcu, 1);
    await writer.result;
    expect([d.asked[0], d.over[0]]).toEqual([2, 1]);
    expect(isOnline(rcu, 0)).toBe(true);
  });
  test("is not waited for where nobody runs, or who runs has passed", () => {
    const rcu = newRcu(300);
    waitForReaders(rcu, noSlot);
    goOnline(rcu, 299);
    waitForReaders(rcu, 299, { ask: () => expect.unreachable() });
    expect(isOnline(rcu, 299)).toBe(true);
    waitForReaders(rcu, noSlot, { among: (slot) => slot !== 299 });
  });
  test("can be waited for by several threads that are readers too", async () => {
    const rcu = newRcu(4);
    const d = { rcu, asked: newCounter(), over: newCounter(), spared: -1 };
    goOnline(rcu, 3);
    const writers = [0, 1, 2].map((own) => hire("waitsForReaders", { ...d, own }));
    while (rcu.words[32] !== 3) Atomics.pause();
    stillWaits(d.over);
    passSafepoint(rcu, 3);
    // Those that are done run on: they must not be waited for by the others.
    for (const slot of [0, 1, 2]) {
      await writers[slot]!.result;
      goOffline(rcu, slot);
    }
  });
  test("survives the wrap of its epochs", () => {
    const rcu = newRcu(2);
    rcu.words[0] = 2 ** 31 - 1;
    goOnline(rcu, 0);
    let asked = 0;
    waitForReaders(rcu, noSlot, {
      ask: (slot) => {
        asked++;
        passSafepoint(rcu, slot);
      },
    });
    waitForReaders(rcu, noSlot, {
      ask: (slot) => {
        asked++;
        goOffline(rcu, slot);
      },
    });
    expect(asked).toBe(2);
  });
});

test("a writer that died is made up for by the next one", async () => {
  const s = newSnapshots(newRcu(2), 4);
  publish(s, noSlot, () => [7, 7]);
  goOnline(s.rcu, 1);
  const at = currentOf(s);
  const published = newCounter();
  const writer = hire("diesPublishing", { snapshots: s, published });
  reach(published, 1);
  await writer.stop();
  expect(recover(s.update, writer.agent)).toBe(true);
  expect(contents(s)).toEqual([1]);
  let asked = 0;
  publish(s, noSlot, (old) => [...old, 2], {
    ask: (slot) => {
      // What the reader found is there for as long as it needs it, then for no writer.
      expect(wordsAt(s, at)).toEqual(asked++ === 0 ? [7, 7] : [1, 2].slice(0, lengthOf(s, at)));
      passSafepoint(s.rcu, slot);
    },
  });
  expect(asked).toBe(2);
  expect(contents(s)).toEqual([1, 2]);
});

test("three readers and three writers, one of them the main thread: every snapshot is whole until its readers are done", async () => {
  const [readers, writers, last] = [3, 2, 5000];
  const s = newSnapshots(newRcu(readers + writers), 65);
  const d = { snapshots: s, gate: newCounter(), parties: readers + writers, last };
  const reading = together(readers, "readsSnapshots", d);
  const writing = together(writers, "writesSnapshots", { ...d, slot: readers });
  const random = randoms(99);
  let own = 0;
  reach(d.gate, d.parties);
  for (; own < 200; own++) publish(s, noSlot, (old) => withSum(old, random));
  let published = own;
  for (const n of await writing) published += n;
  const figures = await reading;
  expect(figures.map(({ bad }) => bad)).toEqual([0, 0, 0]);
  // Else nobody read while somebody wrote.
  const sum = (what: "reads" | "versions") => figures.reduce((total, f) => total + f[what], 0);
  expect(sum("versions")).toBeGreaterThan(100);
  expect(sum("reads")).toBeGreaterThan(1000);
  expect(versionOf(s, currentOf(s))).toBe(published);
  expect(published).toBeGreaterThanOrEqual(last);
}, 20_000);
