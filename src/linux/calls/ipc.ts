// System V semaphores, message queues and shared memory: the host's own objects, which guests and programs of the host share.
// Which guest did something last, and what a process undoes when it ends, is ipc-table.ts's.
// All structures are those of asm-generic, of 64 bits; on x86-64 that of a semaphore set has gaps.
import { newScratch, reserve } from "../../host/scratch.ts";
import { arch, host } from "../../host/syscall.ts";
import { accessible, copyTo, Page, readable, writable } from "../../memory/guest-memory.ts";
import { attachSegment, detachSegment } from "../../memory/segments.ts";
import { errno, restart } from "../errno.ts";
import { doMarked, forgetUndo, Mark, mark, markedBy, mayUndo, noteUndo } from "../ipc-table.ts";
import { int, offset, pointer, size, uint } from "../kinds.ts";
import {
  attachFlags,
  Control,
  Ipc,
  ipcFlags,
  key,
  MSG_COPY,
  MsgControl,
  messageFlags,
  msgControl,
  opBytes,
  SEM_UNDO,
  SemControl,
  SHM_HUGETLB,
  ShmControl,
  segmentFlags,
  semArgument,
  semControl,
  semOps,
  shmControl,
} from "../kinds-ipc.ts";
import { timespec } from "../kinds-time.ts";
import { type CallRow, call } from "../row.ts";
import { signalPending } from "../signals.ts";
import type { Task } from "../task.ts";
import { isValid, loadTimespec, nanosecondsOf } from "../time-structs.ts";
import { deadlineIn, never, sleepIn, sleepWithin, timeoutAddress } from "../wait.ts";

/** For the structures that control calls take and give: none is larger. */
const struct = newScratch(128);

/** Bytes of the structures that a guest sees: of one object, and what IPC_INFO and the object's own INFO give. */
interface Sizes {
  readonly object: number;
  readonly limits: number;
  readonly usage: number;
}
const semaphoreSizes: Sizes = { object: 88, limits: 40, usage: 40 };
const queueSizes: Sizes = { object: 120, limits: 32, usage: 32 };
const segmentSizes: Sizes = { object: 112, limits: 72, usage: 48 };

type ControlCall = "semctl" | "msgctl" | "shmctl";

/** A control call whose structure is in `struct`. */
const control = (name: ControlCall, id: number, command: number): number =>
  name === "semctl" ? host(name, id, 0, command, struct.address) : host(name, id, command, struct.address);

/** Gives the guest the first bytes of `struct`, after a call that worked. */
const give = (t: Task, addr: number, bytes: number, result: number): number => {
  if (result < 0) return result;
  return copyTo(t.memory, addr, struct.bytes.subarray(0, bytes)) ? result : -errno.EFAULT;
};

/**
 * The commands that are alike for all kinds of objects, but for those with a number in `object`, which give an object's
 * structure: `show` makes that the guest's, `id` being the object's.
 */
function controlObject(
  t: Task,
  name: ControlCall,
  id: number,
  command: number,
  addr: number,
  sizes: Sizes,
  show: (id: number) => void,
): number {
  if (command === Control.SET) {
    const bytes = readable(t.memory, addr, sizes.object);
    if (bytes === undefined) return -errno.EFAULT;
    struct.bytes.set(bytes);
    return control(name, id, command);
  }
  const result = control(name, id, command);
  if (command === Control.RMID) return result;
  if (command === Control.INFO) return give(t, addr, sizes.limits, result);
  if (result >= 0) show(command === Control.STAT ? id : result);
  return give(t, addr, sizes.object, result);
}

// ---- semaphores

const semget = (_t: Task, k: number, count: number, flags: number): number => host("semget", k, count, flags);

const ops = newScratch(512 * opBytes);
/** No host allows more operations in one call. */
const mostOps = 32000;

/** Words of the host's `struct semid_ds` from the second time on, on x86-64, and where the guest has them. */
const gapless: readonly (readonly [from: number, to: number])[] = [
  [16, 14],
  [20, 16],
  [22, 18],
  [24, 20],
];

function closeGaps(): void {
  if (arch !== "x64") return;
  const { u32 } = struct;
  for (const [from, to] of gapless) {
    u32[to] = u32[from]!;
    u32[to + 1] = u32[from + 1]!;
  }
}

/** How many semaphores a set has, or -errno. */
function countOf(id: number): number {
  const [SEM_STAT_ANY, indices] = [SemControl.SEM_STAT_ANY, 32768];
  let result = control("semctl", id, Control.STAT);
  // Who may not read a set may still write to it.
  if (result === -errno.EACCES) result = control("semctl", id % indices, SEM_STAT_ANY);
  if (result < 0) return result;
  closeGaps();
  return struct.u32[16]!;
}

function semctl(t: Task, id: number, number: number, command: number, argument: number): number {
  const { kernel, pid } = t.process;
  switch (command) {
    case SemControl.GETVAL:
    case SemControl.GETNCNT:
    case SemControl.GETZCNT:
      return host("semctl", id, number, command, 0);
    case SemControl.GETPID: {
      const result = host("semctl", id, number, command, 0);
      return result < 0 ? result : markedBy(kernel, result, Mark.semaphore, id, number);
    }
    case SemControl.SETVAL: {
      const result = host("semctl", id, number, command, argument | 0);
      if (result < 0) return result;
      forgetUndo(kernel, id, number);
      mark(kernel, pid, Mark.semaphore, id, number);
      return result;
    }
    case SemControl.GETALL:
    case SemControl.SETALL:
      return allValues(t, id, command, argument);
    case SemControl.SEM_INFO:
      return give(t, argument, semaphoreSizes.usage, control("semctl", id, command));
    case Control.RMID: {
      const result = control("semctl", id, command);
      if (result >= 0) forgetUndo(kernel, id);
      return result;
    }
    case Control.SET:
    case Control.STAT:
    case Control.INFO:
    case SemControl.SEM_STAT:
    case SemControl.SEM_STAT_ANY:
      return controlObject(t, "semctl", id, command, argument, semaphoreSizes, closeGaps);
    default:
      return -errno.EINVAL;
  }
}

/** GETALL and SETALL: the values of all semaphores of a set, as unsigned shorts. */
function allValues(t: Task, id: number, command: number, addr: number): number {
  const count = countOf(id);
  if (count < 0) return count;
  const gets = command === SemControl.GETALL;
  const room = gets ? writable(t.memory, addr, 2 * count) : readable(t.memory, addr, 2 * count);
  if (room === undefined) return -errno.EFAULT;
  const result = host("semctl", id, 0, command, t.memory.hostBase + addr);
  if (result < 0 || gets) return result;
  const { kernel, pid } = t.process;
  forgetUndo(kernel, id);
  for (let number = 0; number < count; number++) mark(kernel, pid, Mark.semaphore, id, number);
  return result;
}

function semtimedop(t: Task, id: number, addr: number, count: number, timeout: number): number {
  const span = timeout === 0 ? undefined : loadTimespec(t.memory, timeout);
  if (timeout !== 0 && span === undefined) return -errno.EFAULT;
  if (count === 0 || id < 0) return -errno.EINVAL;
  if (count > mostOps) return -errno.E2BIG;
  const bytes = readable(t.memory, addr, count * opBytes);
  if (bytes === undefined) return host("semop", id, 0, count);
  if (span !== undefined && !isValid(span)) return -errno.EINVAL;
  reserve(ops, Math.ceil((count * opBytes) / 8) * 8);
  ops.bytes.set(bytes);
  const v = ops.view;
  const undone: { number: number; by: number }[] = [];
  const touched = new Set<number>();
  for (let at = 0; at < count * opBytes; at += opBytes) {
    const [number, by] = [v.getUint16(at, true), v.getInt16(at + 2, true)];
    touched.add(number);
    if (by !== 0 && (v.getUint16(at + 4, true) & SEM_UNDO) !== 0) undone.push({ number, by });
  }
  const { kernel, index, pid } = t.process;
  if (undone.length > 0 && !mayUndo(kernel, undone.length)) return -errno.ENOSPC;
  const deadline = span === undefined ? never : deadlineIn(nanosecondsOf(span));
  const wait = (): number =>
    sleepWithin(t, deadline, (make, nanoseconds) =>
      make("semtimedop", id, ops.address, count, timeoutAddress(nanoseconds)),
    );
  const attempt = (): number => withoutWaiting(count, () => host("semop", id, ops.address, count));
  const result = doMarked(kernel, pid, Mark.semaphore, id, touched, -errno.EAGAIN, attempt, wait);
  // Linux makes this one call not again even where no handler runs.
  if (result === -restart.ERESTARTSYS && signalPending(t)) return -errno.EINTR;
  if (result < 0) return result;
  if (undone.length > 0) noteUndo(kernel, index, id, undone);
  return result;
}

/** Makes a call whose operations are in `ops`, all with IPC_NOWAIT. They are as before then. */
function withoutWaiting(count: number, make: () => number): number {
  const v = ops.view;
  const flags = Array.from({ length: count }, (_, i) => v.getUint16(i * opBytes + 4, true));
  flags.forEach((value, i) => {
    v.setUint16(i * opBytes + 4, value | Ipc.NOWAIT, true);
  });
  const result = make();
  flags.forEach((value, i) => {
    v.setUint16(i * opBytes + 4, value, true);
  });
  return result;
}

const semop = (t: Task, id: number, addr: number, count: number): number => semtimedop(t, id, addr, count, 0);

// ---- message queues

const msgget = (_t: Task, k: number, flags: number): number => host("msgget", k, flags);

function msgctl(t: Task, id: number, command: number, addr: number): number {
  switch (command) {
    case MsgControl.MSG_INFO:
      return give(t, addr, queueSizes.usage, control("msgctl", id, command));
    case Control.RMID:
    case Control.SET:
    case Control.STAT:
    case Control.INFO:
    case MsgControl.MSG_STAT:
    case MsgControl.MSG_STAT_ANY:
      return controlObject(t, "msgctl", id, command, addr, queueSizes, (queue) => {
        const { kernel } = t.process;
        struct.i32[24] = markedBy(kernel, struct.i32[24]!, Mark.sent, queue);
        struct.i32[25] = markedBy(kernel, struct.i32[25]!, Mark.received, queue);
      });
    default:
      return -errno.EINVAL;
  }
}

const typeBytes = 8;

/** The largest message that the host takes: of its `struct msginfo`, the third number. */
const longestMessage = (): number => (control("msgctl", 0, Control.INFO) < 0 ? 0 : struct.i32[2]!);

function msgsnd(t: Task, id: number, addr: number, length: number, flags: number): number {
  if (!accessible(t.memory, addr, typeBytes, Page.read)) return -errno.EFAULT;
  if (id < 0 || length > longestMessage()) return -errno.EINVAL;
  if (!accessible(t.memory, addr, typeBytes + length, Page.read)) return -errno.EFAULT;
  const from = t.memory.hostBase + addr;
  const { kernel, pid } = t.process;
  const attempt = (): number => host("msgsnd", id, from, length, flags | Ipc.NOWAIT);
  const wait = (): number => ended(sleepIn(t, "msgsnd", id, from, length, flags));
  return doMarked(
    kernel,
    pid,
    Mark.sent,
    id,
    [0],
    -errno.EAGAIN,
    attempt,
    (flags & Ipc.NOWAIT) === 0 ? wait : undefined,
  );
}

/** A signal ends these calls whatever SA_RESTART says, but they are made again where no handler runs. */
const ended = (result: number): number => (result === -restart.ERESTARTSYS ? -restart.ERESTARTNOHAND : result);

const received = newScratch(8192);

function msgrcv(t: Task, id: number, addr: number, length: number, type: number, flags: number): number {
  if (id < 0 || length >= 2 ** 63) return -errno.EINVAL;
  const room = Math.min(length, longestMessage());
  const direct = writable(t.memory, addr, typeBytes + room) !== undefined;
  // What does not fit is lost, as on Linux; but first it is waited for.
  if (!direct) reserve(received, typeBytes + room);
  const to = direct ? t.memory.hostBase + addr : received.address;
  const attempt = (): number => host("msgrcv", id, to, room, type, flags | Ipc.NOWAIT);
  const wait =
    (flags & Ipc.NOWAIT) === 0 ? (): number => ended(sleepIn(t, "msgrcv", id, to, room, type, flags)) : undefined;
  const { kernel, pid } = t.process;
  // Who only copies a message has not received it.
  const result =
    (flags & MSG_COPY) !== 0
      ? (wait ?? attempt)()
      : doMarked(kernel, pid, Mark.received, id, [0], -errno.ENOMSG, attempt, wait);
  if (result < 0) return result;
  if (direct || copyTo(t.memory, addr, received.bytes.subarray(0, typeBytes + result))) return result;
  return -errno.EFAULT;
}

// ---- shared memory

function shmget(t: Task, k: number, bytes: number, flags: number): number {
  // Pages of another size cannot lie behind a guest's, and there are none.
  if ((flags & SHM_HUGETLB) !== 0) return -errno.ENOMEM;
  // Who makes a segment is told from who finds it.
  const makes = k === 0 || (flags & Ipc.CREAT) !== 0;
  const made = makes ? host("shmget", k, bytes, flags | Ipc.EXCL) : -errno.EEXIST;
  if (made >= 0) mark(t.process.kernel, t.process.pid, Mark.segmentMade, made);
  const found = made === -errno.EEXIST && (!makes || (flags & Ipc.EXCL) === 0);
  return found ? host("shmget", k, bytes, flags) : made;
}

function shmctl(t: Task, id: number, command: number, addr: number): number {
  switch (command) {
    case ShmControl.SHM_LOCK:
    case ShmControl.SHM_UNLOCK:
      return host("shmctl", id, command, 0);
    case ShmControl.SHM_INFO:
      return give(t, addr, segmentSizes.usage, control("shmctl", id, command));
    case Control.RMID:
    case Control.SET:
    case Control.STAT:
    case Control.INFO:
    case ShmControl.SHM_STAT:
    case ShmControl.SHM_STAT_ANY:
      return controlObject(t, "shmctl", id, command, addr, segmentSizes, (segment) => {
        const { kernel } = t.process;
        struct.i32[20] = markedBy(kernel, struct.i32[20]!, Mark.segmentMade, segment);
        struct.i32[21] = markedBy(kernel, struct.i32[21]!, Mark.segmentUsed, segment);
      });
    default:
      return -errno.EINVAL;
  }
}

function shmat(t: Task, id: number, addr: number, flags: number): number {
  const result = attachSegment(t.process.space, id, addr, flags);
  if (result >= 0) mark(t.process.kernel, t.process.pid, Mark.segmentUsed, id);
  return result;
}

function shmdt(t: Task, addr: number): number {
  const id = detachSegment(t.process.space, addr);
  if (id < 0) return id;
  mark(t.process.kernel, t.process.pid, Mark.segmentUsed, id);
  return 0;
}

export const ipcCalls: readonly CallRow[] = [
  call(186, "msgget", [key, ipcFlags], "int", "quick", msgget),
  call(187, "msgctl", [int, msgControl, pointer], "int", "quick", msgctl),
  call(188, "msgrcv", [int, pointer, size, offset, messageFlags], "int", "eintr", msgrcv),
  call(189, "msgsnd", [int, pointer, size, messageFlags], "int", "eintr", msgsnd),
  call(190, "semget", [key, int, ipcFlags], "int", "quick", semget),
  call(191, "semctl", [int, int, semControl, semArgument], "int", "quick", semctl),
  call(192, "semtimedop", [int, semOps, uint, timespec], "int", "eintr", semtimedop),
  call(193, "semop", [int, semOps, uint], "int", "eintr", semop),
  call(194, "shmget", [key, size, segmentFlags], "int", "quick", shmget),
  call(195, "shmctl", [int, shmControl, pointer], "int", "quick", shmctl),
  call(196, "shmat", [int, pointer, attachFlags], "address", "quick", shmat),
  call(197, "shmdt", [pointer], "none", "quick", shmdt),
];
