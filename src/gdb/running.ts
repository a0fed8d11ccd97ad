// Letting threads run and telling of what they stop for. All-stop: a stop is told when all threads stand still, one at a time; what
// else stopped meanwhile waits, and is told when threads are let go again. Breakpoints are no such events: a thread that came to
// one and was not told of is still before it, and will come to it again; so for a watched access.
import { BreakpointKind, breakpointsOf, isWatchpoint } from "../debug/breakpoints.ts";
import { hartOf } from "../debug/memory.ts";
import { expedited, readRegister } from "../debug/registers.ts";
import { bump, debuggedProcesses, endAt, Head, Stop, setDebugged } from "../debug/state.ts";
import {
  eventOf,
  forget,
  type GuestThread,
  goOn,
  haltAll,
  holdNew,
  isStopped,
  markTold,
  type Resumption,
  resume,
  type StopEvent,
  sleeps,
  spaceOf,
  unhalt,
} from "../debug/world.ts";
import { exeOf, ProcessField, processAt } from "../linux/processes.ts";
import { State } from "../linux/records.ts";
import { Sig } from "../linux/siginfo.ts";
import { toHex } from "./codec.ts";
import { currentThread, debugged, type Session, threadId } from "./session.ts";
import { toHostNumber } from "./signals.ts";

/** What one thread is to do. */
export interface Order {
  readonly thread: GuestThread;
  readonly how: Resumption;
}

/** Lets threads run; the others stay as they are. The reply comes with the next stop. */
export function letRun(s: Session, orders: readonly Order[]): void {
  const { world } = s;
  const steppers = orders.filter(({ how }) => how.step);
  world.d.words[Head.stepper] = steppers.length === 1 ? steppers[0]!.thread.task + 1 : 0;
  s.mode = "running";
  s.interrupted = false;
  forgetUnwatched(
    s,
    orders.map(({ thread }) => thread),
  );
  // What was not told yet is told first: nothing runs for that.
  if (untoldEnds(s).length > 0 || orders.some(({ thread }) => eventOf(world, thread) !== undefined)) return;
  unhalt(world);
  for (const { thread, how } of orders) if (isStopped(world, thread)) resume(world, thread, how);
}

/** The threads of a process run, and no debugger is told of anything of it. */
export function letGo(s: Session, process: number): void {
  const threads = debugged(s).filter((t) => t.process === process);
  setDebugged(s.world.d, process, false);
  bump(s.world.d);
  for (const thread of threads) if (isStopped(s.world, thread)) resume(s.world, thread, goOn);
}

/** What can be told now: of the thread that steps first, else what happened first. */
function nextEvent(s: Session): StopEvent | undefined {
  const stepper = s.world.d.words[Head.stepper]! - 1;
  let first: StopEvent | undefined;
  for (const thread of debugged(s)) {
    const event = eventOf(s.world, thread);
    if (event === undefined) continue;
    if (thread.task === stepper) return event;
    if (first === undefined || event.order - first.order < 0) first = event;
  }
  return first;
}

/** Whether the thread that steps is still at it, so that others' stops wait: not where it sleeps, which may be for long. */
function stepGoesOn(s: Session, event: StopEvent): boolean {
  const stepper = s.world.d.words[Head.stepper]! - 1;
  if (stepper < 0 || event.thread.task === stepper) return false;
  const thread = debugged(s).find(({ task }) => task === stepper);
  return thread !== undefined && !isStopped(s.world, thread) && !sleeps(s.world, thread);
}

/** Processes that were debugged and have ended, which has not been told. */
export function untoldEnds({ world }: Session): number[] {
  const { d, kernel } = world;
  return debuggedProcesses(d).filter(
    (index) => Atomics.load(processAt(kernel, index).i32, ProcessField.state) !== State.live,
  );
}

/**
 * Looks at what has happened, and sends what is to be told. Answers the milliseconds after which it wants to look again
 * although nobody rings; undefined for no such need.
 */
export function pump(s: Session): number | undefined {
  if (s.mode === "stopped") return undefined;
  const { world } = s;
  if (s.mode === "running") {
    const event = nextEvent(s);
    const ended = untoldEnds(s).length > 0;
    if (event === undefined && !s.interrupted && !ended) return undefined;
    if (event !== undefined && !s.interrupted && !ended && stepGoesOn(s, event)) return 1;
    haltAll(world);
    s.mode = "halting";
  }
  const threads = debugged(s);
  for (const t of threads) holdNew(world, t);
  if (!threads.every((t) => isStopped(world, t))) return 2;
  const [ended] = untoldEnds(s);
  if (isEnding(s, threads)) return 2;
  s.mode = "stopped";
  if (ended !== undefined) tellEnd(s, ended);
  else tell(s, threads);
  return undefined;
}

/** Whether a process has no thread any more, and has not ended yet. */
function isEnding(s: Session, threads: readonly GuestThread[]): boolean {
  const living = new Set([...threads.map(({ process }) => process), ...untoldEnds(s)]);
  return debuggedProcesses(s.world.d).some((index) => !living.has(index));
}

/** What is said of the end of a process, which counts as told then. */
export function endText(s: Session, process: number): string {
  const { d } = s.world;
  const { pid, end } = endAt(d, process);
  setDebugged(d, process, false);
  const which = s.multiprocess ? `;process:${pid.toString(16)}` : "";
  s.lastEnd = "code" in end ? `W${hex2(end.code)}${which}` : `X${hex2(toHostNumber(end.signal))}${which}`;
  return s.lastEnd;
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
  const event = nextEvent(s);
  for (const thread of threads) {
    const other = eventOf(world, thread);
    const chosen = !s.interrupted && other !== undefined && thread.task === event?.thread.task;
    if (other !== undefined && comesAgain(other) && !chosen) forget(world, thread);
  }
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

/** Whether a thread that goes on from there would stop for the same: it is still before what it stopped for. */
const comesAgain = ({ why }: StopEvent): boolean => why === Stop.breakpoint || why === Stop.watchpoint;

/** Forgets accesses of system calls to what is watched no more. */
function forgetUnwatched({ world }: Session, threads: readonly GuestThread[]): void {
  for (const thread of threads) {
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
    case Stop.created:
      return stopText(s, thread, Sig.TRAP, "create:;");
    case Stop.left:
      return `w${hex2(detail & 255)};${threadId(s, thread)}`;
    case Stop.exec:
      return stopText(s, thread, Sig.TRAP, `exec:${toHex(exeOf(processAt(s.world.kernel, thread.process)))};`);
    default:
      return stopText(s, thread, Sig.TRAP, "");
  }
}

const hex2 = (n: number): string => n.toString(16).padStart(2, "0");

/** A stop reply; `reason` ends with `;` where there is one. */
export function stopText(s: Session, thread: GuestThread, signo: number, reason: string): string {
  const words = hartOf(s.world, thread);
  const values = expedited.map((n) => `${hex2(n)}:${toHex(readRegister(words, n))};`).join("");
  return `T${hex2(toHostNumber(signo))}${values}thread:${threadId(s, thread)};${reason}`;
}

/** What `?` answers, once all stand still. */
export function statusText(s: Session): string {
  const thread = currentThread(s);
  if (thread === undefined) return s.lastEnd ?? "W00";
  if (s.last?.thread.task === thread.task && s.last.thread.tid === thread.tid) return s.last.text;
  return stopText(s, thread, Sig.TRAP, "");
}
