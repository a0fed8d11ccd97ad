// The text of the interpreter: one JavaScript function a row, over the decode cache. src/cpu/generated.ts makes functions of
// it; src/cpu/interpreter.ts fills the cache and runs them.
import { instructions } from "../isa/riscv/instructions.ts";
import type { Node } from "../isa/vocabulary.ts";
import * as arith from "./arith.ts";
import { fieldShift, firstInstruction, frameWords, Left, opRegion, opStop } from "./cache.ts";
import { floatName } from "./float/fpu-type.ts";
import { Cause, hart } from "./hart.ts";
import { lower, type Site } from "./lowering.ts";
import { firstPair, pairs } from "./pairs.ts";
import type { Scope } from "./scope.ts";
import type { Text } from "./text.ts";

/** An internal cause: a counter is read, so `instret` must be brought up to date first. */
const causeRecount = -2;

const word = (lo: string): Text => ({ lo, hi: "0" });
const field = (name: keyof typeof fieldShift): string =>
  name === "rm" ? "code[i+1]" : name === "imm" ? "code[i+1]" : `(w>>>${fieldShift[name]}&31)`;
const pc = "(i+D|0)";
const length = "(w>>>31<<1)+2";

/** To pc + imm: most targets are in the same frame. A higher tier hears of those that many jumps lead back to, or calls. */
const nearJump = (counts: boolean, counted = "c<0"): string =>
  `const c=code[i+1],j=i+c;if(j-F>>>0>=4096)return far(i,c);${counts ? `if((${counted})&&++heat[j>>>1]===HEAT)arrived(j);` : ""}return j;`;

/** How the interpreter answers the lowering: fields come from the slot's words, control leaves by the answered index. */
const siteFor = (counts: boolean): Site => ({
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
  jumpRelative: () => nearJump(counts, `c<0||(w>>>${fieldShift.rd}&63)!==32`),
  branch: (condition) => `if(${condition}){${nearJump(counts)}}`,
  fault: () => `return fault(i);`,
  illegal: () => "return illegal(i);",
  trap: (cause) => `return trapAt(i,${Cause[cause]});`,
  recount: () => "return recount(i);",
  fenceI: () => "fenceI();",
  atOnce: "load64",
});

/** Names of `Scope` that handlers use. */
const scopeNames = [
  ...([
    "trap",
    "wildJump",
    "slowLoad",
    "slowStore",
    "zeroBlock",
    "touchBlock",
    "loadReserved",
    "storeConditional",
  ] as const),
  ...(["amo32", "amo64", "fence", "csrAccess", "countIsExact"] as const),
] satisfies (keyof Scope)[];
const constantNames = ["R", "P", "TRAPPED", "RESULT", "HIGH", ...Object.keys(arith), ...scopeNames];

/** Every row, with what it needs of the floating-point unit. */
const allRows = () =>
  instructions.map(({ row }, index) => ({
    does: row.does ?? [],
    op: firstInstruction + index,
    floats: floatOps(row.does ?? []),
  }));

/** The floating-point operations that a row calls the unit for. */
function floatOps(does: readonly Node[]): string[] {
  const found: string[] = [];
  const visit = (n: Node): void => {
    if (/^(f\d\d|i\d\d\.from_f)/.test(n.op) && !/\.(set|reg|load|store)$/.test(n.op)) found.push(n.op);
    n.args.forEach(visit);
  };
  does.forEach(visit);
  return found;
}

const handler = (does: readonly Node[], site: Site): string => `(i,w)=>{${lower(does, site).text}return i+${length};}`;

/** Parameters of the function whose body `coreText` is. */
export const coreParameters =
  "h m names code frameOf takeFrame decodeAt bitsAt fenceI regions freeRegions pageOf heat HEAT PAUSE hot missed quick floatHandlers passes kept".split(
    " ",
  );

/**
 * The loop and the handlers, but for those that need the floating-point unit: they come when one is first executed. All
 * share the current frame: F its first index, D = pc - index. `counts`: arrivals at jump targets are counted.
 */
export function coreText(counts: boolean): string {
  const site = siteFor(counts);
  return `"use strict";
const {${constantNames.join(",")}}=names, N=h.f64;
let U8=m.u8, U16=m.u16, I32=m.i32, F=0, D=0, skipped=0, load64, store64;
function enter(page){let f=frameOf[page];if(f===0)f=takeFrame(page);F=f*${frameWords};D=(page<<12)-F;}
function jump(lo,hi){
  if(hi===0){enter(lo>>>12);const j=F+(lo&4095);${counts ? "if(++heat[j>>>1]===HEAT)arrived(j);" : ""}return j;}
  wildJump(lo,hi);return -1;
}
function arrived(j){if(hot(j+D>>>0))heat[j>>>1]=0;}
function far(i,imm){const t=(i+D>>>0)+imm;return jump(t|0,Math.floor(t/4294967296));}
function stop(i,cause){R[${hart.pc}]=i+D;R[${hart.pc + 1}]=0;R[${hart.cause}]=cause;return -1;}
function fault(i){R[TRAPPED]=0;skipped++;return stop(i,R[${hart.cause}]);}
function illegal(i){trap(${Cause.illegal},bitsAt(i+D>>>0),0);return fault(i);}
function trapAt(i,cause){skipped++;R[${hart.tval}]=i+D;R[${hart.tval + 1}]=0;return stop(i,cause);}
function recount(i){skipped++;return stop(i,${causeRecount});}
function later(i){for(const [op,f] of floatHandlers(fault,illegal))T[op]=f;skipped++;return i;}
// By the quick loop, as far as it goes: \`ran\` instructions. \`ready\`: the slot is one that it has left to the handlers.
let ran=0,ready=false;
function quickly(i,budget){
  const to=quick.run(i<<2,budget,F<<2,D),why=to&7;
  ran=budget-R[${hart.executed}];
  ready=why===${Left.slot};
  if(why===${Left.elsewhere})return jump(R[${hart.pc}],0);
  i=to>>>3<<1;
  const f=i/${frameWords}|0;
  F=f*${frameWords};D=(pageOf[f]<<12)-F;
  if(why===${Left.hot})arrived(i);
  else if(why===${Left.missed})missed(i+D>>>0);
  return i;
}
function region(i){
  R[${hart.executed}]=0;
  const pc=regions[code[i+1]](0,i+D),executed=R[${hart.executed}];
  if(executed===0&&pc!==-1)return entry(i);
  N[${hart.compiled / 2}]+=executed;skipped+=1-executed;
  if(pc===-1)return -1;
  enter(pc>>>12);
  // Where a region paused, and no more, nothing has been jumped to.
  const j=F+(pc&4095);
  if(executed<PAUSE){if((code[j]&1023)===${opRegion})missed(pc>>>0);else if(++heat[j>>>1]===HEAT)arrived(j);}
  return j;
}
// A region left its first instruction to the interpreter, which does it and puts the region back.
function entry(i){
  const id=code[i+1];
  if(!decodeAt(i,i+D>>>0,true))return fault(i);
  let w=code[i];
  const before=skipped;
  let j=T[w&1023](i,w);
  if(j===i&&skipped>before){skipped=before;w=code[i];j=T[w&1023](i,w);}
  if(code[i]===w){code[i]=${opRegion};code[i+1]=id;}else freeRegions.push(id);
  return j;
}
// The instruction at a stop, which stays there.
function over(i){
  const k=kept.get(i),before=skipped;
  let w=code[i]=k[0];
  code[i+1]=k[1];
  let j=T[w&1023](i,w);
  if(j===i&&skipped>before){skipped=before;w=code[i];j=T[w&1023](i,w);}
  if(code[i]===w)code[i]=${opStop};
  return j;
}
function settle(i,n){
  N[${hart.instret / 2}]+=n-skipped;
  if(i>=0)stop(i,${Cause.requested});
  return R[${hart.cause}];
}
const T=[
i=>{if(!decodeAt(i,i+D>>>0))return fault(i);skipped++;return i;},
i=>{skipped++;return jump(i+D|0,0);},
i=>illegal(i),
region,
i=>{if(passes!==undefined&&passes(i+D>>>0))return over(i);skipped++;return stop(i,${Cause.debug});},
${allRows()
  .map(({ does, floats }) => (floats.length > 0 ? "later" : handler(does, site)))
  .join(",\n")}];
// Of a pair the first alone: the second has a slot of its own.
[${pairs.map(([first]) => firstInstruction + first).join(",")}].forEach((op,i)=>{T[${firstPair}+i]=T[op];});
return {
  rebind(){U8=m.u8;U16=m.u16;I32=m.i32;},
  share(load,store){load64=load;store64=store;},
  run(budget){
    for(;;){
      let i=jump(R[${hart.pc}],R[${hart.pc + 1}]),n=0;
      skipped=0;
      if(quick===undefined)while(i>=0&&n-skipped<budget){const w=code[i];i=T[w&1023](i,w);n++;}
      else while(i>=0&&n-skipped<budget){
        i=quickly(i,budget-n+skipped);
        n+=ran;
        if(i>=0&&ready&&n-skipped<budget){const w=code[i];i=T[w&1023](i,w);n++;}
      }
      const cause=settle(i,n);
      if(cause!==${causeRecount})return cause;
      budget-=n-skipped;
      countIsExact();
    }
  },
  // One at a time while pc is in [lo,hi): at least one instruction, whatever stops there.
  step(lo,hi,budget){
    for(let done=0;;){
      let i=jump(R[${hart.pc}],R[${hart.pc + 1}]),n=0;
      skipped=0;
      while(i>=0&&n-skipped<budget){
        const w=code[i],op=w&1023;
        if(done+n-skipped>0){
          const at=i+D>>>0;
          if(at<lo||at>=hi)break;
          if(op===${opStop}&&!(passes!==undefined&&passes(at))){settle(i,n);stop(i,${Cause.debug});return ${Cause.debug};}
        }
        i=op===${opStop}?over(i):op===${opRegion}?entry(i):T[op](i,w);
        n++;
      }
      const cause=settle(i,n);
      if(cause!==${causeRecount})return cause;
      done+=n-skipped;
      budget-=n-skipped;
      countIsExact();
    }
  }
};`;
}

/** Parameters of the function whose body `floatText` is. */
export const floatParameters = ["names", "code", "fault", "illegal"];

/** The handlers that need the floating-point unit, each with its operation. */
export function floatText(): string {
  const site = siteFor(false);
  const using = allRows().filter(({ floats }) => floats.length > 0);
  const units = [...new Set(using.flatMap(({ floats }) => floats))].map(floatName);
  return `"use strict";
const {${[...constantNames, ...units].join(",")}}=names;
return [
${using.map(({ does, op }) => `[${op},${handler(does, site)}]`).join(",\n")}];`;
}
