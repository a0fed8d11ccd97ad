// Reads a byte of a memory, and posts twice what its thread was told of lost pages.
import { parentPort, workerData } from "node:worker_threads";
import { hostTid } from "../../src/host/interrupt.ts";
import { guardLostPages, lostCell, takeLost } from "../../src/host/lost-pages.ts";
import { attachGuestMemory } from "../../src/memory/guest-memory.ts";

const { memory, at } = workerData as { memory: WebAssembly.Memory; at: number };
const m = attachGuestMemory(memory);
// As for a memory of its own: there must be one handler nevertheless.
guardLostPages(2 ** 50, new Int32Array(m.lost.length));
const told = [m.u8[at]].map(() => {
  const cell = lostCell(m.lost, hostTid());
  return [takeLost(cell, hostTid()), takeLost(cell, hostTid())];
});
parentPort!.postMessage(told[0]);
