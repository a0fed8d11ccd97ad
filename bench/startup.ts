// Start-up and size, beside the contests of short programs: the interpreter alone, and what the build gains.
import { buildGuest, isThere } from "./compile.ts";
import { medians, runOnce, sabre, unbuiltSabre } from "./measure.ts";
import type { Options } from "./options.ts";
import type { Figure } from "./results.ts";

const part = "start-up and size";

/** Runs of two commands in turn, a first one that does not count before. */
function inTurn(times: number, ...commands: (readonly string[])[]) {
  const runs = commands.map((command) => [runOnce(command)].slice(1));
  for (let round = 0; round < times; round++)
    for (const [i, command] of commands.entries()) runs[i]!.push(runOnce(command));
  return runs.map(medians);
}

function interpreter(o: Options): Figure {
  const command = sabre("--jit=off", "--stats=json", buildGuest("loop.c"), o.quick ? "1000000" : "10000000");
  const { mips } = JSON.parse(runOnce(command).stderr.trim().split("\n").at(-1)!) as { mips: number };
  return { part, name: "integer loop in the interpreter", values: { sabre: mips }, unit: "million instructions/s" };
}

export async function startUp(o: Options, progress: (what: string) => void): Promise<Figure[]> {
  if (!isThere("riscv64-linux-gnu-gcc")) return [];
  const hello = buildGuest("hello.c");
  progress("the interpreter");
  const speed = interpreter(o);
  progress("hello, built and not");
  const [built, unbuilt] = inTurn(o.quick ? 5 : 20, sabre(hello), unbuiltSabre(hello));
  const megabytes = built!.memory === undefined ? {} : { sabre: built!.memory / 2 ** 20 };
  return [
    speed,
    { part, name: "hello, start to exit", values: { sabre: built!.wall * 1000 }, unit: "ms" },
    { part, name: "hello, from the sources as they are", values: { sabre: unbuilt!.wall * 1000 }, unit: "ms" },
    { part, name: "hello, most memory held", values: megabytes, unit: "MB" },
  ];
}
