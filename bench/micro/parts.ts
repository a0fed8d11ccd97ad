// The parts of the emulator, one at a time, by mitata: decoding, translating, dispatch, a system call, copies.
import { measure } from "mitata";
import { makeJsEmitter } from "../../jit/js/compile.ts";
import type { Region } from "../../jit/region.ts";
import type { Emitter, Place } from "../../jit/tiers.ts";
import { makeWasmEmitter } from "../../jit/wasm/compile.ts";
import { setPc, setX } from "../../src/cpu/hart.ts";
import { decode } from "../../src/isa/riscv/decode.ts";
import { encode } from "../../src/isa/riscv/encode.ts";
import { systemCall } from "../../src/linux/dispatch.ts";
import { copyTo, readable, readString } from "../../src/memory/guest-memory.ts";
import { buildGuest, isThere } from "../compile.ts";
import type { Options } from "../options.ts";
import type { Figure } from "../results.ts";
import { type Code, codeOf, regionsOf } from "./code.ts";
import { area, makeThread, putCode, type Thread } from "./thread.ts";

/** Something to be done once, or in turn with others like it, and how many units of work it then does on average. */
interface Task {
  readonly name: string;
  readonly run: () => unknown;
  readonly units: number;
  /** What it is measured by. */
  readonly unit: "ns/instruction" | "ns";
}

/** Takes the elements of a list in turn, for ever. */
function inTurn<T>(list: readonly T[], act: (element: T) => unknown): () => unknown {
  let i = 0;
  return () => act(list[i++ % list.length]!);
}

const placeOf = ({ task, interpreter }: Thread): Place => ({ interpreter, hart: task.hart, memory: task.memory });

/** More than are compiled in one measurement, so that no engine finds its own work again. */
const regionCount = 6000;
/** Regions differ: so many are compiled, one by one, for one sample. */
const batch = 30;

function translation(name: string, code: Code, emitter: Emitter): Task[] {
  const regions = regionsOf(code, emitter.shape, regionCount);
  const batches = Array.from({ length: regionCount / batch }, (_, i) => regions.slice(i * batch, (i + 1) * batch));
  const units = unitsOf(regions) / batches.length;
  const find = () => regionsOf(code, emitter.shape, batch);
  const compile = inTurn(batches, (some) => some.map((region) => emitter.compile([region])));
  return [
    { name: `finding a region for ${name}`, run: find, units: unitsOf(find()), unit: "ns/instruction" },
    { name: `translating to ${name}, ready to run`, run: compile, units, unit: "ns/instruction" },
  ];
}

const unitsOf = (regions: readonly Region[]): number => regions.reduce((sum, r) => sum + r.instructions, 0);

const [a0, a1, a2, a7] = [10, 11, 12, 17];
const getpid = 172;

/** The interpreter on a loop of additions, and on one that loads and stores. */
function dispatch(): Task[] {
  const loop = (name: string, code: readonly number[]): Task => {
    const thread = makeThread();
    putCode(thread, [...code, encode("jal", { rd: 0, imm: -4 * code.length })]);
    const budget = 10_000;
    const run = () => {
      setPc(thread.task.hart, area.start);
      setX(thread.task.hart, a1, area.start + 0x1000);
      return thread.interpreter.run(budget);
    };
    return { name, run, units: budget, unit: "ns/instruction" };
  };
  const add = encode("add", { rd: a0, rs1: a0, rs2: a2 });
  const xor = encode("xori", { rd: a2, rs1: a0, imm: 5 });
  const load = encode("ld", { rd: a0, rs1: a1, imm: 8 });
  const store = encode("sd", { rs2: a0, rs1: a1, imm: 16 });
  return [
    loop("interpreter: add, xor", [add, xor, add, xor, add, xor, add]),
    loop("interpreter: load, store", [load, store, load, store, load, store, load]),
  ];
}

function kernelSide(): Task[] {
  const { task } = makeThread();
  const { memory } = task;
  const [small, page] = [new Uint8Array(64), new Uint8Array(4096)];
  memory.u8.set(Buffer.from("/usr/lib/riscv64-linux-gnu/libc.so.6\0"), area.start);
  const call = () => {
    setPc(task.hart, area.start);
    setX(task.hart, a7, getpid);
    systemCall(task, undefined);
  };
  return [
    { name: "system call: getpid", run: call, units: 1, unit: "ns" },
    { name: "bytes of a guest's page", run: () => readable(memory, area.start + 100, 3000), units: 1, unit: "ns" },
    { name: "copy of 64 bytes to a guest", run: () => copyTo(memory, area.start + 4090, small), units: 1, unit: "ns" },
    { name: "copy of 4096 bytes to a guest", run: () => copyTo(memory, area.start + 4090, page), units: 1, unit: "ns" },
    { name: "path from a guest, 36 bytes", run: () => readString(memory, area.start, 4096), units: 1, unit: "ns" },
  ];
}

/** Runs before those that count: what is measured is itself compiled by then. */
const warmUps = 20;

export async function emulatorParts(o: Options, progress: (what: string) => void): Promise<Figure[]> {
  const tasks = [...dispatch(), ...kernelSide()];
  if (isThere("riscv64-linux-gnu-gcc")) {
    const code = await codeOf(buildGuest("json.c"));
    tasks.unshift(
      { name: "decoding", run: inTurn(code.instructions, decode), units: 1, unit: "ns/instruction" },
      ...translation("JavaScript", code, makeJsEmitter(placeOf(makeThread()))),
      ...translation("WebAssembly", code, makeWasmEmitter(placeOf(makeThread()))),
    );
  }
  const figures: Figure[] = [];
  for (const { name, run, units, unit } of tasks) {
    progress(name);
    for (let i = 0; i < warmUps; i++) run();
    const { p50, min } = await measure(run, { min_cpu_time: o.quick ? 2e8 : 1e9 });
    figures.push({ part: "parts of the emulator", name, values: { median: p50 / units, best: min / units }, unit });
  }
  return figures;
}
