// getrlimit, setrlimit, prlimit64. Limits of guests are their own (../limits.ts); those of other processes are the host's.
import { addressOf, host } from "../../host/syscall.ts";
import { withLock } from "../../sync/mutex.ts";
import { Attr, privileged } from "../attributes.ts";
import { errno } from "../errno.ts";
import { maxFds } from "../fds.ts";
import { int, oneOf } from "../kinds.ts";
import { rlimit, rlimitOut } from "../kinds-limits.ts";
import { hardLimitOf, Resource, resourceCount } from "../limits.ts";
import { tablesOf } from "../proc-view.ts";
import type { ProcessRecord } from "../processes.ts";
import { type CallRow, call } from "../row.ts";
import { guestProcess, whois } from "../targets.ts";
import type { Task } from "../task.ts";
import { taskAt, threadsOf } from "../tasks.ts";
import { loadWords, storeWords } from "../words.ts";

const pairWords = 4;
const two32 = 2 ** 32;

const isResource = (n: number): n is Resource => n >= 0 && n < resourceCount;

/** Sets a limit of a process, which may be another's. */
function change(t: Task, process: ProcessRecord, resource: Resource, pair: Int32Array): number {
  const [soft, hard] = [0, 2].map((i) => (pair[i + 1]! >>> 0) * two32 + (pair[i]! >>> 0)) as [number, number];
  if (soft > hard) return -errno.EINVAL;
  const { limits } = process;
  const raises = hard > hardLimitOf(limits, resource);
  // Descriptors are bounded for root, too: their table has an end.
  if (raises && (!privileged(t.process.attributes) || resource === Resource.NOFILE)) return -errno.EPERM;
  // As words: numbers above 2**53 would not keep all their bits.
  limits.words.set(pair, resource * pairWords);
  if (resource !== Resource.NOFILE) return 0;
  const { kernel } = t.process;
  // Those in the list have their tables still.
  withLock(kernel.signalsLock, () => {
    for (const thread of threadsOf(kernel, process.index)) {
      const tables = tablesOf(t, { process, thread: taskAt(kernel, thread), whole: false });
      if (tables !== undefined) tables.fds.limit = Math.min(soft, maxFds);
    }
  });
  return 0;
}

/** Whether the thread may see and set the limits of a process: it has the same ids, or is privileged. */
function mayLimit({ process: { record, attributes } }: Task, process: ProcessRecord): boolean {
  if (process === record || privileged(attributes)) return true;
  const same = (own: number, its: readonly number[]): boolean =>
    its.every((word) => process.attributes[word] === record.attributes[own]);
  return same(Attr.ruid, [Attr.ruid, Attr.euid, Attr.suid]) && same(Attr.rgid, [Attr.rgid, Attr.egid, Attr.sgid]);
}

function prlimit64(t: Task, pid: number, resource: number, addr: number, old: number): number {
  const pair = addr === 0 ? undefined : loadWords(t, addr, pairWords);
  if (addr !== 0 && pair === undefined) return -errno.EFAULT;
  if (!isResource(resource)) return -errno.EINVAL;
  const process = pid === 0 ? t.process.record : guestProcess(t, pid);
  if (process === undefined && whois(t, pid) !== "host") return -errno.ESRCH;
  const before = new Int32Array(pairWords);
  if (process === undefined) {
    const result = host("prlimit64", pid, resource, pair ? addressOf(pair) : 0, addressOf(before));
    if (result < 0) return result;
  } else {
    if (!mayLimit(t, process)) return -errno.EPERM;
    before.set(process.limits.words.subarray(resource * pairWords, (resource + 1) * pairWords));
    const result = pair ? change(t, process, resource, pair) : 0;
    if (result < 0) return result;
  }
  return old === 0 || storeWords(t, old, before) ? 0 : -errno.EFAULT;
}

const getrlimit = (t: Task, resource: number, addr: number): number =>
  !isResource(resource)
    ? -errno.EINVAL
    : storeWords(t, addr, t.process.limits.words.slice(resource * pairWords, (resource + 1) * pairWords))
      ? 0
      : -errno.EFAULT;

function setrlimit(t: Task, resource: number, addr: number): number {
  const pair = loadWords(t, addr, pairWords);
  if (pair === undefined) return -errno.EFAULT;
  return isResource(resource) ? change(t, t.process.record, resource, pair) : -errno.EINVAL;
}

const resource = oneOf(Resource, "RLIMIT_");

export const limitsCalls: readonly CallRow[] = [
  call(163, "getrlimit", [resource, rlimitOut], "none", "quick", getrlimit),
  call(164, "setrlimit", [resource, rlimit], "none", "quick", setrlimit),
  call(261, "prlimit64", [int, resource, rlimit, rlimitOut], "none", "quick", prlimit64),
];
