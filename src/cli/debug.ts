// `sabre debug`: a program, stopped before its first instruction, and gdb on it in the same terminal. `sabre attach`: gdb on one
// that runs.
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { socketFolder } from "./debugger.ts";
import { parseOptions, usageStatus } from "./options.ts";
import { complain, exit } from "./output.ts";
import { asText } from "./words.ts";

const names = ["gdb-multiarch", "riscv64-linux-gnu-gdb", "riscv64-unknown-linux-gnu-gdb"];

/** What to do where there is none. */
const missing =
  "no gdb that knows RISC-V was found: gdb-multiarch comes in the package of that name (Debian, Ubuntu), gdb is all of it " +
  "elsewhere; SABRE_GDB names another. To attach by hand: sabre run -g 1234 PROGRAM, then in gdb: target remote :1234";

function findGdb(): string | undefined {
  const chosen = process.env["SABRE_GDB"];
  if (chosen !== undefined && chosen !== "") return Bun.which(chosen) ?? undefined;
  return names.map((name) => Bun.which(name)).find((path) => path !== null) ?? undefined;
}

/** gdb on a program that runs already. Ends as gdb does; the program goes on, unless gdb kills it. */
export async function attach(words: readonly string[]): Promise<never> {
  const folder = socketFolder();
  const running = (existsSync(folder) ? readdirSync(folder) : []).filter((name) => existsSync(`/proc/${name}`));
  const [chosen] = words.length > 0 ? words : running;
  if (chosen === undefined || (words.length === 0 && running.length > 1) || !running.includes(chosen)) {
    const list = running.length === 0 ? "none runs" : `those that run: ${running.join(", ")}`;
    complain(`sabre attach [PID] opens gdb on a program that was started with --debuggable; ${list}`);
    exit(usageStatus);
  }
  const gdb = findGdb();
  if (gdb === undefined) {
    complain(missing);
    exit(127);
  }
  process.on("SIGINT", () => {});
  const commands = ["-ex", `target remote ${folder}/${chosen}`];
  return exit(await Bun.spawn([gdb, "-q", ...commands], streams).exited);
}

const streams = { stdin: "inherit", stdout: "inherit", stderr: "inherit" } as const;

/** Runs both to their ends, and ends as the program did. */
export async function debug(words: readonly string[]): Promise<never> {
  const parsed = parseOptions(words);
  const problem = "usage" in parsed ? parsed.usage : parsed.rest.length === 0 ? "no program was named" : undefined;
  if ("usage" in parsed || problem !== undefined) {
    complain(asText(`${problem}: sabre debug [OPTION…] PROGRAM [ARG…]`));
    exit(usageStatus);
  }
  const gdb = findGdb();
  if (gdb === undefined) {
    complain(missing);
    exit(127);
  }
  const folder = mkdtempSync(join(tmpdir(), "sabre-debug-"));
  const socket = join(folder, "socket");
  // Whoever interrupts the terminal means the debugger, which has it.
  process.on("SIGINT", () => {});
  const main = join(import.meta.dir, "../main.ts");
  const program = Bun.spawn(
    [
      process.execPath,
      main,
      "run",
      "-g",
      `${socket},once,together`,
      ...words.map((word) => Buffer.from(word, "latin1").toString()),
    ],
    streams,
  );
  const sysroot = parsed.given.findLast(({ name }) => name === "sysroot")?.value;
  const commands = [
    ...(sysroot === undefined ? [] : [`set sysroot ${asText(sysroot)}`]),
    `target remote ${socket}`,
  ].flatMap((command) => ["-ex", command]);
  const isThere = async (): Promise<boolean> => {
    while (program.exitCode === null && program.signalCode === null) {
      if (existsSync(socket)) return true;
      await Bun.sleep(5);
    }
    return false;
  };
  if (await isThere()) await Bun.spawn([gdb, "-q", ...commands, asText(parsed.rest[0]!)], streams).exited;
  await program.exited;
  rmSync(folder, { recursive: true, force: true });
  if (program.signalCode !== null) process.kill(process.pid, program.signalCode);
  return exit(program.exitCode ?? 0);
}
