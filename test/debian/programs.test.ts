// Unmodified programs of Debian trixie's riscv64 port print here what they print under qemu-riscv64, byte for byte, with
// every engine: as users have it, and compiling at once. To compile all of a large program takes up to a minute, so these
// compile what is warm; SABRE_EAGER=1 compiles all of all programs in all engines (half an hour on two processors).
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eagerWays, engines, type Way } from "../tools/engines.ts";
import { finish, sabreCommand } from "../tools/sabre.ts";
import { trixieQemu, trixieRoot } from "../tools/trixie.ts";
import { applets } from "./applets.ts";

const packages = [
  "base-files",
  "libc-bin",
  "busybox",
  "lua5.4",
  "sqlite3",
  "gawk",
  "bc",
  "python3",
  "perl",
  "bash",
  "coreutils",
];
const scripts = join(import.meta.dir, "scripts");

/** A program of the root, its arguments and its standard input. `DIR` stands for a fresh folder, the working directory. */
interface Case {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly stdin?: string;
  /** Files of the fresh folder, by name. */
  readonly files?: Readonly<Record<string, string>>;
}

const script = (file: string): string => join(scripts, file);

const programs: readonly Case[] = [
  { name: "lua: a script", program: "usr/bin/lua5.4", args: [script("tour.lua"), "tour.txt"] },
  { name: "lua: standard input", program: "usr/bin/lua5.4", args: ["-"], stdin: "print(_VERSION, 6*7)" },
  { name: "sqlite3: a database file", program: "usr/bin/sqlite3", args: ["tour.db", ".read " + script("tour.sql")] },
  {
    name: "gawk: a script",
    program: "usr/bin/gawk",
    args: ["-f", script("tour.awk"), "words.txt"],
    files: {
      "words.txt": Array.from({ length: 500 }, (_, i) => `alpha${i % 7} ${(i * 37) % 101} beta${i % 3}\n`).join(""),
    },
  },
  { name: "bc: a script", program: "usr/bin/bc", args: ["-l", script("tour.bc")], stdin: "" },
  { name: "python3: a script", program: "usr/bin/python3", args: [script("tour.py")] },
  { name: "python3: -c pass", program: "usr/bin/python3", args: ["-c", "pass"] },
  { name: "perl: a script", program: "usr/bin/perl", args: [script("tour.pl"), "tour.txt"] },
  { name: "bash: built-in commands", program: "usr/bin/bash", args: [script("tour.bash"), "one", "two words"] },
  { name: "sha512sum", program: "usr/bin/sha512sum", args: [script("tour.py"), script("tour.lua")] },
  {
    name: "sort",
    program: "usr/bin/sort",
    args: ["-k2n", "-r", "numbers.txt"],
    files: { "numbers.txt": "a 3\nb 1\nc 20\n" },
  },
  { name: "factor", program: "usr/bin/factor", args: ["600851475143", "18446744073709551557", "97"] },
  { name: "ls -la of a folder", program: "usr/bin/ls", args: ["-1", "--color=never", "-a"], files: { x: "", y: "1" } },
  { name: "a missing file", program: "usr/bin/cat", args: ["/no/such/file"] },
];

let root = "";
let qemu = "";

beforeAll(async () => {
  root = await trixieRoot("riscv64", packages);
  qemu = await trixieQemu();
}, 300_000);

const made: string[] = [];
afterAll(() => {
  for (const folder of made) rmSync(folder, { recursive: true, force: true });
});

/** Runs one case, in a folder of its own that has the same name under every emulator. */
async function run(command: readonly string[], c: Case, env: Readonly<Record<string, string>> = {}) {
  const parent = mkdtempSync(join(tmpdir(), "sabre-"));
  made.push(parent);
  const cwd = parent;
  for (const [name, content] of Object.entries(c.files ?? {})) await Bun.write(join(cwd, name), content);
  const outcome = await finish([...command, join(root, c.program), ...c.args], {
    cwd,
    env: { TOUR: "there", PYTHONDONTWRITEBYTECODE: "1", ...env },
    timeout: 300_000,
    ...(c.stdin !== undefined && { stdin: c.stdin }),
  });
  const same = (text: string) => text.replaceAll(parent, "DIR").replaceAll(root, "");
  return { ...outcome, stdout: same(outcome.stdout), stderr: same(outcome.stderr) };
}

/** What the reference says of a case: every engine is compared with the same. */
const wanted = new Map<Case, ReturnType<typeof run>>();
function reference(c: Case): ReturnType<typeof run> {
  let outcome = wanted.get(c);
  if (outcome === undefined) wanted.set(c, (outcome = run([qemu, "-L", root], c)));
  return outcome;
}

async function same(c: Case, jit: Way["jit"], env: Way["env"]): Promise<void> {
  const expected = await reference(c);
  expect(expected.stderr).not.toContain("applet not found");
  expect(await run(sabreCommand("run", "--jit", jit, "-L", root), c, env)).toEqual(expected);
}

const ofBusybox = applets.map(
  (a): Case => ({
    name: `busybox ${a.args.join(" ").slice(0, 40)}`,
    program: "usr/bin/busybox",
    ...a,
  }),
);

const everything = process.env["SABRE_EAGER"] !== undefined;
const quick: ReadonlySet<string> = new Set(["lua: standard input", "sha512sum", "sort", "factor", "a missing file"]);
const warm = { SABRE_HEAT: "500" } as const;
/** Even so they take many seconds: the default engine alone compiles them. */
const long: ReadonlySet<string> = new Set([
  "python3: a script",
  "python3: -c pass",
  "perl: a script",
  "sqlite3: a database file",
]);

// What runs a short while is hardly compiled where engines wait as they do for users: the default one stands for all.
for (const jit of engines.filter((engine) => engine === "off" || engine === "auto"))
  describe(`--jit ${jit}`, () => {
    for (const c of [...programs, ...ofBusybox]) test(c.name, () => same(c, jit, {}), 120_000);
  });

for (const { name, jit, env } of eagerWays)
  describe(`--jit ${name}`, () => {
    for (const c of programs.filter((p) => everything || jit === "auto" || !long.has(p.name))) {
      const heat = everything || quick.has(c.name) ? env : warm;
      test(`${c.name}${heat === warm ? ", what is warm" : ""}`, () => same(c, jit, heat), 300_000);
    }
    for (const c of everything ? ofBusybox : []) test(c.name, () => same(c, jit, env), 120_000);
  });
