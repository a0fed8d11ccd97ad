// What guest threads and processes use of the processor, and what else getrusage counts. A guest thread's figures are those of
// the host's thread that runs it, from when it began there: the emulator's work for it, translation included, is its own.
// A thread of the host runs one guest thread after the other; where one waits until another has run in its place, its clock
// stands still meanwhile. A thread that ends leaves its figures to its process; a process that was waited for, to its parent.
// The signals lock guards the accounts of threads that run, so that no figure is missed or counted twice while one ends.
import { hart } from "../cpu/hart.ts";
import { readClock, second } from "../host/clock.ts";
import { hostTid } from "../host/interrupt.ts";
import { addressOf, host } from "../host/syscall.ts";
import { type Counters, ownCounters, threadCounters } from "../host/thread-counters.ts";
import { withLock } from "../sync/mutex.ts";
import { accountWords, Header, type Kernel, sections } from "./kernel.ts";
import { State } from "./records.ts";
import type { Task } from "./task.ts";
import { TaskField, taskAt, threadsOf } from "./tasks.ts";

/** Words of `Figures`: times in nanoseconds, then events. */
export const Figure = {
  /** CPU time, exact; and how the ticks of the host's clock divide it: in user mode, in the kernel. */
  cpu: 0,
  userTicks: 1,
  systemTicks: 2,
  minorFaults: 3,
  majorFaults: 4,
  blocksRead: 5,
  blocksWritten: 6,
  switches: 7,
  preemptions: 8,
  count: 9,
} as const;
type Figures = Float64Array;

// ---- the tables

/** Float64 words of a thread's account. */
const TaskAccount = {
  /** Two int32: 0; the host's thread that runs it, 0 for none. */
  head: 0,
  /** When it began to be: nanoseconds of CLOCK_BOOTTIME. */
  started: 1,
  /** What the host's thread had used when this one began there; while none runs it, what it has used, negative. */
  base: 2,
  /** What its hart had executed then: instructions, and those in compiled code. */
  executed: 12,
  /** How it is to be scheduled: scheduling.ts. */
  scheduling: 16,
} as const;
const runner = 1;

/** Float64 words of a process's account. */
const ProcessAccount = {
  /** KiB that were resident at most: its own, and of its children the largest. */
  resident: 1,
  childResident: 2,
  /** What it was last said to have used in user mode and in the kernel: neither ever goes back. */
  user: 3,
  system: 4,
  /** Of threads that have ended; of children that were waited for, and theirs: those, and their times in user mode and in the kernel. */
  ended: 8,
  children: 20,
  childUser: 30,
  childSystem: 31,
} as const;

interface Account {
  readonly f64: Float64Array;
  readonly i32: Int32Array;
  /** Host address of the first byte. */
  readonly address: number;
}

/** An account is zero when its record is taken: tasks.ts, processes.ts. */
function accountAt(k: Kernel, section: number, words: number, index: number): Account {
  const at = section + index * words * 8;
  const i32 = k.i32.subarray(at / 4, at / 4 + words * 2);
  return { f64: k.f64.subarray(at / 8, at / 8 + words), i32, address: k.address + at };
}

const ofTask = (k: Kernel, task: number): Account => accountAt(k, sections.taskAccounts, accountWords.task, task);

const ofProcess = (k: Kernel, index: number): Account =>
  accountAt(k, sections.processAccounts, accountWords.process, index);

const figuresAt = ({ f64 }: Account, at: number): Figures => f64.subarray(at, at + Figure.count);

// ---- threads of the host

// CPU clocks of a thread by its id, 0 for the own: by ticks in all modes, by those in user mode, and as the scheduler counts.
const cpuClock = (tid: number, kind: number): number => (~tid << 3) | 4 | kind;
const [byTicks, byUserTicks, scheduled] = [0, 1, 2];
const bootClock = 7;

function nanoseconds(clock: number): number {
  const time = readClock(clock);
  return time === undefined ? 0 : time.sec * second + time.nsec;
}

/** CPU time of a thread of the host, 0 for the own. */
const hostTime = (tid: number): number => nanoseconds(cpuClock(tid, scheduled));

/** What a thread of the host has used, 0 for the own. */
function hostFigures(tid: number): Figures {
  const f = new Float64Array(Figure.count);
  f[Figure.cpu] = hostTime(tid);
  f[Figure.userTicks] = nanoseconds(cpuClock(tid, byUserTicks));
  f[Figure.systemTicks] = nanoseconds(cpuClock(tid, byTicks)) - f[Figure.userTicks]!;
  const counters: Counters | undefined = tid === 0 ? ownCounters() : threadCounters(tid);
  if (counters !== undefined) f.set(counters, Figure.minorFaults);
  return f;
}

const FUTEX_WAKE_PRIVATE = 129;
const FUTEX_WAIT_PRIVATE = 128;
const everybody = 2 ** 31 - 1;

/** The thread begins, or goes on, on this thread of the host. */
export function startClock({ process: { kernel }, index, hart: { f64 } }: Task): void {
  const tid = hostTid();
  const account = ofTask(kernel, index);
  if (account.i32[runner] === tid) return;
  const now = hostFigures(0);
  withLock(kernel.signalsLock, () => {
    const base = figuresAt(account, TaskAccount.base);
    for (let i = 0; i < base.length; i++) base[i]! += now[i]!;
    counts.forEach((word, i) => {
      account.f64[TaskAccount.executed + i] = f64[word]!;
    });
    account.f64[TaskAccount.started] ||= nanoseconds(bootClock);
    Atomics.store(account.i32, runner, tid);
  });
  host("futex", account.address + runner * 4, FUTEX_WAKE_PRIVATE, everybody);
}

/** The thread waits while another runs in its place, or goes on elsewhere. */
export const stopClock = (t: Task): void => stop(t, () => {});

/** The thread has ended, and is still one of its process: its figures become its process's. Done again it does nothing. */
export function closeAccount(t: Task): void {
  const {
    index,
    process: { kernel },
  } = t;
  stop(t, (base) => {
    const sums = figuresAt(ofProcess(kernel, taskAt(kernel, index).i32[TaskField.process]!), ProcessAccount.ended);
    for (let i = 0; i < base.length; i++) sums[i]! -= base[i]!;
    base.fill(0);
  });
}

/** Words of a hart that count what it executes, of float64. */
const counts = [hart.instret / 2, hart.compiled / 2];

function stop({ process: { kernel }, index, hart: { f64 } }: Task, then: (base: Figures) => void): void {
  const account = ofTask(kernel, index);
  if (account.i32[runner] === 0) return;
  const now = hostFigures(0);
  withLock(kernel.signalsLock, () => {
    counts.forEach((word, i) => {
      kernel.f64[Header.executed / 2 + i]! += f64[word]! - account.f64[TaskAccount.executed + i]!;
    });
    const base = figuresAt(account, TaskAccount.base);
    for (let i = 0; i < base.length; i++) base[i]! -= now[i]!;
    account.i32[runner] = 0;
    then(base);
  });
}

/** How long to wait for a thread that was started to be on a thread of the host: milliseconds, and how often. */
const [patience, attempts] = [10, 100];
const limit = new BigInt64Array([0n, BigInt(patience) * 1_000_000n]);

/** The host's thread that runs a guest thread now; 0 for none. */
export const runnerNow = (k: Kernel, task: number): number => Atomics.load(ofTask(k, task).i32, runner);

/** The same, awaited: a thread that was just made is not there yet. 0 where it is no more, or waits for another in its place. */
export function runnerOf(k: Kernel, task: number): number {
  const { i32, address } = ofTask(k, task);
  const record = taskAt(k, task).i32;
  const generation = record[TaskField.generation]!;
  for (let attempt = 0; attempt < attempts; attempt++) {
    const tid = Atomics.load(i32, runner);
    if (tid !== 0 || record[TaskField.generation] !== generation || record[TaskField.state] !== State.live) return tid;
    host("futex", address + runner * 4, FUTEX_WAIT_PRIVATE, 0, addressOf(limit));
  }
  return 0;
}

/** Where it stands how a thread is to be scheduled. */
export function schedulingAt(k: Kernel, task: number): { readonly i32: Int32Array; readonly address: number } {
  const { i32, address } = ofTask(k, task);
  return { i32: i32.subarray(TaskAccount.scheduling * 2), address: address + TaskAccount.scheduling * 8 };
}

// ---- CPU time

const threadTime = (k: Kernel, task: number): number => {
  const account = ofTask(k, task);
  const tid = account.i32[runner]!;
  return Math.max(0, (tid === 0 ? 0 : hostTime(tid)) - account.f64[TaskAccount.base + Figure.cpu]!);
};

/** Nanoseconds of CPU time that a thread has used. */
export const cpuTimeOfThread = (k: Kernel, task: number): number => withLock(k.signalsLock, () => threadTime(k, task));

/** The same of a process, its threads that have ended included. */
export const cpuTimeOfProcess = (k: Kernel, index: number): number =>
  withLock(k.signalsLock, () => {
    let sum = ofProcess(k, index).f64[ProcessAccount.ended + Figure.cpu]!;
    for (const task of threadsOf(k, index)) sum += threadTime(k, task);
    return sum;
  });

/** When a thread began to be: nanoseconds of CLOCK_BOOTTIME. */
export const startOf = (k: Kernel, task: number): number => ofTask(k, task).f64[TaskAccount.started]!;

/** Instructions that were executed by threads that have ended or stand still, and those of them in compiled code. */
export const executed = ({ f64 }: Kernel): readonly [all: number, compiled: number] => [
  f64[Header.executed / 2]!,
  f64[Header.executed / 2 + 1]!,
];

/** The same of a thread that runs, by its hart, which nobody may be running at the moment. */
export function executedBy(k: Kernel, task: number, hartWords: Float64Array): readonly [all: number, compiled: number] {
  const { f64 } = ofTask(k, task);
  const [all = 0, compiled = 0] = counts.map((word, i) => hartWords[word]! - f64[TaskAccount.executed + i]!);
  return [all, compiled];
}

// ---- all that getrusage counts

/** What a thread, a process, or a process's children have used. Nanoseconds, events, KiB. */
export interface Usage {
  readonly user: number;
  readonly system: number;
  readonly minorFaults: number;
  readonly majorFaults: number;
  readonly blocksRead: number;
  readonly blocksWritten: number;
  readonly switches: number;
  readonly preemptions: number;
  /** Resident at most. */
  readonly resident: number;
}

function usageFrom(f: Figures, user: number, system: number, resident: number): Usage {
  return {
    user,
    system,
    minorFaults: f[Figure.minorFaults]!,
    majorFaults: f[Figure.majorFaults]!,
    blocksRead: f[Figure.blocksRead]!,
    blocksWritten: f[Figure.blocksWritten]!,
    switches: f[Figure.switches]!,
    preemptions: f[Figure.preemptions]!,
    resident,
  };
}

/** CPU time in the kernel: the exact time, divided as the ticks say. Where those are few, all of it is the program's own. */
function systemTime(f: Figures): number {
  const [cpu, user, system] = [f[Figure.cpu]!, Math.max(0, f[Figure.userTicks]!), Math.max(0, f[Figure.systemTicks]!)];
  return system === 0 ? 0 : (cpu * system) / (user + system);
}

function addThread(k: Kernel, task: number, sum: Figures): void {
  const account = ofTask(k, task);
  const base = figuresAt(account, TaskAccount.base);
  const tid = account.i32[runner]!;
  const now = tid === 0 ? undefined : hostFigures(tid === hostTid() ? 0 : tid);
  for (let i = 0; i < sum.length; i++) sum[i]! += Math.max(0, (now?.[i] ?? 0) - base[i]!);
}

/** What a thread has used. */
export function usageOfThread(k: Kernel, task: number): Usage {
  const f = new Float64Array(Figure.count);
  withLock(k.signalsLock, () => addThread(k, task, f));
  const system = systemTime(f);
  const resident = ofProcess(k, taskAt(k, task).i32[TaskField.process]!).f64[ProcessAccount.resident]!;
  return usageFrom(f, f[Figure.cpu]! - system, system, resident);
}

/** What a process has used. */
export const usageOfProcess = (k: Kernel, index: number): Usage => withLock(k.signalsLock, () => usageHeld(k, index));

/** The same, by who has the signals lock, or where no thread of it is left. */
export function usageHeld(k: Kernel, index: number): Usage {
  const account = ofProcess(k, index);
  const f = figuresAt(account, ProcessAccount.ended).slice();
  for (const task of threadsOf(k, index)) addThread(k, task, f);
  const { f64 } = account;
  const cpu = f[Figure.cpu]!;
  // As Linux does it: neither part goes back when the ticks are divided anew.
  let system = Math.max(systemTime(f), f64[ProcessAccount.system]!);
  let user = Math.max(cpu - system, 0);
  if (user < f64[ProcessAccount.user]!) {
    user = f64[ProcessAccount.user]!;
    system = Math.max(cpu - user, f64[ProcessAccount.system]!);
  }
  f64[ProcessAccount.user] = user;
  f64[ProcessAccount.system] = system;
  return usageFrom(f, user, system, f64[ProcessAccount.resident]!);
}

/** What the children have used that a process has waited for. */
export function usageOfChildren(k: Kernel, index: number): Usage {
  const account = ofProcess(k, index);
  const { f64 } = account;
  const [user, system] = [f64[ProcessAccount.childUser]!, f64[ProcessAccount.childSystem]!];
  return usageFrom(figuresAt(account, ProcessAccount.children), user, system, f64[ProcessAccount.childResident]!);
}

/**
 * A process was waited for by its parent: what it and the children that it has waited for used becomes the parent's. By who
 * has the tasks lock.
 */
export function addChild(k: Kernel, parent: number, child: number): void {
  const [from, to] = [ofProcess(k, child), ofProcess(k, parent)];
  const [own, theirs] = [usageHeld(k, child), usageOfChildren(k, child)];
  const sums = figuresAt(to, ProcessAccount.children);
  const [ended, children] = [figuresAt(from, ProcessAccount.ended), figuresAt(from, ProcessAccount.children)];
  for (let i = 0; i < sums.length; i++) sums[i]! += ended[i]! + children[i]!;
  to.f64[ProcessAccount.childUser]! += own.user + theirs.user;
  to.f64[ProcessAccount.childSystem]! += own.system + theirs.system;
  to.f64[ProcessAccount.childResident] = Math.max(to.f64[ProcessAccount.childResident]!, own.resident, theirs.resident);
}

/** Notes how much of a process's memory is resident now, in KiB. */
export function noteResident(k: Kernel, index: number, kibibytes: number): void {
  const { f64 } = ofProcess(k, index);
  f64[ProcessAccount.resident] = Math.max(f64[ProcessAccount.resident]!, kibibytes);
}

/** 64-bit words of struct rusage. */
const rusageWords = 18;

/** A struct rusage. */
export function rusageOf(u: Usage): Uint8Array {
  const words = new BigInt64Array(rusageWords);
  const put = (word: number, value: number): void => {
    words[word] = BigInt(Math.floor(value));
  };
  [u.user, u.system].forEach((time, i) => {
    put(2 * i, time / second);
    put(2 * i + 1, (time % second) / 1000);
  });
  put(4, u.resident);
  put(8, u.minorFaults);
  put(9, u.majorFaults);
  put(11, u.blocksRead);
  put(12, u.blocksWritten);
  put(16, u.switches);
  put(17, u.preemptions);
  return new Uint8Array(words.buffer);
}

/** Clock ticks a second, as programs are told (sysconf(_SC_CLK_TCK), AT_CLKTCK). */
const ticksPerSecond = 100;

/** A time in nanoseconds as times(2), a siginfo and /proc have it. */
export const ticksOf = (nanoseconds: number): number => Math.floor((nanoseconds * ticksPerSecond) / second);
