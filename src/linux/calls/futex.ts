// futex and futex_waitv: operations, flags and timeouts. What a futex is, is in ../futex.ts.
import { Clock, readClock, second } from "../../host/clock.ts";
import { errno, restart } from "../errno.ts";
import {
  anyBits,
  type Expected,
  isInterrupted,
  type Named,
  requeue,
  wait,
  waitForAny,
  wake,
  wakeAndChange,
} from "../futex.ts";
import { lockPi, moveToLock, unlockPi, waitForLock } from "../futex-pi.ts";
import { pointer, uint } from "../kinds.ts";
import { clock, showTimespec, timespec } from "../kinds-time.ts";
import type { Deadline } from "../park.ts";
import { type CallRow, call, type Kind } from "../row.ts";
import type { Task } from "../task.ts";
import { isValid, loadTimespec } from "../time-structs.ts";
import { loadWords, u64 } from "../words.ts";

export const Futex = {
  WAIT: 0,
  WAKE: 1,
  FD: 2,
  REQUEUE: 3,
  CMP_REQUEUE: 4,
  WAKE_OP: 5,
  LOCK_PI: 6,
  UNLOCK_PI: 7,
  TRYLOCK_PI: 8,
  WAIT_BITSET: 9,
  WAKE_BITSET: 10,
  WAIT_REQUEUE_PI: 11,
  CMP_REQUEUE_PI: 12,
  LOCK_PI2: 13,
} as const;
const privateFlag = 128;
const realtimeFlag = 256;

const waits: readonly number[] = [
  ...[Futex.WAIT, Futex.LOCK_PI, Futex.LOCK_PI2, Futex.WAIT_BITSET, Futex.WAIT_REQUEUE_PI],
];
const takesClock: readonly number[] = [Futex.WAIT_BITSET, Futex.WAIT_REQUEUE_PI, Futex.LOCK_PI2];

function futex(
  t: Task,
  addr: number,
  op: number,
  value: number,
  argument: number,
  addr2: number,
  third: number,
): number {
  const command = op & ~(privateFlag | realtimeFlag);
  if ((op & realtimeFlag) !== 0 && !takesClock.includes(command)) return -errno.ENOSYS;
  let deadline: Deadline | undefined;
  if (waits.includes(command) && argument !== 0) {
    const found = loadDeadline(t, argument, clockOf(op, command), command === Futex.WAIT);
    if (typeof found === "number") return found;
    deadline = found;
  }
  const isPrivate = (op & privateFlag) !== 0;
  const one: Named = { addr, isPrivate };
  const other: Named = { addr: addr2, isPrivate };
  const count = argument | 0;
  switch (command) {
    case Futex.WAIT:
      return waitOrRestart(t, one, value, anyBits, deadline);
    case Futex.WAIT_BITSET:
      return waitOrRestart(t, one, value, third, deadline);
    case Futex.WAKE:
      return wake(t, one, value, anyBits);
    case Futex.WAKE_BITSET:
      return third === 0 ? -errno.EINVAL : wake(t, one, value, third);
    case Futex.REQUEUE:
      return value < 0 || count < 0 ? -errno.EINVAL : requeue(t, one, other, value, count, undefined);
    case Futex.CMP_REQUEUE:
      return value < 0 || count < 0 ? -errno.EINVAL : requeue(t, one, other, value, count, third);
    case Futex.WAKE_OP:
      return wakeOp(t, one, other, value, count, third);
    case Futex.LOCK_PI:
    case Futex.LOCK_PI2:
      return lockPi(t, one, deadline);
    case Futex.TRYLOCK_PI:
      return lockPi(t, one, "try");
    case Futex.UNLOCK_PI:
      return unlockPi(t, one);
    case Futex.WAIT_REQUEUE_PI:
      // Any bits: what the call says of them is not looked at.
      return addr === addr2 ? -errno.EINVAL : waitForLock(t, one, other, value, anyBits, deadline);
    case Futex.CMP_REQUEUE_PI:
      return count < 0 || addr === addr2 || value !== 1 ? -errno.EINVAL : moveToLock(t, one, other, count, third);
    default:
      return -errno.ENOSYS;
  }
}

/** LOCK_PI has always been on the wall clock. */
const clockOf = (op: number, command: number): Deadline["clock"] =>
  (op & realtimeFlag) !== 0 || command === Futex.LOCK_PI ? Clock.REALTIME : Clock.MONOTONIC;

function loadDeadline(t: Task, addr: number, clock: Deadline["clock"], relative: boolean): Deadline | number {
  const time = loadTimespec(t.memory, addr);
  if (time === undefined) return -errno.EFAULT;
  if (!isValid(time)) return -errno.EINVAL;
  if (!relative) return { clock, at: time };
  const now = readClock(clock)!;
  const nsec = now.nsec + time.nsec;
  return { clock, at: { sec: now.sec + time.sec + (nsec >= second ? 1 : 0), nsec: nsec % second } };
}

/** A wait with a timeout that a signal interrupts goes on, through restart_syscall, to the same deadline. */
function waitOrRestart(t: Task, f: Named, value: number, bits: number, deadline: Deadline | undefined): number {
  if (bits === 0) return -errno.EINVAL;
  const result = wait(t, f, value, bits, deadline);
  if (!isInterrupted(result) || deadline === undefined) return result;
  t.signals.restartBlock = (task) => waitOrRestart(task, f, value, bits, deadline);
  return -restart.ERESTART_RESTARTBLOCK;
}

// The encoded operation of WAKE_OP: operation, comparison, and a signed argument of 12 bits for each.
const operations: readonly ((old: number, by: number) => number)[] = [
  (_old, by) => by,
  (old, by) => old + by,
  (old, by) => old | by,
  (old, by) => old & ~by,
  (old, by) => old ^ by,
];
const comparisons: readonly ((old: number, to: number) => boolean)[] = [
  (old, to) => old === to,
  (old, to) => old !== to,
  (old, to) => old < to,
  (old, to) => old <= to,
  (old, to) => old > to,
  (old, to) => old >= to,
];
const shiftArgument = 8;

function wakeOp(t: Task, one: Named, other: Named, count: number, more: number, encoded: number): number {
  const operation = (encoded >>> 28) & 15;
  const argument = (encoded << 8) >> 20;
  const by = operation & shiftArgument ? 1 << (argument & 31) : argument;
  const change = operations[operation & 7];
  const compare = comparisons[(encoded >>> 24) & 15];
  const to = (encoded << 20) >> 20;
  return wakeAndChange(t, one, other, count, more, change && ((old) => change(old, by)), (old) => compare?.(old, to));
}

// struct futex_waitv: value (64 bits), address, flags, a reserved word.
const waiterWords = 6;
const maxWaiters = 128;
const size32 = 2;
const waiterFlags = size32 | privateFlag;

function futexWaitv(t: Task, addr: number, count: number, flags: number, timeout: number, clockId: number): number {
  if (flags !== 0 || count === 0 || count > maxWaiters || addr === 0) return -errno.EINVAL;
  let deadline: Deadline | undefined;
  if (timeout !== 0) {
    if (clockId !== Clock.MONOTONIC && clockId !== Clock.REALTIME) return -errno.EINVAL;
    const found = loadDeadline(t, timeout, clockId, false);
    if (typeof found === "number") return found;
    deadline = found;
  }
  const futexes: Expected[] = [];
  for (let i = 0; i < count; i++) {
    const w = loadWords(t, addr + i * waiterWords * 4, waiterWords);
    if (w === undefined) return -errno.EFAULT;
    const [value, high, bits] = [w[0]!, w[1]!, w[4]!];
    if ((bits & ~waiterFlags) !== 0 || (bits & size32) === 0 || w[5] !== 0 || high !== 0) return -errno.EINVAL;
    futexes.push({ addr: u64(w[2]!, w[3]!), isPrivate: (bits & privateFlag) !== 0, value });
  }
  return waitForAny(t, futexes, deadline);
}

const names = new Map<number, string>(Object.entries(Futex).map(([name, n]) => [n, name]));

const operation: Kind<number> = {
  load: (_t, lo) => lo | 0,
  show: (_t, lo) => {
    const name = names.get(lo & ~(privateFlag | realtimeFlag));
    if (name === undefined) return "0x" + (lo >>> 0).toString(16);
    return `FUTEX_${name}${lo & privateFlag ? "_PRIVATE" : ""}${lo & realtimeFlag ? "|FUTEX_CLOCK_REALTIME" : ""}`;
  },
};
/** The compared word and the like: as an int32 for the handler, as the program's unsigned number in a trace. */
const word: Kind<number> = { load: (_t, lo) => lo | 0, show: (_t, lo) => String(lo >>> 0) };
/** A timespec for those that wait, a count for the others. */
const timeoutOrCount: Kind<number> = {
  // A count below 0 fills the register with its sign, and would be rounded as an address.
  load: (t, lo, hi) => (hi === -1 && lo < 0 ? lo : pointer.load(t, lo, hi)),
  show: (t, lo, hi, shown) => {
    const command = (shown.raw[1]! | 0) & ~(privateFlag | realtimeFlag);
    if (!waits.includes(command)) return String(lo >>> 0);
    const addr = u64(lo, hi);
    return (addr !== 0 ? showTimespec(t, addr) : undefined) ?? pointer.show(t, lo, hi, shown);
  },
};

export const futexCalls: readonly CallRow[] = [
  call(98, "futex", [pointer, operation, word, timeoutOrCount, pointer, word], "int", "restart", futex),
  call(449, "futex_waitv", [pointer, uint, uint, timespec, clock], "int", "restart", futexWaitv),
];
