// The jobs that workers do for the tests of what threads share.
import { setAgentId } from "../../src/sync/agent.ts";
import { type Arena, allocate, free, recordOf, resolve } from "../../src/sync/arena.ts";
import { never, sleep, sleepInPoll, type WakeWord, wake } from "../../src/sync/event.ts";
import { lock, type Mutex, unlock, withLock } from "../../src/sync/mutex.ts";
import { goOffline, goOnline, passSafepoint, type Rcu, waitForReaders } from "../../src/sync/rcu.ts";
import { currentOf, lengthOf, publish, type Snapshots, versionOf } from "../../src/sync/snapshot.ts";
import { sumsUp, withSum } from "./checksum.ts";
import { count, meet, type Order, randoms, reach, spin } from "./crew.ts";
import { wakeHost } from "./wake-host.ts";

type Counter = Int32Array;

/** Adds to two words, one after the other, under a mutex. Answers how often they were not the same. */
function increments(d: { gate: Counter; parties: number; mutex: Mutex; words: Int32Array; rounds: number }): number {
  let torn = 0;
  meet(d.gate, d.parties);
  for (let i = 0; i < d.rounds; i++) {
    lock(d.mutex);
    if (d.words[0] !== d.words[1]) torn++;
    d.words[0]!++;
    d.words[1]!++;
    unlock(d.mutex);
  }
  return torn;
}

/** Takes a mutex, says so, and keeps it until told to let go: for ever if nobody does. */
function holds(d: { mutex: Mutex; held: Counter; release: Counter }): void {
  lock(d.mutex);
  count(d.held);
  reach(d.release, 1);
  unlock(d.mutex);
}

/** Takes a mutex when it can be had. Answers what its word was then. */
function takes(d: { mutex: Mutex; coming: Counter }): number {
  count(d.coming);
  return withLock(d.mutex, () => Atomics.load(d.mutex.words, d.mutex.index));
}

/** How a stress of sleeps went. */
export interface SleepFigures {
  /** Sleeps that came to their deadline though somebody had called wake. */
  readonly lost: number;
  /** How often the thread slept or tried to. */
  readonly sleeps: number;
}

interface WakeTest {
  event: WakeWord;
  /** Word 0: what was sent, word 1: what has been seen. */
  words: Int32Array;
  rounds: number;
  poll: boolean;
  seed: number;
}

/** Waits for each number that `sends` sends, coming at random instants. */
function sleeps(d: WakeTest): SleepFigures {
  const host = wakeHost();
  const random = randoms(d.seed);
  let [lost, slept] = [0, 0];
  for (let i = 1; i <= d.rounds; i++) {
    spin(random() % 64);
    while (Atomics.load(d.words, 0) !== i) {
      slept++;
      const deadline = host.monotonic() + 2e9;
      const reasons = d.poll ? sleepInPoll(d.event, host, deadline).reasons : sleep(d.event, host, deadline);
      if (reasons === 0) lost++;
      if (lost > 2) return { lost, sleeps: slept };
    }
    Atomics.store(d.words, 1, i);
  }
  return { lost, sleeps: slept };
}

/** Sends numbers to `sleeps`, each when the one before was seen. */
function sends(d: WakeTest): void {
  const host = wakeHost();
  const random = randoms(d.seed);
  for (let i = 1; i <= d.rounds; i++) {
    spin(random() % 64);
    Atomics.store(d.words, 0, i);
    wake(d.event, host, 1);
    for (let n = 0; Atomics.load(d.words, 1) !== i; n++) if (n % 1000 === 999) Bun.sleepSync(0.01);
  }
}

/** Sleeps once. Answers the reasons. */
function sleepsOnce(d: { event: WakeWord; coming: Counter; poll: boolean }): number {
  count(d.coming);
  const host = wakeHost();
  return d.poll ? sleepInPoll(d.event, host, never).reasons : sleep(d.event, host, never);
}

/** What a reader of snapshots saw. */
export interface ReaderFigures {
  readonly bad: number;
  readonly reads: number;
  readonly versions: number;
}

/** Reads snapshots until there is one of `last` publications, with safepoints and sleeps at random. */
function readsSnapshots(
  d: { snapshots: Snapshots; gate: Counter; parties: number; last: number },
  index: number,
): ReaderFigures {
  const { snapshots: s } = d;
  const random = randoms(index + 1);
  let [bad, reads, versions, version] = [0, 0, 0, 0];
  meet(d.gate, d.parties);
  goOnline(s.rcu, index);
  for (;;) {
    // Between two safepoints what was found stays good, however long ago that was.
    const at = currentOf(s);
    const found = versionOf(s, at);
    if (found < version) bad++;
    if (found !== version) versions++;
    version = found;
    for (let i = random() % 4; i >= 0; i--) {
      reads++;
      if (versionOf(s, at) !== found || !sumsUp(s.words, at, lengthOf(s, at))) bad++;
    }
    if (found >= d.last) break;
    if (random() % 64 === 0) {
      goOffline(s.rcu, index);
      spin(random() % 64);
      goOnline(s.rcu, index);
    } else {
      passSafepoint(s.rcu, index);
    }
  }
  goOffline(s.rcu, index);
  return { bad, reads, versions };
}

/** Publishes until there were `last` publications, as a thread that has a slot of its own. Answers how often. */
function writesSnapshots(
  d: { snapshots: Snapshots; gate: Counter; parties: number; last: number; slot: number },
  index: number,
): number {
  const { snapshots: s } = d;
  const slot = d.slot + index;
  const random = randoms(slot + 1);
  let own = 0;
  meet(d.gate, d.parties);
  goOnline(s.rcu, slot);
  while (versionOf(s, currentOf(s)) < d.last) {
    if (publish(s, slot, (old) => withSum(old, random))) own++;
    passSafepoint(s.rcu, slot);
  }
  goOffline(s.rcu, slot);
  return own;
}

/** Waits for a grace period, and counts each slot that it had to ask, and itself when that is over. */
function waitsForReaders(d: { rcu: Rcu; own: number; asked: Counter; over: Counter; spared: number }): void {
  if (d.own >= 0) goOnline(d.rcu, d.own);
  waitForReaders(d.rcu, d.own, { among: (slot) => slot !== d.spared, ask: () => count(d.asked) });
  count(d.over);
}

/** Publishes one word, and is never done with it. */
function diesPublishing(d: { snapshots: Snapshots; published: Counter }): void {
  publish(d.snapshots, -1, () => [1], {
    published: () => {
      count(d.published);
      for (;;) Atomics.pause();
    },
  });
}

/** What came of taking and giving back records. */
export interface ArenaFigures {
  readonly twice: number;
  readonly changed: number;
  readonly refused: number;
}

/** Takes and gives back records at random, some of them those that others took. */
function churns(
  d: { arena: Arena; owners: Int32Array; exchange: Int32Array; gate: Counter; parties: number; rounds: number },
  index: number,
): ArenaFigures {
  const { arena: a } = d;
  const { i32 } = a.records.memory;
  const random = randoms(index + 1);
  const own: number[] = [];
  let [twice, changed, refused] = [0, 0, 0];
  meet(d.gate, d.parties);
  const give = (handle: number): void => {
    const record = recordOf(a, handle) >> 2;
    for (let i = 0; i < 4; i++) if (i32[record + i] !== handle) changed++;
    if (resolve(a, handle) === 0) changed++;
    Atomics.store(d.owners, record / 4, 0);
    free(a, handle);
  };
  for (let i = 0; i < d.rounds; i++) {
    if (random() % 2 === 0) {
      const handle = allocate(a);
      if (handle === 0) {
        refused++;
        continue;
      }
      const record = recordOf(a, handle) >> 2;
      if (Atomics.exchange(d.owners, record / 4, index + 1) !== 0) twice++;
      i32.fill(handle, record, record + 4);
      // Some records are given to whoever comes next.
      const other = random() % 4 === 0 ? Atomics.exchange(d.exchange, random() % d.exchange.length, handle) : handle;
      if (other !== 0) own.push(other);
    } else if (own.length > 0) {
      const at = random() % own.length;
      const handle = own[at]!;
      own[at] = own.at(-1)!;
      own.pop();
      give(handle);
    }
  }
  for (const handle of own) give(handle);
  return { twice, changed, refused };
}

const jobs = {
  increments,
  holds,
  takes,
  sleeps,
  sends,
  sleepsOnce,
  readsSnapshots,
  writesSnapshots,
  waitsForReaders,
  diesPublishing,
  churns,
} as const;

export type JobName = keyof typeof jobs;
export type JobResult<Name extends JobName> = ReturnType<(typeof jobs)[Name]>;

if (!Bun.isMainThread) {
  const scope = globalThis as {
    onmessage?: (event: MessageEvent<Order>) => void;
    postMessage?: (result: unknown) => void;
  };
  scope.onmessage = ({ data: { agent, job, index, data } }) => {
    setAgentId(agent);
    scope.postMessage!((jobs[job] as (data: unknown, index: number) => unknown)(data, index));
  };
}
