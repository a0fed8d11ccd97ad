// Waiting for children: wait4 and waitid, by the rules of Linux's kernel/exit.c.

import { copyTo } from "../../memory/guest-memory.ts";
import { withLock } from "../../sync/mutex.ts";
import { addChild, rusageOf, type Usage, usageOfChildren, usageOfProcess } from "../accounting.ts";
import { Attr } from "../attributes.ts";
import { errno } from "../errno.ts";
import { childrenHeld, endOf, reapHeld } from "../family.ts";
import { hostFd } from "../fds.ts";
import type { Kernel } from "../kernel.ts";
import { flags, int, oneOf, pointer } from "../kinds.ts";
import { siginfoOut } from "../kinds-signal.ts";
import { park, wakeCount } from "../park.ts";
import { pidfdTarget } from "../pidfds.ts";
import { ProcessField, type ProcessRecord, processAt } from "../processes.ts";
import {
  anyTracees,
  hasEnded,
  isListening,
  isTraceStopped,
  TraceField,
  traceesHeld,
  tracingProcess,
} from "../ptrace.ts";
import { endOfLeader, endOfWord, leadsZombie, releaseTraceeHeld } from "../ptrace-ends.ts";
import { State } from "../records.ts";
import { type CallRow, call } from "../row.ts";
import { Code, Sig } from "../siginfo.ts";
import { StopState } from "../stops.ts";
import type { Task } from "../task.ts";
import { TaskField, type TaskRecord, taskAt } from "../tasks.ts";
import { isNonblocking } from "../wait.ts";
import { storeWords } from "../words.ts";

const Wait = {
  WNOHANG: 1,
  WUNTRACED: 2,
  WEXITED: 4,
  WCONTINUED: 8,
  WNOWAIT: 0x01000000,
  __WNOTHREAD: 0x20000000,
  __WALL: 0x40000000,
  __WCLONE: 0x80000000 | 0,
} as const;
const linuxBits = Wait.__WNOTHREAD | Wait.__WALL | Wait.__WCLONE;
const wait4Bits = Wait.WNOHANG | Wait.WUNTRACED | Wait.WCONTINUED | linuxBits;
const states = Wait.WEXITED | Wait.WUNTRACED | Wait.WCONTINUED;
const waitidBits = Wait.WNOHANG | Wait.WNOWAIT | states | linuxBits;
const intMin = -(2 ** 31);

/** What a wait is for: children that `selects` accepts, in states that bits of `Wait` name. */
interface Wish {
  readonly selects: (candidate: Candidate) => boolean;
  readonly options: number;
}

/** Who may be waited for: a child; or a thread that the caller's process traces, which has an id of its own. */
interface Candidate {
  readonly id: number;
  readonly group: number;
  readonly process: ProcessRecord;
}

const candidateOf = (process: ProcessRecord): Candidate => ({
  id: process.i32[ProcessField.pid]!,
  group: process.i32[ProcessField.group]!,
  process,
});

/** What became of a child. */
interface News {
  readonly pid: number;
  readonly uid: number;
  /** si_code and si_status, and the same as wait4 has it. */
  readonly code: number;
  readonly status: number;
  readonly word: number;
  /** What it, and the children that it has waited for, have used: to find out takes its time. */
  readonly usage: () => Usage;
}

const has = (options: number, bit: number): boolean => (options & bit) !== 0;

/** Whether a kind of child is waited for: such as do not send SIGCHLD at their end are another kind. */
const isOfKind = ({ i32 }: ProcessRecord, options: number): boolean =>
  has(options, Wait.__WALL) || (i32[ProcessField.exitSignal] !== Sig.CHLD) === has(options, Wait.__WCLONE);

/** The first child of which there is news, which is taken; undefined where there may be some later; -ECHILD where not. */
function lookHeld(t: Task, { selects, options }: Wish): News | number | undefined {
  const { kernel, record } = t.process;
  let result: number | undefined = -errno.ECHILD;
  for (const child of childrenHeld(kernel, record)) {
    if (has(options, Wait.__WNOTHREAD) && child.i32[ProcessField.maker] !== t.index + 1) continue;
    if (!isOfKind(child, options) || !selects(candidateOf(child))) continue;
    const tracer = tracerOfChild(kernel, child);
    // Who traces a child hears of it as a tracer; another tracer hears of its end first.
    if (tracer === record) continue;
    const isZombie = child.i32[ProcessField.state] === State.zombie;
    if (isZombie && tracer !== undefined) {
      result = undefined;
      continue;
    }
    const news = isZombie ? endHeld(t, child, options) : stopHeld(t, child, options);
    if (typeof news === "object") return news;
    if (news) result = undefined;
  }
  const traced = anyTracees(kernel) ? lookAtTraceesHeld(t, selects, options) : result;
  return typeof traced === "object" || traced === undefined ? traced : result;
}

/** The process that traces the leader of a child. */
function tracerOfChild(k: Kernel, { i32 }: ProcessRecord): ProcessRecord | undefined {
  if (!anyTracees(k) || i32[ProcessField.leader] === 0) return undefined;
  return withLock(k.signalsLock, () => tracingProcess(k, taskAt(k, i32[ProcessField.leader]! - 1)));
}

/** The same for the threads that the process traces, or, where that is asked for, the thread itself. */
function lookAtTraceesHeld(t: Task, selects: Wish["selects"], options: number): News | number | undefined {
  const { kernel, record } = t.process;
  const own = has(options, Wait.__WNOTHREAD);
  const isTracer = (task: number): boolean =>
    own ? task === t.index : taskAt(kernel, task).i32[TaskField.process] === record.index;
  const tracees = withLock(kernel.signalsLock, () => [...traceesHeld(kernel, isTracer)]);
  let result: number | undefined = -errno.ECHILD;
  for (const tracee of tracees) {
    const { i32 } = tracee;
    const process = processAt(kernel, i32[TaskField.process]!);
    const gone = hasEnded(tracee);
    const group = gone ? i32[TraceField.endGroup]! : process.i32[ProcessField.group]!;
    if (!selects({ id: i32[TaskField.tid]!, group, process })) continue;
    result = undefined;
    const news =
      gone || leadsZombie(kernel, tracee) ? traceeEndHeld(t, tracee, options) : traceeStop(t, tracee, options);
    if (news !== undefined) return news;
  }
  return result;
}

/** That a tracee has ended, or its process with it. The last that is heard of a child is as of any other. */
function traceeEndHeld(t: Task, tracee: TaskRecord, options: number): News | undefined {
  if (!has(options, Wait.WEXITED)) return undefined;
  const { kernel, record } = t.process;
  const { i32 } = tracee;
  const process = processAt(kernel, i32[TaskField.process]!);
  const gone = hasEnded(tracee);
  if (!gone && process.i32[ProcessField.parent] === record.index + 1) return endHeld(t, process, options) || undefined;
  const [word, code, status] = gone
    ? [i32[TraceField.end]!, ...endOfWord(i32[TraceField.end]!)]
    : endOfLeader(kernel, tracee);
  const uid = gone ? i32[TraceField.endUser]! : process.attributes[Attr.ruid]!;
  const usage = usageOfBoth(kernel, process.index);
  const news = { pid: i32[TaskField.tid]!, uid, code, status, word, usage: () => usage };
  if (!has(options, Wait.WNOWAIT)) releaseTraceeHeld(kernel, tracee);
  return news;
}

/** That a tracee has stopped for its tracer; or that its process goes on. */
function traceeStop(t: Task, tracee: TaskRecord, options: number): News | undefined {
  const { kernel } = t.process;
  const { i32 } = tracee;
  const process = processAt(kernel, i32[TaskField.process]!);
  const stop = withLock(kernel.signalsLock, () => {
    const code = isTraceStopped(tracee) && !isListening(tracee) ? i32[TraceField.code]! : 0;
    if (code !== 0 && !has(options, Wait.WNOWAIT)) i32[TraceField.code] = 0;
    return code;
  });
  const goesOn = stop === 0 && withLock(kernel.signalsLock, () => takeStopHeld(process, options & ~Wait.WUNTRACED));
  if (stop === 0 && !goesOn) return undefined;
  const news = goesOn
    ? newsOf(t, process, Code.CLD_CONTINUED, Sig.CONT, 0xffff)
    : newsOf(t, process, Code.CLD_TRAPPED, stop, (stop << 8) | 0x7f);
  return { ...news, pid: i32[TaskField.tid]! };
}

/** The end of a zombie; false where that is not waited for. */
function endHeld(t: Task, child: ProcessRecord, options: number): News | false {
  if (!has(options, Wait.WEXITED)) return false;
  const [code, status] = endOf(child);
  const word = code === Code.CLD_EXITED ? status << 8 : status | (code === Code.CLD_DUMPED ? 0x80 : 0);
  const usage = usageOfBoth(t.process.kernel, child.index);
  const news = { ...newsOf(t, child, code, status, word), usage: () => usage };
  if (!has(options, Wait.WNOWAIT)) {
    addChild(t.process.kernel, t.process.index, child.index);
    reapHeld(t.process.kernel, child);
  }
  return news;
}

/** That a child has stopped, or goes on; true where neither is known. */
function stopHeld(t: Task, child: ProcessRecord, options: number): News | true {
  const found = withLock(t.process.kernel.signalsLock, () => takeStopHeld(child, options));
  if (found === 0) return true;
  return found === Sig.CONT
    ? newsOf(t, child, Code.CLD_CONTINUED, Sig.CONT, 0xffff)
    : newsOf(t, child, Code.CLD_STOPPED, found, (found << 8) | 0x7f);
}

/** The signal that has stopped a child, or SIGCONT where it goes on; 0 where there is nothing new. */
function takeStopHeld({ i32 }: ProcessRecord, options: number): number {
  const [state, signo] = [i32[ProcessField.stopState]!, i32[ProcessField.stopSignal]!];
  const keeps = has(options, Wait.WNOWAIT);
  if (has(options, Wait.WUNTRACED) && (state & StopState.stopped) !== 0 && signo !== 0) {
    if (!keeps) i32[ProcessField.stopSignal] = 0;
    return signo;
  }
  if (has(options, Wait.WCONTINUED) && (state & StopState.continued) !== 0) {
    if (!keeps) Atomics.and(i32, ProcessField.stopState, ~StopState.continued);
    return Sig.CONT;
  }
  return 0;
}

function newsOf(t: Task, child: ProcessRecord, code: number, status: number, word: number): News {
  const { kernel } = t.process;
  const pid = child.i32[ProcessField.pid]!;
  const uid = child.attributes[Attr.ruid]!;
  return { pid, uid, code, status, word, usage: () => usageOfBoth(kernel, child.index) };
}

function usageOfBoth(k: Kernel, index: number): Usage {
  const [own, children] = [usageOfProcess(k, index), usageOfChildren(k, index)];
  const names = Object.keys(own) as (keyof Usage)[];
  const sums = Object.fromEntries(names.map((name) => [name, own[name] + children[name]]));
  return { ...own, ...sums, resident: Math.max(own.resident, children.resident) };
}

/** Waits. Answers the news, 0 where there is none and the options are not to wait, -ECHILD, or -ERESTARTSYS. */
function wait(t: Task, wish: Wish): News | number {
  const { kernel } = t.process;
  const { i32 } = t.record;
  for (let slept = 0; ; ) {
    const seen = wakeCount(t);
    Atomics.store(i32, TaskField.waiting, 1);
    const found = withLock(kernel.tasksLock, () => lookHeld(t, wish));
    const result = found ?? (has(wish.options, Wait.WNOHANG) ? 0 : slept);
    // A signal comes after the news that came with it.
    if (found === undefined && result === 0 && !has(wish.options, Wait.WNOHANG)) {
      slept = park(t, seen);
      continue;
    }
    Atomics.store(i32, TaskField.waiting, 0);
    return result;
  }
}

function wait4(t: Task, pid: number, status: number, options: number, usage: number): number {
  if ((options & ~wait4Bits) !== 0) return -errno.EINVAL;
  if (pid === intMin) return -errno.ESRCH;
  const group = pid === 0 ? t.process.record.i32[ProcessField.group]! : -pid;
  const selects = pid === -1 ? () => true : pid > 0 ? byId(pid) : byGroup(group);
  const news = wait(t, { selects, options: options | Wait.WEXITED });
  if (typeof news === "number") return news;
  if (status !== 0 && !storeWords(t, status, Int32Array.of(news.word))) return -errno.EFAULT;
  if (usage !== 0 && !copyTo(t.memory, usage, rusageOf(news.usage()))) return -errno.EFAULT;
  return news.pid;
}

const byId =
  (wanted: number): Wish["selects"] =>
  ({ id }) =>
    id === wanted;

const byGroup =
  (wanted: number): Wish["selects"] =>
  ({ group }) =>
    group === wanted;

/** That process, and none that has its record later. */
function byRecord({ index, i32 }: ProcessRecord): Wish["selects"] {
  const generation = i32[ProcessField.generation];
  return ({ id, process }) =>
    process.index === index &&
    process.i32[ProcessField.generation] === generation &&
    id === process.i32[ProcessField.pid];
}

const IdType = { P_ALL: 0, P_PID: 1, P_PGID: 2, P_PIDFD: 3 } as const;

function waitid(t: Task, type: number, id: number, info: number, options: number, usage: number): number {
  if ((options & ~waitidBits) !== 0 || (options & states) === 0) return -errno.EINVAL;
  const selects = selectionOf(t, type, id);
  if (typeof selects === "number") return selects;
  const asks = type === IdType.P_PIDFD && isNonblocking(hostFd(t.process.fds, id));
  const news = wait(t, { selects, options: asks ? options | Wait.WNOHANG : options });
  const nothing = asks && !has(options, Wait.WNOHANG) ? -errno.EAGAIN : 0;
  const result = typeof news === "object" ? 0 : news || nothing;
  if (typeof news === "object" && usage !== 0 && !copyTo(t.memory, usage, rusageOf(news.usage()))) return -errno.EFAULT;
  return info === 0 || storeNews(t, info, typeof news === "object" ? news : undefined) ? result : -errno.EFAULT;
}

/** The children that a type and an id name, or -errno. */
function selectionOf(t: Task, type: number, id: number): Wish["selects"] | number {
  switch (type) {
    case IdType.P_ALL:
      return () => true;
    case IdType.P_PID:
      return id <= 0 ? -errno.EINVAL : byId(id);
    case IdType.P_PGID:
      if (id < 0) return -errno.EINVAL;
      return byGroup(id === 0 ? t.process.record.i32[ProcessField.group]! : id);
    case IdType.P_PIDFD: {
      if (id < 0) return -errno.EINVAL;
      const target = pidfdTarget(t, id);
      if (typeof target === "number") return target === -errno.ESRCH ? -errno.ECHILD : target;
      return "host" in target ? () => false : byRecord(target);
    }
    default:
      return -errno.EINVAL;
  }
}

/** The fields of a siginfo_t that waitid sets, zero where there is no news; the others keep what they hold. */
function storeNews(t: Task, addr: number, news: News | undefined): boolean {
  const { code, pid, uid, status } = news ?? { code: 0, pid: 0, uid: 0, status: 0 };
  return (
    storeWords(t, addr, Int32Array.of(news === undefined ? 0 : Sig.CHLD, 0, code)) &&
    storeWords(t, addr + 16, Int32Array.of(pid, uid, status))
  );
}

export const waitCalls: readonly CallRow[] = [
  call(95, "waitid", [oneOf(IdType), int, siginfoOut, flags(Wait), pointer], "none", "restart", waitid),
  call(260, "wait4", [int, pointer, flags(Wait), pointer], "int", "restart", wait4),
];
