// The memory model across workers: litmus.c, on the host, where C's atomics prove it, and here on every engine, as users have it
// and with everything compiled. Its threads are at different tiers while it warms up. `SABRE_SOAK=1` runs a hundred times as many instances.
import { expect, test } from "bun:test";
import { ways } from "../tools/engines.ts";
import { buildGuest, buildNative } from "../tools/guest.ts";
import { finish, sabreCommand } from "../tools/sabre.ts";

const soak = process.env["SABRE_SOAK"] !== undefined;
/** Of each of some eighty tests. */
const instances = soak ? "400000" : "4000";
const patience = soak ? 1_200_000 : 60_000;
const passed = { stdout: "ok\n", stderr: "", status: 0, signal: null };

test(
  "litmus.c is right about the host",
  async () => {
    expect(await finish([buildNative("litmus.c"), instances], { timeout: patience })).toEqual(passed);
  },
  patience,
);

for (const { name, jit, env } of ways)
  test(
    `no outcome that RVWMO forbids appears, and no atomic change is lost, with --jit ${name}`,
    async () => {
      const command = sabreCommand("run", "--jit", jit, buildGuest("litmus.c"), instances);
      expect(await finish(command, { env, timeout: patience })).toEqual(passed);
    },
    patience,
  );
