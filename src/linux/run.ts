// The life of a guest thread: instructions until something needs the kernel, then the kernel, and again.
import { Cause, getPc, hart } from "../cpu/hart.ts";
import { faultOf, type SegvOrBus } from "../memory/address-space.ts";
import { type CallWatcher, systemCall } from "./dispatch.ts";
import { Code, faultInfo, Sig, type SigInfo } from "./siginfo.ts";
import { deliverSignals } from "./signal-delivery.ts";
import { forceSignal } from "./signals.ts";
import type { Exit, Task } from "./task.ts";
import { expireTimers, timersArmed } from "./timers.ts";

/** What executes instructions, at any tier. See Interpreter.run. */
export interface Engine {
  readonly run: (budget: number) => Cause;
}

/** Watches a thread. */
export interface Watcher {
  readonly calls?: CallWatcher;
  /** A trap other than a system call, before its signal. */
  readonly trap?: (t: Task, cause: Cause, info: SigInfo) => void;
}

// A running thread looks for signals and timers at least this often: below a millisecond at 60 million instructions a second.
const budget = 50_000;

/** Runs until the process ends, and answers how. */
export function runTask(t: Task, engine: Engine, watcher: Watcher): Exit {
  const p = t.process;
  for (;;) {
    const cause = engine.run(budget);
    if (cause === Cause.ecall) systemCall(t, watcher.calls);
    else if (cause !== Cause.requested) {
      const info = trapInfo(t, cause);
      watcher.trap?.(t, cause, info);
      forceSignal(t, info);
      deliverSignals(t);
    }
    if (t.memory.lost[1] !== 0) {
      forceSignal(t, lostInfo(t));
      deliverSignals(t);
    }
    if (cause === Cause.requested || timersArmed(p.timers)) {
      expireTimers(t);
      deliverSignals(t);
    }
    if (p.exit !== undefined) return p.exit;
  }
}

/**
 * The siginfo of an access to a page that its file had lost without the guest's doing. The guest has gone on since, so
 * this is the one fault whose pc is not exact.
 */
function lostInfo(t: Task): SigInfo {
  const { lost } = t.memory;
  lost[1] = 0;
  return faultInfo(Sig.BUS, Code.BUS_ADRERR, lost[0]!, 0);
}

/** The siginfo that Linux makes of a trap. */
function trapInfo(t: Task, cause: Cause): SigInfo {
  const R = t.hart.i32;
  const [lo, hi] = [R[hart.tval]!, R[hart.tval + 1]!];
  const pc = getPc(t.hart);
  switch (cause) {
    case Cause.illegal:
      return faultInfo(Sig.ILL, Code.ILL_ILLOPC, pc);
    case Cause.breakpoint:
      return faultInfo(Sig.TRAP, Code.TRAP_BRKPT, pc);
    case Cause.loadMisaligned:
    case Cause.storeMisaligned:
      return faultInfo(Sig.BUS, Code.BUS_ADRALN, lo, hi);
    default: {
      const kind =
        cause === Cause.fetchFault || cause === Cause.fetchAccess ? "exec" : isLoad(cause) ? "read" : "write";
      const why: SegvOrBus = hi === 0 ? faultOf(t.process.space, lo >>> 0, kind) : "SEGV_MAPERR";
      return faultInfo(why === "BUS_ADRERR" ? Sig.BUS : Sig.SEGV, Code[why], lo, hi);
    }
  }
}

const isLoad = (cause: Cause): boolean => cause === Cause.loadFault || cause === Cause.loadAccess;
