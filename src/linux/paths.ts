// From guest paths to what the host's *at calls take. Absolute paths are looked up in the sysroot first, then on the
// host. Links are followed here, name by name, in the guest's terms: that is what lets the sysroot hold absolute links
// and /proc show the guest.
import { cstring, scratch } from "../host/scratch.ts";
import { host } from "../host/syscall.ts";
import { errno } from "./errno.ts";
import { type FdKind, fdKind, hostFd, isMadeUp } from "./fds.ts";
import {
  AT_FDCWD,
  type Base,
  baseAt,
  cwdBase,
  descriptorPath,
  type FileSystem,
  FsWord,
  hostPathOf,
  isInside,
  readlinkHost,
} from "./file-system.ts";
import { O, toHostFlags } from "./open-flags.ts";
import { emulatorPid, type ProcNode, procNode, procRoot } from "./proc.ts";
import type { Task } from "./task.ts";

const maxLinks = 40;

/** What a path names. */
export interface Place {
  /** Host directory descriptor that `path` is relative to. */
  readonly fd: number;
  /** Host path. Links were followed as asked for: none is left to follow. "" is the descriptor itself. */
  readonly path: string;
  /** Guest path without links, where known. */
  readonly guest: string | undefined;
  /** What stands there instead of a host file. */
  readonly node: ProcNode | undefined;
  /** The host must follow the last link: it leads to an open file, not to a name. */
  readonly magic: boolean;
}

/** How a path is looked up. */
export const Look = {
  /** Follow a link in the last place. */
  follow: 1,
  /** The last name may be created. */
  create: 2,
  /** An empty path is the descriptor itself (AT_EMPTY_PATH). */
  empty: 4,
  /** A link anywhere is an error, ELOOP. */
  noLinks: 8,
} as const;

// ---- lookup

/** One lookup: what it may not forget while links lead it elsewhere. */
interface Walk {
  readonly files: FileSystem;
  /** Undefined before a process is there: then /proc is the host's, without what is the emulator's own. */
  readonly task: Task | undefined;
  readonly follow: boolean;
  readonly create: boolean;
  readonly slash: boolean;
  /** Links followed so far. */
  links: number;
}

/** Directories that a sysroot has only as mount points. */
const hostOnly: ReadonlySet<string> = new Set(["proc", "sys", "dev"]);
const hostRoot: Base & { readonly rel: string } = { fd: AT_FDCWD, rel: "/", guest: "/", inside: false };
/** Directories of other processes, whose links lead to open files. */
const otherProcess = /^\/proc\/\d+\//;

/** Names of a path; "." only in the last place, where the host must see it. */
const split = (path: string): string[] =>
  path.split("/").filter((name, i, all) => name !== "" && (name !== "." || i === all.length - 1));
const join = (dir: string, name: string): string =>
  dir === "" ? name : dir.endsWith("/") ? dir + name : `${dir}/${name}`;

/**
 * Finds what a guest path names, from descriptor `dirfd` of the guest or AT_FDCWD on. `look`: bits of `Look`.
 * Answers -errno where the way there fails; whether there is anything in the last place is for the host call to find.
 */
export function resolve(t: Task, dirfd: number, path: string, look: number): Place | number {
  const files = t.process.files;
  if (path.startsWith("/")) return lookup(newWalk(files, t, path, look), path);
  const h = dirfd === AT_FDCWD ? files.words[FsWord.cwd]! : hostFd(t.process.fds, dirfd);
  if (path === "" && (look & Look.empty) === 0) return -errno.ENOENT;
  if (h < 0) return h;
  const kind = dirfd === AT_FDCWD ? (files.words[FsWord.cwdKind] as FdKind) : fdKind(t.process.fds, dirfd);
  if (path === "") {
    const guest = !isMadeUp(kind) ? undefined : descriptorPath(files, h, kind);
    return { fd: h, path: "", guest, node: guest === undefined ? undefined : procNode(t, guest), magic: false };
  }
  const base = dirfd === AT_FDCWD ? cwdBase(files) : baseAt(files, h, kind);
  return lookupFrom(newWalk(files, t, path, look), base, path);
}

/** The same for an absolute path or one from the working directory, before there is a process. */
export function resolveEarly(files: FileSystem, path: string, look: number = Look.follow): Place | number {
  if (path === "") return -errno.ENOENT;
  const w = newWalk(files, undefined, path, look);
  return path.startsWith("/") ? lookup(w, path) : lookupFrom(w, cwdBase(files), path);
}

const newWalk = (files: FileSystem, task: Task | undefined, path: string, look: number): Walk => {
  const slash = path.endsWith("/");
  const follow = slash || (look & Look.follow) !== 0;
  const links = (look & Look.noLinks) === 0 ? 0 : maxLinks;
  return { files, task, follow, create: (look & Look.create) !== 0, slash, links };
};

/** An absolute path: what exists in the sysroot is taken from there. A new file goes there only if just it has the directory. */
function lookup(w: Walk, path: string): Place | number {
  const { sysroot, jailed } = w.files;
  const names = split(path);
  if (sysroot === undefined) return walk(w, hostRoot, names, false);
  const root = { fd: AT_FDCWD, rel: sysroot, guest: "/", inside: true };
  if (jailed) return walk(w, root, names, false);
  if (hostOnly.has(names[0] ?? "")) return walk(w, hostRoot, names, false);
  const there = walk(w, root, names, true);
  if (typeof there !== "number" || there === -errno.ELOOP) return there;
  const here = walk(w, hostRoot, names, false);
  if (!w.create || typeof here !== "number") return here;
  const created = walk(w, root, names, false);
  return typeof created === "number" ? here : created;
}

/** A relative path. From a directory of the sysroot it may name what only the host has. */
function lookupFrom(w: Walk, base: Base, path: string): Place | number {
  const names = split(path);
  const layered = base.inside && !w.files.jailed && base.guest !== undefined;
  const start = { ...base, rel: "" };
  const there = walk(w, start, names, layered);
  if (!layered || typeof there !== "number" || there === -errno.ELOOP) return there;
  const here = walk(w, hostRoot, split(`${base.guest}/${path}`), true);
  return typeof here === "number" ? walk(w, start, names, false) : here;
}

/** `mustExist`: an error, too, where nothing is in the last place. */
function walk(
  w: Walk,
  start: Base & { readonly rel: string },
  path: readonly string[],
  mustExist: boolean,
): Place | number {
  let { fd, rel, guest, inside } = start;
  let node = guest === undefined || guest === "/" ? undefined : nodeAt(w, guest);
  let magic = false;
  let names = path;
  // One that is made up has names of the host's too.
  if (isMerged(node)) [fd, rel] = [AT_FDCWD, procRoot];

  for (let i = 0; i < names.length; i++) {
    const name = names[i]!;
    const last = i === names.length - 1;
    if (node !== undefined && node.kind !== "directory")
      return node.kind === "forbidden" ? -errno.EACCES : -errno.ENOTDIR;
    if (name === "..") {
      if (guest === "/") continue;
      const within: string | undefined = guest;
      guest = guest?.slice(0, guest.lastIndexOf("/")) || (guest && "/");
      node = guest === undefined ? undefined : nodeAt(w, guest);
      // What lies below /proc may be made up, so the host is asked for the parent by its full name.
      if (within?.startsWith("/proc/")) [fd, rel] = [AT_FDCWD, (inside ? w.files.sysroot : "") + guest!];
      else rel = join(rel, name);
      continue;
    }
    if (name === ".") {
      rel = join(rel, name);
      continue;
    }
    const child: string | undefined = guest && join(guest, name);
    const found = child === undefined ? undefined : nodeAt(w, child);
    let target: string | number = -errno.EINVAL;
    let next = join(rel, name);
    if (inside && !w.files.jailed && guest === "/" && hostOnly.has(name))
      [fd, rel, next, inside] = [AT_FDCWD, "/", `/${name}`, false];
    if (found === undefined) {
      if (node !== undefined && !isMerged(node)) return -errno.ENOTDIR;
      if (!last || w.follow || mustExist) target = readlinkHost(fd, cstring(next));
      if (typeof target === "number" && target !== -errno.EINVAL && (!last || mustExist)) return target;
    } else if (found.kind === "absent") return -errno.ENOENT;
    else if (found.kind === "link") target = found.target;
    else if (found.kind === "forbidden" && found.link && (!last || w.follow)) return -errno.EACCES;

    if (found?.kind === "open" && (!last || w.follow)) {
      magic = last && !w.slash;
      [fd, rel, node] = magic ? [AT_FDCWD, found.host, undefined] : [found.fd, "", undefined];
      guest = found.text.startsWith("/") ? found.text : undefined;
      inside = isInside(w.files, hostPathOf(found.fd) ?? "");
    } else if (typeof target === "string" && (!last || w.follow)) {
      if (last && child !== undefined && found === undefined && otherProcess.test(child)) {
        [rel, guest, magic] = [next, undefined, true];
        continue;
      }
      if (++w.links > maxLinks) return -errno.ELOOP;
      const rest = names.slice(i + 1);
      if (target.startsWith("/")) return lookup(w, [target, ...rest].join("/"));
      names = [...split(target), ...rest];
      i = -1;
    } else {
      [rel, guest, node, magic] = [next, child, found, false];
      if (found?.kind === "host") [fd, rel, node] = [AT_FDCWD, found.host, undefined];
    }
  }
  const end = w.slash && !rel.endsWith("/") && !magic ? "/" : "";
  return { fd, path: (rel || ".") + end, guest, node, magic };
}

const deviceLinks: ReadonlyMap<string, ProcNode> = new Map([
  ["/dev/fd", { kind: "link", target: "/proc/self/fd" }],
  ["/dev/stdin", { kind: "link", target: "/proc/self/fd/0" }],
  ["/dev/stdout", { kind: "link", target: "/proc/self/fd/1" }],
  ["/dev/stderr", { kind: "link", target: "/proc/self/fd/2" }],
]);

/** What stands at a guest path instead of a host file. */
const nodeAt = (w: Walk, guest: string): ProcNode | undefined =>
  guest === procRoot || guest.startsWith(`${procRoot}/`)
    ? procNode(w.task, guest)
    : guest.startsWith("/dev/")
      ? deviceLinks.get(guest)
      : undefined;

const isMerged = (node: ProcNode | undefined): boolean => node?.kind === "directory" && node.merged === true;

// ---- host calls on a place

/** Flags that openat2 knows; openat ignores others, openat2 refuses them. */
const knownFlags = 0o37777703;
const pathFlags = O.PATH | O.DIRECTORY | O.NOFOLLOW | O.CLOEXEC;
const RESOLVE_NO_SYMLINKS = 4;
const tmpfileBit = O.TMPFILE & ~O.DIRECTORY;

/**
 * Opens a place on the host. `flags` are the guest's, `mode` the bits for a new file. The host follows no link that the
 * lookup did not see, even if one has appeared since. `call` makes the host calls, which sleep for a FIFO, some devices
 * and leases. Answers a host descriptor, close-on-exec, or -errno.
 */
export function openPlace(p: Place, flags: number, mode: number, resolveBits = 0, call: typeof host = host): number {
  // No terminal becomes the emulator's own.
  const plain = flags & O.PATH ? flags & pathFlags : (flags & knownFlags & ~O.ASYNC) | O.NOCTTY;
  const known = toHostFlags(plain | O.CLOEXEC);
  const creates = (flags & (O.CREAT | tmpfileBit)) !== 0 && (flags & O.PATH) === 0;
  const permissions = creates ? mode & 0o7777 : 0;
  if (!p.magic) {
    scratch.i32.fill(0, 0, 6);
    scratch.i32[0] = known;
    scratch.i32[2] = permissions;
    scratch.i32[4] = resolveBits | RESOLVE_NO_SYMLINKS;
    const h = call("openat2", p.fd, cstring(p.path), scratch.address, 24);
    // Kernels before 5.6 lack the call, and some containers forbid it.
    if (h !== -errno.ENOSYS && h !== -errno.EPERM) return h;
  }
  return call("openat", p.fd, cstring(p.path), p.magic ? known : known | toHostFlags(O.NOFOLLOW), permissions);
}

/** AT_SYMLINK_NOFOLLOW for a host call on a place, unless its link is the host's to follow. */
export const noFollow = (p: Place): number => (p.magic ? 0 : 0x100);

/** A host path that works from any directory, for calls without a directory descriptor. */
export const fullPath = (p: Place): string =>
  p.path.startsWith("/") ? p.path : join(`/proc/${emulatorPid}/fd/${p.fd}`, p.path);

/** The host path, good from any directory, of a program that is to be started, or of what else is looked at as `look` says; or -errno. */
export function locate(files: FileSystem, path: string, look: number = Look.follow): string | number {
  const p = resolveEarly(files, path, look);
  return typeof p === "number" ? p : p.node === undefined ? fullPath(p) : -errno.EACCES;
}
