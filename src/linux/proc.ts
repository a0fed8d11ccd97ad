// What /proc shows of guest processes, instead of what the host's shows of the emulator. A path below /proc is asked for
// here first; what is not named here is the host's own. Files are filled when they are opened. The emulator's process
// and threads are absent, by their numbers too. Texts: proc-text.ts.
import { cstring, loadU64, scratch } from "../host/scratch.ts";
import { host } from "../host/syscall.ts";
import { latin1 } from "../memory/guest-memory.ts";
import { errno } from "./errno.ts";
import { FdKind, fdKind, hostFd, openFds } from "./fds.ts";
import { AT_FDCWD, cwdPath, descriptorPath, hostPathOf } from "./file-system.ts";
import { O, toHostFlags } from "./open-flags.ts";
import * as text from "./proc-text.ts";
import type { Task } from "./task.ts";

export type ProcNode =
  /** Nothing is there, whatever the host has. */
  | { readonly kind: "absent" }
  /** A link to a guest path. */
  | { readonly kind: "link"; readonly target: string }
  /** A link to an open file: its host descriptor, the host path that opens it again, and what readlink says. */
  | { readonly kind: "open"; readonly fd: number; readonly host: string; readonly text: string }
  /** The host's own, under another name. */
  | { readonly kind: "host"; readonly host: string }
  /** `control`: what a write does, if anything. */
  | {
      readonly kind: "file";
      readonly mode: number;
      readonly content: (t: Task) => string;
      readonly control: Control | undefined;
    }
  /** The guest's memory. */
  | { readonly kind: "memory"; readonly mode: number }
  | { readonly kind: "directory"; readonly entries: (t: Task) => readonly Entry[] };

/** A name in a directory, and its DT_ type. */
export type Entry = readonly [name: string, type: number];

/** Takes what was written, and answers 0 or -errno. */
export type Control = (t: Task, written: string) => number;

const DT = { DIR: 4, REG: 8, LNK: 10 } as const;

export const emulatorPid: number = host("getpid");

const absent: ProcNode = { kind: "absent" };
const link = (target: string): ProcNode => ({ kind: "link", target });
const file = (content: (t: Task) => string, mode = 0o444, control: Control | undefined = undefined): ProcNode => ({
  kind: "file",
  mode,
  content,
  control,
});
const directory = (entries: (t: Task) => readonly Entry[]): ProcNode => ({ kind: "directory", entries });

/** What the host says in a file of the emulator's process that is as true of the guest. */
const ofHost = (name: string, mode = 0o444): ProcNode => file(() => text.hostFile(`self/${name}`) ?? "", mode);

/** Files of a process and, mostly, of each of its threads. */
const processFiles: Readonly<Record<string, ProcNode>> = {
  auxv: file((t) => latin1(t.process.auxv), 0o400),
  cgroup: ofHost("cgroup"),
  cmdline: file((t) => text.cmdline(t)),
  comm: file((t) => t.name + "\n", 0o644, setName),
  coredump_filter: file(() => "00000033\n", 0o644),
  cpuset: ofHost("cpuset"),
  environ: file((t) => text.environ(t), 0o400),
  gid_map: ofHost("gid_map"),
  limits: file((t) => text.limits(t.process.limits)),
  loginuid: ofHost("loginuid"),
  maps: file((t) => text.maps(t)),
  mem: { kind: "memory", mode: 0o600 },
  mountinfo: ofHost("mountinfo"),
  mounts: ofHost("mounts"),
  oom_score: ofHost("oom_score"),
  oom_score_adj: file(() => text.hostFile("self/oom_score_adj") ?? "0\n", 0o644, setOomScoreAdj),
  personality: file((t) => text.personality(t), 0o400),
  sessionid: ofHost("sessionid"),
  setgroups: ofHost("setgroups"),
  stat: file((t) => text.stat(t)),
  statm: file((t) => text.statm(t)),
  status: file((t) => text.status(t)),
  uid_map: ofHost("uid_map"),
};

const processLinks: Readonly<Record<string, (t: Task) => ProcNode>> = {
  cwd: (t) => {
    const path = cwdPath(t.process.files);
    return typeof path === "number" ? absent : link(path);
  },
  exe: (t) => link(t.process.exe),
  root: () => link("/"),
};

const processDirectories = ["fd", "fdinfo", "net", "task"] as const;

const processEntries: readonly Entry[] = [
  ...Object.keys(processFiles).map((name) => [name, DT.REG] as const),
  ...Object.keys(processLinks).map((name) => [name, DT.LNK] as const),
  ...processDirectories.map((name) => [name, DT.DIR] as const),
];

/** Files outside of the processes' directories. */
const rootFiles: Readonly<Record<string, ProcNode>> = {
  cpuinfo: file(text.cpuinfo),
  "sys/kernel/arch": file(() => "riscv64\n"),
};

/** What stands at a guest path that begins with `/proc/`; undefined where that is the host's file of that name. */
export function procNode(t: Task | undefined, path: string): ProcNode | undefined {
  const names = path.slice("/proc/".length).split("/");
  const first = names[0]!;
  if (first === "self") return t === undefined ? absent : names.length === 1 ? link(String(t.process.pid)) : absent;
  if (first === "thread-self") return t === undefined ? absent : link(`${t.process.pid}/task/${t.tid}`);
  if (!/^\d+$/.test(first)) return Object.hasOwn(rootFiles, path.slice(6)) ? rootFiles[path.slice(6)] : undefined;
  const pid = Number(first);
  if (t !== undefined && (pid === t.process.pid || threads(t).includes(pid))) return inProcess(t, path, names.slice(1));
  return isEmulator(pid) ? absent : undefined;
}

/** Threads of the process that the task belongs to. */
const threads = (t: Task): readonly number[] => [t.tid];

/** Whether a host process or thread of that number is the emulator's. */
const isEmulator = (pid: number): boolean =>
  pid === emulatorPid || host("faccessat", AT_FDCWD, cstring(`/proc/self/task/${pid}`)) === 0;

function inProcess(t: Task, path: string, names: readonly string[]): ProcNode {
  const [name, ...rest] = names;
  if (name === undefined) return directory(() => processEntries);
  if (name === "fd" || name === "fdinfo") return name === "fd" ? inFd(t, rest) : inFdinfo(t, rest);
  if (name === "net") return { kind: "host", host: [`/proc/${emulatorPid}/net`, ...rest].join("/") };
  if (name === "task") return inTask(t, path, rest);
  if (rest.length > 0) return absent;
  if (Object.hasOwn(processLinks, name)) return processLinks[name]!(t);
  return Object.hasOwn(processFiles, name) ? processFiles[name]! : absent;
}

function inTask(t: Task, path: string, names: readonly string[]): ProcNode {
  const [tid, ...rest] = names;
  if (tid === undefined) return directory(() => threads(t).map((n) => [String(n), DT.DIR]));
  if (!threads(t).some((n) => String(n) === tid) || rest[0] === "task") return absent;
  return inProcess(t, path, rest);
}

const decimal = /^(0|[1-9]\d{0,8})$/;
/** With the number that the listing itself is about to get. */
const listFds = (type: number) => (t: Task) => {
  const open = new Set(openFds(t.process.fds));
  let own = 0;
  while (open.has(own)) own++;
  return [...open, own].sort((a, b) => a - b).map((fd): Entry => [String(fd), type]);
};

function inFd(t: Task, [name, ...rest]: readonly string[]): ProcNode {
  if (name === undefined) return directory(listFds(DT.LNK));
  const h = decimal.test(name) && rest.length === 0 ? hostFd(t.process.fds, Number(name)) : -1;
  if (h < 0) return absent;
  const kind = fdKind(t.process.fds, Number(name));
  const shown = descriptorPath(t.process.files, h, kind) ?? "";
  if (kind === FdKind.host || kind === FdKind.signal)
    return { kind: "open", fd: h, host: `/proc/${emulatorPid}/fd/${h}`, text: shown };
  return link(shown);
}

function inFdinfo(t: Task, [name, ...rest]: readonly string[]): ProcNode {
  if (name === undefined) return directory(listFds(DT.REG));
  const h = decimal.test(name) && rest.length === 0 ? hostFd(t.process.fds, Number(name)) : -1;
  return h < 0 ? absent : file((task) => text.fdinfo(task, Number(name)));
}

function setName(t: Task, written: string): number {
  t.name = written.replace(/\n$/, "");
  return 0;
}

/** The emulator's own is what counts for the host. */
function setOomScoreAdj(_t: Task, written: string): number {
  if (!/^\s*-?\d+\s*$/.test(written)) return -errno.EINVAL;
  const h = host("openat", AT_FDCWD, cstring(`/proc/${emulatorPid}/oom_score_adj`), toHostFlags(O.WRONLY | O.CLOEXEC));
  if (h < 0) return h;
  const result = host("write", h, cstring(written), written.length);
  host("close", h);
  return Math.min(result, 0);
}

// ---- opening

/**
 * Makes the host descriptor of a made-up file: a memfd that carries the guest path as its name, open for reading,
 * writing or both (O_ACCMODE bits). Answers it, or -errno.
 */
export function makeFile(path: string, bytes: Uint8Array, mode: number, access: number): number {
  const MFD_CLOEXEC = 1;
  const h = host("memfd_create", cstring(path.slice(0, 249)), MFD_CLOEXEC);
  if (h < 0) return h;
  const opened = writeAll(h, bytes)
    ? host("openat", AT_FDCWD, cstring(`/proc/self/fd/${h}`), toHostFlags(access | O.CLOEXEC))
    : -errno.ENOMEM;
  host("fchmod", h, mode);
  host("close", h);
  return opened;
}

function writeAll(h: number, bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; ) {
    const n = Math.min(scratch.bytes.length, bytes.length - at);
    scratch.bytes.set(bytes.subarray(at, at + n));
    const written = host("write", h, scratch.address, n);
    if (written <= 0) return false;
    at += written;
  }
  return true;
}

/** Entries of a directory as linux_dirent64 records, the first two for itself and its parent. */
export function directoryRecords(path: string, entries: readonly Entry[]): Uint8Array {
  const all: Entry[] = [[".", DT.DIR], ["..", DT.DIR], ...entries];
  const sizes = all.map(([name]) => (19 + name.length + 1 + 7) & ~7);
  const bytes = new Uint8Array(sizes.reduce((a, b) => a + b, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [i, [name, type]] of all.entries()) {
    const next = at + sizes[i]!;
    view.setUint32(at, inodeOf(name === "." ? path : `${path}/${name}`), true);
    view.setUint32(at + 8, next, true);
    view.setUint16(at + 16, sizes[i]!, true);
    bytes[at + 18] = type;
    bytes.set(Buffer.from(name, "latin1"), at + 19);
    at = next;
  }
  return bytes;
}

/** An inode number for a made-up file, the same each time: FNV-1a over its path. */
export function inodeOf(path: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < path.length; i++) hash = Math.imul(hash ^ path.charCodeAt(i), 0x01000193);
  return (hash >>> 0) | 1;
}

// ---- the emulator's own

const procMagic = 0x9fa0;
const processDirectory = /\/(\d+)(?=\/|$)(?!\/net(\/|$))/g;

/**
 * Whether an open host file is one by which procfs, wherever it is mounted, shows the emulator's process. Lookups do
 * not lead there; this covers the ways that no lookup sees, such as another mount of procfs.
 */
export function showsEmulator(h: number): boolean {
  if (host("fstatfs", h, scratch.address) < 0 || loadU64(scratch, 0) !== procMagic) return false;
  const path = hostPathOf(h) ?? "";
  return !path.includes("/irq/") && [...path.matchAll(processDirectory)].some(([, pid]) => isEmulator(Number(pid)));
}
