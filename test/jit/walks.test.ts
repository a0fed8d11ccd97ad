// Addresses that go one way in a loop are checked in full once a page only (jit/wasm/walks.ts): whatever such a pointer
// begins with and runs into, a compiled loop stops where the interpreter stops, with the same state.
import { beforeAll, describe, expect, test } from "bun:test";
import { findRegion } from "../../jit/region.ts";
import { wasmShape } from "../../jit/wasm/compile.ts";
import { emitModule } from "../../jit/wasm/module.ts";
import { wasmText } from "../../jit/wasm/text.ts";
import { encode } from "../../src/isa/riscv/encode.ts";
import { dataBase, type Sequence } from "../tools/sequence.ts";
import { type Bare, expectSame, newBare } from "./wasm-runner.ts";

let plain: Bare;
let compiled: Bare;
beforeAll(() => {
  plain = newBare();
  compiled = newBare();
});

/** x8 is the pointer, x6 what is added to it or an index, x7 counts. The data has three pages, the last of them read-only. */
const [value, index, count, pointer, derived] = [5, 6, 7, 8, 9];

const data = BigInt(dataBase);
const starts = [
  ...[0n, 1n, 0x7f8n, 0xff8n, 0xffcn, 0x1000n, 0x1ff9n, 0x1ffdn, 0x2000n, 0x2ff8n, 0x2fffn].map((at) => data + at),
  // Wild ones: below and above the data, with high bits, about to come round the end of all addresses, and of 32 bits.
  ...[0n, 8n, data - 8n, data + 0x3000n, data + 2n ** 32n, data + 2n ** 63n, data - 2n ** 33n],
  ...[2n ** 32n - 8n, 2n ** 32n, 2n ** 63n - 8n, 2n ** 64n - 8n, 2n ** 64n - 2n ** 31n],
];

const sequence = (code: readonly number[], start: bigint, offset = 0n, rounds = 500n): Sequence => ({
  x: Array.from({ length: 31 }, (_, i) =>
    i === pointer - 1
      ? BigInt.asUintN(64, start)
      : i === index - 1
        ? BigInt.asUintN(64, offset)
        : i === count - 1
          ? rounds
          : 77n,
  ),
  f: Array<bigint>(32).fill(0x3ff0000000000000n),
  fcsr: 0,
  code,
});

const access = (name: string, rs1: number, imm: number): number =>
  encode(name, name.startsWith("s") || name.startsWith("fs") ? { rs1, rs2: value, imm } : { rs1, rd: value, imm });
const add = (rd: number, imm: number): number => encode("addi", { rd, rs1: rd, imm });
const back = (code: readonly number[]): number[] => [...code, encode("jal", { rd: 0, imm: -4 * code.length })];

const names = ["lb", "lhu", "lw", "ld", "fld", "sb", "sh", "sw", "sd", "fsd"];
const steps = [1, 3, 8, 2047, -1, -3, -8, -2048];
const offsets = [0, -8, 16, 2047, -2048];
/** Milliseconds that a test may take: on its own some hundred. */
const limit = 120_000;

const same = (all: readonly Sequence[]): void => expectSame(plain, compiled, all, 200);

for (const name of names) {
  describe(name, () => {
    test(
      "through a pointer that walks",
      () => {
        const all = steps.flatMap((step) =>
          offsets.map((offset) => back([access(name, pointer, offset), add(pointer, step)])),
        );
        for (const code of all) same(starts.map((s) => sequence(code, s)));
      },
      limit,
    );

    test(
      "through a pointer that walks between two accesses of a round",
      () => {
        for (const step of [8, -8, 2047])
          for (const [first, second] of [
            [0, 0],
            [0, 16],
            [-8, 0],
          ] as const) {
            const body = [
              access(name, pointer, first),
              // Never goes there; what follows is a block of its own.
              encode("bne", { rs1: 0, rs2: 0, imm: 16 }),
              add(pointer, step),
              access(name, pointer, second),
            ];
            const code = back(body);
            same(starts.map((s) => sequence(code, s)));
          }
      },
      limit,
    );

    test(
      "through the sum of a base and an index, which may be shifted",
      () => {
        for (const step of [1, 8, -1, -2048])
          for (const shift of [0, 3]) {
            const code = back([
              encode("slli", { rd: derived, rs1: index, imm: shift }),
              encode("add", { rd: derived, rs1: derived, rs2: pointer }),
              access(name, derived, 0),
              add(index, step),
            ]);
            const from = [0n, -1n, 2n ** 61n];
            same(from.flatMap((i) => starts.map((s) => sequence(code, s - i, i))));
          }
      },
      limit,
    );

    test(
      "in a loop within a loop that moves the pointer back, or elsewhere",
      () => {
        for (const step of [8, -8])
          for (const by of [-64n, 4096n, -4096n, 2n ** 32n, 2n ** 44n]) {
            const inner = [access(name, pointer, 0), add(pointer, step), add(count, -1)];
            const code = back([
              encode("addi", { rd: count, rs1: 0, imm: 20 }),
              ...inner,
              encode("bne", { rs1: count, rs2: 0, imm: -12 }),
              encode("add", { rd: pointer, rs1: pointer, rs2: index }),
            ]);
            same(starts.map((s) => sequence(code, s, by)));
          }
      },
      limit,
    );
  });
}

test("reads and writes, and a way round that goes without either", () => {
  const code = back([
    access("ld", pointer, 0),
    encode("andi", { rd: derived, rs1: pointer, imm: 64 }),
    encode("beq", { rs1: derived, rs2: 0, imm: 8 }),
    access("sd", pointer, 8),
    add(pointer, 8),
  ]);
  same(starts.map((s) => sequence(code, s)));
});

test("a pointer that goes both ways has no limit, one that goes one way has", () => {
  const textOf = (by: number): string => {
    const code = [
      access("ld", pointer, 0),
      add(pointer, 8),
      encode("beq", { rs1: value, rs2: 0, imm: 8 }),
      add(pointer, by),
    ];
    const all = [...code, encode("jal", { rd: 0, imm: -4 * code.length })];
    const region = findRegion(0, (pc) => all[pc / 4] ?? -1, 200, wasmShape)!;
    return wasmText(emitModule([region], 0x1000, () => 1).bytes);
  };
  expect(textOf(16)).toContain("4095");
  expect(textOf(-8)).not.toContain("4095");
});
