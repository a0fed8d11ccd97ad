// getrlimit, setrlimit, prlimit64. The guest's limits are its own (../limits.ts); those of other processes are the host's.
import { addressOf, host } from "../../host/syscall.ts";
import { privileged } from "../attributes.ts";
import { errno } from "../errno.ts";
import { maxFds } from "../fds.ts";
import { int, oneOf } from "../kinds.ts";
import { rlimit, rlimitOut } from "../kinds-limits.ts";
import { hardLimitOf, Resource, resourceCount } from "../limits.ts";
import { type CallRow, call } from "../row.ts";
import { whois } from "../targets.ts";
import type { Task } from "../task.ts";
import { loadWords, storeWords } from "../words.ts";

const pairWords = 4;
const two32 = 2 ** 32;

const isResource = (n: number): n is Resource => n >= 0 && n < resourceCount;

function setOwn(t: Task, resource: Resource, pair: Int32Array): number {
  const [soft, hard] = [0, 2].map((i) => (pair[i + 1]! >>> 0) * two32 + (pair[i]! >>> 0)) as [number, number];
  if (soft > hard) return -errno.EINVAL;
  const limits = t.process.limits;
  const raises = hard > hardLimitOf(limits, resource);
  // Descriptors are bounded for root, too: their table has an end.
  if (raises && (!privileged(t.process.attributes) || resource === Resource.NOFILE)) return -errno.EPERM;
  // As words: numbers above 2**53 would not keep all their bits.
  limits.words.set(pair, resource * pairWords);
  if (resource === Resource.NOFILE) t.process.fds.limit = Math.min(soft, maxFds);
  return 0;
}

function prlimit64(t: Task, pid: number, resource: number, addr: number, old: number): number {
  const pair = addr === 0 ? undefined : loadWords(t, addr, pairWords);
  if (addr !== 0 && pair === undefined) return -errno.EFAULT;
  if (!isResource(resource)) return -errno.EINVAL;
  const who = pid === 0 ? "self" : whois(t, pid);
  if (who === "none") return -errno.ESRCH;
  const before = new Int32Array(pairWords);
  if (who === "host") {
    const result = host("prlimit64", pid, resource, pair ? addressOf(pair) : 0, addressOf(before));
    if (result < 0) return result;
  } else {
    before.set(t.process.limits.words.subarray(resource * pairWords, (resource + 1) * pairWords));
    const result = pair ? setOwn(t, resource, pair) : 0;
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
  return isResource(resource) ? setOwn(t, resource, pair) : -errno.EINVAL;
}

const resource = oneOf(Resource, "RLIMIT_");

export const limitsCalls: readonly CallRow[] = [
  call(163, "getrlimit", [resource, rlimitOut], "none", "quick", getrlimit),
  call(164, "setrlimit", [resource, rlimit], "none", "quick", setrlimit),
  call(261, "prlimit64", [int, resource, rlimit, rlimitOut], "none", "quick", prlimit64),
];
