// Programs of test/guest/ about signals assert themselves: on the host's kernel, which proves them, and here.
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { engines } from "../tools/engines.ts";
import { buildGuest, buildNative } from "../tools/guest.ts";
import { finish, sabre, sabreCommand } from "../tools/sabre.ts";

const passed = { stdout: "ok\n", stderr: "", status: 0, signal: null };

test("signals.c is right about Linux", async () => {
  expect(await finish([buildNative("signals.c")])).toEqual(passed);
});

for (const engine of engines)
  describe(`with --jit ${engine}`, () => {
    test("signals.c runs as on Linux", async () => {
      expect(await sabre(["run", "--jit", engine, buildGuest("signals.c")])).toEqual(passed);
    });

    for (const args of [[], ["child"]])
      test(`a guest ${args.length > 0 ? "with a child " : ""}that stops itself stops the emulator, until somebody continues that`, async () => {
        const command = sabreCommand("run", "--jit", engine, buildGuest("stops.c"), ...args);
        const child = Bun.spawn(command, { stdout: "pipe", stderr: "ignore" });
        while (!/^State:\s*T/m.test(readFileSync(`/proc/${child.pid}/status`, "latin1"))) await Bun.sleep(1);
        child.kill("SIGCONT");
        expect(await child.stdout.text()).toBe("before\nafter\n");
        expect(await child.exited).toBe(3);
      });
  });
