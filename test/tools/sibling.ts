// Another guest process for tests of what two have to do with each other: of the same kernel, with a copy of the descriptors,
// and over the same memory, so that one buffer serves both.
import { attachProcess, attachTask } from "../../src/linux/bundle.ts";
import { attachFdTable, forkFdTable } from "../../src/linux/fds.ts";
import { allocateProcess, ProcessField, processAt } from "../../src/linux/processes.ts";
import { forkSignalFds } from "../../src/linux/signalfd-table.ts";
import { initSignals } from "../../src/linux/signals.ts";
import { shareTable, takeTable, wordsOf } from "../../src/linux/tables.ts";
import type { Task } from "../../src/linux/task.ts";
import { addThread, allocateTask, newPid, TaskField, taskAt } from "../../src/linux/tasks.ts";

export function siblingOf(t: Task): Task {
  const { kernel, site, signals, record, fds } = t.process;
  const { tables } = site.bundle;
  const pid = newPid(kernel);
  const index = allocateProcess(kernel, pid);
  const child = processAt(kernel, index);
  child.i32.set(record.i32.subarray(ProcessField.attributes, ProcessField.actions), ProcessField.attributes);
  for (const word of [ProcessField.space, ProcessField.filesTable]) child.i32[word] = record.i32[word]!;
  shareTable(tables, "files", child.i32[ProcessField.filesTable]!);
  const table = takeTable(tables, "fds");
  const copy = forkFdTable(fds, attachFdTable(wordsOf(tables, "fds", table)));
  if (typeof copy === "number") throw new Error(`no copy of the descriptors: ${copy}`);
  child.i32[ProcessField.fdsTable] = table;
  forkSignalFds({ kernel, record: child, fds: copy, signals });
  const task = allocateTask(kernel, index, pid);
  const thread = taskAt(kernel, task);
  thread.i32[TaskField.fdsTable] = table + 1;
  thread.i32[TaskField.filesTable] = child.i32[ProcessField.filesTable]! + 1;
  initSignals(thread);
  addThread(kernel, index, task);
  return attachTask(attachProcess(site, index), task);
}
