// Process groups and sessions of guests, by the rules of Linux's kernel/sys.c. They are numbers in the processes' records: the
// host's never change. The first process begins in the emulator's, so groups of the host can be meant as well.
import { host } from "../host/syscall.ts";
import { withLock } from "../sync/mutex.ts";
import { errno } from "./errno.ts";
import { hasExeced } from "./family.ts";
import type { Kernel } from "./kernel.ts";
import { groupHeld, ProcessField, type ProcessRecord } from "./processes.ts";

const word = ({ i32 }: ProcessRecord, name: number): number => i32[name]!;

/** setpgid by a process: puts itself or a child of its own into a group, its own new one where `group` is 0. */
export const setGroup = (k: Kernel, caller: ProcessRecord, target: ProcessRecord, group: number): number =>
  withLock(k.tasksLock, () => {
    const session = word(caller, ProcessField.session);
    const pid = word(target, ProcessField.pid);
    if (word(target, ProcessField.parent) === caller.index + 1) {
      if (word(target, ProcessField.session) !== session) return -errno.EPERM;
      if (hasExeced(target)) return -errno.EACCES;
    } else if (target !== caller) return -errno.ESRCH;
    if (word(target, ProcessField.session) === pid) return -errno.EPERM;
    const wanted = group === 0 ? pid : group;
    if (wanted !== pid && !isGroupHeld(k, wanted, session)) return -errno.EPERM;
    target.i32[ProcessField.group] = wanted;
    return 0;
  });

/** Whether a session has such a group. */
export const isGroupHeld = (k: Kernel, group: number, session: number): boolean =>
  groupHeld(k, group).some((member) => word(member, ProcessField.session) === session) ||
  (host("getpgid", group) === group && host("getsid", group) === session) ||
  (host("getpgid", 0) === group && host("getsid", 0) === session);

/** setsid: the process leads a new session and a new group, which have its id and no terminal. Answers that, or -EPERM. */
export const newSession = (k: Kernel, process: ProcessRecord): number =>
  withLock(k.tasksLock, () => {
    const pid = word(process, ProcessField.pid);
    if (word(process, ProcessField.session) === pid || groupHeld(k, pid).length > 0) return -errno.EPERM;
    process.i32[ProcessField.session] = process.i32[ProcessField.group] = pid;
    process.i32[ProcessField.tty] = process.i32[ProcessField.lostForeground] = 0;
    return pid;
  });
