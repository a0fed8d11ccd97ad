// Huge pages of the host behind guest memory that is large: programs that go through megabytes take a tenth less time with
// them. Small mappings keep the host's small pages, of which no more is there than the guest has touched; so do stacks,
// and what is mapped without reserve, which nobody means to fill.
import type { AddressSpace } from "./address-space.ts";
import { advise } from "./backing.ts";
import { pageSize } from "./guest-memory.ts";
import { Head } from "./vmas.ts";

/** Of a huge one, in guest pages. */
const hugePages = 512;
/** Pages from which on a mapping is large; and the heap, as a huge page may be there that begins in it and ends beyond. */
export const large = { mapping: 1024, heap: 2048 } as const;
/** Pages of the largest mapping that is taken for one to be filled: of a larger one a program may touch a page here and there, and a fork copies all that is there. */
const mostFilled = 65536;

const MADV_HUGEPAGE = 14;

/** For a mapping of private anonymous memory: for all of it, as the host moves only what is alike at once. */
export function preferHuge({ memory }: AddressSpace, start: number, end: number): void {
  const pages = end - start;
  if (pages >= large.mapping && pages <= mostFilled) advise(memory, start, end, MADV_HUGEPAGE);
}

/** For the heap, which is about to end at page `to`: up to the end of the huge page that lies there, as a heap grows by less than one. */
export function preferHugeHeap({ memory, head }: AddressSpace, to: number): void {
  const [first, now] = [head[Head.brkStart]! / pageSize, Math.ceil(head[Head.brk]! / pageSize)];
  if (to - first < large.heap) return;
  const skew = (memory.hostBase / pageSize) % hugePages;
  const endOf = (page: number): number => Math.ceil((page + skew) / hugePages) * hugePages - skew;
  const isLarge = now - first >= large.heap;
  if (isLarge && endOf(now) === endOf(to)) return;
  const start = isLarge ? Math.max(first, endOf(now) - hugePages) : first;
  advise(memory, start, endOf(to), MADV_HUGEPAGE);
}
