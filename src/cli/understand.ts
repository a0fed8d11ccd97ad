// What the words after `sabre run` ask for. Nothing is started here; files for log and trace are opened.
import type { MachineOptions } from "../machine.ts";
import { debuggablePlace, openDebugger } from "./debugger.ts";
import { logHelp, openSink, parseLogItems } from "./log.ts";
import { type Given, helpText, parseOptions, type UsageError } from "./options.ts";
import { asText, changeEnvironment, type EnvironmentChange, splitVariables } from "./words.ts";

const engines = ["off", "js", "wasm", "auto"] as const;
const isEngine = (word: string): word is MachineOptions["jit"] => (engines as readonly string[]).includes(word);

/** What a command line asks for: a run, a text, or nothing that can be done. */
type Outcome =
  | { readonly machine: MachineOptions; readonly stats: "text" | "json" | undefined; readonly notes: readonly string[] }
  | { readonly answer: () => Promise<string> }
  | UsageError;

/** Reads the options of `run`. All words are latin1 strings. */
export function understand(words: readonly string[], env: readonly string[]): Outcome {
  const parsed = parseOptions(words, variablesOf(env));
  if ("usage" in parsed) return parsed;
  const { given, rest } = parsed;
  const has = (name: Given["name"]) => given.some((g) => g.name === name);
  const last = (name: Given["name"]) => given.findLast((g) => g.name === name)?.value;

  if (has("help")) return { answer: async () => helpText() };
  if (has("version")) return { answer: versionText };
  const items = parseLogItems(given.filter((g) => g.name === "log").map((g) => g.value!));
  if (items === "help") return { answer: async () => logHelp() };
  if ("usage" in items) return items;

  const engine = last("jit") ?? "auto";
  if (!isEngine(engine)) return { usage: `--jit is one of ${engines.join(", ")}, not ${engine}` };
  const stats = given.findLast((g) => g.name === "stats");
  if (stats?.value !== undefined && stats.value !== "json")
    return { usage: `--stats or --stats=json, not ${stats.value}` };
  const stackWord = last("stack-size");
  const stackSize = stackWord === undefined ? undefined : parseSize(stackWord);
  if (stackWord !== undefined && stackSize === undefined)
    return { usage: `--stack-size ${stackWord} is no size: give bytes, or 512K, 8M, 1G` };
  const changes = environmentChanges(given);
  if ("usage" in changes) return changes;
  const [program, ...args] = rest;
  if (program === undefined)
    return { usage: "no program was named: sabre [run] [OPTION…] PROGRAM [ARG…]; --help tells more" };

  const place = last("gdb") ?? (has("debuggable") ? debuggablePlace() : undefined);
  const debug = place === undefined ? undefined : openDebugger(place);
  if (debug !== undefined && "usage" in debug) return debug;
  const sinks = openSinks(last("log-file"), last("strace"));
  if ("usage" in sinks) return sinks;
  const [argv0, sysroot] = [last("argv0"), last("sysroot")];
  return {
    stats: stats === undefined ? undefined : stats.value === "json" ? "json" : "text",
    notes: [
      ...(has("cpu") ? ["-cpu is ignored: there is one CPU, an rv64gc with its usual extensions"] : []),
      ...(debug?.note === undefined ? [] : [debug.note]),
    ],
    machine: {
      program,
      args,
      ...(argv0 !== undefined && { argv0 }),
      env: changeEnvironment(env, changes),
      ...(sysroot !== undefined && { sysroot }),
      ...(stackSize !== undefined && { stackSize }),
      ...((has("strace") || items.has("strace")) && { trace: sinks.trace }),
      ...(items.size > 0 && { log: { items: [...items], fd: sinks.log } }),
      jit: engine,
      stats: stats !== undefined,
      ...(debug && { debug: debug.options }),
    },
  };
}

/** Descriptors of log and trace. A trace without a file of its own goes with the log. */
function openSinks(log: string | undefined, trace: string | undefined): { log: number; trace: number } | UsageError {
  const logSink = openSink(log && asText(log));
  if (typeof logSink === "object") return logSink;
  const traceSink = trace === undefined ? logSink : openSink(asText(trace));
  return typeof traceSink === "object" ? traceSink : { log: logSink, trace: traceSink };
}

function environmentChanges(given: readonly Given[]): EnvironmentChange[] | UsageError {
  const changes: EnvironmentChange[] = [];
  for (const { name, spelled, value = "" } of given) {
    if (name === "unset") changes.push(...value.split(",").map((unset) => ({ unset })));
    if (name !== "env") continue;
    for (const set of spelled === "--env" ? [value] : splitVariables(value)) {
      if (set.indexOf("=") < 1) return { usage: `${spelled} takes NAME=VALUE, not ${set}` };
      changes.push({ set });
    }
  }
  return changes;
}

/** Bytes of `8388608`, `512K`, `8M`, `1G`. */
function parseSize(word: string): number | undefined {
  const match = /^(\d+|0x[0-9a-f]+)([KMG]?)$/i.exec(word);
  if (match === null) return undefined;
  const bytes = Number(match[1]) * 1024 ** " KMG".indexOf(match[2]!.toUpperCase() || " ");
  return bytes > 0 && bytes <= 2 ** 31 ? bytes : undefined;
}

const variablesOf = (env: readonly string[]): Record<string, string> =>
  Object.fromEntries(env.map((word) => [word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1)]));

async function versionText(): Promise<string> {
  const { version } = await import("../../package.json", { with: { type: "json" } });
  return `sabre ${version} (Bun ${Bun.version}, ${process.platform} ${process.arch})\n`;
}
