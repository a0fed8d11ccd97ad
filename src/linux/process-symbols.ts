// The symbols of a guest process, out of the files that are mapped in its memory.
import { openElf } from "../elf/file.ts";
import { ProcessSymbols } from "../elf/images.ts";
import { type FileError, hostPath } from "../elf/source.ts";
import { mappedFiles } from "../memory/maps.ts";
import { locate } from "./paths.ts";
import type { Process } from "./task.ts";

/** The symbols of a process. Files are opened by their guest paths. */
export const symbolsOf = ({ space, files }: Process): ProcessSymbols =>
  new ProcessSymbols(
    () => mappedFiles(space),
    (file) => {
      const path = locate(files, file);
      if (typeof path === "number") return { errno: -path, message: `${file} cannot be opened` } satisfies FileError;
      return openElf(hostPath(path), file);
    },
  );

/** An address as `main+0x1c`; undefined where no symbol is near. */
export function placeAmong(symbols: ProcessSymbols, pc: number): string | undefined {
  const found = symbols.symbolAt(pc);
  return found && found.name + (found.offset === 0 ? "" : `+0x${found.offset.toString(16)}`);
}
