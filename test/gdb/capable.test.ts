// Every capability in plain use by gdb, on static and dynamic programs, with one and with sixteen threads; and programs that end, die or
// execute another under it.
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { buildGuest } from "../tools/guest.ts";
import { debugging, hex, symbolOf } from "./client.ts";
import { gdb } from "./gdb.ts";

const limit = 150_000;
const sysroot = { options: ["-L", "/usr/riscv64-linux-gnu"] };
const static_ = buildGuest("../gdb/capable.c", "static", "-O1");
const programs = {
  static: [static_, {}],
  dynamic: [buildGuest("../gdb/capable.c", "dynamic", "-O1"), sysroot],
} as const;

const source = readFileSync(join(import.meta.dir, "capable.c"), "latin1").split("\n");
const lineOf = (text: string): number => source.findIndex((line) => line.includes(text)) + 1;

for (const [flavour, [program, options]] of Object.entries(programs))
  for (const threads of [1, 16])
    describe(`a ${flavour} program of ${threads === 1 ? "one thread" : `${threads} threads`}`, () => {
      const debug = (commands: readonly string[], how = ""): Promise<string> =>
        gdb(
          [program, String(threads), ...(how === "" ? [] : [how])],
          ["handle SIGUSR2 nostop noprint pass", ...commands],
          options,
        );

      test(
        "stops for unaligned and overlapping watched memory, in instructions and in calls",
        async () => {
          const text = await debug([
            ...[
              "break fill",
              "continue",
              "watch *(long *)(bytes + 3)",
              "watch bytes[5]",
              "awatch bytes[12]",
              "info watchpoints",
            ],
            ...["continue", "continue", "continue", "delete", "rwatch calls", "continue", "continue"],
            ...["delete", "watch -l chosen if chosen > 1000", "break deep", "continue"],
          ]);
          // One store at an address that is no multiple of eight; another into the middle; a call over the most of it. The protocol has room
          // for one address a stop: gdb shows the one whose it is, and of the others what they were when it looked last.
          const first = "watchpoint 2: \\*\\(long \\*\\)\\(bytes \\+ 3\\)\\s+Old value = ";
          expect(text).toMatch(new RegExp(`${first}0\\s+New value = 578437695752307201`));
          expect(text).toMatch(new RegExp(`${first}578437695757156865\\s+New value = 5135868584551137537`));
          expect(text).toMatch(/watchpoint 3: bytes\[5\]\s+Old value = \d+ .*\s+New value = 77 'M'/);
          expect(text).toMatch(/in read \(\)/);
          expect(text).toMatch(/read watchpoint 5: calls\s+Value = 0/);
          expect(text).toMatch(/read watchpoint 5: calls\s+Value = 1/);
        },
        limit,
      );

      test(
        "calls functions, returns, jumps, finishes, goes on until, and reads what nobody may",
        async () => {
          const after = lineOf("jump leads here");
          const text = await debug([
            ...[
              "tbreak choose",
              "continue",
              "next",
              "print square(12)",
              "print square(square(2))",
              "print hidden",
              "x/s hidden",
            ],
            ...[`tbreak ${after}`, `jump ${after}`, "print chosen", "finish", "break deep if n == 2", "continue", "bt"],
            ...["finish", "delete", "tbreak square", "continue", "return 20", "next", "until", "tbreak finished"],
            ...["continue", "print handled", "print chosen", "thread apply all bt 1", "set var chosen = 5", "continue"],
          ]);
          expect(text).toContain("$1 = 144\n$2 = 16\n");
          expect(text).toMatch(/0x[0-9a-f]+:?.*"nobody may read this"/);
          expect(text).toContain("$4 = 0\n");
          expect(text).toMatch(/#3 .* deep \(n=(n@entry=)?5\)/);
          expect(text).toMatch(/Value returned is \$5 = 4/);
          expect(text).toMatch(/\$\d+ = 1100\n/);
          expect(text.match(/^Thread \d/gm)!.length).toBeGreaterThanOrEqual(threads);
          expect(text).toMatch(/sum 36, chosen 6, handled 12/);
          expect(text).toContain("exited with code 07");
        },
        limit,
      );

      test(
        "catches signals",
        async () => {
          const text = await debug([
            ...["catch signal SIGUSR2", "continue", "print handled", "break finished", "continue", "print handled"],
            ...["delete", "continue"],
          ]);
          expect(text).toMatch(/Catchpoint 1 \(signal SIGUSR2\)/);
          expect(text).toContain("$1 = 0\n");
          expect(text).toContain("$2 = 12\n");
          expect(text).toContain("exited with code 07");
        },
        limit,
      );

      test(
        "steps with every kind of scheduler-locking",
        async () => {
          const text = await debug([
            ...["break choose", "continue"],
            ...["off", "on", "step", "replay"].flatMap((mode) => [
              `set scheduler-locking ${mode}`,
              "next",
              "stepi",
              "print 1",
            ]),
            ...[
              "show scheduler-locking",
              "set scheduler-locking on",
              "stepi",
              "set scheduler-locking off",
              "delete",
              "continue",
            ],
          ]);
          expect(text.match(/^\$\d = 1$/gm)!.length).toBe(4);
          expect(text).toContain('is "replay"');
          expect(text).toContain("exited with code 07");
        },
        limit,
      );

      for (const [how, said] of [
        ["exit", /exited with code 05/],
        ["crash", /received signal SIGSEGV.*terminated with signal SIGSEGV/s],
        ["exec", /is executing new program.*finished \(\).*exited with code 010/s],
      ] as const)
        test(
          `is reported where another thread ends it, by: ${how}`,
          async () => {
            const text = await debug(["break finished", "continue", "continue", "continue"], how);
            expect(text).toMatch(said);
          },
          limit,
        );
    });

describe("a program that ends", () => {
  test(
    "while it is stepped, watched or stands still is told of once, and truly",
    async () => {
      for (const [how, end] of [
        ["exit", "W05"],
        ["crash", "X0b"],
      ] as const)
        for (const way of ["vCont;s:", "vCont;r0,ffffffffff:", "vCont;c:"])
          await debugging([static_, "4", how], async ({ client }) => {
            const leave = symbolOf(static_, "leave");
            expect(await client.ask(`Z0,${hex(leave)},2`)).toBe("OK");
            expect(await client.ask("QPassSignals:b;1f")).toBe("OK");
            const stop = await client.ask("vCont;c");
            expect(stop).toMatch(/^T05/);
            const [, thread = ""] = /thread:([^;]+);/.exec(stop)!;
            expect(await client.ask(`Z2,${hex(symbolOf(static_, "stop"))},4`)).toBe("OK");
            // All others stand still where it is alone.
            let reply = "T05";
            for (let i = 0; i < 20_000 && reply.startsWith("T05"); i++)
              reply = await client.ask(
                way.startsWith("vCont;s") ? (i < 200 ? `${way}${thread};c` : "vCont;c") : `${way}${thread}`,
              );
            expect([how, way, reply]).toEqual([how, way, end]);
          });
    },
    limit,
  );

  test(
    "by a kill from outside, or in non-stop mode, is told of too",
    async () => {
      await debugging([static_, "4"], async ({ client }) => {
        await client.ask("qSupported:multiprocess+");
        await client.ask("QNonStop:1");
        await client.ask("?");
        await client.ask("vStopped");
        const [, pid] = /^QCp([0-9a-f]+)\./.exec(await client.ask("qC"))!;
        expect(await client.ask("vCont;c:p-1.-1")).toBe("OK");
        expect(await client.ask(`vKill;${pid}`)).toBe("OK");
      });
      const text = await gdb([static_, "4", "exit"], ["continue &", "interrupt -a", "continue -a"], {
        before: ["set non-stop on"],
      });
      expect(text).not.toMatch(/[Ii]nternal|protocol|Remote/);
    },
    limit,
  );

  test(
    "to execute another keeps its inferior, or gets another, as follow-exec-mode says",
    async () => {
      for (const mode of ["same", "new"]) {
        const text = await gdb(
          [static_, "2", "exec"],
          [
            ...["handle SIGUSR2 nostop noprint pass", `set follow-exec-mode ${mode}`, "break finished", "continue"],
            ...["continue", "info inferiors", "continue"],
          ],
        );
        expect(text).toContain("is executing new program");
        expect(text).toMatch(mode === "same" ? /^\* 1 +process \d+/m : /^\* 2 +process \d+/m);
        expect(text).toContain("exited with code 010");
      }
    },
    limit,
  );
});
