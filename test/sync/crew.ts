// Workers for the tests of what threads share: each does one job by its name, from `worker.ts`, and posts the result.
import type { JobName, JobResult } from "./worker.ts";

/** What a worker is told. */
export interface Order {
  readonly agent: number;
  readonly job: JobName;
  /** Its place among those who do the job. */
  readonly index: number;
  readonly data: unknown;
}

/** A worker at a job. */
export interface Hand<Result> {
  readonly agent: number;
  readonly result: Promise<Result>;
  /** Resolves when it runs no more. */
  readonly stop: () => Promise<void>;
}

const hands = new Set<Hand<unknown>>();
let lastAgent = 1;

/** Has a worker do a job. Agent numbers are never used twice. */
export function hire<Name extends JobName>(job: Name, data: unknown, index = 0): Hand<JobResult<Name>> {
  const worker = new Worker(new URL("./worker.ts", import.meta.url).href);
  const { promise, resolve, reject } = Promise.withResolvers<JobResult<Name>>();
  const closed = new Promise<void>((close) => {
    worker.addEventListener("close", () => close());
  });
  worker.addEventListener("error", (event) => {
    event.preventDefault();
    reject(new Error(event.message));
  });
  worker.addEventListener("message", (event) => resolve(event.data));
  // A job that is stopped has no result.
  promise.catch(() => {});
  const agent = ++lastAgent;
  const hand: Hand<JobResult<Name>> = {
    agent,
    result: promise,
    stop: async () => {
      worker.terminate();
      await closed;
      hands.delete(hand);
    },
  };
  hands.add(hand);
  worker.postMessage({ agent, job, index, data } satisfies Order);
  return hand;
}

/** Has `count` workers do the same job, and gives their results. */
export const together = <Name extends JobName>(count: number, job: Name, data: unknown): Promise<JobResult<Name>[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => hire(job, data, index).result));

/** Ends all workers: for `afterEach`. */
export const dismissAll = async (): Promise<void> => void (await Promise.all([...hands].map((hand) => hand.stop())));

/** A word that counts, for meeting points. */
export const newCounter = (): Int32Array => new Int32Array(new SharedArrayBuffer(4));

export function count(counter: Int32Array): void {
  Atomics.add(counter, 0, 1);
  Atomics.notify(counter, 0);
}

/** Sleeps until the counter has come to `value`. */
export function reach(counter: Int32Array, value: number): void {
  for (let now = Atomics.load(counter, 0); now < value; now = Atomics.load(counter, 0)) Atomics.wait(counter, 0, now);
}

/** Everybody of `parties` comes here before anybody goes on. */
export function meet(counter: Int32Array, parties: number): void {
  count(counter);
  reach(counter, parties);
}

/** A generator of numbers from 0 to below 2**32, the same for each seed. */
export function randoms(seed: number): () => number {
  let state = (seed * 0x9e3779b9) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

/** Passes some time without sleeping. */
export function spin(rounds: number): void {
  for (let i = 0; i < rounds; i++) Atomics.pause();
}
