// The registers of a tracee that has stopped, as its tracer reads and sets them: register sets (arch/riscv/kernel/ptrace.c), and
// what a system call is about (PTRACE_GET_SYSCALL_INFO of kernel/ptrace.c). They lie in the tracee's memory, which is reached by host
// address: the thread itself leaves them alone while it has stopped.
import { type Hart, hart } from "../cpu/hart.ts";
import { guestBase, hartOffset } from "../memory/guest-memory.ts";
import { readHost, writeHost } from "../memory/remote.ts";
import type { Kernel } from "./kernel.ts";
import { ProcessField, processAt } from "./processes.ts";
import { CallStop, TraceField } from "./ptrace.ts";
import { TaskField, type TaskRecord } from "./tasks.ts";

/** Words of a hart in a buffer of our own. */
const buffer = new ArrayBuffer(hart.words * 4);
const words = new Int32Array(buffer);
const copy: Hart = { i32: words, f64: new Float64Array(buffer) };

const addressOfHart = (k: Kernel, { i32 }: TaskRecord): number =>
  processAt(k, i32[TaskField.process]!).f64[ProcessField.hostBase / 2]! - guestBase + hartOffset(i32[TaskField.hart]!);

/** The registers of a tracee, until the next call. */
function load(k: Kernel, tracee: TaskRecord): Int32Array {
  readHost(words, addressOfHart(k, tracee));
  return copy.i32;
}

/** Writes words `[from, to)` of the copy back. */
const store = (k: Kernel, tracee: TaskRecord, from: number, to: number): void =>
  void writeHost(words.subarray(from, to), addressOfHart(k, tracee) + from * 4);

// ---- register sets

export const NT_PRSTATUS = 1;
export const NT_PRFPREG = 2;

const generalBytes = 32 * 8;
const floatBytes = 33 * 8;

/** Bytes of a register set, of which each register has 8; undefined for one that there is not. */
export const setBytes = (type: number): number | undefined =>
  type === NT_PRSTATUS ? generalBytes : type === NT_PRFPREG ? floatBytes : undefined;

/** The contents of a register set: pc and x1 to x31; or f0 to f31 and fcsr. */
export function readSet(k: Kernel, tracee: TaskRecord, type: number): Int32Array {
  const R = load(k, tracee);
  const set = new Int32Array(type === NT_PRSTATUS ? generalBytes / 4 : floatBytes / 4);
  if (type === NT_PRSTATUS) {
    set.set(R.subarray(hart.pc, hart.pc + 2));
    set.set(R.subarray(hart.x + 2, hart.x + 64), 2);
  } else {
    set.set(R.subarray(hart.f, hart.f + 64));
    set[64] = (R[hart.frm]! << 5) | R[hart.fflags]!;
  }
  return set;
}

/** Makes them those: as many bytes as there are, from the first on. */
export function writeSet(k: Kernel, tracee: TaskRecord, type: number, given: Uint8Array): void {
  const set = readSet(k, tracee, type);
  new Uint8Array(set.buffer).set(given);
  if (type === NT_PRSTATUS) {
    words.set(set.subarray(0, 2), hart.pc);
    // An odd pc cannot be jumped to either.
    words[hart.pc]! &= ~1;
    words.set(set.subarray(2), hart.x + 2);
    store(k, tracee, hart.pc, hart.pc + 2);
    store(k, tracee, hart.x + 2, hart.x + 64);
    return;
  }
  words.set(set.subarray(0, 64), hart.f);
  words[hart.fflags] = set[64]! & 31;
  words[hart.frm] = (set[64]! >> 5) & 7;
  store(k, tracee, hart.f, hart.f + 64);
  store(k, tracee, hart.fflags, hart.frm + 1);
}

// ---- system calls

/** AUDIT_ARCH_RISCV64. */
const architecture = 0xc00000f3;
const [sp, a0, a1, a5, a7] = [2, 10, 11, 15, 17];
const greatestError = 4095;

/** Word offsets into struct ptrace_syscall_info, and the bytes that each kind of stop fills. */
const Info = { op: 0, architecture: 1, pc: 2, sp: 4, first: 6, arguments: 8, isError: 8, words: 22 } as const;
const infoBytes = { [CallStop.none]: 24, [CallStop.entry]: 80, [CallStop.exit]: 33 } as const;

/** What PTRACE_GET_SYSCALL_INFO answers: bytes that are meant, at most. */
export function callInfo(k: Kernel, tracee: TaskRecord): Uint8Array {
  const R = load(k, tracee);
  const x = (n: number): Int32Array => R.subarray(hart.x + 2 * n, hart.x + 2 * n + 2);
  const kind = tracee.i32[TraceField.callStop] as keyof typeof infoBytes;
  const info = new Int32Array(Info.words);
  info[Info.op] = kind;
  info[Info.architecture] = architecture;
  info.set(R.subarray(hart.pc, hart.pc + 2), Info.pc);
  info.set(x(sp), Info.sp);
  if (kind === CallStop.entry) {
    info.set(x(a7), Info.first);
    info.set(tracee.i32.subarray(TraceField.argument, TraceField.argument + 2), Info.arguments);
    info.set(R.subarray(hart.x + 2 * a1, hart.x + 2 * a5 + 2), Info.arguments + 2);
  } else if (kind === CallStop.exit) {
    info.set(x(a0), Info.first);
    const [lo, hi] = x(a0);
    info[Info.isError] = hi === -1 && lo! < 0 && lo! >= -greatestError ? 1 : 0;
  }
  return new Uint8Array(info.buffer, 0, infoBytes[kind]);
}

export const callInfoBytes = Info.words * 4;

/** Has the tracee's call be what such a structure says. False where it is not about this kind of stop. */
export function setCallInfo(k: Kernel, tracee: TaskRecord, info: Int32Array): boolean {
  // The other bytes of the first word are to be zero.
  if (info[Info.op] !== tracee.i32[TraceField.callStop]) return false;
  const R = load(k, tracee);
  if (info[Info.op] === CallStop.entry) {
    R.set(info.subarray(Info.first, Info.first + 2), hart.x + 2 * a7);
    // Without a call its arguments mean nothing.
    if (info[Info.first] !== -1) {
      tracee.i32.set(info.subarray(Info.arguments, Info.arguments + 2), TraceField.argument);
      R.set(info.subarray(Info.arguments + 2, Info.arguments + 12), hart.x + 2 * a1);
    }
    store(k, tracee, hart.x + 2 * a1, hart.x + 2 * a7 + 2);
  } else if (info[Info.op] === CallStop.exit) {
    R.set(info.subarray(Info.first, Info.first + 2), hart.x + 2 * a0);
    store(k, tracee, hart.x + 2 * a0, hart.x + 2 * a0 + 2);
  }
  return true;
}
