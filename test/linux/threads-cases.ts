// Runs one of the cases below in a process of its own: `bun threads-cases.ts CASE JIT`. Writes what came of it as JSON.
import { addressOf, host } from "../../src/host/syscall.ts";
import type { EngineOptions } from "../../src/linux/bundle.ts";
import { killCalls } from "../../src/linux/calls/kill.ts";
import { makeEngine } from "../../src/linux/engine.ts";
import { errno } from "../../src/linux/errno.ts";
import { installFd } from "../../src/linux/fds.ts";
import { Place } from "../../src/linux/place.ts";
import { runTask } from "../../src/linux/run.ts";
import { Code, Sig, valueInfo } from "../../src/linux/siginfo.ts";
import { actionWords, bit, queueSignal, setBlocked } from "../../src/linux/signals.ts";
import type { Task } from "../../src/linux/task.ts";
import { TaskField } from "../../src/linux/tasks.ts";
import { failureOf } from "../../src/linux/worker-table.ts";
import { endWorkers, openPool, type WorkerPool } from "../../src/linux/workers.ts";
import { resultOf } from "./caller.ts";
import { begin, data, entry, makeGuest, start } from "./threads.ts";

const jit = process.argv[3] as EngineOptions["jit"];
const make = resultOf(killCalls);
const word = (t: Task, address: number): number => Atomics.load(t.memory.i32, address / 4);

/** Waits without a turn of the event loop, as a guest's thread does. Answers milliseconds. */
function until(done: () => boolean, seconds = 60): number {
  const begun = performance.now();
  while (!done()) {
    if (performance.now() > begun + seconds * 1000) throw new Error(`not within ${seconds} s: ${done}`);
    Atomics.wait(pause, 0, 0, 0.1);
  }
  return performance.now() - begun;
}
const pause = new Int32Array(new SharedArrayBuffer(4));

const arrived = (t: Task, n: number): number => until(() => word(t, data.arrived) === n);
/** Waits until so many threads are in host calls. */
const asleep = (t: Task, n: number): number =>
  until(() => t.process.signals.threads.filter(({ i32 }) => i32[TaskField.place] === Place.host).length === n);
const handle = (t: Task, signo: number, flags = 0): void =>
  t.process.signals.actions.set([entry("handler"), 0, flags, 0, 0, 0], signo * actionWords);

/** Guest numbers of the ends of a pipe. */
function pipe(t: Task): [from: number, to: number] {
  const ends = new Int32Array(new SharedArrayBuffer(8));
  host("pipe2", addressOf(ends), 0);
  return [installFd(t.process.fds, ends[0]!, false), installFd(t.process.fds, ends[1]!, false)];
}

/** A guest and its pool, both gone after what is done with them; how the process ended. */
function withGuest<T>(does: (t: Task, pool: WorkerPool) => T) {
  const t = makeGuest(jit);
  const pool = openPool(t.process);
  const outcome = does(t, pool);
  if (t.process.exit === undefined) make(t, "kill", t.process.pid, Sig.KILL);
  endWorkers(pool);
  const failure = failureOf(pool.table);
  if (failure !== undefined) throw new Error(failure);
  return { ...outcome, exit: t.process.exit };
}

const middle = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

const cases = {
  /** tgkill at a thread that runs a loop. */
  running: () =>
    withGuest((t, pool) => {
      handle(t, Sig.USR1);
      const tid = start(t, pool, "looping", 1);
      arrived(t, 1);
      const times = Array.from({ length: 50 }, (_, i) => {
        make(t, "tgkill", t.process.pid, tid, Sig.USR1);
        return until(() => word(t, data.handled) > i);
      });
      return { handled: word(t, data.handled), own: word(t, data.counts + 4), typical: middle(times) };
    }),

  /** tgkill at threads that read from an empty pipe: one is to go on reading. */
  blocked: () =>
    withGuest((t, pool) => {
      const SA_RESTART = 0x10000000;
      handle(t, Sig.USR1);
      handle(t, Sig.USR2, SA_RESTART);
      const [from, to] = pipe(t);
      t.memory.i32.fill(1, data.results / 4, data.results / 4 + 8);
      const tids = [1, 2].map((n) => start(t, pool, "reading", n, from));
      asleep(t, 2);
      make(t, "tkill", tids[0]!, Sig.USR1);
      const ended = until(() => word(t, data.results + 4) !== 1);
      make(t, "tgkill", t.process.pid, tids[1]!, Sig.USR2);
      until(() => word(t, data.counts + 8) === 1);
      const goesOn = word(t, data.results + 8) === 1;
      host("write", t.process.fds.words[to * 4]! - 1, addressOf(new Uint8Array(1)), 1);
      t.memory.i32[data.results / 4 + 2] = 2;
      until(() => word(t, data.results + 8) !== 2);
      const results = [word(t, data.results + 4), word(t, data.results + 8)];
      return { results, goesOn, soon: ended < 1000 };
    }),

  /** Signals of the process, which only the third of four threads does not block: it reads from a pipe. */
  shared: () =>
    withGuest((t, pool) => {
      const [from] = pipe(t);
      handle(t, Sig.USR1);
      const blocked = bit(Sig.USR1);
      setBlocked(t, blocked, 0);
      start(t, pool, "looping", 1, 0, blocked);
      start(t, pool, "reading", 2, from);
      start(t, pool, "looping", 3, 0, blocked);
      arrived(t, 3);
      for (let i = 0; i < 20; i++) {
        make(t, "kill", t.process.pid, Sig.USR1);
        until(() => word(t, data.handled) > i);
      }
      const counts = () => [1, 2, 3].map((n) => word(t, data.counts + 4 * n));
      // A handler may count for its thread after it has counted for all.
      until(() => counts().reduce((sum, n) => sum + n) === 20);
      return { counts: counts() };
    }),

  /** 100,000 real-time signals of the process to one thread: as many as are sent, in their order. */
  queue: () => withGuest((t, pool) => flood(t, pool, 1)),
  /** The same to three threads, each of which takes some. */
  queues: () => withGuest((t, pool) => flood(t, pool, 3)),

  /** exit_group by another thread while the leader reads from a pipe. */
  exiting: () =>
    withGuest((t, pool) => {
      const [from] = pipe(t);
      start(t, pool, "reading", 1, from);
      start(t, pool, "looping", 2);
      arrived(t, 2);
      start(t, pool, "exiting", 3);
      begin(t.hart, "reading", 0, from);
      return { end: runTask(t, makeEngine(t.hart, t.process.space, t.process.options)) };
    }),

  /** A deadly signal of the process ends threads that block it, and those that are in host calls. */
  killing: () =>
    withGuest((t, pool) => {
      const [from] = pipe(t);
      start(t, pool, "reading", 1, from, -1, -1);
      start(t, pool, "reading", 2, from);
      start(t, pool, "looping", 3, 0, -1, -1);
      arrived(t, 3);
      setBlocked(t, -1, -1);
      make(t, "kill", t.process.pid, Sig.TERM);
      begin(t.hart, "reading", 0, from);
      return { end: runTask(t, makeEngine(t.hart, t.process.space, t.process.options)) };
    }),
} satisfies Record<string, () => unknown>;

function flood(t: Task, pool: WorkerPool, receivers: number) {
  const [signo, times] = [40, 100_000];
  handle(t, signo);
  setBlocked(t, -1, -1);
  for (let n = 1; n <= receivers; n++) start(t, pool, "looping", n);
  arrived(t, receivers);
  let full = 0;
  for (let i = 0; i < times; ) {
    const result = queueSignal(t.process, signo, valueInfo(signo, Code.SI_QUEUE, 1, 1, i, 0));
    if (result === 0) i++;
    else if (result !== -errno.EAGAIN) throw new Error(`error ${-result}`);
    else if (full++ >= 0) Atomics.wait(pause, 0, 0, 1);
  }
  until(() => word(t, data.handled) >= times);
  const values = t.memory.i32.slice(data.values / 4, data.values / 4 + times);
  return {
    handled: word(t, data.handled),
    inOrder: values.every((value, i) => value === i),
    once: new Set(values).size,
    takers: [1, 2, 3].filter((n) => word(t, data.counts + 4 * n) > 0).length,
    left: t.process.signals.pool.words[0],
  };
}

export type Case = keyof typeof cases;
export type Outcome<C extends Case> = ReturnType<(typeof cases)[C]>;

if (import.meta.main) console.log(JSON.stringify(cases[process.argv[2] as Case]()));
