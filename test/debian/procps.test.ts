// ps, pgrep, pkill, pstree and top of Debian trixie's riscv64 port look at guest processes. What they are to say is what they
// say on x86-64 Linux: scripts/procps.bash.txt.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { finish, sabreCommand } from "../tools/sabre.ts";
import { trixieRoot } from "../tools/trixie.ts";

const packages = ["base-files", "libc-bin", "bash", "coreutils", "grep", "procps", "psmisc"];
const script = join(import.meta.dir, "scripts/procps.bash");

let [root, cwd] = ["", ""];
beforeAll(async () => {
  root = await trixieRoot("riscv64", packages);
}, 300_000);
const made: string[] = [];
afterAll(() => {
  for (const folder of made) rmSync(folder, { recursive: true, force: true });
});

// One engine: it is the kernel's side that is asked.
test("guests are seen as processes are on Linux", async () => {
  made.push((cwd = mkdtempSync(join(tmpdir(), "sabre-"))));
  const command = sabreCommand("run", "-L", root, join(root, "usr/bin/bash"), script);
  const env = { PATH: "/usr/bin:/bin", LC_ALL: "C", HOME: cwd, TERM: "dumb" };
  const { stdout, stderr, status } = await finish(command, { cwd, env, timeout: 110_000 });
  expect({ stdout, stderr, status }).toEqual({
    stdout: await Bun.file(`${script}.txt`).text(),
    stderr: expect.stringMatching(/^(.*\d+ (Killed|Terminated) .*\n)*$/),
    status: 0,
  });
}, 120_000);
