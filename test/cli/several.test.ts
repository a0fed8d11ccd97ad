// The trace, the log and the figures of a program with threads and children: of all of them, with whose they are.
import { expect, test } from "bun:test";
import { buildGuest } from "../tools/guest.ts";
import { sabre } from "../tools/sabre.ts";

const guest = buildGuest("several.c", "static", "-pthread");

/** The lines of a trace by whose they are, in the order in which those appear; without the padding before results, and without addresses. */
function byThread(trace: string): string[][] {
  const lines = new Map<string, string[]>();
  const first = /^\[pid +(\d+)\]/m.exec(trace)![1]!;
  for (const whole of trace.trimEnd().split("\n")) {
    const [, pid = first, line = ""] = /^(?:\[pid +(\d+)\] )?(.*)$/.exec(whole)!;
    if (!lines.has(pid)) lines.set(pid, []);
    lines.get(pid)!.push(line.replace(/\) += /, ") = ").replace(/0x[0-9a-f]+/g, "ADDRESS"));
  }
  return [...lines.values()];
}

const told = /^(read\(3|<\.\.\. read|write\(4|exit|\+\+\+|wait4|<\.\.\. wait4|---)/;

test("a trace names threads and processes where there are several, and breaks calls in two that sleep meanwhile", async () => {
  const { stderr, status } = await sabre(["run", "--strace", guest]);
  expect(status).toBe(3);
  const threads = byThread(stderr);
  expect(threads).toHaveLength(3);
  const [main, reader, child] = threads.map((lines) => lines.filter((line) => told.test(line)));
  const number = /\d{3,}/g;
  expect(reader).toEqual([
    "read(3,  <unfinished ...>",
    '<... read resumed>"t", 1) = 1',
    "exit(0) = ?",
    "+++ exited with 0 +++",
  ]);
  expect(child!.map((line) => line.replace(number, "PID"))).toEqual([
    "read(3,  <unfinished ...>",
    '<... read resumed>"c", 1) = 1',
    expect.stringMatching(/^--- SIGTERM {si_signo=SIGTERM, si_code=SI_TKILL, si_pid=PID, si_uid=\d+} ---$/),
    "+++ killed by SIGTERM +++",
  ]);
  const ofMain = main!.map((line) => line.replace(number, "PID")).filter((line) => !line.startsWith("read"));
  // Others may have something to say while it writes.
  const written = (text: string) =>
    expect.stringMatching(new RegExp(`^write\\(4, "${text}", 1(\\) = 1| <unfinished \\.\\.\\.>)$`));
  expect(ofMain.slice(0, 2)).toEqual([written("t"), written("c")]);
  expect(ofMain.slice(-2)).toEqual(["exit_group(3) = ?", "+++ exited with 3 +++"]);
  const waited = ofMain.slice(2, -2).join("");
  expect(waited).toMatch(/^wait4\(PID, (ADDRESS|\[.*\]).*\) = PID$/);
});

test("lines have no name while there is one thread, and again when there is but one left", async () => {
  const lines = (await sabre(["run", "--strace", guest])).stderr.trimEnd().split("\n");
  expect(lines[0]).toStartWith("brk(");
  expect(lines.at(-1)).toBe("+++ exited with 3 +++");
  expect(lines.every((line) => /^(\[pid +\d+\] )?(\w+\(|<\.\.\. \w+ resumed>|---|\+\+\+)/.test(line))).toBe(true);
});

test("figures are those of all threads and processes", async () => {
  const { stderr } = await sabre(["run", "--stats=json", guest]);
  const { calls, instructions, tiers } = JSON.parse(stderr);
  expect(calls).toMatchObject({
    exit: { count: 1 },
    exit_group: { count: 1 },
    clone: { count: 2 },
    pipe2: { count: 1 },
  });
  // Of the thread and of the child one each, of those of the first as many as it made to see them asleep.
  expect(calls.read.count).toBeGreaterThanOrEqual(4);
  expect(calls.read.errors).toBe(0);
  expect(instructions).toBeGreaterThan(20_000);
  expect(Object.values(tiers as Record<string, number>).reduce((sum, n) => sum + n, 0)).toBe(instructions);
});

test("the log has what happens in threads and children", async () => {
  const { stderr } = await sabre(["run", "-d", "page,in_asm", guest]);
  expect(stderr).toMatch(/^page map:\n00010000-/);
  expect(stderr).toMatch(/^\[pid +\d+\] page map:\n/m);
  expect(stderr).toMatch(/^(\[pid +\d+\] )?\n?[0-9a-f]+ <reader>:/m);
});
