// A worker that makes one kind of blocking call again and again, until it is told to stop, and counts how each ended.
import { workerData } from "node:worker_threads";
import { hostTid, notEntered, useInterrupts } from "../../src/host/interrupt.ts";
import { addressOf } from "../../src/host/syscall.ts";
import { classes, dawdle, errno, makeBlocking, type Shared } from "./blocking.ts";
import { newLoad } from "./interrupt-load.ts";

/** Words that both threads have. */
export const Word = { ready: 0, tid: 1, pending: 2, place: 3, handled: 4, stop: 5, futex: 6, count: 16 } as const;
/** The worker's place: in a blocking call or about to be, or elsewhere. */
export const Place = { elsewhere: 0, host: 1 } as const;

export interface Start {
  readonly words: Int32Array;
  readonly code: number;
  readonly name: string;
  readonly shared: Shared;
  /** Between calls: collect garbage, compile, touch lost pages. */
  readonly load: boolean;
}

/** How the calls ended: did their work, so many units, were cut short, or not made. */
export interface Ends {
  went: number;
  units: number;
  interrupted: number;
  notEntered: number;
  lostPages: number;
}

function run({ words, code, name, shared, load }: Start): Ends {
  useInterrupts(code);
  const row = classes[name]!;
  const blocking = makeBlocking(addressOf(words) + 4 * Word.pending);
  const work = load ? newLoad() : undefined;
  const ends: Ends = { went: 0, units: 0, interrupted: 0, notEntered: 0, lostPages: 0 };
  words[Word.tid] = hostTid();
  Atomics.store(words, Word.ready, 1);
  Atomics.notify(words, Word.ready);
  do {
    dawdle(50);
    Atomics.store(words, Word.place, Place.host);
    const result = row.call(shared, blocking);
    Atomics.store(words, Word.place, Place.elsewhere);
    if (result >= 0) {
      ends.went++;
      ends.units += row.took(shared, result);
    } else if (result === notEntered) ends.notEntered++;
    else if (result === errno.EINTR) ends.interrupted++;
    else throw new Error(`${name} answers ${result}`);
    if (Atomics.exchange(words, Word.pending, 0) !== 0) Atomics.add(words, Word.handled, 1);
    if (work !== undefined) ends.lostPages += work();
  } while (Atomics.load(words, Word.stop) === 0);
  return ends;
}

if (!Bun.isMainThread) postMessage(run(workerData as Start));
