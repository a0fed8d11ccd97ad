// The texts of the files below /proc that show guest processes and threads, in the layout of proc(5). Each is made when its
// file is opened. What is so of all that the emulator runs (capabilities, namespaces, cgroups) is the emulator's.
import { readHostFile } from "../host/file.ts";
import { latin1, pageSize } from "../memory/guest-memory.ts";
import { mapsText, type Usage as SpaceUsage, usage } from "../memory/maps.ts";
import { withLock } from "../sync/mutex.ts";
import { runnerNow, startOf, ticksOf, usageOfChildren, usageOfProcess, usageOfThread } from "./accounting.ts";
import { Attr } from "./attributes.ts";
import { childrenHeld, parentId } from "./family.ts";
import { closeOnExec, FdKind, fdData, fdKind, hostFd, openFds } from "./fds.ts";
import { FsWord } from "./file-system.ts";
import { isaString } from "./hwcap.ts";
import { hardLimitOf, limitOf, Resource } from "./limits.ts";
import { O, toGuestFlags } from "./open-flags.ts";
import { processNamed } from "./pidfds.ts";
import { isZombie, type Subject, spaceOf, stateNames, stateOf, tablesOf, textBetween } from "./proc-view.ts";
import { argStrings, auxvOf, envStrings, exitOf, ProcessField } from "./processes.ts";
import { tracerOf } from "./ptrace.ts";
import { queuedCount } from "./signal-queue.ts";
import { handlerIs, SIG_DFL, SIG_IGN, TaskWord } from "./signals.ts";
import type { Task } from "./task.ts";
import { nameOf, TaskField, threadsNow } from "./tasks.ts";
import { shownTerminal } from "./terminals.ts";

/** A file below the host's /proc, or undefined. */
export function hostFile(name: string): string | undefined {
  const text = readHostFile(`/proc/${name}`);
  return typeof text === "number" ? undefined : text;
}

const kib = (bytes: number): string => `${String(Math.floor(bytes / 1024)).padStart(8)} kB`;

/** One entry a host processor that runs. */
export function cpuinfo(): string {
  const numbers = [...(hostFile("cpuinfo") ?? "").matchAll(/^processor\s*: (\d+)$/gm)].map(([, n]) => n!);
  const entry = (n: string) =>
    [
      `processor\t: ${n}`,
      `hart\t\t: ${n}`,
      `isa\t\t: ${isaString}`,
      "mmu\t\t: sv39",
      "uarch\t\t: sabre",
      "mvendorid\t: 0x0",
      "marchid\t\t: 0x0",
      "mimpid\t\t: 0x0",
    ].join("\n") + "\n\n";
  return (numbers.length === 0 ? ["0"] : numbers).map(entry).join("");
}

// ---- the program and its memory

export function maps(t: Task, s: Subject): string {
  const space = spaceOf(t, s);
  return space === undefined ? "" : mapsText(space);
}

/**
 * The strings that the program began with as its arguments, as they are in its memory now. Where the last byte is no NUL,
 * the program has put a title of its own there, which may be longer: Linux sees it so.
 */
export function cmdline(t: Task, s: Subject): string {
  const [start, end] = argStrings(s.process);
  const args = textBetween(t, s, start, end);
  if (args.length < end - start || args === "" || args.endsWith("\0")) return args;
  const title = textBetween(t, s, start, start + pageSize);
  return title.slice(0, title.indexOf("\0") + 1 || title.length);
}

export const environ = (t: Task, s: Subject): string => textBetween(t, s, ...envStrings(s.process));

export const auxv = (_t: Task, s: Subject): string => (isZombie(s) ? "" : latin1(auxvOf(s.process)));

export const personality = (_t: Task, { process }: Subject): string =>
  (process.attributes[Attr.personality]! >>> 0).toString(16).padStart(8, "0") + "\n";

export const comm = (_t: Task, { thread }: Subject): string => nameOf(thread) + "\n";

const limitRows: readonly (readonly [title: string, unit: string])[] = [
  ["Max cpu time", "seconds"],
  ["Max file size", "bytes"],
  ["Max data size", "bytes"],
  ["Max stack size", "bytes"],
  ["Max core file size", "bytes"],
  ["Max resident set", "bytes"],
  ["Max processes", "processes"],
  ["Max open files", "files"],
  ["Max locked memory", "bytes"],
  ["Max address space", "bytes"],
  ["Max file locks", "locks"],
  ["Max pending signals", "signals"],
  ["Max msgqueue size", "bytes"],
  ["Max nice priority", ""],
  ["Max realtime priority", ""],
  ["Max realtime timeout", "us"],
];

export function limits(_t: Task, { process: { limits: l } }: Subject): string {
  const line = (title: string, soft: string, hard: string, unit: string) =>
    `${title.padEnd(25)} ${soft.padEnd(20)} ${hard.padEnd(20)} ${unit.padEnd(10)}\n`;
  const value = (n: number) => (n === Number.POSITIVE_INFINITY ? "unlimited" : String(n));
  const rows = limitRows.map(([title, unit], r) =>
    line(title, value(limitOf(l, r as Resource)), value(hardLimitOf(l, r as Resource)), unit),
  );
  return line("Limit", "Soft Limit", "Hard Limit", "Units") + rows.join("");
}

// ---- figures

/** What the host says of the thread that runs one of the guest's, in a file of its own; undefined where none runs it. */
function ofRunner(t: Task, { thread }: Subject, name: string): string | undefined {
  const tid = runnerNow(t.process.kernel, thread.index);
  return tid === 0 ? undefined : hostFile(`self/task/${tid}/${name}`);
}

/** Fields of stat(5) from the third on. */
const fieldsOf = (stat: string): string[] =>
  stat
    .replace(/^.*\) /s, "")
    .trimEnd()
    .split(" ");

/** The letter of a thread's state. `runner`: stat of the host's thread. */
const letterOf = (t: Task, s: Subject, runner: string | undefined) =>
  stateOf(t, s, runner === undefined ? undefined : fieldsOf(runner)[0]);

/** The status that wait would answer. */
function waitStatus({ process }: Subject): number {
  const end = exitOf(process);
  if (end === undefined) return 0;
  return "code" in end ? end.code << 8 : end.signal | (end.coreDumped ? 128 : 0);
}

/** Fields of stat(5) that are those of the host's thread: priority, nice, processor, real-time priority, policy. */
const ofHostThread = [18, 19, 39, 40, 41] as const;

export function stat(t: Task, s: Subject): string {
  const { kernel } = t.process;
  const { process, thread, whole } = s;
  const runner = ofRunner(t, s, "stat");
  const hosts = fieldsOf(runner ?? "");
  const space = spaceOf(t, s);
  const u = space && usage(space);
  const used = whole ? usageOfProcess(kernel, process.index) : usageOfThread(kernel, thread.index);
  const children = usageOfChildren(kernel, process.index);
  const session = process.i32[ProcessField.session]!;
  const [terminal, foreground] = shownTerminal(kernel, process);
  const values: Record<number, number | string> = {
    3: letterOf(t, s, runner),
    4: parentId(kernel, process),
    5: process.i32[ProcessField.group]!,
    6: session,
    7: terminal,
    8: foreground,
    9: 0x400000, // PF_RANDOMIZE
    10: used.minorFaults,
    11: children.minorFaults,
    12: used.majorFaults,
    13: children.majorFaults,
    14: ticksOf(used.user),
    15: ticksOf(used.system),
    16: ticksOf(children.user),
    17: ticksOf(children.system),
    18: 20,
    20: process.i32[ProcessField.threadCount]!,
    22: ticksOf(startOf(kernel, thread.index)),
    25:
      limitOf(process.limits, Resource.RSS) === Number.POSITIVE_INFINITY
        ? "18446744073709551615"
        : limitOf(process.limits, Resource.RSS),
    31: thread.pending.words[0]! >>> 0,
    32: thread.signals[TaskWord.blocked]! >>> 0,
    33: signalSet(s, SIG_IGN)[0] >>> 0,
    34: caughtSet(s)[0] >>> 0,
    38: whole ? process.i32[ProcessField.exitSignal]! : -1,
    52: waitStatus(s),
  };
  if (u !== undefined) {
    const [argStart, argEnd] = argStrings(process);
    const [envStart, envEnd] = envStrings(process);
    const sizes = [u.total * pageSize, u.resident];
    const addresses = [u.codeStart, u.codeEnd, u.stackTop];
    Object.assign(values, { 23: sizes[0], 24: sizes[1], 26: addresses[0], 27: addresses[1], 28: addresses[2] });
    Object.assign(values, { 47: u.brkStart, 48: argStart, 49: argEnd, 50: envStart, 51: envEnd });
  }
  for (const field of ofHostThread) values[field] ??= hosts[field - 3] ?? 0;
  if (hosts[18 - 3] !== undefined) values[18] = hosts[18 - 3]!;
  const fields = Array.from({ length: 50 }, (_, i) => String(values[i + 3] ?? 0));
  return `${thread.i32[TaskField.tid]} (${nameOf(thread)}) ${fields.join(" ")}\n`;
}

export function statm(t: Task, s: Subject): string {
  const space = spaceOf(t, s);
  if (space === undefined) return "0 0 0 0 0 0 0\n";
  const u = usage(space);
  const text = Math.ceil((u.codeEnd - u.codeStart) / pageSize);
  return `${[u.total, u.resident, u.shared, text, 0, u.data + u.stack, 0].join(" ")}\n`;
}

const ioKeys = ["rchar", "wchar", "syscr", "syscw", "read_bytes", "write_bytes", "cancelled_write_bytes"] as const;

/** What the host counts of the threads that there are. */
export function io(t: Task, s: Subject): string {
  const { kernel } = t.process;
  const tasks = s.whole ? threadsNow(kernel, s.process.index) : [s.thread.index];
  const texts = tasks.map((task) => hostFile(`self/task/${runnerNow(kernel, task)}/io`) ?? "");
  const sum = (key: string): number =>
    texts.reduce((all, text) => all + Number(new RegExp(`^${key}: (\\d+)`, "m").exec(text)?.[1] ?? 0), 0);
  return ioKeys.map((key) => `${key}: ${sum(key)}\n`).join("");
}

export const schedstat = (t: Task, s: Subject): string => ofRunner(t, s, "schedstat") ?? "0 0 0\n";

export const wchan = (t: Task, s: Subject): string =>
  letterOf(t, s, ofRunner(t, s, "stat")) === "R" ? "0" : (ofRunner(t, s, "wchan") ?? "0");

/** Children that the thread has made; those of threads that have ended are another's. */
export const children = (t: Task, { process, thread }: Subject): string =>
  withLock(t.process.kernel.tasksLock, () => [...childrenHeld(t.process.kernel, process)])
    .filter(({ i32 }) => i32[ProcessField.maker] === thread.index + 1)
    .map(({ i32 }) => `${i32[ProcessField.pid]} `)
    .join("");

type Set64 = readonly [lo: number, hi: number];
const hex64 = ([lo, hi]: Set64): string => [hi, lo].map((w) => (w >>> 0).toString(16).padStart(8, "0")).join("");

function collect(wanted: (signo: number) => boolean): Set64 {
  const words: [number, number] = [0, 0];
  for (let signo = 1; signo <= 64; signo++) if (wanted(signo)) words[(signo - 1) >> 5]! |= 1 << ((signo - 1) & 31);
  return words;
}
const signalSet = ({ process }: Subject, handler: typeof SIG_DFL | typeof SIG_IGN): Set64 =>
  collect((signo) => handlerIs(process, signo, handler));
const caughtSet = ({ process }: Subject): Set64 =>
  collect((signo) => !handlerIs(process, signo, SIG_DFL) && !handlerIs(process, signo, SIG_IGN));

/** Lines of status about memory. */
const memoryLines = (u: SpaceUsage): Readonly<Record<string, string>> => ({
  VmPeak: kib(u.peak * pageSize),
  VmSize: kib(u.total * pageSize),
  VmLck: kib(u.locked * pageSize),
  VmPin: kib(0),
  VmHWM: kib(u.resident * pageSize),
  VmRSS: kib(u.resident * pageSize),
  RssAnon: kib((u.resident - u.shared) * pageSize),
  RssFile: kib(u.shared * pageSize),
  RssShmem: kib(0),
  VmData: kib(u.data * pageSize),
  VmStk: kib(u.stack * pageSize),
  VmExe: kib(u.codeEnd - u.codeStart),
  VmLib: kib(u.library * pageSize),
  VmPTE: kib(0),
  VmSwap: kib(0),
});

export function status(t: Task, s: Subject): string {
  const { kernel } = t.process;
  const { process, thread } = s;
  const { i32, attributes } = process;
  const tables = tablesOf(t, s);
  const space = spaceOf(t, s);
  const letter = letterOf(t, s, ofRunner(t, s, "stat"));
  const id = (...words: readonly number[]) => words.map((word) => attributes[word]! >>> 0).join("\t");
  const groups = new Uint32Array(tables?.groups.slice(0, attributes[Attr.groupCount]!) ?? []);
  const slots = tables === undefined ? -1 : (openFds(tables.fds).at(-1) ?? 0);
  const queued = queuedCount(t.process.signals.pool, attributes[Attr.ruid]! >>> 0);
  const pair = (words: Int32Array, at = 0): Set64 => [words[at]!, words[at + 1]!];
  const [pid, tid] = [i32[ProcessField.pid]!, thread.i32[TaskField.tid]!];
  const values: Readonly<Record<string, string>> = {
    Name: nameOf(thread).replaceAll("\\", "\\\\").replaceAll("\n", "\\n"),
    Umask: "0" + (tables?.files.words[FsWord.umask] ?? 0).toString(8).padStart(3, "0"),
    State: `${letter} (${stateNames[letter]})`,
    Tgid: String(pid),
    Pid: String(tid),
    PPid: String(parentId(kernel, process)),
    TracerPid: String(tracerOf(t.process.kernel, s.thread)?.i32[TaskField.tid] ?? 0),
    Uid: id(Attr.ruid, Attr.euid, Attr.suid, Attr.fsuid),
    Gid: id(Attr.rgid, Attr.egid, Attr.sgid, Attr.fsgid),
    FDSize: String(Math.ceil((slots + 1) / 64) * 64),
    Groups: groups.join(" ") + " ",
    NStgid: String(pid),
    NSpid: String(tid),
    NSpgid: String(i32[ProcessField.group]),
    NSsid: String(i32[ProcessField.session]),
    Threads: String(i32[ProcessField.threadCount]),
    SigQ: `${queued}/${limitOf(process.limits, Resource.SIGPENDING)}`,
    SigPnd: hex64(pair(thread.pending.words)),
    ShdPnd: hex64(pair(process.pending.words)),
    SigBlk: hex64(pair(thread.signals, TaskWord.blocked)),
    SigIgn: hex64(signalSet(s, SIG_IGN)),
    SigCgt: hex64(caughtSet(s)),
    NoNewPrivs: String(attributes[Attr.noNewPrivs]! >>> 0),
    ...(space && memoryLines(usage(space))),
  };
  // The rest is what the host says of its own thread.
  const model = ofRunner(t, s, "status") ?? hostFile("self/status") ?? "";
  const lines = model.split("\n").map((line) => {
    const key = line.slice(0, Math.max(0, line.indexOf(":")));
    return Object.hasOwn(values, key) ? `${key}:\t${values[key]}` : line;
  });
  const left = space === undefined ? /^(x86_|untag_mask|Vm|Rss|Umask|HugetlbPages)/ : /^(x86_|untag_mask)/;
  return lines.filter((line) => !left.test(line)).join("\n");
}

// ---- descriptors

/** The host's, with the guest's flags; the files that an epoll set watches are left out, as they have host numbers. */
export function fdinfo(t: Task, s: Subject, fd: number): string {
  const fds = tablesOf(t, s)?.fds;
  if (fds === undefined) return "";
  const own = fdKind(fds, fd) === FdKind.process ? pidText(t, fdData(fds, fd)) : "";
  const lines = ((hostFile(`self/fdinfo/${hostFd(fds, fd)}`) ?? "") + own).split("\n");
  const flags = (octal: string) =>
    ((toGuestFlags(Number.parseInt(octal, 8)) & ~O.CLOEXEC) | (closeOnExec(fds, fd) ? O.CLOEXEC : 0)).toString(8);
  return lines
    .filter((line) => !line.startsWith("tfd:"))
    .map((line) => line.replace(/^(flags:\t)(\d+)$/, (_, key: string, value: string) => key + "0" + flags(value)))
    .join("\n");
}

/** Which process a descriptor stands for; -1 where it was waited for. */
function pidText({ process: { kernel } }: Task, name: number): string {
  const pid = processNamed(kernel, name)?.i32[ProcessField.pid] ?? -1;
  return `Pid:\t${pid}\nNSpid:\t${pid}\n`;
}
