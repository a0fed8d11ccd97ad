// How long a thread computes at a time while others wait for its processor, and so how soon it is to run when it is woken though many others
// compute. Linux goes by that from 6.12 on, and takes no notice before.
import { newScratch, storeU64 } from "./scratch.ts";
import { host } from "./syscall.ts";

/** Bytes of struct sched_attr that every host with that call knows, and where its fields begin. */
export const SchedAttr = { size: 48, policy: 4, flags: 8, nice: 16, priority: 20, runtime: 24 } as const;
export const RESET_ON_FORK = 1;

/** How much is added to the nice value, for which one needs a right. */
const preferred = -15;
const leastNice = -20;

/** Nanoseconds, the least that Linux takes. */
const shortTurn = 100_000;
/** Two ticks of a clock with 250 a second: Linux ends turns by that, and who has had more than its turn would come before short ones. */
export const longTurn = 8_000_000;

/**
 * Has the calling thread's turns be short, of one that sleeps most of the time: it begins earlier when it is woken. With 16 threads computing
 * on two processors a wake-up otherwise takes some 10 ms now and then. Threads that it makes, and their processes, have ordinary turns.
 */
export function takeShortTurns(): void {
  // Nor does what it has used keep it waiting then, where it may have that.
  if (ask(shortTurn, RESET_ON_FORK, preferred) === undefined) ask(shortTurn, RESET_ON_FORK);
}

/**
 * Has the calling thread's turns be long, and those of all threads that it makes: who takes short ones comes before them, if it has not used
 * more than its share. Answers the nanoseconds that it had before, 0 for unknown.
 */
export const takeLongTurns = (): number => ask(longTurn, 0) ?? 0;

/** Answers the turns before; undefined where the host refuses. */
function ask(turn: number, flags: number, nicer = 0): number | undefined {
  const attr = newScratch(SchedAttr.size);
  if (host("sched_getattr", 0, attr.address, SchedAttr.size, 0) < 0) return undefined;
  const before = attr.u32[SchedAttr.runtime / 4]!;
  attr.u32[SchedAttr.flags / 4] = flags;
  storeU64(attr, SchedAttr.runtime, turn);
  attr.i32[SchedAttr.nice / 4] = Math.max(leastNice, attr.i32[SchedAttr.nice / 4]! + nicer);
  return host("sched_setattr", 0, attr.address, 0) < 0 ? undefined : before;
}
