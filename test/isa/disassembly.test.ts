import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { decode } from "../../src/isa/riscv/decode.ts";
import { disassemble } from "../../src/isa/riscv/disassemble.ts";
import { lengthOf } from "../../src/isa/riscv/encoding.ts";
import { forms } from "../../src/isa/riscv/instructions.ts";
import { objdump } from "../tools/objdump.ts";
import { instructionBits } from "./arbitrary.ts";

const start = 0x1000_0000;
const full = forms.filter((form) => form.length === 4);
const minute = 60_000;

const isUnknown = (text: string): boolean => /^(\.insn|c?\.?unimp$)/.test(text);

/** Legal by the specification, but not for objdump: unused fields of fences, modes of conversions that never round. */
const onlyOurs = /^(fence|fence\.i|fcvt\.d\.[swh]|fcvt\.d\.wu|fcvt\.s\.h)(\t|$)/;
/** Known to objdump, but not for user mode, or reserved: a rounding mode of 5 or 6. */
const onlyTheirs = /^([sum]ret|[msu]nret|mnret|dret|wfi|sfence|sinval|hfence|hinval|s?ctrclr)|,unknown$/;

describe.each([
  ["canonical names", false],
  ["pseudo-instructions", true],
] as const)("disassembly with %s agrees with objdump", (_, aliases) => {
  /** Pairs of lines, objdump's and ours, where they differ. */
  async function differences(code: Uint8Array, bits: readonly number[], size: number): Promise<string[][]> {
    const lines = await objdump(code, start, aliases);
    expect(lines.size).toBe(bits.length);
    return bits
      .map((word, i) => {
        const pc = start + i * size;
        return [word.toString(16), lines.get(pc)!, disassemble(word, pc, { aliases })];
      })
      .filter(([, theirs, ours]) => theirs !== ours);
  }

  test(
    "for every halfword",
    async () => {
      const halves = Array.from({ length: 0x10000 }, (_, half) => half).filter((half) => lengthOf(half) === 2);
      const different = await differences(new Uint8Array(Uint16Array.from(halves).buffer), halves, 2);
      // An addition of 0 to sp is reserved, though objdump shows it.
      const [theirs] = aliases ? ["addi\tsp,sp,0"] : ["c.addi16sp\tsp,0"];
      expect(different).toEqual([["6101", theirs, ".insn\t2, 0x6101"]]);
      expect(decode(0x6101)).toBeUndefined();
    },
    minute,
  );

  test(
    "for every row of 32 bits, with random fields",
    async () => {
      // With the one word that has a name of its own.
      const words = [0xc0001073, ...full.flatMap(({ name }) => fc.sample(instructionBits(name), 150))];
      const different = await differences(new Uint8Array(Uint32Array.from(words).buffer), words, 4);
      expect(different.filter(([, theirs, ours]) => !(isUnknown(theirs!) && onlyOurs.test(ours!)))).toEqual([]);
    },
    minute,
  );

  test(
    "for random words of the opcodes in use",
    async () => {
      const opcodes = [...new Set(full.map((form) => form.match & 0x7f))];
      // Register fields are often 0, where most of the special encodings are.
      const word = fc
        .tuple(
          fc.constantFrom(...opcodes),
          fc.nat({ max: 2 ** 25 - 1 }),
          fc.constantFrom(-1, 0xfe0f_ffff, 0xfff0_7fff, ~0xf80),
        )
        .map(([opcode, rest, mask]) => (((rest << 7) & mask) | opcode) >>> 0);
      const words = fc.sample(word, 50_000);
      const different = await differences(new Uint8Array(Uint32Array.from(words).buffer), words, 4);
      const unexplained = different.filter(
        ([, theirs, ours]) =>
          !(isUnknown(theirs!) && onlyOurs.test(ours!)) && !(isUnknown(ours!) && onlyTheirs.test(theirs!)),
      );
      expect(unexplained).toEqual([]);
    },
    minute,
  );
});

describe("disassembly", () => {
  test("shows jump targets with their symbols", () => {
    const symbolize = (address: number) => (address === 0x1_0008 ? "main+0x8" : undefined);
    expect(disassemble(0x0080_006f, 0x1_0000, { aliases: true, symbolize })).toBe("j\t10008 <main+0x8>");
    expect(disassemble(0x0080_006f, 0x1_0000)).toBe("jal\tzero,0x10008");
    expect(disassemble(0xff9f_f06f, 0)).toBe("jal\tzero,0xfffffffffffffff8");
  });
});
