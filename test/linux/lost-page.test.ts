// A file that is mapped is made shorter by another process of the host: the guest gets SIGBUS, and the emulator lives.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildGuest } from "../tools/guest.ts";
import { sabreCommand } from "../tools/sabre.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sabre-lost-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const pageBytes = 4096;

/** Runs the program, shortens its file when it is ready, and gives what came of it. */
async function lose(jit: string, ...words: string[]) {
  const file = join(folder, [jit, ...words].join("-"));
  writeFileSync(file, Buffer.alloc(16 * pageBytes, "x"));
  const command = sabreCommand("run", "--jit", jit, buildGuest("lost-page.c"), file, ...words);
  const child = Bun.spawn(command, { stdio: ["ignore", "pipe", "pipe"], timeout: 30_000, killSignal: "SIGKILL" });
  let said = "";
  for await (const bytes of child.stdout) {
    said += Buffer.from(bytes).toString();
    if (said === "ready\n") truncateSync(file, pageBytes);
  }
  await child.exited;
  return { said, stderr: await child.stderr.text(), status: child.exitCode, signal: child.signalCode };
}

for (const jit of ["off", "js", "auto"])
  for (const how of ["shared", "private"]) {
    test(`${how}, --jit ${jit}: kills a program that does not handle SIGBUS`, async () => {
      const { stderr, signal } = await lose(jit, how);
      expect(stderr).toMatch(/killed by SIGBUS at pc 0x[0-9a-f]+ <main\+0x[0-9a-f]+>, fault address 0x[0-9a-f]+000\n$/);
      expect(signal).toBe("SIGBUS");
    });
    test(`${how}, --jit ${jit}: is a signal to one that does`, async () => {
      expect(await lose(jit, how, "handle")).toEqual({ said: "ready\ninside\n", stderr: "", status: 3, signal: null });
    });
  }
