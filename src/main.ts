#!/usr/bin/env bun
// The command line: finds the command that the first word names. A word that is no command is a program to run.
// To run one is what must start fast: that takes the file that a build made of these sources (build.ts), if there is one
// and every source is as it was then, else the sources. No other module is imported before that is known.
import { buildFolder } from "./host/build.ts";

async function main(): Promise<void> {
  switch (process.argv[2]) {
    case "disasm":
      return (await import("./cli/disasm.ts")).disasm((await import("./cli/words.ts")).commandLine().slice(1));
    case "debug":
      return (await import("./cli/debug.ts")).debug((await import("./cli/words.ts")).commandLine().slice(1));
    case "attach":
      return (await import("./cli/debug.ts")).attach((await import("./cli/words.ts")).commandLine().slice(1));
    case "gdbserver":
      return (await import("./cli/gdbserver.ts")).gdbserver((await import("./cli/words.ts")).commandLine().slice(1));
    case "bench":
      return (await import("./cli/other.ts")).bench();
    default: {
      const folder = buildFolder();
      const from = folder === undefined ? "./cli/run.ts" : `${folder}/run.js`;
      const { runCommandLine }: typeof import("./cli/run.ts") = await import(from);
      return runCommandLine(folder);
    }
  }
}

void main();
