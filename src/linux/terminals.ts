// What guests do with terminals: job control on reads and writes, controlling terminals gained and lost, keys that send
// signals (drivers/tty/tty_jobctrl.c, tty_io.c, n_tty.c). Terminals that guests make (openpty) have no session on the host:
// it does all that a line discipline does but send signals, so who writes to a master has them sent here.
import { newScratch } from "../host/scratch.ts";
import { FileType, statAt } from "../host/stat.ts";
import { addressOf, host } from "../host/syscall.ts";
import { withLock } from "../sync/mutex.ts";
import { Attr } from "./attributes.ts";
import { errno, restart } from "./errno.ts";
import { isOrphanedHeld } from "./family.ts";
import { isGroupHeld } from "./groups.ts";
import type { Kernel } from "./kernel.ts";
import { O, toHostFlags } from "./open-flags.ts";
import { allProcesses, ProcessField, type ProcessRecord } from "./processes.ts";
import { kernelInfo, Sig } from "./siginfo.ts";
import { handlerIs, isBlocked, SIG_IGN, sendSignal } from "./signals.ts";
import type { Task } from "./task.ts";
import {
  acquireHeld,
  deviceOfTty,
  findTty,
  foregroundOf,
  foregroundShown,
  isQuoted,
  leadsSession,
  ownTty,
  releaseHeld,
  sessionOfTty,
  setForegroundHeld,
  setQuoted,
  signalGroupHeld,
  ttyOf,
} from "./ttys.ts";

/** Requests of ioctl that the host is asked for what a descriptor is. */
const [TCGETS, TIOCGPTN, TIOCGDEV, TIOCGPTPEER] = [0x5401, 0x80045430, 0x80045432, 0x5441];

// Of its own: other rooms may be in use.
const room = newScratch(64);

/** The device number of the terminal behind a host descriptor: of a master, that of its slave. -errno where there is none. */
export function deviceOf(h: number): number {
  const result = host("ioctl", h, TIOCGDEV, room.address);
  return result < 0 ? result : room.i32[0]!;
}

/** Whether a host descriptor is the master of a pseudoterminal. */
export const isMaster = (h: number): boolean => host("ioctl", h, TIOCGPTN, room.address) === 0;

const pathOf = (device: number): string | undefined => {
  const [major, minor] = [(device >>> 8) & 0xfff, (device & 0xff) | ((device >>> 12) & 0xfff00)];
  if (major === 136) return `/dev/pts/${minor}`;
  if (major === 4) return minor < 64 ? `/dev/tty${minor}` : `/dev/ttyS${minor - 64}`;
  return undefined;
};

// ---- job control

/**
 * A process does with its terminal what only the foreground may: in the background its group gets SIGTTIN or SIGTTOU. 0 where
 * it may, -EIO where it may not, -ERESTARTSYS where it is to stop first.
 */
function attempt(t: Task, tty: number, signo: number): number {
  const { kernel: k, record } = t.process;
  return withLock(k.tasksLock, () => {
    const group = record.i32[ProcessField.group]!;
    const foreground = foregroundOf(k, tty);
    if (foreground === 0 || foreground === group) return 0;
    if (isBlocked(t, signo) || handlerIs(record, signo, SIG_IGN)) return signo === Sig.TTIN ? -errno.EIO : 0;
    if (isOrphanedHeld(k, group)) return -errno.EIO;
    signalGroupHeld(k, group, signo);
    return -restart.ERESTARTSYS;
  });
}

/** The controlling terminal of a process that is in its background. */
function behind({ process: { kernel: k, record } }: Task): number | undefined {
  if (record.i32[ProcessField.tty] === 0) return undefined;
  const tty = record.i32[ProcessField.tty]! - 1;
  return foregroundOf(k, tty) === record.i32[ProcessField.group] ? undefined : ttyOf(k, record);
}

/** Before a read from a terminal, or a write to it, by a host descriptor. Answers as `attempt`. */
export function beforeTransfer(t: Task, h: number, writes: boolean): number {
  const tty = behind(t);
  if (tty === undefined || deviceOf(h) !== deviceOfTty(t.process.kernel, tty) || isMaster(h)) return 0;
  if (!writes) return attempt(t, tty, Sig.TTIN);
  return modesOf(h) && room.u32[Modes.local]! & Local.TOSTOP ? attempt(t, tty, Sig.TTOU) : 0;
}

/** Before a terminal is changed. Answers as `attempt`. */
export function beforeChange(t: Task, h: number): number {
  const tty = behind(t);
  if (tty === undefined || deviceOf(h) !== deviceOfTty(t.process.kernel, tty)) return 0;
  return attempt(t, tty, Sig.TTOU);
}

// ---- controlling terminals

const isRoot = ({ attributes }: ProcessRecord): boolean => attributes[Attr.euid] === 0;
const F_GETFL = 3;
const readsFrom = (h: number): boolean => (host("fcntl", h, F_GETFL) & O.ACCMODE) !== O.WRONLY;

/** A file was opened: a terminal that controls no session becomes that of a session leader which has none, unless O_NOCTTY says not to. */
export function afterOpen({ process: { kernel: k, record } }: Task, h: number, flags: number): void {
  if (!leadsSession(record) || (flags & (O.NOCTTY | O.PATH)) !== 0 || ttyOf(k, record) !== undefined) return;
  if ((flags & O.ACCMODE) === O.WRONLY) return;
  const device = deviceOf(h);
  if (device <= 0 || isMaster(h)) return;
  withLock(k.tasksLock, () => {
    const tty = findTty(k, device);
    if (tty === undefined || sessionOfTty(k, tty) === 0) acquireHeld(k, record, device);
  });
}

/** TIOCSCTTY. With `steals` root takes the terminal away from another session. 0 or -errno. */
export function control({ process: { kernel: k, record } }: Task, h: number, steals: boolean): number {
  const device = deviceOf(h);
  if (device < 0) return device;
  return withLock(k.tasksLock, () => {
    const tty = findTty(k, device);
    const session = tty === undefined ? 0 : sessionOfTty(k, tty);
    const leads = leadsSession(record);
    if (leads && session === record.i32[ProcessField.session]) return 0;
    if (!leads || ttyOf(k, record) !== undefined) return -errno.EPERM;
    if (session !== 0 && !(steals && isRoot(record))) return -errno.EPERM;
    if (!readsFrom(h) && !isRoot(record)) return -errno.EPERM;
    if (session !== 0) releaseHeld(k, tty!);
    return acquireHeld(k, record, device) ? 0 : -errno.EIO;
  });
}

/** TIOCNOTTY: the process gives its terminal up; a leader does so for its session. 0 or -errno. */
export function giveUp({ process: { kernel: k, record } }: Task, h: number): number {
  const device = deviceOf(h);
  if (device < 0) return device;
  return withLock(k.tasksLock, () => {
    const tty = ttyOf(k, record);
    if (tty === undefined || deviceOfTty(k, tty) !== device || isMaster(h)) return -errno.ENOTTY;
    if (leadsSession(record)) {
      const foreground = foregroundOf(k, tty);
      releaseHeld(k, tty);
      for (const signo of [Sig.HUP, Sig.CONT]) signalGroupHeld(k, foreground, signo, record);
    }
    record.i32[ProcessField.tty] = 0;
    return 0;
  });
}

/** The terminal of a descriptor, where the process may ask for its groups: its own, or one whose master the descriptor is. Undefined: it has no session. */
function asked({ process: { kernel: k, record } }: Task, h: number): number | undefined {
  const device = deviceOf(h);
  if (device < 0) return device;
  const tty = findTty(k, device);
  if (isMaster(h)) return tty;
  return tty !== undefined && tty === ttyOf(k, record) ? tty : -errno.ENOTTY;
}

/** TIOCGPGRP: the group in the foreground, 0 for none; or -errno. */
export function foreground(t: Task, h: number): number {
  const tty = asked(t, h);
  if (tty === undefined) return 0;
  return tty < 0 ? tty : foregroundShown(t.process.kernel, tty);
}

/** TIOCGSID: the session; or -errno. */
export function session(t: Task, h: number): number {
  const tty = asked(t, h) ?? -errno.ENOTTY;
  return tty < 0 ? tty : sessionOfTty(t.process.kernel, tty) || -errno.ENOTTY;
}

/** TIOCSPGRP: puts a group of the caller's session into the foreground. `group` undefined: it cannot be read. 0 or -errno. */
export function setForeground(t: Task, h: number, group: number | undefined): number {
  const { kernel: k, record } = t.process;
  const device = deviceOf(h);
  if (device < 0) return device === -errno.EIO ? -errno.ENOTTY : device;
  const allowed = beforeChange(t, h);
  if (allowed < 0) return allowed === -errno.EIO ? -errno.ENOTTY : allowed;
  if (group === undefined) return -errno.EFAULT;
  if (group < 0) return -errno.EINVAL;
  return withLock(k.tasksLock, () => {
    const tty = ttyOf(k, record);
    const own = record.i32[ProcessField.session]!;
    if (tty === undefined || deviceOfTty(k, tty) !== device || sessionOfTty(k, tty) !== own) return -errno.ENOTTY;
    if (!isGroupHeld(k, group, own)) return isId(k, group) ? -errno.EPERM : -errno.ESRCH;
    setForegroundHeld(k, tty, group);
    return 0;
  });
}

/** Whether a process, group or session has this id. 0 is none, though a leader outside a process namespace is seen by it. */
const isId = (k: Kernel, id: number): boolean =>
  id > 0 &&
  ([...allProcesses(k)].some(({ i32 }) =>
    [ProcessField.pid, ProcessField.group, ProcessField.session].some((word) => i32[word] === id),
  ) ||
    // That of the host's first process may be in no session.
    host("getsid", id) >= 0);

// ---- the end of a session, and of a terminal

/** A process ends: where it leads a session, that loses its terminal, and who is in the foreground there is told. Done again it does nothing. */
export function leaveTerminal(k: Kernel, record: ProcessRecord): void {
  if (!leadsSession(record)) return;
  withLock(k.tasksLock, () => {
    const tty = ttyOf(k, record);
    if (tty !== undefined) {
      const foreground = foregroundOf(k, tty);
      releaseHeld(k, tty);
      signalGroupHeld(k, foreground, Sig.HUP);
      return;
    }
    const lost = record.i32[ProcessField.lostForeground]!;
    record.i32[ProcessField.lostForeground] = 0;
    for (const signo of [Sig.HUP, Sig.CONT]) signalGroupHeld(k, lost, signo);
  });
}

/** Whether the slave of that device can still be opened. */
function isThere(device: number): boolean {
  const found = statAt(-100, addressOf(Buffer.from(`${pathOf(device)}\0`, "latin1")), 0);
  if (typeof found === "number" || found.type !== FileType.character) return false;
  return found.deviceMajor === ((device >>> 8) & 0xfff) && pathOf(device)?.endsWith(`/${found.deviceMinor}`) === true;
}

/**
 * Closes a host descriptor, if it is the master of a terminal that has a session: with the last such one that is hung up, and
 * loses its terminal. False where it is none, and not closed.
 */
export function closeMaster(k: Kernel, h: number): boolean {
  const tty = isMaster(h) ? findTty(k, deviceOf(h)) : undefined;
  if (tty === undefined || tty === ownTty) return false;
  const device = deviceOfTty(k, tty);
  const was = isThere(device);
  host("close", h);
  if (was && !isThere(device)) withLock(k.tasksLock, () => hangUpHeld(k, tty));
  return true;
}

function hangUpHeld(k: Kernel, tty: number): void {
  const foreground = foregroundOf(k, tty);
  const leaders = [...allProcesses(k)].filter((p) => p.i32[ProcessField.tty] === tty + 1 && leadsSession(p));
  releaseHeld(k, tty);
  for (const process of leaders) {
    process.i32[ProcessField.lostForeground] = foreground;
    for (const signo of [Sig.HUP, Sig.CONT])
      sendSignal({ kernel: k, process, thread: undefined }, signo, kernelInfo(signo));
  }
}

// ---- keys, and the window

// Of a struct termios: words of its input and local modes; byte offset of the characters.
const Modes = { input: 0, local: 3, keys: 17 } as const;
const Key = { INTR: 0, QUIT: 1, SUSP: 10, LNEXT: 15 } as const;
const [ISTRIP, ISIG, ICANON, IEXTEN, EXTPROC] = [0o40, 0o1, 0o2, 0o100000, 0o200000];
const Local = { TOSTOP: 0o400 } as const;

/** Has the host put the modes of a terminal into `room`. */
const modesOf = (h: number): boolean => host("ioctl", h, TCGETS, room.address) === 0;

/** Bytes were written to a master: those that are keys send their signals to the foreground of the terminal, if it has a session. */
export function typed({ process: { kernel: k } }: Task, h: number, bytes: Uint8Array): void {
  const device = deviceOf(h);
  const tty = device < 0 ? undefined : findTty(k, device);
  if (tty === undefined || tty === ownTty || !modesOf(h)) return;
  const signos = signalsOf(k, tty, bytes);
  if (signos.length === 0) return;
  settle(h);
  withLock(k.tasksLock, () => {
    for (const signo of signos) signalGroupHeld(k, foregroundOf(k, tty), signo);
  });
}

/** The signals that bytes stand for, by the modes in `room`. */
function signalsOf(k: Kernel, tty: number, bytes: Uint8Array): readonly number[] {
  const local = room.u32[Modes.local]!;
  if ((local & EXTPROC) !== 0) return [];
  const key = (n: number): number => room.bytes[Modes.keys + n]!;
  const signals: readonly (readonly [key: number, signo: number])[] = [
    [key(Key.INTR), Sig.INT],
    [key(Key.QUIT), Sig.QUIT],
    [key(Key.SUSP), Sig.TSTP],
  ];
  const quotes = (local & ICANON) !== 0 && (local & IEXTEN) !== 0 ? key(Key.LNEXT) : 0;
  const strip = room.u32[Modes.input]! & ISTRIP ? 0x7f : 0xff;
  const sent: number[] = [];
  let quoted = isQuoted(k, tty);
  for (const byte of bytes) {
    const c = byte & strip;
    // A character that is 0 is none.
    const signo = quoted || c === 0 || (local & ISIG) === 0 ? undefined : signals.find(([own]) => own === c)?.[1];
    if (signo !== undefined) sent.push(signo);
    quoted = !quoted && signo === undefined && c !== 0 && c === quotes;
  }
  setQuoted(k, tty, quoted);
  return sent;
}

const pollfdBytes = 8;

/** Has the host's line discipline take in what was written to a master: looking for input at the slave waits for that. */
function settle(h: number): void {
  const slave = host("ioctl", h, TIOCGPTPEER, toHostFlags(O.RDWR | O.NOCTTY | O.NONBLOCK | O.CLOEXEC));
  if (slave < 0) return;
  room.i32.set([slave, 1], 0);
  room.i32.fill(0, pollfdBytes / 4, pollfdBytes / 4 + 4);
  host("ppoll", room.address, 1, room.address + pollfdBytes, 0, 8);
  host("close", slave);
}

/** TIOCSIG: who has the master signals the foreground. 0 or -errno. */
export function sendKey({ process: { kernel: k } }: Task, h: number, signo: number): number {
  const device = deviceOf(h);
  if (device < 0 || !isMaster(h)) return device < 0 ? device : -errno.ENOTTY;
  const keys: readonly number[] = [Sig.INT, Sig.QUIT, Sig.TSTP];
  if (!keys.includes(signo)) return -errno.EINVAL;
  signalForeground(k, device, signo);
  return 0;
}

/** The window of a terminal has got another size. */
export function resized({ process: { kernel: k } }: Task, h: number): void {
  const device = deviceOf(h);
  // The emulator hears of its own from the host.
  if (device > 0 && findTty(k, device) !== ownTty) signalForeground(k, device, Sig.WINCH);
}

function signalForeground(k: Kernel, device: number, signo: number): void {
  const tty = findTty(k, device);
  if (tty !== undefined) withLock(k.tasksLock, () => signalGroupHeld(k, foregroundOf(k, tty), signo));
}

/** Opens, on the host, the controlling terminal of a process: /dev/tty. A host descriptor, close-on-exec; or -errno. */
export function openControlling({ process: { kernel: k, record } }: Task, flags: number): number {
  const tty = ttyOf(k, record);
  if (tty === undefined) return -errno.ENXIO;
  const path = tty === ownTty ? "/dev/tty" : pathOf(deviceOfTty(k, tty));
  if (path === undefined) return -errno.ENXIO;
  const name = addressOf(Buffer.from(`${path}\0`, "latin1"));
  return host("openat", -100, name, toHostFlags((flags & ~O.CREAT) | O.NOCTTY | O.CLOEXEC));
}

/** What stat(5) says: the device of a process's controlling terminal, 0 for none, and the group in its foreground, -1 for none. */
export function shownTerminal(k: Kernel, record: ProcessRecord): readonly [device: number, foreground: number] {
  const tty = ttyOf(k, record);
  return tty === undefined ? [0, -1] : [deviceOfTty(k, tty), foregroundShown(k, tty) || -1];
}
