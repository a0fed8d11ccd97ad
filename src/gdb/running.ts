// Letting threads run and telling of what they stop for. All-stop: a stop is told when all threads stand still, one at a time; what
// else stopped meanwhile waits, and is told when threads are let go again. Breakpoints are no such events: a thread that came to
// one and was not told of is still before it, and will come to it again; so for a watched access.
import { BreakpointKind, breakpointsOf, isWatchpoint } from "../debug/breakpoints.ts";
import { hartOf } from "../debug/memory.ts";
import { expedited } from "../debug/registers.ts";
import { bump, debuggedProcesses, endAt, Head, Run, Stop, setDebugged, Thread, threadAt } from "../debug/state.ts";
import {
  eventOf,
  forget,
  type GuestThread,
  goOn,
  haltAll,
  holdNew,
  isLive,
  isStopped,
  markTold,
  type Resumption,
  recordOf,
  resume,
  type StopEvent,
  sleeps,
  spaceOf,
  standsInside,
  threadsIn,
  unhalt,
} from "../debug/world.ts";
import { Header } from "../linux/kernel.ts";
import { exeOf, exitOf, firstProcess, processAt } from "../linux/processes.ts";
import { tracingProcess } from "../linux/ptrace.ts";
import { Sig } from "../linux/siginfo.ts";
import { withLock } from "../sync/mutex.ts";
import { hexByte, hexWord, toHex } from "./codec.ts";
import { currentThread, debugged, type Session, threadId } from "./session.ts";
import { toHostNumber } from "./signals.ts";

/** What one thread is to do. */
export interface Order {
  readonly thread: GuestThread;
  readonly how: Resumption;
}

/**
 * Lets threads run, of all that there are; the others stay as they are, and those that come, unless `withNew`. The reply comes with
 * the next stop.
 */
export function letRun(s: Session, threads: readonly GuestThread[], orders: readonly Order[], withNew: boolean): void {
  const { world } = s;
  world.d.words[Head.holdsNew] = Number(!withNew);
  const steppers = orders.filter(({ how }) => how.step);
  world.d.words[Head.stepper] = steppers.length === 1 ? steppers[0]!.thread.task + 1 : 0;
  s.mode = "running";
  s.stepped = steppers.length === 1;
  world.d.words[Head.alone] = Number(orders.length === 1);
  s.interrupted = false;
  s.held = threads.filter((t) => !orders.some(({ thread }) => thread.task === t.task));
  forgetUnwatched(s, orders);
  const waits = ({ thread }: Order): boolean => eventOf(world, thread) !== undefined;
  const [stepper] = steppers.length === 1 ? steppers : [];
  // What was not told yet is told first: nothing runs for that. But a thread that steps is before all others.
  if (untoldEnds(s).length > 0 || (stepper === undefined ? orders.some(waits) : waits(stepper))) {
    // Signals are given all the same: the threads stop again before they execute anything.
    bump(world.d);
    for (const order of orders)
      if (order.how.signal !== 0 && isStopped(world, order.thread) && !waits(order))
        resume(world, order.thread, order.how);
    return;
  }
  unhalt(world);
  for (const order of orders)
    if (isStopped(world, order.thread) && !waits(order)) resume(world, order.thread, order.how);
}

/** The threads of a process run, and no debugger is told of anything of it. */
export function letGo(s: Session, process: number): void {
  const { world } = s;
  // With the lock: who stops, or makes others that are to stop, has done so, or will see that nobody would be told.
  withLock(world.d.lock, () => setDebugged(world.d, process, false));
  bump(world.d);
  for (const thread of threadsIn(world))
    if (thread.process === process && isStopped(world, thread)) resume(world, thread, leavingWith(s, thread));
}

/** How a thread goes on that the debugger leaves: with the signal for which it stands still, unless it is not to get that. */
export function leavingWith(s: Session, { task }: GuestThread): Resumption {
  const { words } = s.world.d;
  const at = threadAt(task);
  const signal = words[at + Thread.stop] === Stop.signal ? words[at + Thread.detail]! : 0;
  if (signal === 0) return goOn;
  const isPassed =
    s.programSignals === undefined
      ? signal !== Sig.INT && signal !== Sig.TRAP
      : ((s.programSignals[(signal - 1) >>> 5]! >>> ((signal - 1) & 31)) & 1) !== 0;
  return { ...goOn, signal: isPassed ? signal : 0 };
}

/** What can be told now, of threads that were let run: of the one that steps first, else what happened first. */
function nextEvent(s: Session, threads: readonly GuestThread[]): StopEvent | undefined {
  const stepper = s.world.d.words[Head.stepper]! - 1;
  let first: StopEvent | undefined;
  for (const thread of threads) {
    const event = eventOf(s.world, thread);
    if (event === undefined || isAmong(s.held, thread)) continue;
    if (thread.task === stepper) return event;
    if (first === undefined || event.order - first.order < 0) first = event;
  }
  return first;
}

/** Whether the thread that steps is still at it, so that others' stops wait: not where it sleeps, which may be for long. */
function stepGoesOn(s: Session, threads: readonly GuestThread[], event: StopEvent): boolean {
  const stepper = s.world.d.words[Head.stepper]! - 1;
  if (stepper < 0 || event.thread.task === stepper) return false;
  const thread = threads.find(({ task }) => task === stepper);
  return thread !== undefined && !isStopped(s.world, thread) && !sleeps(s.world, thread);
}

/** Processes that were debugged and have ended, which has not been told. */
export function untoldEnds({ world }: Session): number[] {
  const { d, kernel } = world;
  return debuggedProcesses(d).filter((index) => !isLive(kernel, index));
}

/**
 * Looks at what has happened, and sends what is to be told. Answers the milliseconds after which it wants to look again
 * although nobody rings; undefined for no such need.
 */
export function pump(s: Session): number | undefined {
  if (s.mode === "stopped") return undefined;
  const { world } = s;
  if (s.mode === "running") {
    const threads = debugged(s);
    const event = nextEvent(s, threads);
    const ended = untoldEnds(s).length > 0;
    if (event === undefined && !s.interrupted && !ended) {
      if (s.features.has("no-resumed+") && nothingRuns(s)) {
        s.mode = "stopped";
        s.send("N");
      }
      return awaitsTracer(s) ? 2 : undefined;
    }
    if (event !== undefined && !s.interrupted && !ended && stepGoesOn(s, threads, event)) return 1;
    haltAll(world);
    s.mode = "halting";
  }
  const threads = debugged(s);
  for (const t of threads) holdNew(world, t);
  if (!threads.every((t) => isStopped(world, t))) return 2;
  const [ended] = untoldEnds(s);
  if (isEnding(s, threads)) return 2;
  s.mode = "stopped";
  if (ended !== undefined) {
    forgetOthers(s, threads, undefined);
    tellEnd(s, ended);
  } else tell(s, threads);
  return undefined;
}

/**
 * Lets a tracer inside go on where those that were let run wait for it, and it stands still only because it was not let run. Answers
 * whether that is to be looked at again.
 */
function awaitsTracer(s: Session): boolean {
  const { kernel } = s.world;
  if (s.held.length === 0 || Atomics.load(kernel.i32, Header.tracees) === 0) return false;
  const threads = debugged(s);
  const free = threads.filter((t) => !isAmong(s.held, t));
  if (!free.every((t) => standsInside(s.world, t))) return true;
  const tracers = withLock(
    kernel.signalsLock,
    () => new Set(free.map((t) => tracingProcess(kernel, recordOf(s.world, t))?.index)),
  );
  for (const t of threads) {
    if (!tracers.has(t.process) || !isAmong(s.held, t) || eventOf(s.world, t) !== undefined) continue;
    s.held = s.held.filter((other) => other.task !== t.task);
    resume(s.world, t, goOn);
  }
  return true;
}

const isAmong = (threads: readonly GuestThread[], t: GuestThread): boolean =>
  threads.some(({ task, tid }) => task === t.task && tid === t.tid);

/** Whether every thread that ran has gone, and those that are left stand still: nothing will ever happen. */
export function nothingRuns(s: Session): boolean {
  const { d, kernel } = s.world;
  const threads = debugged(s);
  const ends = threads.some(({ process }) => exitOf(processAt(kernel, process)) !== undefined);
  // One that waits for a process that has its memory will go on.
  const isHeld = (t: GuestThread): boolean =>
    isStopped(s.world, t) && Atomics.load(d.words, threadAt(t.task) + Thread.run) === Run.stopped;
  if (threads.length === 0 || ends || isEnding(s, threads) || !threads.every(isHeld)) return false;
  // What has happened since it was looked for last.
  return nextEvent(s, threads) === undefined && untoldEnds(s).length === 0;
}

/** Whether a process has no thread any more, and has not ended yet. */
function isEnding(s: Session, threads: readonly GuestThread[]): boolean {
  const { d, kernel } = s.world;
  return debuggedProcesses(d).some((index) => isLive(kernel, index) && !threads.some((t) => t.process === index));
}

/** What is said of the end of a process, which counts as told then. */
export function endText(s: Session, process: number): string {
  setDebugged(s.world.d, process, false);
  s.lastEnd = endOf(s, process);
  return s.lastEnd;
}

/** How the process of that index ended that had it last. */
function endOf(s: Session, process: number): string {
  const { pid, end } = endAt(s.world.d, process);
  const which = s.multiprocess ? `;process:${pid.toString(16)}` : "";
  return "code" in end ? `W${hexByte(end.code)}${which}` : `X${hexByte(toHostNumber(end.signal))}${which}`;
}

/** A process has ended. */
function tellEnd(s: Session, process: number): void {
  const text = endText(s, process);
  s.ended = debuggedProcesses(s.world.d).length === 0;
  s.send(text);
}

/** All threads stand still: sends why. */
function tell(s: Session, threads: readonly GuestThread[]): void {
  const { world } = s;
  const event = nextEvent(s, threads);
  forgetOthers(s, threads, s.interrupted ? undefined : event?.thread);
  world.d.words[Head.stepper] = 0;
  if (s.interrupted || event === undefined) {
    s.interrupted = false;
    const thread = currentThread(s) ?? threads[0]!;
    report(s, thread, stopText(s, thread, Sig.INT, ""));
    return;
  }
  markTold(world, event.thread);
  // It executes nothing more, and has gone for the debugger.
  if (event.why === Stop.left) resume(world, event.thread, goOn);
  report(s, event.thread, eventText(s, event));
}

/** Forgets what threads will come upon again, but for the one that is told of: it may be gone by then. */
function forgetOthers({ world }: Session, threads: readonly GuestThread[], told: GuestThread | undefined): void {
  for (const thread of threads) {
    const event = eventOf(world, thread);
    if (event !== undefined && comesAgain(event) && thread.task !== told?.task) forget(world, thread);
  }
}

/** Whether a thread that goes on from there would stop for the same: it is still before what it stopped for. */
const comesAgain = ({ why }: StopEvent): boolean => why === Stop.breakpoint || why === Stop.watchpoint;

/** Forgets accesses of system calls to what is watched no more. */
function forgetUnwatched({ world }: Session, orders: readonly Order[]): void {
  for (const { thread } of orders) {
    const event = eventOf(world, thread);
    if (event?.why !== Stop.copied) continue;
    const isWatched = breakpointsOf(world.d.breakpoints, spaceOf(world, thread)).some(
      (b) => isWatchpoint(b.kind) && event.address >= b.address && event.address < b.address + b.length,
    );
    if (!isWatched) forget(world, thread);
  }
}

function report(s: Session, thread: GuestThread, text: string): void {
  s.last = { thread, text };
  s.general = thread;
  s.send(text);
}

const pointNames: Readonly<Record<number, string>> = {
  [BreakpointKind.write]: "watch",
  [BreakpointKind.read]: "rwatch",
  [BreakpointKind.access]: "awatch",
};

/** A stop reply that says why. */
export function eventText(s: Session, { thread, why, detail, address }: StopEvent): string {
  const has = (feature: string): boolean => s.features.has(`${feature}+`);
  switch (why) {
    case Stop.signal:
      return stopText(s, thread, detail, "");
    case Stop.breakpoint: {
      const name = detail === BreakpointKind.hardware ? "hwbreak" : "swbreak";
      return stopText(s, thread, Sig.TRAP, has(name) ? `${name}:;` : "");
    }
    case Stop.watchpoint:
    case Stop.copied:
      return stopText(s, thread, Sig.TRAP, `${pointNames[detail]}:${address.toString(16)};`);
    case Stop.callEntry:
      return stopText(s, thread, Sig.TRAP, `syscall_entry:${detail.toString(16)};`);
    case Stop.callReturn:
      return stopText(s, thread, Sig.TRAP, `syscall_return:${detail.toString(16)};`);
    case Stop.fork:
    case Stop.vfork: {
      const child = debugged(s).find(({ tid }) => tid === address);
      const name = why === Stop.fork ? "fork" : "vfork";
      return stopText(s, thread, Sig.TRAP, child === undefined ? "" : `${name}:${threadId(s, child)};`);
    }
    case Stop.vforkDone:
      return stopText(s, thread, Sig.TRAP, "vforkdone:;");
    case Stop.clone: {
      const child = debugged(s).find(({ tid }) => tid === address);
      return stopText(s, thread, Sig.TRAP, child === undefined ? "" : `clone:${threadId(s, child)};`);
    }
    case Stop.created:
      return stopText(s, thread, Sig.TRAP, "create:;");
    case Stop.left:
      return `w${hexByte(detail & 255)};${threadId(s, thread)}`;
    case Stop.exec:
      return stopText(s, thread, Sig.TRAP, `exec:${toHex(exeOf(processAt(s.world.kernel, thread.process)))};`);
    default:
      return stopText(s, thread, Sig.TRAP, "");
  }
}

/** A stop reply; `reason` ends with `;` where there is one. */
export function stopText(s: Session, thread: GuestThread, signo: number, reason: string): string {
  const words = hartOf(s.world, thread);
  let values = "";
  for (const { number, word } of expedited)
    values += `${hexByte(number)}:${hexWord(words[word]!)}${hexWord(words[word + 1]!)};`;
  return `T${hexByte(toHostNumber(signo))}${values}thread:${threadId(s, thread)};${reason}`;
}

/** What `?` answers, once all stand still. */
export function statusText(s: Session): string {
  const thread = currentThread(s);
  // Who comes after the end is told how the first process did.
  if (thread === undefined) return s.lastEnd ?? endOf(s, firstProcess);
  if (s.last?.thread.task === thread.task && s.last.thread.tid === thread.tid) return s.last.text;
  return stopText(s, thread, Sig.TRAP, "");
}
