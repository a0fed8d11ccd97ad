#!/usr/bin/env bun
// The command line: finds the command that the first word names. A word that is no command is a program to run.
import { commandLine } from "./cli/words.ts";

// A function, because a module that awaits at its top cannot be built with bytecode, which starts a third sooner (bench/).
async function main(words: readonly string[]): Promise<void> {
  const [command, ...rest] = words;
  switch (command) {
    case "disasm":
      return (await import("./cli/disasm.ts")).disasm(rest);
    case "debug":
      return (await import("./cli/other.ts")).debug();
    case "bench":
      return (await import("./cli/other.ts")).bench();
    default:
      return (await import("./cli/run.ts")).run(command === "run" ? rest : words);
  }
}

void main(commandLine());
