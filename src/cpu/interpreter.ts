// Tier 0: the interpreter, generated from the instruction rows. One JavaScript function a row, chosen by a table.
//
// A page of code is decoded, slot by slot when first reached, into a frame of the decode cache: two words for every two
// bytes of guest code, so the index of a slot within its frame is the offset within its page. A handler gets its index and
// its first word, and answers the index of the next instruction; -1 leaves the loop, with pc and cause in the hart.
// Measured (Bun 1.4.5, 320 handlers, integer loop): a table of functions 225 million instructions a second and 130 after
// the first million; one switch over all 280, but 30 after the first million, because the engine compiles it as a whole.
import { decode } from "../isa/riscv/decode.ts";
import { instructions } from "../isa/riscv/instructions.ts";
import type { Node } from "../isa/vocabulary.ts";
import { type GuestMemory, Page, pageSize } from "../memory/guest-memory.ts";
import * as arith from "./arith.ts";
import { makeFpu } from "./float/fpu.ts";
import { Cause, type Hart, hart } from "./hart.ts";
import { floatName, lower, type Site, type Text } from "./lowering.ts";
import { makeScope, type ScopeHooks } from "./scope.ts";

export interface Interpreter {
  /**
   * Runs from the hart's pc until a trap, a request, or `budget` instructions (at least 1). Answers the cause; the hart
   * holds pc (of the instruction that trapped) and tval. `instret` counts what completed.
   */
  readonly run: (budget: number) => Cause;
  /** Drops what was decoded of the pages in `[start, end)`. */
  readonly invalidate: (start: number, end: number) => void;
}

export interface InterpreterHooks extends ScopeHooks {
  /** Called for each instruction when it is decoded, where a log asks for it. */
  readonly decoded: ((pc: number, bits: number) => void) | undefined;
}

// Frame: one page's slots, then a slot for each way of running off its end (a last instruction of 4 bytes may begin 2
// bytes before it). Frame 0 is not used, so that frame number 0 means "none".
const frameWords = pageSize + 4;
const frames = 1024;

// First word of a slot: operation 0..9, rd 10..15 (32: the sink for x0), rs1 16..20, rs2 21..25, rs3 26..30, 31: 4 bytes
// long. Second word: the immediate, or the rounding mode. The first operations are not instructions:
const opUndecoded = 0;
const opNextPage = 1;
const opIllegal = 2;
const firstInstruction = 3;

/** An internal cause: a counter is read, so `instret` must be brought up to date first. */
const causeRecount = -2;

/** The write target of rows that set an integer register. */
const fieldShift = { rd: 10, rs1: 16, rs2: 21, rs3: 26, rm: 0, imm: 0 } as const;

const word = (lo: string): Text => ({ lo, hi: "0" });
const field = (name: keyof typeof fieldShift): string =>
  name === "rm" ? "code[i+1]" : name === "imm" ? "code[i+1]" : `(w>>>${fieldShift[name]}&31)`;
const pc = "(i+D|0)";
const length = "(w>>>31<<1)+2";

/** To pc + imm: most targets are in the same frame. */
const nearJump = "const c=code[i+1],j=i+c;return j-F>>>0<4096?j:far(i,c);";

/** How the interpreter answers the lowering: fields come from the slot's words, control leaves by the answered index. */
const site: Site = {
  field,
  imm: () => ({ lo: "code[i+1]", hi: "(code[i+1]>>31)" }),
  pc: () => word(pc),
  next: () => word(`(i+D+${length}|0)`),
  x: (name) => {
    const at = `(w>>>${fieldShift[name] - 1}&62)`;
    return { lo: `R[${at}]`, hi: `R[${at}+1]` };
  },
  setX: (_name, v) => `{const d=w>>>9&126;R[d]=${v.lo};R[d+1]=${v.hi};}`,
  f: (name) => `(${hart.f}+(w>>>${fieldShift[name] - 1}&62))`,
  jump: (target) => `return jump(${target.lo}&-2,${target.hi});`,
  jumpRelative: () => nearJump,
  branch: (condition) => `if(${condition}){${nearJump}}`,
  fault: () => `return fault(i);`,
  illegal: () => "return illegal(i);",
  trap: (cause) => `return trapAt(i,${Cause[cause]});`,
  recount: () => "return recount(i);",
  fenceI: () => "dropAll();",
};

const writesX = instructions.map(({ row }) => (row.does ?? []).some((n) => n.op === "x.set"));
const rounds = instructions.map(({ row }) => / rm /.test(row.bits));

/** Names that the emitted text uses, in the order in which the factory takes them. */
const parameters = "h m arith scope fpu code frameOf takeFrame decodeAt bitsAt dropAll".split(" ");

/** The text of the whole interpreter. Its functions share the current frame: F its first index, D = pc - index. */
function generate(): string {
  const handlers = instructions.map(
    ({ name, row }) => `/* ${name} */(i,w)=>{${lower(row.does ?? [], site)}return i+${length};}`,
  );
  const floatNames = [...new Set(instructions.flatMap(({ row }) => floatOps(row.does ?? [])))];
  return `"use strict";
const R=h.i32, N=h.f64, P=m.pages, TRAPPED=${hart.trapped}, RESULT=${hart.result};
let U8=m.u8, U16=m.u16, I32=m.i32, F=0, D=0, skipped=0;
const {${Object.keys(arith).join(",")}}=arith;
const {slowLoad,slowStore,zeroBlock,touchBlock,loadReserved,storeConditional,amo32,amo64,fence,csrAccess,countIsExact}=scope;
${floatNames.map((op) => `const ${floatName(op)}=fpu["${op}"];`).join("\n")}
function enter(page){let f=frameOf[page];if(f===0)f=takeFrame(page);F=f*${frameWords};D=(page<<12)-F;}
function jump(lo,hi){
  if(hi===0){enter(lo>>>12);return F+(lo&4095);}
  R[${hart.pc}]=R[${hart.tval}]=lo;R[${hart.pc + 1}]=R[${hart.tval + 1}]=hi;R[${hart.cause}]=${Cause.fetchFault};return -1;
}
function far(i,imm){const t=(i+D>>>0)+imm;return jump(t|0,Math.floor(t/4294967296));}
function stop(i,cause){R[${hart.pc}]=i+D;R[${hart.pc + 1}]=0;R[${hart.cause}]=cause;return -1;}
function fault(i){R[TRAPPED]=0;skipped++;return stop(i,R[${hart.cause}]);}
function illegal(i){scope.trap(${Cause.illegal},bitsAt(i+D>>>0),0);return fault(i);}
function trapAt(i,cause){skipped++;R[${hart.tval}]=i+D;R[${hart.tval + 1}]=0;return stop(i,cause);}
function recount(i){skipped++;return stop(i,${causeRecount});}
const T=[
i=>{if(!decodeAt(i,i+D>>>0))return fault(i);skipped++;return i;},
i=>{skipped++;return jump(i+D|0,0);},
i=>illegal(i),
${handlers.join(",\n")}];
return {
  rebind(){U8=m.u8;U16=m.u16;I32=m.i32;},
  run(budget){
    for(;;){
      let i=jump(R[${hart.pc}],R[${hart.pc + 1}]),n=0;
      skipped=0;
      while(i>=0&&n-skipped<budget){const w=code[i];i=T[w&1023](i,w);n++;}
      N[${hart.instret / 2}]+=n-skipped;
      if(i>=0){stop(i,${Cause.requested});return ${Cause.requested};}
      if(R[${hart.cause}]!==${causeRecount})return R[${hart.cause}];
      budget-=n-skipped;
      countIsExact();
    }
  }
};`;
}

/** The floating-point operations that a row calls the unit for. */
function floatOps(does: readonly Node[]): string[] {
  return does.flatMap((n) => [
    ...(/^(f\d\d|i\d\d\.from_f)/.test(n.op) && !/\.(set|reg|load|store)$/.test(n.op) ? [n.op] : []),
    ...floatOps(n.args),
  ]);
}

let text: string | undefined;

export function makeInterpreter(h: Hart, m: GuestMemory, hooks: InterpreterHooks): Interpreter {
  const code = new Int32Array(frames * frameWords);
  const frameOf = new Int32Array(2 ** 20);
  const pageOf = new Int32Array(frames);
  let used = 1;

  function dropAll(): void {
    for (let f = 1; f < used; f++) clear(f);
  }

  function clear(f: number): void {
    const at = f * frameWords;
    code.fill(opUndecoded, at, at + pageSize);
    code[at + pageSize] = opNextPage;
    code[at + pageSize + 2] = opNextPage;
  }

  /** A frame for a page that has none. When all are used every page loses its own: the caller is leaving its frame. */
  function takeFrame(page: number): number {
    if (used === frames) {
      for (let f = 1; f < used; f++) {
        frameOf[pageOf[f]!] = 0;
        clear(f);
      }
      used = 1;
    }
    const f = used++;
    clear(f);
    frameOf[page] = f;
    pageOf[f] = page;
    return f;
  }

  const scope = makeScope(h, m, hooks);

  /** The halfword at `at`, or -1 where it cannot be fetched. */
  function fetch(at: number): number {
    const page = at >>> 12;
    if ((m.pages[page]! & Page.exec) === 0 && !(m.fault(at, Page.exec) && (m.pages[page]! & Page.exec) !== 0)) {
      scope.trap((m.pages[page]! & Page.bus) !== 0 ? Cause.fetchAccess : Cause.fetchFault, at | 0, 0);
      return -1;
    }
    m.pages[page]! |= Page.code;
    return m.u16[at >>> 1]!;
  }

  /** The bits of the instruction at `at`, or -1 with the trap recorded; a 16-bit instruction has its low half alone. */
  function fetchInstruction(at: number): number {
    const low = fetch(at);
    if (low < 0 || (low & 3) !== 3) return low;
    if (at + 2 >= 2 ** 32) {
      scope.trap(Cause.fetchFault, 0, 1);
      return -1;
    }
    const high = fetch(at + 2);
    return high < 0 ? -1 : high * 65536 + low;
  }

  /** Fills the slot at `index` of the instruction at `at`. False where it cannot be fetched: the trap is recorded. */
  function decodeAt(index: number, at: number): boolean {
    const bits = fetchInstruction(at);
    if (bits < 0) return false;
    const d = decode(bits);
    hooks.decoded?.(at, bits);
    if (d === undefined) {
      code[index] = opIllegal;
      return true;
    }
    const rd = writesX[d.row] && d.rd === 0 ? 32 : d.rd;
    const long = d.length === 4 ? 1 : 0;
    code[index] =
      (d.row + firstInstruction) | (rd << 10) | (d.rs1 << 16) | (d.rs2 << 21) | (d.rs3 << 26) | (long << 31);
    code[index + 1] = rounds[d.row] ? d.rm : d.imm;
    return true;
  }

  function invalidate(start: number, end: number): void {
    for (let page = start >>> 12; page * pageSize < end; page++) {
      m.pages[page]! &= ~Page.code;
      const f = frameOf[page]!;
      if (f !== 0) clear(f);
      // An instruction that begins in the page before may reach into this one.
      const before = page > 0 ? frameOf[page - 1]! : 0;
      if (before !== 0) code[before * frameWords + pageSize - 2] = opUndecoded;
    }
  }

  text ??= generate();
  const made = new Function(...parameters, text)(
    h,
    m,
    arith,
    scope,
    makeFpu(h),
    code,
    frameOf,
    takeFrame,
    decodeAt,
    (at: number) => fetchInstruction(at) | 0,
    dropAll,
  ) as { run: (budget: number) => Cause; rebind: () => void };
  return {
    run: (budget) => {
      made.rebind();
      return made.run(budget);
    },
    invalidate,
  };
}
