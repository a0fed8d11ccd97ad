// mremap on an address space, by the rules of Linux's mm/mremap.c. As in map.ts, a failure has changed nothing.
import { constants } from "node:os";
import {
  type AddressSpace,
  findFree,
  guarded,
  isFree,
  markBus,
  minAddress,
  PROT_WRITE,
  pageBits,
  paintPages,
  reachTo,
  taskSize,
} from "./address-space.ts";
import { isLifted, liftMapped, moveAnonymous, place, putBack } from "./backing.ts";
import { Page, pageSize, restorePages } from "./guest-memory.ts";
import { preferHuge } from "./huge.ts";
import { doUnmap, isData, mayLock, release, roomFor, takeRights } from "./map.ts";
import { commit, cut, edit, maxMapCount, type Vma, VmaFlag, vmaCount, vmaOf } from "./vmas.ts";

const { EAGAIN, EFAULT, EINVAL, ENOMEM, EPERM } = constants.errno;

export const RemapFlag = { MAYMOVE: 1, FIXED: 2, DONTUNMAP: 4 } as const;

/** mremap. Answers the address. */
export const remap = guarded(doRemap);

function doRemap(
  space: AddressSpace,
  addr: number,
  oldLength: number,
  newLength: number,
  flags: number,
  newAddr: number,
): number {
  const mayMove = (flags & RemapFlag.MAYMOVE) !== 0;
  const fixed = (flags & RemapFlag.FIXED) !== 0;
  const keep = (flags & RemapFlag.DONTUNMAP) !== 0;
  if ((flags & ~(RemapFlag.MAYMOVE | RemapFlag.FIXED | RemapFlag.DONTUNMAP)) !== 0) return -EINVAL;
  if ((fixed || keep) && !mayMove) return -EINVAL;
  if (keep && oldLength !== newLength) return -EINVAL;
  if (addr % pageSize !== 0 || newLength === 0) return -EINVAL;
  const page = addr / pageSize;
  const gone = Math.ceil(oldLength / pageSize);
  const n = Math.ceil(newLength / pageSize);
  const v = addr < taskSize ? vmaOf(space, page) : undefined;
  if (v === undefined) return -EFAULT;

  if (fixed) {
    if (newAddr % pageSize !== 0 || n * pageSize > taskSize || newAddr > taskSize - n * pageSize) return -EINVAL;
    if (newAddr < minAddress) return -EPERM;
    const to = newAddr / pageSize;
    if (page + gone > to && to + n > page) return -EINVAL;
  } else if (!keep && gone >= n) {
    const error = gone === n ? 0 : doUnmap(space, page + n, Math.min(page + gone, taskSize / pageSize));
    return error < 0 ? error : addr;
  }

  const count = Math.min(gone, n);
  if (gone === 0 && (v.flags & VmaFlag.shared) === 0) return -EINVAL;
  if (count > v.end - page) return -EFAULT;
  const added = keep ? n : n - count;
  if ((v.flags & VmaFlag.locked) !== 0 && !mayLock(space, added)) return -EAGAIN;
  const replaced = fixed ? cut(space, newAddr / pageSize, newAddr / pageSize + n).inside : [];
  const room = roomFor(space, added, replaced, isData(v.prot, v.flags));
  if (room < 0) return room;

  const { end } = v;
  if (!fixed && !keep && count > 0 && page + count === end && page + n <= taskSize / pageSize)
    if (isFree(space, end, page + n)) return move(space, { v, page, count, gone: 0, to: page, n, replaced });
  if (!mayMove || vmaCount(space) + 4 > maxMapCount) return -ENOMEM;
  const hint = newAddr >= minAddress && newAddr < taskSize ? Math.floor(newAddr / pageSize) : 0;
  const to = fixed ? newAddr / pageSize : findFree(space, keep ? hint : 0, n);
  if (to === undefined) return -ENOMEM;
  return move(space, { v, page, count, gone: keep ? 0 : gone, to, n, replaced });
}

/** `count` pages from `page` on, part of mapping `v`, become `n` pages at `to`, in place of what is there. */
interface Move {
  readonly v: Vma;
  readonly page: number;
  readonly count: number;
  /** How many pages are unmapped at `page` afterwards. */
  readonly gone: number;
  readonly to: number;
  readonly n: number;
  readonly replaced: readonly Vma[];
}

function move(space: AddressSpace, { v, page, count, gone, to, n, replaced }: Move): number {
  const m = space.memory;
  if (!reachTo(space, to + n)) return -ENOMEM;
  // Anonymous pages that stay where they are keep their rights: nothing happens to them.
  const stays = to === page && (v.flags & VmaFlag.hosted) === 0;
  const bytesBefore = stays ? new Uint8Array() : takeRights(space, page, page + count);
  const destBefore = to === page ? new Uint8Array() : takeRights(space, to, to + n);
  if (v.flags & VmaFlag.hosted) {
    const error = moveHosted(space, v, page, count, to, n);
    if (error < 0) {
      restorePages(m, page, bytesBefore);
      restorePages(m, to, destBefore);
      return error;
    }
  } else if (to !== page) {
    release(space, replaced);
    moveAnonymous(m, page, to, count);
  }
  const offset = v.file === 0 ? 0 : v.offset + (page - v.start);
  commit(space, edit(space, cut(space, to, to + n), [{ ...v, start: to, end: to + n, offset }]));
  // What is to be unmapped gets no rights again: nobody shall see it empty.
  if (to !== page && gone === 0) restorePages(m, page, bytesBefore);
  if (gone > 0) doUnmap(space, page, page + gone);

  // How far the file, or the shared memory, reaches is asked when a page is first touched.
  if (v.flags & VmaFlag.hosted) {
    markBus(space, to + count, to + n);
    bytesBefore.forEach((byte, i) => {
      if (byte & Page.bus) markBus(space, to + i, to + i + 1);
    });
  } else if (isFilled(v)) preferHuge(space, to, to + n);
  paintPages(space, to, to + n, pageBits(v.prot));
  return to * pageSize;
}

/** Whether it is memory of the guest's own that it means to fill. */
const isFilled = ({ prot, flags }: Vma): boolean =>
  (prot & PROT_WRITE) !== 0 && (flags & (VmaFlag.growsDown | VmaFlag.noReserve | VmaFlag.noHuge)) === 0;

function moveHosted(space: AddressSpace, v: Vma, page: number, count: number, to: number, n: number): number {
  const m = space.memory;
  // A second view of a mapping that is private on the host moves pages that nobody has written: the first finds them again.
  const from = count > 0 ? count : Math.min(n, v.end - page);
  const lifted = liftMapped(m, page, from, n, (v.flags & VmaFlag.hostShared) !== 0);
  if (!isLifted(lifted)) return lifted;
  const error = place(m, lifted, to);
  if (error < 0) putBack(m, lifted, page, from);
  return error;
}
