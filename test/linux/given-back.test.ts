// What is left in the host of workers and memories that guests need no more, seen from outside: /proc of the emulator.
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { buildGuest } from "../tools/guest.ts";
import { sabreCommand } from "../tools/sabre.ts";

/** SABRE_GENERATIONS=2000 makes it a test of an hour. */
const generations = Number(process.env["SABRE_GENERATIONS"] ?? 8);
const limit = 120_000 + generations * 10_000;

/** Runs a guest that says a line and waits for a byte, again and again; answers what `look` finds each time, by line. */
async function watching<T>(
  command: readonly string[],
  look: (pid: number, line: string) => T | Promise<T>,
): Promise<Map<string, T[]>> {
  const child = Bun.spawn([...command], { stdin: "pipe", stdout: "pipe", timeout: limit });
  const found = new Map<string, T[]>();
  const lines = child.stdout.pipeThrough(new TextDecoderStream());
  for await (const text of lines)
    for (const line of text.trimEnd().split("\n")) {
      if (line === "ok") continue;
      found.set(line, [...(found.get(line) ?? []), await look(child.pid, line)]);
      child.stdin.write("x");
      child.stdin.flush();
    }
  expect(await child.exited).toBe(0);
  return found;
}

const kib = (pid: number, field: string): number =>
  Number(new RegExp(`^${field}:\\s*(\\d+) kB$`, "m").exec(readFileSync(`/proc/${pid}/status`, "latin1"))![1]);

/** Host mappings of a process: the stack of an ended thread is one, and the page before it another. */
const mappings = (pid: number): number => readFileSync(`/proc/${pid}/maps`, "latin1").split("\n").length;

test(
  "workers that have ended leave nothing, however many they were",
  async () => {
    const seen = await watching(
      sabreCommand("run", buildGuest("generations-of-threads.c"), `${generations}`),
      (pid) => ({ mappings: mappings(pid), size: kib(pid, "VmSize") }),
    );
    const [first, second] = seen.get("half")!;
    // Each child had two workers and more for its threads. Those of the last may be ending still.
    expect(second!.mappings - first!.mappings).toBeLessThan(24);
    if (generations >= 100) expect(second!.size - first!.size).toBeLessThan(100 * 2 ** 10);
  },
  limit,
);

test(
  "the memory of the first process is the host's again while others go on",
  async () => {
    let large = 0;
    const seen = await watching(sabreCommand("run", buildGuest("memory-of-first.c")), async (pid, line) => {
      if (line === "large") large = kib(pid, "VmRSS");
      // The child hears that it is an orphan a little before.
      else while (large - kib(pid, "VmRSS") < 100 * 2 ** 10) await Bun.sleep(10);
      return line;
    });
    expect([...seen.keys()]).toEqual(["large", "child"]);
  },
  limit,
);

test(
  "a thread maps memory while another forks, though a worker has to be made for the child",
  async () => {
    const child = Bun.spawn(sabreCommand("run", buildGuest("maps-beside-fork.c")), { stdout: "pipe", timeout: limit });
    expect(Number(await child.stdout.text())).toBeGreaterThan(10);
    expect(await child.exited).toBe(0);
  },
  limit,
);
