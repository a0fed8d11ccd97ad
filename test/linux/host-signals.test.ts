// Signals that somebody on the host sends to `sabre run` are the guest's.
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { Clock, readClock } from "../../src/host/clock.ts";
import { newScratch, storeU64 } from "../../src/host/scratch.ts";
import { host } from "../../src/host/syscall.ts";
import { Code, Sig } from "../../src/linux/siginfo.ts";
import { engines } from "../tools/engines.ts";
import { buildGuest, buildNative } from "../tools/guest.ts";
import { sabreCommand } from "../tools/sabre.ts";

const program = buildGuest("host-signals.c");

/** What the guest writes, line by line. */
async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, undefined> {
  let rest = "";
  for await (const piece of stream) {
    const lines = (rest + Buffer.from(piece).toString("latin1")).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
  return undefined;
}

/** A guest that waits in a way, begun by a shell that does something before. */
function begin(mode: string, { last = 0, engine = "off", before = "" } = {}) {
  const words = sabreCommand("run", "--jit", engine, program, mode, String(last));
  const child = Bun.spawn(["sh", "-c", `${before} exec "$@"`, "sh", ...words], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
  const lines = linesOf(child.stdout);
  const next = async (): Promise<string | undefined> => (await lines.next()).value;
  return { child, next };
}

async function ready(next: () => Promise<string | undefined>): Promise<string[]> {
  const before: string[] = [];
  for (let line = await next(); line !== "ready"; line = await next()) {
    if (line === undefined) throw new Error(`not ready: ${before}`);
    before.push(line);
  }
  return before;
}

/** Sends a signal with a value: when it was sent, in microseconds. */
function queue(pid: number, signo: number): number {
  const info = newScratch(128);
  const now = readClock(Clock.MONOTONIC)!;
  info.i32.set([signo, 0, Code.SI_QUEUE, 0, process.pid, 0]);
  storeU64(info, 24, Math.floor(now.sec * 1e6 + now.nsec / 1000));
  return host("rt_sigqueueinfo", pid, signo, info.address);
}

const caught: readonly number[] = [
  ...[
    Sig.HUP,
    Sig.INT,
    Sig.QUIT,
    Sig.USR1,
    Sig.USR2,
    Sig.PIPE,
    Sig.ALRM,
    Sig.CHLD,
    Sig.CONT,
    Sig.TSTP,
    Sig.URG,
    Sig.XCPU,
  ],
  ...[Sig.XFSZ, Sig.VTALRM, Sig.PROF, Sig.WINCH, Sig.IO, 35, 40, 64, Sig.TERM],
];
const where = { suspend: 0, read: -4, loop: 0 } as const;
/** The host's number of read. */
const readCall = process.arch === "arm64" ? "63 " : "0 ";

for (const engine of engines)
  describe(`with --jit ${engine}`, () => {
    for (const [mode, result] of Object.entries(where))
      test(`each signal reaches its handler, in ${mode}, with the siginfo of the host`, async () => {
        const { child, next } = begin(mode, { engine, last: Sig.TERM });
        expect(await ready(next)).toEqual([]);
        for (const signo of caught) {
          while (mode === "read" && !readFileSync(`/proc/${child.pid}/syscall`, "latin1").startsWith(readCall))
            await Bun.sleep(1);
          host("kill", child.pid, signo);
          expect(await next()).toBe(`${signo} ${Code.SI_USER} 1 0 ${result}`);
        }
        expect(await child.exited).toBe(0);
      });

    test("a loop is interrupted in about a millisecond", async () => {
      const { child, next } = begin("loop", { engine });
      await ready(next);
      const spans: number[] = [];
      for (let i = 0; i < 101; i++) {
        expect(queue(child.pid, Sig.USR1)).toBe(0);
        spans.push(Number((await next())!.split(" ")[3]));
      }
      child.kill("SIGKILL");
      expect(Math.min(...spans)).toBeGreaterThanOrEqual(0);
      // The machine may be busy: the better half counts.
      expect(spans.toSorted((a, b) => a - b)[25]!).toBeLessThan(2000);
    });
  });

test("real-time signals queue up, in their order", async () => {
  const { child, next } = begin("suspend", { last: Sig.TERM });
  await ready(next);
  child.kill("SIGSTOP");
  for (const signo of [40, 36, 40, 36]) queue(child.pid, signo);
  child.kill("SIGCONT");
  const numbers = [];
  for (let i = 0; i < 5; i++) numbers.push((await next())!.split(" ")[0]);
  expect(numbers.toSorted()).toEqual(["18", "36", "36", "40", "40"]);
  child.kill("SIGTERM");
  expect(await child.exited).toBe(0);
});

const deadly = [
  "SIGHUP",
  "SIGINT",
  "SIGQUIT",
  "SIGUSR1",
  "SIGUSR2",
  "SIGPIPE",
  "SIGALRM",
  "SIGTERM",
  "SIGXCPU",
  "SIGIO",
];
for (const signal of deadly)
  test(`${signal} without a handler ends the emulator as it would the program`, async () => {
    const { child, next } = begin("default");
    await ready(next);
    child.kill(signal as "SIGHUP");
    await child.exited;
    expect(child.signalCode).toBe(signal as "SIGHUP");
  });

test("signals that do nothing by default do nothing", async () => {
  const { child, next } = begin("default");
  await ready(next);
  for (const signal of ["SIGCHLD", "SIGURG", "SIGWINCH", "SIGCONT"] as const) child.kill(signal);
  await Bun.sleep(50);
  expect(child.signalCode).toBeNull();
  child.kill("SIGTERM");
  await child.exited;
  expect(child.signalCode).toBe("SIGTERM");
});

test("what was ignored when the emulator was started, the guest ignores", async () => {
  const { child, next } = begin("suspend", { before: "trap '' HUP USR2;", last: Sig.TERM });
  expect(await ready(next)).toEqual(["ignored 1", "ignored 12"]);
  child.kill("SIGHUP");
  child.kill("SIGUSR2");
  child.kill("SIGTERM");
  expect(await next()).toStartWith("15 ");
  expect(await child.exited).toBe(0);
});

/** Runs a command on a terminal of its own, and interrupts it from there when it says that it is ready. Answers what it wrote. */
async function interrupted(command: string[]): Promise<string> {
  let text = "";
  let sent = false;
  const data = (terminal: Bun.Terminal, bytes: Uint8Array): void => {
    text += Buffer.from(bytes).toString("latin1");
    if (sent || !text.includes("ready")) return;
    sent = true;
    terminal.write("\x03");
  };
  const child = Bun.spawn(command, { terminal: { cols: 80, rows: 24, data }, timeout: 20_000 });
  await child.exited;
  return text.replaceAll("\r\n", "\n");
}

test("what a terminal sends reaches all guests of the emulator's process group, and no others", async () => {
  const wanted = "ready\n^Cok\n";
  expect(await interrupted([buildNative("terminal.c")])).toBe(wanted);
  for (const engine of engines)
    expect(await interrupted(sabreCommand("run", "--jit", engine, buildGuest("terminal.c")))).toBe(wanted);
}, 60_000);
