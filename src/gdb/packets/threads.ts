// Threads: which there are, what they are called, where their storage lies.

import { getPc, hartAt } from "../../cpu/hart.ts";
import { hartOf } from "../../debug/memory.ts";
import { Thread, ThreadOption, threadAt } from "../../debug/state.ts";
import type { GuestThread } from "../../debug/world.ts";
import { isStopped, recordOf, sleeps, threadName } from "../../debug/world.ts";
import { auxvOf, processAt } from "../../linux/processes.ts";
import { TaskField } from "../../linux/tasks.ts";
import { parseNumber, toHex } from "../codec.ts";
import { type PacketRow, packet } from "../row.ts";
import {
  currentThread,
  debugged,
  EINVAL,
  ESRCH,
  error,
  everything,
  findThread,
  means,
  parseThreadId,
  read,
  type Session,
  threadId,
} from "../session.ts";

const threadsAtOnce = 500;

function nextThreads(s: Session): string {
  const part = s.listed.splice(0, threadsAtOnce);
  return part.length === 0 ? "l" : `m${part.map((t) => threadId(s, t)).join(",")}`;
}

/** The document that qXfer:threads:read gives. */
export function threadsXml(s: Session): string {
  const lines = debugged(s).map(
    (t) => `<thread id="${threadId(s, t)}" core="${coreOf(s, t)}" name="${xmlText(threadName(s.world, t))}"/>`,
  );
  return `<?xml version="1.0"?>\n<threads>\n${lines.join("\n")}\n</threads>\n`;
}

/** Guests see one processor after the other as their thread's: its host thread is where the host has it. */
const coreOf = (s: Session, t: GuestThread): number => recordOf(s.world, t).i32[TaskField.worker]! % 2;

export const xmlText = (text: string): string =>
  text.replace(/[<>&'"]/g, (c) => `&#${c.charCodeAt(0)};`).replace(/[^\x20-\x7e]/g, "?");

const tp = 4;

/** An 8-byte number of guest memory; undefined where there is none. */
function word(s: Session, t: GuestThread, address: number): number | undefined {
  const bytes = read(s, t, address, 8);
  return bytes.length < 8 ? undefined : Number(Buffer.from(bytes).readBigUInt64LE());
}

/**
 * Where a thread has the storage of a module, as the C libraries for RISC-V keep it: the vector of blocks is told 16 bytes
 * before the thread pointer. `module`: its number, from 1 on.
 */
function threadStorage(s: Session, t: GuestThread, module: number): number | undefined {
  const words = hartOf(s.world, t);
  const pointer = (words[2 * tp + 1]! >>> 0) * 2 ** 32 + (words[2 * tp]! >>> 0);
  const vector = word(s, t, pointer - 16);
  const block = vector === undefined ? undefined : word(s, t, vector + 16 * module);
  return block === undefined || block >= 2 ** 48 || block === 0 ? undefined : block;
}

const everyOption = ThreadOption.clone | ThreadOption.exit;

/** `;OPTIONS[:THREAD][…]`: the first that means a thread counts for it; others keep what they have. */
function setOptions(s: Session, rest: string): string {
  const parts = rest.split(";").slice(1);
  const given = parts.map((part) => {
    const [options, thread] = part.split(":");
    return { options: parseNumber(options), id: thread === undefined ? everything : parseThreadId(thread) };
  });
  const { words } = s.world.d;
  for (const { options, id } of given)
    if (options === undefined || options > everyOption || id === undefined) return EINVAL;
  for (const t of debugged(s)) {
    const chosen = given.find(({ id }) => means(id!, t));
    if (chosen !== undefined) words[threadAt(t.task) + Thread.options] = chosen.options!;
  }
  return given.length === 0 ? EINVAL : "OK";
}

export const threadPackets: readonly PacketRow[] = [
  packet("qC", "the current thread", (s) => {
    const t = currentThread(s);
    return t === undefined ? ESRCH : `QC${threadId(s, t)}`;
  }),
  packet("qfThreadInfo", "all threads, the first of them", (s) => {
    s.listed = debugged(s);
    return nextThreads(s);
  }),
  packet("qsThreadInfo", "all threads, more of them", nextThreads),
  packet("qThreadExtraInfo", "what a thread is called and does", (s, rest) => {
    const id = parseThreadId(rest.slice(1));
    const t = id && findThread(s, id);
    if (t === undefined) return ESRCH;
    const doing = isStopped(s.world, t)
      ? `at 0x${getPc(hartAt(hartOf(s.world, t).buffer, hartOf(s.world, t).byteOffset)).toString(16)}`
      : sleeps(s.world, t)
        ? "in a system call"
        : "running";
    return toHex(`${threadName(s.world, t)}, ${doing}`);
  }),
  packet("T", "whether a thread lives", (s, rest) => {
    const id = parseThreadId(rest);
    if (id === undefined) return EINVAL;
    return findThread(s, id) === undefined ? ESRCH : "OK";
  }),
  packet(
    "QThreadOptions",
    "tell of what single threads do: 1 they make others, 2 they end",
    setOptions,
    "QThreadOptions=3",
  ),
  packet("qAttached", "whether the program ran before the debugger came", (s) => (s.attached ? "1" : "0")),
  packet("qGetTLSAddr", "where a thread has a variable of its own", (s, rest) => {
    const [thread = "", offset, linkMap] = rest.slice(1).split(",");
    const id = parseThreadId(thread);
    const [by, map] = [parseNumber(offset), parseNumber(linkMap)];
    if (id === undefined || by === undefined || map === undefined) return EINVAL;
    const t = findThread(s, id);
    if (t === undefined) return ESRCH;
    const module = map === 0 ? 1 : moduleOf(s, t, map);
    const block = module === undefined ? undefined : threadStorage(s, t, module);
    return block === undefined ? error(2) : (block + by).toString(16);
  }),
];

/** Longer lists of what is loaded are taken for circles. */
export const mostLibraries = 4096;

/** The number of the module that a link map (an address) describes: modules with thread storage are counted as they were loaded. */
function moduleOf(s: Session, t: GuestThread, map: number): number | undefined {
  let first = map;
  let left = mostLibraries;
  for (let before = word(s, t, first + 32); before && left-- > 0; before = word(s, t, first + 32)) first = before;
  let count = 0;
  left = mostLibraries;
  for (let at: number | undefined = first; at && left-- > 0; at = word(s, t, at + 24)) {
    if (hasStorage(s, t, at)) count++;
    if (at === map) return count === 0 ? undefined : count;
  }
  return undefined;
}

const PT_TLS = 7;
const AT_PHDR = 3;
const AT_PHNUM = 5;

function hasStorage(s: Session, t: GuestThread, map: number): boolean {
  const base = word(s, t, map) ?? 0;
  let headers: number | undefined;
  let count = 0;
  const name = word(s, t, map + 8) ?? 0;
  const isMain = read(s, t, name, 1)[0] === 0 && (word(s, t, map + 32) ?? 0) === 0;
  if (isMain) {
    const auxv = Buffer.from(auxvOf(processAt(s.world.kernel, t.process)));
    for (let i = 0; i + 16 <= auxv.length; i += 16) {
      const value = Number(auxv.readBigUInt64LE(i + 8));
      if (auxv.readUInt32LE(i) === AT_PHDR) headers = value;
      if (auxv.readUInt32LE(i) === AT_PHNUM) count = value;
    }
  } else {
    const header = Buffer.from(read(s, t, base, 64));
    if (header.length < 64 || header.toString("latin1", 1, 4) !== "ELF") return false;
    headers = base + Number(header.readBigUInt64LE(32));
    count = header.readUInt16LE(56);
  }
  if (headers === undefined) return false;
  const table = Buffer.from(read(s, t, headers, 56 * count));
  for (let at = 0; at + 56 <= table.length; at += 56) if (table.readUInt32LE(at) === PT_TLS) return true;
  return false;
}
