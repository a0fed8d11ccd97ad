// A guest thread without a program, on which the parts of the emulator are measured by themselves.
import { type Interpreter, makeInterpreter } from "../../src/cpu/interpreter.ts";
import { newProcess } from "../../src/linux/process.ts";
import type { Task } from "../../src/linux/task.ts";
import { Page, pageSize } from "../../src/memory/guest-memory.ts";

/** Memory of the thread that it may read, write and execute. */
export const area = { start: 0x100000, end: 0x200000 } as const;

export interface Thread {
  readonly task: Task;
  readonly interpreter: Interpreter;
}

export function makeThread(): Thread {
  const task = newProcess({ sysroot: undefined, stackSize: undefined });
  const { memory } = task;
  memory.pages.fill(Page.read | Page.write | Page.exec, area.start / pageSize, area.end / pageSize);
  const interpreter = makeInterpreter(task.hart, memory, { time: () => 0, decoded: undefined });
  memory.codeChanged = interpreter.invalidate;
  return { task, interpreter };
}

/** Puts instructions at the beginning of the area. */
export function putCode({ task }: Thread, code: readonly number[]): void {
  for (const [i, bits] of code.entries()) task.memory.view.setInt32(area.start + 4 * i, bits, true);
}
