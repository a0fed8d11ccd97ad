// Ends where ptrace has a part: a tracee that ends, of which its tracer hears first, and a tracer that ends, whose tracees go
// on or are killed (exit_notify and wait_task_zombie of Linux's kernel/exit.c, exit_ptrace of kernel/ptrace.c). And threads
// that tracees make. The tasks lock guards who waits for whom; functions whose name ends in `Held` need it.
import { withLock } from "../sync/mutex.ts";
import { isSuperseded } from "./alone.ts";
import { Attr } from "./attributes.ts";
import { endOf, reapHeld, reportEndHeld, tellEndHeld } from "./family.ts";
import type { Kernel } from "./kernel.ts";
import { Pending } from "./place.ts";
import { ProcessField, type ProcessRecord, processAt } from "./processes.ts";
import {
  anyTracees,
  isSeized,
  isTraced,
  linkHeld,
  Option,
  TraceEvent,
  TraceField,
  TraceFlag,
  traceesHeld,
  tracingProcess,
  unlinkHeld,
} from "./ptrace.ts";
import { stopAtEvent } from "./ptrace-stops.ts";
import { State } from "./records.ts";
import { Code, kernelInfo, Sig } from "./siginfo.ts";
import { enqueue, signalPool } from "./signal-queue.ts";
import { sendSignal } from "./signals.ts";
import type { Exit, Task } from "./task.ts";
import { freeTask, TaskField, type TaskRecord, taskAt } from "./tasks.ts";

// ---- threads and processes that a tracee makes

/** A thread that a tracee makes, and that does not run yet, is traced as its maker is, and begins with a stop. */
export function inheritTracer({ process: { kernel, record }, record: maker }: Task, child: TaskRecord): void {
  withLock(kernel.signalsLock, () => {
    if (!isTraced(maker)) return;
    const { i32 } = maker;
    const seized = isSeized(maker);
    const flags = seized ? TraceFlag.seized | TraceFlag.trap : 0;
    linkHeld(kernel, child, i32[TraceField.tracer]! - 1, flags, i32[TraceField.options]!);
    if (!seized) enqueue(signalPool(kernel), child.pending, Sig.STOP, undefined, record.attributes[Attr.ruid]!);
    Atomics.or(child.i32, TaskField.pending, seized ? Pending.ptrace : Pending.signal);
  });
}

// ---- a tracee ends

/** The word that wait answers for an end. */
export const wordOf = (end: Exit): number =>
  "code" in end ? (end.code & 255) << 8 : end.signal | (end.coreDumped ? 0x80 : 0);

const endWord = (t: Task): number => {
  if (t.process.exit !== undefined) return wordOf(t.process.exit);
  return isSuperseded(t) ? Sig.KILL : (t.record.i32[TaskField.exitCode]! & 255) << 8;
};

/** The thread is about to end: it stops, where its tracer wants to see that. */
export function stopAtEnd(t: Task): void {
  if (isTraced(t.record)) stopAtEvent(t, TraceEvent.EXIT, endWord(t), true);
}

/**
 * A thread that is not the leader of its process has ended. True where its tracer is still to hear of that: its record is a
 * zombie until then.
 */
export function keepForTracer(t: Task): boolean {
  const { kernel, record } = t.process;
  if (!isTraced(t.record)) return false;
  const { i32 } = t.record;
  const word = endWord(t);
  return withLock(kernel.tasksLock, () => {
    const tracer = withLock(kernel.signalsLock, () => {
      const found = isTraced(t.record) ? tracingProcess(kernel, t.record) : undefined;
      if (found === undefined) return undefined;
      i32[TraceField.end] = word;
      i32[TraceField.endGroup] = record.i32[ProcessField.group]!;
      i32[TraceField.endUser] = record.attributes[Attr.ruid]!;
      Atomics.store(i32, TraceField.flags, TraceFlag.traced | TraceFlag.ended);
      Atomics.store(i32, TaskField.state, State.zombie);
      return found;
    });
    if (tracer === undefined) return false;
    if (!tellEndHeld(kernel, tracer, record, t.tid, ...endOfWord(word))) return true;
    withLock(kernel.signalsLock, () => unlinkHeld(kernel, t.record));
    return false;
  });
}

/** si_code and si_status of an end, by wait's word for it. */
export function endOfWord(word: number): readonly [code: number, status: number] {
  if ((word & 0x7f) === 0) return [Code.CLD_EXITED, (word >> 8) & 255];
  return [word & 0x80 ? Code.CLD_DUMPED : Code.CLD_KILLED, word & 0x7f];
}

/** The tracer of a thread that has ended has heard of it. */
export function releaseTraceeHeld(k: Kernel, tracee: TaskRecord): void {
  const isThread = (tracee.i32[TraceField.flags]! & TraceFlag.ended) !== 0;
  const process = processAt(k, tracee.i32[TaskField.process]!);
  withLock(k.signalsLock, () => unlinkHeld(k, tracee));
  if (isThread) freeTask(k, tracee.index);
  else if (isEnded(process) && reportEndHeld(k, process)) reapHeld(k, process);
}

const isEnded = ({ i32 }: ProcessRecord): boolean => i32[ProcessField.state] === State.zombie;

/** Whether a tracee is the leader of a process that has ended. */
export const leadsZombie = (k: Kernel, tracee: TaskRecord): boolean => {
  const process = processAt(k, tracee.i32[TaskField.process]!);
  return isEnded(process) && process.i32[ProcessField.leader] === tracee.index + 1;
};

// ---- a tracer ends

/** The thread ends, and traces nobody any more. */
export function leaveTracees(t: Task): void {
  const { kernel, index: own } = t.process;
  if (!anyTracees(kernel)) return;
  const killed: TaskRecord[] = [];
  withLock(kernel.tasksLock, () => {
    const tracees = withLock(kernel.signalsLock, () => [...traceesHeld(kernel, (task) => task === t.index)]);
    for (const tracee of tracees) {
      const { i32 } = tracee;
      if (i32[TraceField.options]! & Option.EXITKILL) killed.push(tracee);
      // A zombie of its own process's stays one, for others to wait for.
      const parent = processAt(kernel, i32[TaskField.process]!).i32[ProcessField.parent]! - 1;
      if (leadsZombie(kernel, tracee) && parent === own) withLock(kernel.signalsLock, () => unlinkHeld(kernel, tracee));
      else releaseTraceeHeld(kernel, tracee);
    }
  });
  for (const { i32 } of killed) {
    if (i32[TaskField.state] !== State.live) continue;
    const process = processAt(kernel, i32[TaskField.process]!);
    sendSignal({ kernel, process, thread: undefined }, Sig.KILL, kernelInfo(Sig.KILL));
  }
}

// ---- what wait asks

/** How the process of a leader that has ended did: wait's word, si_code, si_status. */
export function endOfLeader(k: Kernel, tracee: TaskRecord): readonly [word: number, code: number, status: number] {
  const [code, status] = endOf(processAt(k, tracee.i32[TaskField.process]!));
  const word = code === Code.CLD_EXITED ? status << 8 : status | (code === Code.CLD_DUMPED ? 0x80 : 0);
  return [word, code, status];
}

/** The thread of that index; for the tables that know only that. */
export const leaderOf = (k: Kernel, { i32 }: ProcessRecord): TaskRecord | undefined =>
  i32[ProcessField.leader] === 0 ? undefined : taskAt(k, i32[ProcessField.leader]! - 1);
