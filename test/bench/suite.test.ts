// The programs of the measurements compute the same wherever they run: natively, in qemu-riscv64 and in sabre. Lines of
// exact floating-point results are for emulators of the same machine; see bench/guest/bench.h.
import { describe, expect, test } from "bun:test";
import { buildGuest, buildNative } from "../../bench/compile.ts";
import { workloads } from "../../bench/macro.ts";
import { type Results, ratio, summarize } from "../../bench/results.ts";
import { finish, sabreCommand } from "../tools/sabre.ts";

const withoutExactLines = (text: string): string => text.replace(/^bits .*\n/gm, "");

describe("programs of the macro suite print the same natively, in qemu-riscv64 and in sabre", () => {
  for (const { source, small } of workloads)
    test(source, async () => {
      const [guest, size] = [buildGuest(source), String(small)];
      const native = await finish([buildNative(source), size]);
      const wanted = await finish(["qemu-riscv64", guest, size]);
      expect(native).toMatchObject({ status: 0, stderr: "" });
      expect(native.stdout).toMatch(/^\w/);
      expect(withoutExactLines(wanted.stdout)).toBe(withoutExactLines(native.stdout));
      expect(await finish(sabreCommand("run", guest, size))).toEqual(wanted);
    }, 60_000);
});

test("a summary has the geometric mean of the ratios, and the worst", () => {
  const sample = (user: number) => ({ wall: 1, user, cpu: user, memory: undefined });
  const outcome = (name: string, sabre: number, qemu: number): Results["outcomes"][number] => ({
    ...{ name, group: "macro", what: "", rounds: 1, problems: {} },
    samples: { "sabre js": sample(sabre), qemu: sample(qemu) },
  });
  const outcomes = [outcome("slow", 8, 1), outcome("fast", 1, 2)];
  expect(ratio(outcomes[1]!, "js", "qemu")).toBe(0.5);
  expect(ratio(outcomes[1]!, "js", "native")).toBeUndefined();
  expect(summarize(outcomes, ["js"])).toEqual([
    { group: "macro", engine: "js", to: "qemu", contests: 2, mean: expect.closeTo(2), worst: 8, worstName: "slow" },
  ]);
});
