// Which loads and stores of a block are checked together: those through one register that does not change between them.
// The first of them asks for the pages that all of them touch; since a block runs to its end or faults, nothing is lost
// where that is refused and the interpreter goes on.
import { pageRefuses } from "../../src/cpu/lowering.ts";
import type { Block, Instruction } from "../region.ts";
import { factsOf, writtenBy } from "../rows.ts";

export interface Access {
  readonly kind: "load" | "store";
  readonly bytes: number;
  readonly base: number;
  readonly offset: number;
}

/** The load or store that an instruction makes at a register plus an offset, x0 apart. */
export function accessOf(at: Instruction): Access | undefined {
  const { access } = factsOf(at);
  const base = access?.moved ? at.fields[access.base] : 0;
  if (access === undefined || base === 0) return undefined;
  return { kind: access.kind === "read" ? "load" : "store", bytes: access.size, base, offset: at.fields.imm };
}

/** Accesses that are checked at once. */
export interface Group {
  readonly base: number;
  kind: Access["kind"] | "both";
  /** Of the lowest byte and the last one. */
  first: number;
  last: number;
  /** The largest access: all lie where this one's alignment is enough. */
  bytes: number;
  count: number;
}

/** By the instruction's index in the block: its group, and whether it is the group's first. */
export type Guards = ReadonlyMap<number, { readonly group: Group; readonly leads: boolean }>;

export function guardsOf(b: Block): Guards {
  const guards = new Map<number, { group: Group; leads: boolean }>();
  const open = new Map<number, Group>();
  b.code.forEach((instruction, i) => {
    const access = accessOf(instruction);
    if (access !== undefined && access.offset % access.bytes === 0) {
      const { base, kind, offset, bytes } = access;
      const last = offset + bytes - 1;
      let group = open.get(base);
      const leads = group === undefined;
      if (group === undefined) open.set(base, (group = { base, kind, first: offset, last, bytes, count: 0 }));
      if (group.kind !== kind) group.kind = "both";
      group.first = Math.min(group.first, offset);
      group.last = Math.max(group.last, last);
      group.bytes = Math.max(group.bytes, bytes);
      group.count++;
      guards.set(i, { group, leads });
    }
    for (const r of writtenBy(instruction)) open.delete(r);
  });
  return guards;
}

/** The condition, a number that is not 0, under which a group's accesses may not all be done. `lo`, `hi`: its base. */
export function refuses({ kind, first, last, bytes }: Group, lo: string, hi: string): string {
  const at = (offset: number): string => (offset === 0 ? lo : `(${lo}+${offset}|0)`);
  return [
    ...(hi === "0" ? [] : [hi]),
    pageRefuses(at(first), kind),
    ...(last - first < bytes ? [] : [pageRefuses(at(last), kind)]),
    ...(bytes === 1 ? [] : [`(${lo}&${bytes - 1})`]),
  ].join("|");
}

/** Registers that the block certainly makes an access through with the value that they have at its beginning. */
export function basesOf(b: Block): number[] {
  const found = new Set<number>();
  const written = new Set<number>();
  for (const instruction of b.code) {
    const base = accessOf(instruction)?.base;
    if (base !== undefined && !written.has(base)) found.add(base);
    for (const r of writtenBy(instruction)) written.add(r);
  }
  return [...found];
}
