// What is done so that a debugger slows little down: compiled code that works beside what is watched, and steps through ranges that are
// compiled. They must find what slow ways find.
import { describe, expect, test } from "bun:test";
import { buildGuest } from "../tools/guest.ts";
import { type Client, debugging, hex, number, symbolOf } from "./client.ts";

const program = buildGuest("../gdb/neighbours.c", "static", "-O2");
const limit = 60_000;
const engines = ["off", "js", "wasm"] as const;
const [ra, a0, pc] = ["1", "a", "20"] as const;
const rounds = 20_000;
/** Everything is compiled at once. */
const soon = { SABRE_HEAT: "1" };

const register = async (c: Client, n: string): Promise<number> => Number(number(await c.ask(`p${n}`)));
const word = async (c: Client, name: string): Promise<number> =>
  Number(number(await c.ask(`m${hex(symbolOf(program, name))},8`)));

async function goTo(c: Client, address: number): Promise<void> {
  await c.ask(`Z0,${hex(address)},2`);
  expect(await c.ask("vCont;c")).toMatch(/^T05/);
  expect(await register(c, pc)).toBe(address);
  await c.ask(`z0,${hex(address)},2`);
}

/** The addresses of a function. */
function rangeOf(name: string): readonly [number, number] {
  const table = Bun.spawnSync(["riscv64-linux-gnu-nm", "-S", program]).stdout.toString();
  const line = table.split("\n").find((l) => l.endsWith(` ${name}`));
  const [from, length] = line!.split(" ").map((text) => Number.parseInt(text, 16));
  return [from!, from! + length!];
}

describe("watched memory in a page that is written all the time", () => {
  const target = symbolOf(program, "fields") + 64;
  for (const jit of engines)
    test(
      `stops for each access to it, and for no other: ${jit}`,
      () =>
        debugging(
          [program, String(rounds)],
          async ({ client: c }) => {
            await c.ask(`Z2,${hex(target)},8`);
            // Nothing in the first function.
            const straddling = symbolOf(program, "straddling");
            await goTo(c, straddling);
            expect(await c.ask(`m${hex(target)},8`)).toBe("0".repeat(16));
            for (let i = 1; i <= 5; i++) {
              expect(await c.ask("vCont;c")).toContain(`watch:${hex(target + 7)};`);
              expect(await word(c, "round_number")).toBe(1000 * i - 1);
            }
            await c.ask(`z2,${hex(target)},8`);
            await goTo(c, symbolOf(program, "indexed"));
            await c.ask(`Z2,${hex(target)},8`);
            for (const round of [1999, 3999, 4999, 5999, 7999, 9999, 9999]) {
              expect(await c.ask("vCont;c")).toContain(`watch:${hex(target)};`);
              expect(await word(c, "round_number")).toBe(round);
            }
          },
          { options: ["--jit", jit], env: soon },
        ),
      limit,
    );
  for (const jit of engines)
    test(
      `stops for reads of it where these are watched: ${jit}`,
      () =>
        debugging(
          [program, String(rounds)],
          async ({ client: c }) => {
            await goTo(c, symbolOf(program, "around"));
            await c.ask(`Z2,${hex(target - 4)},1`);
            // Far in the loop, so that it is compiled; the byte is that of the store of 4 and of that of 8 bytes.
            for (let i = 0; i < 4; i++) {
              expect(await c.ask("vCont;c")).toContain(`watch:${hex(target - 4)};`);
              expect(await word(c, "round_number")).toBe(Math.floor(i / 2));
            }
            await c.ask(`z2,${hex(target - 4)},1`);
            await c.ask(`Z3,${hex(target)},8`);
            for (let i = 2; i < 2000; i++) {
              const reply = await c.ask("vCont;c");
              if (!reply.includes(`rwatch:${hex(target)};`)) throw new Error(`${i}: ${reply}`);
            }
            expect(await word(c, "round_number")).toBe(1998);
          },
          { options: ["--jit", jit], env: soon },
        ),
      limit,
    );
});

describe("a step through a range that loops", () => {
  for (const jit of engines)
    test(
      `ends where the range does, and stops within at breakpoints and watched memory: ${jit}`,
      () =>
        debugging(
          [program, String(rounds)],
          async ({ client: c }) => {
            const [from, to] = rangeOf("line");
            const helper = symbolOf(program, "helper");
            await goTo(c, from);
            const back = await register(c, ra);
            const step = `vCont;r${hex(from)},${hex(to)}:-1`;
            // Out by a call, in the middle.
            expect(await c.ask(step)).toMatch(/^T05/);
            expect(await register(c, pc)).toBe(helper);
            await goTo(c, await register(c, ra));
            const sum = symbolOf(program, "sum");
            await c.ask(`Z2,${hex(sum)},8`);
            for (let i = 0; i < 3; i++) expect(await c.ask(step)).toContain(`watch:${hex(sum)};`);
            const store = await register(c, pc);
            await c.ask(`z2,${hex(sum)},8`);
            await c.ask(`Z0,${hex(store)},2`);
            for (let i = 0; i < 3; i++) {
              expect(await c.ask(step)).toMatch(/^T05/);
              expect(await register(c, pc)).toBe(store);
            }
            await c.ask(`z0,${hex(store)},2`);
            expect(await c.ask(step)).toMatch(/^T05/);
            expect(await register(c, pc)).toBe(back);
            const lowest = Number.parseInt((await c.ask(`p${a0}`)).slice(0, 2), 16);
            expect((await c.ask("vCont;c")).slice(0, 3)).toBe(`W${hex(lowest & 63).padStart(2, "0")}`);
          },
          { options: ["--jit", jit], env: soon },
        ),
      limit,
    );
});
