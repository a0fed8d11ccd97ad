// `bun run demo`: runs the shipped guest program, which draws a picture, then tells what that took.
import { join } from "node:path";
import { environment } from "../src/cli/words.ts";
import { createMachine } from "../src/machine.ts";

const machine = createMachine({
  program: join(import.meta.dir, "demo"),
  args: [],
  env: environment(),
  jit: "auto",
  stats: true,
});
if ("status" in machine) throw new Error(machine.message);
const end = machine.run();
if (!("code" in end) || end.code !== 0) throw new Error(`the demo ended with ${JSON.stringify(end)}`);

const { instructions, mips, wallSeconds, calls } = machine.stats();
const [accent, plain] = process.stdout.isTTY && !process.env["NO_COLOR"] ? ["\x1b[1;36m", "\x1b[0m"] : ["", ""];
const figure = (text: string): string => accent + text + plain;
const made = Object.entries(calls).map(([name, call]) => `${call.count} ${name}`);
console.log(`
This picture was computed by examples/demo, a Linux program for 64-bit RISC-V, on a processor made of TypeScript:
${figure((instructions / 1e6).toFixed(1))} million instructions in ${figure(wallSeconds.toFixed(2))} s, ${figure(mips.toFixed(0))} million a second; system calls: ${made.join(", ")}.
See its source in examples/demo.c, its instructions with: bun src/main.ts disasm examples/demo trace`);
