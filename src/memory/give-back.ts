// The end of an address space that nobody uses any more, but whose memory cannot go as a whole: the main thread's.
import type { AddressSpace } from "./address-space.ts";
import { anonymous, discard } from "./backing.ts";
import { refresh } from "./guest-memory.ts";
import { VmaFlag, vmaAt, vmaCount } from "./vmas.ts";

/** Gives the host back what the pages hold. The list of mappings stays, as what was mapped where. */
export function giveBackPages(space: AddressSpace): void {
  const { memory } = space;
  refresh(memory);
  for (let i = 0; i < vmaCount(space); i++) {
    const { start, end, flags } = vmaAt(space, i);
    if (flags & VmaFlag.hostShared) anonymous(memory, start, end);
    else discard(memory, start, end);
  }
}
