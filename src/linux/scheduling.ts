// The scheduling of guest threads: CPUs, policy, nice value, I/O priority are those of the host's threads that run them. Those
// are used again, so once a guest has changed anything, a new thread is given what its maker has, and a worker that is done
// gets back what the emulator began with. Until then all threads have that, and nothing is done.
import { host } from "../host/syscall.ts";
import { RESET_ON_FORK, SchedAttr } from "../host/turns.ts";
import { runnerOf, schedulingAt } from "./accounting.ts";
import { Header, type Kernel, sections } from "./kernel.ts";
import { whois } from "./targets.ts";
import type { Task } from "./task.ts";
import { findTask } from "./tasks.ts";

/** Bytes of a state: struct sched_attr, the I/O priority, the CPUs as a mask. */
const State = { attr: 0, ioPriority: 56, isThere: 60, mask: 64 } as const;
const attrBytes = 56;
const maskBytes = 128;
const IOPRIO_WHO_PROCESS = 1;

/** Words of struct sched_attr. */
const Attr = {
  policy: SchedAttr.policy / 4,
  flags: SchedAttr.flags / 4,
  nice: SchedAttr.nice / 4,
  priority: SchedAttr.priority / 4,
} as const;

/** Of a policy: those without a priority of their own. */
const [OTHER, BATCH, IDLE] = [0, 3, 5];

interface Place {
  readonly i32: Int32Array;
  readonly address: number;
}

const initial = (k: Kernel): Place => ({
  i32: k.i32.subarray(sections.scheduling / 4, (sections.scheduling + State.mask + maskBytes) / 4),
  address: k.address + sections.scheduling,
});

function save({ i32, address }: Place): void {
  host("sched_getattr", 0, address + State.attr, attrBytes, 0);
  i32[State.ioPriority / 4] = host("ioprio_get", IOPRIO_WHO_PROCESS, 0);
  i32.fill(0, State.mask / 4, (State.mask + maskBytes) / 4);
  host("sched_getaffinity", 0, maskBytes, address + State.mask);
  i32[State.isThere / 4] = 1;
}

/** False where the host refuses: an unprivileged thread cannot lower its nice value. */
function apply({ i32, address }: Place): boolean {
  const done = host("sched_setattr", 0, address + State.attr, 0) >= 0;
  host("sched_setaffinity", 0, maskBytes, address + State.mask);
  return host("ioprio_set", IOPRIO_WHO_PROCESS, 0, i32[State.ioPriority / 4]!) >= 0 && done;
}

/** A thread is about to change the scheduling of some thread. */
export function schedulingChanges({ process: { kernel } }: Task): void {
  if (Atomics.load(kernel.i32, Header.scheduled) !== 0) return;
  save(initial(kernel));
  Atomics.store(kernel.i32, Header.scheduled, 1);
}

/** A thread that this one makes, of that index, is to be scheduled as this one. */
export function inheritScheduling({ process: { kernel } }: Task, task: number): void {
  if (Atomics.load(kernel.i32, Header.scheduled) === 0) return;
  const place = schedulingAt(kernel, task);
  save(place);
  const { i32 } = place;
  if ((i32[Attr.flags]! & RESET_ON_FORK) === 0) return;
  i32[Attr.flags]! &= ~RESET_ON_FORK;
  const ordinary = [OTHER, BATCH, IDLE].includes(i32[Attr.policy]!);
  if (!ordinary) i32[Attr.policy] = i32[Attr.priority] = OTHER;
  if (!ordinary || i32[Attr.nice]! < 0) i32[Attr.nice] = 0;
}

/** The thread begins on this thread of the host. */
export function beginScheduling({ process: { kernel }, index }: Task): void {
  if (Atomics.load(kernel.i32, Header.scheduled) === 0) return;
  const place = schedulingAt(kernel, index);
  if (Atomics.exchange(place.i32, State.isThere / 4, 0) !== 0) apply(place);
}

/** Nothing runs on this thread of the host any more. False where it cannot be as it was, and so is of no more use. */
export const resetScheduling = (k: Kernel): boolean => Atomics.load(k.i32, Header.scheduled) === 0 || apply(initial(k));

/** The host's number for a thread that a guest names: 0 for the one that asks. Undefined where nobody has that id, or the engine. */
export function hostThread(t: Task, tid: number): number | undefined {
  if (tid === 0 || tid === t.tid) return 0;
  const task = findTask(t.process.kernel, tid);
  if (task !== undefined) return runnerOf(t.process.kernel, task) || undefined;
  return whois(t, tid) === "host" ? tid : undefined;
}
