// What a process sees of the file system, besides the files: its working directory as a host descriptor, its umask, the
// sysroot. All guest processes live in one host process, whose own working directory is never used and whose umask is 0.
// Also the way back from a host descriptor to a guest path.
import { cstring, scratch, textOf } from "../host/scratch.ts";
import { statOf } from "../host/stat.ts";
import { host } from "../host/syscall.ts";
import { errno } from "./errno.ts";
import { dupHost, FdKind, isMadeUp } from "./fds.ts";
import { O, toHostFlags } from "./open-flags.ts";

export const AT_FDCWD = -100;
const pathMax = 4096;

/** Words of `FileSystem.words`. */
export const FsWord = {
  /** Working directory: host descriptor and its `FdKind`. */
  cwd: 0,
  cwdKind: 1,
  umask: 2,
  /** Number of changes of the working directory and the sysroot. */
  moves: 3,
  jailed: 4,
  /** Number of changes of the sysroot, odd in the middle of one; its bytes, 0 for no sysroot; and the path itself, latin1. */
  rootChanges: 5,
  rootLength: 6,
  root: 8,
  count: 8 + pathMax / 4,
} as const;

/** Words of a view of the file system, zero where there is none. */
export const fsWords = FsWord.count;

/** What a process sees of the file system; shared by its threads. Host paths are latin1, like the guest's. */
export interface FileSystem {
  /** Canonical host path of the directory that absolute guest paths are looked up in first. */
  sysroot: string | undefined;
  /** After chroot: the sysroot is all there is. */
  jailed: boolean;
  readonly words: Int32Array;
  /** Where this worker found the working directory to be after so many changes. */
  cached: { readonly moves: number; readonly base: Base } | undefined;
}

/** A directory that relative paths start from. */
export interface Base {
  readonly fd: number;
  /** Its guest path without links, where known. */
  readonly guest: string | undefined;
  /** Whether it lies in the sysroot. */
  readonly inside: boolean;
}

/** The file system as the first process sees it: the emulator's working directory, and the umask that it was started with. */
export function newFileSystem(
  sysroot: string | undefined,
  umask: number,
  words: Int32Array = new Int32Array(new SharedArrayBuffer(FsWord.count * 4)),
): FileSystem {
  const files = attachFileSystem(words);
  files.words[FsWord.cwd] = host("openat", AT_FDCWD, cstring("."), toHostFlags(O.PATH | O.DIRECTORY | O.CLOEXEC));
  files.words[FsWord.umask] = umask;
  files.sysroot = sysroot && canonical(sysroot);
  return files;
}

/** Makes a view of the file system the copy of another, as fork does. 0 or -EMFILE. */
export function forkFileSystem(from: FileSystem, words: Int32Array): number {
  const h = dupHost(from.words[FsWord.cwd]!);
  if (h < 0) return h;
  words.set(from.words.subarray(0, FsWord.count));
  words[FsWord.cwd] = h;
  return 0;
}

/** Gives up what a view of the file system has of the host. */
export function closeFileSystem({ words }: FileSystem): void {
  host("close", words[FsWord.cwd]!);
}

/** The file system behind these words, which another worker may share. */
export function attachFileSystem(words: Int32Array): FileSystem {
  const root = Buffer.from(words.buffer, words.byteOffset + FsWord.root * 4, pathMax);
  let sysroot: string | undefined;
  let changes = -1;
  return {
    get sysroot() {
      for (let now = 0; (now = Atomics.load(words, FsWord.rootChanges)) !== changes; ) {
        if (now & 1) continue;
        const length = words[FsWord.rootLength]!;
        sysroot = length === 0 ? undefined : root.toString("latin1", 0, length);
        changes = now;
      }
      return sysroot;
    },
    set sysroot(path: string | undefined) {
      Atomics.add(words, FsWord.rootChanges, 1);
      words[FsWord.rootLength] = root.write(path ?? "", "latin1");
      Atomics.add(words, FsWord.rootChanges, 1);
      Atomics.add(words, FsWord.moves, 1);
    },
    get jailed() {
      return words[FsWord.jailed] !== 0;
    },
    set jailed(on: boolean) {
      words[FsWord.jailed] = on ? 1 : 0;
    },
    words,
    cached: undefined,
  };
}

/** Its canonical form; "/" is no sysroot. A path that cannot be opened stays as it is: nothing is found there. */
function canonical(path: string): string | undefined {
  const h = host("openat", AT_FDCWD, cstring(path), toHostFlags(O.PATH | O.CLOEXEC));
  const found = h < 0 ? path : hostPathOf(h);
  if (h >= 0) host("close", h);
  return found === "/" ? undefined : (found ?? path);
}

/** Sets the mask of permissions that new files do not get, and answers the one before. */
export const setUmask = (files: FileSystem, mask: number): number =>
  Atomics.exchange(files.words, FsWord.umask, mask & 0o777);

/** Permission bits that a new file gets. */
export const masked = (files: FileSystem, mode: number): number => mode & ~files.words[FsWord.umask]!;

/** Makes the directory behind host descriptor `h`, which it takes over, the working directory. */
export function setCwd(files: FileSystem, h: number, kind: FdKind = FdKind.host): void {
  host("dup3", h, files.words[FsWord.cwd], toHostFlags(O.CLOEXEC));
  host("close", h);
  files.words[FsWord.cwdKind] = kind;
  Atomics.add(files.words, FsWord.moves, 1);
}

/** The guest path of the working directory, or -ENOENT where it was removed. */
export function cwdPath(files: FileSystem): string | number {
  const found = baseAt(files, files.words[FsWord.cwd]!, files.words[FsWord.cwdKind] as FdKind).guest;
  return found === undefined || removed(found, files.words[FsWord.cwd]!) ? -errno.ENOENT : found;
}

const deleted = " (deleted)";
function removed(path: string, h: number): boolean {
  if (!path.endsWith(deleted)) return false;
  const found = statOf(h);
  return typeof found === "number" || found.links === 0;
}

/** The text of a link, or -errno. The path is at a host address. */
export function readlinkHost(fd: number, address: number): string | number {
  const n = host("readlinkat", fd, address, scratch.address, pathMax);
  return n < 0 ? n : textOf(scratch, n);
}

/** What the host calls the file behind its descriptor `h`. */
export function hostPathOf(h: number): string | undefined {
  const found = readlinkHost(AT_FDCWD, cstring(`/proc/self/fd/${h}`));
  return typeof found === "string" ? found : undefined;
}

/** A host path in the guest's terms: without the sysroot in front of it. */
export function guestPath(files: FileSystem, path: string): string {
  return isInside(files, path) ? path.slice(files.sysroot?.length) || "/" : path;
}

/** Whether a host path lies in the sysroot. */
export const isInside = ({ sysroot }: FileSystem, path: string): boolean =>
  sysroot !== undefined && path.startsWith(sysroot) && (path.length === sysroot.length || path[sysroot.length] === "/");

/** The name under which a made-up file's memfd is known to the host. */
const memfdName = /^\/memfd:(.*) \(deleted\)$/s;

/** What a descriptor shows of its file, such as `/etc/passwd` or `pipe:[123]`, in the guest's terms. */
export function descriptorPath(files: FileSystem, h: number, kind: FdKind): string | undefined {
  const path = hostPathOf(h);
  if (kind === FdKind.signal) return "anon_inode:[signalfd]";
  if (kind === FdKind.process) return "anon_inode:[pidfd]";
  if (path === undefined || !isMadeUp(kind)) return path && guestPath(files, path);
  return memfdName.exec(path)?.[1];
}

/** The directory behind a host descriptor of that kind, to start a lookup from. */
export function baseAt(files: FileSystem, fd: number, kind: FdKind): Base {
  const path = hostPathOf(fd);
  if (path === undefined || !path.startsWith("/")) return { fd, guest: undefined, inside: false };
  if (kind === FdKind.directory) return { fd, guest: memfdName.exec(path)?.[1], inside: false };
  return { fd, guest: guestPath(files, path), inside: isInside(files, path) };
}

/** The same for the working directory, remembered until the next change. */
export function cwdBase(files: FileSystem): Base {
  const moves = Atomics.load(files.words, FsWord.moves);
  if (files.cached?.moves !== moves) {
    const base = baseAt(files, files.words[FsWord.cwd]!, files.words[FsWord.cwdKind] as FdKind);
    files.cached = { moves, base };
  }
  return files.cached.base;
}
