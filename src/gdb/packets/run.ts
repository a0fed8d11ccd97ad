// Running, stepping, stopping, ending.

import { removeBreakpoints } from "../../debug/breakpoints.ts";
import { hartOf } from "../../debug/memory.ts";
import { pcRegister, writeRegister } from "../../debug/registers.ts";
import { changing, Head, setDebugged, Thread, threadAt } from "../../debug/state.ts";
import { goOn, isStopped, type Resumption, resume, threadsIn, unhalt } from "../../debug/world.ts";
import { mostProcesses, processAt } from "../../linux/processes.ts";
import { Sig } from "../../linux/siginfo.ts";
import { exitProcess } from "../../linux/signals.ts";
import { withLock } from "../../sync/mutex.ts";
import { parseNumber } from "../codec.ts";
import { allStops, beginNonStop, interruptOne, letRunEach, nextStop } from "../nonstop.ts";
import { type PacketRow, packet } from "../row.ts";
import { leavingWith, letGo, letRun, type Order, statusText, untoldEnds } from "../running.ts";
import {
  currentThread,
  debugged,
  EINVAL,
  ESRCH,
  means,
  parseThreadId,
  type Session,
  spaceNumber,
  type ThreadId,
} from "../session.ts";
import { fromHostNumber } from "../signals.ts";
import { persistent } from "./points.ts";

interface Action extends Resumption {
  readonly stop: boolean;
}

/** `c`, `C05`, `s`, `S05`, `t`, `rSTART,END`. */
function parseAction(text: string): Action | undefined {
  const plain: Action = { ...goOn, stop: false };
  const signal = (): number | undefined => fromHostNumber(parseNumber(text.slice(1)) ?? -1);
  switch (text[0]) {
    case "c":
      return text.length === 1 ? plain : undefined;
    case "s":
      return text.length === 1 ? { ...plain, step: true } : undefined;
    case "t":
      return text.length === 1 ? { ...plain, stop: true } : undefined;
    case "C":
    case "S": {
      const signo = signal();
      return signo === undefined ? undefined : { ...plain, signal: signo, step: text[0] === "S" };
    }
    case "r": {
      const [start, end] = text.slice(1).split(",").map(parseNumber);
      return start === undefined || end === undefined ? undefined : { ...plain, step: true, start, end };
    }
    default:
      return undefined;
  }
}

/** `ACTION[:THREAD][;…]`: the first that means a thread counts for it. */
function vCont(s: Session, rest: string): string | undefined {
  const actions: { readonly action: Action; readonly id: ThreadId }[] = [];
  for (const part of rest.split(";").slice(1)) {
    const [what = "", thread] = part.split(":");
    const action = parseAction(what);
    const id = thread === undefined ? { pid: -1, tid: -1 } : parseThreadId(thread);
    if (action === undefined || id === undefined) return EINVAL;
    actions.push({ action, id });
  }
  const threads = debugged(s);
  const found: (Order & { readonly stop: boolean })[] = [];
  for (const thread of threads) {
    const chosen = actions.find(({ id }) => means(id, thread));
    if (chosen !== undefined) found.push({ thread, how: chosen.action, stop: chosen.action.stop });
  }
  if (s.nonStop) {
    letRunEach(s, found);
    return "OK";
  }
  const orders = found.filter(({ stop }) => !stop);
  if (orders.length === 0 && untoldEnds(s).length === 0) return s.features.has("no-resumed+") ? "N" : ESRCH;
  letRun(
    s,
    threads,
    orders,
    actions.some(({ id }) => id.tid <= 0),
  );
  return undefined;
}

/** The packets from before vCont: one action for the thread of `Hc`, the others go along where it steps for none. */
function old(s: Session, action: string, address: string): string | undefined {
  const how = parseAction(action);
  const t = currentThread(s);
  if (how === undefined) return EINVAL;
  if (t === undefined) return ESRCH;
  if (address !== "") {
    const pc = parseNumber(address);
    if (pc === undefined) return EINVAL;
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt(pc));
    writeRegister(hartOf(s.world, t), pcRegister, bytes);
  }
  const { forContinue } = s;
  const threads = debugged(s);
  const chosen = forContinue.tid > 0 ? (threads.find((thread) => means(forContinue, thread)) ?? t) : t;
  letRun(
    s,
    threads,
    threads.flatMap((thread): Order[] => {
      if (thread.task === chosen.task) return [{ thread, how }];
      return forContinue.tid > 0 || how.step ? [] : [{ thread, how: goOn }];
    }),
    forContinue.tid <= 0 && !how.step,
  );
  return undefined;
}

/** Ends processes as by SIGKILL. */
export function kill(s: Session, pid?: number): boolean {
  const { kernel } = s.world;
  const victims = new Set(debugged(s).flatMap((t) => (pid === undefined || t.pid === pid ? [t.process] : [])));
  const threads = debugged(s).filter(({ process }) => victims.has(process));
  // First: nobody waits for their ends.
  for (const index of victims) setDebugged(s.world.d, index, false);
  for (const index of victims) exitProcess(kernel, processAt(kernel, index), { signal: Sig.KILL, coreDumped: false });
  for (const thread of threads) if (isStopped(s.world, thread)) resume(s.world, thread, goOn);
  return victims.size > 0;
}

/** The debugger leaves a process, or all: what it has put there goes, and they go on. */
export function detach(s: Session, pid?: number): void {
  const { d, kernel } = s.world;
  const mine = new Map(debugged(s).flatMap((t) => (pid === undefined || t.pid === pid ? [[t.process, t]] : [])));
  for (const [process, thread] of mine) {
    const space = spaceNumber(s, thread);
    const isShared = debugged(s).some((t) => t.process !== process && spaceNumber(s, t) === space);
    if (!isShared)
      removeBreakpoints(d.breakpoints, (b) => b.space === space && b.reference !== persistent, changing(d));
    letGo(s, process);
  }
  if (pid !== undefined) return;
  // Halted with no debugger there, all processes would be.
  withLock(d.lock, () => {
    unhalt(s.world);
    Atomics.store(d.words, Head.attached, 0);
  });
  d.words.fill(0, Head.passed, Head.together);
  d.words[Head.reports] = d.words[Head.nonStop] = d.words[Head.strace] = d.words[Head.interpreted] = 0;
  for (let index = 0; index < mostProcesses; index++) setDebugged(d, index, false);
  for (const { task } of threadsIn({ d, kernel })) d.words[threadAt(task) + Thread.options] = 0;
  // Those that nobody has looked at wait for the first debugger too.
  for (const thread of threadsIn({ d, kernel }))
    if (isStopped(s.world, thread)) resume(s.world, thread, leavingWith(s, thread));
}

export const runPackets: readonly PacketRow[] = [
  packet("?", "why the program stopped", (s) => (s.nonStop ? allStops(s) : statusText(s))),
  packet(
    "QNonStop",
    "whether threads stop one by one",
    (s, rest) => {
      if (rest === ":1" && !s.nonStop) beginNonStop(s);
      return rest === ":1" || (rest === ":0" && !s.nonStop) ? "OK" : EINVAL;
    },
    "QNonStop+",
  ),
  packet("vStopped", "the next stop", nextStop),
  packet("c", "continue, at an address if there is one", (s, rest) => old(s, "c", rest)),
  packet("s", "step, at an address if there is one", (s, rest) => old(s, "s", rest)),
  packet("C", "continue with a signal", (s, rest) => {
    const [signal = "", address = ""] = rest.split(";");
    return old(s, `C${signal}`, address);
  }),
  packet("S", "step with a signal", (s, rest) => {
    const [signal = "", address = ""] = rest.split(";");
    return old(s, `S${signal}`, address);
  }),
  packet("vCont?", "what vCont can do", () => "vCont;c;C;s;S;t;r"),
  packet("vCont", "let threads run, each as it is told", vCont, "vContSupported+"),
  packet("vCtrlC", "stop what runs", (s) => {
    if (s.nonStop) interruptOne(s, currentThread(s));
    else s.interrupted = true;
    return "OK";
  }),
  packet("D", "detach", (s, rest) => {
    const pid = rest === "" ? undefined : parseNumber(rest.slice(1));
    if (rest !== "" && pid === undefined) return EINVAL;
    detach(s, pid);
    s.leaving = debugged(s).length === 0;
    return "OK";
  }),
  packet("k", "kill the program", (s) => {
    kill(s);
    s.leaving = true;
    return undefined;
  }),
  packet("vKill", "kill a process", (s, rest) => {
    const pid = parseNumber(rest.slice(1));
    if (pid === undefined) return EINVAL;
    if (!kill(s, pid)) return ESRCH;
    s.leaving = !s.extended && debugged(s).length === 0;
    return "OK";
  }),
];
