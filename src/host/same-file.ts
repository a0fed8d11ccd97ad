// Whether two descriptors are one open file description: copies of one another, by dup, or passed through a socket.
import { readHostFile } from "./file.ts";
import { host } from "./syscall.ts";

const F_DUPFD_QUERY = 1027;
const KCMP_FILE = 0;
const EINVAL = -22;

/** Answers the same for a host before Linux 6.10, or one that has no kcmp, as far as it shows. */
export function isSameFile(a: number, b: number): boolean {
  const asked = host("fcntl", a, F_DUPFD_QUERY, b);
  if (asked !== EINVAL) return asked === 1;
  const pid = host("getpid");
  const compared = host("kcmp", pid, pid, KCMP_FILE, a, b);
  if (compared >= 0) return compared === 0;
  // Position, flags, mount, inode, and what files of some kinds say of themselves.
  const one = readHostFile(`/proc/self/fdinfo/${a}`);
  return typeof one === "string" && one === readHostFile(`/proc/self/fdinfo/${b}`);
}
