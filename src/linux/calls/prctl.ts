// prctl: settings of a process and a thread. What the architecture or an unprivileged kernel does not have is EINVAL.
import { addressLimit, copyTo, pageSize, readable } from "../../memory/guest-memory.ts";
import { Attr, attribute, defaultTimerSlack } from "../attributes.ts";
import { errno } from "../errno.ts";
import { oneOf, pointer } from "../kinds.ts";
import { signo } from "../kinds-signal.ts";
import { type CallRow, call, type Kind } from "../row.ts";
import { sigMax } from "../siginfo.ts";
import type { Task } from "../task.ts";
import { quote } from "../text.ts";
import { storeWords, words64 } from "../words.ts";

const Prctl = {
  SET_PDEATHSIG: 1,
  GET_PDEATHSIG: 2,
  GET_DUMPABLE: 3,
  SET_DUMPABLE: 4,
  GET_KEEPCAPS: 7,
  SET_KEEPCAPS: 8,
  GET_TIMING: 13,
  SET_TIMING: 14,
  SET_NAME: 15,
  GET_NAME: 16,
  GET_SECCOMP: 21,
  SET_SECCOMP: 22,
  CAPBSET_READ: 23,
  CAPBSET_DROP: 24,
  GET_SECUREBITS: 27,
  SET_SECUREBITS: 28,
  SET_TIMERSLACK: 29,
  GET_TIMERSLACK: 30,
  SET_MM: 35,
  SET_CHILD_SUBREAPER: 36,
  GET_CHILD_SUBREAPER: 37,
  SET_NO_NEW_PRIVS: 38,
  GET_NO_NEW_PRIVS: 39,
  GET_TID_ADDRESS: 40,
  SET_THP_DISABLE: 41,
  GET_THP_DISABLE: 42,
  CAP_AMBIENT: 47,
  GET_AUXV: 0x41555856,
  SET_VMA: 0x53564d41,
  SET_PTRACER: 0x59616d61,
} as const;

const nameBytes = 16;
const lastCapability = 40;

/** At most 15 bytes of a C string; undefined where one of them is not readable. */
function loadName(t: Task, addr: number): string | undefined {
  let name = "";
  while (name.length < nameBytes - 1) {
    const byte = readable(t.memory, addr + name.length, 1)?.[0];
    if (byte === undefined) return undefined;
    if (byte === 0) break;
    name += String.fromCharCode(byte);
  }
  return name;
}

/** The name of a thread as the 16 bytes that prctl gives. */
const nameField = (name: string): Uint8Array => {
  const bytes = new Uint8Array(nameBytes);
  bytes.set(Buffer.from(name.slice(0, nameBytes - 1), "latin1"));
  return bytes;
};

function prctl(t: Task, option: number, a: number, b: number, c: number, d: number): number {
  const attributes = t.process.attributes;
  const w = attributes.words;
  const rest = b === 0 && c === 0 && d === 0;
  const set = (word: number, value: number): number => {
    w[word] = value;
    return 0;
  };
  const give = (addr: number, value: number): number => (storeWords(t, addr, Int32Array.of(value)) ? 0 : -errno.EFAULT);
  switch (option) {
    case Prctl.SET_PDEATHSIG:
      return a <= sigMax ? set(Attr.deathSignal, a) : -errno.EINVAL;
    case Prctl.GET_PDEATHSIG:
      return give(a, w[Attr.deathSignal]!);
    case Prctl.SET_DUMPABLE:
      return a <= 1 ? set(Attr.dumpable, a) : -errno.EINVAL;
    case Prctl.GET_DUMPABLE:
      return w[Attr.dumpable]!;
    case Prctl.SET_KEEPCAPS:
      return a <= 1 ? set(Attr.keepCaps, a) : -errno.EINVAL;
    case Prctl.GET_KEEPCAPS:
      return w[Attr.keepCaps]!;
    case Prctl.SET_NAME: {
      const name = loadName(t, a);
      if (name === undefined) return -errno.EFAULT;
      t.name = name;
      return 0;
    }
    case Prctl.GET_NAME:
      return copyTo(t.memory, a, nameField(t.name)) ? 0 : -errno.EFAULT;
    case Prctl.GET_TIMING:
    case Prctl.GET_SECCOMP:
    case Prctl.GET_SECUREBITS:
      return 0;
    case Prctl.SET_TIMING:
      return a === 0 ? 0 : -errno.EINVAL;
    case Prctl.CAPBSET_READ:
      return a <= lastCapability ? 1 : -errno.EINVAL;
    case Prctl.CAPBSET_DROP:
    case Prctl.SET_SECUREBITS:
    case Prctl.SET_MM:
      return -errno.EPERM;
    case Prctl.SET_TIMERSLACK:
      w.set(words64(a === 0 || a >= 2 ** 63 ? defaultTimerSlack : a), Attr.timerSlack);
      return 0;
    case Prctl.GET_TIMERSLACK:
      return attribute(attributes, Attr.timerSlack + 1) * 2 ** 32 + attribute(attributes, Attr.timerSlack);
    case Prctl.SET_CHILD_SUBREAPER:
      return set(Attr.childSubreaper, a === 0 ? 0 : 1);
    case Prctl.GET_CHILD_SUBREAPER:
      return give(a, w[Attr.childSubreaper]!);
    case Prctl.SET_NO_NEW_PRIVS:
      return a === 1 && rest ? set(Attr.noNewPrivs, 1) : -errno.EINVAL;
    case Prctl.GET_NO_NEW_PRIVS:
      return a === 0 && rest ? w[Attr.noNewPrivs]! : -errno.EINVAL;
    case Prctl.GET_TID_ADDRESS:
      return storeWords(t, a, words64(t.clearTid)) ? 0 : -errno.EFAULT;
    case Prctl.SET_THP_DISABLE:
      return rest ? set(Attr.thpDisabled, a === 0 ? 0 : 1) : -errno.EINVAL;
    case Prctl.GET_THP_DISABLE:
      return a === 0 && rest ? w[Attr.thpDisabled]! : -errno.EINVAL;
    case Prctl.CAP_AMBIENT:
      return capAmbient(a, b, c === 0 && d === 0);
    case Prctl.GET_AUXV:
      return c === 0 && d === 0 ? getAuxv(t, a, b) : -errno.EINVAL;
    case Prctl.SET_VMA:
      return setVma(t, a, b, c, d);
    default:
      return -errno.EINVAL;
  }
}

const Ambient = { IS_SET: 1, RAISE: 2, LOWER: 3, CLEAR_ALL: 4 } as const;

/** The ambient set is empty and stays so: what is in it would have to be inheritable first. */
function capAmbient(operation: number, capability: number, rest: boolean): number {
  if (!rest) return -errno.EINVAL;
  if (operation === Ambient.CLEAR_ALL) return capability === 0 ? 0 : -errno.EINVAL;
  if (capability > lastCapability) return -errno.EINVAL;
  if (operation === Ambient.RAISE) return -errno.EPERM;
  return operation === Ambient.IS_SET || operation === Ambient.LOWER ? 0 : -errno.EINVAL;
}

/** Copies the auxiliary vector, as much as there is room for; answers its whole size. */
function getAuxv(t: Task, addr: number, room: number): number {
  const vector = t.process.auxv;
  return copyTo(t.memory, addr, vector.subarray(0, Math.min(room, vector.length))) ? vector.length : -errno.EFAULT;
}

const anonName = 0;
const nameLimit = 80;

/** Names for anonymous mappings are checked, and not shown anywhere. */
function setVma(t: Task, what: number, addr: number, length: number, name: number): number {
  if (what !== anonName || addr % pageSize !== 0) return -errno.EINVAL;
  if (name === 0) return 0;
  for (let i = 0; i < nameLimit; i++) {
    const byte = readable(t.memory, name + i, 1)?.[0];
    if (byte === undefined) return -errno.EFAULT;
    if (byte === 0) return length + addr > addressLimit ? -errno.ENOMEM : 0;
    if (byte < 32 || byte > 126 || "\\`$[]".includes(String.fromCharCode(byte))) return -errno.EINVAL;
  }
  return -errno.EINVAL;
}

const option = oneOf(Prctl, "PR_");

/** What the second argument is depends on the first. */
const argument: Kind<number> = {
  load: pointer.load,
  show: (t, lo, hi, shown) => {
    if (shown.raw[0] === Prctl.SET_PDEATHSIG) return signo.show(t, lo, hi, shown);
    const name = shown.raw[0] === Prctl.SET_NAME ? loadName(t, pointer.load(t, lo, hi) as number) : undefined;
    if (name !== undefined) return quote(name);
    return hi === 0 && lo >= 0 && lo < pageSize ? String(lo) : pointer.show(t, lo, hi, shown);
  },
};

export const prctlCalls: readonly CallRow[] = [
  call(167, "prctl", [option, argument, pointer, pointer, pointer], "int", "quick", prctl),
];
