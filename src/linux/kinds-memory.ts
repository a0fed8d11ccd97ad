// Kinds of arguments of the calls about memory.
import { Advice, LockAllFlag, SyncFlag } from "../memory/advice.ts";
import { MapFlag } from "../memory/map.ts";
import { RemapFlag } from "../memory/remap.ts";
import { flagSet, flags, oneOf } from "./kinds.ts";
import type { Kind } from "./row.ts";

const prefixed = (prefix: string, names: Readonly<Record<string, number>>): Readonly<Record<string, number>> =>
  Object.fromEntries(Object.entries(names).map(([name, n]) => [prefix + name, n]));

const showProt = flagSet(
  prefixed("PROT_", { READ: 1, WRITE: 2, EXEC: 4, SEM: 8, GROWSDOWN: 0x01000000, GROWSUP: 0x02000000 }),
);

export const prot: Kind<number> = {
  load: (_t, lo) => lo | 0,
  show: (_t, lo) => (lo === 0 ? "PROT_NONE" : showProt(lo)),
};
export const mapFlags = flags(prefixed("MAP_", MapFlag));
export const remapFlags = flags(prefixed("MREMAP_", RemapFlag));
export const advice = oneOf(Advice, "MADV_");
export const syncFlags = flags(prefixed("MS_", SyncFlag));
export const lockAllFlags = flags(prefixed("MCL_", LockAllFlag));
export const lockFlags = flags({ MLOCK_ONFAULT: 1 });
export const memoryPolicy = oneOf(
  { DEFAULT: 0, PREFERRED: 1, BIND: 2, INTERLEAVE: 3, LOCAL: 4, PREFERRED_MANY: 5, WEIGHTED_INTERLEAVE: 6 },
  "MPOL_",
);
export const policyFlags = flags(prefixed("MPOL_MF_", { STRICT: 1, MOVE: 2, MOVE_ALL: 4 }));
export const policyQuery = flags(prefixed("MPOL_F_", { NODE: 1, ADDR: 2, MEMS_ALLOWED: 4 }));

export const Barrier = {
  QUERY: 0,
  GLOBAL: 1,
  GLOBAL_EXPEDITED: 2,
  REGISTER_GLOBAL_EXPEDITED: 4,
  PRIVATE_EXPEDITED: 8,
  REGISTER_PRIVATE_EXPEDITED: 16,
  PRIVATE_EXPEDITED_RSEQ: 128,
  REGISTER_PRIVATE_EXPEDITED_RSEQ: 256,
} as const;
export const barrier = oneOf(Barrier, "MEMBARRIER_CMD_");
