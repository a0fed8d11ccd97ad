// Waiting for what will be so within some 100 us, without a sleep: a thread that sleeps comes back 20 to 50 us late on a virtual machine,
// and waking it costs another thread there 10. Whoever else wants the processor gets it in between, so that nobody is kept from work.
import { host } from "./syscall.ts";

/** Looks whether something is so, at most so many times, half a microsecond apart where nobody else wants the processor. Answers whether it is. */
export function spin(rounds: number, isSo: () => boolean): boolean {
  for (let i = 0; i < rounds; i++) {
    if (isSo()) return true;
    host("sched_yield");
  }
  return isSo();
}
