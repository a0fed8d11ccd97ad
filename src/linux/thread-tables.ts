// Which table of descriptors, and which view of the file system, a thread has: slices of tables.ts, by their numbers in its
// record. All threads of a process have the same, unless one was made without CLONE_FILES or CLONE_FS, or called unshare;
// processes that were cloned with these flags have the same too. A slice is counted by the threads that have it.
// The record of a process names the tables of its first thread, or, once that has ended, of the one that came next.
import { withLock } from "../sync/mutex.ts";
import { fdsAt, useTables } from "./bundle.ts";
import { errno } from "./errno.ts";
import { attachFdTable, closeAll, forkFdTable } from "./fds.ts";
import { attachFileSystem, closeFileSystem, forkFileSystem } from "./file-system.ts";
import type { Kernel } from "./kernel.ts";
import { ProcessField, type ProcessRecord } from "./processes.ts";
import { forkSignalFds } from "./signalfd-table.ts";
import { dropTable, type SharedKind, shareTable, tableUsers, takeTable, wordsOf } from "./tables.ts";
import type { Process, Task } from "./task.ts";
import { TaskField, type TaskRecord, taskAt } from "./tasks.ts";

/** What a new thread has in common with the one that makes it. */
export interface SharedTables {
  readonly sharesFds: boolean;
  readonly sharesFiles: boolean;
}

const taskWord = { fds: TaskField.fdsTable, files: TaskField.filesTable } as const;
const processWord = { fds: ProcessField.fdsTable, files: ProcessField.filesTable } as const;
const kinds = ["fds", "files"] as const;

/**
 * Gives a thread that nobody knows yet, of that process, the caller's tables, or copies. 0; or -errno, and it has none. The
 * record of a process that has no thread yet names them from then on.
 */
export function inheritTables(t: Task, child: TaskRecord, process: ProcessRecord, o: SharedTables): number {
  const isNew = process !== t.process.record;
  const shares = { fds: o.sharesFds, files: o.sharesFiles };
  for (const kind of kinds) {
    const index = shares[kind] ? share(t, kind) : copy(t.process, kind);
    if (index < 0) {
      dropTables(t.process, child);
      // Those of the host that it does not let the emulator have: no number of the guest's.
      return index === -errno.EMFILE ? -errno.EAGAIN : index;
    }
    child.i32[taskWord[kind]] = index + 1;
    if (isNew) process.i32[processWord[kind]] = index;
    else if (kind === "fds" && !shares[kind]) Atomics.store(process.i32, ProcessField.apart, 1);
  }
  if (isNew && !o.sharesFds) {
    const { kernel, site, signals } = t.process;
    const fds = attachFdTable(wordsOf(site.bundle.tables, "fds", process.i32[processWord.fds]!));
    forkSignalFds({ kernel, record: process, fds, signals });
  }
  return 0;
}

function share({ record, process: { site } }: Task, kind: SharedKind): number {
  const index = record.i32[taskWord[kind]]! - 1;
  shareTable(site.bundle.tables, kind, index);
  return index;
}

/** A copy of what the caller uses, for one thread: its number, or -errno. */
function copy({ site, fds, files }: Process, kind: SharedKind): number {
  const { tables } = site.bundle;
  const index = takeTable(tables, kind);
  if (index < 0) return index;
  const words = wordsOf(tables, kind, index);
  const made = kind === "fds" ? forkFdTable(fds, attachFdTable(words)) : forkFileSystem(files, words);
  if (typeof made !== "number" || made >= 0) return index;
  dropTable(tables, kind, index, () => {});
  return made;
}

/** A thread has its tables no more: it ends, or was never made. */
export function dropTables(process: Process, { i32 }: TaskRecord): void {
  for (const kind of kinds) {
    const index = i32[taskWord[kind]]! - 1;
    i32[taskWord[kind]] = 0;
    if (index >= 0) dropOne(process, kind, index);
  }
}

function dropOne({ site, index: process }: Process, kind: SharedKind, index: number): void {
  const { tables } = site.bundle;
  dropTable(tables, kind, index, () => {
    if (kind === "fds") closeAll(fdsAt(site, index, process));
    else closeFileSystem(attachFileSystem(wordsOf(tables, "files", index)));
  });
}

/** A thread has left its process, whose record is to name tables that the process still has. */
export const nameTables = ({ kernel, record }: Process): void =>
  withLock(kernel.signalsLock, () => {
    for (const kind of kinds) nameHeld(kernel, record, kind);
  });

/** The record of a process names the table of the first of its threads; -1 where there is none. */
function nameHeld(k: Kernel, { i32 }: ProcessRecord, kind: SharedKind): void {
  const first = i32[ProcessField.threads]!;
  i32[processWord[kind]] = (first === 0 ? 0 : taskAt(k, first - 1).i32[taskWord[kind]]!) - 1;
}

/** Gives a thread a table that no other has: unshare and execve. 0 or -errno. */
export function unshareTable({ process, record }: Task, kind: SharedKind): number {
  const { site, kernel } = process;
  const before = record.i32[taskWord[kind]]! - 1;
  if (tableUsers(site.bundle.tables, kind, before) === 1) return 0;
  const own = copy(process, kind);
  if (own < 0) return own;
  const p = process.record.i32;
  // Together: another thread that leaves may be about to name what this one has.
  withLock(kernel.signalsLock, () => {
    record.i32[taskWord[kind]] = own + 1;
    nameHeld(kernel, process.record, kind);
  });
  if (kind === "fds" && p[ProcessField.threadCount]! > 1) Atomics.store(p, ProcessField.apart, 1);
  useTables(process, record);
  dropOne(process, kind, before);
  return 0;
}
