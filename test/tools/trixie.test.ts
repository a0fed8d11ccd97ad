import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { trixieQemu, trixieRoot } from "./trixie.ts";

test("concurrent calls for the same packages give the same complete folder", async () => {
  const roots = await Promise.all([trixieRoot("riscv64", ["zlib1g"]), trixieRoot("riscv64", ["zlib1g"])]);
  expect(roots[0]).toBe(roots[1]);
  for (const library of ["libz.so.1", "libc.so.6"])
    expect(existsSync(join(roots[0], "lib/riscv64-linux-gnu", library))).toBe(true);
}, 120_000);

test("trixie's qemu runs", async () => {
  const version = Bun.spawnSync([await trixieQemu(), "--version"]).stdout.toString();
  expect(Number(/version (\d+)/.exec(version)?.[1])).toBeGreaterThanOrEqual(10);
}, 120_000);

test("a package that does not exist is an error that names it", async () => {
  await expect(trixieRoot("riscv64", ["no-such-package"])).rejects.toThrow("no-such-package");
}, 120_000);
