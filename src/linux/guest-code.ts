// Where a thread is: in guest code, or in the kernel. In guest code it relies on what it has tested of the address space until it
// passes a safepoint, which is each time it comes out; in the kernel it relies on nothing, and may wait for others.
import { Cause } from "../cpu/hart.ts";
import { decideFault } from "../memory/address-space.ts";
import { enterGuestCode, isShared, leaveGuestCode } from "../memory/sharing.ts";
import { attendRseq, hasRested, isRestarted } from "./rseq.ts";
import type { Task } from "./task.ts";
import { TaskField } from "./tasks.ts";

/** What executes instructions, at any tier. See Interpreter.run. */
export interface Engine {
  readonly run: (budget: number) => Cause;
}

/** One that can execute a single instruction too. */
export interface SteppingEngine extends Engine {
  /** See Interpreter.step. */
  readonly step: (start: number, end: number, budget: number) => Cause;
}

/** Runs guest code: the thread is in the kernel before and after. */
export function runGuestCode(t: Task, engine: Engine, budget: number): Cause {
  return isShared(t.process.space.sharing) ? runAmongOthers(t, engine, budget) : engine.run(budget);
}

function runAmongOthers(t: Task, engine: Engine, budget: number): Cause {
  const {
    record,
    process: { space },
  } = t;
  // Where that is not allowed, it is once more before the next time, and is answered by a signal then.
  if (hasRested(t) && !attendRseq(t, false)) return Cause.requested;
  enterGuestCode(space.sharing, record.i32[TaskField.hart]!);
  let cause: Cause;
  try {
    // Whoever restarts sections has waited for those that had entered before.
    const isLate = record.i32[TaskField.rseqCpu] !== 0 && isRestarted(t);
    cause = isLate ? Cause.requested : engine.run(budget);
  } finally {
    leaveGuestCode(space.sharing);
  }
  decideFault(space);
  return cause;
}
