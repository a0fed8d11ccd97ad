// The interpreter's loop in WebAssembly: one function that takes slots of the decode cache (src/cpu/cache.ts) one after the
// other, registers in the hart's state. It does what is usual of the interpreter's work, in half of the time, since its
// values are 64 bits wide and the engine compiles it at once; it leaves before a slot that it cannot do, all state as before it.
// Handlers come from the rows' statements by lowering.ts, as regions do. An instruction is lowered as if its fields
// were the numbers of `names`; the locals of these registers are loaded before it, and stored after it.
import {
  cachePages,
  codeOffset,
  fieldShift,
  firstInstruction,
  frameOfOffset,
  frameWords,
  heatOffset,
  Left,
  opMask,
  opNextPage,
  opRegion,
} from "../../src/cpu/cache.ts";
import { hart } from "../../src/cpu/hart.ts";
import { firstPair, pairs } from "../../src/cpu/pairs.ts";
import { instructions } from "../../src/isa/riscv/instructions.ts";
import { isPcRelative, type Node } from "../../src/isa/vocabulary.ts";
import { pageSize } from "../../src/memory/guest-memory.ts";
import type { Instruction } from "../region.ts";
import { addressOf, factsOf } from "../rows.ts";
import { tuning } from "../tuning.ts";
import {
  access,
  br,
  brIf,
  type Code,
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
} from "./code.ts";
import { encodeModule, F64, type FunctionType, I32, I64, type Import, unsigned } from "./encoder.ts";
import { memoryImport } from "./helpers.ts";
import { regionType } from "./links.ts";
import { emit } from "./lowering.ts";
import type { Site } from "./site.ts";

/**
 * (slot, instructions at most, frame, pc less index) -> slot, and in its low bits why it came back. Slots and frames are
 * byte offsets behind `codeOffset`. The number of instructions that remain is in the hart's `executed`; regions may make
 * it negative.
 */
export const loopType: FunctionType = { params: [I32, I32, I32, I32], results: [I32] };

/** Registers as which an instruction's fields are lowered; `imm` is that of an address, which is worked out before. */
const names = { rd: 4, rs1: 1, rs2: 2, rs3: 3, rm: 0, imm: 5 } as const;

// Parameters.
const at = 0;
const budget = 1;
const frame = 2;
const delta = 3;

// Levels of labels.
const done = 0;
/** Leaves at the slot, which has not been executed. */
const leave = 1;
const again = 2;

/** Operations of statements that are not for this loop: they need the floating-point unit, or what is beyond the hart. */
const others =
  /^(f\d\d\.(?!load|store|reg|set|bits|from_bits)|i\d\d\.from_f|csr|ecall|ebreak|illegal|fence\.i|zero_block|touch_block|i64\.clmul)/;

const every = (n: Node, test: (n: Node) => boolean): boolean => test(n) && n.args.every((a) => every(a, test));

const isUsual = (does: readonly Node[]): boolean =>
  does.length > 0 && does.every((n) => every(n, ({ op: name }) => !others.test(name)));

interface Loop {
  readonly c: Code;
  /** Local: the slot's words. */
  readonly slot: number;
  /** Local: the first of them. */
  readonly word: number;
  /** Locals of the registers of `names`, by their numbers. */
  readonly x: readonly number[];
  readonly f: readonly number[];
  /** i32 scratch. */
  readonly scratch: readonly number[];
}

type Field = "rd" | "rs1" | "rs2" | "rs3";

/** Pushes a register number times 2**`scale`. */
function pushField({ c, word }: Loop, field: Field, scale: number): void {
  get(c, word);
  i32(c, fieldShift[field] - scale);
  put(c, 0x76);
  i32(c, (field === "rd" ? 63 : 31) << scale);
  put(c, 0x71);
}

function pushImmediate({ c, slot }: Loop): void {
  get(c, slot);
  i64(c, 32);
  put(c, 0x87);
}

/** Pushes the address of the instruction, an i32. */
function pushPc({ c }: Loop): void {
  get(c, at);
  i32(c, 2);
  put(c, 0x76);
  get(c, delta);
  put(c, 0x6a);
}

/** Pushes the bytes of the instruction times 2**`scale`. */
function pushLength({ c, word }: Loop, scale: number): void {
  i32(c, 2 << scale);
  get(c, word);
  i32(c, 31);
  put(c, 0x76, 0x74);
}

/** An access to the decode cache, which is memory 1. */
function cached(c: Code, opcode: number, offset: number, align: number): void {
  put(c, opcode, 0x40 | align, 1);
  unsigned(c.out, offset);
}

/** Pushes the number of the frame of an address in a local, 0 for none. */
function pushFrame(c: Code, address: number): void {
  get(c, address);
  i32(c, 12);
  put(c, 0x76);
  i32(c, 2);
  put(c, 0x74);
  cached(c, 0x28, frameOfOffset, 2);
}

/** Goes to an address in a local. `missing`: emits what leaves where its page has no frame. */
function goTo({ c, scratch }: Loop, address: number, missing: () => void): void {
  const index = scratch[0]!;
  pushFrame(c, address);
  tee(c, index);
  put(c, 0x45);
  openIf(c, false);
  missing();
  end(c);
  get(c, index);
  i32(c, frameWords * 4);
  put(c, 0x6c);
  tee(c, frame);
  i32(c, 2);
  put(c, 0x76);
  set(c, index);
  get(c, address);
  i32(c, -pageSize);
  put(c, 0x71);
  get(c, index);
  put(c, 0x6b);
  set(c, delta);
  get(c, address);
  i32(c, pageSize - 1);
  put(c, 0x71);
  i32(c, 2);
  put(c, 0x74);
  get(c, frame);
  put(c, 0x6a);
  set(c, at);
}

/** Comes back, with a reason. */
function comeBack(c: Code, why: number): void {
  get(c, at);
  i32(c, why);
  put(c, 0x72);
  set(c, at);
  br(c, done);
}

/** Counts an arrival at the slot, and tells of the one that makes it hot. */
function countArrival({ c, scratch }: Loop): void {
  const [index, count] = scratch as [number, number];
  get(c, at);
  i32(c, 2);
  put(c, 0x76);
  tee(c, index);
  get(c, index);
  cached(c, 0x2f, heatOffset, 1);
  i32(c, 1);
  put(c, 0x6a);
  tee(c, count);
  cached(c, 0x3b, heatOffset, 1);
  get(c, count);
  put(c, 0x23, 0); // global.get heat
  put(c, 0x46);
  openIf(c, false);
  comeBack(c, Left.hot);
  end(c);
}

/** To pc + imm, most often in the same frame. Ways back are counted, and calls. */
function jumpRelative(l: Loop, calls: boolean): void {
  const { c, scratch } = l;
  const [, to, imm] = scratch as [number, number, number];
  pushImmediate(l);
  put(c, 0xa7);
  tee(c, imm);
  i32(c, 2);
  put(c, 0x74);
  get(c, at);
  put(c, 0x6a);
  tee(c, to);
  get(c, frame);
  put(c, 0x6b);
  i32(c, pageSize * 4);
  put(c, 0x4f);
  openIf(c, false);
  pushPc(l);
  get(c, imm);
  put(c, 0x6a);
  set(c, to);
  goTo(l, to, () => br(c, leave));
  orElse(c);
  get(c, to);
  set(c, at);
  end(c);
  get(c, imm);
  i32(c, 31);
  put(c, 0x76);
  if (calls) {
    pushField(l, "rd", 0);
    i32(c, 32);
    put(c, 0x47, 0x72);
  }
  open(c, op.if);
  countArrival(l);
  end(c);
}

/** Takes the target of an indirect jump into a local; leaves where it has no frame. */
function indirectTarget(l: Loop, site: Site, target: Node, to: number): void {
  const { c } = l;
  const wide = l.x[names.rd]!;
  site.push(target);
  tee(c, wide);
  i64(c, 32);
  put(c, 0x88, 0xa7);
  brIf(c, leave, false);
  get(c, wide);
  put(c, 0xa7);
  i32(c, -2);
  put(c, 0x71);
  set(c, to);
  pushFrame(c, to);
  put(c, 0x45);
  brIf(c, leave, false);
}

const accesses = /^(i64\.load|f\d\d\.(load|store)|store|i\d\d\.(lr|sc|amo))/;

/** The statement with each address that is a sum being that of the name `imm`; and the sum. */
function withAddress(does: readonly Node[]): { readonly does: readonly Node[]; readonly sum: Node | undefined } {
  let sum: Node | undefined;
  const rewrite = (n: Node): Node => {
    const [first, ...rest] = n.args.map(rewrite);
    if (!accesses.test(n.op) || !addressOf(n.args[0]!)?.moved) return { ...n, args: n.args.map(rewrite) };
    sum = first!;
    return { ...n, args: [{ op: "x", type: "i64", args: [], field: "imm", n: 0 }, ...rest] };
  };
  return { does: does.map(rewrite), sum };
}

function siteOf(l: Loop, instruction: Instruction): Site {
  const { c } = l;
  const site: Site = {
    code: c,
    at: instruction,
    push: (n) => {
      switch (n.op) {
        case "imm":
          pushImmediate(l);
          break;
        case "field":
          if (n.field === "imm" || n.field === "rm") {
            pushImmediate(l);
            put(c, 0xa7);
          } else pushField(l, n.field as Field, 0);
          break;
        case "pc":
          pushPc(l);
          put(c, 0xad);
          break;
        case "next":
          pushPc(l);
          pushLength(l, 0);
          put(c, 0x6a, 0xad);
          break;
        default:
          emit(site, n);
      }
    },
    x: (r) => l.x[r]!,
    f: (r) => l.f[r]!,
    facts: new Map(),
    ahead: () => undefined,
    runs: () => [],
    watched: false,
    near: () => never("near"),
    limit: () => undefined,
    careful: () => never("careful"),
    helper: never,
    leave: () => br(c, leave),
  };
  return site;
}

/** What `isUsual` keeps away. */
function never(what: string): never {
  throw new RangeError(`the quick loop has no ${what}`);
}

/** An instruction; then the slot is the next one's. */
function emitInstruction(l: Loop, row: number): void {
  const { c } = l;
  const stated = instructions[row]!.row.does!;
  const fields = { name: instructions[row]!.name, row, ...names, length: 4 } as const;
  const { readsX, readsF, writesX, writesF } = factsOf({ pc: 0, fields, does: stated });
  const { does, sum } = withAddress(stated);
  const site = siteOf(l, { pc: 0, fields, does });
  for (const field of readsX as readonly Field[]) {
    pushField(l, field, 3);
    access(c, 0x29, memory.hart, hart.x * 4, 3);
    set(c, l.x[names[field]]!);
  }
  for (const field of readsF as readonly Field[]) {
    pushField(l, field, 3);
    access(c, 0x2b, memory.hart, hart.f * 4, 3);
    set(c, l.f[names[field]]!);
  }
  if (sum !== undefined) {
    site.push(sum);
    set(c, l.x[names.imm]!);
  }
  const jump = does.find((n) => n.op === "jump");
  const branch = does.find((n) => n.op === "branch");
  const to = l.scratch[1]!;
  const indirect = jump !== undefined && !isPcRelative(jump.args[0]!);
  // First, for the link register may hold it.
  if (indirect) indirectTarget(l, site, jump.args[0]!, to);
  for (const n of does) if (n !== jump && n !== branch) emit(site, n);
  if (writesX) {
    pushField(l, "rd", 3);
    get(c, l.x[names.rd]!);
    access(c, 0x37, memory.hart, hart.x * 4, 3);
  }
  if (writesF) {
    pushField(l, "rd", 3);
    get(c, l.f[names.rd]!);
    access(c, 0x39, memory.hart, hart.f * 4, 3);
  }
  if (indirect) {
    goTo(l, to, () => put(c, 0x00));
    countArrival(l);
  } else if (jump !== undefined) jumpRelative(l, true);
  else {
    if (branch !== undefined) {
      site.push(branch.args[0]!);
      open(c, op.if);
      jumpRelative(l, false);
      br(c, again);
      end(c);
    }
    get(c, at);
    pushLength(l, 2);
    put(c, 0x6a);
    set(c, at);
  }
  release(c);
}

/** Leaves where the budget is used up. */
function countInstruction({ c }: Loop): void {
  get(c, budget);
  i32(c, 1);
  put(c, 0x6b);
  tee(c, budget);
  i32(c, 0);
  put(c, 0x48);
  brIf(c, leave, false);
}

function fetchSlot({ c, slot, word }: Loop): void {
  get(c, at);
  cached(c, 0x29, codeOffset, 3);
  tee(c, slot);
  put(c, 0xa7);
  set(c, word);
}

/** The instruction that was counted was none. */
function uncount(c: Code): void {
  get(c, budget);
  i32(c, 1);
  put(c, 0x6a);
  set(c, budget);
}

/** Off a page's end. */
function emitNextPage(l: Loop): void {
  const { c } = l;
  const to = l.scratch[1]!;
  pushPc(l);
  set(c, to);
  goTo(l, to, () => br(c, leave));
  uncount(c);
}

/** Enters a region, and goes on where it comes back. */
function emitRegion(l: Loop): void {
  const { c } = l;
  const [, to, executed] = l.scratch as [number, number, number];
  i32(c, 0);
  set(c, executed);
  storeHart(c, hart.executed, executed);
  i32(c, 0);
  pushPc(l);
  pushImmediate(l);
  put(c, 0xa7, op.callIndirect, 0, 0);
  set(c, to);
  loadHart(c, hart.executed, I32);
  tee(c, executed);
  put(c, 0x45);
  openIf(c, false);
  // Its first instruction is the interpreter's, or a trap's.
  br(c, leave);
  end(c);
  uncount(c);
  get(c, budget);
  get(c, executed);
  put(c, 0x6b);
  set(c, budget);
  i32(c, 0);
  loadHart(c, hart.compiled, F64);
  get(c, executed);
  put(c, 0xb7, 0xa0); // f64.convert_i32_s, f64.add
  access(c, 0x39, memory.hart, hart.compiled * 4, 3);
  goTo(l, to, () => {
    storeHart(c, hart.pc, to);
    comeBack(c, Left.elsewhere);
  });
  // Where a region paused, and no more, nothing has been jumped to.
  get(c, executed);
  i32(c, tuning.fuel);
  put(c, 0x48);
  open(c, op.if);
  get(c, at);
  cached(c, 0x28, codeOffset, 2);
  i32(c, opMask);
  put(c, 0x71);
  i32(c, opRegion);
  put(c, 0x46);
  open(c, op.if);
  comeBack(c, Left.missed);
  end(c);
  countArrival(l);
  end(c);
}

function emitLoop(hartOffset: number) {
  const c = newCode(loopType.params, hartOffset);
  const locals = (type: typeof I32 | typeof I64 | typeof F64, count: number) =>
    Array.from({ length: count }, () => newLocal(c, type));
  const l: Loop = {
    c,
    slot: newLocal(c, I64),
    word: newLocal(c, I32),
    x: locals(I64, 6),
    f: locals(F64, 5),
    scratch: locals(I32, 3),
  };
  const operations = new Map<number, () => void>([
    [opNextPage, () => emitNextPage(l)],
    [opRegion, () => emitRegion(l)],
  ]);
  for (const [row, { row: stated }] of instructions.entries())
    if (isUsual(stated.does ?? [])) operations.set(firstInstruction + row, () => emitInstruction(l, row));
  for (const [i, [first, second]] of pairs.entries())
    operations.set(firstPair + i, () => {
      emitInstruction(l, first);
      countInstruction(l);
      fetchSlot(l);
      emitInstruction(l, second);
    });

  open(c, op.block); // done
  open(c, op.block); // leave
  open(c, op.loop); // again
  countInstruction(l);
  for (const _ of operations) open(c, op.block);
  fetchSlot(l);
  get(c, l.word);
  i32(c, opMask);
  put(c, 0x71);
  // Handlers follow in the order of their operations: each ends a block, the innermost first.
  const labels = new Map([...operations.keys()].map((operation, i) => [operation, i]));
  const last = Math.max(...labels.keys());
  put(c, 0x0e); // br_table
  unsigned(c.out, last + 1);
  for (let operation = 0; operation <= last + 1; operation++)
    unsigned(c.out, labels.get(operation) ?? c.depth - leave - 1);
  for (const handler of operations.values()) {
    end(c);
    handler();
    br(c, again);
  }
  end(c);
  put(c, 0x00);
  end(c);
  uncount(c);
  end(c);
  storeHart(c, hart.executed, budget);
  get(c, at);
  return finish(c, loopType, "run");
}

/** The bytes of the loop's module for the hart whose state lies at a byte offset. */
export function quickLoop(hartOffset: number): Uint8Array<ArrayBuffer> {
  const imports: Import[] = [
    memoryImport,
    { module: "env", name: "cache", kind: "memory", minimum: cachePages, maximum: cachePages, shared: false },
    { module: "env", name: "regions", kind: "table", minimum: 1 },
    { module: "env", name: "heat", kind: "global", type: I32, mutable: false },
  ];
  return encodeModule({ types: [regionType], imports, functions: [emitLoop(hartOffset)], elements: [] });
}
