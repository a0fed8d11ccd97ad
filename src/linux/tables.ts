// What processes have of themselves that is too large for their records. It is cut into slices of equal kinds; untouched ones
// cost nothing. A table of descriptors, or a view of the file system, is that of several threads, or processes (CLONE_FILES, CLONE_FS):
// the threads' records name it, and here is counted how many do. Timers and supplementary groups have the index of their process.
//
// Slices lie in memory of the host's that all workers reach by its address: the engine counts a shared buffer of that size as
// so much garbage to come, and collected it for 0.2 to 2 s at a time. Views of such memory can do all that those of a shared
// buffer can but sleep. Counts and locks are in a small shared buffer, with the table of workers: worker-table.ts.
import { type Pointer, toArrayBuffer } from "bun:ffi";
import { host } from "../host/syscall.ts";
import type { Mutex } from "../sync/mutex.ts";
import { groupWords } from "./attributes.ts";
import { errno } from "./errno.ts";
import { fdWords } from "./fds.ts";
import { fsWords } from "./file-system.ts";
import { mostProcesses } from "./processes.ts";
import { timerWords } from "./timers.ts";
import { workersAt, workersRoom } from "./worker-table.ts";

const roundUp = (bytes: number): number => Math.ceil(bytes / 4096) * 4096;

/** Bytes of a slice. */
const sizes = {
  fds: roundUp(fdWords * 4),
  files: roundUp(fsWords * 4),
  timers: roundUp(timerWords * 8),
  groups: roundUp(groupWords * 4),
} as const;
export type TableKind = keyof typeof sizes;
/** Those that threads share. */
export type SharedKind = "fds" | "files";

/** What all workers have of the tables: plain data. They last as long as the emulator. */
export interface Tables {
  readonly shared: SharedArrayBuffer;
  /** Host address of the slices. */
  readonly address: number;
}

/** Words of the shared buffer: how many threads have a slice; locks of their timers. */
const usersAt: Readonly<Record<SharedKind, number>> = { fds: 0, files: mostProcesses };
const timerLocksAt = 2 * mostProcesses;
if (workersAt < 3 * mostProcesses * 4) throw new Error("the table of workers lies over that of counts");

/** Byte offset of the slices of a kind. */
const starts = {} as Record<TableKind, number>;
let end = 0;
for (const kind of Object.keys(sizes) as TableKind[]) {
  starts[kind] = end;
  end += sizes[kind] * mostProcesses;
}

/** All tables are free. */
export function newTables(): Tables {
  const [readWrite, sharedAnonymousUnreserved] = [3, 0x4021];
  const address = host("mmap", 0, end, readWrite, sharedAnonymousUnreserved, -1, 0);
  if (address < 0) throw new Error(`no memory for the tables of processes: errno ${-address}`);
  return { shared: new SharedArrayBuffer(workersAt + workersRoom), address };
}

/** Views of slices that were asked for before, by host address: the engine counts each one that is made. */
const views = new Map<number, Int32Array>();

function viewOf({ address }: Tables, kind: TableKind, index: number): Int32Array {
  const at = address + starts[kind] + index * sizes[kind];
  let view = views.get(at);
  if (view === undefined) {
    view = new Int32Array(toArrayBuffer(at as Pointer, 0, sizes[kind]));
    views.set(at, view);
  }
  return view;
}

/** The words of a slice. */
export const wordsOf = (tables: Tables, kind: Exclude<TableKind, "timers">, index: number): Int32Array =>
  viewOf(tables, kind, index);

/** The words of a process's timers. */
export const timersOf = (tables: Tables, index: number): Float64Array =>
  new Float64Array(viewOf(tables, "timers", index).buffer, 0, timerWords);

/** What guards them. */
export const timerLock = (tables: Tables, index: number): Mutex => ({
  words: counts(tables),
  index: timerLocksAt + index,
});

const counts = ({ shared }: Tables): Int32Array => new Int32Array(shared, 0, 3 * mostProcesses);

/** Takes a slice that no thread has, for one. Its words are as `dropTable`'s caller left them: zero at first. -ENOMEM where all are taken. */
export function takeTable(tables: Tables, kind: SharedKind): number {
  const words = counts(tables);
  for (let index = 0; index < mostProcesses; index++)
    if (Atomics.compareExchange(words, usersAt[kind] + index, 0, 1) === 0) return index;
  return -errno.ENOMEM;
}

/** Those that some thread has, or had a moment ago. */
export function* tablesInUse(tables: Tables, kind: SharedKind): Generator<number> {
  const words = counts(tables);
  for (let index = 0; index < mostProcesses; index++) if (Atomics.load(words, usersAt[kind] + index) !== 0) yield index;
}

/** One more thread has the slice. */
export const shareTable = (tables: Tables, kind: SharedKind, index: number): void =>
  void Atomics.add(counts(tables), usersAt[kind] + index, 1);

/** How many threads have the slice. */
export const tableUsers = (tables: Tables, kind: SharedKind, index: number): number =>
  Atomics.load(counts(tables), usersAt[kind] + index);

/** A thread has the slice no more. The last one has it emptied, by `empty`, before it is free. */
export function dropTable(tables: Tables, kind: SharedKind, index: number, empty: () => void): void {
  const words = counts(tables);
  const at = usersAt[kind] + index;
  for (;;) {
    const now = Atomics.load(words, at);
    if (now === 1) {
      // Nobody else can come to share it: only who has it could.
      empty();
      Atomics.store(words, at, 0);
      return;
    }
    if (Atomics.compareExchange(words, at, now, now - 1) === now) return;
  }
}
