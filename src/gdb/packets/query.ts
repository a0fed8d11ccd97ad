// What is agreed on, what is asked about the program as a whole, and documents that are read in parts.
import { targetXml } from "../../debug/registers.ts";
import { Head, Report, Stop, Thread, threadAt } from "../../debug/state.ts";
import { threadName } from "../../debug/world.ts";
import { auxvOf, exeOf, processAt } from "../../linux/processes.ts";
import { binary, packetSize, parseNumber, xmlText } from "../codec.ts";
import { headersOf, librariesXml } from "../libraries.ts";
import { type PacketRow, packet } from "../row.ts";
import { currentThread, debugged, EFAULT, EINVAL, ESRCH, read, type Session } from "../session.ts";
import { setOf } from "../signals.ts";
import { parseRange } from "./state.ts";
import { threadsXml } from "./threads.ts";

// ---- documents

type Source = (s: Session, annex: string) => Buffer | undefined;

const text = (t: string): Buffer => Buffer.from(t, "latin1");

/** Of the current thread's process. */
const processOf = (s: Session) => {
  const t = currentThread(s);
  return t && processAt(s.world.kernel, t.process);
};

const siginfoBytes = 128;

const documents: Readonly<Record<string, Source>> = {
  features: (_, annex) => (annex === "target.xml" ? text(targetXml()) : undefined),
  threads: (s) => text(threadsXml(s)),
  auxv: (s) => {
    const t = currentThread(s);
    return t && Buffer.from(auxvOf(processAt(s.world.kernel, t.process)));
  },
  "exec-file": (s) => {
    const record = processOf(s);
    return record && text(exeOf(record));
  },
  "libraries-svr4": (s) => {
    const t = currentThread(s);
    return t && text(librariesXml(s, t));
  },
  siginfo: (s) => {
    const t = currentThread(s);
    if (t === undefined) return undefined;
    const at = threadAt(t.task);
    const { words } = s.world.d;
    const all = Buffer.alloc(siginfoBytes);
    const info = new Int32Array(12);
    if (words[at + Thread.stop] === Stop.signal) info.set(words.subarray(at + Thread.info, at + Thread.info + 12));
    else info.set([5, 0, 0]);
    all.set(new Uint8Array(info.buffer));
    return all;
  },
  osdata: (s, annex) => {
    const item = (columns: Readonly<Record<string, string | number>>): string =>
      `<item>${Object.entries(columns)
        .map(([name, value]) => `<column name="${name}">${xmlText(String(value))}</column>`)
        .join("")}</item>`;
    const list = (type: string, items: readonly string[]): Buffer =>
      text(
        `<?xml version="1.0"?>\n<!DOCTYPE target SYSTEM "osdata.dtd">\n<osdata type="${type}">\n${items.join("\n")}\n</osdata>\n`,
      );
    const threads = debugged(s);
    if (annex === "threads")
      return list(
        "threads",
        threads.map((t) => item({ pid: t.pid, command: threadName(s.world, t), tid: t.tid, core: 0 })),
      );
    if (annex === "processes") {
      const leaders = [...new Map(threads.map((t) => [t.process, t])).values()];
      return list(
        "processes",
        leaders.map((t) =>
          item({ pid: t.pid, user: "?", command: exeOf(processAt(s.world.kernel, t.process)), cores: 0 }),
        ),
      );
    }
    if (annex === "")
      return list("types", [
        item({ Type: "processes", Description: "Listing of all processes", Title: "Processes" }),
        item({ Type: "threads", Description: "Listing of all threads", Title: "Threads" }),
      ]);
    return undefined;
  },
};

/** `OBJECT:read:ANNEX:OFFSET,LENGTH`, and for siginfo `OBJECT:write:ANNEX:OFFSET:DATA`. */
function transfer(s: Session, rest: string): string {
  const [, object = "", action, annex = "", range = "", ...data] = rest.split(":");
  if (action === "write") return object === "siginfo" ? writeSiginfo(s, range, data.join(":")) : "";
  const source = documents[object];
  if (source === undefined || action !== "read") return "";
  const part = parseRange(range);
  if (part === undefined) return EINVAL;
  const key = `${object}:${annex}`;
  // A text that is read in parts is the same from its beginning to its end.
  const isText = object !== "siginfo" && object !== "auxv";
  const whole = (isText && part.address > 0 ? s.documents.get(key) : undefined) ?? source(s, annex);
  if (whole === undefined) return "E00";
  s.documents.set(key, whole);
  const end = Math.min(part.address + Math.min(part.length, packetSize / 4), whole.length);
  if (end >= whole.length) s.documents.delete(key);
  return `${end < whole.length ? "m" : "l"}${whole.toString("latin1", Math.min(part.address, whole.length), end)}`;
}

function writeSiginfo(s: Session, offset: string, data: string): string {
  const t = currentThread(s);
  const at = parseNumber(offset);
  if (t === undefined || at === undefined) return EINVAL;
  const { words } = s.world.d;
  const record = threadAt(t.task);
  const bytes = binary(data);
  if (words[record + Thread.stop] !== Stop.signal || at + bytes.length > siginfoBytes) return EINVAL;
  const kept = new Uint8Array(words.buffer, words.byteOffset + (record + Thread.info) * 4, 48);
  if (at < kept.length) kept.set(bytes.subarray(0, kept.length - at), at);
  return bytes.length.toString(16);
}

// ---- memory, searched and summed

const searchStep = 0x8000;

/** `ADDR;LENGTH;PATTERN`. */
function search(s: Session, rest: string): string {
  const match = /^:([0-9a-fA-F]+);([0-9a-fA-F]+);(.+)$/s.exec(rest);
  const t = currentThread(s);
  if (match === null) return EINVAL;
  if (t === undefined) return ESRCH;
  const [start, length] = [Number.parseInt(match[1]!, 16), Number.parseInt(match[2]!, 16)];
  const pattern = binary(match[3]!);
  for (let at = start; at < start + length; at += searchStep) {
    const wanted = Math.min(searchStep + pattern.length - 1, start + length - at);
    const bytes = Buffer.from(read(s, t, at, wanted));
    if (bytes.length === 0 && at === start) return EFAULT;
    const found = bytes.indexOf(pattern);
    if (found >= 0) return `1,${(at + found).toString(16)}`;
    if (bytes.length < wanted) break;
  }
  return "0";
}

const crcTable = Array.from({ length: 256 }, (_, i) => {
  let c = i << 24;
  for (let bit = 0; bit < 8; bit++) c = c < 0 ? (c << 1) ^ 0x04c11db7 : c << 1;
  return c;
});

function crc(s: Session, rest: string): string {
  const range = parseRange(rest.slice(1));
  const t = currentThread(s);
  if (range === undefined) return EINVAL;
  if (t === undefined) return ESRCH;
  let sum = -1;
  for (let at = range.address; at < range.address + range.length; at += searchStep) {
    const wanted = Math.min(searchStep, range.address + range.length - at);
    const bytes = read(s, t, at, wanted);
    if (bytes.length < wanted) return EFAULT;
    for (const byte of bytes) sum = (sum << 8) ^ crcTable[((sum >>> 24) ^ byte) & 255]!;
  }
  return `C${(sum >>> 0).toString(16)}`;
}

// ---- rows

const forkFeatures = [
  ["fork-events+", Report.fork],
  ["vfork-events+", Report.vfork],
  ["exec-events+", Report.exec],
] as const;

/** What qSupported answers to what a debugger says of itself. */
export function supported(said: string, rows: readonly PacketRow[]): string {
  const features = said.split(/[:;]/);
  return [
    `PacketSize=${packetSize.toString(16)}`,
    ...["multiprocess+", "swbreak+", "hwbreak+", "no-resumed+", "error-message+"],
    ...Object.keys(documents).map((name) => `qXfer:${name}:read+`),
    "qXfer:siginfo:write+",
    ...forkFeatures.flatMap(([name]) => (features.includes(name) ? [name] : [])),
    ...rows.flatMap(({ feature }) => (feature === undefined ? [] : [feature])),
  ].join(";");
}

const passSignals = (s: Session, rest: string): string => {
  s.world.d.words.set(setOf(rest.slice(1)), Head.passed);
  return "OK";
};

const programSignals = (s: Session, rest: string): string => {
  s.programSignals = setOf(rest.slice(1));
  return "OK";
};

/** What the program was moved by, which is the same for all of it. */
function offsets(s: Session): string {
  const t = currentThread(s);
  const bias = t && headersOf(s, t).bias.toString(16);
  return bias === undefined ? ESRCH : `Text=${bias};Data=${bias};Bss=${bias}`;
}

function catchCalls(s: Session, rest: string): string {
  const { words } = s.world.d;
  const [on, ...named] = rest.slice(1).split(";");
  const numbers = named.map(parseNumber);
  if ((on !== "0" && on !== "1") || numbers.includes(undefined)) return EINVAL;
  words.fill(0, Head.caught, Head.caught + 16);
  for (const nr of numbers as number[]) if (nr < 512) words[Head.caught + (nr >>> 5)]! |= 1 << (nr & 31);
  words[Head.catching] = on === "0" ? 0 : numbers.length === 0 ? 1 : 2;
  return "OK";
}

export const makeQueryPackets = (rows: () => readonly PacketRow[]): readonly PacketRow[] => [
  packet("qSupported", "what both sides can", (s, rest) => {
    s.features = new Set(rest.slice(1).split(";"));
    s.multiprocess = s.features.has("multiprocess+");
    s.world.d.words[Head.reports] = forkFeatures.reduce(
      (all, [name, bit]) => all | (s.features.has(name) ? bit : 0),
      0,
    );
    return supported(rest, rows());
  }),
  packet(
    "QStartNoAckMode",
    "no acknowledgements any more",
    (s) => {
      s.noAck = true;
      return "OK";
    },
    "QStartNoAckMode+",
  ),
  packet("qXfer", "documents: features, threads, auxv, exec-file, libraries-svr4, siginfo, osdata", transfer),
  packet("qOffsets", "where the program was moved to", offsets),
  packet("qSymbol", "symbols are not asked for", () => "OK"),
  packet("qCRC", "a checksum of memory", crc),
  packet("qSearch:memory", "look for bytes in memory", search),
  packet("QPassSignals", "signals that the program gets without a stop", passSignals, "QPassSignals+"),
  packet(
    "QProgramSignals",
    "signals that the program gets when the debugger leaves",
    programSignals,
    "QProgramSignals+",
  ),
  packet("QCatchSyscalls", "system calls that stop", catchCalls, "QCatchSyscalls+"),
  packet(
    "QThreadEvents",
    "tell of threads that begin and end",
    (s, rest) => {
      if (rest !== ":0" && rest !== ":1") return EINVAL;
      const { words } = s.world.d;
      const others = words[Head.reports]! & ~Report.threads;
      words[Head.reports] = rest === ":1" ? others | Report.threads : others;
      return "OK";
    },
    "QThreadEvents+",
  ),
  packet("!", "extended mode: the debugger stays when the program has ended", (s) => {
    s.extended = true;
    return "OK";
  }),
];
