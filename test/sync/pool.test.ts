// The pool of warm workers: tasks start from anywhere, deaths are told, nobody is left behind.
import { afterEach, describe, expect, test } from "bun:test";
import {
  closePool,
  type Death,
  openPool,
  type Pool,
  type PoolOptions,
  startHere,
  terminate,
} from "../../src/sync/pool.ts";
import {
  changesOf,
  claimIdle,
  countIn,
  endTask,
  launch,
  newPoolTables,
  nextChange,
  SlotState,
  setState,
  start,
  stateOf,
  tagOf,
} from "../../src/sync/pool-tables.ts";
import { count, newCounter, reach } from "./crew.ts";
import { agentWord, type Init, resultWord, slotWords, Task, tasksWord } from "./pool-tasks.ts";

let pool: Pool;
let init: Init;
let deaths: Death[];

function open(o: Partial<PoolOptions> = {}, brokenFrom = 1000): void {
  init = {
    done: new Int32Array(new SharedArrayBuffer(4 * (1 + slotWords * 16))),
    began: newCounter(),
    release: newCounter(),
    brokenFrom,
  };
  deaths = [];
  const script = new URL("./pool-tasks.ts", import.meta.url).href;
  pool = openPool({
    script,
    init,
    limit: 8,
    fewest: 2,
    most: 3,
    patience: 5,
    died: (death) => void deaths.push(death),
    ...o,
  });
}

/** Resolves when so many workers, at least and at most, are in a state. */
async function until(state: number, least: number, most = least): Promise<void> {
  for (;;) {
    const changes = changesOf(pool.tables);
    const now = countIn(pool.tables, state);
    if (now >= least && now <= most) return;
    await nextChange(pool.tables, changes);
  }
}

const at = (slot: number, word: number) => init.done[1 + slot * slotWords + word]!;

afterEach(async () => {
  count(init.release);
  await closePool(pool);
  // Nothing is left: no worker, and for each that died a word of it.
  expect(pool.members.filter((member) => member !== undefined)).toEqual([]);
  expect(countIn(pool.tables, SlotState.empty)).toBe(pool.tables.slots.count);
  expect(start(pool.tables, 0, [])).toBe(-1);
  expect(await startHere(pool, 0, [])).toBe(-1);
});

describe("a pool", () => {
  test("keeps workers warm, and starts tasks on them", async () => {
    open();
    await until(SlotState.idle, 2, 3);
    const slot = await startHere(pool, 1, [Task.report, 42]);
    reach(init.done, 1);
    expect([at(slot, agentWord), at(slot, tasksWord), at(slot, resultWord)]).toEqual([slot + 2, 1, 42]);
    await until(SlotState.idle, 2, 3);
  });
  test("gives a task to a worker that did one of the same tag", async () => {
    open({ fewest: 3 });
    await until(SlotState.idle, 3);
    const slots = [];
    for (const tag of [7, 8, 7, 8, 9, 7]) {
      slots.push(await startHere(pool, tag, [Task.report]));
      reach(init.done, slots.length);
      while (stateOf(pool.tables, slots.at(-1)!) !== SlotState.idle) Atomics.pause();
    }
    expect(slots[2]).toBe(slots[0]!);
    expect(slots[3]).toBe(slots[1]!);
    expect(slots[5]).toBe(slots[0]!);
    expect(new Set(slots).size).toBe(3);
    expect(tagOf(pool.tables, slots[4]!)).toBe(9);
  });
  test("sends objects along, shared memory among them", async () => {
    open();
    const words = new Int32Array(new SharedArrayBuffer(16));
    words.set([1, 2, 3, 4]);
    const slot = await startHere(pool, 1, [Task.sum], { words });
    reach(init.done, 1);
    expect(at(slot, resultWord)).toBe(10);
  });
  test("hears what workers post when they are between tasks, or dying", async () => {
    const heard = Promise.withResolvers<[unknown, number]>();
    open({ message: (data, slot) => heard.resolve([data, slot]) });
    const slot = await startHere(pool, 1, [Task.post]);
    expect(await heard.promise).toEqual([`from ${slot + 2}`, slot]);
  });
  test("grows as tasks are started, up to its limit, and shrinks again", async () => {
    open({ limit: 5 });
    const slots = [];
    for (let i = 0; i < 6; i++) slots.push(await startHere(pool, 1, [Task.hold]));
    expect(slots.pop()).toBe(-1);
    expect(new Set(slots).size).toBe(5);
    reach(init.began, 5);
    expect(start(pool.tables, 1, [Task.report])).toBe(-1);
    count(init.release);
    await until(SlotState.empty, 2);
    expect(countIn(pool.tables, SlotState.idle)).toBe(3);
    expect(deaths.map(({ asked, error }) => [asked, error])).toEqual([
      [true, undefined],
      [true, undefined],
    ]);
  });
  test("lets workers start tasks, and makes more for them", async () => {
    open({ fewest: 1, most: 2 });
    const slots = await Promise.all([1, 2, 3].map(() => startHere(pool, 1, [Task.startMany, 200], pool.tables)));
    while (Atomics.load(init.done, 0) < 603) await Bun.sleep(1);
    expect(slots).not.toContain(-1);
    await until(SlotState.running, 0);
    expect(init.done[0]).toBe(603);
  });
});

describe("a worker that dies", () => {
  test("by an exception is reported, and replaced", async () => {
    open();
    const slot = await startHere(pool, 3, [Task.fail]);
    await until(SlotState.running, 0);
    while (deaths.length === 0) await Bun.sleep(1);
    expect(deaths[0]).toMatchObject({ slot, agent: slot + 2, state: SlotState.running, tag: 3, asked: false });
    expect(deaths[0]!.error).toContain("a task failed");
    const again = await startHere(pool, 3, [Task.report, 1]);
    expect(again).toBeGreaterThanOrEqual(0);
    reach(init.done, 1);
  });
  test("by termination is reported, and no task is given to it", async () => {
    open();
    const slot = await startHere(pool, 4, [Task.hold]);
    reach(init.began, 1);
    await terminate(pool, slot);
    expect(deaths).toEqual([
      { slot, agent: slot + 2, state: SlotState.running, tag: 4, asked: true, error: undefined },
    ]);
    await until(SlotState.idle, 2, 3);
    const idle = [0, 1, 2].find((s) => stateOf(pool.tables, s) === SlotState.idle)!;
    const ended = terminate(pool, idle);
    expect(stateOf(pool.tables, idle)).toBe(SlotState.ending);
    const other = await startHere(pool, 0, [Task.report, 1]);
    expect(other).not.toBe(idle);
    reach(init.done, 1);
    await ended;
    await terminate(pool, 7);
  });
  test("between the claim and the start gets no task", () => {
    open();
    const tables = newPoolTables(2, 0, 1);
    setState(tables, 1, SlotState.idle);
    expect(claimIdle(tables, 0)).toBe(1);
    setState(tables, 1, SlotState.ending);
    expect(launch(tables, 1, 0, [1], false)).toBe(false);
    endTask(tables, 1);
    expect(stateOf(tables, 1)).toBe(SlotState.ending);
  });
  test("before it is ready leaves nobody waiting for ever", async () => {
    open({}, 0);
    expect(await startHere(pool, 0, [Task.report])).toBe(-1);
    expect(start(pool.tables, 0, [Task.report])).toBe(-1);
    while (countIn(pool.tables, SlotState.starting) > 0) await Bun.sleep(1);
    expect(deaths[0]!.error).toContain("does not begin");
    expect(deaths[0]!.state).toBe(SlotState.starting);
  });
});
