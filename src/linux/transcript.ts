// What watchers write: whole lines, one after the other, whichever thread of whichever process they are about. As `strace -f`
// does it, a line names its thread where there are several, and a call that sleeps while others have something to say is
// broken in two: for that, what is known of a call when it begins lies in shared memory, and whoever writes next shows it.
import { writeAll } from "../host/write.ts";
import { type Mutex, withLock } from "../sync/mutex.ts";
import { runnerNow } from "./accounting.ts";
import { Header, type Kernel, sections } from "./kernel.ts";
import { Place } from "./place.ts";
import { State } from "./records.ts";
import type { Task } from "./task.ts";
import { mostTasks, TaskField, taskAt } from "./tasks.ts";

/** Bytes of a thread's part: how far its call is, an int32; the length of the text, an int32; the text. */
const partBytes = 1024;
const textAt = 8;
/** Bytes of all parts. */
export const transcriptBytes = mostTasks * partBytes;

const Call = { none: 0, begun: 1, broken: 2 } as const;

/** Where a watcher writes. */
export interface Transcript {
  /** Writes a text of one or more lines, without the last newline. */
  readonly say: (t: Task, text: string) => void;
  /** A call begins, of which so much is known. */
  readonly begin: (t: Task, text: string) => void;
  /** It has ended: writes the whole line, or, where it was broken, what is left to say. */
  readonly end: (t: Task, line: string, resumed: string) => void;
  /** The thread is in no call: it begins, or has ended. */
  readonly forget: (t: Task) => void;
}

const guardOf = ({ i32 }: Kernel): Mutex => ({ words: i32, index: Header.transcriptLock });

/** Index of the int32 at which a thread's part begins. */
const partOf = (task: number): number => (sections.transcript + task * partBytes) / 4;

const textOf = (k: Kernel, task: number): Buffer =>
  Buffer.from(k.buffer, partOf(task) * 4 + textAt, partBytes - textAt);

/** The transcript of a kernel's processes on a host descriptor. Characters are bytes. */
export function transcriptOn(kernel: Kernel, fd: number): Transcript {
  const { i32 } = kernel;

  /** Writes what one thread has to say, after the beginnings of calls that others sleep in. */
  const write = (task: number, text: string): void => {
    const used = Atomics.load(i32, Header.usedTasks);
    const alive: number[] = [];
    for (let index = 0; index < used; index++)
      if (taskAt(kernel, index).i32[TaskField.state] === State.live) alive.push(index);
    const several = alive.length > 1;
    const named = (index: number): string =>
      several ? `[pid ${String(taskAt(kernel, index).i32[TaskField.tid]).padStart(5)}] ` : "";
    let lines = "";
    for (const index of alive) {
      const at = partOf(index);
      // It sleeps in the host, or waits for another that runs in its place.
      const waits = taskAt(kernel, index).i32[TaskField.place]! >= Place.host || runnerNow(kernel, index) === 0;
      if (index === task || !waits) continue;
      if (Atomics.compareExchange(i32, at, Call.begun, Call.broken) !== Call.begun) continue;
      lines += `${named(index)}${textOf(kernel, index).toString("latin1", 0, i32[at + 1])} <unfinished ...>\n`;
    }
    writeAll(fd, `${lines}${named(task)}${text}\n`, "latin1");
  };

  return {
    say: ({ index }, text) => withLock(guardOf(kernel), () => write(index, text)),
    begin: ({ index }, text) => {
      const at = partOf(index);
      // One that is too long is written as a whole, in the end.
      if (text.length > partBytes - textAt) return;
      i32[at + 1] = textOf(kernel, index).write(text, "latin1");
      Atomics.store(i32, at, Call.begun);
    },
    end: ({ index }, line, resumed) =>
      withLock(guardOf(kernel), () => {
        const broken = Atomics.exchange(i32, partOf(index), Call.none) === Call.broken;
        write(index, broken ? resumed : line);
      }),
    forget: ({ index }) => void Atomics.store(i32, partOf(index), Call.none),
  };
}
