// How a process comes to have children.
// - fork: a blank worker (workers.ts) pulls a copy of the memory into its own, while the parent's thread holds the layout lock
//   and sleeps, and its other threads stay out of guest code; then the child's first thread runs there.
// - vfork, posix_spawn (CLONE_VM with CLONE_VFORK): the child's first thread runs in place of the parent's, on the same hart in
//   the same memory, until it executes a program, for which a blank worker takes it over, or ends. Where the parent's ends
//   before, the child goes on in that memory alone: exit.ts.
// - CLONE_VM alone: the child's first thread runs beside the parent's, as one more thread of the memory.
//
// Measured on Bun 1.4.5, two busy cores, x86-64, of a small program, with a build: fork 0.6 ms, with exit and wait 1.4 ms (medians),
// with execve in between 6 ms; 30 to 60 ms where a blank worker has to be made first.
import { type Pointer, toArrayBuffer } from "bun:ffi";
import { type Hart, hart, hartIn, setX } from "../cpu/hart.ts";
import { Clock, readClock } from "../host/clock.ts";
import { hostTid } from "../host/interrupt.ts";
import { addressOf } from "../host/syscall.ts";
import { pullSpace, type SpaceSource, sourceOf } from "../memory/copy.ts";
import { copyTo, refresh } from "../memory/guest-memory.ts";
import { addRunner, holdingThreads, initSharing, withLayout } from "../memory/sharing.ts";
import { sharedPart } from "../memory/vmas.ts";
import { withLock } from "../sync/mutex.ts";
import { startClock, stopClock } from "./accounting.ts";
import { Attr } from "./attributes.ts";
import { attachProcess, attachTask, type Site } from "./bundle.ts";
import { errno, restart } from "./errno.ts";
import { leaveThread } from "./exit.ts";
import { adopt, discardHeld } from "./family.ts";
import { takeHostSignalsHere } from "./inbox.ts";
import type { Kernel } from "./kernel.ts";
import { dropKickTimer } from "./kick-timer.ts";
import { Pending, wake } from "./place.ts";
import { allocateProcess, ProcessField, type ProcessRecord, processAt } from "./processes.ts";
import { isTraced } from "./ptrace.ts";
import { inheritTracer } from "./ptrace-ends.ts";
import { mayMakeTask } from "./quotas.ts";
import { setField } from "./records.ts";
import { inheritRseq, restRseq } from "./rseq.ts";
import { inheritScheduling } from "./scheduling.ts";
import { shareActionsHeld } from "./sighand.ts";
import { Sig, sigMax } from "./siginfo.ts";
import { dropSignalFds } from "./signalfd-table.ts";
import {
  actionWords,
  exitProcess,
  handlerIs,
  initSignals,
  resetHandler,
  SIG_IGN,
  signalPending,
  TaskWord,
} from "./signals.ts";
import { timersOf, wordsOf } from "./tables.ts";
import type { Task } from "./task.ts";
import { addThread, allocateTask, firstTask, freeTask, newPid, TaskField, type TaskRecord, taskAt } from "./tasks.ts";
import { dropTables, inheritTables } from "./thread-tables.ts";
import { awaitRelease, type NewThread } from "./threads.ts";
import { initTimers } from "./timers.ts";
import { storeWords } from "./words.ts";
import { addUser, hartOf, hasCome } from "./worker-table.ts";
import { claim, claimBlank, launch, poolOf, prepare, release, withClaimed } from "./workers.ts";

/** What a new process begins with, as clone's flags and arguments say. Addresses are the guest's; undefined where nothing was asked for. */
export interface NewProcess extends NewThread {
  /** The signal that the parent gets at its end; 0 for none. */
  readonly exitSignal: number;
  /** Whether it has the caller's parent. */
  readonly isSibling: boolean;
  readonly sharesSpace: boolean;
  /** Whether handlers are those of the caller, whoever changes them; whether they become the default. */
  readonly sharesHandlers: boolean;
  readonly clearsHandlers: boolean;
  /** Told of the new process before it begins. Answers 0 or -errno, with which the call fails. */
  readonly made: ((process: ProcessRecord) => number) | undefined;
}

const [sp, tp, a0] = [2, 4, 10];

/** Makes a process that goes on behind the caller's system call, as the caller does. Answers its id, or -errno. */
export function forkProcess(t: Task, o: NewProcess): number {
  // Nobody escapes a signal to a group by forking.
  if (signalPending(t)) return -restart.ERESTARTNOINTR;
  if (!mayMakeTask(t)) return -errno.EAGAIN;
  poolOf(t.process);
  const child = makeRecords(t, o);
  if (typeof child === "number") return child;
  // From now on, what is deadly ends the process when it is sent.
  if (o.isVfork) Atomics.store(t.record.i32, TaskField.inPlace, -1);
  const result = run(t, o, child);
  // One that has ended has no record any more.
  if (o.isVfork && !t.moved) Atomics.store(t.record.i32, TaskField.inPlace, 0);
  return result;
}

function run(t: Task, o: NewProcess, child: Child): number {
  if (!o.sharesSpace) return runApart(t, o, child);
  // Who traces the caller may want to see both stop at the same time.
  return o.isVfork && !isTraced(t.record) && t.process.tracer === undefined
    ? runNested(t, o, child)
    : runBeside(t, o, child);
}

/** Records of a process and of its first thread that nobody finds yet. */
interface Child {
  readonly process: ProcessRecord;
  readonly thread: TaskRecord;
  readonly pid: number;
}

// ---- records

/** Makes the records of a child as far as they do not depend on where it runs, or answers -errno. */
function makeRecords(t: Task, o: NewProcess): Child | number {
  const { kernel } = t.process;
  const pid = newPid(kernel);
  const index = allocateProcess(kernel, pid);
  if (index < 0) return index;
  const task = allocateTask(kernel, index, pid);
  if (task < 0) {
    discard(kernel, processAt(kernel, index));
    return task;
  }
  const child = { process: processAt(kernel, index), thread: taskAt(kernel, task), pid };
  inheritProcess(t, child.process, o);
  inheritThread(t, child.thread, o);
  const error = inheritTables(t, child.thread, child.process, o);
  if (error < 0) {
    freeTask(kernel, task);
    discard(kernel, child.process);
    return error;
  }
  return child;
}

const discard = (k: Kernel, process: ProcessRecord): void => withLock(k.tasksLock, () => discardHeld(k, process));

/** Words of a process's record that its children begin with: `[from, to)`. */
const inherited = [
  [ProcessField.trampoline, ProcessField.hostBase],
  [ProcessField.auxvLength, ProcessField.exeLength + 1],
  [ProcessField.attributes, ProcessField.pendingSet],
  [ProcessField.auxv, ProcessField.death],
] as const;

function inheritProcess(t: Task, child: ProcessRecord, o: NewProcess): void {
  const { kernel, record, site, index, attributes } = t.process;
  withLock(kernel.signalsLock, () => {
    for (const [from, to] of inherited) child.i32.set(record.i32.subarray(from, to), from);
    const exeWords = Math.ceil(record.i32[ProcessField.exeLength]! / 4);
    child.i32.set(record.i32.subarray(ProcessField.exe, ProcessField.exe + exeWords), ProcessField.exe);
    child.ownActions.set(record.actions);
    if (o.sharesHandlers) shareActionsHeld(kernel, child, record);
    if (!o.clearsHandlers) return;
    for (let signo = 1; signo <= sigMax; signo++) {
      if (handlerIs(child, signo, SIG_IGN)) continue;
      resetHandler(child, signo);
      child.actions.fill(0, signo * actionWords + 2, (signo + 1) * actionWords);
    }
  });
  child.f64[ProcessField.started / 2] = bootTime();
  const { tables } = site.bundle;
  const count = attributes.words[Attr.groupCount]!;
  wordsOf(tables, "groups", child.index).set(wordsOf(tables, "groups", index).subarray(0, count));
  initTimers(timersOf(tables, child.index));
}

const bootTime = (): number => readClock(Clock.BOOTTIME)?.sec ?? 0;

/** What the child's first thread has of the one that makes it. */
function inheritThread(t: Task, child: TaskRecord, o: NewProcess): void {
  const { i32, signals } = t.record;
  initSignals(child);
  for (const word of [TaskWord.blocked, TaskWord.blocked + 1]) child.signals[word] = signals[word]!;
  // One that runs beside this one must not use its alternate stack.
  if (!o.sharesSpace || o.isVfork)
    child.signals.set(signals.subarray(TaskWord.altFlags, TaskWord.awaited), TaskWord.altFlags);
  child.i32.set(i32.subarray(TaskField.name, TaskField.flags), TaskField.name);
  if (!o.sharesSpace) inheritRseq(t.record, child);
  if (o.clearTid !== undefined) setField(child, TaskField.clearTid, o.clearTid);
  inheritScheduling(t, child.index);
}

/** Gives the records of a child back that never ran. */
function unmake({ process: own }: Task, { process, thread }: Child): void {
  const { kernel } = own;
  dropSignalFds(kernel, process.index);
  dropTables(own, thread);
  freeTask(kernel, thread.index);
  discard(kernel, process);
}

// ---- beginning to live

/**
 * Puts a child whose memory is there among the processes: from then on others find it. `owner`: slot of the worker whose memory
 * it uses. 0; or what the call answers instead, and there is no child.
 */
function enter(t: Task, o: NewProcess, { process, thread, pid }: Child, owner: number): number {
  const { kernel, index, site } = t.process;
  const error = o.made?.(process) ?? 0;
  if (error < 0) return error;
  process.i32[ProcessField.space] = owner;
  if (!adopt(kernel, index, process.index, o.exitSignal, { maker: t.index, sibling: o.isSibling }))
    return -restart.ERESTARTNOINTR;
  addUser(site.pool!.table, owner);
  if (o.isVfork) process.i32[ProcessField.vforkParent] = t.index + 1;
  if (o.parentTid !== undefined) storeWords(t, o.parentTid, Int32Array.of(pid));
  if (o.traced) inheritTracer(t, thread);
  t.process.tracer?.making(t, process.index, thread.index);
  addThread(kernel, process.index, thread.index);
  return 0;
}

/** Makes a hart of what the parent's was in its system call. */
function copyHart(child: Hart, parent: Int32Array, { stack, tls }: Pick<NewProcess, "stack" | "tls">): void {
  // What it has executed for other threads before stays counted.
  child.i32.set(parent.subarray(0, hart.cause));
  child.i32[hart.reservation + 1] = 0;
  child.i32[hart.trapped] = 0;
  setX(child, a0, 0);
  if (stack !== 0) setX(child, sp, stack);
  if (tls !== undefined) setX(child, tp, tls);
}

/** Whether the child has neither executed a program nor ended. */
const isHeldBy = (t: Task, { process: { i32 }, pid }: Child): boolean =>
  i32[ProcessField.pid] === pid && Atomics.load(i32, ProcessField.vforkParent) === t.index + 1;

// ---- a memory of its own: fork

/** What a blank worker is told to copy. */
interface Pull extends Pick<NewProcess, "stack"> {
  readonly from: SpaceSource;
  /** Host address of the parent's hart. */
  readonly hart: number;
  readonly tls: number | undefined;
  readonly childTid: number | undefined;
  readonly pid: number;
  readonly process: number;
}

/** What a worker is told, beside the thread that it runs. */
export type Order =
  | { readonly pull: Pull }
  /** Nothing: that it can have a memory is all that was asked. */
  | { readonly stay: true }
  /** To forget what it has pulled. */
  | { readonly forget: true }
  | { readonly exec: unknown };

function runApart(t: Task, o: NewProcess, child: Child): number {
  const pool = t.process.site.pool!;
  const slot = claimBlank(pool);
  if (slot < 0) {
    unmake(t, child);
    return slot;
  }
  return withClaimed(pool, slot, () => runOn(t, o, child, slot));
}

function runOn(t: Task, o: NewProcess, child: Child, slot: number): number {
  const { space, site } = t.process;
  const pool = site.pool!;
  const { stack, tls, childTid } = o;
  // Others of the caller's threads can map and unmap while it comes.
  const absent = hasCome(pool.table, slot) ? 0 : prepare(pool, slot, { stay: true } satisfies Order);
  if (absent < 0) {
    release(pool, slot);
    unmake(t, child);
    return absent;
  }
  let result = withLayout(space.sharing, () =>
    holdingThreads(space.sharing, () =>
      prepare(pool, slot, {
        pull: {
          from: sourceOf(space),
          hart: addressOf(t.hart.i32),
          stack,
          tls,
          childTid,
          pid: child.pid,
          process: child.process.index,
        },
      } satisfies Order),
    ),
  );
  const isPrepared = result === 0;
  if (isPrepared) result = enter(t, o, child, slot);
  if (result < 0) {
    // What it has pulled is of no use to anybody.
    if (isPrepared) prepare(pool, slot, { forget: true } satisfies Order);
    release(pool, slot);
    unmake(t, child);
    return result;
  }
  launch(pool, slot, child.thread.index);
  o.begun(child.pid);
  if (o.isVfork) awaitRelease(t, () => isHeldBy(t, child));
  return child.pid;
}

/** Fills the memory of this worker, which is blank, as it was told. 0 or -errno. */
export function pull(site: Site, order: Order): number {
  if (!("pull" in order)) return "stay" in order ? 0 : -errno.ECANCELED;
  const { from, hart: address, childTid, pid, process, ...rest } = order.pull;
  const { memory, space, kernel } = site;
  // One thread will run here.
  initSharing(sharedPart(space.head));
  const error = pullSpace(space, from);
  if (error < 0) return error;
  processAt(kernel, process).f64[ProcessField.hostBase / 2] = memory.hostBase;
  const parent = new Int32Array(toArrayBuffer(address as Pointer, 0, hart.words * 4));
  copyHart(hartIn(memory, 0), parent, rest);
  // As in Linux, what cannot be stored there is no error.
  if (childTid !== undefined) copyTo(memory, childTid, new Uint8Array(Int32Array.of(pid).buffer));
  return 0;
}

// ---- the parent's memory

/** In place of the caller's thread, whose call goes on when the child leaves the memory. */
function runNested(t: Task, o: NewProcess, child: Child): number {
  const { site, record } = t.process;
  const { thread, process } = child;
  if (site.run === undefined) {
    unmake(t, child);
    return -errno.ENOSYS;
  }
  process.f64[ProcessField.hostBase / 2] = record.f64[ProcessField.hostBase / 2]!;
  thread.i32[TaskField.hart] = t.record.i32[TaskField.hart]!;
  thread.i32[TaskField.worker] = t.record.i32[TaskField.worker]!;
  thread.i32[TaskField.hostTid] = hostTid();
  const error = enter(t, o, child, record.i32[ProcessField.space]!);
  if (error < 0) {
    unmake(t, child);
    return error;
  }
  if (o.childTid !== undefined) storeWords(t, o.childTid, Int32Array.of(child.pid));
  const saved = t.hart.i32.slice(0, hart.cause);
  copyHart(t.hart, saved, o);
  stopClock(t);
  restRseq(t);
  runInPlace(t, process.index, thread.index);
  if (!t.moved || t.index === firstTask) takeHostSignalsHere(t);
  // It has ended meanwhile: its record may be another's.
  if (t.moved) return 0;
  Atomics.store(t.record.i32, TaskField.inPlace, -1);
  t.hart.i32.set(saved);
  t.hart.i32[hart.reservation + 1] = t.hart.i32[hart.trapped] = 0;
  site.limits = t.process.limits;
  refresh(t.memory);
  startClock(t);
  t.process.watcher?.begin(t);
  // Others of its threads may go on here.
  awaitRelease(t, () => isHeldBy(t, child));
  return child.pid;
}

function runInPlace(maker: Task, process: number, task: number): void {
  const { site } = maker.process;
  const t = attachTask(attachProcess(site, process), task);
  t.nested = true;
  t.maker = maker;
  Atomics.store(maker.record.i32, TaskField.inPlace, task + 1);
  // It may have been killed before.
  wake(t.record, Pending.maker);
  takeHostSignalsHere(t);
  try {
    site.run!(t);
  } catch (e) {
    // A fault of the emulator, which is told by whoever runs the thread in whose place this one ran.
    exitProcess(site.kernel, t.process.record, { signal: Sig.ABRT, coreDumped: false });
    leaveThread(t);
    throw e;
  }
  dropKickTimer();
}

/** Beside the caller's thread, on a worker of the same memory. */
function runBeside(t: Task, o: NewProcess, child: Child): number {
  const pool = t.process.site.pool!;
  const slot = claim(pool);
  if (slot < 0) {
    unmake(t, child);
    return slot;
  }
  return withClaimed(pool, slot, () => {
    const { record, space, memory } = t.process;
    child.process.f64[ProcessField.hostBase / 2] = record.f64[ProcessField.hostBase / 2]!;
    copyHart(hartIn(memory, hartOf(pool.table, slot)), t.hart.i32, o);
    const error = enter(t, o, child, record.i32[ProcessField.space]!);
    if (error < 0) {
      release(pool, slot);
      unmake(t, child);
      return error;
    }
    if (o.childTid !== undefined) storeWords(t, o.childTid, Int32Array.of(child.pid));
    addRunner(space.sharing);
    launch(pool, slot, child.thread.index);
    o.begun(child.pid);
    if (o.isVfork) awaitRelease(t, () => isHeldBy(t, child));
    return child.pid;
  });
}
