// Address spaces for tests, and words for what is in them.
import { constants } from "node:os";
import { type AddressSpace, newAddressSpace } from "../../src/memory/address-space.ts";
import { newGuestMemory, Page, pageSize } from "../../src/memory/guest-memory.ts";
import { MapFlag } from "../../src/memory/map.ts";
import { mapsText } from "../../src/memory/maps.ts";

export const { EACCES, EAGAIN, EBADF, EBUSY, EEXIST, EFAULT, EINVAL, ENODEV, ENOMEM, EOVERFLOW, EPERM } =
  constants.errno;
export const [R, W, X] = [1, 2, 4];
export const RW = R | W;
export const anon = MapFlag.PRIVATE | MapFlag.ANONYMOUS;
export const fixed = anon | MapFlag.FIXED;
/** Where the area of mmap begins in the usual layout. */
export const base = 0x1000_0000;
export const K = pageSize;

export const newSpace = (): AddressSpace => newAddressSpace(newGuestMemory(320 * 2 ** 20));

/** `start-end prot` of each line of maps, with addresses in pages from `base`. */
export const listed = (space: AddressSpace): string[] =>
  mapsText(space)
    .split("\n")
    .slice(0, -1)
    .map((line) => {
      const [range, prot] = line.split(" ");
      const [start, end] = range!.split("-").map((x) => (Number.parseInt(x, 16) - base) / pageSize);
      return `${start}-${end} ${prot}`;
    });

/** The page-table byte of an address as text: r, w, x, b for SIGBUS. */
export function rights(space: AddressSpace, addr: number): string {
  const byte = space.memory.pages[addr / pageSize]!;
  const bits = { r: Page.read, w: Page.write, x: Page.exec, b: Page.bus };
  return Object.entries(bits)
    .filter(([, bit]) => byte & bit)
    .map(([letter]) => letter)
    .join("");
}

/** All that an operation may change: the list, the page table, the sizes. */
export function stateOf(space: AddressSpace): string {
  const pages = Bun.hash(space.memory.pages);
  return `${mapsText(space)}${pages} ${space.head.slice(0, 3)} ${space.head.slice(6, 14)}`;
}
