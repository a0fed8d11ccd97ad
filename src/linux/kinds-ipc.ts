// Kinds of arguments of the System V calls and of message queues, and how a trace shows them.
import { readable } from "../memory/guest-memory.ts";
import { flagSet, flags, int, oneOf, size } from "./kinds.ts";
import type { Kind } from "./row.ts";
import { pointerText } from "./text.ts";
import { u64 } from "./words.ts";

export const Ipc = { CREAT: 0o1000, EXCL: 0o2000, NOWAIT: 0o4000 } as const;
export const SEM_UNDO = 0o10000;
export const SHM_HUGETLB = 0o4000;
export const MSG_COPY = 0o40000;

/** A key_t. */
export const key: Kind<number> = {
  load: (_t, lo) => lo | 0,
  show: (_t, lo) => (lo === 0 ? "IPC_PRIVATE" : "0x" + (lo >>> 0).toString(16)),
};

/** Named bits, and permissions in octal. */
const flagsAndMode = (names: Readonly<Record<string, number>>): Kind<number> => {
  const bits = flagSet(names);
  return {
    load: int.load,
    show: (_t, lo) => {
      const mode = "0" + (lo & 0o777).toString(8);
      return lo & ~0o777 ? `${bits(lo & ~0o777)}|${mode}` : mode;
    },
  };
};

const creation = { IPC_CREAT: Ipc.CREAT, IPC_EXCL: Ipc.EXCL };
export const ipcFlags = flagsAndMode(creation);
export const segmentFlags = flagsAndMode({ ...creation, SHM_HUGETLB, SHM_NORESERVE: 0o10000 });

/** Commands that all three kinds of objects know. */
export const Control = { RMID: 0, SET: 1, STAT: 2, INFO: 3 } as const;
const controls = { IPC_RMID: 0, IPC_SET: 1, IPC_STAT: 2, IPC_INFO: 3 };

export const SemControl = {
  GETPID: 11,
  GETVAL: 12,
  GETALL: 13,
  GETNCNT: 14,
  GETZCNT: 15,
  SETVAL: 16,
  SETALL: 17,
  SEM_STAT: 18,
  SEM_INFO: 19,
  SEM_STAT_ANY: 20,
} as const;
export const semControl = oneOf({ ...controls, ...SemControl });

export const MsgControl = { MSG_STAT: 11, MSG_INFO: 12, MSG_STAT_ANY: 13 } as const;
export const msgControl = oneOf({ ...controls, ...MsgControl });

export const ShmControl = { SHM_LOCK: 11, SHM_UNLOCK: 12, SHM_STAT: 13, SHM_INFO: 14, SHM_STAT_ANY: 15 } as const;
export const shmControl = oneOf({ ...controls, ...ShmControl });

/** What the fourth argument of semctl is depends on the command: a number is shown as such, a pointer as that. */
export const semArgument: Kind<number> = {
  load: size.load,
  show: (_t, lo, hi, shown) => (shown.raw[2] === SemControl.SETVAL ? String(lo) : pointerText(lo, hi)),
};

const opFlags = flagSet({ IPC_NOWAIT: Ipc.NOWAIT, SEM_UNDO });
export const opBytes = 6;

/** An array of `struct sembuf`, whose length is the next argument. */
export const semOps: Kind<number> = {
  load: size.load,
  show: (t, lo, hi, shown) => {
    const shownOps = 32;
    const count = Math.min(shown.raw[2]!, shownOps);
    const from = u64(lo, hi);
    if (readable(t.memory, from, count * opBytes) === undefined) return pointerText(lo, hi);
    const v = t.memory.view;
    const op = (at: number): string =>
      `{${v.getUint16(at, true)}, ${v.getInt16(at + 2, true)}, ${opFlags(v.getUint16(at + 4, true))}}`;
    return `[${Array.from({ length: count }, (_, i) => op(from + i * opBytes)).join(", ")}]`;
  },
};

export const messageFlags = flags({ IPC_NOWAIT: Ipc.NOWAIT, MSG_NOERROR: 0o10000, MSG_EXCEPT: 0o20000, MSG_COPY });
export const attachFlags = flags({
  SHM_RDONLY: 0o10000,
  SHM_RND: 0o20000,
  SHM_REMAP: 0o40000,
  SHM_EXEC: 0o100000,
});
