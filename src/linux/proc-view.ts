// What /proc can know of a guest process or thread, of the one that asks or of another: its records, the tables that all workers
// can reach, and its memory, which another's is read by host address.
import type { AddressSpace } from "../memory/address-space.ts";
import { accessibleLength, latin1, Page } from "../memory/guest-memory.ts";
import { type RemoteSpace, readRemote, remoteCopy } from "../memory/remote.ts";
import { runnerNow } from "./accounting.ts";
import { Attr, privileged } from "./attributes.ts";
import { attachFdTable, type FdTable } from "./fds.ts";
import { attachFileSystem, type FileSystem } from "./file-system.ts";
import { Place } from "./place.ts";
import { ProcessField, type ProcessRecord } from "./processes.ts";
import { isTraceStopped } from "./ptrace.ts";
import { State } from "./records.ts";
import { isStopped } from "./stops.ts";
import { wordsOf } from "./tables.ts";
import type { Task } from "./task.ts";
import { TaskField, type TaskRecord } from "./tasks.ts";

/** What files below /proc are about: a guest process, or one of its threads. */
export interface Subject {
  readonly process: ProcessRecord;
  /** The thread; of a process the leader, or the one that was named. */
  readonly thread: TaskRecord;
  /** Whether they are about the process as a whole. */
  readonly whole: boolean;
}

export const isOwn = (t: Task, { process }: Subject): boolean => process === t.process.record;

/** Whether it has ended, and was not waited for yet. */
export const isZombie = ({ process: { i32 } }: Subject): boolean => i32[ProcessField.state] === State.zombie;

// ---- memory

/** Where the memory of a process lies. */
export function remoteSpaceOf({ f64 }: ProcessRecord): RemoteSpace {
  const [head = 0, records = 0, files = 0, names = 0] = f64.subarray(ProcessField.mappings / 2);
  return { hostBase: f64[ProcessField.hostBase / 2]!, head, records, files, names };
}

/** Whether the process has the same memory as the one that asks. */
export const sharesMemory = ({ process }: Task, { f64 }: ProcessRecord): boolean =>
  f64[ProcessField.hostBase / 2] === process.memory.hostBase;

/** The mappings of a process, to be looked at; undefined where it has no memory any more. */
export function spaceOf(t: Task, s: Subject): AddressSpace | undefined {
  if (isZombie(s)) return undefined;
  return sharesMemory(t, s.process) ? t.process.space : remoteCopy(remoteSpaceOf(s.process));
}

/** What can be read of `[start, end)` of its memory, latin1. */
export function textBetween(t: Task, s: Subject, start: number, end: number): string {
  const length = Math.max(0, end - start);
  if (isZombie(s)) return "";
  if (!sharesMemory(t, s.process)) return latin1(readRemote(remoteSpaceOf(s.process), start, length));
  return latin1(t.memory.u8.subarray(start, start + accessibleLength(t.memory, start, length, Page.read)));
}

// ---- descriptors and directories

/** Tables of a process. */
export interface Tables {
  readonly fds: FdTable;
  readonly files: FileSystem;
  readonly groups: Int32Array;
}

/** The tables of a process; undefined where it has none any more. */
export function tablesOf(t: Task, s: Subject): Tables | undefined {
  if (isZombie(s)) return undefined;
  if (s.thread === t.record) return { fds: t.process.fds, files: t.process.files, groups: t.process.attributes.groups };
  const { tables } = t.process.site.bundle;
  const [fds, files] = [s.thread.i32[TaskField.fdsTable]! - 1, s.thread.i32[TaskField.filesTable]! - 1];
  if (fds < 0 || files < 0) return undefined;
  return {
    fds: attachFdTable(wordsOf(tables, "fds", fds)),
    files: attachFileSystem(wordsOf(tables, "files", files)),
    groups: wordsOf(tables, "groups", s.process.index),
  };
}

// ---- rights

/** Whether the thread may look into the process: PTRACE_MODE_READ_FSCREDS of ptrace(2). */
export function mayLook(t: Task, { process }: Subject): boolean {
  if (process === t.process.record || privileged(t.process.attributes)) return true;
  const [own, its] = [t.process.attributes.words, process.attributes];
  const same = (id: number, first: number): boolean => [0, 1, 2].every((i) => its[first + i] === id);
  return same(own[Attr.fsuid]!, Attr.ruid) && same(own[Attr.fsgid]!, Attr.rgid) && its[Attr.dumpable] === 1;
}

// ---- states

/** What a thread does, by the letter of proc(5). `hostLetter`: what the host says of its own thread. */
export function stateOf(t: Task, s: Subject, hostLetter: string | undefined): "R" | "S" | "D" | "T" | "t" | "Z" {
  const { thread } = s;
  if (isZombie(s) || thread.i32[TaskField.state] === State.zombie) return "Z";
  if (thread === t.record) return "R";
  if (isTraceStopped(thread)) return "t";
  if (isStopped(thread)) return "T";
  // It waits for another that runs in its place, or has not begun.
  if (runnerNow(t.process.kernel, thread.index) === 0) return thread.i32[TaskField.place] === Place.guest ? "R" : "D";
  if (thread.i32[TaskField.place]! < Place.host) return "R";
  return hostLetter === "R" || hostLetter === "D" ? hostLetter : "S";
}

export const stateNames = {
  R: "running",
  S: "sleeping",
  D: "disk sleep",
  T: "stopped",
  t: "tracing stop",
  Z: "zombie",
} as const;
