// What execve leaves of a process beside its memory, by the rules of Linux's fs/exec.c. Ids, limits, working directory, umask, mask,
// pending signals and interval timers stay as they are, and so does all that is not named here.
import { withLock } from "../sync/mutex.ts";
import { Attr } from "./attributes.ts";
import { closeForExec } from "./fds.ts";
import { ProcessField } from "./processes.ts";
import { leaveActionsHeld } from "./sighand.ts";
import { Code, Sig, sigMax } from "./siginfo.ts";
import { forgetQueued, signalPool } from "./signal-queue.ts";
import { showSignalFds } from "./signalfd-table.ts";
import { actionWords, handlerIs, initSignals, resetHandler, SIG_IGN, TaskWord } from "./signals.ts";
import type { Task } from "./task.ts";
import { deleteTimers } from "./timers.ts";

/** Resets what the next program is not to find. The thread is the only one of its process, and has left its futexes. */
export function resetForExec(t: Task): void {
  closeForExec(t.process.fds);
  deleteTimers(t.process.timers);
  resetSignals(t);
  resetAttributes(t);
}

/** Handlers become the default, what is ignored stays so; there is no alternate stack, no call to go on with, and no signal of a timer. */
function resetSignals(t: Task): void {
  const { kernel, record } = t.process;
  withLock(kernel.signalsLock, () => {
    leaveActionsHeld(kernel, record);
    for (let signo = 1; signo <= sigMax; signo++) {
      if (!handlerIs(record, signo, SIG_IGN)) resetHandler(record, signo);
      record.actions.fill(0, signo * actionWords + 2, (signo + 1) * actionWords);
      for (const { pending } of [record, t.record])
        forgetQueued(signalPool(kernel), pending, signo, (info) => info[2] === Code.SI_TIMER);
    }
    showSignalFds(kernel, record, [t.record]);
  });
  t.signals.words.fill(0, TaskWord.altStack, TaskWord.awaited);
  initSignals(t.record);
  t.signals.restartBlock = undefined;
}

const personalityKept = ~0xff;

/** Saved and file-system ids are the effective ones. Set-id bits of files count for nothing here, as if no_new_privs were set. */
function resetAttributes({ process: { attributes, record } }: Task): void {
  const w = attributes.words;
  const same = w[Attr.ruid] === w[Attr.euid] && w[Attr.rgid] === w[Attr.egid];
  w[Attr.suid] = w[Attr.fsuid] = w[Attr.euid]!;
  w[Attr.sgid] = w[Attr.fsgid] = w[Attr.egid]!;
  w[Attr.dumpable] = same ? 1 : 0;
  w[Attr.keepCaps] = 0;
  w[Attr.personality]! &= personalityKept;
  record.i32[ProcessField.exitSignal] = Sig.CHLD;
  Atomics.add(record.i32, ProcessField.execs, 1);
}
