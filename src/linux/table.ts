// All system calls, by number.
import { futexCalls } from "./calls/futex.ts";
import { hwprobeCalls } from "./calls/hwprobe.ts";
import { idsCalls } from "./calls/ids.ts";
import { ioCalls } from "./calls/io.ts";
import { killCalls } from "./calls/kill.ts";
import { limitsCalls } from "./calls/limits.ts";
import { mmCalls } from "./calls/mm.ts";
import { prctlCalls } from "./calls/prctl.ts";
import { processCalls } from "./calls/process.ts";
import { schedCalls } from "./calls/sched.ts";
import { signalCalls } from "./calls/signal.ts";
import { systemCalls } from "./calls/system.ts";
import { timeCalls } from "./calls/time.ts";
import { timerCalls } from "./calls/timers.ts";
import type { CallRow } from "./row.ts";

const groups: readonly (readonly CallRow[])[] = [
  futexCalls,
  hwprobeCalls,
  idsCalls,
  ioCalls,
  killCalls,
  limitsCalls,
  mmCalls,
  prctlCalls,
  processCalls,
  schedCalls,
  signalCalls,
  systemCalls,
  timeCalls,
  timerCalls,
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
