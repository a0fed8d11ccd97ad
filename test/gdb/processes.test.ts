// Forks, vforks and programs that begin, under gdb.
import { describe, expect, test } from "bun:test";
import { buildGuest } from "../tools/guest.ts";
import { gdb } from "./gdb.ts";

const limit = 90_000;
const program = buildGuest("../gdb/family.c", "static", "-O1");

describe("gdb", () => {
  test(
    "stays with the parent, and the child runs by itself",
    async () => {
      const text = await gdb([program], ["break in_child", "break in_parent", "continue", "continue"]);
      expect(text).toMatch(/Detaching after fork from child/);
      expect(text).toMatch(/Breakpoint 2, in_parent/);
      expect(text).toContain("child 5 2");
      expect(text).toContain("exited normally");
    },
    limit,
  );

  test(
    "goes with the child",
    async () => {
      const text = await gdb([program], ["set follow-fork-mode child", "break in_child", "continue", "bt", "continue"]);
      expect(text).toMatch(/hit Breakpoint 1, in_child \(n=/);
      expect(text).toMatch(/#1 .* main/);
      expect(text).toContain("exited with code 05");
    },
    limit,
  );

  test(
    "debugs both at once",
    async () => {
      const text = await gdb(
        [program],
        [
          ...["set detach-on-fork off", "set schedule-multiple on", "break in_child", "continue", "info inferiors"],
          ...["continue", "inferior 1", "continue"],
        ],
      );
      expect(text).toMatch(/hit Breakpoint 1(\.\d)?, in_child/);
      expect(text).toMatch(/Inferior 2 .* exited with code 05/);
      expect(text).toMatch(/Inferior 1 .* exited normally/);
    },
    limit,
  );

  test(
    "catches fork and exec",
    async () => {
      const forks = await gdb([program], ["catch fork", "continue", "delete", "continue"]);
      expect(forks).toMatch(/Catchpoint 1 \(forked process \d+\)/);
      expect(forks).toContain("exited normally");
      const executes = await gdb([program, "exec"], ["catch exec", "continue", "continue"]);
      expect(executes).toMatch(/Catchpoint 1 \(exec'd /);
      expect(executes).toContain("exited with code 011");
    },
    limit,
  );

  test(
    "has its breakpoints in the program that was executed",
    async () => {
      const text = await gdb([program, "exec"], ["break renewed", "continue", "bt", "continue"]);
      expect(text).toContain("is executing new program");
      expect(text).toMatch(/Breakpoint 1, renewed/);
      expect(text).toContain("exited with code 011");
    },
    limit,
  );

  test(
    "stays with a parent that spawns",
    async () => {
      const text = await gdb([program, "spawn"], ["break in_parent", "continue", "continue"]);
      expect(text).toMatch(/Breakpoint 1, in_parent/);
      expect(text).toContain("spawned 9 2");
    },
    limit,
  );
});
