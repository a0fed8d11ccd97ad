// Restartable sequences, by the rules of Linux's kernel/rseq.c: a registered thread finds the number of a CPU in its memory, and a
// critical section that it runs there, for data of that CPU, is aborted where it might not be alone.
//
// Two threads of one memory never have the same number at the same time, whatever CPUs of the host they run on: so a section is
// alone for as long as its thread keeps the number, and the host may preempt it. A thread takes a number that is free, of
// the CPUs that it may run on, or, where none is, that of a thread that sleeps in the host; and keeps it until it ends, or somebody
// changes the CPUs that it may run on. Where threads that run are more than CPUs, one that seems to need a number asks, and
// who has one gives it up at its next safepoint; who has none reads -1, as if nothing were registered, and 0 as the number to begin with.
// mm_cid knows no such value, so it is not offered: AT_RSEQ_FEATURE_SIZE ends before it.
import { getPc, setPc } from "../cpu/hart.ts";
import { addressOf, host } from "../host/syscall.ts";
import { taskSize } from "../memory/address-space.ts";
import { copyTo } from "../memory/guest-memory.ts";
import { quiesce } from "../memory/sharing.ts";
import { errno } from "./errno.ts";
import { Header } from "./kernel.ts";
import { ProcessField } from "./processes.ts";
import { getField, setField, wordOf } from "./records.ts";
import type { Task } from "./task.ts";
import { TaskField, type TaskRecord, taskTable } from "./tasks.ts";
import { loadWords, storeWords, u64 } from "./words.ts";
import { fieldOf, tableOf, WorkerField } from "./worker-table.ts";

/** Byte offsets in a struct rseq. */
const At = { cpuIdStart: 0, section: 8, nodeId: 20 } as const;
/** As the auxiliary vector says them: what of the struct is kept up, and how it is aligned. */
export const rseqFeatures = { size: 24, align: 32 } as const;
const originalSize = 32;

/**
 * A thread's word `rseqCpu`: 0 where nothing is registered. The thread itself changes it, but for two things: another thread takes
 * the number of one that rests, by exchanging exactly the word that it has then; and says that the CPUs have changed.
 */
const Cpu = {
  /** The number of a CPU that the thread has, + 1. 0 and nothing else set: one is to be taken. */
  number: 0xff,
  registered: 0x100,
  /** None was free. */
  missing: 0x200,
  /** It is in the kernel, where it needs none, and looks whether it has it still before it goes on. */
  resting: 0x400,
  /** Its number is to be of the CPUs that it may run on from now on. */
  moved: 0x800,
  /** While it rests: the slot of its memory's owner. */
  space: 0xffff0000,
} as const;
const spaceShift = 16;
/** In place of a number of a CPU in the guest's memory. */
const uninitialized = -1;

/** CPUs with higher numbers are taken by nobody. */
const mostCpus = 64;

// ---- registration

/** Registers the area of a thread, or, where it has that, says so. 0 or -errno. */
export function register(t: Task, address: number, length: number, signature: number): number {
  const { i32 } = t.record;
  if (t.rseq !== 0) {
    if (t.rseq !== address || i32[TaskField.rseqLength] !== length) return -errno.EINVAL;
    return i32[TaskField.rseqSignature] === signature ? -errno.EBUSY : -errno.EPERM;
  }
  if (length < originalSize || address % rseqFeatures.align !== 0) return -errno.EINVAL;
  if (address + length > taskSize || !clearSection(t, address)) return -errno.EFAULT;
  if (address === 0) return 0;
  t.rseq = address;
  i32[TaskField.rseqLength] = length;
  i32[TaskField.rseqSignature] = signature;
  i32[TaskField.rseqRestarts] = Atomics.load(...spaceWord(t, WorkerField.restarts));
  Atomics.store(i32, TaskField.rseqCpu, Cpu.registered);
  return 0;
}

/** 0 or -errno. */
export function unregister(t: Task, address: number, length: number, signature: number): number {
  const { i32 } = t.record;
  if (t.rseq === 0 || t.rseq !== address || i32[TaskField.rseqLength] !== length) return -errno.EINVAL;
  if (i32[TaskField.rseqSignature] !== signature) return -errno.EPERM;
  if (!show(t, uninitialized)) return -errno.EFAULT;
  leaveRseq(t);
  return 0;
}

/** The first thread of a process with a memory of its own has what its maker had registered there. */
export function inheritRseq({ i32: from }: TaskRecord, { i32: to }: TaskRecord): void {
  if (from[TaskField.rseqCpu] === 0) return;
  for (const word of [TaskField.rseq, TaskField.rseq + 1, TaskField.rseqLength, TaskField.rseqSignature])
    to[word] = from[word]!;
  to[TaskField.rseqCpu] = Cpu.registered;
}

/** The thread has nothing registered any more: it ends, or executes a program. */
export function leaveRseq(t: Task): void {
  const { i32 } = t.record;
  if (i32[TaskField.rseqCpu] === 0) return;
  giveUp(t);
  t.rseq = 0;
  i32[TaskField.rseqLength] = i32[TaskField.rseqSignature] = 0;
  Atomics.store(i32, TaskField.rseqCpu, 0);
}

/** What a tracer is told of a thread: PTRACE_GET_RSEQ_CONFIGURATION. */
export function rseqConfiguration(thread: TaskRecord): Int32Array {
  const words = new Int32Array(6);
  const address = getField(thread, TaskField.rseq);
  setField({ i32: words }, 0, address);
  words[2] = thread.i32[TaskField.rseqLength]!;
  words[3] = thread.i32[TaskField.rseqSignature]!;
  return words;
}

// ---- numbers of CPUs

/** A word that all threads of a memory share: where it is. */
function spaceWord({ process: { record, site } }: Task, word: number): [words: Int32Array, index: number] {
  const { shared } = site.bundle.tables;
  if (seen?.shared !== shared) seen = { shared, words: tableOf(site.bundle).i32 };
  return [seen.words, fieldOf(record.i32[ProcessField.space]!, word)];
}

/** The view that was made last: there is one for each kernel. */
let seen: { readonly shared: SharedArrayBuffer; readonly words: Int32Array } | undefined;

/** Whether a thread that has registered has anything to attend to before it goes on, which others have asked for. */
export function isRestarted(t: Task): boolean {
  const { i32 } = t.record;
  const [words, at] = spaceWord(t, WorkerField.restarts);
  const isMoved = (Atomics.load(i32, TaskField.rseqCpu) & Cpu.moved) !== 0;
  return isMoved || Atomics.load(words, at) !== i32[TaskField.rseqRestarts];
}

/** Whether a thread has slept since it attended, as it does for a debugger, and so may have lost its number. */
export const hasRested = ({ record }: Task): boolean => (record.i32[TaskField.rseqCpu]! & Cpu.resting) !== 0;

/**
 * Called for a thread that has registered, before it goes on in guest code. Without a number of a CPU it looks for one where it
 * did without it for as long as it may run (`isSpent`): as who repeats a section does until there is one, and hardly anybody else.
 * False where its memory does not allow it: that is SIGSEGV.
 */
export function attendRseq(t: Task, isSpent: boolean): boolean {
  const { i32 } = t.record;
  const [words, at] = spaceWord(t, 0);
  if ((i32[TaskField.rseqCpu]! & (Cpu.resting | Cpu.moved)) !== 0) {
    const before = Atomics.and(i32, TaskField.rseqCpu, ~(Cpu.resting | Cpu.moved | Cpu.space));
    if ((before & Cpu.moved) !== 0) giveUp(t);
  }
  const state = i32[TaskField.rseqCpu]!;
  const hasNumber = (state & Cpu.number) !== 0;
  const isSettled = hasNumber
    ? Atomics.load(words, at + WorkerField.wanted) === 0
    : (state & Cpu.missing) !== 0 && !isSpent;
  if (isSettled && !isRestarted(t)) return true;
  i32[TaskField.rseqRestarts] = Atomics.load(words, at + WorkerField.restarts);
  if (!abortSection(t)) return false;
  if (!hasNumber) return isSettled || take(t);
  if (Atomics.exchange(words, at + WorkerField.wanted, 0) === 0) return true;
  giveUp(t);
  return show(t, uninitialized);
}

/** The thread is about to sleep: until it attends again, others may take its number. */
export function restRseq({ record: { i32 }, process: { record } }: Task): void {
  const state = i32[TaskField.rseqCpu]!;
  if ((state & Cpu.number) === 0 || (state & Cpu.resting) !== 0) return;
  Atomics.or(i32, TaskField.rseqCpu, Cpu.resting | (record.i32[ProcessField.space]! << spaceShift));
}

/** A thread may run on other CPUs than before, and so has to find another number: one of the caller's memory before this answers. */
export function cpusChange({ record, process: { space, memory, index } }: Task, thread: TaskRecord): void {
  const { i32 } = thread;
  for (;;) {
    const state = Atomics.load(i32, TaskField.rseqCpu);
    if (state === 0) return;
    if (Atomics.compareExchange(i32, TaskField.rseqCpu, state, state | Cpu.moved) === state) break;
  }
  // The caller itself is not in guest code.
  if (thread !== record && i32[TaskField.process] === index) quiesce(space.sharing, memory);
}

const maskBytes = 128;
const mask = new Int32Array(new SharedArrayBuffer(maskBytes));
/** The CPU that the host's thread is on, and its node. */
const place = new Int32Array(new SharedArrayBuffer(8));

function take(t: Task): boolean {
  mask.fill(0);
  host("sched_getaffinity", 0, maskBytes, addressOf(mask));
  host("getcpu", addressOf(place), addressOf(place) + 4, 0);
  const { i32 } = t.record;
  const cpu = takeFree(t, place[0]!) ?? takeResting(t);
  if (cpu !== undefined) {
    Atomics.and(i32, TaskField.rseqCpu, ~Cpu.missing);
    Atomics.or(i32, TaskField.rseqCpu, cpu + 1);
    return show(t, cpu);
  }
  if ((Atomics.or(i32, TaskField.rseqCpu, Cpu.missing) & Cpu.missing) === 0) return show(t, uninitialized);
  Atomics.store(...spaceWord(t, WorkerField.wanted), 1);
  return true;
}

const isAllowed = (cpu: number): boolean => ((mask[cpu >> 5]! >>> (cpu & 31)) & 1) !== 0;

/** A number that no thread of the memory has, that CPU's first. */
function takeFree(t: Task, own: number): number | undefined {
  for (let i = 0; i < mostCpus; i++) {
    const cpu = (own + i) % mostCpus;
    if (!isAllowed(cpu)) continue;
    const [words, at] = spaceWord(t, WorkerField.cpus + (cpu >> 5));
    const bit = 1 << (cpu & 31);
    if ((Atomics.or(words, at, bit) & bit) === 0) return cpu;
  }
  return undefined;
}

/** The number of a thread of the memory that sleeps. It hears of that before it goes on. */
function takeResting({ process: { kernel, record } }: Task): number | undefined {
  const space = record.i32[ProcessField.space]!;
  const used = Atomics.load(kernel.i32, Header.usedTasks);
  for (let index = 0; index < used; index++) {
    const at = wordOf(taskTable, index) + TaskField.rseqCpu;
    const state = Atomics.load(kernel.i32, at);
    if ((state & Cpu.resting) === 0 || state >> spaceShift !== space) continue;
    const cpu = (state & Cpu.number) - 1;
    if (cpu < 0 || !isAllowed(cpu)) continue;
    const without = (state & Cpu.moved) | Cpu.registered;
    // Whose record it is by now does not matter: who has that word has the number, rests, and is of this memory.
    if (Atomics.compareExchange(kernel.i32, at, state, without) === state) return cpu;
  }
  return undefined;
}

/** The thread has no number any more. */
function giveUp(t: Task): void {
  const before = Atomics.and(t.record.i32, TaskField.rseqCpu, Cpu.registered | Cpu.moved);
  const cpu = (before & Cpu.number) - 1;
  if (cpu >= 0) Atomics.and(...spaceWord(t, WorkerField.cpus + (cpu >> 5)), ~(1 << (cpu & 31)));
}

/** Writes the number where the guest reads it. */
const show = (t: Task, cpu: number): boolean =>
  storeWords(t, t.rseq + At.cpuIdStart, Int32Array.of(Math.max(cpu, 0), cpu)) &&
  storeWords(t, t.rseq + At.nodeId, Int32Array.of(cpu < 0 ? 0 : place[1]!));

// ---- critical sections

/** Words of a struct rseq_cs: version, flags, and three of 64 bits: first address, length, where an abort goes on. */
const sectionWords = 8;

/** No section is named any more. */
const clearSection = (t: Task, address: number): boolean => copyTo(t.memory, address + At.section, new Uint8Array(8));

/**
 * Has a thread that is in a critical section go on where that is aborted; and forget one that it has left. False where the
 * section, or the thread's area, is not as it should be: that is SIGSEGV.
 */
export function abortSection(t: Task): boolean {
  const named = loadWords(t, t.rseq + At.section, 2);
  if (named === undefined) return false;
  const address = u64(named[0]!, named[1]!);
  if (address === 0) return true;
  const words = address < taskSize ? loadWords(t, address, sectionWords) : undefined;
  if (words === undefined) return false;
  const [start, length, abort] = [2, 4, 6].map((i) => u64(words[i]!, words[i + 1]!)) as [number, number, number];
  const [version = 0, flags = 0] = words;
  if (version !== 0 || start >= taskSize || start + length >= taskSize || abort >= taskSize) return false;
  if (abort >= start && abort < start + length) return false;
  const signature = loadWords(t, abort - 4, 1);
  if (signature === undefined || signature[0] !== t.record.i32[TaskField.rseqSignature]) return false;
  const pc = getPc(t.hart);
  const isInside = pc >= start && pc < start + length;
  // Sections that are not to be aborted are none any more.
  if (isInside && flags !== 0) return false;
  if (isInside) setPc(t.hart, abort);
  return clearSection(t, t.rseq);
}

/** Aborts critical sections of all other threads of the memory: membarrier's PRIVATE_EXPEDITED_RSEQ. */
export function restartSections(t: Task): void {
  const { space, memory } = t.process;
  Atomics.add(...spaceWord(t, WorkerField.restarts), 1);
  quiesce(space.sharing, memory);
}
