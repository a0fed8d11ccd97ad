// The tree of guest processes: who is whose child, what becomes of a process that has ended, and what its relatives hear of it
// (kernel/exit.c and do_notify_parent of kernel/signal.c). The first process is a child of the host's, of which guests see
// the number; the others are the first one's descendants, or, orphaned, children of "init": a parent with the id 1 that
// reaps them at once. The tasks lock guards it all; functions whose name ends in `Held` need it.
import { raiseDefault } from "../host/inbox.ts";
import { addressOf, host } from "../host/syscall.ts";
import { lock, unlock, withLock } from "../sync/mutex.ts";
import { ticksOf, usageOfProcess } from "./accounting.ts";
import { Attr } from "./attributes.ts";
import { isHostGroupLed } from "./host-group.ts";
import { areHostSignalsOpen } from "./inbox.ts";
import type { Kernel } from "./kernel.ts";
import { wakeTask } from "./park.ts";
import { Pending, pendingBits } from "./place.ts";
import {
  allProcesses,
  exitOf,
  firstProcess,
  groupHeld,
  ProcessField,
  type ProcessRecord,
  processAt,
} from "./processes.ts";
import { isReparentedHeld, isTraced, tracingProcess, unlinkHeld as unlinkTraceeHeld } from "./ptrace.ts";
import { State } from "./records.ts";
import { Code, childInfo, kernelInfo, Sig, type SigInfo, userInfo } from "./siginfo.ts";
import { ActionWord, actionWords, discardProcess, handlerIs, maySignal, Sa, SIG_IGN, sendSignal } from "./signals.ts";
import { hasStopped, StopState } from "./stops.ts";
import { freeTask, TaskField, taskAt, threadsOf } from "./tasks.ts";
import { ownTty } from "./ttys.ts";

const init = 1;

const field = ({ i32 }: ProcessRecord, name: number): number => i32[name]!;
const stateOf = ({ i32 }: ProcessRecord): number => Atomics.load(i32, ProcessField.state);

/** Whether it has threads, or will when it has been made. */
const isAlive = (process: ProcessRecord): boolean =>
  stateOf(process) === State.live || stateOf(process) === State.reserved;

const uidOf = ({ attributes }: ProcessRecord): number => attributes[Attr.ruid]! >>> 0;

// ---- relations

/** The parent, where that is a guest. */
function parentHeld(k: Kernel, process: ProcessRecord): ProcessRecord | undefined {
  const parent = field(process, ProcessField.parent);
  return parent === 0 ? undefined : processAt(k, parent - 1);
}

/** The children of a process, the oldest first. */
export function* childrenHeld(k: Kernel, parent: ProcessRecord): Generator<ProcessRecord> {
  for (let link = field(parent, ProcessField.firstChild); link !== 0; ) {
    const child = processAt(k, link - 1);
    link = field(child, ProcessField.nextSibling);
    yield child;
  }
}

/** The id of the parent of a process. */
export const parentId = (k: Kernel, process: ProcessRecord): number =>
  withLock(k.tasksLock, () => {
    const parent = parentHeld(k, process);
    if (parent !== undefined) return field(parent, ProcessField.pid);
    return process.index === firstProcess ? host("getppid") : init;
  });

function linkHeld(k: Kernel, parent: ProcessRecord, child: ProcessRecord): void {
  child.i32[ProcessField.parent] = parent.index + 1;
  child.i32[ProcessField.nextSibling] = 0;
  const last = [...childrenHeld(k, parent)].at(-1);
  if (last === undefined) parent.i32[ProcessField.firstChild] = child.index + 1;
  else last.i32[ProcessField.nextSibling] = child.index + 1;
}

function unlinkHeld(k: Kernel, child: ProcessRecord): void {
  const parent = parentHeld(k, child);
  if (parent === undefined) return;
  const next = field(child, ProcessField.nextSibling);
  const before = [...childrenHeld(k, parent)].find((p) => field(p, ProcessField.nextSibling) === child.index + 1);
  if (before === undefined) parent.i32[ProcessField.firstChild] = next;
  else before.i32[ProcessField.nextSibling] = next;
  child.i32[ProcessField.parent] = child.i32[ProcessField.nextSibling] = 0;
}

/** Gives the first process of a kernel the place that the emulator has among the host's processes, in numbers. */
export function adoptFirst({ i32 }: ProcessRecord): void {
  i32[ProcessField.group] = host("getpgid", 0);
  i32[ProcessField.session] = host("getsid", 0);
  i32[ProcessField.tty] = ownTty + 1;
  i32[ProcessField.exitSignal] = Sig.CHLD;
}

/** What else there is to say about a new child. */
export interface Adoption {
  /** Index of the thread that makes it. */
  readonly maker?: number;
  /** It is a child of its maker's parent, and ends as its maker does: CLONE_PARENT. */
  readonly sibling?: boolean;
}

/**
 * Makes the process of index `child`, which has no thread yet, a child of that of index `parent`, in its group and session;
 * at its end the parent gets the signal `exitSignal`, 0 for none. What prctl gave the parent alone is taken away: do it
 * after the attributes were copied, and right before its first thread is added. False, and nothing done, where the maker
 * has to take a signal first: the call that makes the child answers ERESTARTNOINTR then, so that nobody escapes a signal to
 * a group by forking.
 */
export const adopt = (
  k: Kernel,
  parent: number,
  child: number,
  exitSignal: number,
  { maker, sibling = false }: Adoption = {},
): boolean =>
  withLock(k.tasksLock, () => {
    if (maker !== undefined && (pendingBits(taskAt(k, maker)) & (Pending.signal | Pending.exit)) !== 0) return false;
    const [record, model] = [processAt(k, child), processAt(k, parent)];
    const { i32, attributes } = record;
    const inherited = [ProcessField.group, ProcessField.session, ProcessField.tty, ProcessField.execs];
    for (const word of inherited) i32[word] = field(model, word);
    i32[ProcessField.birthExecs] = field(model, ProcessField.execs);
    attributes[Attr.deathSignal] = attributes[Attr.childSubreaper] = 0;
    const father = sibling ? parentHeld(k, model) : model;
    if (sibling) {
      for (const word of [ProcessField.exitSignal, ProcessField.maker, ProcessField.parentExecs])
        i32[word] = field(model, word);
    } else {
      i32[ProcessField.exitSignal] = exitSignal;
      i32[ProcessField.maker] = (maker ?? field(model, ProcessField.leader) - 1) + 1;
      i32[ProcessField.parentExecs] = field(model, ProcessField.execs);
    }
    if (father !== undefined) linkHeld(k, father, record);
    return true;
  });

/** Whether it has executed a program since it was forked. */
export const hasExeced = (process: ProcessRecord): boolean =>
  field(process, ProcessField.execs) !== field(process, ProcessField.birthExecs);

// ---- hearing of each other

/** The CPU time that a process has used, in ticks of a hundredth of a second. */
function timesOf(k: Kernel, { index }: ProcessRecord): readonly [user: number, system: number] {
  const { user, system } = usageOfProcess(k, index);
  return [ticksOf(user), ticksOf(system)];
}

const tell = (k: Kernel, process: ProcessRecord, signo: number, info: SigInfo): void =>
  void sendSignal({ kernel: k, process, thread: undefined }, signo, info);

/** The action of SIGCHLD of a process. */
function childAction(k: Kernel, { actions }: ProcessRecord): { readonly ignored: boolean; readonly flags: number } {
  lock(k.signalsLock);
  const action = actions.slice(Sig.CHLD * actionWords, (Sig.CHLD + 1) * actionWords);
  unlock(k.signalsLock);
  return { ignored: handlerIs({ actions: action }, 0, SIG_IGN), flags: action[ActionWord.flags]! };
}

/** Wakes those threads of a process that sleep for a child. */
function wakeWaiters(k: Kernel, process: ProcessRecord): void {
  for (const task of waitersOf(k, process)) wakeTask(k, task);
}

function waitersOf(k: Kernel, { index }: ProcessRecord): readonly number[] {
  lock(k.signalsLock);
  const waiting = threadsOf(k, index).filter((task) => taskAt(k, task).i32[TaskField.waiting] !== 0);
  unlock(k.signalsLock);
  return waiting;
}

/** si_code and si_status for the end of a process. */
export function endOf(process: ProcessRecord): readonly [code: number, status: number] {
  const end = exitOf(process) ?? { code: 0 };
  if ("code" in end) return [Code.CLD_EXITED, end.code];
  return [end.coreDumped ? Code.CLD_DUMPED : Code.CLD_KILLED, end.signal];
}

/** The process that traces the leader of another, if that is not the other's parent. */
const otherTracer = (k: Kernel, process: ProcessRecord): ProcessRecord | undefined =>
  withLock(k.signalsLock, () => {
    const leader = taskAt(k, field(process, ProcessField.leader) - 1);
    return isReparentedHeld(k, leader) ? tracingProcess(k, leader) : undefined;
  });

function forgetTracer(k: Kernel, process: ProcessRecord): void {
  const leader = taskAt(k, field(process, ProcessField.leader) - 1);
  if (isTraced(leader)) withLock(k.signalsLock, () => unlinkTraceeHeld(k, leader));
}

/** Tells a process that another, which it traces, or a thread of that, has ended, and how. Answers whether it does not want to wait for it. */
export function tellEndHeld(
  k: Kernel,
  to: ProcessRecord,
  process: ProcessRecord,
  id: number,
  code: number,
  status: number,
): boolean {
  const { ignored, flags } = childAction(k, to);
  if (!ignored) tell(k, to, Sig.CHLD, childInfo(Sig.CHLD, code, id, uidOf(process), status, timesOf(k, process)));
  wakeWaiters(k, to);
  return ignored || (flags & Sa.NOCLDWAIT) !== 0;
}

/** Tells the parent of a zombie that it has ended. Answers whether it is to be reaped without being waited for. */
export function reportEndHeld(k: Kernel, process: ProcessRecord): boolean {
  const parent = parentHeld(k, process);
  if (parent === undefined) return true;
  let signo = field(process, ProcessField.exitSignal);
  if (field(process, ProcessField.parentExecs) !== field(parent, ProcessField.execs)) signo = Sig.CHLD;
  const { ignored, flags } = childAction(k, parent);
  const reaped = signo === Sig.CHLD && (ignored || (flags & Sa.NOCLDWAIT) !== 0);
  if (signo !== 0 && !(signo === Sig.CHLD && ignored)) {
    const [code, status] = endOf(process);
    const pid = field(process, ProcessField.pid);
    tell(k, parent, signo, childInfo(signo, code, pid, uidOf(process), status, timesOf(k, process)));
  }
  wakeWaiters(k, parent);
  return reaped;
}

/** Tells the parent of a process that this has stopped, or goes on: a bit of `StopState`. */
export const reportStop = (k: Kernel, process: ProcessRecord, news: number): void =>
  withLock(k.tasksLock, () => {
    const parent = parentHeld(k, process);
    if (parent === undefined) return;
    const pid = field(process, ProcessField.pid);
    const times = timesOf(k, process);
    if (news === StopState.tellContinued) tellStopHeld(k, parent, process, pid, Code.CLD_CONTINUED, Sig.CONT, times);
    else tellStopHeld(k, parent, process, pid, Code.CLD_STOPPED, field(process, ProcessField.stopSignal), times);
    wakeWaiters(k, parent);
  });

/**
 * Tells a process, its parent's or one that traces it, that another, or a thread of that, has stopped or goes on, and how.
 * Answers those of its threads that wait for it, who are to be woken: better without the locks, which they take.
 */
export function tellStopHeld(
  k: Kernel,
  to: ProcessRecord,
  process: ProcessRecord,
  id: number,
  code: number,
  status: number,
  times: readonly [user: number, system: number],
): readonly number[] {
  const { ignored, flags } = childAction(k, to);
  if (!ignored && (flags & Sa.NOCLDSTOP) === 0)
    tell(k, to, Sig.CHLD, childInfo(Sig.CHLD, code, id, uidOf(process), status, times));
  return waitersOf(k, to);
}

/**
 * Stops the emulator, as a job of the shell that started it, where the first process has stopped: at once, or, where
 * another guest has stopped it, when no guest is left to continue it. Comes back when the emulator was continued.
 */
export const stopEmulator = (k: Kernel): void =>
  withLock(k.tasksLock, () => {
    const first = processAt(k, firstProcess);
    if (!hasStopped(first)) return;
    const byGuest = (field(first, ProcessField.stopState) & StopState.byGuest) !== 0;
    if (byGuest && [...allProcesses(k)].some((p) => isAlive(p) && !hasStopped(p))) return;
    // Once: others may tell of theirs when the emulator goes on, and nobody has told the first process yet.
    if (!withLock(k.signalsLock, () => markHeld(first.i32))) return;
    raiseDefault(field(first, ProcessField.stopSignal) || Sig.STOP);
    // Else that comes as any signal of the host does.
    if (!areHostSignalsOpen(k)) tell(k, first, Sig.CONT, kernelInfo(Sig.CONT));
  });

/** Notes that the emulator stops with the first process. False where it has, for this stop, or where that goes on. */
function markHeld(i32: Int32Array): boolean {
  const state = i32[ProcessField.stopState]!;
  if ((state & StopState.stopped) === 0 || (state & StopState.shown) !== 0) return false;
  Atomics.store(i32, ProcessField.stopState, state | StopState.shown);
  return true;
}

// ---- the end

/**
 * The process of that index has no thread left and holds nothing more: its children get another parent, and its own is
 * told. It is a zombie until that waits for it, or gone at once where nobody will. Frees the record of its leader with
 * it: who calls this uses neither record any more.
 */
export const bury = (k: Kernel, index: number): void =>
  withLock(k.tasksLock, () => {
    const process = processAt(k, index);
    const children = [...childrenHeld(k, process)];
    for (const child of children) signalDeathHeld(k, process, child);
    const heir = heirHeld(k, process);
    for (const child of children) entrustHeld(k, process, child, heir);
    hangUpHeld(k, process, parentHeld(k, process), process);
    Atomics.store(process.i32, ProcessField.state, State.zombie);
    raiseEnd(process);
    const tracer = otherTracer(k, process);
    // The parent hears of it when the tracer has.
    if (tracer !== undefined) {
      const pid = field(process, ProcessField.pid);
      if (tellEndHeld(k, tracer, process, pid, ...endOf(process))) forgetTracer(k, process);
    }
    if (otherTracer(k, process) === undefined && reportEndHeld(k, process)) reapHeld(k, process);
  });

/** Whether a process other than the first is alive: the emulator goes on for it. */
export const othersLive = (k: Kernel): boolean =>
  withLock(k.tasksLock, () => [...allProcesses(k)].some((p) => p.index !== firstProcess && isAlive(p)));

/**
 * A thread ends, whose process goes on or not: children that it has made, and that asked for it, get their signal, and become
 * those of another thread.
 */
export function leaveChildren(k: Kernel, process: ProcessRecord, task: number): void {
  if (field(process, ProcessField.firstChild) === 0) return;
  withLock(k.tasksLock, () => {
    for (const child of childrenHeld(k, process)) {
      if (field(child, ProcessField.maker) !== task + 1) continue;
      signalDeathHeld(k, process, child);
      lock(k.signalsLock);
      const other = threadsOf(k, process.index).find((candidate) => candidate !== task);
      unlock(k.signalsLock);
      child.i32[ProcessField.maker] = (other ?? -1) + 1;
    }
  });
}

/** PR_SET_PDEATHSIG, unless the child was told when the thread ended that has made it. */
function signalDeathHeld(k: Kernel, parent: ProcessRecord, child: ProcessRecord): void {
  const signo = child.attributes[Attr.deathSignal]!;
  if (signo === 0 || field(child, ProcessField.maker) === 0 || !maySignal(parent, child, signo)) return;
  tell(k, child, signo, userInfo(signo, Code.SI_USER, field(parent, ProcessField.pid), uidOf(parent)));
}

/** Who gets the children of a process: the nearest ancestor that asked for that and is alive; undefined for init. */
function heirHeld(k: Kernel, process: ProcessRecord): ProcessRecord | undefined {
  for (let p = parentHeld(k, process); p !== undefined; p = parentHeld(k, p))
    if (p.attributes[Attr.childSubreaper] !== 0 && isAlive(p) && field(p, ProcessField.exit) === 0) return p;
  return undefined;
}

function entrustHeld(k: Kernel, from: ProcessRecord, child: ProcessRecord, heir: ProcessRecord | undefined): void {
  unlinkHeld(k, child);
  if (heir !== undefined) {
    linkHeld(k, heir, child);
    child.i32[ProcessField.maker] = field(heir, ProcessField.leader);
    child.i32[ProcessField.parentExecs] = field(heir, ProcessField.execs);
  }
  child.i32[ProcessField.exitSignal] = Sig.CHLD;
  const ended = stateOf(child) === State.zombie;
  const reaped = ended && otherTracer(k, child) === undefined && reportEndHeld(k, child);
  hangUpHeld(k, child, from, undefined);
  if (reaped) reapHeld(k, child);
}

/** A zombie that was waited for is gone, with its leader's record. */
export function reapHeld(k: Kernel, process: ProcessRecord): void {
  unlinkHeld(k, process);
  forgetTracer(k, process);
  const leader = field(process, ProcessField.leader) - 1;
  if (leader >= 0) freeTask(k, leader);
  discardHeld(k, process);
}

/** Frees the record of a process, and all that belongs to it: of one that nobody waits for any more, or that never ran. */
export function discardHeld(k: Kernel, process: ProcessRecord): void {
  closeEnd(process);
  if (process.index === firstProcess) retireFirst(process);
  discardProcess(k, process);
}

/**
 * The first process is gone for guests, as if its parent had waited for it: that cannot, while the emulator goes on for others,
 * and they may be waiting for it to be gone. Its record stays, as how it ended is told when all have.
 */
function retireFirst({ i32 }: ProcessRecord): void {
  i32[ProcessField.pid] = 0;
  Atomics.store(i32, ProcessField.state, State.reserved);
}

// ---- what is readable when a process has ended

const O_CLOEXEC = 0o2000000;
const ends = new Int32Array(new SharedArrayBuffer(8));
/** A byte that nobody reads. */
const mark = new Uint8Array(new SharedArrayBuffer(1));

function raiseEnd({ i32 }: ProcessRecord): void {
  const writer = i32[ProcessField.endWrite]! - 1;
  if (writer >= 0) host("write", writer, addressOf(mark), 1);
}

function closeEnd({ i32 }: ProcessRecord): void {
  for (const word of [ProcessField.endWrite, ProcessField.endRead]) {
    const h = i32[word]! - 1;
    i32[word] = 0;
    if (h >= 0) host("close", h);
  }
}

/** A host descriptor of the process's that is readable when it has ended, and hung up when it was waited for; or -errno. */
export function endDescriptorHeld(process: ProcessRecord): number {
  const { i32 } = process;
  if (i32[ProcessField.endRead] === 0) {
    const made = host("pipe2", addressOf(ends), O_CLOEXEC);
    if (made < 0) return made;
    i32[ProcessField.endRead] = ends[0]! + 1;
    i32[ProcessField.endWrite] = ends[1]! + 1;
    if (stateOf(process) === State.zombie) raiseEnd(process);
  }
  return i32[ProcessField.endRead]! - 1;
}

// ---- orphaned groups

/**
 * Whether nobody outside of a group, but in its session, looks after it: no member, `ignored` and zombies left out, has a
 * parent there. Such a group cannot be stopped from a terminal.
 */
export function isOrphanedHeld(k: Kernel, group: number, ignored?: ProcessRecord): boolean {
  const first = processAt(k, firstProcess);
  for (const member of groupHeld(k, group)) {
    if (member === ignored || stateOf(member) === State.zombie) continue;
    const [at, session] = [field(member, ProcessField.group), field(member, ProcessField.session)];
    if (member === first) {
      if (isLedByHost(at, session)) return false;
      continue;
    }
    const parent = parentHeld(k, member);
    if (parent === undefined) continue;
    if (field(parent, ProcessField.group) !== at && field(parent, ProcessField.session) === session) return false;
  }
  return true;
}

/** Whether the first process, in that group and session, has a parent of the host outside of the group. */
function isLedByHost(group: number, session: number): boolean {
  if (session !== host("getsid", 0)) return false;
  if (group === host("getpgid", 0)) return isHostGroupLed();
  const parent = host("getppid");
  return parent > init && host("getsid", parent) === session && host("getpgid", parent) !== group;
}

/**
 * A process loses its parent, or ends itself (then it is `ending`): where its group is orphaned by that, and some of it has
 * stopped, all of it gets SIGHUP and SIGCONT, since nobody would continue it.
 */
function hangUpHeld(
  k: Kernel,
  process: ProcessRecord,
  parent: ProcessRecord | undefined,
  ending: ProcessRecord | undefined,
): void {
  const [group, session] = [field(process, ProcessField.group), field(process, ProcessField.session)];
  const wasLed =
    process.index === firstProcess
      ? isLedByHost(group, session)
      : parent !== undefined &&
        field(parent, ProcessField.group) !== group &&
        field(parent, ProcessField.session) === session;
  if (!wasLed || !isOrphanedHeld(k, group, ending)) return;
  const members = groupHeld(k, group);
  if (!members.some(hasStopped)) return;
  for (const signo of [Sig.HUP, Sig.CONT]) for (const member of members) tell(k, member, signo, kernelInfo(signo));
}
