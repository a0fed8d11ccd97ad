// Where the emulator stands among the processes of the host: what a shell that does job control looks at.
import { readHostFile } from "../host/file.ts";
import { host } from "../host/syscall.ts";

const init = 1;

/** The parent of a process of the host; 0 where there is none to see. */
function parentOf(pid: number): number {
  const text = readHostFile(`/proc/${pid}/stat`);
  // The name, in parentheses, may hold anything: the last one closes it. Then come the state and the parent.
  return typeof text === "number" ? 0 : Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[1] ?? 0);
}

/**
 * Whether the emulator's own group has somebody outside of it, in the same session, to continue it when it is stopped: its
 * parent, or the parent of an ancestor that is in the group too. Where only another member of the group has, it is not seen.
 */
export function isHostGroupLed(): boolean {
  const [group, session] = [host("getpgid", 0), host("getsid", 0)];
  for (let pid = host("getpid"); ; ) {
    const parent = parentOf(pid);
    if (parent <= init || host("getsid", parent) !== session) return false;
    if (host("getpgid", parent) !== group) return true;
    pid = parent;
  }
}
