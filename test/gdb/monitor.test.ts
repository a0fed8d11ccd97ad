// `monitor …`: what a debugger has no packet for.
import { describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildGuest } from "../tools/guest.ts";
import { type Client, debugging, hex, number, symbolOf } from "./client.ts";
import { gdb } from "./gdb.ts";

const limit = 60_000;
const program = buildGuest("../gdb/signals.c", "static", "-O1");
const threads = buildGuest("../gdb/threads.c", "static", "-O1");

/** What a command says: pieces that come ahead of the reply, and the reply. */
async function monitor(c: Client, command: string): Promise<string> {
  let text = "";
  for (let reply = await c.ask(`qRcmd,${Buffer.from(command).toString("hex")}`); ; reply = await c.next()) {
    if (reply === "OK") return text;
    const ahead = /^O([0-9a-f]+)$/.exec(reply);
    text += Buffer.from(ahead?.[1] ?? reply, "hex").toString("latin1");
    if (ahead === null) return text;
  }
}

describe("monitor", () => {
  test(
    "help lists every command; what is none is said to be none",
    () =>
      debugging([program], async ({ client }) => {
        const help = await monitor(client, "help");
        for (const name of ["threads", "maps", "breakpoints", "stats", "strace", "jit", "translate", "core", "packets"])
          expect(help).toMatch(new RegExp(`^${name} +\\S`, "m"));
        expect(await monitor(client, "")).toBe(help);
        expect(await monitor(client, "nothing")).toContain("no such command: nothing");
        expect(await client.ask("qRcmd,7")).toBe("E16");
      }),
    limit,
  );

  test(
    "strace begins and ends while the program runs, in a file or on standard error",
    async () => {
      const folder = mkdtempSync(join(tmpdir(), "sabre-strace-"));
      const file = join(folder, "calls");
      const commands = ["handle SIGUSR1 nostop noprint pass", "break main", "continue", `monitor strace on ${file}`];
      const text = await gdb(
        [program],
        [
          ...[...commands, "break triple", "continue", "monitor strace off", "break half", "continue"],
          ...["monitor strace on", "continue", "monitor strace on /nowhere/at/all"],
        ],
      );
      const calls = readFileSync(file, "utf8");
      rmSync(folder, { recursive: true });
      // Of what lies between the two breakpoints, and nothing else.
      expect(calls).toMatch(/^rt_sigaction\(SIGUSR1, /);
      expect(calls).toMatch(/^--- SIGUSR1 \{si_signo=SIGUSR1/m);
      expect(calls).not.toContain("pipe2");
      expect(text).toContain('write(1, "handled 110');
      expect(text).not.toContain("openat(");
      expect(text).toContain("+++ exited with 3 +++");
    },
    limit,
  );

  test(
    "strace tells the calls of every thread apart",
    () =>
      debugging([threads, "2", "10"], async ({ client, process }) => {
        expect(await monitor(client, "strace")).toContain("not told of");
        expect(await monitor(client, "strace on")).toBe("system calls are told of\n");
        expect(await client.ask("vCont;c")).toBe("W00");
        const text = await new Response(process.stderr).text();
        expect(text).toMatch(/^\[pid +\d+\] /m);
        expect(text).toMatch(/clone\(|clone3\(/);
        expect(text.trim().split("\n").at(-1)).toContain("+++ exited with 0 +++");
      }),
    limit,
  );

  for (const [mode, language] of [
    ["js", "JavaScript"],
    ["wasm", "WebAssembly"],
  ] as const)
    test(
      `jit has hot code be compiled or not, and counts what was: ${mode}`,
      () =>
        debugging(
          [threads, "1", "1000000000"],
          async ({ client }) => {
            const rounds = hex(symbolOf(threads, "rounds"));
            const count = async (): Promise<number> => Number(number(await client.ask(`m${rounds},8`)));
            const compiled = (text: string): number => Number(/(\d+) compiled in/.exec(text)![1]);
            const kept = (text: string): number => Number(/(\d+) regions of/.exec(text)![1]);
            /** Runs for so many rounds of its loop. */
            const run = async (most: number): Promise<void> => {
              const before = await count();
              client.say("vCont;c");
              while ((await count()) < before + most) await Bun.sleep(1);
              client.raw("\x03");
              expect(await client.next()).toMatch(/^T02/);
            };
            expect(await monitor(client, "jit")).toContain(`hot code becomes ${language} (started with --jit ${mode})`);
            await run(200_000);
            const first = await monitor(client, "jit");
            expect(compiled(first)).toBeGreaterThan(0);
            expect(kept(first)).toBeGreaterThan(0);
            expect(await monitor(client, "jit off")).toContain("hot code becomes nothing");
            await run(200_000);
            const second = await monitor(client, "jit");
            expect(kept(second)).toBe(0);
            expect(compiled(second)).toBe(compiled(first));
            await monitor(client, "jit on");
            await run(500_000);
            expect(kept(await monitor(client, "jit"))).toBeGreaterThan(0);
            const [, all, some] = /^(\d+) instructions, (\d+) of them compiled/.exec(await monitor(client, "stats"))!;
            expect(Number(some)).toBeGreaterThan(0);
            expect(Number(all)).toBeGreaterThan(Number(some));
          },
          { options: ["--jit", mode] },
        ),
      limit,
    );

  test(
    "translate shows a block's instructions, and what they become",
    () =>
      debugging([threads, "1"], async ({ client }) => {
        const at = symbolOf(threads, "work");
        const text = await monitor(client, `translate 0x${hex(at)}`);
        expect(text).toMatch(new RegExp(`^guest, \\d+ instructions:\\n +${hex(at)}:\\t`));
        expect(text).toContain("amoadd.d");
        expect(text).toMatch(/^JavaScript, .*:\n"use strict";/m);
        expect(text).toMatch(/^WebAssembly, .*:\nregion0\(i32, i32\) -> i32/m);
        expect(text).toContain("i64.atomic.add[");
        // Once something was watched code looks at that.
        await client.ask(`Z2,${hex(symbolOf(threads, "watched"))},8`);
        const watched = await monitor(client, `translate ${hex(at)}`);
        expect(watched.length).toBeGreaterThan(text.length + 100);
        expect(watched).toContain("i64.atomic.add[");
        expect(await monitor(client, "translate 0")).toBe("there is no code at 0x0\n");
        expect(await monitor(client, "translate xyz")).toContain("in hexadecimal");
        // Where the thread is.
        expect(await monitor(client, "translate")).toContain(`${hex(symbolOf(threads, "_start"))}:\t`);
        await client.ask(`Z0,${hex(at)},2`);
        expect(await monitor(client, `translate ${hex(at)}`)).toContain("nothing is compiled: a breakpoint is here");
      }),
    limit,
  );

  test(
    "translate shows every function of a program, however long its text is",
    () =>
      debugging([threads, "1"], async ({ client }) => {
        const table = Bun.spawnSync(["riscv64-linux-gnu-nm", threads]).stdout.toString();
        const places = [...table.matchAll(/^([0-9a-f]+) [tT] /gm)].map(([, at]) => at!);
        for (let i = 0; i < places.length; i += 17) {
          const text = await monitor(client, `translate ${places[i]}`);
          expect([places[i], text]).toEqual([places[i], expect.stringMatching(/^guest|^there is no code/)]);
        }
      }),
    limit,
  );
});
