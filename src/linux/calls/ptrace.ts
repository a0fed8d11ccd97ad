// ptrace: a guest thread looks at others and rules them (Linux's kernel/ptrace.c). Requests are rows; what a tracee does in its
// stops is in ptrace-stops.ts. PTRACE_SINGLESTEP, which Linux has not on this architecture, is as it has it on others.

import { hart } from "../../cpu/hart.ts";
import { addressOf, host } from "../../host/syscall.ts";
import { copyTo, readable } from "../../memory/guest-memory.ts";
import { withLock } from "../../sync/mutex.ts";
import { Attr, privileged } from "../attributes.ts";
import { errno } from "../errno.ts";
import { int, oneOf, pointer } from "../kinds.ts";
import { parkThrough, wakeCount } from "../park.ts";
import { Pending, wake } from "../place.ts";
import { ProcessField, type ProcessRecord, processAt } from "../processes.ts";
import {
  isListening,
  isSeized,
  isTraced,
  isTraceStopped,
  linkHeld,
  listenHeld,
  Option,
  resumeHeld,
  TraceEvent,
  TraceField,
  TraceFlag,
  trapHeld,
  unlinkHeld,
} from "../ptrace.ts";
import { callInfo, callInfoBytes, readSet, setBytes, setCallInfo, writeSet } from "../ptrace-registers.ts";
import { State } from "../records.ts";
import { readMemory, writeMemory } from "../remote-memory.ts";
import { type CallRow, call } from "../row.ts";
import { rseqConfiguration } from "../rseq.ts";
import { infoWords, kernelInfo, Sig, type SigInfo, sigMax } from "../siginfo.ts";
import { findQueued, signalPool } from "../signal-queue.ts";
import { bit, sendSignal, TaskWord } from "../signals.ts";
import { isStopped } from "../stops.ts";
import { whois } from "../targets.ts";
import type { Task } from "../task.ts";
import { findTask, JobBit, TaskField, type TaskRecord, taskAt } from "../tasks.ts";
import { loadWords, storeWords, u64, words64 } from "../words.ts";

const Request = {
  PTRACE_TRACEME: 0,
  PTRACE_PEEKTEXT: 1,
  PTRACE_PEEKDATA: 2,
  PTRACE_POKETEXT: 4,
  PTRACE_POKEDATA: 5,
  PTRACE_CONT: 7,
  PTRACE_KILL: 8,
  PTRACE_SINGLESTEP: 9,
  PTRACE_ATTACH: 16,
  PTRACE_DETACH: 17,
  PTRACE_OLDSETOPTIONS: 21,
  PTRACE_SYSCALL: 24,
  PTRACE_SETOPTIONS: 0x4200,
  PTRACE_GETEVENTMSG: 0x4201,
  PTRACE_GETSIGINFO: 0x4202,
  PTRACE_SETSIGINFO: 0x4203,
  PTRACE_GETREGSET: 0x4204,
  PTRACE_SETREGSET: 0x4205,
  PTRACE_SEIZE: 0x4206,
  PTRACE_INTERRUPT: 0x4207,
  PTRACE_LISTEN: 0x4208,
  PTRACE_PEEKSIGINFO: 0x4209,
  PTRACE_GETSIGMASK: 0x420a,
  PTRACE_SETSIGMASK: 0x420b,
  PTRACE_SECCOMP_GET_FILTER: 0x420c,
  PTRACE_SECCOMP_GET_METADATA: 0x420d,
  PTRACE_GET_SYSCALL_INFO: 0x420e,
  PTRACE_GET_RSEQ_CONFIGURATION: 0x420f,
  PTRACE_SET_SYSCALL_INFO: 0x4212,
} as const;

/** The arguments of a request: addresses in the tracer, or numbers. */
type Handler = (t: Task, tracee: TaskRecord, addr: number, data: number) => number;

const held = <T>(t: Task, work: () => T): T => withLock(t.process.kernel.signalsLock, work);

// ---- becoming a tracee

/** PTRACE_MODE_ATTACH_REALCREDS: whether the ids of a process allow another to trace it. */
export function mayTrace(t: Task, { attributes }: ProcessRecord): boolean {
  if (attributes === t.process.record.attributes || privileged(t.process.attributes)) return true;
  const own = t.process.attributes.words;
  const same = (id: number, first: number): boolean => [0, 1, 2].every((i) => attributes[first + i] === id);
  return same(own[Attr.ruid]!, Attr.ruid) && same(own[Attr.rgid]!, Attr.rgid) && attributes[Attr.dumpable] === 1;
}

/** The thread of its parent that has made the process traces the caller from now on. */
function traceMe(t: Task): number {
  const { kernel, record } = t.process;
  return withLock(kernel.tasksLock, () => {
    const parent = record.i32[ProcessField.parent]!;
    if (parent === 0) return -errno.EPERM;
    const { i32 } = processAt(kernel, parent - 1);
    const maker = record.i32[ProcessField.maker]! || i32[ProcessField.leader]!;
    return held(t, () => {
      if (isTraced(t.record) || i32[ProcessField.exit] !== 0) return -errno.EPERM;
      linkHeld(kernel, t.record, maker - 1, 0, 0);
      return 0;
    });
  });
}

function attach(t: Task, tracee: TaskRecord, seizes: boolean, addr: number, data: number): number {
  const { kernel, index } = t.process;
  if (seizes && (addr !== 0 || (data & ~Option.all) !== 0 || data > Option.all)) return -errno.EIO;
  const process = processAt(kernel, tracee.i32[TaskField.process]!);
  if (process.index === index || !mayTrace(t, process)) return -errno.EPERM;
  const hadStopped = held(t, () => {
    if (tracee.i32[TaskField.state] !== State.live || isTraced(tracee)) return undefined;
    linkHeld(kernel, tracee, t.index, seizes ? TraceFlag.seized : 0, seizes ? data : 0);
    if (!isStopped(tracee)) return false;
    // From the stop of its process it goes into one of its tracer's.
    tracee.i32[TaskField.job]! &= ~JobBit.stopped;
    trapHeld(tracee, TraceFlag.trap);
    wake(tracee, Pending.stop);
    return true;
  });
  if (hadStopped === undefined) return -errno.EPERM;
  if (!seizes) sendSignal({ kernel, process, thread: tracee }, Sig.STOP, kernelInfo(Sig.STOP));
  if (hadStopped) awaitStop(t, tracee);
  return 0;
}

/** Sleeps until a tracee has stopped, which it is about to. */
function awaitStop(t: Task, tracee: TaskRecord): void {
  for (;;) {
    const seen = wakeCount(t);
    Atomics.store(t.record.i32, TaskField.waiting, 1);
    const { i32 } = tracee;
    const isDone = isTraceStopped(tracee) || i32[TraceField.tracer] !== t.index + 1;
    if (isDone || i32[TaskField.state] !== State.live || t.process.exit !== undefined) break;
    parkThrough(t, seen);
  }
  Atomics.store(t.record.i32, TaskField.waiting, 0);
}

// ---- memory

const cell = new BigInt64Array(new SharedArrayBuffer(8));
const cellBytes = new Uint8Array(cell.buffer);

const processOf = (t: Task, { i32 }: TaskRecord): ProcessRecord => processAt(t.process.kernel, i32[TaskField.process]!);

const peek: Handler = (t, tracee, addr, data) => {
  if (readMemory(processOf(t, tracee), addr, addressOf(cell), 8, "forced") !== 8) return -errno.EIO;
  return copyTo(t.memory, data, cellBytes) ? 0 : -errno.EFAULT;
};

/** The word is in the register of the fourth argument: it may be too large for a number. */
const poke: Handler = (t, tracee, addr) => {
  new Int32Array(cell.buffer).set(t.hart.i32.subarray(hart.x + 26, hart.x + 28));
  const process = processOf(t, tracee);
  const written = writeMemory(t.process.kernel, process, addr, addressOf(cell), 8, "forced");
  return written === 8 ? 0 : -errno.EIO;
};

// ---- going on

const resume =
  (flags: number): Handler =>
  (t, tracee, _addr, data) => {
    if (data > sigMax) return -errno.EIO;
    held(t, () => resumeHeld(tracee, data, flags));
    wake(tracee, Pending.ptrace);
    return 0;
  };

const detach: Handler = (t, tracee, _addr, data) => {
  if (data > sigMax) return -errno.EIO;
  held(t, () => unlinkHeld(t.process.kernel, tracee, data));
  return 0;
};

const kill: Handler = (t, tracee) => {
  const { kernel } = t.process;
  sendSignal({ kernel, process: processOf(t, tracee), thread: tracee }, Sig.KILL, kernelInfo(Sig.KILL));
  return 0;
};

const interrupt: Handler = (t, tracee) =>
  held(t, () => {
    if (!isSeized(tracee)) return -errno.EIO;
    trapHeld(tracee, TraceFlag.trap);
    return 0;
  });

const listen: Handler = (t, tracee) =>
  held(t, () => {
    const { i32 } = tracee;
    const isGroupStop = i32[TraceField.hasInfo] !== 0 && i32[TraceField.info + 2]! >> 8 === TraceEvent.STOP;
    if (!isSeized(tracee) || !isGroupStop) return -errno.EIO;
    listenHeld(tracee);
    return 0;
  });

// ---- what a stop is about

const setOptions: Handler = (_t, { i32 }, _addr, data) => {
  if (data > Option.all || (data & ~Option.all) !== 0) return -errno.EINVAL;
  i32[TraceField.options] = data;
  return 0;
};

const getEventMessage: Handler = (t, { i32 }, _addr, data) =>
  storeWords(t, data, i32.slice(TraceField.message, TraceField.message + 2)) ? 0 : -errno.EFAULT;

// A siginfo_t has more bytes than the kernel keeps.
const fullInfoWords = 32;

const getSigInfo: Handler = (t, { i32 }, _addr, data) => {
  const info = new Int32Array(fullInfoWords);
  if (i32[TraceField.hasInfo] === 0) return -errno.EINVAL;
  info.set(i32.subarray(TraceField.info, TraceField.info + infoWords));
  return storeWords(t, data, info) ? 0 : -errno.EFAULT;
};

const setSigInfo: Handler = (t, { i32 }, _addr, data) => {
  const info = loadWords(t, data, fullInfoWords);
  if (info === undefined) return -errno.EFAULT;
  if (i32[TraceField.hasInfo] === 0) return -errno.EINVAL;
  i32.set(info.subarray(0, infoWords), TraceField.info);
  return 0;
};

const peekShared = 1;

const peekSigInfo: Handler = (t, tracee, addr, data) => {
  const args = loadWords(t, addr, 4);
  if (args === undefined) return -errno.EFAULT;
  const [from, flags, most] = [u64(args[0]!, args[1]!), args[2]!, args[3]!];
  if ((flags & ~peekShared) !== 0 || most < 0) return -errno.EINVAL;
  const set = flags & peekShared ? processOf(t, tracee).pending : tracee.pending;
  const queued: SigInfo[] = [];
  held(t, () => {
    for (let signo = 1; signo <= sigMax; signo++)
      findQueued(signalPool(t.process.kernel), set, signo, (info) => {
        queued.push(info.slice());
        return false;
      });
  });
  let count = 0;
  for (const info of queued.slice(from, from + most)) {
    const full = new Int32Array(fullInfoWords);
    full.set(info);
    if (!storeWords(t, data + count * fullInfoWords * 4, full)) return count === 0 ? -errno.EFAULT : count;
    count++;
  }
  return count;
};

const setSize = 8;

/** The mask that a call like ppoll will put back counts, while there is one. */
const maskAt = ({ signals }: TaskRecord): number =>
  signals[TaskWord.hasSaved] === 0 ? TaskWord.blocked : TaskWord.saved;

const getSigMask: Handler = (t, tracee, addr, data) => {
  if (addr !== setSize) return -errno.EINVAL;
  const at = maskAt(tracee);
  return storeWords(t, data, tracee.signals.slice(at, at + 2)) ? 0 : -errno.EFAULT;
};

const unblockable = bit(Sig.KILL) | bit(Sig.STOP);

/** The tracee looks at what is pending when it goes on. */
const setSigMask: Handler = (t, tracee, addr, data) => {
  if (addr !== setSize) return -errno.EINVAL;
  const mask = loadWords(t, data, 2);
  if (mask === undefined) return -errno.EFAULT;
  held(t, () => {
    tracee.signals.set([mask[0]! & ~unblockable, mask[1]!], TaskWord.blocked);
    tracee.signals[TaskWord.hasSaved] = 0;
  });
  return 0;
};

// ---- registers

const iovecWords = 4;

/** The part of a register set that an iovec is about: where, and how many bytes; or an error. */
function part(t: Task, type: number, vector: number): { readonly base: number; readonly length: number } | number {
  const words = loadWords(t, vector, iovecWords);
  if (words === undefined) return -errno.EFAULT;
  const most = setBytes(type);
  const length = u64(words[2]!, words[3]!);
  // All registers have the same size.
  if (most === undefined || (words[2]! & 7) !== 0) return -errno.EINVAL;
  return { base: u64(words[0]!, words[1]!), length: Math.min(length, most) };
}

const storeLength = (t: Task, vector: number, length: number): number =>
  storeWords(t, vector + 8, words64(length)) ? 0 : -errno.EFAULT;

const getRegSet: Handler = (t, tracee, type, vector) => {
  const v = part(t, type, vector);
  if (typeof v === "number") return v;
  const set = new Uint8Array(readSet(t.process.kernel, tracee, type).buffer, 0, v.length);
  return copyTo(t.memory, v.base, set) ? storeLength(t, vector, v.length) : -errno.EFAULT;
};

const setRegSet: Handler = (t, tracee, type, vector) => {
  const v = part(t, type, vector);
  if (typeof v === "number") return v;
  const given = readable(t.memory, v.base, v.length)?.slice();
  if (given === undefined) return -errno.EFAULT;
  writeSet(t.process.kernel, tracee, type, given);
  return storeLength(t, vector, v.length);
};

const getCallInfo: Handler = (t, tracee, bytes, data) => {
  const info = callInfo(t.process.kernel, tracee);
  return copyTo(t.memory, data, info.subarray(0, Math.min(info.length, bytes))) ? info.length : -errno.EFAULT;
};

const setSyscallInfo: Handler = (t, tracee, bytes, data) => {
  if (bytes < callInfoBytes) return -errno.EINVAL;
  const info = loadWords(t, data, callInfoBytes / 4);
  if (info === undefined) return -errno.EFAULT;
  return setCallInfo(t.process.kernel, tracee, info) ? 0 : -errno.EINVAL;
};

const rseqBytes = 24;

const getRseq: Handler = (t, tracee, bytes, data) => {
  const said = new Uint8Array(rseqConfiguration(tracee).buffer, 0, Math.min(rseqBytes, bytes));
  return copyTo(t.memory, data, said) ? rseqBytes : -errno.EFAULT;
};

// ---- the call

const handlers: Readonly<Record<number, Handler>> = {
  [Request.PTRACE_PEEKTEXT]: peek,
  [Request.PTRACE_PEEKDATA]: peek,
  [Request.PTRACE_POKETEXT]: poke,
  [Request.PTRACE_POKEDATA]: poke,
  [Request.PTRACE_CONT]: resume(0),
  [Request.PTRACE_SYSCALL]: resume(TraceFlag.calls),
  [Request.PTRACE_SINGLESTEP]: resume(TraceFlag.steps),
  [Request.PTRACE_DETACH]: detach,
  [Request.PTRACE_KILL]: kill,
  [Request.PTRACE_INTERRUPT]: interrupt,
  [Request.PTRACE_LISTEN]: listen,
  [Request.PTRACE_OLDSETOPTIONS]: setOptions,
  [Request.PTRACE_SETOPTIONS]: setOptions,
  [Request.PTRACE_GETEVENTMSG]: getEventMessage,
  [Request.PTRACE_GETSIGINFO]: getSigInfo,
  [Request.PTRACE_SETSIGINFO]: setSigInfo,
  [Request.PTRACE_PEEKSIGINFO]: peekSigInfo,
  [Request.PTRACE_GETSIGMASK]: getSigMask,
  [Request.PTRACE_SETSIGMASK]: setSigMask,
  [Request.PTRACE_GETREGSET]: getRegSet,
  [Request.PTRACE_SETREGSET]: setRegSet,
  [Request.PTRACE_GET_SYSCALL_INFO]: getCallInfo,
  [Request.PTRACE_SET_SYSCALL_INFO]: setSyscallInfo,
  [Request.PTRACE_GET_RSEQ_CONFIGURATION]: getRseq,
  [Request.PTRACE_SECCOMP_GET_FILTER]: () => -errno.EINVAL,
  [Request.PTRACE_SECCOMP_GET_METADATA]: () => -errno.EINVAL,
};

/** Requests for which the tracee need not have stopped. */
const anyTime: readonly number[] = [Request.PTRACE_KILL, Request.PTRACE_INTERRUPT];

function ptrace(t: Task, request: number, pid: number, addr: number, data: number): number {
  const { kernel } = t.process;
  if (request === Request.PTRACE_TRACEME) return traceMe(t);
  const begins = request === Request.PTRACE_ATTACH || request === Request.PTRACE_SEIZE;
  const index = findTask(kernel, pid);
  if (index === undefined) {
    const isHosts = begins && pid > 0 && whois(t, pid) === "host" && host("kill", pid, 0) !== -errno.ESRCH;
    return isHosts ? -errno.EPERM : -errno.ESRCH;
  }
  const tracee = taskAt(kernel, index);
  if (begins) return attach(t, tracee, request === Request.PTRACE_SEIZE, addr, data);
  const isOwn = isTraced(tracee) && tracee.i32[TraceField.tracer] === t.index + 1;
  const isReady = anyTime.includes(request) || (isTraceStopped(tracee) && !isListening(tracee));
  if (!isOwn || !isReady) return -errno.ESRCH;
  return handlers[request]?.(t, tracee, addr, data) ?? -errno.EIO;
}

export const ptraceCalls: readonly CallRow[] = [
  call(117, "ptrace", [oneOf(Request), int, pointer, pointer], "int", "quick", ptrace),
];
