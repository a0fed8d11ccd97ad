// Sixteen threads that come to a breakpoint and get a signal at the same moment, again and again: no packet is torn, one stop is told
// at a time, each once, and while one thread steps its stop is the first.
import { expect, test } from "bun:test";
import { buildGuest } from "../tools/guest.ts";
import { debugging, hex, number, packetsIn, symbolOf } from "./client.ts";
import { gdb } from "./gdb.ts";

const limit = 120_000;
const program = buildGuest("../gdb/crowd.c", "static", "-O1");
const count = 16;
/** Numbers of registers. */
const [a0, pc] = ["a", "20"] as const;
/** The protocol's number of SIGRTMIN+1 as the C library counts. */
const signal = "2f";
const stop = /^T(05|2f)(?:[0-9a-f]{2}:[0-9a-f]+;)+thread:(p[0-9a-f]+\.[0-9a-f]+);(swbreak:;)?$/;

for (const jit of ["auto", "off"])
  test(
    `is debugged by packets, of which none is torn, lost or told twice: ${jit}`,
    () =>
      debugging(
        [program, String(count), "8"],
        async ({ client, line }) => {
          await client.ask("qSupported:multiprocess+;swbreak+;vContSupported+");
          const at = symbolOf(program, "hit");
          expect(await client.ask(`Z0,${hex(at)},2`)).toBe("OK");
          let [signals, steps] = [0, 0];
          let asked = 1;
          let order = "vCont;c";
          /** Who is stepped. */
          let stepping: string | undefined;
          /** The arguments of calls for which a thread has stopped, and those with which a signal came first: such a thread comes there again. */
          const [calls, interrupted] = [new Set<bigint>(), new Set<bigint>()];
          for (;;) {
            const reply = await client.ask(order, 20_000);
            asked++;
            if (reply.startsWith("W")) break;
            const found = stop.exec(reply);
            expect([order, reply]).toEqual([order, expect.stringMatching(stop)]);
            const [, signo, thread, reason] = found!;
            if (stepping !== undefined) expect([order, thread]).toEqual([order, stepping]);
            if (reason !== undefined) {
              const call = number(await client.ask(`p${a0}`));
              expect(calls.has(call) && !interrupted.has(call)).toBe(false);
              calls.add(call);
              asked++;
            } else if (signo === signal) signals++;
            else steps++;
            const isHere = Number(number(await client.ask(`p${pc}`))) === at;
            if (isHere && reason === undefined) interrupted.add(number(await client.ask(`p${a0}`)));
            if (isHere && reason === undefined) asked++;
            // Nothing follows a stop but what is asked.
            expect(await client.ask("qC")).toBe(`QC${thread}`);
            expect(client.pending()).toEqual([]);
            asked += 2;
            const first = reason !== undefined || (signo === "05" && steps % 6 !== 0);
            stepping = first ? thread : undefined;
            if (signo === signal) order = `vCont;C${signal}:${thread};c`;
            else order = first ? `vCont;s:${thread};c` : "vCont;c";
          }
          expect({ calls: calls.size, signals }).toEqual({ calls: count * 8, signals: count * 8 });
          expect(steps).toBeGreaterThan(count * 8);
          expect(await line()).toBe(`hits ${count * 8}, handled ${count * 8}`);
          // Z0, qSupported and QStartNoAckMode, and a reply for each packet.
          expect(packetsIn(client.received()).length).toBe(asked + 2);
          expect(client.notifications).toEqual([]);
        },
        { options: ["--jit", jit] },
      ),
    limit,
  );

test(
  "is debugged by gdb",
  async () => {
    const text = await gdb(
      [program, String(count), "2"],
      [
        ...["break hit", "catch signal SIG35", "while $_isvoid($_exitcode)", "continue"],
        ...[
          "if $_isvoid($_exitcode) && $_thread % 5 == 0",
          "stepi",
          "end",
          "end",
          "info breakpoints",
          "print $_exitcode",
        ],
      ],
    );
    const [hits, caught] = [...text.matchAll(/already hit (\d+) times/g)].map(([, n]) => Number(n));
    expect(caught).toBe(count * 2);
    // One that a handler was before is hit again. Gdb steps over one that a signal came before, and does not count it: each hit is
    // counted exactly above, without gdb.
    expect(hits).toBeGreaterThan(count);
    expect(hits).toBeLessThan(count * 3);
    expect(text).toContain("$1 = 0");
    expect(text).toContain(`hits ${count * 2}, handled ${count * 2}`);
  },
  limit,
);
