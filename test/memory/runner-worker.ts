// What runners.ts starts: runs guest code, or makes calls, as a thread of the address space.
import { threadId, workerData } from "node:worker_threads";
import { Cause, hart, hartIn, setPc, setX } from "../../src/cpu/hart.ts";
import { makeEngine } from "../../src/linux/engine.ts";
import { runGuestCode } from "../../src/linux/guest-code.ts";
import type { Task } from "../../src/linux/task.ts";
import { TaskField } from "../../src/linux/tasks.ts";
import { type AddressSpace, attachAddressSpace } from "../../src/memory/address-space.ts";
import { attachGuestMemory, pageSize, writable } from "../../src/memory/guest-memory.ts";
import { map, protect, unmap } from "../../src/memory/map.ts";
import { RemapFlag, remap } from "../../src/memory/remap.ts";
import { removeRunner } from "../../src/memory/sharing.ts";
import { mainAgent, setAgentId } from "../../src/sync/agent.ts";
import { type Order, State, Word } from "./runners.ts";
import { anon, R, RW } from "./spaces.ts";

const order = workerData as Order;
const { words, work } = order;
setAgentId(mainAgent + threadId);
const memory = attachGuestMemory(order.memory);
const space = attachAddressSpace(memory, order.mappings);

function runCode(pc: number, args: readonly number[]): void {
  const h = hartIn(memory, order.hart);
  setPc(h, pc);
  args.forEach((value, i) => {
    setX(h, 10 + i, value);
  });
  const record = { i32: new Int32Array(TaskField.words) };
  record.i32[TaskField.hart] = order.hart;
  const t = { record, process: { space } } as unknown as Task;
  const engine = makeEngine(h, space, { jit: order.jit });
  while (Atomics.load(words, Word.stop) === 0) {
    const cause = runGuestCode(t, engine, 50_000);
    if (cause === Cause.requested) continue;
    words[Word.cause] = cause;
    words[Word.tval] = h.i32[hart.tval]!;
    if (cause === Cause.ecall) return;
    Atomics.store(words, Word.state, State.trapped);
    while (Atomics.load(words, Word.state) === State.trapped) Atomics.wait(words, Word.state, State.trapped);
  }
}

/** Maps, moves and unmaps areas of its own, which must keep what it writes there, and be zero at first. */
function makeCalls(s: AddressSpace, calls: number): void {
  let seed = order.hart * 7919;
  const below = (n: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
    return (seed >>> 8) % n;
  };
  const must = (result: number): number => {
    if (result < 0) throw new Error(`a call answers ${result}`);
    return result;
  };
  const areas: { at: number; pages: number; mark: number }[] = [];
  const check = (addr: number, value: number): void => {
    if (memory.u8[addr] !== value) throw new Error(`0x${addr.toString(16)} holds ${memory.u8[addr]}, not ${value}`);
  };
  for (let i = 0; i < calls; i++) {
    const k = below(8);
    const area = areas[k];
    if (area === undefined || below(4) === 0) {
      if (area !== undefined) must(unmap(s, area.at, area.pages * pageSize));
      const pages = 1 + below(20);
      const at = must(map(s, 0, pages * pageSize, RW, anon));
      for (let p = 0; p < pages; p++) {
        const to = writable(memory, at + p * pageSize, 1);
        if (to === undefined) throw new Error("what was mapped cannot be written");
        check(at + p * pageSize, 0);
        to[0] = order.hart;
      }
      areas[k] = { at, pages, mark: order.hart };
    } else if (below(2) === 0) {
      const pages = 1 + below(20);
      area.at = must(remap(s, area.at, area.pages * pageSize, pages * pageSize, RemapFlag.MAYMOVE, 0));
      for (let p = 0; p < pages; p++) {
        check(area.at + p * pageSize, p < area.pages ? area.mark : 0);
        memory.u8[area.at + p * pageSize] = area.mark;
      }
      area.pages = pages;
    } else {
      must(protect(s, area.at, area.pages * pageSize, below(2) === 0 ? R : RW));
      for (let p = 0; p < area.pages; p++) check(area.at + p * pageSize, area.mark);
    }
  }
  for (const { at, pages } of areas.filter((a) => a !== undefined)) must(unmap(s, at, pages * pageSize));
}

try {
  if ("pc" in work) runCode(work.pc, work.args);
  else makeCalls(space, work.calls);
  removeRunner(space.sharing);
} finally {
  Atomics.store(words, Word.state, State.ended);
}
