// Where an operation is lowered: what the tables of lowering.ts and its neighbours may ask of the function around them.
import type { Node } from "../../src/isa/vocabulary.ts";
import type { Instruction } from "../region.ts";
import type { Code } from "./code.ts";

/** Kinds of accesses that the page table allows or not. `stack`: through the stack pointer, both in one. */
export type Kind = "read" | "write" | "stack";

/** Addresses `[low, low + length)` at which an access of any size may begin. */
export interface Extent {
  readonly low: number;
  readonly length: number;
}

/** Where an instruction is being lowered. */
export interface Site {
  readonly code: Code;
  readonly at: Instruction;
  /** Pushes the value of a node. */
  readonly push: (n: Node) => void;
  /** The local that holds an integer register (not x0), an i64, or a floating-point one, an f64. */
  readonly x: (register: number) => number;
  readonly f: (register: number) => number;
  /**
   * i64 locals with the extent that accesses of that kind through that register last met; its length is 0 before there
   * is one. Register 0 stands for other addresses.
   */
  readonly extent: (register: number, kind: Kind) => Extent;
  /** An i32 local: 0 while the usual floating-point operation needs no care, else -1. See floats.ts. */
  readonly careful: () => number;
  /** The index of a function of helpers.ts or of an imported floating-point operation. */
  readonly helper: (name: string) => number;
  /** Emits what leaves the function at this instruction, before it has done anything. */
  readonly leave: () => void;
}

export type Emit = (s: Site, n: Node) => void;
