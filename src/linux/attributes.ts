// What a process carries besides memory, files and signals: credentials and the settings of prctl and personality.
// Credentials begin as the emulator's and change here only: the host's checks stay those of the emulator's user.
import { addressOf, host } from "../host/syscall.ts";

/** Word offsets into `Attributes.words`. */
export const Attr = {
  ruid: 0,
  euid: 1,
  suid: 2,
  fsuid: 3,
  rgid: 4,
  egid: 5,
  sgid: 6,
  fsgid: 7,
  /** Number of supplementary groups. */
  groupCount: 8,
  dumpable: 9,
  noNewPrivs: 10,
  childSubreaper: 11,
  deathSignal: 12,
  /** PR_SET_THP_DISABLE. */
  thpDisabled: 13,
  keepCaps: 14,
  personality: 15,
  /** PR_SET_TIMERSLACK in nanoseconds: low word, high word. */
  timerSlack: 16,
} as const;

/** NGROUPS_MAX. */
export const maxGroups = 65536;

/** Shared by the threads of a process. */
export interface Attributes {
  /** Of the process's record: others ask for its ids. */
  readonly words: Int32Array;
  /** Supplementary groups. */
  readonly groups: Int32Array;
}

/** Nanoseconds. */
export const defaultTimerSlack = 50_000;

/** Words of the supplementary groups. */
export const groupWords = maxGroups;

/** Makes them the emulator's own. */
export function inheritAttributes(a: Attributes): void {
  const ids = new Int32Array(3);
  const at = addressOf(ids);
  host("getresuid", at, at + 4, at + 8);
  a.words.set([ids[0]!, ids[1]!, ids[2]!, ids[1]!], Attr.ruid);
  host("getresgid", at, at + 4, at + 8);
  a.words.set([ids[0]!, ids[1]!, ids[2]!, ids[1]!], Attr.rgid);
  a.words[Attr.groupCount] = Math.max(0, host("getgroups", maxGroups, addressOf(a.groups)));
  a.words[Attr.dumpable] = 1;
  a.words[Attr.timerSlack] = defaultTimerSlack;
}

/** An id or a setting, as the unsigned number that calls answer. */
export const attribute = (a: Attributes, word: number): number => a.words[word]! >>> 0;

/** What the auxiliary vector says of the user. */
export const idsOf = (a: Attributes) => ({
  uid: attribute(a, Attr.ruid),
  euid: attribute(a, Attr.euid),
  gid: attribute(a, Attr.rgid),
  egid: attribute(a, Attr.egid),
});

/** Whether the process may do what CAP_SETUID, CAP_SYS_ADMIN and their like allow: its effective user is root. */
export const privileged = (a: Attributes): boolean => a.words[Attr.euid] === 0;
