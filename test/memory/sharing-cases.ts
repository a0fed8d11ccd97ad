// Runs one of the cases below in a process of its own, with its engine: `bun sharing-cases.ts CASE JIT`. Each throws where
// something is wrong, and writes figures as JSON.
import { Cause, getU64, hartIn, setPc, setX } from "../../src/cpu/hart.ts";
import { makeEngine } from "../../src/linux/engine.ts";
import { flushCode } from "../../src/memory/address-space.ts";
import { MapFlag, map, protect, unmap } from "../../src/memory/map.ts";
import { mapsText } from "../../src/memory/maps.ts";
import { RemapFlag, remap } from "../../src/memory/remap.ts";
import { addRunner } from "../../src/memory/sharing.ts";
import { vmaOf } from "../../src/memory/vmas.ts";
import {
  answer,
  at,
  awaitRounds,
  awaitTrap,
  entry,
  makeGuest,
  type Order,
  type Runner,
  resume,
  State,
  shown,
  start,
  startAt,
  startCalls,
  stateOf,
  stop,
  until,
  Word,
} from "./runners.ts";
import { anon, fixed, K, R, RW, W } from "./spaces.ts";

const jit = process.argv[3] as Order["jit"];
const poison = 0x5a5a0000;
const initial = 1;

function same(what: string, found: unknown, expected: unknown): void {
  if (found !== expected) throw new Error(`${what}: ${found}, not ${expected}`);
}
const runsOn = (r: Runner): void => {
  if (stateOf(r) !== State.running) throw new Error(`a trap: ${[...r.words.subarray(0, 3)]}`);
};

/** Takes rights away while another thread uses the page, over and over; then gives them back. */
function taking(program: "reader" | "writer", rounds: number, take: (round: number) => number, give: () => void) {
  const s = guest;
  const { i32 } = s.memory;
  i32[at.page / 4] = initial;
  const r = start(s, jit, program, at.page);
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    awaitRounds(s, r);
    runsOn(r);
    const begun = performance.now();
    same("the call", take(round) >= 0, true);
    times.push(performance.now() - begun);
    i32[at.page / 4] = poison;
    const { cause, tval } = awaitTrap(r);
    same("the cause", cause, program === "reader" ? Cause.loadFault : Cause.storeFault);
    same("the address", tval, at.page);
    if (program === "reader") same("what was read", shown(s, r, 0) & poison, 0);
    else same("what lies there", i32[at.page / 4], poison);
    give();
    i32[at.page / 4] = initial;
    resume(r);
  }
  stop(r);
  times.sort((a, b) => a - b);
  return { rounds, median: times[rounds >> 1]!, worst: times.at(-1)! };
}

const guest = makeGuest();
const mapped = (): number => map(guest, at.page, K, RW, fixed);

const cases = {
  unmapped: () => taking("reader", 60, () => unmap(guest, at.page, K), mapped),
  protectedAgainstReads: () =>
    taking(
      "reader",
      60,
      () => protect(guest, at.page, K, 0),
      () => protect(guest, at.page, K, RW),
    ),
  protectedAgainstWrites: () =>
    taking(
      "writer",
      60,
      () => protect(guest, at.page, K, R),
      () => protect(guest, at.page, K, RW),
    ),
  moved: () =>
    taking(
      "reader",
      60,
      () => remap(guest, at.page, K, K, RemapFlag.MAYMOVE | RemapFlag.FIXED, at.elsewhere),
      () => {
        same("the other place", guest.memory.i32[at.elsewhere / 4], initial);
        unmap(guest, at.elsewhere, K);
        mapped();
      },
    ),

  /** A mapping is replaced by another with the same rights: nobody who uses it notices. */
  replaced: () => {
    const runners = (["reader", "writer"] as const).map((name) => start(guest, jit, name, at.page));
    for (let round = 0; round < 200; round++) {
      if (round % 50 === 0) for (const r of runners) awaitRounds(guest, r);
      same("mmap", mapped(), at.page);
    }
    for (const r of runners) {
      awaitRounds(guest, r);
      runsOn(r);
      stop(r);
    }
    return {};
  },

  /** Code is written by this thread, as a system call would, and flushed. */
  flushed: () => {
    const r = start(guest, jit, "caller", at.function);
    for (let round = 1; round < 200; round++) {
      awaitRounds(guest, r);
      guest.memory.view.setUint32(at.function, answer(round), true);
      flushCode(guest, at.function, at.function + 8, true);
      awaitRounds(guest, r, 2);
      same("the answer", shown(guest, r, 0), round);
    }
    stop(r);
    return {};
  },

  /** Executable pages are taken away. */
  unexecutable: () => {
    const r = start(guest, jit, "caller", at.function);
    for (let round = 0; round < 50; round++) {
      awaitRounds(guest, r);
      same("mprotect", protect(guest, at.function, K, R | W), 0);
      guest.memory.view.setUint32(at.function, answer(round), true);
      same("the cause", awaitTrap(r).cause, Cause.fetchFault);
      protect(guest, at.function, K, R | 4);
      resume(r);
      awaitRounds(guest, r);
      same("the answer", shown(guest, r, 0), round);
    }
    stop(r);
    return {};
  },

  /** One thread rewrites a function, the other does fence.i and calls it. */
  fenced: () => {
    const rounds = 1500;
    const words = at.shown + 1024;
    const both = (["rewriter", "reloader"] as const).map((name) =>
      startAt(guest, jit, name, at.writable, words, rounds),
    );
    until(() => both.some((r) => stateOf(r) !== State.running));
    until(() => both.every((r) => stateOf(r) !== State.running));
    for (const { words } of both) same("the cause", words[Word.cause], Cause.ecall);
    return {};
  },

  /**
   * What another thread stores that tested the page before code of it was decoded, and so tells nobody: done here without that
   * thread, as its compiled code would.
   */
  silent: () => {
    addRunner(guest.sharing);
    const h = hartIn(guest.memory, 0);
    const engine = makeEngine(h, guest, { jit });
    for (let round = 1; round < 20; round++) {
      guest.memory.view.setUint32(at.writable, answer(round), true);
      setPc(h, entry("fenceAndCall"));
      setX(h, 10, at.writable);
      same("the cause", engine.run(1000), Cause.ecall);
      same("the answer", getU64(h, 14), round);
    }
    return {};
  },

  /** Memory that one thread adds is there for another. */
  grown: () => {
    const { memory } = guest;
    memory.i32[at.page / 4] = at.page + 64;
    const r = start(guest, jit, "follower", at.page);
    awaitRounds(guest, r);
    let growths = 0;
    for (let round = 0; memory.size < 1500 * 2 ** 20; round++) {
      const before = memory.size;
      const length = 40 * 2 ** 20;
      const addr = map(guest, 0, length, RW, anon);
      same("mmap", addr > 0, true);
      if (memory.size > before) growths++;
      const last = addr + length - 8;
      memory.i32[last / 4] = 1000 + round;
      memory.i32[at.page / 4] = last;
      until(() => shown(guest, r, 2) === last || stateOf(r) !== State.running);
      runsOn(r);
      awaitRounds(guest, r);
      same("what was read", shown(guest, r, 0) >= 1000 + round, true);
      same("what was written", memory.i32[last / 4]! > 1000 + round, true);
    }
    stop(r);
    return { growths };
  },

  /** Stacks grow under two threads while this one changes the list of mappings all the time. */
  stacks: () => {
    const tops = [0x1800_0000, 0x2000_0000];
    const pages = 1500;
    for (const top of tops) map(guest, top - K, K, RW, fixed | MapFlag.GROWSDOWN);
    const runners = tops.map((top) => start(guest, jit, "descender", top, top - pages * K));
    let changes = 0;
    until(() => {
      for (let i = 0; i < 20; i++, changes++) {
        const addr = map(guest, 0, 5 * K, RW, anon);
        protect(guest, addr + K, K, R);
        unmap(guest, addr, 5 * K);
      }
      return runners.every((r) => stateOf(r) !== State.running);
    });
    for (const { words } of runners) same("the cause", words[Word.cause], Cause.ecall);
    for (const top of tops) same("the stack's start", vmaOf(guest, top / K - 1)?.start, top / K - pages);
    return { changes };
  },

  /** Threads that map and unmap at the same time get areas of their own. */
  calls: () => {
    const before = mapsText(guest);
    const total = guest.head[1];
    const workers = Array.from({ length: 4 }, () => startCalls(guest, 1500));
    const r = start(guest, jit, "reader", at.page);
    until(() => workers.every((w) => stateOf(w) === State.ended));
    runsOn(r);
    stop(r);
    same("maps", mapsText(guest), before);
    same("pages", guest.head[1], total);
    return {};
  },
} satisfies Record<string, () => unknown>;

export type Case = keyof typeof cases;

if (import.meta.main) {
  console.log(JSON.stringify(cases[process.argv[2] as Case]()));
  process.exit(0);
}
