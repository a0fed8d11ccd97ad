// clone and clone3: arguments and what they must not be, by the rules of Linux's kernel/fork.c. Threads are made by threads.ts.

import { readable } from "../../memory/guest-memory.ts";
import { errno } from "../errno.ts";
import { flagSet, pointer, size } from "../kinds.ts";
import { type CallRow, call, type Kind } from "../row.ts";
import type { Task } from "../task.ts";
import { startThread } from "../threads.ts";
import { u64 } from "../words.ts";

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
}

function start(t: Task, { flags, stack, parentTid, childTid, tls }: Request): number {
  const has = (bit: number): boolean => (flags & bit) !== 0;
  if (has(Clone.FS) && (has(Clone.NEWNS) || has(Clone.NEWUSER))) return -errno.EINVAL;
  if (has(Clone.THREAD) && !has(Clone.SIGHAND)) return -errno.EINVAL;
  if (has(Clone.SIGHAND) && !has(Clone.VM)) return -errno.EINVAL;
  if (has(Clone.THREAD) && (has(Clone.NEWUSER) || has(Clone.NEWPID))) return -errno.EINVAL;
  if (has(namespaces)) return -errno.EPERM;
  // A process of its own, or a thread with descriptors or a working directory of its own, cannot be had.
  if (!has(Clone.THREAD) || !has(Clone.FS) || !has(Clone.FILES) || has(Clone.VFORK) || has(Clone.PIDFD))
    return -errno.ENOSYS;
  const where = (bit: number, address: number): number | undefined => (has(bit) ? address : undefined);
  return startThread(t, {
    stack,
    tls: where(Clone.SETTLS, tls),
    parentTid: where(Clone.PARENT_SETTID, parentTid),
    childTid: where(Clone.CHILD_SETTID, childTid),
    clearTid: where(Clone.CHILD_CLEARTID, childTid),
  });
}

function clone(t: Task, word: number, stack: number, parentTid: number, tls: number, childTid: number): number {
  const flags = (word | 0) & ~signalBits;
  // The place for a descriptor is that for the id.
  if ((flags & Clone.PIDFD) !== 0 && (flags & (Clone.PARENT_SETTID | Clone.DETACHED)) !== 0) return -errno.EINVAL;
  return start(t, { flags: flags & ~Clone.DETACHED, stack, parentTid, childTid, tls });
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
/** Flags of the upper word. */
const clearSighand = 1;
const intoCgroup = 2;

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
  if ((low & (Clone.DETACHED | signalBits)) !== 0 || (high & ~(intoCgroup | clearSighand)) !== 0) return -errno.EINVAL;
  if (arg(Args.setTidSize) > mostTids || (arg(Args.setTid) === 0) !== (arg(Args.setTidSize) === 0))
    return -errno.EINVAL;
  const signal = arg(Args.signal);
  if (signal > 64 || (signal !== 0 && (low & (Clone.THREAD | Clone.PARENT)) !== 0)) return -errno.EINVAL;
  if ((high & clearSighand) !== 0 && (low & Clone.SIGHAND) !== 0) return -errno.EINVAL;
  const [stack, stackSize] = [arg(Args.stack), arg(Args.stackSize)];
  if ((stack === 0) !== (stackSize === 0)) return -errno.EINVAL;
  if (arg(Args.setTidSize) !== 0 || (high & intoCgroup) !== 0) return -errno.EPERM;
  return start(t, {
    flags: low,
    stack: stack + stackSize,
    parentTid: arg(Args.parentTid),
    childTid: arg(Args.childTid),
    tls: arg(Args.tls),
  });
}

const names = flagSet(Object.fromEntries(Object.entries(Clone).map(([name, bit]) => [`CLONE_${name}`, bit])));
/** Flags, and below them the signal. */
const cloneFlags: Kind<number> = {
  load: (_t, lo) => lo,
  show: (_t, lo) => names((lo & ~signalBits) >>> 0) + ((lo & signalBits) === 0 ? "" : `|${lo & signalBits}`),
};

export const cloneCalls: readonly CallRow[] = [
  call(220, "clone", [cloneFlags, pointer, pointer, pointer, pointer], "int", "quick", clone),
  call(435, "clone3", [pointer, size], "int", "quick", clone3),
];
