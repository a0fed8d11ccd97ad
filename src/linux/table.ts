// All system calls, by number.

import { cloneCalls } from "./calls/clone.ts";
import { copyingCalls } from "./calls/copying.ts";
import { descriptorCalls } from "./calls/descriptors.ts";
import { execCalls } from "./calls/exec.ts";
import { fcntlCalls } from "./calls/fcntl.ts";
import { futexCalls } from "./calls/futex.ts";
import { hwprobeCalls } from "./calls/hwprobe.ts";
import { idsCalls } from "./calls/ids.ts";
import { ioCalls } from "./calls/io.ts";
import { ioctlCalls } from "./calls/ioctl.ts";
import { ipcCalls } from "./calls/ipc.ts";
import { killCalls } from "./calls/kill.ts";
import { limitsCalls } from "./calls/limits.ts";
import { metadataCalls } from "./calls/metadata.ts";
import { mmCalls } from "./calls/mm.ts";
import { mqCalls } from "./calls/mq.ts";
import { nameCalls } from "./calls/names.ts";
import { netCalls } from "./calls/net.ts";
import { openCalls } from "./calls/open.ts";
import { pidfdCalls } from "./calls/pidfd.ts";
import { pollCalls } from "./calls/poll.ts";
import { prctlCalls } from "./calls/prctl.ts";
import { processCalls } from "./calls/process.ts";
import { processMemoryCalls } from "./calls/process-memory.ts";
import { ptraceCalls } from "./calls/ptrace.ts";
import { refusedCalls } from "./calls/refused.ts";
import { rseqCalls } from "./calls/rseq.ts";
import { schedCalls } from "./calls/sched.ts";
import { signalCalls } from "./calls/signal.ts";
import { storageCalls } from "./calls/storage.ts";
import { systemCalls } from "./calls/system.ts";
import { timeCalls } from "./calls/time.ts";
import { timerCalls } from "./calls/timers.ts";
import { waitCalls } from "./calls/wait.ts";
import { xattrCalls } from "./calls/xattr.ts";
import type { CallRow } from "./row.ts";

const groups: readonly (readonly CallRow[])[] = [
  copyingCalls,
  descriptorCalls,
  execCalls,
  fcntlCalls,
  futexCalls,
  hwprobeCalls,
  idsCalls,
  ioCalls,
  ioctlCalls,
  ipcCalls,
  killCalls,
  limitsCalls,
  metadataCalls,
  mmCalls,
  mqCalls,
  nameCalls,
  netCalls,
  openCalls,
  pidfdCalls,
  pollCalls,
  prctlCalls,
  processCalls,
  processMemoryCalls,
  ptraceCalls,
  rseqCalls,
  cloneCalls,
  refusedCalls,
  schedCalls,
  signalCalls,
  storageCalls,
  systemCalls,
  timeCalls,
  timerCalls,
  waitCalls,
  xattrCalls,
];

const rows: (CallRow | undefined)[] = [];
for (const row of groups.flat()) {
  const other = rows[row.nr];
  if (other) throw new Error(`system call ${row.nr} has two rows: ${other.name} and ${row.name}`);
  rows[row.nr] = row;
}

export const rowByNumber = (nr: number): CallRow | undefined => rows[nr];

/** Every row, by ascending number. */
export const callRows = (): CallRow[] => rows.filter((row) => row !== undefined);
