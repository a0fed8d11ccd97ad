// Runs one of the cases below in a process of its own, so that all its threads are the case's: `bun harts-cases.ts CASE JIT`.
// Writes what came of it as JSON.
import { readdirSync } from "node:fs";
import type { EngineOptions } from "../../src/linux/bundle.ts";
import { makeEngine } from "../../src/linux/engine.ts";
import { runTask } from "../../src/linux/run.ts";
import type { Task } from "../../src/linux/task.ts";
import { failureOf, hartOf, hasCome, stateOf, WorkerState, workersOf } from "../../src/linux/worker-table.ts";
import { claim, claimBlank, endWorkers, openPool, prepare, release, type WorkerPool } from "../../src/linux/workers.ts";
import { begin, claimed, data, entry, give, makeGuest, passes, roomBytes, runUntilCall, start } from "./harts.ts";

const script = new URL("./harts-worker.ts", import.meta.url).pathname;
const failing = new URL("./failing-worker.ts", import.meta.url).pathname;
const jit = process.argv[3] as EngineOptions["jit"];

const word = (t: Task, address: number): number => Atomics.load(t.memory.i32, address / 4);
/** Waits without a turn of the event loop, as a guest's main thread does. */
function until(done: () => boolean, seconds = 60): void {
  for (const end = performance.now() + seconds * 1000; !done(); Atomics.wait(pause, 0, 0, 1))
    if (performance.now() > end) throw new Error(`not within ${seconds} s: ${done}`);
}
const pause = new Int32Array(new SharedArrayBuffer(4));

const hostThreads = (): number => readdirSync("/proc/self/task").length;
const workersLeft = ({ table, space }: WorkerPool): number => [...workersOf(table, space)].length;
const inState = ({ table, space }: WorkerPool, state: number): number =>
  [...workersOf(table, space)].filter((slot) => stateOf(table, slot) === state).length;

/** Runs code on the main thread. */
function runHere(t: Task, pc: number, args: readonly number[]): void {
  begin(t.hart, pc, args);
  runUntilCall(makeEngine(t.hart, t.process.space, t.process.options), t.hart);
}

/** So many workers and the main thread add to a counter, from when `together` of them have come. */
function counting(workers: number, times: number, together: number) {
  const t = makeGuest(jit);
  const pool = openPool(t.process, script);
  const args = [0, together, times];
  const slots = Array.from({ length: workers }, () => claimed(pool));
  for (const slot of slots) give(pool, slot, entry("counting"), args);
  const harts = new Set(slots.map((slot) => hartOf(pool.table, slot)));
  runHere(t, entry("counting"), args);
  until(() => inState(pool, WorkerState.running) === 0);
  endWorkers(pool);
  return { total: word(t, data.counter), expected: (workers + 1) * times, harts: harts.size };
}

const middle = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

const cases = {
  two: () => counting(1, 300_000, 2),
  many: () => counting(64, 20_000, 1),

  storeThenLoad: () => {
    const t = makeGuest(jit);
    const pool = openPool(t.process, script);
    const each = 50_000;
    const rounds = passes * each;
    start(pool, entry("storeThenLoad"), [0, each, 1]);
    runHere(t, entry("storeThenLoad"), [0, each, 0]);
    until(() => inState(pool, WorkerState.running) === 0);
    /** What a hart read after it had stored `i`; after its last store it has read all. */
    const read = (hart: 0 | 1, i: number): number =>
      i > rounds ? rounds : word(t, data.cells + hart * roomBytes + 64 + 4 * (i - 1));
    let missed = 0;
    const values = new Set<number>();
    for (let i = 1; i <= rounds; i++) {
      const seen = read(0, i);
      values.add(seen);
      // The other's next store was not seen here: so this one's must have been seen there after that.
      if (read(1, seen + 1) < i) missed++;
    }
    endWorkers(pool);
    return { missed, values: values.size };
  },

  /** Each worker makes the next one. */
  nesting: () => {
    const t = makeGuest(jit);
    const pool = openPool(t.process, script);
    start(pool, entry("nesting"), [entry("nesting"), 8]);
    until(() => word(t, data.counter) === 8 && inState(pool, WorkerState.running) === 0);
    endWorkers(pool);
    return { counter: word(t, data.counter) };
  },

  /** Milliseconds from a claim to the first instruction, of workers that are idle; and of those that have to be made. */
  latency: () => {
    const t = makeGuest(jit);
    const pool = openPool(t.process, script);
    const measure = (): number => {
      const arrived = word(t, data.arrived);
      const begun = performance.now();
      start(pool, entry("arriving"), []);
      while (word(t, data.arrived) === arrived);
      return performance.now() - begun;
    };
    const cold = measure();
    const warm = Array.from({ length: 300 }, () => {
      until(() =>
        [...workersOf(pool.table, pool.space)].some(
          (slot) => hasCome(pool.table, slot) && stateOf(pool.table, slot) === WorkerState.idle,
        ),
      );
      return measure();
    });
    endWorkers(pool);
    return { cold, warm: middle(warm), worst: Math.max(...warm) };
  },

  /** What is kept of many workers, and what is left of them at the end. */
  leaving: () => {
    const t = makeGuest(jit);
    const pool = openPool(t.process, script);
    const slots = Array.from({ length: 12 }, () => claim(pool));
    until(() => slots.every((slot) => hasCome(pool.table, slot)));
    const during = hostThreads();
    for (const slot of slots) release(pool, slot);
    const idle = inState(pool, WorkerState.idle);
    until(() => workersLeft(pool) === 1);
    endWorkers(pool);
    const left = workersLeft(pool);
    // The engine's own threads come and go.
    until(() => hostThreads() <= during - slots.length);
    return { idle, left };
  },

  failing: () => {
    const t = makeGuest(jit);
    const pool = openPool(t.process, script);
    start(pool, entry("failing"), []);
    until(() => t.process.exit !== undefined);
    endWorkers(pool);
    return { exit: t.process.exit, failure: failureOf(pool.table)?.split("\n")[0] };
  },

  /** Workers that cannot be loaded: who waits for one is told so, and those that nobody has claimed end. */
  unloaded: () => {
    const pool = openPool(makeGuest(jit).process, failing);
    const blank = claimBlank(pool);
    const answer = prepare(pool, blank, { stay: true });
    release(pool, blank);
    release(pool, claim(pool));
    until(() => workersLeft(pool) === 0);
    endWorkers(pool);
    return { answer, failure: failureOf(pool.table)?.split("\n")[0] };
  },

  /** The same where a thread is to run there. */
  unloadedThread: () => {
    const pool = openPool(makeGuest(jit).process, failing);
    start(pool, entry("forever"), []);
    until(() => false);
  },

  /** Workers whose module is not there. */
  missing: () => claim(openPool(makeGuest(jit).process, `${failing}.not`)),

  /** The worker of the emulator itself, whose guest thread ends the process while another runs. */
  exiting: () => {
    const t = makeGuest(jit);
    const pool = openPool(t.process);
    start(pool, entry("forever"), []);
    start(pool, entry("exiting"), []);
    begin(t.hart, entry("forever"), []);
    const exit = runTask(t, makeEngine(t.hart, t.process.space, t.process.options));
    endWorkers(pool);
    return { exit, script: pool.script, failure: failureOf(pool.table) };
  },
} satisfies Record<string, () => unknown>;

export type Case = keyof typeof cases;
export type Outcome<C extends Case> = ReturnType<(typeof cases)[C]>;

if (import.meta.main) console.log(JSON.stringify(cases[process.argv[2] as Case]()));
