// A debugger's interrupt reaches threads wherever they are, and what they were in goes on afterwards.
import { describe, expect, test } from "bun:test";
import { buildGuest } from "../tools/guest.ts";
import { debugging } from "./client.ts";

const program = buildGuest("../gdb/blocked.c");

/** Milliseconds that most interrupts may take: 5 where nothing else runs. */
const patience = 100;

describe("an interrupt", () => {
  test(
    "stops a program whose thread sleeps until another has ended, as for vfork",
    () =>
      debugging([buildGuest("vfork-threads.c")], async ({ client, line }) => {
        expect(await client.ask("QPassSignals:e;14;1e")).toBe("OK");
        for (;;) {
          client.say("vCont;c");
          await Bun.sleep(5);
          client.raw("\x03");
          const stop = await client.next();
          if (stop === "W00") break;
          expect(stop).toMatch(/^T/);
        }
        expect(await line()).toBe("ok");
      }),
    60_000,
  );

  for (const [how, goesOn] of [
    ["loop", undefined],
    ["read", "read 1 x"],
    ["sleep", "slept 0 1"],
    ["futex", undefined],
    ["threads", "done"],
  ] as const)
    test(
      `stops a program in: ${how}`,
      () =>
        debugging([program, how], async ({ client, process, line }) => {
          client.say("vCont;c");
          expect(await line()).toBe("ready");
          const took: number[] = [];
          for (let i = 0; i < 7; i++) {
            await Bun.sleep(i * 10);
            const begun = performance.now();
            client.raw("\x03");
            expect(await client.next()).toMatch(/^T02/);
            took.push(performance.now() - begun);
            expect(await client.ask("g")).toMatch(/^[0-9a-f]{816}/);
            client.say("vCont;c");
          }
          // The first ones find threads that compile, on processors that others use too.
          expect(took.sort((a, b) => a - b)[3]!).toBeLessThan(patience);
          if (goesOn === undefined) return;
          process.stdin.write("x");
          process.stdin.end();
          expect(await client.next()).toBe("W00");
          expect(await line()).toBe(goesOn);
        }),
      20_000,
    );
});
