// execve and execveat: what is asked for is copied from the guest, found and checked, by the rules of Linux's fs/exec.c; only
// then is anything changed, and there is no way back.
// Set-user-id and set-group-id bits of files count for nothing: the host's checks stay those of the emulator's user. Nor does it
// matter that somebody has the file open for writing, which is ETXTBSY on Linux: the host says that to nobody but itself.

import { type FileError, isFileError } from "../../elf/source.ts";
import { mostStringBytes, stringLimit } from "../../elf/stack.ts";
import { cstring } from "../../host/scratch.ts";
import { FileType, statAt } from "../../host/stat.ts";
import { addressOf, host } from "../../host/syscall.ts";
import { readString } from "../../memory/guest-memory.ts";
import { clear } from "../../memory/map.ts";
import { becomeAlone } from "../alone.ts";
import { idsOf } from "../attributes.ts";
import { errno, errnoName } from "../errno.ts";
import { mapProgram, placeError } from "../exec.ts";
import { resetForExec } from "../exec-state.ts";
import { releaseMaker } from "../exit.ts";
import { closeOnExec, fdKind, hostFd } from "../fds.ts";
import { AT_FDCWD, descriptorPath } from "../file-system.ts";
import { endFutexes } from "../futex-exit.ts";
import { dirfd, flags, path } from "../kinds.ts";
import { environment, strings } from "../kinds-exec.ts";
import { limitOf, Resource } from "../limits.ts";
import { Look, type Place, resolve } from "../paths.ts";
import { startProgram } from "../process.ts";
import { checkPermission, discard, type Packed, pack, prepareProgram, unpack } from "../program.ts";
import { noteExecutor, stopAtExec } from "../ptrace-stops.ts";
import { type CallRow, call } from "../row.ts";
import { leaveRseq } from "../rseq.ts";
import { kernelInfo, Sig } from "../siginfo.ts";
import { deliverSignals } from "../signal-delivery.ts";
import { forceSignal } from "../signals.ts";
import type { Task } from "../task.ts";
import { unshareTable } from "../thread-tables.ts";
import { loadWords, u64 } from "../words.ts";

const At = { SYMLINK_NOFOLLOW: 0x100, EMPTY_PATH: 0x1000, EXECVE_CHECK: 0x10000 } as const;
const knownFlags = At.SYMLINK_NOFOLLOW | At.EMPTY_PATH | At.EXECVE_CHECK;

const execve = (t: Task, name: string, argv: number, envp: number): number =>
  execveat(t, AT_FDCWD, name, argv, envp, 0);

function execveat(t: Task, from: number, name: string, argv: number, envp: number, at: number): number {
  if ((at & ~knownFlags) !== 0) return -errno.EINVAL;
  const file = findFile(t, from, name, at);
  if (typeof file === "number") return file;
  const stackLimit = limitOf(t.process.limits, Resource.STACK);
  const args = loadStrings(t, argv, mostStringBytes(stackLimit));
  if (typeof args === "number") return args;
  const env = loadStrings(t, envp, mostStringBytes(stackLimit));
  if (typeof env === "number") return env;
  if ((at & At.EXECVE_CHECK) !== 0) return answer(checkPermission(file.place, file.path));
  const locate = (asked: string): Place | number => resolve(t, AT_FDCWD, asked, Look.follow);
  const prepared = prepareProgram({ ...file, argv: args, envp: env, locate, stackLimit });
  if (isFileError(prepared)) return answer(prepared);
  const error = placeError(prepared);
  if (error !== undefined) {
    discard(prepared);
    return answer(error);
  }
  return beginProgram(t, pack(prepared));
}

/** The result of a call for that reason; what a user could not know from that is said. */
function answer(error: FileError | undefined): number {
  if (error?.notable) complain(error.message);
  return -(error?.errno ?? 0);
}

/** A line on the emulator's standard error. */
function complain(message: string): void {
  const bytes = Buffer.from(`sabre: ${message}\n`, "latin1");
  host("write", 2, addressOf(bytes), bytes.length);
}

/** The file that is to be executed, and the path by which the program will know it. */
interface FoundFile {
  readonly path: string;
  readonly place: Place;
  readonly fleeting: boolean;
  readonly comm: string | undefined;
}

function findFile(t: Task, from: number, name: string, at: number): FoundFile | number {
  const follow = (at & At.SYMLINK_NOFOLLOW) === 0 ? Look.follow : 0;
  const found = resolve(t, from, name, follow | (at & At.EMPTY_PATH ? Look.empty : 0));
  if (typeof found === "number") return found;
  if (follow === 0 && isLink(found)) return -errno.ELOOP;
  if (from === AT_FDCWD || name.startsWith("/"))
    return { path: name, place: name === "" ? ofDescriptor(t, found) : found, fleeting: false, comm: undefined };
  const path = `/dev/fd/${from}${name === "" ? "" : `/${name}`}`;
  const fleeting = closeOnExec(t.process.fds, from);
  if (name !== "") return { path, place: found, fleeting, comm: undefined };
  const place = ofDescriptor(t, found, from);
  const comm = place.guest?.replace(/^.*\/| \(deleted\)$/gs, "");
  return { path, place, fleeting, comm };
}

const isLink = ({ fd, path: name, node, magic }: Place): boolean => {
  if (node !== undefined) return node.kind === "link" || node.kind === "open";
  if (magic || name === "") return false;
  const status = statAt(fd, cstring(name), At.SYMLINK_NOFOLLOW);
  return typeof status !== "number" && status.type === FileType.link;
};

/** An open file by a path that opens it anew. */
function ofDescriptor({ process: { fds, files } }: Task, { fd, node }: Place, from = -1): Place {
  const guest = from < 0 ? undefined : descriptorPath(files, hostFd(fds, from), fdKind(fds, from));
  return { fd: AT_FDCWD, path: `/proc/self/fd/${fd}`, guest, node, magic: true };
}

/** The strings of an array that ends with NULL; none where it is NULL itself. -E2BIG where they, and the array, have more than `most` bytes. */
function loadStrings(t: Task, address: number, most: number): string[] | number {
  const list: string[] = [];
  if (address === 0) return list;
  let bytes = 0;
  for (let at = address; ; at += 8) {
    const words = loadWords(t, at, 2);
    if (words === undefined) return -errno.EFAULT;
    const start = u64(words[0]!, words[1]!);
    if (start === 0) return list;
    const text = readString(t.memory, start, stringLimit - 1);
    if (text === undefined) return -errno.EFAULT;
    if (text === null) return -errno.E2BIG;
    bytes += text.length + 1 + 8;
    if (bytes > most) return -errno.E2BIG;
    list.push(text);
  }
}

// ---- no way back

/** Has the thread run a program that can run, in place of all that its process was. */
function beginProgram(t: Task, program: Packed): number {
  noteExecutor(t);
  // While the call can still fail.
  let slot = isShared(t) ? loadElsewhere().claimMemory(t.process) : nowhere;
  if (slot < nowhere || !becomeAlone(t)) {
    discardPacked(program);
    if (slot < nowhere) return slot;
    if (slot !== nowhere) loadElsewhere().giveUp(t.process, slot);
    return 0;
  }
  endFutexes(t);
  leaveRseq(t);
  const shares = isShared(t);
  // Others may have begun to share the memory, or have left it.
  if (shares && slot === nowhere) slot = loadElsewhere().claimMemory(t.process);
  if (!shares && slot !== nowhere) loadElsewhere().giveUp(t.process, slot);
  const error = shares && slot < 0 ? slot : unshareTable(t, "fds");
  if (error < 0) {
    if (shares && slot >= 0) loadElsewhere().giveUp(t.process, slot);
    discardPacked(program);
    return kill(t, `${program.execfn}: it does not start (${errnoName(-error)})`);
  }
  if (!shares) return execHere(t, program);
  loadElsewhere().moveTo(t, slot, program);
  return 0;
}

/** In place of the slot of a worker. Errors are less. */
const nowhere = -1;

/** Whether others use the memory too: then the next program needs another. */
const isShared = (t: Task): boolean => t.process.site.pool !== undefined && loadElsewhere().sharesMemory(t);

const loadElsewhere = () => require("../exec-elsewhere.ts") as typeof import("../exec-elsewhere.ts");

const discardPacked = ({ program, interpreter }: Packed): void => {
  for (const file of [program, interpreter]) if (file !== undefined) host("close", file.fd);
};

/**
 * Empties the memory of a process, which is its own and which the thread alone uses, resets what does not outlive a program, and
 * has the thread begin the next. Where that fails now, the process is killed.
 */
export function execHere(t: Task, packed: Packed): number {
  const { space, attributes } = t.process;
  resetForExec(t);
  releaseMaker(t.process);
  clear(space, undefined);
  const program = unpack(packed);
  const loaded = isFileError(program) ? program : mapProgram(space, program, idsOf(attributes));
  if (isFileError(loaded)) return kill(t, loaded.message);
  startProgram(t, loaded);
  t.process.tracer?.executed(t);
  stopAtExec(t);
  return 0;
}

/** The end of a process that can neither go on nor begin its next program. */
function kill(t: Task, why: string): number {
  complain(why);
  forceSignal(t, kernelInfo(Sig.SEGV), true);
  // On another worker nobody else does it before the first instruction.
  deliverSignals(t);
  return 0;
}

const execFlags = flags({
  AT_SYMLINK_NOFOLLOW: At.SYMLINK_NOFOLLOW,
  AT_EMPTY_PATH: At.EMPTY_PATH,
  AT_EXECVE_CHECK: At.EXECVE_CHECK,
});

export const execCalls: readonly CallRow[] = [
  call(221, "execve", [path, strings, environment], "none", "quick", execve),
  call(281, "execveat", [dirfd, path, strings, environment, execFlags], "none", "quick", execveat),
];
