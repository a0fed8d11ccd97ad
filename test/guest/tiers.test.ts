// What holds of the compiling tiers as a whole: they count what the interpreter counts, and a program that makes code
// without end does not make them grow. SABRE_GENERATIONS sets how much code the latter makes; 3000 takes some minutes.
import { describe, expect, test } from "bun:test";
import { engines, ways } from "../tools/engines.ts";
import { buildGuest } from "../tools/guest.ts";
import { sabreCommand } from "../tools/sabre.ts";

interface Figures {
  readonly instructions: number;
  readonly codeCache?: { readonly regions: number; readonly compiled: number; readonly dropped: number };
}

/** Runs a program; its figures, and the most memory that sabre held, in MB. */
async function measured(jit: string, env: Readonly<Record<string, string | undefined>>, ...words: string[]) {
  const child = Bun.spawn(sabreCommand("run", "--jit", jit, "--stats=json", ...words), {
    stdout: "pipe",
    stderr: "pipe",
    // The environment is on the guest's stack, and searching it is counted: it has the same names and lengths for all.
    env: { PATH: "/usr/bin:/bin", SABRE_HEAT: "9999", ...env },
  });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  expect([await child.exited, stdout]).toEqual([0, "ok\n"]);
  return { ...(JSON.parse(stderr) as Figures), megabytes: child.resourceUsage()!.maxRSS / 2 ** 20 };
}

/** Any of a length. */
const heats = ["9999", "0001", "0050"];

for (const file of ["counting.c", "integers.c", "escape.c", "switches.c"])
  test(`${file} executes as many instructions in every engine`, async () => {
    const program = buildGuest(file);
    const wanted = (await measured("off", {}, program)).instructions;
    for (const jit of engines)
      for (const SABRE_HEAT of heats) {
        const { instructions } = await measured(jit, { SABRE_HEAT }, program);
        expect([jit, SABRE_HEAT, instructions]).toEqual([jit, SABRE_HEAT, wanted]);
      }
  });

// Functions that are compiled together call each other directly: with a heat of 1 each would be compiled alone.
for (const heat of ["3", "100", "1500"])
  for (const jit of ["js", "wasm"])
    test(`a changed function on another page is called anew, --jit ${jit} with heat ${heat}`, async () => {
      const child = Bun.spawn(sabreCommand("run", "--jit", jit, buildGuest("callee.S", "freestanding")), {
        stdout: "pipe",
        env: { ...process.env, SABRE_HEAT: heat },
      });
      expect([await child.stdout.text(), await child.exited]).toEqual(["420000\n", 0]);
    });

test("a program whose heat is spread is compiled when it has run for long, one with a hot loop at once", async () => {
  const program = buildGuest("spread.c");
  const regionsOf = async (...words: string[]) => {
    const { instructions, codeCache } = await measured("auto", { SABRE_HEAT: undefined }, program, ...words);
    return { instructions, compiled: codeCache?.compiled ?? 0 };
  };
  const brief = await regionsOf("spread", "60000");
  expect(brief.instructions).toBeWithin(30e6, 80e6);
  expect(brief.compiled).toBe(0);
  const long = await regionsOf("spread", "200000");
  expect(long.instructions).toBeGreaterThan(100e6);
  expect(long.compiled).toBeGreaterThan(0);
  const loop = await regionsOf("loop", "500000");
  expect(loop.instructions).toBeLessThan(20e6);
  expect(loop.compiled).toBeGreaterThan(0);
});

describe("a program that makes code without end", () => {
  const few = 30;
  const many = Number(process.env["SABRE_GENERATIONS"] ?? 300);
  /** Megabytes that more generations may add: garbage that the engine has not collected yet. */
  const slack = 200;
  for (const { jit, name, env } of ways.filter((way) => way.jit !== "off"))
    test(`keeps the memory of --jit ${name} bounded`, async () => {
      const program = buildGuest("generations.c");
      const some = await measured(jit, env, program, String(few));
      const more = await measured(jit, env, program, String(many));
      expect(more.megabytes).toBeLessThan(some.megabytes + slack);
      expect(more.codeCache?.regions ?? 0).toBeLessThan(500);
    });
});
