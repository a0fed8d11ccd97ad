// Workers run harts of a process's memory beside the main thread. Each case runs in a process of its own: harts-cases.ts.
import { describe, expect, test } from "bun:test";
import { errno } from "../../src/linux/errno.ts";
import { eagerWays, type Way, ways } from "../tools/engines.ts";
import type { Case, Outcome } from "./harts-cases.ts";

const limit = 120_000;
const cases = new URL("./harts-cases.ts", import.meta.url).pathname;

async function outcomeOf<C extends Case>(name: C, { jit, env }: Pick<Way, "jit" | "env">): Promise<Outcome<C>> {
  const child = Bun.spawn([process.execPath, cases, name, jit], {
    env: { ...process.env, ...env },
    stderr: "pipe",
    timeout: limit,
  });
  const [text, errors] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  expect({ status: await child.exited, errors }).toEqual({ status: 0, errors: "" });
  return JSON.parse(text);
}

const plain = { jit: "off", env: {} } as const;
const eager = eagerWays.find((way) => way.jit === "auto")!;

describe.each(ways.filter(({ name }) => name !== "auto"))("$name", (way) => {
  test(
    "two harts that add to a counter at the same time lose nothing",
    async () => {
      expect(await outcomeOf("two", way)).toEqual({ total: 600_000, expected: 600_000, harts: 1 });
    },
    limit,
  );

  test(
    "of two harts that store, fence and load, one sees the other's store",
    async () => {
      const { missed, values } = await outcomeOf("storeThenLoad", way);
      expect(missed).toBe(0);
      expect(values).toBeGreaterThan(1);
    },
    limit,
  );
});

test(
  "64 workers run, each with a hart of its own",
  async () => {
    expect(await outcomeOf("many", plain)).toEqual({ total: 1_300_000, expected: 1_300_000, harts: 64 });
  },
  limit,
);

test("a worker makes workers", async () => {
  expect(await outcomeOf("nesting", plain)).toEqual({ counter: 8 });
});

test("a thread on an idle worker starts within a millisecond", async () => {
  const { warm } = await outcomeOf("latency", eager);
  expect(warm).toBeLessThan(1);
});

test(
  "of many idle workers one stays, and none after the end",
  async () => {
    expect(await outcomeOf("leaving", plain)).toEqual({ idle: 12, left: 0 });
  },
  limit,
);

test("an exception in a worker ends the process, and is told", async () => {
  expect(await outcomeOf("failing", plain)).toEqual({
    exit: { signal: 6, coreDumped: false },
    failure: "Error: this thread fails",
  });
});

test("whoever claims a worker that cannot be loaded is told so", async () => {
  const failure = "Error: nothing is loaded";
  expect(await outcomeOf("unloaded", plain)).toEqual({ answer: -errno.EAGAIN, failure });
  expect(await outcomeOf("missing", plain)).toBe(-errno.EAGAIN);
});

test("a thread that no worker can run ends the emulator, which says why", async () => {
  const child = Bun.spawn([process.execPath, cases, "unloadedThread", "off"], { stderr: "pipe", timeout: limit });
  expect(await child.stderr.text()).toStartWith("sabre: a worker failed: Error: nothing is loaded");
  await child.exited;
  expect(child.signalCode).toBe("SIGKILL");
});

test("exit_group in a worker ends the threads of the process, the main thread's too", async () => {
  const { exit, failure } = await outcomeOf("exiting", plain);
  expect({ exit, failure }).toEqual({ exit: { code: 7 }, failure: undefined });
});
