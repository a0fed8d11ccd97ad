// Interruptible host calls: kicks at random instants against workers that block in each kind of call. No kick is lost, and no
// call is lost or done twice. `SABRE_SOAK=1` makes twenty times as many.
import { afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import {
  blockingHost,
  hostTid,
  installInterrupts,
  kick,
  kickSignal,
  notEntered,
  useInterrupts,
} from "../../src/host/interrupt.ts";
import { Action, isHandled, lastSignal, readAction, SA, signalBit } from "../../src/host/machine-code.ts";
import { newScratch } from "../../src/host/scratch.ts";
import { addressOf, host } from "../../src/host/syscall.ts";
import { type BlockingClass, classes, close, dawdle, pipe, resetStreams, type Shared } from "./blocking.ts";
import { type Ends, Place, type Start, Word } from "./interrupt-worker.ts";

const kicksEach = process.env["SABRE_SOAK"] ? 20_000 : 1_000;
const floodKicks = process.env["SABRE_SOAK"] ? 10_000_000 : 100_000;
const soakTimeout = 600_000;

const code = installInterrupts();
const newWords = (): Int32Array => new Int32Array(new SharedArrayBuffer(4 * Word.count));
const names = Object.keys(classes);

/** A worker at its calls. */
interface Subject {
  readonly words: Int32Array;
  readonly result: Promise<Ends>;
  /** Resolves when it runs no more. */
  readonly end: () => Promise<void>;
}

const subjects = new Set<Subject>();
afterEach(async () => void (await Promise.all([...subjects].map((subject) => subject.end()))));

/** Gives the worker a reason to attend and, if it is in a call, kicks it. */
function attend(words: Int32Array): void {
  Atomics.store(words, Word.pending, 1);
  if (Atomics.load(words, Word.place) === Place.host) kick(words[Word.tid]!);
}

function start(o: Omit<Start, "code">): Subject {
  const worker = new Worker(new URL("./interrupt-worker.ts", import.meta.url), { workerData: { ...o, code } });
  const { promise, resolve, reject } = Promise.withResolvers<Ends>();
  const closed = new Promise<void>((done) => void worker.on("exit", () => done()));
  worker.on("message", resolve);
  worker.on("error", reject);
  promise.catch(() => {});
  const subject: Subject = {
    words: o.words,
    result: promise,
    end: async () => {
      Atomics.store(o.words, Word.stop, 1);
      attend(o.words);
      // For a worker that hangs because a kick was lost: the test has failed by then.
      const again = setInterval(() => attend(o.words), 100);
      await closed;
      clearInterval(again);
      subjects.delete(subject);
    },
  };
  subjects.add(subject);
  while (Atomics.load(o.words, Word.ready) === 0)
    if (Atomics.wait(o.words, Word.ready, 0, 10_000) === "timed-out") throw new Error("the worker does not begin");
  return subject;
}

/** Waits until the worker has attended so often. False where it does not for long. */
function attended(words: Int32Array, times: number): boolean {
  const patience = 5_000;
  let begin = 0;
  for (let i = 0; Atomics.load(words, Word.handled) < times; i++) {
    if (i < 2000) Atomics.pause();
    else {
      host("sched_yield");
      begin ||= performance.now();
      if (performance.now() - begin > patience) return false;
    }
  }
  return true;
}

const cpuSet = newScratch(128);
const cpuSetOf = (tid: number): Uint32Array => {
  host("sched_getaffinity", tid, cpuSet.bytes.length, cpuSet.address);
  return cpuSet.u32.slice();
};
function setCpus(tid: number, set: Uint32Array): void {
  cpuSet.u32.set(set);
  host("sched_setaffinity", tid, cpuSet.bytes.length, cpuSet.address);
}
const allCpus = cpuSetOf(0);
/** The processors of this process by number. */
const cpus = Array.from({ length: 32 * allCpus.length }, (_, cpu) => cpu).filter(
  (cpu) => (allCpus[cpu >> 5]! >>> (cpu & 31)) & 1,
);
const onlyCpu = (cpu: number): Uint32Array => {
  const set = new Uint32Array(allCpus.length);
  set[cpu >> 5] = 1 << (cpu & 31);
  return set;
};

/**
 * Puts this thread and another on processors of their own, so that they truly run at once; or lets the host choose, which may
 * well keep both on one.
 */
function place(tid: number, apart: boolean): void {
  const two = apart && cpus.length > 1;
  setCpus(0, two ? onlyCpu(cpus[0]!) : allCpus);
  setCpus(tid, two ? onlyCpu(cpus[1]!) : allCpus);
}

/** Chooses an instant: as soon as possible, just when the worker goes into the next call, or when it is asleep there. */
function choose(words: Int32Array): void {
  const kind = Math.random();
  if (kind < 0.2) return;
  for (let i = 0; i < 1000 && Atomics.load(words, Word.place) === Place.elsewhere; i++) Atomics.pause();
  dawdle(kind < 0.8 ? 20 : 2000);
}

/** Descriptors of the process by what they are; not those of the test runner's own files. */
const descriptors = (): string[] =>
  readdirSync("/proc/self/fd")
    .map((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`).replace(/\d+/g, "");
      } catch {
        return "";
      }
    })
    .filter((name) => /^(pipe|socket|anon_inode:\[event(fd|poll)\]|.*sabre-blocking)/.test(name))
    .sort();

interface Outcome extends Ends {
  readonly lost: number;
  readonly kicks: number;
}

/**
 * Lets calls of a row go on at random and asks for attention so often. With `beside`, another worker, that one is kicked too, and
 * the calls are made under load.
 */
async function bombard(name: string, times: number, beside?: Subject): Promise<Outcome> {
  const row = classes[name]!;
  const folder = mkdtempSync(join(tmpdir(), "sabre-blocking-"));
  const words = newWords();
  resetStreams();
  const path = join(folder, "file");
  const shared = { fds: row.open(path), word: addressOf(words) + 4 * Word.futex, path };
  try {
    const subject = start({ words, name, shared, load: beside !== undefined });
    const { given, kicks, lost } = await ask(row, shared, subject, times, beside);
    await subject.end();
    const ends = await subject.result;
    const units = given + row.rest(shared);
    expect({ name, lost, units: ends.units }).toEqual({ name, lost: 0, units });
    return { ...ends, lost, kicks };
  } finally {
    await Promise.all([...subjects].filter((s) => s !== beside).map((s) => s.end()));
    close(row, shared);
    rmSync(folder, { recursive: true });
  }
}

/** The main thread's part: units given, kicks sent, and how often a worker did not attend. */
async function ask(row: BlockingClass, shared: Shared, { words }: Subject, times: number, beside?: Subject) {
  let [given, kicks, lost] = [0, 0, 0];
  let asked = beside?.words[Word.handled] ?? 0;
  for (let i = 1; i <= times && lost === 0; i++) {
    if (i % 100 === 1) place(words[Word.tid]!, i % 200 === 1);
    if (Math.random() < 0.3) given += row.give(shared);
    // That one is asked only after it has attended, so that no kick makes up for a lost one.
    if (beside !== undefined && Atomics.load(beside.words, Word.handled) === asked) {
      attend(beside.words);
      asked++;
    }
    choose(words);
    Atomics.store(words, Word.pending, 1);
    if (Atomics.load(words, Word.place) === Place.host) {
      kick(words[Word.tid]!);
      kicks++;
    }
    if (!attended(words, i)) lost++;
  }
  place(words[Word.tid]!, false);
  if (beside !== undefined && !attended(beside.words, asked)) {
    lost++;
    // It may have failed by itself.
    await beside.end();
    await beside.result;
  }
  return { given, kicks, lost };
}

const report = (name: string, o: Outcome): void => {
  if (process.env["SABRE_SOAK"]) console.log(name, JSON.stringify(o));
};

describe("a blocking call", () => {
  const words = new Int32Array(new SharedArrayBuffer(8));
  const pending = addressOf(words);

  test("passes six arguments and answers the host's result, errors included", () => {
    expect(blockingHost("getppid", 0, 0, 0, 0, 0, 0, pending)).toBe(process.ppid);
    expect(blockingHost("close", -1, 0, 0, 0, 0, 0, pending)).toBe(-9);
    // All six of mmap's matter: private anonymous memory at no given place.
    const at = blockingHost("mmap", 0, 8192, 3, 0x22, -1, 0, pending);
    expect(at).toBeGreaterThan(4096);
    expect(blockingHost("mmap", at, 4096, 3, 0x32, -1, 1, pending)).toBe(-22);
    expect(blockingHost("munmap", at, 8192, 0, 0, 0, 0, pending)).toBe(0);
  });
  test("is not made while something is pending", () => {
    const [from, to] = pipe() as [number, number];
    for (const value of [1, -1, 2 ** 31, 32]) {
      words[0] = value;
      expect(blockingHost("close", from, 0, 0, 0, 0, 0, pending)).toBe(notEntered);
    }
    words[0] = 0;
    expect(blockingHost("close", from, 0, 0, 0, 0, 0, pending)).toBe(0);
    expect(blockingHost("close", to, 0, 0, 0, 0, 0, pending)).toBe(0);
  });
  test("looks at 32 bits only", () => {
    words[1] = -1;
    expect(blockingHost("getppid", 0, 0, 0, 0, 0, 0, pending)).toBe(process.ppid);
  });
});

describe("a kick", () => {
  test("of a thread that is not there is refused", () => {
    expect(kick(hostTid())).toBe(true);
    expect(kick(2 ** 22 + 1)).toBe(false);
  });
  test("has a signal that neither the engine nor the C library has, and interrupts every call", () => {
    const action = readAction(kickSignal);
    expect(Number(action[Action.handler]) - code).toBeGreaterThan(0);
    expect(Number(action[Action.handler]) - code).toBeLessThan(4096);
    expect(Number(action[Action.flags])).toBe(SA.SIGINFO + SA.ONSTACK + (process.arch === "arm64" ? 0 : SA.RESTORER));
    expect([32, 33, 34]).not.toContain(kickSignal);
  });
  test("waits for every handler that may come over the window", () => {
    const synchronous = [4, 5, 7, 8, 11];
    const open = Array.from({ length: lastSignal }, (_, i) => i + 1)
      .filter((signal) => signal !== kickSignal && !synchronous.includes(signal))
      .filter((signal) => isHandled(readAction(signal)))
      .filter((signal) => (readAction(signal)[Action.mask]! & signalBit(kickSignal)) === 0n);
    expect(open).toEqual([]);
  });
  test("reaches a thread that was born with the signal blocked", () => {
    const set = new BigUint64Array([signalBit(kickSignal)]);
    const blocked = (): boolean => {
      const now = new BigUint64Array(1);
      host("rt_sigprocmask", 0, 0, addressOf(now), 8);
      return (now[0]! & signalBit(kickSignal)) !== 0n;
    };
    host("rt_sigprocmask", 0, addressOf(set), 0, 8);
    expect(blocked()).toBe(true);
    useInterrupts(code);
    expect(blocked()).toBe(false);
  });
  test("is set up once for all threads", () => {
    expect(installInterrupts()).toBe(code);
  });
});

describe("kicks at random instants", () => {
  let before: string[];
  let notMade = 0;
  let ended = 0;
  beforeAll(() => {
    before = descriptors();
  });
  test.each(names)(
    "%s: none is lost, nothing is done twice",
    async (name) => {
      const o = await bombard(name, kicksEach);
      report(name, o);
      notMade += o.notEntered;
      ended += o.interrupted;
      // Some calls rarely sleep: a kick then comes before them.
      expect(o.interrupted + o.notEntered).toBeGreaterThan(0);
      expect(o.went).toBeGreaterThan(0);
      expect(o.kicks).toBeGreaterThan(0);
    },
    soakTimeout,
  );
  test(
    "together with garbage collection, compiling and lost pages, two workers at once",
    async () => {
      const name = "clock_nanosleep";
      const beside = start({ words: newWords(), name, shared: { fds: [], word: 0, path: "" }, load: true });
      for (const name of ["write to a full pipe", "futex", "read of an empty pipe"]) {
        const o = await bombard(name, 2 * kicksEach, beside);
        report(`${name}, under load`, o);
        expect(o.lostPages).toBeGreaterThan(0);
      }
      expect(beside.words[Word.handled]).toBeGreaterThan(kicksEach);
      await beside.end();
      expect((await beside.result).lostPages).toBeGreaterThan(0);
    },
    soakTimeout,
  );
  test(
    "are harmless wherever they come: in compiled code, while garbage is collected, in other handlers",
    async () => {
      const words = newWords();
      const subject = start({ words, name: "clock_nanosleep", shared: { fds: [], word: 0, path: "" }, load: true });
      place(words[Word.tid]!, true);
      let asked = 0;
      for (let i = 0; i < floodKicks || asked < 500; i++) {
        // Most of the time the worker is at work.
        if (Atomics.load(words, Word.handled) === asked) {
          attend(words);
          asked++;
        } else kick(words[Word.tid]!);
        dawdle(Math.random() < 0.5 ? 20 : 200);
      }
      place(words[Word.tid]!, false);
      expect(attended(words, asked)).toBe(true);
      await subject.end();
      const ends = await subject.result;
      if (process.env["SABRE_SOAK"]) console.log("flood", JSON.stringify({ ...ends, asked }));
      expect(ends.lostPages).toBeGreaterThan(0);
    },
    soakTimeout,
  );
  test("find some calls not yet made, and others asleep", () => {
    expect(notMade).toBeGreaterThan(100);
    expect(ended).toBeGreaterThan(100);
  });
  test("leave no descriptor behind", () => {
    expect(descriptors()).toEqual(before);
  });
});
