// Who asked to be told of the next message of a queue (mq_notify). To the host the emulator is all guests: any of them could end
// what another has asked for, and each close of a descriptor of the queue does (mqueue_flush_file of Linux's ipc/mqueue.c).
// So here is kept whose it is: other guests leave it alone, and where one closes a descriptor it is asked for anew.
// The host tells the emulator by a signal, whose value names the note; but what SIGEV_THREAD asks for it
// writes to a socket of the guest's own.
import { newScratch, storeU64 } from "../host/scratch.ts";
import { statOf } from "../host/stat.ts";
import { host } from "../host/syscall.ts";
import { type Mutex, withLock } from "../sync/mutex.ts";
import { errno } from "./errno.ts";
import { Header, type Kernel, sections } from "./kernel.ts";
import { ProcessField, processAt } from "./processes.ts";
import { Code, kernelInfo, type SigInfo } from "./siginfo.ts";
import { type SignalTarget, sendSignal } from "./signals.ts";
import type { Task } from "./task.ts";

/** The host's signal for this and for what async-signals.ts has: real-time, so that none is lost. From elsewhere it comes with another si_code. */
export const carrier = 60;

const base = sections.kept / 4 + 0xa000 / 4;
// A note: index + 1 of the process, 0 for none; its generation; signal, 0 for none; two words of value; how it is to be told.
// Host descriptor + 1 of the process's by which it asked, 0 where it has been told, but for the signal that is on its way;
// inode and device of the queue. How often the note was used; whether it was asked for anew. For SIGEV_THREAD: host descriptor
// of the socket, and what is written there.
const Note = {
  ...{ process: 0, generation: 1, signo: 2, lo: 3, hi: 4, how: 5, h: 6, inode: 7, device: 8, serial: 9, again: 10 },
  ...{ socket: 11, cookie: 12 },
} as const;
const stride = 20;
const notesAt = base + 16;
const most = 64;

/** How to be told: `sigev_notify`. */
export const Sigev = { SIGNAL: 0, NONE: 1, THREAD: 2 } as const;
/** Bytes that the host writes for SIGEV_THREAD. */
export const cookieBytes = 32;

/** What is asked for. */
export interface Wanted {
  /** Of `Sigev`. */
  readonly how: number;
  readonly signo: number;
  /** The value, two words. */
  readonly lo: number;
  readonly hi: number;
  /** For SIGEV_THREAD: a host descriptor, and eight words. */
  readonly socket?: number;
  readonly cookie?: Int32Array;
}

const lockOf = (k: Kernel): Mutex => ({ words: k.i32, index: base });

const allNotes: readonly number[] = Array.from({ length: most }, (_, i) => notesAt + i * stride);

const isOfLiving = (k: Kernel, at: number): boolean => {
  const process = k.i32[at]! - 1;
  return process >= 0 && processAt(k, process).i32[ProcessField.generation] === k.i32[at + Note.generation];
};

/** Inode and device of an open file. */
function fileOf(h: number): readonly [inode: number, device: number] {
  const found = statOf(h);
  return typeof found === "number" ? [0, 0] : [found.inoLow | 0, found.minor];
}

/** Notes of a queue whose processes have not been told: there is one at most, but for what nobody noticed the end of. */
function openNotes(k: Kernel, h: number): readonly number[] {
  const w = k.i32;
  const found = allNotes.filter((at) => w[at] !== 0 && w[at + Note.h] !== 0);
  if (found.length === 0) return found;
  const [inode, device] = fileOf(h);
  return found.filter((at) => w[at + Note.inode] === inode && w[at + Note.device] === device);
}

// ---- the host's side

const event = newScratch(64);
const cookieRoom = newScratch(cookieBytes);
const attributes = newScratch(64);
const currentMessages = 24;
const text = newScratch(80);

/** How many messages there are. */
const messagesIn = (h: number): number =>
  host("mq_getsetattr", h, 0, attributes.address) < 0 ? 0 : attributes.i32[currentMessages / 4]!;

/** Whether the host has the emulator down for the queue; undefined where it does not say, to who cannot read. */
function isAsked(k: Kernel, h: number): boolean | undefined {
  const n = host("pread64", h, text.address, 79, 0);
  if (n < 0) return undefined;
  const owner = /NOTIFY_PID:(\d+)/.exec(Buffer.from(text.bytes.subarray(0, n)).toString("latin1"))?.[1];
  return Number(owner) === k.i32[Header.hostPid];
}

/** Asks the host for what a note says. 0 or -errno. */
function ask(k: Kernel, at: number): number {
  const w = k.i32;
  event.i32.fill(0);
  if (w[at + Note.how] === Sigev.THREAD) {
    cookieRoom.i32.set(w.subarray(at + Note.cookie, at + Note.cookie + cookieBytes / 4));
    storeU64(event, 0, cookieRoom.address);
    event.i32.set([w[at + Note.socket]!, Sigev.THREAD], 2);
  } else {
    const name = (at - notesAt) / stride + most * w[at + Note.serial]!;
    event.i32.set([name, 0, carrier, Sigev.SIGNAL]);
  }
  return host("mq_notify", w[at + Note.h]! - 1, event.address);
}

// ---- guests

/** mq_notify of host descriptor `h`. 0 or -errno. */
export const askForMessage = (t: Task, h: number, wanted: Wanted): number => {
  const { kernel: k, index, record, fds } = t.process;
  const w = k.i32;
  return withLock(lockOf(k), () => {
    const before = openNotes(k, h);
    // At need one whose signal may be on its way; it will have come by now.
    const at = allNotes.find((note) => !isOfLiving(k, note)) ?? allNotes.find((note) => w[note + Note.h] === 0);
    if (at === undefined) return -errno.ENOMEM;
    const serial = (w[at + Note.serial]! + 1) % 2 ** 20;
    w.fill(0, at, at + stride);
    const signo = wanted.how === Sigev.SIGNAL ? wanted.signo : 0;
    w.set([index + 1, record.i32[ProcessField.generation]!, signo, wanted.lo, wanted.hi, wanted.how, h + 1], at);
    w.set([...fileOf(h), serial, 0, wanted.socket ?? 0], at + Note.inode);
    if (wanted.cookie !== undefined) w.set(wanted.cookie, at + Note.cookie);
    const result = ask(k, at);
    if (result < 0) w[at] = 0;
    else {
      for (const other of before) settle(k, other);
      fds.hasQueues = true;
    }
    return result;
  });
};

/** What a note asked for has come: by a signal that is on its way, unless it is a thread that was told. */
function settle({ i32: w }: Kernel, at: number): void {
  if (w[at + Note.how] === Sigev.THREAD) w[at] = 0;
  else w[at + Note.h] = 0;
}

/** The process wants to hear no more of the queue: what others have asked for stays. 0 or -errno. */
export const forgetMessage = ({ process: { kernel: k, index } }: Task, h: number): number =>
  withLock(lockOf(k), () => {
    const [at] = openNotes(k, h);
    if (at !== undefined && isOfLiving(k, at) && k.i32[at] !== index + 1) return 0;
    if (at !== undefined) giveUp(k, at, h);
    return host("mq_notify", h, 0);
  });

/** The host is about to forget what a note asked for, unless it has told of it. `h` is another descriptor of the queue. */
function giveUp(k: Kernel, at: number, h: number): void {
  if ((isAsked(k, k.i32[at + Note.h]! - 1) ?? isAsked(k, h)) === true) k.i32[at] = 0;
  else settle(k, at);
}

/**
 * Closes host descriptor `h`, where somebody asked to be told of its queue: for the process of that index, whose the table may
 * not be alone. False, and nothing is done, where nobody did, or that process itself, or one that is no more.
 */
export function closeQueue(k: Kernel, process: number, h: number): boolean {
  let late: { readonly target: SignalTarget; readonly info: SigInfo } | undefined;
  const isClosed = withLock(lockOf(k), () => {
    const notes = openNotes(k, h);
    for (const at of notes) {
      if (!isOfLiving(k, at) || k.i32[at] === process + 1) giveUp(k, at, h);
      else {
        late = closeBeside(k, at, h);
        return true;
      }
    }
    return false;
  });
  if (late !== undefined) sendSignal(late.target, late.info[0]!, late.info);
  return isClosed;
}

/** Closes a descriptor of another process than that of the note. Answers what that is to be told, as the host did not. */
function closeBeside(k: Kernel, at: number, h: number) {
  const w = k.i32;
  const theirs = w[at + Note.h]! - 1;
  const isThread = w[at + Note.how] === Sigev.THREAD;
  const asked = isAsked(k, theirs) ?? isAsked(k, h);
  const before = messagesIn(theirs);
  host("close", h);
  // What was told already is not to be told again. Of the rest the note's signal says so when it comes.
  if (asked === false || (isThread && asked === undefined)) {
    settle(k, at);
    return undefined;
  }
  w[at + Note.again] = 1;
  if (ask(k, at) < 0) {
    settle(k, at);
    return undefined;
  }
  if (before > 0 || isThread || messagesIn(theirs) === 0) return undefined;
  // It came in between.
  host("mq_notify", theirs, 0);
  const told = noticeOf(k, at, kernelInfo(w[at + Note.signo]!));
  w[at] = 0;
  return told;
}

/** What a process is told: undefined for nothing. */
function noticeOf(k: Kernel, at: number, info: SigInfo) {
  const w = k.i32;
  const signo = w[at + Note.signo]!;
  if (signo === 0) return undefined;
  const own = info.slice();
  own.set([signo, 0, Code.SI_MESGQ]);
  own.set([w[at + Note.lo]!, w[at + Note.hi]!], 6);
  const process = processAt(k, w[at]! - 1);
  const target: SignalTarget = { kernel: k, process, thread: undefined, generation: w[at + Note.generation]! };
  return { target, info: own };
}

/** The host tells of a message, by its signal. */
export function tellOfMessage(k: Kernel, info: SigInfo): void {
  const name = info[6]!;
  const at = notesAt + (name % most) * stride;
  const w = k.i32;
  if (name < 0) return;
  const told = withLock(lockOf(k), () => {
    if (w[at] === 0 || w[at + Note.serial] !== Math.floor(name / most)) return undefined;
    // It was asked for anew though it was being told.
    if (w[at + Note.again] !== 0 && w[at + Note.h] !== 0) host("mq_notify", w[at + Note.h]! - 1, 0);
    const notice = noticeOf(k, at, info);
    w[at] = 0;
    return notice;
  });
  if (told !== undefined) sendSignal(told.target, told.info[0]!, told.info);
}
