// The options of the command line as one table: parsing, the help text and the environment's defaults are derived from
// it. It knows nothing of what an option does.

export interface Option {
  readonly name: OptionName;
  /** One letter or digit: `-L DIR`, `-LDIR`. */
  readonly short?: string;
  /** Further spellings, whole: those of qemu-user. */
  readonly also?: readonly string[];
  /** What the value is called in the help. Without it the option takes no value. */
  readonly value?: string;
  /** The value may be left out, and is given with `=` only. */
  readonly optional?: true;
  /** Variables that give the value where the command line does not, the first that is set. */
  readonly variables?: readonly string[];
  /** Left out of the help: there to be understood, not to be found. */
  readonly hidden?: true;
  readonly help: string;
}

export type OptionName = (typeof names)[number];
const names = [
  "sysroot",
  "env",
  "unset",
  "argv0",
  "stack-size",
  "strace",
  "stats",
  "jit",
  "log",
  "log-file",
  "cpu",
  "gdb",
  "debuggable",
  "version",
  "help",
] as const;

export const runOptions: readonly Option[] = [
  {
    name: "sysroot",
    short: "L",
    value: "DIR",
    variables: ["SABRE_SYSROOT", "QEMU_LD_PREFIX"],
    help: "look absolute paths of the guest up in DIR first",
  },
  {
    name: "env",
    short: "E",
    value: "K=V",
    variables: ["QEMU_SET_ENV"],
    help: "set a variable for the guest; -E takes a list K=V,K=V too",
  },
  {
    name: "unset",
    short: "U",
    value: "K",
    variables: ["QEMU_UNSET_ENV"],
    help: "remove a variable, or a list K,K, from the guest's environment",
  },
  { name: "argv0", short: "0", value: "S", help: "what the guest sees as its name, argv[0]" },
  { name: "stack-size", short: "s", value: "N", help: "size of the stack in bytes, or 512K, 8M, 1G" },
  {
    name: "strace",
    also: ["-strace"],
    value: "FILE",
    optional: true,
    help: "write each system call to stderr, or to FILE",
  },
  { name: "stats", value: "json", optional: true, help: "at exit, write the figures of the run to stderr" },
  {
    name: "jit",
    value: "off|js|wasm|auto",
    help: "which engines run the guest's code: off is the interpreter, and so far auto",
  },
  { name: "log", short: "d", value: "ITEM,…", help: "write what happens inside; -d help lists the items" },
  { name: "log-file", short: "D", value: "FILE", help: "write the log, and the trace, to FILE instead of stderr" },
  { name: "cpu", also: ["-cpu"], value: "MODEL", hidden: true, help: "ignored" },
  {
    name: "gdb",
    short: "g",
    value: "PLACE",
    help: "wait for a debugger at PORT, ADDRESS:PORT, /path/to/socket or -; PLACE,suspend=n waits later",
  },
  { name: "debuggable", help: "let sabre attach come to the program later" },
  { name: "version", short: "v", also: ["-version"], help: "print the version" },
  { name: "help", short: "h", also: ["-help"], help: "print this text" },
];

/** An option as it was given. `spelled` is how: a message about it quotes that. */
export interface Given {
  readonly name: OptionName;
  readonly spelled: string;
  readonly value: string | undefined;
}

export interface Parsed {
  readonly given: readonly Given[];
  /** From the first word that is no option on, untouched. */
  readonly rest: readonly string[];
}

/** Exit status after a mistake on the command line. */
export const usageStatus = 2;

/** A mistake of the user: one line that says what to do instead. */
export interface UsageError {
  readonly usage: string;
}

/** Reads options up to the first word that is none, or `--`. What stands in `environment` comes first. */
export function parseOptions(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>> = {},
): Parsed | UsageError {
  const given: Given[] = [];
  for (const option of runOptions) {
    const variable = option.variables?.find((name) => environment[name]);
    if (variable !== undefined) given.push({ name: option.name, spelled: variable, value: environment[variable] });
  }
  let at = 0;
  while (at < args.length) {
    const word = args[at]!;
    if (word === "--") return { given, rest: args.slice(at + 1) };
    if (!word.startsWith("-") || word === "-") break;
    at++;
    const { option, spelled, inline } = find(word);
    if (option === undefined)
      return { usage: `unknown option ${word}. Options stand before the program; --help lists them` };
    if (option.value === undefined && inline !== undefined)
      return { usage: `${spelled} takes no value, not ${inline}` };
    let value = inline;
    if (option.value !== undefined && !option.optional && value === undefined) {
      if (at === args.length) return { usage: `${spelled} needs a value: ${spelled} ${option.value}` };
      value = args[at++];
    }
    given.push({ name: option.name, spelled, value });
  }
  return { given, rest: args.slice(at) };
}

/** The option that a word names, how it is spelled there, and the value that hangs on it. */
function find(word: string): { option: Option | undefined; spelled: string; inline: string | undefined } {
  const equals = word.indexOf("=");
  const spelled = equals < 0 ? word : word.slice(0, equals);
  const inline = equals < 0 ? undefined : word.slice(equals + 1);
  const whole = runOptions.find((o) => spelled === `--${o.name}` || o.also?.includes(spelled));
  if (whole !== undefined) return { option: whole, spelled, inline };
  const short = word.startsWith("--") ? undefined : runOptions.find((o) => o.short === word[1]);
  if (short?.value === undefined && word.length > 2) return { option: undefined, spelled: word, inline: undefined };
  return { option: short, spelled: word.slice(0, 2), inline: word.length > 2 ? word.slice(2) : undefined };
}

const form = (o: Option): string => {
  const long = `--${o.name}`;
  const value = o.value === undefined ? "" : o.optional ? `[=${o.value}]` : ` ${o.value}`;
  return `  ${o.short === undefined ? "    " : `-${o.short}, `}${long}${value}`;
};

export const helpText = (): string => `sabre runs Linux programs built for 64-bit RISC-V.

  sabre [run] [OPTION…] PROGRAM [ARG…]          run a program; what follows PROGRAM is the program's
  sabre disasm PROGRAM [SYMBOL|START..END]      print its instructions
  sabre debug [OPTION…] PROGRAM [ARG…]          run a program under gdb; sabre gdbserver does as gdbserver does
  sabre attach [PID]                            open gdb on a program that runs with --debuggable
  sabre bench                                   measure this emulator on this machine

${runOptions
  .filter((o) => !o.hidden)
  .map((o) => `${form(o).padEnd(32)} ${o.help}${o.variables?.length ? ` (${o.variables.join(", ")})` : ""}`)
  .join("\n")}

Examples:
  sabre ./hello                                 a static program
  sabre -L ~/riscv64 ~/riscv64/usr/bin/lua5.4   a dynamic one, with its libraries in ~/riscv64
  sabre --strace=calls.txt ./hello a b          its system calls, in a file
  sabre --stats -E LANG=C ./hello               and what the run cost
  sabre disasm ./hello main                     the instructions of one function

The exit status is the program's; if a signal killed it, sabre dies by that signal too. Otherwise 126 says that PROGRAM
cannot be run, 127 that it or its interpreter was not found, 2 that these options were misused.
`;
