// The lines of a trace, for calls made up here.
import { describe, expect, test } from "bun:test";
import { type ErrnoName, errno, restart } from "../../src/linux/errno.ts";
import { dirfd, int, path, pointer } from "../../src/linux/kinds.ts";
import { bufferOut, openFlags } from "../../src/linux/kinds-file.ts";
import { type CallRow, call } from "../../src/linux/row.ts";
import { Code, faultInfo, kernelInfo, Sig, timerInfo, userInfo } from "../../src/linux/siginfo.ts";
import { traceCalls, traceExit, traceSignal } from "../../src/linux/strace.ts";
import { errorText } from "../../src/linux/strerror.ts";
import type { Task } from "../../src/linux/task.ts";
import { newGuestMemory, Page } from "../../src/memory/guest-memory.ts";

const memory = newGuestMemory(65536);
memory.pages[1] = Page.read | Page.write;
const task = { memory, process: {} } as Task;
const put = (address: number, text: string) => memory.u8.set(Buffer.from(text, "latin1"), address);

const opened = call(56, "openat", [dirfd, path, openFlags], "fd", "quick", () => 0);
const read = call(63, "read", [int, bufferOut, int], "int", "restart", () => 0);
const mapped = call(222, "mmap", [pointer], "address", "quick", () => 0);
const ended = call(94, "exit_group", [int], "never", "quick", () => 0);

/** The line of a call with these argument registers; `during` is what its handler would do. */
function lineOf(row: CallRow | undefined, args: readonly number[], result: number, during = () => {}): string {
  const lines: string[] = [];
  const { enter, leave } = traceCalls({ begin: () => {}, end: (_t, line) => void lines.push(line) });
  const words = Int32Array.from({ length: 12 }, (_, i) =>
    i % 2 ? Math.floor((args[i >> 1] ?? 0) / 2 ** 32) : (args[i >> 1] ?? 0),
  );
  enter(task, row, row?.nr ?? 1000, words);
  during();
  leave(task, row, row?.nr ?? 1000, words, result);
  expect(lines).toHaveLength(1);
  return lines[0]!;
}

describe("a call is one line: name, arguments, result", () => {
  put(4096, "/etc/hosts\0");
  for (const [name, line, expected] of [
    [
      "result behind a long call",
      lineOf(opened, [-100, 4096, 0o2000000], 3),
      'openat(AT_FDCWD, "/etc/hosts", O_RDONLY|O_CLOEXEC) = 3',
    ],
    [
      "result in column 40 behind a short one",
      lineOf(mapped, [0], 0x40000000),
      "mmap(NULL)                              = 0x40000000",
    ],
    [
      "an error by name and text",
      lineOf(opened, [5, 0, 1], -errno.EFAULT),
      "openat(5, NULL, O_WRONLY)               = -1 EFAULT (Bad address)",
    ],
    [
      "an address as a result is never an error",
      lineOf(mapped, [2 ** 63], 0x8000_0000),
      "mmap(0x8000000000000000)                = 0x80000000",
    ],
    ["a call that does not come back", lineOf(ended, [3], 0), "exit_group(3)                           = ?"],
    [
      "a call that a signal interrupts",
      lineOf(mapped, [0], -restart.ERESTARTSYS),
      "mmap(NULL)                              = ? ERESTARTSYS (To be restarted if SA_RESTART is set)",
    ],
    [
      "a number without a row",
      lineOf(undefined, [1, 2 ** 32], -errno.ENOSYS),
      "syscall_0x3e8(0x1, 0x100000000, 0x0, 0x0, 0x0, 0x0) = -1 ENOSYS (Function not implemented)",
    ],
  ] as const)
    test(name, () => expect(line).toBe(expected));
});

test("what the kernel reads is shown as before the call, what it fills as after it", () => {
  put(4096, "before\0");
  put(4200, "before");
  const change = () => {
    put(4096, "changed\0");
    put(4200, '\x01\n"7');
  };
  expect(lineOf(opened, [-100, 4096, 0], 3, change)).toStartWith('openat(AT_FDCWD, "before"');
  expect(lineOf(read, [0, 4200, 100], 4, change)).toBe('read(0, "\\1\\n\\"7", 100)                 = 4');
});

test("what a failed call did not fill is shown as its address", () => {
  expect(lineOf(read, [0, 4200, 100], -errno.EBADF)).toStartWith("read(0, 0x1068, 100) ");
});

test("every error has a text", () => {
  for (const name of Object.keys(errno) as ErrnoName[]) expect(errorText(errno[name])).not.toStartWith("Unknown");
  expect(errorText(999)).toBe("Unknown error 999");
});

describe("signals are shown with what their siginfo says", () => {
  for (const [info, expected] of [
    [faultInfo(Sig.SEGV, Code.SEGV_ACCERR, 16), "SIGSEGV, si_code=SEGV_ACCERR, si_addr=0x10"],
    [faultInfo(Sig.SEGV, Code.SEGV_MAPERR, -1, -1), "SIGSEGV, si_code=SEGV_MAPERR, si_addr=0xffffffffffffffff"],
    [faultInfo(Sig.BUS, Code.BUS_ADRALN, 0), "SIGBUS, si_code=BUS_ADRALN, si_addr=NULL"],
    [userInfo(Sig.TERM, Code.SI_USER, 42, 1000), "SIGTERM, si_code=SI_USER, si_pid=42, si_uid=1000"],
    [kernelInfo(Sig.SEGV), "SIGSEGV, si_code=SI_KERNEL"],
    [timerInfo(34, 7, 2, 5, 0), "SIGRT_2, si_code=SI_TIMER, si_timerid=7, si_overrun=2, si_value={int=5, ptr=0x5}"],
  ] as const)
    test(expected, () => expect(traceSignal(info)).toBe(`--- ${expected.split(",")[0]} {si_signo=${expected}} ---`));
});

test("the last line says how it ended", () => {
  expect(traceExit({ code: 3 })).toBe("+++ exited with 3 +++");
  expect(traceExit({ signal: Sig.ABRT, coreDumped: true })).toBe("+++ killed by SIGABRT (core dumped) +++");
  expect(traceExit({ signal: Sig.KILL, coreDumped: false })).toBe("+++ killed by SIGKILL +++");
});
