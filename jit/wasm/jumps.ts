// Indirect jumps, their target in a local: told apart from others that are known, looked up, recorded to be known.
import { access, brIf, type Code, end, get, i32, i64, memory, op, open, put, set, temp } from "./code.ts";
import * as encoder from "./encoder.ts";
import { I32, I64 } from "./encoder.ts";
import { hashMask, hashOffset, jumpsKept, jumpsOffset, stubSlot } from "./links.ts";

/** Targets that are compared one by one. */
const fewTargets = 3;

/**
 * Emits `way(i)`, which must not come to its end, for where the address in a local is `targets[i]`. What follows is for any
 * other. Many targets are told apart by a hash, which is then checked.
 */
export function tellApart(c: Code, pc: number, targets: readonly number[], way: (i: number) => void): void {
  if (targets.length <= fewTargets) {
    for (const [i, target] of targets.entries()) {
      get(c, pc);
      i32(c, target);
      put(c, 0x46); // i32.eq
      open(c, op.if);
      way(i);
      end(c);
    }
    return;
  }
  const { factor, bits, table } = perfectHash(targets);
  const other = c.depth;
  for (let i = 0; i <= targets.length; i++) open(c, op.block);
  get(c, pc);
  i32(c, factor);
  put(c, 0x6c); // i32.mul
  i32(c, 32 - bits);
  put(c, 0x76); // i32.shr_u
  // The first way's block is the innermost.
  put(c, op.brTable);
  encoder.unsigned(c.out, table.length);
  for (const i of table) encoder.unsigned(c.out, i ?? targets.length);
  encoder.unsigned(c.out, targets.length);
  for (const [i, target] of targets.entries()) {
    end(c);
    get(c, pc);
    i32(c, target);
    put(c, 0x47); // i32.ne
    brIf(c, other, false);
    way(i);
  }
  end(c);
}

/** Factors that are tried for a hash of so many bits. */
const tries = 500;

/**
 * A hash, (address * factor) >>> (32 - bits), that is another one for each of some addresses. `table`: which address has
 * which hash.
 */
export function perfectHash(addresses: readonly number[]) {
  let factor = 0x9e3779b1;
  for (let bits = Math.ceil(Math.log2(addresses.length)) + 1; ; bits++)
    for (let i = 0; i < tries; i++) {
      const table = new Array<number | undefined>(2 ** bits).fill(undefined);
      const fits = addresses.every((pc, i) => {
        const at = Math.imul(pc, factor) >>> (32 - bits);
        const free = table[at] === undefined;
        table[at] = i;
        return free;
      });
      if (fits) return { factor, bits, table };
      factor = Math.imul(factor, 0x915f77f5) | 1;
    }
}

/** Sets the local `slot` to that of the region at the address in the local `pc`. */
export function lookUp(c: Code, pc: number, slot: number): void {
  const entry = temp(c, I64);
  get(c, pc);
  get(c, pc);
  i32(c, 12);
  put(c, 0x76, 0x73); // i32.shr_u, i32.xor
  i32(c, hashMask);
  put(c, 0x71);
  i32(c, 2);
  put(c, 0x74);
  access(c, 0x29, memory.hart, hashOffset);
  set(c, entry);
  get(c, entry);
  i64(c, 32);
  put(c, 0x88, 0xa7);
  i32(c, stubSlot);
  get(c, entry);
  put(c, 0xa7);
  get(c, pc);
  put(c, 0x46, op.select);
  set(c, slot);
}

/** Adds the jump at `site`, to the address in the local `pc`, to those that the hart's memory lists; see links.ts. */
export function recordJump(c: Code, entry: number, site: number, pc: number): void {
  const count = temp(c, I32);
  const at = temp(c, I32);
  const word = (offset: number, push: () => void): void => {
    get(c, at);
    push();
    access(c, 0x36, memory.hart, jumpsOffset + offset, 2);
  };
  i32(c, 0);
  access(c, 0x28, memory.hart, jumpsOffset, 2);
  set(c, count);
  get(c, count);
  i32(c, jumpsKept - 1);
  put(c, 0x71);
  i32(c, 4);
  put(c, 0x74);
  set(c, at);
  word(16, () => i32(c, entry));
  word(20, () => i32(c, site));
  word(24, () => get(c, pc));
  i32(c, 0);
  get(c, count);
  i32(c, 1);
  put(c, 0x6a);
  access(c, 0x36, memory.hart, jumpsOffset, 2);
}
