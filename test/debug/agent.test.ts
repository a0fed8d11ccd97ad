// Agent expressions against BigInt.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { newHart, setX } from "../../src/cpu/hart.ts";
import { makeEvaluator } from "../../src/debug/agent.ts";
import { newGuestMemory, Page, pagesChanged } from "../../src/memory/guest-memory.ts";

const memory = newGuestMemory(2 ** 20);
memory.pages[16] = Page.read | Page.write;
pagesChanged(memory, 16, 17);
const h = newHart();
const evaluate = makeEvaluator(h.i32, memory);
const holds = (...code: number[]): boolean => evaluate(Uint8Array.from(code), 0, code.length, 0x1234);

const bytes64 = (value: bigint): number[] => {
  const b = Buffer.alloc(8);
  b.writeBigUInt64BE(BigInt.asUintN(64, value));
  return [...b];
};
const constant = (value: bigint): number[] => [0x25, ...bytes64(value)];
const signed = (n: bigint): bigint => BigInt.asIntN(64, n);
const unsigned = (n: bigint): bigint => BigInt.asUintN(64, n);
const end = 0x27;
const equal = 0x13;

const value = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.constantFrom(0n, 1n, -1n, 0xffffffffn, 0x100000000n, -(2n ** 63n), 2n ** 63n - 1n),
  fc.bigInt({ min: -40n, max: 70n }),
);

const binary: readonly (readonly [op: number, name: string, means: (a: bigint, b: bigint) => bigint | undefined])[] = [
  [0x02, "add", (a, b) => a + b],
  [0x03, "sub", (a, b) => a - b],
  [0x04, "mul", (a, b) => a * b],
  [0x05, "div_signed", (a, b) => (b === 0n ? undefined : a / b)],
  [0x06, "div_unsigned", (a, b) => (b === 0n ? undefined : unsigned(a) / unsigned(b))],
  [0x07, "rem_signed", (a, b) => (b === 0n ? undefined : a % b)],
  [0x08, "rem_unsigned", (a, b) => (b === 0n ? undefined : unsigned(a) % unsigned(b))],
  [0x09, "lsh", (a, b) => (unsigned(b) > 63n ? 0n : a << unsigned(b))],
  [0x0a, "rsh_signed", (a, b) => a >> (unsigned(b) > 63n ? 63n : unsigned(b))],
  [0x0b, "rsh_unsigned", (a, b) => (unsigned(b) > 63n ? 0n : unsigned(a) >> unsigned(b))],
  [0x0f, "bit_and", (a, b) => a & b],
  [0x10, "bit_or", (a, b) => a | b],
  [0x11, "bit_xor", (a, b) => a ^ b],
  [0x13, "equal", (a, b) => BigInt(a === b)],
  [0x14, "less_signed", (a, b) => BigInt(a < b)],
  [0x15, "less_unsigned", (a, b) => BigInt(unsigned(a) < unsigned(b))],
];

describe("an agent expression", () => {
  for (const [op, name, means] of binary)
    test(`means ${name} on 64 bits`, () => {
      fc.assert(
        fc.property(value, value, (a, b) => {
          const result = means(a, b);
          const code = [...constant(a), ...constant(b), op];
          // What has no value holds.
          if (result === undefined) expect(holds(...code, end)).toBe(true);
          else expect(holds(...code, ...constant(signed(result)), equal, end)).toBe(true);
          if (result !== undefined) expect(holds(...code, ...constant(signed(result) ^ 1n), equal, end)).toBe(false);
        }),
      );
    });

  test("extends by sign and by zero", () => {
    fc.assert(
      fc.property(value, fc.integer({ min: 1, max: 64 }), (a, bits) => {
        expect(holds(...constant(a), 0x16, bits, ...constant(BigInt.asIntN(bits, a)), equal, end)).toBe(true);
        const zero = signed(BigInt.asUintN(bits, a));
        expect(holds(...constant(a), 0x2a, bits, ...constant(zero), equal, end)).toBe(true);
      }),
    );
  });

  test("reads registers and memory, and holds where there is none", () => {
    setX(h, 10, 77);
    expect(holds(0x26, 0, 10, 0x22, 77, equal, end)).toBe(true);
    expect(holds(0x26, 0, 32, 0x23, 0x12, 0x34, equal, end)).toBe(true);
    memory.view.setBigInt64(0x10008, -5n, true);
    expect(holds(0x24, 0, 1, 0, 8, 0x1a, ...constant(-5n), equal, end)).toBe(true);
    expect(holds(0x24, 0, 1, 0, 8, 0x19, ...constant(0xfffffffbn), equal, end)).toBe(true);
    expect(holds(0x24, 0, 0x50, 0, 8, 0x1a, 0x22, 0, equal, end)).toBe(true);
    expect(holds(0x24, 0, 1, 0x0f, 0xff, 0x1a, 0x29, 0x22, 0, end)).toBe(true);
  });

  test("jumps, and ends where it goes on for ever", () => {
    expect(holds(0x22, 1, 0x20, 0, 8, 0x22, 0, end, 0x22, 1, end)).toBe(true);
    expect(holds(0x22, 0, 0x20, 0, 8, 0x22, 0, end, 0x22, 1, end)).toBe(false);
    expect(holds(0x21, 0, 0)).toBe(true);
  });

  test("of random bytes ends", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (code) => {
        expect(typeof evaluate(code, 0, code.length, 0)).toBe("boolean");
      }),
    );
  });
});
