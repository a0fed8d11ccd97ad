// The programs of test/guest/ assert themselves. Each is proved where it can be: by the host's kernel and processor where
// its topic is not RISC-V's own, else by the reference emulator where that one is right. Then sabre must agree, on every
// engine. A row is one program; it gets an empty folder of its own to work in.
import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eagerWays, engines, ways } from "../tools/engines.ts";
import { buildGuest, buildNative, crossSysroot, type Flavour } from "../tools/guest.ts";
import { finish, type Outcome, sabreCommand } from "../tools/sabre.ts";

interface Row {
  readonly file: string;
  /** What else proves the program; "nothing" where the host is no RISC-V and the reference emulator knows less. */
  readonly proof: "host" | "reference" | "nothing";
  readonly flavours?: readonly Flavour[];
  readonly flags?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly stdout?: string;
  readonly status?: number;
}

const both: readonly Flavour[] = ["static", "dynamic"];
const began = "constructor 101, 2 arguments\nconstructor 102\nconstructor\n";
const ended = "atexit 2\natexit 1\ndestructor\ndestructor 101\n";

const rows: readonly Row[] = [
  // The processor.
  { file: "integers.c", proof: "nothing" },
  { file: "illegal.c", proof: "nothing" },
  { file: "fenv.c", proof: "host", flavours: both, flags: ["-frounding-math", "-fsignaling-nans"] },
  { file: "unaligned.c", proof: "host" },
  { file: "atomics.c", proof: "reference" },
  { file: "counters.c", proof: "nothing" },
  { file: "counting.c", proof: "nothing" },
  { file: "code.c", proof: "nothing" },
  { file: "patching.c", proof: "reference" },
  { file: "switches.c", proof: "reference" },
  { file: "generations.c", proof: "nothing", args: ["30"] },
  // Memory.
  { file: "mappings.c", proof: "host", flavours: both },
  { file: "large-mappings.c", proof: "host" },
  { file: "file-mappings.c", proof: "host" },
  { file: "frames.c", proof: "host" },
  { file: "stack.c", proof: "host", flavours: both },
  { file: "efault.c", proof: "host", flags: ["-w"] },
  { file: "escape.c", proof: "nothing" },
  { file: "repair.c", proof: "nothing" },
  // Signals.
  { file: "handlers.c", proof: "host", flavours: both },
  { file: "context.c", proof: "reference" },
  { file: "temporary-masks.c", proof: "host" },
  { file: "storm.c", proof: "host", flavours: both },
  // The kernel personality.
  { file: "files.c", proof: "host" },
  { file: "directories.c", proof: "host" },
  { file: "waiting.c", proof: "host" },
  { file: "local-sockets.c", proof: "host" },
  {
    file: "self.c",
    proof: "host",
    flavours: both,
    args: ["first", ""],
    env: { SABRE_TEST: "yes" },
  },
  // Threads.
  { file: "threads.c", proof: "host", flags: ["-pthread"] },
  { file: "rseq.c", proof: "host", flags: ["-pthread"] },
  { file: "snapshot.c", proof: "host", flags: ["-pthread"] },
  // Tracing.
  { file: "ptrace.c", proof: "host" },
  { file: "ptrace-events.c", proof: "host", flags: ["-pthread"] },
  { file: "cputime.c", proof: "host", flags: ["-pthread"] },
  { file: "task-dirs.c", proof: "host", flags: ["-pthread"] },
  // Processes and their relations.
  { file: "wait.c", proof: "host", flags: ["-pthread"] },
  { file: "jobs.c", proof: "host", flags: ["-pthread"] },
  { file: "groups.c", proof: "host" },
  { file: "ttys.c", proof: "host" },
  { file: "pidfds.c", proof: "host" },
  { file: "corners.c", proof: "host" },
  // Programs in place of others.
  { file: "exec.c", proof: "host", flavours: both, args: ["arguments"] },
  { file: "exec.c", proof: "host", flavours: both, args: ["state"] },
  { file: "exec.c", proof: "host", args: ["names"] },
  { file: "exec.c", proof: "host", args: ["scripts"] },
  { file: "exec.c", proof: "host", args: ["threads"] },
  { file: "spawn.c", proof: "host", flavours: both },
  // What processes share.
  { file: "sysv.c", proof: "host" },
  { file: "record-locks.c", proof: "host", flags: ["-pthread"] },
  { file: "shared-futexes.c", proof: "host", flags: ["-pthread"] },
  { file: "inherited-epoll.c", proof: "host" },
  { file: "peer-credentials.c", proof: "host" },
  { file: "async-signals.c", proof: "host", flags: ["-pthread"] },
  { file: "gives-back.c", proof: "host" },
  // The C library and the life of a program.
  { file: "start.c", proof: "reference", flavours: ["freestanding"], args: ["a"] },
  { file: "libc.c", proof: "host", flavours: both },
  { file: "exceptions.cc", proof: "host", flavours: both },
  {
    file: "life.c",
    proof: "host",
    flavours: both,
    args: ["return"],
    stdout: `${began}main return${ended}`,
    status: 42,
  },
  { file: "life.c", proof: "host", args: ["exit"], stdout: `${began}main exit${ended}`, status: 7 },
  { file: "life.c", proof: "host", args: ["_exit"], stdout: "", status: 8 },
  { file: "life.c", proof: "host", args: ["quick_exit"], stdout: "quick\n", status: 9 },
  { file: "life.c", proof: "host", args: ["thread-exit"], stdout: "", status: 10 },
];

const root = mkdtempSync(join(tmpdir(), "guest-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;

/** Runs a command in a new folder. */
async function alone(command: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Outcome> {
  const cwd = join(root, String(folders++));
  mkdirSync(cwd);
  return finish(command, { cwd, env });
}

const sabreRun = (engine: string, ...words: string[]): string[] =>
  sabreCommand("run", "--jit", engine, "-L", crossSysroot, ...words);

const titleOf = (row: Row): string => [row.file, ...(row.args ?? [])].join(" ").trim();
const expected = (row: Row): Outcome => ({
  stdout: row.stdout ?? "ok\n",
  stderr: "",
  status: row.status ?? 0,
  signal: null,
});

describe("proved elsewhere", () => {
  for (const row of rows) {
    const args = row.args ?? [];
    if (row.proof === "host")
      test(`${titleOf(row)} is right about Linux`, async () => {
        const program = buildNative(row.file, ...(row.flags ?? []));
        expect(await alone([program, ...args], row.env)).toEqual(expected(row));
      });
    if (row.proof === "reference")
      test(`${titleOf(row)} is right about RISC-V`, async () => {
        const program = buildGuest(row.file, row.flavours?.[0], ...(row.flags ?? []));
        expect(await alone(["qemu-riscv64", program, ...args], row.env)).toEqual(expected(row));
      });
  }
});

for (const way of ways)
  describe(`with --jit ${way.name}`, () => {
    // To compile everything takes its time: one flavour does, the Debian programs are dynamic.
    const flavoursOf = ({ flavours = ["static"] }: Row) => (eagerWays.includes(way) ? flavours.slice(0, 1) : flavours);
    for (const row of rows)
      for (const flavour of flavoursOf(row))
        test(`${titleOf(row)}, ${flavour}, runs as on Linux`, async () => {
          const program = buildGuest(row.file, flavour, ...(row.flags ?? []));
          const outcome = await alone(sabreRun(way.jit, program, ...(row.args ?? [])), { ...row.env, ...way.env });
          expect(outcome).toEqual({ ...expected(row), stderr: "" });
        }, 60_000);
  });

/** Seeds of random-mappings.c; other seeds: SABRE_SEEDS="7 8 9". */
const seeds = (process.env["SABRE_SEEDS"] ?? "1 3 5 8").split(" ");

for (const engine of engines)
  for (const seed of seeds)
    test(`random operations on mappings, seed ${seed}, answer as on Linux with --jit ${engine}`, async () => {
      const args = [seed, "400"];
      const there = await alone([buildNative("random-mappings.c"), ...args]);
      expect(there.status).toBe(0);
      expect(await alone(sabreRun(engine, buildGuest("random-mappings.c"), ...args))).toEqual(there);
    });

for (const engine of engines)
  test(`processes give back the host's descriptors, and get along without more, with --jit ${engine}`, async () => {
    const command = sabreRun(engine, buildGuest("gives-back.c"), "few");
    const outcome = await alone(["sh", "-c", 'ulimit -n 400; exec "$@"', "sh", ...command]);
    expect(outcome).toEqual({ stdout: "ok\n", stderr: "", status: 0, signal: null });
  }, 60_000);

interface Death {
  readonly how: string;
  /** The host knows no such way. */
  readonly riscv?: true;
  readonly signal: number;
  /** What sabre says; undefined where silence is usual. */
  readonly says: RegExp | undefined;
}

const place = "at pc 0x[0-9a-f]+";
const deaths: readonly Death[] = [
  { how: "abort", signal: 6, says: /killed by SIGABRT at pc 0x[0-9a-f]+ <\S+>$/m },
  {
    how: "store",
    signal: 11,
    says: /killed by SIGSEGV at pc 0x[0-9a-f]+ <touch(\+0x[0-9a-f]+)?>, fault address 0x10$/m,
  },
  { how: "jump", signal: 11, says: /killed by SIGSEGV at pc 0x20$/m },
  { how: "alarm", signal: 14, says: /killed by SIGALRM at pc/m },
  { how: "in-handler", signal: 11, says: /SIGSEGV at pc 0x[0-9a-f]+ <touch(\+0x[0-9a-f]+)?>, fault address 0x18$/m },
  { how: "thread", signal: 11, says: /SIGSEGV at pc 0x[0-9a-f]+ <touch(\+0x[0-9a-f]+)?>, fault address 0x10$/m },
  { how: "ignored", signal: 11, says: /<touch(\+0x[0-9a-f]+)?>, fault address 0x10$/m },
  { how: "blocked", signal: 11, says: /<touch(\+0x[0-9a-f]+)?>, fault address 0x10$/m },
  { how: "overflow", signal: 11, says: /killed by SIGSEGV at pc 0x[0-9a-f]+ <recurse/ },
  { how: "bad-handler", signal: 11, says: /killed by SIGSEGV at pc 0x40$/m },
  { how: "pipe", signal: 13, says: undefined },
  { how: "file-size", signal: 25, says: /killed by SIGXFSZ/ },
  { how: "illegal", signal: 4, says: /killed by SIGILL at pc 0x[0-9a-f]+ <main\+0x[0-9a-f]+>$/m },
  { how: "breakpoint", signal: 5, says: /killed by SIGTRAP at pc 0x[0-9a-f]+ <main\+0x[0-9a-f]+>$/m },
  { how: "misaligned", riscv: true, signal: 7, says: /killed by SIGBUS at pc 0x[0-9a-f]+ <main\+/ },
  { how: "bad-frame", riscv: true, signal: 11, says: /killed by SIGSEGV/ },
  { how: "no-stack", riscv: true, signal: 11, says: /killed by SIGSEGV at pc 0x[0-9a-f]+ <main\+/ },
  { how: "file", signal: 7, says: /killed by SIGBUS at pc 0x[0-9a-f]+ <touch(\+0x[0-9a-f]+)?>, fault address 0x/m },
];

// Ignored or stopping by default: CHLD, CONT, STOP, TSTP, TTIN, TTOU, URG, WINCH.
const notDeadly = new Set([17, 18, 19, 20, 21, 22, 23, 28]);
const silent = new Set([2, 13]);
const names: Readonly<Record<number, string>> = { 1: "SIGHUP", 9: "SIGKILL", 15: "SIGTERM", 31: "SIGSYS" };

/** As a shell sees it: the status that it gives to whom a signal killed. */
const inShell = (command: readonly string[]): Promise<Outcome> =>
  alone(["/bin/sh", "-c", '"$@" 2>said; echo " $?"; cat said >&2', "sh", ...command]);

const status = (signal: number): string => ` ${128 + signal}\n`;
const deadly = [...Array.from({ length: 31 }, (_, i) => i + 1), 34, 64].filter((n) => !notDeadly.has(n));

test("deaths.c is right about Linux", async () => {
  const program = buildNative("deaths.c");
  for (const { how, signal } of deaths.filter(({ riscv }) => riscv === undefined))
    expect([how, (await inShell([program, String(signal), how])).stdout]).toEqual([how, status(signal)]);
  for (const signal of deadly) expect((await inShell([program, String(signal), "raise"])).stdout).toBe(status(signal));
  expect((await inShell([program, "0", "survive"])).stdout).toBe(" 3\n");
});

for (const engine of engines)
  describe(`death with --jit ${engine}`, () => {
    const program = () => buildGuest("deaths.c");

    for (const { how, signal, says } of deaths)
      test(`by ${how} ends sabre by signal ${signal}, and it says where`, async () => {
        const { stdout, stderr } = await inShell(sabreRun(engine, program(), String(signal), how));
        expect(stdout).toBe(status(signal));
        expect(stderr.trim()).toMatch(says ?? /^$/);
        if (says) expect(stderr).toContain(program());
      });

    for (const signal of deadly)
      test(`by signal ${signal}, raised, is seen by the shell`, async () => {
        const { stdout, stderr } = await inShell(sabreRun(engine, program(), String(signal), "raise"));
        expect(stdout).toBe(status(signal));
        if (silent.has(signal)) expect(stderr).toBe("");
        else expect(stderr).toMatch(new RegExp(`killed by ${names[signal] ?? "SIG"}\\S* ${place}`));
      });

    test("does not come by what is ignored by default", async () => {
      const { stdout, stderr } = await inShell(sabreRun(engine, program(), "0", "survive"));
      expect([stdout, stderr]).toEqual([" 3\n", ""]);
    });
  });

test("-d unimp names a system call that is not implemented, once", async () => {
  const command = sabreCommand("run", "-d", "unimp", buildGuest("self.c"), "first", "");
  const { stderr } = await alone(command, { SABRE_TEST: "yes" });
  const named = ["4095", "-1", "4294967468"].map((nr) => `system call ${nr} is not implemented\n`).join("");
  expect(stderr).toBe(named);
});
