// Signals that the host sends to the emulator become signals of guests. The leader of the first process takes them over.
import { inboxWords, isOpenInbox, left, openInbox, redirectInbox, takeOut } from "../host/inbox.ts";
import { hostTid, installInterrupts } from "../host/interrupt.ts";
import { host } from "../host/syscall.ts";
import { takeAsyncSignal } from "./async-signals.ts";
import { Header, type Kernel, sections } from "./kernel.ts";
import { pendingAddress } from "./kick-timer.ts";
import { clearPending, Pending } from "./place.ts";
import { allProcesses, firstProcess, ProcessField, type ProcessRecord, processAt } from "./processes.ts";
import { State } from "./records.ts";
import { Code, Sig, type SigInfo } from "./siginfo.ts";
import { actionWords, SIG_IGN, sendSignals } from "./signals.ts";
import type { Task } from "./task.ts";
import { TaskField } from "./tasks.ts";
import { foregroundOf, leadsSession, ownTty } from "./ttys.ts";

/** What a terminal sends to the foreground; SIGHUP, where it is lost, to the leader of its session. */
const ofTerminal: readonly number[] = [Sig.HUP, Sig.INT, Sig.QUIT, Sig.TSTP, Sig.WINCH];

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

/**
 * Has a thread that runs in place of another from now on, or again, take over the signals of the host where that did: nothing
 * else on this worker attends to them meanwhile.
 */
export function takeHostSignalsHere(t: Task): void {
  const { kernel } = t.process;
  // It may have come just before.
  if (areHostSignalsOpen(kernel) && redirectInbox(ringOf(kernel), pendingAddress(t)))
    Atomics.or(t.record.i32, TaskField.pending, Pending.inbox);
}

/** Signals that the host sends to the emulator's own calls: these the guest gets from the personality. */
const ofCalls: readonly number[] = [Sig.PIPE, Sig.XFSZ];

/** Whether signals of the host come this way. */
export const areHostSignalsOpen = (k: Kernel): boolean => isOpenInbox(ringOf(k));

/** Makes those signals of the host pending that have come since. The thread was asked to by `Pending.inbox`. */
export function takeHostSignals(t: Task): void {
  clearPending(t.record, Pending.inbox);
  const { kernel } = t.process;
  const own = kernel.i32[Header.hostPid]!;
  const isOfCall = (info: SigInfo): boolean =>
    ofCalls.includes(info[0]!) && info[2] === Code.SI_USER && info[4] === own;
  takeOut(ringOf(kernel), (info) => {
    if (isOfCall(info) || takeAsyncSignal(kernel, info)) return;
    sendSignals(kernel, receivers(kernel, info), info[0]!, info);
  });
}

/**
 * Whom a signal of the host is for. What the terminal sends is for those guests that are in its foreground; what continues a
 * job, for all of the emulator's own process group; anything else for the first process. When that has ended, all that are
 * left get what comes.
 */
function receivers(k: Kernel, [signo = 0, , code]: SigInfo): ProcessRecord[] {
  const first = processAt(k, firstProcess);
  const living = [...allProcesses(k)].filter(({ i32 }) => i32[ProcessField.state] === State.live);
  if (!living.includes(first)) return living;
  if (code !== Code.SI_KERNEL && signo !== Sig.CONT) return [first];
  const ofGroup = (group: number): ProcessRecord[] => living.filter(({ i32 }) => i32[ProcessField.group] === group);
  if (code === Code.SI_KERNEL && ofTerminal.includes(signo)) {
    const isHungUp = signo === Sig.HUP && leadsSession(first);
    const foreground = ofGroup(foregroundOf(k, ownTty));
    return isHungUp || (signo === Sig.HUP && foreground.length === 0) ? [first] : foreground;
  }
  const members = ofGroup(host("getpgid", 0));
  return members.includes(first) ? members : [...members, first];
}
