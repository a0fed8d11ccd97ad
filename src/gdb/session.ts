// What a connection with a debugger knows: what both have agreed on, which threads commands are about, and what is being waited
// for. Packets (table.ts) change it; stub.ts moves bytes and time.
import { readMemory, writeMemory } from "../debug/memory.ts";
import { setDebugged } from "../debug/state.ts";
import { debuggedThreads, type GuestThread, processesOf, spaceOf, type World } from "../debug/world.ts";
import type { Task } from "../linux/task.ts";

/** What runs: nothing (the debugger has the word); threads, until one stops; threads that have been asked to stop. */
export type Mode = "stopped" | "running" | "halting";

export interface Session {
  readonly world: World;
  /** A thread of the first process, for looking at what all can see: files, /proc. It is never run here. */
  readonly viewer: Task;
  /** Sends a reply or a stop. */
  readonly send: (text: string) => void;
  readonly sendNotification: (text: string) => void;
  /** Threads stop one by one; whether a notification has not been fetched; stops that are to follow it. */
  nonStop: boolean;
  notified: boolean;
  stops: string[];
  /** In non-stop: whether something was let run since it was told that nothing runs any more. */
  running: boolean;
  /** What the debugger said that it can. */
  features: ReadonlySet<string>;
  multiprocess: boolean;
  noAck: boolean;
  mode: Mode;
  /** Whether what ran last was a single thread's step. */
  stepped: boolean;
  /** The thread that is told of next, where a packet names none: of `Hg`, and of `Hc` (0 any, -1 all). */
  general: GuestThread | undefined;
  forContinue: ThreadId;
  /** A debugger's interrupt that no stop has answered yet. */
  interrupted: boolean;
  /** Threads that have not been let run with the others: what they stopped for waits until they are. */
  held: readonly GuestThread[];
  /** The stop that was told last. */
  last: { readonly thread: GuestThread; readonly text: string } | undefined;
  /** Threads that a list has yet to name. */
  listed: GuestThread[];
  /** The end of the last program was told; and what was said of the last one that ended. */
  ended: boolean;
  lastEnd: string | undefined;
  /** Whether the program ran before the debugger came. */
  readonly attached: boolean;
  /** Two words of a set: signals for which threads stand still and that they get when the debugger leaves; undefined for the usual ones. */
  programSignals: readonly [number, number] | undefined;
  /** The debugger stays when programs have ended. */
  extended: boolean;
  /** Ends the connection after the replies are out; the guest goes on, or has ended. */
  leaving: boolean;
  /** The program is to end with the connection. */
  endsWithDebugger: boolean;
  /** Descriptors of the host that vFile has opened. */
  readonly files: Map<number, number>;
  /** All packets, for those that tell of them. */
  readonly packets: readonly { readonly name: string; readonly doc: string }[];
  /** Documents that are being transferred in parts. */
  readonly documents: Map<string, Buffer>;
}

// ---- ids

/** A process and a thread of it; -1 for all, 0 for any. */
export interface ThreadId {
  readonly pid: number;
  readonly tid: number;
}

const allThreads: ThreadId = { pid: -1, tid: -1 };

const parseId = (text: string): number | undefined =>
  text === "-1" ? -1 : /^[0-9a-fA-F]{1,8}$/.test(text) ? Number.parseInt(text, 16) : undefined;

/** `p1f.20`, `p1f` (all of its threads), `20`, `-1`, `0`. Undefined for what is none of these. */
export function parseThreadId(text: string): ThreadId | undefined {
  if (!text.startsWith("p")) {
    const tid = parseId(text);
    return tid === undefined ? undefined : { pid: tid <= 0 ? tid : 0, tid };
  }
  const [process = "", thread] = text.slice(1).split(".");
  const pid = parseId(process);
  const tid = thread === undefined ? -1 : parseId(thread);
  return pid === undefined || tid === undefined ? undefined : { pid, tid };
}

export const threadId = (s: Session, { pid, tid }: GuestThread): string =>
  s.multiprocess ? `p${pid.toString(16)}.${tid.toString(16)}` : tid.toString(16);

/** Whether an id means the thread. */
export const means = ({ pid, tid }: ThreadId, t: GuestThread): boolean =>
  (pid <= 0 || pid === t.pid) && (tid <= 0 || tid === t.tid);

/** The threads that are debugged. */
export const debugged = (s: Session): GuestThread[] => debuggedThreads(s.world);

/** The first thread that an id means; undefined for none. */
export const findThread = (s: Session, id: ThreadId): GuestThread | undefined => debugged(s).find((t) => means(id, t));

/** The thread that packets without an id are about: the one that was chosen, while it lives, else the one that stopped last. */
export function currentThread(s: Session): GuestThread | undefined {
  const threads = debugged(s);
  const alive = (t: GuestThread | undefined): GuestThread | undefined =>
    t && threads.find((other) => other.task === t.task && other.tid === t.tid);
  return alive(s.general) ?? alive(s.last?.thread) ?? threads[0];
}

/** Takes all processes that there are. */
export function attachAll(s: Session): void {
  for (const index of processesOf(s.world)) setDebugged(s.world.d, index, true);
}

export const everything = allThreads;

// ---- memory

/** Bytes of the memory of a thread's process, as many as there are. */
export const read = (s: Session, t: GuestThread, address: number, length: number): Uint8Array =>
  readMemory(s.world, t.process, address, length);

export const write = (s: Session, t: GuestThread, address: number, bytes: Uint8Array): boolean =>
  writeMemory(s.world, t.process, address, bytes);

/** The number of the address space of a thread. */
export const spaceNumber = (s: Session, t: GuestThread): number => spaceOf(s.world, t);

/** An error reply: a number of Linux. */
export const error = (errno: number): string => `E${errno.toString(16).padStart(2, "0")}`;

export const EPERM = error(1);
export const ENOENT = error(2);
export const ESRCH = error(3);
export const EFAULT = error(14);
export const EINVAL = error(22);
