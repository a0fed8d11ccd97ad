// Programs and libraries of Debian trixie, for tests that need newer tools than the machine has, or riscv64 programs.
// Packages come with all they depend on, from the mirror that the machine's own apt uses, are unpacked below .cache/ and
// never installed. Each folder appears by a rename when it is complete, so concurrent calls are safe.
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";

const cache = join(import.meta.dir, "../../.cache/trixie");

/** A Debian architecture. */
export type Architecture = "amd64" | "arm64" | "riscv64";

/** The machine's own. */
export const hostArchitecture: Architecture = process.arch === "arm64" ? "arm64" : "amd64";

/** Runs a command and gives its standard output. Throws an Error with its standard error where it fails. */
async function run(...command: string[]): Promise<string> {
  let child: Bun.Subprocess<"ignore", "pipe", "pipe">;
  try {
    child = Bun.spawn(command, {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      env: { ...process.env, LC_ALL: "C" },
    });
  } catch {
    throw new Error(`${command[0]} is not on this machine; tests with packages of Debian trixie need apt and dpkg`);
  }
  const [out, error, status] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (status !== 0) throw new Error(`${command.join(" ")} failed (${status}):\n${error}`);
  return out;
}

/** The Debian mirrors of the machine, the one for security updates excepted. */
async function mirrors(): Promise<string[]> {
  const sites = await run("apt-get", "indextargets", "--format", "$(ORIGIN) $(SITE)", "Created-By: Packages");
  const debian = sites.split("\n").filter((line) => line.startsWith("Debian ") && !line.includes("security"));
  return [...new Set(debian.map((line) => line.slice("Debian ".length).trim()))];
}

/** Fills `folder` in one step: `fill` works in a new folder beside it, which then gets the name. */
async function atomically(folder: string, fill: (scratch: string) => Promise<void>): Promise<void> {
  await mkdir(cache, { recursive: true });
  const scratch = await mkdtemp(join(cache, "making-"));
  try {
    await fill(scratch);
    await rename(scratch, folder).catch((error: NodeJS.ErrnoException) => {
      // Somebody else was faster: theirs is as good.
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
    });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** apt-get with a state of its own in `state`, for packages of `architecture`. */
const aptGet = (state: string, architecture: string, ...rest: string[]): string[] => [
  "apt-get",
  ...[
    `Dir::State=${state}`,
    `Dir::State::status=${state}/status`,
    `Dir::Etc::sourcelist=${state}/sources.list`,
    "Dir::Etc::sourceparts=-",
    "Dir::Etc::preferences=-",
    "Dir::Etc::preferencesparts=-",
    `Dir::Cache=${state}/cache`,
    "Dir::Cache::pkgcache=",
    "Dir::Cache::srcpkgcache=",
    `APT::Architecture=${architecture}`,
    `APT::Architectures=${architecture}`,
    "APT::Get::AllowUnauthenticated=false",
    "APT::Sandbox::User=root",
    "Acquire::Languages=none",
    "Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false",
    "Debug::NoLocking=1",
  ].flatMap((option) => ["-o", option]),
  ...rest,
];

/** Fetches the package lists of trixie into `folder`. */
async function fetchLists(folder: string, architecture: Architecture): Promise<void> {
  const sites = await mirrors();
  if (sites.length === 0)
    throw new Error("the machine's apt has no mirror of Debian; tests need packages of Debian trixie from one");
  await atomically(folder, async (state) => {
    await mkdir(join(state, "lists/partial"), { recursive: true });
    await mkdir(join(state, "cache/archives/partial"), { recursive: true });
    await writeFile(join(state, "status"), "");
    await writeFile(join(state, "sources.list"), sites.map((site) => `deb ${site} trixie main\n`).join(""));
    await run(...aptGet(state, architecture, "update", "--error-on=any"));
  });
}

async function fetchPackages(
  root: string,
  lists: string,
  architecture: Architecture,
  packages: string[],
): Promise<void> {
  await atomically(root, async (scratch) => {
    const archives = join(scratch, ".archives");
    await mkdir(join(archives, "partial"), { recursive: true });
    const install = ["install", "--download-only", "--yes", "--no-install-recommends", ...packages];
    await run(...aptGet(lists, architecture, "-o", `Dir::Cache::archives=${archives}`, ...install));
    for (const name of await readdir(archives))
      if (name.endsWith(".deb")) await run("dpkg-deb", "--extract", join(archives, name), scratch);
    await rm(archives, { recursive: true });
    // What the package base-files has beside the merged /usr.
    for (const name of ["bin", "sbin", "lib", "lib64"])
      if (!existsSync(join(scratch, name))) await symlink(`usr/${name}`, join(scratch, name));
  });
}

const underway = new Map<string, Promise<string>>();

/** The package lists of today; older ones may name packages that the mirror has no more. */
async function todaysLists(architecture: Architecture): Promise<string> {
  const family = `lists-${architecture}-`;
  const name = family + new Date().toISOString().slice(0, 10);
  if (!existsSync(join(cache, name))) {
    await fetchLists(join(cache, name), architecture);
    for (const other of await readdir(cache))
      if (other.startsWith(family) && other !== name) await rm(join(cache, other), { recursive: true, force: true });
  }
  return join(cache, name);
}

/**
 * A folder with the files of those packages of trixie and of all packages that they depend on.
 * Throws an Error that says why where they cannot be had.
 */
export function trixieRoot(architecture: Architecture, packages: readonly string[]): Promise<string> {
  const wanted = [...packages].sort();
  const id = createHash("sha256").update(wanted.join(" ")).digest("hex").slice(0, 12);
  const root = join(cache, `${architecture}-${id}`);
  if (existsSync(root)) return Promise.resolve(root);
  let promise = underway.get(root);
  if (!promise) {
    promise = todaysLists(architecture)
      .then((lists) => fetchPackages(root, lists, architecture, wanted))
      .then(() => root)
      .finally(() => underway.delete(root));
    underway.set(root, promise);
  }
  return promise;
}

/** The start of a command line that runs a program of such a root for the host with the root's own loader and libraries. */
export function trixieCommand(root: string, program: string): string[] {
  const [loader, triplet] =
    hostArchitecture === "arm64"
      ? ["ld-linux-aarch64.so.1", "aarch64-linux-gnu"]
      : ["ld-linux-x86-64.so.2", "x86_64-linux-gnu"];
  return [
    join(root, "usr/lib", triplet, loader),
    "--library-path",
    join(root, "usr/lib", triplet),
    join(root, program),
  ];
}

/** The path of trixie's qemu-riscv64, a static program. */
export async function trixieQemu(): Promise<string> {
  const bin = join(await trixieRoot(hostArchitecture, ["qemu-user"]), "usr/bin");
  // The package brings 400 MB of emulators for other machines.
  for (const name of await readdir(bin)) if (name !== "qemu-riscv64") await rm(join(bin, name), { force: true });
  return join(bin, "qemu-riscv64");
}
