// Registers and memory.
import { hartOf } from "../../debug/memory.ts";
import {
  readRegister,
  registerBytes,
  registerOffsets,
  registers,
  writableRegisters,
  writeRegister,
} from "../../debug/registers.ts";
import { binary, fromHex, parseNumber, toHex } from "../codec.ts";
import { type PacketRow, packet } from "../row.ts";
import {
  currentThread,
  EFAULT,
  EINVAL,
  ESRCH,
  findThread,
  parseThreadId,
  read,
  type Session,
  write,
} from "../session.ts";

/** What `g` answers: all registers of a hart but its counters, which change by themselves. */
export function allRegisters(words: Int32Array): string {
  const all = Buffer.alloc(registerBytes);
  for (let n = 0; n < writableRegisters; n++) all.set(readRegister(words, n), registerOffsets[n]!);
  return toHex(all);
}

/** `ADDR,LENGTH`. */
export function parseRange(text: string): { readonly address: number; readonly length: number } | undefined {
  const [a, l, more] = text.split(",");
  const [address, length] = [parseNumber(a), parseNumber(l)];
  return address === undefined || length === undefined || more !== undefined ? undefined : { address, length };
}

/** Most bytes of memory in a reply. */
const longestRead = 0x10000;

function memory(s: Session, rest: string, show: (bytes: Uint8Array) => string): string {
  const range = parseRange(rest);
  if (range === undefined) return EINVAL;
  const t = currentThread(s);
  if (t === undefined) return ESRCH;
  if (range.length === 0) return show(new Uint8Array());
  const bytes = read(s, t, range.address, Math.min(range.length, longestRead));
  return bytes.length === 0 ? EFAULT : show(bytes);
}

/** `ADDR,LENGTH:DATA`. */
function store(s: Session, rest: string, bytesOf: (data: string) => Uint8Array | undefined): string {
  const colon = rest.indexOf(":");
  const range = colon < 0 ? undefined : parseRange(rest.slice(0, colon));
  const bytes = bytesOf(rest.slice(colon + 1));
  if (range === undefined || bytes === undefined || bytes.length !== range.length) return EINVAL;
  const t = currentThread(s);
  if (t === undefined) return ESRCH;
  return bytes.length === 0 || write(s, t, range.address, bytes) ? "OK" : EFAULT;
}

const withRegisters = (s: Session, does: (words: Int32Array) => string): string => {
  const t = currentThread(s);
  return t === undefined ? ESRCH : does(hartOf(s.world, t));
};

export const statePackets: readonly PacketRow[] = [
  packet("g", "all registers", (s) => withRegisters(s, allRegisters)),
  packet("G", "set all registers", (s, rest) =>
    withRegisters(s, (words) => {
      const bytes = fromHex(rest);
      if (bytes === undefined || bytes.length > registerBytes) return EINVAL;
      registers.slice(0, writableRegisters).forEach(({ bits }, n) => {
        const at = registerOffsets[n]!;
        if (at + bits / 8 <= bytes.length) writeRegister(words, n, bytes.subarray(at, at + bits / 8));
      });
      return "OK";
    }),
  ),
  packet("p", "one register", (s, rest) =>
    withRegisters(s, (words) => {
      const n = parseNumber(rest);
      return n === undefined || n >= registers.length ? EINVAL : toHex(readRegister(words, n));
    }),
  ),
  packet("P", "set one register", (s, rest) =>
    withRegisters(s, (words) => {
      const [number, value = ""] = rest.split("=");
      const n = parseNumber(number);
      const bytes = fromHex(value);
      if (n === undefined || n >= writableRegisters || bytes?.length !== registers[n]!.bits / 8) return EINVAL;
      writeRegister(words, n, bytes);
      return "OK";
    }),
  ),
  packet("m", "memory, in hexadecimal", (s, rest) => memory(s, rest, toHex)),
  packet(
    "x",
    "memory, in binary",
    (s, rest) => memory(s, rest, (bytes) => `b${Buffer.from(bytes).toString("latin1")}`),
    "binary-upload+",
  ),
  packet("M", "write memory, from hexadecimal", (s, rest) => store(s, rest, fromHex)),
  packet("X", "write memory, from binary", (s, rest) => store(s, rest, binary)),
  packet("H", "choose the thread that packets are about", (s, rest) => {
    const id = parseThreadId(rest.slice(1));
    if (id === undefined) return EINVAL;
    if (rest[0] === "c") {
      s.forContinue = id;
      return "OK";
    }
    if (rest[0] !== "g") return "";
    if (id.tid <= 0 && id.pid <= 0) {
      s.general = undefined;
      return "OK";
    }
    const t = findThread(s, id);
    if (t === undefined) return ESRCH;
    s.general = t;
    return "OK";
  }),
];
