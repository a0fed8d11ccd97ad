// `sabre gdbserver`: the command line of gdbserver, for tools that were written for it.
import { usageStatus } from "./options.ts";
import { complain, exit } from "./output.ts";
import { run } from "./run.ts";

const usage = "sabre gdbserver [--once] COMM PROGRAM [ARG…]: COMM is HOST:PORT, /path/to/socket or -";

/** Options of gdbserver that change nothing here: a program is always debugged by one debugger. */
const ignored = ["--once", "--debug", "--no-startup-with-shell", "--startup-with-shell", "--no-disable-randomization"];
const alsoIgnored = ["--disable-randomization", "--remote-debug", "--event-loop-debug"];

/** Does not come back. */
export function gdbserver(words: readonly string[]): Promise<never> {
  let at = 0;
  for (; words[at]?.startsWith("--"); at++) {
    const word = words[at]!;
    if (word === "--multi" || word === "--attach" || word === "--wrapper") {
      complain(`${word} is not part of this version; ${usage}`);
      exit(usageStatus);
    }
    if (![...ignored, ...alsoIgnored].includes(word) && !word.startsWith("--debug-format")) {
      complain(`unknown option ${word}; ${usage}`);
      exit(usageStatus);
    }
  }
  const [place, program, ...args] = words.slice(at);
  if (place === undefined || program === undefined) {
    complain(usage);
    exit(usageStatus);
  }
  return run(["-g", `${place},once,announced`, "--", program, ...args]);
}
