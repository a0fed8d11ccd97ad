// Signals: what is sent, what is pending, what is taken in which order, and what becomes of the thread at delivery.
import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { getU64, hart, setX } from "../../src/cpu/hart.ts";
import { addressOf, host } from "../../src/host/syscall.ts";
import { killCalls } from "../../src/linux/calls/kill.ts";
import { limitsCalls } from "../../src/linux/calls/limits.ts";
import { pidfdCalls } from "../../src/linux/calls/pidfd.ts";
import { signalCalls } from "../../src/linux/calls/signal.ts";
import { errno, restart } from "../../src/linux/errno.ts";
import { FdKind, hostFd, installFd } from "../../src/linux/fds.ts";
import { int } from "../../src/linux/kinds.ts";
import { limitOf, Resource } from "../../src/linux/limits.ts";
import { type CallClass, call } from "../../src/linux/row.ts";
import { Code, faultInfo, kernelInfo, Sig, timerInfo, userInfo, valueInfo } from "../../src/linux/siginfo.ts";
import { deliverSignals, finishCall } from "../../src/linux/signal-delivery.ts";
import { frame } from "../../src/linux/signal-frame.ts";
import { readSignalFd } from "../../src/linux/signalfd.ts";
import { registerSignalFd } from "../../src/linux/signalfd-table.ts";
import {
  addOverrun,
  forceSignal,
  nextSignal,
  queueSignal,
  Sa,
  signalPending,
  takeSignal,
} from "../../src/linux/signals.ts";
import type { Task } from "../../src/linux/task.ts";
import { buildGuest } from "../tools/guest.ts";
import { afterCall, atCall, beyond, caller, callOf, pcOf, readOnly, room, stackTop, unmapped } from "./caller.ts";

const make = callOf([...signalCalls, ...killCalls, ...pidfdCalls, ...limitsCalls]);
const at = room.start;
const handler = 0x4000;
const SIG_BLOCK = 0;
const SIG_SETMASK = 2;

const words = (t: Task, addr: number, ...values: number[]): void => {
  t.memory.i32.set(values, addr / 4);
};
const word = (t: Task, addr: number): number => t.memory.i32[addr / 4]!;

/** sigaction: the handler, flags and mask (its low word) of a signal. */
function act(t: Task, signo: number, address: number, flags = 0, mask = 0): number {
  words(t, at, address, 0, flags, 0, mask, 0);
  return make(t, "rt_sigaction", signo, at, 0, 8);
}

const bit = (signo: number): number => 1 << ((signo - 1) & 31);

/** Blocks signals: two words of a mask. */
function block(t: Task, lo: number, hi = 0): number {
  words(t, at, lo, hi);
  return make(t, "rt_sigprocmask", SIG_SETMASK, at, 0, 8);
}

describe("the frame", () => {
  test("its layout is that of the architecture's kernel headers", () => {
    const run = Bun.spawnSync(["qemu-riscv64", buildGuest("signal-layout.c")]);
    const real = Object.fromEntries(
      run.stdout
        .toString()
        .trim()
        .split("\n")
        .map((line) => line.split(" "))
        .map(([name, n]) => [name, Number(n)]),
    );
    expect(real).toEqual({ ...frame });
  });

  test("holds siginfo, mask, stack, all registers and the floating-point state", () => {
    const t = caller();
    const h = t.hart.i32;
    act(t, Sig.USR1, handler, Sa.SIGINFO);
    block(t, bit(Sig.HUP));
    for (let n = 5; n < 32; n++) h.set([n * 3, -n], 2 * n);
    for (let n = 0; n < 32; n++) h.set([n + 100, -1 - n], hart.f + 2 * n);
    h[hart.fflags] = 0x15;
    h[hart.frm] = 3;
    const registers = h.slice(hart.x + 2, hart.x + 64);
    const floats = h.slice(hart.f, hart.f + 64);
    const pc = h.slice(hart.pc, hart.pc + 2);
    queueSignal(t, Sig.USR1, valueInfo(Sig.USR1, Code.SI_QUEUE, 7, 8, 0x1234, 0x5678));
    deliverSignals(t);

    const sp = getU64(t.hart, 2);
    expect(sp % 16).toBe(0);
    expect(sp).toBe(Math.floor((stackTop - frame.size) / 16) * 16);
    const expected = new Int32Array(frame.size / 4);
    expected.set([Sig.USR1, 0, Code.SI_QUEUE, 0, 7, 8, 0x1234, 0x5678]);
    expected[frame.stackFlags / 4] = 2;
    expected[frame.sigmask / 4] = bit(Sig.HUP);
    expected.set(pc, frame.registers / 4);
    expected.set(registers, frame.registers / 4 + 2);
    expected.set(floats, frame.floats / 4);
    expected[frame.fcsr / 4] = (3 << 5) | 0x15;
    expect(t.memory.i32.slice(sp / 4, (sp + frame.size) / 4)).toEqual(expected);

    expect(pcOf(t)).toBe(handler);
    expect([1, 10, 11, 12].map((n) => getU64(t.hart, n))).toEqual([0x7000, Sig.USR1, sp, sp + frame.ucontext]);
  });

  test("rt_sigreturn restores registers, floating-point state and mask as the handler left them in the frame", () => {
    const t = caller();
    const h = t.hart.i32;
    act(t, Sig.USR1, handler);
    h[hart.frm] = 2;
    const before = h.slice(0, hart.frm + 1);
    queueSignal(t, Sig.USR1);
    deliverSignals(t);
    const sp = getU64(t.hart, 2);
    expect(block(t, -1, -1)).toBe(0);
    setX(t.hart, 2, sp);
    words(t, sp + frame.registers + 8 * 9, 42, 43); // x9
    words(t, sp + frame.sigmask, bit(Sig.INT) | bit(Sig.KILL), 1);
    make(t, "rt_sigreturn");
    before.set([42, 43], 18);
    expect(h.slice(0, hart.frm + 1)).toEqual(before);
    expect(t.signals.words.slice(0, 2)).toEqual(Int32Array.of(bit(Sig.INT), 1));
  });

  test("a frame with words where no extension can be, or one that is not readable, is answered with SIGSEGV", () => {
    for (const spoil of ["reserved", "unmapped"] as const) {
      const t = caller();
      act(t, Sig.USR1, handler);
      queueSignal(t, Sig.USR1);
      deliverSignals(t);
      if (spoil === "reserved") words(t, getU64(t.hart, 2) + frame.reserved + 4, 1);
      else setX(t.hart, 2, unmapped);
      make(t, "rt_sigreturn");
      expect(t.process.exit).toMatchObject({ signal: Sig.SEGV });
    }
  });

  test("where it cannot be written the process dies of SIGSEGV, whatever handler that has", () => {
    for (const sp of [unmapped, readOnly + 2048, 16, beyond]) {
      const t = caller();
      act(t, Sig.USR1, handler);
      act(t, Sig.SEGV, handler);
      setX(t.hart, 2, sp);
      queueSignal(t, Sig.USR1);
      deliverSignals(t);
      expect(t.process.exit).toMatchObject({ signal: Sig.SEGV });
    }
  });
});

describe("handlers", () => {
  const masks = [
    { name: "the signal itself and sa_mask", flags: 0, blocked: bit(Sig.USR1) | bit(Sig.HUP) | bit(Sig.QUIT) },
    { name: "with SA_NODEFER only sa_mask", flags: Sa.NODEFER, blocked: bit(Sig.HUP) | bit(Sig.QUIT) },
  ];
  for (const { name, flags, blocked } of masks)
    test(`are run with what was blocked, and ${name}, blocked`, () => {
      const t = caller();
      act(t, Sig.USR1, handler, flags, bit(Sig.QUIT) | bit(Sig.KILL));
      block(t, bit(Sig.HUP));
      queueSignal(t, Sig.USR1);
      deliverSignals(t);
      expect(t.signals.words[0]).toBe(blocked);
    });

  test("with SA_RESETHAND are run once", () => {
    const t = caller();
    act(t, Sig.USR1, handler, Sa.RESETHAND | Sa.NODEFER);
    queueSignal(t, Sig.USR1);
    deliverSignals(t);
    expect(t.process.exit).toBeUndefined();
    queueSignal(t, Sig.USR1);
    deliverSignals(t);
    expect(t.process.exit).toEqual({ signal: Sig.USR1, coreDumped: false });
  });

  test("of several signals nest: the last of them runs first and returns into the others", () => {
    const t = caller();
    act(t, Sig.USR1, handler);
    act(t, Sig.USR2, handler + 8);
    queueSignal(t, Sig.USR1);
    queueSignal(t, Sig.USR2);
    deliverSignals(t);
    expect(pcOf(t)).toBe(handler + 8);
    make(t, "rt_sigreturn");
    expect(pcOf(t)).toBe(handler);
  });

  test("with SA_ONSTACK run on the alternate stack, unless the thread is on it already", () => {
    const t = caller();
    const [base, size] = [at + 0x1000, 0x4000];
    words(t, at, base, 0, 0, 0, size, 0);
    expect(make(t, "sigaltstack", at, 0)).toBe(0);
    act(t, Sig.USR1, handler, Sa.ONSTACK | Sa.NODEFER);
    queueSignal(t, Sig.USR1);
    deliverSignals(t);
    const first = getU64(t.hart, 2);
    expect(first).toBe(base + size - frame.size);
    expect(word(t, first + frame.stackPointer)).toBe(base);
    expect(make(t, "sigaltstack", at, 0)).toBe(-errno.EPERM);
    make(t, "sigaltstack", 0, at);
    expect([word(t, at), word(t, at + 8), word(t, at + 16)]).toEqual([base, 1, size]);
    queueSignal(t, Sig.USR1);
    deliverSignals(t);
    expect(getU64(t.hart, 2)).toBe(first - frame.size);
  });

  test("that would run over the end of the alternate stack kill instead", () => {
    const t = caller();
    const base = at + 0x1000;
    words(t, at, base, 0, 0, 0, 2048, 0);
    make(t, "sigaltstack", at, 0);
    act(t, Sig.USR1, handler, Sa.ONSTACK | Sa.NODEFER);
    for (const deadly of [false, true]) {
      queueSignal(t, Sig.USR1);
      deliverSignals(t);
      expect(t.process.exit !== undefined).toBe(deadly);
    }
  });

  test("an alternate stack that disarms itself is gone in the handler and back after it", () => {
    const t = caller();
    words(t, at, at + 0x1000, 0, 0x80000000 | 0, 0, 0x4000, 0);
    make(t, "sigaltstack", at, 0);
    act(t, Sig.USR1, handler, Sa.ONSTACK);
    queueSignal(t, Sig.USR1);
    deliverSignals(t);
    const sp = getU64(t.hart, 2);
    make(t, "sigaltstack", 0, at);
    expect([word(t, at), word(t, at + 8)]).toEqual([0, 2]);
    setX(t.hart, 2, sp);
    make(t, "rt_sigreturn");
    make(t, "sigaltstack", 0, at);
    expect([word(t, at), word(t, at + 16)]).toEqual([at + 0x1000, 0x4000]);
  });
});

describe("defaults", () => {
  const terminating = [Sig.HUP, Sig.INT, Sig.KILL, Sig.USR1, Sig.PIPE, Sig.ALRM, Sig.TERM, Sig.IO, Sig.PWR, 32, 64];
  const dumping = [Sig.QUIT, Sig.ILL, Sig.TRAP, Sig.ABRT, Sig.BUS, Sig.FPE, Sig.SEGV, Sig.XCPU, Sig.XFSZ, Sig.SYS];
  for (const signo of [...terminating, ...dumping])
    test(`signal ${signo} ends the process`, () => {
      const t = caller();
      make(t, "kill", t.process.pid, signo);
      expect(t.process.exit).toEqual({
        signal: signo,
        coreDumped: dumping.includes(signo as 3) && limitOf(t.process.limits, Resource.CORE) > 0,
      });
    });

  test("SIGCHLD, SIGURG, SIGWINCH and SIGCONT do nothing and do not become pending", () => {
    const t = caller();
    for (const signo of [Sig.CHLD, Sig.URG, Sig.WINCH, Sig.CONT]) {
      queueSignal(t, signo);
      expect(signalPending(t)).toBe(false);
    }
    deliverSignals(t);
    expect(t.process.exit).toBeUndefined();
  });
});

describe("sending", () => {
  test("an ignored signal is dropped, a blocked one is kept though it is ignored", () => {
    const t = caller();
    act(t, Sig.USR1, 1);
    queueSignal(t, Sig.USR1);
    expect(nextSignal(t)).toBeUndefined();
    block(t, bit(Sig.USR1) | bit(Sig.CHLD));
    for (const target of [t, t.process])
      for (const signo of [Sig.USR1, Sig.CHLD]) {
        queueSignal(target, signo);
        expect(takeSignal(t, bit(signo), 0)?.[0]).toBe(signo);
      }
  });

  test("setting an action to ignore forgets what is pending", () => {
    const t = caller();
    block(t, -1, -1);
    for (const target of [t, t.process]) queueSignal(target, 40, userInfo(40, Code.SI_QUEUE, 1, 1));
    act(t, 40, 1);
    expect(takeSignal(t, -1, -1)).toBeUndefined();
  });

  test("SIGCONT and the stop signals drop each other", () => {
    const t = caller();
    block(t, -1, -1);
    queueSignal(t, Sig.TSTP);
    queueSignal(t.process, Sig.CONT);
    expect(takeSignal(t, -1, -1)?.[0]).toBe(Sig.CONT);
    queueSignal(t, Sig.CONT);
    queueSignal(t.process, Sig.TTIN);
    expect(takeSignal(t, -1, -1)?.[0]).toBe(Sig.TTIN);
    expect(takeSignal(t, -1, -1)).toBeUndefined();
  });

  test("RLIMIT_SIGPENDING bounds queued real-time signals, and nothing else", () => {
    const t = caller();
    block(t, -1, -1);
    words(t, at, 3, 0, 3, 0);
    expect(make(t, "setrlimit", Resource.SIGPENDING, at)).toBe(0);
    words(t, at, 40, 0, Code.SI_QUEUE);
    const send = (): number => make(t, "rt_sigqueueinfo", t.process.pid, 40, at);
    expect([send(), send(), send(), send()]).toEqual([0, 0, 0, -errno.EAGAIN]);
    expect(make(t, "kill", t.process.pid, Sig.USR1)).toBe(0);
    expect(make(t, "kill", t.process.pid, 41)).toBe(0);
    expect(takeSignal(t, bit(Sig.USR1), 0)?.slice(0, 5)).toEqual(Int32Array.of(Sig.USR1, 0, 0, 0, t.process.pid));
    // The siginfo of this one found no room.
    expect(takeSignal(t, 0, bit(41))?.slice(0, 6)).toEqual(Int32Array.of(41, 0, 0, 0, 0, 0));
    expect(takeSignal(t, 0, bit(40))?.[0]).toBe(40);
    expect(send()).toBe(0);
  });

  test("a timer's overruns are counted in its pending signal", () => {
    const t = caller();
    block(t, -1, -1);
    const process = { kernel: t.process.kernel, process: t.process.record, thread: undefined };
    expect(addOverrun(process, 40, 7, 1)).toBe(false);
    queueSignal(t.process, 40, timerInfo(40, 7, 2, 0, 0));
    expect(addOverrun(process, 40, 8, 1)).toBe(false);
    expect(addOverrun(process, 40, 7, 3)).toBe(true);
    expect(takeSignal(t, -1, -1)?.slice(4, 6)).toEqual(Int32Array.of(7, 5));
  });

  test("a fault kills where its signal is blocked or ignored, and runs its handler otherwise", () => {
    const fault = faultInfo(Sig.SEGV, Code.SEGV_ACCERR, 0xdeadb000);
    for (const prepare of [
      (t: Task) => block(t, bit(Sig.SEGV)),
      (t: Task) => act(t, Sig.SEGV, 1),
      (t: Task) => act(t, Sig.SEGV, handler) + block(t, bit(Sig.SEGV)),
    ]) {
      const t = caller();
      prepare(t);
      forceSignal(t, fault);
      deliverSignals(t);
      expect(t.process.exit).toMatchObject({ signal: Sig.SEGV });
    }
    const t = caller();
    act(t, Sig.SEGV, handler, Sa.SIGINFO);
    forceSignal(t, fault);
    deliverSignals(t);
    expect(pcOf(t)).toBe(handler);
    const sp = getU64(t.hart, 2);
    expect([word(t, sp), word(t, sp + 8), word(t, sp + 16) >>> 0, word(t, sp + 20)]).toEqual([11, 2, 0xdeadb000, 0]);
  });
});

describe("calls", () => {
  test("a set that is not 8 bytes long is EINVAL", () => {
    const t = caller();
    for (const size of [0, 4, 16, 128, 2 ** 63]) {
      expect(make(t, "rt_sigaction", Sig.INT, 0, 0, size)).toBe(-errno.EINVAL);
      expect(make(t, "rt_sigprocmask", SIG_BLOCK, 0, 0, size)).toBe(-errno.EINVAL);
      expect(make(t, "rt_sigsuspend", at, size)).toBe(-errno.EINVAL);
      expect(make(t, "rt_sigtimedwait", at, 0, 0, size)).toBe(-errno.EINVAL);
      if (size > 8) expect(make(t, "rt_sigpending", at, size)).toBe(-errno.EINVAL);
    }
  });

  test("rt_sigaction knows signals 1 to 64, and keeps SIGKILL and SIGSTOP as they are", () => {
    const t = caller();
    for (const signo of [0, 65, -1, 2 ** 31]) expect(make(t, "rt_sigaction", signo, 0, 0, 8)).toBe(-errno.EINVAL);
    for (const signo of [Sig.KILL, Sig.STOP]) {
      expect(act(t, signo, handler)).toBe(-errno.EINVAL);
      expect(make(t, "rt_sigaction", signo, 0, at, 8)).toBe(0);
    }
    act(t, 64, handler, Sa.RESTART | 0x400, -1);
    expect(make(t, "rt_sigaction", 64, 0, at, 8)).toBe(0);
    const mask = ~(bit(Sig.KILL) | bit(Sig.STOP));
    expect([0, 8, 16].map((o) => word(t, at + o))).toEqual([handler, Sa.RESTART, mask]);
  });

  test("rt_sigprocmask blocks, unblocks, sets, and never blocks SIGKILL or SIGSTOP", () => {
    const t = caller();
    const change = (how: number, lo: number): number => {
      words(t, at, lo, 0);
      make(t, "rt_sigprocmask", how, at, 0, 8);
      return t.signals.words[0]!;
    };
    expect(change(2, -1)).toBe(~(bit(Sig.KILL) | bit(Sig.STOP)));
    expect(change(2, 6)).toBe(6);
    expect(change(0, 1)).toBe(7);
    expect(change(1, 2)).toBe(5);
    expect(make(t, "rt_sigprocmask", 3, at, 0, 8)).toBe(-errno.EINVAL);
    expect(make(t, "rt_sigprocmask", 3, 0, at + 8, 8)).toBe(0);
    expect(word(t, at + 8)).toBe(5);
  });

  test("an unblocked signal is delivered when the call that unblocks it ends", () => {
    const t = caller();
    act(t, Sig.USR1, handler);
    block(t, bit(Sig.USR1));
    make(t, "tgkill", t.process.pid, t.tid, Sig.USR1);
    expect(pcOf(t)).toBe(afterCall);
    make(t, "rt_sigpending", at, 8);
    expect(word(t, at)).toBe(bit(Sig.USR1));
    block(t, 0);
    expect(pcOf(t)).toBe(handler);
    // The call's result is in the frame.
    expect(word(t, getU64(t.hart, 2) + frame.registers + 8 * 10)).toBe(0);
  });

  test("rt_sigsuspend ends with a signal, as EINTR, and its mask is gone after the handler", () => {
    const t = caller();
    act(t, Sig.USR1, handler, Sa.RESTART);
    block(t, bit(Sig.USR1));
    queueSignal(t, Sig.USR1);
    words(t, at, bit(Sig.HUP), 0);
    make(t, "rt_sigsuspend", at, 8);
    expect(pcOf(t)).toBe(handler);
    expect(t.signals.words[0]).toBe(bit(Sig.HUP) | bit(Sig.USR1));
    expect(make(t, "rt_sigreturn")).toBe(-errno.EINTR);
    expect(t.signals.words[0]).toBe(bit(Sig.USR1));
    expect(pcOf(t)).toBe(afterCall);
  });

  test("rt_sigtimedwait takes a pending signal with its siginfo, or answers EAGAIN in time", () => {
    const t = caller();
    block(t, -1, -1);
    words(t, at + 64, 0, 0, 1000, 0);
    words(t, at, bit(Sig.USR1), bit(40));
    expect(make(t, "rt_sigtimedwait", at, at + 128, at + 64, 8)).toBe(-errno.EAGAIN);
    words(t, at, 40, 0, Code.SI_QUEUE, 0, 5, 6, 7, 8);
    make(t, "rt_sigqueueinfo", t.process.pid, 40, at);
    words(t, at, bit(Sig.USR1), bit(40));
    t.memory.u8.fill(0xff, at + 128, at + 256);
    expect(make(t, "rt_sigtimedwait", at, at + 128, 0, 8)).toBe(40);
    const info = t.memory.i32.slice((at + 128) / 4, (at + 256) / 4);
    expect(info.slice(0, 8)).toEqual(Int32Array.of(40, 0, Code.SI_QUEUE, 0, 5, 6, 7, 8));
    expect(info.slice(8).every((w) => w === 0)).toBe(true);
    words(t, at + 64, 0, 0, 1e9, 0);
    expect(make(t, "rt_sigtimedwait", at, 0, at + 64, 8)).toBe(-errno.EINVAL);
  });

  test("kill reaches the process itself by its id and by 0; nobody has the ids of the engine's threads", () => {
    for (const pid of [process.pid, 0]) {
      const t = caller();
      expect(make(t, "kill", pid, 0)).toBe(0);
      expect(make(t, "kill", pid, 65)).toBe(-errno.EINVAL);
      make(t, "kill", pid, Sig.KILL);
      expect(t.process.exit).toEqual({ signal: Sig.KILL, coreDumped: false });
    }
    const t = caller();
    expect(make(t, "kill", -1, Sig.KILL)).toBe(-errno.ESRCH);
    expect(make(t, "kill", -(2 ** 31), Sig.KILL)).toBe(-errno.ESRCH);
    const other = readdirSync("/proc/self/task")
      .map(Number)
      .find((tid) => tid !== process.pid)!;
    for (const name of ["kill", "tkill"]) expect(make(t, name, other, Sig.KILL)).toBe(-errno.ESRCH);
    expect(make(t, "tgkill", process.pid, other, Sig.KILL)).toBe(-errno.ESRCH);
    expect(make(t, "tgkill", other, other, Sig.KILL)).toBe(-errno.ESRCH);
  });

  test("kill of a process of the host is the host's kill", () => {
    const t = caller();
    const child = Bun.spawn(["sleep", "1000"]);
    expect(make(t, "kill", child.pid, 0)).toBe(0);
    expect(make(t, "kill", child.pid, Sig.KILL)).toBe(0);
    return expect(child.exited.then(() => child.signalCode)).resolves.toBe("SIGKILL");
  });

  test("a siginfo may not pretend to come from the kernel, except to oneself", () => {
    const t = caller();
    block(t, -1, -1);
    for (const code of [0, 1, Code.SI_KERNEL, Code.SI_TKILL]) {
      words(t, at, 0, 0, code);
      expect(make(t, "rt_sigqueueinfo", 1, Sig.USR1, at)).toBe(-errno.EPERM);
      expect(make(t, "rt_sigqueueinfo", t.process.pid, Sig.USR1, at)).toBe(0);
    }
  });

  test("a pidfd of the process itself reaches the guest, not the emulator", () => {
    const t = caller();
    const fd = installFd(t.process.fds, host("pidfd_open", process.pid, 0), true);
    expect(make(t, "pidfd_send_signal", fd, 0, 0, 0)).toBe(0);
    expect(make(t, "pidfd_send_signal", 0, Sig.KILL, 0, 0)).toBe(-errno.EBADF);
    expect(make(t, "pidfd_send_signal", fd, Sig.KILL, 0, 3)).toBe(-errno.EINVAL);
    make(t, "pidfd_send_signal", fd, Sig.KILL, 0, 0);
    expect(t.process.exit).toEqual({ signal: Sig.KILL, coreDumped: false });
  });
});

describe("an interrupted call", () => {
  const { ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND, ERESTART_RESTARTBLOCK } = restart;
  const rows: [code: number, callClass: CallClass, flags: number, outcome: "again" | "EINTR"][] = [
    [ERESTARTSYS, "restart", Sa.RESTART, "again"],
    [ERESTARTSYS, "restart", 0, "EINTR"],
    [ERESTARTSYS, "eintr", Sa.RESTART, "EINTR"],
    [ERESTARTNOINTR, "restart", 0, "again"],
    [ERESTARTNOINTR, "eintr", Sa.RESTART, "again"],
    [ERESTARTNOHAND, "restart", Sa.RESTART, "EINTR"],
    [ERESTART_RESTARTBLOCK, "restart", Sa.RESTART, "EINTR"],
  ];
  const [argument, number] = [77, 63];
  const interrupted = (t: Task, code: number, callClass: CallClass): void => {
    setX(t.hart, 10, argument);
    setX(t.hart, 17, number);
    t.hart.i32[hart.pc] = afterCall;
    finishCall(
      t,
      call(number, "read", [int], "int", callClass, () => 0),
      -code,
    );
  };

  for (const [code, callClass, flags, outcome] of rows)
    test(`that answers ${code}, of class ${callClass}, ${flags ? "with" : "without"} SA_RESTART: ${outcome}`, () => {
      const t = caller();
      act(t, Sig.USR1, handler, flags);
      queueSignal(t, Sig.USR1);
      interrupted(t, code, callClass);
      expect(pcOf(t)).toBe(handler);
      make(t, "rt_sigreturn");
      expect(pcOf(t)).toBe(outcome === "again" ? atCall : afterCall);
      expect(t.hart.i32[20]).toBe(outcome === "again" ? argument : -errno.EINTR);
    });

  for (const code of Object.values(restart))
    test(`that answers ${code} is made again where no handler runs`, () => {
      const t = caller();
      act(t, Sig.USR1, 1);
      interrupted(t, code, "restart");
      expect(pcOf(t)).toBe(atCall);
      expect(t.hart.i32[20]).toBe(argument);
      expect(t.hart.i32[34]).toBe(code === ERESTART_RESTARTBLOCK ? 128 : number);
    });

  test("restart_syscall goes on with what was interrupted, once", () => {
    const t = caller();
    t.signals.restartBlock = () => 99;
    expect(make(t, "restart_syscall")).toBe(99);
    expect(make(t, "restart_syscall")).toBe(-errno.EINTR);
  });

  test("the first handler decides for the call, not those that nest into it", () => {
    const t = caller();
    act(t, Sig.USR1, handler, Sa.RESTART);
    act(t, Sig.USR2, handler, 0);
    queueSignal(t, Sig.USR1);
    queueSignal(t, Sig.USR2);
    interrupted(t, ERESTARTSYS, "restart");
    make(t, "rt_sigreturn");
    make(t, "rt_sigreturn");
    expect(pcOf(t)).toBe(atCall);
  });
});

describe("signal descriptors", () => {
  const open = (t: Task, lo: number, hi = 0): number => {
    const EFD_NONBLOCK = 0o4000;
    const fd = installFd(t.process.fds, host("eventfd2", 0, EFD_NONBLOCK), true, FdKind.signal);
    expect(registerSignalFd(t.process, fd, lo, hi)).toBe(0);
    return fd;
  };
  const ready = (t: Task, fd: number): boolean => {
    const pollfd = new Int32Array(new ArrayBuffer(8));
    pollfd.set([hostFd(t.process.fds, fd), 1]);
    const timeout = new Int32Array(new ArrayBuffer(16));
    return host("ppoll", addressOf(pollfd), 1, addressOf(timeout), 0, 0) === 1;
  };

  test("are readable exactly while a signal of their set is pending", () => {
    const t = caller();
    block(t, -1, -1);
    const fd = open(t, bit(Sig.USR1), bit(40));
    expect(ready(t, fd)).toBe(false);
    queueSignal(t, Sig.USR2);
    expect(ready(t, fd)).toBe(false);
    queueSignal(t.process, Sig.USR1);
    queueSignal(t, 40, valueInfo(40, Code.SI_QUEUE, 5, 6, 7, 8));
    expect(ready(t, fd)).toBe(true);
    expect(readSignalFd(t, fd, at, 128)).toBe(128);
    expect(word(t, at)).toBe(40);
    expect([12, 16, 44, 48, 52].map((o) => word(t, at + o))).toEqual([5, 6, 7, 7, 8]);
    expect(ready(t, fd)).toBe(true);
    expect(readSignalFd(t, fd, at, 1000)).toBe(128);
    expect(word(t, at)).toBe(Sig.USR1);
    expect(ready(t, fd)).toBe(false);
    expect(readSignalFd(t, fd, at, 128)).toBe(-errno.EAGAIN);
    expect(readSignalFd(t, fd, at, 127)).toBe(-errno.EINVAL);
  });

  test("another set changes what they see, and a signal taken otherwise is gone for them", () => {
    const t = caller();
    block(t, -1, -1);
    const fd = open(t, bit(Sig.USR1));
    queueSignal(t, Sig.USR2);
    registerSignalFd(t.process, fd, bit(Sig.USR2), 0);
    expect(ready(t, fd)).toBe(true);
    takeSignal(t, bit(Sig.USR2), 0);
    expect(ready(t, fd)).toBe(false);
  });

  test("a kernel's signal keeps its code", () => {
    const t = caller();
    block(t, -1, -1);
    const fd = open(t, bit(Sig.ALRM));
    queueSignal(t.process, Sig.ALRM, kernelInfo(Sig.ALRM));
    readSignalFd(t, fd, at, 128);
    expect([0, 8].map((o) => word(t, at + o))).toEqual([Sig.ALRM, Code.SI_KERNEL]);
  });
});

describe("a trace shows", () => {
  const shown =
    (name: string, argument: number, ...args: number[]): ((t: Task) => string) =>
    (t) => {
      const row = [...signalCalls, ...killCalls].find((r) => r.name === name)!;
      const value = args[argument]!;
      return row.args[argument]!.show(t, value | 0, Math.floor(value / 2 ** 32), { raw: args, result: 0 });
    };

  test("sets by the names in them, or by those that are not", () => {
    const t = caller();
    const show = shown("rt_sigprocmask", 1, 0, at, 0, 8);
    words(t, at, bit(Sig.INT) | bit(Sig.CHLD), bit(32 + 1));
    expect(show(t)).toBe("[INT CHLD RT_1]");
    words(t, at, ~bit(Sig.KILL), ~bit(32));
    expect(show(t)).toBe("~[KILL RT_32]");
    words(t, at, 0, 0);
    expect(show(t)).toBe("[]");
  });

  test("actions by handler, mask and flags", () => {
    const t = caller();
    const show = shown("rt_sigaction", 1, Sig.INT, at, 0, 8);
    words(t, at, handler, 0, Sa.SIGINFO | Sa.RESTART | Sa.RESETHAND, 0, bit(Sig.HUP), 0);
    expect(show(t)).toBe("{sa_sigaction=0x4000, sa_mask=[HUP], sa_flags=SA_SIGINFO|SA_RESTART|SA_RESETHAND}");
    words(t, at, 1, 0, 0, 0, 0, 0);
    expect(show(t)).toBe("{sa_handler=SIG_IGN, sa_mask=[], sa_flags=0}");
    expect(shown("rt_sigaction", 1, Sig.INT, 0, 0, 8)(t)).toBe("NULL");
    expect(shown("rt_sigaction", 1, Sig.INT, unmapped, 0, 8)(t)).toBe("0x300000");
  });

  test("signals by name", () => {
    const t = caller();
    expect([9, 32, 35, 0, 99].map((n) => shown("kill", 1, 0, n)(t))).toEqual([
      "SIGKILL",
      "SIGRTMIN",
      "SIGRT_3",
      "0",
      "99",
    ]);
  });
});
