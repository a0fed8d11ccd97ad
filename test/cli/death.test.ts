// How sabre ends when a signal ended the guest.
import { describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deathMessage } from "../../src/cli/death.ts";

const death = JSON.stringify(join(import.meta.dir, "../../src/cli/death.ts"));

describe("dies by the signal itself, without a core", () => {
  for (const [name, number] of [
    ["SIGSEGV", 11],
    ["SIGABRT", 6],
    ["SIGILL", 4],
    ["SIGBUS", 7],
    ["SIGPIPE", 13],
    ["SIGTERM", 15],
    ["SIGKILL", 9],
    ["SIGRTMIN", 34],
  ] as const)
    test(name, async () => {
      const cwd = mkdtempSync(join(tmpdir(), "sabre-"));
      const script = `import { dieBy } from ${death}; dieBy(${number});`;
      const shell = `ulimit -c unlimited; "$0" -e '${script}'; echo "status $?"`;
      const child = Bun.spawn(["bash", "-c", shell, process.execPath], { cwd, stdout: "pipe", stderr: "pipe" });
      expect(await new Response(child.stdout).text()).toBe(`status ${128 + number}\n`);
      if (name === "SIGSEGV") expect(await new Response(child.stderr).text()).toMatch(/Segmentation fault\s+"/);
      expect(existsSync(join(cwd, "core"))).toBe(false);
    });
});

test("the message names signal, place and address", () => {
  const message = deathMessage("./a.out", { signal: "SIGSEGV", pc: 0x1052cn, symbol: "main+0x1c", address: 8n });
  expect(message).toBe("./a.out: killed by SIGSEGV at pc 0x1052c <main+0x1c>, fault address 0x8");
});

test("an address that is the pc itself is not said twice", () => {
  const message = deathMessage("a", {
    signal: "SIGILL",
    pc: 2n ** 64n - 2n,
    symbol: undefined,
    address: 2n ** 64n - 2n,
  });
  expect(message).toBe("a: killed by SIGILL at pc 0xfffffffffffffffe");
});

test("parts that are not known are left out", () => {
  const message = deathMessage("a", { signal: "SIGABRT", pc: 0x10000n, symbol: undefined, address: undefined });
  expect(message).toBe("a: killed by SIGABRT at pc 0x10000");
});

test("nothing is said of signals by which pipelines and terminals end programs", () => {
  for (const signal of ["SIGPIPE", "SIGINT"])
    expect(deathMessage("a", { signal, pc: 0n, symbol: undefined, address: undefined })).toBeUndefined();
});
