// Who is at the other end of a Unix socket. To the host all guests are one process, so where it names the emulator, the guest
// is found here: by the socket's inode it is kept who listened, connected or made a pair with it, and, once a program has
// asked for credentials, who sent by it last. Of the first process nothing need be kept: its id is the emulator's.
import { newScratch } from "../host/scratch.ts";
import { FileType, statAt, statOf } from "../host/stat.ts";
import { host } from "../host/syscall.ts";
import { type Mutex, withLock } from "../sync/mutex.ts";
import { Attr } from "./attributes.ts";
import { Header, type Kernel, sections } from "./kernel.ts";
import type { Task } from "./task.ts";

const base = sections.peers / 4;
// Words of the head: the lock; whether credentials of messages were asked for; whether there are entries.
const Word = { lock: 0, asked: 1, used: 2 } as const;
// An entry: what it is about (an inode, or the hash of an address), what is known, and three words for each of that.
const Entry = { key: 0, known: 1, first: 2 } as const;
/** Who made the socket what it is; who is told to be at its other end; who sent by it, or to that address, last. */
const Role = { own: 0, peer: 1, sender: 2 } as const;
type Role = (typeof Role)[keyof typeof Role];
const isAddress = 1 << 8;
const stride = 12;
const entriesAt = base + 16;
const mostEntries = 2048;
const window = 8;

/** As in a `struct ucred`. */
export interface Credentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

const lockOf = (k: Kernel): Mutex => ({ words: k.i32, index: base + Word.lock });

/** A socket, or an address that sockets have. */
interface Subject {
  readonly key: number;
  readonly kind: 0 | typeof isAddress;
}

/** The word at which its entry begins; else of one that it may take, negative. */
function findHeld(w: Int32Array, { key, kind }: Subject): number {
  const from = entriesAt + ((Math.imul(key, 0x9e3779b1) >>> 8) % (mostEntries - window)) * stride;
  let free = from;
  for (let at = from + (window - 1) * stride; at >= from; at -= stride) {
    const known = w[at + Entry.known]!;
    if (known === 0) free = at;
    else if (w[at + Entry.key] === key && (known & isAddress) === kind) return at;
  }
  return -free;
}

function putHeld(w: Int32Array, subject: Subject, role: Role, c: Credentials | undefined): void {
  const found = findHeld(w, subject);
  const at = Math.abs(found);
  if (c === undefined) {
    // The address's bit alone is no knowledge.
    if (found > 0 && ((w[at + Entry.known]! &= ~(1 << role)) & ~isAddress) === 0) w[at + Entry.known] = 0;
    return;
  }
  if (found < 0) w.fill(0, at, at + stride);
  w[at + Entry.key] = subject.key;
  w[at + Entry.known]! |= subject.kind | (1 << role);
  w.set([c.pid, c.uid, c.gid], at + Entry.first + 3 * role);
  w[base + Word.used] = 1;
}

function getHeld(w: Int32Array, subject: Subject, role: Role): Credentials | undefined {
  const at = findHeld(w, subject);
  if (at < 0 || (w[at + Entry.known]! & (1 << role)) === 0) return undefined;
  const [pid, uid, gid] = w.subarray(at + Entry.first + 3 * role);
  return { pid: pid!, uid: uid!, gid: gid! };
}

/** A process's credentials; undefined where they are the emulator's. */
function credentialsOf({ process: { kernel, pid, attributes } }: Task): Credentials | undefined {
  const [uid, gid] = [attributes.words[Attr.euid]!, attributes.words[Attr.egid]!];
  const isEmulators = pid === kernel.i32[Header.hostPid] && uid === hostUid() && gid === hostGid();
  return isEmulators ? undefined : { pid, uid, gid };
}

export const hostUid = (): number => host("geteuid");
export const hostGid = (): number => host("getegid");

/** Whether there can be anybody but the first process. */
const matters = (t: Task): boolean => {
  const w = t.process.kernel.i32;
  return w[base + Word.used] !== 0 || w[Header.usedProcesses]! > 1 || credentialsOf(t) !== undefined;
};

const inode = (h: number): Subject | undefined => {
  const found = statOf(h);
  const isSocket = typeof found !== "number" && found.type === FileType.socket;
  return isSocket ? { key: found.inoLow | 0, kind: 0 } : undefined;
};

// ---- addresses

const [AF_UNIX, AT_FDCWD] = [1, -100];
const addressBytes = 128;
const address = newScratch(addressBytes);
const length = newScratch(8);
const path = newScratch(addressBytes);
const familyBytes = 2;

/**
 * What a host address is of: a file by its inode, since a path may be spelt in several ways; else the name. Undefined for no
 * name, for what is not there, and for other families.
 */
export function subjectOf(bytes: Uint8Array): Subject | undefined {
  if (bytes.length <= familyBytes || bytes[0] !== AF_UNIX || bytes[1] !== 0) return undefined;
  const name = bytes.subarray(familyBytes);
  if (name[0] === 0) return { key: hashOf(name), kind: isAddress };
  path.bytes.fill(0).set(name.subarray(0, addressBytes - 1));
  const found = statAt(AT_FDCWD, path.address, 0);
  return typeof found === "number" ? undefined : { key: found.inoLow | 0, kind: isAddress };
}

const hashOf = (bytes: Uint8Array): number =>
  bytes.reduce((hash, byte) => Math.imul(hash ^ byte, 0x01000193), 0x811c9dc5 | 0);

/** What a socket's own address is of. */
function ownSubject(h: number, { key }: Subject): Subject | undefined {
  const file = diagnose(key).file;
  if (file !== undefined) return { key: file, kind: isAddress };
  length.i32[0] = addressBytes;
  const result = host("getsockname", h, address.address, length.address);
  return result < 0 ? undefined : subjectOf(address.bytes.subarray(0, length.i32[0]));
}

// ---- what the kernel's tables say of sockets

const request = newScratch(40);
const answer = newScratch(4096);
const [AF_NETLINK, SOCK_DGRAM, NETLINK_SOCK_DIAG, SOCK_CLOEXEC] = [16, 2, 4, 0o2000000];
const [SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST] = [20, 1];
const Show = { VFS: 2, PEER: 4 } as const;
const Diag = { VFS: 1, PEER: 2 } as const;
const MSG_DONTWAIT = 0x40;
const [requestBytes, headerBytes, factsBytes] = [40, 16, 16];

/** Inodes: of the file that a socket is bound to, and of the socket that it is connected to. */
interface Diagnosis {
  file?: number;
  peer?: number;
}

/** Of the socket of an inode; nothing where the host does not say. */
function diagnose(key: number): Diagnosis {
  const found: Diagnosis = {};
  const s = host("socket", AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
  if (s < 0) return found;
  const { u32, i32 } = request;
  // A netlink header, and a unix_diag_req: any state, this inode, any cookie.
  u32.set([requestBytes, SOCK_DIAG_BY_FAMILY | (NLM_F_REQUEST << 16), 1, 0, AF_UNIX, 0xffffffff]);
  i32[6] = key;
  u32.set([Show.VFS | Show.PEER, 0xffffffff, 0xffffffff], 7);
  const sent = host("sendto", s, request.address, requestBytes, 0, 0, 0);
  const got = sent < 0 ? sent : host("recvfrom", s, answer.address, answer.bytes.length, MSG_DONTWAIT, 0, 0);
  host("close", s);
  if (got < headerBytes + factsBytes || (answer.u32[1]! & 0xffff) !== SOCK_DIAG_BY_FAMILY) return found;
  for (let at = headerBytes + factsBytes; at + 8 <= got; ) {
    const word = answer.u32[at / 4]!;
    const value = answer.i32[at / 4 + 1]!;
    if (word >>> 16 === Diag.VFS) found.file = value;
    if (word >>> 16 === Diag.PEER && value !== 0) found.peer = value;
    at += Math.max(((word & 0xffff) + 3) & ~3, 4);
  }
  return found;
}

/** The socket that one is connected to. */
function otherEnd({ key }: Subject): Subject | undefined {
  const { peer } = diagnose(key);
  return peer === undefined ? undefined : { key: peer, kind: 0 };
}

// ---- what is noted

/** The socket listens, by this process. */
export function noteListener(t: Task, h: number): void {
  if (!matters(t)) return;
  const own = inode(h);
  const name = own && ownSubject(h, own);
  if (name === undefined || own === undefined) return;
  const w = t.process.kernel.i32;
  withLock(lockOf(t.process.kernel), () => {
    for (const subject of [name, own]) putHeld(w, subject, Role.own, credentialsOf(t));
  });
}

/** The socket was connected by this process, to a host address. */
export function noteConnected(t: Task, h: number, to: Uint8Array): void {
  if (!matters(t)) return;
  const [name, own] = [subjectOf(to), inode(h)];
  if (name === undefined || own === undefined) return;
  const w = t.process.kernel.i32;
  withLock(lockOf(t.process.kernel), () => {
    putHeld(w, own, Role.own, credentialsOf(t));
    putHeld(w, own, Role.peer, getHeld(w, name, Role.own));
  });
}

/** The two sockets are a pair, made by this process. */
export function notePair(t: Task, ...pair: readonly number[]): void {
  if (!matters(t)) return;
  const self = credentialsOf(t);
  const subjects = pair.map(inode);
  withLock(lockOf(t.process.kernel), () => {
    for (const subject of subjects)
      if (subject !== undefined)
        for (const role of [Role.own, Role.peer]) putHeld(t.process.kernel.i32, subject, role, self);
  });
}

/** Credentials of messages are of interest from now on. */
export function askForSenders(k: Kernel): void {
  k.i32[base + Word.asked] = 1;
}

/** The process is about to send by a socket, maybe to a host address; as `self` if it says who it is. */
export function noteSender(t: Task, h: number, to?: Uint8Array, said?: Credentials): void {
  const w = t.process.kernel.i32;
  if (w[base + Word.asked] === 0) return;
  const self = said ?? credentialsOf(t);
  if (self === undefined && !matters(t)) return;
  const subjects = [inode(h), to && subjectOf(to)];
  withLock(lockOf(t.process.kernel), () => {
    for (const subject of subjects) if (subject !== undefined) putHeld(w, subject, Role.sender, self);
  });
}

// ---- what is asked

const used = (k: Kernel): boolean => k.i32[base + Word.used] !== 0;

/** Who is at the other end of a socket, for SO_PEERCRED; undefined where it is the first process. */
export function peerOf({ process: { kernel: k } }: Task, h: number): Credentials | undefined {
  const own = used(k) ? inode(h) : undefined;
  if (own === undefined) return undefined;
  const told = withLock(lockOf(k), () => getHeld(k.i32, own, Role.peer));
  const other = told === undefined ? otherEnd(own) : undefined;
  return other === undefined ? told : withLock(lockOf(k), () => getHeld(k.i32, other, Role.own));
}

/** Who sent what was received by a socket; undefined where it was the first process. */
export function senderOf({ process: { kernel: k } }: Task, h: number): Credentials | undefined {
  const own = used(k) ? inode(h) : undefined;
  if (own === undefined) return undefined;
  const from = otherEnd(own) ?? ownSubject(h, own);
  return from && withLock(lockOf(k), () => getHeld(k.i32, from, Role.sender));
}
