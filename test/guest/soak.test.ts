// The soak: threads, children, signals and mappings without end, for as many seconds as SABRE_SOAK says, at least thirty here. Nothing
// hangs, and what the emulator holds in quiet moments does not grow: memory, threads of the host, descriptors.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildGuest, buildNative } from "../tools/guest.ts";
import { sabreCommand } from "../tools/sabre.ts";

const [proof, usual] = [6, 30];
const seconds = Math.max(usual, Number(process.env["SABRE_SOAK"] ?? 0));
/** Threads and processes at a time, in the end. */
const [threads, processes] = [64, 16];
/** Milliseconds: the program sees itself where it hangs, and says in what. */
const patience = seconds * 1000 + 500_000;

const root = mkdtempSync(join(tmpdir(), "soak-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** What a process of the host holds. */
interface Holdings {
  readonly threads: number;
  readonly descriptors: number;
  readonly megabytes: number;
}

function holdingsOf(pid: number): Holdings {
  const count = (name: string): number => readdirSync(`/proc/${pid}/${name}`).length;
  const kib = Number(/VmRSS:\s*(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1]);
  return { threads: count("task"), descriptors: count("fd"), megabytes: Math.round(kib / 1024) };
}

/** What it holds when that has been the same for a while: idle workers end by and by. */
async function settled(pid: number): Promise<Holdings> {
  let [last, same] = [holdingsOf(pid), 0];
  for (const end = Date.now() + 15_000; same < 8 && Date.now() < end; ) {
    await Bun.sleep(250);
    const now = holdingsOf(pid);
    same = now.threads === last.threads && now.descriptors === last.descriptors ? same + 1 : 0;
    last = now;
  }
  return last;
}

interface Soaked {
  readonly stdout: string;
  readonly stderr: string;
  readonly status: number | null;
  /** After each part of the time. */
  readonly quiet: readonly Holdings[];
}

async function soak(command: readonly string[], ...numbers: readonly number[]): Promise<Soaked> {
  const child = Bun.spawn([...command, ...numbers.map(String)], {
    cwd: root,
    env: { PATH: "/usr/bin:/bin" },
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
    timeout: patience,
    killSignal: "SIGKILL",
  });
  const said = new Response(child.stderr).text();
  const quiet: Holdings[] = [];
  let stdout = "";
  for await (const bytes of child.stdout) {
    stdout += Buffer.from(bytes).toString("latin1");
    while (quiet.length < stdout.split("quiet\n").length - 1) {
      quiet.push(await settled(child.pid));
      child.stdin.write("\n");
      child.stdin.flush();
    }
  }
  await child.exited;
  return { stdout, stderr: await said, status: child.exitCode, quiet };
}

/** The host's own kernel proves the program, for which little time is enough. */
const ways: readonly (readonly [name: string, seconds: number, command: () => readonly string[]])[] = [
  ["on the host", proof, () => [buildNative("soak.c")]],
  ["with --jit auto", seconds, () => sabreCommand("run", "--jit", "auto", buildGuest("soak.c"))],
];

/** Each costs the emulator some ten MB, and without a build up to half a second until it is there. */
for (const [name, , command] of ways)
  test(
    `256 threads at a time, and then 16 processes, ${name}`,
    async () => {
      const { stdout, stderr, status } = await soak(command(), 0, 1, 256, 16);
      expect({ stdout, stderr, status }).toEqual({ stdout: "ok\n", stderr: "", status: 0 });
    },
    patience,
  );

for (const [name, length, command] of ways)
  describe(`${length} seconds of everything ${name}`, () => {
    let soaked: Soaked;
    beforeAll(async () => {
      soaked = await soak(command(), length, 1, threads, processes);
    }, patience);

    test("end well, with as many threads and processes at a time as were wanted", () => {
      const { stdout, stderr, status } = soaked;
      expect({ stdout, stderr, status }).toEqual({ stdout: "quiet\nquiet\nquiet\nok\n", stderr: "", status: 0 });
    });

    test("leave no memory, no threads and no descriptors behind", () => {
      const [first, , last] = soaked.quiet;
      if (first === undefined || last === undefined) throw new Error("it was not quiet three times");
      // How many workers are idle depends on how many were busy last; each has its share of the others.
      const slack = 24;
      expect(last.threads).toBeLessThanOrEqual(first.threads + slack);
      expect(last.descriptors).toBeLessThanOrEqual(first.descriptors + 3 * slack);
      expect(last.megabytes).toBeLessThanOrEqual(1.25 * first.megabytes + 16 * slack);
    });
  });
