// What else goes on in a thread of the emulator while others kick it: garbage is collected, functions become hot and are
// compiled, and pages of mapped files are lost.
import { type Pointer, toArrayBuffer } from "bun:ffi";
import { hostTid } from "../../src/host/interrupt.ts";
import { guardLostPages, lostCell, lostCellWords, takeLost } from "../../src/host/lost-pages.ts";
import { cstring } from "../../src/host/scratch.ts";
import { host } from "../../src/host/syscall.ts";
import { must } from "./blocking.ts";

const pageBytes = 4096;
const pages = 64;
const [readWrite, shared, fixed, reserved] = [3, 1, 0x10, 0x4022];
/** What a guest's memory takes of the address space: the next one is not nearer. */
const room = 2 ** 32;

/** Answers what does some of it, a little at each call, and answers how many pages were lost. */
export function newLoad(): () => number {
  // An empty file's pages: all are lost.
  const file = must(host("memfd_create", cstring("empty"), 0));
  const base = must(host("mmap", 0, room, 0, reserved, -1, 0));
  const map = (): number => must(host("mmap", base, pages * pageBytes, readWrite, shared | fixed, file, 0));
  map();
  const view = new Uint8Array(toArrayBuffer(base as Pointer, 0, pages * pageBytes));
  const cells = new Int32Array(new SharedArrayBuffer(lostCellWords * 4));
  guardLostPages(base, cells);
  const tid = hostTid();
  const cell = lostCell(cells, tid);
  let calls = 0;
  let live: object[] = [];
  let hot = newFunction(0);
  let page = 0;
  return () => {
    calls++;
    live.push({ calls, text: `${calls}`.repeat(20), words: new Float64Array(calls % 200) });
    if (calls % 500 === 0) live = [];
    if (calls % 300 === 0) Bun.gc(true);
    if (calls % 100 === 0) hot = newFunction(calls);
    if (hot(200) !== 19_900 + 200 * (calls - (calls % 100))) throw new Error("a compiled function is wrong");
    if (calls % 20 !== 0) return 0;
    if (page === pages) {
      map();
      page = 0;
    }
    if (view[page * pageBytes + 7] !== 0) throw new Error("a lost page holds something");
    page++;
    if (takeLost(cell, tid) === undefined) throw new Error("a lost page was not told");
    return 1;
  };
}

const newFunction = (seed: number): ((n: number) => number) =>
  new Function("n", `let sum = 0; for (let i = 0; i < n; i++) sum += i + ${seed}; return sum;`) as (
    n: number,
  ) => number;
