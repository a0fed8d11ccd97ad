// Whether an ELF file with sound headers can run here, and the sentence that says why not. Stricter than Linux where
// Linux would map a broken file and let it die of a signal.
import { constants } from "node:os";
import { minAddress, taskSize } from "../memory/address-space.ts";
import { pageSize } from "../memory/guest-memory.ts";
import { badFormat, type ElfFile, ElfType, hex, type Segment, SegmentFlag, SegmentType } from "./file.ts";
import type { FileError } from "./source.ts";

/** Bits of a RISC-V file's flags. */
const flag = { floatAbi: 6, quad: 6, rve: 8, tso: 16 } as const;

/** The PT_LOAD segments that take up memory. */
export const loadSegments = (elf: ElfFile): Segment[] =>
  elf.segments.filter((s) => s.type === SegmentType.load && s.memorySize > 0);

/** Why the file cannot run, or undefined where it can. `entry` and segments of a file that passed lie below 4 GiB. */
export function checkRunnable(elf: ElfFile): FileError | undefined {
  const text = wrongKind(elf) ?? damage(elf) ?? badEntry(elf);
  if (text !== undefined) return badFormat(elf.source.name, text);
  const large = loadSegments(elf).find((s) => s.address + s.memorySize > taskSize);
  if (large === undefined) return undefined;
  return {
    errno: constants.errno.ENOMEM,
    message:
      `${elf.source.name}: the segment at ${hex(large.address)} with ${large.memorySize} bytes of memory does not fit ` +
      "into the 4 GiB of addresses that sabre gives a program",
    notable: true,
  };
}

function wrongKind(elf: ElfFile): string | undefined {
  if (elf.type === ElfType.relocatable) return "this is an object file, not a program; link it first";
  if (elf.type === ElfType.core) return "this is a core dump, not a program";
  if (elf.type !== ElfType.executable && elf.type !== ElfType.dynamic)
    return `this ELF file is no program: its type is ${elf.type}, not EXEC or DYN`;
  if (elf.flags & flag.rve)
    return "this program is for RV64E, with 16 registers; sabre runs RV64GC (compile it with -march=rv64gc)";
  if ((elf.flags & flag.floatAbi) === flag.quad)
    return "this program wants 128-bit floating-point registers (Q); sabre runs RV64GC (compile it with -mabi=lp64d)";
  if (elf.flags & flag.tso)
    return "this program relies on total store ordering (Ztso), which sabre does not promise; compile it without Ztso";
  return undefined;
}

function damage(elf: ElfFile): string | undefined {
  const segments = loadSegments(elf);
  if (segments.length === 0) return "this ELF file has nothing to load (no PT_LOAD segment); it is no program";
  for (const [i, s] of segments.entries()) {
    const text = segmentDamage(elf, s) ?? (i > 0 ? orderDamage(segments[i - 1]!, s) : undefined);
    if (text !== undefined) return text;
  }
  return undefined;
}

function segmentDamage(elf: ElfFile, s: Segment): string | undefined {
  const damaged = `this ELF file is damaged: the segment at ${hex(s.address)}`;
  if (s.fileSize > s.memorySize)
    return `${damaged} has more bytes in the file (${s.fileSize}) than in memory (${s.memorySize})`;
  if (s.fileSize > 0 && s.offset + s.fileSize > elf.source.size)
    return (
      `this ELF file is truncated or damaged: the segment at ${hex(s.address)} needs the file's bytes up to ` +
      `${s.offset + s.fileSize}, the file ends at ${elf.source.size}`
    );
  if (s.fileSize > 0 && (s.offset - s.address) % pageSize !== 0)
    return `${damaged} and its file offset ${hex(s.offset)} differ within the ${pageSize}-byte page; link it with -z max-page-size=4096`;
  if (elf.type === ElfType.executable && s.address < minAddress)
    return `this program is linked at ${hex(s.address)}; addresses below ${hex(minAddress)} stay unmapped, link it above`;
  return undefined;
}

function orderDamage(before: Segment, s: Segment): string | undefined {
  if (s.address < before.address)
    return `this ELF file is damaged: its segments are not in the order of their addresses (${hex(before.address)}, ${hex(s.address)})`;
  if (s.address < before.address + before.memorySize)
    return `this ELF file is damaged: the segments at ${hex(before.address)} and ${hex(s.address)} overlap`;
  return undefined;
}

function badEntry(elf: ElfFile): string | undefined {
  const { entry } = elf;
  if (entry === 0) return "this ELF file has no entry point; it is a shared library or a plug-in, not a program";
  if (entry % 2 !== 0) return `this ELF file is damaged: its entry point ${hex(entry)} is odd`;
  const inCode = loadSegments(elf).some(
    (s) => s.flags & SegmentFlag.exec && entry >= s.address && entry < s.address + s.memorySize,
  );
  return inCode ? undefined : `this ELF file is damaged: its entry point ${hex(entry)} is in no executable segment`;
}
