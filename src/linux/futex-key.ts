// What tells one futex from another: where its word lies. Threads of one address space know a private one by its
// address; one that may be shared belongs to the file whose page is mapped there, or to the address space where no
// other can have the page. As in Linux, a word is two futexes: one with the private flag, and one without.
import { accessible, addressLimit, Page, pageSize } from "../memory/guest-memory.ts";
import { withLayout } from "../memory/sharing.ts";
import { fileAt, type Mappings, type Vma, VmaFlag, vmaOf } from "../memory/vmas.ts";
import { errno } from "./errno.ts";
import { ProcessField } from "./processes.ts";
import type { Task } from "./task.ts";

/** `keyWords` words, alike for the same futex: what the others are, and up to five that tell. */
export type Key = Int32Array;
export const keyWords = 6;
export const newKey = (): Key => new Int32Array(keyWords);

/** The first word of a key. */
const KeyKind = { private: 1, memory: 2, file: 3, segment: 4 } as const;

/** How a call names a futex: with the private flag; to look at it; to change its word. */
export type Sharing = "private" | "read" | "write";

/**
 * Makes `key` that of the word at an address. Answers 0; -EINVAL where it is not aligned; -EFAULT where nobody can have it,
 * or, if it may be shared, where its page is not there or cannot be had in that way.
 */
export function findKey(t: Task, addr: number, sharing: Sharing, key: Key): number {
  if (addr % 4 !== 0) return -errno.EINVAL;
  if (addr >= addressLimit) return -errno.EFAULT;
  if (sharing === "private") {
    key.fill(0);
    key[0] = KeyKind.private;
    key[1] = t.process.record.i32[ProcessField.space]!;
    key[2] = addr;
    return 0;
  }
  return accessible(t.memory, addr, 4, sharing === "write" ? Page.write : Page.read)
    ? findShared(t, addr, key)
    : -errno.EFAULT;
}

function findShared(t: Task, addr: number, key: Key): number {
  const { space } = t.process;
  const page = Math.floor(addr / pageSize);
  const writable = (t.memory.pages[page]! & Page.write) !== 0;
  const isOfFile = withLayout(space.sharing, () => {
    const v = vmaOf(space, page);
    // A page of a private mapping that cannot be written is still the file's.
    if (v === undefined || (v.flags & VmaFlag.hosted) === 0 || ((v.flags & VmaFlag.shared) === 0 && writable))
      return false;
    fillFileKey(space, v, addr, key);
    return true;
  });
  if (isOfFile) return 0;
  // A page that nobody can ever change makes no futex.
  if (!writable) return -errno.EFAULT;
  key.fill(0);
  key[0] = KeyKind.memory;
  key[1] = t.process.record.i32[ProcessField.space]!;
  key[2] = addr;
  return 0;
}

function fillFileKey(space: Mappings, v: Vma, addr: number, key: Key): void {
  const { major, minor, inoLow, inoHigh } = fileAt(space, v.file);
  const filePage = v.offset + (Math.floor(addr / pageSize) - v.start);
  // The inode numbers of segments are a sequence of their own.
  key[0] = ((v.flags & VmaFlag.segment) !== 0 ? KeyKind.segment : KeyKind.file) | ((addr % pageSize) << 4);
  key[1] = major | (minor << 12);
  key[2] = inoLow;
  key[3] = inoHigh;
  key[4] = filePage | 0;
  key[5] = Math.floor(filePage / 2 ** 32);
}
