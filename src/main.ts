#!/usr/bin/env bun
// The command line: finds the command that the first word names. A word that is no command is a program to run.
// To run one is what must start fast: that takes the file that a build made of these sources (build.ts), if there is one
// and every source is as it was then, else the sources. No module is imported before that is known.

const root = `${import.meta.dir}/..`;
const run = "./cli/run.ts";

/** The module that has `runCommandLine`. */
async function runner(): Promise<string> {
  const stamp = Bun.file(`${root}/dist/sources.json`);
  if (!(await stamp.exists())) return run;
  const sources: Record<string, readonly [modified: number, size: number]> = await stamp.json();
  for (const name in sources) {
    const source = Bun.file(`${root}/${name}`);
    const [modified, size] = sources[name]!;
    if (source.lastModified !== modified || source.size !== size) return run;
  }
  return `${root}/dist/run.js`;
}

async function main(): Promise<void> {
  switch (process.argv[2]) {
    case "disasm":
      return (await import("./cli/disasm.ts")).disasm((await import("./cli/words.ts")).commandLine().slice(1));
    case "debug":
      return (await import("./cli/other.ts")).debug();
    case "bench":
      return (await import("./cli/other.ts")).bench();
    default: {
      const { runCommandLine }: typeof import("./cli/run.ts") = await import(await runner());
      return runCommandLine();
    }
  }
}

void main();
