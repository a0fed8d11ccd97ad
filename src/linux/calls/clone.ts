// clone and clone3: arguments and what they must not be, by the rules of Linux's kernel/fork.c. Threads are made by
// threads.ts, processes by fork.ts.

import { readable } from "../../memory/guest-memory.ts";
import { errno } from "../errno.ts";
import { closeFd, hostFd } from "../fds.ts";
import { flagSet, pointer, size } from "../kinds.ts";
import { newPidfd } from "../pidfds.ts";
import { ProcessField, type ProcessRecord } from "../processes.ts";
import { isTraced, TraceEvent, wantsEvent } from "../ptrace.ts";
import { stopAtEvent } from "../ptrace-stops.ts";
import { type CallRow, call, type Kind } from "../row.ts";
import { sharesActions } from "../sighand.ts";
import { Sig, sigMax, signalName } from "../siginfo.ts";
import type { Task } from "../task.ts";
import { unshareTable } from "../thread-tables.ts";
import { type NewThread, startThread } from "../threads.ts";
import { loadWords, storeWords, u64 } from "../words.ts";

const Clone = {
  VM: 0x100,
  FS: 0x200,
  FILES: 0x400,
  SIGHAND: 0x800,
  PIDFD: 0x1000,
  PTRACE: 0x2000,
  VFORK: 0x4000,
  PARENT: 0x8000,
  THREAD: 0x10000,
  NEWNS: 0x20000,
  SYSVSEM: 0x40000,
  SETTLS: 0x80000,
  PARENT_SETTID: 0x100000,
  CHILD_CLEARTID: 0x200000,
  DETACHED: 0x400000,
  UNTRACED: 0x800000,
  CHILD_SETTID: 0x1000000,
  NEWCGROUP: 0x2000000,
  NEWUTS: 0x4000000,
  NEWIPC: 0x8000000,
  NEWUSER: 0x10000000,
  NEWPID: 0x20000000,
  NEWNET: 0x40000000,
  IO: 0x80000000,
} as const;
const namespaces =
  Clone.NEWNS | Clone.NEWCGROUP | Clone.NEWUTS | Clone.NEWIPC | Clone.NEWUSER | Clone.NEWPID | Clone.NEWNET;
/** Of clone3 alone: it is one of clone's bits for the signal. */
const NEWTIME = 0x80;
/** The low bits of clone's flags are the signal that the parent gets. */
const signalBits = 0xff;

/** What both calls ask for. Addresses are the guest's. */
interface Request {
  /** An int32, without the signal. */
  readonly flags: number;
  /** The end of the new stack; 0 for none. */
  readonly stack: number;
  readonly parentTid: number;
  readonly childTid: number;
  readonly tls: number;
  /** Where the descriptor of the new process goes. */
  readonly pidfd: number;
  /** The signal at its end. */
  readonly signal: number;
  readonly clearsHandlers: boolean;
}

/** Programs that make no process need nothing of that. */
const loadFork = () => require("../fork.ts") as typeof import("../fork.ts");
const loadElsewhere = () => require("../exec-elsewhere.ts") as typeof import("../exec-elsewhere.ts");

function start(t: Task, request: Request): number {
  const { flags, stack, parentTid, childTid, tls } = request;
  const has = (bit: number): boolean => (flags & bit) !== 0;
  if (has(Clone.FS) && (has(Clone.NEWNS) || has(Clone.NEWUSER))) return -errno.EINVAL;
  if (has(Clone.THREAD) && !has(Clone.SIGHAND)) return -errno.EINVAL;
  if (has(Clone.SIGHAND) && !has(Clone.VM)) return -errno.EINVAL;
  if (has(Clone.THREAD) && (has(Clone.NEWUSER) || has(Clone.NEWPID))) return -errno.EINVAL;
  // Two results in one place.
  if (has(Clone.PIDFD) && has(Clone.PARENT_SETTID) && request.pidfd === parentTid) return -errno.EINVAL;
  if (has(namespaces)) return -errno.EPERM;
  const event = eventOf(t, request);
  const where = (bit: number, address: number): number | undefined => (has(bit) ? address : undefined);
  const begins = {
    stack,
    tls: where(Clone.SETTLS, tls),
    parentTid: where(Clone.PARENT_SETTID, parentTid),
    childTid: where(Clone.CHILD_SETTID, childTid),
    clearTid: where(Clone.CHILD_CLEARTID, childTid),
    traced: event !== 0 || has(Clone.PTRACE),
    sharesFds: has(Clone.FILES),
    sharesFiles: has(Clone.FS),
    isVfork: has(Clone.VFORK),
    begun: (id: number) => {
      if (!has(Clone.THREAD) || has(Clone.VFORK)) t.process.tracer?.made(t, id, has(Clone.VFORK));
      if (event !== 0) stopAtEvent(t, event, id);
    },
  };
  if (has(Clone.THREAD) && has(Clone.PIDFD)) return -errno.EINVAL;
  const id = has(Clone.THREAD) ? startThread(t, begins) : makeProcess(t, request, begins);
  if (id > 0 && has(Clone.VFORK)) t.process.tracer?.released(t, has(Clone.THREAD));
  if (id > 0 && has(Clone.VFORK)) stopAtEvent(t, TraceEvent.VFORK_DONE, id);
  return id;
}

/** The event that a tracer of the caller wants to see of the call, 0 for none. */
function eventOf({ record }: Task, { flags, signal }: Request): number {
  if (!isTraced(record) || (flags & Clone.UNTRACED) !== 0) return 0;
  const forks = signal === Sig.CHLD ? TraceEvent.FORK : TraceEvent.CLONE;
  const event = (flags & Clone.VFORK) !== 0 ? TraceEvent.VFORK : forks;
  return wantsEvent(record, event) ? event : 0;
}

function makeProcess(t: Task, { flags, signal, pidfd, clearsHandlers }: Request, begins: NewThread): number {
  const has = (bit: number): boolean => (flags & bit) !== 0;
  let fd = -1;
  const made = (process: ProcessRecord): number => {
    fd = newPidfd(t, process, process.i32[ProcessField.pid]!);
    if (fd < 0) return fd;
    return storeWords(t, pidfd, Int32Array.of(fd)) ? 0 : -errno.EFAULT;
  };
  const result = loadFork().forkProcess(t, {
    ...begins,
    exitSignal: signal > sigMax ? 0 : signal,
    isSibling: has(Clone.PARENT),
    sharesSpace: has(Clone.VM),
    sharesHandlers: has(Clone.SIGHAND),
    clearsHandlers,
    made: has(Clone.PIDFD) ? made : undefined,
  });
  if (result < 0 && fd >= 0) closeFd(t.process.fds, fd);
  return result;
}

function clone(t: Task, word: number, stack: number, parentTid: number, tls: number, childTid: number): number {
  const flags = (word | 0) & ~signalBits;
  // The place for a descriptor is that for the id.
  if ((flags & Clone.PIDFD) !== 0 && (flags & (Clone.PARENT_SETTID | Clone.DETACHED)) !== 0) return -errno.EINVAL;
  const signal = word & signalBits;
  const ends = { signal, pidfd: parentTid, clearsHandlers: false };
  return start(t, { flags: flags & ~Clone.DETACHED, stack, parentTid, childTid, tls, ...ends });
}

/** Words of struct clone_args, each 64 bits. */
const Args = {
  flags: 0,
  pidfd: 1,
  childTid: 2,
  parentTid: 3,
  signal: 4,
  stack: 5,
  stackSize: 6,
  tls: 7,
  setTid: 8,
  setTidSize: 9,
  cgroup: 10,
  count: 11,
} as const;
const firstSize = 64;
const largestSize = 4096;
const mostTids = 32;
/** Programs' addresses end here, with the pages of Sv39. */
const mostAddress = 2 ** 38;
/** Flags of the upper word. */
const clearSighand = 1;
const intoCgroup = 2;

/** Ids are not given to who asks for them: they are wrong, or that is not permitted. 0 where none is asked for. */
function refusedTids(t: Task, addr: number, count: number): number {
  if (count === 0) return 0;
  const tids = loadWords(t, addr, count);
  if (tids === undefined) return -errno.EFAULT;
  return tids.some((tid) => tid < 1) ? -errno.EINVAL : -errno.EPERM;
}

function refusedCgroup(t: Task, fd: number): number {
  if (fd >= 2 ** 31) return -errno.EINVAL;
  const h = hostFd(t.process.fds, fd);
  return h < 0 ? h : -errno.EPERM;
}

function clone3(t: Task, addr: number, bytes: number): number {
  if (bytes > largestSize) return -errno.E2BIG;
  if (bytes < firstSize) return -errno.EINVAL;
  const given = readable(t.memory, addr, bytes);
  if (given === undefined) return -errno.EFAULT;
  const known = new Uint8Array(Args.count * 8);
  known.set(given.subarray(0, known.length));
  if (given.subarray(known.length).some((byte) => byte !== 0)) return -errno.E2BIG;
  const words = new Int32Array(known.buffer);
  const arg = (n: number): number => u64(words[2 * n]!, words[2 * n + 1]!);
  const [low, high] = [words[0]!, words[1]!];
  if ((low & (Clone.DETACHED | (signalBits & ~NEWTIME))) !== 0 || (high & ~(intoCgroup | clearSighand)) !== 0)
    return -errno.EINVAL;
  if (arg(Args.setTidSize) > mostTids || (arg(Args.setTid) === 0) !== (arg(Args.setTidSize) === 0))
    return -errno.EINVAL;
  const signal = arg(Args.signal);
  if (signal > 64 || (signal !== 0 && (low & (Clone.THREAD | Clone.PARENT)) !== 0)) return -errno.EINVAL;
  if ((high & clearSighand) !== 0 && (low & Clone.SIGHAND) !== 0) return -errno.EINVAL;
  const [stack, stackSize] = [arg(Args.stack), arg(Args.stackSize)];
  if ((stack === 0) !== (stackSize === 0) || stack + stackSize > mostAddress) return -errno.EINVAL;
  const refusal = refusedTids(t, arg(Args.setTid), arg(Args.setTidSize));
  if (refusal !== 0) return refusal;
  if ((high & intoCgroup) !== 0) return refusedCgroup(t, arg(Args.cgroup));
  if ((low & NEWTIME) !== 0) return -errno.EPERM;
  return start(t, {
    flags: low,
    stack: stack + stackSize,
    parentTid: arg(Args.parentTid),
    childTid: arg(Args.childTid),
    tls: arg(Args.tls),
    pidfd: arg(Args.pidfd),
    signal,
    clearsHandlers: (high & clearSighand) !== 0,
  });
}

/** What unshare knows beside namespaces. */
const parts = Clone.THREAD | Clone.FS | Clone.SIGHAND | Clone.VM | Clone.FILES | Clone.SYSVSEM;

function unshare(t: Task, wanted: number): number {
  const has = (bit: number): boolean => (wanted & bit) !== 0;
  if ((wanted & ~(parts | namespaces | NEWTIME)) !== 0) return -errno.EINVAL;
  const threads = t.process.record.i32[ProcessField.threadCount]!;
  if (has(Clone.THREAD | Clone.SIGHAND | Clone.VM) && threads > 1) return -errno.EINVAL;
  if (has(Clone.SIGHAND | Clone.VM) && sharesActions(t.process.record)) return -errno.EINVAL;
  if (has(Clone.VM) && t.process.site.pool !== undefined && loadElsewhere().sharesMemory(t)) return -errno.EINVAL;
  if (has(namespaces | NEWTIME)) return -errno.EPERM;
  const error = has(Clone.FS) ? unshareTable(t, "files") : 0;
  return error < 0 || !has(Clone.FILES) ? error : unshareTable(t, "fds");
}

const names = flagSet(Object.fromEntries(Object.entries(Clone).map(([name, bit]) => [`CLONE_${name}`, bit])));
/** Flags, and below them the signal. */
const cloneFlags: Kind<number> = {
  load: (_t, lo) => lo,
  show: (_t, lo) =>
    names((lo & ~signalBits) >>> 0) + ((lo & signalBits) === 0 ? "" : `|${signalName(lo & signalBits)}`),
};

export const cloneCalls: readonly CallRow[] = [
  call(97, "unshare", [cloneFlags], "none", "quick", unshare),
  call(220, "clone", [cloneFlags, pointer, pointer, pointer, pointer], "int", "quick", clone),
  call(435, "clone3", [pointer, size], "int", "quick", clone3),
];
