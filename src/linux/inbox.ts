// Signals that the host sends to the emulator become signals of the first guest process. Its leader takes them over.

import { inboxWords, left, openInbox, takeOut } from "../host/inbox.ts";
import { hostTid, installInterrupts } from "../host/interrupt.ts";
import { Header, type Kernel, sections } from "./kernel.ts";
import { pendingAddress } from "./kick-timer.ts";
import { clearPending, Pending } from "./place.ts";
import { processAt } from "./processes.ts";
import { Code, Sig, type SigInfo } from "./siginfo.ts";
import { actionWords, SIG_IGN, sendSignal } from "./signals.ts";
import type { Task } from "./task.ts";
import { TaskField } from "./tasks.ts";

const ringOf = (k: Kernel): Int32Array => k.i32.subarray(sections.inbox / 4, sections.inbox / 4 + inboxWords);

/**
 * From now on signals of the host are the guest's, for the rest of the emulator's life: called by the thread that is to run
 * the leader of the first process, before its first instruction. What the emulator was told to ignore, the guest ignores.
 */
export function openHostSignals(t: Task): void {
  installInterrupts(left);
  Atomics.store(t.record.i32, TaskField.hostTid, hostTid());
  const ignored = openInbox(ringOf(t.process.kernel), pendingAddress(t));
  if (typeof ignored === "number") throw new Error(`signals of the host cannot be handled: errno ${-ignored}`);
  for (const signo of ignored) t.process.record.actions[signo * actionWords] = SIG_IGN;
}

/** Signals that the host sends to the emulator's own calls: these the guest gets from the personality. */
const ofCalls: readonly number[] = [Sig.PIPE, Sig.XFSZ];

/** Makes those signals of the host pending that have come since. The thread was asked to by `Pending.inbox`. */
export function takeHostSignals(t: Task): void {
  clearPending(t.record, Pending.inbox);
  const { kernel } = t.process;
  const [process, own] = [processAt(kernel, 0), kernel.i32[Header.hostPid]!];
  const isOfCall = (info: SigInfo): boolean =>
    ofCalls.includes(info[0]!) && info[2] === Code.SI_USER && info[4] === own;
  takeOut(ringOf(kernel), (info) => {
    if (!isOfCall(info)) sendSignal({ kernel, process, thread: undefined }, info[0]!, info);
  });
}
