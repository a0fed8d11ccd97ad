// Which tables of descriptors and views of the file system the record of a process names.
import { expect, test } from "bun:test";
import { attachTask } from "../../src/linux/bundle.ts";
import { ProcessField } from "../../src/linux/processes.ts";
import { shareTable } from "../../src/linux/tables.ts";
import type { Task } from "../../src/linux/task.ts";
import { addThread, allocateTask, removeThread, TaskField, taskAt } from "../../src/linux/tasks.ts";
import { dropTables, inheritTables, nameTables, unshareTable } from "../../src/linux/thread-tables.ts";
import { caller } from "./caller.ts";

/** Another thread of the same process, with the same tables. */
function another(t: Task): Task {
  const { kernel, index, record } = t.process;
  const task = allocateTask(kernel, index);
  expect(inheritTables(t, taskAt(kernel, task), record, { sharesFds: true, sharesFiles: true })).toBe(0);
  addThread(kernel, index, task);
  return attachTask(t.process, task);
}

const named = ({ process: { record } }: Task): number[] => [
  record.i32[ProcessField.fdsTable]! + 1,
  record.i32[ProcessField.filesTable]! + 1,
];
const ownOf = ({ record: { i32 } }: Task): number[] => [i32[TaskField.fdsTable]!, i32[TaskField.filesTable]!];

function leave(t: Task): void {
  removeThread(t.process.kernel, t.process.index, t.index);
  nameTables(t.process);
  dropTables(t.process, t.record);
}

test("a process whose first thread has left has what the next one has, also where that leaves the tables of others", () => {
  const t = caller();
  const { bundle } = t.process.site;
  const [second, third] = [another(t), another(t)];
  // Another process, which goes on with them.
  for (const [i, kind] of (["fds", "files"] as const).entries()) shareTable(bundle.tables, kind, ownOf(t)[i]! - 1);
  const shared = ownOf(t);
  expect(named(t)).toEqual(shared);
  leave(t);
  expect(named(second)).toEqual(shared);
  expect([unshareTable(third, "fds"), unshareTable(second, "fds"), unshareTable(second, "files")]).toEqual([0, 0, 0]);
  expect(ownOf(second)).not.toEqual(shared);
  expect(named(second)).toEqual(ownOf(second));
  leave(second);
  expect(named(third)).toEqual(ownOf(third));
  leave(third);
  expect(named(third)).toEqual([0, 0]);
});
