// How long a thread computes at a time while others wait for its processor, and so how soon it is to run when it is woken though many others
// compute. Linux goes by that from 6.12 on, and takes no notice before.
import { newScratch, storeU64 } from "./scratch.ts";
import { host } from "./syscall.ts";

/** Bytes of struct sched_attr that are used, and where its fields begin. */
export const SchedAttr = { size: 48, policy: 4, flags: 8, runtime: 24 } as const;
const RESET_ON_FORK = 1;

/** Nanoseconds, the least that Linux takes. */
const shortTurn = 100_000;
/** Two ticks of a clock with 250 a second: Linux ends turns by that, and who has had more than its turn would come before short ones. */
export const longTurn = 8_000_000;

/**
 * Has the calling thread's turns be short, of one that sleeps most of the time: it begins earlier when it is woken. With 16 threads computing
 * on two processors a wake-up otherwise takes some 10 ms now and then. Threads that it makes, and their processes, have ordinary turns.
 */
export const takeShortTurns = (): void => void ask(shortTurn, RESET_ON_FORK);

/**
 * Has the calling thread's turns be long, and those of all threads that it makes: who takes short ones comes before them, if it has not used
 * more than its share. Answers the nanoseconds that it had before, 0 for unknown.
 */
export const takeLongTurns = (): number => ask(longTurn, 0);

function ask(turn: number, flags: number): number {
  const attr = newScratch(SchedAttr.size);
  if (host("sched_getattr", 0, attr.address, SchedAttr.size, 0) < 0) return 0;
  const before = attr.u32[SchedAttr.runtime / 4]!;
  attr.u32[SchedAttr.flags / 4] = flags;
  storeU64(attr, SchedAttr.runtime, turn);
  host("sched_setattr", 0, attr.address, 0);
  return before;
}
