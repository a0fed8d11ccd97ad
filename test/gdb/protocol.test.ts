// What the stub offers beyond running, stopping, registers and memory, packet by packet; and that it has a row for each that it is to
// have.
import { describe, expect, test } from "bun:test";
import { closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync, symlinkSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newDebugState, noteEnd } from "../../src/debug/state.ts";
import { statusText } from "../../src/gdb/running.ts";
import type { Session } from "../../src/gdb/session.ts";
import { packetRows } from "../../src/gdb/table.ts";
import { newKernel } from "../../src/linux/kernel.ts";
import { firstProcess } from "../../src/linux/processes.ts";
import { buildGuest } from "../tools/guest.ts";
import { type Debugged, debugging, hex, number, symbolOf } from "./client.ts";
import { gdb } from "./gdb.ts";

const limit = 60_000;
const program = buildGuest("../gdb/signals.c", "static", "-O1");
const threads = buildGuest("../gdb/threads.c", "static", "-O1");
const blocked = buildGuest("../gdb/blocked.c");
const text = (s: string): string => Buffer.from(s, "latin1").toString("hex");
const [SIGUSR1, a0, cycle, time, instret] = ["1e", "a", "44", "45", "46"] as const;

/** What a program and its debugger's printing left on standard error, without sabre's own line. */
const printedBy = async ({ stderr }: { readonly stderr: ReadableStream }): Promise<string> =>
  (await new Response(stderr).text()).replace(/^sabre: .*\n/gm, "");

/** A program whose libraries its linker loads. */
const sysroot = ["-L", "/usr/riscv64-linux-gnu"] as const;

/** What gdbserver offers on Linux, but tracepoints: those that start programs are the relay's (extended.test.ts). */
const offered = [
  ...["?", "!", "g", "G", "p", "P", "m", "M", "x", "X", "c", "C", "s", "S", "vCont", "vCont?", "z", "Z", "H", "T", "k"],
  ...["D", "vKill", "vCtrlC", "vStopped", "QStartNoAckMode", "QNonStop", "QThreadEvents", "QThreadOptions"],
  ...["QCatchSyscalls", "QPassSignals", "QProgramSignals", "qXfer", "qGetTLSAddr", "qSearch:memory", "qCRC", "qSymbol"],
  ...["qC", "qfThreadInfo", "qsThreadInfo", "qThreadExtraInfo", "qOffsets", "qAttached", "qSupported", "qRcmd"],
  ...["setfs", "open", "pread", "pwrite", "fstat", "stat", "lstat", "close", "unlink", "readlink"].map(
    (name) => `vFile:${name}:`,
  ),
];

describe("the table of packets", () => {
  test("has every one of them, each once", () => {
    const names = packetRows.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(offered.filter((name) => !names.includes(name))).toEqual([]);
  });

  test(
    "is what qSupported tells of",
    () =>
      debugging([program], async ({ client }) => {
        const reply = (await client.ask("qSupported:fork-events+;vfork-events+;exec-events+")).split(";");
        const features = [
          ...["multiprocess+", "swbreak+", "hwbreak+", "no-resumed+", "error-message+", "binary-upload+"],
          ...["fork-events+", "vfork-events+", "exec-events+", "vContSupported+", "QStartNoAckMode+", "QNonStop+"],
          ...["QThreadEvents+", "QThreadOptions=3", "QCatchSyscalls+", "QPassSignals+", "QProgramSignals+"],
          ...["ConditionalBreakpoints+", "BreakpointCommands+", "qXfer:siginfo:write+"],
          ...["features", "threads", "auxv", "exec-file", "libraries-svr4", "siginfo", "osdata"].map(
            (name) => `qXfer:${name}:read+`,
          ),
        ];
        expect(features.filter((feature) => !reply.includes(feature))).toEqual([]);
      }),
    limit,
  );
});

describe("commands of breakpoints", () => {
  /** printf("n=%ld\n", a0), as gdb compiles it. */
  const format = `${text("n=%ld\\n")}00`;
  const print = `26000a220022003401${"0008"}${format}27`;
  const commands = (persist: number): string => `;cmds:${persist},X${hex(print.length / 2)},${print}`;
  // a0 > 1002
  const above1002 = `${"2303ea"}26000a1427`;

  test(
    "are executed where they are reached, and nothing stops",
    () =>
      debugging([threads, "1", "5"], async ({ client, process }) => {
        const at = hex(symbolOf(threads, "work"));
        expect(await client.ask(`Z0,${at},2${commands(0)}`)).toBe("OK");
        expect(await client.ask("vCont;c")).toBe("W00");
        expect(await printedBy(process)).toBe("n=1000\nn=1001\nn=1002\nn=1003\nn=1004\n");
      }),
    limit,
  );

  test(
    "are executed where a condition holds, when the thread is stepped too, each time once",
    () =>
      debugging([threads, "1", "5"], async ({ client, process }) => {
        const at = symbolOf(threads, "work");
        expect(await client.ask(`Z0,${hex(at)},2;X8,${above1002}${commands(0)}`)).toBe("OK");
        expect(await client.ask(`Z0,${hex(at + 4)},2`)).toBe("OK");
        expect(await client.ask("vCont;c")).toMatch(/^T05/);
        expect(await client.ask(`z0,${hex(at + 4)},2`)).toBe("OK");
        const [, thread = ""] = /thread:([^;]+);/.exec(await client.ask("?"))!;
        // Once round and back: every address of the loop is stepped upon.
        let steps = 0;
        for (let pc = -1; pc !== at + 4 || steps < 2; steps++) {
          expect(await client.ask(`vCont;s:${thread}`)).toMatch(/^T05/);
          pc = Number(number(await client.ask("p20")));
        }
        expect(steps).toBeLessThan(200);
        expect(await client.ask("vCont;c")).toBe("W00");
        expect(await printedBy(process)).toBe("n=1003\nn=1004\n");
      }),
    limit,
  );

  test(
    "print into a pipe that nobody reads, and the thread can be stopped there, and breakpoints be set",
    async () => {
      const folder = mkdtempSync(join(tmpdir(), "sabre-fifo-"));
      const fifo = join(folder, "fifo");
      Bun.spawnSync(["mkfifo", fifo]);
      const stderr = openSync(fifo, "r+");
      const probe = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK);
      /** Until no byte more goes in. */
      const fill = async (): Promise<void> => {
        for (;;) {
          try {
            writeSync(probe, "\0");
          } catch (e) {
            expect((e as NodeJS.ErrnoException).code).toBe("EAGAIN");
            return;
          }
          await Bun.sleep(1);
        }
      };
      const drive = async ({ client }: Debugged): Promise<void> => {
        const at = symbolOf(threads, "work");
        expect(await client.ask(`Z0,${hex(at)},2${commands(0)}`)).toBe("OK");
        client.say("vCont;c");
        for (let round = 0; round < 3; round++) {
          await fill();
          client.raw("\x03");
          expect(await client.next()).toMatch(/^T02/);
          expect(await client.ask(`Z0,${hex(at + 4)},2`)).toBe("OK");
          expect(await client.ask(`z0,${hex(at + 4)},2`)).toBe("OK");
          client.say("vCont;c");
        }
        const reader = Bun.spawn(["sh", "-c", `tr -d '\\0' < ${fifo} | sort`], { stdout: "pipe" });
        expect(await client.next()).toBe("W00");
        for (const fd of [stderr, probe]) closeSync(fd);
        const said = (await new Response(reader.stdout).text()).trimEnd().split("\n");
        const wanted = [1000, 2000].flatMap((from) => Array.from({ length: 20_000 }, (_, i) => `n=${from + i}`));
        expect(said.filter((line) => !line.startsWith("sabre: "))).toEqual(wanted.sort());
      };
      try {
        await debugging([threads, "2", "20000"], drive, { stderr });
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
    limit,
  );

  test(
    "go on without a debugger where they are to, and else end with it",
    async () => {
      const at = hex(symbolOf(threads, "work"));
      for (const persist of [0, 1])
        await debugging([threads, "1", "3"], async ({ client, process }) => {
          expect(await client.ask(`Z0,${at},2${commands(persist)}`)).toBe("OK");
          expect(await client.ask("D")).toBe("OK");
          expect(await process.exited).toBe(0);
          expect(await printedBy(process)).toBe(persist === 1 ? "n=1000\nn=1001\nn=1002\n" : "");
        });
    },
    limit,
  );

  test(
    "that are none are refused",
    () =>
      debugging([threads, "1"], async ({ client }) => {
        const at = hex(symbolOf(threads, "work"));
        for (const wrong of [";cmds:0", ";cmds:0,", ";cmds:0,X2,27", ";cmds:0,27", ";cmds:z,X1,27"])
          expect([wrong, await client.ask(`Z0,${at},2${wrong}`)]).toEqual([wrong, "E16"]);
      }),
    limit,
  );

  test(
    "are what gdb's dprintf becomes with the style agent",
    async () => {
      const printed = await gdb(
        [program],
        [
          ...["handle SIGUSR1 nostop noprint pass", "set dprintf-style agent", "break main", "continue"],
          ...['dprintf triple,"triple of %ld at %#x|%5d|%-3d|%c%%\\n", n, (int)$pc, 7, 8, 65'],
          ...['dprintf count,"count with %s\\n", &buffer[0]', "continue"],
        ],
      );
      const at = symbolOf(program, "triple");
      expect(printed).toMatch(new RegExp(`triple of 11 at 0x${hex(at)}.?\\|    7\\|8  \\|A%\\n`));
      expect(printed).toContain("count with hello\n");
      expect(printed).toContain("exited with code 03");
    },
    limit,
  );
});

test(
  "what is not understood is refused, and changes nothing",
  () =>
    debugging([threads, "1", "1"], async ({ client }) => {
      for (const kind of [2, 3, 4]) {
        expect(await client.ask(`Z${kind},80000000,0`)).toBe("E16");
        expect(await client.ask(`z${kind},80000000,0`)).toBe("E16");
      }
      // Of any length, and no slower for it.
      expect(await client.ask("Z2,80000000,40000000")).toBe("OK");
      expect(await client.ask("z2,80000000,40000000")).toBe("OK");
      // write, and no other.
      expect(await client.ask("QCatchSyscalls:1;40")).toBe("OK");
      expect(await client.ask("QCatchSyscalls:1;3f;zz")).toBe("E16");
      expect(await client.ask("vCont;c")).toContain("syscall_entry:40;");
    }),
  limit,
);

test("who comes after the end is told how the first process ended", () => {
  const d = newDebugState(false);
  const s = { world: { d, kernel: newKernel() }, multiprocess: false } as unknown as Session;
  expect(statusText(s)).toBe("W00");
  noteEnd(d, firstProcess, 0x1234, { code: 3 });
  expect(statusText(s)).toBe("W03");
  noteEnd(d, firstProcess, 0x1234, { signal: 11, coreDumped: false });
  expect(statusText({ ...s, multiprocess: true })).toBe("X0b;process:1234");
});

describe("threads", () => {
  test(
    "are on the processors on which the host runs them",
    () =>
      debugging([threads, "4", "1000000000"], async ({ client, process }) => {
        const allowed = /^Cpus_allowed_list:.*?(\d+)$/m.exec(readFileSync(`/proc/${process.pid}/status`, "latin1"))![1];
        Bun.spawnSync(["taskset", "-acp", allowed!, String(process.pid)]);
        for (let threads = 0; threads < 5; ) {
          client.say("vCont;c");
          await Bun.sleep(20);
          client.raw("\x03");
          expect(await client.next()).toMatch(/^T02/);
          const text = await client.ask("qXfer:threads:read::0,1000");
          threads = [...text.matchAll(/<thread /g)].length;
          // One that has not begun is on none.
          const cores = new Set([...text.matchAll(/ core="(\d+)"/g)].map(([, core]) => core));
          expect([...cores]).toEqual([allowed!]);
        }
      }),
    limit,
  );

  test(
    "that are made while only one may run do not begin",
    () =>
      debugging([threads, "2", "5"], async ({ client }) => {
        const rounds = hex(symbolOf(threads, "rounds"));
        const [, thread = ""] = /thread:([^;]+);/.exec(await client.ask("?"))!;
        for (let list = ""; list.split(",").length < 3; list = await client.ask("qfThreadInfo")) {
          client.say(`vCont;c:${thread}`);
          await Bun.sleep(20);
          client.raw("\x03");
          expect(await client.next()).toMatch(/^T02/);
        }
        expect(await client.ask(`m${rounds},8`)).toBe("0000000000000000");
        expect(await client.ask("vCont;c")).toBe("W00");
      }),
    limit,
  );

  test(
    "tell of those that they make and of their end, where that is asked for of them",
    () =>
      debugging([threads, "2", "3"], async ({ client }) => {
        await client.ask("qSupported:multiprocess+");
        const first = (await client.ask("qC")).slice(2);
        for (const wrong of ["QThreadOptions", "QThreadOptions;", "QThreadOptions;4", "QThreadOptions;1:x"])
          expect([wrong, await client.ask(wrong)]).toEqual([wrong, "E16"]);
        expect(await client.ask(`QThreadOptions;1:${first};0`)).toBe("OK");
        const made: string[] = [];
        for (let i = 0; i < 2; i++) {
          const [, thread, child] = /^T05.*thread:([^;]+);clone:([^;]+);$/.exec(await client.ask("vCont;c"))!;
          expect(thread).toBe(first);
          made.push(child!);
        }
        expect(await client.ask(`QThreadOptions;2:${made[1]};0`)).toBe("OK");
        expect(await client.ask("vCont;c")).toBe(`w00;${made[1]}`);
        expect(await client.ask("vCont;c")).toMatch(/^W00;/);
      }),
    limit,
  );

  test(
    "that stand still while the last that ran has gone are told of",
    () =>
      debugging([threads, "2", "3"], async ({ client }) => {
        await client.ask("qSupported:multiprocess+;no-resumed+");
        expect(await client.ask(`Z0,${hex(symbolOf(threads, "work"))},2`)).toBe("OK");
        const [, thread = ""] = /thread:([^;]+);/.exec(await client.ask("vCont;c"))!;
        expect(await client.ask(`z0,${hex(symbolOf(threads, "work"))},2`)).toBe("OK");
        expect(await client.ask(`vCont;c:${thread}`)).toBe("N");
        expect(await client.ask(`T${thread}`)).toBe("E03");
        expect(await client.ask("vCont;c")).toMatch(/^W00;/);
      }),
    limit,
  );

  test(
    "have the counters of user mode as registers that cannot be written",
    () =>
      debugging([program], async ({ client }) => {
        let xml = "";
        for (let part = "m"; part.startsWith("m"); xml += part.slice(1))
          part = await client.ask(`qXfer:features:read:target.xml:${hex(xml.length)},4000`);
        for (const name of ["cycle", "time", "instret"]) expect(xml).toContain(`<reg name="${name}" bitsize="64"`);
        const counts = async (): Promise<bigint[]> => [
          number(await client.ask(`p${cycle}`)),
          number(await client.ask(`p${time}`)),
          number(await client.ask(`p${instret}`)),
        ];
        const [, before] = await counts();
        for (let i = 0; i < 10; i++) await client.ask("vCont;s");
        const [cycles, after, instructions] = await counts();
        expect([cycles, instructions]).toEqual([10n, 10n]);
        expect(after! > before!).toBe(true);
        expect(await client.ask(`P${instret}=0000000000000000`)).toBe("E16");
        expect(await client.ask("g")).toBe(await client.ask("g"));
        expect(await client.ask("p47")).toBe("E16");
      }),
    limit,
  );
});

describe("a debugger that leaves", () => {
  test(
    "lets a thread have the signal for which it stands still, unless it may not have that",
    async () => {
      for (const [signals, handled] of [
        [undefined, "handled 110"],
        [SIGUSR1, "handled 110"],
        ["2", "handled 0"],
      ] as const)
        await debugging([program], async ({ client, line, process }) => {
          if (signals !== undefined) expect(await client.ask(`QProgramSignals:${signals}`)).toBe("OK");
          expect(await client.ask("vCont;c")).toMatch(new RegExp(`^T${SIGUSR1}`));
          expect(await client.ask("D")).toBe("OK");
          expect(await line()).toContain(handled);
          expect(await process.exited).toBe(3);
        });
    },
    limit,
  );

  test(
    "is asked to let go, and not to kill, what ran before it came",
    async () => {
      await debugging([blocked, "loop"], async ({ client }) => {
        expect(await client.ask("qAttached")).toBe("0");
      });
      await debugging(
        [blocked, "loop"],
        async ({ client }) => {
          expect(await client.ask("qAttached")).toBe("1");
        },
        { suspend: false },
      );
    },
    limit,
  );
});

test(
  "what a signal came with is written too",
  () =>
    debugging([program], async ({ client, line }) => {
      expect(await client.ask("qXfer:siginfo:write::0:x")).toBe("E16");
      expect(await client.ask("vCont;c")).toMatch(new RegExp(`^T${SIGUSR1}`));
      const info = Buffer.from((await client.ask("qXfer:siginfo:read::0,80")).slice(1), "latin1");
      // Another sender: the handler adds 100 for its own process.
      info.writeInt32LE(1, 16);
      const packet = Buffer.concat([Buffer.from("qXfer:siginfo:write::0:"), info]).toString("latin1");
      expect(await client.ask(packet)).toBe("80");
      expect(await client.ask(`vCont;C${SIGUSR1}`)).toBe("W03");
      expect(await line()).toContain("handled 10,");
    }),
  limit,
);

test(
  "where a program was moved to, and its libraries, are told",
  async () => {
    await debugging([program], async ({ client }) => {
      expect(await client.ask("qOffsets")).toBe("Text=0;Data=0;Bss=0");
    });
    const dynamic = buildGuest("../gdb/signals.c", "dynamic", "-O1");
    await debugging(
      [dynamic],
      async ({ client }) => {
        const [, bias = ""] = /^Text=([0-9a-f]+);Data=\1;Bss=\1$/.exec(await client.ask("qOffsets"))!;
        const at = Number.parseInt(bias, 16) + symbolOf(dynamic, "triple");
        await client.ask("QPassSignals:1e");
        expect(await client.ask(`Z0,${hex(at)},2`)).toBe("OK");
        expect(await client.ask("vCont;c")).toMatch(/^T05/);
        expect(Number(number(await client.ask(`p${a0}`)))).toBe(11);
        const xml = await client.ask("qXfer:libraries-svr4:read::0,2000");
        expect(xml).toMatch(/<library name="[^"]*libc.so.6" lm="0x\w+" l_addr="0x\w+" l_ld="0x\w+" lmid="0x\w+"\/>/);
      },
      { options: sysroot },
    );
    // gdb takes the list as it is, and says nothing about it.
    const shown = await gdb([dynamic], ["break triple", "handle SIGUSR1 nostop", "continue", "info sharedlibrary"], {
      options: sysroot,
    });
    expect(shown).toMatch(/Yes .*libc\.so\.6/);
    expect(shown).not.toContain("while parsing");
  },
  limit,
);

test(
  "files are made, written, looked at and removed",
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "sabre-files-"));
    const path = join(folder, "file");
    symlinkSync(path, join(folder, "link"));
    try {
      await debugging([program], async ({ client }) => {
        const modeOf = (reply: string): number => Buffer.from(reply.slice(4), "latin1").readUInt32BE(8);
        const opened = await client.ask(`vFile:open:${text(path)},${hex(0x200 | 0x400 | 2)},${hex(0o640)}`);
        expect(opened).toMatch(/^F[0-9a-f]+$/);
        const fd = opened.slice(1);
        expect(await client.ask(`vFile:pwrite:${fd},2,a}#$*,b`)).toBe("F7");
        expect(await client.ask(`vFile:pread:${fd},20,0`)).toBe("F9;\0\0a}#$*,b");
        expect(modeOf(await client.ask(`vFile:fstat:${fd}`)) & 0o170777).toBe(0o100640);
        expect(await client.ask(`vFile:stat:${text(join(folder, "link"))}`)).toBe(
          await client.ask(`vFile:fstat:${fd}`),
        );
        expect(modeOf(await client.ask(`vFile:lstat:${text(join(folder, "link"))}`)) & 0o170000).toBe(0o120000);
        expect(await client.ask(`vFile:readlink:${text(join(folder, "link"))}`)).toBe(`F${hex(path.length)};${path}`);
        expect(await client.ask(`vFile:close:${fd}`)).toBe("F0");
        expect(readFileSync(path, "latin1")).toBe("\0\0a}#$*,b");
        expect(await client.ask(`vFile:unlink:${text(path)}`)).toBe("F0");
        expect(await client.ask(`vFile:unlink:${text(path)}`)).toBe("F-1,2");
        expect(await client.ask(`vFile:open:${text(folder)},1,0`)).toBe("F-1,15");
        expect(await client.ask(`vFile:open:${text(join(folder, "no/thing"))},0,0`)).toBe("F-1,2");
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
  limit,
);
