// What a user of gdb does, by gdb itself.
import { describe, expect, test } from "bun:test";
import { buildGuest, crossSysroot } from "../tools/guest.ts";
import { gdb } from "./gdb.ts";

const limit = 90_000;
const signals = buildGuest("../gdb/signals.c", "static", "-O1");
const threads = buildGuest("../gdb/threads.c", "static", "-O1");

describe("gdb", () => {
  test(
    "stops at breakpoints, shows where, finishes, steps, and hears of the end",
    async () => {
      const text = await gdb(
        [signals],
        [
          ...[
            "handle SIGUSR1 nostop noprint pass",
            "break triple",
            "continue",
            "bt",
            "print n",
            "finish",
            "next",
            "stepi",
          ],
          ...["delete", "tbreak half", "continue", "up", "continue"],
        ],
      );
      expect(text).toMatch(/Breakpoint 1, triple \(n=/);
      expect(text).toMatch(/#1 .* main \(argc=/);
      expect(text).toContain("$1 = 11");
      expect(text).toContain("Value returned is $2 = 33");
      expect(text).toMatch(/Temporary breakpoint 2, half \(x=1.5\)/);
      expect(text).toContain("exited with code 03");
    },
    limit,
  );

  test(
    "calls functions, changes registers and memory, jumps and returns",
    async () => {
      const text = await gdb(
        [signals],
        [
          ...["handle SIGUSR1 nostop noprint pass", "break touch", "continue"],
          ...[
            "print triple(14)",
            "print half(8.5)",
            "set var target = 1000",
            "print target",
            "set $a1 = 77",
            "print $a1",
          ],
          ...["set $fa1 = 2.5", "print $fa1.double", "return", "next", "print target", "continue"],
        ],
      );
      expect(text).toContain("$1 = 42");
      expect(text).toContain("$2 = 4.25");
      expect(text).toContain("$3 = 1000");
      expect(text).toContain("$4 = 77");
      expect(text).toContain("$5 = 2.5");
      expect(text).toContain("$6 = 1000");
    },
    limit,
  );

  test(
    "stops for signals, reads what they say, and passes them on or not",
    async () => {
      const shown = await gdb(
        [signals, "crash"],
        [
          ...["continue", "print $_siginfo.si_signo", "print handled", "break touch", "continue", "print handled"],
          ...["delete", "continue", "print $_siginfo._sifields._sigfault.si_addr", "continue"],
        ],
      );
      expect(shown).toContain("received signal SIGUSR1");
      expect(shown).toContain("$1 = 10");
      expect(shown).toContain("$2 = 0");
      expect(shown).toMatch(/\$3 = 1?10/);
      expect(shown).toContain("received signal SIGSEGV");
      expect(shown).toMatch(/\$4 = \(void \*\) 0x8/);
      expect(shown).toContain("terminated with signal SIGSEGV");
      const held = await gdb([signals], [...["continue", "signal 0", "print handled"], ...["info program"]]);
      expect(held).toContain("exited with code 03");
    },
    limit,
  );

  test(
    "stops for watched memory, in instructions and in system calls",
    async () => {
      const text = await gdb(
        [signals],
        [
          ...["handle SIGUSR1 nostop noprint pass", "break main", "continue", "watch target", "continue", "delete 2"],
          ...["rwatch target", "continue", "delete 3", "awatch odd.b", "continue", "delete 4"],
          ...["watch buffer[3]", "continue", "bt 1", "delete", "continue"],
        ],
      );
      expect(text).toMatch(/Hardware watchpoint 2: target\n\nOld value = 5\nNew value = 6\n/);
      expect(text).toMatch(/Hardware read watchpoint 3: target\n\nValue = 6\n/);
      expect(text).toMatch(/Hardware access \(read\/write\) watchpoint 4: odd.b\n\nOld value = 0\nNew value = 7/);
      expect(text).toMatch(/Hardware watchpoint 5: buffer\[3\]\n\nOld value = 0 .*\nNew value = 108 'l'/);
      expect(text).toMatch(/#0 .* read \(\)/);
      expect(text).toContain("exited with code 03");
    },
    limit,
  );

  test(
    "knows sixteen threads, their names and their own storage, and stops one",
    async () => {
      const text = await gdb(
        [threads, "16"],
        [
          ...["break work", "continue", "continue", "continue", "print own", "info threads", "delete"],
          ...["tbreak 28", "continue", "thread apply all bt 1", "continue"],
        ],
      );
      expect(text).toMatch(/Thread \d+ "worker-\d+" hit Breakpoint 1, work/);
      expect(text.match(/hit Breakpoint 1/g)!.length).toBe(3);
      expect(text).toMatch(/\$1 = 4[1-4]/);
      expect(text).toContain("exited normally");
    },
    limit,
  );

  test(
    "steps one thread while others hit breakpoints, and runs one alone",
    async () => {
      const text = await gdb(
        [threads, "4"],
        [
          ...["break work", "continue", "next", "next", "next", "set scheduler-locking on", "continue", "continue"],
          ...["set scheduler-locking step", "next", "delete", "set scheduler-locking off", "continue"],
        ],
      );
      expect(text).toContain("exited normally");
    },
    limit,
  );

  test(
    "catches C++ exceptions, prints at breakpoints without stopping, goes on until and advances",
    async () => {
      const program = buildGuest("exceptions.cc", "static");
      const text = await gdb([program], ["catch throw", "continue", "bt -3", "delete", "continue"]);
      expect(text).toMatch(/Catchpoint 1 \(exception thrown\)/);
      expect(text).toMatch(/main \(/);
      const printed = await gdb(
        [signals],
        [
          ...["handle SIGUSR1 nostop noprint pass", 'dprintf triple,"triple of %ld\\n", n', "break touch", "continue"],
          ...["until", "advance triple", "tbreak half", "continue", "finish", "continue"],
        ],
      );
      expect(printed).toContain("triple of 11");
      expect(printed).toMatch(/Value returned is \$\d+ = 0.75/);
    },
    limit,
  );

  test(
    "debugs a dynamic program, whose libraries it reads through the connection",
    async () => {
      const dynamic = buildGuest("../gdb/signals.c", "dynamic", "-O1");
      const text = await gdb(
        [dynamic],
        [
          ...[
            "handle SIGUSR1 nostop noprint pass",
            "break triple",
            "continue",
            "bt",
            "info sharedlibrary",
            "maint packet qXfer:libraries-svr4:read::0,2000",
            "break puts",
          ],
          ...["delete", "finish", "continue"],
        ],
        { options: ["-L", crossSysroot], before: [`set sysroot ${crossSysroot}`] },
      );
      expect(text).toMatch(/Breakpoint 1, triple/);
      expect(text).toContain("libc.so.6");
      expect(text).toMatch(/main-lm="0x[0-9a-f]+">.*<library name="[^"]*libc.so.6" lm="0x/s);
      expect(text).toContain("exited with code 03");
    },
    limit,
  );
});
