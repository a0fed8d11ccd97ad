// Tier 1: a region as the text of a JavaScript function. Integer registers are local variables, a pair of int32 each.
// In a loop they are read at entry and written back where the region is left. Elsewhere, where few of them are used
// before it is left, they are read when first used and written through: a region of straight code that moved all its
// registers at both ends ran 5 to 15 times slower than the interpreter while the engine had not optimized it.
// Floating-point registers stay in the hart's memory, where the floating-point unit works on them.
// What the operations are in JavaScript is said in src/cpu/lowering.ts.
import { hart } from "../../src/cpu/hart.ts";
import { lower, type Site, type Text } from "../../src/cpu/lowering.ts";
import type { Field, Node } from "../../src/isa/vocabulary.ts";
import { type Block, type Instruction, loops, type Region } from "../region.ts";
import { structure, type Tree, type Way } from "../structure.ts";
import { tuning } from "../tuning.ts";

/** Numbers of the integer registers that an instruction names, x0 apart. */
function registersOf({ does, fields }: Instruction): number[] {
  const found: number[] = [];
  const visit = (n: Node): void => {
    if (n.op === "x" || n.op === "x.set") found.push(fields[n.field as Field]);
    n.args.forEach(visit);
  };
  does.forEach(visit);
  return found.filter((r) => r !== 0);
}

const writtenBy = ({ does, fields }: Instruction): number[] =>
  does.flatMap((n) => (n.op === "x.set" && fields.rd !== 0 ? [fields.rd] : []));

const i32 = (n: number): string => String(n | 0);
const constant = (n: number): Text => ({ lo: i32(n), hi: n < 0 ? "-1" : "0" });

/** An address, which is unsigned and below 2**32. */
const address = (n: number): Text => ({ lo: i32(n), hi: "0" });

interface Emitter {
  readonly region: Region;
  text: string;
  /** Temporaries are numbered through the region. */
  temps: number;
  /** Whether registers live in variables throughout. */
  readonly hoisted: boolean;
  /** Else: those whose variable holds their value at this point. */
  known: Set<number>;
  /** Else: those whose variable is newer than the hart's memory. They are stored before control may leave. */
  dirty: Set<number>;
}

/** Brings the hart's memory up to date. */
function flush(e: Emitter): string {
  const text = [...e.dirty].map((r) => `R[${2 * r}]=x${r};R[${2 * r + 1}]=y${r};`).join("");
  e.dirty.clear();
  return text;
}

/** Names that a region copies to variables of its own, from names with `_`: the engine's first tiers reach those faster. */
export const aliased = ["R", "P", "U8", "U16", "I32"];

/** The body of a function that is a `CompiledRegion`, over the names of src/cpu/scope.ts. */
export function emitRegion(region: Region): string {
  const hoisted = loops(region);
  const e: Emitter = { region, text: "", temps: 0, hoisted, known: new Set(), dirty: new Set() };
  const all = region.blocks.flatMap((b) => b.code);
  const used = [...new Set(all.flatMap(registersOf))].sort((a, b) => a - b);
  const written = [...new Set(all.flatMap(writtenBy))].sort((a, b) => a - b);
  emitTree(e, structure(region));
  const load = used.map((r) => (hoisted ? `x${r}=R[${2 * r}],y${r}=R[${2 * r + 1}]` : `x${r}=0,y${r}=0`));
  const store = hoisted ? written.map((r) => `R[${2 * r}]=x${r};R[${2 * r + 1}]=y${r};`) : [];
  return `"use strict";
const ${aliased.map((name) => `${name}=${name}_`).join(",")};
let ${["n=0", "pc=0", "left=0", ...load].join(",")};
out:{
${e.text}}
${store.join("")}
R[${hart.executed}]=n;
if(left===0)return pc;
if(left===1){R[${hart.pc}]=pc;R[${hart.pc + 1}]=0;R[TRAPPED]=0;}
return -1;
`;
}

const leaveTo = (pc: number): string => `pc=${i32(pc)};break out;`;

function emitTree(e: Emitter, t: Tree): void {
  switch (t.kind) {
    case "loop":
      e.text += `l${t.label}:for(;;){\n`;
      emitTree(e, t.body);
      e.text += "}\n";
      return;
    case "block":
      e.text += `b${t.label}:{\n`;
      emitTree(e, t.inner);
      e.text += "}\n";
      e.known = new Set();
      emitTree(e, t.after);
      return;
    case "code":
      emitBlock(e, t.block);
      emitWay(e, t.to);
      return;
    case "branch": {
      const condition = emitBlock(e, t.block);
      e.text += `if(${condition}){\n`;
      const [known, dirty] = [new Set(e.known), new Set(e.dirty)];
      emitWay(e, t.taken);
      [e.known, e.dirty] = [known, dirty];
      e.text += "}else{\n";
      emitWay(e, t.otherwise);
      e.text += "}\n";
      return;
    }
    // Regions for JavaScript end at calls.
    case "call":
    case "indirect":
      emitBlock(e, t.block);
      e.text += "break out;\n";
  }
}

function emitWay(e: Emitter, w: Way): void {
  if (w.kind !== "inline") e.text += flush(e);
  switch (w.kind) {
    case "inline":
      emitTree(e, w.tree);
      return;
    case "break":
      e.text += `break b${w.label};\n`;
      return;
    case "continue":
      e.text += `if(n>${tuning.fuel}){${leaveTo(e.region.blocks[w.label]!.pc)}}continue l${w.label};\n`;
      return;
    case "exit":
      e.text += `${leaveTo(w.pc)}\n`;
  }
}

/** The code of a block. Answers the condition of the branch that ends it, if one does. */
function emitBlock(e: Emitter, b: Block): string {
  let condition = "";
  e.text += `n+=${b.code.length};\n`;
  b.code.forEach((instruction, i) => {
    const { pc, fields, does } = instruction;
    const undone = b.code.length - i;
    const undo = `n-=${undone};pc=${i32(pc)};`;
    const leave = `${undo}left=1;break out;`;
    const register = (name: Field): number => fields[name];
    const read = (r: number): Text => {
      if (r === 0) return constant(0);
      if (!e.hoisted && !e.known.has(r)) {
        loads += `x${r}=R[${2 * r}];y${r}=R[${2 * r + 1}];`;
        e.known.add(r);
      }
      return { lo: `x${r}`, hi: `y${r}` };
    };
    const write = (r: number, v: Text): string => {
      if (r === 0) return "";
      e.known.add(r);
      if (!e.hoisted) e.dirty.add(r);
      return `x${r}=${v.lo};y${r}=${v.hi};`;
    };
    let loads = "";
    const site: Site = {
      field: (name) => String(fields[name]),
      imm: () => constant(fields.imm),
      pc: () => address(pc),
      next: () => address(pc + fields.length),
      x: (name) => read(register(name)),
      setX: (name, v) => write(register(name), v),
      f: (name) => String(hart.f + 2 * register(name)),
      jump: (target) =>
        `${flush(e)}if(${target.hi}!==0){wildJump(${target.lo}&-2,${target.hi});left=2;break out;}pc=${target.lo}&-2;`,
      jumpRelative: () => "",
      branch: (text) => {
        condition = /^\((.*)\?1:0\)$/.exec(text)?.[1] ?? `${text}!==0`;
        return "";
      },
      fault: () => leave,
      interpret: () => `${undo}break out;`,
      illegal: () => `trap(2,probe(${pc}),0);${leave}`,
      // The region ends before these.
      trap: () => "",
      recount: () => "",
      fenceI: () => "",
    };
    if (mayLeave(does)) e.text += flush(e);
    const { text, temps } = lower(does, site, e.temps);
    e.temps = temps;
    e.text += loads + text + "\n";
  });
  return condition;
}

/** Whether an instruction may leave the region before it is done. */
const mayLeave = (does: readonly Node[]): boolean => does.some((n) => !pure.test(n.op) || mayLeave(n.args));
const pure =
  /^(x|x\.set|field|imm|pc|next|branch|jump|fence|pause|wait_reservation|i(32|64)\.(?!load|lr|sc|amo|from)\w+)$/;
