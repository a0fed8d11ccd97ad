// Disassembly by GNU objdump, which tests compare with ours. Needs binutils 2.43 or newer, the first that know every
// extension of the table: the machine's, or else that of Debian trixie.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostArchitecture, trixieCommand, trixieRoot } from "./trixie.ts";

const isa =
  "rv64i2p1_m2p0_a2p1_f2p2_d2p2_c2p0_zicbom1p0_zicbop1p0_zicboz1p0_zicond1p0_zicsr2p0_zifencei2p0_zihintntl1p0" +
  "_zihintpause2p0_zawrs1p0_zfa1p0_zfhmin1p0_zba1p0_zbb1p0_zbc1p0_zbs1p0_zcb1p0";

let command: Promise<string[]> | undefined;

/** The command line that runs a new enough objdump. */
async function findObjdump(): Promise<string[]> {
  const own = Bun.which("riscv64-linux-gnu-objdump");
  if (own) {
    const [, major = "0", minor = "0"] =
      /(\d+)\.(\d+)[^\n]*\n/.exec(Bun.spawnSync([own, "--version"]).stdout.toString()) ?? [];
    if (Number(major) > 2 || Number(minor) >= 43) return [own];
  }
  const root = await trixieRoot(hostArchitecture, ["binutils-riscv64-linux-gnu"]);
  return trixieCommand(root, "usr/bin/riscv64-linux-gnu-objdump");
}

const sectionSize = 64;

/** A RISC-V ELF file whose section .text has the code, and that names the extensions in its attributes. */
function elf(code: Uint8Array, address: number): Uint8Array {
  const names = "\0.text\0.riscv.attributes\0.shstrtab\0";
  const attribute = Buffer.from(`\x05${isa}\0`, "latin1");
  const attributes = Buffer.concat([Buffer.from("A____riscv\0\x01____", "latin1"), attribute]);
  attributes.writeUInt32LE(attributes.length - 1, 1);
  attributes.writeUInt32LE(attribute.length + 5, 12);
  const parts = [code, attributes, Buffer.from(names, "latin1")];
  const header = Buffer.alloc(64);
  const sections = Buffer.alloc(4 * sectionSize);
  let at = header.length + sections.length;
  // Type, flags and address of each section.
  const kinds = [
    [1, 6, address],
    [0x70000003, 0, 0],
    [3, 0, 0],
  ] as const;
  kinds.forEach(([type, flags, start], i) => {
    const section = sections.subarray((i + 1) * sectionSize);
    section.writeUInt32LE(names.indexOf([".text", ".riscv.attributes", ".shstrtab"][i]!), 0);
    section.writeUInt32LE(type, 4);
    section.writeUInt32LE(flags, 8);
    section.writeBigUInt64LE(BigInt(start), 16);
    section.writeBigUInt64LE(BigInt(at), 24);
    section.writeBigUInt64LE(BigInt(parts[i]!.length), 32);
    section.writeBigUInt64LE(1n, 48);
    at += parts[i]!.length;
  });
  header.write("\x7fELF\x02\x01\x01", "latin1");
  header.writeUInt16LE(2, 16); // executable
  header.writeUInt16LE(243, 18); // RISC-V
  header.writeUInt32LE(1, 20);
  header.writeBigUInt64LE(64n, 40); // section headers
  header.writeUInt32LE(5, 48); // compressed code, double floats
  header.writeUInt16LE(64, 52);
  header.writeUInt16LE(sectionSize, 58);
  header.writeUInt16LE(4, 60);
  header.writeUInt16LE(3, 62); // names
  return Buffer.concat([header, sections, ...parts]);
}

/** What objdump says of each instruction of the code at `address`: the text by address, without its comments. */
export async function objdump(code: Uint8Array, address: number, aliases: boolean): Promise<Map<number, string>> {
  command ??= findObjdump();
  const folder = await mkdtemp(join(tmpdir(), "sabre-objdump-"));
  try {
    const file = join(folder, "code.elf");
    await Bun.write(file, elf(code, address));
    const options = aliases ? [] : ["-M", "no-aliases"];
    const child = Bun.spawn([...(await command), "-d", "-z", ...options, file], { stdout: "pipe", stderr: "inherit" });
    const text = await child.stdout.text();
    if ((await child.exited) !== 0) throw new Error("objdump failed");
    const lines = new Map<number, string>();
    for (const [, at, shown] of text.matchAll(/^ *([0-9a-f]+):\t[0-9a-f ]+\t(.*)$/gm))
      lines.set(Number.parseInt(at!, 16), shown!.replace(/\s+#.*$/, "").trimEnd());
    return lines;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
