// Calls that are known and refused: those that would change what is mounted (EPERM), those on asynchronous I/O and the like
// that a kernel may be built without (ENOSYS), and file handles, which not every file system has (EOPNOTSUPP).
import { errno } from "../errno.ts";
import { pointer } from "../kinds.ts";
import { type CallRow, call } from "../row.ts";

const args = [pointer, pointer, pointer, pointer, pointer, pointer] as const;

const refuse = (error: number, rows: Readonly<Record<string, number>>): readonly CallRow[] =>
  Object.entries(rows).map(([name, nr]) => call(nr, name, args, "int", "quick", () => -error));

export const refusedCalls: readonly CallRow[] = [
  ...refuse(errno.EPERM, {
    umount2: 39,
    mount: 40,
    pivot_root: 41,
    fanotify_init: 262,
    open_by_handle_at: 265,
    open_tree: 428,
    move_mount: 429,
    fsopen: 430,
    fsconfig: 431,
    fsmount: 432,
    fspick: 433,
    mount_setattr: 442,
  }),
  ...refuse(errno.ENOTSUP, { name_to_handle_at: 264 }),
  ...refuse(errno.EBADF, { fanotify_mark: 263 }),
  ...refuse(errno.ENOSYS, {
    io_setup: 0,
    io_destroy: 1,
    io_submit: 2,
    io_cancel: 3,
    io_getevents: 4,
    nfsservctl: 42,
    quotactl: 60,
    io_pgetevents: 292,
    io_uring_enter: 426,
    io_uring_register: 427,
    quotactl_fd: 443,
  }),
];
