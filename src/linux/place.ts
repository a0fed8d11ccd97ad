// Where a thread is, and what it is to attend to: two words of its record, by which others reach it. Who wants a thread sets
// a bit of `pending` first and looks at `place` then; the thread says where it is going first and looks at `pending` then.
import { kick, timerBit } from "../host/interrupt.ts";
import { TaskField, type TaskRecord } from "./tasks.ts";

/** Values of the word `place`. From `host` on a thread does not look at `pending` by itself. */
export const Place = {
  /** It runs guest code, or is in the kernel: it looks at `pending` soon. */
  guest: 0,
  kernel: 1,
  /** In a host call that a kick ends, or about to make it. */
  host: 2,
  stopped: 3,
} as const;

/** Bits of the word `pending`. */
export const Pending = {
  ...{ signal: 1, exit: 2, stop: 4 },
  /** Others have written to code in its memory. */
  space: 8,
  trace: 16,
  timer: timerBit,
  inbox: 64,
  /** Its tracer, another guest, wants something of it: ptrace.ts. */
  ptrace: 128,
  /** The thread in whose place it runs is to end: exit.ts. */
  maker: 256,
} as const;

/**
 * Has a thread attend to that: a bit of `Pending`. Ends the host call that it is in. One that is about to sleep on its wake
 * word whatever it is wanted for (park.ts), and so would miss the kick, finds its count changed.
 */
export function wake({ i32 }: TaskRecord, bit: number): void {
  Atomics.or(i32, TaskField.pending, bit);
  Atomics.add(i32, TaskField.wake, 1);
  if (Atomics.load(i32, TaskField.place) >= Place.host) kick(i32[TaskField.hostTid]!);
}

/** What a thread is to attend to. */
export const pendingBits = ({ i32 }: TaskRecord): number => Atomics.load(i32, TaskField.pending);

/** Takes note of some of that. Answers those of the bits that were set. */
export const clearPending = ({ i32 }: TaskRecord, bits: number): number =>
  Atomics.and(i32, TaskField.pending, ~bits) & bits;
