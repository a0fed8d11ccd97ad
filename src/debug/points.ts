// What one worker has made of the table of breakpoints, for the address space that it runs: where its engine stops, and what
// pages are watched. It is brought up to date at safepoints, and costs a comparison where nothing has changed.

import type { HartEngine } from "../linux/engine.ts";
import {
  type AccessKind,
  accessibleLength,
  changePages,
  type GuestMemory,
  latin1,
  Page,
  pageSize,
} from "../memory/guest-memory.ts";
import { fillWatchTable } from "../memory/watch-table.ts";
import { withLock } from "../sync/mutex.ts";
import { anyHolds, execute, makeEvaluator } from "./agent.ts";
import { type Breakpoint, BreakpointKind, breakpointsOf, isWatchpoint, versionOfBreakpoints } from "./breakpoints.ts";
import { printf } from "./printf.ts";
import { type DebugState, Head } from "./state.ts";

/** A watched access. */
export interface Hit {
  readonly kind: number;
  /** The first byte that was watched and accessed. */
  readonly address: number;
}

export interface Points {
  /** What is at an address, the debugger's first; undefined for nothing. */
  readonly at: (pc: number) => readonly Breakpoint[] | undefined;
  readonly stopsAt: (pc: number) => boolean;
  /**
   * Whether a thread that has come to a stop goes on: no condition holds there, or commands have been executed that print nothing.
   * To be asked once each time.
   */
  readonly passes: (pc: number) => boolean;
  /** What commands have printed since it was taken last, latin1; and whether the thread has stopped for nothing else. */
  readonly takeText: () => { readonly text: string; readonly alone: boolean };
  /** While it is set watched accesses are made as others: by an instruction that has stopped for them before. */
  muted: boolean;
  /** Watched accesses since these were taken last: of the kernel, which have been made, or of an instruction, which has not. */
  readonly hits: Hit[];
  /** Brings it up to date. The caller counts as a reader of the table; the engine is between two runs. */
  readonly catchUp: (engine: Pick<HartEngine, "stopChanged">) => void;
}

/** `hart`: the words of the hart that runs here. */
export function makePoints(d: DebugState, memory: GuestMemory, space: number, hart: Int32Array): Points {
  const { words, breakpoints, lock, expressions } = d;
  // Nobody waits in guest code for a pipe to be read.
  let [text, alone] = ["", true];
  const evaluate = makeEvaluator(hart, memory, (format, values) => {
    text += printf(format, values, (address) => stringAt(memory, address));
  });
  let stops = new Map<number, readonly Breakpoint[]>();
  let watches: readonly Breakpoint[] = [];
  let epoch = -1;
  let version = -1;
  const hits: Hit[] = [];

  function changeStops(found: readonly Breakpoint[], engine: Pick<HartEngine, "stopChanged">): void {
    const before = stops;
    stops = new Map();
    for (const b of found) if (!isWatchpoint(b.kind)) stops.set(b.address, [...(stops.get(b.address) ?? []), b]);
    for (const pc of before.keys()) if (!stops.has(pc)) engine.stopChanged(pc);
    for (const pc of stops.keys()) if (!before.has(pc)) engine.stopChanged(pc);
  }

  /**
   * Every worker of the address space marks the pages: the first one that comes by does it for all. With the debug lock, so
   * that none puts an older state in the place of a newer one.
   */
  function changeWatches(): void {
    const before = pagesOf(watches);
    watches = breakpointsOf(breakpoints, space).filter((b) => isWatchpoint(b.kind));
    fillWatchTable(
      memory.watchTable,
      watches.map(({ address, length, kind }) => ({
        ...{ address, length, reads: kind !== BreakpointKind.write, writes: kind !== BreakpointKind.read },
      })),
    );
    const after = pagesOf(watches);
    for (const [first, end] of without(before, after)) changePages(memory, first, end, ~Page.watch, 0);
    for (const [first, end] of after) changePages(memory, first, end, -1, Page.watch);
    memory.watched = watches.length === 0 ? undefined : accessed;
  }

  function accessed(address: number, length: number, kind: AccessKind): boolean {
    if (points.muted) return false;
    for (const watch of watches) {
      if (address >= watch.address + watch.length || address + length <= watch.address) continue;
      if (kind === "read" && watch.kind === BreakpointKind.write) continue;
      if (kind === "write" && watch.kind === BreakpointKind.read) continue;
      hits.push({ kind: watch.kind, address: Math.max(address, watch.address) });
      return true;
    }
    return false;
  }

  const points: Points = {
    muted: false,
    at: (pc) => stops.get(pc),
    stopsAt: (pc) => stops.has(pc),
    passes: (pc) => {
      const here = stops.get(pc);
      if (here === undefined) return true;
      alone = true;
      for (const { code } of here) {
        if (code === 0) alone = false;
        // One with commands stops for none.
        if (anyHolds(evaluate, expressions, code, pc) && !execute(evaluate, expressions, code, pc)) alone = false;
      }
      return text === "" && alone;
    },
    takeText: () => {
      const taken = { text, alone };
      [text, alone] = ["", true];
      return taken;
    },
    hits,
    catchUp: (engine) => {
      const now = Atomics.load(words, Head.epoch);
      if (now === epoch) return;
      epoch = now;
      const current = versionOfBreakpoints(breakpoints);
      if (current === version) return;
      version = current;
      const found = breakpointsOf(breakpoints, space);
      changeStops(found, engine);
      const isWatching = found.some((b) => isWatchpoint(b.kind));
      if (isWatching && !memory.looksAtWatches) {
        // What is compiled leaves watched pages to the interpreter.
        memory.looksAtWatches = true;
        memory.codeChanged(0, 2 ** 32);
      }
      if (watches.length > 0 || isWatching) withLock(lock, changeWatches);
    },
  };
  return points;
}

const longestString = 4096;

/** The string of a guest at an address, latin1. */
function stringAt(m: GuestMemory, address: bigint): string | undefined {
  const from = Number(BigInt.asUintN(64, address));
  const length = from < m.size ? accessibleLength(m, from, Math.min(longestString, m.size - from), Page.read) : 0;
  if (length === 0) return undefined;
  const text = latin1(m.u8.subarray(from, from + length));
  const end = text.indexOf("\0");
  return end < 0 ? text : text.slice(0, end);
}

/** Pages, the first and the one behind the last. */
type Range = readonly [first: number, end: number];

const mostPages = 2 ** 20;

/** The pages of what is watched, apart and in order. */
function pagesOf(watches: readonly Breakpoint[]): Range[] {
  const found: Range[] = [];
  for (const { address, length } of [...watches].sort((a, b) => a.address - b.address)) {
    const first = Math.floor(address / pageSize);
    const end = Math.min(Math.ceil((address + length) / pageSize), mostPages);
    const before = found.at(-1);
    if (before !== undefined && first <= before[1]) found[found.length - 1] = [before[0], Math.max(before[1], end)];
    else if (first < end) found.push([first, end]);
  }
  return found;
}

/** The pages of some ranges that are in none of others, which are apart and in order. */
function without(ranges: readonly Range[], others: readonly Range[]): Range[] {
  return ranges.flatMap(([first, end]) => {
    const left: Range[] = [];
    for (const [from, to] of others) {
      if (to <= first || from >= end) continue;
      if (first < from) left.push([first, from]);
      first = to;
    }
    return first < end ? [...left, [first, end] as const] : left;
  });
}
