// What compiled code knows on one side of a guest call, and what of it holds on the other: callers and callees that change
// under each other what the other relies on leave what the interpreter leaves.
import { beforeAll, describe, test } from "bun:test";
import { encode } from "../../src/isa/riscv/encode.ts";
import type { Sequence } from "../tools/sequence.ts";
import { type Bare, expectSame, newBare } from "./wasm-runner.ts";

let plain: Bare;
let compiled: Bare;
beforeAll(() => {
  plain = newBare();
  compiled = newBare();
});

const [zero, ra, count, rounding] = [0, 1, 7, 6];
const ret = encode("jalr", { rd: zero, rs1: ra, imm: 0 });
const add = (rd: number, rs1: number, imm: number): number => encode("addi", { rd, rs1, imm });
const nothing = add(zero, zero, 0);

/** Instructions of a function that is not made part of its callers. */
const large = (body: readonly number[]): number[] => [...body, ...Array<number>(45).fill(nothing), ret];

/** The caller's instructions, what they end in, then the function that `call(i)` calls as the caller's instruction `i`. */
function program(caller: (call: (i: number) => number) => readonly number[], callee: readonly number[]): number[] {
  const length = caller(() => 0).length;
  const call = (i: number): number => encode("jal", { rd: ra, imm: 4 * (length + 1 - i) });
  return [...caller(call), encode("ebreak", {}), ...large(callee)];
}

const start = (code: readonly number[], x: Readonly<Record<number, bigint>>, fcsr = 0): Sequence => ({
  x: Array.from({ length: 31 }, (_, i) => x[i + 1] ?? 77n),
  f: Array.from({ length: 32 }, (_, i) => (i % 2 ? 0x3fd5555555555555n : 0x4008000000000001n)),
  fcsr,
  code,
});

describe("floating point behind a call goes by what the call made of flags and rounding mode", () => {
  const sum = (rd: number): number => encode("fadd.d", { rd, rs1: rd, rs2: 3, rm: 7 });
  const product = (rd: number): number => encode("fmul.d", { rd, rs1: 1, rs2: 3, rm: 7 });
  const csrs = { fflags: 1, frm: 2, fcsr: 3 };
  const back = (i: number): number => encode("bne", { rs1: count, rs2: zero, imm: -4 * i });
  const callers: Record<string, (call: (i: number) => number) => number[]> = {
    "in a loop": (call) => [add(count, zero, 40), sum(2), call(2), sum(4), product(6), add(count, count, -1), back(5)],
    "in a loop that computes on one way only": (call) => [
      add(count, zero, 40),
      call(1),
      encode("andi", { rd: 5, rs1: count, imm: 1 }),
      encode("beq", { rs1: 5, rs2: zero, imm: 8 }),
      sum(2),
      add(count, count, -1),
      back(5),
    ],
    "where a way without the call comes to the same place": (call) => [
      add(count, zero, 40),
      sum(2),
      encode("andi", { rd: 5, rs1: count, imm: 1 }),
      encode("beq", { rs1: 5, rs2: zero, imm: 8 }),
      call(4),
      sum(4),
      add(count, count, -1),
      back(6),
    ],
  };
  for (const [place, caller] of Object.entries(callers))
    for (const [name, number] of Object.entries(csrs))
      test(`${name}, ${place}`, () => {
        // The register goes through what is given, a bit more each time.
        const callee = [
          encode("csrrw", { rd: zero, rs1: rounding, imm: number }),
          add(rounding, rounding, number === 2 ? 1 : 33),
          encode("andi", { rd: rounding, rs1: rounding, imm: number === 2 ? 3 : 127 }),
        ];
        const code = program(caller, callee);
        const all = [0, 1, 2, 0x20, 0x61].map((fcsr) => start(code, { [rounding]: BigInt(fcsr >>> 5) }, fcsr));
        expectSame(plain, compiled, all, 200);
      });
});
