// Every system call with hostile arguments: pointers to nothing, to what may not be written, to the emulator's own
// memory; lengths without end; descriptors of the wrong kind. An errno or a result comes back, what is not the guest's
// stays as it is, and the emulator lives. Once by calls made in a process of its own (../tools/hostile.ts), which could
// end by them, and once by a guest program.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { callRows } from "../../src/linux/table.ts";
import { buildGuest } from "../tools/guest.ts";
import { finish, sabreCommand } from "../tools/sabre.ts";

/** Sequences of up to five calls for each row of the table, and a thousandth of a guest program's calls. */
const runs = Number(process.env["SABRE_HOSTILE_RUNS"] ?? 12);
const seed = Number(process.env["SABRE_HOSTILE_SEED"] ?? 20261121);
const timeout = 100_000 + runs * 5000;

/** Gives a command System V objects and message queues of its own, since it makes and removes what it meets. */
const apart = [["--ipc"], ["--user", "--map-current-user", "--ipc"]]
  .map((words) => ["unshare", ...words])
  .find((command) => Bun.spawnSync([...command, "true"]).success);
const survivors = apart === undefined ? test.skip : test;

let room = "";
beforeAll(() => {
  room = mkdtempSync(join(tmpdir(), "sabre-hostile-"));
});
afterAll(() => rmSync(room, { recursive: true, force: true }));

/** An empty directory. */
function folder(name: string): string {
  mkdirSync(join(room, name));
  return join(room, name);
}

survivors(
  "every system call survives hostile arguments",
  async () => {
    const log = join(room, "log");
    const tool = join(import.meta.dir, "../tools/hostile.ts");
    // In a session of its own: the calls reach a process group and a terminal.
    const command = [...apart!, "setsid", "--wait", process.execPath, tool, `${seed}`, `${runs}`, log];
    const { stdout, stderr, ...end } = await finish(command, { cwd: folder("calls"), timeout });
    const last = readFileSync(log, "latin1").trim();
    expect({ stderr, ...end, seed, last }).toEqual({ stderr: "", status: 0, signal: null, seed, last });
    const made = JSON.parse(stdout) as { readonly calls: number; readonly rows: number };
    expect(made.rows).toBe(callRows().length);
    expect(made.calls).toBeGreaterThanOrEqual(2 * runs * made.rows);
  },
  timeout,
);

survivors(
  "a program that makes random system calls comes to its end",
  async () => {
    // A copy: the program may change its own file.
    const program = join(room, "hostile");
    copyFileSync(buildGuest("hostile.c"), program);
    const one = seed % 10000;
    const words = ["run", "-d", "none", program, `${one}`, `${runs * 1000}`];
    const { status, signal } = await finish([...apart!, ...sabreCommand(...words)], { cwd: folder("guest"), timeout });
    expect({ status, signal, seed: one }).toEqual({ status: (one % 100) + 3, signal: null, seed: one });
  },
  timeout,
);
