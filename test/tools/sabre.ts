// Runs sabre, or the reference emulator, on a program as a user would, and gives what came out.
import { join } from "node:path";

const main = join(import.meta.dir, "../../src/main.ts");

/** What a finished program left: its standard output and error as latin1 text, exit status or the signal that ended it. */
export interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Options {
  readonly stdin?: string | Uint8Array;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Milliseconds after which the program is killed; the test then fails by its outcome. */
  readonly timeout?: number;
}

/** Runs a command to its end. */
export async function finish(command: readonly string[], o: Options = {}): Promise<Outcome> {
  const child = Bun.spawn([...command], {
    stdin: o.stdin === undefined ? "ignore" : Buffer.from(o.stdin as string, "latin1"),
    stdout: "pipe",
    stderr: "pipe",
    ...(o.cwd !== undefined && { cwd: o.cwd }),
    env: { PATH: "/usr/bin:/bin", HOME: "/", LC_ALL: "C.UTF-8", ...o.env },
    timeout: o.timeout ?? 60_000,
    killSignal: "SIGKILL",
  });
  const [stdout, stderr] = await Promise.all([child.stdout.bytes(), child.stderr.bytes()]);
  await child.exited;
  return {
    stdout: Buffer.from(stdout).toString("latin1"),
    stderr: Buffer.from(stderr).toString("latin1"),
    status: child.exitCode,
    signal: child.signalCode as NodeJS.Signals | null,
  };
}

/** The command line of sabre with the given words. */
export const sabreCommand = (...words: string[]): string[] => [process.execPath, main, ...words];

/** Runs `sabre` with the given words. */
export const sabre = (words: readonly string[], o?: Options): Promise<Outcome> => finish(sabreCommand(...words), o);
