// Breakpoints and watchpoints of all processes, under read-copy-update (sync/snapshot.ts): one sorted immutable list, which threads
// read without a lock in guest code. Who changes it holds the update lock, publishes another, and waits until every
// thread that runs guest code has passed a safepoint: then none passes an address that was inserted, nor stops at one that is gone.
//
// An entry belongs to an address space, and to an owner: the debugger, or the guest itself (a debugger inside); at one address the
// outer one's come first. A reference is the owner's own number for it, 0 for none.
import { newRcu, noSlot, type Rcu } from "../sync/rcu.ts";
import { currentOf, lengthOf, newSnapshots, publish, type Snapshots, versionOf } from "../sync/snapshot.ts";

export type BreakpointTable = Snapshots;

/** By the numbers of the remote protocol. */
export const BreakpointKind = { software: 0, hardware: 1, write: 2, read: 3, access: 4 } as const;

export const Owner = { debugger: 0, guest: 1 } as const;

export interface Breakpoint {
  /** Index of the process that made the memory in which it is. */
  readonly space: number;
  /** Guest address, below 2**32. */
  readonly address: number;
  /** A value of `BreakpointKind`. */
  readonly kind: number;
  /** Bytes that are watched; of a breakpoint what the protocol calls its kind. */
  readonly length: number;
  /** A value of `Owner`. */
  readonly owner: number;
  readonly reference: number;
  /** Where its conditions are (agent.ts); 0 for none. */
  readonly code: number;
}

const entryWords = 7;
/** Those that say which it is; the others how it is. */
const keyWords = 6;
const capacity = 2 ** 16;

/** An empty table, for as many threads. */
export const newBreakpoints = (threads: number): BreakpointTable =>
  newSnapshots(newRcu(threads), capacity * entryWords);

export const isWatchpoint = (kind: number): boolean => kind >= BreakpointKind.write;

const encode = (b: Breakpoint): readonly number[] => [
  b.space,
  b.address,
  b.owner,
  b.kind,
  b.length,
  b.reference,
  b.code,
];

const decode = (words: Int32Array, at: number): Breakpoint => ({
  space: words[at]!,
  address: words[at + 1]! >>> 0,
  owner: words[at + 2]!,
  kind: words[at + 3]!,
  length: words[at + 4]!,
  reference: words[at + 5]!,
  code: words[at + 6]!,
});

/** By space, address, owner, kind, length, reference: the order of an entry's words. */
function compare(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < keyWords; i++) {
    const [x, y] = i === 1 ? [a[i]! >>> 0, b[i]! >>> 0] : [a[i]!, b[i]!];
    if (x !== y) return x - y;
  }
  return 0;
}

function entriesOf(words: Int32Array): number[][] {
  const found: number[][] = [];
  for (let at = 0; at < words.length; at += entryWords) found.push([...words.subarray(at, at + entryWords)]);
  return found;
}

/** Who changes the table: told of the publication before it waits for readers, so that they come by soon, and after the wait. */
export interface ChangeOptions {
  readonly published?: () => void;
  readonly settled?: () => void;
}

/**
 * Makes another list of what there is. On return every thread goes by it. False where there is no room. The caller is no
 * reader, and holds no lock that a reader may wait for.
 */
function change(t: BreakpointTable, edit: (old: number[][]) => number[][], o: ChangeOptions): boolean {
  let isPublished = false;
  const published = (): void => {
    isPublished = true;
    o.published?.();
  };
  try {
    return publish(t, noSlot, (old) => edit(entriesOf(old)).flat(), { published });
  } finally {
    if (isPublished) o.settled?.();
  }
}

/** Inserts one, in place of the same with other conditions. False where there is no room for it. */
export const insertBreakpoint = (t: BreakpointTable, b: Breakpoint, o: ChangeOptions = {}): boolean =>
  change(
    t,
    (old) => {
      const entry = [...encode(b)].map((n) => n | 0);
      const at = old.findIndex((other) => compare(other, entry) >= 0);
      const behind = at >= 0 && compare(old[at]!, entry) === 0 ? at + 1 : at;
      if (behind > at) return [...old.slice(0, at), entry, ...old.slice(behind)];
      return at < 0 ? [...old, entry] : [...old.slice(0, at), entry, ...old.slice(at)];
    },
    o,
  );

/** Removes those that a test picks; answers how many. */
export function removeBreakpoints(
  t: BreakpointTable,
  picked: (b: Breakpoint) => boolean,
  o: ChangeOptions = {},
): number {
  let count = 0;
  change(
    t,
    (old) => {
      const kept = old.filter((entry) => !picked(decode(Int32Array.from(entry), 0)));
      count = old.length - kept.length;
      return kept;
    },
    o,
  );
  return count;
}

/** Removes one by all that it is but its reference. */
export const removeBreakpoint = (
  t: BreakpointTable,
  b: Omit<Breakpoint, "reference" | "code">,
  o: ChangeOptions = {},
): boolean =>
  removeBreakpoints(
    t,
    (other) =>
      other.space === b.space &&
      other.address === b.address &&
      other.kind === b.kind &&
      other.owner === b.owner &&
      other.length === b.length,
    o,
  ) > 0;

/** An address space has been copied: the copy has what it had. */
export const inheritBreakpoints = (t: BreakpointTable, parent: number, child: number, o: ChangeOptions = {}): boolean =>
  change(
    t,
    (old) =>
      [
        ...old.filter(([space]) => space !== child),
        ...old.flatMap((entry) => (entry[0] === parent ? [[child, ...entry.slice(1)]] : [])),
      ].sort(compare),
    o,
  );

/** Whether there are none at all: for who changes it. */
export const isEmpty = (t: BreakpointTable): boolean => lengthOf(t, currentOf(t)) === 0;

// ---- readers

/** The readers' side: each thread by the index of its task. */
export const readersOf = (t: BreakpointTable): Rcu => t.rcu;

/** Changes whenever the list does. To be asked by a thread that is online, or for which it does not matter. */
export const versionOfBreakpoints = (t: BreakpointTable): number => versionOf(t, currentOf(t));

/** Those of an address space, sorted by address. The caller is online as a reader, or keeps writers away. */
export function breakpointsOf(t: BreakpointTable, space: number): Breakpoint[] {
  const at = currentOf(t);
  const words = t.words.subarray(at, at + lengthOf(t, at));
  const found: Breakpoint[] = [];
  for (let i = lowerBound(words, space, 0); i < words.length && words[i] === space; i += entryWords)
    found.push(decode(words, i));
  return found;
}

/** Those at an address, the debugger's first. Allocates nothing where there are none. */
export function breakpointsAt(t: BreakpointTable, space: number, address: number): readonly Breakpoint[] {
  const at = currentOf(t);
  const words = t.words.subarray(at, at + lengthOf(t, at));
  const found: Breakpoint[] = [];
  for (
    let i = lowerBound(words, space, address);
    i < words.length && words[i] === space && words[i + 1]! >>> 0 === address;
    i += entryWords
  )
    found.push(decode(words, i));
  return found;
}

/** Index of the first entry not before that space and address. */
function lowerBound(words: Int32Array, space: number, address: number): number {
  let [low, high] = [0, words.length / entryWords];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const at = middle * entryWords;
    const before = words[at]! !== space ? words[at]! < space : words[at + 1]! >>> 0 < address;
    if (before) low = middle + 1;
    else high = middle;
  }
  return low * entryWords;
}
