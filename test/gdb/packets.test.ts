// Packets and their replies, as a debugger without gdb's habits sends them.
import { describe, expect, test } from "bun:test";
import { realpathSync } from "node:fs";
import { buildGuest } from "../tools/guest.ts";
import { type Client, debugging, framed, hex, number, symbolOf } from "./client.ts";

const program = buildGuest("../gdb/signals.c", "static", "-O1");
const threads = buildGuest("../gdb/threads.c", "static", "-O1");
const limit = 60_000;

const supported = "qSupported:multiprocess+;swbreak+;hwbreak+;fork-events+;vContSupported+;no-resumed+";
const SIGUSR1 = "1e";
/** Register numbers. */
const [sp, a0, pc] = ["2", "a", "20"] as const;
const text = (s: string): string => Buffer.from(s, "latin1").toString("hex");
const register = async (c: Client, n: string): Promise<number> => Number(number(await c.ask(`p${n}`)));

describe("before the first instruction", () => {
  test(
    "a debugger learns what there is",
    () =>
      debugging([program], async ({ client }) => {
        const reply = await client.ask(supported);
        for (const feature of ["PacketSize=20000", "QStartNoAckMode+", "multiprocess+", "vContSupported+"])
          expect(reply.split(";")).toContain(feature);
        expect(await client.ask("?")).toMatch(/^T05.*20:[0-9a-f]{16};.*thread:p[0-9a-f]+\.[0-9a-f]+;/);
        expect(await client.ask("qC")).toMatch(/^QCp[0-9a-f]+\.[0-9a-f]+$/);
        expect(await client.ask("qfThreadInfo")).toMatch(/^mp[0-9a-f]+\.[0-9a-f]+$/);
        expect(await client.ask("qsThreadInfo")).toBe("l");
        expect(await client.ask("qAttached")).toBe("0");
        expect(await client.ask("vCont?")).toBe("vCont;c;C;s;S;t;r");
        expect(await client.ask("qXfer:features:read:target.xml:0,40")).toMatch(/^m<\?xml/);
        expect(await client.ask("qXfer:features:read:other.xml:0,40")).toBe("E00");
        expect(await client.ask("qXfer:exec-file:read::0,1000")).toBe(`l${realpathSync(program)}`);
        expect(await client.ask("qXfer:auxv:read::0,1000")).toMatch(/^l/);
        expect(await client.ask("qXfer:threads:read::0,1000")).toMatch(/^l.*<thread id="p[^"]*" core="\d+" name="/s);
        expect(await client.ask("qXfer:osdata:read:processes:0,1000")).toMatch(/signals/);
      }),
    limit,
  );

  test(
    "what is no packet gets an empty reply, what is a wrong one an error",
    () =>
      debugging([program], async ({ client }) => {
        for (const unknown of [
          "",
          "vMustReplyEmpty",
          "qUnknown",
          "y",
          "vFooBar;1",
          "QOther:1",
          "qXfer:nothing:read::0,1",
        ])
          expect([unknown, await client.ask(unknown)]).toEqual([unknown, ""]);
        for (const wrong of ["m", "mzz,1", "m0", "M0,2:00", "pzz", "p1000", "P5=12", "Z0,zz,2", "Hgxyz", "G0"])
          expect([wrong, await client.ask(wrong)]).toEqual([wrong, expect.stringMatching(/^E[0-9a-f]{2}$/)]);
        expect(await client.ask("m0,10")).toBe("E0e");
        expect(await client.ask("vCont;q")).toMatch(/^E/);
        expect(await client.ask("?")).toMatch(/^T05/);
      }),
    limit,
  );

  test(
    "registers and memory are read and written",
    () =>
      debugging([program], async ({ client }) => {
        const all = await client.ask("g");
        expect(all).toHaveLength(2 * (33 * 8 + 32 * 8 + 3 * 4));
        expect(await register(client, pc)).toBe(symbolOf(program, "_start"));
        expect(await client.ask(`P${a0}=8877665544332211`)).toBe("OK");
        expect(await client.ask(`p${a0}`)).toBe("8877665544332211");
        expect(await client.ask("P0=ffffffffffffffff")).toBe("OK");
        expect(await client.ask("p0")).toBe("0000000000000000");
        expect(await client.ask("P43=ff000000")).toBe("OK");
        expect(await client.ask("p41")).toBe("1f000000");
        expect(await client.ask("p42")).toBe("07000000");
        expect(await client.ask(`G${all}`)).toBe("OK");
        expect(await client.ask("g")).toBe(all);
        const at = hex(symbolOf(program, "buffer"));
        expect(await client.ask(`M${at},3:616263`)).toBe("OK");
        expect(await client.ask(`m${at},4`)).toBe("61626300");
        expect(await client.ask(`X${at},4:}#$*`)).toBe("OK");
        expect(await client.ask(`x${at},4`)).toBe("b}#$*");
        expect(await client.ask(`m${hex(await register(client, sp))},8`)).toMatch(/^[0-9a-f]{16}$/);
        expect(await client.ask(`qSearch:memory:${at};10;#$`)).toBe(`1,${hex(symbolOf(program, "buffer") + 1)}`);
        expect(await client.ask(`qSearch:memory:${at};10;zz`)).toBe("0");
        expect(await client.ask(`M${at},9:${text("123456789")}`)).toBe("OK");
        // The sum of gdb's own documentation: CRC-32 without reflection.
        expect(await client.ask(`qCRC:${at},9`)).toBe("C376e6e7");
      }),
    limit,
  );

  test(
    "files are read as the program sees them",
    () =>
      debugging([program], async ({ client }) => {
        expect(await client.ask("vFile:setfs:0")).toBe("F0");
        expect(await client.ask(`vFile:open:${text("/nonexistent")},0,0`)).toBe("F-1,2");
        const opened = await client.ask(`vFile:open:${text(program)},0,0`);
        const fd = opened.slice(1);
        expect(await client.ask(`vFile:pread:${fd},4,0`)).toBe("F4;\x7fELF");
        const stat = await client.ask(`vFile:fstat:${fd}`);
        expect(stat).toMatch(/^F40;/);
        expect(Buffer.from(stat.slice(4), "latin1").readBigUInt64BE(28)).toBe(BigInt(Bun.file(program).size));
        expect(await client.ask(`vFile:close:${fd}`)).toBe("F0");
        expect(await client.ask(`vFile:close:${fd}`)).toBe("F-1,9");
      }),
    limit,
  );
});

describe("compiled code", () => {
  for (const jit of ["off", "js", "wasm"] as const)
    test(
      `stops at breakpoints and for watched memory that came while it ran: ${jit}`,
      () =>
        debugging(
          [threads, "1", "1000000000"],
          async ({ client }) => {
            const at = symbolOf(threads, "work");
            const rounds = symbolOf(threads, "rounds");
            const count = async (): Promise<number> => Number(number(await client.ask(`m${hex(rounds)},8`)));
            for (let i = 0; i < 3; i++) {
              const before = await count();
              client.say("vCont;c");
              // Long enough for its loop to be compiled, and again after each change.
              while ((await count()) < before + 100_000) await Bun.sleep(1);
              client.raw("\x03");
              expect(await client.next()).toMatch(/^T02/);
              await client.ask(`Z0,${hex(at)},2`);
              expect(await client.ask("vCont;c")).toMatch(/^T05/);
              expect(await register(client, pc)).toBe(at);
              const here = await count();
              expect(await client.ask("vCont;c")).toMatch(/^T05/);
              expect(await count()).toBe(here + 1);
              await client.ask(`z0,${hex(at)},2`);
              await client.ask(`Z4,${hex(rounds)},8`);
              expect(await client.ask("vCont;c")).toContain(`awatch:${hex(rounds)};`);
              expect(await count()).toBe(here + 1);
              expect(await client.ask("vCont;c")).toContain(`awatch:${hex(rounds)};`);
              expect(await count()).toBe(here + 2);
              await client.ask(`z4,${hex(rounds)},8`);
            }
          },
          { options: ["--jit", jit] },
        ),
      limit,
    );
});

describe("a program that runs", () => {
  test(
    "stops at a breakpoint before its instruction, and steps over it when it goes on",
    () =>
      debugging([program], async ({ client }) => {
        await client.ask(supported);
        await client.ask("QPassSignals:1e");
        const at = symbolOf(program, "triple");
        expect(await client.ask(`Z0,${hex(at)},2`)).toBe("OK");
        expect(await client.ask("vCont;c")).toMatch(/^T05.*swbreak:;/);
        expect(await register(client, pc)).toBe(at);
        expect(await register(client, a0)).toBe(11);
        expect(await client.ask("vCont;s")).toMatch(/^T05/);
        expect(await register(client, pc)).not.toBe(at);
        const pid = await pidIn(client);
        expect(await client.ask("vCont;c")).toBe(`W03;process:${pid}`);
      }),
    limit,
  );

  test(
    "stops where the debugger wrote code, and where a breakpoint is gone it does not",
    () =>
      debugging([program], async ({ client }) => {
        await client.ask("QPassSignals:1e");
        const at = symbolOf(program, "triple");
        await client.ask(`Z1,${hex(at)},4`);
        expect(await client.ask("c")).toMatch(/^T05/);
        // li a0,0; ret
        expect(await client.ask(`M${hex(at)},4:01458280`)).toBe("OK");
        expect(await client.ask(`z1,${hex(at)},4`)).toBe("OK");
        expect(await client.ask(`Z0,${hex(at + 2)},2`)).toBe("OK");
        expect(await client.ask("c")).toMatch(/^T05/);
        expect(await register(client, pc)).toBe(at + 2);
        expect(await register(client, a0)).toBe(0);
        expect(await client.ask("c")).toBe("W03");
      }),
    limit,
  );

  test(
    "stops for conditions that hold, and for no others",
    () =>
      debugging([threads, "1"], async ({ client }) => {
        const at = symbolOf(threads, "work");
        // a0 == 1050
        const condition = "26000a23041a1327";
        expect(await client.ask(`Z0,${hex(at)},2;X8,${condition}`)).toBe("OK");
        expect(await client.ask("vCont;c")).toMatch(/^T05/);
        expect(await register(client, a0)).toBe(1050);
        expect(await client.ask(`Z0,${hex(at)},2;X8,26000a2304241327`)).toBe("OK");
        expect(await client.ask("vCont;c")).toMatch(/^T05/);
        expect(await register(client, a0)).toBe(1060);
        expect(await client.ask(`Z0,${hex(at)},2;X9,${condition}`)).toBe("E16");
        expect(await client.ask(`z0,${hex(at)},2`)).toBe("OK");
        expect(await client.ask("vCont;c")).toBe("W00");
      }),
    limit,
  );

  test(
    "stops at system calls, on the way in and out",
    () =>
      debugging([program], async ({ client }) => {
        await client.ask("QPassSignals:1e");
        // openat
        expect(await client.ask("QCatchSyscalls:1;38")).toBe("OK");
        expect(await client.ask("vCont;c")).toMatch(/^T05.*syscall_entry:38;/);
        expect(await client.ask("vCont;c")).toMatch(/^T05.*syscall_return:38;/);
        expect(await register(client, a0)).toBeGreaterThan(2);
        expect(await client.ask(`P${a0}=${"ff".repeat(8)}`)).toBe("OK");
        expect(await client.ask("QCatchSyscalls:0")).toBe("OK");
        expect(await client.ask("vCont;c")).toBe("W03");
      }),
    limit,
  );

  test(
    "stops before an access that is watched, with its address, and makes it when it goes on",
    () =>
      debugging([program], async ({ client }) => {
        await client.ask("QPassSignals:1e");
        const target = symbolOf(program, "target");
        expect(await client.ask(`Z2,${hex(target + 2)},1`)).toBe("OK");
        for (const [before, pages] of [
          [5, 1],
          [6, 1],
          [8, 1],
        ] as const) {
          expect(await client.ask("vCont;c")).toContain(`watch:${hex(target + 2)};`);
          expect(Number(number(await client.ask(`m${hex(target)},8`)))).toBe(before);
          expect(pages).toBe(1);
        }
        expect(await client.ask(`z2,${hex(target + 2)},1`)).toBe("OK");
        expect(await client.ask("vCont;c")).toBe("W03");
      }),
    limit,
  );

  test(
    "is stepped through a range, and out of it",
    () =>
      debugging([program], async ({ client }) => {
        await client.ask("QPassSignals:1e");
        const at = symbolOf(program, "count");
        await client.ask(`Z0,${hex(at)},2`);
        await client.ask("vCont;c");
        const ra = await register(client, "1");
        // The whole function, a million times round a loop.
        const begun = performance.now();
        expect(await client.ask(`vCont;r${hex(at)},${hex(at + 60)}`)).toMatch(/^T05/);
        expect(await register(client, pc)).toBe(ra);
        expect(performance.now() - begun).toBeLessThan(5000);
      }),
    limit,
  );

  test(
    "gets signals with their information, or not, as the debugger says",
    () =>
      debugging([program], async ({ client }) => {
        expect(await client.ask("vCont;c")).toMatch(new RegExp(`^T${SIGUSR1}`));
        const info = await client.ask("qXfer:siginfo:read::0,80");
        expect(Buffer.from(info.slice(1), "latin1").readInt32LE(0)).toBe(10);
        const at = symbolOf(program, "touch");
        await client.ask(`Z0,${hex(at)},2`);
        expect(await client.ask("vCont;c")).toMatch(/^T05/);
        expect(await client.ask(`m${hex(symbolOf(program, "handled"))},8`)).toBe("0000000000000000");
        await client.ask(`z0,${hex(at)},2`);
        expect(await client.ask(`vCont;C${SIGUSR1}`)).toBe("W03");
      }),
    limit,
  );

  test(
    "is left by a debugger, and met by another",
    () =>
      debugging([buildGuest("../gdb/blocked.c"), "loop"], async ({ client, connect, line }) => {
        client.say("vCont;c");
        expect(await line()).toBe("ready");
        client.raw("\x03");
        expect(await client.next()).toMatch(/^T02/);
        expect(await client.ask("D")).toBe("OK");
        const again = await connect();
        expect(await again.ask("?")).toMatch(/^T05/);
        expect(await again.ask("vCont;s")).toMatch(/^T05/);
        again.end();
        const third = await connect();
        expect(await third.ask("?")).toMatch(/^T05/);
        third.end();
      }),
    limit,
  );

  test(
    "is killed by the debugger",
    () =>
      debugging([program], async ({ client, process }) => {
        client.say("k");
        await process.exited;
        expect(process.signalCode).toBe("SIGKILL");
      }),
    limit,
  );
});

/** The id of the process, in digits. */
async function pidIn(client: Client): Promise<string> {
  const [, pid = ""] = /^QCp([0-9a-f]+)\./.exec(await client.ask("qC")) ?? [];
  return pid;
}

test(
  "acknowledgements are sent while they are wanted, and a damaged packet is asked for again",
  () =>
    debugging(
      [program],
      async ({ client }) => {
        client.raw("$g#00");
        client.raw(framed("qAttached"));
        expect(await client.next()).toBe("0");
      },
      { acks: true },
    ),
  limit,
);

test(
  "threads that begin and end are told of when that is asked for",
  () =>
    debugging([threads, "2", "10"], async ({ client }) => {
      await client.ask("qSupported:multiprocess+");
      const first = (await client.ask("qC")).slice(2);
      expect(await client.ask("QThreadEvents:2")).toBe("E16");
      expect(await client.ask("QThreadEvents:1")).toBe("OK");
      const [created, left]: [string[], string[]] = [[], []];
      for (let text = await client.ask("vCont;c"); !text.startsWith("W"); text = await client.ask("vCont;c")) {
        const begun = /^T05.*thread:([^;]+);create:;$/.exec(text);
        const ended = /^w00;(.+)$/.exec(text);
        expect(begun ?? ended ?? text).not.toBe(text);
        if (begun) created.push(begun[1]!);
        else left.push(ended![1]!);
      }
      expect(created.length).toBe(2);
      expect(left.toSorted()).toEqual(created.toSorted());
      expect(created).not.toContain(first);
    }),
  limit,
);
