// Processes that have the actions of their signals in common: CLONE_SIGHAND without CLONE_THREAD. They lie in the record of one of
// them, which the others name; when that one ends, or executes a program, the others have them from then on. The signals lock
// guards it all.
import type { Kernel } from "./kernel.ts";
import { allProcesses, ProcessField, type ProcessRecord, processAt } from "./processes.ts";

/** A process that nobody knows yet has the actions of another. */
export function shareActionsHeld(k: Kernel, child: ProcessRecord, from: ProcessRecord): void {
  const keeper = from.i32[ProcessField.actionsOf]! || from.index + 1;
  child.i32[ProcessField.actionsOf] = keeper;
  processAt(k, keeper - 1).i32[ProcessField.keepsActions] = 1;
}

/** Whether another process may have the same actions. */
export const sharesActions = ({ i32 }: ProcessRecord): boolean =>
  i32[ProcessField.actionsOf] !== 0 || i32[ProcessField.keepsActions] !== 0;

/** A process has its actions alone from now on: they are as they were. */
export function leaveActionsHeld(k: Kernel, record: ProcessRecord): void {
  const { i32, index, ownActions } = record;
  ownActions.set(record.actions);
  const kept = i32[ProcessField.actionsOf]!;
  i32[ProcessField.actionsOf] = 0;
  const isLast = kept !== 0 && ![...allProcesses(k)].some((p) => p.i32[ProcessField.actionsOf] === kept);
  if (isLast) processAt(k, kept - 1).i32[ProcessField.keepsActions] = 0;
  if (i32[ProcessField.keepsActions] === 0) return;
  i32[ProcessField.keepsActions] = 0;
  const others = [...allProcesses(k)].filter((p) => p.i32[ProcessField.actionsOf] === index + 1);
  const [keeper] = others;
  if (keeper === undefined) return;
  keeper.ownActions.set(ownActions);
  for (const other of others) other.i32[ProcessField.actionsOf] = keeper.index + 1;
  keeper.i32[ProcessField.actionsOf] = 0;
  keeper.i32[ProcessField.keepsActions] = others.length > 1 ? 1 : 0;
}
