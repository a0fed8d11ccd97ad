// The texts of the files below /proc that show a guest process, in the layout of proc(5). Each is made when its file is
// opened. Where the guest has nothing of its own (sessions, terminals, times), the emulator's figures are its figures.
import { readHostFile } from "../host/file.ts";
import { accessibleLength, latin1, Page, pageSize } from "../memory/guest-memory.ts";
import { mapsText, usage } from "../memory/maps.ts";
import { Attr, attribute } from "./attributes.ts";
import { closeOnExec, hostFd, openFds } from "./fds.ts";
import { FsWord } from "./file-system.ts";
import { isaString } from "./hwcap.ts";
import { hardLimitOf, type Limits, limitOf, type Resource } from "./limits.ts";
import { O, toGuestFlags } from "./open-flags.ts";
import { argStrings, envStrings } from "./processes.ts";
import { queuedCount } from "./signal-queue.ts";
import { handlerIs, SIG_DFL, SIG_IGN, TaskWord } from "./signals.ts";
import type { Task } from "./task.ts";

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

export const maps = (t: Task): string => mapsText(t.process.space);

/** What can be read of `[start, end)`. */
function textBetween({ memory }: Task, start: number, end: number): string {
  const length = accessibleLength(memory, start, Math.max(0, end - start), Page.read);
  return latin1(memory.u8.subarray(start, start + length));
}

/**
 * The strings that the program began with as its arguments, as they are in its memory now. Where the last byte is no NUL,
 * the program has put a title of its own there, which may be longer: Linux sees it so.
 */
export function cmdline(t: Task): string {
  const [start, end] = argStrings(t.process.record);
  const args = textBetween(t, start, end);
  if (args.length < end - start || args === "" || args.endsWith("\0")) return args;
  const title = textBetween(t, start, start + pageSize);
  return title.slice(0, title.indexOf("\0") + 1 || title.length);
}

export const environ = (t: Task): string => textBetween(t, ...envStrings(t.process.record));

export const personality = (t: Task): string =>
  attribute(t.process.attributes, Attr.personality).toString(16).padStart(8, "0") + "\n";

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

export function limits(l: Limits): string {
  const line = (title: string, soft: string, hard: string, unit: string) =>
    `${title.padEnd(25)} ${soft.padEnd(20)} ${hard.padEnd(20)} ${unit.padEnd(10)}\n`;
  const value = (n: number) => (n === Number.POSITIVE_INFINITY ? "unlimited" : String(n));
  const rows = limitRows.map(([title, unit], r) =>
    line(title, value(limitOf(l, r as Resource)), value(hardLimitOf(l, r as Resource)), unit),
  );
  return line("Limit", "Soft Limit", "Hard Limit", "Units") + rows.join("");
}

/** Numbers of stat(5)'s fields from the third on, as the host shows the emulator. */
const hostStat = (): string[] =>
  (hostFile("self/stat") ?? "")
    .replace(/^.*\) /s, "")
    .trimEnd()
    .split(" ");

export function stat(t: Task): string {
  const fields = hostStat();
  const u = usage(t.process.space);
  const set = (field: number, value: number | string) => {
    fields[field - 3] = String(value);
  };
  set(3, "R");
  set(20, 1); // num_threads
  set(23, u.total * pageSize);
  set(24, u.resident);
  set(26, u.codeStart);
  set(27, u.codeEnd);
  set(28, u.stackTop);
  for (const unused of [29, 30, 35]) set(unused, 0);
  for (const [field, word] of [
    [31, t.signals.pending.words[0]!],
    [32, t.signals.words[TaskWord.blocked]!],
    [33, signalSet(t, SIG_IGN)[0]],
    [34, caughtSet(t)[0]],
  ] as const)
    set(field, word >>> 0);
  for (let field = 45; field <= 51; field++) set(field, 0);
  return `${t.process.pid} (${t.name}) ${fields.join(" ")}\n`;
}

export function statm(t: Task): string {
  const u = usage(t.process.space);
  const text = Math.ceil((u.codeEnd - u.codeStart) / pageSize);
  return `${[u.total, u.resident, u.shared, text, 0, u.data + u.stack, 0].join(" ")}\n`;
}

type Set64 = readonly [lo: number, hi: number];
const hex64 = ([lo, hi]: Set64): string => [hi, lo].map((w) => (w >>> 0).toString(16).padStart(8, "0")).join("");

function collect(wanted: (signo: number) => boolean): Set64 {
  const words: [number, number] = [0, 0];
  for (let signo = 1; signo <= 64; signo++) if (wanted(signo)) words[(signo - 1) >> 5]! |= 1 << ((signo - 1) & 31);
  return words;
}
const signalSet = (t: Task, handler: typeof SIG_DFL | typeof SIG_IGN): Set64 =>
  collect((signo) => handlerIs(t.process.signals, signo, handler));
const caughtSet = (t: Task): Set64 =>
  collect((signo) => !handlerIs(t.process.signals, signo, SIG_DFL) && !handlerIs(t.process.signals, signo, SIG_IGN));

export function status(t: Task): string {
  const { process } = t;
  const u = usage(process.space);
  const id = (...words: readonly number[]) => words.map((word) => attribute(process.attributes, word)).join("\t");
  const groups = new Uint32Array(process.attributes.groups.slice(0, attribute(process.attributes, Attr.groupCount)));
  const slots = openFds(process.fds).at(-1) ?? 0;
  const queued = queuedCount(process.signals.pool, attribute(process.attributes, Attr.ruid));
  const pair = (words: Int32Array, at = 0): Set64 => [words[at]!, words[at + 1]!];
  const values: Readonly<Record<string, string>> = {
    Name: t.name.replaceAll("\\", "\\\\").replaceAll("\n", "\\n"),
    Umask: "0" + process.files.words[FsWord.umask]!.toString(8).padStart(3, "0"),
    State: "R (running)",
    Tgid: String(process.pid),
    Pid: String(t.tid),
    Uid: id(Attr.ruid, Attr.euid, Attr.suid, Attr.fsuid),
    Gid: id(Attr.rgid, Attr.egid, Attr.sgid, Attr.fsgid),
    FDSize: String(Math.ceil((slots + 1) / 64) * 64),
    Groups: groups.join(" ") + " ",
    NStgid: String(process.pid),
    NSpid: String(t.tid),
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
    Threads: "1",
    SigQ: `${queued}/${limitOf(process.limits, 11)}`,
    SigPnd: hex64(pair(t.signals.pending.words)),
    ShdPnd: hex64(pair(process.signals.pending.words)),
    SigBlk: hex64(pair(t.signals.words, TaskWord.blocked)),
    SigIgn: hex64(signalSet(t, SIG_IGN)),
    SigCgt: hex64(caughtSet(t)),
    NoNewPrivs: String(attribute(process.attributes, Attr.noNewPrivs)),
  };
  const lines = (hostFile("self/status") ?? "").split("\n").map((line) => {
    const key = line.slice(0, Math.max(0, line.indexOf(":")));
    return Object.hasOwn(values, key) ? `${key}:\t${values[key]}` : line;
  });
  return lines.filter((line) => !/^(x86_|untag_mask)/.test(line)).join("\n");
}

/** The host's, with the guest's flags; the files that an epoll set watches are left out, as they have host numbers. */
export function fdinfo(t: Task, fd: number): string {
  const { fds } = t.process;
  const lines = (hostFile(`self/fdinfo/${hostFd(fds, fd)}`) ?? "").split("\n");
  const flags = (octal: string) =>
    ((toGuestFlags(Number.parseInt(octal, 8)) & ~O.CLOEXEC) | (closeOnExec(fds, fd) ? O.CLOEXEC : 0)).toString(8);
  return lines
    .filter((line) => !line.startsWith("tfd:"))
    .map((line) => line.replace(/^(flags:\t)(\d+)$/, (_, key: string, value: string) => key + "0" + flags(value)))
    .join("\n");
}
