// Descriptors that guests pass to each other through sockets: the host carries the open file, but what the personality knows of
// it, its kind and data, is kept here from when it is sent. Who receives one asks whether it is such a file.
// The last ones are kept, each by a copy of the descriptor: none of these kinds tells anybody when it is closed.
import { isSameFile } from "../host/same-file.ts";
import { host } from "../host/syscall.ts";
import { type Mutex, withLock } from "../sync/mutex.ts";
import { dupHost, FdKind } from "./fds.ts";
import { type Kernel, sections } from "./kernel.ts";

const base = sections.passed / 4;
// Words of the head: the lock; how many were ever kept. Of an entry: host descriptor + 1, kind, data.
const Word = { lock: 0, count: 1 } as const;
const entriesAt = base + 16;
const stride = 4;
const most = 256;

export interface Nature {
  readonly kind: FdKind;
  readonly data: number;
}

const lockOf = (k: Kernel): Mutex => ({ words: k.i32, index: base + Word.lock });

function find(w: Int32Array, h: number): number {
  const count = Math.min(w[base + Word.count]!, most);
  for (let i = 0; i < count; i++) {
    const at = entriesAt + i * stride;
    if (isSameFile(w[at]! - 1, h)) return at;
  }
  return -1;
}

/** Host descriptor `h`, of a file that is the personality's, is about to be sent. */
export function noteSent(k: Kernel, h: number, { kind, data }: Nature): void {
  if (kind === FdKind.host) return;
  withLock(lockOf(k), () => {
    const w = k.i32;
    if (find(w, h) >= 0) return;
    const copy = dupHost(h);
    if (copy < 0) return;
    const at = entriesAt + (w[base + Word.count]! % most) * stride;
    if (w[at] !== 0) host("close", w[at]! - 1);
    w.set([copy + 1, kind, data], at);
    w[base + Word.count]!++;
  });
}

/** What a descriptor is that came through a socket. */
export function natureOf(k: Kernel, h: number): Nature {
  const w = k.i32;
  if (w[base + Word.count] === 0) return { kind: FdKind.host, data: 0 };
  return withLock(lockOf(k), () => {
    const at = find(w, h);
    return at < 0 ? { kind: FdKind.host, data: 0 } : { kind: w[at + 1] as FdKind, data: w[at + 2]! };
  });
}
