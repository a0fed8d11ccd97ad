// Tier 1: a region as the text of a JavaScript function. Integer registers are local variables, a pair of int32 each, read
// when first used. In a loop without calls those that it uses are read before it, and written back where it is left;
// elsewhere they are written back before control may leave, because straight code that moved all its registers at both
// ends ran slower than the interpreter while the engine had not optimized it. A call writes all back, and forgets them.
// Floating-point registers stay in the hart's memory, where the floating-point unit works on them.
// What the operations are in JavaScript is said in src/cpu/lowering.ts; how functions find one another in links.ts.
import { Cause, hart } from "../../src/cpu/hart.ts";
import { lower, lowerCondition, type Site } from "../../src/cpu/lowering.ts";
import type { Text } from "../../src/cpu/text.ts";
import type { Field, Node } from "../../src/isa/vocabulary.ts";
import type { Block, Instruction, Region } from "../region.ts";
import { registersOf, writtenBy } from "../rows.ts";
import { headOf, structure, type Tree, type Way } from "../structure.ts";
import { tuning } from "../tuning.ts";
import { accessOf, guardsOf, refuses } from "./guards.ts";
import { type Instrumentation, nothing, type Probe, watchProbes } from "./instrumentation.ts";
import { findLoops, type Loop } from "./loops.ts";
import {
  atLoopHead,
  copyState,
  type Fact,
  factOf,
  highOf,
  is,
  meet,
  newState,
  type State,
  surelyNear,
} from "./state.ts";
import { highWord } from "./wide.ts";

const i32 = (n: number): string => String(n | 0);
const constant = (n: number): Text => ({ lo: i32(n), hi: n < 0 ? "-1" : "0" });

/** An address, which is unsigned and below 2**32. */
const address = (n: number): Text => ({ lo: i32(n), hi: "0" });

interface Emitter {
  readonly region: Region;
  readonly instrumentation: Instrumentation;
  readonly indexOf: ReadonlyMap<Block, number>;
  readonly loops: ReadonlyMap<number, Loop>;
  text: string;
  /** Whether others run on the same memory. */
  readonly shared: boolean;
  /** Temporaries are numbered through the region. */
  temps: number;
  state: State;
  /** The outermost loop without calls that control is in. */
  inside: Loop | undefined;
  /** By label: what holds where the breaks to it, so far, meet. */
  readonly merges: Map<number, State>;
  /** Addresses that other regions may begin at. */
  readonly targets: Set<number>;
}

/** A region's function as text. */
export interface Emitted {
  /** Its body. Parameter: `d`, how many calls deep it is. */
  readonly body: string;
  /** It calls what these addresses become as `L<hex>.f`. */
  readonly targets: readonly number[];
}

/** Names that a region copies to variables of its own, from names with `_`: the engine's first tiers reach those faster. */
export const aliased = ["R", "P", "U8", "U16", "I32"];

/** The name by which a region calls the one at an address. */
export const linkName = (pc: number): string => `L${pc.toString(16)}`;

/** The body of a function that is a `Linked`, over the names of src/cpu/scope.ts and of links.ts. `shared`: others run on the same memory. */
export function emitRegion(region: Region, instrumentation = nothing, shared = false): Emitted {
  const tree = structure(region);
  const indexOf = new Map(region.blocks.map((b, i) => [b, i]));
  const e: Emitter = {
    region,
    instrumentation,
    indexOf,
    loops: findLoops(region, tree),
    text: "",
    shared,
    temps: 0,
    state: newState(),
    inside: undefined,
    merges: new Map(),
    targets: new Set(),
  };
  emitTree(e, tree);
  const views = aliased.filter((name) => e.text.includes(`${name}[`));
  const used = [...new Set(region.blocks.flatMap((b) => b.code).flatMap(registersOf))].sort((a, b) => a - b);
  return {
    body: `"use strict";
const ${views.map((name) => `${name}=${name}_`).join(",")};
let ${["n=0", "pc=0", "left=0", ...used.map((r) => `x${r}=0,y${r}=0`)].join(",")};
${e.text}`,
    targets: [...e.targets],
  };
}

const put = (r: number, hi: string): string => `R[${2 * r}]=x${r};R[${2 * r + 1}]=${hi};`;

/** Brings the hart's memory up to date, but for `kept`. */
function flush(e: Emitter, kept: ReadonlySet<number> = new Set()): string {
  let text = "";
  for (const r of e.state.dirty) {
    if (kept.has(r)) continue;
    text += put(r, highOf(e.state, r));
    e.state.dirty.delete(r);
  }
  return text;
}

/** Adds what was executed to the hart's count; true where that was enough for now. */
const spent = `(R[${hart.executed}]=R[${hart.executed}]+n|0)>${tuning.fuel}`;

/** Goes on at `pc`. */
const toTable = `if(${spent})return pc;return PCS[pc>>>1&MASK]===pc?CODE[pc>>>1&MASK](d):pc;`;

function chain(e: Emitter, pc: number): string {
  e.targets.add(pc);
  return `if(${spent})return ${i32(pc)};return ${linkName(pc)}.f(d);`;
}

function emitTree(e: Emitter, t: Tree): void {
  switch (t.kind) {
    case "loop":
      emitLoop(e, e.loops.get(t.label)!, t.body);
      return;
    case "block": {
      const { inside } = e;
      e.text += `b${t.label}:{\n`;
      emitTree(e, t.inner);
      e.text += "}\n";
      e.state = e.merges.get(t.label)!;
      e.inside = inside?.body.has(t.label) ? inside : undefined;
      emitTree(e, t.after);
      return;
    }
    case "code":
      emitBlock(e, t.block);
      emitWay(e, t.to);
      return;
    case "call":
      emitBlock(e, t.block);
      emitCall(e, t.block);
      emitWay(e, t.next);
      return;
    case "branch": {
      const condition = emitBlock(e, t.block);
      const [state, inside] = [copyState(e.state), e.inside];
      e.text += `if(${condition}){\n`;
      emitWay(e, t.taken);
      [e.state, e.inside] = [state, inside];
      e.text += "}else{\n";
      emitWay(e, t.otherwise);
      e.text += "}\n";
      return;
    }
    case "indirect":
      emitBlock(e, t.block);
      e.text +=
        t.block.end.kind === "return" ? `R[${hart.executed}]=R[${hart.executed}]+n|0;return pc;\n` : `${toTable}\n`;
  }
}

function emitLoop(e: Emitter, loop: Loop, body: Tree): void {
  const outermost = e.inside === undefined && !loop.calls;
  const { label, used, written } = loop;
  e.text += flush(e, e.inside?.used);
  if (outermost) {
    for (const r of used) e.text += load(e, r);
  }
  e.text += leaveUnlessBases(e, loop);
  if (outermost) e.inside = loop;
  e.state = atLoopHead(e.state, loop, e.inside);
  e.text += `${outermost ? `o${label}:{\n` : ""}l${label}:for(;;){\n`;
  emitTree(e, body);
  e.text += "}\n";
  if (!outermost) return;
  // One place writes the registers back for all ways out: at each it would make the function several times as large.
  const ends = `if(left===1)return fault(pc,n);if(left===0)return leave(pc,n);${toTable}`;
  e.text += `}\n${[...written].map((r) => put(r, `y${r}`)).join("")}${ends}\n`;
}

/** Before control goes to a loop's head: what is assumed there must hold. */
function leaveUnlessBases(e: Emitter, { label, bases }: Loop): string {
  const open = bases.filter((r) => !is(e.state.facts.get(r), "zero"));
  if (open.length === 0) return "";
  const left = leaveTo(e, i32(e.region.blocks[label]!.pc), "n");
  return `if((${open.map((r) => highOf(e.state, r)).join("|")})!==0){${left}}${open.map((r) => `y${r}=0;`).join("")}`;
}

/** Reads a register, unless its variable has its value. */
function load({ state }: Emitter, r: number): string {
  if (state.known.has(r)) return "";
  state.known.add(r);
  return `x${r}=R[${2 * r}];y${r}=R[${2 * r + 1}];`;
}

/** Control comes back behind the call only where the call went as expected. */
function emitCall(e: Emitter, b: Block): void {
  const to = b.end.kind === "call" ? b.end.to : undefined;
  e.text += flush(e);
  const last = b.code.at(-1)!;
  const back = i32(last.pc + last.fields.length);
  const out = `${spent}||d>${tuning.callDepth}`;
  if (to === undefined) e.text += `if(${out}||PCS[pc>>>1&MASK]!==pc)return pc;n=0;pc=CODE[pc>>>1&MASK](d+1|0);`;
  else {
    e.targets.add(to);
    e.text += `if(${out})return ${i32(to)};n=0;pc=${linkName(to)}.f(d+1|0);`;
  }
  e.text += `if(pc!==${back})return pc;`;
  e.state = newState();
  for (const r of e.inside?.used ?? []) e.text += load(e, r);
  e.text += "\n";
}

function emitWay(e: Emitter, w: Way): void {
  const stays = (block: number): boolean => e.inside?.body.has(block) ?? false;
  switch (w.kind) {
    case "inline":
      if (e.inside !== undefined && !stays(headOf(w.tree, e.indexOf))) {
        e.text += flush(e);
        e.inside = undefined;
      }
      emitTree(e, w.tree);
      return;
    case "break": {
      if (!stays(w.label)) e.text += flush(e);
      const before = e.merges.get(w.label);
      e.merges.set(w.label, before === undefined ? copyState(e.state) : meet(before, e.state));
      e.text += `break b${w.label};\n`;
      return;
    }
    case "continue": {
      if (!stays(w.label)) e.text += flush(e);
      const pc = e.region.blocks[w.label]!.pc;
      e.text += leaveUnlessBases(e, e.loops.get(w.label)!);
      e.text += `if(n>${tuning.fuel}){${leaveTo(e, i32(pc), "n")}}continue l${w.label};\n`;
      return;
    }
    case "exit":
      e.text += e.inside ? `pc=${i32(w.pc)};left=2;break o${e.inside.label};\n` : `${flush(e)}${chain(e, w.pc)}\n`;
  }
}

/** Leaves for the interpreter. In a loop the registers are written back where it ends, elsewhere they are already. */
function leaveTo(e: Emitter, pc: string, count: string): string {
  if (e.inside === undefined) return `return leave(${pc},${count});`;
  return `pc=${pc};${count === "n" ? "" : `n=${count};`}break o${e.inside.label};`;
}

/** The code of a block. Answers the condition of the branch that ends it, if one does. */
function emitBlock(e: Emitter, b: Block): string {
  let condition = "";
  const guards = guardsOf(b);
  const { at, watches } = e.instrumentation;
  e.text += `n+=${b.code.length};\n`;
  b.code.forEach((instruction, i) => {
    const { pc, fields, does } = instruction;
    const done = `n-${b.code.length - i}`;
    const faulted = e.inside
      ? `pc=${i32(pc)};n=${done};left=1;break o${e.inside.label};`
      : `return fault(${i32(pc)},${done});`;
    let loads = "";
    const read = (r: number): Text => {
      if (r === 0) return constant(0);
      loads += load(e, r);
      const fact = e.state.facts.get(r);
      return typeof fact === "number" ? constant(fact) : { lo: `x${r}`, hi: highOf(e.state, r) };
    };
    const site: Site = {
      field: (name) => String(fields[name]),
      imm: () => constant(fields.imm),
      pc: () => address(pc),
      next: () => address(pc + fields.length),
      x: (name) => read(fields[name]),
      setX: (name, v) => write(e.state, fields[name], v),
      f: (name) => String(hart.f + 2 * fields[name]),
      jump: (target) =>
        `${flush(e)}if(${target.hi}!==0){wildJump(${target.lo}&-2,${target.hi});R[${hart.executed}]=R[${hart.executed}]+n|0;return -1;}pc=${target.lo}&-2;`,
      jumpRelative: () => "",
      branch: (text) => {
        condition = /^\((.*)\?1:0\)$/.exec(text)?.[1] ?? `${text}!==0`;
        return "";
      },
      fault: () => faulted,
      interpret: () => leaveTo(e, i32(pc), done),
      illegal: () => `trap(${Cause.illegal},probe(${pc}),0);${faulted}`,
      guard: () => {
        const guard = guards.get(i);
        if (guard === undefined || guard.group.count === 1) return undefined;
        if (!guard.leads) return "";
        const { lo, hi } = read(guard.group.base);
        return refuses(guard.group, lo, hi);
      },
      isAddress: () => distance(e.state, instruction) !== undefined,
      high: highWord,
      ...(e.shared && { atOnce: "" }),
      // The region ends before these.
      trap: () => "",
      recount: () => "",
      fenceI: () => "",
    };
    const near = distance(e.state, instruction);
    for (const probe of [...watchProbes(instruction, watches ?? []), ...(at?.(pc) ?? [])]) {
      e.text += flush(e);
      const text = probeText(probe, site, e.temps, pc, faulted);
      e.text += `${loads}{${text}}\n`;
      loads = "";
    }
    if (mayLeave(does) && e.inside === undefined) e.text += flush(e);
    const { text, temps } = lower(does, site, e.temps);
    // Temporaries are of one instruction only, but for a condition's. With a scope of their own they take no room of the
    // function's, whose variables, times its blocks, are what the engine's compilers spend their time on.
    if (condition === "") e.text += `${loads}${/\b(?:const|let) /.test(text) ? `{${text}}` : text}\n`;
    else {
      e.temps = temps;
      e.text += `${loads}${text}\n`;
    }
    learn(e.state, instruction, near);
  });
  return condition;
}

function write(state: State, r: number, v: Text): string {
  if (r === 0) return "";
  state.known.add(r);
  state.dirty.add(r);
  const fact: Fact | undefined = factOf(v);
  if (fact === undefined) state.facts.delete(r);
  else state.facts.set(r, fact);
  // The new high word may be made of the old low word.
  return v.hi !== `(${v.lo}>>31)` && new RegExp(`\\bx${r}\\b`).test(v.hi)
    ? `{const h=${v.hi};x${r}=${v.lo};y${r}=h;}`
    : `x${r}=${v.lo};y${r}=${v.hi};`;
}

/** How far from a mapped address the sum of a register and an immediate is, which an instruction gives; if that is known. */
function distance(state: State, { does: [n, ...more], fields }: Instruction): number | undefined {
  const value = n?.op === "x.set" && more.length === 0 ? n.args[0]! : undefined;
  if (value?.op !== "i64.add" || value.args[0]!.op !== "x" || value.args[1]!.op !== "imm") return undefined;
  const by = (state.near.get(fields[value.args[0]!.field as Field]) ?? Infinity) + Math.abs(fields.imm);
  return by <= surelyNear ? by : undefined;
}

/** What a probe does before an instruction, all registers in the hart. `leave` leaves the region there with a trap. */
function probeText(probe: Probe, site: Site, temps: number, pc: number, leave: string): string {
  if (probe.kind === "count") return `COUNTS[${probe.cell}]++;`;
  if (probe.kind === "trace") return `TRACE(${probe.id},${pc});`;
  const { cause, id } = probe.stop;
  const stop = `R[${hart.cause}]=${cause};R[${hart.tval}]=${id};R[${hart.tval + 1}]=0;${leave}`;
  if (probe.condition === undefined) return `if(true){${stop}}`;
  // Loads are made here whatever the page table says, but where they fault.
  const { interpret: _, guard: __, isAddress: ___, ...here } = site;
  const fault = (): string => `R[TRAPPED]=0;${stop}`;
  const register = (n: number): Text => ({ lo: `R[${2 * n}]`, hi: `R[${2 * n + 1}]` });
  const condition = lowerCondition(probe.condition, { ...here, fault, register }, temps);
  return `${condition.text}if(${condition.condition}){${stop}}`;
}

/** What holds of the registers behind an instruction: an access that went well says that its base is an address. */
function learn(state: State, instruction: Instruction, near: number | undefined): void {
  const written = writtenBy(instruction);
  for (const r of written) state.near.delete(r);
  if (near !== undefined && written[0] !== undefined) state.near.set(written[0], near);
  const access = accessOf(instruction);
  if (access === undefined || written.includes(access.base)) return;
  if (typeof state.facts.get(access.base) !== "number") state.facts.set(access.base, "zero");
  state.near.set(access.base, Math.abs(access.offset));
}

/** Whether an instruction may leave the region before it is done. */
const mayLeave = (does: readonly Node[]): boolean => does.some((n) => !pure.test(n.op) || mayLeave(n.args));
const pure =
  /^(x|x\.set|field|imm|pc|next|branch|jump|fence|pause|wait_reservation|i(32|64)\.(?!load|lr|sc|amo|from)\w+)$/;
