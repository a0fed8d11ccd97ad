// What /proc shows of guest processes, instead of what the host's shows of the emulator. A path below /proc is asked for
// here first; what is not named here is the host's own. Files are filled when they are opened. The emulator's process
// and threads are absent, by their numbers too. Texts: proc-text.ts; what can be known of a process: proc-view.ts.
import { cstring, loadU64, scratch } from "../host/scratch.ts";
import { host } from "../host/syscall.ts";
import { Attr } from "./attributes.ts";
import { errno } from "./errno.ts";
import { FdKind, fdKind, hostFd, openFds } from "./fds.ts";
import { AT_FDCWD, cwdPath, descriptorPath, hostPathOf } from "./file-system.ts";
import { O, toHostFlags } from "./open-flags.ts";
import * as text from "./proc-text.ts";
import { isOwn, isZombie, mayLook, type Subject, tablesOf } from "./proc-view.ts";
import { exeOf, findProcess, ProcessField, processAt } from "./processes.ts";
import { guestProcesses } from "./targets.ts";
import type { Task } from "./task.ts";
import { findTask, setName, TaskField, type TaskRecord, taskAt, threadsNow } from "./tasks.ts";

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
  /** A guest's memory. */
  | { readonly kind: "memory"; readonly mode: number; readonly subject: Subject }
  /** What is there, but not for this process. */
  | { readonly kind: "forbidden"; readonly mode: number; readonly link?: true }
  /** `merged`: names that are not made up are those of the host's directory. */
  | { readonly kind: "directory"; readonly entries: (t: Task) => readonly Entry[]; readonly merged?: true };

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

/** How the text of a file is made. */
type Text = (t: Task, s: Subject) => string;

interface FileRow {
  readonly mode: number;
  readonly text: Text;
  readonly control?: (t: Task, s: Subject, written: string) => number;
  /** Who may not look into the process does not see it. */
  readonly guarded?: true;
}

const open = (of: Text): FileRow => ({ mode: 0o444, text: of });
const guarded = (of: Text, mode = 0o400): FileRow => ({ mode, text: of, guarded: true });

/** What the host says in a file of the emulator's process that is as true of the guest. */
const ofHost = (name: string): FileRow => open(() => text.hostFile(`self/${name}`) ?? "");

/** Files of a process and, mostly, of each of its threads. */
const processFiles: Readonly<Record<string, FileRow>> = {
  auxv: guarded(text.auxv),
  cgroup: ofHost("cgroup"),
  cmdline: open(text.cmdline),
  comm: { mode: 0o644, text: text.comm, control: setComm },
  coredump_filter: { mode: 0o644, text: () => "00000033\n" },
  cpuset: ofHost("cpuset"),
  environ: guarded(text.environ),
  gid_map: ofHost("gid_map"),
  io: guarded(text.io),
  limits: open(text.limits),
  loginuid: ofHost("loginuid"),
  maps: guarded(text.maps, 0o444),
  mountinfo: ofHost("mountinfo"),
  mounts: ofHost("mounts"),
  oom_score: ofHost("oom_score"),
  oom_score_adj: { mode: 0o644, text: () => text.hostFile("self/oom_score_adj") ?? "0\n", control: setOomScoreAdj },
  personality: guarded(text.personality),
  schedstat: open(text.schedstat),
  sessionid: ofHost("sessionid"),
  setgroups: ofHost("setgroups"),
  stat: open(text.stat),
  statm: open(text.statm),
  status: open(text.status),
  uid_map: ofHost("uid_map"),
  wchan: open(text.wchan),
};

/** Of threads alone. */
const threadFiles: Readonly<Record<string, FileRow>> = { children: open(text.children) };

const processLinks: Readonly<Record<string, (t: Task, s: Subject) => ProcNode>> = {
  cwd: (t, s) => {
    const files = tablesOf(t, s)?.files;
    const path = files === undefined ? -errno.ENOENT : cwdPath(files);
    return typeof path === "number" ? absent : link(path);
  },
  exe: (_t, s) => {
    const path = isZombie(s) ? "" : exeOf(s.process);
    return path === "" ? absent : link(path);
  },
  root: (_t, s) => (isZombie(s) ? absent : link("/")),
};

const mem = "mem";
const memoryMode = 0o600;

const entriesOf = (...lists: readonly (readonly [names: readonly string[], type: number])[]): readonly Entry[] =>
  lists.flatMap(([names, type]) => names.map((name): Entry => [name, type]));

const threadEntries = entriesOf(
  [[...Object.keys(processFiles), ...Object.keys(threadFiles), mem], DT.REG],
  [Object.keys(processLinks), DT.LNK],
  [["fd", "fdinfo", "net"], DT.DIR],
);
const processEntries = entriesOf(
  [[...Object.keys(processFiles), mem], DT.REG],
  [Object.keys(processLinks), DT.LNK],
  [["fd", "fdinfo", "net", "task"], DT.DIR],
);

/** Files outside of the processes' directories. */
const rootFiles: Readonly<Record<string, ProcNode>> = {
  cpuinfo: file(text.cpuinfo),
  "sys/kernel/arch": file(() => "riscv64\n"),
};

export const procRoot = "/proc";
const rootDirectory: ProcNode = { kind: "directory", entries: rootEntries, merged: true };

/** What stands at a guest path that is `/proc` or below; undefined where that is the host's file of that name. */
export function procNode(t: Task | undefined, path: string): ProcNode | undefined {
  if (path === procRoot) return t === undefined || t.process.files.jailed ? undefined : rootDirectory;
  const names = path.slice(procRoot.length + 1).split("/");
  const first = names[0]!;
  if (first === "self") return t === undefined ? absent : names.length === 1 ? link(String(t.process.pid)) : absent;
  if (first === "thread-self") return t === undefined ? absent : link(`${t.process.pid}/task/${t.tid}`);
  if (!decimal.test(first)) return Object.hasOwn(rootFiles, path.slice(6)) ? rootFiles[path.slice(6)] : undefined;
  const id = Number(first);
  const subject = t === undefined ? undefined : subjectOf(t, id);
  if (t !== undefined && subject !== undefined) return inProcess(t, subject, names.slice(1));
  return isEmulator(id) ? absent : undefined;
}

const decimal = /^(0|[1-9]\d{0,8})$/;

/** The guest process that has a thread of that id, or had its leader as one. */
function subjectOf(t: Task, id: number): Subject | undefined {
  const { kernel, pid, record } = t.process;
  if (id === pid) return { process: record, thread: leaderOf(t, record.index), whole: true };
  const task = findTask(kernel, id);
  if (task !== undefined) {
    const thread = taskAt(kernel, task);
    return { process: processAt(kernel, thread.i32[TaskField.process]!), thread, whole: true };
  }
  const process = findProcess(kernel, id);
  return process === undefined
    ? undefined
    : { process: processAt(kernel, process), thread: leaderOf(t, process), whole: true };
}

const leaderOf = (t: Task, process: number): TaskRecord =>
  taskAt(t.process.kernel, processAt(t.process.kernel, process).i32[ProcessField.leader]! - 1);

/** Whether a host process or thread of that number is the emulator's. */
const isEmulator = (pid: number): boolean =>
  pid === emulatorPid || host("faccessat", AT_FDCWD, cstring(`/proc/self/task/${pid}`)) === 0;

/** The host's names, without its processes that are the emulator's, and the guests. */
function rootEntries(t: Task): readonly Entry[] {
  const guests = [...guestProcesses(t)].map(({ i32 }) => String(i32[ProcessField.pid]));
  const hosts = hostEntries(procRoot).filter(([name]) => name !== String(emulatorPid) && !guests.includes(name));
  return [...hosts, ...guests.map((name): Entry => [name, DT.DIR])];
}

function inProcess(t: Task, s: Subject, names: readonly string[]): ProcNode {
  const [name, ...rest] = names;
  if (name === undefined) return directory(() => (s.whole ? processEntries : threadEntries));
  if (name === "fd" || name === "fdinfo") return inDescriptors(t, s, name, rest);
  if (name === "net") return { kind: "host", host: [`/proc/${emulatorPid}/net`, ...rest].join("/") };
  if (name === "task") return s.whole ? inTask(t, s, rest) : absent;
  if (rest.length > 0) return absent;
  if (Object.hasOwn(processLinks, name))
    return mayLook(t, s) ? processLinks[name]!(t, s) : { kind: "forbidden", mode: 0o777, link: true };
  if (name === mem) return mayLook(t, s) ? { kind: "memory", mode: memoryMode, subject: s } : forbidden(memoryMode);
  const row = Object.hasOwn(processFiles, name)
    ? processFiles[name]
    : !s.whole && Object.hasOwn(threadFiles, name)
      ? threadFiles[name]
      : undefined;
  if (row === undefined) return absent;
  if (row.guarded && !mayLook(t, s)) return forbidden(row.mode);
  const { control } = row;
  return file((task) => row.text(task, s), row.mode, control && ((task, written) => control(task, s, written)));
}

const forbidden = (mode: number): ProcNode => ({ kind: "forbidden", mode });

/** The threads of a process, and its leader where that has ended before them. */
function threadIds(t: Task, { process }: Subject): readonly number[] {
  const { kernel } = t.process;
  const tasks = threadsNow(kernel, process.index);
  const leader = process.i32[ProcessField.leader]! - 1;
  return (tasks.includes(leader) ? tasks : [leader, ...tasks]).map((task) => taskAt(kernel, task).i32[TaskField.tid]!);
}

function inTask(t: Task, s: Subject, names: readonly string[]): ProcNode {
  const [tid, ...rest] = names;
  if (tid === undefined) return directory((task) => threadIds(task, s).map((n) => [String(n), DT.DIR]));
  if (!threadIds(t, s).some((n) => String(n) === tid)) return absent;
  const found = subjectOf(t, Number(tid));
  return found === undefined ? absent : inProcess(t, { ...found, whole: false }, rest);
}

/** With the number that the listing itself is about to get, where it lists the descriptors of who asks. */
const listFds = (s: Subject, type: number) => (t: Task) => {
  const fds = tablesOf(t, s)?.fds;
  const numbers = new Set(fds === undefined ? [] : openFds(fds));
  if (isOwn(t, s)) {
    let own = 0;
    while (numbers.has(own)) own++;
    numbers.add(own);
  }
  return [...numbers].sort((a, b) => a - b).map((fd): Entry => [String(fd), type]);
};

function inDescriptors(
  t: Task,
  s: Subject,
  directoryName: "fd" | "fdinfo",
  [name, ...rest]: readonly string[],
): ProcNode {
  if (!mayLook(t, s)) return name === undefined ? forbidden(0o500) : absent;
  const links = directoryName === "fd";
  if (name === undefined) return directory(listFds(s, links ? DT.LNK : DT.REG));
  const tables = tablesOf(t, s);
  if (tables === undefined || !decimal.test(name) || rest.length > 0) return absent;
  const fd = Number(name);
  const h = hostFd(tables.fds, fd);
  if (h < 0) return absent;
  if (!links) return file((task) => text.fdinfo(task, s, fd));
  const kind = fdKind(tables.fds, fd);
  const shown = descriptorPath(tables.files, h, kind) ?? "";
  if (kind === FdKind.host || kind === FdKind.signal)
    return { kind: "open", fd: h, host: `/proc/${emulatorPid}/fd/${h}`, text: shown };
  return link(shown);
}

/** Only threads of the same process may name one another. */
function setComm(t: Task, s: Subject, written: string): number {
  if (!isOwn(t, s)) return -errno.EINVAL;
  setName(s.thread, written);
  return 0;
}

/** The emulator's own is what counts for the host. */
function setOomScoreAdj(_t: Task, _s: Subject, written: string): number {
  if (!/^\s*-?\d+\s*$/.test(written)) return -errno.EINVAL;
  const h = host("openat", AT_FDCWD, cstring(`/proc/${emulatorPid}/oom_score_adj`), toHostFlags(O.WRONLY | O.CLOEXEC));
  if (h < 0) return h;
  const result = host("write", h, cstring(written), written.length);
  host("close", h);
  return Math.min(result, 0);
}

/** User and group of a made-up file, by its path: those that its process acts for; root's outside of processes. */
export function ownerOf(t: Task, path: string): readonly [uid: number, gid: number] {
  const id = /^\/proc\/(\d+)(\/|$)/.exec(path)?.[1];
  const process = id === undefined ? undefined : subjectOf(t, Number(id))?.process;
  if (process === undefined || process.attributes[Attr.dumpable] !== 1) return [0, 0];
  return [process.attributes[Attr.euid]! >>> 0, process.attributes[Attr.egid]! >>> 0];
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

/** Names in a directory of the host. */
function hostEntries(path: string): Entry[] {
  const h = host("openat", AT_FDCWD, cstring(path), toHostFlags(O.DIRECTORY | O.CLOEXEC));
  const found: Entry[] = [];
  for (let n = 0; h >= 0 && (n = host("getdents64", h, scratch.address, scratch.bytes.length)) > 0; ) {
    for (let at = 0; at < n; at += scratch.view.getUint16(at + 16, true)) {
      const end = scratch.bytes.indexOf(0, at + 19);
      const name = Buffer.from(scratch.bytes.buffer, at + 19, end - at - 19).toString("latin1");
      if (name !== "." && name !== "..") found.push([name, scratch.bytes[at + 18]!]);
    }
  }
  if (h >= 0) host("close", h);
  return found;
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
