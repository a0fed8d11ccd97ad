// About the machine and the system: names, figures, random bytes, capabilities. And what an
// unprivileged process of any Linux is refused.
import { release } from "node:os";
import { addressOf, host } from "../../host/syscall.ts";
import { accessibleLength, addressLimit, copyTo, Page, writable } from "../../memory/guest-memory.ts";
import { Attr, attribute, privileged } from "../attributes.ts";
import { type ErrnoName, errno } from "../errno.ts";
import { flags, pointer, size, uint } from "../kinds.ts";
import { type CallRow, call } from "../row.ts";
import { whois } from "../targets.ts";
import type { Task } from "../task.ts";
import { moveAll, sleepIn } from "../wait.ts";
import { loadWords, storeWords } from "../words.ts";

// Six fields of struct new_utsname: sysname, nodename, release, version, machine, domainname.
const fieldBytes = 65;
const fieldCount = 6;
const oldestRelease = "6.1.0";

function uname(t: Task, addr: number): number {
  const bytes = Buffer.from(new ArrayBuffer(fieldBytes * fieldCount));
  host("uname", addressOf(bytes));
  const put = (field: number, text: string): void => {
    bytes.fill(0, field * fieldBytes, (field + 1) * fieldBytes);
    bytes.write(text, field * fieldBytes, fieldBytes - 1, "latin1");
  };
  put(0, "Linux");
  // Programs built for this architecture may refuse a kernel that is older than it.
  if (Number.parseInt(release(), 10) < Number.parseInt(oldestRelease, 10)) put(2, oldestRelease);
  put(4, "riscv64");
  return copyTo(t.memory, addr, bytes) ? 0 : -errno.EFAULT;
}

const sysinfoWords = 28;
/** Words of two: bytes of memory in all, free, shared, and of buffers. */
const memoryWords = [8, 10, 12, 14] as const;

function sysinfo(t: Task, addr: number): number {
  const words = new Int32Array(new ArrayBuffer(sysinfoWords * 4));
  const result = host("sysinfo", addressOf(words));
  if (result < 0) return result;
  // Programs that size themselves by the machine's memory, as Java's heap does, would ask for more than they can address.
  for (const word of memoryWords) if (words[word + 1] !== 0) words.set(addressable, word);
  return storeWords(t, addr, words) ? 0 : -errno.EFAULT;
}

/** As two words: what a process has room for. */
const addressable = [addressLimit, 0] as const;

const largestRequest = 2 ** 31 - 1;

function getrandom(t: Task, addr: number, length: number, options: number): number {
  const wanted = Math.min(length, largestRequest);
  const room = accessibleLength(t.memory, addr, wanted, Page.write);
  if (room === 0 && wanted > 0) {
    const valid = host("getrandom", 0, 0, options);
    return valid < 0 ? valid : -errno.EFAULT;
  }
  if (room > 0) writable(t.memory, addr, room);
  const { hostBase } = t.memory;
  return moveAll(t, room, (done) =>
    sleepIn(t, "getrandom", room > 0 ? hostBase + addr + done : 0, room - done, options),
  );
}

const query = 0xffffffff;

/** Kept and answered; a guest's address space is laid out the same whatever it says. */
function personality(t: Task, persona: number): number {
  const before = attribute(t.process.attributes, Attr.personality);
  if (persona !== query) t.process.attributes.words[Attr.personality] = persona;
  return before;
}

// ---- capabilities

// Versions of the header, and how many sets of 32 capabilities go with each.
const versions = new Map([
  [0x19980330, 1],
  [0x20071026, 2],
  [0x20080522, 2],
]);
const newestVersion = 0x20080522;
const allCapabilities = [0xffffffff, 0x1ff] as const;

/** The number of sets that a header announces, and the process that it is about; or an error. */
function loadHeader(t: Task, header: number): { readonly sets: number; readonly pid: number } | number {
  const words = loadWords(t, header, 2);
  if (words === undefined) return -errno.EFAULT;
  const sets = versions.get(words[0]!);
  if (sets !== undefined) return { sets, pid: words[1]! };
  return storeWords(t, header, Int32Array.of(newestVersion)) ? -errno.EINVAL : -errno.EFAULT;
}

/** Root has all capabilities, others none: effective, permitted, inheritable words for each set. */
function capabilities(t: Task, sets: number): Int32Array {
  const words = new Int32Array(sets * 3);
  if (privileged(t.process.attributes))
    for (let i = 0; i < sets; i++) words.fill(allCapabilities[i]!, i * 3, i * 3 + 2);
  return words;
}

function capget(t: Task, header: number, data: number): number {
  const head = loadHeader(t, header);
  if (typeof head === "number") return head === -errno.EINVAL && data === 0 ? 0 : head;
  if (head.pid < 0) return -errno.EINVAL;
  if (head.pid !== 0 && whois(t, head.pid) !== "self") return -errno.ESRCH;
  return data === 0 || storeWords(t, data, capabilities(t, head.sets)) ? 0 : -errno.EFAULT;
}

/** What is asked for must lie within what there is; giving up a capability is not kept. */
function capset(t: Task, header: number, data: number): number {
  const head = loadHeader(t, header);
  if (typeof head === "number") return head;
  if (head.pid !== 0 && whois(t, head.pid) !== "self") return -errno.EPERM;
  const wanted = loadWords(t, data, head.sets * 3);
  if (wanted === undefined) return -errno.EFAULT;
  const permitted = capabilities(t, head.sets);
  const within = wanted.every((word, i) => (word & ~permitted[i - (i % 3) + 1]!) === 0);
  return within ? 0 : -errno.EPERM;
}

// ---- refusals

const refuse = (nr: number, name: string, why: ErrnoName): CallRow =>
  call(nr, name, [pointer, pointer, pointer, pointer, pointer, pointer], "none", "quick", () => -errno[why]);

const refusals: readonly CallRow[] = [
  refuse(18, "lookup_dcookie", "EPERM"),
  refuse(58, "vhangup", "EPERM"),
  refuse(89, "acct", "EPERM"),
  refuse(104, "kexec_load", "EPERM"),
  refuse(105, "init_module", "EPERM"),
  refuse(106, "delete_module", "EPERM"),
  refuse(116, "syslog", "EPERM"),
  refuse(142, "reboot", "EPERM"),
  refuse(161, "sethostname", "EPERM"),
  refuse(162, "setdomainname", "EPERM"),
  refuse(217, "add_key", "ENOSYS"),
  refuse(218, "request_key", "ENOSYS"),
  refuse(219, "keyctl", "ENOSYS"),
  refuse(224, "swapon", "EPERM"),
  refuse(225, "swapoff", "EPERM"),
  refuse(241, "perf_event_open", "EACCES"),
  refuse(268, "setns", "EPERM"),
  refuse(272, "kcmp", "ENOSYS"),
  refuse(273, "finit_module", "EPERM"),
  refuse(277, "seccomp", "ENOSYS"),
  refuse(280, "bpf", "EPERM"),
  refuse(282, "userfaultfd", "EPERM"),
  refuse(294, "kexec_file_load", "EPERM"),
  refuse(425, "io_uring_setup", "ENOSYS"),
  refuse(444, "landlock_create_ruleset", "ENOSYS"),
  refuse(445, "landlock_add_rule", "ENOSYS"),
  refuse(446, "landlock_restrict_self", "ENOSYS"),
];

const randomFlags = flags({ GRND_NONBLOCK: 1, GRND_RANDOM: 2, GRND_INSECURE: 4 });

export const systemCalls: readonly CallRow[] = [
  call(90, "capget", [pointer, pointer], "none", "quick", capget),
  call(91, "capset", [pointer, pointer], "none", "quick", capset),
  call(92, "personality", [uint], "int", "quick", personality),
  call(160, "uname", [pointer], "none", "quick", uname),
  call(179, "sysinfo", [pointer], "none", "quick", sysinfo),
  call(278, "getrandom", [pointer, size, randomFlags], "int", "restart", getrandom),
  ...refusals,
];
