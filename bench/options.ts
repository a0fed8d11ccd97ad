// The words of the command line of `bun run bench`, and what they choose.
import { join } from "node:path";
import { parseArgs } from "node:util";
import { cache } from "./compile.ts";
import { type Engine, engines } from "./contest.ts";

export interface Options {
  /** Names of parts, of groups of parts, or nothing for all. */
  readonly only: readonly string[];
  readonly engines: readonly Engine[];
  readonly quick: boolean;
  /** Runs of each contestant. */
  readonly rounds: number;
  /** Folder for the files with the results. */
  readonly out: string;
}

const usage = "bun run bench [--only NAME,…] [--jit off|js|wasm|auto,…] [--quick] [--rounds N] [--out DIR]";

/** Where the results of a whole run are kept; what is less goes to a folder of its own. */
const kept = join(import.meta.dir, "../docs/bench");
const passing = join(cache, "results");

const list = (words: readonly string[] = []): string[] => words.flatMap((word) => word.split(",")).filter(Boolean);

function fail(message: string): never {
  console.error(`bench: ${message}\nusage: ${usage}`);
  process.exit(2);
}

/** Ends the process where the words make no sense. `names`: what can be chosen. */
export function understand(words: string[], names: readonly string[]): Options {
  try {
    const { values } = parseArgs({
      args: words,
      options: {
        only: { type: "string", multiple: true },
        jit: { type: "string", multiple: true },
        quick: { type: "boolean", default: false },
        rounds: { type: "string" },
        out: { type: "string" },
      },
    });
    const only = list(values.only);
    const unknown = only.find((name) => !names.includes(name));
    if (unknown !== undefined) fail(`--only takes some of ${names.join(", ")}, not ${unknown}`);
    const chosen = values.jit === undefined ? ["auto"] : list(values.jit);
    const strange = chosen.find((engine) => !(engines as readonly string[]).includes(engine));
    if (strange !== undefined) fail(`--jit takes some of ${engines.join(", ")}, not ${strange}`);
    const rounds = values.rounds === undefined ? (values.quick ? 3 : 5) : Number(values.rounds);
    if (!Number.isInteger(rounds) || rounds < 1) fail(`--rounds takes a number, not ${values.rounds}`);
    const whole = only.length === 0 && !values.quick;
    const out = values.out ?? (whole ? kept : passing);
    return { only, engines: chosen as Engine[], quick: values.quick, rounds, out };
  } catch (e) {
    return fail((e as Error).message);
  }
}
