// Where an operation is lowered: what the tables of lowering.ts and its neighbours may ask of the function around them.
import type { Node } from "../../src/isa/vocabulary.ts";
import type { Instruction } from "../region.ts";
import type { Code } from "./code.ts";

/** The bytes from `low` to before `high`, counted from the address in a register, may be read, or also written. */
export interface Fact {
  readonly low: number;
  readonly high: number;
  readonly write: boolean;
  /** Some of them may be watched: each access looks, but those to bytes that were looked at with the check. */
  readonly loose?: boolean;
  readonly runs?: readonly Run[];
}

/** Bytes from `low` to before `high` that are accessed without a gap, counted from the address in a register. */
export interface Run {
  readonly low: number;
  readonly high: number;
  readonly kind: "read" | "write";
}

/**
 * Where an address that goes one way in a loop stops to be good: while it is below the local's value (above, where it goes
 * down), the bytes of the fact around it may be accessed.
 */
export interface Limit extends Fact {
  /** An i64. */
  readonly local: number;
  readonly down: boolean;
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
  /** What is known here of the addresses in registers. */
  readonly facts: Map<number, Fact>;
  /** What the block will access through a register's present value. */
  readonly ahead: (register: number) => Fact | undefined;
  /** Which bytes of a fact these are. */
  readonly runs: (register: number, fact: Fact) => readonly Run[];
  /** Whether accesses to watched pages are made here, but those to what is watched. */
  readonly watched: boolean;
  /** An i32 local: not 0 once such accesses have come near to what is watched, and look at each address. */
  readonly near: (kind: "read" | "write") => number;
  /** What tells, for an address in a register that goes one way in a loop, whether the bytes of a fact are known to be good. */
  readonly limit: (register: number, fact: Fact) => Limit | undefined;
  /** An i32 local: 0 while the usual floating-point operation needs no care; see `pushCare` in float-helpers.ts. */
  readonly careful: () => number;
  /** The index of a function of helpers.ts or of an imported floating-point operation. */
  readonly helper: (name: string) => number;
  /** Emits what leaves the function at this instruction, before it has done anything. */
  readonly leave: () => void;
}

export type Emit = (s: Site, n: Node) => void;
