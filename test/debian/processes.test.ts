// Shells, make, python and perl of Debian trixie's riscv64 port with children, pipes, jobs and signals. What they are to
// print is what the same scripts print on x86-64 Linux: scripts/*.txt.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { finish, sabreCommand } from "../tools/sabre.ts";
import { trixieRoot } from "../tools/trixie.ts";

const packages = [
  "base-files",
  "libc-bin",
  "busybox",
  "bash",
  "dash",
  "make",
  "coreutils",
  "diffutils",
  "findutils",
  "grep",
  "sed",
  "python3",
  "perl",
];
const scripts = join(import.meta.dir, "scripts");

interface Case {
  readonly name: string;
  /** In the root's usr/bin. */
  readonly program: string;
  readonly args: readonly string[];
  /** The script that `args` name: beside it is what it prints. */
  readonly script: string;
}

const cases: readonly Case[] = [
  { name: "bash: pipelines, subshells, traps, jobs", program: "bash", args: [], script: "jobs.bash" },
  { name: "dash: pipelines, subshells, traps", program: "dash", args: [], script: "jobs.sh" },
  { name: "busybox sh: the same", program: "busybox", args: ["sh"], script: "jobs.sh" },
  { name: "make -j2", program: "make", args: ["-s", "-j2", "-f"], script: "make/Makefile" },
  { name: "perl: fork, pipes, exec", program: "perl", args: [], script: "processes.pl" },
  { name: "python3: threads, processes, asyncio", program: "python3", args: [], script: "processes.py" },
];

let root = "";
beforeAll(async () => {
  root = await trixieRoot("riscv64", packages);
}, 300_000);

const made: string[] = [];
afterAll(() => {
  for (const folder of made) rmSync(folder, { recursive: true, force: true });
});

async function run(jit: string, { program, args, script }: Case) {
  const home = mkdtempSync(join(tmpdir(), "sabre-"));
  made.push(home);
  // Not the home folder itself: Bun puts files of its own there.
  const cwd = join(home, "work");
  mkdirSync(cwd);
  const words = ["run", "--jit", jit, "-L", root, join(root, "usr/bin", program), ...args, join(scripts, script)];
  const env = { PATH: "/usr/bin:/bin", LC_ALL: "C", HOME: home, PYTHONDONTWRITEBYTECODE: "1" };
  const outcome = await finish(sabreCommand(...words), { cwd, env, timeout: 110_000 });
  return { ...outcome, stdout: outcome.stdout.replaceAll(cwd, "DIR") };
}

describe.each(["auto", "off"])("with --jit %s", (jit) => {
  test.each(cases)("$name", async (c) => {
    const wanted = await Bun.file(join(scripts, `${c.script}.txt`)).text();
    expect(await run(jit, c)).toMatchObject({ stdout: wanted, status: 0, signal: null });
  });
});
