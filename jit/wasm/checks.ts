// Addresses of guest memory, checked. A function remembers, for each base register, the extent that it last met: a run of
// pages that allow such an access. While accesses stay in it they cost a subtraction and a comparison, which also
// refuses all that is not an address below 4 GiB. Others ask a helper, which reads the page table.
// Measured (user time over unchecked code; list, matrix product, table-driven CRC, sieve, shell sort): this 1.2 1.6 1.2 1.4
// 1.6; the number of the last page instead of an extent 1.1 2.2 1.0 1.4 1.7; a look at the page table each time 1.6 2.8 1.1
// 1.4 1.5. What a second memory costs against the first could not be seen.
import type { Field, Node } from "../../src/isa/vocabulary.ts";
import { call, end, get, i32, i64, openIf, put, set, tee, temp } from "./code.ts";
import { I32, I64 } from "./encoder.ts";
import type { Kind, Site } from "./site.ts";

/** Programs use it for nothing else, and it stays in one extent, which allows reads and writes. */
const stackPointer = 2;

/** The register that an address is a distance from, 0 for none. */
function baseOf(s: Site, n: Node): number {
  const at = n.op === "i64.add" ? n.args[0]! : n;
  return at.op === "x" ? s.at.fields[at.field as Field] : 0;
}

/** Pushes the address as an i32 after checking an access of 2**`size` bytes there; leaves where it must not happen. */
export function address(s: Site, n: Node, size: 0 | 1 | 2 | 3, access: "read" | "write"): void {
  const c = s.code;
  const at = temp(c, I64);
  const base = baseOf(s, n);
  const kind: Kind = base === stackPointer ? "stack" : access;
  const { low, length } = s.extent(base, kind);
  s.push(n);
  tee(c, at);
  get(c, low);
  put(c, 0x7d);
  get(c, length);
  put(c, 0x5a);
  openIf(c, false);
  get(c, at);
  i64(c, 2 ** size - 1);
  call(c, s.helper(kind));
  put(c, 0x45);
  openIf(c, false);
  s.leave();
  end(c);
  set(c, length);
  set(c, low);
  end(c);
  get(c, at);
  put(c, 0xa7);
}

/** As `address`, into a local, for an atomic access: an unaligned one is the interpreter's, which makes it a trap. */
export function alignedAddress(s: Site, n: Node, size: 2 | 3, kind: "read" | "write"): number {
  const c = s.code;
  const at = temp(c, I32);
  s.push(n);
  put(c, 0xa7);
  i32(c, 2 ** size - 1);
  put(c, 0x71);
  openIf(c, false);
  s.leave();
  end(c);
  address(s, n, size, kind);
  set(c, at);
  return at;
}
