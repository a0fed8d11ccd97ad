// What compiled code knows on one side of a guest call, and what of it holds on the other: callers and callees that change
// under each other what the other relies on leave what the interpreter leaves.
import { beforeAll, describe, test } from "bun:test";
import { encode } from "../../src/isa/riscv/encode.ts";
import { dataBase, type Sequence } from "../tools/sequence.ts";
import { type Bare, expectSame, newBare } from "./wasm-runner.ts";

let plain: Bare;
let compiled: Bare;
beforeAll(() => {
  plain = newBare();
  compiled = newBare();
});

const [zero, ra, sp, link, count, rounding, value, by, saved, again, home] = [0, 1, 2, 5, 7, 6, 8, 9, 18, 29, 30];
const add = (rd: number, rs1: number, imm: number): number => encode("addi", { rd, rs1, imm });
const nothing = add(zero, zero, 0);

/** Instructions of a function that is not made part of its callers. */
const large = (body: readonly number[], rs1 = ra): number[] => [
  ...body,
  ...Array<number>(45).fill(nothing),
  encode("jalr", { rd: zero, rs1, imm: 0 }),
];

/**
 * Calls a function again and again, so that all of it is compiled at last: it consists of the caller's instructions, and
 * calls another by `call(i)` as its instruction `i`.
 */
function program(
  caller: (call: (i: number) => number) => readonly number[],
  callee: readonly number[],
  rd = ra,
): number[] {
  const length = caller(() => 0).length;
  const call = (i: number): number => encode("jal", { rd, imm: 4 * (length + 1 - i) });
  return [
    encode("jal", { rd: ra, imm: 16 }),
    add(again, again, -1),
    encode("bne", { rs1: again, rs2: zero, imm: -8 }),
    encode("ebreak", {}),
    add(home, ra, 0),
    ...caller(call),
    encode("jalr", { rd: zero, rs1: home, imm: 0 }),
    ...large(callee, rd),
  ];
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
    "without a loop": (call) => [
      sum(2),
      encode("andi", { rd: 5, rs1: again, imm: 1 }),
      encode("beq", { rs1: 5, rs2: zero, imm: 8 }),
      call(3),
      sum(4),
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
        const all = [0, 1, 2, 0x20, 0x61].map((fcsr) =>
          start(code, { [again]: 20n, [rounding]: BigInt(fcsr >>> 5) }, fcsr),
        );
        expectSame(plain, compiled, all, 200);
      });
});

for (const base of [sp, saved])
  describe(`accesses through x${base} behind a call go by what the call made of it`, () => {
    const save = (imm: number): number => encode("sd", { rs1: base, rs2: value, imm });
    const restore = (imm: number): number => encode("ld", { rd: value, rs1: base, imm });
    const back = (i: number): number => encode("bne", { rs1: count, rs2: zero, imm: -4 * i });
    const callers: Record<string, (call: (i: number) => number) => number[]> = {
      "in a loop within the frame": (call) => [
        add(count, zero, 30),
        add(base, base, -32),
        save(24),
        call(3),
        restore(24),
        save(8),
        add(value, value, 1),
        add(count, count, -1),
        back(6),
        add(base, base, 32),
      ],
      "in a loop that makes and takes back a frame": (call) => [
        add(count, zero, 30),
        add(base, base, -32),
        save(24),
        call(3),
        restore(24),
        add(value, value, 1),
        add(base, base, 32),
        add(count, count, -1),
        back(7),
      ],
      "in a loop behind the first access": (call) => [
        add(count, zero, 5),
        save(8),
        restore(8),
        call(3),
        add(count, count, -1),
        back(3),
      ],
      "where a way without the call comes to the same place": (call) => [
        add(count, zero, 30),
        save(0),
        encode("andi", { rd: rounding, rs1: count, imm: 1 }),
        encode("beq", { rs1: rounding, rs2: zero, imm: 8 }),
        call(4),
        restore(0),
        save(40),
        add(value, value, 1),
        add(count, count, -1),
        back(8),
      ],
      "in a loop whose first call comes before all accesses": (call) => [
        add(count, zero, 30),
        call(1),
        restore(16),
        save(8),
        call(4),
        add(count, count, -1),
        back(5),
        restore(16),
      ],
    };
    const callees: Record<string, readonly number[]> = {
      "adds to it": [encode("add", { rd: base, rs1: base, rs2: by })],
      "adds to it now and then": [
        encode("andi", { rd: 28, rs1: count, imm: 3 }),
        encode("bne", { rs1: 28, rs2: zero, imm: 8 }),
        encode("add", { rd: base, rs1: base, rs2: by }),
      ],
      "adds to it in the last round": [
        add(28, zero, 1),
        encode("bne", { rs1: 28, rs2: again, imm: 8 }),
        encode("add", { rd: base, rs1: base, rs2: by }),
      ],
      "adds to it at last": [
        add(28, zero, 3),
        encode("bne", { rs1: 28, rs2: count, imm: 8 }),
        encode("add", { rd: base, rs1: base, rs2: by }),
      ],
    };
    const data = BigInt(dataBase);
    const starts = [data + 0x800n, data + 0x1010n, data + 0x1fd8n, data + 0x1fe0n, data + 0x2000n, data + 2n ** 32n];
    const moves = [0n, 16n, -16n, 8n, 1n, 0x1000n, -0x1000n, 2n ** 32n, 2n ** 63n, -data];
    for (const [place, caller] of Object.entries(callers))
      for (const [what, callee] of Object.entries(callees))
        for (const rd of [ra, link])
          test(`a function that ${what}, called by x${rd}, ${place}`, () => {
            const code = program(caller, callee, rd);
            const all = starts.flatMap((at) =>
              moves.map((move) => start(code, { [again]: 3n, [base]: at, [by]: BigInt.asUintN(64, move) })),
            );
            expectSame(plain, compiled, all, 200);
          });
  });
