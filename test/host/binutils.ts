// GNU binutils for the machine code of the host's side: the machine's own, or those of Debian trixie.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostArchitecture, trixieCommand, trixieRoot } from "../tools/trixie.ts";

/** The architectures that there is machine code for. */
export type CodeArch = "x64" | "arm64";
const triples = { x64: "x86_64-linux-gnu", arm64: "aarch64-linux-gnu" } as const;

/** Runs a tool for an architecture, `as` or `ld`, in a folder; its standard output. Throws where it fails. */
async function run(arch: CodeArch, tool: string, folder: string, ...options: string[]): Promise<string> {
  const name = `${triples[arch]}-${tool}`;
  const own = Bun.which(name);
  const command = own
    ? [own]
    : trixieCommand(
        await trixieRoot(hostArchitecture, [`binutils-${triples[arch].replace("_", "-")}`]),
        `usr/bin/${name}`,
      );
  const child = Bun.spawn([...command, ...options], { cwd: folder, stdout: "pipe", stderr: "pipe" });
  const [out, error, status] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (status !== 0) throw new Error(`${name} ${options.join(" ")} failed (${status}):\n${error}`);
  return out;
}

/** Runs `body` with a new folder, which is gone afterwards. */
export async function inFolder<T>(body: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "sabre-code-"));
  try {
    return await body(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Code in hexadecimal, and the offsets of its labels. */
export interface Assembled {
  readonly code: string;
  readonly labels: Readonly<Record<string, number>>;
}

/** Assembles a source of one section that begins at 0. */
export const assemble = (arch: CodeArch, source: string): Promise<Assembled> =>
  inFolder(async (folder) => {
    const syntax = arch === "x64" ? ".intel_syntax noprefix\n" : "";
    await Bun.write(join(folder, "code.s"), `${syntax}${source}\n`);
    await run(arch, "as", folder, "-o", "code.o", "code.s");
    await run(arch, "objcopy", folder, "-O", "binary", "-j", ".text", "code.o", "code.bin");
    const symbols = await run(arch, "nm", folder, "code.o");
    const labels = Object.fromEntries(
      [...symbols.matchAll(/^([0-9a-f]+) t (\w+)$/gm)].map(([, at, name]) => [name!, Number.parseInt(at!, 16)]),
    );
    return { code: Buffer.from(await Bun.file(join(folder, "code.bin")).bytes()).toString("hex"), labels };
  });

/** Makes a static program of a source with `_start`, in the folder. Its path. */
export async function link(arch: CodeArch, folder: string, source: string): Promise<string> {
  await Bun.write(join(folder, "program.s"), source);
  await run(arch, "as", folder, "-o", "program.o", "program.s");
  await run(arch, "ld", folder, "-N", "-o", "program", "program.o");
  return join(folder, "program");
}
