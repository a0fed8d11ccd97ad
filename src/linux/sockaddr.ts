// Socket addresses between guest and host. All families pass as they are but one: a unix socket's path is the guest's,
// so the host gets another path to the same place, and the guest gets its own spelling back.
import { cstring, newScratch } from "../host/scratch.ts";
import { host } from "../host/syscall.ts";
import { copyTo, latin1, readable } from "../memory/guest-memory.ts";
import { errno } from "./errno.ts";
import { AT_FDCWD, guestPath } from "./file-system.ts";
import { O, toHostFlags } from "./open-flags.ts";
import { fullPath, Look, type Place, resolve } from "./paths.ts";
import type { Task } from "./task.ts";

const AF_UNIX = 1;
/** Size of sockaddr_storage: no address is longer. */
export const addressBytes = 128;
const familyBytes = 2;
/** Size of sun_path; the host wants room for a NUL. */
const pathBytes = 108;

/** The address for the next host call, or the one that a host call answered. */
export const addressRoom = newScratch(addressBytes);

/** An address in `addressRoom`. */
export interface HostAddress {
  readonly length: number;
  /** Host descriptors to close after the host call. */
  readonly helpers: readonly number[];
  /** bind makes the socket under a short name; it is to be moved to its own. Guest path as bound. */
  readonly bound?: { readonly path: string; readonly move?: Move };
}

/** From name to name in a directory. */
interface Move {
  readonly directory: number;
  readonly from: string;
  readonly to: string;
}

export const closeHelpers = (a: HostAddress): void => {
  for (const h of a.helpers) host("close", h);
};

/** Takes a guest's address into `addressRoom`. `length` is not negative. Answers -errno where it is none. */
export function addressToHost(t: Task, addr: number, length: number, binds = false): HostAddress | number {
  if (length > addressBytes) return -errno.EINVAL;
  const bytes = readable(t.memory, addr, length);
  if (bytes === undefined) return -errno.EFAULT;
  addressRoom.bytes.set(bytes);
  const isPath = length > familyBytes && bytes[0] === AF_UNIX && bytes[1] === 0 && bytes[2] !== 0;
  if (!isPath) return { length, helpers: [] };
  if (length > familyBytes + pathBytes) return -errno.EINVAL;
  const path = pathIn(bytes);
  const place = resolve(t, AT_FDCWD, path, binds ? Look.create : Look.follow);
  if (typeof place === "number") return place;
  if (place.node !== undefined) return binds ? -errno.EADDRINUSE : -errno.ECONNREFUSED;
  return binds ? forBind(place, path) : forPeer(place);
}

const pathIn = (bytes: Uint8Array): string => {
  const end = bytes.indexOf(0, familyBytes);
  return latin1(bytes.subarray(familyBytes, end < 0 ? bytes.length : end));
};

const put = (path: string): number => {
  addressRoom.i32[0] = AF_UNIX;
  addressRoom.bytes.fill(0, familyBytes);
  addressRoom.bytes.set(Buffer.from(path, "latin1"), familyBytes);
  return familyBytes + path.length + 1;
};
const fits = (path: string): boolean => path.length < pathBytes;
const throughDescriptor = (h: number): string => `/proc/self/fd/${h}`;

/** A path that is too long goes through a descriptor of the socket itself. */
function forPeer(place: Place): HostAddress | number {
  const path = fullPath(place);
  if (fits(path)) return { length: put(path), helpers: [] };
  const h = host("openat", place.fd, cstring(place.path), toHostFlags(O.PATH | O.CLOEXEC));
  return h < 0 ? h : { length: put(throughDescriptor(h)), helpers: [h] };
}

/** A path that is too long goes through a descriptor of its directory; a long name is given in a second step. */
function forBind(place: Place, path: string): HostAddress | number {
  const full = fullPath(place);
  if (fits(full)) return { length: put(full), helpers: [], bound: { path } };
  const slash = full.lastIndexOf("/");
  const directory = host(
    "openat",
    AT_FDCWD,
    cstring(full.slice(0, slash + 1)),
    toHostFlags(O.PATH | O.DIRECTORY | O.CLOEXEC),
  );
  if (directory < 0) return directory;
  const to = full.slice(slash + 1);
  const short = `${throughDescriptor(directory)}/${to}`;
  if (fits(short)) return { length: put(short), helpers: [directory], bound: { path } };
  const from = `.${crypto.randomUUID()}`;
  const move = { directory, from, to };
  return { length: put(`${throughDescriptor(directory)}/${from}`), helpers: [directory], bound: { path, move } };
}

// What the host calls a bound socket, and what the guest did, where they differ.
const spellings = new Map<string, string>();
const spellingLimit = 4096;

/** After bind worked: gives the socket its own name, and remembers how the guest spelt it. Answers 0, or -errno. */
export function finishBind(a: HostAddress): number {
  if (a.bound === undefined) return 0;
  const { path, move } = a.bound;
  const hostPath = pathIn(addressRoom.bytes);
  if (move !== undefined) {
    const { directory, from, to } = move;
    const result = host("linkat", directory, cstring(from, 0), directory, cstring(to, 1), 0);
    host("unlinkat", directory, cstring(from), 0);
    if (result < 0) return result === -errno.EEXIST ? -errno.EADDRINUSE : result;
  }
  if (hostPath === path) return 0;
  if (spellings.size >= spellingLimit) spellings.delete(spellings.keys().next().value!);
  spellings.set(hostPath, path);
  return 0;
}

/** An address of `length` bytes that the host left in `addressRoom`, as the guest knows it. */
function addressToGuest(t: Task, length: number): Uint8Array {
  const bytes = addressRoom.bytes.subarray(0, Math.min(length, addressBytes));
  const isPath = bytes.length > familyBytes && bytes[0] === AF_UNIX && bytes[1] === 0 && bytes[2] !== 0;
  if (!isPath) return bytes;
  const hostPath = pathIn(bytes);
  const path = spellings.get(hostPath) ?? guestPath(t.process.files, hostPath);
  if (path === hostPath) return bytes;
  return Buffer.concat([bytes.subarray(0, familyBytes), Buffer.from(path + "\0", "latin1")]);
}

/**
 * Stores an address that the host left in `addressRoom` where the guest wants it: at most as many bytes as the int at
 * `lengthAddr` says, which then tells its full length. Answers 0, or -errno.
 */
export function storeAddress(t: Task, length: number, addr: number, lengthAddr: number): number {
  if (readable(t.memory, lengthAddr, 4) === undefined) return -errno.EFAULT;
  const room = t.memory.view.getInt32(lengthAddr, true);
  if (room < 0) return -errno.EINVAL;
  const bytes = addressToGuest(t, length);
  if (!copyTo(t.memory, addr, bytes.subarray(0, room))) return -errno.EFAULT;
  return copyTo(t.memory, lengthAddr, new Uint8Array(Int32Array.of(bytes.length).buffer)) ? 0 : -errno.EFAULT;
}

/** The same for a msghdr: `room` bytes at `addr`. Answers the full length, or -errno. */
export function storeName(t: Task, length: number, addr: number, room: number): number {
  const bytes = addressToGuest(t, length);
  return copyTo(t.memory, addr, bytes.subarray(0, room)) ? bytes.length : -errno.EFAULT;
}
