// Waiting for what will be so within some 100 us, without a sleep: a thread that sleeps comes back 20 to 50 us late on a virtual machine,
// and waking it costs another thread there 10.
import { host } from "./syscall.ts";

/** Looks whether something is so, at most so many times, some 40 ns apart. Answers whether it is. */
export function spin(rounds: number, isSo: () => boolean): boolean {
  for (let i = 0; i < rounds; i++) {
    if (isSo()) return true;
    Atomics.pause();
  }
  return isSo();
}

/**
 * The same, half a microsecond apart; whoever else wants the processor has it in between. Not where others compute, for who takes no short turns:
 * Linux counts the rest of a turn as used then, and one comes to run again last of all.
 */
export function spinAndYield(rounds: number, isSo: () => boolean): boolean {
  for (let i = 0; i < rounds; i++) {
    if (isSo()) return true;
    host("sched_yield");
  }
  return isSo();
}
