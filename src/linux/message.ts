// Sending and receiving messages: a guest's msghdr becomes the host's, with vectors of host addresses, and comes back.
// A `struct msghdr` is the same on all supported architectures; all pointers in it are guest addresses.
import { loadU64, newScratch, reserve, storeU64 } from "../host/scratch.ts";
import { host } from "../host/syscall.ts";
import { accessibleLength, Page, readable, writable } from "../memory/guest-memory.ts";
import { controlRoom, controlToGuest, controlToHost, mostReceived } from "./control.ts";
import { errno } from "./errno.ts";
import { noteSender } from "./peers.ts";
import { Sig } from "./siginfo.ts";
import { queueSignal } from "./signals.ts";
import { addressBytes, addressRoom, addressToHost, closeHelpers, storeName } from "./sockaddr.ts";
import type { Task } from "./task.ts";
import { moveAll, receiving, sending, sleepOn, wasKicked } from "./wait.ts";

/** Flags of sends and receives that mean something here. */
export const Msg = {
  OOB: 1,
  PEEK: 2,
  DONTWAIT: 0x40,
  WAITALL: 0x100,
  ERRQUEUE: 0x2000,
  NOSIGNAL: 0x4000,
  WAITFORONE: 0x10000,
  FASTOPEN: 0x20000000,
  CMSG_CLOEXEC: 0x40000000,
} as const;

/** What a guest's msghdr says. Lengths are as they stand there. */
export interface Message {
  readonly name: number;
  readonly nameLength: number;
  readonly vectors: number;
  readonly vectorCount: number;
  readonly control: number;
  readonly controlLength: number;
}

// Byte offsets in a msghdr.
const Header = {
  name: 0,
  nameLength: 8,
  vectors: 16,
  vectorCount: 24,
  control: 32,
  controlLength: 40,
  flags: 48,
} as const;
export const headerBytes = 56;
const vectorBytes = 16;
const maxVectors = 1024;
/** The most that one call moves, as in Linux. */
const mostMoved = 0x7ffff000;

export function loadMessage(t: Task, addr: number): Message | undefined {
  if (readable(t.memory, addr, headerBytes) === undefined) return undefined;
  const v = t.memory.view;
  const u64 = (at: number): number => v.getUint32(addr + at + 4, true) * 2 ** 32 + v.getUint32(addr + at, true);
  return {
    name: u64(Header.name),
    nameLength: v.getInt32(addr + Header.nameLength, true),
    vectors: u64(Header.vectors),
    vectorCount: u64(Header.vectorCount),
    control: u64(Header.control),
    controlLength: u64(Header.controlLength),
  };
}

// ---- the host's msghdr, with one array of vectors

const header = newScratch(headerBytes);
const vectors = newScratch(maxVectors * vectorBytes);

// Where a guest's memory may not be accessed, the host gets an address that nobody has, and answers as it does for those.
const nowhere = 8;
const nowhereBytes = 4080;

function putVector(i: number, base: number, length: number): void {
  storeU64(vectors, i * vectorBytes, base);
  storeU64(vectors, i * vectorBytes + 8, length);
}

/** What was put into the host's msghdr: number of vectors, and their bytes. */
interface Filled {
  readonly count: number;
  readonly bytes: number;
}

/** Puts one guest buffer in as vectors from `i` on. Answers how many there are then. */
function putBuffer(t: Task, i: number, addr: number, length: number, bits: number): number {
  const good = accessibleLength(t.memory, addr, length, bits);
  if (bits === Page.write) writable(t.memory, addr, good);
  if (good === length) {
    putVector(i, t.memory.hostBase + addr, length);
    return i + 1;
  }
  const both = good > 0 && i + 1 < maxVectors;
  if (both) putVector(i, t.memory.hostBase + addr, good);
  putVector(both ? i + 1 : i, nowhere, Math.min(length - good, nowhereBytes));
  return both ? i + 2 : i + 1;
}

/** Puts a guest's iovec array in. What follows a buffer that faults is left out: nobody gets there. */
function putVectors(t: Task, addr: number, count: number, bits: number): Filled | number {
  if (count > maxVectors) return -errno.EMSGSIZE;
  if (readable(t.memory, addr, count * vectorBytes) === undefined) return -errno.EFAULT;
  const v = t.memory.view;
  let put = 0;
  let bytes = 0;
  let faulty = false;
  for (let i = 0; i < count; i++) {
    const at = addr + i * vectorBytes;
    const base = v.getUint32(at + 4, true) * 2 ** 32 + v.getUint32(at, true);
    if (v.getInt32(at + 12, true) < 0) return -errno.EINVAL;
    const length = Math.min(v.getUint32(at + 12, true) * 2 ** 32 + v.getUint32(at + 8, true), mostMoved - bytes);
    if (faulty || length === 0) continue;
    faulty = accessibleLength(t.memory, base, length, bits) < length;
    put = putBuffer(t, put, base, length, bits);
    bytes += length;
  }
  return { count: put, bytes };
}

/** Leaves out the first `bytes` of what the host's msghdr still names. */
function skip(bytes: number): void {
  let left = bytes;
  let at = loadU64(header, Header.vectors);
  let count = loadU64(header, Header.vectorCount);
  while (left > 0 && count > 0) {
    const offset = at - vectors.address;
    const length = loadU64(vectors, offset + 8);
    const taken = Math.min(left, length);
    storeU64(vectors, offset, loadU64(vectors, offset) + taken);
    storeU64(vectors, offset + 8, length - taken);
    left -= taken;
    if (taken < length) break;
    at += vectorBytes;
    count--;
  }
  storeU64(header, Header.vectors, at);
  storeU64(header, Header.vectorCount, count);
}

function putHeader(filled: Filled, nameLength: number | undefined, controlLength: number): void {
  header.u32.fill(0);
  storeU64(header, Header.name, nameLength === undefined ? 0 : addressRoom.address);
  header.u32[Header.nameLength / 4] = nameLength ?? 0;
  storeU64(header, Header.vectors, vectors.address);
  storeU64(header, Header.vectorCount, filled.count);
  storeU64(header, Header.control, controlLength === 0 ? 0 : controlRoom.address);
  storeU64(header, Header.controlLength, controlLength);
}

const SOL_SOCKET = 1;
const SO_TYPE = 3;
const SOCK_STREAM = 1;
const option = newScratch(8);
const optionLength = newScratch(8);

function isStream(h: number): boolean {
  option.u32[0] = 0;
  optionLength.u32[0] = 4;
  host("getsockopt", h, SOL_SOCKET, SO_TYPE, option.address, optionLength.address);
  return option.u32[0] === SOCK_STREAM;
}

// ---- sending

/** Sends a message to host descriptor `h`. Answers the bytes sent, or -errno. */
export function sendMessage(t: Task, h: number, m: Message, flags: number): number {
  const filled = putVectors(t, m.vectors, m.vectorCount, Page.read);
  if (typeof filled === "number") return filled;
  if (m.controlLength > 0x7fffffff) return -errno.ENOBUFS;
  const length = m.name === 0 ? 0 : Math.min(m.nameLength, addressBytes);
  return sendFilled(t, h, filled, m.name, length, m.control, m.controlLength, flags);
}

/** Sends one buffer, to an address unless `name` is 0. */
export function sendBuffer(
  t: Task,
  h: number,
  addr: number,
  length: number,
  flags: number,
  name: number,
  nameLength: number,
): number {
  const bytes = Math.min(length, mostMoved);
  const count = putBuffer(t, 0, addr, bytes, Page.read);
  return sendFilled(t, h, { count, bytes }, name, name === 0 ? 0 : nameLength, 0, 0, flags);
}

function sendFilled(
  t: Task,
  h: number,
  filled: Filled,
  name: number,
  nameLength: number,
  control: number,
  controlLength: number,
  flags: number,
): number {
  if (nameLength < 0) return -errno.EINVAL;
  const address = name === 0 ? undefined : addressToHost(t, name, nameLength);
  if (typeof address === "number") return address;
  const controls = controlToHost(t, control, controlLength);
  const isGood = typeof controls !== "number";
  if (isGood) {
    putHeader(filled, address?.length, controls.length);
    noteSender(t, h, address && addressRoom.bytes.subarray(0, address.length), controls.said);
  }
  const sent = isGood ? sendAll(t, h, filled.bytes, flags) : controls;
  if (address !== undefined) closeHelpers(address);
  if (sent === -errno.EPIPE && (flags & Msg.NOSIGNAL) === 0 && isStream(h)) queueSignal(t, Sig.PIPE);
  return sent;
}

/** A stream in blocking mode takes all that it is given. */
const sendAll = (t: Task, h: number, bytes: number, flags: number): number => {
  let gone = 0;
  return moveAll(t, bytes, (done) => {
    if (done > 0) {
      skip(done - gone);
      gone = done;
      // Control messages went with the first piece.
      storeU64(header, Header.controlLength, 0);
    }
    return sleepOn(t, h, sending, "sendmsg", h, header.address, flags | Msg.NOSIGNAL);
  });
};

// ---- receiving

/** Receives a message from host descriptor `h` and tells the guest's msghdr at `addr` about it. Answers its bytes, or -errno. */
export function receiveMessage(t: Task, h: number, addr: number, m: Message, flags: number): number {
  if (m.nameLength < 0) return -errno.EINVAL;
  const filled = putVectors(t, m.vectors, m.vectorCount, Page.write);
  if (typeof filled === "number") return filled;
  const room = m.control === 0 ? 0 : Math.min(m.controlLength, mostReceived);
  const received = receiveFilled(t, h, filled, room, flags);
  return received < 0 ? received : tellGuest(t, h, addr, m, flags, received);
}

/** Receives into one buffer. The sender's address is in `addressRoom` then, its length is `receivedName()`. */
export function receiveBuffer(t: Task, h: number, addr: number, length: number, flags: number): number {
  const bytes = Math.min(length, mostMoved);
  const count = putBuffer(t, 0, addr, bytes, Page.write);
  return receiveFilled(t, h, { count, bytes }, 0, flags);
}

/** Length of the sender's address, 0 where there is none. */
export const receivedName = (): number => header.i32[Header.nameLength / 4]!;

function receiveFilled(t: Task, h: number, filled: Filled, room: number, flags: number): number {
  reserve(controlRoom, room);
  putHeader(filled, addressBytes, room);
  const receive = (): number => sleepOn(t, h, receiving, "recvmsg", h, header.address, flags | Msg.CMSG_CLOEXEC);
  let received = receive();
  if ((flags & Msg.WAITALL) === 0) return received;
  // The host has waited for all, unless something has disturbed it that is no business of the guest.
  const isShort = (piece: number): boolean =>
    piece > 0 && received < filled.bytes && loadU64(header, Header.controlLength) === 0 && wasKicked(t) && isStream(h);
  for (let piece = received; isShort(piece); ) {
    const again = (flags & Msg.PEEK) !== 0;
    if (again) putHeader(filled, addressBytes, room);
    else skip(piece);
    storeU64(header, Header.controlLength, room);
    piece = receive();
    if (again && piece > 0) received = piece;
    else received += Math.max(piece, 0);
    if (piece <= 0) storeU64(header, Header.controlLength, 0);
  }
  return received;
}

function tellGuest(t: Task, h: number, addr: number, m: Message, flags: number, received: number): number {
  const cloexec = (flags & Msg.CMSG_CLOEXEC) !== 0;
  const control = controlToGuest(t, h, loadU64(header, Header.controlLength), m.control, cloexec);
  const hostFlags = header.u32[Header.flags / 4]! & ~Msg.CMSG_CLOEXEC;
  const nameLength = m.name === 0 ? undefined : storeName(t, receivedName(), m.name, m.nameLength);
  if (nameLength !== undefined && nameLength < 0) return nameLength;
  if (writable(t.memory, addr, headerBytes) === undefined) return -errno.EFAULT;
  const v = t.memory.view;
  if (nameLength !== undefined) v.setInt32(addr + Header.nameLength, nameLength, true);
  v.setInt32(addr + Header.flags, hostFlags | control.flags | (flags & Msg.CMSG_CLOEXEC), true);
  v.setUint32(addr + Header.controlLength, control.length, true);
  v.setUint32(addr + Header.controlLength + 4, 0, true);
  return received;
}
