// process_vm_readv and process_vm_writev: bytes between the caller's memory and that of a guest process, which may be its own.

import { host } from "../../host/syscall.ts";
import { accessibleLength, copyTo, Page, readable, writable } from "../../memory/guest-memory.ts";
import { errno } from "../errno.ts";
import { int, pointer, size } from "../kinds.ts";
import { sharesMemory } from "../proc-view.ts";
import { ProcessField, type ProcessRecord } from "../processes.ts";
import { State } from "../records.ts";
import { readMemory, writeMemory } from "../remote-memory.ts";
import { type CallRow, call } from "../row.ts";
import { guestProcess, whois } from "../targets.ts";
import type { Task } from "../task.ts";
import { loadWords, u64 } from "../words.ts";
import { mayTrace } from "./ptrace.ts";

const vectorLimit = 1024;

interface Piece {
  readonly base: number;
  readonly length: number;
}

/** An array of iovecs, or an error. */
function loadVector(t: Task, addr: number, count: number): Piece[] | number {
  if (count > vectorLimit) return -errno.EINVAL;
  const words = loadWords(t, addr, count * 4);
  if (words === undefined) return -errno.EFAULT;
  const pieces = Array.from({ length: count }, (_, i) => {
    const [a, b, c, d] = words.subarray(4 * i, 4 * i + 4);
    return { base: u64(a!, b!), length: u64(c!, d!) };
  });
  return pieces.some((piece) => piece.length >= 2 ** 63) ? -errno.EINVAL : pieces;
}

/** Moves up to so many bytes; answers how many can be. */
type Move = (to: number, from: number, length: number) => number;

/** Moves bytes between two lists of pieces until one ends or a byte cannot be moved. Answers how many. */
function moveBytes(
  to: readonly Piece[],
  from: readonly Piece[],
  move: Move,
): { readonly moved: number; readonly fault: boolean } {
  let moved = 0;
  let [i, atTo, j, atFrom] = [0, 0, 0, 0];
  for (;;) {
    while (i < to.length && atTo === to[i]!.length) [i, atTo] = [i + 1, 0];
    while (j < from.length && atFrom === from[j]!.length) [j, atFrom] = [j + 1, 0];
    if (i === to.length || j === from.length) return { moved, fault: false };
    const wanted = Math.min(from[j]!.length - atFrom, to[i]!.length - atTo);
    const n = move(to[i]!.base + atTo, from[j]!.base + atFrom, wanted);
    moved += n;
    if (n < wanted) return { moved, fault: true };
    atTo += n;
    atFrom += n;
  }
}

const within =
  ({ memory }: Task): Move =>
  (to, from, length) => {
    const n = Math.min(
      accessibleLength(memory, from, length, Page.read),
      accessibleLength(memory, to, length, Page.write),
    );
    if (n > 0) copyTo(memory, to, readable(memory, from, n)!);
    return n;
  };

const outOf =
  ({ memory }: Task, process: ProcessRecord): Move =>
  (to, from, length) => {
    const n = accessibleLength(memory, to, length, Page.write);
    if (n === 0 || writable(memory, to, n) === undefined) return 0;
    return readMemory(process, from, memory.hostBase + to, n, "plain");
  };

const into =
  ({ memory, process: { kernel } }: Task, process: ProcessRecord): Move =>
  (to, from, length) => {
    const n = accessibleLength(memory, from, length, Page.read);
    return n === 0 ? 0 : writeMemory(kernel, process, to, memory.hostBase + from, n, "plain");
  };

const processVm =
  (writes: boolean) =>
  (
    t: Task,
    pid: number,
    local: number,
    localCount: number,
    remote: number,
    remoteCount: number,
    options: number,
  ): number => {
    if (options !== 0) return -errno.EINVAL;
    const here = loadVector(t, local, localCount);
    if (typeof here === "number") return here;
    const there = loadVector(t, remote, remoteCount);
    if (typeof there === "number") return there;
    // Nobody is looked for then.
    if (there.every(({ length }) => length === 0)) return 0;
    if (pid <= 0) return -errno.ESRCH;
    const process = guestProcess(t, pid);
    if (process === undefined)
      return whois(t, pid) === "host" && host("kill", pid, 0) !== -errno.ESRCH ? -errno.EPERM : -errno.ESRCH;
    if (process.i32[ProcessField.state] !== State.live) return -errno.ESRCH;
    if (!mayTrace(t, process)) return -errno.EPERM;
    const move = sharesMemory(t, process) ? within(t) : writes ? into(t, process) : outOf(t, process);
    const { moved, fault } = writes ? moveBytes(there, here, move) : moveBytes(here, there, move);
    return moved === 0 && fault ? -errno.EFAULT : moved;
  };

export const processMemoryCalls: readonly CallRow[] = [
  call(270, "process_vm_readv", [int, pointer, size, pointer, size, size], "int", "quick", processVm(false)),
  call(271, "process_vm_writev", [int, pointer, size, pointer, size, size], "int", "quick", processVm(true)),
];
