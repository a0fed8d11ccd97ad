// rseq: what is asked of ../rseq.ts.
import { errno } from "../errno.ts";
import { int, pointer, uint } from "../kinds.ts";
import { type CallRow, call } from "../row.ts";
import { register, unregister } from "../rseq.ts";
import type { Task } from "../task.ts";

const UNREGISTER = 1;

function rseq(t: Task, address: number, length: number, flags: number, signature: number): number {
  if (flags === UNREGISTER) return unregister(t, address, length, signature | 0);
  return flags === 0 ? register(t, address, length, signature | 0) : -errno.EINVAL;
}

export const rseqCalls: readonly CallRow[] = [call(293, "rseq", [pointer, uint, int, uint], "none", "quick", rseq)];
