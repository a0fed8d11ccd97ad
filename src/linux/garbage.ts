// When a worker collects its garbage. The engine does that when a heap has become twice as large as it was, and counts all shared
// buffers as part of the heap: the guest's memory, page tables, decode caches, a gigabyte or more in all, most of which nobody ever
// touches (what processes have besides lies outside: tables.ts). So garbage would pile up to as much, in each worker. Instead a worker looks now and then whether the emulator grew,
// and collects what is young, in 0.3 to 3 ms. 1.8 million calls with paths held 3.9 GB without, and took longer.
import { readHostFile } from "../host/file.ts";

/** System calls between two looks, of 10 us each. */
const interval = 8192;
/** Growth that is not cared about, in pages: it may be the guest's own. */
const slack = 4096;
/** Collections of young objects before one of all. */
const rounds = 16;

/** What a thread leaves that has come and gone, in calls. */
const perThread = 512;

let calls = 0;
/** Whether a thread has ended here since all garbage was collected. */
let hasRun = false;
let collections = 0;
/** Pages in memory when that was last looked at. */
let before = 0;

const pagesInMemory = (): number => {
  const text = readHostFile("/proc/self/statm");
  return typeof text === "string" ? Number(text.split(" ")[1]) : 0;
};

/** Called for each system call. */
export function noteCall(): void {
  if (++calls >= interval) lookForGarbage();
}

/** Called at the end of each thread that this worker has run. */
export function noteThread(): void {
  hasRun = true;
  calls += perThread;
  if (calls >= interval) lookForGarbage();
}

/** Whether it pays to collect all garbage in a worker that has nothing else to do. */
export const isLittered = (): boolean => hasRun;

/** Does that. */
export function collectAll(): void {
  const { fullGC } = require("bun:jsc") as typeof import("bun:jsc");
  fullGC();
  hasRun = false;
}

function lookForGarbage(): void {
  calls = 0;
  const now = pagesInMemory();
  const grown = now - before;
  if (grown > 0 && grown < slack) return;
  if (grown >= slack) {
    const { edenGC, fullGC } = require("bun:jsc") as typeof import("bun:jsc");
    if (++collections % rounds === 0) fullGC();
    else edenGC();
  }
  before = pagesInMemory();
}
