// Resource limits of a guest process, in shared memory. They begin as the emulator's own and are the guest's alone from
// then on: the host's limits are never changed, each part of the personality asks here.
import { addressOf, host } from "../host/syscall.ts";
import { maxFds } from "./fds.ts";
import { maxQueued } from "./signal-queue.ts";

/** Numbers of the asm-generic ABI. */
export const Resource = {
  CPU: 0,
  FSIZE: 1,
  DATA: 2,
  STACK: 3,
  CORE: 4,
  RSS: 5,
  NPROC: 6,
  NOFILE: 7,
  MEMLOCK: 8,
  AS: 9,
  LOCKS: 10,
  SIGPENDING: 11,
  MSGQUEUE: 12,
  NICE: 13,
  RTPRIO: 14,
  RTTIME: 15,
} as const;
export type Resource = (typeof Resource)[keyof typeof Resource];
export const resourceCount = 16;

const two32 = 2 ** 32;
const infinity = 2 ** 64;

/** Four words a resource, as `struct rlimit64` has them: soft limit low, high; hard limit low, high. */
export interface Limits {
  readonly words: Uint32Array;
}

/**
 * Makes them the limits that the emulator runs under. Descriptors and queued signals are bounded by the tables that hold them;
 * the soft limit on descriptors is Linux's usual one, because the engine raises its own at start.
 */
export function inheritLimits(limits: Limits): void {
  const pair = new Uint32Array(4);
  for (let r = 0; r < resourceCount; r++) {
    if (host("prlimit64", 0, r, 0, addressOf(pair)) < 0) pair.fill(0xffffffff);
    limits.words.set(pair, r * 4);
  }
  raiseFds(limits);
  const hardFds = Math.min(hardLimitOf(limits, Resource.NOFILE), maxFds);
  setLimit(limits, Resource.NOFILE, Math.min(hardFds, 1024), hardFds);
  const signals = Math.min(hardLimitOf(limits, Resource.SIGPENDING), maxQueued);
  setLimit(limits, Resource.SIGPENDING, signals, signals);
}

/** The descriptors of all guests are the emulator's: it may have as many as there can be. The engine does that on some hosts. */
function raiseFds({ words }: Limits): void {
  const at = Resource.NOFILE * 4;
  const pair = words.slice(at, at + 4);
  pair.copyWithin(0, 2);
  host("prlimit64", 0, Resource.NOFILE, addressOf(pair));
}

const numberAt = (l: Limits, word: number): number => {
  const value = l.words[word + 1]! * two32 + l.words[word]!;
  return value >= infinity ? Number.POSITIVE_INFINITY : value;
};

/** The soft limit; Infinity where there is none. */
export const limitOf = (l: Limits, r: Resource): number => numberAt(l, r * 4);
/** The hard limit; Infinity where there is none. */
export const hardLimitOf = (l: Limits, r: Resource): number => numberAt(l, r * 4 + 2);

/** Sets both limits; Infinity for none. Whether the guest may is for the caller to decide. */
export function setLimit(l: Limits, r: Resource, soft: number, hard: number): void {
  [soft, hard].forEach((value, i) => {
    const none = value >= infinity;
    l.words[r * 4 + i * 2] = none ? 0xffffffff : value % two32;
    l.words[r * 4 + i * 2 + 1] = none ? 0xffffffff : Math.floor(value / two32);
  });
}
