// What the tiers make of guest code at an address, as text: the instructions of its region, and the region in JavaScript and in
// WebAssembly. It is made here anew of the guest's memory, as an engine of its own would: what threads have compiled may have been shaped by
// what else they have, and by where their jumps led.
import { emitRegion as emitScript } from "../../jit/js/emit.ts";
import { findRegion, type Region, type Shape } from "../../jit/region.ts";
import { tuning } from "../../jit/tuning.ts";
import { wasmShape } from "../../jit/wasm/compile.ts";
import { usual } from "../../jit/wasm/environment.ts";
import { emitModule } from "../../jit/wasm/module.ts";
import { wasmText } from "../../jit/wasm/text.ts";
import { breakpointsOf, isWatchpoint } from "../debug/breakpoints.ts";
import { Head } from "../debug/state.ts";
import { type GuestThread, recordOf } from "../debug/world.ts";
import { listingLine } from "../isa/riscv/disassemble.ts";
import { lengthOf } from "../isa/riscv/encoding.ts";
import { TaskField } from "../linux/tasks.ts";
import { hartOffset } from "../memory/guest-memory.ts";
import { debugged, read, type Session, spaceNumber } from "./session.ts";

const scriptShape: Shape = { calls: true, ...tuning.js };

/** The bits of the instruction at an address; -1 where there is none, or a stop: that is the interpreter's to do. */
type Fetch = (pc: number) => number;

function bitsAt(s: Session, t: GuestThread, pc: number): number {
  const bytes = Buffer.from(read(s, t, pc, 4));
  if (bytes.length < 2) return -1;
  const low = bytes.readUInt16LE();
  if (lengthOf(low) === 2) return low;
  return bytes.length < 4 ? -1 : bytes.readUInt32LE();
}

const title = (text: string): string => `${text}:\n`;

/** The instructions of a region, by address, with a line between those that do not follow each other. */
function listing(region: Region, bitsOf: Fetch): string {
  const all = [...new Set(region.blocks.flatMap(({ code }) => code.map(({ pc }) => pc)))].sort((a, b) => a - b);
  let next = all[0];
  return all
    .map((pc) => {
      const gap = pc === next ? "" : "  ...\n";
      next = pc + lengthOf(bitsOf(pc));
      return `${gap}${listingLine(bitsOf(pc), pc, { aliases: true })}\n`;
    })
    .join("");
}

/** Slots of a table of links, numbered as they are asked for. */
function slots(): (pc: number) => number {
  const known = new Map<number, number>();
  return (pc) => {
    const slot = known.get(pc) ?? known.size;
    known.set(pc, slot);
    return slot;
  };
}

/** The text for the code at `pc`. Ends in a newline. */
export function translationText(s: Session, t: GuestThread, pc: number): string {
  const points = breakpointsOf(s.world.d.breakpoints, spaceNumber(s, t));
  const stops = new Set(points.flatMap(({ kind, address }) => (isWatchpoint(kind) ? [] : [address])));
  const bitsOf: Fetch = (at) => bitsAt(s, t, at);
  const fetch: Fetch = (at) => (stops.has(at) ? -1 : bitsOf(at));
  if (bitsOf(pc) === -1) return `there is no code at 0x${pc.toString(16)}\n`;
  const find = (shape: Shape): Region | undefined => findRegion(pc, fetch, tuning.regionInstructions, shape);
  const [script, module] = [find(scriptShape), find(wasmShape)];
  if (script === undefined || module === undefined) {
    const why = stops.has(pc) ? "a breakpoint is here" : "this instruction is always interpreted";
    return `${title("guest")}${listingLine(bitsOf(pc), pc, { aliases: true })}\nnothing is compiled: ${why}\n`;
  }
  const isShared = debugged(s).filter(({ process }) => process === t.process).length > 1;
  const manner = { ...usual, watched: s.world.d.words[Head.watched] !== 0 };
  const hart = hartOffset(recordOf(s.world, t).i32[TaskField.hart]!);
  return [
    title(`guest, ${module.instructions} instructions`) + listing(module, bitsOf),
    title(`JavaScript, of ${script.instructions} instructions`) + emitScript(script, undefined, isShared).body,
    title(`WebAssembly, of ${module.instructions} instructions`) +
      wasmText(emitModule([module], hart, slots(), manner).bytes),
  ].join("\n");
}
