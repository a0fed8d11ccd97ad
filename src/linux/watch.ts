// Watches guests: a trace of system calls, a log of what happens inside, figures. Made of the plain options that every worker
// has, so each thread of each process is watched in the same way. Loaded where something is to be watched.
import type { CacheFigures } from "../../jit/tiers.ts";
import { Cause, getPc, hart } from "../cpu/hart.ts";
import type { ProcessSymbols } from "../elf/images.ts";
import { listingHead, listingLine } from "../isa/riscv/disassemble.ts";
import { lengthOf } from "../isa/riscv/encoding.ts";
import { mapsText } from "../memory/maps.ts";
import type { EngineOptions } from "./bundle.ts";
import { addCodeFigures, countCalls } from "./call-figures.ts";
import type { CallWatcher } from "./dispatch.ts";
import type { Kernel } from "./kernel.ts";
import { placeAmong, symbolsOf } from "./process-symbols.ts";
import { type SigInfo, signalName } from "./siginfo.ts";
import { traceCalls, traceExit, traceSignal } from "./strace.ts";
import type { Exit, Process, Task } from "./task.ts";
import { type Transcript, transcriptOn } from "./transcript.ts";

/** Is told of what a thread does. All but `decoded` are called outside of guest code. */
export interface Watcher {
  /** The thread begins on this worker. */
  readonly begin: (t: Task) => void;
  readonly calls: CallWatcher | undefined;
  /** A system call has no row; its number was not seen before. `last`: no others are told of. */
  readonly unknownCall: (t: Task, nr: number, last: boolean) => void;
  /** A trap other than a system call, before its signal. */
  readonly trap: (t: Task, cause: Cause, info: SigInfo) => void;
  /** A signal is about to be handled, or to do what its default is. */
  readonly signal: (t: Task, info: SigInfo) => void;
  /** The thread ends, while its record is still its own. */
  readonly end: (t: Task, end: Exit) => void;
  /** An instruction is decoded for the thread that began on this worker last; undefined where nobody wants to know. */
  readonly decoded: ((pc: number, bits: number) => void) | undefined;
  /** This worker has run a thread to its end, and keeps so much compiled code. */
  readonly ran: (code: Readonly<CacheFigures> | undefined) => void;
}

/** What watches guests in this worker. Undefined where nothing is to be watched. */
export function makeWatcher(kernel: Kernel, { trace, log, stats }: EngineOptions): Watcher | undefined {
  if (trace === undefined && !stats && (log?.items.length ?? 0) === 0) return undefined;
  const traced = trace === undefined ? undefined : transcriptOn(kernel, trace);
  const logged = log === undefined ? undefined : transcriptOn(kernel, log.fd);
  const item = (name: string): Transcript | undefined => (log?.items.includes(name) ? logged : undefined);
  const [int, page, unimp, code] = [item("int"), item("page"), item("unimp"), item("in_asm")];
  const maps = page && logMaps(page);
  let current: Task | undefined;
  const decoded =
    code &&
    logCode(
      (text) => current && code.say(current, text),
      (pc) => current && placeOf(current.process, pc),
    );
  return {
    begin: (t) => {
      current = t;
      traced?.forget(t);
      maps?.begin(t);
    },
    calls: together([
      ...(traced ? [traceCalls(traced)] : []),
      ...(maps ? [maps] : []),
      ...(stats ? [countCalls(kernel)] : []),
    ]),
    unknownCall: (t, nr, last) => {
      unimp?.say(t, `system call ${nr} is not implemented${last ? "\nfurther numbers are not named" : ""}`);
    },
    trap: (t, cause, info) => int?.say(t, trapLine(t, cause, info)),
    signal: (t, info) => traced?.say(t, traceSignal(info)),
    end: (t, end) => {
      traced?.forget(t);
      traced?.say(t, traceExit(end));
    },
    decoded,
    ran: (code) => {
      if (stats) addCodeFigures(kernel, code);
    },
  };
}

// ---- places

const symbols = new WeakMap<Process, ProcessSymbols>();

/** An address as `main+0x1c`; undefined where no symbol is near. */
function placeOf(process: Process, pc: number): string | undefined {
  let own = symbols.get(process);
  if (own === undefined) symbols.set(process, (own = symbolsOf(process)));
  return placeAmong(own, pc);
}

// ---- the items of the log

const changesMap: ReadonlySet<string> = new Set([
  "brk",
  "execve",
  "execveat",
  "mmap",
  "munmap",
  "mremap",
  "mprotect",
  "shmat",
  "shmdt",
]);

/** Writes the memory map of a process when that begins, and again after each system call that changed it. */
function logMaps(to: Transcript): CallWatcher & Pick<Watcher, "begin"> {
  const before = new WeakMap<Task, string>();
  const mapsOf = (t: Task): string => mapsText(t.process.space).trimEnd();
  return {
    begin: (t) => {
      if (t.tid === t.process.pid) to.say(t, `page map:\n${mapsOf(t)}`);
    },
    enter: (t, row) => {
      if (row !== undefined && changesMap.has(row.name)) before.set(t, mapsOf(t));
    },
    leave: (t, row, _nr, _raw, result) => {
      if (row === undefined || result < 0 || !changesMap.has(row.name)) return;
      const now = mapsOf(t);
      if (now !== before.get(t)) to.say(t, `page map after ${row.name}:\n${now}`);
    },
  };
}

/**
 * Writes instructions as they are decoded, in objdump's form, with a heading where they do not follow the one before.
 * `symbolize` names addresses.
 */
function logCode(write: (text: string) => void, symbolize: (address: number) => string | undefined) {
  let next = -1;
  return (pc: number, bits: number): void => {
    const head = pc === next ? "" : `\n${listingHead(pc, symbolize(pc) ?? "?")}\n`;
    write(head + listingLine(bits, pc, { aliases: true, symbolize }));
    next = pc + lengthOf(bits);
  };
}

const causeNames = new Map<number, string>(Object.entries(Cause).map(([name, n]) => [n, name]));

function trapLine(t: Task, cause: Cause, info: SigInfo): string {
  const hex = (n: number): string => "0x" + n.toString(16);
  const tval = (t.hart.i32[hart.tval + 1]! >>> 0) * 2 ** 32 + (t.hart.i32[hart.tval]! >>> 0);
  const pc = getPc(t.hart);
  const where = placeOf(t.process, pc);
  const at = `${hex(pc)}${where === undefined ? "" : ` <${where}>`}`;
  return `trap: ${causeNames.get(cause) ?? cause} at ${at}, tval ${hex(tval)}: ${signalName(info[0]!)}`;
}

/** One watcher that does what all do; undefined where there are none. */
function together(watchers: readonly CallWatcher[]): CallWatcher | undefined {
  if (watchers.length < 2) return watchers[0];
  return {
    enter: (...of) => {
      for (const w of watchers) w.enter(...of);
    },
    leave: (...of) => {
      for (const w of watchers) w.leave(...of);
    },
  };
}
