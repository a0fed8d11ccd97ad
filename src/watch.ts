// Watches a guest for the library: counts and times its system calls, logs what they do to the memory map, logs code.
import { monotonic } from "./host/clock.ts";
import { lengthOf } from "./isa/riscv/decode.ts";
import { listingHead, listingLine } from "./isa/riscv/disassemble.ts";
import type { CallWatcher } from "./linux/dispatch.ts";
import type { AddressSpace } from "./memory/address-space.ts";
import { mapsText } from "./memory/maps.ts";

/** How often a system call was made, failed, and how many seconds it took. */
export interface CallFigures {
  readonly count: number;
  readonly errors: number;
  readonly seconds: number;
}

/** Counts calls by name into `figures`. Serves one thread. */
export function countCalls(figures: Record<string, CallFigures>): CallWatcher {
  let begun = 0;
  return {
    enter: () => {
      begun = monotonic();
    },
    leave: (_t, row, nr, _raw, result) => {
      const name = row?.name ?? `syscall_${nr}`;
      const { count, errors, seconds } = figures[name] ?? { count: 0, errors: 0, seconds: 0 };
      figures[name] = {
        count: count + 1,
        errors: errors + (result < 0 ? 1 : 0),
        seconds: seconds + (monotonic() - begun) / 1e9,
      };
    },
  };
}

const changesMap: ReadonlySet<string> = new Set(["brk", "mmap", "munmap", "mremap", "mprotect", "shmat", "shmdt"]);

/** Writes the memory map of a process, and again after each system call that changed it. */
export function logMaps(write: (text: string) => void, space: AddressSpace): CallWatcher {
  let shown = mapsText(space).trimEnd();
  write(`page map:\n${shown}`);
  return {
    enter: () => {},
    leave: (t, row, _nr, _raw, result) => {
      if (row === undefined || result < 0 || !changesMap.has(row.name)) return;
      const now = mapsText(t.process.space).trimEnd();
      if (now !== shown) write(`page map after ${row.name}:\n${now}`);
      shown = now;
    },
  };
}

/**
 * Writes instructions as they are decoded, in objdump's form, with a heading where they do not follow the one before.
 * `symbolize` names addresses.
 */
export function logCode(write: (line: string) => void, symbolize: (address: number) => string | undefined) {
  let next = -1;
  return (pc: number, bits: number): void => {
    if (pc !== next) write(`\n${listingHead(pc, symbolize(pc) ?? "?")}`);
    write(listingLine(bits, pc, { aliases: true, symbolize }));
    next = pc + lengthOf(bits);
  };
}

/** One watcher that does what all do; undefined where there are none. */
export function together(watchers: readonly CallWatcher[]): CallWatcher | undefined {
  if (watchers.length < 2) return watchers[0];
  return {
    enter: (...of) => {
      for (const w of watchers) w.enter(...of);
    },
    leave: (...of) => {
      for (const w of watchers) w.leave(...of);
    },
  };
}
