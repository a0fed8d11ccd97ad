// Regions: the unit of compilation. From an entry, blocks of decoded instructions are followed along fall-throughs,
// direct jumps and branches, within a bound, and behind calls where the emitter can come back from them. Indirect jumps and
// what only the interpreter does leave the region.
// It looks at an instruction's statement in the vocabulary, never at its name.
import { type Decoded, decode } from "../src/isa/riscv/decode.ts";
import { instructions } from "../src/isa/riscv/instructions.ts";
import { isPcRelative, type Node } from "../src/isa/vocabulary.ts";
import { sparing } from "./sparing.ts";

export interface Instruction {
  /** Address, an unsigned number. */
  readonly pc: number;
  readonly fields: Decoded;
  readonly does: readonly Node[];
}

/** Where control goes: to a block of the region, by its index, or out of the region to an address. */
export type Target = { readonly block: number } | { readonly exit: number };

/** How a block ends. The instruction that decides is the block's last, but for `goto`, which may fall through. */
export type End =
  | { readonly kind: "goto"; readonly to: Target }
  | { readonly kind: "branch"; readonly taken: Target; readonly otherwise: Target }
  | { readonly kind: "indirect" }
  /** An indirect jump through a link register that sets none. */
  | { readonly kind: "return" }
  /** To an address, undefined where it is indirect; comes back to `next`. */
  | { readonly kind: "call"; readonly to: number | undefined; readonly next: Target };

export interface Block {
  readonly pc: number;
  /** Whether it is a called function's, which has become part of the caller's region. */
  readonly inlined: boolean;
  readonly code: readonly Instruction[];
  readonly end: End;
}

/** Block 0 is the entry. */
export interface Region {
  readonly pc: number;
  readonly blocks: readonly Block[];
  readonly instructions: number;
  /** Pages (address >>> 12) that hold its code. */
  readonly pages: readonly number[];
}

/** How an instruction passes control on. */
type Flow = "next" | "branch" | "jump" | "call" | "indirect" | "stop";

const any = (nodes: readonly Node[], test: (n: Node) => boolean): boolean =>
  nodes.some((n) => test(n) || any(n.args, test));

const interpreted: ReadonlySet<string> = new Set(["ecall", "ebreak", "illegal", "fence.i"]);
const isCsr = (n: Node): boolean => n.op.startsWith("csr.");

interface RowFlow {
  readonly flow: Flow;
  readonly csr: boolean;
}

/** What the flow of each row is, apart from its fields. */
const shapes: readonly RowFlow[] = instructions.map(({ row }) => {
  const does = row.does ?? [];
  const csr = any(does, isCsr);
  if (any(does, (n) => interpreted.has(n.op))) return { flow: "stop", csr };
  const jump = does.find((n) => n.op === "jump");
  if (jump) return { flow: isPcRelative(jump.args[0]!) ? "jump" : "indirect", csr };
  return { flow: any(does, (n) => n.op === "branch") ? "branch" : "next", csr };
});

/** The floating-point control registers; the counters need an exact count, which the interpreter keeps. */
const lastFloatCsr = 3;

function flowOf(d: Decoded): Flow {
  const { flow, csr } = shapes[d.row]!;
  if (csr && d.imm > lastFloatCsr) return "stop";
  return flow === "jump" && d.rd !== 0 ? "call" : flow;
}

/** Whether a direct jump leads out of the addresses that there are. */
const isWild = (pc: number, d: Decoded): boolean => pc + d.imm < 0 || pc + d.imm >= 2 ** 32;

/** What kind of regions an emitter wants. */
export interface Shape {
  /** Whether a region goes on behind a call. */
  readonly calls: boolean;
  /** Instructions of a region that does not loop. */
  readonly straight: number;
  /** Instructions of a called function that becomes part of the region; 0 without it. */
  readonly inlined?: number;
  /**
   * A region that loops has what lies on ways round that are so much longer than the shortest one, in instructions, and
   * so not the loops around it. By default all that can come back to its entry.
   */
  readonly around?: { readonly times: number; readonly more: number };
}

/** Jumps that set x1 or x5, and indirect ones through them that set none, are calls and returns by convention. */
const isLink = (register: number): boolean => register === 1 || register === 5;

/** Places are addresses, plus this times the number of the call by which a small function has become part of the region. */
const perCall = 2 ** 32;
const addressAt = (place: number): number => place % perCall;
const callOf = (place: number): number => Math.floor(place / perCall);

/** What a region's search has found, by place. */
interface Found {
  readonly code: Map<number, Instruction | undefined>;
  /** Where blocks begin, in the order in which they were found. */
  readonly leaders: Set<number>;
  /** Where calls lead that have become part of the region. */
  readonly entries: Map<number, number>;
  /** Where these come back to, by the call's number. */
  readonly returns: number[];
}

/**
 * The region that begins at `pc`. `fetch` gives the bits of the instruction at an address, or -1 where there is none.
 * A region that does not loop ends where another begins: `taken` tells. Undefined where its very first instruction is one
 * that only the interpreter does.
 */
export function findRegion(
  pc: number,
  fetch: (at: number) => number,
  bound: number,
  shape: Shape,
  taken: (pc: number) => boolean = () => false,
): Region | undefined {
  const found: Found = { code: new Map(), leaders: new Set([pc]), entries: new Map(), returns: [pc] };
  const { code, leaders, entries, returns } = found;
  let count = 0;
  // Breadth first over the leaders, so that the bound cuts off what is far from the entry.
  for (const leader of leaders) {
    let at = leader;
    while (!code.has(at) && count < bound) {
      const bits = fetch(addressAt(at));
      const fields = bits < 0 ? undefined : decode(bits);
      const flow = fields === undefined ? "stop" : flowOf(fields);
      const direct = flow === "branch" || flow === "jump" || flow === "call";
      if (fields === undefined || flow === "stop" || (direct && isWild(addressAt(at), fields))) {
        code.set(at, undefined);
        break;
      }
      code.set(at, { pc: addressAt(at), fields, does: instructions[fields.row]!.row.does ?? [] });
      count++;
      const next = at + fields.length;
      const to = at + fields.imm;
      if (flow === "branch") leaders.add(to).add(next);
      if (flow === "jump") leaders.add(to);
      if (shape.calls && isCall(flow, fields)) {
        const small =
          flow === "call" && callOf(at) === 0 && isSmall(addressAt(to), fields.rd, fetch, shape.inlined ?? 0);
        if (small) {
          entries.set(at, addressAt(to) + perCall * returns.length);
          returns.push(next);
        }
        leaders.add(entries.get(at) ?? next);
      }
      if (flow === "indirect" && callOf(at) > 0) leaders.add(returns[callOf(at)]!);
      if (flow !== "next") break;
      at = next;
    }
  }
  if (code.get(pc) === undefined) return undefined;
  return narrow(regionOf(pc, blocksOf(found, shape.calls)), shape, taken);
}

/**
 * Whether a function is so small that it becomes part of its caller's region: it calls nobody, and keeps its return
 * address in register `link`, so that it certainly comes back.
 */
function isSmall(entry: number, link: number, fetch: (at: number) => number, most: number): boolean {
  const leaders = new Set([entry]);
  const seen = new Set<number>();
  for (const leader of leaders)
    for (let at = leader; !seen.has(at); ) {
      const bits = fetch(at);
      const d = bits < 0 ? undefined : decode(bits);
      if (d === undefined) {
        if (at === entry) return false;
        break;
      }
      const flow = flowOf(d);
      const returns = flow === "indirect" && d.rd === 0 && d.rs1 === link && d.imm === 0;
      if (
        flow === "stop" ||
        flow === "call" ||
        (flow !== "indirect" && isWild(at, d)) ||
        (flow === "indirect" && !returns) ||
        d.rd === link
      )
        return false;
      if (seen.add(at).size > most) return false;
      if (flow === "branch") leaders.add(at + d.imm).add(at + d.length);
      if (flow === "jump") leaders.add(at + d.imm);
      if (flow !== "next") break;
      at += d.length;
    }
  return true;
}

/** Whether what comes before `pc` in memory looks like a call: then `pc` is where it returns to. */
export function isBehindCall(pc: number, fetch: (at: number) => number): boolean {
  return [2, 4].some((length) => {
    const bits = pc < length ? -1 : fetch(pc - length);
    const d = bits < 0 ? undefined : decode(bits);
    return d !== undefined && d.length === length && isCall(flowOf(d), d);
  });
}

/** Whether control can come back to the entry. */
export const loops = (region: Region): boolean => region.blocks.some((b) => successors(b).includes(0));

/** Instructions on the shortest way from the entry to each block, and from each block's beginning back to the entry. */
function distances({ blocks }: Region): [number[], number[]] {
  const to = blocks.map((_, i) => (i === 0 ? 0 : Infinity));
  const from = blocks.map(() => Infinity);
  for (let changed = true; changed; ) {
    changed = false;
    blocks.forEach((b, i) => {
      for (const s of successors(b)) {
        const back = b.code.length + (s === 0 ? 0 : from[s]!);
        if (back < from[i]!) [from[i], changed] = [back, true];
        const there = to[i]! + b.code.length;
        if (s !== 0 && there < to[s]!) [to[s], changed] = [there, true];
      }
    });
  }
  return [to, from];
}

/**
 * Where the entry is in a loop, the region is that loop: what cannot come back to the entry is left out. Elsewhere it is
 * the blocks that come first, up to a smaller bound.
 */
function narrow(region: Region, { straight, around }: Shape, taken: (pc: number) => boolean): Region {
  const keep = new Set<number>();
  if (loops(region) && around !== undefined) {
    const [to, from] = distances(region);
    for (const i of region.blocks.keys()) if (to[i]! + from[i]! <= around.times * from[0]! + around.more) keep.add(i);
  } else if (loops(region)) {
    const before = new Map<number, number[]>(region.blocks.map((_, i) => [i, []]));
    region.blocks.forEach((b, i) => {
      for (const s of successors(b)) before.get(s)!.push(i);
    });
    const work = [0];
    for (let at = work.pop(); at !== undefined; at = work.pop()) {
      if (keep.has(at)) continue;
      keep.add(at);
      work.push(...before.get(at)!);
    }
  } else {
    let count = 0;
    // A set goes on with what is added to it: breadth first from the entry.
    const reached = new Set([0]);
    for (const i of reached) {
      const b = region.blocks[i]!;
      if (i > 0 && !b.inlined && taken(b.pc)) continue;
      count += b.code.length;
      if (i > 0 && count > straight) break;
      keep.add(i);
      for (const s of successors(b)) reached.add(s);
    }
  }
  if (keep.size === region.blocks.length) return region;
  const kept = [...keep].sort((a, b) => a - b);
  const index = new Map(kept.map((old, i) => [old, i]));
  const target = (t: Target): Target => {
    if ("exit" in t) return t;
    const block = index.get(t.block);
    return block === undefined ? { exit: region.blocks[t.block]!.pc } : { block };
  };
  const blocks = kept.map((i): Block => {
    const b = region.blocks[i]!;
    if (b.end.kind === "goto") return { ...b, end: { kind: "goto", to: target(b.end.to) } };
    if (b.end.kind === "indirect" || b.end.kind === "return") return b;
    if (b.end.kind === "call") return { ...b, end: { ...b.end, next: target(b.end.next) } };
    return { ...b, end: { ...b.end, taken: target(b.end.taken), otherwise: target(b.end.otherwise) } };
  });
  return regionOf(region.pc, blocks);
}

function regionOf(pc: number, blocks: readonly Block[]): Region {
  const pages = new Set<number>();
  for (const { code } of blocks)
    for (const { pc, fields } of code) pages.add(pc >>> 12).add((pc + fields.length - 1) >>> 12);
  return { pc, blocks, pages: [...pages], instructions: blocks.reduce((n, b) => n + b.code.length, 0) };
}

const isCall = (flow: Flow, d: Decoded): boolean =>
  isLink(d.rd) && (flow === "call" || (flow === "indirect" && !(isLink(d.rs1) && d.rs1 !== d.rd)));

function blocksOf({ code, leaders, entries, returns }: Found, calls: boolean): Block[] {
  const starts = [...leaders].filter((at) => code.get(at) !== undefined);
  const index = new Map(starts.map((at, i) => [at, i]));
  const target = (at: number): Target => {
    const block = index.get(at);
    return block === undefined ? { exit: addressAt(at) } : { block };
  };
  return starts.map((start): Block => {
    const instructions: Instruction[] = [];
    const ending = (end: End): Block => ({
      pc: addressAt(start),
      inlined: callOf(start) > 0,
      code: instructions,
      end,
    });
    for (let at = start; ; ) {
      const instruction = code.get(at);
      if (instruction === undefined || (at !== start && leaders.has(at)))
        return ending({ kind: "goto", to: target(at) });
      instructions.push(instruction);
      const { fields } = instruction;
      const next = at + fields.length;
      const to = at + fields.imm;
      const flow = flowOf(fields);
      const entry = entries.get(at);
      if (entry !== undefined) return ending({ kind: "goto", to: target(entry) });
      if (calls && isCall(flow, fields))
        return ending({ kind: "call", to: flow === "call" ? addressAt(to) : undefined, next: target(next) });
      switch (flow) {
        case "branch":
          return ending({ kind: "branch", taken: target(to), otherwise: target(next) });
        case "jump":
          return ending({ kind: "goto", to: target(to) });
        case "call":
          return ending({ kind: "goto", to: { exit: addressAt(to) } });
        case "indirect":
          if (callOf(at) > 0) return ending({ kind: "goto", to: target(returns[callOf(at)]!) });
          return ending({ kind: calls && fields.rd === 0 && isLink(fields.rs1) ? "return" : "indirect" });
        default:
          at = next;
      }
    }
  });
}

function targetsOf(end: End): Target[] {
  switch (end.kind) {
    case "goto":
      return [end.to];
    case "branch":
      return [end.taken, end.otherwise];
    case "call":
      return [end.next];
    default:
      return [];
  }
}

/** The blocks that a block may pass control to. */
export function successors(b: Block): number[] {
  const found: number[] = [];
  for (const t of targetsOf(b.end)) if ("block" in t) found.push(t.block);
  return found;
}

sparing({ decode, flowOf, findRegion, narrow, isCall, isSmall, blocksOf, regionOf, targetsOf, successors });
