// Processes that programs make: programs of test/guest/ assert themselves, on the host's kernel, which proves them, and
// here; and what is left of children in the emulator.
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { engines } from "../tools/engines.ts";
import { buildGuest, buildNative } from "../tools/guest.ts";
import { finish, sabreCommand } from "../tools/sabre.ts";

const folder = mkdtempSync(`${tmpdir()}/fork-`);
afterAll(() => rmSync(folder, { recursive: true }));

const passed = { stdout: "ok\n", stderr: "", status: 0, signal: null };
const limit = 120_000;
const inFolder = { cwd: folder };

const run = (engine: string, file: string, ...args: string[]) =>
  finish(sabreCommand("run", "--jit", engine, buildGuest(file), ...args), inFolder);

describe.each(["fork.c", "clone.c", "churn.c", "tearing.c", "vfork-ends.c", "own-tables.c", "vfork-threads.c"])(
  "%s",
  (file) => {
    test("is right about Linux", async () => {
      expect(await finish([buildNative(file)], inFolder)).toEqual(passed);
    });

    test.each(engines)(
      "with --jit %s",
      async (engine) => {
        expect(await run(engine, file)).toEqual(passed);
      },
      limit,
    );
  },
);

describe("a program that cannot begin any more when there is no way back", () => {
  test("dies, and nobody else, on Linux", async () => {
    expect(await finish([buildNative("exec-fails.c")], inFolder)).toEqual(passed);
  });

  test.each(engines)(
    "and with --jit %s, where its user is told why",
    async (engine) => {
      const { stderr, ...outcome } = await run(engine, "exec-fails.c");
      expect(outcome).toEqual({ stdout: "ok\n", status: 0, signal: null });
      expect(
        new Set(
          stderr
            .trimEnd()
            .replaceAll(/0x[0-9a-f]+/g, "ADDRESS")
            .split("\n"),
        ),
      ).toEqual(new Set([`sabre: ${buildGuest("exec-fails.c")}: its segment at ADDRESS cannot be mapped (ENOMEM)`]));
    },
    limit,
  );
});

describe("a child of vfork that sleeps", () => {
  const native = [buildNative("vfork-signals.c")];
  const here = sabreCommand("run", buildGuest("vfork-signals.c"));
  test.each([
    { name: "on Linux", command: native },
    { name: "here", command: here },
  ])("gets what is sent to the group, $name", async ({ command }) => {
    const child = Bun.spawn(["setsid", ...command], { stdout: "pipe", timeout: limit });
    const output = child.stdout.getReader();
    let text = "";
    for (;;) {
      const { value, done } = await output.read();
      if (done) break;
      text += Buffer.from(value).toString();
      if (text === "ready\n") process.kill(-child.pid, "SIGCONT");
    }
    expect(text).toBe("ready\nok\n");
    expect(await child.exited).toBe(0);
  });
});

describe("a child that outlives the first process", () => {
  const stdout = "parent\ngrandchild\nchild\n";

  test("says what it does on Linux", async () => {
    expect(await finish([buildNative("outlive.c")], inFolder)).toEqual({ ...passed, stdout, status: 3 });
  });

  test(
    "keeps the emulator, which ends as the first process did",
    async () => {
      expect(await run("auto", "outlive.c")).toEqual({ ...passed, stdout, status: 3 });
      const killed = await run("auto", "outlive.c", "killed");
      expect({ stdout: killed.stdout, signal: killed.signal }).toEqual({ stdout, signal: "SIGKILL" });
    },
    limit,
  );
});

describe("what is left of children", () => {
  /** The emulator with a program that does what it is told, and answers. */
  async function withForks(work: (tell: (command: string) => Promise<void>, pid: number) => Promise<void>) {
    const command = sabreCommand("run", buildGuest("forks.c"));
    const child = Bun.spawn(command, { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
    const answers = child.stdout.getReader();
    const tell = async (text: string): Promise<void> => {
      child.stdin.write(`${text}\n`);
      child.stdin.flush();
      let got = "";
      while (!got.endsWith(`${text}\n\n`)) {
        const { value, done } = await answers.read();
        if (done) throw new Error(`the program has ended, and has said ${got}`);
        got += Buffer.from(value).toString();
      }
    };
    try {
      await work(tell, child.pid);
      child.stdin.end();
      expect(await child.exited).toBe(0);
    } finally {
      child.kill("SIGKILL");
    }
  }

  const figure = (pid: number, name: string): number =>
    Number(new RegExp(`^${name}:\\s*(\\d+)`, "m").exec(readFileSync(`/proc/${pid}/status`, "latin1"))![1]);
  const descriptors = (pid: number): number =>
    [...new Bun.Glob("*").scanSync({ cwd: `/proc/${pid}/fd`, onlyFiles: false })].length;

  /** Waits until something holds: what a child has is given back after its parent knows of its end. */
  async function eventually(holds: () => boolean): Promise<void> {
    while (!holds()) await Bun.sleep(5);
  }

  test(
    "many children one after the other leave no workers and no descriptors",
    () =>
      withForks(async (tell, pid) => {
        await tell("many 20");
        const [threads, open] = [figure(pid, "Threads"), descriptors(pid)];
        await tell("many 300");
        // Some idle workers are kept, with a few descriptors each.
        await eventually(() => figure(pid, "Threads") <= threads + 3);
        await eventually(() => descriptors(pid) <= open + 8);
      }),
    limit,
  );

  test(
    "the memory of a child is given back at its end",
    () =>
      withForks(async (tell, pid) => {
        await tell("many 5");
        await tell("large 100");
        const during = figure(pid, "VmRSS");
        await tell("nothing");
        await eventually(() => figure(pid, "VmRSS") < during - 90 * 1024);
      }),
    limit,
  );
});
