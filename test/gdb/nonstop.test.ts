// Non-stop: threads stop one by one while the others run.
import { describe, expect, test } from "bun:test";
import { buildGuest } from "../tools/guest.ts";
import { type Client, debugging, hex, number, symbolOf } from "./client.ts";
import { gdb } from "./gdb.ts";

const limit = 60_000;
const threads = buildGuest("../gdb/threads.c", "static", "-O1");
const blocked = buildGuest("../gdb/blocked.c");

/** The next notification. */
async function notification(c: Client): Promise<string> {
  for (let tries = 0; tries < 2000; tries++) {
    const first = c.notifications.shift();
    if (first !== undefined) return first;
    await Bun.sleep(5);
  }
  throw new Error("no notification came");
}

/** Every stop of a notification's turn. */
async function stopsOf(c: Client): Promise<string[]> {
  const stops = [(await notification(c)).replace(/^Stop:/, "")];
  for (;;) {
    const more = await c.ask("vStopped");
    if (more === "OK") return stops;
    stops.push(more);
  }
}

describe("non-stop", () => {
  test(
    "tells of each thread's stop once, by notifications, and lets the others run",
    () =>
      debugging([threads, "4"], async ({ client }) => {
        await client.ask("qSupported:multiprocess+;swbreak+;vContSupported+");
        expect(await client.ask("QNonStop:1")).toBe("OK");
        expect(await client.ask("?")).toMatch(/^T00/);
        expect(await client.ask("vStopped")).toBe("OK");
        expect(await client.ask(`Z0,${hex(symbolOf(threads, "work"))},2`)).toBe("OK");
        expect(await client.ask("vCont;c:p-1.-1")).toBe("OK");
        const stopped = new Set<string>();
        while (stopped.size < 4)
          for (const stop of await stopsOf(client)) {
            const [, thread = ""] = /thread:([^;]+);/.exec(stop)!;
            expect(stop).toMatch(/^T05.*swbreak:;/);
            expect(stopped.has(thread)).toBe(false);
            stopped.add(thread);
          }
        await client.ask(`z0,${hex(symbolOf(threads, "work"))},2`);
        for (const thread of stopped) expect(await client.ask(`vCont;c:${thread}`)).toBe("OK");
        expect(await stopsOf(client)).toEqual([expect.stringMatching(/^W00;process:/)]);
      }),
    limit,
  );

  test(
    "lets threads go that have ended, also where the debugger asks meanwhile who stands still",
    () =>
      debugging([threads, "2"], async ({ client }) => {
        await client.ask("qSupported:multiprocess+;vContSupported+");
        expect(await client.ask("QNonStop:1")).toBe("OK");
        expect(await client.ask("?")).toMatch(/^T00/);
        expect(await client.ask("vStopped")).toBe("OK");
        expect(await client.ask("QThreadEvents:1")).toBe("OK");
        expect(await client.ask("vCont;c:p-1.-1")).toBe("OK");
        // Both begin; then one has ended, and the other has, or is about to.
        const created: string[] = [];
        while (created.length < 2) created.push(...(await stopsOf(client)).filter((stop) => stop.includes("create:;")));
        expect(await client.ask("vCont;c:p-1.-1")).toBe("OK");
        expect(await notification(client)).toMatch(/^Stop:w00;/);
        const isGone = async (): Promise<boolean> => !(await client.ask("qfThreadInfo")).includes(",");
        for (let first = await client.ask("?"); ; first = await client.ask("?")) {
          for (let stop = first; stop !== "OK"; stop = await client.ask("vStopped")) expect(stop).toMatch(/^[TwW]/);
          expect(first).not.toMatch(/^w/);
          if ((await isGone()) || client.notifications.some((text) => text.includes("W00"))) break;
        }
      }),
    limit,
  );

  test(
    "stops one thread that blocks, by request, and no other",
    () =>
      debugging([blocked, "threads"], async ({ client, line }) => {
        await client.ask("qSupported:multiprocess+;swbreak+;vContSupported+");
        await client.ask("QNonStop:1");
        await client.ask("?");
        await client.ask("vStopped");
        expect(await client.ask("vCont;c:p-1.-1")).toBe("OK");
        expect(await line()).toBe("ready");
        const all = (await client.ask("qfThreadInfo")).slice(1).split(",");
        expect(await client.ask(`vCont;t:${all[0]}`)).toBe("OK");
        const stops = await stopsOf(client);
        expect(stops).toEqual([expect.stringMatching(new RegExp(`^T00.*thread:${all[0]!.replace(".", "\\.")};`))]);
      }),
    limit,
  );

  test(
    "lets no thread pass a breakpoint once its insertion is answered, nor stop at one whose removal is",
    () =>
      debugging([threads, "4", "1000000000"], async ({ client }) => {
        await client.ask("qSupported:multiprocess+;swbreak+;vContSupported+");
        await client.ask("QNonStop:1");
        await client.ask("?");
        await client.ask("vStopped");
        expect(await client.ask("vCont;c:p-1.-1")).toBe("OK");
        const at = hex(symbolOf(threads, "work"));
        const rounds = async (): Promise<bigint> => number(await client.ask(`m${hex(symbolOf(threads, "rounds"))},8`));
        while ((await rounds()) < 1000n) await Bun.sleep(1);
        for (let i = 0; i < 6; i++) {
          expect(await client.ask(`Z0,${at},2`)).toBe("OK");
          const before = await rounds();
          const stopped = new Set<string>();
          while (stopped.size < 4)
            for (const stop of await stopsOf(client)) stopped.add(/thread:([^;]+);/.exec(stop)![1]!);
          // Each may have been behind the address, and not yet where it counts.
          expect((await rounds()) - before).toBeLessThanOrEqual(4n);
          expect(await client.ask(`z0,${at},2`)).toBe("OK");
          for (const thread of stopped) expect(await client.ask(`vCont;c:${thread}`)).toBe("OK");
          const after = await rounds();
          while ((await rounds()) < after + 100n) await Bun.sleep(1);
          expect(client.notifications).toEqual([]);
        }
      }),
    limit,
  );

  test(
    "works with gdb",
    async () => {
      const text = await gdb([threads, "4"], ["tbreak work", "continue", "continue -a"], {
        before: ["set non-stop on"],
      });
      expect(text).toMatch(/hit Temporary breakpoint 1, work/);
    },
    limit,
  );
});
