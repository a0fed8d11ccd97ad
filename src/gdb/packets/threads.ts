// Threads: which there are, what they are called, where their storage lies.

import { getPc, hartAt } from "../../cpu/hart.ts";
import { hartOf } from "../../debug/memory.ts";
import { Thread, ThreadOption, threadAt } from "../../debug/state.ts";
import type { GuestThread } from "../../debug/world.ts";
import { isStopped, recordOf, sleeps, threadName } from "../../debug/world.ts";
import { readHostFile } from "../../host/file.ts";
import { TaskField } from "../../linux/tasks.ts";
import { parseNumber, toHex, xmlText } from "../codec.ts";
import { moduleOf, threadStorage } from "../libraries.ts";
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
    (t) => `<thread id="${threadId(s, t)}"${coreOf(s, t)} name="${xmlText(threadName(s.world, t))}"/>`,
  );
  return `<?xml version="1.0"?>\n<threads>\n${lines.join("\n")}\n</threads>\n`;
}

/** Fields of /proc/PID/stat from the state on, which is the third: the processor that it ran on last. */
const processorField = 39 - 3;

/** The processor on which the host runs the thread, as an attribute; nothing where no thread of the host does yet. */
function coreOf(s: Session, t: GuestThread): string {
  const tid = recordOf(s.world, t).i32[TaskField.hostTid]!;
  const stat = tid === 0 ? -1 : readHostFile(`/proc/self/task/${tid}/stat`);
  // Behind the name, which may have anything in it.
  const core = typeof stat === "number" ? undefined : stat.slice(stat.lastIndexOf(")") + 2).split(" ")[processorField];
  return core === undefined ? "" : ` core="${core}"`;
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
