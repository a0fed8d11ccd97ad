// The command lines that bring a program and a debugger together.
import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { buildGuest } from "../tools/guest.ts";
import { finish, sabre, sabreCommand } from "../tools/sabre.ts";
import { gdb } from "./gdb.ts";

const limit = 60_000;
const program = buildGuest("../gdb/signals.c", "static", "-O1");

describe("sabre debug", () => {
  test(
    "opens gdb on a program in the same terminal, and ends as the program did",
    async () => {
      const { stdout, status } = await sabre(["debug", program], {
        stdin: "set pagination off\nhandle SIGUSR1 nostop\nbreak touch\ncontinue\nprint 40+2\ncontinue\n",
      });
      expect(stdout).toMatch(/Breakpoint 1, touch/);
      expect(stdout).toContain("$1 = 42");
      expect(stdout).toContain("handled 110");
      expect(status).toBe(3);
    },
    limit,
  );
});

describe("sabre attach", () => {
  test(
    "opens gdb on a program that runs, which goes on when gdb has left",
    async () => {
      const folder = mkdtempSync(join(tmpdir(), "sabre-run-"));
      const env = { PATH: "/usr/bin:/bin", HOME: "/", LC_ALL: "C.UTF-8", XDG_RUNTIME_DIR: folder };
      const running = Bun.spawn(sabreCommand("run", "--debuggable", buildGuest("../gdb/blocked.c"), "read"), {
        ...{ stdin: "pipe", stdout: "pipe", stderr: "pipe", env },
      });
      try {
        const reader = running.stdout.getReader();
        let said = "";
        while (!said.includes("\n")) said += Buffer.from((await reader.read()).value ?? []).toString();
        const socket = join(folder, "sabre", String(running.pid));
        expect(statSync(socket).mode & 0o777).toBe(0o600);
        const { stdout, status } = await sabre(["attach"], {
          stdin: "set pagination off\nset confirm off\ninfo threads\ndetach\n",
          env,
        });
        expect(stdout).toMatch(/\* 1 +Thread/);
        expect(status).toBe(0);
        running.stdin.write("x");
        running.stdin.end();
        expect(await running.exited).toBe(0);
      } finally {
        running.kill("SIGKILL");
        await running.exited;
        rmSync(folder, { recursive: true });
      }
    },
    limit,
  );
});

describe("sabre gdbserver", () => {
  test(
    "says where it listens as gdbserver does, and serves gdb there",
    async () => {
      const server = Bun.spawn(sabreCommand("gdbserver", "--once", "127.0.0.1:0", program), {
        stdout: "pipe",
        stderr: "pipe",
      });
      try {
        let said = "";
        const decoder = new TextDecoder();
        for await (const part of server.stderr) {
          said += decoder.decode(part);
          if (/^Listening on port \d+\n/m.test(said)) break;
        }
        const [, port] = /^Listening on port (\d+)\n/m.exec(said) ?? [];
        const { stdout } = await finish([
          ...["gdb-multiarch", "-nx", "-batch", "-ex", `target remote :${port}`, "-ex", "handle SIGUSR1 nostop"],
          ...["-ex", "break triple", "-ex", "continue", "-ex", "print n", "-ex", "delete", "-ex", "continue", program],
        ]);
        expect(stdout).toContain("$1 = 11");
        expect(await server.exited).toBe(3);
      } finally {
        server.kill("SIGKILL");
        await server.exited;
      }
    },
    limit,
  );

  test("says what it lacks", async () => {
    const { stderr, status } = await sabre(["gdbserver", "--wrapper", ":1234"]);
    expect(status).toBe(2);
    expect(stderr).toContain("--wrapper");
  });
});

describe("sabre run -g", () => {
  test(
    "shows what gdb reads of /proc, and lets it write a core",
    async () => {
      const core = join(mkdtempSync(join(tmpdir(), "sabre-core-")), "core");
      const text = await gdb(
        [program],
        [
          ...["break triple", "continue", "signal 0", "info proc", "info proc mappings", "set $fa0 = 2.5"],
          ...[`monitor core ${core}`, "kill"],
        ],
      );
      expect(text).toMatch(/exe = '\S*signals_c/);
      expect(text).toMatch(/0x[0-9a-f]+ +0x[0-9a-f]+ .* \[stack\]/);
      const commands = ["bt", "print n", "print target", "print $fa0.double", "info auxv"].flatMap((c) => ["-ex", c]);
      const seen = await finish(["gdb-multiarch", "-nx", "-batch", ...commands, program, core]);
      expect(seen.stderr).toBe("");
      expect(seen.stdout).toMatch(/#0 +triple \(n=11\)/);
      expect(seen.stdout).toMatch(/#1 .* main \(/);
      expect(seen.stdout).toContain("$1 = 11\n$2 = 11\n$3 = 2.5\n");
      expect(seen.stdout).toContain("AT_PHDR");
      rmSync(dirname(core), { recursive: true });
    },
    limit,
  );

  test("says what is no place", async () => {
    const { stderr, status } = await sabre(["run", "-g", "nowhere", program]);
    expect(status).toBe(2);
    expect(stderr).toContain("PORT");
  });

  test(
    "has monitor commands",
    async () => {
      const text = await gdb(
        [program],
        [
          "set breakpoint always-inserted on",
          "break main",
          "continue",
          "monitor help",
          "monitor threads",
          "monitor maps",
          "monitor breakpoints",
          "monitor packets",
          "monitor stats",
          "kill",
        ],
      );
      expect(text).toMatch(/maps +the mappings/);
      expect(text).toMatch(/\d+\.\d+ \S+: stopped/);
      expect(text).toContain("[stack]");
      expect(text).toMatch(/0x[0-9a-f]+ breakpoint, \d bytes/);
      expect(text).toMatch(/\d+ instructions, \d+ of them compiled/);
      expect(text).toMatch(/vCont +let threads run/);
    },
    limit,
  );
});
