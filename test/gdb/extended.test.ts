// A debugger that stays when programs have ended: `target extended-remote` and `sabre gdbserver`.
import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildGuest } from "../tools/guest.ts";
import { finish, sabreCommand } from "../tools/sabre.ts";

const limit = 90_000;
const program = buildGuest("../gdb/signals.c", "static", "-O1");
const shows = buildGuest("../gdb/shows.c", "static", "-O1");

const quiet = ["set pagination off", "set confirm off", "set width 0", "handle SIGUSR1 nostop noprint pass"];

/** What gdb prints for the commands; `where`: what stands behind `target`. */
async function gdb(where: string, commands: readonly string[], file: string): Promise<string> {
  const words = [...quiet, `target ${where}`, ...commands].flatMap((command) => ["-ex", command]);
  const { stdout, stderr } = await finish(["gdb-multiarch", "-nx", "-batch", ...words, file]);
  return stdout + stderr;
}

const piped = `extended-remote | ${sabreCommand("gdbserver", "--multi", "-").join(" ")}`;

interface Server {
  readonly port: string;
  readonly said: () => string;
  readonly process: Bun.Subprocess;
}

/** A `sabre gdbserver` that listens, for as long as `does` takes. */
async function serving<T>(
  words: readonly string[],
  does: (server: Server) => Promise<T>,
  env: Readonly<Record<string, string>> = {},
): Promise<T> {
  const server = Bun.spawn(sabreCommand("gdbserver", ...words), {
    ...{ stdin: "ignore", stdout: "pipe", stderr: "pipe" },
    env: { PATH: "/usr/bin:/bin", HOME: "/", LC_ALL: "C.UTF-8", ...env },
  });
  let said = "";
  const reader = server.stderr.getReader();
  const read = async (): Promise<boolean> => {
    const { value, done } = await reader.read();
    said += Buffer.from(value ?? []).toString();
    return !done;
  };
  try {
    while (!/^Listening on port \d+\n/m.test(said) && (await read()));
    const [, port = ""] = /^Listening on port (\d+)\n/m.exec(said) ?? [];
    void (async () => {
      while (await read());
    })();
    return await does({ port, said: () => said, process: server });
  } finally {
    server.kill("SIGKILL");
    await server.exited;
  }
}

describe("target extended-remote", () => {
  test(
    "runs a program, kills it, runs it again, and hears of its end each time",
    async () => {
      const text = await gdb(
        piped,
        [
          ...[`set remote exec-file ${program}`, "break triple", "run", "info args", "kill", "start", "print argc"],
          ...["delete", "continue", "run", "starti"],
        ],
        program,
      );
      expect(text).toContain("Breakpoint 1, triple (n=11)");
      expect(text).toMatch(/\[Inferior 1 \(process \d+\) killed\]/);
      expect(text).toMatch(/Temporary breakpoint 2, main \(argc=1/);
      expect(text.match(/exited with code 03/g)!.length).toBe(2);
      expect(text).toContain("Program stopped.");
    },
    limit,
  );

  test(
    "gives the program arguments, environment and folder",
    async () => {
      const text = await gdb(
        piped,
        [
          ...[`set remote exec-file ${shows}`, "set args one 'two words' ffffffffffff", "set cwd /usr"],
          ...[
            "set environment SABRE_SHOWN 5 #$}*",
            "unset environment HOME",
            "run",
            "unset environment SABRE_SHOWN",
            "run",
          ],
        ],
        shows,
      );
      expect(text).toContain("one|two words|ffffffffffff|\nin /usr\nshown 5 #$}*, home (null)\n");
      expect(text).toContain("shown (null), home (null)\n");
    },
    limit,
  );

  test(
    "says why a program cannot run, and goes on",
    async () => {
      const text = await gdb(
        piped,
        ["set remote exec-file /nowhere", "run", `set remote exec-file ${program}`, "run"],
        program,
      );
      expect(text).toMatch(/\/nowhere.*(failed|cannot be started)/s);
      expect(text).toContain("exited with code 03");
    },
    limit,
  );
});

describe("sabre gdbserver", () => {
  test(
    "serves one debugger after the other with --multi",
    () =>
      serving(["--multi", "127.0.0.1:0"], async ({ port, process, said }) => {
        for (const argument of ["crash", "abort"]) {
          const commands = [`set remote exec-file ${program}`, `set args ${argument}`, "run", "continue"];
          const text = await gdb(`extended-remote :${port}`, commands, program);
          expect(text).toContain(argument === "crash" ? "signal SIGSEGV" : "signal SIGABRT");
        }
        // One that is left goes on, and can be attached to again.
        const commands = [`set remote exec-file ${program}`, "starti", "detach"];
        expect(await gdb(`extended-remote :${port}`, commands, program)).toMatch(/process (\d+)\) detached/);
        const output = (process.stdout as ReadableStream<Uint8Array>).getReader();
        expect(Buffer.from((await output.read()).value ?? []).toString()).toContain("handled 110");
        expect(said().match(/created; pid/g)!.length).toBe(3);
      }),
    limit,
  );

  test(
    "attaches to a program that runs, by its id and when a debugger asks for it",
    async () => {
      const folder = mkdtempSync(join(tmpdir(), "sabre-run-"));
      const env = { PATH: "/usr/bin:/bin", HOME: "/", LC_ALL: "C.UTF-8", XDG_RUNTIME_DIR: folder };
      const running = Bun.spawn(sabreCommand("run", "--debuggable", buildGuest("../gdb/blocked.c"), "read"), {
        ...{ stdin: "pipe", stdout: "pipe", stderr: "pipe", env },
      });
      try {
        await running.stdout.getReader().read();
        const file = buildGuest("../gdb/blocked.c");
        const byId = await serving(
          ["--attach", "127.0.0.1:0", String(running.pid)],
          async ({ port, process }) => {
            const text = await gdb(`remote :${port}`, ["info threads", "detach"], file);
            expect(await process.exited).toBe(0);
            return text;
          },
          env,
        );
        expect(byId).toMatch(/\* 1 +Thread/);
        const asked = await serving(
          ["--multi", "127.0.0.1:0"],
          ({ port }) =>
            gdb(
              `extended-remote :${port}`,
              ["attach 4194000", `attach ${running.pid}`, "info threads", "detach"],
              file,
            ),
          env,
        );
        expect(asked).toContain("Attaching to process 4194000 failed");
        expect(asked).toMatch(/\* 1 +Thread/);
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

  test(
    "ends as its program did, once that has ended",
    () =>
      serving(["127.0.0.1:0", program], async ({ port, process, said }) => {
        expect(await gdb(`remote :${port}`, ["continue"], program)).toContain("exited with code 03");
        expect(await process.exited).toBe(3);
        expect(said()).toContain("Child exited with status 3");
      }),
    limit,
  );
});
