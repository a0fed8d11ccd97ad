// A trace of system calls that a debugger begins and ends while guests run: `monitor strace`. Lines are those of `sabre --strace`
// (linux/strace.ts), and go to a host descriptor that the head of the debug state names.
import { getI64 } from "../cpu/hart.ts";
import type { CallWatcher } from "../linux/dispatch.ts";
import type { Kernel } from "../linux/kernel.ts";
import type { SigInfo } from "../linux/siginfo.ts";
import { traceCalls, traceExit, traceSignal } from "../linux/strace.ts";
import { rowByNumber } from "../linux/table.ts";
import type { Exit, Task } from "../linux/task.ts";
import { type Transcript, transcriptOn } from "../linux/transcript.ts";

export interface CallTrace {
  /** At an ecall, before the call. */
  readonly enter: (t: Task) => void;
  /** The call has been made; nothing is said of one that had begun before the trace. */
  readonly leave: (t: Task, result: number) => void;
  readonly signal: (t: Task, info: SigInfo) => void;
  readonly end: (t: Task, end: Exit) => void;
}

const [a0, a7] = [10, 17];

/** A call that has begun: its number and the six argument words. */
interface Begun {
  readonly nr: number;
  readonly raw: Int32Array;
}

export function makeCallTrace(kernel: Kernel, fd: number): CallTrace {
  const to: Transcript = transcriptOn(kernel, fd);
  const calls: CallWatcher = traceCalls(to);
  const begun = new WeakMap<Task, Begun>();
  return {
    enter: (t) => {
      const nr = getI64(t.hart, a7);
      const raw = t.hart.i32.slice(2 * a0, 2 * a0 + 12);
      begun.set(t, { nr, raw });
      calls.enter(t, rowByNumber(nr), nr, raw);
    },
    leave: (t, result) => {
      const call = begun.get(t);
      begun.delete(t);
      if (call !== undefined) calls.leave(t, rowByNumber(call.nr), call.nr, call.raw, result);
    },
    signal: (t, info) => to.say(t, traceSignal(info)),
    end: (t, end) => {
      to.forget(t);
      to.say(t, traceExit(end));
    },
  };
}
