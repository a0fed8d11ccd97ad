// Makes system calls that no sane program makes, through the path of a guest's ecall, in an empty working directory:
// `bun hostile.ts SEED RUNS LOG [NAME,NAME…]`, where the names are those of the calls to make, all by default. It runs in a process of its own, because what it looks for could end that process. Each
// call is written into the file LOG before it is made, so that a crash or a hang is known by its last call.
import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import fc from "fast-check";
import { getI64, getU64, setPc, setX } from "../../src/cpu/hart.ts";
import { Clock } from "../../src/host/clock.ts";
import { installInterrupts } from "../../src/host/interrupt.ts";
import { addressOf, host } from "../../src/host/syscall.ts";
import { systemCall } from "../../src/linux/dispatch.ts";
import { closeAll } from "../../src/linux/fds.ts";
import { setUmask } from "../../src/linux/file-system.ts";
import * as kinds from "../../src/linux/kinds.ts";
import { Resource, setLimit } from "../../src/linux/limits.ts";
import { Pending } from "../../src/linux/place.ts";
import { newProcess } from "../../src/linux/process.ts";
import { ProcessField } from "../../src/linux/processes.ts";
import type { CallRow, Kind } from "../../src/linux/row.ts";
import { Sig, sigMax } from "../../src/linux/siginfo.ts";
import { actionWords, changeAction, SIG_IGN, TaskWord } from "../../src/linux/signals.ts";
import { traceCalls } from "../../src/linux/strace.ts";
import { callRows } from "../../src/linux/table.ts";
import type { Task } from "../../src/linux/task.ts";
import { TaskField } from "../../src/linux/tasks.ts";
import { createTimer, Notify, setTimer, timerSlot } from "../../src/linux/timers.ts";
import { addUser, mainSlot, mostWorkers } from "../../src/linux/worker-table.ts";
import { poolOf } from "../../src/linux/workers.ts";
import { layoutFor } from "../../src/memory/address-space.ts";
import { residency } from "../../src/memory/backing.ts";
import { pageSize } from "../../src/memory/guest-memory.ts";
import { clear, MapFlag, map } from "../../src/memory/map.ts";
import { vmaAt, vmaCount } from "../../src/memory/vmas.ts";

const [seed, runs, logPath] = [Number(process.argv[2]), Number(process.argv[3]), process.argv[4]!];
const top = process.cwd();
const rows = callRows();
const rowOf = (name: string): CallRow => rows.find((row) => row.name === name)!;

// ---- the guest: one task, put back into the same state before each sequence of calls

const t: Task = newProcess({ sysroot: undefined, stackSize: undefined });
const { space, limits, attributes, signals, timers, files } = t.process;
// What is made here must not run beside the calls that are looked at: threads and processes are made up to where each needs
// a worker, and there is none.
const pool = poolOf(t.process);
for (let slot = mainSlot + 1; slot < mostWorkers; slot++) addUser(pool.table, slot);
const limitsBefore = limits.words.slice();
const attributesBefore = attributes.words.slice();
const groupsBefore = attributes.groups.slice(0, 64);
const timersBefore = timers.words.slice();
const cwdBefore = files.words[0]!;

/** Pages of the guest, with gaps that are not mapped between them. */
const at = { data: 0x100000, dataEnd: 0x110000, readOnly: 0x120000, none: 0x130000, file: 0x140000, last: 0xfffef000 };
const marks = { readOnly: 0x5a, none: 0xa5 } as const;
/** Places within the data, by what a call finds there. */
const inData = Object.fromEntries(
  ["zero", "name", "missing", "link", "proc", "vector", "time", "set", "message", "address", "length", "event", "junk"]
    // Apart, so that what one call leaves does not spoil all others, and not aligned to pages.
    .map((what, i) => [what, at.data + 64 + i * 1024]),
) as Record<string, number>;

const u64 = (address: number, ...values: number[]): void =>
  values.forEach((value, i) => {
    t.memory.view.setUint32(address + 8 * i, value % 2 ** 32, true);
    t.memory.view.setUint32(address + 8 * i + 4, Math.floor(value / 2 ** 32), true);
  });
const text = (address: number, words: string): void => t.memory.u8.set(Buffer.from(words + "\0", "latin1"), address);

function mapMemory(): void {
  const fixed = MapFlag.FIXED | MapFlag.PRIVATE | MapFlag.ANONYMOUS;
  for (const [address, length] of [
    [at.data, at.dataEnd - at.data],
    [at.readOnly, pageSize],
    [at.none, pageSize],
    [at.last, pageSize],
  ] as const)
    map(space, address, length, 3, fixed);
  const d = inData;
  text(d["name"]!, "file");
  text(d["missing"]!, "missing");
  text(d["link"]!, "link");
  text(d["proc"]!, "/proc/self/maps");
  u64(d["vector"]!, d["junk"]!, 8, at.dataEnd - 4, 100, at.readOnly, 64, 0, 0, d["name"]!, 5);
  u64(d["time"]!, 0, 1000, 0, 1000);
  u64(d["set"]!, 0x5555, 0);
  u64(d["message"]!, d["address"]!, 16, d["vector"]!, 2, d["event"]!, 24, 0);
  t.memory.u8.set([2, 0, 0, 1, 127, 0, 0, 1], d["address"]);
  u64(d["length"]!, 64, 64);
  // Also a control message that passes descriptor 3.
  u64(d["event"]!, 20, 2 ** 32 + 1, 3, 1);
  for (let i = 0; i < 512; i++) t.memory.u8[d["junk"]! + i] = (i * 167 + 13) & 255;
  t.memory.u8.fill(marks.readOnly, at.readOnly, at.readOnly + pageSize);
  t.memory.u8.fill(marks.none, at.none, at.none + pageSize);
  t.memory.u8.fill(0x41, at.last, at.last + pageSize);
  call("mprotect", at.readOnly, pageSize, 1);
  call("mprotect", at.none, pageSize, 0);
}

/** A call that prepares the guest; its strings stand at the end of the data. */
function call(name: string, ...args: readonly (number | string)[]): number {
  const row = rowOf(name);
  args.forEach((arg, i) => {
    const where = at.dataEnd - (i + 1) * 256;
    if (typeof arg === "string") text(where, arg);
    setX(t.hart, 10 + i, typeof arg === "string" ? where : arg);
  });
  setX(t.hart, 17, row.nr);
  systemCall(t, undefined);
  return getI64(t.hart, 10);
}

const O = { WRONLY: 1, RDWR: 2, CREAT: 0o100, NONBLOCK: 0o4000, DIRECTORY: 0o200000, PATH: 0o10000000 };
const here = -100;

/** Descriptors of every kind, from 0 on; the last is closed. */
function openDescriptors(): void {
  const results = [
    call("openat", here, "file", O.RDWR, 0),
    call("openat", here, "file", 0, 0),
    call("openat", here, "file", O.WRONLY, 0),
    call("openat", here, ".", O.DIRECTORY, 0),
    call("openat", here, "file", O.PATH, 0),
    call("openat", here, "dir", O.PATH, 0),
    call("pipe2", inData["zero"]!, 0),
    call("pipe2", inData["zero"]!, O.NONBLOCK),
    call("epoll_create1", 0),
    call("eventfd2", 1, 0),
    call("timerfd_create", 1, 0),
    call("signalfd4", -1, inData["set"]!, 8, 0),
    call("inotify_init1", 0),
    call("openat", here, "/proc/self/maps", 0, 0),
    call("openat", here, "/proc/self/comm", O.RDWR, 0),
    call("openat", here, "/proc/self/mem", O.RDWR, 0),
    call("openat", here, "/proc/self/fd", O.DIRECTORY, 0),
    call("socketpair", 1, 1, 0, inData["zero"]!),
    call("socketpair", 1, 2, 0, inData["zero"]!),
    call("socket", 2, 2, 0),
    call("socket", 2, 1, 0),
    call("memfd_create", "memory", 2),
    call("pidfd_open", t.process.pid, 0),
  ];
  if (results.some((result) => result < 0)) throw new Error(`the guest's descriptors: ${results}`);
  call("write", 8, inData["junk"]!, 100);
  call("write", 20, inData["junk"]!, 100);
  call("mmap", at.file, 4 * pageSize, 3, MapFlag.FIXED | MapFlag.SHARED, 0, 0);
}
const descriptors = 30;

function newFiles(): void {
  for (const name of readdirSync(top)) rmSync(name, { recursive: true, force: true });
  mkdirSync("dir");
  symlinkSync("file", "link");
  symlinkSync("loop", "loop");
}

const ignoring = new Int32Array(actionWords).fill(SIG_IGN, 0, 1);

function reset(): void {
  closeAll(t.process.fds);
  clear(space, layoutFor(8 * 2 ** 20));
  limits.words.set(limitsBefore);
  attributes.words.set(attributesBefore);
  attributes.groups.set(groupsBefore);
  timers.words.set(timersBefore);
  for (let n = 1; n <= sigMax; n++) changeAction(t.process, n, ignoring);
  signals.actions.fill(0);
  t.signals.words.fill(0);
  t.signals.words[TaskWord.altFlags] = 2;
  t.signals.restartBlock = undefined;
  t.process.record.i32[ProcessField.exit] = 0;
  t.record.i32[TaskField.pending] = 0;
  t.process.fds.limit = 1024;
  [files.sysroot, files.jailed, files.cached] = [undefined, false, undefined];
  setUmask(files, 0o22);
  t.hart.i32.fill(0);
  // A thread of the guest is one of the host, whose scheduling it may change.
  host("setpriority", 0, 0, 0);
  host("sched_setscheduler", 0, 0, addressOf(priority));
  bounded();
  revive();
  mapMemory();
  if (call("chdir", top) !== 0) throw new Error("the guest has no working directory");
  writeFileSync("file", Buffer.alloc(10000, "0123456789"));
}

const priority = new Int32Array(new SharedArrayBuffer(4));

/** Keeps the machine's memory and disk out of it: what a guest may have is its limits'. */
function bounded(): void {
  setLimit(limits, Resource.AS, 256 * 2 ** 20, 2 ** 64);
  setLimit(limits, Resource.FSIZE, 2 ** 20, 2 ** 64);
}

// ---- what is asked for

/** An argument register's two words. */
type Word = readonly [lo: number, hi: number];
const word = (n: number): Word => [(n % 2 ** 32) | 0, Math.floor(n / 2 ** 32) | 0];
const among = (...values: readonly number[]) => fc.constantFrom(...values.map(word));

const someDescriptor = among(
  ...Array.from({ length: descriptors + 1 }, (_, i) => i),
  -1,
  here,
  1023,
  65535,
  65536,
  2 ** 31 - 1,
  2 ** 32 + 3,
);
const base = t.memory.hostBase;
const fixedPointers = [
  ...Object.values(inData),
  ...[at.data, at.dataEnd - 1, at.dataEnd - 4, at.dataEnd - 8, at.dataEnd - 100, at.dataEnd],
  ...[at.readOnly, at.readOnly + pageSize - 8, at.none, at.file, at.file + 3 * pageSize, at.last + pageSize - 4],
  ...[
    0,
    1,
    0xfff,
    0x10000,
    2 ** 31,
    2 ** 31 - 4096,
    2 ** 32 - 1,
    2 ** 32 - 4096,
    2 ** 32,
    2 ** 32 + at.data,
    2 ** 38 - 1,
  ],
  ...[2 ** 47 - 4096, 2 ** 47, 2 ** 63, -1, -8, -4096, -(2 ** 31)],
  // The emulator's own memory, and the guest's as the emulator has it.
  ...[base, base + at.data, addressOf(t.process.fds.words), addressOf(t.hart.i32)],
];
const somePointer = fc.oneof(
  { arbitrary: among(...Object.values(inData)), weight: 3 },
  { arbitrary: among(...fixedPointers), weight: 3 },
  { arbitrary: fc.integer({ min: 0, max: 0x60000 }).map((n) => word(at.data - 0x1000 + n)), weight: 1 },
);
const small = Array.from({ length: 48 }, (_, i) => i);
const someLength = among(
  ...[0, 1, 4, 8, 16, 24, 32, 64, 100, 255, 1023, 1024, 1025, 4095, 4096, 4097, 65536, 2 ** 20, 2 ** 31 - 1, 2 ** 31],
  ...[2 ** 32 - 1, 2 ** 32, 2 ** 32 + 8, 2 ** 52, 2 ** 63, -1, -8, -4096],
);
const commands = [
  ...[64, 128, 129, 256, 1000, 1024, 1025, 1026, 1027, 1030, 1031, 1032, 1033, 1034, 1035, 1036, 4096, 0x8000, 0x10000],
  ...[0x5401, 0x5402, 0x5413, 0x5414, 0x541b, 0x5421, 0x5450, 0x5451, 0x5452, 0x5460, 0x8905, 0x8910, 0x8912, 0x8933],
  ...[0x80086601, 0x40049409, 0x4020940d, 0x41555856, 0x53564d41, 0o2000000, 0o4000, 0o100, 0o200000],
];
const someBits = fc.oneof(
  { arbitrary: among(0), weight: 3 },
  { arbitrary: among(...small), weight: 4 },
  { arbitrary: among(...commands), weight: 2 },
  { arbitrary: fc.integer().map(word), weight: 1 },
  { arbitrary: among(-1, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 63), weight: 1 },
);
const anything: fc.Arbitrary<Word> = fc.oneof(
  { arbitrary: somePointer, weight: 3 },
  { arbitrary: someDescriptor, weight: 2 },
  { arbitrary: someLength, weight: 2 },
  { arbitrary: someBits, weight: 3 },
  { arbitrary: fc.tuple(fc.integer(), fc.integer()), weight: 1 },
);

const byKind = new Map<Kind<unknown>, fc.Arbitrary<Word>>([
  [kinds.fd, someDescriptor],
  [kinds.dirfd, someDescriptor],
  [kinds.path, somePointer],
  [kinds.pointer, somePointer],
  [kinds.size, someLength],
  [kinds.offset, someLength],
  [kinds.hexadecimal, someLength],
]);

/** A kind that is not listed is bits where it drops a register's high word, and points somewhere where it does not. */
function argumentOf(kind: Kind<unknown>): fc.Arbitrary<Word> {
  const usual = byKind.get(kind) ?? (kind.load(t, 0, 1) === 2 ** 32 ? somePointer : someBits);
  return fc.oneof({ arbitrary: usual, weight: 5 }, { arbitrary: anything, weight: 1 });
}

// What reaches beyond the guest by its nature, such as the processes of the host: these arguments come from here alone.
const self = among(0, t.process.pid, -(2 ** 31), 2 ** 31 - 1, 2 ** 30);
const notStopping = among(...small.filter((n) => n < Sig.STOP || n > Sig.TTOU), 64, 65, -1, 2 ** 31 - 1);
const plainFile = fc.integer({ min: 0, max: 0o107777 }).map((mode) => word(mode & 0o107777));
const bound: Readonly<Record<string, Readonly<Record<number, fc.Arbitrary<Word>>>>> = {
  kill: { 0: self, 1: notStopping },
  tkill: { 0: self, 1: notStopping },
  tgkill: { 0: self, 1: self, 2: notStopping },
  rt_sigqueueinfo: { 0: self, 1: notStopping },
  rt_tgsigqueueinfo: { 0: self, 1: self, 2: notStopping },
  pidfd_send_signal: { 1: notStopping },
  pidfd_open: { 0: self },
  prlimit64: { 0: self },
  setpriority: { 0: among(0, 3, -1), 1: self },
  ioprio_set: { 0: among(1, 4, -1), 1: self },
  sched_setaffinity: { 0: self },
  sched_setparam: { 0: self },
  sched_setscheduler: { 0: self, 1: among(0, 3, 5, 7, -1) },
  sched_setattr: { 0: self },
  setpgid: { 0: self },
  mknodat: { 2: plainFile, 3: among(0) },
};

interface Call {
  readonly row: CallRow;
  readonly args: readonly Word[];
  /** Whether a trace is made of it. */
  readonly traced: boolean;
}

const callOf = (row: CallRow): fc.Arbitrary<Call> =>
  fc.record({
    row: fc.constant(row),
    args: fc.tuple(
      ...Array.from({ length: 6 }, (_, i) => {
        const kind = row.args[i];
        return bound[row.name]?.[i] ?? (kind === undefined ? fc.constant(word(0)) : argumentOf(kind));
      }),
    ),
    traced: fc.boolean(),
  });

// sync takes no argument, and long: it is called once.
const only = process.argv[5]?.split(",");
const wanted = rows.filter((row) => row.name !== "sync" && (only?.includes(row.name) ?? true));
const anyCall = fc.constantFrom(...wanted).chain(callOf);

// ---- making the calls

const log = Buffer.alloc(512);
writeFileSync(logPath, log);
const shared = Bun.mmap(logPath, { shared: true });

const hex = ([lo, hi]: Word): string => "0x" + ((BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0)).toString(16);
const shown = (c: Call): string => `${c.row.name}(${c.args.slice(0, c.row.args.length).map(hex).join(", ")})`;

const movesMemory = new Set(["mmap", "munmap", "mremap", "mprotect", "madvise", "brk"]);
const lastErrno = 133;
let made = 0;
const called = new Set<string>();
const tracer = traceCalls({ begin: () => {}, end: () => {} });

/** Puts the thread back if it has ended. */
function revive(): void {
  t.ended = false;
}

function make(c: Call): void {
  const line = shown(c).slice(0, log.length - 1);
  log.fill(32);
  log.write(line, "latin1");
  shared.set(log);
  bounded();
  t.process.record.i32[ProcessField.exit] = 0;
  t.record.i32[TaskField.pending]! &= Pending.signal;
  revive();
  // What may block is ended: nobody can put off SIGKILL.
  if (c.row.class !== "quick") endIn(2e6);
  c.args.forEach(([lo, hi], i) => {
    t.hart.i32[20 + 2 * i] = lo;
    t.hart.i32[21 + 2 * i] = hi;
  });
  setX(t.hart, 2, at.dataEnd - 2048);
  setX(t.hart, 17, c.row.nr);
  setPc(t.hart, 0x5000);
  systemCall(t, c.traced ? tracer : undefined);
  made++;
  timers.words.set(timersBefore);
  const result = getI64(t.hart, 10);
  called.add(c.row.name);
  // Of a thread that has ended nothing is left to look at.
  if (t.ended) return;
  if (
    result < 0 &&
    result < -lastErrno &&
    result > -4096 &&
    c.row.result !== "never" &&
    c.row.name !== "rt_sigreturn" &&
    !madeAgain()
  )
    throw new Error(`${line} answers ${result}`);
}
/** The call was interrupted, and is to be made again: its registers are as they were. */
const madeAgain = (): boolean => getU64(t.hart, 17) !== 0 && t.hart.i32[66] === 0x5000;

function endIn(nanoseconds: number): void {
  const id = createTimer(timers, Clock.MONOTONIC, { notify: Notify.signal, signo: Sig.KILL, tid: 0, lo: 0, hi: 0 });
  const value = { sec: 0, nsec: nanoseconds };
  setTimer(timers, timerSlot(timers, id), { value, interval: { sec: 0, nsec: 0 } }, false);
}

const uniform = (address: number, value: number): boolean =>
  t.memory.u8.subarray(address, address + pageSize).every((byte) => byte === value);

const emulatorFds = (): string =>
  readdirSync("/proc/self/fd")
    .map((fd) => {
      try {
        return `${fd} ${readlinkSync(`/proc/self/fd/${fd}`).replace(/(anon_inode:|pipe:|socket:).*/, "$1")}`;
      } catch {
        return "";
      }
    })
    .filter((line) => line !== "")
    .join("\n");

/** What a guest must not be able to change. */
function emulatorState(): string {
  const status = readFileSync("/proc/self/status", "latin1");
  return [
    ...(status.match(/^(Umask|Uid|Gid|SigIgn|SigCgt|SigBlk|NoNewPrivs|Seccomp):.*$/gm) ?? []),
    readFileSync("/proc/self/limits", "latin1"),
    readFileSync("/proc/self/personality", "latin1"),
    readlinkSync("/proc/self/cwd"),
    readlinkSync("/proc/self/root"),
  ].join("\n");
}

function expectSame(what: string, before: string, now: string): void {
  if (before !== now) throw new Error(`${what} changed from\n${before}\nto\n${now}`);
}

let sequences = 0;
function sequence(calls: readonly Call[]): void {
  if (sequences++ % 20 === 0) newFiles();
  reset();
  openDescriptors();
  let moved = false;
  for (const c of calls) {
    make(c);
    moved ||= movesMemory.has(c.row.name);
    if (moved) continue;
    if (!uniform(at.readOnly, marks.readOnly) || !uniform(at.none, marks.none))
      throw new Error(`${shown(c)} wrote where the guest may not`);
    if (!uniform(at.dataEnd, 0) || !uniform(at.none + pageSize, 0))
      throw new Error(`${shown(c)} wrote where the guest has nothing`);
  }
  closeAll(t.process.fds);
}

/** Whether all that the guest has not mapped is still zero. */
function expectNothingOutside(): void {
  const mapped = new Uint8Array(t.memory.size / pageSize);
  for (let i = 0; i < vmaCount(space); i++) mapped.fill(1, vmaAt(space, i).start, vmaAt(space, i).end);
  const resident = residency(t.memory, 0, mapped.length);
  if (resident === undefined) throw new Error("the guest's memory has a hole on the host");
  for (let page = 0; page < mapped.length; page++)
    if (mapped[page] === 0 && (resident[page]! & 1) !== 0 && !uniform(page * pageSize, 0))
      throw new Error(`guest page ${page} was written, and is not mapped`);
}

newFiles();
reset();
openDescriptors();
closeAll(t.process.fds);
reset();
// The first call that sleeps would do it.
installInterrupts();
const [fdsBefore, stateBefore] = [emulatorFds(), emulatorState()];
wanted.forEach((row, i) => {
  const first = fc.array(anyCall, { maxLength: 3 });
  fc.assert(
    fc.property(first, callOf(row), callOf(row), (before, one, other) => sequence([...before, one, other])),
    { seed: seed + i, numRuns: runs },
  );
  reset();
  try {
    expectSame("the emulator's descriptors", fdsBefore, emulatorFds());
    expectSame("the emulator's state", stateBefore, emulatorState());
    expectNothingOutside();
  } catch (e) {
    throw new Error(`after ${row.name}: ${e}`);
  }
});
make({ row: rowOf("sync"), args: Array.from({ length: 6 }, () => word(0)), traced: true });
if (files.words[0] !== cwdBefore) throw new Error("the working directory has another descriptor");
console.log(JSON.stringify({ calls: made, rows: called.size }));
