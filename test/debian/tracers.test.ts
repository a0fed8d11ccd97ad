// strace and gdbserver of Debian trixie's riscv64 port trace other guests here as they do on Linux: by ptrace.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildGuest } from "../tools/guest.ts";
import { finish, sabreCommand } from "../tools/sabre.ts";
import { trixieRoot } from "../tools/trixie.ts";

const packages = ["base-files", "libc-bin", "bash", "coreutils", "strace", "gdbserver"];
const env = { PATH: "/usr/bin:/bin", LC_ALL: "C" };

let root = "";
beforeAll(async () => {
  root = await trixieRoot("riscv64", packages);
}, 300_000);

const folder = mkdtempSync(join(tmpdir(), "sabre-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const command = (program: string, ...args: string[]): string[] =>
  sabreCommand("run", "-L", root, join(root, "usr/bin", program), ...args);

describe("strace", () => {
  /** Runs strace on a shell's line. Answers what became of that, and the trace. */
  const trace = (options: readonly string[], line: string) => run([...options, join(root, "usr/bin/bash"), "-c", line]);

  async function run(words: readonly string[]) {
    const file = join(folder, "trace");
    const outcome = await finish(command("strace", "-o", file, ...words), { env, timeout: 110_000 });
    return { ...outcome, trace: await Bun.file(file).text() };
  }

  test("follows the children of a shell, and tells of programs, signals and ends", async () => {
    const line = "echo first | tr f F; (exit 3); echo $?; sleep 0 & wait; trap 'echo usr' USR1; kill -USR1 $$";
    const got = await trace(["-f"], line);
    expect(got).toMatchObject({ stdout: "First\n3\nusr\n", stderr: "", status: 0, signal: null });
    expect(got.trace).toMatch(/^\d+ +execve\("\S+\/bash", .* = 0$/m);
    expect(got.trace).toMatch(/^\d+ +execve\("\/usr\/bin\/tr", \["tr", "f", "F"\], .* = 0$/m);
    expect(got.trace).toMatch(/--- SIGCHLD \{si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=\d+, .*si_status=3,/);
    expect(got.trace).toMatch(/--- SIGUSR1 \{si_signo=SIGUSR1, si_code=SI_USER, /);
    expect(got.trace).toMatch(/rt_sigreturn\(\{mask=\[.*\]\}\)/);
    const made = [...got.trace.matchAll(/child_tidptr=\S+\) = (\d+)$/gm)].map(([, pid]) => pid);
    expect(made).toHaveLength(4);
    const ends = [...got.trace.matchAll(/^(\d+) \+\+\+ exited with (\d) \+\+\+$/gm)];
    expect(ends.map(([, pid]) => pid)).toEqual(expect.arrayContaining(made));
    expect(ends.filter(([, , status]) => status === "3")).toHaveLength(1);
  }, 120_000);

  test("counts calls", async () => {
    // A static program: dynamic ones make riscv_hwprobe calls, for which this strace has no name, and it stumbles over that.
    const got = await run(["-f", "-c", buildGuest("traced.c", "static", "-O1")]);
    expect(got).toMatchObject({ stdout: "7\n16\n", status: 5 });
    expect(got.trace).toMatch(/^ *[\d.]+ +[\d.]+ +\d+ +2 +write$/m);
    expect(got.trace).toMatch(/^ *[\d.]+ +[\d.]+ +\d+ +1 +clone3?$/m);
    expect(got.trace).toMatch(/^100\.00 .* total$/m);
  }, 120_000);

  test("has a call answer what it likes, without making it", async () => {
    const got = await trace(["-e", "trace=getppid", "-e", "inject=getppid:retval=77"], "echo $PPID");
    expect(got).toMatchObject({ stdout: "77\n", stderr: "", status: 0 });
    expect(got.trace).toMatch(/^getppid\(\) += 77 \(INJECTED\)$/m);
  }, 120_000);
});

describe("gdbserver", () => {
  /** Has gdb do something to a program that gdbserver has started. Answers what gdb has printed, and the program. */
  async function debug(program: string, commands: readonly string[]) {
    const server = Bun.spawn(command("gdbserver", "--no-startup-with-shell", "127.0.0.1:0", program), {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      env,
    });
    try {
      let said = "";
      const stderr = server.stderr.getReader();
      const read = async (): Promise<boolean> => {
        const { value, done } = await stderr.read();
        said += Buffer.from(value ?? []).toString("latin1");
        return !done;
      };
      while (!/Listening on port \d+/.test(said) && (await read()));
      const port = /Listening on port (\d+)/.exec(said)?.[1];
      if (port === undefined) throw new Error(`gdbserver does not listen: ${said}`);
      const script = join(folder, "script");
      const settings = ["set pagination off", "set confirm off", "set width 0", "set debuginfod enabled off"];
      await Bun.write(script, [...settings, `target remote 127.0.0.1:${port}`, ...commands, ""].join("\n"));
      const gdb = await finish(["gdb-multiarch", "-nx", "-batch", "-x", script, program], { timeout: 90_000 });
      while (await read());
      return { gdb: gdb.stdout + gdb.stderr, said, stdout: await server.stdout.text(), status: await server.exited };
    } finally {
      server.kill("SIGKILL");
    }
  }

  test("shows gdb a program: breakpoints, steps, frames, registers, threads", async () => {
    const program = buildGuest("traced.c", "static", "-O1");
    const got = await debug(program, [
      ...["break leaf", "continue", "backtrace", "info registers pc a0", "print last"],
      ...["finish", "stepi", "info registers pc", "next", "continue"],
      ...["info threads", "backtrace", "print last", "set var last = 70", "print last", "delete", "continue"],
    ]);
    expect(got.gdb).toMatch(/Breakpoint 1, leaf \(n=(n@entry=)?2\)/);
    expect(got.gdb).toMatch(/#1 .* in middle \(n=.*\n#2 .* in main \(\)/);
    expect(got.gdb).toMatch(/^a0 +0x2\t2$/m);
    expect(got.gdb).toContain("Value returned is $2 = 6");
    expect(got.gdb).toMatch(/Thread 2 .*hit Breakpoint 1, leaf \(n=(n@entry=)?5\)/);
    expect(got.gdb).toMatch(/^ {2}1 +Thread .*\n\* 2 +Thread .* leaf \(n=/m);
    expect(got.gdb).toMatch(/in second \(arg=/);
    expect(got.gdb).toContain("$4 = 70");
    expect(got.gdb).toMatch(/\[Inferior 1 \(process \d+\) exited with code 05\]/);
    expect(got.stdout).toBe("7\n16\n");
    expect(got.said).toContain("Child exited with status 5");
  }, 120_000);
});
