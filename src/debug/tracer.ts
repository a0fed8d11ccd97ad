// The debugger's end in a guest thread: it stops the thread where it is to stop, says why, sleeps until it is resumed, and does
// then what it was told. A stopped thread's registers are in its hart; whoever resumes it may have changed them.
//
// A thread that is asked to stop does so at its next safepoint, before guest code; one that sleeps in the host is kicked out of it
// first, its system call being made ready to be made again. What steps is the interpreter, one instruction at a time. Who
// goes on from a breakpoint that has been told steps over it: it stays where it is for all others.
import { Cause, getI64, getPc, setX } from "../cpu/hart.ts";
import { after, Clock, readClock } from "../host/clock.ts";
import { hostTid, installInterrupts } from "../host/interrupt.ts";
import { park } from "../host/park.ts";
import { spin, spinAndYield } from "../host/spin.ts";
import { addressOf } from "../host/syscall.ts";
import type { HartEngine } from "../linux/engine.ts";
import { errno, restart } from "../linux/errno.ts";
import { type Engine, runGuestCode } from "../linux/guest-code.ts";
import type { Kernel } from "../linux/kernel.ts";
import { pendingAddress } from "../linux/kick-timer.ts";
import { clearPending, Pending, Place, pendingBits } from "../linux/place.ts";
import { mostProcesses, ProcessField, processAt } from "../linux/processes.ts";
import { isTraced } from "../linux/ptrace.ts";
import { State } from "../linux/records.ts";
import { dropWritten } from "../linux/remote-memory.ts";
import { Code, Sig, type SigInfo, userInfo } from "../linux/siginfo.ts";
import { deliverSignals } from "../linux/signal-delivery.ts";
import { queueSignal } from "../linux/signals.ts";
import { rowByNumber } from "../linux/table.ts";
import type { Task } from "../linux/task.ts";
import { findTask, TaskField, taskAt } from "../linux/tasks.ts";
import type { Tracer } from "../linux/tracer.ts";
import { never, Poll, pollHost, setPoll, sleepIn } from "../linux/wait.ts";
import { lock, unlock, withLock } from "../sync/mutex.ts";
import { goOffline, goOnline } from "../sync/rcu.ts";
import { breakpointsOf, inheritBreakpoints, isWatchpoint, readersOf, removeBreakpoints } from "./breakpoints.ts";
import type { CallTrace } from "./call-trace.ts";
import type { Points } from "./points.ts";
import {
  Action,
  addressIn,
  bump,
  catches,
  changing,
  type DebugState,
  Head,
  initThread,
  isDebugged,
  noteEnd,
  Report,
  Run,
  ring,
  Stop,
  setDebugged,
  signalIn,
  Thread,
  ThreadOption,
  threadAt,
  wakeOthers,
} from "./state.ts";

type Runs = Pick<Engine, "run">;

/** What this worker knows of a thread that it runs. */
interface Seat {
  /** Where its record begins. */
  readonly at: number;
  readonly generation: number;
  /** The epoch at which it last looked whether it is to stop. */
  epoch: number;
  stepping: boolean;
  /** The range that is stepped through; empty for one instruction. */
  start: number;
  end: number;
  /** Where the last step began; undefined while none has been made. */
  from: number | undefined;
  /** Whether that may have been undone: a system call that is made again, a signal that was ignored. */
  undone: boolean;
  /** The breakpoint to step over. */
  skip: number | undefined;
  /** Whether the instruction there has stopped for what it was about to access. */
  watched: boolean;
  /** A signal of the debugger's own, for which the thread does not stop. */
  passing: number;
  /** The resumption that it has taken note of. */
  resumed: number;
  /** What commands of breakpoints have printed and is to be written yet, latin1. */
  text: string;
}

const stderr = 2;

const a0 = 10;

const isClone = (name: string | undefined): boolean => name === "clone" || name === "clone3";

/** Rounds of looking before a stopped thread sleeps: some 10 us. */
const spins = 200;
/** The same behind a step, some 100 us: the debugger's next packet comes within that, as a rule. And where nobody else computes. */
const stepSpins = 2000;
const yields = 200;
/** Nanoseconds that a thread waits for others to hear of a change. */
const longestWay = 2e7;

/** Whether another process uses that memory. */
function sharesSpace(k: Kernel, process: number, space: number): boolean {
  for (let other = 0; other < mostProcesses; other++) {
    const { i32 } = processAt(k, other);
    if (other !== process && i32[ProcessField.state] === State.live && i32[ProcessField.space] === space) return true;
  }
  return false;
}

/** `engine` executes what the traced threads of this worker run, and stops at `points`. */
export function makeTracer(d: DebugState, points: Points, engine: HartEngine): Tracer {
  const { words, f64 } = d;
  const readers = readersOf(d.breakpoints);
  const seats = new Map<number, Seat>();
  installInterrupts();

  let trace: CallTrace | undefined;
  /** Descriptor + 1 that it writes to. */
  let traced = 0;

  /** What is told of system calls; undefined where nobody wants to know. */
  function traceOf(t: Task): CallTrace | undefined {
    const to = words[Head.strace]!;
    if (to !== 0 && to !== traced) {
      const { makeCallTrace } = require("./call-trace.ts") as typeof import("./call-trace.ts");
      trace = makeCallTrace(t.process.kernel, to - 1);
      traced = to;
    }
    return to === 0 ? undefined : trace;
  }

  const isAttached = (t: Task): boolean => Atomics.load(words, Head.attached) !== 0 && isDebugged(d, t.process.index);

  function seatOf(t: Task): Seat {
    const generation = t.record.i32[TaskField.generation]!;
    const known = seats.get(t.index);
    if (known?.generation === generation) return known;
    const at = threadAt(t.index);
    const seat: Seat = {
      ...{ at, generation, epoch: Atomics.load(words, Head.epoch) - 1, stepping: false, start: 0, end: 0 },
      ...{ from: undefined, undone: false, skip: undefined, watched: false, passing: 0, resumed: 0, text: "" },
    };
    seats.set(t.index, seat);
    Atomics.store(t.record.i32, TaskField.hostTid, hostTid());
    lock(d.lock);
    // The debugger may have stopped it before it was there, and have left since.
    if (words[at + Thread.tid] !== t.tid || !(isAttached(t) || isHalted(t.process.index))) {
      const waits = isAttached(t) && words[Head.holdsNew] !== 0 && !leads(t) && !reports(Report.threads);
      initThread(d, t.index, t.tid, waits ? Run.stopped : Run.running);
    }
    const isHeld = words[at + Thread.run] === Run.stopped;
    const seen = words[at + Thread.resumed]!;
    unlock(d.lock);
    if (isHeld) pause(t, seat, Stop.asked, seen);
    if (!isHeld && reports(Report.threads) && !leads(t)) stop(t, seat, Stop.created, 0);
    return seat;
  }

  // ---- stops

  /** Stops for a reason, and does not come back before the thread is resumed. Nothing where no debugger would be told. */
  function stop(t: Task, s: Seat, why: number, detail: number, address = 0, info?: SigInfo): void {
    if (!isAttached(t) && why !== Stop.asked) {
      // Nobody is told: it goes on as from a stop that was.
      s.skip = getPc(t.hart);
      return;
    }
    const { at } = s;
    lock(d.lock);
    // One that has left meanwhile resumes nobody any more.
    if (why === Stop.asked ? !isWanted(t, s) : !isAttached(t)) {
      unlock(d.lock);
      if (why !== Stop.asked) s.skip = getPc(t.hart);
      return;
    }
    words[at + Thread.stop] = why;
    words[at + Thread.detail] = detail;
    f64[(at + Thread.address) / 2] = address;
    words[at + Thread.order] = ++words[Head.stops]!;
    // One that stood still in a stop of the guest's own may have been told of there.
    if (why !== Stop.asked || words[at + Thread.wanted] === 0) words[at + Thread.told] = 0;
    words[at + Thread.action] = Action.go;
    words[at + Thread.signal] = 0;
    if (info !== undefined) words.set(info, at + Thread.info);
    const seen = words[at + Thread.resumed]!;
    Atomics.store(words, at + Thread.run, Run.stopped);
    unlock(d.lock);
    pause(t, s, why, seen);
  }

  /** Sleeps until the thread, which is stopped, is resumed. */
  function pause(t: Task, s: Seat, why: number, seen: number): void {
    const pc = getPc(t.hart);
    showCode(s.at);
    ring(d);
    sleep(t, s.at, seen);
    obey(t, s, why, pc);
  }

  /** For a debugger that asks what is compiled. */
  function showCode(at: number): void {
    const { figures } = engine;
    if (figures === undefined) return;
    const { regions, instructions, compiled, dropped, seconds } = figures;
    words.set([regions, instructions, compiled, dropped, seconds * 1e6], at + Thread.code);
  }

  /** Takes note of what the thread is to do from here, where it stopped at `pc`. */
  function obey(t: Task, s: Seat, why: number, pc: number): void {
    const { at } = s;
    s.resumed = words[at + Thread.resumed]!;
    s.stepping = words[at + Thread.action] === Action.step;
    s.start = f64[(at + Thread.start) / 2]!;
    s.end = f64[(at + Thread.end) / 2]!;
    s.from = undefined;
    // One that was told of and has not been stepped over yet is not told of again.
    const isKnown = words[at + Thread.told] !== 0 || s.skip === pc;
    s.skip = isKnown && getPc(t.hart) === pc ? pc : undefined;
    s.watched = false;
    points.hits.length = 0;
    const signo = words[at + Thread.signal]!;
    if (signo !== 0 && why !== Stop.signal) inject(t, s, signo);
  }

  /** Sleeps until the thread is resumed, or one of the bits `until` is pending. What else it is wanted for waits. */
  function sleep(t: Task, at: number, seen: number, until: number = Pending.exit): void {
    const { record } = t;
    const { i32 } = record;
    const before = Atomics.exchange(i32, TaskField.place, Place.stopped);
    const word = addressIn(d, at + Thread.resumed);
    const pending = pendingAddress(t);
    // Who steps is resumed at once, as a rule.
    const isStep = words[at + Thread.stop] === Stop.step;
    const isResumed = (): boolean => Atomics.load(words, at + Thread.resumed) !== seen;
    if (isStep && words[Head.alone] !== 0) spinAndYield(yields, isResumed);
    else spin(isStep ? stepSpins : spins, isResumed);
    let held = 0;
    for (;;) {
      held |= clearPending(record, ~until);
      if (Atomics.load(words, at + Thread.resumed) !== seen || pendingBits(record) !== 0) break;
      Atomics.store(words, at + Thread.asleep, 1);
      park(word, seen, pending);
    }
    Atomics.store(words, at + Thread.asleep, 0);
    Atomics.store(words, at + Thread.run, Run.running);
    Atomics.store(i32, TaskField.place, before);
    if ((held & ~Pending.trace) !== 0) Atomics.or(i32, TaskField.pending, held & ~Pending.trace);
  }

  /** Gives the thread a signal from the debugger. */
  function inject(t: Task, s: Seat, signo: number): void {
    s.passing = signo;
    queueSignal(t, signo);
    s.from = getPc(t.hart);
    s.undone = true;
    deliverSignals(t);
  }

  /** Before guest code. */
  function attend(t: Task, s: Seat): void {
    // It was resumed while it stood still in a stop of the guest's own.
    if (words[s.at + Thread.resumed] !== s.resumed) {
      words[s.at + Thread.told] = 0;
      obey(t, s, Stop.asked, getPc(t.hart));
    }
    if (s.stepping && s.from !== undefined) {
      const pc = getPc(t.hart);
      const again = s.undone && pc === s.from;
      s.from = undefined;
      if (!again && (pc < s.start || pc >= s.end)) stop(t, s, Stop.step, 0);
    }
    const [hit] = points.hits;
    if (hit !== undefined) stop(t, s, Stop.copied, hit.kind, hit.address);
    for (;;) {
      const epoch = Atomics.load(words, Head.epoch);
      if (epoch === s.epoch) return;
      s.epoch = epoch;
      clearPending(t.record, Pending.trace);
      while (t.process.exit === undefined && isWanted(t, s)) stop(t, s, Stop.asked, 0);
    }
  }

  /**
   * A process that ends while all are to stop stands still at its end, and is seen there as what it was; its end is told of once it
   * has been let go.
   */
  function standAtEnd(t: Task, { at }: Seat): void {
    while (Atomics.load(words, Head.attached) !== 0 && isHalted(t.process.index)) {
      const seen = words[at + Thread.resumed]!;
      words[at + Thread.stop] = Stop.asked;
      Atomics.store(words, at + Thread.run, Run.stopped);
      // Who kills it or leaves resumes those that it sees stopped, after this has ceased to be true.
      if (isHalted(t.process.index)) {
        ring(d);
        sleep(t, at, seen, 0);
      }
      Atomics.store(words, at + Thread.run, Run.running);
      if (words[at + Thread.resumed] !== seen) return;
    }
  }

  /** What waits for the end of a process, its parent first of all, is not to run on before that has been told. */
  function haltOthers(process: number): void {
    withLock(d.lock, () => {
      // Not after a debugger has left, which lets all run with the lock held.
      if (Atomics.load(words, Head.attached) === 0 || words[Head.nonStop] !== 0 || !isDebugged(d, process)) return;
      Atomics.store(words, Head.halted, 1);
      bump(d);
    });
  }

  /** The epoch at which the thread gave way last. */
  let gaveWay = 0;

  /**
   * Somebody waits for all threads to come by here, and this one has: it leaves its processor to those that have not, which may be
   * many more than there are processors. Not for long, and once for a change: who waits may have died.
   */
  function giveWay(t: Task): void {
    const epoch = Atomics.load(words, Head.epoch);
    const changes = Atomics.load(words, Head.settling);
    if (epoch === gaveWay || changes === 0) return;
    gaveWay = epoch;
    const at = after(readClock(Clock.MONOTONIC)!, longestWay);
    const { i32 } = t.record;
    const before = Atomics.exchange(i32, TaskField.place, Place.stopped);
    park(addressIn(d, Head.settling), changes, pendingAddress(t), { clock: Clock.MONOTONIC, at });
    Atomics.store(i32, TaskField.place, before);
    wakeOthers(d);
  }

  /** What a debugger wanted that has left is nobody's wish any more. */
  const isWanted = (t: Task, { at }: Seat): boolean =>
    isHalted(t.process.index) || (isAttached(t) && Atomics.load(words, at + Thread.wanted) !== 0);

  /** All stop while a debugger looks; before one has come, those that are to wait for it. */
  const isHalted = (process: number): boolean =>
    Atomics.load(words, Head.halted) !== 0 && (Atomics.load(words, Head.attached) === 0 || isDebugged(d, process));

  /** Whether it is its process's first thread, of which a fork or the program's start tells. */
  const leads = ({ tid, process }: Task): boolean => tid === process.pid;
  const reports = (event: number): boolean => (words[Head.reports]! & event) !== 0;

  // ---- guest code

  /** `runs`: the engine, or what makes single steps of it where the guest's own tracer wants that. */
  function execute(t: Task, s: Seat, runs: Runs, budget: number): Cause {
    points.hits.length = 0;
    const pc = getPc(t.hart);
    const over = s.skip === pc;
    points.muted = over && s.watched;
    s.skip = undefined;
    const isSingle = over || runs !== engine;
    // A single step does not look, for the one inside neither: the outer one's breakpoints come first.
    if (!over && (isSingle || s.stepping) && points.stopsAt(pc) && !points.passes(pc)) return Cause.debug;
    if (s.stepping) {
      s.from = pc;
      const { start, end } = s;
      const cause = runGuestCode(t, { run: (most) => engine.step(start, end, isSingle ? 1 : most) }, budget);
      s.undone = cause === Cause.ecall;
      // At an ecall after others: the step is that of the call.
      if (s.undone) s.from = getPc(t.hart);
      return cause;
    }
    return runGuestCode(t, over ? { run: () => engine.step(0, 0, 1) } : runs, budget);
  }

  /** Stops where a breakpoint or a watchpoint is what guest code was left for. */
  function examine(t: Task, s: Seat): void {
    s.from = undefined;
    const [hit] = points.hits;
    if (hit !== undefined) {
      stop(t, s, Stop.watchpoint, hit.kind, hit.address);
      s.watched = true;
      return;
    }
    const pc = getPc(t.hart);
    const [first] = points.at(pc) ?? [];
    if (first === undefined || isWatchpoint(first.kind) || onlySpeaks(t, s, pc)) return;
    stop(t, s, Stop.breakpoint, first.kind, pc);
  }

  /** Writes what commands at a breakpoint have printed. Whether that is all that the thread has stopped there for. */
  function onlySpeaks(t: Task, s: Seat, pc: number): boolean {
    const { text, alone } = points.takeText();
    if (text === "") return false;
    s.text += text;
    speak(t, s);
    if (alone) s.skip = pc;
    return alone;
  }

  /** Writes what there is to write, and sleeps for that. False where the thread is wanted for something else first. */
  function speak(t: Task, s: Seat): boolean {
    const bytes = Buffer.from(s.text, "latin1");
    let at = 0;
    for (let n = 0; at < bytes.length; at += Math.max(n, 0)) {
      n = sleepIn(t, "write", stderr, addressOf(bytes) + at, bytes.length - at);
      if (n === -errno.EAGAIN) {
        setPoll(0, stderr, Poll.OUT);
        n = Math.min(pollHost(t, 1, never), 0);
      }
      if (n === -restart.ERESTARTSYS || n === -restart.ERESTARTNOINTR || n === -restart.ERESTARTNOHAND) break;
      // Nobody reads it any more.
      if (n < 0) at = bytes.length;
    }
    s.text = s.text.slice(at);
    return s.text === "";
  }

  /** Whether a debugger has asked for that event of the thread. */
  const optionOf = (t: Task, option: number): boolean =>
    isAttached(t) && (words[threadAt(t.index) + Thread.options]! & option) !== 0;

  /** A call has answered `tid`: where it has made a thread, that is told of, and waits if it has not begun. */
  function tellClone(t: Task, tid: number): void {
    const { kernel } = t.process;
    const child = isClone(rowByNumber(getI64(t.hart, 17))?.name) ? findTask(kernel, tid) : undefined;
    if (child === undefined || taskAt(kernel, child).i32[TaskField.process] !== t.process.index) return;
    withLock(d.lock, () => {
      if (words[threadAt(child) + Thread.tid] === tid || !isAttached(t)) return;
      initThread(d, child, tid, Run.stopped);
      words[threadAt(child) + Thread.told] = words[Head.nonStop]!;
    });
    stop(t, seatOf(t), Stop.clone, child, tid);
  }

  /** What a signal that was taken is to be, if anything. */
  function chooseSignal(t: Task, info: SigInfo): SigInfo | undefined {
    const s = seatOf(t);
    const signo = info[0]!;
    if (s.passing === signo) {
      s.passing = 0;
      return info;
    }
    if (!isAttached(t) || signo === Sig.KILL || signalIn(d, Head.passed, signo)) return info;
    if (signo === Sig.INT && info[2] === Code.SI_KERNEL && words[Head.together] !== 0) return undefined;
    // A trap of a debugger inside is that one's.
    if (signo === Sig.TRAP && isTraced(t.record)) return info;
    stop(t, s, Stop.signal, signo, 0, info);
    const chosen = words[s.at + Thread.signal]!;
    if (chosen === 0 || t.process.exit !== undefined) return undefined;
    s.from = getPc(t.hart);
    s.undone = true;
    if (chosen !== signo) return userInfo(chosen, Code.SI_USER, t.process.pid, 0);
    return words.slice(s.at + Thread.info, s.at + Thread.info + info.length);
  }

  return {
    run: (t, runs, budget) => {
      const s = seatOf(t);
      if (Atomics.load(words, Head.settling) !== 0) giveWay(t);
      attend(t, s);
      if (t.process.exit !== undefined) return Cause.requested;
      // What a debugger has written to code.
      if ((pendingBits(t.record) & Pending.space) !== 0) dropWritten(t);
      if (s.text !== "" && !speak(t, s)) return Cause.requested;
      goOnline(readers, t.index);
      let cause: Cause;
      try {
        points.catchUp(engine);
        engine.setCompiling(words[Head.interpreted] === 0);
        cause = execute(t, s, runs, budget);
      } finally {
        points.muted = false;
        goOffline(readers, t.index);
      }
      if (cause !== Cause.debug) return cause;
      examine(t, s);
      return Cause.requested;
    },
    signal: (t, info) => {
      const chosen = chooseSignal(t, info);
      if (chosen !== undefined) traceOf(t)?.signal(t, chosen);
      return chosen;
    },
    stepped: (t) => {
      const s = seatOf(t);
      attend(t, s);
      // The one inside is told of its step after that.
      const pc = getPc(t.hart);
      if (t.process.exit !== undefined || s.skip === pc || !points.stopsAt(pc) || points.passes(pc)) return;
      if (onlySpeaks(t, s, pc)) return;
      stop(t, s, Stop.breakpoint, points.at(pc)![0]!.kind, pc);
    },
    enterCall: (t) => {
      const nr = getI64(t.hart, 17);
      if (isAttached(t) && catches(d, nr)) stop(t, seatOf(t), Stop.callEntry, nr);
      if (t.process.exit === undefined) traceOf(t)?.enter(t);
    },
    leaveCall: (t, nr, result) => {
      traceOf(t)?.leave(t, result);
      if (result > 0 && optionOf(t, ThreadOption.clone)) tellClone(t, result);
      if (!isAttached(t) || !catches(d, nr) || rowByNumber(nr)?.result === "never") return result;
      const again = -result >= restart.ERESTARTSYS && -result <= restart.ERESTART_RESTARTBLOCK;
      const kept = t.hart.i32.slice(2 * a0, 2 * a0 + 2);
      setX(t.hart, a0, result);
      stop(t, seatOf(t), Stop.callReturn, nr);
      const answer = getI64(t.hart, a0);
      if (!again) return answer;
      t.hart.i32.set(kept, 2 * a0);
      return result;
    },
    making: (t, process, task) => {
      const { kernel, record } = t.process;
      const child = processAt(kernel, process).i32;
      const isApart = child[ProcessField.space] !== record.i32[ProcessField.space];
      if (!isAttached(t) || !reports(isApart ? Report.fork : Report.vfork)) return;
      const space = child[ProcessField.space]!;
      if (isApart) inheritBreakpoints(d.breakpoints, record.i32[ProcessField.space]!, space, changing(d));
      const isTaken = withLock(d.lock, () => {
        if (!isAttached(t)) return false;
        initThread(d, task, taskAt(kernel, task).i32[TaskField.tid]!, Run.stopped);
        setDebugged(d, process, true);
        return true;
      });
      if (!isTaken && isApart) removeBreakpoints(d.breakpoints, (b) => b.space === space, changing(d));
    },
    made: (t, id, isVfork) => {
      const s = seatOf(t);
      const { kernel, index } = t.process;
      const child = findTask(kernel, id);
      const isProcess = child !== undefined && taskAt(kernel, child).i32[TaskField.process] !== index;
      if (isProcess && reports(isVfork ? Report.vfork : Report.fork))
        stop(t, s, isVfork ? Stop.vfork : Stop.fork, child, id);
      if (isVfork) Atomics.store(words, s.at + Thread.run, Run.waiting);
    },
    released: (t, isThread) => {
      const s = seatOf(t);
      Atomics.store(words, s.at + Thread.run, Run.running);
      if (!isThread && reports(Report.vfork)) stop(t, s, Stop.vforkDone, 0);
    },
    executed: (t) => {
      // A thread that was not the first of its process has that one's id now.
      withLock(d.lock, () => {
        words[threadAt(t.index) + Thread.tid] = t.tid;
      });
      const space = t.process.record.i32[ProcessField.space]!;
      removeBreakpoints(d.breakpoints, (b) => b.space === space, changing(d));
      if (reports(Report.exec)) stop(t, seatOf(t), Stop.exec, 0);
    },
    leaving: (t) => {
      const { process } = t;
      const { record, kernel } = process;
      const isTold = reports(Report.threads) || optionOf(t, ThreadOption.exit);
      if (process.exit === undefined && isTold && Atomics.load(record.i32, ProcessField.runners) > 1)
        stop(t, seatOf(t), Stop.left, t.record.i32[TaskField.exitCode]!);
      const leader = taskAt(kernel, record.i32[ProcessField.leader]! - 1).i32;
      noteEnd(d, process.index, process.pid, process.exit ?? { code: leader[TaskField.exitCode]! });
      if (process.exit !== undefined) traceOf(t)?.end(t, process.exit);
      if (Atomics.load(record.i32, ProcessField.runners) === 1) standAtEnd(t, seatOf(t));
    },
    ending: ({ index, record, kernel }) => {
      haltOthers(index);
      const space = record.i32[ProcessField.space]!;
      // The memory will be another's.
      if (breakpointsOf(d.breakpoints, space).length > 0 && !sharesSpace(kernel, index, space))
        removeBreakpoints(d.breakpoints, (b) => b.space === space, changing(d));
    },
    left: (task) => {
      const seat = seats.get(task);
      if (seat === undefined) return;
      seats.delete(task);
      words[seat.at + Thread.tid] = 0;
      Atomics.store(words, seat.at + Thread.run, Run.unknown);
      ring(d);
    },
  };
}
