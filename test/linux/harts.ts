// A process without a program whose harts run small pieces of guest code, for the tests of workers.
import { Cause, getPc, type Hart, hart, hartIn, setPc, setX } from "../../src/cpu/hart.ts";
import { encode } from "../../src/isa/riscv/encode.ts";
import type { EngineOptions } from "../../src/linux/bundle.ts";
import type { Engine } from "../../src/linux/guest-code.ts";
import type { Task } from "../../src/linux/task.ts";
import { addThread, allocateTask } from "../../src/linux/tasks.ts";
import { hartOf } from "../../src/linux/worker-table.ts";
import { claim, launch, type WorkerPool } from "../../src/linux/workers.ts";
import { attachGuestMemory, Page, pageSize } from "../../src/memory/guest-memory.ts";
import { branch, constant, type Item, jump, newLabel } from "../tools/assembler.ts";
import { entryIn, giveRights, newGuest } from "./programs.ts";

/** What guest code asks for at an ecall, in a7. Linux's numbers are these but for the first three. */
export const request = {
  end: 1,
  /** Starts a thread at the address in a0, which gets a0 to a3 as they are. */
  child: 2,
  /** An exception in the emulator. */
  fail: 3,
  exitGroup: 94,
} as const;

const [a0, a1, a2, a3, a4, a5, a6, a7, t0, t1] = [10, 11, 12, 13, 14, 15, 16, 17, 5, 6];

export const codeAt = 0x10000;
/** How many harts have come, what they count, and a cell for each of two, 64 bytes before what it has read. */
export const data = { start: 0x20000, arrived: 0x20000, counter: 0x20040, cells: 0x21000 } as const;
export const roomBytes = 0x400000;
const dataPages = (2 * roomBytes) / pageSize + 1;

const call = (nr: number): Item[] => [...constant(a7, nr), encode("ecall", {})];

/** Adds 1 to the word at `at` and waits until it is `parties`, which is in a register. */
function meet(at: number, parties: number): Item[] {
  const again = newLabel();
  return [
    ...constant(t0, at),
    ...constant(t1, 1),
    encode("amoadd.w", { rs1: t0, rs2: t1, imm: 3 }),
    again,
    encode("lw", { rd: t1, rs1: t0 }),
    branch("blt", t1, parties, again),
  ];
}

/** Waits for a1 harts, then adds a2 times 1 to the counter. */
function counting(): Item[] {
  const again = newLabel();
  return [
    ...meet(data.arrived, a1),
    ...constant(t0, data.counter),
    ...constant(t1, 1),
    again,
    encode("amoadd.d", { rs1: t0, rs2: t1 }),
    encode("addi", { rd: a2, rs1: a2, imm: -1 }),
    branch("bne", a2, 0, again),
    ...call(request.end),
  ];
}

/** Times that two harts wait for each other, so that they run side by side though one is compiled later. */
export const passes = 16;

/**
 * Hart a2 of two (0 or 1): for i from 1 on stores i into its own cell, and keeps what it then reads in the other's. Does so a1
 * times each time that both have come.
 */
function storeThenLoad(): Item[] {
  const [pass, again] = [newLabel(), newLabel()];
  const [own, other, to, i, end, parties] = [a0, a3, a4, a5, a2, a6];
  return [
    // Cells and rooms of the two lie at the same distance.
    ...constant(t0, roomBytes),
    encode("mul", { rd: t1, rs1: t0, rs2: a2 }),
    ...constant(own, data.cells),
    encode("add", { rd: other, rs1: own, rs2: t0 }),
    encode("sub", { rd: other, rs1: other, rs2: t1 }),
    encode("add", { rd: own, rs1: own, rs2: t1 }),
    encode("addi", { rd: to, rs1: own, imm: 64 }),
    encode("addi", { rd: i, rs1: 0, imm: 0 }),
    encode("addi", { rd: end, rs1: 0, imm: 0 }),
    encode("addi", { rd: parties, rs1: 0, imm: 0 }),
    pass,
    encode("addi", { rd: parties, rs1: parties, imm: 2 }),
    ...meet(data.arrived, parties),
    encode("add", { rd: end, rs1: end, rs2: a1 }),
    again,
    encode("addi", { rd: i, rs1: i, imm: 1 }),
    encode("sw", { rs1: own, rs2: i }),
    encode("fence", { imm: 0x33 }),
    encode("lw", { rd: t1, rs1: other }),
    encode("sw", { rs1: to, rs2: t1 }),
    encode("addi", { rd: to, rs1: to, imm: 4 }),
    branch("blt", i, end, again),
    encode("addi", { rd: t0, rs1: 0, imm: 2 * passes }),
    branch("blt", parties, t0, pass),
    ...call(request.end),
  ];
}

/** Adds 1 to the counter, and has a thread do the same, a1 times inside each other. */
function nesting(): Item[] {
  const last = newLabel();
  return [
    ...constant(t0, data.counter),
    ...constant(t1, 1),
    encode("amoadd.d", { rs1: t0, rs2: t1 }),
    encode("addi", { rd: a1, rs1: a1, imm: -1 }),
    branch("beq", a1, 0, last),
    ...call(request.child),
    last,
    ...call(request.end),
  ];
}

/** Tells that it has come, and ends. */
const arriving = (): Item[] => {
  const [one, at] = [t1, t0];
  return [
    ...constant(at, data.arrived),
    ...constant(one, 1),
    encode("amoadd.w", { rs1: at, rs2: one }),
    ...call(request.end),
  ];
};

const forever = (): Item[] => {
  const again = newLabel();
  return [again, jump(again)];
};

const programs = {
  counting,
  storeThenLoad,
  nesting,
  arriving,
  forever,
  failing: () => call(request.fail),
  exiting: () => [...constant(a0, 7), ...call(request.exitGroup)],
} satisfies Record<string, () => Item[]>;

export type Program = keyof typeof programs;

/** Guest address of a program. */
export const entry = (name: Program): number => entryIn(codeAt, programs, name);

export function makeGuest(jit: EngineOptions["jit"]): Task {
  const t = newGuest(jit, codeAt, programs);
  giveRights(t, data.start, data.start + dataPages * pageSize, Page.read | Page.write);
  return t;
}

/** Makes a hart begin at `pc` with `args` in a0, a1 and so on. */
export function begin(h: Hart, pc: number, args: readonly number[]): void {
  h.i32.fill(0);
  setPc(h, pc);
  args.forEach((value, i) => {
    setX(h, a0 + i, value);
  });
}

/** Starts a thread on a worker. Answers the worker. */
export function start(pool: WorkerPool, pc: number, args: readonly number[]): number {
  const slot = claimed(pool);
  give(pool, slot, pc, args);
  return slot;
}

/** A worker that waits for a task. */
export function claimed(pool: WorkerPool): number {
  const slot = claim(pool);
  if (slot < 0) throw new Error(`no worker: ${slot}`);
  return slot;
}

/** Runs code on a worker that was claimed. */
export function give(pool: WorkerPool, slot: number, pc: number, args: readonly number[]): void {
  begin(hartIn(attachGuestMemory(pool.bundle.memory), hartOf(pool.table, slot)), pc, args);
  const task = allocateTask(pool.kernel, 0);
  addThread(pool.kernel, 0, task);
  launch(pool, slot, task);
}

/** Runs to the next ecall, and goes behind it. */
export function runUntilCall(engine: Engine, h: Hart): void {
  for (;;) {
    const cause = engine.run(50_000);
    if (cause === Cause.ecall) break;
    if (cause !== Cause.requested) throw new Error(`trap ${cause} at 0x${getPc(h).toString(16)}`);
  }
  h.i32[hart.pc] = h.i32[hart.pc]! + 4;
}
