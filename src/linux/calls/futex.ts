// futex and futex_waitv: operations, flags and timeouts. What a futex is, is in ../futex.ts.
import { Clock, readClock, second } from "../../host/clock.ts";
import { addressLimit } from "../../memory/guest-memory.ts";
import { errno, restart } from "../errno.ts";
import { compareWord, type Deadline, futexWord, lockPi, sleepAsWaiter, unlockPi, updateWord } from "../futex.ts";
import { pointer, uint } from "../kinds.ts";
import { clock, showTimespec, timespec } from "../kinds-time.ts";
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
  switch (command) {
    case Futex.WAIT:
      return wait(t, addr, value, -1, deadline);
    case Futex.WAIT_BITSET:
      return wait(t, addr, value, third, deadline);
    case Futex.WAKE:
      return wake(t, addr, op, -1);
    case Futex.WAKE_BITSET:
      return wake(t, addr, op, third);
    case Futex.REQUEUE:
      return requeue(t, addr, op, value, argument, addr2, undefined);
    case Futex.CMP_REQUEUE:
      return requeue(t, addr, op, value, argument, addr2, third);
    case Futex.WAKE_OP:
      return wakeOp(t, addr, op, addr2, third);
    case Futex.LOCK_PI:
    case Futex.LOCK_PI2:
    case Futex.TRYLOCK_PI:
      return lockPi(t, addr);
    case Futex.UNLOCK_PI:
      return unlockPi(t, addr);
    case Futex.WAIT_REQUEUE_PI:
      return waitRequeuePi(t, addr, value, addr2, third, deadline);
    case Futex.CMP_REQUEUE_PI:
      return addr === addr2 || value !== 1 ? -errno.EINVAL : requeue(t, addr, op, value, argument, addr2, third);
    default:
      return -errno.ENOSYS;
  }
}

/** LOCK_PI has always been on the wall clock. */
const clockOf = (op: number, command: number): number =>
  (op & realtimeFlag) !== 0 || command === Futex.LOCK_PI ? Clock.REALTIME : Clock.MONOTONIC;

function loadDeadline(t: Task, addr: number, clock: number, relative: boolean): Deadline | number {
  const time = loadTimespec(t.memory, addr);
  if (time === undefined) return -errno.EFAULT;
  if (!isValid(time)) return -errno.EINVAL;
  if (!relative) return { clock, time };
  const now = readClock(clock)!;
  const nsec = now.nsec + time.nsec;
  return { clock, time: { sec: now.sec + time.sec + (nsec >= second ? 1 : 0), nsec: nsec % second } };
}

/** A wait with a timeout that a signal interrupts goes on, through restart_syscall, to the same deadline. */
function wait(t: Task, addr: number, value: number, bits: number, deadline: Deadline | undefined): number {
  if (bits === 0) return -errno.EINVAL;
  const compared = compareWord(t.memory, addr, value);
  if (compared !== 0) return compared;
  const result = sleepAsWaiter(t, deadline);
  if (result !== -restart.ERESTARTSYS || deadline === undefined) return result;
  t.signals.restartBlock = (task) => wait(task, addr, value, bits, deadline);
  return -restart.ERESTART_RESTARTBLOCK;
}

/** A key that is private is the address alone; a shared one belongs to the page, which must be there. */
function checkKey(t: Task, addr: number, op: number): number {
  if (addr % 4 !== 0) return -errno.EINVAL;
  if ((op & privateFlag) !== 0) return addr < addressLimit ? 0 : -errno.EFAULT;
  const word = futexWord(t.memory, addr);
  return typeof word === "number" ? word : 0;
}

const wake = (t: Task, addr: number, op: number, bits: number): number =>
  bits === 0 ? -errno.EINVAL : checkKey(t, addr, op);

function requeue(
  t: Task,
  addr: number,
  op: number,
  wakes: number,
  requeues: number,
  to: number,
  expected: number | undefined,
): number {
  if ((wakes | 0) < 0 || (requeues | 0) < 0) return -errno.EINVAL;
  const keys = checkKey(t, addr, op) || checkKey(t, to, op);
  if (keys !== 0) return keys;
  return expected === undefined ? 0 : compareWord(t.memory, addr, expected);
}

// The encoded operation of WAKE_OP: operation, comparison, and a signed argument of 12 bits for each.
const operations: readonly ((old: number, by: number) => number)[] = [
  (_old, by) => by,
  (old, by) => (old + by) | 0,
  (old, by) => old | by,
  (old, by) => old & ~by,
  (old, by) => old ^ by,
];
const comparisons = 6;
const shiftArgument = 8;

function wakeOp(t: Task, addr: number, op: number, addr2: number, encoded: number): number {
  const keys = checkKey(t, addr, op) || checkKey(t, addr2, op);
  if (keys !== 0) return keys;
  const operation = (encoded >>> 28) & 15;
  const argument = (encoded << 8) >> 20;
  const by = operation & shiftArgument ? 1 << (argument & 31) : argument;
  const change = operations[operation & 7];
  if (change === undefined) return -errno.ENOSYS;
  const old = updateWord(t.memory, addr2, (word) => change(word, by));
  if (typeof old === "number") return old;
  return ((encoded >>> 24) & 15) < comparisons ? 0 : -errno.ENOSYS;
}

function waitRequeuePi(
  t: Task,
  addr: number,
  value: number,
  to: number,
  bits: number,
  deadline: Deadline | undefined,
): number {
  if (addr === to || bits === 0) return -errno.EINVAL;
  if (to % 4 !== 0) return -errno.EINVAL;
  const compared = compareWord(t.memory, addr, value);
  if (compared !== 0) return compared;
  const result = sleepAsWaiter(t, deadline);
  return result === -restart.ERESTARTSYS ? -restart.ERESTARTNOINTR : result;
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
  const waiters: { readonly addr: number; readonly value: number }[] = [];
  for (let i = 0; i < count; i++) {
    const w = loadWords(t, addr + i * waiterWords * 4, waiterWords);
    if (w === undefined) return -errno.EFAULT;
    if ((w[4]! & ~waiterFlags) !== 0 || (w[4]! & size32) === 0 || w[5] !== 0) return -errno.EINVAL;
    waiters.push({ addr: (w[3]! >>> 0) * 2 ** 32 + (w[2]! >>> 0), value: w[0]! });
  }
  for (const waiter of waiters) {
    const compared = compareWord(t.memory, waiter.addr, waiter.value);
    if (compared !== 0) return compared;
  }
  return sleepAsWaiter(t, deadline);
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
  load: pointer.load,
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
