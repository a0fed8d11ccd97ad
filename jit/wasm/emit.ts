// Tier 2: regions as WebAssembly functions, several in a module. A guest call becomes a call, a guest return a return, so
// that whole functions are regions; where control comes back elsewhere, the caller is left too. Registers are locals while
// it pays (flow.ts). What the function cannot do, a fault above all, it leaves to the interpreter: it answers the
// address of the instruction, and all state is as before it.
import { hart } from "../../src/cpu/hart.ts";
import { isPcRelative } from "../../src/isa/vocabulary.ts";
import { type Block, type Instruction, isDispatch, type Region } from "../region.ts";
import { factsOf } from "../rows.ts";
import { sparing } from "../sparing.ts";
import { headOf, structure, type Tree, type Way, waysBack } from "../structure.ts";
import { tuning } from "../tuning.ts";
import { type Care, careBehindCall, careLocal, knowCare, knowCareInLoop, meetCare, newCare } from "./care.ts";
import * as checks from "./checks.ts";
import { ahead, carry, forget, meet, runsAhead } from "./checks.ts";
import * as code from "./code.ts";
import {
  br,
  brIf,
  type Code,
  callIndirect,
  callOwn,
  end,
  finish,
  get,
  i32,
  i64,
  loadHart,
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
  temp,
} from "./code.ts";
import * as encoder from "./encoder.ts";
import { append, F64, type FunctionCode, I32, I64 } from "./encoder.ts";
import type { Manner } from "./environment.ts";
import * as floats from "./floats.ts";
import * as flow from "./flow.ts";
import {
  accessesOf,
  type Flow,
  flowOf,
  insideOf,
  none,
  numbersOf,
  type Registers,
  same,
  union,
  without,
} from "./flow.ts";
import { frameAhead, sp } from "./frames.ts";
import * as jumps from "./jumps.ts";
import { lookUp, recordJump, tellApart } from "./jumps.ts";
import { regionType, stubSlot } from "./links.ts";
import { emit, emitters } from "./lowering.ts";
import type { Fact, Site } from "./site.ts";
import * as walks from "./walks.ts";

/**
 * Answers the pc to go on at (an int32); it has added the number of executed instructions to what the hart says of them.
 * Where that is 0 the first instruction is the interpreter's.
 */
export type WasmRegion = (depth?: number, pc?: number) => number;

// Parameters of a region's function. From JavaScript none are given, which makes them 0.
/** Calls that this one is inside of. Where there is one, a guest's return is a return. */
const depth = 0;
/** Where control goes on when the function is left. As a parameter it says where a region of several entries is entered. */
const pc = 1;

// Levels of the labels that a function is left by.
/** Gives control back at `pc`. */
const outside = 0;
/** Goes on to the region in `slot`, at `pc`. */
const onward = 1;
/** Then one for each set of registers that must be stored before an instruction is left to the interpreter. */
const firstLeave = 2;
const leaves = 32;

interface Emitter {
  readonly region: Region;
  readonly flow: Flow;
  readonly code: Code;
  /** Local: executed instructions, counted on from what the hart says. */
  readonly count: number;
  /** Instructions that were executed here beyond those that `count` has. */
  uncounted: number;
  /** Local: the slot of the function that goes on. */
  readonly slot: number;
  readonly slotOf: (pc: number) => number;
  /** The number of the module's function that is the region at an address. */
  readonly own: ReadonlyMap<number, number>;
  /** Locals of registers, by number. */
  readonly x: Map<number, number>;
  readonly f: Map<number, number>;
  /** Registers that are in locals here, and of these the ones that are newer than the hart's memory. */
  known: Registers;
  dirty: Registers;
  facts: Map<number, Fact>;
  /** What holds at labelled blocks, by all ways that led there so far. */
  readonly met: Map<number, Map<number, Fact>>;
  readonly care: Care;
  /** Levels of loops, by the number of the block that comes back to the loop, and the loop's. */
  readonly loops: Map<string, number>;
  /** The loops around the code that is being emitted, the outermost first. */
  readonly around: walks.Level[];
  /** The number of the block that is being emitted. */
  block: number;
  /** Levels of labelled blocks, by their number. */
  readonly blocks: Map<number, number>;
  /** Sets of registers to be stored where the region is left to the interpreter. */
  readonly leaving: Registers[];
  readonly helper: (name: string) => number;
  readonly manner: Manner;
  /** Locals, by the kind of access. */
  readonly near: Map<string, number>;
}

function localIn<K>(map: Map<K, number>, key: K, make: () => number): number {
  let local = map.get(key);
  if (local === undefined) map.set(key, (local = make()));
  return local;
}

const xLocal = (e: Emitter, r: number): number => localIn(e.x, r, () => newLocal(e.code, I64));
const fLocal = (e: Emitter, r: number): number => localIn(e.f, r, () => newLocal(e.code, F64));

export function emitRegion(
  region: Region,
  name: string,
  hartOffset: number,
  helper: (name: string) => number,
  slotOf: (pc: number) => number,
  own: ReadonlyMap<number, number>,
  manner: Manner,
): FunctionCode {
  const c = newCode(regionType.params, hartOffset);
  const tree = structure(region);
  const e: Emitter = {
    region,
    flow: flowOf(region, tree),
    code: c,
    count: newLocal(c, I32),
    uncounted: 0,
    slot: newLocal(c, I32),
    slotOf,
    own,
    x: new Map(),
    f: new Map(),
    known: none,
    dirty: none,
    facts: new Map(),
    met: new Map(),
    care: newCare(),
    loops: new Map(),
    around: [],
    block: 0,
    blocks: new Map(),
    leaving: [],
    helper,
    manner,
    near: new Map(),
  };
  c.depth = firstLeave + leaves;
  enter(e, 0);
  emitTree(e, tree);
  for (let i = leaves - 1; i >= 0; i--) {
    end(c);
    const registers = e.leaving[i];
    if (registers === undefined) continue;
    store(e, registers);
    br(c, outside);
  }
  end(c);
  storeHart(c, hart.executed, e.count);
  get(c, e.count);
  i32(c, tuning.fuel);
  put(c, 0x4c); // i32.le_s
  open(c, op.if);
  get(c, depth);
  get(c, pc);
  get(c, e.slot);
  put(c, op.returnCallIndirect, 0, 0);
  end(c);
  end(c);
  storeHart(c, hart.executed, e.count);
  get(c, pc);

  // What comes before is known only now.
  const start: Code = { ...newCode([], hartOffset), locals: c.locals };
  loadHart(start, hart.executed, I32);
  set(start, e.count);
  if (isDispatch(region.blocks[0]!)) {
    // From JavaScript it is entered where it begins, unless it says otherwise.
    get(start, pc);
    put(start, 0x45); // i32.eqz
    open(start, op.if);
    i32(start, region.pc);
    set(start, pc);
    end(start);
  }
  for (let i = 0; i < firstLeave + leaves; i++) open(start, op.block);
  const shift = start.out.length;
  append(start.out, c.out);
  start.hints.push(...c.hints.map((h) => ({ ...h, offset: h.offset + shift })));
  start.callees.push(...c.callees.map((x) => ({ ...x, offset: x.offset + shift })));
  return finish(start, regionType, name);
}

/** Brings registers from the hart's memory into their locals. */
function load(e: Emitter, registers: Registers): void {
  for (const r of numbersOf(registers.x)) {
    loadHart(e.code, hart.x + 2 * r, I64);
    set(e.code, xLocal(e, r));
  }
  for (const r of numbersOf(registers.f)) {
    loadHart(e.code, hart.f + 2 * r, F64);
    set(e.code, fLocal(e, r));
  }
}

function store(e: Emitter, registers: Registers): void {
  for (const r of numbersOf(registers.x)) storeHart(e.code, hart.x + 2 * r, xLocal(e, r));
  for (const r of numbersOf(registers.f)) storeHart(e.code, hart.f + 2 * r, fLocal(e, r));
}

/** Stores what is newer in locals. */
function flush(e: Emitter): void {
  store(e, e.dirty);
  e.dirty = none;
}

/** Makes the locals be as block number `to` expects them. */
function enter(e: Emitter, to: number): void {
  const [known, dirty] = [e.flow.known[to]!, e.flow.dirty[to]!];
  store(e, without(e.dirty, known));
  load(e, without(known, e.known));
  [e.known, e.dirty] = [known, dirty];
  const loop = e.flow.loops.get(to);
  if (loop === undefined) return;
  forget(e.facts, loop.kept);
  for (const r of numbersOf(loop.writes.x)) e.facts.delete(r);
}

/** Leaves for an address of the guest, to the region that begins there if there is one. */
function exitTo(e: Emitter, to: number): void {
  const c = e.code;
  flush(e);
  count(e);
  i32(c, to);
  set(c, pc);
  const own = e.own.get(to);
  if (own === undefined) {
    i32(c, e.slotOf(to));
    set(c, e.slot);
    br(c, onward);
    return;
  }
  get(c, e.count);
  i32(c, tuning.fuel);
  put(c, 0x4a); // i32.gt_s
  brIf(c, outside, false);
  storeHart(c, hart.executed, e.count);
  get(c, depth);
  get(c, pc);
  callOwn(c, op.returnCall, own);
}

/** Leaves to the interpreter at an address, by default the one in `pc`. */
function giveBack(e: Emitter, to: number | undefined): void {
  const c = e.code;
  if (to !== undefined) {
    i32(c, to);
    set(c, pc);
  }
  let way = e.leaving.findIndex((r) => r.x === e.dirty.x && r.f === e.dirty.f);
  if (way < 0 && e.leaving.length < leaves) way = e.leaving.push(e.dirty) - 1;
  if (way < 0) store(e, e.dirty);
  br(c, way < 0 ? outside : firstLeave + way);
}

/** Emits two ways from the same point. */
function either(e: Emitter, one: () => void, other: () => void): void {
  const { known, dirty, facts, uncounted, care } = e;
  const careKnown = care.known;
  e.facts = new Map(facts);
  one();
  orElse(e.code);
  Object.assign(e, { known, dirty, facts, uncounted });
  care.known = careKnown;
  other();
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
      count(e);
      // Behind a switch one way is as good as another.
      const nested = isDispatch(e.region.blocks[t.label]!) ? 1 : Math.min(back.length, tuning.nestedLoops);
      const outer = e.around.length;
      const { loop } = e.care;
      const inside = [...insideOf(e.flow, t.label, back)].map((b) => e.region.blocks[b]!);
      knowCareInLoop(e.care, c, inside);
      for (let i = 0; i < nested; i++) {
        openLevel(e, t.label, back.slice(i === 0 ? 0 : back.length - nested + i));
        open(c, op.loop);
      }
      for (const [i, b] of back.entries())
        e.loops.set(`${e.flow.indexOf.get(b)} ${t.label}`, outermost + Math.max(0, i - (back.length - nested)));
      emitTree(e, t.body);
      for (let i = 0; i < nested; i++) end(c);
      e.around.length = outer;
      e.care.loop = loop;
      return;
    }
    case "block":
      e.blocks.set(t.label, c.depth);
      open(c, op.block);
      emitTree(e, t.inner);
      end(c);
      [e.known, e.dirty] = [e.flow.known[t.label]!, e.flow.dirty[t.label]!];
      e.facts = e.met.get(t.label) ?? new Map();
      e.care.known = e.care.met.get(t.label) ?? false;
      e.uncounted = 0;
      emitTree(e, t.after);
      return;
    case "code":
      emitBlock(e, t.block);
      emitWay(e, t.to, t.block);
      return;
    case "branch":
      emitBlock(e, t.block);
      open(c, op.if);
      either(
        e,
        () => emitWay(e, t.taken, t.block),
        () => emitWay(e, t.otherwise, t.block),
      );
      end(c);
      return;
    case "call":
      emitBlock(e, t.block);
      emitCall(e, t.block);
      emitWay(e, t.next, t.block);
      return;
    case "indirect":
      emitBlock(e, t.block);
      if (t.block.end.kind === "return") {
        flush(e);
        count(e);
        get(c, depth);
        brIf(c, outside);
        findSlot(e);
        br(c, onward);
      } else leaveIndirectly(e, t.block);
      return;
    case "switch":
      emitSwitch(e, t);
  }
}

/** Plans what is to be known of addresses in the loop of a head and some of the ways back to it. */
function openLevel(e: Emitter, head: number, back: readonly Block[]): void {
  const inside = insideOf(e.flow, head, back);
  const level = walks.levelOf(e.region, inside);
  if (level === undefined) return;
  const x = (r: number): void =>
    e.known.x & (1 << r) ? get(e.code, xLocal(e, r)) : loadHart(e.code, hart.x + 2 * r, I64);
  for (const { limit, place, register } of walks.planLimits(e.region, e.around, level, () => newLocal(e.code, I64))) {
    walks.pushAt(place, register, e.code, x);
    checks.presetLimit(e.code, limit);
    release(e.code);
  }
  e.around.push(level);
}

/** To `pc`, wherever that is. */
function leaveIndirectly(e: Emitter, { end: ending }: Block): void {
  const c = e.code;
  flush(e);
  count(e);
  const site = ending.kind === "indirect" || ending.kind === "switch" ? ending.site : undefined;
  if (site !== undefined && !e.manner.confined) recordJump(c, e.region.pc, site, pc);
  findSlot(e);
  br(c, onward);
}

/** Goes on to where `pc` is known to lead, else leaves. */
function emitSwitch(e: Emitter, { block, ways }: Extract<Tree, { kind: "switch" }>): void {
  const { known, dirty, facts, uncounted, care } = e;
  const careKnown = care.known;
  const here = (): void => {
    Object.assign(e, { known, dirty, facts: new Map(facts), uncounted });
    care.known = careKnown;
  };
  tellApart(
    e.code,
    pc,
    ways.map((w) => w.pc),
    (i) => {
      here();
      emitWay(e, ways[i]!.way, block);
    },
  );
  here();
  leaveIndirectly(e, block);
}

/** Looks up the region at `pc`. */
function findSlot(e: Emitter): void {
  if (e.manner.confined) {
    i32(e.code, stubSlot);
    set(e.code, e.slot);
  } else lookUp(e.code, pc, e.slot);
}

/** A guest call: the target is in `pc` where it is indirect. */
function emitCall(e: Emitter, { code, end: ending }: Block): void {
  if (ending.kind !== "call") return;
  const c = e.code;
  const last = code.at(-1)!;
  flush(e);
  count(e);
  const kept = e.flow.kept[e.block]!;
  load(e, without(kept, e.known));
  const own = ending.to === undefined ? undefined : e.own.get(ending.to);
  if (ending.to === undefined) findSlot(e);
  else {
    i32(c, ending.to);
    set(c, pc);
    i32(c, e.slotOf(ending.to));
    set(c, e.slot);
  }
  for (const [local, most] of [[e.count, tuning.fuel] as const, [depth, tuning.callDepth] as const]) {
    get(c, local);
    i32(c, most);
    put(c, 0x4a); // i32.gt_s
    brIf(c, onward, false);
  }
  storeHart(c, hart.executed, e.count);
  get(c, depth);
  i32(c, 1);
  put(c, 0x6a);
  get(c, pc);
  if (own === undefined) {
    get(c, e.slot);
    callIndirect(c);
  } else callOwn(c, op.call, own);
  set(c, pc);
  loadHart(c, hart.executed, I32);
  set(c, e.count);
  get(c, pc);
  i32(c, last.pc + last.fields.length);
  put(c, 0x47); // i32.ne
  brIf(c, outside, false);
  if (!same(kept, none)) {
    get(c, xLocal(e, sp));
    loadHart(c, hart.x + 2 * sp, I64);
    put(c, 0x52); // i64.ne
    brIf(c, outside, false);
  }
  e.known = kept;
  forget(e.facts, kept);
  careBehindCall(e.care, c);
}

function emitWay(e: Emitter, w: Way, from: Block): void {
  const c = e.code;
  switch (w.kind) {
    case "inline":
      enter(e, headOf(w.tree, e.flow.indexOf));
      emitTree(e, w.tree);
      return;
    case "break": {
      enter(e, w.label);
      count(e);
      const met = e.met.get(w.label);
      e.met.set(w.label, met === undefined ? new Map(e.facts) : meet(met, e.facts));
      meetCare(e.care, w.label);
      br(c, e.blocks.get(w.label)!);
      return;
    }
    case "continue":
      enter(e, w.label);
      count(e);
      get(c, e.count);
      i32(c, tuning.fuel);
      put(c, 0x4a);
      openIf(c, false);
      giveBack(e, isDispatch(e.region.blocks[w.label]!) ? undefined : e.region.blocks[w.label]!.pc);
      end(c);
      br(c, e.loops.get(`${e.flow.indexOf.get(from)} ${w.label}`)!);
      return;
    case "exit":
      exitTo(e, w.pc);
  }
}

/** Adds to the count of executed instructions. */
function addCount(e: Emitter, n: number): void {
  if (n === 0) return;
  get(e.code, e.count);
  i32(e.code, n);
  put(e.code, 0x6a);
  set(e.code, e.count);
}

/** Brings the count up to date. Done where ways meet or end only: two counts would need two of the host's registers. */
function count(e: Emitter): void {
  addCount(e, e.uncounted);
  e.uncounted = 0;
}

/** The code of a block. Leaves the condition of the branch that ends it on the stack, if one does. */
function emitBlock(e: Emitter, b: Block): void {
  e.block = e.flow.indexOf.get(b)!;
  b.code.forEach((at, i) => {
    // Registers come into their locals before the instruction: within it they may be used on one of two ways.
    const { reads, writes } = accessesOf([at]);
    load(e, without(reads, e.known));
    e.known = union(e.known, reads);
    if (factsOf(at).careful) knowCare(e.care, e.code);
    emitInstruction(e, siteOf(e, b.code, i), b.end.kind !== "goto");
    e.known = union(e.known, writes);
    e.dirty = union(e.dirty, writes);
    carry(e.facts, at);
    release(e.code);
  });
  e.uncounted += b.code.length;
}

function siteOf(e: Emitter, code: readonly Instruction[], index: number): Site {
  const at = code[index]!;
  const site: Site = {
    code: e.code,
    at,
    push: (n) => emit(site, n),
    x: (r) => xLocal(e, r),
    f: (r) => fLocal(e, r),
    facts: e.facts,
    // Where something is watched, a check that reaches over the border of its page leaves: it is to cover little.
    ahead: (r) => (r === sp && !e.manner.watched ? frameAhead(e.region, code, index) : ahead(code, index, r)),
    runs: (r, fact) => runsAhead(code, index, r, fact),
    watched: e.manner.watched,
    near: (kind) => localIn(e.near, kind, () => newLocal(e.code, I32)),
    limit: (r, fact) => walks.limitAt(e.around, { block: e.block, code, index }, r, fact),
    careful: () => careLocal(e.care, e.code),
    helper: e.helper,
    leave: () => {
      addCount(e, e.uncounted + index);
      giveBack(e, at.pc);
    },
  };
  return site;
}

/** `jumps`: whether an indirect jump may lead anywhere, which is not known to stay in the region. */
function emitInstruction(e: Emitter, site: Site, jumps: boolean): void {
  const c = e.code;
  const { at } = site;
  const jump = at.does.find((n) => n.op === "jump");
  if (jumps && jump !== undefined && !isPcRelative(jump.args[0]!)) {
    const target = temp(c, I64);
    emit(site, jump.args[0]!);
    set(c, target);
    get(c, target);
    i64(c, 32);
    put(c, 0x88, 0x50, 0x45);
    openIf(c, false);
    site.leave();
    end(c);
    get(c, target);
    put(c, 0xa7);
    i32(c, -2);
    put(c, 0x71);
    set(c, pc);
  }
  for (const n of at.does) if (n !== jump) emit(site, n);
}

sparing({ emitRegion, load, store, enter, exitTo, giveBack, either, emitTree, emitWay, openLevel, emitCall });
sparing({ addCount, emitBlock, siteOf, emitInstruction, emitSwitch });
for (const part of [code, encoder, checks, flow, floats, emitters, jumps, walks]) sparing(part);
