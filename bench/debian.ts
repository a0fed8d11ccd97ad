// Programs of Debian trixie's riscv64 port, and what they work on. They are made ready as installing makes them: Python's
// own modules are compiled.
import { existsSync, mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { trixieRoot } from "../test/tools/trixie.ts";
import { cache, isThere } from "./compile.ts";
import { qemu } from "./measure.ts";

/** A file of bench/inputs/. */
export const input = (name: string): string => join(import.meta.dir, "inputs", name);

let root: Promise<string> | undefined;

/** The folder with the programs, unpacked when first asked for. Throws an Error that says why it cannot be had. */
export function debian(): Promise<string> {
  root ??= trixieRoot("riscv64", ["lua5.4", "python3", "sqlite3", "gzip", "dash"]);
  return root;
}

/** Words for an emulator that run a program there. */
export async function inDebian(program: string, ...args: string[]): Promise<string[]> {
  const folder = await debian();
  return ["-L", folder, join(folder, "usr/bin", program), ...args];
}

/** The same for Python, whose modules are compiled first. */
export async function python(...args: string[]): Promise<string[]> {
  const words = await inDebian("python3", ...args);
  const modules = join(await debian(), "usr/lib/python3.13");
  // The last folder says whether it was done.
  const folders = ["", "importlib", "collections", "json", "re", "encodings"].map((name) => join(modules, name));
  if (!existsSync(join(folders.at(-1)!, "__pycache__")) && isThere("qemu-riscv64"))
    for (const folder of folders)
      Bun.spawnSync(qemu(...(await inDebian("python3", "-m", "compileall", "-q", "-l", folder))));
  return words;
}

/** The system's own programs first: what lies before them in the path may be scripts that choose one. */
const hostPath = `/usr/bin:/bin:${process.env["PATH"] ?? ""}`;

/** The first of these programs that the host has, with the same arguments. */
export function ofHost(names: readonly string[], ...args: string[]): string[] | undefined {
  for (const name of names) {
    const program = Bun.which(name, { PATH: hostPath });
    if (program !== null) return [program, ...args];
  }
  return undefined;
}

/** A file of so many megabytes for gzip: text of few words with numbers in it, the same every time. */
export async function textFile(megabytes: number): Promise<string> {
  const file = join(cache, `text-${megabytes}`);
  if (existsSync(file)) return file;
  mkdirSync(cache, { recursive: true });
  const words = ["page", "of the", "guest,", "register", "memory\n", "is read", "(written)", "by", "0x", "thread\t"];
  let seed = 1;
  const next = (below: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
    return (seed >> 8) % below;
  };
  let text = "";
  while (text.length < megabytes * 2 ** 20)
    text += next(4) === 0 ? `${next(100000)} ` : `${words[next(words.length)]} `;
  await Bun.write(`${file}.${process.pid}`, text);
  renameSync(`${file}.${process.pid}`, file);
  return file;
}
