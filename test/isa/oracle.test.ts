// Random instruction sequences leave here the whole state that they leave under qemu-riscv64: registers, flags, memory,
// the trap that ended them. Compiled, they leave what they leave in the interpreter, what the reference cannot tell and the
// number of executed instructions included. SABRE_SEQUENCES sets how many; what ever failed is a case in oracle-cases.ts.
// The usual run takes the same sequences each time, so that it fails for a change and not for a new oddity of the
// reference; SABRE_SEED takes others, by a number or `random`.
import { beforeAll, describe, test } from "bun:test";
import fc from "fast-check";
import { decode } from "../../src/isa/riscv/decode.ts";
import type { Form } from "../../src/isa/riscv/instructions.ts";
import { eagerWays, type Way } from "../tools/engines.ts";
import { buildGuest } from "../tools/guest.ts";
import { finish, sabreCommand } from "../tools/sabre.ts";
import { codeBase, listing, type Sequence } from "../tools/sequence.ts";
import { sequences } from "../tools/sequences.ts";
import { shrink } from "../tools/shrink.ts";
import { difference, record, stateBytes, wordOf } from "../tools/states.ts";
import { trixieQemu } from "../tools/trixie.ts";
import { kept } from "./oracle-cases.ts";

const interpreter: Way = { name: "off", jit: "off", env: {} };
/** Some of what runs often is compiled, the rest interpreted. */
const mixed: Way = { name: "auto, mixed", jit: "auto", env: { SABRE_HEAT: "3" } };

/** How many sequences an engine runs: compiling each costs more than running it. */
const countFor = ({ jit, name }: Way): number =>
  Number(process.env["SABRE_SEQUENCES"] ?? (jit === "off" ? 2000 : name.includes("auto") ? 400 : 800));

/** Not run. */
const never: Readonly<Record<string, string>> = {
  ecall: "makes system calls",
  "wrs.nto": "waits",
};

/** Not compared with the reference. */
const unlike: Readonly<Record<string, string>> = {
  "cbo.inval": "the emulated kernel of qemu 10 does not enable it",
  "cbo.clean": "the same",
  "cbo.flush": "the same",
  "cbo.zero": "the same",
  "froundnx.s": "the reference drops it, and its flag, where its result is overwritten",
  "froundnx.d": "the same",
  "wrs.sto": "the reference gives up the reservation, which the specification does not ask for",
};

const known = ({ name }: Form): boolean => !(name in never || name in unlike);
const runnable = ({ name }: Form): boolean => !(name in never);

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
  env: Readonly<Record<string, string>> = {},
): Promise<Uint8Array[]> {
  const { stdout, stderr, status, signal } = await finish([...command, program], {
    stdin: Buffer.concat(all.map(record)).toString("latin1"),
    timeout: 600_000,
    env,
  });
  const bytes = Buffer.from(stdout, "latin1");
  if (bytes.length < all.length * stateBytes) {
    const at = Math.floor(bytes.length / stateBytes);
    throw new Error(`${command.join(" ")} ended with ${status} ${signal} in this: ${stderr}\n${listing(all[at]!)}`);
  }
  return all.map((_, i) => bytes.subarray(i * stateBytes, (i + 1) * stateBytes));
}

/** Signal and code: it did not end in time; BUS_ADRALN, where the reference makes the access. */
const endless = (state: Uint8Array): boolean => state[0] === 14;
const misalignedAtomic = (state: Uint8Array): boolean => state[0] === 7 && state[8] === 1;

/** Faulted below the code, where the two emulators have mapped other things. */
const strayed = (state: Uint8Array): boolean => state[0] === 11 && wordOf(state, "si_addr") < BigInt(codeBase);

/**
 * A store-conditional of another size than the reservation may fail; the reference then stores, and says that it did not.
 * Of code that is written at run time we do not know what it reserves.
 */
function mixesReservations(s: Sequence): boolean {
  const names = s.code.map((bits) => decode(bits)?.name ?? "");
  const has = (name: string) => names.some((n) => n.startsWith(name));
  return (has("lr.w") && has("sc.d")) || (has("lr.d") && has("sc.w")) || (has("sc.") && has("fence.i"));
}

/** Where the reference, which counts otherwise, and cannot tell an address that x86-64 cannot fault on, must agree. */
function unlikeReference(s: Sequence, wanted: Uint8Array, got: Uint8Array): string[] {
  if (endless(wanted) || misalignedAtomic(got) || strayed(wanted) || strayed(got) || mixesReservations(s)) return [];
  const at = wordOf(got, "si_addr");
  const apart = BigInt.asIntN(48, at) === BigInt.asIntN(64, at) ? ["instret"] : ["instret", "si_addr"];
  return difference(wanted, got, apart);
}

/** What differs in the states that some sequences leave. */
type Compare = (all: readonly Sequence[]) => Promise<readonly (readonly string[])[]>;

const ours = (way: Way, all: readonly Sequence[]): Promise<Uint8Array[]> =>
  states(sabreCommand("run", "--jit", way.jit), all, way.env);

const interpretedStates = new WeakMap<readonly Sequence[], Promise<Uint8Array[]>>();

/** What the interpreter leaves, which several engines are compared with: run once. */
function interpreted(all: readonly Sequence[]): Promise<Uint8Array[]> {
  let run = interpretedStates.get(all);
  if (run === undefined) interpretedStates.set(all, (run = ours(interpreter, all)));
  return run;
}

const withReference =
  (way: Way): Compare =>
  async (all) => {
    const [wanted, got] = [await states([qemu, "-cpu", cpu], all), await ours(way, all)];
    return all.map((s, i) => unlikeReference(s, wanted[i]!, got[i]!));
  };

const withInterpreter =
  (way: Way): Compare =>
  async (all) => {
    const [wanted, got] = [await interpreted(all), await ours(way, all)];
    return all.map((_, i) => (endless(wanted[i]!) ? [] : difference(wanted[i]!, got[i]!, [])));
  };

/** Throws with the first sequence that differs, made small: its registers and assembly, and what to keep as a case. */
async function expectSame(compare: Compare, all: readonly Sequence[]): Promise<void> {
  const found = await compare(all);
  const at = found.findIndex((lines) => lines.length > 0);
  if (at < 0) return;
  const differs: Parameters<typeof shrink>[1] = async (some) => (await compare(some)).map((lines) => lines.length > 0);
  const small = await shrink(all[at]!, differs);
  const [alone] = await compare([small]);
  const lines = alone!.length > 0 ? alone! : ["after the others, not alone:", ...found[at]!];
  const failing = found.filter((l) => l.length > 0).length;
  const json = JSON.stringify({ ...small, x: small.x.map(String), f: small.f.map(String) });
  throw new Error(
    `${failing} of ${all.length} sequences differ (wanted and got); number ${at}, shrunk:\n${lines.join("\n")}\n${listing(small)}\n${json}`,
  );
}

const given = process.env["SABRE_SEED"] ?? "20261121";
const seed = given === "random" ? Date.now() % 2 ** 31 : Number(given);
const random = (from: fc.Arbitrary<Sequence>, count: number): Sequence[] => fc.sample(from, { numRuns: count, seed });

async function onRandom(compare: Compare, all: readonly Sequence[], count: number): Promise<void> {
  try {
    await expectSame(compare, all);
  } catch (e) {
    throw new Error(`SABRE_SEED=${seed} SABRE_SEQUENCES=${count}: ${(e as Error).message}`);
  }
}

const forReference = sequences(known);
/** Of one length: the first of what the interpreter is compared with the reference on, and as many of all kinds. */
const samples = new Map<number, readonly Sequence[]>();
function forEngines(count: number): readonly Sequence[] {
  let all = samples.get(count);
  const half = Math.ceil(count / 2);
  if (all === undefined)
    samples.set(count, (all = [...random(forReference, half), ...random(sequences(runnable, 24, "anywhere"), half)]));
  return all;
}

describe("--jit off", () => {
  const compare = withReference(interpreter);
  const count = countFor(interpreter);
  test("cases that once failed leave the reference's state", () => expectSame(compare, kept), 120_000);
  test(
    `${count} random sequences leave the reference's state`,
    () => onRandom(compare, random(forReference, count), count),
    900_000,
  );
});

for (const way of [...eagerWays, mixed])
  describe(`--jit ${way.name}`, () => {
    const compare = withInterpreter(way);
    const count = countFor(way);
    test("cases that once failed leave the interpreter's state", () => expectSame(compare, kept), 120_000);
    test(
      `${count} random sequences leave the interpreter's state`,
      () => onRandom(compare, forEngines(count), count),
      900_000,
    );
  });
