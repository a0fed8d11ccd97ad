// What a call's handler answers before signals are delivered: the restart codes that no guest sees.
import { setX } from "../../src/cpu/hart.ts";
import type { CallRow } from "../../src/linux/row.ts";
import type { Task } from "../../src/linux/task.ts";

export const resultOf =
  (rows: readonly CallRow[]) =>
  (t: Task, name: string, ...args: number[]): number => {
    const row = rows.find((r) => r.name === name);
    if (row === undefined) throw new Error(`no row ${name}`);
    for (let i = 0; i < 6; i++) setX(t.hart, 10 + i, args[i] ?? 0);
    const words = t.hart.i32;
    return row.handler(t, ...row.args.map((kind, i) => kind.load(t, words[20 + 2 * i]!, words[21 + 2 * i]!)));
  };
