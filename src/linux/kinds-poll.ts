// Kinds of arguments of the calls that wait for descriptors, and how a trace shows them.
import { accessible, Page } from "../memory/guest-memory.ts";
import { flagSet, flags, oneOf } from "./kinds.ts";
import { showSet } from "./kinds-signal.ts";
import type { Kind } from "./row.ts";
import type { Task } from "./task.ts";
import { addressText } from "./text.ts";
import { Poll } from "./wait.ts";
import { loadWords, u64 } from "./words.ts";

const two32 = 2 ** 32;
const load = (_t: Task, lo: number, hi: number): number => u64(lo, hi);

const prefixed = (prefix: string, names: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(Object.entries(names).map(([name, bit]) => [prefix + name, bit]));

const pollBits = flagSet({ ...prefixed("POLL", Poll), POLLRDHUP: 0x2000 });
const epollBits = flagSet({
  ...prefixed("EPOLL", Poll),
  EPOLLMSG: 0x400,
  EPOLLRDHUP: 0x2000,
  EPOLLEXCLUSIVE: 0x10000000,
  EPOLLWAKEUP: 0x20000000,
  EPOLLONESHOT: 0x40000000,
  EPOLLET: 0x80000000,
});
const mostShown = 32;

const list = (texts: readonly string[], more: boolean): string => `[${texts.join(", ")}${more ? ", ..." : ""}]`;

/** An array of `struct pollfd`, argument 1 of them. */
export const pollfds: Kind<number> = {
  load,
  show: (t, lo, hi, call) => {
    const count = call.raw[1]! % two32;
    const words = loadWords(t, u64(lo, hi), 2 * Math.min(count, mostShown));
    if (words === undefined || count === 0) return addressText(u64(lo, hi));
    const texts = Array.from({ length: words.length / 2 }, (_, i) =>
      words[2 * i]! < 0
        ? `{fd=${words[2 * i]}}`
        : `{fd=${words[2 * i]}, events=${pollBits(words[2 * i + 1]! & 0xffff)}}`,
    );
    return list(texts, count > mostShown);
  },
};

const mostSelected = 1024;

/** An fd_set, of as many descriptors as argument 0 says. */
export const fdSet: Kind<number> = {
  load,
  show: (t, lo, hi, call) => {
    const addr = u64(lo, hi);
    const count = Math.min(call.raw[0]! % two32, mostSelected);
    const bytes = Math.ceil(count / 8);
    if (addr === 0 || !accessible(t.memory, addr, bytes, Page.read)) return addressText(addr);
    const members = Array.from({ length: count }, (_, i) => i).filter(
      (i) => ((t.memory.u8[addr + (i >> 3)]! >> (i & 7)) & 1) !== 0,
    );
    return `[${members.join(" ")}]`;
  },
};

const eventText = (words: Int32Array, at: number): string => {
  const data = (BigInt(words[at + 3]! >>> 0) << 32n) | BigInt(words[at + 2]! >>> 0);
  return `{events=${epollBits(words[at]!)}, data={u32=${words[at + 2]! >>> 0}, u64=${data}}}`;
};

/** Pointer to a `struct epoll_event`. */
export const epollEvent: Kind<number> = {
  load,
  show: (t, lo, hi) => {
    const words = u64(lo, hi) === 0 ? undefined : loadWords(t, u64(lo, hi), 4);
    return words === undefined ? addressText(u64(lo, hi)) : eventText(words, 0);
  },
};

/** An array of `struct epoll_event`, as many as the call answers. */
export const epollEventsOut: Kind<number> = {
  load,
  show: (t, lo, hi, call) => {
    const count = Math.max(0, call.result ?? 0);
    const words = call.result === undefined ? undefined : loadWords(t, u64(lo, hi), 4 * Math.min(count, mostShown));
    if (words === undefined || call.result! < 0) return addressText(u64(lo, hi));
    return list(
      Array.from({ length: words.length / 4 }, (_, i) => eventText(words, 4 * i)),
      count > mostShown,
    );
  },
  out: true,
};

export const epollOp = oneOf({ EPOLL_CTL_ADD: 1, EPOLL_CTL_DEL: 2, EPOLL_CTL_MOD: 3 });
export const epollFlags = flags({ EPOLL_CLOEXEC: 0o2000000 });
export const signalfdFlags = flags({ SFD_CLOEXEC: 0o2000000, SFD_NONBLOCK: 0o4000 });

/** Pointer to the set of signals of pselect6, with its size: `{sigmask=[INT], sigsetsize=8}`. */
export const maskAndSize: Kind<number> = {
  load,
  show: (t, lo, hi) => {
    const words = u64(lo, hi) === 0 ? undefined : loadWords(t, u64(lo, hi), 4);
    if (words === undefined) return addressText(u64(lo, hi));
    const addr = u64(words[0]!, words[1]!);
    const set = addr === 0 ? undefined : loadWords(t, addr, 2);
    return `{sigmask=${set ? showSet(set[0]!, set[1]!) : addressText(addr)}, sigsetsize=${u64(words[2]!, words[3]!)}}`;
  },
};
