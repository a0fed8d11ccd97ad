// Finds out what the path of a program stands for (a program, a script, neither) and opens what it takes to start it,
// before anything of the process is changed. exec.ts then maps it. execve and the command line both come here.
import { checkRunnable } from "../elf/check.ts";
import { type ElfFile, interpreterOf, readElf } from "../elf/file.ts";
import {
  type ByteSource,
  cannotOpen,
  type FileError,
  type HostPath,
  isFileError,
  openSource,
  sourceOfFd,
} from "../elf/source.ts";
import { tooBig } from "../elf/stack.ts";
import { errno } from "./errno.ts";
import { scriptHead, scriptLine } from "./script.ts";

/** What a guest path names: see `Place` in paths.ts. */
export interface ProgramPlace extends HostPath {
  readonly guest: string | undefined;
  /** Not undefined: a file that the personality makes up, which is no program. */
  readonly node: unknown;
}

/** Strings are latin1, one character a byte; paths are the guest's. */
export interface ExecRequest {
  /** As it was asked for: what AT_EXECFN says, and the interpreter of a script gets. */
  readonly path: string;
  /** The file itself, where `path` is but a name for it: it is not looked up then. */
  readonly place?: ProgramPlace;
  /** Nobody can open `path` any more once the program runs: no script can be started by it. */
  readonly fleeting?: boolean;
  /** What the thread is called from then on; by default the last name of `path`. */
  readonly comm?: string | undefined;
  readonly argv: readonly string[];
  /** As `K=V`. */
  readonly envp: readonly string[];
  /** Looks a guest path up, following links: the place, or -errno. */
  readonly locate: (path: string) => ProgramPlace | number;
  /** The stack's limit in bytes. */
  readonly stackLimit: number;
}

/** A program that can run, with its files open. It goes to `mapProgram`, or to `discard`. */
export interface Prepared {
  readonly program: OpenElf;
  readonly interpreter: OpenElf | undefined;
  /** The path that was asked for: AT_EXECFN. */
  readonly execfn: string;
  /** What the thread is called. */
  readonly comm: string;
  /** Behind a script, with its interpreter, argument and path in place of the first. */
  readonly argv: readonly string[];
  readonly envp: readonly string[];
  readonly stackLimit: number;
}

export interface OpenElf {
  readonly elf: ElfFile;
  /** Guest path without links, where that is known. */
  readonly path: string;
}

/** A prepared program as plain data, for another worker to map: it has the files from then on. */
export interface Packed extends Omit<Prepared, "program" | "interpreter"> {
  readonly program: PackedFile;
  readonly interpreter: PackedFile | undefined;
}

/** A host descriptor, the name that messages use, the guest path. */
interface PackedFile {
  readonly fd: number;
  readonly name: string;
  readonly path: string;
}

const packFile = ({ elf: { source }, path }: OpenElf): PackedFile => ({ fd: source.fd, name: source.name, path });

export const pack = (p: Prepared): Packed => ({
  ...p,
  program: packFile(p.program),
  interpreter: p.interpreter && packFile(p.interpreter),
});

/** The program again; an error, and the files closed, where they have changed since. */
export function unpack(p: Packed): Prepared | FileError {
  const program = unpackFile(p.program);
  const interpreter = p.interpreter && unpackFile(p.interpreter);
  if (isFileError(program) || (interpreter !== undefined && isFileError(interpreter))) {
    for (const file of [program, interpreter]) if (file !== undefined && !isFileError(file)) file.elf.source.close();
    return isFileError(program) ? program : (interpreter as FileError);
  }
  return { ...p, program, interpreter };
}

function unpackFile({ fd, name, path }: PackedFile): OpenElf | FileError {
  const source = sourceOfFd(fd, name);
  return isFileError(source) ? source : asRunnable({ source, path });
}

/** As in Linux: a script's interpreter may be a script, and so on, but a sixth one is refused. */
const maxScripts = 5;

/** Closes the files. */
export function discard(p: Prepared): void {
  p.program.elf.source.close();
  p.interpreter?.elf.source.close();
}

/** Why the file may not be executed, whatever it holds; undefined where it may. */
export function checkPermission(place: ProgramPlace, path: string): FileError | undefined {
  const file = openAt(place, path);
  if (isFileError(file)) return file;
  file.source.close();
  return undefined;
}

/** Finds, opens and checks everything that the program needs. */
export function prepareProgram(r: ExecRequest): Prepared | FileError {
  const found = followScripts(r);
  if (isFileError(found)) return found;
  const program = asRunnable(found.file);
  if (isFileError(program)) return found.script ? ofScript(r, found.path, program) : program;
  const giveUp = (error: FileError): FileError => {
    program.elf.source.close();
    return error;
  };
  if (tooBig({ argv: found.argv, envp: r.envp, execfn: r.path }, r.stackLimit))
    return giveUp({ errno: errno.E2BIG, message: `${r.path}: its arguments and environment are too long` });
  const interpreter = openInterpreter(r, program);
  if (interpreter !== undefined && isFileError(interpreter)) return giveUp(interpreter);
  const { path, envp, stackLimit } = r;
  const comm = r.comm ?? path.replace(/^.*\//s, "");
  return { program, interpreter, execfn: path, comm, argv: found.argv, envp, stackLimit };
}

interface OpenFile {
  readonly source: ByteSource;
  readonly path: string;
}

interface Found {
  readonly file: OpenFile;
  /** As it was asked for, or as the script's line has it. */
  readonly path: string;
  /** Whether it interprets a script. */
  readonly script: boolean;
  readonly argv: readonly string[];
}

/** Opens the path; or the interpreter of the script that it is, or the interpreter of that. */
function followScripts(r: ExecRequest): Found | FileError {
  let path = r.path;
  let argv: readonly string[] = r.argv.length === 0 ? [""] : r.argv;
  for (let scripts = 0; ; scripts++) {
    const file = openAt((scripts === 0 && r.place) || r.locate(path), path);
    if (isFileError(file)) return scripts === 0 ? file : ofScript(r, path, file);
    const line = scriptLine(file.source.read(0, Math.min(file.source.size, scriptHead)) ?? new Uint8Array());
    if (line === undefined) return { file, path, script: scripts > 0, argv };
    file.source.close();
    if (line === null)
      return { errno: errno.ENOEXEC, message: `${path}: the #! line of this script names no interpreter` };
    if (r.fleeting)
      return {
        errno: errno.ENOENT,
        message: `${path}: this descriptor is closed before the script's interpreter runs`,
      };
    if (scripts === maxScripts)
      return {
        errno: errno.ELOOP,
        message: `${r.path}: this script's interpreter is a script, and so on; give it a program`,
      };
    argv = [line.interpreter, ...(line.argument === undefined ? [] : [line.argument]), path, ...argv.slice(1)];
    path = line.interpreter;
  }
}

function openAt(place: ProgramPlace | number, path: string): OpenFile | FileError {
  if (typeof place === "number") return cannotOpen(path, -place);
  if (place.node !== undefined) return { errno: errno.EACCES, message: `${path}: this is not a program` };
  const source = openSource(place, path, true);
  return isFileError(source) ? source : { source, path: place.guest ?? path };
}

/** Reads and checks an ELF file; closes what cannot run. */
function asRunnable({ source, path }: OpenFile): OpenElf | FileError {
  const elf = readElf(source);
  const error = isFileError(elf) ? elf : checkRunnable(elf);
  if (error !== undefined) source.close();
  return error ?? { elf: elf as ElfFile, path };
}

/** The sentence for a script whose interpreter does not start. */
function ofScript(r: ExecRequest, interpreter: string, error: FileError): FileError {
  const message =
    error.errno !== errno.ENOENT
      ? `${r.path}: the interpreter of this script does not start: ${error.message}`
      : interpreter.endsWith("\r")
        ? `${r.path}: the #! line of this script ends with a carriage return; give the script Unix line ends`
        : `${r.path}: the interpreter of this script, ${interpreter}, was not found; give the root that has it with -L DIR`;
  return { ...error, message };
}

/** Opens the interpreter that a program names; undefined where it names none. */
function openInterpreter(r: ExecRequest, program: OpenElf): OpenElf | FileError | undefined {
  const path = interpreterOf(program.elf);
  if (path === undefined || typeof path !== "string") return path;
  const file = openAt(r.locate(path), path);
  if (isFileError(file)) {
    if (file.errno !== errno.ENOENT && file.errno !== errno.ENOTDIR) return ofProgram(r, file);
    const example = path.startsWith("/lib/ld-linux-riscv64")
      ? ", such as -L /usr/riscv64-linux-gnu (Debian's package libc6-riscv64-cross)"
      : "";
    return {
      errno: errno.ENOENT,
      message: `${r.path}: needs ${path}, which was not found; give the root that has it with -L DIR${example}`,
      notable: true,
    };
  }
  const interpreter = asRunnable(file);
  return isFileError(interpreter) ? ofProgram(r, interpreter) : interpreter;
}

const ofProgram = (r: ExecRequest, error: FileError): FileError => ({
  errno: error.errno === errno.ENOEXEC ? errno.ELIBBAD : error.errno,
  message: `${r.path}: its interpreter does not start: ${error.message}`,
  notable: true,
});
