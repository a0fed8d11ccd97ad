// The command line: what each spelling means, and that mistakes are answered with what to do.
import { describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { helpText, runOptions } from "../../src/cli/options.ts";
import { understand } from "../../src/cli/understand.ts";
import type { MachineOptions } from "../../src/machine.ts";

const env = ["HOME=/root", "LANG=C"];

function machineOf(words: readonly string[], environment: readonly string[] = env): MachineOptions {
  const outcome = understand(words, environment);
  if (!("machine" in outcome)) throw new Error(JSON.stringify(outcome));
  return outcome.machine;
}

function usageOf(...words: string[]): string {
  const outcome = understand(words, env);
  return "usage" in outcome ? outcome.usage : "";
}

test("options end at the program, whose arguments are its own", () => {
  const { program, args } = machineOf(["-L", "/r", "prog", "--strace", "-E", "x", "--", "--help"]);
  expect([program, ...args]).toEqual(["prog", "--strace", "-E", "x", "--", "--help"]);
});

test("-- ends the options, so that a program's name may begin with a dash", () => {
  const { program, args } = machineOf(["--", "-prog", "-a"]);
  expect([program, ...args]).toEqual(["-prog", "-a"]);
});

describe("a value may be the next word, or hang on the option", () => {
  for (const words of [["-L", "/r"], ["-L/r"], ["--sysroot", "/r"], ["--sysroot=/r"], ["-L", "/no", "-L", "/r"]])
    test(words.join(" "), () => expect(machineOf([...words, "p"]).sysroot).toBe("/r"));
});

test("the sysroot comes from SABRE_SYSROOT, else from QEMU_LD_PREFIX; an option goes before both", () => {
  expect(machineOf(["p"]).sysroot).toBeUndefined();
  expect(machineOf(["p"], ["QEMU_LD_PREFIX=/q"]).sysroot).toBe("/q");
  expect(machineOf(["p"], ["QEMU_LD_PREFIX=/q", "SABRE_SYSROOT=/s"]).sysroot).toBe("/s");
  expect(machineOf(["-L", "/l", "p"], ["QEMU_LD_PREFIX=/q", "SABRE_SYSROOT=/s"]).sysroot).toBe("/l");
});

describe("the guest's environment", () => {
  const envOf = (...words: string[]) => machineOf([...words, "p"]).env;
  test("is the caller's", () => expect(envOf()).toEqual(env));
  test("changes in the order of -E and -U", () => {
    expect(envOf("-E", "A=1", "-U", "HOME", "--env", "LANG=de")).toEqual(["LANG=de", "A=1"]);
    expect(envOf("-U", "A", "-E", "A=1")).toEqual([...env, "A=1"]);
    expect(envOf("-E", "A=1", "-U", "A,HOME")).toEqual(["LANG=C"]);
  });
  test("takes lists from -E, in which a comma may also belong to a value", () => {
    expect(envOf("-E", "A=1,2,B=x=y")).toEqual([...env, "A=1,2", "B=x=y"]);
  });
  test("takes --env as it is", () => expect(envOf("--env", "A=1,B=2")).toEqual([...env, "A=1,B=2"]));
  test("must be given as NAME=VALUE", () => {
    for (const word of ["A", "=1", ""]) expect(usageOf("-E", word, "p")).toContain("NAME=VALUE");
  });
});

describe("a stack size is bytes, or has a unit", () => {
  for (const [word, bytes] of [
    ["8388608", 8388608],
    ["512K", 524288],
    ["8M", 8388608],
    ["1g", 2 ** 30],
    ["0x100000", 2 ** 20],
  ] as const)
    test(word, () => expect(machineOf(["-s", word, "p"]).stackSize).toBe(bytes));
  for (const word of ["", "big", "-1", "8MB", "0", "9G"])
    test(`not ${JSON.stringify(word)}`, () => expect(usageOf("-s", word, "p")).toContain("is no size"));
});

describe("mistakes are answered with what to do", () => {
  for (const [words, answer] of [
    [["--nonsense", "p"], "--help"],
    [["-Z", "p"], "--help"],
    [["-hL", "p"], "--help"],
    [[], "PROGRAM"],
    [["--stats"], "PROGRAM"],
    [["-L"], "-L needs a value"],
    [["--jit=fast", "p"], "off, js, wasm, auto"],
    [["--stats=xml", "p"], "--stats=json"],
    [["--version=2", "p"], "takes no value"],
    [["-d", "cpus", "p"], "in_asm"],
    [["-g", "nowhere", "p"], "debugger"],
    [["--strace=/nonexistent/x", "p"], "ENOENT"],
  ] as const)
    test(words.join(" ") || "no words", () => expect(usageOf(...words)).toContain(answer));
});

describe("the trace", () => {
  test("is off, and on by --strace, -strace or -d strace, none of which takes the program for its file", () => {
    expect(machineOf(["p"]).trace).toBeUndefined();
    for (const words of [["--strace"], ["-strace"], ["-d", "strace"]])
      expect(machineOf([...words, "p"])).toMatchObject({ program: "p", trace: 2 });
  });
  test("goes to the file after =", () => {
    const file = join(mkdtempSync(join(tmpdir(), "sabre-")), "calls");
    const { trace = -1 } = machineOf([`--strace=${file}`, "p"]);
    writeSync(trace, "written");
    expect(readFileSync(file, "latin1")).toBe("written");
  });
  test("goes with the log where it has no file of its own; %d is the process", () => {
    const file = join(mkdtempSync(join(tmpdir(), "sabre-")), "log");
    const { trace, log } = machineOf(["-D", `${file}.%d`, "-d", "page", "--strace", "p"]);
    expect(trace).toBe(log!.fd);
    writeSync(log!.fd, "written");
    expect(readFileSync(`${file}.${process.pid}`, "latin1")).toBe("written");
  });
});

test("log items add up, and none takes them back", () => {
  const items = (...words: string[]) => [...(machineOf([...words, "p"]).log?.items ?? [])].sort();
  expect(items()).toEqual([]);
  expect(items("-d", "in_asm,page", "--log=int")).toEqual(["in_asm", "int", "page"]);
  expect(items("-d", "unimp,none")).toEqual([]);
});

test("the help names every option and every variable that is there to be found", () => {
  const text = helpText();
  for (const option of runOptions.filter((o) => !o.hidden))
    for (const word of [`--${option.name}`, ...(option.variables ?? [])]) expect(text).toContain(word);
});
