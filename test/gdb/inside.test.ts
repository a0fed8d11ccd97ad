// Debuggers inside, and stops of the guest's own: the outer one is told first, the inner one's steps are the inner one's alone, and
// neither sees the other's.
import { describe, expect, test } from "bun:test";
import { buildGuest } from "../tools/guest.ts";
import { sabre } from "../tools/sabre.ts";
import { type Client, debugging, hex, number, symbolOf } from "./client.ts";
import { gdb } from "./gdb.ts";

const limit = 120_000;
const stepper = buildGuest("../gdb/stepper.c", "static", "-O1");
const halted = buildGuest("../gdb/halted.c", "static", "-O1");
const [pc, instret] = ["20", "46"] as const;
/** SIGSTOP, SIGCONT and SIGCHLD, which the program gets unseen. */
const passed = "QPassSignals:11;13;14";

const register = async (c: Client, n: string): Promise<number> => Number(number(await c.ask(`p${n}`)));
const threadIn = (stop: string): string => /thread:([^;]+);/.exec(stop)![1]!;

/** Begins a program, and goes on until it has forked; answers both threads, which stand still. */
async function forked(client: Client): Promise<{ readonly parent: string; readonly child: string }> {
  await client.ask("qSupported:multiprocess+;swbreak+;vContSupported+;fork-events+;no-resumed+");
  expect(await client.ask(passed)).toBe("OK");
  const [, parent, child] = /thread:([^;]+);fork:([^;]+);$/.exec(await client.ask("vCont;c"))!;
  return { parent: parent!, child: child! };
}

/** What the stepper says where nobody debugs it. */
const alone = async (): Promise<string> => (await sabre(["run", stepper])).stdout.trim();

describe("a thread that a debugger inside steps", () => {
  for (const others of ["", ";c"])
    test(
      `is stepped from outside${others === "" ? ", alone" : ", while the others run"}`,
      async () => {
        const expected = await alone();
        expect(expected).toMatch(/^\d+ steps, each one trap, child 10$/);
        await debugging([stepper], async ({ client, line }) => {
          const { child } = await forked(client);
          await client.ask(`Hg${child}`);
          const work = symbolOf(stepper, "work");
          expect(await client.ask(`Z0,${hex(work)},2`)).toBe("OK");
          const stop = await client.ask("vCont;c");
          expect(stop).toMatch(/^T05.*swbreak:;$/);
          expect(threadIn(stop)).toBe(child);
          expect(await register(client, pc)).toBe(work);
          for (let i = 0; i < 12; i++) {
            const [at, count] = [await register(client, pc), await register(client, instret)];
            const reply = await client.ask(`vCont;s:${child}${others}`);
            expect([i, reply]).toEqual([i, expect.stringMatching(/^T05[^;]*;.*thread:[^;]+;$/)]);
            expect(threadIn(reply)).toBe(child);
            expect(await register(client, pc)).not.toBe(at);
            expect(await register(client, instret)).toBe(count + 1);
          }
          expect(await client.ask(`z0,${hex(work)},2`)).toBe("OK");
          expect(await client.ask("vCont;c")).toMatch(/^W0a;/);
          expect(await client.ask("vCont;c")).toMatch(/^W00;/);
          // The one inside has seen as many steps, and each once.
          expect(await line()).toBe(expected);
        });
      },
      limit,
    );

  test(
    "stops at breakpoints before the one inside hears of its step, each time once",
    async () => {
      const expected = await alone();
      await debugging([stepper], async ({ client, line }) => {
        const { child } = await forked(client);
        await client.ask(`Hg${child}`);
        const work = symbolOf(stepper, "work");
        // The beginning of the loop, to which a branch leads back.
        const places = [work, work + 14];
        for (const place of places) expect(await client.ask(`Z0,${hex(place)},2`)).toBe("OK");
        const counts = new Set<number>();
        let reply = await client.ask("vCont;c");
        for (; reply.startsWith("T05"); reply = await client.ask("vCont;c")) {
          expect(threadIn(reply)).toBe(child);
          expect(places).toContain(await register(client, pc));
          const count = await register(client, instret);
          expect(counts.has(count)).toBe(false);
          counts.add(count);
        }
        expect(counts.size).toBeGreaterThan(1);
        expect(reply).toMatch(/^W0a;/);
        expect(await client.ask("vCont;c")).toMatch(/^W00;/);
        expect(await line()).toBe(expected);
      });
    },
    limit,
  );

  test(
    "is debugged by gdb, which steps it by breakpoints, and its tracer too",
    async () => {
      const both = ["handle SIGSTOP nostop noprint pass", "set detach-on-fork off", "set schedule-multiple on"];
      const child = await gdb(
        [stepper],
        [
          ...[...both, "set follow-fork-mode child", "break work", "continue", "print sum", "stepi", "stepi"],
          ...["delete", "stepi", "next", "kill inferiors 1 2"],
        ],
      );
      expect(child).toMatch(/Breakpoint 1(\.\d)?, work/);
      expect(child).toContain("$1 = 0");
      expect(child).toMatch(/main \(\) at .*_exit\(sum\)/s);
      const tracer = await gdb(
        [stepper],
        [
          ...[...both, "break work", "break ptrace", "continue", "continue", "info threads", "continue", "disable"],
          ...["continue", "inferior 1", "continue"],
        ],
      );
      // One that stands still in a stop of the guest's own stands still for gdb.
      expect(tracer).toMatch(/\* 1\.1 .* in ptrace \(\)\n +2\.1 .* in /);
      expect(tracer).toMatch(/Inferior 2 \(process \d+\) exited with code 012/);
      expect(tracer).toMatch(/each one trap, child 10/);
    },
    limit,
  );
});

test(
  "a process that its own SIGSTOP has stopped stands still, goes on with SIGCONT, and nothing waits for it",
  () =>
    debugging([halted], async ({ client, process, line }) => {
      const { child } = await forked(client);
      client.say("vCont;c");
      expect(await line()).toBe("stopped");
      for (let i = 0; i < 3; i++) {
        client.raw("\x03");
        expect(await client.next()).toMatch(/^T02/);
        expect((await client.ask("qfThreadInfo")).split(",").length).toBe(2);
        await client.ask(`Hg${child}`);
        expect(await client.ask("g")).toMatch(/^[0-9a-f]+$/);
        client.say("vCont;c");
      }
      process.stdin.write("x");
      process.stdin.end();
      expect(await client.next()).toMatch(/^W06;/);
      expect(await client.ask("vCont;c")).toMatch(/^W00;/);
      expect(await line()).toBe("ended 6");
    }),
  limit,
);
