// A program of test/guest/ about sockets, polls and timers asserts itself: on the host's kernel, which proves it, and here.
import { expect, test } from "bun:test";
import { engines } from "../tools/engines.ts";
import { buildGuest, buildNative } from "../tools/guest.ts";
import { finish, sabre } from "../tools/sabre.ts";

const passed = { stdout: "ok\n", stderr: "", status: 0, signal: null };

test("sockets.c is right about Linux", async () => {
  expect(await finish([buildNative("sockets.c")])).toEqual(passed);
});

for (const engine of engines)
  test(`sockets.c runs as on Linux with --jit ${engine}`, async () => {
    expect(await sabre(["run", "--jit", engine, buildGuest("sockets.c")])).toEqual(passed);
  });
