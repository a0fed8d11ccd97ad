// What one thread changes in an address space, others see: each case runs in a process of its own, with its threads on
// workers: sharing-cases.ts says what it shows.
import { describe, expect, test } from "bun:test";
import { attachAddressSpace, decideFault } from "../../src/memory/address-space.ts";
import { changesFrom, logWords, noteChange, sequenceOf } from "../../src/memory/change-log.ts";
import {
  attachGuestMemory,
  catchUp,
  changePages,
  dropCode,
  growTo,
  markCode,
  Page,
} from "../../src/memory/guest-memory.ts";
import { map } from "../../src/memory/map.ts";
import { addRunner, enterGuestCode, isShared, leaveGuestCode, removeRunner } from "../../src/memory/sharing.ts";
import { lock, unlock } from "../../src/sync/mutex.ts";
import { ways } from "../tools/engines.ts";
import type { Case } from "./sharing-cases.ts";
import { base, fixed, K, newSpace, RW } from "./spaces.ts";

const limit = 120_000;

const cases: Record<Case, string> = {
  unmapped: "a page that was unmapped is read no more, and traps",
  protectedAgainstReads: "a page without rights is read no more, and traps",
  protectedAgainstWrites: "a page that cannot be written keeps what it holds",
  moved: "a page that was moved away is read no more",
  replaced: "a mapping that another replaces, with the same rights, traps nobody",
  flushed: "code that was written and flushed runs in all threads",
  unexecutable: "a page that is not executable any more traps",
  fenced: "code that another thread wrote is what runs after fence.i",
  silent: "fence.i drops what was decoded while others could write",
  grown: "memory that was added is there for all",
  stacks: "stacks grow while mappings change",
  calls: "calls at the same time get areas of their own",
};

describe.each(ways)("$name", ({ jit, env }) => {
  test.each(Object.entries(cases))(
    "%s: %s",
    async (name) => {
      const script = new URL("./sharing-cases.ts", import.meta.url).pathname;
      const child = Bun.spawn([process.execPath, script, name, jit], {
        env: { ...process.env, ...env },
        stderr: "pipe",
        timeout: limit,
      });
      expect({ errors: await child.stderr.text(), status: await child.exited }).toEqual({ errors: "", status: 0 });
    },
    limit,
  );
});

describe("the log of changes", () => {
  test("answers what was noted since, in order", () => {
    const log = new Int32Array(logWords);
    for (let i = 0; i < 200; i++) noteChange(log, i, i + 1);
    expect(sequenceOf(log)).toBe(200);
    expect(changesFrom(log, 197)).toEqual([197, 198, 198, 199, 199, 200]);
    expect(changesFrom(log, 200)).toEqual([]);
    expect(changesFrom(log, 72)?.length).toBe(256);
    expect(changesFrom(log, 71)).toBeUndefined();
  });

  test("goes on where its numbers wrap", () => {
    const log = new Int32Array(logWords);
    log[0] = 2 ** 31 - 2;
    for (let i = 0; i < 5; i++) noteChange(log, i, i + 1);
    expect(changesFrom(log, 2 ** 31 - 2)).toEqual([0, 1, 1, 2, 2, 3, 3, 4, 4, 5]);
  });
});

/** An address space as two workers see it. */
function twoViews() {
  const one = newSpace();
  const two = attachAddressSpace(attachGuestMemory(one.memory.memory), one);
  const heard: (readonly [number, number])[] = [];
  two.memory.codeChanged = (start, end) => heard.push([start / K, end / K]);
  return { one, two, heard };
}

test("dropped code is heard of once by each worker, in runs of pages", () => {
  const { one, two, heard } = twoViews();
  const here: number[] = [];
  one.memory.codeChanged = (start) => here.push(start / K);
  for (const page of [10, 11, 13]) markCode(one.memory, page);
  dropCode(two.memory, 0, 100);
  expect(heard).toEqual([
    [10, 12],
    [13, 14],
  ]);
  expect(here).toEqual([]);
  catchUp(one.memory);
  catchUp(one.memory);
  expect(here).toEqual([10, 13]);
  dropCode(one.memory, 0, 100);
  expect(sequenceOf(one.memory.log)).toBe(two.memory.seen);
});

test("a worker that is far behind drops everything", () => {
  const { one, two, heard } = twoViews();
  for (let i = 0; i < 200; i++) {
    markCode(one.memory, 5);
    changePages(one.memory, 5, 6, ~Page.code, 0);
  }
  catchUp(two.memory);
  expect(heard).toEqual([[0, 2 ** 20]]);
});

test("views follow the memory's growth", () => {
  const { one, two, heard } = twoViews();
  const size = one.memory.size + 2 ** 20;
  expect(growTo(one.memory, size)).toBe(true);
  expect(two.memory.size).toBeLessThan(size);
  catchUp(two.memory);
  expect([two.memory.size, two.memory.u8.length]).toEqual([one.memory.size, one.memory.size]);
  expect(heard).toEqual([]);
});

test("in guest code a fault is left undecided while another has the layout, and decided after", () => {
  const { one, two } = twoViews();
  map(one, base, K, RW, fixed | 0x100);
  addRunner(one.sharing);
  enterGuestCode(two.sharing, 3);
  lock(one.sharing.layout);
  // The mutex refuses its owner, which here is the same agent: what another worker would see is that it is held.
  one.sharing.words[one.sharing.layout.index] = 77 << 1;
  expect(two.memory.fault(base - 1, Page.write)).toBeUndefined();
  expect(two.memory.pages[base / K - 1]! & Page.write).toBe(0);
  one.sharing.words[one.sharing.layout.index] = 1 << 1;
  unlock(one.sharing.layout);
  leaveGuestCode(two.sharing);
  decideFault(two);
  expect(two.memory.pages[base / K - 1]! & Page.write).toBe(Page.write);
  expect(two.sharing.undecided).toBeUndefined();
});

test("a thread that was alone when it entered guest code, or is alone when it leaves, is no reader that others wait for", () => {
  const { one, two } = twoViews();
  enterGuestCode(one.sharing, 0);
  expect(one.sharing.hart).toBe(-1);
  addRunner(one.sharing);
  enterGuestCode(one.sharing, 0);
  expect([isShared(two.sharing), one.sharing.hart]).toEqual([true, 0]);
  removeRunner(two.sharing);
  leaveGuestCode(one.sharing);
  addRunner(one.sharing);
  // This would not return.
  map(two, base, K, RW, fixed);
  map(two, base, K, 0, fixed);
});
