// The demo that the repository ships: its binary is what its source says, and it draws the same picture here as in qemu.
import { describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "../../examples/build.ts";
import { readElf, sectionBytes, sections } from "../../src/elf/file.ts";
import { isFileError, sourceOfBytes } from "../../src/elf/source.ts";
import { finish, sabreCommand } from "../tools/sabre.ts";

const shipped = join(import.meta.dir, "../../examples/demo");

const modes = {
  "without a terminal": {},
  "256 colours": { FORCE_COLOR: "1" },
  "24-bit colours": { FORCE_COLOR: "1", COLORTERM: "truecolor" },
  "no colours wanted": { FORCE_COLOR: "1", COLORTERM: "truecolor", NO_COLOR: "1" },
} as const;

async function pictureBy(emulator: readonly string[], program: string, env: Readonly<Record<string, string>>) {
  const { stdout, stderr, status } = await finish([...emulator, program], { env });
  expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
  return stdout;
}
const sabre = sabreCommand("run");
const qemu = ["qemu-riscv64"];

describe("the picture is qemu's, byte for byte", () => {
  for (const [name, env] of Object.entries(modes))
    test(name, async () => expect(await pictureBy(sabre, shipped, env)).toBe(await pictureBy(qemu, shipped, env)));
});

test("there are no escapes in the picture where nobody wants colours", async () => {
  for (const name of ["without a terminal", "no colours wanted"] as const)
    expect(await pictureBy(qemu, shipped, modes[name])).toMatch(/^([ -~]{80}\n){24}$/);
});

test("source and binary agree", async () => {
  const built = join(mkdtempSync(join(tmpdir(), "sabre-")), "demo");
  build(built);
  // Another compiler makes other code, which draws the same picture.
  if (compilerOf(built) === compilerOf(shipped)) expect(readFileSync(built).equals(readFileSync(shipped))).toBe(true);
  else
    for (const env of Object.values(modes))
      expect(await pictureBy(qemu, built, env)).toBe(await pictureBy(qemu, shipped, env));
});

test("the binary is a few KB", () => expect(readFileSync(shipped).length).toBeLessThan(16384));

/** What made a program, as its section .comment says. */
function compilerOf(program: string): string {
  const elf = readElf(sourceOfBytes(readFileSync(program), program));
  if (isFileError(elf)) throw new Error(elf.message);
  const comment = sections(elf).find((section) => section.name === ".comment");
  return Buffer.from((comment && sectionBytes(elf, comment)) ?? []).toString("latin1");
}

test("`bun run demo` draws the picture, then tells the figures of the run", async () => {
  const demo = [process.execPath, join(import.meta.dir, "../../examples/demo.ts")];
  const { stdout, stderr, status } = await finish(demo);
  expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
  expect(stdout).toStartWith(await pictureBy(qemu, shipped, {}));
  expect(stdout).toMatch(/\d+\.\d million instructions in \d+\.\d\d s, \d+ million a second; system calls: .*write/);
});
