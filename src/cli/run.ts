// `sabre run`: from words on the command line to a machine, and from the guest's end to sabre's.
import { useBuild } from "../host/build.ts";
import { inheritedDescriptors } from "../host/inherited.ts";
import { writeAll } from "../host/write.ts";
import { deathMessage, dieBy } from "./death.ts";
import { type UsageError, usageStatus } from "./options.ts";
import { complain, exit, print } from "./output.ts";
import { statsJson, statsText } from "./stats.ts";
import { understand } from "./understand.ts";
import { asText, commandLine, environment } from "./words.ts";

/** Runs what the words of the command line say, with or without the command's name. Does not come back. `build`: the folder that it was loaded from, if that is a build's. */
export function runCommandLine(build?: string): Promise<never> {
  if (build !== undefined) useBuild(build);
  const words = commandLine();
  return run(words[0] === "run" ? words.slice(1) : words);
}

/** Runs what the words say. Does not come back. */
export async function run(words: readonly string[]): Promise<never> {
  const descriptors = inheritedDescriptors();
  const outcome = understand(words, environment());
  if ("usage" in outcome) return misused(outcome);
  if ("answer" in outcome) {
    print(await outcome.answer());
    return exit(0);
  }
  for (const note of outcome.notes) complain(note);
  const { createMachine } = await import("../machine.ts");
  const machine = createMachine({ ...outcome.machine, descriptors, hostSignals: true });
  if ("status" in machine) {
    complain(asText(machine.message));
    return exit(machine.status);
  }
  const end = machine.run();
  if (outcome.stats !== undefined)
    writeAll(2, outcome.stats === "json" ? statsJson(machine.stats()) : statsText(machine.stats()));
  if ("code" in end) return exit(end.code);
  const message = deathMessage(outcome.machine.program, machine.deathReport());
  if (message !== undefined) complain(asText(message));
  return dieBy(end.signal);
}

function misused(error: UsageError): never {
  complain(asText(error.usage));
  exit(usageStatus);
}
