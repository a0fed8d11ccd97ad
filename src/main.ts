#!/usr/bin/env bun
// The command line: finds the command that the first word names. A word that is no command is a program to run.
import { commandLine } from "./cli/words.ts";

const words = commandLine();
switch (words[0]) {
  case "run":
    await (await import("./cli/run.ts")).run(words.slice(1));
    break;
  case "disasm":
    await (await import("./cli/disasm.ts")).disasm(words.slice(1));
    break;
  case "debug":
    (await import("./cli/other.ts")).debug();
    break;
  case "bench":
    await (await import("./cli/other.ts")).bench();
    break;
  default:
    await (await import("./cli/run.ts")).run(words);
}
