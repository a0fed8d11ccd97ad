// What `bun run build` makes is taken only while it is that of the sources.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { appendFileSync, cpSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";

const root = join(import.meta.dir, "../..");
const copy = mkdtempSync(join(tmpdir(), "sabre-build-"));
const marker = "the build ran";
// A build takes seconds where others are at work.
setDefaultTimeout(60_000);

beforeAll(() => {
  for (const name of ["src", "jit", "build.ts", "package.json"])
    cpSync(join(root, name), join(copy, name), { recursive: true });
});
afterAll(() => rmSync(copy, { recursive: true }));

const bun = (...words: string[]) => Bun.spawnSync([process.execPath, ...words], { cwd: copy });

/** Builds, and makes what was built tell that it is what runs. */
function buildWithMarker(): void {
  const { success, stderr } = bun("build.ts");
  expect({ success, stderr: stderr.toString() }).toEqual({ success: true, stderr: "" });
  writeFileSync(join(copy, "dist/run.js"), `exports.runCommandLine = () => console.log("${marker}");`);
}

const usesBuild = (): boolean => bun("src/main.ts", "--version").stdout.toString().includes(marker);

test("without a build the sources run", () => {
  expect(bun("src/main.ts", "--version").stdout.toString()).toStartWith("sabre ");
});

test("a build answers as the sources do", () => {
  const fromSources = bun("src/main.ts", "--version").stdout.toString();
  bun("build.ts");
  expect(bun("src/main.ts", "--version").stdout.toString()).toBe(fromSources);
});

test("a build of these sources is taken", () => {
  buildWithMarker();
  expect(usesBuild()).toBe(true);
});

const source = () => join(copy, "src/linux/row.ts");

/** The file that workers run. Its guest thread ends the process with status 7. */
function workerFile(): string {
  for (const name of ["test/linux", "test/tools"]) cpSync(join(root, name), join(copy, name), { recursive: true });
  const { stdout, stderr } = bun("test/linux/harts-cases.ts", "exiting", "auto");
  expect(stderr.toString()).toBe("");
  const { exit, script } = JSON.parse(stdout.toString());
  expect(exit).toEqual({ code: 7 });
  return relative(copy, script);
}

test("workers run a build of these sources, and else the sources", () => {
  bun("build.ts");
  expect(workerFile()).toBe("dist/worker.js");
  utimesSync(source(), 1e9, 1e9);
  expect(workerFile()).toBe("src/linux/worker.ts");
});

test.each([
  ["a source that became longer", () => appendFileSync(source(), "\n")],
  ["a source of another time, be it older", () => utimesSync(source(), 1e9, 1e9)],
  ["a source that is gone", () => rmSync(join(copy, "src/cli/other.ts"))],
])("a build is not taken after %s", (_what, change) => {
  buildWithMarker();
  change();
  expect(usesBuild()).toBe(false);
});
