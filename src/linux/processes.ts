// Records of guest processes in the kernel's buffer: what is asked of a process by others, and what its threads share
// beside its memory, descriptors and working directory. A process is found by its index, or by its id among all that live.
import type { Attributes } from "./attributes.ts";
import { errno } from "./errno.ts";
import { accountWords, Header, type Kernel, sections } from "./kernel.ts";
import type { Limits } from "./limits.ts";
import { findRecord, freeRecord, getField, State, setField, type Table, takeRecord, wordOf } from "./records.ts";
import { infoWords, type SigInfo } from "./siginfo.ts";
import type { PendingSet } from "./signal-queue.ts";
import type { Exit } from "./task.ts";

/** Words of a record. */
export const ProcessField = {
  /** See `State`. */
  state: 0,
  pid: 1,
  /** Indices + 1 of its parent, its first child, and its parent's next child. */
  parent: 2,
  firstChild: 3,
  nextSibling: 4,
  group: 5,
  session: 6,
  tty: 7,
  /** Indices + 1 of the first of its threads and of its leader; how many threads there are. */
  threads: 8,
  threadCount: 9,
  leader: 10,
  /** 0 while it runs, else how it ended: see `setExit`. */
  exit: 11,
  /** The signal that its parent gets. */
  exitSignal: 13,
  /** Bits of `StopState`; the signal that stops it. */
  stopState: 14,
  stopSignal: 15,
  flags: 16,
  generation: 17,
  /** Slot of the worker that owns its memory: workers.ts. */
  space: 21,
  /** Guest addresses, two words each: the code that calls rt_sigreturn; where argument and environment strings begin and end. */
  trampoline: 22,
  argStart: 24,
  argEnd: 26,
  envStart: 28,
  envEnd: 30,
  /** float64: host address of guest address 0; CLOCK_BOOTTIME at the start in seconds. */
  hostBase: 32,
  started: 34,
  /** Index + 1 of the thread that took a signal of the process last. */
  signalThread: 40,
  /** Bytes of `auxv` and `exe`. */
  auxvLength: 42,
  exeLength: 43,
  /** Words of `Attr`. */
  attributes: 48,
  /** As limits.ts has them. */
  limits: 72,
  /** As signals.ts has them. */
  actions: 136,
  /** What is pending for the process. */
  pendingSet: 528,
  /** The auxiliary vector as it stands on the stack: 704 bytes. */
  auxv: 660,
  /** Of the first thread that took a deadly signal: 1; slot of the owner of its memory; its pc, two words; the siginfo. */
  death: 836,
  deathSpace: 837,
  deathPc: 838,
  deathInfo: 840,
  /** Index + 1 of its parent's thread that made it. */
  maker: 852,
  /** How often it has executed a program, and how often its parent had when that made it. */
  execs: 853,
  parentExecs: 854,
  /** How often it had when it was forked itself. */
  birthExecs: 859,
  /** Threads that have still to stop. */
  stopsLeft: 855,
  /** Host descriptors + 1 of a pipe that is readable when it has ended, and has no writer when it was waited for: pidfds are its readers. */
  endRead: 856,
  endWrite: 857,
  /** Index + 1 of its thread that is about to execute a program, and waits for the end of the others. */
  executor: 858,
  /** Numbers of the tables of its first thread, or of another when that has ended; -1 where none is left: thread-tables.ts. */
  fdsTable: 900,
  filesTable: 901,
  /** Threads that it has, or that have still to give back what they used of it: exit.ts. */
  runners: 902,
  /** Index + 1 of the thread of another that sleeps until this one executes a program or ends: vfork. */
  vforkParent: 903,
  /** The group that was in the foreground of the terminal which it, the leader of a session, has lost by a hang-up. */
  lostForeground: 904,
  /** Whether some thread of it has had tables of its own. */
  apart: 905,
  /** Index + 1 of the process that keeps its actions, 0 for itself; whether it may keep those of others: sighand.ts. */
  actionsOf: 906,
  keepsActions: 907,
  /** float64: host addresses of the parts of its list of mappings, as `RemoteSpace` has them. */
  mappings: 960,
  /** Pages with code that others have written to: how many ranges, and each range: remote-memory.ts. */
  written: 968,
  /** Guest path of the program that runs: 4096 bytes of latin1. */
  exe: 1024,
  words: 2048,
} as const;

export const mostProcesses = 512;
/** The first process of a kernel: it was not forked, and its record is kept when it has ended. */
export const firstProcess = 0;

export const processTable: Table = {
  section: sections.processes,
  words: ProcessField.words,
  most: mostProcesses,
  hint: Header.processHint,
  used: Header.usedProcesses,
  generation: ProcessField.generation,
  accounts: sections.processAccounts,
  accountWords: accountWords.process,
};

/** Views of a record. */
export interface ProcessRecord {
  readonly index: number;
  readonly i32: Int32Array;
  readonly f64: Float64Array;
  readonly u8: Buffer;
  readonly limits: Limits;
  readonly attributes: Attributes["words"];
  /** The actions of ProcessSignals: its own, or those of the process that keeps them. */
  readonly actions: Int32Array;
  readonly ownActions: Int32Array;
  readonly pending: PendingSet;
}

/** The record of that index: the same object each time. */
export const processAt = (k: Kernel, index: number): ProcessRecord => (k.processes[index] ??= viewsOf(k, index));

function viewsOf(k: Kernel, index: number): ProcessRecord {
  const at = wordOf(processTable, index);
  const i32 = k.i32.subarray(at, at + ProcessField.words);
  const words = (from: number, to: number): Int32Array => i32.subarray(from, to);
  const ownActions = words(ProcessField.actions, ProcessField.pendingSet);
  const limits = words(ProcessField.limits, ProcessField.actions);
  return {
    index,
    i32,
    f64: k.f64.subarray(at / 2, (at + ProcessField.words) / 2),
    u8: Buffer.from(k.buffer, at * 4, ProcessField.words * 4),
    limits: { words: new Uint32Array(k.buffer, limits.byteOffset, limits.length) },
    attributes: words(ProcessField.attributes, ProcessField.limits),
    get actions() {
      const keeper = i32[ProcessField.actionsOf]!;
      return keeper === 0 ? ownActions : processAt(k, keeper - 1).ownActions;
    },
    ownActions,
    pending: { words: words(ProcessField.pendingSet, ProcessField.auxv) },
  };
}

/** Takes a free record for a process of that id and answers its index; -EAGAIN where none is left. It lives from its first thread on. */
export function allocateProcess(k: Kernel, pid: number): number {
  const index = takeRecord(k, processTable);
  if (index < 0) return -errno.EAGAIN;
  processAt(k, index).i32[ProcessField.pid] = pid;
  return index;
}

export const freeProcess = (k: Kernel, index: number): void => freeRecord(k, processTable, index);

/** The index of the process that has this id. */
export function findProcess(k: Kernel, pid: number): number | undefined {
  const index = findRecord(k, processTable, ProcessField.pid, pid);
  return index < 0 || processAt(k, index).i32[ProcessField.state]! < State.live ? undefined : index;
}

/** All processes that there are, zombies and such as are being made with them. */
export function* allProcesses(k: Kernel): Generator<ProcessRecord> {
  const used = Atomics.load(k.i32, Header.usedProcesses);
  for (let index = 0; index < used; index++) {
    const { i32 } = processAt(k, index);
    if (Atomics.load(i32, ProcessField.state) !== State.free && i32[ProcessField.pid] !== 0) yield processAt(k, index);
  }
}

/** The members of a process group, by who has the tasks lock. */
export const groupHeld = (k: Kernel, group: number): ProcessRecord[] =>
  [...allProcesses(k)].filter(({ i32 }) => i32[ProcessField.group] === group);

// ---- the end

// Bits of the word `exit`, which is written once: that it is set, what the low byte is, and the byte.
const isSet = 1 << 10;
const bySignal = 1 << 9;
const dumped = 1 << 8;

/** How the process ended; undefined while it runs. */
export function exitOf({ i32 }: ProcessRecord): Exit | undefined {
  const word = i32[ProcessField.exit]!;
  if (word === 0) return undefined;
  return word & bySignal ? { signal: word & 127, coreDumped: (word & dumped) !== 0 } : { code: word & 255 };
}

/** The first end counts. False where there was one before. */
export function setExit({ i32 }: ProcessRecord, end: Exit): boolean {
  const word = "code" in end ? end.code & 255 : bySignal | end.signal | (end.coreDumped ? dumped : 0);
  return Atomics.compareExchange(i32, ProcessField.exit, 0, isSet | word) === 0;
}

// ---- what runs in it

const exeBytes = (ProcessField.words - ProcessField.exe) * 4;
const auxvBytes = 704;

/** Guest path of the program's file, latin1. */
export const exeOf = ({ i32, u8 }: ProcessRecord): string =>
  u8.toString("latin1", ProcessField.exe * 4, ProcessField.exe * 4 + i32[ProcessField.exeLength]!);

export function setExe({ i32, u8 }: ProcessRecord, path: string): void {
  i32[ProcessField.exeLength] = u8.write(path, ProcessField.exe * 4, exeBytes, "latin1");
}

/** The auxiliary vector: a copy. */
export const auxvOf = ({ i32, u8 }: ProcessRecord): Uint8Array =>
  new Uint8Array(u8.subarray(ProcessField.auxv * 4, ProcessField.auxv * 4 + i32[ProcessField.auxvLength]!));

export function setAuxv({ i32, u8 }: ProcessRecord, vector: Uint8Array): void {
  const kept = vector.subarray(0, auxvBytes);
  u8.set(kept, ProcessField.auxv * 4);
  i32[ProcessField.auxvLength] = kept.length;
}

/** Says where the strings of a program's arguments and environment lie: `[start, end)`, guest addresses. */
export function setStrings(
  r: ProcessRecord,
  args: readonly [start: number, end: number],
  env: readonly [start: number, end: number],
): void {
  setField(r, ProcessField.argStart, args[0]);
  setField(r, ProcessField.argEnd, args[1]);
  setField(r, ProcessField.envStart, env[0]);
  setField(r, ProcessField.envEnd, env[1]);
}

/** `[start, end)` of the strings of its arguments. */
export const argStrings = (r: ProcessRecord): readonly [start: number, end: number] => [
  getField(r, ProcessField.argStart),
  getField(r, ProcessField.argEnd),
];

/** The same of its environment. */
export const envStrings = (r: ProcessRecord): readonly [start: number, end: number] => [
  getField(r, ProcessField.envStart),
  getField(r, ProcessField.envEnd),
];

/** How a thread stood that took a deadly signal. */
export interface TakenDeath {
  /** Two words. */
  readonly pc: Int32Array;
  readonly info: SigInfo;
  /** The slot of its memory's owner. */
  readonly space: number;
}

/** Notes that a thread takes a deadly signal, at that pc. The first counts. */
export function noteDeath({ i32 }: ProcessRecord, { pc, info }: Omit<TakenDeath, "space">): void {
  if (Atomics.compareExchange(i32, ProcessField.death, 0, 1) !== 0) return;
  i32[ProcessField.deathSpace] = i32[ProcessField.space]!;
  i32.set(pc, ProcessField.deathPc);
  i32.set(info, ProcessField.deathInfo);
}

/** Of the thread that took a deadly signal; undefined where none did. */
export function deathOf({ i32 }: ProcessRecord): TakenDeath | undefined {
  if (Atomics.load(i32, ProcessField.death) === 0) return undefined;
  const [pc, at] = [ProcessField.deathPc, ProcessField.deathInfo];
  return { pc: i32.slice(pc, pc + 2), info: i32.slice(at, at + infoWords), space: i32[ProcessField.deathSpace]! };
}
