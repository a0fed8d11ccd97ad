// Random instruction sequences leave here the whole state that they leave under qemu-riscv64: registers, flags, memory,
// the trap that ended them. SABRE_SEQUENCES sets how many; what ever failed is kept as a case in oracle-cases.ts.
// The usual run takes the same sequences each time, so that it fails for a change and not for a new oddity of the
// reference; SABRE_SEED takes others, by a number or `random`.
import { beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { decode } from "../../src/isa/riscv/decode.ts";
import type { Form } from "../../src/isa/riscv/instructions.ts";
import { eager, engines } from "../tools/engines.ts";
import { buildGuest } from "../tools/guest.ts";
import { finish, sabreCommand } from "../tools/sabre.ts";
import { codeBase, difference, listing, record, type Sequence, sequences, stateBytes } from "../tools/sequences.ts";
import { trixieQemu } from "../tools/trixie.ts";
import { kept } from "./oracle-cases.ts";

/** How many sequences an engine runs: compiling each costs more than running it. */
const countFor = (engine: string): number => Number(process.env["SABRE_SEQUENCES"] ?? (engine === "off" ? 3000 : 1000));

/** Left out, with the reason. */
const unlike: Readonly<Record<string, string>> = {
  "cbo.inval": "the emulated kernel of qemu 10 does not enable it",
  "cbo.clean": "the same",
  "cbo.flush": "the same",
  "cbo.zero": "the same",
  "froundnx.s": "the reference drops it, and its flag, where its result is overwritten",
  "froundnx.d": "the same",
  ecall: "makes system calls",
  "wrs.nto": "waits",
  "wrs.sto": "the reference gives up the reservation, which the specification does not ask for",
};

const counters = /^csr/;

/** Reads of counters and of registers that user mode lacks are tested elsewhere: the reference counts otherwise. */
const usable = ({ name }: Form): boolean => !(name in unlike) && !counters.test(name);

/** What sabre has, and no more: code that a jump into the middle of an instruction makes up must trap in both. */
const cpu = "rv64,zfhmin=on,zicond=on,zcb=on,zawrs=on,zfa=on,zba=on,zbb=on,zbc=on,zbs=on,zicbop=on,smaia=off";

let program = "";
let qemu = "";

beforeAll(async () => {
  // Linked where no number that a sequence computes is likely to point: it must not write or jump into what runs it.
  program = buildGuest("oracle.c", "freestanding", "-Wl,-Ttext-segment=0x2a5b7000");
  qemu = await trixieQemu();
}, 300_000);

/** States after each sequence, all run in one process. */
async function states(
  command: readonly string[],
  all: readonly Sequence[],
  env: Record<string, string> = {},
): Promise<Uint8Array[]> {
  const { stdout, stderr, status, signal } = await finish([...command, program], {
    stdin: Buffer.concat(all.map(record)).toString("latin1"),
    timeout: 600_000,
    env,
  });
  const bytes = Buffer.from(stdout, "latin1");
  if (bytes.length < all.length * stateBytes)
    throw new Error(
      `${command[0]} ended with ${status} ${signal} after ${bytes.length / stateBytes} states: ${stderr}`,
    );
  return all.map((_, i) => bytes.subarray(i * stateBytes, (i + 1) * stateBytes));
}

/** Ended by SIGBUS, BUS_ADRALN: the reference makes unaligned atomics where Linux on hardware traps; tested elsewhere. */
const misalignedAtomic = (state: Uint8Array): boolean => state[0] === 7 && state[8] === 1;

/** Faulted below the code, where the two emulators have mapped other things. */
function strayed(state: Uint8Array): boolean {
  const address = new DataView(state.buffer, state.byteOffset).getBigUint64(16, true);
  return state[0] === 11 && address < BigInt(codeBase);
}

/** A store-conditional of another size than the reservation may fail; the reference then stores, and says that it did not. */
function mixesReservations(s: Sequence): boolean {
  const names = s.code.map((bits) => decode(bits)?.name ?? "");
  const has = (name: string) => names.some((n) => n.startsWith(name));
  return (has("lr.w") && has("sc.d")) || (has("lr.d") && has("sc.w"));
}

async function compare(engine: string, all: readonly Sequence[]): Promise<string[][]> {
  const [wanted, got] = await Promise.all([
    states([qemu, "-cpu", cpu], all),
    states(sabreCommand("run", "--jit", engine), all, eager),
  ]);
  const comparable = (s: Sequence, wantedState: Uint8Array, state: Uint8Array): boolean =>
    !(misalignedAtomic(state) || mixesReservations(s) || strayed(wantedState) || strayed(state));
  return all.map((s, i) => (comparable(s, wanted[i]!, got[i]!) ? difference(wanted[i]!, got[i]!) : []));
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
    const count = countFor(engine);
    test("cases that once failed leave the reference's state", () => expectSame(engine, kept), 120_000);
    test(`${count} random sequences leave the reference's state`, async () => {
      const given = process.env["SABRE_SEED"] ?? "20261121";
      const seed = given === "random" ? Date.now() % 2 ** 31 : Number(given);
      const all = fc.sample(sequences(usable), { numRuns: count, seed });
      try {
        await expectSame(engine, all);
      } catch (e) {
        throw new Error(`SABRE_SEED=${seed} SABRE_SEQUENCES=${count}: ${(e as Error).message}`);
      }
      expect(all.length).toBe(count);
    }, 900_000);
  });
