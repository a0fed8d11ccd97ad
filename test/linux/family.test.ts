// Relations of guest processes, as records without threads that run: who is told what, and who waits for whom.
import { describe, expect, test } from "bun:test";
import { addressOf, host } from "../../src/host/syscall.ts";
import { Attr } from "../../src/linux/attributes.ts";
import { attachTask } from "../../src/linux/bundle.ts";
import { idsCalls } from "../../src/linux/calls/ids.ts";
import { killCalls } from "../../src/linux/calls/kill.ts";
import { pidfdCalls } from "../../src/linux/calls/pidfd.ts";
import { prctlCalls } from "../../src/linux/calls/prctl.ts";
import { waitCalls } from "../../src/linux/calls/wait.ts";
import { errno, restart } from "../../src/linux/errno.ts";
import { type Adoption, adopt, bury, leaveChildren, othersLive, reportStop } from "../../src/linux/family.ts";
import { hostFd } from "../../src/linux/fds.ts";
import { beginStop } from "../../src/linux/jobs.ts";
import { Resource, setLimit } from "../../src/linux/limits.ts";
import { newPidfd } from "../../src/linux/pidfds.ts";
import { allocateProcess, exitOf, groupHeld, ProcessField, processAt } from "../../src/linux/processes.ts";
import { State } from "../../src/linux/records.ts";
import { Code, Sig, type SigInfo } from "../../src/linux/siginfo.ts";
import {
  actionWords,
  exitProcess,
  exitSignals,
  initSignals,
  nextSignal,
  processSignals,
  queueSignal,
  Sa,
  SIG_IGN,
  setBlocked,
} from "../../src/linux/signals.ts";
import { hasStopped, stopHeld, takeNewsHeld } from "../../src/linux/stops.ts";
import type { Exit, Process, Task } from "../../src/linux/task.ts";
import { addThread, allocateTask, TaskField, taskAt } from "../../src/linux/tasks.ts";
import { withLock } from "../../src/sync/mutex.ts";
import { caller, resultOf, room } from "./caller.ts";

const make = resultOf([...idsCalls, ...killCalls, ...pidfdCalls, ...prctlCalls, ...waitCalls]);
const Wait = { NOHANG: 1, UNTRACED: 2, EXITED: 4, CONTINUED: 8, NOWAIT: 0x1000000, CLONE: 0x80000000 } as const;
const [P_ALL, P_PID, P_PGID, P_PIDFD] = [0, 1, 2, 3];
const at = room.start;

const field = ({ process: { record } }: Task, name: number): number => record.i32[name]!;

/** A child of a process, with one thread, whose memory and descriptors are the parent's. */
function fork(t: Task, exitSignal: number = Sig.CHLD, o?: Adoption): Task {
  const { kernel } = t.process;
  const task = allocateTask(kernel, 0);
  const pid = taskAt(kernel, task).i32[TaskField.tid]!;
  const index = allocateProcess(kernel, pid);
  const record = processAt(kernel, index);
  record.attributes.set(t.process.record.attributes);
  setLimit(record.limits, Resource.SIGPENDING, 100, 100);
  taskAt(kernel, task).i32[TaskField.process] = index;
  initSignals(taskAt(kernel, task));
  expect(adopt(kernel, t.process.index, index, exitSignal, o)).toBe(true);
  addThread(kernel, index, task);
  const process: Process = {
    ...t.process,
    record,
    index,
    pid,
    limits: record.limits,
    attributes: { words: record.attributes, groups: t.process.attributes.groups },
    signals: processSignals(kernel, record),
    get exit() {
      return exitOf(record);
    },
  };
  return attachTask(process, task);
}

/** The process ends, with all that comes of it. */
function end(t: Task, how: Exit): void {
  const { kernel, record, index } = t.process;
  exitProcess(kernel, record, how);
  leaveChildren(kernel, record, t.index);
  exitSignals(t);
  Atomics.store(t.record.i32, TaskField.state, State.zombie);
  bury(kernel, index);
}

/** Gives a signal a handler, or ignores it. */
function handle({ process: { record } }: Task, signo: number, handler = 0x4000, flags = 0): void {
  record.actions.set([handler, 0, flags], signo * actionWords);
}

const wait4 = (t: Task, pid: number, options = 0): number => make(t, "wait4", pid, at, options, 0);
const word = (t: Task, offset = 0): number => t.memory.i32[(at + offset) / 4]!;

/** si_signo, si_code, si_pid, si_status of what waitid answers, or the error. */
function waitid(t: Task, type: number, id: number, options: number): number[] | number {
  t.memory.i32.fill(-1, at / 4, at / 4 + 8);
  const result = make(t, "waitid", type, id, at, options, 0);
  return result < 0 ? result : [word(t), word(t, 8), word(t, 16), word(t, 24)];
}

/** Signal, code, pid and status. */
const seen = (info: SigInfo | undefined): number[] | undefined => info && [info[0]!, info[2]!, info[4]!, info[6]!];

describe("the end of a child", () => {
  test("is told by SIGCHLD and waited for once", () => {
    const t = caller();
    handle(t, Sig.CHLD);
    expect(wait4(t, -1)).toBe(-errno.ECHILD);
    const child = fork(t);
    const { pid } = child.process;
    expect([field(child, ProcessField.group), field(child, ProcessField.session)]).toEqual([
      field(t, ProcessField.group),
      field(t, ProcessField.session),
    ]);
    expect(make(child, "getppid")).toBe(t.process.pid);
    expect([wait4(t, -1, Wait.NOHANG), waitid(t, P_ALL, 0, Wait.EXITED | Wait.NOHANG)]).toEqual([0, [0, 0, 0, 0]]);
    expect(othersLive(t.process.kernel)).toBe(true);
    end(child, { code: 7 });
    expect(othersLive(t.process.kernel)).toBe(false);
    expect(seen(nextSignal(t))).toEqual([Sig.CHLD, Code.CLD_EXITED, pid, 7]);
    expect(make(t, "kill", pid, Sig.KILL)).toBe(0);
    expect(waitid(t, P_PID, pid, Wait.EXITED | Wait.NOWAIT)).toEqual([Sig.CHLD, Code.CLD_EXITED, pid, 7]);
    expect(waitid(t, P_PID, pid, Wait.UNTRACED)).toBe(-errno.ECHILD);
    expect([wait4(t, pid), word(t)]).toEqual([pid, 7 << 8]);
    expect(wait4(t, pid)).toBe(-errno.ECHILD);
    expect(make(t, "kill", pid, 0)).toBe(-errno.ESRCH);
  });

  test("by a signal says which, and whether there was a core", () => {
    for (const [coreDumped, code] of [
      [false, Code.CLD_KILLED],
      [true, Code.CLD_DUMPED],
    ] as const) {
      const t = caller();
      const child = fork(t);
      end(child, { signal: Sig.SEGV, coreDumped });
      expect(waitid(t, P_ALL, 0, Wait.EXITED | Wait.NOWAIT)).toEqual([Sig.CHLD, code, child.process.pid, Sig.SEGV]);
      expect([wait4(t, -1), word(t)]).toEqual([child.process.pid, Sig.SEGV | (coreDumped ? 0x80 : 0)]);
    }
  });

  test("leaves no zombie where SIGCHLD is ignored, or SA_NOCLDWAIT is set, which tells it all the same", () => {
    for (const flags of [undefined, Sa.NOCLDWAIT]) {
      const t = caller();
      handle(t, Sig.CHLD, flags === undefined ? SIG_IGN : 0x4000, flags);
      const child = fork(t);
      end(child, { code: 1 });
      expect([wait4(t, -1), make(t, "kill", child.process.pid, 0)]).toEqual([-errno.ECHILD, -errno.ESRCH]);
      expect(nextSignal(t)?.[0]).toBe(flags === undefined ? undefined : Sig.CHLD);
    }
  });

  test("sends the signal that clone named; such children are of another kind, until the parent executes a program", () => {
    const t = caller();
    handle(t, Sig.CHLD);
    handle(t, Sig.USR1);
    const quiet = fork(t, 0);
    const loud = fork(t, Sig.USR1);
    const late = fork(t, Sig.USR1);
    expect(wait4(t, -1, Wait.NOHANG)).toBe(-errno.ECHILD);
    end(quiet, { code: 0 });
    expect(nextSignal(t)).toBeUndefined();
    end(loud, { code: 3 });
    expect(seen(nextSignal(t))).toEqual([Sig.USR1, Code.CLD_EXITED, loud.process.pid, 3]);
    expect([wait4(t, -1, Wait.CLONE), wait4(t, loud.process.pid, 0x40000000)]).toEqual([
      quiet.process.pid,
      loud.process.pid,
    ]);
    t.process.record.i32[ProcessField.execs]!++;
    end(late, { code: 0 });
    expect(nextSignal(t)?.[0]).toBe(Sig.CHLD);
  });

  test("is waited for by id, by group, by the own group, the oldest child first", () => {
    const t = caller();
    const [a, b, c] = [fork(t), fork(t), fork(t)];
    make(t, "setpgid", b.process.pid, 0);
    make(t, "setpgid", c.process.pid, b.process.pid);
    for (const child of [c, b, a]) end(child, { code: 0 });
    expect(waitid(t, P_PGID, b.process.pid, Wait.EXITED | Wait.NOWAIT)).toEqual([17, 1, b.process.pid, 0]);
    expect(wait4(t, -b.process.pid)).toBe(b.process.pid);
    expect([wait4(t, 0), wait4(t, 0), wait4(t, -1)]).toEqual([a.process.pid, -errno.ECHILD, c.process.pid]);
  });

  test("ends a wait that a signal has come for, before that", () => {
    const t = caller();
    handle(t, Sig.USR1);
    const child = fork(t);
    queueSignal(t, Sig.USR1);
    expect(wait4(t, -1)).toBe(-restart.ERESTARTSYS);
    end(child, { code: 0 });
    expect(wait4(t, -1)).toBe(child.process.pid);
  });
});

describe("orphans", () => {
  test("become children of init, which reaps them at once; those that asked get their signal", () => {
    const t = caller();
    const child = fork(t);
    const [grandchild, dead] = [fork(child), fork(child)];
    handle(grandchild, Sig.USR2);
    make(grandchild, "prctl", 1, Sig.USR2);
    end(dead, { code: 0 });
    end(child, { code: 0 });
    expect(make(grandchild, "getppid")).toBe(1);
    expect(make(t, "kill", dead.process.pid, 0)).toBe(-errno.ESRCH);
    const info = nextSignal(grandchild);
    expect(seen(info)?.slice(0, 3)).toEqual([Sig.USR2, Code.SI_USER, child.process.pid]);
    expect(nextSignal(grandchild)).toBeUndefined();
    end(grandchild, { code: 0 });
    expect(make(t, "kill", grandchild.process.pid, 0)).toBe(-errno.ESRCH);
    expect(wait4(t, -1)).toBe(child.process.pid);
  });

  test("become children of the nearest ancestor that asked for them, which hears of those that have ended", () => {
    const t = caller();
    handle(t, Sig.CHLD);
    make(t, "prctl", 36, 1);
    const child = fork(t);
    expect(child.process.record.attributes[Attr.childSubreaper]).toBe(0);
    const [grandchild, dead] = [fork(child, Sig.USR1), fork(child, Sig.USR1)];
    end(dead, { code: 5 });
    end(child, { code: 0 });
    expect(make(grandchild, "getppid")).toBe(t.process.pid);
    expect([nextSignal(t)?.[0], nextSignal(t)]).toEqual([Sig.CHLD, undefined]);
    expect([wait4(t, -1), wait4(t, -1), wait4(t, -1, Wait.NOHANG)]).toEqual([child.process.pid, dead.process.pid, 0]);
  });

  test("a child with CLONE_PARENT is its maker's sibling, in its maker's group", () => {
    const t = caller();
    const child = fork(t);
    make(child, "setpgid", 0, 0);
    const sibling = fork(child, 0, { sibling: true });
    expect(make(sibling, "getppid")).toBe(t.process.pid);
    expect(make(sibling, "getpgid", 0)).toBe(child.process.pid);
    end(child, { code: 0 });
    end(sibling, { code: 0 });
    expect([wait4(t, -1), wait4(t, -1)]).toEqual([child.process.pid, sibling.process.pid]);
  });

  test("nobody forks while a signal waits that may be for the child too", () => {
    const t = caller();
    handle(t, Sig.USR1);
    queueSignal(t, Sig.USR1);
    const { kernel, index } = t.process;
    const child = allocateProcess(kernel, 5_000_000);
    expect(adopt(kernel, index, child, Sig.CHLD, { maker: t.index })).toBe(false);
    expect(processAt(kernel, child).i32[ProcessField.parent]).toBe(0);
    nextSignal(t);
    expect(adopt(kernel, index, child, Sig.CHLD, { maker: t.index })).toBe(true);
  });
});

/** The only thread of a process takes its next signal, which stops it; the parent is told. */
function stop(t: Task): void {
  const { kernel, record } = t.process;
  beginStop(t, nextSignal(t)!);
  withLock(kernel.signalsLock, () => stopHeld(record, t.record));
  news(t);
}

/** What is to be told is told, as by a thread on its way back to the guest. Answers what it was. */
function news({ process: { kernel, record } }: Task): number {
  const bits = withLock(kernel.signalsLock, () => takeNewsHeld(record));
  if (bits !== 0) reportStop(kernel, record, bits);
  return bits;
}

describe("stops", () => {
  test("and what ends them are told by SIGCHLD, and waited for once each", () => {
    const t = caller();
    handle(t, Sig.CHLD);
    const child = fork(t);
    const { pid } = child.process;
    queueSignal(child.process, Sig.STOP);
    stop(child);
    expect(seen(nextSignal(t))).toEqual([Sig.CHLD, Code.CLD_STOPPED, pid, Sig.STOP]);
    expect(wait4(t, -1, Wait.NOHANG)).toBe(0);
    expect(waitid(t, P_ALL, 0, Wait.UNTRACED | Wait.NOWAIT)).toEqual([Sig.CHLD, Code.CLD_STOPPED, pid, Sig.STOP]);
    expect([wait4(t, -1, Wait.UNTRACED), word(t)]).toEqual([pid, (Sig.STOP << 8) | 0x7f]);
    expect(wait4(t, -1, Wait.UNTRACED | Wait.NOHANG)).toBe(0);

    queueSignal(child.process, Sig.USR1);
    expect(hasStopped(child.process.record)).toBe(true);
    queueSignal(child.process, Sig.CONT);
    expect(hasStopped(child.process.record)).toBe(false);
    news(child);
    expect(seen(nextSignal(t))).toEqual([Sig.CHLD, Code.CLD_CONTINUED, pid, Sig.CONT]);
    expect(waitid(t, P_ALL, 0, Wait.CONTINUED | Wait.NOWAIT)).toEqual([Sig.CHLD, Code.CLD_CONTINUED, pid, Sig.CONT]);
    expect([wait4(t, -1, Wait.CONTINUED), word(t)]).toEqual([pid, 0xffff]);
    expect(wait4(t, -1, Wait.CONTINUED | Wait.NOHANG)).toBe(0);
  });

  test("are not told with SA_NOCLDSTOP, but can be waited for", () => {
    const t = caller();
    handle(t, Sig.CHLD, 0x4000, Sa.NOCLDSTOP);
    const child = fork(t);
    queueSignal(child.process, Sig.STOP);
    stop(child);
    expect(nextSignal(t)).toBeUndefined();
    expect(wait4(t, -1, Wait.UNTRACED)).toBe(child.process.pid);
    queueSignal(child.process, Sig.KILL);
    expect([hasStopped(child.process.record), nextSignal(child)?.[0]]).toEqual([false, Sig.KILL]);
  });

  test("begin only where SIGCONT has not come since the signal was taken", () => {
    const t = caller();
    const child = fork(t);
    queueSignal(child.process, Sig.STOP);
    const info = nextSignal(child)!;
    queueSignal(child.process, Sig.CONT);
    beginStop(child, info);
    expect([child.record.i32[TaskField.job], news(child)]).toEqual([0, 0]);
  });

  test("of a terminal do nothing in a group that nobody outside looks after; SIGSTOP does", () => {
    const t = caller();
    const child = fork(t);
    make(child, "setsid");
    const member = fork(child);
    queueSignal(member.process, Sig.TSTP);
    beginStop(member, nextSignal(member)!);
    expect(member.record.i32[TaskField.job]).toBe(1);
    make(member, "setpgid", 0, 0);
    queueSignal(member.process, Sig.TSTP);
    stop(member);
    expect(hasStopped(member.process.record)).toBe(true);
  });

  test("a group that is orphaned while it has stopped members gets SIGHUP and SIGCONT", () => {
    const t = caller();
    const shell = fork(t);
    make(shell, "setsid");
    const [job, other] = [fork(shell), fork(shell)];
    for (const child of [job, other]) {
      make(shell, "setpgid", child.process.pid, job.process.pid);
      handle(child, Sig.HUP);
      handle(child, Sig.CONT);
    }
    queueSignal(job.process, Sig.TSTP);
    stop(job);
    end(shell, { code: 0 });
    for (const child of [job, other])
      expect([nextSignal(child)?.[0], nextSignal(child)?.[0], nextSignal(child)]).toEqual([
        Sig.HUP,
        Sig.CONT,
        undefined,
      ]);
    expect(hasStopped(job.process.record)).toBe(false);
  });
});

describe("groups and sessions", () => {
  test("setpgid is for oneself and for children that have not executed a program, within the session", () => {
    const t = caller();
    const [a, b, led] = [fork(t), fork(t), fork(t)];
    const [pid, other] = [a.process.pid, b.process.pid];
    expect(make(t, "setpgid", 0, -1)).toBe(-errno.EINVAL);
    expect(make(t, "setpgid", 5_000_000, 0)).toBe(-errno.ESRCH);
    expect(make(a, "setpgid", other, 0)).toBe(-errno.ESRCH);
    expect(make(a, "setpgid", t.process.pid, 0)).toBe(-errno.ESRCH);
    expect(make(t, "setpgid", pid, other)).toBe(-errno.EPERM);
    expect(make(t, "setpgid", pid, pid)).toBe(0);
    expect(make(b, "setpgid", 0, pid)).toBe(0);
    expect([make(t, "getpgid", pid), make(t, "getpgid", other), make(b, "getpgid", 0)]).toEqual([pid, pid, pid]);
    a.process.record.i32[ProcessField.execs]!++;
    expect(make(t, "setpgid", pid, 0)).toBe(-errno.EACCES);
    expect(make(a, "setpgid", 0, 0)).toBe(0);
    expect(make(led, "setsid")).toBe(led.process.pid);
    expect([make(led, "getsid", 0), make(led, "getpgid", 0)]).toEqual([led.process.pid, led.process.pid]);
    expect([make(led, "setpgid", 0, 0), make(t, "setpgid", led.process.pid, 0)]).toEqual([-errno.EPERM, -errno.EPERM]);
    expect(make(b, "setpgid", 0, led.process.pid)).toBe(-errno.EPERM);
  });

  test("setsid is refused to leaders of groups, also where only others are left in them", () => {
    const t = caller();
    const [a, b, c] = [fork(t), fork(t), fork(t)];
    make(t, "setpgid", a.process.pid, 0);
    make(t, "setpgid", c.process.pid, 0);
    expect(make(a, "setsid")).toBe(-errno.EPERM);
    make(t, "setpgid", b.process.pid, a.process.pid);
    make(a, "setpgid", 0, c.process.pid);
    expect(make(a, "setsid")).toBe(-errno.EPERM);
    expect([make(b, "setsid"), make(a, "setsid")]).toEqual([b.process.pid, a.process.pid]);
  });

  test("the host's are never changed", () => {
    const t = caller();
    const before = [host("getpgid", 0), host("getsid", 0)];
    expect([make(t, "getpgid", 0), make(t, "getsid", 0)]).toEqual(before);
    const group = make(t, "setpgid", 0, 0) === 0 ? t.process.pid : before[0]!;
    expect(make(t, "getpgid", 0)).toBe(group);
    expect([host("getpgid", 0), host("getsid", 0)]).toEqual(before);
    // Back to the host's group, which is in the session.
    if (make(t, "getsid", 0) !== t.process.pid) expect(make(t, "setpgid", 0, before[0]!)).toBe(0);
  });

  test("kill reaches all members of a group, by 0 those of the own one, and by -1 all others", () => {
    const t = caller();
    const [a, b, c] = [fork(t), fork(t), fork(t)];
    for (const member of [t, a, b, c]) handle(member, Sig.USR1);
    make(t, "setpgid", a.process.pid, 0);
    make(t, "setpgid", b.process.pid, a.process.pid);
    const got = () => [t, a, b, c].map((member) => nextSignal(member)?.[0] === Sig.USR1);
    expect([make(t, "kill", -a.process.pid, Sig.USR1), ...got()]).toEqual([0, false, true, true, false]);
    expect([make(a, "kill", 0, Sig.USR1), ...got()]).toEqual([0, false, true, true, false]);
    expect([make(t, "kill", 0, Sig.USR1), ...got()]).toEqual([0, true, false, false, true]);
    expect([make(a, "kill", -1, Sig.USR1), ...got()]).toEqual([0, true, false, true, true]);
    expect(make(t, "kill", -5_000_000, 0)).toBe(-errno.ESRCH);
    const { kernel } = t.process;
    const count = (group: number): number => withLock(kernel.tasksLock, () => groupHeld(kernel, group)).length;
    end(a, { code: 0 });
    expect([count(a.process.pid), make(t, "kill", -a.process.pid, 0)]).toEqual([2, 0]);
  });

  test("what others may not signal they may continue, in the same session", () => {
    const t = caller();
    const [a, b] = [fork(t), fork(t)];
    a.process.record.attributes.fill(4000, Attr.ruid, Attr.fsuid + 1);
    b.process.record.attributes.fill(5000, Attr.ruid, Attr.fsuid + 1);
    expect(make(a, "kill", b.process.pid, Sig.TERM)).toBe(-errno.EPERM);
    expect(make(a, "kill", b.process.pid, Sig.CONT)).toBe(0);
    make(b, "setsid");
    expect(make(a, "kill", b.process.pid, Sig.CONT)).toBe(-errno.EPERM);
  });
});

describe("descriptors of processes", () => {
  const pollfd = new Int32Array(new SharedArrayBuffer(8));
  const instant = new Int32Array(new SharedArrayBuffer(16));
  /** What poll says of a guest's descriptor. */
  function events(t: Task, fd: number): number {
    pollfd.set([hostFd(t.process.fds, fd), 0x7]);
    host("ppoll", addressOf(pollfd), 1, addressOf(instant), 0, 8);
    return pollfd[1]! >>> 16;
  }
  const [POLLIN, POLLHUP] = [1, 0x10];

  test("are readable when it has ended, and hung up when it was waited for", () => {
    const t = caller();
    const child = fork(t);
    const { pid } = child.process;
    const fd = make(t, "pidfd_open", pid, 0);
    const other = newPidfd(t, child.process.record, pid, 0o4000);
    expect(events(t, fd)).toBe(0);
    expect(waitid(t, P_PIDFD, other, Wait.EXITED)).toBe(-errno.EAGAIN);
    expect(make(t, "pidfd_send_signal", fd, 0, 0, 0)).toBe(0);
    end(child, { code: 9 });
    const late = make(t, "pidfd_open", pid, 0);
    expect([fd, other, late].map((n) => events(t, n))).toEqual([POLLIN, POLLIN, POLLIN]);
    expect(make(t, "pidfd_send_signal", fd, Sig.TERM, 0, 0)).toBe(0);
    expect(waitid(t, P_PIDFD, fd, Wait.EXITED)).toEqual([Sig.CHLD, Code.CLD_EXITED, pid, 9]);
    expect([fd, other].map((n) => events(t, n))).toEqual([POLLIN | POLLHUP, POLLIN | POLLHUP]);
    expect(waitid(t, P_PIDFD, fd, Wait.EXITED)).toBe(-errno.ECHILD);
    expect(make(t, "pidfd_send_signal", fd, 0, 0, 0)).toBe(-errno.ESRCH);
    expect(make(t, "pidfd_open", pid, 0)).toBe(-errno.ESRCH);
    // Its record is another's now.
    expect(fork(t).process.index).toBe(child.process.index);
    expect(make(t, "pidfd_send_signal", fd, 0, 0, 0)).toBe(-errno.ESRCH);
  });

  test("reach the process, one thread, or the group that it leads", () => {
    const t = caller();
    const child = fork(t);
    handle(child, Sig.USR1);
    const fd = make(t, "pidfd_open", child.process.pid, 0);
    expect(make(t, "pidfd_send_signal", fd, Sig.USR1, 0, 4)).toBe(-errno.ESRCH);
    make(t, "setpgid", child.process.pid, 0);
    for (const scope of [0, 1, 2, 4]) {
      expect(make(t, "pidfd_send_signal", fd, Sig.USR1, 0, scope)).toBe(0);
      expect(seen(nextSignal(child))?.slice(0, 3)).toEqual([
        Sig.USR1,
        scope === 1 ? Code.SI_TKILL : Code.SI_USER,
        t.process.pid,
      ]);
    }
    t.memory.i32.set([Sig.USR1, 0, Code.SI_USER], at / 4);
    expect(make(t, "pidfd_send_signal", fd, Sig.USR1, at, 0)).toBe(-errno.EPERM);
    t.memory.i32.set([Sig.USR1, 0, Code.SI_QUEUE, 0, 1, 2, 3, 4], at / 4);
    expect(make(t, "pidfd_send_signal", fd, Sig.USR2, at, 0)).toBe(-errno.EINVAL);
    setBlocked(child, 0, 0);
    expect(make(t, "pidfd_send_signal", fd, Sig.USR1, at, 0)).toBe(0);
    expect(seen(nextSignal(child))).toEqual([Sig.USR1, Code.SI_QUEUE, 1, 3]);
  });
});
