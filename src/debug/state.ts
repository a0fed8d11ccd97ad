// What guest threads and the thread that speaks with a debugger know in common: words in shared memory. Head and records
// of threads are changed with the debug lock held, but where a word says otherwise; breakpoints are read without a lock
// (breakpoints.ts). It knows no packet and no instruction.
//
// The debug lock serializes stops: a thread takes it to say why it stopped, so that events have one order, and whoever
// resumes threads takes it to do so. Nothing is waited for with it but the locks of the kernel's tables.
import { unpark } from "../host/park.ts";
import { addressOf, host } from "../host/syscall.ts";
import { mostProcesses } from "../linux/processes.ts";
import type { Exit } from "../linux/task.ts";
import { mostTasks } from "../linux/tasks.ts";
import type { Mutex } from "../sync/mutex.ts";
import { type BreakpointTable, type ChangeOptions, newBreakpoints } from "./breakpoints.ts";

/** Words of the head. Those of the first group are atomic. */
export const Head = {
  lock: 0,
  /** Counts changes that threads have to look at before they run guest code. Wraps. */
  epoch: 1,
  /** 1 while all threads are to stop, and new ones do not begin. */
  halted: 2,
  /** 1 while there is a debugger: else threads stop for nothing but `halted`. */
  attached: 3,
  /** Counts events that the stub has not been told of otherwise. Wraps. */
  rings: 4,
  /** 1 once nothing more will be reported, so that the emulator may end. A futex word. */
  done: 5,
  /** 1 once the first process has ended with all of its threads. */
  ended: 7,
  /** 1 while the stub sleeps in the host, and is to be rung for. */
  asleep: 6,

  /** The host's eventfd that wakes the stub. */
  bell: 8,
  /** Counts stops, which gives them their order. */
  stops: 9,
  /** Index + 1 of the task that steps, whose stop is to be the first; 0 for none. */
  stepper: 10,
  /** 1 while threads stop one by one. */
  nonStop: 11,
  /** Two words: signals that threads take without a stop. */
  passed: 12,
  /** What calls stop: 0 none, 1 all, 2 those of the set, which has a bit for each of the first 512 numbers. */
  catching: 16,
  caught: 20,
  /** Bytes of `expressions` that are used. */
  expressions: 19,
  /** 1 while threads that are made do not begin: only some were let run. */
  holdsNew: 14,
  /** 1 where the debugger has the program's terminal. */
  together: 18,
  /** Bits of `Report`. */
  reports: 36,
  /** Host descriptor + 1 that gets a line for each system call; 0 for none. */
  strace: 37,
  /** 1 where nothing is compiled any more, and what was is not entered. */
  interpreted: 38,
  /** How many changes to the list of breakpoints wait for threads to come by. Atomic, a futex word. */
  settling: 39,
  /** 1 where the last order was for a single thread. */
  alone: 57,
  /** 1 while one of those that gave way to a change is to wake the others. Atomic. */
  waking: 56,
  /** A bit for each process that is debugged, by index. Atomic. */
  debugged: 40,
  /** 1 once something was watched: code is compiled another way from then on. */
  watched: 63,
  words: 64,
} as const;

/** Events that a debugger has asked for. */
export const Report = { fork: 1, vfork: 2, exec: 4, threads: 8 } as const;

/** Events that a debugger has asked for of a single thread, by the protocol's numbers. */
export const ThreadOption = { clone: 1, exit: 2 } as const;

/** Words of a thread's record. */
export const Thread = {
  /** A value of `Run`. Atomic. */
  run: 0,
  /** Counts resumptions. The thread sleeps on it. Atomic. */
  resumed: 1,
  /** 1 where this thread is to stop. Atomic. */
  wanted: 2,
  /** The id of the thread whose record it is. */
  tid: 3,
  /** What it does from here: a value of `Action`; the signal that it gets with that. */
  action: 4,
  signal: 5,
  /** Why it stopped: a value of `Stop`, `none` once that has been told and it stands still; and the order of that. */
  stop: 6,
  order: 7,
  /** By the kind of stop: signal; kind of breakpoint or watchpoint; number of the call; index of the child's task. */
  detail: 8,
  /** 1 where the debugger knows that it is stopped. */
  told: 9,
  /** Float64: the watched address that was accessed, or of the breakpoint. */
  address: 10,
  /** Float64: pc is stepped while in this range. */
  start: 12,
  end: 14,
  /** The siginfo of the signal. */
  info: 16,
  /** Bits of `ThreadOption`. */
  options: 30,
  /** 1 while it sleeps on `resumed`, and is to be woken. Atomic. */
  asleep: 29,
  /** Of the engine that runs the thread, as it was when the thread stopped: the figures of its code cache, seconds as microseconds. */
  code: 32,
  words: 64,
} as const;

export const Run = {
  /** Not known here yet, or gone. */
  unknown: 0,
  running: 1,
  stopped: 2,
  /** It sleeps for a process that uses its memory, and stands as still as one that is stopped. */
  waiting: 3,
} as const;

export const Action = { go: 0, step: 1 } as const;

export const Stop = {
  none: 0,
  /** It was asked to. */
  asked: 1,
  signal: 2,
  breakpoint: 3,
  /** It is about to make a watched access; a system call has made one. */
  watchpoint: 4,
  copied: 14,
  step: 5,
  callEntry: 6,
  callReturn: 7,
  fork: 8,
  vfork: 9,
  vforkDone: 10,
  clone: 11,
  exec: 12,
  /** It is about to execute its first instruction; it has executed its last. */
  created: 13,
  left: 15,
} as const;

/** Plain data, for workers. */
export interface DebugBundle {
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly breakpoints: BreakpointTable;
  /** Conditions of breakpoints: agent.ts. The first byte is nobody's. */
  readonly expressions: Uint8Array;
}

/** A worker's views. */
export interface DebugState extends DebugBundle {
  readonly f64: Float64Array;
  readonly lock: Mutex;
  /** Whether threads that gave way are to be woken by this worker. */
  gaveWay: boolean;
  /** Host address of the first word. */
  readonly address: number;
}

/** The state of an emulator that can be debugged. The threads are to stop where they begin if `halted`. */
export function newDebugState(halted: boolean): DebugState {
  const words = new Int32Array(new SharedArrayBuffer((ends + mostProcesses * 2) * 4));
  words[Head.bell] = host("eventfd2", 0, EFD_CLOEXEC | EFD_NONBLOCK);
  words[Head.halted] = Number(halted);
  const expressions = new Uint8Array(new SharedArrayBuffer(expressionBytes));
  return attachDebugState({ words, breakpoints: newBreakpoints(mostTasks), expressions });
}

const expressionBytes = 2 ** 22;

/** Where it is kept how processes ended, two words each: the id, and a value of `packExit`. */
const ends = Head.words + mostTasks * Thread.words;

/** Keeps how a process that is about to end does so. */
export function noteEnd({ words }: DebugState, process: number, pid: number, end: Exit): void {
  words[ends + 2 * process] = pid;
  words[ends + 2 * process + 1] = "code" in end ? end.code & 255 : end.signal + 256;
}

/** How the process ended that had this index last. */
export function endAt({ words }: DebugState, process: number): { readonly pid: number; readonly end: Exit } {
  const word = words[ends + 2 * process + 1]!;
  const end: Exit = word < 256 ? { code: word } : { signal: word - 256, coreDumped: false };
  return { pid: words[ends + 2 * process]!, end };
}

/** Whether a process is debugged: whether it stops for anything. */
export const isDebugged = ({ words }: DebugState, process: number): boolean =>
  ((Atomics.load(words, Head.debugged + (process >>> 5)) >>> (process & 31)) & 1) !== 0;

/** Indices of the processes that are debugged, or were until they ended. */
export function debuggedProcesses({ words }: DebugState): number[] {
  const found: number[] = [];
  for (let i = 0; i < mostProcesses / 32; i++)
    for (let rest = Atomics.load(words, Head.debugged + i); rest !== 0; rest &= rest - 1)
      found.push(32 * i + 31 - Math.clz32(rest & -rest));
  return found;
}

export function setDebugged({ words }: DebugState, process: number, on: boolean): void {
  const bit = 1 << (process & 31);
  if (on) Atomics.or(words, Head.debugged + (process >>> 5), bit);
  else Atomics.and(words, Head.debugged + (process >>> 5), ~bit);
}

const EFD_CLOEXEC = 0o2000000;
const EFD_NONBLOCK = 0o4000;

export const attachDebugState = ({ words, breakpoints, expressions }: DebugBundle): DebugState => ({
  words,
  breakpoints,
  expressions,
  f64: new Float64Array(words.buffer),
  lock: { words, index: Head.lock },
  gaveWay: false,
  address: addressOf(words),
});

/** What a worker needs to attach. */
export const debugBundle = ({ words, breakpoints, expressions }: DebugState): DebugBundle => ({
  words,
  breakpoints,
  expressions,
});

/** The word at which the record of a task begins. */
export const threadAt = (task: number): number => Head.words + task * Thread.words;

/** Begins the record of a thread. The debug lock is held. */
export function initThread({ words }: DebugState, task: number, tid: number, run: number): void {
  const at = threadAt(task);
  words.fill(0, at, at + Thread.words);
  words[at + Thread.tid] = tid;
  words[at + Thread.stop] = Stop.asked;
  Atomics.store(words, at + Thread.run, run);
}

/** Host address of a word. */
export const addressIn = (d: DebugState, word: number): number => d.address + 4 * word;

/** Has threads look at what has changed. */
export const bump = ({ words }: DebugState): void => void Atomics.add(words, Head.epoch, 1);

/** What goes with each change to the list of breakpoints: threads look at it, and who has come by gives way to those that have not. */
export const changing = (d: DebugState): ChangeOptions => ({
  ...changingQuietly(d),
  settled: () => {
    Atomics.sub(d.words, Head.settling, 1);
    unpark(addressIn(d, Head.settling), mostTasks);
  },
});

/**
 * The same for one who has something to do before those that gave way run again, and would have no processor for it for some 20 ms:
 * they are woken by `wakeSettled`, which must follow soon.
 */
export const changingQuietly = (d: DebugState): ChangeOptions => ({
  published: () => {
    Atomics.add(d.words, Head.settling, 1);
    bump(d);
  },
  settled: () => {
    Atomics.sub(d.words, Head.settling, 1);
    d.gaveWay = true;
  },
});

/**
 * Wakes who gave way to changes that are over: one, which wakes the others. Linux counts what they have not used of their turns against those
 * that run when they come back; who calls this sleeps by then, and is not made to wait for all of them when it is to run again.
 */
export function wakeSettled(d: DebugState): void {
  if (!d.gaveWay) return;
  d.gaveWay = false;
  Atomics.store(d.words, Head.waking, 1);
  unpark(addressIn(d, Head.settling));
}

/** One that gave way goes on: where it is the one that is to wake the others, and there is no other change that they give way to, it does. */
export function wakeOthers(d: DebugState): void {
  if (Atomics.exchange(d.words, Head.waking, 0) === 0 || Atomics.load(d.words, Head.settling) !== 0) return;
  unpark(addressIn(d, Head.settling), mostTasks);
}

const one = new BigInt64Array(new SharedArrayBuffer(8)).fill(1n);

/** Tells the stub that something has happened. */
export function ring({ words }: DebugState): void {
  Atomics.add(words, Head.rings, 1);
  if (Atomics.exchange(words, Head.asleep, 0) === 1) host("write", words[Head.bell]!, addressOf(one), 8);
}

/** Bit of a set of signals that begins at a word of the head. */
export const signalIn = ({ words }: DebugState, set: number, signo: number): boolean =>
  ((words[set + ((signo - 1) >>> 5)]! >>> ((signo - 1) & 31)) & 1) !== 0;

/** Whether a system call of that number is to stop. */
export function catches({ words }: DebugState, nr: number): boolean {
  const mode = words[Head.catching]!;
  if (mode < 2) return mode === 1;
  return nr >= 0 && nr < 512 && ((words[Head.caught + (nr >>> 5)]! >>> (nr & 31)) & 1) !== 0;
}
