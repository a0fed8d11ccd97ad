// ELF files with wrong bytes in their headers, and parts of such files: each runs in some way, or is refused in one line.
// Never is there an exception of sabre's own, and never a hang before the program's first instruction.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { buildGuest, crossSysroot } from "../tools/guest.ts";
import { sabre } from "../tools/sabre.ts";

const runs = Number(process.env["SABRE_MUTATION_RUNS"] ?? 40);

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sabre-mutated-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const programs = {
  static: readFileSync(buildGuest("cli.c")),
  dynamic: readFileSync(buildGuest("cli.c", "dynamic")),
};

// Offset and size of the fields of the file's header, of a program header, of a section header.
const fields = {
  file: [
    ...[4, 5, 6, 7].map((at) => [at, 1] as const),
    ...([
      [16, 2],
      [18, 2],
      [20, 4],
      [24, 8],
      [32, 8],
      [40, 8],
      [48, 4],
    ] as const),
    ...[52, 54, 56, 58, 60, 62].map((at) => [at, 2] as const),
  ],
  program: [[0, 4], [4, 4], ...[8, 16, 24, 32, 40, 48].map((at) => [at, 8] as const)],
  section: [
    [0, 4],
    [4, 4],
    [8, 8],
    [16, 8],
    [24, 8],
    [32, 8],
    [40, 4],
    [44, 4],
    [48, 8],
    [56, 8],
  ],
} as const;

const value = fc.oneof(
  fc.constantFrom(0n, 1n, 2n, 3n, 7n, 0xfffn, 0x1001n, 0xffffn, 0x10000n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 4096n),
  fc.constantFrom(2n ** 32n, 2n ** 38n, 2n ** 47n, 2n ** 63n, 2n ** 64n - 4096n, 2n ** 64n - 1n),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
);

/** Changes the bytes of a file; answers what is left of it. */
type Mutation = (file: Buffer) => Buffer;

const put = (file: Buffer, at: number, size: number, n: bigint): Buffer => {
  for (let i = 0; i < size; i++) if (at + i < file.length) file[at + i] = Number((n >> BigInt(8 * i)) & 255n);
  return file;
};

const inTable =
  (table: "program" | "section", index: number, field: number, n: bigint): Mutation =>
  (file) => {
    const [start, entry] = table === "program" ? [32, 56] : [40, 64];
    const [offset, size] = fields[table][field % fields[table].length]!;
    const count = file.length < 64 ? 1 : file.readUInt16LE(table === "program" ? 56 : 60);
    const first = file.length < 64 ? 64 : Number(file.readBigUInt64LE(start) % 2n ** 40n);
    return put(file, first + entry * (index % Math.max(count, 1)) + offset, size, n);
  };

const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.tuple(fc.constantFrom(...fields.file), value).map(
    ([[at, size], n]) =>
      (file: Buffer) =>
        put(file, at, size, n),
  ),
  fc.tuple(fc.nat(20), fc.nat(20), value).map(([index, field, n]) => inTable("program", index, field, n)),
  fc.tuple(fc.nat(60), fc.nat(20), value).map(([index, field, n]) => inTable("section", index, field, n)),
  fc.tuple(fc.nat(2 ** 20), fc.nat(255)).map(
    ([at, n]) =>
      (file: Buffer) =>
        put(file, at % file.length, 1, BigInt(n)),
  ),
  fc.nat(2 ** 20).map((length) => (file: Buffer) => file.subarray(0, 1 + (length % file.length))),
);

const timeout = 60_000 + runs * 10_000;
/** What a program that was let loose may take. */
const patience = 5000;

test(
  "a mutated program ends, or is refused in one line",
  async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom("static" as const, "dynamic" as const),
        fc.array(mutation, { minLength: 1, maxLength: 4 }),
        fc.constantFrom("run", "disasm"),
        async (kind, mutations, command) => {
          const file = join(folder, "program");
          writeFileSync(
            file,
            mutations.reduce<Buffer>((bytes, mutate) => mutate(bytes), Buffer.from(programs[kind])),
            {
              mode: 0o755,
            },
          );
          const begun = join(folder, "begun");
          rmSync(begun, { force: true });
          const words =
            command === "run"
              ? ["run", "-L", crossSysroot, "-d", "in_asm", "-D", begun, file, "exit", "3"]
              : ["disasm", file];
          const end = await sabre(words, { timeout: patience });
          expect(end.stderr).not.toMatch(/^ {4,}at |Error:|Bun v|panic/m);
          // A program that has begun may end in any way, and loop for ever.
          if (existsSync(begun) && statSync(begun).size > 0) return;
          expect(end.signal).not.toBe("SIGKILL");
          // Its very first instruction may fault.
          if (command === "run" && end.signal === null) {
            expect(end.stderr).toMatch(/^sabre: [^\n]*\n$/);
            expect([126, 127]).toContain(end.status!);
          }
        },
      ),
      { numRuns: runs },
    );
  },
  timeout,
);
