// Starts a program: finds out what a path is (a program, a script, neither), opens what it takes, and, once nothing can
// be wrong any more but the room in memory, maps it and builds its stack. execve and the command line both come here.
import { checkRunnable } from "../elf/check.ts";
import { type ElfFile, interpreterOf, readElf } from "../elf/file.ts";
import { type ByteSource, type FileError, isFileError, openSource } from "../elf/source.ts";
import { tooBig } from "../elf/stack.ts";
import { errno } from "./errno.ts";
import { scriptHead, scriptLine } from "./script.ts";

/** Strings are latin1, one character a byte; paths are the guest's. */
export interface ExecRequest {
  readonly path: string;
  readonly argv: readonly string[];
  /** As `K=V`. */
  readonly envp: readonly string[];
  /** The host's path for a guest path, or -errno. */
  readonly locate: (path: string) => string | number;
  /** The stack's limit in bytes. */
  readonly stackLimit: number;
}

/** A program whose files are open and sound. Hand it to `mapProgram`, or `discard` it. */
export interface Prepared {
  readonly program: ElfFile;
  readonly interpreter: ElfFile | undefined;
  /** Guest path of the program: behind a script, its interpreter's. */
  readonly exe: string;
  readonly interpreterPath: string | undefined;
  /** The path that was asked for: AT_EXECFN, and where the process's name comes from. */
  readonly execfn: string;
  /** Behind a script, with its interpreter, argument and path in place of the first. */
  readonly argv: readonly string[];
  readonly envp: readonly string[];
}

/** As in Linux: a script's interpreter may be a script, and so on, but a sixth one is refused. */
const maxScripts = 5;

/** The exit status by which shells report that a program did not start: 127 where it was not found, else 126. */
export const shellStatus = (error: FileError): 126 | 127 =>
  error.errno === errno.ENOENT || error.errno === errno.ENOTDIR ? 127 : 126;

/** Closes the files. */
export function discard(p: Prepared): void {
  p.program.source.close();
  p.interpreter?.source.close();
}

/** Finds and checks everything that the program at a path needs, before anything is changed. */
export function prepareProgram(r: ExecRequest): Prepared | FileError {
  const found = followScripts(r);
  if (isFileError(found)) return found;
  const elf = readRunnable(found.source);
  if (isFileError(elf)) return behindScript(r, found, elf);
  if (tooBig({ argv: found.argv, envp: r.envp, execfn: r.path }, r.stackLimit)) {
    elf.source.close();
    return { errno: errno.E2BIG, message: `${r.path}: the arguments and the environment are too long` };
  }
  const interpreterPath = interpreterOf(elf);
  const interpreter = interpreterPath && openInterpreter(r, elf, interpreterPath);
  return { program: elf, interpreter, exe: found.path, interpreterPath, execfn: r.path, argv: found.argv, envp: r.envp };
}

interface Found {
  readonly source: ByteSource;
  readonly path: string;
  readonly argv: readonly string[];
}

/** Opens the path, or the interpreter of the script that it is, or the interpreter of that. */
function followScripts(r: ExecRequest): Found | FileError {
  let path = r.path;
  let argv: readonly string[] = r.argv.length === 0 ? [""] : r.argv;
  for (let scripts = 0; ; scripts++) {
    const source = openGuest(r, path);
    if (isFileError(source)) return scripts === 0 ? source : behindScript(r, { path }, source);
    const line = scriptLine(source.read(0, Math.min(source.size, scriptHead)) ?? new Uint8Array());
    if (line === undefined) return { source, path, argv };
    source.close();
    if (line === null)
      return { errno: errno.ENOEXEC, message: `${path}: the #! line of this script names no interpreter` };
    if (scripts === maxScripts)
      return { errno: errno.ELOOP, message: `${r.path}: more than ${maxScripts} scripts interpret one another` };
    argv = [line.interpreter, ...(line.argument === undefined ? [] : [line.argument]), path, ...argv.slice(1)];
    path = line.interpreter;
  }
}
