// Who a process is: process, group, session, user and group ids. Credentials are the guest's own copy: a change obeys
// Linux's rules for it, and changes nothing for the host, which goes on judging by the emulator's user.
import { host } from "../../host/syscall.ts";
import { Attr, type Attributes, attribute, maxGroups, privileged } from "../attributes.ts";
import { errno } from "../errno.ts";
import { parentId } from "../family.ts";
import { newSession, setGroup } from "../groups.ts";
import { int, pointer } from "../kinds.ts";
import { ProcessField } from "../processes.ts";
import { type CallRow, call, type Kind } from "../row.ts";
import { guestProcess, whois } from "../targets.ts";
import type { Task } from "../task.ts";
import { loadWords, storeWords } from "../words.ts";

const get =
  (word: number) =>
  (t: Task): number =>
    attribute(t.process.attributes, word);

const getTriple =
  (word: number) =>
  (t: Task, ...to: readonly [number, number, number]): number => {
    const a = t.process.attributes.words;
    return to.every((addr, i) => storeWords(t, addr, a.slice(word + i, word + i + 1))) ? 0 : -errno.EFAULT;
  };

/** Real, effective, saved and file-system id of users or of groups begin at this word. */
type Family = typeof Attr.ruid | typeof Attr.rgid;
const [real, effective, saved, filesystem] = [0, 1, 2, 3] as const;
const unchanged = -1;

const ids = (a: Attributes, family: Family): Int32Array => a.words.slice(family, family + 4);

/** Puts new ids in place. One that acts for another user now keeps no dumps and no death signal, as in Linux. */
function commit(a: Attributes, family: Family, after: Int32Array): number {
  const before = ids(a, family);
  a.words.set(after, family);
  if (before[effective] !== after[effective] || before[filesystem] !== after[filesystem]) {
    a.words[Attr.dumpable] = 0;
    a.words[Attr.deathSignal] = 0;
  }
  return 0;
}

/** setuid, setgid. */
const setOne =
  (family: Family) =>
  (t: Task, id: number): number => {
    const a = t.process.attributes;
    const now = ids(a, family);
    if (id === unchanged) return -errno.EINVAL;
    if (privileged(a)) now.fill(id);
    else if (id === now[real] || id === now[saved]) now[effective] = now[filesystem] = id;
    else return -errno.EPERM;
    return commit(a, family, now);
  };

/** setreuid, setregid. */
const setPair =
  (family: Family) =>
  (t: Task, newReal: number, newEffective: number): number => {
    const a = t.process.attributes;
    const old = ids(a, family);
    const now = old.slice();
    if (newReal !== unchanged) {
      if (!privileged(a) && newReal !== old[real] && newReal !== old[effective]) return -errno.EPERM;
      now[real] = newReal;
    }
    if (newEffective !== unchanged) {
      if (!privileged(a) && !old.subarray(0, filesystem).includes(newEffective)) return -errno.EPERM;
      now[effective] = newEffective;
    }
    if (newReal !== unchanged || (newEffective !== unchanged && newEffective !== old[real]))
      now[saved] = now[effective]!;
    now[filesystem] = now[effective]!;
    return commit(a, family, now);
  };

/** setresuid, setresgid. */
const setTriple =
  (family: Family) =>
  (t: Task, ...wanted: readonly [number, number, number]): number => {
    const a = t.process.attributes;
    const now = ids(a, family);
    const mine = now.slice(0, filesystem);
    if (!privileged(a) && !wanted.every((id) => id === unchanged || mine.includes(id))) return -errno.EPERM;
    wanted.forEach((id, i) => {
      if (id !== unchanged) now[i] = id;
    });
    now[filesystem] = now[effective]!;
    return commit(a, family, now);
  };

/** setfsuid, setfsgid: answer the old id, whether they worked or not. */
const setFilesystem =
  (family: Family) =>
  (t: Task, id: number): number => {
    const a = t.process.attributes;
    const now = ids(a, family);
    const before = now[filesystem]! >>> 0;
    if (id === unchanged || !(privileged(a) || now.includes(id))) return before;
    now[filesystem] = id;
    commit(a, family, now);
    return before;
  };

function getgroups(t: Task, length: number, addr: number): number {
  const a = t.process.attributes;
  const count = attribute(a, Attr.groupCount);
  if (length < 0) return -errno.EINVAL;
  if (length === 0) return count;
  if (length < count) return -errno.EINVAL;
  return storeWords(t, addr, a.groups.slice(0, count)) ? count : -errno.EFAULT;
}

function setgroups(t: Task, length: number, addr: number): number {
  const a = t.process.attributes;
  if (!privileged(a)) return -errno.EPERM;
  if (length < 0 || length > maxGroups) return -errno.EINVAL;
  const groups = loadWords(t, addr, length);
  if (groups === undefined) return -errno.EFAULT;
  if (groups.includes(unchanged)) return -errno.EINVAL;
  a.words[Attr.groupCount] = length;
  a.groups.set(groups.sort());
  return 0;
}

const getpid = (t: Task): number => t.process.pid;
const gettid = (t: Task): number => t.tid;
const getppid = ({ process: { kernel, record } }: Task): number => parentId(kernel, record);

/** Calls about another process by its id, 0 for the caller's: a guest's, or one of the host; an id of the engine's threads is nobody. */
const about =
  (name: "getpgid" | "getsid", word: number) =>
  (t: Task, pid: number): number => {
    const process = pid === 0 ? t.process.record : guestProcess(t, pid);
    if (process !== undefined) return process.i32[word]!;
    return whois(t, pid) === "none" ? -errno.ESRCH : host(name, pid);
  };

function setpgid(t: Task, pid: number, group: number): number {
  if ((group || pid) < 0) return -errno.EINVAL;
  const { kernel, record } = t.process;
  const target = pid === 0 ? record : guestProcess(t, pid);
  if (target === undefined) return -errno.ESRCH;
  if (pid !== 0 && pid !== target.i32[ProcessField.pid]) return -errno.EINVAL;
  return setGroup(kernel, record, target, group);
}

const setsid = ({ process: { kernel, record } }: Task): number => newSession(kernel, record);

/** A uid_t or gid_t, where -1 leaves the id as it is. */
const id: Kind<number> = { load: (_t, lo) => lo | 0, show: (_t, lo) => ((lo | 0) === -1 ? "-1" : String(lo >>> 0)) };

export const idsCalls: readonly CallRow[] = [
  call(143, "setregid", [id, id], "none", "quick", setPair(Attr.rgid)),
  call(144, "setgid", [id], "none", "quick", setOne(Attr.rgid)),
  call(145, "setreuid", [id, id], "none", "quick", setPair(Attr.ruid)),
  call(146, "setuid", [id], "none", "quick", setOne(Attr.ruid)),
  call(147, "setresuid", [id, id, id], "none", "quick", setTriple(Attr.ruid)),
  call(148, "getresuid", [pointer, pointer, pointer], "none", "quick", getTriple(Attr.ruid)),
  call(149, "setresgid", [id, id, id], "none", "quick", setTriple(Attr.rgid)),
  call(150, "getresgid", [pointer, pointer, pointer], "none", "quick", getTriple(Attr.rgid)),
  call(151, "setfsuid", [id], "int", "quick", setFilesystem(Attr.ruid)),
  call(152, "setfsgid", [id], "int", "quick", setFilesystem(Attr.rgid)),
  call(154, "setpgid", [int, int], "none", "quick", setpgid),
  call(155, "getpgid", [int], "int", "quick", about("getpgid", ProcessField.group)),
  call(156, "getsid", [int], "int", "quick", about("getsid", ProcessField.session)),
  call(157, "setsid", [], "int", "quick", setsid),
  call(158, "getgroups", [int, pointer], "int", "quick", getgroups),
  call(159, "setgroups", [int, pointer], "none", "quick", setgroups),
  call(172, "getpid", [], "int", "quick", getpid),
  call(173, "getppid", [], "int", "quick", getppid),
  call(174, "getuid", [], "int", "quick", get(Attr.ruid)),
  call(175, "geteuid", [], "int", "quick", get(Attr.euid)),
  call(176, "getgid", [], "int", "quick", get(Attr.rgid)),
  call(177, "getegid", [], "int", "quick", get(Attr.egid)),
  call(178, "gettid", [], "int", "quick", gettid),
];
