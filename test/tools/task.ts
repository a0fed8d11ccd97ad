// A guest thread without a program, and system calls on it by name where strings are guest pointers: for tests of what
// the calls answer, as opposed to what becomes of the thread.
import { newProcess } from "../../src/linux/process.ts";
import { setStrings } from "../../src/linux/processes.ts";
import type { CallRow } from "../../src/linux/row.ts";
import { callRows } from "../../src/linux/table.ts";
import type { Task } from "../../src/linux/task.ts";
import { latin1, Page, pageSize } from "../../src/memory/guest-memory.ts";

/** Memory of the thread: readable and writable, then one page that can only be read, then nothing. */
export const memory = { start: 0x100000, end: 0x110000, readOnly: 0x110000, unmapped: 0x111000 } as const;
const stringsAt = 0x200000;
const stringRoom = 8192;
/** Where the strings of the program's arguments and environment are. */
const programAt = stringsAt + 6 * stringRoom;

export interface TaskOptions {
  readonly sysroot?: string;
  /** Host path of the working directory. */
  readonly cwd?: string;
}

export function makeTask(o: TaskOptions = {}): Task {
  const t = newProcess({ sysroot: o.sysroot, stackSize: undefined });
  const { pages } = t.memory;
  pages.fill(Page.read | Page.write, memory.start / pageSize, memory.end / pageSize);
  pages[memory.readOnly / pageSize] = Page.read;
  pages.fill(Page.read, stringsAt / pageSize, (programAt + stringRoom) / pageSize);
  t.name = "guest";
  setProgram(t, { exe: "/bin/guest", args: ["guest", "one", ""], env: ["A=1", "B=2"] });
  if (o.cwd !== undefined && callByName(t, "chdir", o.cwd) !== 0) throw new Error(`no directory ${o.cwd}`);
  return t;
}

interface Program {
  readonly exe: string;
  readonly args: readonly string[];
  readonly env: readonly string[];
}

/** Makes it a thread of this program, which is not there but for its strings. */
export function setProgram(t: Task, { exe, args, env }: Program): void {
  t.process.exe = exe;
  const text = (strings: readonly string[]): string => strings.map((s) => s + "\0").join("");
  const argEnd = programAt + putText(t, programAt, text(args));
  const envEnd = argEnd + putText(t, argEnd, text(env));
  setStrings(t.process.record, [programAt, argEnd], [argEnd, envEnd]);
}

const rows: ReadonlyMap<string, CallRow> = new Map(callRows().map((row) => [row.name, row]));

/** Makes a call; a string stands for its address. Answers what the handler does. */
export function callByName(t: Task, name: string, ...args: readonly (number | string)[]): number {
  const row = rows.get(name);
  if (row === undefined) throw new Error(`no row ${name}`);
  const values = row.args.map((kind, i) => {
    const arg = args[i] ?? 0;
    const n = typeof arg === "string" ? putString(t, stringsAt + i * stringRoom, arg) : arg;
    return kind.load(t, Math.trunc(n % 2 ** 32) | 0, Math.floor(n / 2 ** 32) | 0);
  });
  const fault = values.find((v) => typeof v === "object" && v !== null && "errno" in v) as
    | { readonly errno: number }
    | undefined;
  return fault === undefined ? row.handler(t, ...values) : -fault.errno;
}

function putString(t: Task, address: number, text: string): number {
  t.memory.u8.set(Buffer.from(text + "\0", "latin1"), address);
  return address;
}

/** Bytes of guest memory as latin1. */
export const textAt = (t: Task, address: number, length: number): string =>
  latin1(t.memory.u8.subarray(address, address + length));

/** Puts bytes into guest memory and answers their number. */
export function putText(t: Task, address: number, text: string): number {
  t.memory.u8.set(Buffer.from(text, "latin1"), address);
  return text.length;
}

export const AT_FDCWD = -100;
const block = 4096;

/** All of a guest file, or -errno. */
export function contentOf(t: Task, path: string, from = AT_FDCWD): string | number {
  const fd = callByName(t, "openat", from, path, 0, 0);
  if (fd < 0) return fd;
  let text = "";
  let n = 0;
  while ((n = callByName(t, "read", fd, memory.start, block)) > 0) text += textAt(t, memory.start, n);
  callByName(t, "close", fd);
  return n < 0 ? n : text;
}

/** The text of a link, or -errno. */
export function linkOf(t: Task, path: string, from = AT_FDCWD): string | number {
  const n = callByName(t, "readlinkat", from, path, memory.start, block);
  return n < 0 ? n : textAt(t, memory.start, n);
}

/** Names in a directory but for "." and "..", or -errno. `room`: bytes of the buffer. */
export function namesIn(t: Task, path: string, room = block): string[] | number {
  const O_DIRECTORY = 0o200000;
  const fd = callByName(t, "openat", AT_FDCWD, path, O_DIRECTORY, 0);
  if (fd < 0) return fd;
  const names: string[] = [];
  for (;;) {
    const n = callByName(t, "getdents64", fd, memory.start, room);
    if (n <= 0) {
      callByName(t, "close", fd);
      return n < 0 ? n : names.filter((name) => name !== "." && name !== "..");
    }
    for (let at = memory.start; at < memory.start + n; ) {
      const length = t.memory.view.getUint16(at + 16, true);
      names.push(textAt(t, at + 19, length - 19).replace(/\0.*$/s, ""));
      at += length;
    }
  }
}
