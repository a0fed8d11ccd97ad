// The memory of another guest process, as process_vm_readv, ptrace and /proc/pid/mem reach it: by host address, without its
// help. What is written to code there is noted in the process's record, and each of its threads is told to look at that
// before it executes anything more.

import { setVector, vectorAddress } from "../host/scratch.ts";
import { host } from "../host/syscall.ts";
import { dropCode, guestBase, Page, pageSize } from "../memory/guest-memory.ts";
import { accessibleRemote, readHost, remoteCopy } from "../memory/remote.ts";
import { VmaFlag, vmaOf } from "../memory/vmas.ts";
import { withLock } from "../sync/mutex.ts";
import type { Kernel } from "./kernel.ts";
import { clearPending, Pending, wake } from "./place.ts";
import { remoteSpaceOf } from "./proc-view.ts";
import { ProcessField, type ProcessRecord } from "./processes.ts";
import type { Task } from "./task.ts";
import { taskAt, threadsOf } from "./tasks.ts";

/** Who asks: anybody, whom the rights of pages bind; or a debugger, who reads what is mapped, and writes what is private. */
export type Access = "plain" | "forced";

const hostBaseOf = ({ f64 }: ProcessRecord): number => f64[ProcessField.hostBase / 2]!;

/** How many of the bytes from `addr` on may be read, or written. */
function reachable(process: ProcessRecord, addr: number, length: number, bits: number, access: Access): number {
  const hostBase = hostBaseOf(process);
  if (hostBase === 0) return 0;
  const n = accessiblePart(hostBase, addr, length, bits);
  if (n === length || access === "plain") return n;
  const space = remoteCopy(remoteSpaceOf(process));
  let at = addr + n;
  for (; at < addr + length; at = (Math.floor(at / pageSize) + 1) * pageSize) {
    if (accessibleRemote(hostBase, at, 1, bits) === 1) continue;
    const v = at < 2 ** 32 ? vmaOf(space, Math.floor(at / pageSize)) : undefined;
    if (v === undefined || accessibleRemote(hostBase, at, 1, Page.bus) === 1) break;
    if (bits === Page.write && (v.flags & VmaFlag.shared) !== 0) break;
  }
  return Math.min(at - addr, length);
}

/** The part of `[addr, addr + length)` from its start on with these rights, wherever the address space ends. */
function accessiblePart(hostBase: number, addr: number, length: number, bits: number): number {
  const end = 2 ** 32 - guestBase;
  return addr >= end ? 0 : accessibleRemote(hostBase, addr, Math.min(length, end - addr), bits);
}

const transfer = (
  call: "process_vm_readv" | "process_vm_writev",
  own: number,
  other: number,
  length: number,
): number => {
  setVector(0, own, length);
  setVector(1, other, length);
  return Math.max(0, host(call, host("getpid"), vectorAddress, 1, vectorAddress + 16, 1, 0));
};

/** Copies memory of a process to a host address. Answers how many bytes could be read. */
export function readMemory(process: ProcessRecord, addr: number, to: number, length: number, access: Access): number {
  const n = reachable(process, addr, length, Page.read, access);
  return n === 0 ? 0 : transfer("process_vm_readv", to, hostBaseOf(process) + addr, n);
}

/** Copies bytes at a host address into the memory of a process. Answers how many could be written. */
export function writeMemory(
  k: Kernel,
  process: ProcessRecord,
  addr: number,
  from: number,
  length: number,
  access: Access,
): number {
  const n = reachable(process, addr, length, Page.write, access);
  if (n === 0) return 0;
  const written = transfer("process_vm_writev", from, hostBaseOf(process) + addr, n);
  noteWritten(k, process, Math.floor(addr / pageSize), Math.ceil((addr + written) / pageSize));
  return written;
}

// ---- code

// Words of a process's record: how many ranges of pages were written to, then first and last page of each. With too many the
// first stands for all.
const { written: at } = ProcessField;
const mostRanges = 16;
const allPages = 2 ** 20;

const codeBit = new Uint8Array(new ArrayBuffer(16));

function hasCode(process: ProcessRecord, first: number, last: number): boolean {
  const from = hostBaseOf(process) - guestBase;
  for (let page = first; page < last; page += codeBit.length) {
    const got = readHost(codeBit.subarray(0, Math.min(codeBit.length, last - page)), from + page);
    for (let i = 0; i < got; i++) if (codeBit[i]! & Page.code) return true;
  }
  return false;
}

function noteWritten(k: Kernel, process: ProcessRecord, first: number, last: number): void {
  if (!hasCode(process, first, last)) return;
  const { i32 } = process;
  withLock(k.signalsLock, () => {
    const count = i32[at]!;
    const before = at + 2 * count - 1;
    if (count > 0 && i32[before] === first && i32[before + 1] === last) return;
    const full = count === mostRanges;
    i32.set(full ? [1, 0, allPages] : [count + 1], at);
    if (!full) i32.set([first, last], at + 1 + 2 * count);
    for (const task of threadsOf(k, process.index)) wake(taskAt(k, task), Pending.space);
  });
}

/** Drops what was made of code that others have written to. */
export function dropWritten(t: Task): void {
  const { kernel, record } = t.process;
  clearPending(t.record, Pending.space);
  const { i32 } = record;
  // With the lock: a thread that finds nothing to do must not run before another one has done it.
  withLock(kernel.signalsLock, () => {
    const count = i32[at]!;
    for (let i = 0; i < count; i++) dropCode(t.memory, i32[at + 1 + 2 * i]!, i32[at + 2 + 2 * i]!);
    i32[at] = 0;
  });
}
