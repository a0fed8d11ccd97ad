// Terminals as the kernel's tables have them: which session one controls, and which process group is in its foreground. Lines,
// modes and echoes are the host's. To the host no guest has a session, so what it would do with one is done for them here
// and in terminals.ts (drivers/tty/tty_jobctrl.c).
//
// The first record is the emulator's own controlling terminal, if it has one: the first process begins with it. To the host
// the emulator stays in its group; which of the guests' groups is in the foreground there is theirs to say, and gets the
// signals of its keys: inbox.ts. The tasks lock guards what changes here; functions whose name ends in `Held` need it.
import { readHostFile } from "../host/file.ts";
import { host } from "../host/syscall.ts";
import { Attr } from "./attributes.ts";
import { type Kernel, sections } from "./kernel.ts";
import { allProcesses, groupHeld, ProcessField, type ProcessRecord } from "./processes.ts";
import { Code, kernelInfo, userInfo } from "./siginfo.ts";
import { sendSignals } from "./signals.ts";

/** Words of a record: the device's number, as in stat(5); ids of session and foreground group; whether the next byte typed is no key. */
const Word = { device: 0, session: 1, foreground: 2, quoted: 3, words: 8 } as const;
const mostTtys = 128;

/** The emulator's own. */
export const ownTty = 0;
/** In place of its device: nobody has asked for it yet, or there is none. */
const [unasked, none] = [0, -1];

const wordOf = (tty: number, name: number): number => sections.ttys / 4 + tty * Word.words + name;
const get = (k: Kernel, tty: number, name: number): number => Atomics.load(k.i32, wordOf(tty, name));
const set = (k: Kernel, tty: number, name: number, value: number): void =>
  void Atomics.store(k.i32, wordOf(tty, name), value);

/** What the host says of the emulator's controlling terminal: device, 0 for none, and foreground group. */
function hostTerminal(): readonly [device: number, foreground: number] {
  const text = readHostFile("/proc/self/stat");
  // The name, in parentheses, may hold anything. Behind it: state, parent, group, session, terminal, foreground.
  const fields = typeof text === "number" ? [] : text.slice(text.lastIndexOf(")") + 2).split(" ");
  return [Number(fields[4] ?? 0), Number(fields[5] ?? 0)];
}

/** The device of a terminal; 0 where there is none. */
export function deviceOfTty(k: Kernel, tty: number): number {
  if (tty === ownTty && get(k, ownTty, Word.device) === unasked) {
    const [device] = hostTerminal();
    if (device !== 0) Atomics.compareExchange(k.i32, wordOf(ownTty, Word.session), 0, host("getsid", 0));
    Atomics.compareExchange(k.i32, wordOf(ownTty, Word.device), unasked, device || none);
  }
  const device = get(k, tty, Word.device);
  return device === none ? 0 : device;
}

/** The controlling terminal of a process. */
export function ttyOf(k: Kernel, { i32 }: ProcessRecord): number | undefined {
  const tty = i32[ProcessField.tty]! - 1;
  return tty < 0 || deviceOfTty(k, tty) === 0 ? undefined : tty;
}

/** The terminal of that device, if it has had a session. */
export function findTty(k: Kernel, device: number): number | undefined {
  for (let tty = 0; tty < mostTtys; tty++) if (deviceOfTty(k, tty) === device) return tty;
  return undefined;
}

/** The id of the session that a terminal controls; 0 for none. */
export const sessionOfTty = (k: Kernel, tty: number): number => get(k, tty, Word.session);

/** The group in the foreground of a terminal, among the guests; 0 for none. */
export function foregroundOf(k: Kernel, tty: number): number {
  const group = get(k, tty, Word.foreground);
  if (group !== 0 || tty !== ownTty) return group;
  const isLost = get(k, ownTty, Word.device) !== unasked && sessionOfTty(k, ownTty) === 0;
  return isLost ? 0 : host("getpgid", 0);
}

/** The same for guests to see: where the emulator is in the background, another group of the host. */
export function foregroundShown(k: Kernel, tty: number): number {
  const group = foregroundOf(k, tty);
  if (tty !== ownTty || sessionOfTty(k, tty) !== host("getsid", 0)) return group;
  const [, hosts] = hostTerminal();
  return hosts > 0 && hosts !== host("getpgid", 0) ? hosts : group;
}

/** Puts a group into the foreground. */
export const setForegroundHeld = (k: Kernel, tty: number, group: number): void =>
  set(k, tty, Word.foreground, tty === ownTty && group === host("getpgid", 0) ? 0 : group);

/** Whether a process leads its session. */
export const leadsSession = ({ i32 }: ProcessRecord): boolean => i32[ProcessField.session] === i32[ProcessField.pid];

/** Makes a terminal that has no session, by its device, that of the session which a process leads. False where there are too many. */
export function acquireHeld(k: Kernel, { i32 }: ProcessRecord, device: number): boolean {
  const tty = findTty(k, device) ?? freeHeld(k);
  if (tty === undefined) return false;
  set(k, tty, Word.quoted, 0);
  set(k, tty, Word.session, i32[ProcessField.session]!);
  set(k, tty, Word.device, device);
  setForegroundHeld(k, tty, i32[ProcessField.group]!);
  i32[ProcessField.tty] = tty + 1;
  return true;
}

function freeHeld(k: Kernel): number | undefined {
  for (let tty = ownTty + 1; tty < mostTtys; tty++) if (get(k, tty, Word.device) === 0) return tty;
  return undefined;
}

/** A terminal has no session any more, and no process has it. */
export function releaseHeld(k: Kernel, tty: number): void {
  for (const { i32 } of allProcesses(k)) if (i32[ProcessField.tty] === tty + 1) i32[ProcessField.tty] = 0;
  set(k, tty, Word.session, 0);
  set(k, tty, Word.foreground, 0);
  // The emulator's is known by its device for good.
  if (tty !== ownTty) set(k, tty, Word.device, 0);
}

/** Whether the next byte typed is taken for what it is: one after VLNEXT. */
export const isQuoted = (k: Kernel, tty: number): boolean => get(k, tty, Word.quoted) !== 0;
export const setQuoted = (k: Kernel, tty: number, on: boolean): void => set(k, tty, Word.quoted, on ? 1 : 0);

/** Signals all members of a group: by the kernel, or as the process `from` would. */
export function signalGroupHeld(k: Kernel, group: number, signo: number, from?: ProcessRecord): void {
  const info =
    from === undefined
      ? kernelInfo(signo)
      : userInfo(signo, Code.SI_USER, from.i32[ProcessField.pid]!, from.attributes[Attr.ruid]! >>> 0);
  if (group > 0) sendSignals(k, groupHeld(k, group), signo, info);
}
