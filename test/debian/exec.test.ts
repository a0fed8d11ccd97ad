// Programs of Debian trixie's riscv64 port that execute others in their place: what comes out is what the last one says, in the
// surroundings that the ones before it made.
import { beforeAll, describe, expect, test } from "bun:test";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { finish, sabreCommand } from "../tools/sabre.ts";
import { trixieRoot } from "../tools/trixie.ts";

// As processes.test.ts has them: the same root.
const packages = [
  ...["base-files", "libc-bin", "busybox", "bash", "dash", "make", "coreutils", "diffutils"],
  ...["findutils", "grep", "sed", "python3", "perl"],
];

let root = "";
beforeAll(async () => {
  root = await trixieRoot("riscv64", packages);
}, 300_000);

interface Case {
  readonly words: readonly string[];
  readonly stdout: string;
  readonly stderr?: string | RegExp;
  readonly status?: number;
}

const python =
  "import os; os.execve('/usr/bin/env', ['env', 'sh', '-c', 'echo $X $0'], {'X': 'from python', 'PATH': '/bin'})";

const cases: readonly Case[] = [
  { words: ["env", "-i", "A=1", "B=two words", "env"], stdout: "A=1\nB=two words\n" },
  { words: ["env", "-C", "/usr", "-a", "other", "sh", "-c", "pwd; echo $0"], stdout: "/usr\nother\n" },
  { words: ["nice", "-n", "5", "nice", "-n", "3", "nice"], stdout: "8\n" },
  {
    words: ["nohup", "bash", "-c", "trap -p HUP; kill -HUP $$; echo on"],
    stdout: "trap -- '' SIGHUP\non\n",
  },
  { words: ["stdbuf", "-o0", "printenv", "_STDBUF_O"], stdout: "0\n" },
  {
    words: ["bash", "-c", "exec 5</dev/null; exec -a given bash -c 'echo $0; test -e /dev/fd/5 && echo open'"],
    stdout: "given\nopen\n",
  },
  {
    words: ["bash", "-c", "ulimit -n 77; umask 027; cd /; exec dash -c 'ulimit -n; umask; pwd'"],
    stdout: "77\n0027\n/\n",
  },
  {
    words: ["bash", "-c", 'x=$$; exec sh -c "test \\$\\$ = $x && echo the same process"'],
    stdout: "the same process\n",
  },
  {
    words: ["bash", "-c", "exec /no/such/program; echo not reached"],
    stdout: "",
    stderr: /No such file or directory/,
    status: 127,
  },
  { words: ["dash", "-c", "exec busybox env -i busybox sh -c 'exec busybox echo applet'"], stdout: "applet\n" },
  { words: ["perl", "-e", "$ENV{P}='perl'; exec {'/usr/bin/printenv'} 'x', 'P'"], stdout: "perl\n" },
  { words: ["python3", "-c", python], stdout: "from python sh\n" },
];

describe.each(["auto", "off"])("with --jit %s", (jit) => {
  for (const { words, stdout, stderr = "", status = 0 } of cases)
    test(words.join(" ").slice(0, 60), async () => {
      const [program, ...args] = words;
      const command = sabreCommand("run", "--jit", jit, "-L", root, join(root, "usr/bin", program!), ...args);
      const outcome = await finish(command, { cwd: tmpdir(), env: { PATH: "/usr/bin:/bin", LC_ALL: "C" } });
      expect(outcome).toMatchObject({ stdout, status, signal: null });
      if (typeof stderr === "string") expect(outcome.stderr).toBe(stderr);
      else expect(outcome.stderr).toMatch(stderr);
    }, 60_000);
});
