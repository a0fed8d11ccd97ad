// gdb's machine interface, as editors use it: what VS Code's C/C++ extension sends for the recipe in docs/debugging.md
// (miDebuggerServerAddress, with debugServerPath and debugServerArgs), to a gdb that speaks with sabre as its debug server.
import { expect, test } from "bun:test";
import { dirname } from "node:path";
import { buildGuest } from "../tools/guest.ts";
import { sabreCommand } from "../tools/sabre.ts";

const limit = 90_000;
const patience = 40_000;
const program = buildGuest("../gdb/threads.c", "static", "-O1");

/** Lines of a stream, as they come. */
function lines(stream: ReadableStream<Uint8Array>) {
  const reader = stream.getReader();
  let text = "";
  const seen: string[] = [];
  return {
    seen,
    /** The first line from now on for which the test holds. */
    until: async (holds: (line: string) => boolean): Promise<string> => {
      const late = performance.now() + patience;
      for (;;) {
        const end = text.indexOf("\n");
        if (end < 0) {
          const { value, done } = await reader.read();
          if (done || performance.now() > late) throw new Error(`not said: ${holds}\n${seen.slice(-20).join("\n")}`);
          text += Buffer.from(value).toString();
          continue;
        }
        const line = text.slice(0, end).trimEnd();
        text = text.slice(end + 1);
        seen.push(line);
        if (holds(line)) return line;
      }
    },
  };
}

test(
  "an editor launches, sets breakpoints, looks at threads, frames and variables, steps, pauses and ends",
  async () => {
    // "debugServerPath", "debugServerArgs", and "serverStarted" on standard error.
    const server = Bun.spawn(sabreCommand("gdbserver", "--once", "127.0.0.1:0", program, "4", "40"), {
      ...{ stdin: "ignore", stdout: "pipe", stderr: "pipe" },
      env: { PATH: "/usr/bin:/bin", HOME: "/", LC_ALL: "C.UTF-8" },
    });
    const gdb = Bun.spawn(["gdb-multiarch", "-nx", "--interpreter=mi"], {
      ...{ stdin: "pipe", stdout: "pipe", stderr: "ignore" },
      env: { PATH: "/usr/bin:/bin", HOME: "/", LC_ALL: "C.UTF-8" },
    });
    const alarm = setTimeout(() => gdb.kill("SIGKILL"), limit - 10_000);
    try {
      const started = await lines(server.stderr).until((line) => line.startsWith("Listening on port"));
      const port = started.split(" ").at(-1)!;
      const said = lines(gdb.stdout);
      let token = 1000;
      const send = async (command: string, result = "done"): Promise<string> => {
        const id = ++token;
        gdb.stdin.write(`${id}${command}\n`);
        gdb.stdin.flush();
        const line = await said.until((text) => text.startsWith(`${id}^`));
        expect([command, line]).toEqual([command, expect.stringMatching(new RegExp(`^${id}\\^${result}`))]);
        return line;
      };
      const stopped = (reason: string): Promise<string> =>
        said.until((line) => line.startsWith("*stopped") && line.includes(reason));

      for (const command of [
        ...["-gdb-set target-async on", "-gdb-set breakpoint pending on", "-gdb-set detach-on-fork on"],
        ...['-interpreter-exec console "handle SIGUSR1 nostop noprint pass"', "-gdb-set print sevenbit-strings off"],
        ...["-gdb-set solib-search-path .", `-environment-cd ${dirname(program)}`, `-file-exec-and-symbols ${program}`],
      ])
        await send(command);
      await send(`-target-select remote localhost:${port}`, "connected");
      expect(said.seen.some((line) => line.startsWith("*stopped") && line.includes('func="_start"'))).toBe(true);
      await send("-break-insert -f work");
      await send('-break-insert -f -c "i == 3" threads.c:28');
      const inserted = await send("-break-list");
      expect(inserted).toContain('cond="i == 3"');
      await send("-exec-continue", "running");
      const hit = await stopped('reason="breakpoint-hit"');
      expect(hit).toMatch(/func="work"/);
      const [, thread = ""] = /thread-id="(\d+)"/.exec(hit)!;
      const info = await send("-thread-info");
      expect(info).toMatch(/name="worker-\d"/);
      expect(info).toContain(`current-thread-id="${thread}"`);
      expect(await send(`-stack-list-frames --thread ${thread} 0 1000`)).toMatch(/func="work".*func="body"/);
      expect(await send(`-stack-list-arguments --thread ${thread} 0 0 20`)).toContain('name="n"');
      await send(`-stack-list-variables --thread ${thread} --frame 1 0`);
      const made = await send(`-var-create --thread ${thread} --frame 0 - * "n"`);
      const [, name = "", value = ""] = /name="([^"]+)".*value="(\d+)"/.exec(made)!;
      expect(Number(value)).toBeGreaterThanOrEqual(1000);
      await send(`-var-delete ${name}`);
      expect(await send('-data-evaluate-expression "own"')).toMatch(/value="\d+"/);
      await send("-data-list-register-names");
      expect(await send("-data-list-register-values x 2 32")).toMatch(/number="32",value="0x/);
      expect(await send("-data-disassemble -s $pc -e $pc+8 -- 0")).toMatch(/inst="/);
      expect(await send("-data-read-memory-bytes $sp 16")).toMatch(/contents="[0-9a-f]{32}"/);
      await send(`-exec-next --thread ${thread}`, "running");
      // Another thread may come to a breakpoint first.
      await said.until((line) => line.startsWith("*stopped"));
      await send("-break-delete 1 2");
      await send("-exec-finish", "running").catch(() => {});
      await said.until((line) => line.startsWith("*stopped"));
      await send("-gdb-set var most = 1000000000");
      await send("-exec-continue", "running");
      await send("-exec-interrupt");
      expect(await stopped("signal-received")).toContain('signal-name="SIGINT"');
      await send('-interpreter-exec console "set var stop = 1"');
      await send("-exec-continue", "running");
      await stopped('reason="exited-normally"');
      await send("-gdb-exit", "exit");
      expect(await server.exited).toBe(0);
      expect(said.seen.filter((line) => /internal-error|[Rr]emote (failure|communication)/.test(line))).toEqual([]);
    } finally {
      clearTimeout(alarm);
      for (const process of [gdb, server]) {
        process.kill("SIGKILL");
        await process.exited;
      }
    }
  },
  limit,
);
