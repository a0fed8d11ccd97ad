// What a debugger has put into a region beside the guest's instructions: breakpoints with conditions, watchpoints, counts
// and trace calls. Plain data, given to `emitRegion`; a region that nothing is asked of has no text for it.
//
// A stop leaves the region before the instruction, as a trap does: all state is in the hart, pc is the instruction's, `cause`
// and `tval` are the stop's `cause` and `id`. To go on, the debugger lets the interpreter do that one instruction. What is
// put into regions does not hold for the interpreter, which looks for itself.
import { i64, type Node, node } from "../../src/isa/vocabulary.ts";
import type { Instruction } from "../region.ts";

/** How a stop is told: words of the hart. Causes of the hardware are not negative. */
export interface Stop {
  readonly cause: number;
  readonly id: number;
}

/** What happens before an instruction. */
export type Probe =
  /**
   * Stops there where `condition` is not 0, or always. It is a tree of values of the vocabulary, of type i32 or i64, over
   * `register` and `pc`, with loads; where one of these faults the condition holds.
   */
  | { readonly kind: "stop"; readonly stop: Stop; readonly condition?: Node }
  /** Adds one to a cell of `counts`. */
  | { readonly kind: "count"; readonly cell: number }
  /** Calls `trace` with this number; all state but the pc is in the hart then, and must stay as it is. */
  | { readonly kind: "trace"; readonly id: number };

/** Stops before accesses that touch a byte of `[from, to)`. */
export interface Watch {
  readonly from: number;
  readonly to: number;
  readonly on: "read" | "write" | "access";
  readonly stop: Stop;
}

export interface Instrumentation {
  /** What happens before the instruction at an address, in this order. */
  readonly at?: (pc: number) => readonly Probe[];
  readonly watches?: readonly Watch[];
  readonly counts?: Float64Array;
  readonly trace?: (id: number, pc: number) => void;
}

export const nothing: Instrumentation = {};

/** The value of integer register `n` (0 to 31), in a condition. */
export const register = (n: number): Node => ({ op: "x", type: "i64", args: [], field: undefined, n });

interface Touched {
  readonly address: Node;
  readonly bytes: number;
  readonly reads: boolean;
  readonly writes: boolean;
}

const blockBytes = 64;

/** The memory that an operation touches, if it is one that does. */
function touchedBy(n: Node): Touched | undefined {
  const address = n.args[0];
  if (address === undefined) return undefined;
  if (n.op === "zero_block")
    return { address: node("i64.and", address, i64(-blockBytes)), bytes: blockBytes, reads: false, writes: true };
  const plain = /(?:(\d+)\.)?(load|store)(\d+)?/.exec(n.op);
  if (plain)
    return {
      address,
      bytes: Number(plain[3] ?? plain[1]) / 8,
      reads: plain[2] === "load",
      writes: plain[2] !== "load",
    };
  const atomic = /^i(\d+)\.(lr|sc|amo)/.exec(n.op);
  if (atomic === null) return undefined;
  return { address, bytes: Number(atomic[1]) / 8, reads: atomic[2] !== "sc", writes: atomic[2] !== "lr" };
}

/** What watches ask before an instruction: stops with their conditions, over the instruction's fields. */
export function watchProbes({ does }: Instruction, watches: readonly Watch[]): Probe[] {
  const probes: Probe[] = [];
  const visit = (n: Node): void => {
    n.args.forEach(visit);
    const touched = touchedBy(n);
    if (touched === undefined) return;
    const { address, bytes, reads, writes } = touched;
    for (const { from, to, on, stop } of watches) {
      if (!((reads && on !== "write") || (writes && on !== "read"))) continue;
      // The last byte touched lies that far behind the first one watched, modulo 2**64.
      const behind = node("i64.add", address, i64(bytes - 1 - from));
      probes.push({ kind: "stop", stop, condition: node("i64.lt_u", behind, i64(to - from + bytes - 1)) });
    }
  };
  does.forEach(visit);
  return probes;
}
