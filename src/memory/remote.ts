// Another address space of this host process, looked at without its owner's help: what is asked for is copied out by the host,
// which answers where there is nothing (any more). No lock of the other is taken: a list that was edited meanwhile is read again.
import { scratch, setVector, vectorAddress } from "../host/scratch.ts";
import { addressOf, host } from "../host/syscall.ts";
import { type AddressSpace, attachAddressSpace } from "./address-space.ts";
import { type GuestMemory, guestBase, Page, pageSize } from "./guest-memory.ts";
import { Head, listBytes, type Mappings, newMappings } from "./vmas.ts";

/** Host addresses: of guest address 0, and of the parts of its list of mappings. */
export interface RemoteSpace {
  readonly hostBase: number;
  readonly head: number;
  readonly records: number;
  readonly files: number;
  readonly names: number;
}

const mostBytes = 0x7ffff000;

/** Copies bytes from a host address into a buffer of our own. Answers how many could be read. */
export function readHost(to: NodeJS.TypedArray, from: number): number {
  const length = Math.min(to.byteLength, mostBytes);
  if (length === 0) return 0;
  setVector(0, addressOf(to), length);
  setVector(1, from, length);
  return Math.max(0, host("process_vm_readv", host("getpid"), vectorAddress, 1, vectorAddress + 16, 1, 0));
}

/** Copies bytes of our own to a host address. Answers how many could be written. */
export function writeHost(from: NodeJS.TypedArray, to: number): number {
  if (from.byteLength === 0) return 0;
  setVector(0, addressOf(from), from.byteLength);
  setVector(1, to, from.byteLength);
  return Math.max(0, host("process_vm_writev", host("getpid"), vectorAddress, 1, vectorAddress + 16, 1, 0));
}

/** The list of mappings as it is now, as an address space that can be asked for its text and sizes, and nothing else. */
export function remoteCopy(at: RemoteSpace): AddressSpace {
  const copy: Mappings = newMappings();
  // An end to it where the list's memory has been given to another meanwhile.
  for (let tries = 0; tries < mostTries; tries++) {
    copyList(copy, at);
    const edits = copy.head[Head.edits]!;
    readHost(copy.head.subarray(Head.edits, Head.edits + 1), at.head + 4 * Head.edits);
    if (edits % 2 === 0 && copy.head[Head.edits] === edits) break;
    Atomics.pause();
  }
  return attachAddressSpace({ hostBase: at.hostBase } as GuestMemory, copy);
}

const mostTries = 1000;

function copyList(copy: Mappings, at: RemoteSpace): void {
  readHost(copy.head.subarray(0, Head.words), at.head);
  const sizes = listBytes(copy);
  const part = (view: Uint32Array | Uint8Array, bytes: number): Uint8Array =>
    new Uint8Array(view.buffer, 0, Math.min(bytes, view.byteLength));
  readHost(part(copy.records, sizes.records), at.records);
  readHost(part(copy.files, sizes.files), at.files);
  readHost(part(copy.names, sizes.names), at.names);
}

/** Bytes of guest memory from `start` on, at most `length`: up to the first page without all of the rights `bits` of `Page`. */
export function readRemote(
  { hostBase }: RemoteSpace,
  start: number,
  length: number,
  bits: number = Page.read,
): Uint8Array {
  const n = accessibleRemote(hostBase, start, length, bits);
  const bytes = new Uint8Array(new ArrayBuffer(n));
  return bytes.subarray(0, readHost(bytes, hostBase + start));
}

/** How many of the bytes from `start` on, of `length`, lie on pages with all of these rights. */
export function accessibleRemote(hostBase: number, start: number, length: number, bits: number): number {
  if (length <= 0 || start < 0 || start + length > 2 ** 32 - guestBase) return 0;
  const first = Math.floor(start / pageSize);
  const last = Math.floor((start + length - 1) / pageSize);
  for (let page = first; page <= last; page += scratch.bytes.length) {
    const window = scratch.bytes.subarray(0, Math.min(scratch.bytes.length, last + 1 - page));
    const got = readHost(window, hostBase - guestBase + page);
    for (let i = 0; i < window.length; i++)
      if (i >= got || (window[i]! & bits) !== bits) return Math.max(0, (page + i) * pageSize - start);
  }
  return length;
}
