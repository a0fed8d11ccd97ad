// The life of a guest thread: instructions until something needs the kernel, then the kernel, and again.
import { Cause, getPc, hart } from "../cpu/hart.ts";
import { hostTid } from "../host/interrupt.ts";
import { lostCell, takeLost } from "../host/lost-pages.ts";
import { faultOf, type SegvOrBus } from "../memory/address-space.ts";
import { startClock } from "./accounting.ts";
import { isSuperseded } from "./alone.ts";
import { systemCall } from "./dispatch.ts";
import { outliveMaker } from "./exit.ts";
import { type Engine, runGuestCode, type SteppingEngine } from "./guest-code.ts";
import { Pending, pendingBits } from "./place.ts";
import { isStepped, stopsSeen } from "./ptrace.ts";
import { trapAfterStep } from "./ptrace-stops.ts";
import { obeyCpuLimit } from "./quotas.ts";
import { attendRseq } from "./rseq.ts";
import { beginScheduling } from "./scheduling.ts";
import { Code, faultInfo, kernelInfo, Sig, type SigInfo } from "./siginfo.ts";
import { deliverSignals } from "./signal-delivery.ts";
import { forceSignal } from "./signals.ts";
import type { Exit, Task } from "./task.ts";
import { TaskField } from "./tasks.ts";
import { endThread } from "./threads.ts";
import { expireTimers, timersArmed } from "./timers.ts";

// A running thread looks for signals and timers at least this often: below a millisecond at 60 million instructions a second.
const budget = 50_000;

/** Runs until the process ends, and answers how; or until the thread ends and others go on: undefined. */
export function runTask(t: Task, engine: SteppingEngine): Exit | undefined {
  const p = t.process;
  const { watcher } = p;
  const tid = hostTid();
  const cell = lostCell(t.memory.lost, tid);
  startClock(t);
  beginScheduling(t);
  watcher?.begin(t);
  // What it has been asked to do before it began.
  deliverSignals(t);
  let isSpent = false;
  for (;;) {
    // First: it may have ended before this thread began.
    const end = p.exit;
    if (end !== undefined) {
      watcher?.end(t, end);
      return end;
    }
    if (isSuperseded(t)) endThread(t, 0);
    if (t.ended) return undefined;
    if (pendingBits(t.record) & Pending.maker) outliveMaker(t);
    if (t.record.i32[TaskField.rseqCpu] !== 0 && !attendRseq(t, isSpent)) {
      forceSignal(t, kernelInfo(Sig.SEGV));
      deliverSignals(t);
      continue;
    }
    const { tracer } = p;
    const stops = isStepped(t.record) ? stopsSeen(t.record) : undefined;
    const runs = stops === undefined ? engine : stepper(engine);
    const before = t.hart.f64[hart.instret / 2];
    const cause = tracer === undefined ? runGuestCode(t, runs, budget) : tracer.run(t, runs, budget);
    isSpent = cause === Cause.requested;
    if (cause === Cause.ecall) {
      systemCall(t, watcher?.calls);
      if (t.ended) return p.exit;
    } else if (cause !== Cause.requested && cause !== Cause.debug) {
      const info = trapInfo(t, cause);
      watcher?.trap(t, cause, info);
      forceSignal(t, info);
      deliverSignals(t);
    }
    // Its tracer has not seen it stop since, and no trap of its own tells of the step.
    const isMade = cause === Cause.ecall || t.hart.f64[hart.instret / 2] !== before;
    if (stops !== undefined && stops === stopsSeen(t.record) && isMade) {
      tracer?.stepped(t);
      forceSignal(t, trapAfterStep(t));
      deliverSignals(t);
    }
    const lost = takeLost(cell, tid);
    if (lost !== undefined) {
      // The thread has gone on since, so this is the one fault whose pc is not exact.
      forceSignal(t, faultInfo(Sig.BUS, Code.BUS_ADRERR, lost, 0));
      deliverSignals(t);
    }
    obeyCpuLimit(t);
    if (cause === Cause.requested || timersArmed(p.timers)) {
      expireTimers(t);
      deliverSignals(t);
    }
  }
}

/** Runs a single instruction, for a tracer: PTRACE_SINGLESTEP. */
const stepper = ({ step }: SteppingEngine): Engine => ({ run: () => step(0, 0, 1) });

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
