// A debugger, as the thread that it debugs knows it: what is asked at each place where one may stop. There is none in a usual
// run. What stops, and for how long, is for src/debug/ to say.
import type { Cause } from "../cpu/hart.ts";
import type { Engine } from "./guest-code.ts";
import type { SigInfo } from "./siginfo.ts";
import type { Process, Task } from "./task.ts";

/** All are called by the thread itself, outside of guest code, holding nothing. Each may sleep for as long as the debugger likes. */
export interface Tracer {
  /** Runs guest code, as `runGuestCode`; at its beginning the thread stops where it is to. Not called once the process has ended. */
  readonly run: (t: Task, engine: Engine, budget: number) => Cause;
  /** A signal was taken that is about to be handled. Answers which is handled in its place, if any. */
  readonly signal: (t: Task, info: SigInfo) => SigInfo | undefined;
  /** A step has been made that the guest's own tracer has asked for, which is not told of it yet. */
  readonly stepped: (t: Task) => void;
  /** At an ecall, before the call is made: pc is at it. */
  readonly enterCall: (t: Task) => void;
  /** The call `nr` has been made, and pc is behind it. Answers its result, which may be another then. */
  readonly leaveCall: (t: Task, nr: number, result: number) => number;
  /** The thread has made a process, which has not begun: indices of the new process and of its first thread. */
  readonly making: (t: Task, process: number, task: number) => void;
  /** That has begun, or a thread for which the caller is to sleep, and the caller may have to sleep for it. */
  readonly made: (t: Task, id: number, isVfork: boolean) => void;
  /** The process for which the thread slept has left its memory, or the thread has ended. */
  readonly released: (t: Task, isThread: boolean) => void;
  /** The thread has begun another program. */
  readonly executed: (t: Task) => void;
  /** The thread is about to leave its process. */
  readonly leaving: (t: Task) => void;
  /** The last thread of the process has left it, which uses its memory still, and nobody has been told. */
  readonly ending: (process: Process) => void;
  /** The thread has ended, or does not run here any more. */
  readonly left: (task: number) => void;
}
