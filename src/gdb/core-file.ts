// A core file of a stopped process, as Linux writes it for RISC-V: what `gcore` would give if every gdb could write the registers of a machine
// that is not its own.
import { closeSync, openSync, writeSync } from "node:fs";
import { Stop, Thread, threadAt } from "../debug/state.ts";
import { type GuestThread, recordOf, threadName } from "../debug/world.ts";
import { remoteSpaceOf } from "../linux/proc-view.ts";
import { auxvOf, ProcessField, processAt } from "../linux/processes.ts";
import { NT_PRFPREG, NT_PRSTATUS, readSet } from "../linux/ptrace-registers.ts";
import { Sig } from "../linux/siginfo.ts";
import { mapsText } from "../memory/maps.ts";
import { remoteCopy } from "../memory/remote.ts";
import { debugged, read, type Session } from "./session.ts";

interface Mapping {
  readonly start: number;
  readonly end: number;
  /** Of a program header: read 4, write 2, execute 1. */
  readonly flags: number;
  readonly offset: number;
  /** Path of the file; "" for memory, names in brackets included. */
  readonly path: string;
}

const mapping = /^([0-9a-f]+)-([0-9a-f]+) ([r-])([w-])([x-]). ([0-9a-f]+) \S+ \d+ *(.*)$/;

function mappingsOf(s: Session, t: GuestThread): Mapping[] {
  const text = mapsText(remoteCopy(remoteSpaceOf(processAt(s.world.kernel, t.process))));
  return text.split("\n").flatMap((line) => {
    const [, start, end, r, w, x, offset, path] = mapping.exec(line) ?? [];
    if (start === undefined) return [];
    const flags = (r === "r" ? 4 : 0) | (w === "w" ? 2 : 0) | (x === "x" ? 1 : 0);
    const name = path!.startsWith("[") ? "" : path!;
    return [
      {
        ...{ flags, path: name, offset: Number.parseInt(offset!, 16) },
        ...{ start: Number.parseInt(start, 16), end: Number.parseInt(end!, 16) },
      },
    ];
  });
}

// ---- notes

const NT_PRPSINFO = 3;
const NT_AUXV = 6;
const NT_SIGINFO = 0x53494749;
const NT_FILE = 0x46494c45;

/** The length of a name of a note, its NUL included, brought up to four. */
const nameBytes = 8;

function note(type: number, content: Uint8Array): Buffer {
  const bytes = Buffer.alloc(12 + nameBytes + ((content.length + 3) & ~3));
  bytes.writeUInt32LE(5, 0);
  bytes.writeUInt32LE(content.length, 4);
  bytes.writeUInt32LE(type, 8);
  bytes.write("CORE", 12, "latin1");
  bytes.set(content, 12 + nameBytes);
  return bytes;
}

const bytesOf = (words: Int32Array): Uint8Array => new Uint8Array(words.buffer, words.byteOffset, words.byteLength);

/** Number of the signal for which the thread has stopped, as far as it did for one. */
function signalOf(s: Session, { task }: GuestThread): number {
  const { words } = s.world.d;
  const at = threadAt(task);
  return words[at + Thread.stop] === Stop.signal ? words[at + Thread.detail]! : Sig.TRAP;
}

/** Where ids begin in struct elf_prstatus, its registers, the word after them, and its size. */
const Status = { signo: 0, signal: 12, ids: 32, registers: 112, hasFloat: 368, bytes: 376 } as const;

function threadNotes(s: Session, t: GuestThread): Buffer[] {
  const { i32 } = processAt(s.world.kernel, t.process);
  const status = Buffer.alloc(Status.bytes);
  const signo = signalOf(s, t);
  status.writeInt32LE(signo, Status.signo);
  status.writeInt16LE(signo, Status.signal);
  const ids = [t.tid, 0, i32[ProcessField.group]!, i32[ProcessField.session]!];
  ids.forEach((id, i) => void status.writeInt32LE(id, Status.ids + 4 * i));
  const record = recordOf(s.world, t);
  status.set(bytesOf(readSet(s.world.kernel, record, NT_PRSTATUS)), Status.registers);
  status.writeInt32LE(1, Status.hasFloat);
  return [note(NT_PRSTATUS, status), note(NT_PRFPREG, bytesOf(readSet(s.world.kernel, record, NT_PRFPREG)))];
}

/** Where ids begin in struct elf_prpsinfo, the program's name, its arguments, and its size. */
const Info = { state: 1, ids: 24, name: 40, args: 56, bytes: 136 } as const;

function processNote(s: Session, t: GuestThread): Buffer {
  const { i32 } = processAt(s.world.kernel, t.process);
  const info = Buffer.alloc(Info.bytes);
  info.write("R", Info.state, "latin1");
  const ids = [t.pid, 0, i32[ProcessField.group]!, i32[ProcessField.session]!];
  ids.forEach((id, i) => void info.writeInt32LE(id, Info.ids + 4 * i));
  const name = threadName(s.world, t);
  info.write(name, Info.name, 15, "latin1");
  info.write(name, Info.args, 79, "latin1");
  return note(NT_PRPSINFO, info);
}

function fileNote(mappings: readonly Mapping[]): Buffer {
  const files = mappings.filter(({ path }) => path !== "");
  const table = Buffer.alloc(16 + 24 * files.length);
  table.writeBigUInt64LE(BigInt(files.length), 0);
  table.writeBigUInt64LE(BigInt(pageSize), 8);
  files.forEach(({ start, end, offset }, i) => {
    const values = [start, end, offset / pageSize];
    values.forEach((value, j) => void table.writeBigUInt64LE(BigInt(value), 16 + 24 * i + 8 * j));
  });
  return note(NT_FILE, Buffer.concat([table, Buffer.from(files.map(({ path }) => `${path}\0`).join(""), "latin1")]));
}

const pageSize = 4096;

// ---- the file

const headerBytes = 64;
const programHeaderBytes = 56;
const [PT_LOAD, PT_NOTE, ET_CORE, EM_RISCV] = [1, 4, 4, 243];
/** EF_RISCV_RVC, double floats in registers. */
const elfFlags = 5;

function elfHeader(headers: number): Buffer {
  const bytes = Buffer.alloc(headerBytes);
  bytes.write("\x7fELF\x02\x01\x01", 0, "latin1");
  bytes.writeUInt16LE(ET_CORE, 16);
  bytes.writeUInt16LE(EM_RISCV, 18);
  bytes.writeUInt32LE(1, 20);
  bytes.writeUInt8(headerBytes, 32);
  bytes.writeUInt32LE(elfFlags, 48);
  bytes.writeUInt16LE(headerBytes, 52);
  bytes.writeUInt16LE(programHeaderBytes, 54);
  bytes.writeUInt16LE(headers, 56);
  return bytes;
}

function programHeader(type: number, flags: number, at: number, address: number, file: number, memory: number): Buffer {
  const bytes = Buffer.alloc(programHeaderBytes);
  bytes.writeUInt32LE(type, 0);
  bytes.writeUInt32LE(flags, 4);
  const align = type === PT_NOTE ? 4 : pageSize;
  [at, address, 0, file, memory, align].forEach((n, i) => void bytes.writeBigUInt64LE(BigInt(n), 8 + 8 * i));
  return bytes;
}

/** Bytes of memory that are copied at once. */
const step = 0x40000;

/** Writes a core file of a stopped thread's process, whose notes begin with that thread. Throws what the file system says. */
export function writeCore(s: Session, t: GuestThread, path: string): void {
  const mappings = mappingsOf(s, t);
  const others = debugged(s).filter(({ process, task }) => process === t.process && task !== t.task);
  const [first = Buffer.alloc(0), ...more] = [t, ...others].map((thread) => Buffer.concat(threadNotes(s, thread)));
  const siginfo = new Int32Array(32);
  siginfo[0] = signalOf(s, t);
  const at = threadAt(t.task) + Thread.info;
  if (siginfo[0] !== Sig.TRAP) siginfo.set(s.world.d.words.subarray(at, at + 12));
  const notes = Buffer.concat([
    ...[first.subarray(0, 12 + nameBytes + Status.bytes), processNote(s, t), note(NT_SIGINFO, bytesOf(siginfo))],
    ...[note(NT_AUXV, auxvOf(processAt(s.world.kernel, t.process))), fileNote(mappings)],
    ...[first.subarray(12 + nameBytes + Status.bytes), ...more],
  ]);
  const count = mappings.length + 1;
  const notesAt = headerBytes + programHeaderBytes * count;
  let offset = Math.ceil((notesAt + notes.length) / pageSize) * pageSize;
  const loads = mappings.map((m) => {
    const length = m.end - m.start;
    const kept = m.flags === 0 ? 0 : length;
    const load = { ...m, at: offset, kept, header: programHeader(PT_LOAD, m.flags, offset, m.start, kept, length) };
    offset += kept;
    return load;
  });
  const head = [elfHeader(count), programHeader(PT_NOTE, 0, notesAt, 0, notes.length, 0)];
  const fd = openSync(Buffer.from(path, "latin1"), "w", 0o600);
  try {
    writeSync(fd, Buffer.concat([...head, ...loads.map(({ header }) => header), notes]), 0, undefined, 0);
    for (const load of loads)
      for (let from = 0; from < load.kept; from += step) {
        // What the host has no page for stays a hole, and reads as zeros.
        const bytes = read(s, t, load.start + from, Math.min(step, load.kept - from));
        if (bytes.length > 0) writeSync(fd, bytes, 0, bytes.length, load.at + from);
      }
    // The last mapping may have ended with a hole.
    if (offset > 0) writeSync(fd, Buffer.alloc(1), 0, 1, offset);
  } finally {
    closeSync(fd);
  }
}
