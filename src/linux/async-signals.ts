// Signals that the host sends because something happened to an open file: to its owner (F_SETOWN, O_ASYNC), and to who asked
// to be told of a message (mq_notify). To the host the emulator is the owner of all, and gets one signal for all, which queues
// and says what it is about; here is which guest that means, and which signal it wants.
import { isSameFile } from "../host/same-file.ts";
import { newScratch } from "../host/scratch.ts";
import { statOf } from "../host/stat.ts";
import { host } from "../host/syscall.ts";
import { type Mutex, withLock } from "../sync/mutex.ts";
import { errno } from "./errno.ts";
import { Header, type Kernel, sections } from "./kernel.ts";
import { carrier, tellOfMessage } from "./message-notes.ts";
import { findProcess, groupHeld, type ProcessRecord, processAt } from "./processes.ts";
import { Code, kernelInfo, Sig, type SigInfo, sigMax } from "./siginfo.ts";
import { type SignalTarget, sendSignal, threadTarget } from "./signals.ts";
import { guestProcess, guestThread } from "./targets.ts";
import type { Task } from "./task.ts";
import { findTask } from "./tasks.ts";

const base = sections.kept / 4 + 0x4000 / 4;
// Words of the head: the lock; owners ever used.
const Word = { lock: 0, owners: 1 } as const;
// An owner: host descriptor + 1 under which the host knows the file, inode; type and id of the guest's owner (0 for none),
// signal (0 for SIGIO), and the guest's descriptor.
const Owner = { fd: 0, inode: 1, type: 2, id: 3, signal: 4, guestFd: 5 } as const;
const stride = 8;
const ownersAt = base + 16;
const mostOwners = 512;

/** Types of owners, as in a `struct f_owner_ex`. */
export const OwnerType = { thread: 0, process: 1, group: 2 } as const;

export interface FileOwner {
  readonly type: number;
  /** 0 for none. */
  readonly id: number;
}

/** The owner that a number means: a process, or, negative, a group; and the number. */
export const ownerNamed = (name: number): FileOwner => ({
  type: name < 0 ? OwnerType.group : OwnerType.process,
  id: Math.abs(name),
});
export const nameOfOwner = ({ type, id }: FileOwner): number => (type === OwnerType.group ? -id : id);

const lockOf = (k: Kernel): Mutex => ({ words: k.i32, index: base + Word.lock });
const [F_GETFL, F_SETOWN, F_SETSIG, F_SETOWN_EX, F_GETOWN_EX] = [3, 8, 10, 15, 16];
const O_ASYNC = 0o20000;
const struct = newScratch(8);

const inodeOf = (h: number): number => {
  const found = statOf(h);
  return typeof found === "number" ? 0 : found.inoLow | 0;
};

/** The word at which the record of an open file begins, made where there is none if `makes`; -1 where there is none. */
function ownerHeld(w: Int32Array, h: number, makes: boolean): number {
  const inode = inodeOf(h);
  let free = -1;
  for (let i = 0; i < w[base + Word.owners]!; i++) {
    const at = ownersAt + i * stride;
    const known = w[at + Owner.fd]! - 1;
    if (known >= 0 && w[at + Owner.inode] === inode && (known === h || isSameFile(known, h))) return at;
    // What is left of a file that was closed.
    if (known === h || (free < 0 && inodeOf(known) !== w[at + Owner.inode])) free = at;
  }
  if (!makes) return -1;
  if (free < 0 && w[base + Word.owners]! < mostOwners) free = ownersAt + w[base + Word.owners]!++ * stride;
  if (free >= 0) w.set([h + 1, inode, OwnerType.process, 0, 0, 0], free);
  return free;
}

/** Has the host signal the emulator. 0 or -errno. */
function carry(k: Kernel, h: number): number {
  struct.i32.set([OwnerType.process, k.i32[Header.hostPid]!]);
  const result = host("fcntl", h, F_SETOWN_EX, struct.address);
  return result < 0 ? result : host("fcntl", h, F_SETSIG, carrier);
}

const isGuest = (t: Task, { type, id }: FileOwner): boolean => {
  const k = t.process.kernel;
  if (type === OwnerType.thread) return guestThread(t, id) !== undefined;
  if (type === OwnerType.process) return guestProcess(t, id) !== undefined;
  return withLock(k.tasksLock, () => groupHeld(k, id)).length > 0;
};

/** Whether the host has such processes. */
const isHosts = ({ type, id }: FileOwner): boolean =>
  host("kill", type === OwnerType.group ? -id : id, 0) !== -errno.ESRCH;

/**
 * Makes a guest, a process of the host, or nobody the owner of the file behind host descriptor `h`. One of the host is
 * remembered, but gets no signals. 0 or -errno.
 */
export function setOwner(t: Task, h: number, owner: FileOwner): number {
  const k = t.process.kernel;
  const { type, id } = owner;
  if (type < OwnerType.thread || type > OwnerType.group || id >= 2 ** 31) return -errno.EINVAL;
  const guest = id !== 0 && isGuest(t, owner);
  if (id < 0 || (id !== 0 && !guest && !isHosts(owner))) return -errno.ESRCH;
  const result = guest ? carry(k, h) : host("fcntl", h, F_SETOWN, 0);
  if (result < 0) return result;
  return withLock(lockOf(k), () => {
    const at = ownerHeld(k.i32, h, id !== 0);
    if (at < 0) return id !== 0 ? -errno.ENOMEM : 0;
    k.i32[at + Owner.type] = type;
    k.i32[at + Owner.id] = id;
    return 0;
  });
}

/** The owner; or -errno. */
export function ownerOf(t: Task, h: number): FileOwner | number {
  const w = t.process.kernel.i32;
  // What the host says of a descriptor that has none, such as one of a path.
  const result = host("fcntl", h, F_GETOWN_EX, struct.address);
  if (result < 0) return result;
  return withLock(lockOf(t.process.kernel), () => {
    const at = ownerHeld(w, h, false);
    return at < 0 ? { type: OwnerType.process, id: 0 } : { type: w[at + Owner.type]!, id: w[at + Owner.id]! };
  });
}

/** Which signal the owner gets: 0 for SIGIO without more. 0 or -errno. */
export function setAsyncSignal(t: Task, h: number, signal: number): number {
  if (signal < 0 || signal > sigMax) return -errno.EINVAL;
  const k = t.process.kernel;
  const result = host("fcntl", h, F_SETSIG, carrier);
  if (result < 0) return result;
  return withLock(lockOf(k), () => {
    const at = ownerHeld(k.i32, h, true);
    if (at < 0) return -errno.ENOMEM;
    k.i32[at + Owner.signal] = signal;
    return 0;
  });
}

export const asyncSignal = ({ process: { kernel: k } }: Task, h: number): number =>
  withLock(lockOf(k), () => {
    const at = ownerHeld(k.i32, h, false);
    return at < 0 ? 0 : k.i32[at + Owner.signal]!;
  });

/**
 * O_ASYNC is about to be set by guest descriptor `fd`: that is what the owner is told, and how the host calls the file. Setting it
 * where it is set changes neither.
 */
export const noteAsync = ({ process: { kernel: k } }: Task, fd: number, h: number): void =>
  withLock(lockOf(k), () => {
    if ((host("fcntl", h, F_GETFL) & O_ASYNC) !== 0) return;
    const at = ownerHeld(k.i32, h, true);
    if (at < 0) return;
    k.i32[at + Owner.fd] = h + 1;
    k.i32[at + Owner.guestFd] = fd;
  });

// ---- what comes

/** Signals whose si_code would mean something else. */
const haveOwnCodes: readonly number[] = [Sig.ILL, Sig.TRAP, Sig.BUS, Sig.FPE, Sig.SEGV, Sig.CHLD, Sig.SYS];

/** Whom to signal, by who has the tasks lock until that is done. */
function targetsHeld(k: Kernel, { type, id }: FileOwner): SignalTarget[] {
  const all = (process: ProcessRecord): SignalTarget => ({ kernel: k, process, thread: undefined });
  if (type === OwnerType.group) return groupHeld(k, id).map(all);
  if (type === OwnerType.thread) {
    const task = findTask(k, id);
    const target = task === undefined ? undefined : threadTarget(k, task);
    return target === undefined ? [] : [target];
  }
  const index = findProcess(k, id);
  return index === undefined ? [] : [all(processAt(k, index))];
}

/** Takes a signal of the host that is for the owner of a file, or for who awaits a message, and sends the guest its own. False for any other. */
export function takeAsyncSignal(k: Kernel, info: SigInfo): boolean {
  const [signo, , code] = info as unknown as readonly [number, number, number];
  if (signo === Sig.URG && code === Code.SI_KERNEL) return urgent(k);
  if (signo !== carrier) return false;
  if (code === Code.SI_MESGQ) tellOfMessage(k, info);
  else if (code > 0 && code < Code.SI_KERNEL) event(k, info);
  else return false;
  return true;
}

function event(k: Kernel, info: SigInfo): void {
  const h = info[6]!;
  const found = withLock(lockOf(k), () => {
    for (let i = 0; i < k.i32[base + Word.owners]!; i++) {
      const at = ownersAt + i * stride;
      if (k.i32[at] === h + 1) return k.i32.slice(at, at + stride);
    }
    return undefined;
  });
  if (found === undefined || found[Owner.id] === 0) return;
  const wanted = found[Owner.signal]!;
  const own = info.slice();
  own[0] = wanted;
  own[6] = found[Owner.guestFd]!;
  if (haveOwnCodes.includes(wanted)) own[2] = Code.SI_SIGIO;
  withLock(k.tasksLock, () => {
    for (const target of targetsHeld(k, { type: found[Owner.type]!, id: found[Owner.id]! }))
      sendSignal(target, wanted || Sig.IO, wanted === 0 ? kernelInfo(Sig.IO) : own);
  });
}

/** The host does not say which socket has urgent data: all owners are told. */
function urgent(k: Kernel): boolean {
  const owners = withLock(lockOf(k), () =>
    Array.from({ length: k.i32[base + Word.owners]! }, (_, i) => {
      const at = ownersAt + i * stride;
      return { type: k.i32[at + Owner.type]!, id: k.i32[at + Owner.id]! };
    }),
  );
  const told = new Set<ProcessRecord>();
  withLock(k.tasksLock, () => {
    for (const owner of owners.filter(({ id }) => id !== 0))
      for (const target of targetsHeld(k, owner)) {
        if (told.has(target.process)) continue;
        told.add(target.process);
        sendSignal(target, Sig.URG, kernelInfo(Sig.URG));
      }
  });
  return told.size > 0;
}
