// A process without a program whose threads, one a worker, make system calls: for the tests of signals among threads. The
// leader is the test itself, which runs no guest code unless it says so.
import { type Hart, hartIn, setPc, setX } from "../../src/cpu/hart.ts";
import { encode } from "../../src/isa/riscv/encode.ts";
import type { EngineOptions } from "../../src/linux/bundle.ts";
import { initSignals } from "../../src/linux/signals.ts";
import type { Task } from "../../src/linux/task.ts";
import { addThread, allocateTask, TaskField, taskAt } from "../../src/linux/tasks.ts";
import { hartOf } from "../../src/linux/worker-table.ts";
import { claim, launch, type WorkerPool } from "../../src/linux/workers.ts";
import { attachGuestMemory, Page } from "../../src/memory/guest-memory.ts";
import { addRunner } from "../../src/memory/sharing.ts";
import { constant, type Item, jump, newLabel } from "../tools/assembler.ts";
import { entryIn, giveRights, newGuest } from "./programs.ts";

const [sp, tp, t0, t1, t2, a0, a1, a2, a7] = [2, 4, 5, 6, 7, 10, 11, 12, 17];
export const codeAt = 0x10000;
/** Words: how many threads have come, how many handlers ran; of each thread a count of its handlers and what its call answered, by its number; values. */
export const data = {
  start: 0x20000,
  arrived: 0x20000,
  handled: 0x20004,
  turns: 0x20008,
  counts: 0x20100,
  results: 0x20200,
  set: 0x20300,
  room: 0x20400,
  values: 0x21000,
} as const;
const valuesEnd = data.values + 4 * 120_000;
const stackBytes = 0x10000;
const stacksAt = 0x200000;
const mostThreads = 8;

const call = (nr: number): Item[] => [...constant(a7, nr), encode("ecall", {})];

/** Adds 1 to a word; what it was is in t1. */
const count = (at: number): Item[] => [
  ...constant(t0, at),
  ...constant(t1, 1),
  encode("amoadd.w", { rd: t1, rs1: t0, rs2: t1, imm: 3 }),
];

/** The address of this thread's word of a table, in t0. */
const own = (table: number): Item[] => [
  ...constant(t0, table),
  encode("slli", { rd: t1, rs1: tp, imm: 2 }),
  encode("add", { rd: t0, rs1: t0, rs2: t1 }),
];

function forever(): Item[] {
  const again = newLabel();
  return [again, ...count(data.turns), jump(again)];
}

const programs = {
  /** Keeps the value that came with the signal, and counts it. */
  handler: () => [
    ...count(data.handled),
    encode("slli", { rd: t1, rs1: t1, imm: 2 }),
    ...constant(t0, data.values),
    encode("add", { rd: t0, rs1: t0, rs2: t1 }),
    encode("lw", { rd: t2, rs1: a1, imm: 24 }),
    encode("sw", { rs1: t0, rs2: t2 }),
    ...own(data.counts),
    ...constant(t1, 1),
    encode("amoadd.w", { rs1: t0, rs2: t1, imm: 3 }),
    encode("jalr", { rs1: 1 }),
  ],
  sigreturn: () => call(139),
  /** Runs. */
  looping: () => [...count(data.arrived), ...forever()],
  /** Reads from descriptor a0, keeps what that answers, and runs. */
  reading: () => [
    ...count(data.arrived),
    ...constant(a1, data.room),
    ...constant(a2, 1),
    ...call(63),
    ...own(data.results),
    encode("sw", { rs1: t0, rs2: a0 }),
    ...forever(),
  ],
  /** exit_group(7). */
  exiting: () => [...constant(a0, 7), ...call(94)],
} satisfies Record<string, () => Item[]>;

export type Program = keyof typeof programs;

/** Guest address of a program. */
export const entry = (name: Program): number => entryIn(codeAt, programs, name);

export function makeGuest(jit: EngineOptions["jit"]): Task {
  const t = newGuest(jit, codeAt, programs);
  giveRights(t, data.start, valuesEnd, Page.read | Page.write);
  giveRights(t, stacksAt, stacksAt + mostThreads * stackBytes, Page.read | Page.write);
  t.process.signals.trampoline = entry("sigreturn");
  return t;
}

/** Makes a hart begin a program as thread number `n` with `arg` in a0. */
export function begin(h: Hart, program: Program, n: number, arg = 0): void {
  h.i32.fill(0);
  setPc(h, entry(program));
  setX(h, tp, n);
  setX(h, sp, stacksAt + (n + 1) * stackBytes);
  setX(h, a0, arg);
}

/** Starts thread number `n` on a worker, with signals blocked by two words of a mask. Answers its id. */
export function start(t: Task, pool: WorkerPool, program: Program, n: number, arg = 0, lo = 0, hi = 0): number {
  const { kernel, index, space } = t.process;
  const slot = claim(pool);
  const task = allocateTask(kernel, index);
  if (slot < 0 || task < 0) throw new Error(`no worker or no task: ${slot}, ${task}`);
  begin(hartIn(attachGuestMemory(pool.bundle.memory), hartOf(pool.table, slot)), program, n, arg);
  const record = taskAt(kernel, task);
  initSignals(record);
  record.signals.set([lo, hi]);
  addRunner(space.sharing);
  addThread(kernel, index, task);
  launch(pool, slot, task);
  return record.i32[TaskField.tid]!;
}
