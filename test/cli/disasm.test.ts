// `sabre disasm`, against objdump on the program that the repository ships.
import { describe, expect, test } from "bun:test";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { finish, sabre, sabreCommand } from "../tools/sabre.ts";

const demo = join(import.meta.dir, "../../examples/demo");

/** Objdump's text without what differs on purpose: its comments, blanks at ends of words, old names of instructions. */
const plain = (text: string): string[] =>
  text
    .split("\n")
    .map((line) => line.replace(/\s+# .*| <[^>]+\+0x[^>]+>$/, "").replace(/ +\t/, "\t"))
    .filter((line) => line !== "");
const disasm = async (...words: string[]): Promise<string> => (await sabre(["disasm", demo, ...words])).stdout;
const objdump = (...words: string[]): string[] => {
  const all = ["riscv64-linux-gnu-objdump", "-d", ...words, demo];
  return plain(Bun.spawnSync(all).stdout.toString());
};
/** Address and bits of each instruction, and headings. */
const frame = (lines: readonly string[]): string[] => lines.map((line) => line.split("\t").slice(0, 2).join("\t"));
const targets = (lines: readonly string[]): string[] =>
  lines.filter((line) => /\t(j|jal|beqz|bnez|bltu)\t/.test(line)).map((line) => line.replace(/ <.*/, ""));

describe("the whole file", async () => {
  const ours = plain(await disasm());
  const theirs = objdump();
  test("has objdump's sections, symbols, addresses and bits", () => expect(frame(ours)).toEqual(frame(theirs)));
  test("jumps to the same places", () => expect(targets(ours)).toEqual(targets(theirs)));
});

test("a jump's target is named by symbol and offset", async () => {
  expect(await disasm("_start")).toMatch(/\tjal\t[0-9a-f]+ <start>\n/);
  expect(await disasm("closest")).toMatch(/\tb\w+\t[^\n]* <closest\+0x[0-9a-f]+>\n/);
});

test("a symbol stands for the range of its size", async () => {
  const [start, size] = symbolRange("closest");
  const range = [`--start-address=${start}`, `--stop-address=${start + size}`];
  expect(frame(plain(await disasm("closest")))).toEqual(frame(objdump(...range)));
});

test("a range of addresses is hexadecimal, with or without 0x, and ends with a whole instruction", async () => {
  const [start] = symbolRange("_start");
  const text = await disasm(`0x${start.toString(16)}..${(start + 2).toString(16)}`);
  expect(plain(text).at(-1)).toMatch(/^ +[0-9a-f]+:\t[0-9a-f]{8}\tauipc\tgp,0x[0-9a-f]+$/);
});

describe("what cannot be shown is said in one line", () => {
  const noElf = join(mkdtempSync(join(tmpdir(), "sabre-")), "text");
  writeFileSync(noElf, "hello");
  for (const [name, words, status, answer] of [
    ["an unknown symbol", [demo, "nowhere"], 1, "no code at nowhere"],
    ["no program", [], 2, "usage"],
    ["a file that is not there", ["/nonexistent"], 1, "no such file"],
    ["a file that is no ELF", [noElf], 1, noElf],
    ["a program for another machine", [process.execPath], 1, "RISC-V"],
  ] as const)
    test(name, async () => {
      const { stderr, ...rest } = await sabre(["disasm", ...words]);
      expect(rest).toEqual({ stdout: "", status, signal: null });
      expect(stderr).toMatch(/^sabre: [^\n]+\n$/);
      expect(stderr).toContain(answer);
    });
});

test("a reader that goes away ends it silently, as any tool", async () => {
  const script = `"$@" | head -n 3 >/dev/null; echo "\${PIPESTATUS[0]}"`;
  const command = sabreCommand("disasm", "/usr/riscv64-linux-gnu/lib/libc.so.6");
  expect(await finish(["bash", "-c", script, "bash", ...command])).toMatchObject({ stdout: "141\n", stderr: "" });
});

/** Address and size by nm. */
function symbolRange(name: string): [start: number, size: number] {
  const table = Bun.spawnSync(["riscv64-linux-gnu-nm", "-S", demo]).stdout.toString();
  const [start = "", size = ""] = table
    .split("\n")
    .find((line) => line.endsWith(` ${name}`))!
    .split(" ");
  return [Number.parseInt(start, 16), Number.parseInt(size, 16) || 0];
}
