// The word of a futex in guest memory. While a queue is locked, nothing may wait for the address space's lock: so a page is
// asked for before (`canRead`, `canWrite`), and where it is not there any more then, the word answers undefined, and
// the call begins again.
import { accessible, dropCode, type GuestMemory, Page, pageSize } from "../memory/guest-memory.ts";
import { errno } from "./errno.ts";

/** 0, or -EFAULT where the word cannot be read. Not with a queue locked. */
export const canRead = (m: GuestMemory, addr: number): number =>
  accessible(m, addr, 4, Page.read) ? 0 : -errno.EFAULT;
/** The same for a word that is to be changed. */
export const canWrite = (m: GuestMemory, addr: number): number =>
  accessible(m, addr, 4, Page.write) ? 0 : -errno.EFAULT;

/** The word, an int32. */
export const loadWord = (m: GuestMemory, addr: number): number | undefined =>
  hasRight(m, addr, Page.read) ? Atomics.load(m.i32, addr / 4) : undefined;

/** Replaces the word by what `change` makes of it, at once for other threads. Answers the old one. */
export function changeWord(m: GuestMemory, addr: number, change: (old: number) => number): number | undefined {
  if (!hasRight(m, addr, Page.write)) return undefined;
  const page = Math.floor(addr / pageSize);
  dropCode(m, page, page + 1);
  for (;;) {
    const old = Atomics.load(m.i32, addr / 4);
    if (Atomics.compareExchange(m.i32, addr / 4, old, change(old) | 0) === old) return old;
  }
}

const hasRight = (m: GuestMemory, addr: number, right: number): boolean =>
  addr + 4 <= m.size && (m.pages[Math.floor(addr / pageSize)]! & right) !== 0;
