// Runs the real gdb on a program under sabre, by a script, and gives what it printed.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { finish, sabreCommand } from "../tools/sabre.ts";

/** What gdb prints for the commands, on a program that it has started through a pipe, stopped before its first instruction. */
export async function gdb(
  program: readonly string[],
  commands: readonly string[],
  o: { readonly options?: readonly string[]; readonly remote?: string; readonly before?: readonly string[] } = {},
): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "sabre-gdb-"));
  try {
    const script = join(folder, "script");
    const command = sabreCommand("run", ...(o.options ?? []), "-g", "-", ...program).join(" ");
    await Bun.write(
      script,
      [
        ...["set pagination off", "set confirm off", "set width 0", "set debuginfod enabled off"],
        ...(o.before ?? []),
        `target ${o.remote ?? "remote"} | ${command}`,
        ...commands,
        "",
      ].join("\n"),
    );
    const { stdout, stderr, status } = await finish(["gdb-multiarch", "-nx", "-batch", "-x", script, program[0]!], {
      timeout: 60_000,
    });
    return `${stdout}${stderr}${status === 0 ? "" : `\ngdb ended with ${status}`}`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
