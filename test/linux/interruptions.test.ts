// Signals and calls that sleep: programs of test/guest/ that assert themselves, on the host's kernel, which proves them, and
// here. `SABRE_SOAK=1` tries 100,000 random instants in place of 2,000.
import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildGuest, buildNative } from "../tools/guest.ts";
import { finish, type Outcome, sabreCommand } from "../tools/sabre.ts";

const passed = { stdout: "ok\n", stderr: "", status: 0, signal: null };
const rounds = process.env["SABRE_SOAK"] ? "100000" : "2000";
const patience = process.env["SABRE_SOAK"] ? 600_000 : 60_000;

const root = mkdtempSync(join(tmpdir(), "interruptions-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;

/** Runs a command in a new folder. */
function alone(...command: readonly string[]): Promise<Outcome> {
  const cwd = join(root, String(folders++));
  mkdirSync(cwd);
  return finish(command, { cwd, timeout: patience });
}

/** Reads nothing of what the command puts out for a while, and then counts it. */
const unread = (...command: readonly string[]): Promise<Outcome> =>
  alone("sh", "-c", '"$@" | { sleep 0.3; wc -c; }', "sh", ...command);

/** What runs a program: the host, or sabre with an engine. */
const ways: readonly (readonly [name: string, command: (file: string) => readonly string[]])[] = [
  ["on the host", (file) => [buildNative(file)]],
  ...["off", "auto"].map(
    (engine) =>
      [`with --jit ${engine}`, (file: string) => sabreCommand("run", "--jit", engine, buildGuest(file))] as const,
  ),
];

for (const [name, command] of ways)
  describe(name, () => {
    test("a read is made again after a handler that wrote what it waits for", async () => {
      expect(await alone(...command("self-pipe.c"))).toEqual(passed);
    }, 60_000);

    for (const seed of ["1", "2"])
      test(
        `${rounds} signals at random instants of calls that sleep are each handled once, seed ${seed}`,
        async () => {
          expect(await alone(...command("interruptions.c"), rounds, seed)).toEqual(passed);
        },
        patience,
      );

    test(
      `${rounds} signals and stops by another process, at random instants of calls that sleep, are as on Linux`,
      async () => {
        expect(await alone(...command("crossings.c"), rounds, "1")).toEqual(passed);
      },
      patience,
    );

    test("a signal that is ignored disturbs no call that sleeps", async () => {
      const outcome = { stdout: `${2 ** 21}\n`, stderr: "ok\n", status: 0, signal: null };
      expect(await unread(...command("undisturbed.c"))).toEqual(outcome);
    }, 60_000);
  });
