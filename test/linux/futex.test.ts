// futex and futex_waitv of a thread that is alone: what they compare, refuse and change, and when a wait ends.
import { describe, expect, test } from "bun:test";
import { Futex, futexCalls } from "../../src/linux/calls/futex.ts";
import { signalCalls } from "../../src/linux/calls/signal.ts";
import { errno } from "../../src/linux/errno.ts";
import { Sig } from "../../src/linux/siginfo.ts";
import { queueSignal, Sa } from "../../src/linux/signals.ts";
import type { Task } from "../../src/linux/task.ts";
import { afterCall, atCall, beyond, caller, callOf, pcOf, readOnly, room, unmapped } from "./caller.ts";

const make = callOf([...futexCalls, ...signalCalls]);
const at = room.start;
const [word, second, time] = [at, at + 64, at + 128];
const PRIVATE = 128;
const REALTIME = 256;
const any = 0xffffffff;

const put = (t: Task, addr: number, ...values: number[]): void => t.memory.i32.set(values, addr / 4);
const get = (t: Task, addr: number): number => t.memory.i32[addr / 4]!;

describe("waits", () => {
  const waits = [
    { name: "FUTEX_WAIT", op: Futex.WAIT },
    { name: "FUTEX_WAIT_BITSET", op: Futex.WAIT_BITSET },
    { name: "FUTEX_WAIT_BITSET on the wall clock", op: Futex.WAIT_BITSET | REALTIME },
    { name: "FUTEX_WAIT_REQUEUE_PI", op: Futex.WAIT_REQUEUE_PI },
  ];
  for (const { name, op } of waits) {
    test(`${name} of another value is EAGAIN`, () => {
      const t = caller();
      put(t, word, 5);
      expect(make(t, "futex", word, op, 4, 0, second, any)).toBe(-errno.EAGAIN);
    });

    test(`${name} ends at its deadline`, () => {
      const t = caller();
      put(t, word, -5);
      put(t, time, 0, 0, 1000, 0);
      expect(make(t, "futex", word, op | PRIVATE, -5, time, second, any)).toBe(-errno.ETIMEDOUT);
    });

    test(`${name} refuses a time that is none, and one that cannot be read`, () => {
      const t = caller();
      for (const bad of [
        [0, 0, 1e9, 0],
        [0, 0, -1, -1],
        [-1, -1, 0, 0],
      ]) {
        put(t, time, ...bad);
        expect(make(t, "futex", word, op, 0, time, second, any)).toBe(-errno.EINVAL);
      }
      for (const bad of [unmapped, beyond, 1])
        expect(make(t, "futex", word, op, 0, bad, second, any)).toBe(-errno.EFAULT);
    });

    test(`${name} needs an aligned word that can be read`, () => {
      const t = caller();
      for (const addr of [word + 1, word + 2, word + 3])
        expect(make(t, "futex", addr, op, 0, 0, second, any)).toBe(-errno.EINVAL);
      for (const addr of [unmapped, beyond, 0])
        expect(make(t, "futex", addr, op, 0, 0, second, any)).toBe(-errno.EFAULT);
      expect(make(t, "futex", readOnly, op | PRIVATE, 1, 0, second, any)).toBe(-errno.EAGAIN);
      // What nobody can ever change makes no futex that may be shared.
      expect(make(t, "futex", readOnly, op, 1, 0, second, any)).toBe(-errno.EFAULT);
    });
  }

  test("an empty bit set is EINVAL", () => {
    const t = caller();
    for (const op of [Futex.WAIT_BITSET, Futex.WAKE_BITSET])
      expect(make(t, "futex", word, op, 1, 0, second, 0)).toBe(-errno.EINVAL);
    // It has none, and looks at the word.
    expect(make(t, "futex", word, Futex.WAIT_REQUEUE_PI, 1, 0, second, 0)).toBe(-errno.EAGAIN);
  });

  test("a signal ends a wait; without a timeout it is made again, with one it goes on through restart_syscall", () => {
    for (const timed of [false, true]) {
      const t = caller();
      const handler = 0x4000;
      put(t, at + 256, handler, 0, Sa.RESTART, 0, 0, 0);
      make(t, "rt_sigaction", Sig.USR1, at + 256, 0, 8);
      put(t, time, 1000, 0, 0, 0);
      queueSignal(t, Sig.USR1);
      make(t, "futex", word, Futex.WAIT, 0, timed ? time : 0);
      expect(pcOf(t)).toBe(handler);
      make(t, "rt_sigreturn");
      expect(pcOf(t)).toBe(timed ? afterCall : atCall);
      expect(t.hart.i32[20]).toBe(timed ? -errno.EINTR : word);
    }
  });

  test("only waits on a bit set or a lock take the wall clock", () => {
    const t = caller();
    for (const op of [Futex.WAIT, Futex.WAKE, Futex.REQUEUE, Futex.LOCK_PI])
      expect(make(t, "futex", word, op | REALTIME, 0, 0, second, any)).toBe(-errno.ENOSYS);
  });

  test("unknown operations are ENOSYS", () => {
    const t = caller();
    for (const op of [Futex.FD, 14, 127, 0x7fffffff, 512])
      expect(make(t, "futex", word, op, 0, 0, second, any)).toBe(-errno.ENOSYS);
  });
});

describe("wakes", () => {
  test("nobody sleeps: 0, for private addresses whether they are mapped or not", () => {
    const t = caller();
    for (const op of [Futex.WAKE, Futex.WAKE_BITSET]) {
      expect(make(t, "futex", word, op, 1, 0, 0, any)).toBe(0);
      expect(make(t, "futex", unmapped, op | PRIVATE, 1, 0, 0, any)).toBe(0);
      expect(make(t, "futex", unmapped, op, 1, 0, 0, any)).toBe(-errno.EFAULT);
      expect(make(t, "futex", beyond, op | PRIVATE, 1, 0, 0, any)).toBe(-errno.EFAULT);
      expect(make(t, "futex", word + 2, op, 1, 0, 0, any)).toBe(-errno.EINVAL);
    }
  });

  test("requeue checks counts, addresses, and the value where it compares", () => {
    const t = caller();
    put(t, word, 9);
    expect(make(t, "futex", word, Futex.REQUEUE, 1, 1, second, 0)).toBe(0);
    expect(make(t, "futex", word, Futex.CMP_REQUEUE, 1, 1, second, 9)).toBe(0);
    expect(make(t, "futex", word, Futex.CMP_REQUEUE, 1, 1, second, 8)).toBe(-errno.EAGAIN);
    expect(make(t, "futex", word, Futex.REQUEUE, -1, 1, second, 0)).toBe(-errno.EINVAL);
    expect(make(t, "futex", word, Futex.REQUEUE, 1, 0xffffffff, second, 0)).toBe(-errno.EINVAL);
    expect(make(t, "futex", word, Futex.REQUEUE, 1, 1, unmapped, 0)).toBe(-errno.EFAULT);
    expect(make(t, "futex", word, Futex.CMP_REQUEUE_PI, 2, 1, second, 9)).toBe(-errno.EINVAL);
  });

  const operations = [
    { name: "set", encoded: 0, old: 3, argument: 5, result: 5 },
    { name: "add", encoded: 1, old: 3, argument: -2, result: 1 },
    { name: "or", encoded: 2, old: 1, argument: 6, result: 7 },
    { name: "and not", encoded: 3, old: 7, argument: 2, result: 5 },
    { name: "xor", encoded: 4, old: 7, argument: 2, result: 5 },
    { name: "or of a shifted bit", encoded: 8 | 2, old: 1, argument: 31, result: 1 | (1 << 31) },
  ];
  for (const { name, encoded, old, argument, result } of operations)
    test(`FUTEX_WAKE_OP does: ${name}`, () => {
      const t = caller();
      put(t, second, old);
      const operation = (encoded << 28) | ((argument & 0xfff) << 12);
      expect(make(t, "futex", word, Futex.WAKE_OP, 1, 1, second, operation >>> 0)).toBe(0);
      expect(get(t, second)).toBe(result);
    });

  test("FUTEX_WAKE_OP knows 5 operations and 6 comparisons, and must be able to write", () => {
    const t = caller();
    for (const operation of [5 << 28, 7 << 28, 6 << 24, 15 << 24])
      expect(make(t, "futex", word, Futex.WAKE_OP, 1, 1, second, operation >>> 0)).toBe(-errno.ENOSYS);
    expect(make(t, "futex", word, Futex.WAKE_OP, 1, 1, readOnly, 0)).toBe(-errno.EFAULT);
  });
});

describe("priority-inheriting locks", () => {
  test("are taken by thread id, released by their owner, and not taken twice", () => {
    const t = caller();
    for (const lock of [Futex.LOCK_PI, Futex.LOCK_PI2, Futex.TRYLOCK_PI]) {
      expect(make(t, "futex", word, lock, 0, 0)).toBe(0);
      expect(get(t, word)).toBe(t.tid);
      expect(make(t, "futex", word, lock, 0, 0)).toBe(-errno.EDEADLK);
      expect(make(t, "futex", word, Futex.UNLOCK_PI, 0, 0)).toBe(0);
      expect(get(t, word)).toBe(0);
      expect(make(t, "futex", word, Futex.UNLOCK_PI, 0, 0)).toBe(-errno.EPERM);
    }
  });

  test("of an owner that is no thread are ESRCH; of one that died they are taken over, and say so", () => {
    const t = caller();
    put(t, word, 1);
    expect(make(t, "futex", word, Futex.LOCK_PI, 0, 0)).toBe(-errno.ESRCH);
    put(t, word, 0x40000000);
    expect(make(t, "futex", word, Futex.LOCK_PI, 0, 0)).toBe(0);
    expect(get(t, word)).toBe(0x40000000 | t.tid);
    expect(make(t, "futex", readOnly, Futex.LOCK_PI, 0, 0)).toBe(-errno.EFAULT);
  });
});

describe("futex_waitv", () => {
  const list = at + 512;
  const waiter = (t: Task, i: number, value: number, addr: number, flags = 2, reserved = 0): void =>
    put(t, list + i * 24, value, 0, addr % 2 ** 32, Math.floor(addr / 2 ** 32), flags, reserved);

  test("ends at its deadline, or at once where a word has another value", () => {
    const t = caller();
    waiter(t, 0, 0, word);
    waiter(t, 1, 0, second, 2 | PRIVATE);
    put(t, time, 0, 0, 0, 0);
    expect(make(t, "futex_waitv", list, 2, 0, time, 1)).toBe(-errno.ETIMEDOUT);
    expect(make(t, "futex_waitv", list, 2, 0, time, 0)).toBe(-errno.ETIMEDOUT);
    put(t, second, 1);
    expect(make(t, "futex_waitv", list, 2, 0, time, 1)).toBe(-errno.EAGAIN);
  });

  test("refuses flags, counts, clocks, sizes and reserved words that it does not know", () => {
    const t = caller();
    waiter(t, 0, 0, word);
    put(t, time, 0, 0, 0, 0);
    expect(make(t, "futex_waitv", list, 1, 1, time, 1)).toBe(-errno.EINVAL);
    for (const count of [0, 129, 0xffffffff])
      expect(make(t, "futex_waitv", list, count, 0, time, 1)).toBe(-errno.EINVAL);
    expect(make(t, "futex_waitv", list, 1, 0, time, 7)).toBe(-errno.EINVAL);
    for (const [flags, reserved] of [
      [0, 0],
      [1, 0],
      [2 | 16, 0],
      [2, 1],
    ] as const) {
      waiter(t, 0, 0, word, flags, reserved);
      expect(make(t, "futex_waitv", list, 1, 0, time, 1)).toBe(-errno.EINVAL);
    }
    expect(make(t, "futex_waitv", unmapped, 1, 0, time, 1)).toBe(-errno.EFAULT);
    waiter(t, 0, 0, beyond);
    expect(make(t, "futex_waitv", list, 1, 0, time, 1)).toBe(-errno.EFAULT);
  });
});
