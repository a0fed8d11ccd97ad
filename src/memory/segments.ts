// System V shared memory in an address space, by the rules of Linux's ipc/shm.c. Segments are the host's; one that is attached
// is a shared mapping like others, so unmapping, fork and exec do with it, and with its count of attachments, as they should.
import { constants } from "node:os";
import { newScratch } from "../host/scratch.ts";
import { host } from "../host/syscall.ts";
import { type AddressSpace, guarded, PROT_EXEC, PROT_READ, PROT_WRITE } from "./address-space.ts";
import { isLifted, liftSegment } from "./backing.ts";
import { pageSize } from "./guest-memory.ts";
import { type Backing, doUnmap, hostedCount, MapFlag, map, maxHosted } from "./map.ts";
import { fileAt, indexFrom, internFile, type Vma, VmaFlag, vmaAt, vmaCount } from "./vmas.ts";

const { EEXIST, EINVAL, ENOMEM } = constants.errno;

/** Flags of shmat. */
export const Attach = { RDONLY: 0o10000, RND: 0o20000, REMAP: 0o40000, EXEC: 0o100000 } as const;

const IPC_STAT = 2;
const struct = newScratch(112);

interface Segment {
  /** In bytes. */
  readonly size: number;
  readonly key: number;
}

/** The segment of that id, which one may read; or -errno. */
function segmentOf(id: number): Segment | number {
  const result = host("shmctl", id, IPC_STAT, struct.address);
  return result < 0 ? result : { key: struct.u32[0]!, size: struct.u32[13]! * 2 ** 32 + struct.u32[12]! };
}

/**
 * shmat: lays a segment over the pages from `addr` on, or where there is room for address 0. Answers the address. Who may only
 * read a segment gets EACCES even so: all that the host has behind guest pages can be written.
 */
export function attachSegment(space: AddressSpace, id: number, addr: number, flags: number): number {
  const rounds = addr % pageSize !== 0 && (flags & Attach.RND) !== 0;
  const at = rounds ? Math.floor(addr / pageSize) * pageSize : addr;
  const replaces = (flags & Attach.REMAP) !== 0;
  if (id < 0 || at % pageSize !== 0 || (replaces && at === 0)) return -EINVAL;
  const segment = segmentOf(id);
  if (typeof segment === "number") return segment;
  const readOnly = (flags & Attach.RDONLY) !== 0;
  const prot = PROT_READ | (readOnly ? 0 : PROT_WRITE) | ((flags & Attach.EXEC) !== 0 ? PROT_EXEC : 0);
  const fixed = addr === 0 ? 0 : replaces ? MapFlag.FIXED : MapFlag.FIXED_NOREPLACE;
  const result = map(space, at, segment.size, prot, MapFlag.SHARED | MapFlag.ANONYMOUS | fixed, {
    fd: -1,
    offset: 0,
    name: "",
    backing: (s, n) => backingOf(s, id, segment, n, readOnly ? VmaFlag.neverWrite : 0),
  });
  return result === -EEXIST ? -EINVAL : result;
}

function backingOf(space: AddressSpace, id: number, { key }: Segment, n: number, flags: number): Backing | number {
  if (hostedCount(space) >= maxHosted) return -ENOMEM;
  const name = `/SYSV${key.toString(16).padStart(8, "0")} (deleted)`;
  const file = internFile(space, { major: 0, minor: 1, inoLow: id, inoHigh: 0, name });
  const lifted = file === 0 ? -ENOMEM : liftSegment(id, n);
  if (!isLifted(lifted)) return lifted;
  return { lifted, flags: VmaFlag.hosted | VmaFlag.hostShared | VmaFlag.segment | flags, file, pages: n };
}

const isSegment = (v: Vma): boolean => (v.flags & VmaFlag.segment) !== 0;
/** The id of the segment that a mapping shows. */
const idOf = (space: AddressSpace, v: Vma): number => fileAt(space, v.file).inoLow;

/**
 * shmdt: unmaps what is left of the segment that was attached at `addr`, wherever parts of it were unmapped. Answers its id,
 * or -EINVAL.
 */
export const detachSegment = guarded((space, addr: number): number => {
  const page = addr / pageSize;
  if (!Number.isInteger(page)) return -EINVAL;
  const belongs = (v: Vma): boolean => isSegment(v) && v.start - page === v.offset;
  let id = -EINVAL;
  let end = Number.POSITIVE_INFINITY;
  for (let i = indexFrom(space, page); i < vmaCount(space); ) {
    const v = vmaAt(space, i);
    if (v.end > end) break;
    const own = belongs(v) && (id < 0 || idOf(space, v) === id);
    if (own && id < 0) {
      id = idOf(space, v);
      const segment = segmentOf(id);
      if (typeof segment !== "number") end = page + Math.ceil(segment.size / pageSize);
    }
    // What was behind it has its index then.
    if (own) doUnmap(space, v.start, v.end);
    else i++;
  }
  return id;
});

/** Unmaps all segments. Answers their ids. */
export const detachAll = guarded((space): readonly number[] => {
  const ids = new Set<number>();
  for (let i = 0; i < vmaCount(space); ) {
    const v = vmaAt(space, i);
    if (isSegment(v)) {
      ids.add(idOf(space, v));
      doUnmap(space, v.start, v.end);
    } else i++;
  }
  return [...ids];
});
