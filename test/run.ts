// `bun run test`: everything that a change has to pass, in one command from a fresh clone: installs what is missing,
// checks types and style, runs all tests. The last line is `N passed, M failed`, and the exit status follows it.
import { existsSync } from "node:fs";
import { join } from "node:path";
import project from "../package.json" with { type: "json" };

const root = join(import.meta.dir, "..");
const bun = process.execPath;
/** A test that takes longer has failed. */
const testTimeout = 120_000;
/** The test run as a whole is ended after this time: a hung guest must not hang the caller. */
const runTimeout = 45 * 60_000;

/** What the tests need from the system: how to see that it is there, and the Debian package that has it. */
const tools = [
  { name: "riscv64-linux-gnu-gcc", package: "gcc-riscv64-linux-gnu", there: () => inPath("riscv64-linux-gnu-gcc") },
  { name: "riscv64-linux-gnu-g++", package: "g++-riscv64-linux-gnu", there: () => inPath("riscv64-linux-gnu-g++") },
  { name: "g++", package: "g++", there: () => inPath("g++") },
  {
    name: "the riscv64 C library",
    package: "libc6-dev-riscv64-cross",
    there: () => existsSync("/usr/riscv64-linux-gnu/include/stdio.h"),
  },
  { name: "qemu-riscv64", package: "qemu-user", there: () => inPath("qemu-riscv64") },
  { name: "gdb-multiarch", package: "gdb-multiarch", there: () => inPath("gdb-multiarch") },
];

const inPath = (name: string): boolean => Bun.which(name) !== null;

interface Counts {
  readonly passed: number;
  readonly failed: number;
}

const steps: readonly { readonly name: string; readonly needed?: true; readonly run: () => Promise<Counts> }[] = [
  { name: "dependencies", needed: true, run: installDependencies },
  { name: "tools", needed: true, run: installTools },
  { name: "types", run: () => check(bun, "node_modules/.bin/tsc") },
  { name: "style", run: () => check(bun, "node_modules/.bin/biome", "check", "--no-errors-on-unmatched", ".") },
  { name: "tests", run: runTests },
];

/** Runs a command with the terminal's output and no input. */
async function check(...command: string[]): Promise<Counts> {
  console.log(`$ ${command.join(" ")}`);
  const child = Bun.spawn(command, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
  return (await child.exited) === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}

async function installDependencies(): Promise<Counts> {
  const there = Object.keys(project.devDependencies).every((name) =>
    existsSync(join(root, "node_modules", name, "package.json")),
  );
  return there ? { passed: 1, failed: 0 } : check(bun, "install", "--frozen-lockfile");
}

async function installTools(): Promise<Counts> {
  const missing = () => tools.filter((tool) => !tool.there());
  if (missing().length === 0) return { passed: 1, failed: 0 };
  const packages = missing().map((tool) => tool.package);
  if (process.getuid?.() === 0 && existsSync("/etc/debian_version") && inPath("apt-get")) {
    process.env["DEBIAN_FRONTEND"] = "noninteractive";
    await check("apt-get", "update", "-qq");
    await check("apt-get", "install", "-qq", "-y", "--no-install-recommends", ...packages);
  }
  for (const tool of missing())
    console.error(`The tests need ${tool.name}, which is not there. On Debian: apt-get install ${tool.package}`);
  return missing().length === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: missing().length };
}

/** Runs all tests and takes the counts from the summary that ends their output. */
async function runTests(): Promise<Counts> {
  const command = [bun, "test", `--timeout=${testTimeout}`, ...process.argv.slice(2)];
  console.log(`$ ${command.join(" ")}`);
  const child = Bun.spawn(command, {
    cwd: root,
    stdio: ["ignore", "inherit", "pipe"],
    timeout: runTimeout,
    killSignal: "SIGKILL",
  });
  let tail = "";
  const decoder = new TextDecoder();
  for await (const bytes of child.stderr) {
    process.stderr.write(bytes);
    tail = (tail + decoder.decode(bytes, { stream: true })).slice(-4000);
  }
  const status = await child.exited;
  const count = (word: string) => Number(tail.match(new RegExp(`^ *(\\d+) ${word}$`, "m"))?.[1] ?? 0);
  const [passed, failed] = [count("pass"), count("fail")];
  if (child.signalCode !== null) console.error(`The tests were ended by ${child.signalCode}.`);
  return { passed, failed: status === 0 ? failed : Math.max(failed, 1) };
}

let passed = 0;
let failed = 0;
for (const step of steps) {
  const began = performance.now();
  const counts = await step.run();
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.log(`${counts.failed === 0 ? "ok    " : "FAILED"} ${step.name}, ${seconds} s`);
  if (step.name === "tests") passed += counts.passed;
  failed += counts.failed;
  if (step.needed && counts.failed > 0) break;
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
