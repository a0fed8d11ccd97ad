// execve as its users see it from outside: what is said about files that are none of ours, what a trace shows, how a program dies
// that was executed, what a sysroot means to it. What it does inside is the guests' own to assert: test/guest/exec.c, spawn.c.
import { describe, expect, test } from "bun:test";
import { chmodSync, copyFileSync, mkdirSync, readdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isFileError } from "../../src/elf/source.ts";
import { execCalls, execHere } from "../../src/linux/calls/exec.ts";
import { resolveEarly } from "../../src/linux/paths.ts";
import { newProcess } from "../../src/linux/process.ts";
import { pack, prepareProgram } from "../../src/linux/program.ts";
import { Sig } from "../../src/linux/siginfo.ts";
import type { Task } from "../../src/linux/task.ts";
import { residency } from "../../src/memory/backing.ts";
import { MapFlag, map } from "../../src/memory/map.ts";
import { bare, bareFlags, workshop } from "../elf/programs.ts";
import { engines } from "../tools/engines.ts";
import { finish, type Outcome, sabreCommand } from "../tools/sabre.ts";
import { resultOf } from "./caller.ts";

const { folder, build } = workshop();

/** Executes its arguments; else says which error that is, and answers it. */
const executes = build(
  "executes",
  `#include <stdio.h>
   #include <unistd.h>
   #include <errno.h>
   int main(int argc, char **argv) {
     execv(argv[1], argv + 1);
     printf("errno %d\\n", errno);
     return errno;
   }`,
  "-static",
);

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  chmodSync(path, 0o755);
  return path;
}

const run = (...words: string[]): Promise<Outcome> => finish(sabreCommand("run", ...words), { cwd: folder });

describe("a file that cannot run here", () => {
  const machine = process.arch === "arm64" ? "aarch64" : "x86-64";

  test("is refused with ENOEXEC, and where it is another machine's program the user is told", async () => {
    const foreign = process.execPath;
    expect(await run(executes, foreign)).toEqual({
      stdout: "errno 8\n",
      stderr: `sabre: ${foreign}: this file is for ${machine}; sabre runs 64-bit RISC-V (riscv64) programs\n`,
      status: 8,
      signal: null,
    });
    const script = file("foreign-script", `#!${foreign}\n`);
    expect(await run(executes, script)).toMatchObject({
      stdout: "errno 8\n",
      stderr: `sabre: ${script}: the interpreter of this script does not start: ${foreign}: this file is for ${machine}; sabre runs 64-bit RISC-V (riscv64) programs\n`,
    });
  });

  test("because its interpreter is missing is ENOENT, and the user is told of -L", async () => {
    const dynamic = build("dynamic", "int main(void) { return 3; }", "-Wl,--dynamic-linker=/no/such/ld.so");
    expect(await run(executes, dynamic)).toMatchObject({
      stdout: "errno 2\n",
      stderr: `sabre: ${dynamic}: needs /no/such/ld.so, which was not found; give the root that has it with -L DIR\n`,
    });
  });

  test("as programs try it every day is refused in silence", async () => {
    for (const [path, error] of [
      [file("text", "echo a shell would do this\n"), 8],
      [join(folder, "nothing"), 2],
      [folder, 13],
      [file("lost", "#!/no/such/interpreter\n"), 2],
    ] as const)
      expect(await run(executes, path)).toMatchObject({ stdout: `errno ${error}\n`, stderr: "" });
  });
});

test("a trace shows path and arguments, and how many variables there are", async () => {
  const next = build("next", "int main(void) { return 7; }", "-static");
  const { stderr, status } = await run("--strace", executes, next, "one", "x".repeat(40));
  expect(status).toBe(7);
  expect(stderr).toMatch(
    new RegExp(
      `^execve\\("${next}", \\["${next}", "one", "x{32}"\\.\\.\\.\\], 0x[0-9a-f]+ /\\* 3 vars \\*/\\) = 0$`,
      "m",
    ),
  );
  const failed = await run("--strace", executes, join(folder, "nothing"));
  expect(failed.stderr).toMatch(/^execve\("\S+nothing", \["\S+"\], 0x[0-9a-f]+ \/\* 3 vars \*\/\) = -1 ENOENT/m);
});

describe("a program that was executed", () => {
  const dying = build(
    "dying",
    "volatile int *nowhere; __attribute__((noinline)) void falls(void) { *nowhere = 1; } int main(void) { falls(); }",
    ...["-static", "-O1"],
  );
  for (const jit of engines)
    test(`dies as itself, with --jit ${jit}`, async () => {
      const { stderr, signal } = await run("--jit", jit, executes, dying);
      expect(signal).toBe("SIGSEGV");
      expect(stderr).toMatch(
        new RegExp(
          `^sabre: ${dying}: killed by SIGSEGV at pc 0x[0-9a-f]+ <falls(\\+0x[0-9a-f]+)?>, fault address 0x0\\n$`,
        ),
      );
    });

  test("whose memory does not fit its limits is killed, as on Linux", async () => {
    const limited = build(
      "limited",
      `#include <sys/resource.h>
       #include <unistd.h>
       int main(int argc, char **argv) {
         struct rlimit room = {1 << 20, 1 << 20};
         setrlimit(RLIMIT_AS, &room);
         execv(argv[1], argv + 1);
         return 1;
       }`,
      "-static",
    );
    const large = build("large", "char room[1 << 24]; int main(void) { return room[5]; }", "-static");
    const { signal, stderr } = await run(limited, large);
    expect(signal).toBe("SIGSEGV");
    expect(stderr).toContain(`${large}: `);
  });
});

test("paths are looked up in the sysroot: programs, interpreters of scripts and of programs", async () => {
  const root = join(folder, "root");
  mkdirSync(join(root, "opt"), { recursive: true });
  copyFileSync(executes, join(root, "opt/executes"));
  copyFileSync(
    build("inner", "int main(int c, char **v) { __builtin_puts(v[c - 1]); }", "-static"),
    join(root, "opt/inner"),
  );
  writeFileSync(join(root, "opt/script"), "#!/opt/inner option\n", { mode: 0o755 });
  const { stdout, status } = await run("-L", root, "/opt/executes", "/opt/executes", "/opt/script", "last");
  expect([stdout, status]).toEqual(["last\n", 0]);
  const seen = await run("-L", root, "/opt/executes", "/opt/inner", "/opt/x");
  expect(seen.stdout).toBe("/opt/x\n");
});

/** Lays a string into a new page, behind the address of it and a NULL. Answers the page's address. */
function array(t: Task, text: string): number {
  const page = map(t.process.space, 0, 4096, 3, MapFlag.PRIVATE | MapFlag.ANONYMOUS);
  t.memory.view.setUint32(page, page + stringAt, true);
  t.memory.u8.set(Buffer.from(`${text}\0`), page + stringAt);
  return page;
}
const stringAt = 16;

test("a program whose file has lost its end since it was checked kills the process, and nothing of it stays open", () => {
  const path = build("shortened", bare, ...bareFlags, "-static");
  const t = newProcess({ sysroot: undefined, stackSize: undefined });
  const before = readdirSync("/proc/self/fd").length;
  const locate = (asked: string) => resolveEarly(t.process.files, asked);
  const prepared = prepareProgram({ path, argv: [path], envp: [], locate, stackLimit: 2 ** 20 });
  if (isFileError(prepared)) throw new Error(prepared.message);
  truncateSync(path, 100);
  expect(execHere(t, pack(prepared))).toBe(0);
  expect(t.process.exit).toEqual({ signal: Sig.SEGV, coreDumped: expect.any(Boolean) });
  expect(readdirSync("/proc/self/fd").length).toBe(before);
});

test("one program after the other leaves neither host descriptors nor memory behind", () => {
  const path = build("bare", bare, ...bareFlags, "-static");
  const t = newProcess({ sysroot: undefined, stackSize: undefined });
  const make = resultOf(execCalls);
  const bytes = 64 * 2 ** 20;
  let before = 0;
  for (let i = 0; i < 10; i++) {
    const large = map(t.process.space, 0, bytes, 3, MapFlag.PRIVATE | MapFlag.ANONYMOUS);
    t.memory.u8.fill(1, large, large + bytes);
    const argv = array(t, path);
    expect(make(t, "execve", argv + stringAt, argv, 0)).toBe(0);
    const kept = residency(t.memory, large / 4096, bytes / 4096)!.reduce((sum, byte) => sum + (byte & 1), 0);
    expect(kept).toBeLessThan(64);
    const open = readdirSync("/proc/self/fd").length;
    if (i === 3) before = open;
    if (i > 3) expect(open).toBe(before);
  }
  expect(t.process.exe).toBe(path);
  expect(t.name).toBe("bare");
});
