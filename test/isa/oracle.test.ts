// Random instruction sequences leave here the whole state that they leave under qemu-riscv64: registers, flags, memory,
// the trap that ended them. SABRE_SEQUENCES sets how many; what ever failed is kept below as a case.
import { beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Form } from "../../src/isa/riscv/instructions.ts";
import { engines } from "../tools/engines.ts";
import { buildGuest } from "../tools/guest.ts";
import { finish, sabreCommand } from "../tools/sabre.ts";
import { difference, listing, record, type Sequence, sequences, stateBytes } from "../tools/sequences.ts";
import { trixieQemu } from "../tools/trixie.ts";
import { kept } from "./oracle-cases.ts";

const count = Number(process.env["SABRE_SEQUENCES"] ?? 1500);

/** Left out, with the reason. */
const unlike: Readonly<Record<string, string>> = {
  "cbo.inval": "the emulated kernel of qemu 10 does not enable it",
  "cbo.clean": "the same",
  "cbo.flush": "the same",
  "cbo.zero": "the same",
  ecall: "makes system calls",
  "wrs.nto": "waits",
};

const counters = /^csr/;

/** Reads of counters and of registers that user mode lacks are tested elsewhere: the reference counts otherwise. */
const usable = ({ name }: Form): boolean => !(name in unlike) && !counters.test(name);

let program = "";
let qemu = "";

beforeAll(async () => {
  program = buildGuest("oracle.c", "freestanding");
  qemu = await trixieQemu();
}, 300_000);

/** States after each sequence, all run in one process. */
async function states(command: readonly string[], all: readonly Sequence[]): Promise<Uint8Array[]> {
  const { stdout, stderr, status, signal } = await finish([...command, program], {
    stdin: Buffer.concat(all.map(record)).toString("latin1"),
    timeout: 600_000,
  });
  const bytes = Buffer.from(stdout, "latin1");
  if (bytes.length < all.length * stateBytes)
    throw new Error(`${command[0]} ended with ${status} ${signal} after ${bytes.length / stateBytes} states: ${stderr}`);
  return all.map((_, i) => bytes.subarray(i * stateBytes, (i + 1) * stateBytes));
}

/** Ended by SIGBUS, BUS_ADRALN: the reference makes unaligned atomics where Linux on hardware traps; tested elsewhere. */
const misalignedAtomic = (state: Uint8Array): boolean => state[0] === 7 && state[8] === 1;

async function compare(engine: string, all: readonly Sequence[]): Promise<string[][]> {
  const [wanted, got] = await Promise.all([
    states([qemu, "-cpu", "max"], all),
    states(sabreCommand("run", "--jit", engine), all),
  ]);
  return all.map((_, i) => (misalignedAtomic(got[i]!) ? [] : difference(wanted[i]!, got[i]!)));
}

/** A sequence that differs, made as small as removing instructions makes it. */
async function shrink(engine: string, failing: Sequence): Promise<Sequence> {
  let smallest = failing;
  for (let at = smallest.code.length - 1; at >= 0; at--) {
    const without = { ...smallest, code: smallest.code.toSpliced(at, 1) };
    const [found] = await compare(engine, [without]);
    if (found!.length > 0) smallest = without;
  }
  return smallest;
}

async function expectSame(engine: string, all: readonly Sequence[]): Promise<void> {
  const found = await compare(engine, all);
  const at = found.findIndex((lines) => lines.length > 0);
  if (at < 0) return;
  const small = await shrink(engine, all[at]!);
  const [lines] = await compare(engine, [small]);
  const failing = found.filter((l) => l.length > 0).length;
  throw new Error(
    `${failing} of ${all.length} sequences differ (reference and ours); number ${at}, shrunk:\n${lines!.join("\n")}\n${listing(small)}\n${JSON.stringify(
      { ...small, x: small.x.map(String), f: small.f.map(String) },
    )}`,
  );
}

for (const engine of engines)
  describe(`--jit ${engine}`, () => {
    test("cases that once failed leave the reference's state", () => expectSame(engine, kept), 120_000);
    test(
      `${count} random sequences leave the reference's state`,
      async () => {
        const seed = Number(process.env["SABRE_SEED"] ?? Date.now() % 2 ** 31);
        const all = fc.sample(sequences(usable), { numRuns: count, seed });
        try {
          await expectSame(engine, all);
        } catch (e) {
          throw new Error(`SABRE_SEED=${seed} SABRE_SEQUENCES=${count}: ${(e as Error).message}`);
        }
        expect(all.length).toBe(count);
      },
      900_000,
    );
  });
