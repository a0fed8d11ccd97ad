// Shells, make, python, perl, git, SQLite and other tools of Debian trixie's riscv64 port with children, threads, pipes, jobs,
// locks and signals. What they are to print is what the same scripts print on x86-64 Linux: scripts/*.txt.
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
  "git",
  "sqlite3",
  "tar",
  "gzip",
  "openssh-client",
  "bsdutils",
  "util-linux",
  "fzf",
  "ripgrep",
  "fd-find",
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
  { name: "python3: threads, processes, signals", program: "python3", args: [], script: "processes.py" },
  { name: "python3: asyncio", program: "python3", args: [], script: "loop.py" },
];

/** They take long, and are about the system more than about engines. */
const longer: readonly Case[] = [
  { name: "python3: multiprocessing", program: "python3", args: [], script: "pools.py" },
  { name: "git", program: "dash", args: [], script: "git.sh" },
  { name: "sqlite3: several writers", program: "dash", args: [], script: "sqlite.sh" },
  { name: "tools that start others; programs in Go and Rust", program: "bash", args: [], script: "tools.bash" },
];

let root = "";
beforeAll(async () => {
  root = await trixieRoot("riscv64", packages);
}, 300_000);

const made: string[] = [];
afterAll(() => {
  for (const folder of made) rmSync(folder, { recursive: true, force: true });
});

async function check(jit: string, { program, args, script }: Case): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), "sabre-"));
  made.push(home);
  // Not the home folder itself: Bun puts files of its own there.
  const cwd = join(home, "work");
  mkdirSync(cwd);
  const words = ["run", "--jit", jit, "-L", root, join(root, "usr/bin", program), ...args, join(scripts, script)];
  // Python keeps what it has compiled of its library in the root: without, each start of it takes several times as long.
  const env = { PATH: "/usr/bin:/bin", LC_ALL: "C", HOME: home };
  const outcome = await finish(sabreCommand(...words), { cwd, env, timeout: limit - 5000 });
  const stdout = await Bun.file(join(scripts, `${script}.txt`)).text();
  expect({ ...outcome, stdout: outcome.stdout.replaceAll(cwd, "DIR") }).toMatchObject({
    stdout,
    status: 0,
    signal: null,
  });
}

/** Milliseconds: the first run of Python compiles its library. */
const limit = 170_000;

describe.each(["auto", "off"])("with --jit %s", (jit) => {
  test.each(cases)("$name", (c) => check(jit, c), limit);
});

describe("with --jit auto", () => {
  test.each(longer)("$name", (c) => check("auto", c), limit);
});
