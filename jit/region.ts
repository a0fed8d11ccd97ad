// Regions: the unit of compilation. From an entry, blocks of decoded instructions are followed along fall-throughs,
// direct jumps and branches, within a bound, to where indirect jumps are known to have led, and behind calls where the emitter
// can come back from them. Other indirect jumps and what only the interpreter does leave the region.
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
  /**
   * An indirect jump. `dispatch`: the block that goes on to where it is known to lead, if it is known. `site`: its address,
   * where it is to be recorded where it leads.
   */
  | { readonly kind: "indirect"; readonly dispatch?: Target; readonly site?: number }
  /** Of a block without code: to where an indirect jump led, told apart by address. `site`: as above, for other targets. */
  | { readonly kind: "switch"; readonly ways: readonly Case[]; readonly site?: number }
  /** An indirect jump through a link register that sets none. */
  | { readonly kind: "return" }
  /** To an address, undefined where it is indirect; comes back to `next`. */
  | { readonly kind: "call"; readonly to: number | undefined; readonly next: Target };

/** One of the targets of an indirect jump, by its address. */
export interface Case {
  readonly pc: number;
  readonly to: Target;
}

export interface Block {
  /** Address; of a block without code that of the jump before it. */
  readonly pc: number;
  /** Whether it is a called function's, which has become part of the caller's region. */
  readonly inlined: boolean;
  readonly code: readonly Instruction[];
  readonly end: End;
}

/** Block 0 is the entry. */
export interface Region {
  readonly pc: number;
  /** Other addresses at which it may be entered: then block 0 tells where, which is one without code. */
  readonly entries: readonly number[];
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
  /** Instructions of a region that does not loop to which it goes on where another region begins: at its entry loops become hot first. */
  readonly shared?: number;
  /** Instructions behind a loop that belong to its region. */
  readonly behind?: number;
  /** Instructions of a called function that becomes part of the region; 0 without it. */
  readonly inlined?: number;
  /**
   * A region that loops has what lies on ways round that are so much longer than the shortest one, in instructions, and
   * so not the loops around it. By default all that can come back to its entry.
   */
  readonly around?: { readonly times: number; readonly more: number };
  /** Instructions of a region in which indirect jumps go on to where they are known to lead; absent where they leave it. */
  readonly switched?: number;
}

/** What is known of an indirect jump. */
export interface Profile {
  /** Where it led, most often first. */
  readonly targets: readonly number[];
  /** Whether other targets are to be recorded. */
  readonly learns: boolean;
}

const unknown: Profile = { targets: [], learns: false };

/** Targets of what is likely to be a switch, and not a call of a function at the end of another. */
const manyTargets = 4;

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
  /** What is known of the indirect jumps. */
  readonly profiles: Map<number, Profile>;
}

/**
 * The region that begins at `pc`. `fetch` gives the bits of the instruction at an address, or -1 where there is none.
 * A region that does not loop ends, after its first instructions, where another begins: `taken` tells. `profileOf`: by the address of an indirect jump.
 * Undefined where the very first instruction is one that only the interpreter does.
 */
export function findRegion(
  pc: number,
  fetch: (at: number) => number,
  bound: number,
  shape: Shape,
  taken: (pc: number) => boolean = () => false,
  profileOf: (site: number) => Profile = () => unknown,
): Region | undefined {
  const found: Found = {
    code: new Map(),
    leaders: new Set([pc]),
    entries: new Map(),
    returns: [pc],
    profiles: new Map(),
  };
  const { code, leaders, entries, returns, profiles } = found;
  let count = 0;
  let most = bound;
  // Breadth first over the leaders, so that the bound cuts off what is far from the entry; behind a switch one target after
  // the other, so that it cuts off the seldom ones.
  const pending: number[][] = [[pc]];
  let rank = 0;
  const lead = (to: number, after = rank): void => {
    if (leaders.has(to)) return;
    leaders.add(to);
    (pending[after] ??= []).push(to);
  };
  while (rank < pending.length) {
    const leader = pending[rank]?.shift();
    if (leader === undefined) {
      rank++;
      continue;
    }
    let at = leader;
    while (!code.has(at) && count < most) {
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
      if (flow === "branch") {
        lead(to);
        lead(next);
      }
      if (flow === "jump") lead(to);
      if (shape.calls && isCall(flow, fields)) {
        const small =
          flow === "call" && callOf(at) === 0 && isSmall(addressAt(to), fields.rd, fetch, shape.inlined ?? 0);
        if (small) {
          entries.set(at, addressAt(to) + perCall * returns.length);
          returns.push(next);
        }
        lead(entries.get(at) ?? next);
      }
      if (flow === "indirect" && callOf(at) > 0) lead(returns[callOf(at)]!);
      if (shape.switched !== undefined && callOf(at) === 0 && isSwitch(flow, fields)) {
        const profile = profileOf(at);
        profiles.set(at, profile);
        for (const [i, t] of profile.targets.entries()) lead(t, rank === 0 ? i + 1 : rank);
        if (profile.targets.length >= manyTargets) most = Math.max(bound, shape.switched);
      }
      if (flow !== "next") break;
      at = next;
    }
  }
  if (code.get(pc) === undefined) return undefined;
  // A part of a large interpreter's loop is worse than none of it: most jumps would leave it, with all registers.
  if (most > bound && count >= most) return findRegion(pc, fetch, bound, shape, taken);
  const [blocks, targetOf] = blocksOf(found, shape.calls);
  return narrow(regionOf(pc, enteredAnywhere(dispatch(blocks, found.profiles, targetOf), pc)), shape, taken);
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

/** Adds up to `most` instructions of what comes behind the kept blocks of a loop: often that is the way to the function's return. */
function addBehind({ blocks }: Region, keep: Set<number>, most: number): void {
  let count = 0;
  // A set goes on with what is added to it: breadth first.
  const reached = new Set(keep);
  for (const i of reached) {
    const b = blocks[i]!;
    if (!keep.has(i)) {
      if (count + b.code.length > most) continue;
      count += b.code.length;
      keep.add(i);
    }
    for (const s of successors(b)) reached.add(s);
  }
}

/**
 * Where the entry is in a loop, the region is that loop: what cannot come back to the entry is left out, but for the next
 * instructions. Elsewhere it is the blocks that come first, up to a smaller bound.
 */
function narrow(region: Region, shape: Shape, taken: (pc: number) => boolean): Region {
  const { around } = shape;
  const large = region.blocks.some(({ end }) => end.kind === "switch" && end.ways.length >= manyTargets);
  const straight = Math.max(shape.straight, large ? (shape.switched ?? 0) : 0);
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
    addBehind(region, keep, shape.behind ?? 0);
  } else {
    let count = 0;
    // A set goes on with what is added to it: breadth first from the entry.
    const reached = new Set([0]);
    for (const i of reached) {
      const b = region.blocks[i]!;
      if (i > 0 && !b.inlined && !isDispatch(b) && count > (shape.shared ?? 0) && taken(b.pc)) continue;
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
  return regionOf(
    region.pc,
    kept.map((i) => retarget(region.blocks[i]!, target)),
  );
}

/** A block that goes elsewhere. A jump whose targets have become none of the region's leads anywhere. */
function retarget(b: Block, target: (t: Target) => Target): Block {
  const { end } = b;
  switch (end.kind) {
    case "goto":
      return { ...b, end: { kind: "goto", to: target(end.to) } };
    case "branch":
      return { ...b, end: { ...end, taken: target(end.taken), otherwise: target(end.otherwise) } };
    case "call":
      return { ...b, end: { ...end, next: target(end.next) } };
    case "switch":
      return { ...b, end: { ...end, ways: end.ways.map(({ pc, to }) => ({ pc, to: target(to) })) } };
    case "indirect": {
      const { dispatch, ...rest } = end;
      const to = dispatch && target(dispatch);
      return { ...b, end: to && "block" in to ? { ...rest, dispatch: to } : rest };
    }
    default:
      return b;
  }
}

/**
 * Where there is a loop through a switch, the region is one that can be entered at all of its targets: control that has
 * left an interpreter's loop finds back to it at once, and no target needs a region, with the whole loop, of its own.
 */
function enteredAnywhere(blocks: readonly Block[], pc: number): readonly Block[] {
  const comesBack = (i: number): boolean => {
    const reached = new Set(successors(blocks[i]!));
    for (const b of reached) for (const s of successors(blocks[b]!)) reached.add(s);
    return reached.has(i);
  };
  const waysOf = (i: number): readonly Case[] => {
    const { end } = blocks[i]!;
    return end.kind === "switch" ? end.ways : [];
  };
  const [first] = [...blocks.keys()]
    .filter((i) => isDispatch(blocks[i]!) && comesBack(i))
    .sort((a, b) => waysOf(b).length - waysOf(a).length);
  if (first === undefined) return blocks;
  const ways = waysOf(first);
  const entry: Block = {
    ...blocks[first]!,
    end: {
      ...blocks[first]!.end,
      kind: "switch",
      ways: ways.some((w) => w.pc === pc) ? ways : [...ways, { pc, to: { block: 0 } }],
    },
  };
  const moved = (i: number): number => (i === first ? 0 : i < first ? i + 1 : i);
  const target = (t: Target): Target => ("exit" in t ? t : { block: moved(t.block) });
  return [entry, ...blocks.filter((_, i) => i !== first)].map((b) => retarget(b, target));
}

function regionOf(pc: number, blocks: readonly Block[]): Region {
  const pages = new Set<number>();
  for (const { code } of blocks)
    for (const { pc, fields } of code) pages.add(pc >>> 12).add((pc + fields.length - 1) >>> 12);
  const first = blocks[0]!.end;
  const ways = first.kind === "switch" ? first.ways : [];
  return {
    pc,
    entries: ways.flatMap((w) => ("block" in w.to && w.pc !== pc && w.pc !== 0 ? [w.pc] : [])),
    blocks,
    pages: [...pages],
    instructions: blocks.reduce((n, b) => n + b.code.length, 0),
  };
}

const isCall = (flow: Flow, d: Decoded): boolean =>
  isLink(d.rd) && (flow === "call" || (flow === "indirect" && !(isLink(d.rs1) && d.rs1 !== d.rd)));

/** Whether a jump may lead to several places of the same function, as far as the registers that it names tell. */
const isSwitch = (flow: Flow, d: Decoded): boolean => flow === "indirect" && d.rd === 0 && !isLink(d.rs1);

/** The addresses of a region's indirect jumps that may be switches. */
export const switchesOf = (region: Region): number[] =>
  region.blocks.flatMap((b) => (b.end.kind === "indirect" ? [b.code.at(-1)!.pc] : []));

/** Those whose known targets are in it. */
export const followedSwitches = (region: Region): number[] =>
  region.blocks.flatMap((b) => (b.end.kind === "indirect" && b.end.dispatch !== undefined ? [b.code.at(-1)!.pc] : []));

/** Instructions from the entry to the one at `pc`, which is the last of a block; Infinity where it is not in the region. */
export function distanceTo(region: Region, pc: number): number {
  const [to] = distances(region);
  return Math.min(...region.blocks.map((b, i) => (b.code.at(-1)?.pc === pc ? to[i]! + b.code.length : Infinity)));
}

/** Whether a block only tells where an indirect jump leads. */
export const isDispatch = (b: Block): boolean => b.end.kind === "switch";

/**
 * Gives the indirect jumps whose targets are known a block that tells these apart. Jumps that have a target in common
 * get one block for all: where each part of an interpreter ends in a jump of its own to any other part, control has no
 * structure but through one place.
 */
function dispatch(
  blocks: readonly Block[],
  profiles: ReadonlyMap<number, Profile>,
  targetOf: (pc: number) => Target,
): readonly Block[] {
  interface Group {
    readonly jumps: Set<number>;
    readonly targets: Set<number>;
    site: number | undefined;
  }
  const byTarget = new Map<number, Group>();
  const sites = new Map<number, number | undefined>();
  blocks.forEach(({ code, end }, i) => {
    const at = code.at(-1)?.pc;
    const profile = end.kind === "indirect" && at !== undefined ? profiles.get(at) : undefined;
    if (profile === undefined || at === undefined) return;
    const site = profile.learns ? at : undefined;
    sites.set(i, site);
    if (profile.targets.length === 0) return;
    const group: Group = { jumps: new Set([i]), targets: new Set(profile.targets), site };
    for (const other of new Set(profile.targets.map((t) => byTarget.get(t)))) {
      if (other === undefined) continue;
      for (const jump of other.jumps) group.jumps.add(jump);
      for (const t of other.targets) group.targets.add(t);
      group.site ??= other.site;
    }
    for (const t of group.targets) byTarget.set(t, group);
  });
  if (sites.size === 0) return blocks;
  const dispatchOf = new Map<number, Target>();
  const added = [...new Set(byTarget.values())].map(({ jumps, targets, site }, i): Block => {
    for (const jump of jumps) dispatchOf.set(jump, { block: blocks.length + i });
    const ways = [...targets].map((pc) => ({ pc, to: targetOf(pc) }));
    const { pc } = blocks[Math.min(...jumps)]!.code.at(-1)!;
    return { pc, inlined: false, code: [], end: { kind: "switch", ways, ...(site !== undefined && { site }) } };
  });
  const all = blocks.map((b, i): Block => {
    const to = dispatchOf.get(i);
    const site = sites.get(i);
    if (to === undefined && site === undefined) return b;
    return { ...b, end: { kind: "indirect", ...(to ? { dispatch: to } : { site: site! }) } };
  });
  return [...all, ...added];
}

/** The blocks, and which of them begins at an address. */
function blocksOf({ code, leaders, entries, returns }: Found, calls: boolean): [Block[], (pc: number) => Target] {
  const starts = [...leaders].filter((at) => code.get(at) !== undefined);
  const index = new Map(starts.map((at, i) => [at, i]));
  const target = (at: number): Target => {
    const block = index.get(at);
    return block === undefined ? { exit: addressAt(at) } : { block };
  };
  const blocks = starts.map((start): Block => {
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
  return [blocks, target];
}

function targetsOf(end: End): Target[] {
  switch (end.kind) {
    case "goto":
      return [end.to];
    case "branch":
      return [end.taken, end.otherwise];
    case "call":
      return [end.next];
    case "switch":
      return end.ways.map(({ to }) => to);
    case "indirect":
      return end.dispatch ? [end.dispatch] : [];
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

sparing({
  decode,
  flowOf,
  findRegion,
  narrow,
  addBehind,
  isCall,
  isSmall,
  blocksOf,
  dispatch,
  regionOf,
  targetsOf,
  successors,
});
