// Runs a sequence of instructions twice on bare memory: by the interpreter, and by regions compiled to WebAssembly with
// the interpreter for what they leave to it. No kernel: the first trap ends a run.
import { expect } from "bun:test";
import { findRegion } from "../../jit/region.ts";
import { wasmShape } from "../../jit/wasm/compile.ts";
import type { WasmRegion } from "../../jit/wasm/emit.ts";
import { makeEnvironment } from "../../jit/wasm/environment.ts";
import { compileRegions } from "../../jit/wasm/module.ts";
import { makeFpu } from "../../src/cpu/float/fpu.ts";
import { Cause, getPc, type Hart, hart, hartIn, setPc } from "../../src/cpu/hart.ts";
import { type Interpreter, makeInterpreter, type Tier } from "../../src/cpu/interpreter.ts";
import { type GuestMemory, hartOffset, newGuestMemory, Page, pagesChanged } from "../../src/memory/guest-memory.ts";
import { fillWatchTable, type Watched } from "../../src/memory/watch-table.ts";
import { codeBase, codeBytes, dataBase, listing, type Sequence } from "../tools/sequence.ts";

const dataBytes = 0x3000;
/** Instructions after which a sequence counts as endless: where it is stopped then is not the same for all. */
const endless = 20_000;

export interface Bare {
  readonly h: Hart;
  readonly m: GuestMemory;
  readonly interpreter: Interpreter;
  /** What is watched, so that a run ends before an access to it. */
  watched?: readonly Watched[];
}

/** Watches bytes, their pages too. */
function watch(m: GuestMemory, all: readonly Watched[]): void {
  fillWatchTable(m.watchTable, all);
  for (const { address, length } of all)
    for (let page = address >>> 12; page << 12 < address + length; page++) m.pages[page]! |= Page.watch;
  m.watched = (from, length, kind) =>
    all.some((w) => from < w.address + w.length && from + length > w.address && (kind === "read" ? w.reads : w.writes));
}

export function newBare(tier?: Tier, index = 0): Bare {
  const m = newGuestMemory(dataBase + 0x10000);
  const h = hartIn(m, index);
  const interpreter = makeInterpreter(h, m, { time: () => 0, decoded: undefined, ...(tier && { tier }) });
  m.codeChanged = interpreter.invalidate;
  return { h, m, interpreter };
}

/** Brings a sequence's code, data and registers to where they begin. The third page of the data is read-only. */
export function prepare(b: Bare, s: Sequence): void {
  const { h, m, interpreter } = b;
  m.u8.fill(0, codeBase, codeBase + 8192);
  m.u8.set(codeBytes(s), codeBase);
  for (let i = 0; i < dataBytes; i++) m.u8[dataBase + i] = (i * 37) ^ (i >>> 5);
  m.pages.fill(0);
  m.pages.fill(Page.read | Page.exec, codeBase >>> 12, (codeBase >>> 12) + 2);
  m.pages.fill(Page.read | Page.write, dataBase >>> 12, (dataBase >>> 12) + 2);
  m.pages[(dataBase >>> 12) + 2] = Page.read;
  if (b.watched !== undefined) watch(m, b.watched);
  pagesChanged(m, codeBase >>> 12, (codeBase >>> 12) + 2);
  pagesChanged(m, dataBase >>> 12, (dataBase >>> 12) + 3);
  interpreter.invalidate(codeBase, codeBase + 8192);
  h.i32.fill(0);
  const words = new BigUint64Array(h.i32.buffer, h.i32.byteOffset);
  words.set(s.x, 1);
  words.set(s.f, hart.f / 2);
  h.i32[hart.fflags] = s.fcsr & 31;
  h.i32[hart.frm] = s.fcsr >>> 5;
  setPc(h, codeBase);
}

/** Runs to the first trap with regions of up to `bound` instructions. Answers how many went by in regions. */
export function runCompiled(b: Bare, bound: number, limit = endless): number {
  const { h, m, interpreter } = b;
  const cache = new Map<number, WasmRegion | undefined>();
  const unit = makeFpu(h) as unknown as Record<string, (...operands: number[]) => number>;
  const env = makeEnvironment({ memory: m.memory, hart: hartOffset(0) }, unit);
  const fetch = (at: number): number => {
    if (!((m.pages[at >>> 12] ?? 0) & Page.exec)) return -1;
    const low = m.u16[at >>> 1]!;
    return (low & 3) === 3 ? low + m.u16[(at + 2) >>> 1]! * 65536 : low;
  };
  // Where indirect jumps led. What is compiled is compiled anew when something new is seen.
  const targets = new Map<number, number[]>();
  const learn = (): void => {
    for (const { site, target } of env.links.jumps(1)?.last ?? []) {
      const known = targets.get(site) ?? [];
      if (known.includes(target)) continue;
      targets.set(site, [...known, target]);
      cache.clear();
    }
  };
  const profileOf = (site: number) => ({ targets: targets.get(site) ?? [], learns: true });
  const make = (pc: number): void => {
    const region = pc < 2 ** 32 ? findRegion(pc, fetch, bound, wasmShape, undefined, profileOf) : undefined;
    const [compiled] =
      region === undefined ? [] : compileRegions([region], env, { watched: b.watched !== undefined, confined: false });
    cache.set(pc, compiled);
    if (region === undefined || compiled === undefined) return;
    env.links.link(pc, compiled);
    for (const at of region.entries) {
      cache.set(at, () => compiled(0, at));
      env.links.link(at, compiled);
    }
  };
  let inRegions = 0;
  while (h.f64[hart.instret / 2]! < limit) {
    const pc = getPc(h);
    learn();
    if (!cache.has(pc)) make(pc);
    const compiled = cache.get(pc);
    if (compiled !== undefined) {
      h.i32[hart.executed] = 0;
      const to = compiled();
      const executed = h.i32[hart.executed]!;
      inRegions += executed;
      h.f64[hart.instret / 2]! += executed;
      setPc(h, to >>> 0);
      if (executed > 0) continue;
    }
    if (interpreter.run(1) !== Cause.requested) break;
  }
  return inRegions;
}

/** How a sequence is run: with regions of up to so many instructions, or by a function. */
export type Way = number | ((b: Bare) => void);

const stateOf = ({ h, m }: Bare): string[] => {
  const words = new BigUint64Array(h.i32.buffer, h.i32.byteOffset);
  const hex = (v: bigint): string => v.toString(16);
  return [
    ...Array.from({ length: 32 }, (_, i) => `x${i}=${hex(words[i]!)}`),
    ...Array.from({ length: 32 }, (_, i) => `f${i}=${hex(words[hart.f / 2 + i]!)}`),
    `fflags=${h.i32[hart.fflags]} frm=${h.i32[hart.frm]} pc=${getPc(h).toString(16)}`,
    `cause=${h.i32[hart.cause]} tval=${hex(words[hart.tval / 2]!)} instret=${h.f64[hart.instret / 2]}`,
    `data=${Bun.hash(m.u8.subarray(dataBase, dataBase + dataBytes))}`,
  ];
};

/** Runs a sequence by the interpreter and in another way; what differs, as lines. */
export function differences(plain: Bare, compiled: Bare, s: Sequence, way: Way): string[] {
  for (const b of [plain, compiled]) prepare(b, s);
  if (plain.interpreter.run(endless) === Cause.requested) return [];
  if (typeof way === "number") runCompiled(compiled, way);
  else way(compiled);
  const [wanted, got] = [stateOf(plain), stateOf(compiled)];
  return wanted.flatMap((line, i) => (line === got[i] ? [] : [`${line}, compiled ${got[i]}`]));
}

/** Fails with the listing of the first of the sequences that differs, made as small as removing instructions makes it. */
export function expectSame(plain: Bare, compiled: Bare, all: readonly Sequence[], way: Way): void {
  const failing = all.find((s) => differences(plain, compiled, s, way).length > 0);
  if (failing === undefined) return;
  let smallest = failing;
  for (let at = smallest.code.length - 1; at >= 0; at--) {
    const without = { ...smallest, code: smallest.code.toSpliced(at, 1) };
    if (differences(plain, compiled, without, way).length > 0) smallest = without;
  }
  expect(`${differences(plain, compiled, smallest, way).join("\n")}\n${listing(smallest)}`).toBe("");
}
