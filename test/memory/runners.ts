// Guest threads on workers in an address space that this thread changes: small pieces of guest code, and words by which each
// worker says what became of its own. There is no kernel: a trap ends a stretch, and is looked at from outside.
import { Worker } from "node:worker_threads";
import { encode } from "../../src/isa/riscv/encode.ts";
import type { EngineOptions } from "../../src/linux/bundle.ts";
import type { AddressSpace } from "../../src/memory/address-space.ts";
import { pageSize } from "../../src/memory/guest-memory.ts";
import { map } from "../../src/memory/map.ts";
import { addRunner } from "../../src/memory/sharing.ts";
import type { Mappings } from "../../src/memory/vmas.ts";
import { assemble, branch, constant, type Item, jump, newLabel } from "../tools/assembler.ts";
import { fixed, newSpace, R, RW, W, X } from "./spaces.ts";

const [ra, t0, t1, a0, a1, a2, a3, a4, a5] = [1, 5, 6, 10, 11, 12, 13, 14, 15];

/** Words of a runner. */
export const Word = { state: 0, cause: 1, tval: 2, stop: 3 } as const;
export const State = { running: 0, trapped: 1, ended: 2 } as const;

/** What a runner is told. */
export interface Order {
  readonly memory: WebAssembly.Memory;
  readonly mappings: Mappings;
  readonly words: Int32Array;
  readonly hart: number;
  readonly jit: EngineOptions["jit"];
  /** Guest code to run, with values of a0 and so on; or calls to make at random, so many. */
  readonly work: { readonly pc: number; readonly args: readonly number[] } | { readonly calls: number };
}

/** Counts a round: a2, shown at 4(a1). */
const count: readonly Item[] = [
  encode("addi", { rd: a2, rs1: a2, imm: 1 }),
  encode("sw", { rs1: a1, rs2: a2, imm: 4 }),
];

function loop(...body: readonly Item[]): Item[] {
  const again = newLabel();
  return [again, ...body, ...count, jump(again)];
}

/** The function that `caller` calls: puts a number into a4. */
export const answer = (value: number): number => encode("addi", { rd: a4, rs1: 0, imm: value });
const back = encode("jalr", { rd: 0, rs1: ra });

const programs = {
  /** All bits that were ever read at a0, to 0(a1). */
  reader: () =>
    loop(
      encode("lw", { rd: t0, rs1: a0 }),
      encode("or", { rd: a3, rs1: a3, rs2: t0 }),
      encode("sw", { rs1: a1, rs2: a3 }),
    ),
  /** The number of its round to a0. */
  writer: () => loop(encode("sw", { rs1: a0, rs2: a2 })),
  /** What the function at a0 answers to 0(a1). */
  caller: () => loop(encode("jalr", { rd: ra, rs1: a0 }), encode("sw", { rs1: a1, rs2: a4 })),
  /** The address at a0 to 8(a1), and what lies there to 0(a1); adds 1 to it. */
  follower: () =>
    loop(
      encode("lwu", { rd: t0, rs1: a0 }),
      encode("lw", { rd: t1, rs1: t0 }),
      encode("sw", { rs1: a1, rs2: t1 }),
      encode("addi", { rd: t1, rs1: t1, imm: 1 }),
      encode("sw", { rs1: t0, rs2: t1 }),
      encode("sw", { rs1: a1, rs2: t0, imm: 8 }),
    ),
  /** Stores below a0, page by page, down to a3. */
  descender: () => {
    const again = newLabel();
    return [
      ...constant(t1, pageSize),
      again,
      encode("sub", { rd: a0, rs1: a0, rs2: t1 }),
      encode("sw", { rs1: a0, rs2: a0 }),
      ...count,
      branch("bne", a0, a3, again),
      encode("ecall", {}),
    ];
  },
  /**
   * Writes the function at a0 over and over, and says which one it is at 0(a1): the next one, a3 in all, when the answer at
   * 4(a1) has come. A loop within a loop, so that compiled code tests the page once for many rounds.
   */
  rewriter: () => {
    const [outer, inner, same, done] = [newLabel(), newLabel(), newLabel(), newLabel()];
    return [
      ...constant(a4, answer(0)),
      ...constant(t0, answer(0)),
      outer,
      encode("addi", { rd: a5, rs1: 0, imm: 2000 }),
      encode("sw", { rs1: a0, rs2: t0 }),
      inner,
      encode("sw", { rs1: a0, rs2: t0 }),
      encode("fence", { imm: 0x33 }),
      encode("sw", { rs1: a1, rs2: a2 }),
      encode("lw", { rd: t1, rs1: a1, imm: 4 }),
      branch("bne", t1, a2, same),
      branch("beq", a2, a3, done),
      encode("addi", { rd: a2, rs1: a2, imm: 1 }),
      encode("slli", { rd: t0, rs1: a2, imm: 20 }),
      encode("or", { rd: t0, rs1: t0, rs2: a4 }),
      same,
      encode("addi", { rd: a5, rs1: a5, imm: -1 }),
      branch("bne", a5, 0, inner),
      jump(outer),
      done,
      encode("ecall", {}),
    ];
  },
  /** Its partner: each time calls the function, which must be the new one. */
  reloader: () => {
    const [again, wait, wrong] = [newLabel(), newLabel(), newLabel()];
    return [
      again,
      encode("addi", { rd: a2, rs1: a2, imm: 1 }),
      wait,
      encode("lw", { rd: t1, rs1: a1 }),
      branch("bne", t1, a2, wait),
      encode("fence.i", {}),
      encode("jalr", { rd: ra, rs1: a0 }),
      branch("bne", a4, a2, wrong),
      encode("sw", { rs1: a1, rs2: a2, imm: 4 }),
      branch("bne", a2, a3, again),
      encode("ecall", {}),
      wrong,
      encode("ebreak", {}),
    ];
  },
  /** Does fence.i, and calls the function at a0. */
  fenceAndCall: () => [encode("fence.i", {}), encode("jalr", { rd: ra, rs1: a0 }), encode("ecall", {})],
} satisfies Record<string, () => Item[]>;

export type Program = keyof typeof programs;

const codeAt = 0x10000;
const programBytes = 256;
/** A page for a function, and one that can be written too; what runners show, 64 bytes each; a page to do things with. */
export const at = { function: 0x14000, writable: 0x18000, shown: 0x20000, page: 0x30000, elsewhere: 0x38000 } as const;

export const entry = (name: Program): number => codeAt + Object.keys(programs).indexOf(name) * programBytes;
export const shownBy = (hart: number): number => at.shown + 64 * hart;

/** An address space with the programs in it. */
export function makeGuest(): AddressSpace {
  const s = newSpace();
  const { view } = s.memory;
  map(s, codeAt, pageSize, R | X, fixed);
  map(s, at.function, pageSize, R | X, fixed);
  map(s, at.writable, pageSize, RW | X, fixed);
  map(s, at.shown, pageSize, R | W, fixed);
  map(s, at.page, pageSize, R | W, fixed);
  for (const name of Object.keys(programs) as Program[]) {
    const code = assemble(programs[name]());
    if (code.length * 4 > programBytes) throw new Error(`${name} is too long`);
    code.forEach((bits, i) => {
      view.setUint32(entry(name) + 4 * i, bits, true);
    });
  }
  for (const f of [at.function, at.writable]) {
    view.setUint32(f, answer(0), true);
    view.setUint32(f + 4, back, true);
  }
  return s;
}

/** A thread of the guest on a worker. */
export interface Runner {
  readonly hart: number;
  readonly words: Int32Array;
}

let harts = 0;

function begin(s: AddressSpace, jit: Order["jit"], work: Order["work"]): Runner {
  const hart = ++harts;
  const words = new Int32Array(new SharedArrayBuffer(64));
  const { head, records, files, names } = s;
  const mappings = { head, records, files, names };
  const order: Order = { memory: s.memory.memory, mappings, words, hart, jit, work };
  addRunner(s.sharing);
  new Worker(new URL("./runner-worker.ts", import.meta.url), { workerData: order });
  return { hart, words };
}

/** Starts a program; a1 is the address of what the runner shows. */
export const start = (s: AddressSpace, jit: Order["jit"], name: Program, first: number, third = 0): Runner =>
  begin(s, jit, { pc: entry(name), args: [first, shownBy(harts + 1), 0, third] });

/** The same with a1. */
export const startAt = (
  s: AddressSpace,
  jit: Order["jit"],
  name: Program,
  a0: number,
  a1: number,
  a3: number,
): Runner => begin(s, jit, { pc: entry(name), args: [a0, a1, 0, a3] });

/** Starts a worker that makes calls at random. */
export const startCalls = (s: AddressSpace, calls: number): Runner => begin(s, "off", { calls });

/** Waits without a turn of the event loop. */
export function until(done: () => boolean, seconds = 60): void {
  for (const end = performance.now() + seconds * 1000; !done(); Atomics.wait(pause, 0, 0, 0.2))
    if (performance.now() > end) throw new Error(`not within ${seconds} s: ${done}`);
}
const pause = new Int32Array(new SharedArrayBuffer(4));

export const stateOf = ({ words }: Runner): number => Atomics.load(words, Word.state);
/** A word of what it shows. */
export const shown = (s: AddressSpace, { hart }: Runner, i: number): number =>
  Atomics.load(s.memory.i32, shownBy(hart) / 4 + i);

/** Waits until a runner has done some rounds from now on. */
export function awaitRounds(s: AddressSpace, r: Runner, rounds = 3): void {
  const from = shown(s, r, 1);
  until(() => shown(s, r, 1) - from >= rounds || stateOf(r) !== State.running);
}

/** Waits for its trap. */
export function awaitTrap(r: Runner): { readonly cause: number; readonly tval: number } {
  until(() => stateOf(r) !== State.running);
  return { cause: r.words[Word.cause]!, tval: r.words[Word.tval]! };
}

/** Lets it do the instruction again that trapped. */
export function resume({ words }: Runner): void {
  Atomics.store(words, Word.state, State.running);
  Atomics.notify(words, Word.state);
}

/** Ends it. */
export function stop(r: Runner): void {
  Atomics.store(r.words, Word.stop, 1);
  resume(r);
  until(() => stateOf(r) === State.ended);
}
