// A worker that sleeps, again and again, and posts what each sleep answered.
import { workerData } from "node:worker_threads";
import { after, Clock, readClock } from "../../src/host/clock.ts";
import { blockingHost, hostTid, timerBit, useInterrupts } from "../../src/host/interrupt.ts";
import { armKickTimer, deleteKickTimer, newKickTimer, park } from "../../src/host/park.ts";
import { addressOf } from "../../src/host/syscall.ts";

/** Places of the words that both have. `seen` is the number of rounds done. */
export const sleeperWords = { ready: 0, tid: 1, pending: 2, word: 3, seen: 4, count: 8 } as const;

/** What ends the sleep: a word that changes, the pending word, a kick before the deadline, or a timer of its own. */
export type Sleep = "word" | "pending" | "deadline" | "timer";

export interface SleeperStart {
  readonly words: Int32Array;
  readonly kind: Sleep;
  readonly code: number;
  readonly rounds: number;
}

function run({ words, kind, code, rounds }: SleeperStart): number[] {
  const w = sleeperWords;
  useInterrupts(code);
  const address = (index: number): number => addressOf(words) + 4 * index;
  const pending = address(w.pending);
  const timer = kind === "timer" ? newKickTimer(pending) : -1;
  const results: number[] = [];
  const inTime = (nanoseconds: number) => after(readClock(Clock.MONOTONIC)!, nanoseconds);
  const sleeps: Readonly<Record<Sleep, (round: number) => void>> = {
    word: (round) => {
      while (Atomics.load(words, w.word) < round) results.push(park(address(w.word), round - 1, pending));
    },
    pending: () => {
      while (Atomics.exchange(words, w.pending, 0) === 0) results.push(park(pending, 0, pending));
    },
    deadline: () => {
      while (Atomics.exchange(words, w.pending, 0) === 0)
        results.push(park(address(w.word), 0, pending, { clock: Clock.MONOTONIC, at: inTime(100e9) }));
    },
    timer: () => {
      armKickTimer(timer, inTime(Math.random() * 100_000));
      results.push(blockingHost("futex", address(w.word), 128, 0, 0, 0, 0, pending));
      if (Atomics.exchange(words, w.pending, 0) !== timerBit) throw new Error("another's timer");
    },
  };
  words[w.tid] = hostTid();
  Atomics.store(words, w.ready, 1);
  for (let round = 1; round <= rounds; round++) {
    sleeps[kind](round);
    Atomics.store(words, w.seen, round);
  }
  if (timer >= 0) deleteKickTimer(timer);
  return results;
}

if (!Bun.isMainThread) postMessage(run(workerData as SleeperStart));
