// Limits on what grows while a process lives: CPU time (RLIMIT_CPU) and a user's number of threads (RLIMIT_NPROC).
import { monotonic, second } from "../host/clock.ts";
import { cpuTimeOfProcess } from "./accounting.ts";
import { Attr, attribute, privileged } from "./attributes.ts";
import { Header } from "./kernel.ts";
import { hardLimitOf, limitOf, Resource } from "./limits.ts";
import { processAt } from "./processes.ts";
import { State } from "./records.ts";
import { kernelInfo, Sig } from "./siginfo.ts";
import { sendSignal } from "./signals.ts";
import type { Task } from "./task.ts";
import { TaskField, taskAt } from "./tasks.ts";

/** CPU time is looked at once in so many nanoseconds. */
const every = 1e6;
let looked = 0;

const allOnes = 0xffffffff;

/** Sends SIGXCPU for each second beyond the soft limit, and SIGKILL at the hard one. Cheap where there is none. */
export function obeyCpuLimit({ process: { kernel, record, index, limits } }: Task): void {
  const { words } = limits;
  const at = Resource.CPU * 4;
  if (words[at] === allOnes && words[at + 1] === allOnes) return;
  const now = monotonic();
  if (now - looked < every) return;
  looked = now;
  const used = cpuTimeOfProcess(kernel, index) / second;
  const send = (signo: number): void =>
    void sendSignal({ kernel, process: record, thread: undefined }, signo, kernelInfo(signo));
  if (used >= hardLimitOf(limits, Resource.CPU)) send(Sig.KILL);
  const soft = words[at]!;
  // Whichever thread moves the limit sends the signal.
  if (used >= limitOf(limits, Resource.CPU) && Atomics.compareExchange(words, at, soft, soft + 1) === soft)
    send(Sig.XCPU);
}

/** Whether the process may have one more thread or child: its user has fewer of them than the limit, or is root. */
export function mayMakeTask({ process: { kernel, limits, attributes } }: Task): boolean {
  const user = attribute(attributes, Attr.ruid);
  if (user === 0 || privileged(attributes)) return true;
  let count = 0;
  const used = Atomics.load(kernel.i32, Header.usedTasks);
  for (let index = 0; index < used; index++) {
    const { i32 } = taskAt(kernel, index);
    if (i32[TaskField.state]! < State.live) continue;
    if (processAt(kernel, i32[TaskField.process]!).attributes[Attr.ruid]! >>> 0 === user) count++;
  }
  return count < limitOf(limits, Resource.NPROC);
}
