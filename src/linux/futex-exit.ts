// What futexes see of a thread that ends, or whose memory is replaced: the locks on its robust list are marked as left by a dead
// owner, those that lend priority go to the next, and who waits for its end is woken.
import { anyBits, wake } from "./futex.ts";
import { LockWord, leaveLocks } from "./futex-pi.ts";
import { canRead, canWrite, changeWord, loadWord } from "./futex-word.ts";
import type { Task } from "./task.ts";
import { loadWords, u64 } from "./words.ts";

/** Linux gives up on longer lists, which may be circles. */
const longestList = 2048;

/** Does all of it. The thread's memory is still there. */
export function endFutexes(t: Task): void {
  exitRobust(t);
  leaveLocks(t);
  clearTid(t);
}

/** Stores 0 where set_tid_address said, and wakes one that waits there. */
export function clearTid(t: Task): void {
  const addr = t.clearTid;
  t.clearTid = 0;
  if (addr === 0 || addr % 4 !== 0 || canWrite(t.memory, addr) !== 0) return;
  changeWord(t.memory, addr, () => 0);
  wake(t, { addr, isPrivate: false }, 1, anyBits);
}

/** An element of the list: where it is, and whether its lock lends priority. */
interface Entry {
  readonly addr: number;
  readonly lends: boolean;
}

function loadEntry(t: Task, addr: number): Entry | undefined {
  const words = loadWords(t, addr, 2);
  return words && { addr: u64(words[0]! & ~1, words[1]!), lends: (words[0]! & 1) !== 0 };
}

/** Goes through the list that set_robust_list named: head (an element), offset of the lock in an element, element about to be taken or left. */
export function exitRobust(t: Task): void {
  const head = t.robustList;
  t.robustList = 0;
  if (head === 0) return;
  const offset = loadWords(t, head + 8, 2);
  const pending = loadEntry(t, head + 16);
  let entry = loadEntry(t, head);
  if (offset === undefined || pending === undefined || entry === undefined) return;
  const lockAt = (e: Entry): number => addOffset(e.addr, offset);
  for (let i = 0; entry !== undefined && entry.addr !== head && i < longestList; i++) {
    // Before the lock is marked: somebody may then take it and change the list.
    const next: Entry | undefined = loadEntry(t, entry.addr);
    if (entry.addr !== pending.addr && !endLock(t, lockAt(entry), entry.lends, false)) return;
    if (next === undefined) return;
    entry = next;
  }
  if (pending.addr !== 0) endLock(t, lockAt(pending), pending.lends, true);
}

/** The offset is a signed number of 64 bits. */
const addOffset = (addr: number, [low, high]: Int32Array): number => addr + high! * 2 ** 32 + (low! >>> 0);

/** Marks a lock if the thread has it. False where its word is not there. */
function endLock(t: Task, addr: number, lends: boolean, isPending: boolean): boolean {
  const futex = { addr, isPrivate: false };
  for (;;) {
    if (!(addr >= 0) || addr % 4 !== 0 || canRead(t.memory, addr) !== 0) return false;
    const word = loadWord(t.memory, addr);
    if (word === undefined) continue;
    const owner = word & LockWord.tid;
    if (isPending && !lends && owner === 0) {
      // It may have been released, and the one to wake is known to nobody any more.
      wake(t, futex, 1, anyBits);
      return true;
    }
    if (owner !== t.tid) return true;
    if (canWrite(t.memory, addr) !== 0) return false;
    const old = changeWord(t.memory, addr, (w) =>
      (w & LockWord.tid) === t.tid ? (w & LockWord.waiters) | LockWord.ownerDied : w,
    );
    if (old === undefined || (old & LockWord.tid) !== t.tid) continue;
    if (!lends && old & LockWord.waiters) wake(t, futex, 1, anyBits);
    return true;
  }
}
