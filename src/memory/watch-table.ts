// What is watched in watched pages, for compiled code: where it comes upon a page that is not plain it looks here whether an access touches what is
// watched, and goes on by itself if not. An entry answers for all pages whose number has its last bits, so it may say more than there is, never
// less: whether an access stops is decided by who has the list.

const entryBits = 4;
/** Entries that there are; a page's is the one of its number's last bits. */
export const watchEntries = 2 ** entryBits;
/** Bytes of an entry. */
export const watchEntryBytes = 16;
/** Byte offsets in an entry: reads (or writes) of addresses from `low` to before `high` are to be looked at. Both are 0 for none. */
export const watchBounds = { read: { low: 0, high: 4 }, write: { low: 8, high: 12 } } as const;
/** Byte offset of one more, of all that is watched: what lies outside needs no other look. Its `low` is so much lower that it is for all lengths. */
export const watchAll = watchEntries * watchEntryBytes;
export const longestAccess = 8;
export const watchTableWords = (watchAll + watchEntryBytes) / 4;

/** Bytes that are watched, and for what. */
export interface Watched {
  readonly address: number;
  readonly length: number;
  readonly reads: boolean;
  readonly writes: boolean;
}

const pageShift = 12;

/** Makes the table say what is watched from now on. Others may read it meanwhile: what stays watched is seen all the time. */
export function fillWatchTable(table: Int32Array, all: readonly Watched[]): void {
  const made = new Uint32Array(watchTableWords);
  const widen = (at: number, from: number, to: number): void => {
    const isEmpty = made[at + 1] === 0;
    made[at] = isEmpty ? from : Math.min(made[at]!, from);
    made[at + 1] = Math.max(made[at + 1]!, to);
  };
  const widenBoth = (at: number, bounds: { readonly low: number }, from: number, to: number): void => {
    widen(at + bounds.low / 4, from, to);
    widen((watchAll + bounds.low) / 4, Math.max(from - longestAccess + 1, 0), to);
  };
  for (const { address, length, reads, writes } of all) {
    const last = Math.floor((address + length - 1) / 2 ** pageShift);
    for (let page = address >>> pageShift, first = page; page <= last; page++) {
      // Each entry has its first page, and the last has it widened over those between.
      if (page === first + watchEntries) page = Math.max(page, last - watchEntries + 1);
      const at = ((page & (watchEntries - 1)) * watchEntryBytes) / 4;
      const from = Math.max(address, page * 2 ** pageShift);
      const to = Math.min(address + length, (page + 1) * 2 ** pageShift);
      if (reads) widenBoth(at, watchBounds.read, from, to);
      // An atomic operation, which is looked up as a write, reads too.
      if (reads || writes) widenBoth(at, watchBounds.write, from, to);
    }
  }
  table.set(new Int32Array(made.buffer));
}
