// The second shared buffer of a kernel: what processes have of themselves that is too large for their records. It is cut
// into slices of equal kinds; untouched ones cost nothing. A table of descriptors, or a view of the file system, may be that
// of several processes (CLONE_FILES, CLONE_FS): their records name it, and here is counted how many do. Timers and
// supplementary groups have the index of their process. Beside them lies the table of workers: workers.ts.
import { groupWords } from "./attributes.ts";
import { fdWords } from "./fds.ts";
import { fsWords } from "./file-system.ts";
import { mostProcesses } from "./processes.ts";
import { timerWords } from "./timers.ts";

const roundUp = (bytes: number): number => Math.ceil(bytes / 4096) * 4096;

/** Bytes of a slice. */
const sizes = {
  fds: roundUp(fdWords * 4),
  files: roundUp(fsWords * 4),
  timers: roundUp(timerWords * 8),
  groups: roundUp(groupWords * 4),
} as const;
export type TableKind = keyof typeof sizes;
/** Those that processes may share. */
export type SharedKind = "fds" | "files";

const usersAt: Readonly<Record<SharedKind, number>> = { fds: 0, files: mostProcesses };
/** Byte offset of the workers' table, and the room for it. */
const workersAt = 0x10000;
export const workersRoom = 0x80000;

/** Byte offset of the slices of a kind. */
const starts = {} as Record<TableKind, number>;
let end = workersAt + workersRoom;
for (const kind of Object.keys(sizes) as TableKind[]) {
  starts[kind] = end;
  end += sizes[kind] * mostProcesses;
}

/** All tables are free. */
export const newTables = (): SharedArrayBuffer => new SharedArrayBuffer(end);

/** The words of the workers' table. */
export const workerWords = (tables: SharedArrayBuffer): Int32Array =>
  new Int32Array(tables, workersAt, workersRoom / 4);

/** The words of a slice. */
export const wordsOf = (tables: SharedArrayBuffer, kind: Exclude<TableKind, "timers">, index: number): Int32Array =>
  new Int32Array(tables, starts[kind] + index * sizes[kind], sizes[kind] / 4);

/** The words of a process's timers. */
export const timersOf = (tables: SharedArrayBuffer, index: number): Float64Array =>
  new Float64Array(tables, starts.timers + index * sizes.timers, timerWords);

const users = (tables: SharedArrayBuffer): Int32Array => new Int32Array(tables, 0, 2 * mostProcesses);

/** Takes a slice that no process has, for one. Its words are as `dropTable`'s caller left them: zero at first. There is one for each process. */
export function takeTable(tables: SharedArrayBuffer, kind: SharedKind): number {
  const counts = users(tables);
  for (let index = 0; index < mostProcesses; index++)
    if (Atomics.compareExchange(counts, usersAt[kind] + index, 0, 1) === 0) return index;
  throw new Error(`more tables of ${kind} than processes`);
}

/** One more process has the slice. */
export const shareTable = (tables: SharedArrayBuffer, kind: SharedKind, index: number): void =>
  void Atomics.add(users(tables), usersAt[kind] + index, 1);

/** How many processes have the slice. */
export const tableUsers = (tables: SharedArrayBuffer, kind: SharedKind, index: number): number =>
  Atomics.load(users(tables), usersAt[kind] + index);

/** A process has the slice no more. The last one has it emptied, by `empty`, before it is free. */
export function dropTable(tables: SharedArrayBuffer, kind: SharedKind, index: number, empty: () => void): void {
  const counts = users(tables);
  const at = usersAt[kind] + index;
  for (;;) {
    const now = Atomics.load(counts, at);
    if (now === 1) {
      // Nobody else can come to share it: only who has it could.
      empty();
      Atomics.store(counts, at, 0);
      return;
    }
    if (Atomics.compareExchange(counts, at, now, now - 1) === now) return;
  }
}
