// Job control by the bash of Debian trixie's riscv64 port: on the emulator's own terminal, on one that a guest has made
// (script), and as a job of a shell of the host.
import { afterEach, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { buildGuest, buildNative } from "../tools/guest.ts";
import { sabreCommand } from "../tools/sabre.ts";
import { onTerminal, type Typist } from "../tools/terminal.ts";
import { trixieRoot } from "../tools/trixie.ts";

let root = "";
beforeAll(async () => {
  root = await trixieRoot("riscv64", ["base-files", "libc-bin", "bash", "coreutils", "bsdutils"]);
}, 300_000);

const env = { PATH: "/usr/bin:/bin", LC_ALL: "C", HOME: "/", TERM: "dumb", SHELL: "/bin/bash" };
const shell = ["--norc", "--noprofile", "-i"];
/** What a shell that has just begun is told, so that its prompt is not taken for what was typed. */
const prompt = (name: string): string => `PS1="${name}"'> '\n`;

const begun: Typist[] = [];
afterEach(async () => {
  for (const typist of begun.splice(0)) await typist.end();
});

function begin(command: readonly string[]): Typist {
  const typist = onTerminal(command, env);
  begun.push(typist);
  return typist;
}

const inRoot = (jit: string, program: string, ...args: string[]): string[] =>
  sabreCommand("run", "--jit", jit, "-L", root, join(root, "usr/bin", program), ...args);

/** A shell stops jobs, continues them, and interrupts them. */
async function controlsJobs({ type, sees, resize, ended }: Typist, job: string): Promise<void> {
  await sees("bash");
  type(prompt("G"));
  await sees("\nG> ");
  type(`tty; ${job}\n`);
  await sees(/\/dev\/pts\/\d+\s+on/);
  type("\x1a");
  await sees(/\[1\]\+ +Stopped /);
  await sees("G> ");
  type("jobs\n");
  await sees(/\[1\]\+ +Stopped /);
  await sees("G> ");
  type("bg\n");
  await sees("again");
  type("\n");
  await sees("G> ");
  type("jobs\n");
  await sees(/\[1\]\+ +Running /);
  await sees("G> ");
  type("kill -STOP %1; wait %1; echo state $((0 + $?))\n");
  await sees("state 147");
  await sees("G> ");
  type("fg\n");
  await sees("again");
  type("\x03");
  await sees("G> ");
  type("echo state $((0 + $?))\n");
  await sees("state 130");
  await sees("G> ");
  type(`${job} | cat | cat\n`);
  await sees("\non");
  type("\x1a");
  await sees(/\[1\]\+ +Stopped /);
  await sees("G> ");
  type("fg\n");
  await sees("again");
  type("\x03");
  await sees("G> ");
  type("echo state $((0 + $?))\n");
  await sees("state 130");
  await sees("G> ");
  type(`${job}\n`);
  await sees("\non");
  type("\x1c");
  await sees("Quit");
  await sees("G> ");
  // Who reads in the background stops.
  type("cat & wait %1; echo state $((0 + $?))\n");
  await sees("state 149");
  await sees("G> ");
  type("fg\n");
  await sees("cat\r\n");
  type("line\n");
  await sees("line");
  type("\x04");
  await sees("G> ");
  type("trap 'echo $COLUMNS by $LINES' WINCH; echo set$((0))\n");
  await sees("set0");
  await sees("G> ");
  resize(100, 30);
  await sees("100 by 30");
  type("\nexit 7\n");
  expect(await ended).toBe(7);
}

describe.each(["auto", "off"])("with --jit %s", (jit) => {
  test("bash on the emulator's terminal", async () => {
    await controlsJobs(begin(inRoot(jit, "bash", ...shell)), buildGuest("job.c"));
  }, 120_000);

  test("bash on a terminal that script makes", async () => {
    const command = inRoot(jit, "script", "-qec", `exec bash ${shell.join(" ")}`, "/dev/null");
    await controlsJobs(begin(command), buildGuest("job.c"));
  }, 120_000);

  test("the emulator is a job of a shell of the host", async () => {
    const { type, sees, ended } = begin(["bash", ...shell]);
    const job = sabreCommand("run", "--jit", jit, buildGuest("job.c")).join(" ");
    await sees("bash");
    type(prompt("H"));
    await sees("\nH> ");
    type(`${job}\n`);
    await sees("\non");
    type("\x1a");
    await sees(/\[1\]\+ +Stopped /);
    await sees("H> ");
    type("fg\n");
    await sees("again");
    type("\x03");
    await sees("H> ");
    type("echo state $((0 + $?))\n");
    await sees("state 130");
    await sees("H> ");
    // A shell of the guest, with a job that has stopped, is stopped itself.
    type(`${inRoot(jit, "bash", ...shell).join(" ")}\n`);
    await sees("\nbash");
    type(prompt("G"));
    await sees("\nG> ");
    type(`${buildGuest("job.c")}\n`);
    await sees("\non");
    type("\x1a");
    await sees(/\[1\]\+ +Stopped /);
    await sees("G> ");
    type("suspend\n");
    await sees(/\[1\]\+ +Stopped /);
    await sees("H> ");
    type("fg\n");
    await sees("G> ");
    type("fg\n");
    await sees("again");
    type("\x03");
    await sees("G> ");
    type("exit 5\n");
    await sees("H> ");
    type("echo state $((0 + $?))\n");
    await sees("state 5");
    await sees("H> ");
    // Two processes of the guest, stopped by the terminal.
    type(`${inRoot(jit, "bash", "-c", `'${buildGuest("job.c")}; echo over'`).join(" ")}\n`);
    await sees("\non");
    type("\x1a");
    await sees(/\[1\]\+ +Stopped /);
    await sees("H> ");
    type("fg\n");
    await sees("again");
    type("\x03");
    await sees("H> ");
    type("exit 3\n");
    expect(await ended).toBe(3);
  }, 120_000);
});

test("the same on the host itself", async () => {
  await controlsJobs(begin(["bash", ...shell]), buildNative("job.c"));
}, 60_000);
