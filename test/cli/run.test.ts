// `sabre run` from outside: what a shell sees.
import { describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildGuest } from "../tools/guest.ts";
import { finish, sabre, sabreCommand } from "../tools/sabre.ts";

const guest = buildGuest("cli.c");
const scratchFolder = (): string => mkdtempSync(join(tmpdir(), "sabre-"));
/** Runs a shell script with the command line of sabre as its words. */
const shell = (script: string, ...words: string[]) => finish(["bash", "-c", script, "bash", ...sabreCommand(...words)]);

describe("the exit status is the guest's", () => {
  for (const status of [0, 1, 42, 127, 255])
    test(String(status), async () =>
      expect(await sabre(["run", guest, "exit", String(status)])).toEqual({
        stdout: "",
        stderr: "",
        status,
        signal: null,
      }),
    );
  test("run may be left out", async () => expect((await sabre([guest, "exit", "7"])).status).toBe(7));
});

describe("a signal that kills the guest kills sabre, which says where", () => {
  for (const [name, words, message] of [
    ["SIGSEGV", ["fault", "8"], /^sabre: \S+: killed by SIGSEGV at pc 0x[0-9a-f]+ <fault\S*>, fault address 0x8\n$/],
    ["SIGSEGV", ["fault", "0xffffffffdeadbeef"], /SIGSEGV .* fault address 0xffffffffdeadbeef\n$/],
    ["SIGILL", ["illegal"], /^sabre: \S+: killed by SIGILL at pc 0x[0-9a-f]+ <main\+0x[0-9a-f]+>/],
    ["SIGABRT", ["abort"], /killed by SIGABRT at pc 0x[0-9a-f]+ </],
    ["SIGTERM", ["raise", "15"], /killed by SIGTERM/],
    ["SIGKILL", ["raise", "9"], /killed by SIGKILL/],
    ["SIGPIPE", ["raise", "13"], /^$/],
  ] as const)
    test(`${name}: ${words.join(" ")}`, async () => {
      const { stderr, signal } = await sabre(["run", guest, ...words]);
      expect(signal).toBe(name);
      expect(stderr).toMatch(message);
    });
  test("bash shows it as of any program", async () => {
    const { stdout, stderr } = await shell(`"$@"; echo "status $?"`, guest, "fault", "0");
    expect(stdout).toBe("status 139\n");
    expect(stderr).toContain("Segmentation fault");
  });
});

describe("arguments", () => {
  test("go to the guest untouched", async () => {
    const words = ["args", "", "-L", "--help", "a b"];
    expect((await sabre(["run", guest, ...words])).stdout).toBe([guest, ...words].join("\n") + "\n");
  });
  test("keep bytes that are no UTF-8", async () => {
    expect((await shell(`"$@" $'\\xff\\xc3'`, guest, "args")).stdout).toBe(`${guest}\nargs\n\xff\xc3\n`);
  });
  test("argv[0] may be another", async () => {
    expect((await sabre(["run", "-0", "other", guest, "args"])).stdout).toBe("other\nargs\n");
  });
});

test("the environment is the caller's with the changes asked for, and nothing of a .env file", async () => {
  const cwd = scratchFolder();
  writeFileSync(join(cwd, ".env"), "FROM_FILE=1\n");
  const { stdout } = await sabre(["run", "-E", "A=1", "-U", "HOME,PATH", guest, "env"], { cwd });
  expect(stdout).toBe("LC_ALL=C.UTF-8\nA=1\n");
});

test("the stack size is the guest's limit", async () => {
  expect((await sabre(["run", "-s", "16M", guest, "stack"])).stdout).toBe("16777216\n");
});

test("messages keep what the user wrote, and sabre's own characters", async () => {
  const { stderr } = await shell(`"$@" $'\\xc3\\xa4'; "$@"`, "run");
  expect(Buffer.from(stderr, "latin1").toString()).toMatch(/^sabre: ä: no such file.*\nsabre: .*\[ARG…\].*\n$/);
});

test("a host without room for the guest's memory is named in one line", async () => {
  const { stderr, status } = await finish([
    "bash",
    "-c",
    'ulimit -v 8000000; exec "$@"',
    "bash",
    ...sabreCommand(guest),
  ]);
  expect(stderr).toMatch(/^sabre: the host has no room .*\n$/);
  expect(status).toBe(126);
});

describe("a program that cannot be run is answered in one line", () => {
  const folder = scratchFolder();
  const executable = (name: string, contents: string | Uint8Array): string => {
    const path = join(folder, name);
    writeFileSync(path, contents, { mode: 0o755 });
    return path;
  };
  const text = join(folder, "text");
  writeFileSync(text, "just text\n");
  const cutOff = readFileSync(guest).subarray(0, 3000);
  for (const [name, program, status, answer] of [
    ["that is not there", "/nonexistent/program", 127, /no such file/],
    ["that is a directory", folder, 126, /directory/],
    ["that may not be executed", text, 126, /permission/],
    ["for another machine", process.execPath, 126, /RISC-V/],
    ["that is no ELF", executable("noelf", "\x7fEL"), 126, /ELF/],
    ["that is cut off", executable("cut", cutOff), 126, /cut|truncated|end/],
    ["whose interpreter is missing", buildGuest("cli.c", "dynamic"), 127, /-L/],
  ] as const)
    test(name, async () => {
      const { stderr, ...rest } = await sabre(["run", program]);
      expect(stderr).toMatch(/^sabre: [^\n]+\n$/);
      expect(stderr).toMatch(answer);
      expect(rest).toEqual({ stdout: "", status, signal: null });
    });
});

test("a script runs by its interpreter", async () => {
  const script = join(scratchFolder(), "script");
  writeFileSync(script, `#!${guest} args\n`, { mode: 0o755 });
  expect((await sabre(["run", script, "x"])).stdout).toBe(`${guest}\nargs\n${script}\nx\n`);
});

test("--stats=json gives the figures as the last line of stderr", async () => {
  const { stderr, stdout } = await sabre(["run", "--stats=json", guest, "args"]);
  expect(stdout).toBe(`${guest}\nargs\n`);
  const stats = JSON.parse(stderr.trim().split("\n").at(-1)!) as Record<string, unknown>;
  expect(stats).toMatchObject({ calls: { write: { count: 1, errors: 0 } } });
  expect(stats["instructions"]).toBeGreaterThan(1000);
});

test("--stats gives them for people", async () => {
  const { stderr } = await sabre(["run", "--stats", guest, "exit", "3"]);
  expect(stderr).toMatch(/^instructions +[\d,]+\n(.*\n)*system calls +\d+\n(.*\n)* +1 +exit_group /);
});

describe("--strace", () => {
  test("writes the calls to stderr, one a line, and nothing to stdout", async () => {
    const { stdout, stderr } = await sabre(["run", "--strace", guest, "args"]);
    expect(stdout).toBe(`${guest}\nargs\n`);
    expect(stderr).toContain(`write(1, "${guest.slice(0, 32)}"...`);
    expect(stderr).toMatch(/\nexit_group\(0\) {27}= \?\n\+\+\+ exited with 0 \+\+\+\n$/);
  });
  test("writes them to a file, if one is named", async () => {
    const file = join(scratchFolder(), "calls");
    expect((await sabre(["run", `--strace=${file}`, guest, "exit", "4"])).stderr).toBe("");
    expect(readFileSync(file, "utf8")).toEndWith("= ?\n+++ exited with 4 +++\n");
  });
  test("shows a fatal signal", async () => {
    const { stderr } = await sabre(["run", "--strace", guest, "fault", "16"]);
    expect(stderr).toContain("--- SIGSEGV {si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=0x10} ---\n");
    expect(stderr).toContain("+++ killed by SIGSEGV +++\n");
  });
});

describe("--log", () => {
  test("unimp names an unknown call once", async () => {
    expect((await sabre(["run", "-d", "unimp", guest, "unknown"])).stderr.match(/4000/g)).toHaveLength(1);
    for (const words of [[], ["-d", "unimp,none"]])
      expect((await sabre(["run", ...words, guest, "unknown"])).stderr).toBe("");
  });
  test("in_asm shows each block's instructions by symbol", async () => {
    const { stderr } = await sabre(["run", "-d", "in_asm", guest, "exit", "0"]);
    const lines = stderr.split("\n");
    expect(lines.slice(1, 3)).toEqual([
      expect.stringMatching(/^[0-9a-f]{16} <_start>:$/),
      expect.stringMatching(/^ +[0-9a-f]+:\t[0-9a-f]+ +\tjal\t[0-9a-f]+ <\w+>$/),
    ]);
    expect(lines.some((line) => /^ +[0-9a-f]+:\t00000073 +\tecall$/.test(line))).toBe(true);
  });
  test("page shows the memory map", async () => {
    expect((await sabre(["run", "-d", "page", guest, "exit", "0"])).stderr).toMatch(/r-xp.*\n(.*\n)*.*\[stack\]/);
  });
  test("int shows traps", async () => {
    expect((await sabre(["run", "-d", "int", guest, "fault", "0"])).stderr).toMatch(/SIGSEGV/);
  });
});

describe("broken pipes", () => {
  test("end the guest by SIGPIPE, silently", async () => {
    const { stdout, stderr } = await shell(`"$@" | head -n 1; echo "\${PIPESTATUS[0]}"`, guest, "flood");
    expect([stdout, stderr]).toEqual(["flood\n141\n", ""]);
  });
  test("do not matter where stdout is closed and not used", async () => {
    expect(await shell(`"$@" >&-`, guest, "exit", "5")).toMatchObject({ status: 5, stderr: "" });
  });
});

test("standard input is the guest's", async () => {
  const stdin = "some\0bytes\xff";
  expect((await sabre([guest, "cat"], { stdin })).stdout).toBe(stdin);
});

test("other descriptors that were opened for the guest are its own, those of the engine are not", async () => {
  const { stdout } = await shell(`"$@" 3<<< three 9<&3 7<<< seven | tr '\n' ' '`, guest, "descriptors");
  expect(stdout).toBe("0 1 2 3=three 7=seven 9 ");
});

describe("texts", () => {
  test("--version", async () => expect((await sabre(["--version"])).stdout).toMatch(/^sabre \d+\.\d+\.\d+ \(Bun /));
  test("--help has examples", async () => expect((await sabre(["run", "--help"])).stdout).toContain("Examples:"));
  test("-d help lists the items", async () =>
    expect((await sabre(["-d", "help"])).stdout).toMatch(/in_asm(.*\n)*.*unimp/));
  test("debug says which package has a gdb where there is none", async () => {
    const { stderr, status } = await sabre(["debug", guest], { env: { SABRE_GDB: "/nonexistent/gdb" } });
    expect(status).toBe(127);
    expect(stderr).toMatch(/^sabre: no gdb .*gdb-multiarch.*\n$/);
  });
  test("a mistake is one line on stderr and status 2", async () => {
    const { stdout, stderr, status } = await sabre(["--nonsense", guest]);
    expect({ stdout, status }).toEqual({ stdout: "", status: 2 });
    expect(stderr).toMatch(/^sabre: unknown option --nonsense[^\n]*\n$/);
  });
});
