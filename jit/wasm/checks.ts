// Addresses of guest memory, checked against the page table. What was checked once for a register's value is not checked
// again: a fact says which bytes around the address in a register may be accessed. A check looks ahead and covers all
// accesses through the same value in its block, as far as they lie close together.
// What is refused leaves the region. No calls are made here: what lives across a call would be kept on the stack, in the hot path too.
import type { Node } from "../../src/isa/vocabulary.ts";
import { Page, watchTableOffset } from "../../src/memory/guest-memory.ts";
import { watchAll, watchBounds, watchEntries, watchEntryBytes } from "../../src/memory/watch-table.ts";
import type { Instruction } from "../region.ts";
import { type Access, addressOf, factsOf } from "../rows.ts";
import {
  access,
  br,
  brIf,
  type Code,
  end,
  get,
  i32,
  i64,
  i64Big,
  memory,
  op,
  open,
  openIf,
  put,
  set,
  tee,
  temp,
} from "./code.ts";
import { I32, I64 } from "./encoder.ts";
import type { Fact, Limit, Run, Site } from "./site.ts";

/** Facts that lie farther from the register's value are dropped: the value itself must be a good address. */
const reach = 32768;
/** Bytes that one check covers at most: less than a page, so that the first and the last byte's pages are all there are. */
export const span = 2048;

/** The bytes around a register that the block accesses from its instruction `from` on, while the register has its value. */
export function ahead(code: readonly Instruction[], from: number, register: number): Fact | undefined {
  let fact: Fact | undefined;
  for (let i = from; i < code.length; i++) {
    const at = code[i]!;
    const { access, writesX } = factsOf(at);
    if (access !== undefined && at.fields[access.base] === register) {
      const offset = access.moved ? at.fields.imm : 0;
      const write = access.kind === "write";
      if (fact === undefined) fact = { low: offset, high: offset + access.size, write };
      else {
        const low = Math.min(offset, fact.low);
        const high = Math.max(offset + access.size, fact.high);
        if (high - low <= span) fact = { low, high, write: write || fact.write };
      }
    }
    if (writesX && at.fields.rd === register) break;
  }
  return fact;
}

/** What of a fact's bytes the block accesses as `ahead` says, those it reads and those it writes apart. */
export function runsAhead(code: readonly Instruction[], from: number, register: number, fact: Fact): Run[] {
  const runs: Run[] = [];
  for (let i = from; i < code.length; i++) {
    const at = code[i]!;
    const { access, writesX } = factsOf(at);
    const low = access?.moved ? at.fields.imm : 0;
    if (access !== undefined && at.fields[access.base] === register && covers(fact, low, access.size, access.kind))
      runs.push({ low, high: low + access.size, kind: access.kind });
    if (writesX && at.fields.rd === register) break;
  }
  const merged: Run[] = [];
  for (const run of runs.sort((a, b) => (a.kind === b.kind ? a.low - b.low : a.kind < b.kind ? -1 : 1))) {
    const last = merged.at(-1);
    if (last?.kind === run.kind && run.low <= last.high)
      merged.push({ ...merged.pop()!, high: Math.max(last.high, run.high) });
    else merged.push(run);
  }
  // What is written stops for whoever watches reads too.
  const isWritten = (run: Run): boolean =>
    merged.some((by) => by.kind === "write" && by.low <= run.low && run.high <= by.high);
  return merged.filter((run) => run.kind === "write" || !isWritten(run));
}

/** What is known after an instruction: a register that it sets has another value, or one moved by a constant. */
export function carry(facts: Map<number, Fact>, at: Instruction): void {
  const { writesX, moves } = factsOf(at);
  const { rd } = at.fields;
  if (!writesX || rd === 0) return;
  const base = moves === undefined ? 0 : at.fields[moves.base];
  const known = base === 0 ? undefined : facts.get(base);
  facts.delete(rd);
  if (known === undefined) return;
  const by = moves!.moved ? at.fields.imm : 0;
  const [low, high] = [known.low - by, known.high - by];
  const { write, loose = false } = known;
  if (low > -reach && high < reach) facts.set(rd, { low, high, write, loose });
}

/** What is known where only some integer registers have kept their values. */
export function forget(facts: Map<number, Fact>, kept: { readonly x: number }): void {
  for (const r of [...facts.keys()]) if (!(kept.x & (1 << r))) facts.delete(r);
}

/** Facts that hold on both ways. */
export function meet(a: ReadonlyMap<number, Fact>, b: ReadonlyMap<number, Fact>): Map<number, Fact> {
  const both = new Map<number, Fact>();
  for (const [r, x] of a) {
    const y = b.get(r);
    if (y === undefined) continue;
    const [low, high] = [Math.max(x.low, y.low), Math.min(x.high, y.high)];
    if (low < high) both.set(r, { low, high, write: x.write && y.write, loose: x.loose === true || y.loose === true });
  }
  return both;
}

const plain = { read: Page.plainRead, write: Page.plainWrite } as const;

interface CheckOptions {
  /** Of what is watched these alone are looked at, counted from the address on the stack; all bytes without it. */
  readonly runs?: readonly Run[] | undefined;
  readonly seldom?: boolean;
}

/**
 * Leaves the region where not all of the `length` bytes at the address on the stack, an i64, may be accessed. `seldom`: there
 * need be no shorter way for aligned addresses.
 */
function check(s: Site, length: number, kind: Access, { runs, seldom = false }: CheckOptions = {}): void {
  const c = s.code;
  const at = temp(c, I64);
  /** Pushes what is plain on the page of the byte that lies so far behind. */
  const plainAt = (behind: number, wrapped: boolean): void => {
    get(c, at);
    if (behind > 0) {
      i64(c, behind);
      put(c, 0x7c); // i64.add
    }
    i64(c, 12);
    put(c, 0x88, 0xa7); // i64.shr_u, i32.wrap_i64
    if (wrapped) {
      i32(c, 0xfffff);
      put(c, 0x71);
    }
    access(c, 0x2d, memory.pages);
  };
  // A length that is a power of two is that of one access, which nearly always is aligned, and so within a page. Turned right
  // by the bits that are then 0, an address that is not aligned is too large, as one that is beyond the memory.
  const single = length <= 8 && (length & (length - 1)) === 0;
  const bits = single ? Math.log2(length) : 0;
  set(c, at);
  const fine = c.depth;
  open(c, op.block);
  const odd = c.depth;
  open(c, op.block);
  if (!seldom || !(single && length > 1)) {
    const page = temp(c, I64);
    get(c, at);
    if (bits > 0) {
      i64(c, bits);
      put(c, 0x8a); // i64.rotr
    }
    i64(c, 12 - bits);
    put(c, 0x88);
    tee(c, page);
    i64(c, 0xfffff);
    put(c, 0x56); // i64.gt_u
    brIf(c, odd, false);
    get(c, page);
    put(c, 0xa7);
    access(c, 0x2d, memory.pages);
    if (!single) {
      plainAt(length - 1, false);
      put(c, 0x71);
    }
    i32(c, plain[kind]);
    put(c, 0x71);
    brIf(c, fine, true);
    // An aligned one lies within a page.
    if (s.watched && single) passWatched(s, at, { length, kind, runs }, fine, odd);
  }
  end(c);
  if (single && length > 1) {
    get(c, at);
    i64(c, 32);
    put(c, 0x88, 0x50); // i64.shr_u, i64.eqz
    plainAt(0, true);
    plainAt(length - 1, true);
    put(c, 0x71);
    i32(c, plain[kind]);
    put(c, 0x71);
    i32(c, 0);
    put(c, 0x47, 0x71); // i32.ne, i32.and
    brIf(c, fine, true);
  }
  if (s.watched && length > 1) passIfWatched(s, at, { length, kind, runs }, fine);
  s.leave();
  end(c);
}

/** What a watched page's byte has where such an access is allowed and code does not mind; and the bits that say so. */
const allowed = {
  read: { bits: Page.read | Page.watch, of: Page.read | Page.watch },
  write: { bits: Page.write | Page.watch, of: Page.write | Page.watch | Page.code },
} as const;

/** Goes to `fine` where the page of the address in local `at` is watched, as `passWatched` does. The bytes must lie in one page. */
function passIfWatched(s: Site, at: number, what: Checked, fine: number): void {
  const c = s.code;
  const { length } = what;
  const refused = c.depth;
  open(c, op.block);
  get(c, at);
  i64(c, 32);
  put(c, 0x88); // i64.shr_u
  if (length > 1) {
    get(c, at);
    i64(c, length - 1);
    put(c, 0x7c);
    get(c, at);
    put(c, 0x85);
    i64(c, 12);
    put(c, 0x88, 0x84); // i64.shr_u, i64.or
  }
  put(c, 0x50, 0x45); // i64.eqz, i32.eqz
  brIf(c, refused);
  passWatched(s, at, what, fine, refused);
  end(c);
}

/** Where some of the bytes are watched but none of `runs` that is noted, and accesses to others look by themselves then. */
interface Checked {
  readonly length: number;
  readonly kind: Access;
  readonly runs: readonly Run[] | undefined;
}

/**
 * Goes to `fine` where the page of the address in local `at` is watched, but none of the bytes, which lie in it; to `refused` where that is not
 * so, or the page refuses. Nothing is handed on from the usual way here: what it would keep for that makes it slower.
 */
function passWatched(s: Site, at: number, what: Checked, fine: number, refused: number): void {
  const c = s.code;
  const { length, kind, runs } = what;
  const page = temp(c, I32);
  get(c, at);
  put(c, 0xa7);
  i32(c, 12);
  put(c, 0x76);
  tee(c, page);
  access(c, 0x2d, memory.pages);
  i32(c, allowed[kind].of);
  put(c, 0x71);
  i32(c, allowed[kind].bits);
  put(c, 0x47); // i32.ne
  brIf(c, refused);
  const entry = page;
  get(c, page);
  toEntry(c);
  set(c, entry);
  pushMissed(s, () => get(c, at), entry, length, kind);
  brIf(c, fine);
  if (runs === undefined) {
    br(c, refused);
    return;
  }
  for (const each of ["write", "read"] as const)
    leaveAmong(
      c,
      at,
      runs.filter((run) => run.kind === each),
      entry,
      refused,
    );
  i32(c, 1);
  set(c, s.near(kind));
  if (kind === "write") {
    // Among what is written are bytes that are read.
    get(c, entry);
    access(c, 0x28, memory.pages, watchTableOffset + watchBounds.read.high, 2);
    get(c, s.near("read"));
    put(c, 0x72);
    set(c, s.near("read"));
  }
  br(c, fine);
}

/** Goes to `refused` where what is watched in a page touches one of the runs, which are of one kind and ascend. */
function leaveAmong(c: Code, at: number, runs: readonly Run[], entry: number, refused: number): void {
  const [first] = runs;
  if (first === undefined) return;
  const bound = (offset: number): number => {
    const local = temp(c, I32);
    get(c, entry);
    access(c, 0x28, memory.pages, watchTableOffset + offset, 2);
    set(c, local);
    return local;
  };
  const [low, high] = [bound(watchBounds[first.kind].low), bound(watchBounds[first.kind].high)];
  const address = temp(c, I32);
  get(c, at);
  put(c, 0xa7);
  set(c, address);
  const beyond = c.depth;
  open(c, op.block);
  for (const run of runs) {
    get(c, address);
    i32(c, run.low);
    put(c, 0x6a);
    get(c, high);
    put(c, 0x4f); // i32.ge_u
    brIf(c, beyond);
    get(c, address);
    i32(c, run.high);
    put(c, 0x6a);
    get(c, low);
    put(c, 0x4b); // i32.gt_u
    brIf(c, refused, false);
  }
  end(c);
}

/** From the number of a page to the offset of its entry in the table of what is watched. */
function toEntry(c: Code): void {
  i32(c, watchEntries - 1);
  put(c, 0x71);
  i32(c, Math.log2(watchEntryBytes));
  put(c, 0x74); // i32.shl
}

/** Pushes whether none of the bytes at the address that `push` pushes, an i64, is watched, by the entry in a local. */
function pushMissed({ code: c }: Site, push: () => void, entry: number, length: number, kind: Access): void {
  const { low, high } = watchBounds[kind];
  push();
  put(c, 0xa7);
  get(c, entry);
  access(c, 0x28, memory.pages, watchTableOffset + high, 2);
  put(c, 0x4f); // i32.ge_u
  push();
  put(c, 0xa7);
  i32(c, length);
  put(c, 0x6a);
  get(c, entry);
  access(c, 0x28, memory.pages, watchTableOffset + low, 2);
  put(c, 0x4d, 0x72); // i32.le_u, i32.or
}

/** Leaves where an access that may be made, but for what is watched, touches that. `push` pushes its address, an i64. */
function leaveIfWatched(s: Site, push: () => void, length: number, kind: Access): void {
  const c = s.code;
  const { low, high } = watchBounds[kind];
  get(c, s.near(kind));
  openIf(c, false);
  const missed = c.depth;
  open(c, op.block);
  for (const [bound, isBeyond] of [
    [low, 0x49], // i32.lt_u
    [high, 0x4f], // i32.ge_u
  ] as const) {
    push();
    put(c, 0xa7);
    i32(c, 0);
    access(c, 0x28, memory.pages, watchTableOffset + watchAll + bound, 2);
    put(c, isBeyond);
    brIf(c, missed, true);
  }
  const entry = temp(c, I32);
  push();
  i64(c, 12);
  put(c, 0x88, 0xa7); // i64.shr_u, i32.wrap_i64
  toEntry(c);
  set(c, entry);
  pushMissed(s, push, entry, length, kind);
  put(c, 0x45); // i32.eqz
  open(c, op.if);
  s.leave();
  end(c);
  end(c);
  end(c);
}

/**
 * Pushes an address as an i32 after checking an access of 2**`size` bytes there; leaves where it must not happen. Answers
 * the constant offset that the access is to have.
 */
export function address(s: Site, n: Node, size: 0 | 1 | 2 | 3, kind: Access): number {
  const c = s.code;
  const place = addressOf(n);
  const base = place === undefined ? 0 : s.at.fields[place.base];
  if (base === 0) {
    const at = temp(c, I64);
    s.push(n);
    tee(c, at);
    check(s, 2 ** size, kind);
    get(c, at);
    put(c, 0xa7);
    return 0;
  }
  const offset = place!.moved ? s.at.fields.imm : 0;
  if (!covers(s.facts.get(base), offset, 2 ** size, kind)) {
    const own: Fact = { low: offset, high: offset + 2 ** size, write: kind === "write" };
    const wider = s.ahead(base);
    const fact = wider !== undefined && covers(wider, offset, 2 ** size, kind) ? wider : own;
    const runs = s.watched && fact.high - fact.low > 2 ** size ? s.runs(base, fact) : undefined;
    const whole = (seldom: boolean): void => {
      get(c, s.x(base));
      if (fact.low !== 0) {
        i64(c, fact.low);
        put(c, 0x7c);
      }
      const from = (run: Run): Run => ({ ...run, low: run.low - fact.low, high: run.high - fact.low });
      check(s, fact.high - fact.low, fact.write ? "write" : "read", { runs: runs?.map(from), seldom });
    };
    const limit = s.limit(base, fact);
    if (limit === undefined) whole(false);
    else withinLimit(s, base, limit, whole);
    s.facts.set(base, runs === undefined ? fact : { ...fact, loose: true, runs });
  }
  const push = (): void => {
    get(c, s.x(base));
    if (offset === 0) return;
    i64(c, offset);
    put(c, 0x7c);
  };
  const { loose, runs = [] } = s.facts.get(base)!;
  const wasSeen = runs.some(
    (run) => (run.kind === kind || run.kind === "write") && run.low <= offset && offset + 2 ** size <= run.high,
  );
  if (loose === true && !wasSeen) leaveIfWatched(s, push, 2 ** size, kind);
  get(c, s.x(base));
  put(c, 0xa7);
  return offset;
}

/** Checks an address in a register in full, by `whole`, only where it is beyond its limit, which then moves on to the end of the page. */
function withinLimit(s: Site, base: number, limit: Limit, whole: (seldom: boolean) => void): void {
  const c = s.code;
  const fine = c.depth;
  open(c, op.block);
  get(c, s.x(base));
  get(c, limit.local);
  put(c, limit.down ? 0x55 : 0x54); // i64.gt_s, i64.lt_u
  brIf(c, fine, true);
  whole(true);
  get(c, s.x(base));
  if (limit.down) {
    // The page's beginning, less `low`, less 1.
    i64(c, limit.low);
    put(c, 0x7c);
    i64(c, -4096);
    put(c, 0x83);
    i64(c, -1 - limit.low);
  } else {
    // The page's last byte, less `high`, plus 2.
    i64(c, limit.high - 1);
    put(c, 0x7c);
    i64(c, 4095);
    put(c, 0x84);
    i64(c, 2 - limit.high);
  }
  put(c, 0x7c);
  if (s.watched) {
    // Where some bytes of a page are watched, what is known of one says nothing of the next.
    const last = limit.down ? limit.low : limit.high - 1;
    get(c, limit.local);
    get(c, s.x(base));
    put(c, 0xa7);
    i32(c, last);
    put(c, 0x6a);
    i32(c, 12);
    put(c, 0x76);
    access(c, 0x2d, memory.pages);
    i32(c, plain[limit.write ? "write" : "read"]);
    put(c, 0x71, op.select);
  }
  set(c, limit.local);
  end(c);
}

/**
 * Sets a limit for the address on the stack, which is what an access is likely to begin with: so that loops which go round
 * few times have no branch that is hard to foresee. The address may be any, and nothing is left where it is none.
 */
export function presetLimit(c: Code, { low, high, write, down, local }: Limit): void {
  const at = temp(c, I64);
  const first = down ? high - 1 : low;
  if (first !== 0) {
    i64(c, first);
    put(c, 0x7c);
  }
  tee(c, at);
  i64(c, down ? -4096 : 4095);
  put(c, down ? 0x83 : 0x84);
  i64(c, down ? -1 - low : 2 - high);
  put(c, 0x7c);
  i64Big(c, down ? 2n ** 63n - 1n : 0n);
  // What is plain becomes 2**32 if the page has it, else 0: one comparison tells that and whether there is such a page.
  const bit = plain[write ? "write" : "read"];
  get(c, at);
  get(c, at);
  put(c, 0xa7);
  i32(c, 12);
  put(c, 0x76);
  access(c, 0x2d, memory.pages);
  i32(c, bit);
  put(c, 0x71, 0xad); // i32.and, i64.extend_i32_u
  i64(c, 32 - Math.log2(bit));
  put(c, 0x86, 0x54, op.select); // i64.shl, i64.lt_u
  set(c, local);
}

export const covers = (fact: Fact | undefined, offset: number, size: number, kind: Access): boolean =>
  fact !== undefined && fact.low <= offset && offset + size <= fact.high && (fact.write || kind === "read");

/** As `address`, into a local, for an atomic access: an unaligned one is the interpreter's, which makes it a trap. */
export function alignedAddress(s: Site, n: Node, size: 2 | 3, kind: Access): number {
  const c = s.code;
  const at = temp(c, I32);
  s.push(n);
  put(c, 0xa7);
  i32(c, 2 ** size - 1);
  put(c, 0x71);
  openIf(c, false);
  s.leave();
  end(c);
  const offset = address(s, n, size, kind);
  if (offset !== 0) {
    i32(c, offset);
    put(c, 0x6a);
  }
  set(c, at);
  return at;
}
