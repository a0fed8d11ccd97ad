// Tier 2: regions as WebAssembly functions, several in a module. A region's registers are locals: read at entry, written
// back where it is left. What the function cannot do, a fault above all, it leaves to the interpreter: it answers the
// address of the instruction, and all state is as before it.
import { hart } from "../../src/cpu/hart.ts";
import { isPcRelative } from "../../src/isa/vocabulary.ts";
import type { Block, Instruction, Region } from "../region.ts";
import { structure, type Tree, type Way } from "../structure.ts";
import { tuning } from "../tuning.ts";
import {
  access,
  br,
  type Code,
  call,
  end,
  finish,
  get,
  i32,
  i64,
  loadHart,
  memory,
  newCode,
  newLocal,
  op,
  open,
  openIf,
  orElse,
  put,
  release,
  set,
  storeHart,
  tee,
  temp,
} from "./code.ts";
import { append, encodeModule, F64, type FunctionCode, I32, I64, type Import } from "./encoder.ts";
import { helperType, lastExtents, type Memories, makeHelpers, memoryImports } from "./helpers.ts";
import { hashMask, hashOffset, type Links, makeLinks, regionType } from "./links.ts";
import { emit } from "./lowering.ts";
import type { Extent, Kind, Site } from "./site.ts";

/** What modules are linked with: one a hart. */
export interface Environment {
  readonly memories: Memories;
  readonly links: Links;
  readonly helper: ReturnType<typeof makeHelpers>;
}

/** `unit`: the functions of the hart's floating-point unit, by the names of operations. */
export function makeEnvironment(
  memories: Memories,
  unit: Readonly<Record<string, (...operands: number[]) => number>>,
): Environment {
  return { memories, links: makeLinks(memories.hart), helper: makeHelpers(memories, unit) };
}

/**
 * Answers the pc to go on at (an int32), with the number of executed instructions in the hart. Where that is 0 the first
 * instruction is the interpreter's.
 */
export type WasmRegion = () => number;

interface Emitter {
  readonly region: Region;
  readonly code: Code;
  /** Executed instructions: a parameter, for regions are entered from others. */
  readonly count: 0;
  /** Where control goes on when the function is left: at first its second parameter, which is of no interest. */
  readonly pc: 1;
  /** The slot of the function that goes on, -1 for none: the caller does. */
  readonly slot: number;
  readonly slotOf: (pc: number) => number;
  /** Locals of registers, by number. */
  readonly x: Map<number, number>;
  readonly f: Map<number, number>;
  readonly written: Set<number>;
  /** Extents, by kind, base register, and where in its block that was set. */
  readonly extents: Map<string, Extent & { readonly kind: Kind }>;
  /** Where in the block registers were set so far. */
  readonly set: Map<number, number>;
  careful: number | undefined;
  /** Levels of loops, by the address of the block that comes back to the loop, and the loop's number. */
  readonly loops: Map<string, number>;
  /** Levels of labelled blocks, by their number. */
  readonly blocks: Map<number, number>;
  readonly helper: (name: string) => number;
}

function extentOf(e: Emitter, register: number, kind: Kind): Extent {
  const key = `${kind} ${register} ${e.set.get(register) ?? ""}`;
  let extent = e.extents.get(key);
  if (extent === undefined) {
    extent = { kind, low: newLocal(e.code, I64), length: newLocal(e.code, I64) };
    e.extents.set(key, extent);
  }
  return extent;
}

/** The level of the block that all exits leave. */
const outside = 0;

function localIn<K>(map: Map<K, number>, key: K, make: () => number): number {
  let local = map.get(key);
  if (local === undefined) map.set(key, (local = make()));
  return local;
}

function emitRegion(
  region: Region,
  name: string,
  helper: (name: string) => number,
  slotOf: (pc: number) => number,
): FunctionCode {
  const c = newCode(regionType.params);
  const e: Emitter = {
    region,
    code: c,
    count: 0,
    pc: 1,
    slot: newLocal(c, I32),
    slotOf,
    x: new Map(),
    f: new Map(),
    written: new Set(),
    extents: new Map(),
    set: new Map(),
    careful: undefined,
    loops: new Map(),
    blocks: new Map(),
    helper,
  };
  c.depth = outside + 1;
  emitTree(e, structure(region));
  end(c);
  for (const local of e.written) storeHart(c, hartWord(e, local), local);
  get(c, e.slot);
  i32(c, 0);
  put(c, 0x4e);
  get(c, e.count);
  i32(c, tuning.fuel);
  put(c, 0x4c, 0x71);
  open(c, op.if);
  get(c, e.count);
  get(c, e.pc);
  get(c, e.slot);
  put(c, op.returnCallIndirect, 0, 0);
  end(c);
  storeHart(c, hart.executed, e.count);
  get(c, e.pc);

  // What comes before is known only now.
  const start: Code = { ...newCode([]), locals: c.locals };
  for (const local of [...e.x.values(), ...e.f.values()]) {
    loadHart(start, hartWord(e, local), c.locals[local]!);
    set(start, local);
  }
  for (const kind of ["read", "write", "stack"] as const) {
    const all = [...e.extents.values()].filter((x) => x.kind === kind);
    for (const [word, part] of [
      [lastExtents[kind] / 4, "low"],
      [lastExtents[kind] / 4 + 2, "length"],
    ] as const) {
      if (all.length > 0) loadHart(start, word, I64);
      for (const [i, extent] of all.entries()) (i === all.length - 1 ? set : tee)(start, extent[part]);
    }
  }
  if (e.careful !== undefined) {
    call(start, helper("careful"));
    set(start, e.careful);
  }
  open(start, op.block);
  const shift = start.out.length;
  append(start.out, c.out);
  start.hints.push(...c.hints.map((h) => ({ ...h, offset: h.offset + shift })));
  return finish(start, regionType, name);
}

/** The word offset in the hart of the register that a local holds. */
function hartWord(e: Emitter, local: number): number {
  for (const [r, l] of e.x) if (l === local) return hart.x + 2 * r;
  for (const [r, l] of e.f) if (l === local) return hart.f + 2 * r;
  throw new RangeError(`local ${local} holds no register`);
}

/** Leaves for an address of the guest, to the region that begins there if there is one. */
function exitTo(e: Emitter, pc: number): void {
  i32(e.code, e.slotOf(pc));
  set(e.code, e.slot);
  i32(e.code, pc);
  set(e.code, e.pc);
  br(e.code, outside);
}

/** Leaves to the caller. */
function giveBack(e: Emitter, pc: number): void {
  i32(e.code, -1);
  set(e.code, e.slot);
  i32(e.code, pc);
  set(e.code, e.pc);
  br(e.code, outside);
}

function emitTree(e: Emitter, t: Tree): void {
  const c = e.code;
  switch (t.kind) {
    case "loop": {
      // Each way back is a loop of its own, the nearest innermost: nested loops of the guest that have one head would
      // else have the registers of the innermost one shuffled for the sake of the others (measured: a matrix product
      // took 1.7 times as long).
      const head = e.region.blocks[t.label]!.pc;
      const distance = (b: Block): number => Math.abs(b.pc - head);
      const back = waysBack(t.body, t.label).sort((a, b) => distance(b) - distance(a));
      const outermost = c.depth;
      const nested = Math.min(back.length, tuning.nestedLoops);
      for (let i = 0; i < nested; i++) open(c, op.loop);
      for (const [i, b] of back.entries())
        e.loops.set(`${b.pc} ${t.label}`, outermost + Math.max(0, i - (back.length - nested)));
      emitTree(e, t.body);
      for (let i = 0; i < nested; i++) end(c);
      return;
    }
    case "block":
      e.blocks.set(t.label, c.depth);
      open(c, op.block);
      emitTree(e, t.inner);
      end(c);
      emitTree(e, t.after);
      return;
    case "code":
      emitBlock(e, t.block);
      emitWay(e, t.to, t.block);
      return;
    case "branch":
      emitBlock(e, t.block);
      open(c, op.if);
      emitWay(e, t.taken, t.block);
      orElse(c);
      emitWay(e, t.otherwise, t.block);
      end(c);
      return;
    case "indirect":
      emitBlock(e, t.block);
  }
}

/** The blocks of a tree that go back to the loop of that label. */
function waysBack(t: Tree, label: number): Block[] {
  const through = (w: Way, from: Block): Block[] =>
    w.kind === "inline" ? waysBack(w.tree, label) : w.kind === "continue" && w.label === label ? [from] : [];
  switch (t.kind) {
    case "loop":
      return waysBack(t.body, label);
    case "block":
      return [...waysBack(t.inner, label), ...waysBack(t.after, label)];
    case "code":
      return through(t.to, t.block);
    case "branch": {
      const both = [...through(t.taken, t.block), ...through(t.otherwise, t.block)];
      return [...new Set(both)];
    }
    case "indirect":
      return [];
  }
}

function emitWay(e: Emitter, w: Way, from: Block): void {
  const c = e.code;
  switch (w.kind) {
    case "inline":
      emitTree(e, w.tree);
      return;
    case "break":
      br(c, e.blocks.get(w.label)!);
      return;
    case "continue":
      get(c, e.count);
      i32(c, tuning.fuel);
      put(c, 0x4a);
      openIf(c, false);
      giveBack(e, e.region.blocks[w.label]!.pc);
      end(c);
      br(c, e.loops.get(`${from.pc} ${w.label}`)!);
      return;
    case "exit":
      exitTo(e, w.pc);
  }
}

/** Adds to the count of executed instructions. */
function addCount(e: Emitter, n: number): void {
  get(e.code, e.count);
  i32(e.code, n);
  put(e.code, 0x6a);
  set(e.code, e.count);
}

/** The code of a block. Leaves the condition of the branch that ends it on the stack, if one does. */
function emitBlock(e: Emitter, b: Block): void {
  addCount(e, b.code.length);
  e.set.clear();
  b.code.forEach((instruction, i) => {
    emitInstruction(e, instruction, b.code.length - i);
    release(e.code);
  });
}

function emitInstruction(e: Emitter, at: Instruction, undone: number): void {
  const c = e.code;
  const site: Site = {
    code: c,
    at,
    push: (n) => emit(site, n),
    x: (r) => localIn(e.x, r, () => newLocal(c, I64)),
    f: (r) => localIn(e.f, r, () => newLocal(c, F64)),
    extent: (r, kind) => extentOf(e, r, kind),
    careful: () => (e.careful ??= newLocal(c, I32)),
    helper: e.helper,
    leave: () => {
      addCount(e, -undone);
      giveBack(e, at.pc);
    },
  };
  const jump = at.does.find((n) => n.op === "jump");
  let target: number | undefined;
  if (jump !== undefined && !isPcRelative(jump.args[0]!)) {
    target = temp(c, I64);
    emit(site, jump.args[0]!);
    set(c, target);
    get(c, target);
    i64(c, 32);
    put(c, 0x88, 0x50, 0x45);
    openIf(c, false);
    site.leave();
    end(c);
  }
  for (const n of at.does) {
    if (n === jump) continue;
    emit(site, n);
    if (n.op === "x.set" && at.fields.rd !== 0) {
      e.written.add(e.x.get(at.fields.rd)!);
      e.set.set(at.fields.rd, at.pc);
    }
    if (n.op !== "x.set" && n.op.endsWith(".set")) e.written.add(e.f.get(at.fields.rd)!);
  }
  if (target !== undefined) {
    get(c, target);
    put(c, 0xa7);
    i32(c, -2);
    put(c, 0x71);
    set(c, e.pc);
    findSlot(e);
    br(c, outside);
  }
}

/** Looks up the region at `pc`. */
function findSlot(e: Emitter): void {
  const c = e.code;
  const entry = temp(c, I64);
  get(c, e.pc);
  i32(c, hashMask);
  put(c, 0x71);
  i32(c, 2);
  put(c, 0x74);
  access(c, 0x29, memory.hart, hashOffset);
  set(c, entry);
  get(c, entry);
  i64(c, 32);
  put(c, 0x88, 0xa7);
  i32(c, -1);
  get(c, entry);
  put(c, 0xa7);
  get(c, e.pc);
  put(c, 0x46, op.select);
  set(c, e.slot);
}

/**
 * A module in which function `i`, exported as its number, is region `i`; and the names of the helpers that it imports.
 */
export function emitModule(regions: readonly Region[], slotOf: (pc: number) => number) {
  const helpers: string[] = [];
  const indices = new Map<string, number>();
  const helper = (name: string): number => {
    const known = indices.get(name);
    if (known !== undefined) return known;
    indices.set(name, helpers.length);
    return helpers.push(name) - 1;
  };
  const functions = regions.map((region, i) => emitRegion(region, String(i), helper, slotOf));
  const imports: Import[] = [
    ...memoryImports,
    { module: "env", name: "table", kind: "table", minimum: 1 },
    ...helpers.map((name): Import => ({ module: "help", name, kind: "function", type: helperType(name) })),
  ];
  return { bytes: encodeModule({ types: [regionType], imports, functions, elements: [] }), helpers };
}

/**
 * Compiles regions into one module. The functions stand in the order of the regions. They are entered by others only
 * once they are linked.
 */
export function compileRegions(regions: readonly Region[], env: Environment): WasmRegion[] {
  const { guest, hart: state, pages } = env.memories;
  const { bytes, helpers } = emitModule(regions, env.links.slotOf);
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
    env: { guest, hart: state, pages, table: env.links.table },
    help: Object.fromEntries(helpers.map((name) => [name, env.helper(name)])),
  });
  return regions.map((_, i) => exports[String(i)] as WasmRegion);
}
