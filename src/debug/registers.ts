// The registers that a debugger sees, in the order of the protocol's numbers, and where each lies in a hart's state. The target
// description (XML) is derived from the same table. Feature and register names are those that gdb knows for RISC-V.
import { hart } from "../cpu/hart.ts";
import { monotonic } from "../host/clock.ts";
import { fNames, xNames } from "../isa/riscv/names.ts";

interface Register {
  readonly name: string;
  readonly feature: string;
  readonly bits: 32 | 64;
  readonly type: string;
  readonly group?: string;
  /** Word of the hart; a function for what is made of others. */
  readonly word: number | undefined;
  /** Bits of fcsr: where they begin, and how many. */
  readonly part?: readonly [word: number, shift: number, mask: number][];
  /** The value of a counter, of a hart's words: such a register cannot be written. */
  readonly counter?: (words: Int32Array) => number;
}

const cpu = "org.gnu.gdb.riscv.cpu";
const fpu = "org.gnu.gdb.riscv.fpu";
const csr = "org.gnu.gdb.riscv.csr";

const integer = (name: string, i: number): Register => ({
  name,
  feature: cpu,
  bits: 64,
  type: i === 1 ? "code_ptr" : i === 2 || i === 3 || i === 4 || i === 8 ? "data_ptr" : "int",
  word: hart.x + 2 * i,
});

const float = (name: string, i: number): Register => ({
  name,
  feature: fpu,
  bits: 64,
  type: "riscv_double",
  word: hart.f + 2 * i,
});

const control = (name: string, ...part: [word: number, shift: number, mask: number][]): Register => ({
  ...{ name, feature: fpu, bits: 32, type: "int", group: "float", word: undefined, part },
});

const counter = (name: string, value: (words: Int32Array) => number): Register => ({
  ...{ name, feature: csr, bits: 64, type: "int", group: "csr", word: undefined, counter: value },
});

/** Instructions that a hart has executed: a cycle each, as the guest itself reads it. */
const executed = ({ buffer, byteOffset }: Int32Array): number =>
  new Float64Array(buffer, byteOffset + hart.instret * 4, 1)[0]!;

/** Nanoseconds of a tick of the `time` register. */
const tick = 100;

/** By their numbers. */
export const registers: readonly Register[] = [
  ...xNames.map(integer),
  { name: "pc", feature: cpu, bits: 64, type: "code_ptr", word: hart.pc },
  ...fNames.map(float),
  control("fflags", [hart.fflags, 0, 31]),
  control("frm", [hart.frm, 0, 7]),
  control("fcsr", [hart.fflags, 0, 31], [hart.frm, 5, 7]),
  counter("cycle", executed),
  counter("time", () => monotonic() / tick),
  counter("instret", executed),
];

export const pcRegister = 32;
/** What a stop is told with, so that a debugger need not ask: ra, sp, fp, pc; their numbers, and the first of their two words. */
export const expedited = [1, 2, 8, pcRegister].map((number) => ({ number, word: registers[number]!.word! }));

/** How many there are that keep what is written to them: those that one packet has, all but the counters behind them. */
export const writableRegisters: number = registers.filter((r) => r.counter === undefined).length;

/** Bytes of those. */
export const registerBytes: number = registers.slice(0, writableRegisters).reduce((n, { bits }) => n + bits / 8, 0);

/** Where each begins among all. */
export const registerOffsets: readonly number[] = registers.map((_, n) =>
  registers.slice(0, n).reduce((sum, { bits }) => sum + bits / 8, 0),
);

/** The value of a register as bytes, least first, of a hart's words. */
export function readRegister(words: Int32Array, n: number): Uint8Array {
  const { bits, word, part = [], counter: count } = registers[n]!;
  const value = new Int32Array(bits / 32);
  if (count !== undefined) new BigInt64Array(value.buffer)[0] = BigInt(Math.floor(count(words)));
  else if (word !== undefined) value.set(words.subarray(word, word + value.length));
  else for (const [from, shift, mask] of part) value[0]! |= (words[from]! & mask) << shift;
  return new Uint8Array(value.buffer);
}

/** Sets a register by its bytes. Writes to x0 and to counters are lost, and the lowest bit of pc is 0. */
export function writeRegister(words: Int32Array, n: number, bytes: Uint8Array): void {
  const { bits, word, part = [] } = registers[n]!;
  if (n === 0 || n >= writableRegisters) return;
  const value = new Int32Array(bits / 32);
  new Uint8Array(value.buffer).set(bytes.subarray(0, bits / 8));
  if (n === pcRegister) value[0]! &= ~1;
  if (word !== undefined) words.set(value, word);
  else for (const [to, shift, mask] of part) words[to] = (value[0]! >>> shift) & mask;
}

/** The target description. */
export function targetXml(): string {
  const features = [cpu, fpu, csr].map((feature) => {
    const lines = registers.flatMap((r, n) => {
      if (r.feature !== feature) return [];
      const group = r.group === undefined ? "" : ` group="${r.group}"`;
      // A debugger that calls a function does not try to put them back.
      const kept = r.counter === undefined ? "" : ' save-restore="no"';
      return `<reg name="${r.name}" bitsize="${r.bits}" type="${r.type}"${group}${kept} regnum="${n}"/>`;
    });
    const union =
      feature === fpu
        ? '<union id="riscv_double"><field name="float" type="ieee_single"/><field name="double" type="ieee_double"/></union>\n'
        : "";
    return `<feature name="${feature}">\n${union}${lines.join("\n")}\n</feature>`;
  });
  return `<?xml version="1.0"?>
<!DOCTYPE target SYSTEM "gdb-target.dtd">
<target version="1.0">
<architecture>riscv:rv64</architecture>
<osabi>GNU/Linux</osabi>
${features.join("\n")}
</target>
`;
}
